"""The chart of accounts: which there are, where each lies in the table, how each is named.

An account is of one owner and one asset.  Participants are owners, and so is the venue, which keeps
other accounts.  All balances of an asset sum to 0: what the participants and the venue hold is what
the outside world has brought in.
"""

from enum import IntEnum
from typing import NamedTuple

from openoutcry.wire.errors import LedgerError

KINDS = 4
"""Accounts of an owner in an asset."""
VENUE = 0
"""Owner 0; participant p is owner p + 1, because participants count from 0."""


class Account(IntEnum):
    """A participant's accounts in an asset."""

    AVAILABLE = 0
    """Amount that it may use or take out; of an instrument negative if it is short."""
    RESERVED = 1
    """Amount that its open orders need: money of buys and fees, lots of sales."""
    MARGIN = 2
    """Amount that its short (of a leveraged instrument: its worst) position needs."""
    FEES_DUE = 3
    """Fees by schedule that it owes and that were not collected yet: negative; above 0 are rebates
    to come."""


class VenueAccount(IntEnum):
    """The venue's accounts in an asset."""

    FEE_INCOME = 0
    CLEARING = 1
    """The other side of every trade: 0 when both sides are posted."""
    SUSPENSE = 2
    """Amounts that came without a known purpose."""
    OUTSIDE = 3
    """The outside world: negative by what was brought in and not taken out."""


PLACES = {
    **{(True, account.value): account.name for account in VenueAccount},
    **{(False, account.value): account.name for account in Account},
}


class Place(NamedTuple):
    """An account by what it is."""

    owner: int
    asset: int
    kind: int

    @property
    def participant(self) -> int | None:
        """The owner's participant number, None for the venue."""
        return None if self.owner == VENUE else self.owner - 1

    def name(self, assets: list[str]) -> str:
        """``participant:7:USD:available`` or ``venue:USD:fee_income``."""
        kind = PLACES[self.owner == VENUE, self.kind].lower()
        who = "venue" if self.owner == VENUE else f"participant:{self.owner - 1}"
        return f"{who}:{assets[self.asset]}:{kind}"


def index_of(owner: int, asset: int, kind: int, asset_count: int) -> int:
    """Row of an account in the table of balances."""
    return (owner * asset_count + asset) * KINDS + kind


def place_of(index: int, asset_count: int) -> Place:
    """The account of a row."""
    rest, kind = divmod(index, KINDS)
    return Place(*divmod(rest, asset_count), kind)


def parsed(name: str, assets: list[str]) -> Place:
    """The account that :meth:`Place.name` calls so.

    Raises :class:`LedgerError` naming the part that is unknown.
    """
    parts = name.split(":")
    is_venue = parts[0] == "venue"
    if len(parts) != (3 if is_venue else 4) or not (is_venue or parts[0] == "participant"):
        raise LedgerError(
            f"{name!r} is not an account: write venue:ASSET:KIND or participant:NUMBER:ASSET:KIND"
        )
    asset, kind = parts[-2:]
    if asset not in assets:
        raise LedgerError(f"{name}: there is no asset {asset!r}; there are: {', '.join(assets)}")
    kinds: type[IntEnum] = VenueAccount if is_venue else Account
    if kind.upper() not in kinds.__members__:
        raise LedgerError(
            f"{name}: {kind!r} is not one of {', '.join(k.name.lower() for k in kinds)}"
        )
    if not is_venue and not (parts[1].isascii() and parts[1].isdigit()):
        raise LedgerError(f"{name}: {parts[1]!r} is not a participant's number")
    owner = VENUE if is_venue else int(parts[1]) + 1
    return Place(owner, assets.index(asset), kinds[kind.upper()].value)
