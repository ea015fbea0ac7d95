"""The probes of the availability ledger: they use a venue each second as a customer would.

A probe of orders logs in once, stays logged in and sends an order that ends at once: IOC, at a
price at which nobody trades.  One of market data receives the feed's line; one of a portal asks for
balances, sends an order, and asks for history and withdrawals.  A door that answers is up, also if
it refuses; the function ``matching`` is up if the core has taken the order.
"""

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Event
from typing import Any

from openoutcry.client.fix import FixClient, FixMessage
from openoutcry.client.ouch import OuchClient
from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.client.reasons import REJECTED_42, REJECTED_50
from openoutcry.client.waiting import ClientError
from openoutcry.market_data.receiver import Receiver
from openoutcry.operations.availability import EVERY, PPM, AvailabilityError
from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.private_file import read_private
from openoutcry.wire.text import printable
from openoutcry.wire.toml_tables import Key, Tables, address, integer, one_of, read_tables, text

MATCHING, FEED, PORTAL = "matching", "feed", "portal"
HISTORY, WITHDRAWALS = "history", "withdrawals"
OUCH, FIX = {"ouch-4.2": "4.2", "ouch-5.0": "5.0"}, {"fix-4.4": "4.4", "fix-4.2": "4.2"}
PROTOCOLS = (*OUCH, *FIX, PORTAL, FEED)
SESSION = ("address", "session", "password_file", "symbol", "price")
NEEDED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*OUCH, *FIX), SESSION),
    PORTAL: ("url", "key_file", "symbol", "price"),
    FEED: ("address",),
}
"""The keys that a probe of each protocol needs."""
CLOSED = "closed"
"""Instead of a cause: the market's phase takes no order, so matching cannot be looked at."""
OBJECTIVE_PPM = 999_500
MONEY_SENT = ("requested", "approved", "sent")
HEARTBEAT_S = 1
GONE = 500
"""HTTP statuses from here on: the portal could not ask the venue."""
Causes = dict[str, str]
"""By function what is wrong with it; "": nothing."""


def _percent(value: Any) -> int:
    """A share as text, as "99.95", in parts per million."""
    try:
        ppm = Decimal(text(10)(value)) * PPM / 100
        if ppm != int(ppm) or not 0 < ppm <= PPM:
            raise ValueError
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(
            f'{value!r} is not a share of the time in percent, as "99.95", with at most 4 decimals'
        ) from None
    return int(ppm)


def _price(value: Any) -> str:
    price = text(40)(value)
    try:
        if not Decimal(price).is_finite():
            raise ValueError
    except (InvalidOperation, ValueError):
        raise ValueError(f"{value!r} is not a price, as text") from None
    return price


PROBE = {
    "name": Key(text(40)),
    "protocol": Key(one_of({name: name for name in PROTOCOLS})),
    "address": Key(address, None),
    "url": Key(text(), ""),
    "session": Key(text(), ""),
    "password_file": Key(text(), ""),
    "key_file": Key(text(), ""),
    "target": Key(text(32), "OUTCRY"),
    "interface": Key(text(), ""),
    "symbol": Key(text(32), ""),
    "side": Key(one_of({"buy": "buy", "sell": "sell"}), "buy"),
    "quantity": Key(_price, "1"),
    "price": Key(_price, ""),
    "timeout_ms": Key(integer(1, 60_000), 1_000),
    "behind_ms": Key(integer(1, 3_600_000), 10_000),
    "withdrawal_s": Key(integer(1, 30 * 86_400), 3_600),
}
TOP = {"store": Key(text(), "availability.sqlite"), "percent": Key(_percent, OBJECTIVE_PPM)}
OBJECTIVE = {"function": Key(text(80)), "percent": Key(_percent)}


@dataclass(frozen=True)
class Settings:
    """Content of an availability file."""

    path: Path
    store: Path
    probes: list[dict[str, Any]]
    objectives_ppm: Mapping[str, int]

    def functions(self) -> dict[str, int]:
        """Return each function that the probes look at, with its objective."""
        names = [name for row in self.probes for name in functions_of(row)]
        return {name: self.objectives_ppm.get(name, self.default_ppm) for name in names}

    @property
    def default_ppm(self) -> int:
        """The objective of functions that have no other."""
        return self.objectives_ppm.get(EVERY, OBJECTIVE_PPM)

    def open(self) -> list["Probe"]:
        """Make the probes; they connect when they look.  Raises :class:`AvailabilityError`."""
        made = []
        for row in self.probes:
            kind = _kind(row["protocol"])
            secret = row["key_file"] if kind is PortalProbe else row["password_file"]
            path = self.path.parent / secret
            made.append(kind(row, read_private(path, AvailabilityError) if secret else ""))
        return made


