"""All participants' margins as the core compares them, the nearest to a margin call first.

With them: contracts, who would take positions over, and the insurance fund.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from openoutcry.derivatives.scenarios import THIRDS
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from openoutcry.venue.contract_timer import contract_status
from openoutcry.venue.limits_in_force import KILLED_BY
from openoutcry.venue.waterfall import ranked

SHOWN = 500
"""Participants, the nearest to a call first."""
MOVES = [(thirds, sign) for thirds in THIRDS for sign in (1, -1)]
"""Of each scenario the price's move, in thirds of the scan range, and the volatility's side; two
extreme moves, up and down, follow."""
RANKS = 5
"""Participants of each side of a contract that would take positions over first."""


def margin_overview(view: View, symbols: list[str], names: Mapping[int, str]) -> dict[str, Any]:
    """Ready for JSON; ``names``: the known participants' names.  The state is read while the core
    writes, so each number was true at some time."""
    found = nearest(view)
    status = contract_status(view, symbols)
    rows = status.pop("contracts", {})
    for index, symbol in enumerate(symbols):
        if symbol in rows:
            sides = {"long": True, "short": False}
            ranks = {side: ranked(view, index, is_long, RANKS) for side, is_long in sides.items()}
            rows[symbol]["ranks"] = ranks
    return {
        "participants": [_row(view, who, symbols, names) for who in found[:SHOWN]],
        "count": len(found),
        "contracts": rows,
        "moves": MOVES,
    } | status


def nearest(view: View) -> list[int]:
    """Participants with a position that needs margin, an order or a debt: those below their
    maintenance margin first, then by the part of their means that it needs.  Those that are not
    judged come last."""
    rows = view.participants
    holds = rows[:, lay.MARGINED // 8] != 0
    if view.contracts is not None:
        indices = list(view.contracts.number)
        columns = [at // 8 for at in (lay.POSITION, lay.BUY_LOTS, lay.SELL_LOTS)]
        holds |= view.cells[:, indices][:, :, columns].any(axis=(1, 2))
    owes = view.cash_of_all() < 0
    called = rows[:, lay.FLAGS // 8] & lay.KILLED_BY_MARGIN != 0
    places = np.flatnonzero(holds | owes | called).tolist()

    def nearness(who: int) -> tuple[bool, bool, Fraction, int]:
        has, needs = view.means(who), view.maintenance(who)
        if has is None or not view.of(who, lay.MAINTENANCE_BPS):
            return True, True, Fraction(0), who
        # What has nothing left is beyond any part; among those the largest lack is first.
        part = Fraction(needs, has) if has > 0 else Fraction(needs - has)
        return False, has > 0, -part, who

    return sorted(places, key=nearness)


def _row(view: View, who: int, symbols: list[str], names: Mapping[int, str]) -> dict[str, Any]:
    portfolio, held = view.portfolio, view.cells[who, :, lay.POSITION // 8]
    parts = (0, view.of(who, lay.RESERVED)) if portfolio is None else portfolio.initial(who)
    initial, with_orders = (view.of(who, lay.MARGINED) + part for part in parts)
    has, needs, flags = view.means(who), view.maintenance(who), view.of(who, lay.FLAGS)
    return {
        "number": who,
        "name": names.get(who, ""),
        "killed_by": [text for flag, text in KILLED_BY.items() if flags & flag],
        "is_under": view.is_under(who),
        "is_judged": has is not None and bool(view.of(who, lay.MAINTENANCE_BPS)),
        "equity": has,
        "collateral": view.counted(who),
        "maintenance": needs,
        "initial": initial,
        "with_orders": with_orders,
        "excess": None if has is None else has - needs,
        "positions": {symbols[k]: int(held[k]) for k in np.flatnonzero(held).tolist()},
    }
