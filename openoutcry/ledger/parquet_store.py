"""The ledger as files: Parquet by day, and DuckDB to ask them.

    ledger/manifest.json                     which files count: replaced as one, whatever is killed
    ledger/day=2026-11-22/part-….parquet     transactions of a stretch of commands, final
    ledger/tail/part-….parquet               what came since, until the stretch is full

A stretch has a fixed number of commands, so a ledger that was rebuilt has the very files of one
that was followed live.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger import exchange as exchange_views
from openoutcry.ledger.columns import as_table, days_of
from openoutcry.ledger.exchange import Exchange
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS, TRANSACTION_DTYPE
from openoutcry.ledger.ledger_state import LedgerState, write_whole, written_whole
from openoutcry.ledger.report import arrow
from openoutcry.wire.errors import LedgerError
from openoutcry.wire.extras import need

MANIFEST = "manifest.json"
TEXTS = ["instrument", "asset", "kind", "side", "participant"]
RISING = ["event_seq", "cause_seq", "ts_ns", "order_id", "contra_id"]
FOUND_BY = ["event_seq", "cause_seq", "ts_ns", "participant", "day"]
GROUP_ROWS = 1 << 17
MAX_TAILS = 32
"""Files of the tail: with more, what there is of the stretch becomes one."""


class ParquetStore:
    """Writes a ledger's files.  ``add`` gathers, ``flush`` makes it count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._gathered: list[npt.NDArray[Any]] = []
        self._flushed = 0
        self._stretch = 0
        self._tails = 0
        self._final: list[str] = []

    def begin(self, ledger_state: LedgerState) -> int:
        """Take up the files of this journal's ledger; up to which command they are final.

        Raises :class:`LedgerError` if they are another journal's.
        """
        self.ledger_state = ledger_state
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = read_manifest(self.folder)
        if manifest and manifest["journal_id"] != ledger_state.reader.journal_id:
            raise LedgerError(
                f"{self.folder} is the ledger of journal {manifest['journal_id']:016x}, not of "
                f"{ledger_state.reader.journal_id:016x}"
            )
        clear_unfinished(self.folder)
        self._stretch = ledger_state.seq
        files = manifest["final"] if manifest else []
        self._final = [name for name in files if _begin_of(name) < ledger_state.seq]
        return ledger_state.seq

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Gather rows, to be written by the next flush."""
        if len(rows):
            self._gathered.append(rows)

    is_full = False
    """Files come by the stretch and by time."""

    def flush(self, stretch_is_full: bool = False) -> None:
        """Everything gathered counts from here on, and survives a kill.

        Raises :class:`LedgerError` naming the file that could not be written; what counted before
        still does.
        """
        if stretch_is_full:
            self._final += self._write_stretch()
            self._publish([])
            self._gathered, self._flushed, self._stretch = [], 0, self.ledger_state.seq
            self._tails = 0
            return
        new = self._gathered[self._flushed :]
        if not new:
            return
        if self._tails >= MAX_TAILS:
            self.finish()
            return
        name = f"tail/part-{self._stretch:015d}-{self._tails:06d}.parquet"
        self._write(name, new)
        self._tails += 1
        self._flushed = len(self._gathered)
        self._publish(
            [f"tail/part-{self._stretch:015d}-{n:06d}.parquet" for n in range(self._tails)],
            more=self._partial,
        )

    _partial: tuple[str, ...] = ()
    """Files with the begin of the stretch, made when the tails had become many."""

    def finish(self) -> None:
        """The stretch as it is becomes files as if it were full."""
        self._partial = tuple(self._write_stretch())
        self._flushed, self._tails = len(self._gathered), 0
        self._publish([], more=self._partial)

    def _write_stretch(self) -> list[str]:
        """One file a day; their names."""
        self._partial = ()
        if not self._gathered:
            return []
        names = []
        for day, parts in by_day(self._gathered):
            date = datetime.fromtimestamp(day * 86_400, UTC).date()
            names.append(f"day={date}/part-{self._stretch:015d}.parquet")
            self._write(names[-1], parts)
        return names

    def _write(self, name: str, parts: list[npt.NDArray[Any]]) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with written_whole(path) as part:
            self._encode(part, parts)

    def _encode(self, path: Path, parts: list[npt.NDArray[Any]]) -> None:
        """Row group after row group; while one is encoded (by arrow, in a thread), the next is put
        in columns.  Measured: a table at once, and its file in memory first, took 1.6 times as long
        and a fifth more processor."""
        pa, books = arrow(), self.ledger_state.books
        tables = (as_table(rows, books.symbols, books.money_names) for rows in in_groups(parts))
        first = next(tables)
        # Measured: numbers as a dictionary and zstd took two and a half times as long, numbers that
        # rise as they are a quarter longer and a third more bytes.
        with (
            pa.parquet.ParquetWriter(
                path,
                first.schema,
                compression="lz4",
                use_dictionary=TEXTS,
                write_statistics=FOUND_BY,
                column_encoding=dict.fromkeys(RISING, "DELTA_BINARY_PACKED"),
            ) as writer,
            ThreadPoolExecutor(1) as thread,
        ):
            under_way = thread.submit(writer.write_table, first)
            for table in tables:
                under_way.result()
                under_way = thread.submit(writer.write_table, table)
            under_way.result()

    def _publish(self, tails: list[str], more: tuple[str, ...] = ()) -> None:
        """Make these files count from here on, and remove the others."""
        books = self.ledger_state.books
        document = {
            "journal_id": self.ledger_state.reader.journal_id,
            "seq": self.ledger_state.seq,
            "event_seq": books.event_seq,
            "final": [*self._final, *more],
            "tail": tails,
            "monies": books.monies,
        }
        exchange = Exchange.of(books)
        if exchange is not None:
            document["exchange"] = exchange.document()
        write_whole(self.folder / MANIFEST, json.dumps(document, indent=1).encode())
        current = {*self._final, *more, *tails}
        for path in self.folder.glob("*/part-*"):
            if path.relative_to(self.folder).as_posix() not in current:
                path.unlink()
        if not tails:
            shutil.rmtree(self.folder / "tail", ignore_errors=True)

    def close(self) -> None:
        """Do nothing: this store holds no resources."""


def in_groups(parts: list[npt.NDArray[Any]]) -> Iterator[list[npt.NDArray[Any]]]:
    """The rows of each row group, counted from the first."""
    group: list[npt.NDArray[Any]] = []
    count = 0
    for rows in parts:
        while len(rows):
            size = min(len(rows), GROUP_ROWS - count)
            group.append(rows[:size])
            rows, count = rows[size:], count + size
            if count == GROUP_ROWS:
                yield group
                group, count = [], 0
    if group:
        yield group


UNFINISHED, STALE_S = ".outcry-*", 60.0


def clear_unfinished(folder: Path) -> None:
    """Remove the unfinished files of a killed writer.  Unfinished checkpoints are removed only if
    they are a minute old, as a follower into a database may be writing one now."""
    for path in (*folder.glob(f"*/{UNFINISHED}"), *folder.glob(UNFINISHED)):
        with suppress(FileNotFoundError):
            ours = path.parent != folder or (path / MANIFEST).exists()
            if ours or time.time() - path.stat().st_mtime > STALE_S:
                shutil.rmtree(path, ignore_errors=True)


def by_day(parts: list[npt.NDArray[Any]]) -> list[tuple[int, list[npt.NDArray[Any]]]]:
    """The rows of each day; time never goes back."""
    groups: dict[int, list[npt.NDArray[Any]]] = {}
    for rows in parts:
        days = days_of(rows["ts_ns"])
        edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(rows)]
        for begin, end in pairwise(edges):
            groups.setdefault(int(days[begin]), []).append(rows[begin:end])
    return list(groups.items())


FILE_NAME = re.compile(
    r"(?:day=\d{4}-\d\d-\d\d|tail)/part-\d{15,19}(?:-\d{6,19})?\.parquet", re.ASCII
)


def _begin_of(name: str) -> int:
    return int(name.rsplit("part-", 1)[1].split(".")[0].split("-")[0])


def stored_files(folder: Path, journal_id: int) -> list[tuple[int, Path]]:
    """(the command before its first, file) of each file that counts, in order.  Those that begin
    before the last of these begins are never replaced; none of another journal's folder count."""
    manifest = read_manifest(folder)
    if manifest is None or manifest["journal_id"] != journal_id:
        return []
    names = [*manifest["final"], *manifest["tail"]]
    return [(_begin_of(name), folder / name) for name in names]


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """None: no manifest is there yet.  Raises :class:`LedgerError` if it cannot be read."""
    try:
        document: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise LedgerError(f"{folder / MANIFEST}: {error}") from None
    if not _is_manifest(document):
        raise LedgerError(f"{folder / MANIFEST}: not a list of a ledger's files")
    return document


