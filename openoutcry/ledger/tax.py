"""Tax report: each lot of a member that was closed, with what it cost and what it fetched.

First in, first out (:mod:`profit`): the sum of the gains is the realised profit of the report of
profits by that method, to the unit.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

import openoutcry.ledger.layout as lay
from openoutcry.ledger.books import Books
from openoutcry.ledger.contract_reports import traded
from openoutcry.ledger.profit import half_even
from openoutcry.ledger.report import Report, amount_text
from openoutcry.ledger.reports import CORPORATE, MOVES, Rows
from openoutcry.ledger.words import Said

COLUMNS = (
    "participant",
    "instrument",
    "lots",
    "opened (UTC)",
    "closed (UTC)",
    "days",
    "asset",
    "cost",
    "proceeds",
    "gain",
    "event",
)
DAY_NS = 86_400 * 10**9


@dataclass
class Closing:
    """Lots that were closed: ``lots`` above 0 sold, below 0 a short position bought back."""

    lots: int
    opened_ns: int
    closed_ns: int
    cost: int
    proceeds: int
    event_seq: int
    """Sequence of the event that closed them; money that came with a dividend or a split has no
    lots."""


@dataclass
class TaxLots:
    """Like :class:`profit.FirstInFirstOut`, each lot with its time, each closing reported."""

    lots: deque[list[int]] = field(default_factory=deque)
    """[quantity, cost, when it was opened (ns)]."""

    def trade(self, qty: int, price: int, ts_ns: int, event_seq: int) -> list[Closing]:
        """``qty`` above 0 bought, below 0 sold; the price in money a lot."""
        closings = []
        while qty and self.lots and (self.lots[0][0] > 0) != (qty > 0):
            open_qty, cost, opened_ns = self.lots[0]
            closed = min(abs(qty), abs(open_qty)) * (1 if open_qty > 0 else -1)
            part = half_even(cost * abs(closed), abs(open_qty))
            # Of a short lot what it fetched came first: its cost is what is paid now.
            paid, fetched = (part, closed * price) if closed > 0 else (-closed * price, -part)
            closings.append(Closing(closed, opened_ns, ts_ns, paid, fetched, event_seq))
            qty += closed
            self.lots[0] = [open_qty - closed, cost - part, opened_ns]
            if open_qty == closed:
                self.lots.popleft()
        if qty:
            self.lots.append([qty, qty * price, ts_ns])
        return closings

    def take_back(self, qty: int, price: int, ts_ns: int, event_seq: int) -> list[Closing]:
        """Like :meth:`profit.FirstInFirstOut.take_back`: what goes at its own cost is no
        closing."""
        for place in range(len(self.lots) - 1, -1, -1):
            held, cost, opened_ns = self.lots[place]
            if qty and (held > 0) != (qty > 0) and cost == held * price:
                gone = min(abs(held), abs(qty)) * (1 if qty > 0 else -1)
                self.lots[place] = [held + gone, cost + gone * price, opened_ns]
                qty -= gone
        self.lots = deque(one for one in self.lots if one[0])
        return self.trade(qty, price, ts_ns, event_seq)

    def adjust(self, position: int, cash: int, ts_ns: int, event_seq: int) -> list[Closing]:
        """A dividend or a split: the position after it, and the money that came."""
        before, seen, assigned, cost = sum(qty for qty, _, _ in self.lots), 0, 0, 0
        kept: deque[list[int]] = deque()
        for qty, paid, opened_ns in self.lots:
            seen += abs(qty)
            share = abs(position) * seen // abs(before) - assigned
            assigned, cost = assigned + share, cost + paid
            if share:
                kept.append([share if position > 0 else -share, cost, opened_ns])
                cost = 0
        self.lots = kept
        if kept:
            kept[-1][1] += cost
            cost = 0
        if not cash and not cost:
            return []
        return [Closing(0, ts_ns, ts_ns, cost, cash, event_seq)]


def tax(
    books: Books,
    rows: Rows,
    participant: int | None = None,
    begin_ns: int = 0,
    end_ns: int = 2**63 - 1,
) -> Report:
    """A row for each lot that was closed from ``begin_ns`` until before ``end_ns``, by participant,
    instrument and time.  Gains are before fees, whose sum is a note for each kind of money.

    ``rows``: every transaction from the journal's begin on, so that each lot's cost is known."""
    held: dict[tuple[int, int], TaxLots] = {}
    closings: list[tuple[tuple[int, int], Closing]] = []
    paid: dict[int, int] = defaultdict(int)
    for part in rows:
        of_base = np.isin(part["kind"], (lay.Kind.DELIVERED, lay.Kind.RETURNED))
        for row in part[of_base & (part["fee_income"] != 0)]:
            is_in = begin_ns <= row["ts_ns"] < end_ns
            if is_in and (participant is None or participant == row["participant"]):
                paid[int(row["asset"])] += int(row["fee_income"])
        for row in part[np.isin(part["kind"], MOVES)]:
            key = int(row["participant"]), int(row["instrument"])
            if participant is not None and key[0] != participant:
                continue
            lots = held.setdefault(key, TaxLots())
            when = int(row["ts_ns"]), int(row["event_seq"])
            if row["kind"] in CORPORATE:
                now = sum(size for size, _, _ in lots.lots) + int(row["qty_lots"])
                closed = lots.adjust(now, -int(row["outside"]), *when)
            else:
                broken = row["kind"] == lay.Kind.BROKEN
                does = lots.take_back if broken else lots.trade
                closed = does(*traded(books, row), *when)
                if begin_ns <= row["ts_ns"] < end_ns:
                    paid[int(row["asset"])] += int(row["fee_income"])
            closings += [(key, one) for one in closed if begin_ns <= one.closed_ns < end_ns]
    closings.sort(key=lambda pair: (pair[0], pair[1].event_seq))
    table = [_row(books, key, closing) for key, closing in closings]
    money = dict.fromkeys(("cost", "proceeds", "gain"), "asset")
    scales = books.scales
    notes: list[str] = [Said("first in, first out; gains are before fees")]
    for asset, amount in sorted(paid.items()):
        name = books.assets[asset]
        text = amount_text(amount, scales.get(name, 0))
        notes.append(Said("fees of these trades: {amount} {asset}", amount=text, asset=name))
    title = Said("realised gains by lot")
    if participant is not None:
        title = Said("realised gains by lot of participant {number}", number=participant)
    return Report(title, COLUMNS, table, money, scales, notes)


def _row(books: Books, key: tuple[int, int], closing: Closing) -> tuple[Any, ...]:
    who, index = key
    asset = books.assets[int(books.instruments[index, lay.QUOTE // 8])]
    days = closing.closed_ns // DAY_NS - closing.opened_ns // DAY_NS
    return (
        who,
        books.symbols[index],
        closing.lots,
        _time(closing.opened_ns),
        _time(closing.closed_ns),
        days,
        asset,
        closing.cost,
        closing.proceeds,
        closing.proceeds - closing.cost,
        closing.event_seq,
    )


def _time(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
