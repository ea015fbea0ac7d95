"""Reconciliation: journal, ledger, the core's risk and the store say the same, or from which
sequence on they do not.

At each stop all participants' balances, reserves, positions and open lots in the ledger are those
of the core's risk.  Every asset sums to 0, and the store holds the same transactions.  Where a stop
shows a difference, the commands since the stop before are examined one by one.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.journal.projections import CoreWallets, Engine, core_money
from openoutcry.ledger.accounts import VENUE, Account, VenueAccount
from openoutcry.ledger.books import Books
from openoutcry.ledger.columns import NUMBERS, gathered
from openoutcry.ledger.layout import AT
from openoutcry.ledger.ledger_state import LedgerState, folder_of, oldest, opened
from openoutcry.ledger.parquet_store import read_manifest
from openoutcry.ledger.postgresql import SCHEMA, StoreGone, driver
from openoutcry.ledger.store_files import Columns, Files
from openoutcry.wire.errors import LedgerError

Read = Callable[[int, int], Columns]
"""(after which event, up to which) -> the store's rows there, in order: :data:`COMPARED`."""
COMPARED = (*NUMBERS, "participant")
RECONCILED = "reconciled.json"
STOP_EVERY = 50_000
"""Commands from one stop to the next."""


@dataclass(frozen=True)
class Difference:
    """A difference: the first command and event after which there is one, and its description."""

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
    torn: str | None = None
    """Bytes after the journal's last command instead of an end."""
    unwatermarked: str = ""
    """Why nothing says up to where the journal was acknowledged."""


