"""Reconciliation: journal, ledger, the core's risk and the store say the same, or from which
sequence on they do not.

At each stop everybody's balance, reserve, position and open lots in the ledger are those of the
core's risk, every asset sums to 0, and the store holds the very transactions.  Where a stop shows a
difference, the commands since the stop before are gone through one by one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.ledger.accounts import Account
from openoutcry.ledger.books import Books
from openoutcry.ledger.columns import NUMBERS
from openoutcry.ledger.parquet_store import connect, read_manifest
from openoutcry.ledger.postgresql import SCHEMA, driver
from openoutcry.ledger.standing import Standing, at_the_begin, folder_of
from openoutcry.replay.projections import Engine, core_money

Read = Callable[[int, int], npt.NDArray[np.int64]]
"""(after which event, up to which) -> the store's rows there, in order, :data:`COMPARED`."""
COMPARED = (*NUMBERS, "participant")
STOP_EVERY = 50_000
"""Commands from one stop to the next."""


@dataclass(frozen=True)
class Difference:
    """What parts: the first command and event after which it does, and in words."""

    seq: int
    event_seq: int
    what: str


@dataclass(frozen=True)
class Verdict:
    """Up to where all was compared, and the first difference."""

    seq: int
    event_seq: int
    store_event_seq: int | None
    """None: there is no store."""
    has_risk: bool
    difference: Difference | None