def read_settings(path: Path) -> Settings:
    """Read the file.  Raises :class:`AvailabilityError` naming its first mistake with its line."""
    tables = read_tables(path, lambda mistakes: AvailabilityError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, (*TOP, "objective", "probe"))
    given = tables.top(TOP)
    probes = [row for at, row in tables.rows("probe", PROBE) if _is_whole(tables, at, row)]
    if not probes:
        tables.wrong(("probe",), "there is none")
    functions = [((*at, "name"), name) for at, name in _named(tables, probes)]
    tables.distinct(functions, "function")
    names = [name for _, name in functions]
    objectives = {EVERY: given["percent"]}
    for at, row in tables.rows("objective", OBJECTIVE):
        if row["function"] is not None and row["function"] not in names:
            known = ", ".join(names)
            tables.wrong((*at, "function"), f"no probe looks at {row['function']!r}: {known}")
        objectives[row["function"]] = row["percent"]
    if tables.mistakes:
        raise AvailabilityError(f"{path}: {min(tables.mistakes)}")
    return Settings(path, path.parent / given["store"], probes, objectives)


def _is_whole(tables: Tables, at: Any, row: dict[str, Any]) -> bool:
    missing = [key for key in NEEDED.get(row["protocol"], ()) if not row[key]]
    for key in missing:
        tables.wrong((*at, key), "is missing")
    return not missing and row["name"] is not None and row["protocol"] is not None


def _named(tables: Tables, probes: list[dict[str, Any]]) -> list[tuple[Any, str]]:
    """The functions of the probes, each with its probe's place; matching is of the first."""
    is_judged, found = False, []
    for number, row in enumerate(probes):
        row["judges_matching"] = not is_judged and row["protocol"] in (*OUCH, *FIX, PORTAL)
        is_judged = is_judged or row["judges_matching"]
        found += [(("probe", number), name) for name in functions_of(row)]
    return found


def functions_of(row: Mapping[str, Any]) -> list[str]:
    """Return the names of the functions that a probe looks at."""
    name, matching = row["name"], [MATCHING] if row["judges_matching"] else []
    if row["protocol"] == FEED:
        return [f"{FEED} {name}"]
    if row["protocol"] != PORTAL:
        return [f"entry {name}", *matching]
    return [f"{part} {name}" for part in (PORTAL, "entry", HISTORY, WITHDRAWALS)] + matching


class Probe(Closing):
    """One customer.  ``row``: its table of the file; ``secret``: what it logs in with."""

    def __init__(self, row: dict[str, Any], secret: str) -> None:
        self.row, self.secret, self.functions = row, secret, functions_of(row)
        self.timeout_s = row["timeout_ms"] / 1_000

    @abstractmethod
    def look(self) -> Causes:
        """Look at the venue once; functions that could not be looked at are absent."""

    def _judged(self, entry: str, matching: str | None) -> Causes:
        """Return what an order found; ``matching`` None: it could not be looked at."""
        found = {f"entry {self.row['name']}": entry}
        if self.row["judges_matching"] and matching not in (None, CLOSED):
            found[MATCHING] = str(matching)
        return found


class OrderProbe(Probe):
    """A session that enters orders."""

    client: Any = None

    @abstractmethod
    def _connect(self) -> Any: ...

    @abstractmethod
    def _answer(self, name: Any) -> str | None:
        """Return what became of an order: "" taken, why it was refused, None: no answer yet."""

    @abstractmethod
    def _enter(self) -> Any: ...

    def look(self) -> Causes:
        """Send an order and wait for its answer; log in before it where that is to be done."""
        try:
            if self.client is None:
                self.client = self._connect()
            name, end_s = self._enter(), time.monotonic() + self.timeout_s
            while time.monotonic() < end_s:
                matching = self._answer(name)
                if matching is not None:
                    return self._judged("", matching)
        except (ClientError, ValueError) as error:
            self.close()
            return self._judged(str(error), None)
        return self._judged("", f"no answer to an order in {self.timeout_s:g} s")

    def close(self) -> None:
        """End the session."""
        client, self.client = self.client, None
        if client is not None:
            client.logout()


class OuchProbe(OrderProbe):
    """A session of OUCH."""

    def _connect(self) -> OuchClient:
        version, symbols = OUCH[self.row["protocol"]], [self.row["symbol"]]
        (host, port), session = self.row["address"], self.row["session"]
        return OuchClient(host, port, session, self.secret, version=version, symbols=symbols)

    def _enter(self) -> Any:
        side = "B" if self.row["side"] == "buy" else "S"
        terms = self.row["symbol"], int(self.row["quantity"]), self.row["price"]
        return self.client.enter(side, *terms, ioc=True)

    def _answer(self, name: Any) -> str | None:
        message = self.client.next(self.timeout_s)
        if message is None or name not in (
            message.fields.get(key) for key in ("token", "user_ref")
        ):
            return None
        if message.kind != "J":
            return ""
        known = REJECTED_50 if self.client.is_50 else REJECTED_42
        reason = known.get(message["reason"], str(message["reason"]))
        return CLOSED if reason == "wrong phase of the day" else f"an order was refused: {reason}"


