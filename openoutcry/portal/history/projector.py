"""Follow the journal and write the history, each command once.

A transaction holds whole commands and moves the position past them, so a projector that is killed
continues where its last transaction ended.  One projector writes at a time: the others wait.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.reader import parts_before
from openoutcry.ledger import ledger_state
from openoutcry.ledger.ledger_state import EVERY, LedgerState
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.history import schema
from openoutcry.portal.history.fold import DAY_S, numbers_of
from openoutcry.portal.history.merges import Merges
from openoutcry.portal.history.rows import (
    CHANGES,
    FILLS,
    ORDERS,
    TRADES,
    TRANSACTIONS,
    Row,
    Rows,
    fee_rows,
)
from openoutcry.portal.trading.follower import DAY_NS, Follower, Step
from openoutcry.portal.trading.orders import Order
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.urls import without_password

LOCK = 7412
ROWS_A_TRANSACTION = 20_000
"""About, at most."""
IDLE_S, LOOK_S, LOCK_S, RETRY_S = 0.02, 0.5, 0.2, 1.0
FEW_ROWS = (
    *("movements", "account_events", "market_events", "broken_trades"),
    *("list_orders", "order_terms"),
)
"""Tables whose rows Python makes."""
TAKE_S = 0.02
"""While a transaction is written, what has come is taken so often."""
PACE_S, FAST_PACE_S, FAST = 0.08, 0.04, 5_000
"""A transaction begins that long after the one before, or later: one for each few orders used a
core, of which orders themselves had need.  At more than FAST commands a second it begins sooner:
then its rows cost most."""
log = logging.getLogger("outcry.portal")


class HistoryError(OutcryError):
    """The history cannot be written or read."""


def checkpoint_folder(file: VenueFile) -> Path:
    """Return where the projector keeps checkpoints of the ledger: one at each day's end, and one
    each EVERY commands."""
    return folder_of(file) / "books"


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A connection in which each statement is a transaction, unless ``transaction()`` says else.

    Raises :class:`DatabaseError`."""
    import psycopg

    try:
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseError(f"{without_password(url)}: {error}") from None


@dataclass
class Transaction:
    """All rows of a few commands, and the position after them."""

    before_seq: int
    seq: int
    time_ns: int
    day: int
    tables: dict[str, bytes | memoryview]
    """Rows as binary COPY."""
    of_table: dict[str, list[Row]]
    """Rows of which there are few."""
    days: dict[str, set[int]]
    """Days that have rows in tables with partitions."""


