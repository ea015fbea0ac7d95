"""Run a recorded market through our matcher and compare the book after every message."""

from pathlib import Path
from typing import Any

from openoutcry.flow.commands import Command, as_orders
from openoutcry.flow.lobster import (
    UNSEEN,
    LobsterSource,
    Step,
    levels_of,
)
from openoutcry.flow.source import Array
from openoutcry.matcher.engine import Engine
from openoutcry.tape.files import Progress
from openoutcry.tape.lobster import EXECUTION, read_book
from openoutcry.wire.enums import EventFlag, EventKind, Side
from openoutcry.wire.errors import FlowError

UNSEEN_SHARE = 0.02
"""A file is not of a whole book if this share of all messages is about orders that were never seen,
and it gives less than half of the rows.  A full-depth hour of AAPL has 0.1 %, its first level's
messages 10."""

SIDES = {"ask": Side.SELL, "bid": Side.BUY}

Book = dict[str, list[list[int]]]
"""[price_ticks, qty_lots] of each level of every side in SIDES, best first."""


def check_book(
    messages: str | Path,
    orderbook: str | Path,
    seed_book: str | Path | None = None,
    levels: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Feed LOBSTER ``messages`` to a matcher and compare it with ``orderbook``, row by row.

    Row k of ``orderbook`` is the book after message k. The first row of the file ``seed_book`` is
    the book after message 1; by default that file is ``orderbook`` itself. The comparison takes
    ``levels`` levels, by default all that the file has. The result has:

        ``rows``              compared rows
        ``equal``             rows that are equal in every price and quantity
        ``executions``        executions of visible orders
        ``maker_agrees``      executions in which our book by itself filled the order that the
                              recording names, that order alone and with the whole quantity
        ``repairs``           commands by which the reader sets the book right
        ``first_difference``  None, or row, level, side, and [price, quantity] expected and found
        ``levels``            compared levels
        ``rejected``          rejected commands, and executions that our book does not have
        ``messages``          how many of each kind

    Repairs (``flow/in_turn.py``) keep one disagreement from being counted in every row after it.
    Raises :class:`FlowError` for bad files, for two that differ in their number of rows, and for
    messages from which no book can be rebuilt (:data:`UNSEEN_SHARE`).
    """
    source = LobsterSource(messages, orderbook if seed_book is None else seed_book, recorded=True)
    compared = _levels_to_compare(orderbook, levels)
    recorded = read_book(orderbook, progress)
    market = _Market(source)
    rows = equal = 0
    first_difference: dict[str, Any] | None = None
    for step in source.steps():
        market.apply(step)
        if step.message is None:
            continue
        rows += 1
        cells = next(recorded, None)
        if cells is None:
            raise FlowError(f"{orderbook} ends at row {rows - 1}, before {messages} does")
        expected, book = _recorded_book(cells[: 4 * compared]), market.book(compared)
        equal += expected == book
        if expected != book and first_difference is None:
            first_difference = {"row": rows, **_difference(expected, book)}
    if next(recorded, None) is not None:
        raise FlowError(f"{orderbook} has more rows than {messages}, which has {rows}")
    _require_whole(messages, source.account[UNSEEN], rows, equal)
    return {
        "rows": rows,
        "equal": equal,
        "executions": market.executions,
        "maker_agrees": market.maker_agrees,
        "first_difference": first_difference,
        "levels": compared,
        "repairs": market.repairs,
        "rejected": market.rejected,
        "messages": dict(source.account),
    }


def _require_whole(messages: str | Path, unseen: int, rows: int, equal: int) -> None:
    """A file of the first level's messages alone leaves out where most of its orders come from."""
    if unseen > UNSEEN_SHARE * rows and equal < rows / 2:
        raise FlowError(
            f"{messages}: no book can be rebuilt from it; use the file of the full depth. "
            f"Neither it nor the seed book has the orders of {unseen:,} of {rows:,} messages "
            f"({equal:,} rows are equal), as in a file of the first levels only"
        )


class _Market:
    """The matcher under test, and what is counted while the recording goes through it."""

    def __init__(self, source: LobsterSource) -> None:
        self.symbol = source.symbol
        self.engine = Engine(source.instruments)
        self.seq = 0
        self.executions = self.maker_agrees = self.repairs = self.rejected = 0

    def apply(self, step: Step) -> None:
        """Process a step's commands, and judge an execution."""
        events = self._process(step.commands)
        if step.message is None or step.message.kind != EXECUTION:
            return
        self.executions += 1
        self.repairs += max(0, len(step.commands) - 1)
        is_maker = (events["flags"] & EventFlag.MAKER) != 0
        fills = events[(events["kind"] == EventKind.FILLED) & is_maker]
        done = (
            len(fills) == 1
            and int(fills["order_id"][0]) == step.maker_id
            and int(fills["qty_lots"][0]) == step.message.qty_lots
        )
        self.maker_agrees += done and len(step.commands) == 1
        self.rejected += step.maker_id is not None and not done

    def book(self, levels: int) -> Book:
        depth = self.engine.depth(self.symbol, levels)
        return {side: [[p, q] for p, q, _ in depth[side + "s"]] for side in SIDES}

    def _process(self, commands: list[Command]) -> Array:
        orders = as_orders(commands)
        orders["seq"] = range(self.seq + 1, self.seq + 1 + len(orders))
        self.seq += len(orders)
        events = self.engine.process(orders)
        self.rejected += int((events["kind"] == EventKind.REJECTED).sum())
        return events


def _levels_to_compare(orderbook: str | Path, levels: int | None) -> int:
    recorded_levels = len(next(read_book(orderbook))) // 4
    if levels is None:
        return recorded_levels
    if not 1 <= levels <= recorded_levels:
        raise FlowError(f"{orderbook} has {recorded_levels} levels: cannot compare {levels}")
    return levels


def _recorded_book(cells: list[int]) -> Book:
    book: Book = {side: [] for side in SIDES}
    for side, price_ticks, qty_lots in levels_of(cells):
        book["ask" if side == Side.SELL else "bid"].append([price_ticks, qty_lots])
    return book


def _difference(expected: Book, actual: Book) -> dict[str, Any]:
    """The first level, from the best outwards, that differs; asks before bids."""
    for level in range(max(len(side) for book in (expected, actual) for side in book.values())):
        for side in SIDES:
            theirs, ours = _level(expected[side], level), _level(actual[side], level)
            if ours != theirs:
                return {"level": level + 1, "side": side, "expected": theirs, "found": ours}
    raise AssertionError("called for two books that are equal")


def _level(side: list[list[int]], level: int) -> list[int] | None:
    return side[level] if level < len(side) else None