class FixProbe(OrderProbe):
    """A session of FIX."""

    def _connect(self) -> FixClient:
        row = self.row
        host, port = row["address"]
        return FixClient(
            host,
            port,
            row["session"],
            self.secret,
            target=row["target"],
            version=FIX[row["protocol"]],
            heartbeat_s=HEARTBEAT_S,
            timeout_s=self.timeout_s,
        )

    def _enter(self) -> Any:
        row = self.row
        enter = self.client.buy if row["side"] == "buy" else self.client.sell
        return enter(row["symbol"], int(row["quantity"]), row["price"], ioc=True)

    def _answer(self, name: Any) -> str | None:
        message: FixMessage | None = self.client.next(self.timeout_s)
        if message is None or name not in (message.get(11), message.get(379)):
            return None
        if message.kind == "8" and message.get(39) != "8":
            return ""
        is_closed = message.get(103) == "2"  # exchange closed
        return CLOSED if is_closed else f"an order was refused: {message.get(58)}"


class FeedProbe(Probe):
    """A subscriber to one line of a feed, which says something at least once a second."""

    receiver: Receiver | None = None

    def look(self) -> Causes:
        """Wait for a packet."""
        try:
            if self.receiver is None:
                self.receiver = Receiver([self.row["address"]], interface=self.row["interface"])
            end_s = time.monotonic() + self.timeout_s
            while time.monotonic() < end_s:
                if self.receiver.poll(end_s - time.monotonic()):
                    return {self.functions[0]: ""}
        except OutcryError as error:
            self.close()
            return {self.functions[0]: str(error)}
        return {self.functions[0]: f"no packet in {self.timeout_s:g} s"}

    def close(self) -> None:
        """Leave the line."""
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.close()


class PortalProbe(Probe):
    """A person's program at a portal.  Its key file has the key and, in a second line, the
    secret."""

    def __init__(self, row: dict[str, Any], secret: str) -> None:
        super().__init__(row, secret)
        key, _, rest = secret.partition("\n")
        self.client = PortalClient(row["url"], key.strip(), rest.strip(), self.timeout_s)

    def look(self) -> Causes:
        """Ask for balances, enter an order, ask for history and withdrawals."""
        name = self.row["name"]
        found = {f"{PORTAL} {name}": _failure(self._balances)}
        if found[f"{PORTAL} {name}"]:
            return found
        found |= self._ordered()
        found[f"{HISTORY} {name}"] = _failure(self._history)
        found[f"{WITHDRAWALS} {name}"] = _failure(self._withdrawals)
        return found

    def _ordered(self) -> Causes:
        row = self.row
        terms = {"quantity": row["quantity"], "price": row["price"], "time_in_force": "ioc"}
        try:
            self.client.place(row["symbol"], row["side"], "limit", **terms)
        except PortalError as error:
            if error.status >= GONE:
                return self._judged(str(error), None)
            return self._judged("", f"an order was refused: {error}")
        except ClientError as error:
            return self._judged(str(error), None)
        return self._judged("", "")

    def _balances(self) -> str:
        self.client.balances()
        return ""

    def _history(self) -> str:
        behind_ms, most_ms = self.client.history_state().behind_ms, self.row["behind_ms"]
        return f"it is {behind_ms} ms behind the venue" if behind_ms > most_ms else ""

    def _withdrawals(self) -> str:
        now, most_s = datetime.now(UTC), self.row["withdrawal_s"]
        self.client.withdrawal_limits()
        for row in self.client.list_withdrawals().items:
            waits_s = (now - row.changed_at).total_seconds()
            if row.state in MONEY_SENT and waits_s > most_s:
                return f"withdrawal {row.id} is {row.state} for {waits_s:.0f} s"
        return ""

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def _failure(ask: Callable[[], str]) -> str:
    """Return what ``ask`` says is wrong, or why it had no answer."""
    try:
        return ask()
    except ClientError as error:
        return str(error)


def _kind(protocol: str) -> type[Probe]:
    kinds: dict[str, type[Probe]] = {PORTAL: PortalProbe, FEED: FeedProbe}
    return kinds.get(protocol) or (OuchProbe if protocol in OUCH else FixProbe)


def look_until(
    stop: Event,
    probe: Probe,
    keep: Callable[[int, int, Causes], None],
    clock: Callable[[], float] = time.time,
) -> None:
    """Look each second until ``stop``; ``keep`` gets the seconds, from and to, and the causes.

    A look that takes longer than its second counts for all seconds that it took."""
    second = math.ceil(clock())
    while not stop.wait(max(0.0, second - clock())):
        # A cause may be a text of the host that was asked, which terminals and pages show.
        causes = {name: printable(cause) for name, cause in probe.look().items()}
        after = max(second + 1, math.ceil(clock()))
        keep(second, after, causes)
        second = after
    probe.close()
