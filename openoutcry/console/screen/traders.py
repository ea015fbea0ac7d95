"""The sessions of a venue's participants that are logged in: one connection each, however many
pages look at it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from openoutcry.client import ClientError, LoginRejected
from openoutcry.console.accounts import SESSION_S
from openoutcry.console.screen.orders import Fill
from openoutcry.console.screen.trader import ENDED, REFUSED, Busy, TradeError, Trader
from openoutcry.order_entry.passwords import PASSWORD_LENGTH, password_hasher
from openoutcry.order_entry.spec import Protocol
from openoutcry.venue.file import VenueFile
from openoutcry.venue.operators import OperatorError
from openoutcry.wire import OutcryError

MAX_NAME = 6
"""Maximum length of a login's name over SoupBinTCP."""
WRONG = "name or password is wrong"
Notify = Callable[[Trader, str, Fill | None, bool], None]


@dataclass(frozen=True)
class Participant:
    """The participant that a session is for."""

    name: str
    participant: int
    role: str = "participant"


def require_traded(file: VenueFile, symbol: str) -> None:
    """Raise :class:`TradeError` unless the page's sessions, which speak OUCH 4.2, trade it."""
    if symbol not in file.symbols:
        raise TradeError("there is no such instrument")
    if symbol in file.sessions.not_by_ouch:
        raise TradeError(
            f"{symbol} is not traded on this page, which enters orders by OUCH: the venue file "
            "says `ouch = false` for it; trade it over FIX or shared memory"
        )


class Traders:
    """Traders by the session's number in the venue file, from 1."""

    def __init__(
        self, file: VenueFile, notify: Notify, clock: Callable[[], float] = time.monotonic
    ) -> None:
        ports = [port for port in file.sessions.ports if port.protocol is Protocol.OUCH42]
        if not ports:
            raise OutcryError(
                f"{file.path}: this page trades over OUCH 4.2, but the file has no "
                "[[port]] with ouch-4.2"
            )
        self.file, self.port, self.notify, self.clock = file, ports[0], notify, clock
        self._traders: dict[int, tuple[Trader, float]] = {}
        self._lock = Lock()

    def __getitem__(self, number: int) -> Participant:
        row = self.file.sessions.sessions[number - 1]
        return Participant(row.name, row.participant)

    def prove(self, name: str, password: str, code: str = "") -> int:
        """The number of the session with this name and password: the venue takes the login, or a
        second page has the password of one that is logged in.

        Raises :class:`OperatorError`, and :class:`Busy` while the venue is not open."""
        if len(name) > MAX_NAME or len(password) > PASSWORD_LENGTH or not name.strip():
            raise OperatorError(WRONG)  # no session of SoupBinTCP has these
        if not (name.isascii() and password.isascii()):
            raise OperatorError(WRONG)
        rows = [
            row if row.protocol is Protocol.OUCH42 and row.is_there else None
            for row in self.file.sessions.sessions
        ]
        folded = name.strip().casefold()
        number = next(
            (
                number
                for number, row in enumerate(rows, 1)
                if row is not None and row.name.casefold() == folded
            ),
            0,
        )
        row = rows[number - 1] if number else None
        if row is not None and self.trader(number) is not None:
            self._verify(row.password_hash, password)
            self._keep(number)
            return number
        try:
            participant = row.participant if row else 0
            trader = Trader(self.port, name, password, participant, self.notify, self.file.symbols)
        except LoginRejected as error:
            if error.reason == "S":
                raise Busy("this session is connected elsewhere") from None
            raise OperatorError(WRONG) from None
        except ClientError as error:
            raise Busy(f"the venue is not open: {error}") from None
        if row is None:  # the venue was served with another file than this one
            trader.stop()
            raise OperatorError(WRONG)
        with self._lock:
            before = self._traders.pop(number, None)
            self._traders[number] = trader, self.clock() + SESSION_S
        if before is not None:
            before[0].stop()
        return number

    def _verify(self, password_hash: str, password: str) -> None:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            password_hasher().verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            raise OperatorError(WRONG) from None

    def _keep(self, number: int) -> None:
        with self._lock:
            self._traders[number] = self._traders[number][0], self.clock() + SESSION_S

    def trader(self, number: int) -> Trader | None:
        """Return the trader; None if it is logged out, or the venue no longer accepts it."""
        entry = self._traders.get(number)
        return entry[0] if entry is not None and entry[0].state not in (REFUSED, ENDED) else None

    def numbers(self) -> list[int]:
        """Participants that are logged in at the venue."""
        return [number for number in list(self._traders) if self.trader(number) is not None]

    def end(self, number: int) -> None:
        """Log out at the venue; orders stay."""
        with self._lock:
            entry = self._traders.pop(number, None)
        if entry is not None:
            entry[0].stop()

    def sweep(self) -> None:
        """End those whose last login was more than SESSION_S ago."""
        now_s = self.clock()
        for number, (_, until_s) in list(self._traders.items()):
            if until_s < now_s:
                self.end(number)

    def stop(self) -> None:
        """Log every trader out; orders stay."""
        for number in list(self._traders):
            self.end(number)