def _is_manifest(document: Any) -> bool:
    """Return whether it names files in its folder, and nothing outside of it."""
    if type(document) is not dict or type(document.get("journal_id")) is not int:
        return False
    lists = document.get("final"), document.get("tail")
    return all(
        type(names) is list
        and all(type(name) is str and FILE_NAME.fullmatch(name) for name in names)
        for names in lists
    )


def connect(folder: Path) -> Any:
    """DuckDB with views ``transactions``, ``postings``, ``balances`` and ``trades`` of the files
    that count; the caller closes it.  Where there are spot instruments whose amounts they can hold,
    the views of :mod:`exchange` are there as well.  Raises :class:`LedgerError` without files."""
    duckdb = need("duckdb", "this needs duckdb", "ledger", LedgerError)
    manifest = read_manifest(folder)
    files = (
        [os.fspath(folder / name) for name in (*manifest["final"], *manifest["tail"])]
        if manifest
        else []
    )
    if not files:
        raise LedgerError(
            f"{folder}: nothing was written yet; run `outcry ledger follow JOURNAL --once`"
        )
    connection = duckdb.connect()
    source = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
    read = f"read_parquet([{source}], hive_partitioning = false)"
    connection.execute(f"create view transactions as select * from {read}")
    for name, text in views().items():
        connection.execute(f"create view {name} as {text}")
    if manifest and "exchange" in manifest:
        add_exchange(connection, Exchange.parsed(manifest["exchange"]))
    return connection


