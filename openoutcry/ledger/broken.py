"""A trade that may be taken back, as the ledger has posted it: both sides, their fees, and what
happened since that forbids it.

The core reads no history, so the operator's command has to say all of it (``risk/busts.py``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import openoutcry.ledger.layout as lay
from openoutcry.ledger.ledger_state import LedgerState, oldest, opened
from openoutcry.ledger.reports import BROKEN, CORPORATE
from openoutcry.wire.enums import EventFlag, Side
from openoutcry.wire.errors import LedgerError
from openoutcry.wire.off_book import are_off_book

TRADES = lay.Kind.POSTED, lay.Kind.DELIVERED
SINCE = (*CORPORATE, lay.Kind.SETTLED, lay.Kind.TAKEN_OVER, lay.Kind.ADJUSTED)
"""Kinds after which lots are no longer what they were in the trade."""


@dataclass(frozen=True)
class TradeSide:
    """One side of the trade."""

    participant: int
    order_id: int
    fee_units: int
    fee_is_of_base: bool
    flags: int


@dataclass(frozen=True)
class Trade:
    """A trade by its match number."""

    match: int
    instrument: str
    lots: int
    price_ticks: int
    ts_ns: int
    buyer: TradeSide
    seller: TradeSide


def trade_of(directory: Path, match: int) -> Trade:
    """Return the trade with this match number, if it may be taken back.

    Raises :class:`LedgerError` if the journal has no such trade, and by name if it cannot be taken
    back: it was already, it was off the book, its instrument is in margin accounts and no contract,
    a side owes a fee for it by schedule, or its lots were settled, taken over or adjusted since."""
    state, found = _before(directory, match), []
    sides: Any = np.zeros(0, lay.TRANSACTION_DTYPE)
    for rows, _ in state.advance():
        own = (rows["event_seq"] == match) | (rows["event_seq"] == match + 1)
        found.append(rows[own & np.isin(rows["kind"], TRADES)])
        sides = np.concatenate(found)
        _require_not_broken(rows, match)
        if len(sides):
            _require_as_it_was(rows, sides, match)
    return _trade(state, sides, match)


def _before(directory: Path, match: int) -> LedgerState:
    """The ledger somewhere before the trade."""
    state = opened(directory)
    if state.books.event_seq < match:
        return state
    return oldest(directory)


def _require_not_broken(rows: Any, match: int) -> None:
    again = rows[np.isin(rows["kind"], BROKEN) & (rows["contra_id"] == match)]
    if len(again):
        raise LedgerError(f"trade {match} was taken back by command {int(again['cause_seq'][0])}")


def _require_as_it_was(rows: Any, sides: Any, match: int) -> None:
    """Refuse a trade whose lots are others by now."""
    same = (rows["instrument"] == sides["instrument"][0]) & (rows["event_seq"] > match)
    since = rows[same & np.isin(rows["kind"], SINCE)]
    if len(since):
        what = lay.Kind(int(since["kind"][0])).name.lower().replace("_", " ")
        raise LedgerError(
            f"trade {match}: lots of its instrument were {what} since, by command "
            f"{int(since['cause_seq'][0])}"
        )


def _trade(state: LedgerState, rows: Any, match: int) -> Trade:
    """The trade that these rows are."""
    posted = rows[rows["kind"] == lay.Kind.POSTED]
    first = posted[posted["event_seq"] == match]
    other = posted[posted["event_seq"] == match + 1]
    if len(first) != 1 or len(other) != 1 or not _is_first(first[0]):
        raise LedgerError(f"no trade has the match number {match}")
    one, two = first[0], other[0]
    if one["order_id"] != two["contra_id"] or one["contra_id"] != two["order_id"]:
        raise LedgerError(f"no trade has the match number {match}")
    if are_off_book(posted["order_id"]).any():
        raise LedgerError(f"trade {match} was off the book: its sides agree on the opposite one")
    index = int(one["instrument"])
    rules = state.books.instruments[index]
    symbol = state.books.symbols[index]
    if not rules[lay.LOT_UNITS // 8] and not rules[lay.CONTRACT_KIND // 8]:
        raise LedgerError(f"{symbol} is neither a pair nor a contract: no trade is taken back")
    if posted["fees_due"].any():
        raise LedgerError(
            f"trade {match}: a side owes a fee for it by schedule, which cannot be taken back"
        )
    buyer, seller = (one, two) if one["side"] == Side.BUY else (two, one)
    return Trade(
        match,
        symbol,
        int(one["qty_lots"]),
        int(one["price_ticks"]),
        int(one["ts_ns"]),
        _side(buyer, rows),
        _side(seller, rows),
    )


def _is_first(row: Any) -> bool:
    """Return whether a fill gives the trade its number: the maker's, in an auction the buyer's."""
    if row["flags"] & EventFlag.AUCTION:
        return bool(row["side"] == Side.BUY)
    return bool(row["flags"] & EventFlag.MAKER)


def _side(row: Any, rows: Any) -> TradeSide:
    of_base = rows[(rows["event_seq"] == row["event_seq"]) & (rows["kind"] == lay.Kind.DELIVERED)][
        "fee_income"
    ].sum()
    return TradeSide(
        int(row["participant"]),
        int(row["order_id"]),
        int(of_base or row["fee_income"]),
        bool(of_base),
        int(row["flags"]) & (EventFlag.MAKER | EventFlag.AUCTION),
    )