class Projector:
    """Writes the history of one venue over one connection."""

    def __init__(self, file: VenueFile, connection: Any, folder: Path | None = None) -> None:
        """``folder``: where checkpoints of the ledger are; as a rule next to the journal.

        Raises :class:`HistoryError` for a history that this journal does not continue."""
        self.file, self.connection = file, connection
        self.folder = folder or checkpoint_folder(file)
        # A history that a power cut takes something from continues where it ends then.
        connection.execute("set synchronous_commit to off")
        self.follower = Follower(file)
        self.rows = Rows(self.follower.markets)
        self.takes = False
        """Whether rows are made: not while it comes to where the history ends."""
        self.follower.look()
        self._due: Transaction | None = None
        """Rows to be written next."""
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self.seq = 0
        """The last command whose rows are in the database."""
        self._taken_seq = 0
        """The last command whose rows are in it, or in a transaction that is due."""
        self.is_building = self.is_late = False
        """Whether it makes the history again, which is not read yet; whether the last step left
        something."""
        self._is_named = True
        """Whether the history names all markets."""
        self._known: Any = None
        """Available and reserved by participant and asset, as last written."""
        self._ledger: LedgerState | None = None
        self._saved_seq = 0
        """The command of the last checkpoint."""
        self._saver = ThreadPoolExecutor(1)
        self._saving: Future[None] | None = None
        self._merges: Merges
        self._partitions: set[tuple[str, int]] = set()
        """Tables and days whose partitions are known to be there."""

    @property
    def began_seq(self) -> int:
        """The command before the first that it can take."""
        return self.follower.began.seq if self.follower.began else 0

    @property
    def books(self) -> Any:
        """The ledger's, as they are after the follower's last command."""
        assert self._ledger is not None
        return self._ledger.books

    # Beginning

    def begin(self, rebuild: bool = False) -> bool:
        """Bring the follower to where the history ends; False: there is no journal yet."""
        if not Journal.exists(self.file.journal):
            return False
        reader = JournalReader(self.file.journal)
        journal = f"{reader.journal_id & 2**64 - 1:016x}"
        position = self._opened(journal, rebuild)
        self.seq = int(position["seq"])
        if self.began_seq > self.seq:
            raise HistoryError(
                f"{self.file.journal}: the history ends at command {self.seq:,}, and the journal "
                f"begins after {self.began_seq:,}; make the history again with --rebuild"
            )
        while self.follower.seq < self.seq and self.follower.poll(self.seq):
            pass
        if self.follower.seq < self.seq:
            raise HistoryError(
                f"{self.file.journal}: the history ends at command {self.seq:,}, and the journal "
                f"at {self.follower.seq:,}"
            )
        if self.seq == self.began_seq == 0 and len(self.books.opening):
            self.rows.post(self.books.opening, self.books.money_names)
        self._restore(int(position["day"]))
        self._name_markets()
        self._merges = Merges(self.connection)
        self._taken_seq, self.takes = self.seq, True
        self.follower.day_ends.append(self._end_day)
        return True

    def _opened(self, journal: str, rebuild: bool) -> dict[str, Any]:
        """Use the history that is to be continued, or begin one; its position."""
        position, new = self._position(schema.NAME), self._position(schema.NEW)
        is_old = position is not None and position["version"] != schema.VERSION
        wanted = {"version": schema.VERSION, "journal_id": journal}
        is_under_way = new is not None and wanted.items() <= new.items()
        self.is_building = rebuild or is_old or is_under_way
        name = schema.NEW if self.is_building else schema.NAME
        if rebuild or not is_under_way:
            schema.drop(self.connection, schema.NEW)
            if self.is_building or position is None:
                self._begin_books(self._first_state())
                self._create(position, journal, name)
                found = self._position(name)
                assert found is not None
                return found
        found = new if self.is_building else position
        assert found is not None
        self._require_journal(found, journal)
        schema.use(self.connection, name)
        self._begin_books(self._state_before(int(found["seq"])))
        return found

    def _require_journal(self, position: dict[str, Any], journal: str) -> None:
        if position["journal_id"] != journal:
            raise HistoryError(
                f"{self.file.journal}: the history in the database belongs to another journal; "
                "make it again with --rebuild"
            )

    def _first_state(self) -> LedgerState:
        """Return the state before the journal's first command; if its beginning was retired, where
        the ledger can continue."""
        return ledger_state.oldest(self.file.journal, self.folder)

    def _state_before(self, seq: int) -> LedgerState:
        return ledger_state.opened(self.file.journal, seq, more=self.folder)

    def _begin_books(self, state: LedgerState) -> None:
        self._ledger, self._saved_seq = state, state.seq
        self.follower.begin_at(state.reader, state.point)
        self.follower.listeners.append(self._take)

    def _create(self, position: dict[str, Any] | None, journal: str, name: str) -> None:
        """Empty tables.  Raises :class:`HistoryError` if that would lose what the journal no longer
        has."""
        began = self.began_seq
        if position is not None and began > int(position["began_seq"]):
            raise HistoryError(
                f"{self.file.journal}: the journal begins after command {began:,}; a history "
                f"that is made again would lose what it has from {position['began_seq']:,} on"
            )
        with self.connection.transaction():
            schema.create(self.connection, journal, began, name)

    def _name_markets(self) -> None:
        """Write the instruments that the history does not name yet."""
        names = [
            "index",
            "symbol",
            "base",
            "quote",
            "base_decimals",
            "quote_decimals",
            "lot_units",
            "tick_units",
        ]
        places = ", ".join(["%s"] * len(names))
        query = f"insert into markets values ({places}) on conflict do nothing"
        for market in self.follower.markets.every:
            self.connection.execute(query, [getattr(market, name) for name in names])

    def _position(self, name: str) -> dict[str, Any] | None:
        import psycopg

        try:
            cursor = self.connection.execute(f"select * from {name}.position")
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return None
        row = cursor.fetchone()
        return (
            None
            if row is None
            else dict(zip([one.name for one in cursor.description], row, strict=True))
        )

    def position_seq(self) -> int:
        """Return the last command that is in the history; one before all if there is none."""
        position = self._position(schema.NEW) or self._position(schema.NAME)
        return int(position["seq"]) if position is not None else -1

    def _restore(self, day: int) -> None:
        """Restore what the follower cannot know of the time before its first command."""
        self.follower.day = day
        for order in open_orders(self.connection):
            self.rows.restore(order, last_ticks(self.connection, order))
        for length, table in enumerate(schema.CANDLES):
            query = f"select instrument, max(begin_s) from {table} where day >= %s group by 1"
            newest = dict(self.connection.execute(query, (day,)).fetchall())
            self.rows.restore_candles(length, newest, day * DAY_S - 1)
        wallets = self.follower.wallets
        assert wallets is not None
        self._known = np.zeros_like(wallets.all_rows[:, :, :2])
        names = {name: place for place, name in enumerate(wallets.names) if name}
        query = """
            select distinct on (participant, asset) participant, asset, available, reserved
            from balances order by participant, asset, day desc
        """
        for participant, asset, available, reserved in self.connection.execute(query):
            if asset in names:
                self._known[participant, names[asset]] = int(available), int(reserved)

    # Following

    def step(self) -> int:
        """Take what was released since, and begin to write it; how many commands that was.  While
        the database takes one transaction the next is made."""
        before = self.follower.seq
        while len(self.rows) < ROWS_A_TRANSACTION and (self.follower.poll() or self._is_writing()):
            pass
        self.is_late = len(self.rows) >= ROWS_A_TRANSACTION
        if self.follower.seq > self._taken_seq:
            made = self._made()
            self.settle()
            if not self._is_named:
                self._name_markets()
                self._is_named = True
            self._due = made
            self._writing = self._thread.submit(self._write)
            if self.follower.seq - self._saved_seq >= EVERY:
                self._save()
        else:
            self.settle()
        return self.follower.seq - before

    def _is_writing(self) -> bool:
        """Return whether a transaction is still not written after TAKE_S."""
        return self._writing is not None and bool(wait_for([self._writing], TAKE_S).not_done)

    def settle(self) -> None:
        """Wait until nothing is being written.  Raises what has failed."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def require_written(self) -> None:
        """Raises what tells that the server has ended, or has lost what it took last, as in a power
        cut: while the market is quiet nothing else would find out."""
        self.settle()
        row = self.connection.execute("select seq from position").fetchone()
        if row != (self.seq,):
            raise HistoryError(f"the database has lost what it had up to command {self.seq:,}")

    def finish(self) -> None:
        """The history that is made again has all that was released: it is the history now."""
        self.settle()
        schema.make_keys(self.connection)
        with self.connection.transaction():
            schema.finish(self.connection)
        self.is_building = False

    def close(self) -> None:
        """End the threads; nothing is written any more."""
        self._thread.shutdown()
        self._saver.shutdown()

    def _take(self, step: Step) -> None:
        posted = self.books.post(step.commands, step.events)
        if not self.takes:
            return
        if len(posted):
            self.rows.post(posted, self.books.money_names)
        if self.rows.named < len(self.follower.markets.every):
            self.rows.name(self.follower.markets)
            self._is_named = False
        self.rows.take(*step)

    def _end_day(self, day: int) -> None:
        """The wallets that are not as they were at the last day's end; and a checkpoint, from which
        statements of the days after begin."""
        wallets = self.follower.wallets
        assert wallets is not None
        now = wallets.all_rows[:, :, :2]
        for participant, place in np.argwhere((now != self._known).any(axis=2)).tolist():
            available, reserved = now[participant, place].tolist()
            row = participant, wallets.names[place], day, available, reserved
            self.rows.balances.append(row)
        self._known = now.copy()
        self._save()

    def _save(self) -> None:
        """A checkpoint of the ledger where the follower is.  Without it a start takes longer.  A
        thread writes it: rows would wait for half a second."""
        assert self._ledger is not None
        self._saved_seq = self.follower.seq
        if self._saving is not None:
            self._saving.result()
        write = ledger_state.captured(self._ledger)
        self._saving = self._saver.submit(self._keep, write)

    def _keep(self, write: Callable[[Path], Path]) -> None:
        try:
            make_folder(self.folder.parent)
            write(self.folder)
        except OutcryError as error:
            log.warning("the ledger's checkpoint: %s", error)

    def _made(self) -> Transaction:
        """A transaction of what was taken since the last."""
        rows, follower = self.rows, self.follower
        of_table = {name: getattr(rows, name) for name in FEW_ROWS}
        days = {"": rows.days, TRANSACTIONS: rows.posting_days}
        days |= {
            name: {row[0] for row in made}
            for name, made in of_table.items()
            if name in schema.BY_DAY
        }
        of_table["balances"] = rows.balances
        fees = fee_rows(rows.fees, self.books.symbols, self.books.money_names)
        tables = rows.finish() | ({"fees": fees} if fees else {})
        before, self._taken_seq = self._taken_seq, follower.seq
        at = before, follower.seq, follower.time_ns, follower.day
        return Transaction(*at, tables, of_table, days)

    def _write(self) -> None:
        """One transaction: all rows, and the position after them."""
        due, self._due = self._due or self._made(), None
        connection = self.connection
        with connection.transaction():
            self._add_partitions(due.days)
            for table in (TRANSACTIONS, ORDERS, CHANGES, FILLS, TRADES, *schema.CANDLES):
                if table in due.tables:
                    self._copy(table, due)
            for table, made in due.of_table.items():
                self._copy_rows(table, made)
            with connection.pipeline():
                self._merges.run(due.tables)
                done = connection.execute(
                    "update position set seq = %s, at_ns = %s, day = %s where seq = %s",
                    (due.seq, due.time_ns, due.day, due.before_seq),
                )
            if done.rowcount != 1:
                raise HistoryError("another projector has written to this history")
        self.seq = due.seq

    def _add_partitions(self, days: dict[str, set[int]]) -> None:
        """Those of the days that are not known yet."""
        wanted = {(table, day) for table, all_days in days.items() for day in all_days}
        for table, day in sorted(wanted - self._partitions):
            schema.add_day(self.connection, day, (table,) if table else schema.BY_DAY)
        self._partitions |= wanted

    def _copy(self, table: str, due: Transaction) -> None:
        """Rows of one day go straight into its partition."""
        days, name = due.days.get(table, due.days[""]), table
        if len(days) == 1 and table in (*schema.BY_DAY, TRANSACTIONS):
            name = f"{table}_{min(days)}"
        with self.connection.cursor().copy(f"copy {name} from stdin (format binary)") as copy:
            copy.write(due.tables[table])

    def _copy_rows(self, table: str, rows: list[Row]) -> None:
        if not rows:
            return
        with self.connection.cursor().copy(f"copy {table} from stdin") as copy:
            for row in rows:
                copy.write_row(row)


def order_of(row: dict[str, Any]) -> Order:
    """An order from its row."""
    values: dict[str, Any] = {name: row[name] for name in schema.ORDER_COLUMNS if name != "packed"}
    values |= numbers_of(row["packed"])
    return Order(**values)


def open_orders(connection: Any) -> Iterator[Order]:
    """Orders that are open where the history ends, without their fills."""
    columns = ", ".join(schema.ORDER_COLUMNS)
    query = f"select {columns} from orders where {schema.OPEN} order by number"
    for row in connection.execute(query).fetchall():
        yield order_of(dict(zip(schema.ORDER_COLUMNS, row, strict=True)))


def last_ticks(connection: Any, order: Order) -> int:
    """The price of an order's last fill, where its rows depend upon it: of a budget; 0: without."""
    if not order.is_budget or not order.executed_lots:
        return 0
    query = """
        select price_ticks from fills where participant = %s and number = %s
        order by day desc, trade desc limit 1
    """
    row = connection.execute(query, (order.participant, order.number)).fetchone()
    return int(row[0]) if row else 0


