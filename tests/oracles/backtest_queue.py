"""Positions of own orders in the queues of a LOBSTER recording: lists, and nothing of ours.

It reads the rows by itself and moves own resting orders through them by the rule of impact of
docs/backtest.md.  It says which of them are filled when, and what the best prices of others were.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

NEW, REDUCE, DELETE, EXECUTION = range(1, 5)
NONE = 9_999_999_999
Fill = tuple[int, int, int, int]
"""Time in ns, own order, price, lots."""


class Entry:
    """An order in a queue."""

    def __init__(self, name: int | str, lots: int, is_own: bool) -> None:
        self.name, self.lots, self.is_own = name, lots, is_own


class QueueModel:
    """Replay ``messages`` with the book of ``seed``'s first row; own orders come and go between
    rows (:meth:`add`, :meth:`remove`)."""

    def __init__(self, messages: Path, seed: Path) -> None:
        self.rows = list(csv.reader(messages.open()))
        self.levels: dict[tuple[int, int], list[Entry]] = {}
        """By direction (1 bids, -1 asks) and price."""
        self.fills: list[Fill] = []
        self.now_ns = self.at = 0
        cells = [int(cell) for cell in next(csv.reader(seed.open()))]
        first = self.rows[0]
        for side, offset in ((-1, 0), (1, 2)):
            for price, lots in zip(cells[offset::4], cells[offset + 1 :: 4], strict=True):
                if abs(price) == NONE:
                    continue
                if int(first[1]) == NEW and (int(first[5]), int(first[4])) == (side, price):
                    lots -= int(first[3])
                if lots > 0:
                    self.levels[side, price] = [Entry("seed", lots, False)]

    def run_to(self, until_ns: int) -> None:
        """Do every row of a time up to ``until_ns``."""
        while self.at < len(self.rows) and time_ns(self.rows[self.at][0]) <= until_ns:
            row = self.rows[self.at]
            self.at += 1
            self.now_ns = time_ns(row[0])
            kind, number, lots, price, side = map(int, row[1:])
            if kind == NEW:
                self._new(number, lots, price, side)
            elif kind in (REDUCE, DELETE):
                self._reduce(number, lots if kind == REDUCE else None, price, side)
            elif kind == EXECUTION:
                self._execute(number, lots, price, side)

    def add(self, number: int, side: int, price: int, lots: int) -> None:
        """An own order joins the end of its queue."""
        self.levels.setdefault((side, price), []).append(Entry(number, lots, True))

    def remove(self, number: int) -> None:
        """An own order is cancelled."""
        for queue in self.levels.values():
            queue[:] = [one for one in queue if not (one.is_own and one.name == number)]

    def best(self, side: int) -> int | None:
        """Best price of a direction without own orders."""
        prices = [
            price
            for (at, price), queue in self.levels.items()
            if at == side and any(not one.is_own for one in queue)
        ]
        return max(prices, key=lambda price: price * side) if prices else None

    def _new(self, number: int, lots: int, price: int, side: int) -> None:
        left = lots
        for queue, at in self._better_first(-side):
            if (price - at) * side < 0:
                break
            for one in [one for one in queue if one.is_own]:
                left -= self._fill(one, left, at)
        self._clean()
        own = [at for queue, at in self._better_first(-side) if any(one.is_own for one in queue)]
        if not any((price - at) * side >= 0 for at in own):
            self.levels.setdefault((side, price), []).append(Entry(number, lots, False))

    def _reduce(self, number: int, lots: int | None, price: int, side: int) -> None:
        entry = self._named(number, price, side)
        if entry:
            is_seed = entry.name == "seed"
            whole = int(self.rows[self.at - 1][3]) if is_seed else entry.lots
            entry.lots -= whole if lots is None else lots
        self._clean()

    def _execute(self, number: int, lots: int, price: int, side: int) -> None:
        entry = self._named(number, price, side)
        for queue, at in list(self._better_first(side)):
            passed = []
            for one in list(queue):
                if one is entry:
                    break
                if (at - price) * side < 0 or (at == price and entry is None):
                    return self._clean()
                if one.is_own:
                    filled = self._fill(one, lots, at)
                    lots -= filled
                    if entry:
                        entry.lots -= filled
                else:
                    passed.append(one)
            for one in passed:
                queue.remove(one)
                queue.append(one)
            if entry in queue:
                break
        if entry:
            entry.lots -= lots
        return self._clean()

    def _named(self, number: int, price: int, side: int) -> Entry | None:
        queue = self.levels.get((side, price), [])
        known = [one for one in queue if one.name == number and not one.is_own]
        return next(iter(known or [one for one in queue if one.name == "seed"]), None)

    def _fill(self, one: Entry, lots: int, price: int) -> int:
        filled = min(one.lots, lots)
        if filled:
            one.lots -= filled
            self.fills.append((self.now_ns, int(one.name), price, filled))
        return filled

    def _better_first(self, side: int) -> Iterator[tuple[list[Entry], int]]:
        for price in sorted((at for way, at in self.levels if way == side), reverse=side > 0):
            yield self.levels[side, price], price

    def _clean(self) -> None:
        for key in list(self.levels):
            self.levels[key] = [one for one in self.levels[key] if one.lots > 0]
            if not self.levels[key]:
                del self.levels[key]


def time_ns(text: str) -> int:
    """Seconds after midnight as ns."""
    whole, _, part = text.partition(".")
    return int(whole) * 10**9 + int(part[:9].ljust(9, "0"))


def replayed(
    model: QueueModel, actions: Iterable[tuple[int, int, int, int, int]], times: Iterable[int]
) -> list[tuple[int | None, int | None]]:
    """Best bid and ask at each of ``times`` (ns, ascending).

    ``actions``: (time, order, direction, price, lots) of own orders, 0 lots for a cancel.  Rows
    come before actions of the same time, actions before samples.
    """
    pending, best = list(actions), []
    for at_ns in times:
        while pending and pending[0][0] <= at_ns:
            now_ns, number, side, price, lots = pending.pop(0)
            model.run_to(now_ns)
            if lots:
                model.add(number, side, price, lots)
            else:
                model.remove(number)
        model.run_to(at_ns)
        best.append((model.best(1), model.best(-1)))
    return best
