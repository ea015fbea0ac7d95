"""Settlement from a venue's ledger.  What each member holds without the trades that are still to
settle, and which transfers of a settlement the ledger does not know yet.

The ledger moves lots and money at the fill.  So what a member can deliver is what it holds less
what its open trades brought, and of a settlement's transfers the penalties alone are new.  It does
not know deliveries of physically settled futures: for those, members hold what the ledger says.
"""

from collections import Counter
from pathlib import Path

from openoutcry.ledger.accounts import VENUE
from openoutcry.ledger.books import Books
from openoutcry.ledger.settlement import tables
from openoutcry.ledger.settlement.journal import DELIVERIES
from openoutcry.ledger.settlement.netting import net
from openoutcry.ledger.settlement.settle import PENALTY
from openoutcry.ledger.settlement.trades import Trades

TRANSFERS: tables.Columns = {
    "phase": tables.name,
    "payer": tables.name,
    "payee": tables.name,
    "asset": tables.name,
    "units": tables.natural,
}


def holdings_before(books: Books, trades: Trades) -> list[tuple[str, str, int]]:
    """Member, asset and units, as ``settle`` takes them; ``books``: of a journal, at a command."""
    held: Counter[tuple[str, str]] = Counter()
    for place, value in books.nonzero_balances():
        if place.owner != VENUE:
            held[str(place.participant), books.assets[place.asset]] += value
    trades = trades.chosen(trades.trade_id < DELIVERIES)
    nets = net(trades)
    for member, asset, units in zip(
        nets.member.tolist(), nets.asset.tolist(), nets.units, strict=True
    ):
        held[trades.members[member], trades.assets[asset]] -= units
    return [(*key, units) for key, units in sorted(held.items()) if units]


def penalties(folder: Path, scales: tables.Scales | None = None) -> list[tuple[str, str, int]]:
    """Member, asset and units that the penalties of a settlement come to; below 0 it pays.
    ``scales``: decimals by asset."""
    paid: Counter[tuple[str, str]] = Counter()
    rows = tables.read(folder / "transfers.csv", TRANSFERS, scales)
    for phase, payer, payee, asset, units in rows:
        if phase == PENALTY:
            paid[payer, asset] -= units
            paid[payee, asset] += units
    return [(*key, units) for key, units in sorted(paid.items()) if units]