def differences(books: Books, engine: Engine) -> str | None:
    """In words, what of the ledger is not as the core's risk has it; None: all is."""
    sums = books.sums()
    for asset, total in enumerate(sums):
        if total:
            return f"the accounts of {books.assets[asset]} sum to {total}, not to 0"
    core = core_money(engine)
    if core is None:
        return None
    count = len(core.balances)
    books.grow(count)
    held = [books.money(kind)[:count] for kind in
            (Account.AVAILABLE, Account.RESERVED, Account.MARGIN)]  # fmt: skip
    lots = books.lots(Account.AVAILABLE)[:count] + books.lots(Account.RESERVED)[:count]
    pairs = (
        ("balance", held[0] + held[1] + held[2], core.balances),
        ("reserve", held[1] + held[2], core.reserved),
    )
    for name, ours, theirs in pairs:
        wrong = np.flatnonzero((ours != theirs) & ~core.killed_by_arithmetic)
        if len(wrong):
            who = int(wrong[0])
            return (f"{name} of participant {who}: the ledger has {ours[who]}, the core's risk "
                    f"{theirs[who]}")  # fmt: skip
    sells = books.lots(Account.RESERVED)[:count]
    for name, mine, its in (("position", lots, core.positions),
                            ("lots in open sales", sells, core.sell_lots)):  # fmt: skip
        places = np.argwhere(mine != its)
        if len(places):
            who, index = places[0].tolist()
            return (f"{name} of participant {who} in {books.symbols[index]}: the ledger has "
                    f"{mine[who, index]}, the core's risk {its[who, index]}")  # fmt: skip
    opened = int(books.header[lay.ORDERS_OPEN // 8])
    if opened != core.open_orders:
        return f"open orders: the ledger has {opened}, the core's risk {core.open_orders}"
    return None


class Reconciliation:
    """Goes along a journal with books of its own, from the begin, and compares at each stop."""

    def __init__(
        self, directory: Path, url: str | None, make: Callable[[Path], Standing] = at_the_begin,
        every: int = STOP_EVERY,
    ) -> None:  # fmt: skip
        self.directory, self.every, self.make = directory, every, make
        self.found = make(directory)
        self.store = _store(directory, url)
        self.store_seq = self.store[0]() if self.store else None
        self._compared_event, self._good_seq = -1, 0
        self._rows: list[npt.NDArray[Any]] = [self.found.books.opening]
        self.difference: Difference | None = None

    def advance(self, follow: bool = False) -> Verdict:
        """Compare what the journal has by now; ends at the first difference."""
        if self.store:
            self.store_seq = self.store[0]()
        for rows, _ in self.found.advance(every=self.every, follow=follow):
            if self.difference is None:
                self._rows.append(rows)
                if self.found.seq % self.every == 0:
                    self._stop()
        if self.difference is None:
            self._stop()
        return Verdict(self.found.seq, self.found.books.event_seq, self.store_seq,
                       self.found.books.tracks, self.difference)  # fmt: skip

    def _stop(self) -> None:
        text = differences(self.found.books, self.found.point.engine)
        parts = self._of_store()
        if text is not None:
            self.difference = self._first(text)
        if parts is not None and (self.difference is None or parts.seq < self.difference.seq):
            self.difference = parts
        self._good_seq = self.found.seq

    def _first(self, text: str) -> Difference:
        """The first command since the last stop after which the ledger and the core part."""
        again = self.make(self.directory)
        for _ in again.advance(until_seq=self._good_seq):
            pass
        for _ in again.advance(until_seq=self.found.seq, every=1):
            now = differences(again.books, again.point.engine)
            if now is not None:
                return Difference(again.seq, again.books.event_seq, now)
        return Difference(self.found.seq, self.found.books.event_seq, text)

    def _of_store(self) -> Difference | None:
        """Whether the store has the transactions that were posted since it was looked at."""
        rows = np.concatenate(self._rows)
        if self.store is None or self.store_seq is None:
            self._rows = [rows[:0]]
            return None
        until = min(self.store_seq, self.found.books.event_seq)
        mine, later = rows[rows["event_seq"] <= until], rows[rows["event_seq"] > until]
        wanted = np.stack([mine[name].astype(np.int64) for name in COMPARED], axis=1)
        there = self.store[1](self._compared_event, until)
        self._rows, self._compared_event = [later], max(self._compared_event, until)
        length = min(len(wanted), len(there))
        wrong = np.flatnonzero((wanted[:length] != there[:length]).any(axis=1))
        if not len(wrong) and len(wanted) == len(there):
            return None
        first = int(wrong[0]) if len(wrong) else length
        return _parted(wanted, there, first)


def _parted(wanted: npt.NDArray[np.int64], there: npt.NDArray[np.int64], at: int) -> Difference:
    """In words, what is wrong with the store's row ``at``."""
    mine = wanted[at] if at < len(wanted) else None
    its = there[at] if at < len(there) else None
    known = mine if mine is not None else its
    assert known is not None
    if its is None or (mine is not None and tuple(mine[:2]) < tuple(its[:2])):
        what = "the store lacks this transaction"
    elif mine is None or tuple(mine[:2]) > tuple(its[:2]):
        known, what = its, "the store has a transaction that the journal does not give"
    else:
        column = int(np.flatnonzero(mine != its)[0])
        what = f"{COMPARED[column]}: the ledger has {mine[column]}, the store {its[column]}"
    return Difference(int(known[2]), int(known[0]), what)


def _store(directory: Path, url: str | None) -> tuple[Callable[[], int], Read] | None:
    """How far the store is, and how to read it; None: nothing was written yet."""
    names = ", ".join(COMPARED)
    text = f"select {names} from {{}} where event_seq > {{}} and event_seq <= {{}} order by 1, 2"
    if url is None:
        folder = folder_of(directory)
        if read_manifest(folder) is None:
            return None

        def of_files(after: int, until: int) -> npt.NDArray[np.int64]:
            connection = connect(folder)
            try:
                columns = connection.sql(text.format("transactions", after, until)).fetchnumpy()
            finally:
                connection.close()
            return np.stack([np.asarray(columns[name], np.int64) for name in COMPARED], axis=1)

        return lambda: int((read_manifest(folder) or {})["event_seq"]), of_files
    psycopg = driver()

    def asked(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        return rows

    def of_database(after: int, until: int) -> npt.NDArray[np.int64]:
        rows = asked(text.format(f"{SCHEMA}.transactions", after, until))
        return np.array(rows, np.int64).reshape(len(rows), len(COMPARED))

    return lambda: int(asked(f"select event_seq from {SCHEMA}.progress")[0][0]), of_database


def stops(directory: Path, url: str | None, pause: Callable[[], bool]) -> Iterator[Verdict]:
    """A verdict each time the journal has something new, while ``pause`` (which waits) says to go
    on; the first difference ends it."""
    work = Reconciliation(directory, url)
    verdict = work.advance(follow=True)
    yield verdict
    while verdict.difference is None and pause():
        before = verdict.seq
        verdict = work.advance(follow=True)
        if verdict.seq != before or verdict.difference is not None:
            yield verdict
