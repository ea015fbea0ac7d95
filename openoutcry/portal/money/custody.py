"""The portal's way to custody: its door, and what the portal knows of it.

The portal proves who a user is and what a level may withdraw.  Custody decides about addresses,
waits, rules and people, and pays.  What the door refuses has custody's code and words; a door that
does not answer is :class:`Unavailable`, and what was asked for is asked again.
"""

import asyncio
import hashlib
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.sockets import ask
from openoutcry.custody.statement import reference_of
from openoutcry.portal.accounts.errors import Declined, TooMany, Unavailable
from openoutcry.portal.database import Row
from openoutcry.wire.load_limits import Threads, TurnsError

ANSWER_S = 10.0
OF_USERS = ("form", "check", "address", "deposits")
"""What a user's request asks, whenever it comes."""
AT_ONCE, WAITING = 4, 8
"""Requests at the door at once, of them one of each participant, and how many of a participant's
wait: while the door does not answer, no other work of the portal waits for its threads."""
LOOK_S = 60.0
"""Seconds between two looks at custody's offers."""
AWAY = "custody does not answer now; try again later"
log = logging.getLogger("outcry.portal")


class WithdrawalError(Declined):
    """A withdrawal that is refused."""


@dataclass(frozen=True)
class Offer:
    """An asset on a chain; ``confirmations``: amounts up to, and the blocks that a deposit needs;
    amount 0: any."""

    chain: str
    confirmations: tuple[tuple[int, int], ...]

    @property
    def most(self) -> int:
        """Blocks after which any deposit is credited."""
        return max(count for _, count in self.confirmations)


class Custody:
    """The door of one custody; without a socket this portal has no custody."""

    def __init__(self, socket: Path | None) -> None:
        self.socket = socket
        self.offers: dict[str, Offer] = {}
        """By asset, as custody said last."""
        self._looked_s = -LOOK_S
        self._is_away = False
        self._threads = Threads("custody", AT_ONCE, 1, WAITING)

    async def _ask(self, do: str, **terms: Any) -> dict[str, Any]:
        """Raises :class:`WithdrawalError`, :class:`Unavailable` or :class:`TooMany`."""
        if self.socket is None:
            raise Unavailable(AWAY)
        owner = f"{terms['participant']}" if do in OF_USERS else ""
        request = {"do": do, **terms}
        try:
            answer = await self._threads.run(owner, ask, self.socket, request, ANSWER_S)
        except TurnsError as error:
            raise TooMany(str(error), retry_after_s=math.ceil(error.wait_s)) from None
        except Refused as error:
            raise WithdrawalError(error.code, str(error)) from None
        except CustodyError as error:
            if not self._is_away:
                log.error("custody: %s", error)
            self._is_away = True
            raise Unavailable(AWAY) from None
        self._is_away = False
        return answer

    async def look(self) -> None:
        """Read the offers, now and then."""
        now_s = asyncio.get_running_loop().time()
        if self.socket is None or now_s < self._looked_s + LOOK_S:
            return
        found = await self._ask("offers")
        self._looked_s = now_s
        self.offers = {
            row["asset"]: Offer(row["chain"], tuple((a, b) for a, b in row["confirmations"]))
            for row in found["assets"]
        }

    # Addresses

    async def form(self, chain: str, participant: int, address: str) -> str:
        """An address as custody writes it, if it may be on a whitelist."""
        found = await self._ask("form", chain=chain, participant=participant, address=address)
        return str(found["address"])

    async def whitelist(self, row: Row) -> int:
        """Usable from that time on, in nanoseconds.  Again: the first time counts."""
        terms = {name: row[name] for name in ("chain", "participant", "address", "label")}
        return int((await self._ask("whitelist", **terms))["usable_ns"])

    async def unlist(self, row: Row) -> None:
        """Remove an address from custody's list.

        ``row``: of ``withdrawal_addresses``.  Raises :class:`WithdrawalError` if custody refuses,
        :class:`Unavailable` if it does not answer."""
        terms = {name: row[name] for name in ("chain", "participant", "address")}
        await self._ask("unlist", **terms)

    # Withdrawals

    async def check(
        self, participant: int, asset: str, chain: str, address: str, units: int
    ) -> str:
        """The address in its normal form, if a payment to it may be asked for now."""
        terms = {"participant": participant, "asset": asset, "address": address, "units": units}
        found = await self._ask("check", **terms)
        if found["chain"] != chain:
            log.error("custody has %s on %s, the portal on %s", asset, found["chain"], chain)
            raise WithdrawalError("not_withdrawable", "this asset is not withdrawn that way")
        return str(found["address"])

    async def withdraw(self, row: Row, changes: str = "", *, cancelled: bool = False) -> None:
        """Hand it over; again: nothing more happens.  ``changes``: of its owner's account, for the
        people who approve it; again, they read these.  ``cancelled``: it is never paid."""
        names = "participant", "asset", "address", "salt", "device"
        terms = {name: row[name] for name in names} | {"cancelled": cancelled}
        found = await self._ask("withdraw", units=row["amount"], changes=changes, **terms)
        if found["reference"] != row["reference"]:
            # Both hash the same terms: one of them is not what it was.
            log.critical("custody has %s for %s", found["reference"], row["reference"])
            raise Unavailable(AWAY)

    async def cancel(self, row: Row) -> None:
        """Cancel a withdrawal that was handed over.

        ``row``: of ``withdrawals``.  Raises :class:`WithdrawalError` if custody refuses,
        :class:`Unavailable` if it does not answer."""
        terms = row["participant"], row["reference"]
        await self._ask("cancel", participant=terms[0], reference=terms[1])

    async def states(self, references: list[str]) -> dict[str, dict[str, Any]]:
        """Return the state of each withdrawal that custody has."""
        found = await self._ask("withdrawals", references=references)
        return dict(found["withdrawals"])

    # Deposits

    async def address(self, chain: str, participant: int, owner: int) -> str:
        """Return the address to which a participant pays in; ``owner``: of its main account."""
        found = await self._ask("address", chain=chain, participant=participant, owner=owner)
        return str(found["address"])

    async def deposits(self, participant: int) -> list[dict[str, Any]]:
        """A participant's, the newest first; none while custody does not answer."""
        if self.socket is None:
            return []
        try:
            return list((await self._ask("deposits", participant=participant))["deposits"])
        except Unavailable:
            return []


def reference_at_custody(
    participant: int, asset: str, chain: str, address: str, units: int, salt: str
) -> str:
    """Return the name of this withdrawal at custody and its signers: a hash that covers its
    destination, too."""
    return reference_of(participant, asset, chain, address, units, salt)


def device_of(agent: str) -> str:
    """Return the name by which custody's rules know a device: not what it says about itself."""
    return hashlib.sha256(agent.encode()).hexdigest()[:32] if agent else ""
