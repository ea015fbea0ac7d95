"""Passwords and one-time codes of people."""

import asyncio
import contextlib
import hmac
import math
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

from openoutcry.order_entry.passwords import dummy_hash, password_hasher
from openoutcry.portal.accounts.errors import InvalidRequest, Locked
from openoutcry.wire.extras import need
from openoutcry.wire.load_limits import SharedPlaces, Turn, Turns, TurnsError
from openoutcry.wire.peers import owner_of

SHORTEST, LONGEST = 12, 256
STEP_S = 30
AT_ONCE, EACH, WAITING = 2, 1, 16
"""Passwords that are checked at once, in all and of one address, and of this address that wait."""
COMMON = frozenset(
    ("password", "123456", "qwerty", "letmein", "welcome", "admin", "iloveyou", "abc123")
)


def require_password(password: str, mail: str) -> None:
    """Raise :class:`InvalidRequest` for one that is easily guessed (NIST SP 800-63B: length, and no
    rules of composition)."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidRequest(f"password: it has {SHORTEST} to {LONGEST} characters")
    folded = password.casefold()
    stripped = folded.strip("0123456789!.?*_-")
    if len(set(folded)) < 5 or stripped in COMMON or mail.partition("@")[0] == stripped:
        raise InvalidRequest("password: it is easily guessed")


class Passwords:
    """argon2id in a thread: a hash takes tens of milliseconds."""

    def __init__(self, hasher: Any = None, places: SharedPlaces | None = None) -> None:
        """``places``: of the portal's processes, if several."""
        self._hasher = hasher or password_hasher()
        self._dummy = dummy_hash(self._hasher)
        self._turns = Turns(AT_ONCE, EACH, WAITING, places)
        """Each takes 64 MiB: no more at once, however many strangers ask."""

    async def hash(self, password: str, address: str) -> str:
        """``address``: whose turn it is.  Raises :class:`Locked` if too many of it wait."""
        async with self._turn(address):
            return str(await asyncio.to_thread(self._hasher.hash, password))

    async def is_right(self, password_hash: str | None, password: str, address: str) -> bool:
        """False, after the same work, where there is no account.  Raises :class:`Locked`."""
        async with self._turn(address) as turn:
            turn.has_failed = True
            right = await asyncio.to_thread(self._verify, password_hash or self._dummy, password)
            right = right and password_hash is not None
            turn.has_failed = not right
        return right

    @contextlib.asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[Turn]:
        try:
            async with self._turns.turn(owner_of(address)) as turn:
                yield turn
        except TurnsError as error:
            raise Locked(str(error), retry_after_s=math.ceil(error.wait_s)) from None

    def _verify(self, password_hash: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return bool(self._hasher.verify(password_hash, password))
        except (VerificationError, InvalidHashError):
            return False


def totp_step(secret: str, code: str, now_s: float | None = None) -> int:
    """The step whose code this is, of this one and those to either side; 0: of none."""
    totp = need("pyotp", "one-time codes need pyotp", "portal").TOTP(secret, interval=STEP_S)
    step = int(time.time() if now_s is None else now_s) // STEP_S
    found = 0
    for one in (step - 1, step, step + 1):
        if hmac.compare_digest(totp.generate_otp(one).encode(), code.encode()):
            found = one
    return found


def mailed_code() -> str:
    """Eight digits."""
    return f"{secrets.randbelow(10**8):08}"