def differences(books: Books, engine: Engine) -> str | None:
    """Return in words where the ledger differs from the core's risk; None if nowhere."""
    sums = books.sums()
    for asset, total in enumerate(sums):
        if total:
            return f"the accounts of {books.assets[asset]} sum to {total}, not to 0"
    core = core_money(engine)
    if core is None:
        return None
    count = len(core.balances)
    books.grow(count)
    held = [
        books.money(kind)[:count] for kind in (Account.AVAILABLE, Account.RESERVED, Account.MARGIN)
    ]
    lots = books.lots(Account.AVAILABLE)[:count] + books.lots(Account.RESERVED)[:count]
    spot = sorted(books.spot)
    cells = books.cells.reshape(-1, books.count, lay.CELL_WORDS)[:count]
    pairs = (
        ("balance", held[0] + held[1] + held[2], core.balances),
        ("reserve", held[1] + held[2], core.reserved),
    )
    for name, ours, theirs in pairs:
        wrong = np.flatnonzero((ours != theirs) & ~core.killed_by_arithmetic)
        if len(wrong):
            who = int(wrong[0])
            return (
                f"{name} of participant {who}: the ledger has {ours[who]}, the core's risk "
                f"{theirs[who]}"
            )
    sells = books.lots(Account.RESERVED)[:count].copy()
    sells[:, spot] = cells[:, spot, lay.SELL_LOTS // 8]
    for name, mine, its in (
        ("position", lots, core.positions),
        ("lots in open sales", sells, core.sell_lots),
    ):
        places = np.argwhere(mine != its)
        if len(places):
            who, index = places[0].tolist()
            return (
                f"{name} of participant {who} in {books.symbols[index]}: the ledger has "
                f"{mine[who, index]}, the core's risk {its[who, index]}"
            )
    opened = int(books.header[lay.ORDERS_OPEN // 8])
    if opened != core.open_orders:
        return f"open orders: the ledger has {opened}, the core's risk {core.open_orders}"
    return None if core.wallets is None else wallet_differences(books, core.wallets)


def wallet_differences(books: Books, core: CoreWallets) -> str | None:
    """The same of wallets, asset by asset: each one's available and reserved units, the venue's fee
    account, and what came in and did not go out."""
    count = len(core.available)
    for name, kind, theirs in (
        ("available", Account.AVAILABLE, core.available),
        ("reserved", Account.RESERVED, core.reserved),
    ):
        mine = books.in_wallets(kind)[:count]
        for who, asset in np.argwhere(mine != theirs)[:1].tolist():
            return (
                f"{name} {books.wallets[asset][0]} of participant {who}: the ledger has "
                f"{mine[who, asset]}, the core's wallet {theirs[who, asset]}"
            )
    of_venue = (
        ("the venue's fees", VenueAccount.FEE_INCOME, 1, core.fees),
        ("what came in and did not go out", VenueAccount.OUTSIDE, -1, core.net),
    )
    for asset, (name, _) in enumerate(books.wallets):
        for what, kind_, sign, figures in of_venue:
            held = sign * books.balance(VENUE, lay.MONEY_SLOTS + asset, kind_)
            if held != figures[asset]:
                return f"{what} in {name}: the ledger has {held}, the core {figures[asset]}"
    return None


class Reconciliation:
    """Follows a journal with separate books, which begin as ``make`` has them, and compares at each
    stop."""

    def __init__(
        self,
        directory: Path,
        url: str | None,
        make: Callable[[Path], LedgerState] = oldest,
        every: int = STOP_EVERY,
    ) -> None:
        self.directory, self.every, self.make = directory, every, make
        self.ledger_state = make(directory)
        self.store = _store(directory, url)
        self.store_seq = self.store[0]() if self.store else None
        self._good_seq = self.ledger_state.seq
        self._compared_event = self.ledger_state.books.event_seq if self.ledger_state.seq else -1
        opening = self.ledger_state.books.opening
        self._rows: list[npt.NDArray[Any]] = [opening[:0] if self.ledger_state.seq else opening]
        self.difference: Difference | None = None

    def advance(self, follow: bool = False) -> Verdict:
        """Compare what the journal has by now; ends at the first difference."""
        *_, last = self.verdicts(follow)
        return last

    def verdicts(self, follow: bool = False) -> Iterator[Verdict]:
        """The same, with a verdict at each stop on the way: a reader of a fast venue may never
        reach its journal's end."""
        gone: StoreGone | None = None
        for rows, _ in self.ledger_state.advance(every=self.every, follow=follow):
            self._rows.append(rows)
            if self.ledger_state.seq % self.every == 0 and gone is None:
                try:
                    self._stop()
                except StoreGone as error:  # what was read of the journal is not read again
                    gone = error
                    continue
                if self.difference is not None:
                    break
                yield self._verdict()
        if gone is not None:
            raise gone
        if self.difference is None:
            self._stop()
        yield self._verdict()

    def _verdict(self) -> Verdict:
        return Verdict(
            self.ledger_state.seq,
            self.ledger_state.books.event_seq,
            self.store_seq,
            self.ledger_state.books.tracks,
            self.difference,
            self.ledger_state.reader.torn,
            self.ledger_state.reader.unwatermarked,
        )

    def _stop(self) -> None:
        if self.store:
            self.store_seq = self.store[0]()
        text = differences(self.ledger_state.books, self.ledger_state.point.engine)
        parts = self._of_store()
        if text is not None:
            self.difference = self._first(text)
        if parts is not None and (self.difference is None or parts.seq < self.difference.seq):
            self.difference = parts
        self._good_seq = self.ledger_state.seq

    def _first(self, text: str) -> Difference:
        """The first command since the last stop after which the ledger and the core part."""
        again = self.make(self.directory)
        for _ in again.advance(until_seq=self._good_seq):
            pass
        for _ in again.advance(until_seq=self.ledger_state.seq, every=1):
            now = differences(again.books, again.point.engine)
            if now is not None:
                return Difference(again.seq, again.books.event_seq, now)
        return Difference(self.ledger_state.seq, self.ledger_state.books.event_seq, text)

    def _of_store(self) -> Difference | None:
        """Return whether the store has the transactions that were posted since it was checked."""
        if self.store is None or self.store_seq is None:
            self._rows = []
            return None
        until = min(self.store_seq, self.ledger_state.books.event_seq)
        if until <= self._compared_event:
            return None
        words = gathered(self._rows)
        end = int(np.searchsorted(words[COLUMN_OF["event_seq"]], until, "right"))
        posted = {name: words[COLUMN_OF[name], :end] for name in NUMBERS}
        posted["participant"] = words[COLUMN_OF["participant"], :end] & 0xFFFF
        stored = self.store[1](self._compared_event, until)
        self._rows, self._compared_event = later_than(self._rows, until), until
        length, stored_length = end, len(stored["event_seq"])
        wrong = first_wrong(posted, stored, min(length, stored_length))
        if wrong is None and length == stored_length:
            return None
        return _parted(posted, stored, min(length, stored_length) if wrong is None else wrong)


COLUMN_OF = {name: AT[name] // 8 for name in COMPARED}


def later_than(parts: list[npt.NDArray[Any]], event_seq: int) -> list[npt.NDArray[Any]]:
    """Return the rows of later events, from arrays of rows in order."""
    kept = (
        rows[rows["event_seq"] > event_seq]
        for rows in parts
        if len(rows) and rows["event_seq"][-1] > event_seq
    )
    return list(kept)


def first_wrong(posted: Columns, stored: Columns, length: int) -> int | None:
    """The first row of ``length`` that is not the same in every column; None: all are."""
    first = None
    for name in COMPARED:
        mine, its = posted[name][:length], stored[name][:length]
        if not np.array_equal(mine, its):
            row = int((mine != its).argmax())
            first = row if first is None else min(first, row)
    return first


def _parted(posted: Columns, stored: Columns, at: int) -> Difference:
    """Return in words what is wrong with the store's row ``at``."""
    mine, its = _row(posted, at), _row(stored, at)
    known = mine or its
    assert known is not None
    if its is None or (mine is not None and mine[:2] < its[:2]):
        what = "the store lacks this transaction"
    elif mine is None or mine[:2] > its[:2]:
        known, what = its, "the store has a transaction that the journal lacks"
    else:
        column = next(n for n in range(len(COMPARED)) if mine[n] != its[n])
        what = f"{COMPARED[column]}: the ledger has {mine[column]}, the store {its[column]}"
    return Difference(known[2], known[0], what)


def _row(columns: Columns, at: int) -> list[int] | None:
    if at >= len(columns["event_seq"]):
        return None
    return [int(columns[name][at]) for name in COMPARED]


def _store(directory: Path, url: str | None) -> tuple[Callable[[], int], Read] | None:
    """Return how far the store is, and how to read it; None: nothing was written yet."""
    if url is None:
        folder = folder_of(directory)
        if read_manifest(folder) is None:
            return None
        files = Files(folder, COMPARED)
        return lambda: int((read_manifest(folder) or {})["event_seq"]), files.rows
    psycopg, names = driver(), ", ".join(COMPARED)

    def rows_of(query: str) -> list[tuple[Any, ...]]:
        try:
            with psycopg.connect(url, connect_timeout=5) as connection:
                rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        except psycopg.errors.UndefinedTable:
            raise LedgerError(
                "the database has no ledger yet; run `outcry ledger follow`"
            ) from None
        except psycopg.Error as error:
            raise StoreGone(
                f"the connection to the database is lost: {' '.join(str(error).split())}"
            ) from None
        return rows

    def of_database(after: int, until: int) -> Columns:
        rows = rows_of(
            f"select {names} from {SCHEMA}.transactions where event_seq > {after} and "
            f"event_seq <= {until} order by 1, 2"
        )
        table = np.array(rows, np.int64).reshape(len(rows), len(COMPARED))
        return dict(zip(COMPARED, table.T, strict=True))

    return lambda: int(rows_of(f"select event_seq from {SCHEMA}.progress")[0][0]), of_database


def stops(
    work: Reconciliation, pause: Callable[[], bool], say: Callable[[str], None] = lambda text: None
) -> Iterator[Verdict]:
    """A verdict for each look at the journal, while ``pause`` (which waits) returns True; the first
    difference ends it.

    ``say`` receives the error of a database that is gone, which may come back."""
    last_error = ""
    while True:
        try:
            for verdict in work.verdicts(follow=True):
                last_error = ""
                yield verdict
                if verdict.difference is not None:
                    return
        except StoreGone as error:
            if str(error) != last_error:
                last_error = str(error)
                say(last_error)
        if not pause():
            return


def note(directory: Path, verdict: Verdict) -> None:
    """Store a verdict in the ledger's folder, for metrics, alarms and the next look."""
    folder = folder_of(directory)
    folder.mkdir(exist_ok=True)
    text = json.dumps(asdict(verdict) | {"looked_s": time.time()})
    # A power cut may leave the look before, or half of one: it is looked again.
    new = folder / (RECONCILED + ".new")
    new.write_text(text)
    new.replace(folder / RECONCILED)


def noted(directory: Path) -> dict[str, Any] | None:
    """Return the result that :func:`note` has stored; None if nothing can be read."""
    try:
        document: dict[str, Any] = json.loads((folder_of(directory) / RECONCILED).read_bytes())
    except (OSError, ValueError):
        return None
    return document


def load_last_reconciled(directory: Path) -> LedgerState:
    """The newest checkpoint up to which the last look found all equal; else the begin."""
    last = noted(directory)
    is_good = last is not None and last.get("difference") is None
    return opened(directory, int(last["seq"])) if last and is_good else oldest(directory)