def add_exchange(connection: Any, exchange: Exchange) -> None:
    """The tables of an exchange, if its amounts fit them."""
    place = exchange_views.SCHEMA
    try:
        views = exchange_views.views(exchange, "duckdb", "main.transactions", place)
    except LedgerError:
        return
    connection.execute(f"create schema {place}")
    for name, text in views.items():
        connection.execute(f"create view {place}.{name} as {text}")


ATTEMPTS = 20


def ask(folder: Path, query: str) -> Any:
    """The answer of DuckDB to one query, as an arrow table; files that were replaced while it read
    are read again.

    Raises :class:`LedgerError` for a query that cannot be, or files that cannot be read.
    """
    import duckdb

    for attempt in range(ATTEMPTS):
        connection = connect(folder)
        try:
            return connection.sql(query).to_arrow_table()
        except duckdb.IOException as error:
            if attempt == ATTEMPTS - 1:
                raise LedgerError(f"{folder}: {' '.join(str(error).split())}") from None
            time.sleep(0.05)
        except (duckdb.Error, AttributeError) as error:
            raise LedgerError(f"sql: {error}") from None
        finally:
            connection.close()
    raise AssertionError("unreachable")


def exchange_of(folder: Path) -> Exchange:
    """Return the settings that an exchange's tables need from a store's journal.

    Raises :class:`LedgerError` if it has no spot instrument, or amounts that they cannot hold."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise LedgerError(
            f"{folder}: nothing was written yet; run `outcry ledger follow JOURNAL --once`"
        )
    if "exchange" not in manifest:
        raise LedgerError(f"{folder}: the venue has no spot instrument")
    exchange = Exchange.parsed(manifest["exchange"])
    exchange.require_decimals()
    return exchange


def views() -> dict[str, str]:
    """Views over ``transactions``, the same in DuckDB and PostgreSQL.  A fill that moves no lots is
    one of spot: it has no lot fee, and what the schedule says is paid at once."""
    own = ("available", "reserved", "margin", "fees_due")
    parts = []
    for name in (*MONEY_COLUMNS, *LOT_COLUMNS):
        account = name.removeprefix("lots_")
        is_own = account in own
        who = "participant" if is_own else "-1"
        asset = "instrument" if name in LOT_COLUMNS else "asset"
        parts.append(
            f"select event_seq, part, ts_ns, {who} as participant, {asset} as asset, "
            f"'{account}' as account, {name} as amount from transactions where {name} <> 0"
        )
    balances = (
        "select participant, asset, account, sum(amount) as balance from postings "
        "group by participant, asset, account having sum(amount) <> 0"
    )
    # A trade's fills are the event that BROKEN names, and the next one.
    broken = "select contra_id from transactions where kind = 'BROKEN'"
    trades = (
        "select event_seq, cause_seq, ts_ns, day, participant, instrument, side, maker, order_id, "
        "contra_id, price_ticks, qty_lots, abs(clearing) as amount, "
        "case when lots_clearing = 0 then 0 else fee_income + fees_due end as lot_fee, "
        "case when lots_clearing = 0 then fee_income else -fees_due end as schedule_fee, "
        f"event_seq in ({broken}) or event_seq - 1 in ({broken}) as broken "
        "from transactions where kind = 'POSTED'"
    )
    return {"postings": " union all ".join(parts), "balances": balances, "trades": trades}


assert TRANSACTION_DTYPE.names is not None
