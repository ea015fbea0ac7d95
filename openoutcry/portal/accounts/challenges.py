"""A proof of work before a stranger's request (the open scheme ALTCHA).  A mail that the portal
sends, or a password that is guessed, then costs the stranger more than the portal."""

import asyncio
import base64
import hashlib
import json
import time
from datetime import timedelta
from typing import Any

from openoutcry.portal.accounts.accounts import Accounts, Caller
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.accounts.tickets import Tickets
from openoutcry.wire.extras import need

ALGORITHM, LASTS = "PBKDF2/SHA-256", timedelta(minutes=10)
PREFIX = "00"
"""A key that begins so is one in 256."""


class ChallengeRequired(AccountError):
    """The solution of a challenge is missing, wrong, too old or already used."""

    status, code = 428, "challenge_required"


class Challenges:
    """Gives challenges, and takes each solution once."""

    def __init__(self, accounts: Accounts, cost: int) -> None:
        """``cost``: rounds of a key; 0: no challenge is ever asked for."""
        self.accounts, self.cost = accounts, cost
        self.tickets = Tickets(accounts.database)
        self._secret = accounts.key.derived("challenges").hex()

    def new(self) -> dict[str, Any]:
        """A challenge, as its clients know it."""
        altcha = need("altcha", "challenges need altcha", "portal")
        made = altcha.create_challenge(
            ALGORITHM,
            max(1, self.cost),
            key_prefix=PREFIX,
            expires_at=int(time.time() + LASTS.total_seconds()),
            hmac_secret=self._secret,
        )
        return dict(made.to_dict())

    async def require_after_failures(self, solution: str, mail: str, caller: Caller) -> None:
        """Require a solution where attempts have failed before, of the address or of the caller's
        network.  Raises :class:`ChallengeRequired`."""
        if self.cost and await self.accounts.needs_proof(caller, mail):
            await self.require(solution)

    async def require(self, solution: str) -> None:
        """Raises :class:`ChallengeRequired`."""
        if not self.cost:
            return
        altcha = need("altcha", "challenges need altcha", "portal")
        expires = _expires_at(solution)
        is_right = expires > time.time()
        if is_right:
            try:
                made = await asyncio.to_thread(altcha.verify_solution, solution, self._secret)
                is_right = made.verified
            except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
                is_right = False  # of another form than ours
        if not is_right:
            raise ChallengeRequired("solve a challenge of GET /v1/challenge first")
        mark = hashlib.sha256(_signature(solution).encode()).hexdigest()
        until = self.accounts.now() + LASTS
        if not await self.tickets.spend(f"c {mark}", "challenge", until):
            raise ChallengeRequired("this challenge was used: solve another one")


def _challenge(solution: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(solution, validate=True))["challenge"]
        return found if type(found) is dict else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _expires_at(solution: str) -> float:
    given = _challenge(solution).get("parameters")
    found = given.get("expiresAt") if type(given) is dict else None
    return float(found) if type(found) is int and 0 < found < 2**53 else 0.0


def _signature(solution: str) -> str:
    return str(_challenge(solution).get("signature", ""))
