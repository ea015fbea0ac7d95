"""Participants' limits, what is used of them, and margin, from the risk state in shared memory."""

from functools import lru_cache
from typing import Any

import numpy as np

from openoutcry.console.exact import exact
from openoutcry.pipeline.risk_state import risk_state
from openoutcry.pipeline.top import RunningPipeline
from openoutcry.ring import ProcessIdentity
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.region import View
from openoutcry.risk.settings import setting_in_force
from openoutcry.venue.amounts import LIMITS
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.file import Participant, VenueFile
from openoutcry.venue.funding_book import FundingBook, perpetual_periods
from openoutcry.venue.limits_in_force import KILLED_BY
from openoutcry.venue.margin_overview import margin_overview
from openoutcry.venue.margin_view import MarginView
from openoutcry.venue.risk_tables import OF_CELLS, OF_PARTICIPANTS, shown
from openoutcry.wire.errors import OutcryError

MAX_LOTS = 1 << 40
"""Of a hypothetical order."""
PAYMENTS_SHOWN = 50
"""Payments of funding on a page."""
SHOWN = 1_000
"""More participants than these are not shown: `outcry venue limits show` has all."""
AGAINST = {
    "open_orders": lay.OPEN,
    "exposure_buy": lay.BUY_EXPOSURE,
    "exposure_sell": lay.SELL_EXPOSURE,
    "gross_position": lay.GROSS,
}


@lru_cache(maxsize=4)
def view_of(owner: ProcessIdentity) -> View | None:
    """The risk state of the run of this supervisor, read-only; None if it has none."""
    return risk_state(owner)


def money_of(file: VenueFile) -> dict[str, Any]:
    """Return how a page shows amounts: ``asset`` of margin accounts, ``decimals`` by asset, and the
    ``limits`` that are amounts."""
    money = file.risk.money
    return {"asset": money.margin_asset, "decimals": dict(money.assets), "limits": [*LIMITS]}


def participants_of(file: VenueFile, view: View) -> list[dict[str, Any]]:
    """A row for each participant: money, positions, limits (None: no limit) and their use.  Read
    while the core writes, so each number was true at some time."""
    symbols = list(file.symbols)
    return [row_of(view, participant, symbols) for participant in file.participants[:SHOWN]]


def row_of(view: View, participant: Participant, symbols: list[str]) -> dict[str, Any]:
    """One participant's, as of :func:`participants_of`."""
    who = participant.number
    flags = view.of(who, lay.FLAGS)
    credit = view.of(who, lay.CREDIT)
    cells = view.cells[who]
    held = np.flatnonzero(cells[:, lay.POSITION // 8]).tolist()
    return {
        "number": who,
        "name": participant.name,
        "group": participant.group,
        "killed": bool(flags & lay.KILLED_FLAGS),
        "killed_by": [text for flag, text in KILLED_BY.items() if flags & flag],
        "balance": view.of(who, lay.BALANCE),
        "reserved": view.of(who, lay.RESERVED),
        "profit": view.of(who, lay.PROFIT),
        "credit": None if credit == NO_LIMIT else credit,
        "open_orders": view.of(who, lay.OPEN),
        "positions": {symbols[k]: int(cells[k, lay.POSITION // 8]) for k in held},
        "limits": _limits(view, who, symbols),
    }


def margin_of(
    file: VenueFile,
    pipeline: RunningPipeline | None,
    who: int,
    symbol: str = "",
    lots: int = 0,
    price: int | None = None,
) -> dict[str, Any]:
    """Return what a participant's margin is made of, whole numbers as text; with a symbol also
    what this order would need.  Raises :class:`OutcryError` without scenario margin or while it
    is closed."""
    view = _open_view(pipeline)
    order = (symbol, lots) if symbol else None
    found = MarginView(file.risk, list(file.symbols), view).document(who, order, price)
    return dict(exact(found, is_wide=True))


def margins_of(file: VenueFile, pipeline: RunningPipeline | None) -> dict[str, Any]:
    """The margins of all participants, whole numbers as text.  Raises :class:`OutcryError` while
    the venue is closed."""
    view = _open_view(pipeline)
    names = {participant.number: participant.name for participant in file.participants}
    found = margin_overview(view, list(file.symbols), names)
    for symbol, row in found["contracts"].items():
        row["underlying"] = file.risk.contracts[symbol].contract.underlying
    return dict(exact(found, is_wide=True))


def funding_of(
    file: VenueFile, pipeline: RunningPipeline | None, who: int, before: int = 0
) -> dict[str, Any]:
    """A page of what a participant was paid in funding, the newest first, whole numbers as text.

    ``next`` is the number before which the following page begins, or None.  Of an open venue
    ``missing`` names the contracts whose last funding is not in the history yet."""
    book, symbols = FundingBook(file.journal), [*file.risk.contracts]
    view = view_of(pipeline.owner) if pipeline is not None else None
    rows = book.payments(who, before, PAYMENTS_SHOWN + 1)
    periods = book.periods() if view is None else perpetual_periods(file, view)
    totals, since_ns = book.totals(who, periods), book.since_ns()
    found = {
        "payments": [row._asdict() | {"at": utc_text(row.ts_ns)} for row in rows[:PAYMENTS_SHOWN]],
        "next": rows[PAYMENTS_SHOWN - 1].number if len(rows) > PAYMENTS_SHOWN else None,
        "totals": {symbol: totals[symbol] for symbol in symbols if symbol in totals},
        "missing": [symbol for symbol in symbols if symbol in periods and symbol not in totals],
        "since": utc_text(since_ns) if since_ns else "",
    }
    return dict(exact(found, is_wide=True))


def _open_view(pipeline: RunningPipeline | None) -> View:
    view = view_of(pipeline.owner) if pipeline is not None else None
    if view is None:
        raise OutcryError("the venue is not open")
    return view


def _limits(view: View, who: int, symbols: list[str]) -> list[dict[str, Any]]:
    rows = []
    for name, limit in OF_PARTICIPANTS.items():
        value = setting_in_force(view, limit.setting, who)[0]
        if value != limit.default:
            used = view.of(who, AGAINST[name]) if name in AGAINST else None
            value = int(shown(limit.setting, value))
            rows.append({"limit": name, "instrument": "", "value": value, "used": used})
    for index, symbol in enumerate(symbols):
        for name, limit in OF_CELLS.items():
            value = setting_in_force(view, limit.setting, who, index)[0]
            if value != limit.default:
                rows.append({"limit": name, "instrument": symbol, "value": value, "used": None})
    return rows
