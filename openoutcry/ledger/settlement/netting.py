"""Multilateral netting: one amount for each settlement day, member and asset.

Sums are kept in two int64, of the low 32 bits of each amount and of the rest.  Neither can overflow
below 2^31 trades, and together they are exact whatever the total.
"""

from typing import NamedTuple

import numpy as np

from openoutcry.ledger.settlement.trades import Ints, Trades
from openoutcry.wire.errors import SettlementError
from openoutcry.wire.kernel import kernel

LOW_BITS = 32
LOW = (1 << LOW_BITS) - 1
MAX_TRADES = 1 << 31
DENSE_CELLS = 1 << 22
"""A table of up to this number of cells is kept whole; a larger one only where trades are."""


class Nets(NamedTuple):
    """Net obligations to move: ``day``, ``member``, ``asset``: indices of (n,), ascending in this
    order; ``units``: n Python integers, above 0 to receive, below to deliver, never 0."""

    day: Ints
    member: Ints
    asset: Ints
    units: list[int]


@kernel
def add_trades(
    buyer_asset: Ints,
    seller_asset: Ints,
    buyer_cash: Ints,
    seller_cash: Ints,
    quantity_units: Ints,
    cash_units: Ints,
    low: Ints,
    high: Ints,
) -> None:
    """Add n trades to the sums.  The first four are cells of ``low`` and ``high``, (n,) each; the
    caller owns all arrays."""
    for at in range(len(quantity_units)):
        units, cash = quantity_units[at], cash_units[at]
        low_units, high_units = units & LOW, units >> LOW_BITS
        low_cash, high_cash = cash & LOW, cash >> LOW_BITS
        low[buyer_asset[at]] += low_units
        high[buyer_asset[at]] += high_units
        low[seller_asset[at]] -= low_units
        high[seller_asset[at]] -= high_units
        low[buyer_cash[at]] -= low_cash
        high[buyer_cash[at]] -= high_cash
        low[seller_cash[at]] += low_cash
        high[seller_cash[at]] += high_cash


def net(trades: Trades) -> Nets:
    """The nets of all members against the clearing account, whose own are 0 in every asset.

    Raises ``SettlementError`` for more trades than the sums can hold.
    """
    if len(trades) >= MAX_TRADES:
        raise SettlementError(
            f"{len(trades):,} trades: fewer than {MAX_TRADES:,} can be netted at once"
        )
    members, assets = max(len(trades.members), 1), max(len(trades.assets), 1)
    buyer = (trades.due * members + trades.buyer) * assets
    seller = (trades.due * members + trades.seller) * assets
    cells = [buyer + trades.asset, seller + trades.asset, buyer + trades.cash, seller + trades.cash]
    size = len(trades.days) * members * assets
    if size > DENSE_CELLS:
        keys, index = np.unique(np.concatenate(cells), return_inverse=True)
        cells, size = [np.ascontiguousarray(part) for part in np.split(index, 4)], len(keys)
    else:
        keys = np.arange(size, dtype=np.int64)
    low, high = np.zeros(size, np.int64), np.zeros(size, np.int64)
    buyer_asset, seller_asset, buyer_cash, seller_cash = cells
    add_trades(
        buyer_asset,
        seller_asset,
        buyer_cash,
        seller_cash,
        trades.quantity_units,
        trades.cash_units,
        low,
        high,
    )
    nonzero = np.flatnonzero((low != 0) | (high != 0))
    halves = zip(high[nonzero].tolist(), low[nonzero].tolist(), strict=True)
    units = [(above << LOW_BITS) + below for above, below in halves]
    keep = np.array([amount != 0 for amount in units], bool)
    keys = keys[nonzero][keep]
    return Nets(
        keys // (members * assets),
        keys // assets % members,
        keys % assets,
        [amount for amount in units if amount],
    )


def gross_units(trades: Trades) -> int:
    """Return what would move without netting, both legs of all trades, through the clearing
    account: the sum of all units of whatever asset."""
    return 2 * sum(
        (int((column >> LOW_BITS).sum()) << LOW_BITS) + int((column & LOW).sum())
        for column in (trades.quantity_units, trades.cash_units)
    )