def follow(
    file: VenueFile,
    url: str,
    *,
    rebuild: bool = False,
    once: bool = False,
    keep_days: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write the history until ``stop`` says so, or, ``once``, up to what is released now; the
    last command written.  ``keep_days``: older days are dropped (0: none).

    Raises :class:`OutcryError`."""
    with connected(url) as connection:
        if not only_writer(connection, stop, LOCK):
            return 0
        first = not _finish_parts(file, connection, rebuild, stop)
        projector = Projector(file, connection)
        try:
            return _followed(projector, rebuild and first, once, keep_days, stop)
        finally:
            projector.close()


def _finish_parts(
    file: VenueFile, connection: Any, rebuild: bool, stop: Callable[[], bool]
) -> bool:
    """Write what the history lacks of journals that the venue's continues; whether one was begun
    with."""
    parts = parts_before(file.journal) if Journal.exists(file.journal) else []
    begun = False
    for journal, last_seq in parts:
        part = Projector(replace(file, journal=journal), connection, checkpoint_folder(file))
        try:
            if not rebuild and part.position_seq() >= last_seq:
                continue
            part.begin(rebuild and not begun)
            begun = True
            while part.step() and not stop():
                pass
            part.settle()
        finally:
            part.close()
    return begun


def _followed(
    projector: Projector, rebuild: bool, once: bool, keep_days: int, stop: Callable[[], bool]
) -> int:
    while not projector.begin(rebuild):
        if once:
            raise HistoryError(f"{projector.file.journal}: there is no journal yet")
        if wait(RETRY_S, stop):
            return 0
    dropped, look_s, is_idle, began_s = 0, 0.0, False, time.monotonic()
    while not stop():
        if time.monotonic() >= look_s:
            projector.follower.look()
            if is_idle:
                projector.require_written()
            look_s = time.monotonic() + LOOK_S
        last_s, began_s = began_s, time.monotonic()
        count = projector.step()
        if projector.is_building and not projector.is_late:
            projector.finish()
        day = projector.follower.time_ns // DAY_NS
        if keep_days and day > dropped:
            projector.settle()
            with projector.connection.transaction():
                schema.drop_days_before(projector.connection, day - keep_days)
            dropped = day
        is_idle = count == 0
        if is_idle:
            if once:
                break
            time.sleep(IDLE_S)
        elif not once:
            pace_s = FAST_PACE_S if count > FAST * (began_s - last_s) else PACE_S
            time.sleep(max(0.0, began_s + pace_s - time.monotonic()))
    projector.settle()
    return projector.seq


def only_writer(connection: Any, stop: Callable[[], bool], lock: int) -> bool:
    """Wait until no other process has the lock; False if it is stopped before."""
    query = "select pg_try_advisory_lock(%s) as is_mine"
    while True:
        row = connection.execute(query, (lock,)).fetchone()
        if row["is_mine"] if isinstance(row, dict) else row[0]:
            return True
        if wait(LOCK_S, stop):
            return False


def wait(seconds: float, stop: Callable[[], bool]) -> bool:
    """Return whether ``stop`` has said so meanwhile."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if stop():
            return True
        time.sleep(IDLE_S)
    return stop()


def digest(connection: Any) -> str:
    """SHA-256 over every row: equal for two histories of one journal up to one command."""
    total = hashlib.sha256()
    orders = {
        "orders": "number",
        "order_changes": "event_seq",
        "list_orders": "number",
        "order_terms": "number",
        "fills": "trade, number",
        "trades": "instrument, trade",
        **dict.fromkeys(schema.CANDLES, "instrument, begin_s"),
        "balances": "participant, asset, day",
        "fees": "participant, day, instrument, asset",
        "movements": "event_seq, part",
        "account_events": "event_seq, part",
        "market_events": "event_seq",
        "broken_trades": "seq",
        "transactions": "participant, event_seq",
        "markets": "instrument",
    }
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        for table, columns in orders.items():
            total.update(f"{table}\n".encode())
            with connection.cursor(name=f"rows_of_{table}") as cursor:
                cursor.itersize = 10_000
                cursor.execute(f"select t::text from history.{table} as t order by {columns}")
                for (text,) in cursor:
                    total.update(f"{text}\n".encode())
        (seq,) = connection.execute("select seq from history.position").fetchone()
        total.update(str(seq).encode())
    return total.hexdigest()
