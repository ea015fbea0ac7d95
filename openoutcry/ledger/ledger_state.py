"""The ledger somewhere in its journal: the matcher and the books, from a checkpoint or the begin.

A checkpoint is one file of the folder ``ledger`` in the journal's folder: the core's snapshot and
the books as they were after one command.  It is written under another name and renamed, with a hash
over all.  Its facts come first, in plain form: a search for the checkpoint before a moment does not
read the rest.
"""

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.ledger.layout as lay
from openoutcry.journal.core import Core
from openoutcry.journal.events import NO_LIMIT, Point, Records, gathered_events_of, starting_point
from openoutcry.journal.projections import JournalReader
from openoutcry.journal.reader import parts_before
from openoutcry.journal.tail import CARRIED
from openoutcry.ledger.accounts import KINDS
from openoutcry.ledger.books import BOUNDS, TABLES, Books, Remark, name_monies
from openoutcry.wire.atomic_file import replacing
from openoutcry.wire.errors import LedgerError, MatcherError
from openoutcry.wire.extras import need
from openoutcry.wire.open_orders import copy_entries

FOLDER = "ledger"
EVERY = 250_000
"""Commands from one checkpoint to the next."""
MAGIC = b"OUTCRYL6"
MAGICS = b"OUTCRYL2", b"OUTCRYL3", b"OUTCRYL4", b"OUTCRYL5", MAGIC
"""First bytes of a checkpoint; the rows of earlier formats have fewer words."""
HASH_BYTES = 32


@dataclass
class LedgerState:
    """A journal's reader, its core at a command, and the books after that command."""

    reader: JournalReader
    point: Point
    books: Books

    @property
    def seq(self) -> int:
        """The last command that is in the books."""
        return self.point.seq

    def advance(
        self, until_seq: int = NO_LIMIT, every: int = 0, follow: bool = False
    ) -> Iterator[tuple[Records, Records]]:
        """Continue to ``until_seq`` or the journal's end: transactions, a batch at a time, and the
        commands they are of."""
        for commands, events in gathered_events_of(
            self.reader, self.point, until_seq=until_seq, every=every, follow=follow
        ):
            yield self.books.post(commands, events), commands


def folder_of(directory: Path) -> Path:
    """Return where the ledger of a journal is kept."""
    return Path(directory) / FOLDER


def opened(
    directory: Path,
    until_seq: int = NO_LIMIT,
    until_ns: int | None = None,
    more: Path | None = None,
) -> LedgerState:
    """The newest good checkpoint that is not after ``until_seq`` or ``until_ns``, or the begin.

    ``more``: a folder that has further checkpoints of this journal.  Raises :class:`LedgerError` if
    the journal's begin was retired and no checkpoint is left.
    """
    reader = JournalReader(directory)
    candidates = checkpoints(directory)
    if more is not None:
        candidates = sorted(candidates + checkpoints_in(more))
    end = bisect_right([seq for seq, _ in candidates], until_seq)
    if until_ns is not None:
        # Time never goes back along a journal; what cannot be read is passed over below.
        end = bisect_right(candidates[:end], until_ns, key=lambda candidate: _now_ns(candidate[1]))
    for _, path in reversed(candidates[:end]):
        ledger_state = _load(reader, path)
        if ledger_state is not None and (until_ns is None or ledger_state.books.now_ns <= until_ns):
            return ledger_state
    parts = parts_before(directory)
    if parts and until_seq < parts[-1][1]:
        return opened(parts[-1][0], until_seq, until_ns, more)
    if parts:
        return _carried(reader, *parts[-1], more)
    if reader.first_seq > 1:
        raise _retired(reader)
    return LedgerState(reader, starting_point(reader), Books(reader.config))


def _carried(reader: JournalReader, before: Path, seq: int, more: Path | None) -> LedgerState:
    """Return the state at the begin of a journal that continues another one, found there.  It is
    kept as a checkpoint."""
    books = _carried_books(at(before, seq, more=more).books, Books(reader.config))
    state = LedgerState(reader, starting_point(reader, seq), books)
    with suppress(OSError, LedgerError):
        save(state)
    return state


def _carried_books(was: Books, now: Books) -> Books:
    """Return the new books ``now`` with all that is in the books ``was``, whose instruments and
    assets are the first ones of the new."""
    now.grow(len(was.participants))
    header = np.arange(len(was.header)) * 8
    kept = ~np.isin(header, [lay.PARTICIPANTS, lay.INSTRUMENTS, lay.ASSETS, lay.ORDER_MASK])
    kept &= ~np.isin(header, [lay.TRACKS, lay.FIRST_LOTS]) & (header >= 8 * lay.ADDRESSES)
    now.header[kept] = was.header[kept]
    rows, count = len(was.participants), was.count
    now.participants[:rows] = was.participants
    now.cells.reshape(-1, now.count, lay.CELL_WORDS)[:rows, :count] = was.cells.reshape(
        -1, count, lay.CELL_WORDS
    )[:rows]
    first, second = (one.balances.reshape(-1, one.asset_count, KINDS, 2) for one in (was, now))
    second[: rows + 1, : was.first_lots] = first[: rows + 1, : was.first_lots]
    lots = slice(now.first_lots, now.first_lots + count)
    second[: rows + 1, lots] = first[: rows + 1, was.first_lots :]
    bounds = range(lay.LOW, lay.LOW + 2 * len(BOUNDS) * lay.WORD, lay.WORD)
    fixed = [word // 8 for word in (lay.WORST_BUY, lay.WORST_SELL, *bounds)]
    words = np.delete(np.arange(lay.INSTRUMENT_WORDS), fixed)
    now.instruments[:count, words] = was.instruments[:, words]
    now.schedules[:] = was.schedules
    copy_entries(was.orders, now.orders)
    now.monies, now.remarks, now.units_before = was.monies, was.remarks, was.units_before
    now.wallets = max(was.wallets, now.wallets, key=len)
    now.movements.restore(was.movements.document())
    name_monies(now)
    return now


def oldest(directory: Path, more: Path | None = None) -> LedgerState:
    """Return the state before the first command. If the journal's beginning was retired, return the
    oldest good checkpoint from which it continues. ``more``: as in :func:`opened`. Raises
    :class:`LedgerError` if it has no such checkpoint.

    Raises :class:`LedgerError` if it has no such checkpoint."""
    reader = JournalReader(directory)
    if reader.first_seq <= 1:
        return LedgerState(reader, starting_point(reader), Books(reader.config))
    for seq, path in sorted(checkpoints(directory) + (checkpoints_in(more) if more else [])):
        ledger_state = _load(reader, path) if seq >= reader.first_seq - 1 else None
        if ledger_state is not None:
            return ledger_state
    if parts := parts_before(directory):
        return _carried(reader, *parts[-1], more)
    raise _retired(reader)


def _retired(reader: JournalReader) -> LedgerError:
    return LedgerError(
        f"{reader.directory} begins at sequence {reader.first_seq}, and no checkpoint of the "
        "ledger covers the commands before"
    )


def at(
    directory: Path,
    seq: int | None = None,
    time_ns: int | None = None,
    more: Path | None = None,
) -> LedgerState:
    """The ledger after command ``seq``, or after the last that had come by ``time_ns`` (ns since
    the epoch, of the commands' ``rx_ts_ns``).  Without either: at the journal's end.

    ``more``: as of :func:`opened`.

    Raises :class:`LedgerError` if the journal ends before ``seq``.
    """
    limit = NO_LIMIT if seq is None else seq
    ledger_state = opened(directory, limit, time_ns, more)
    if time_ns is not None:
        limit = _last_by(ledger_state, time_ns)
    if ledger_state.seq < limit:
        for _ in ledger_state.advance(limit):
            pass
    if seq is not None and ledger_state.seq < seq:
        raise LedgerError(
            f"{directory}: the journal ends at sequence {ledger_state.seq}, before {seq}"
        )
    return ledger_state


def _last_by(ledger_state: LedgerState, time_ns: int) -> int:
    """The last command before the first that came later than this."""
    last = ledger_state.seq
    for first_seq, orders in ledger_state.reader.chunks(from_seq=last + 1):
        orders = orders[max(0, last + 1 - first_seq) :]
        late = np.flatnonzero(orders["rx_ts_ns"] > time_ns)
        if len(late):
            return last + int(late[0])
        last += len(orders)
    return last


def checkpoints(directory: Path) -> list[tuple[int, Path]]:
    """(sequence, file) of what there is, in order."""
    return checkpoints_in(folder_of(directory))


def checkpoints_in(folder: Path) -> list[tuple[int, Path]]:
    """The same of a folder that has them."""
    paths = folder.glob("checkpoint-*.olc")
    return sorted((int(path.stem.split("-")[1]), path) for path in paths)


def save(ledger_state: LedgerState, folder: Path | None = None) -> Path:
    """Write a checkpoint of the ledger as it is now."""
    return captured(ledger_state)(folder or folder_of(ledger_state.reader.directory))


def captured(ledger_state: LedgerState) -> Callable[[Path], Path]:
    """A copy of the ledger as it is now.  Called, in any thread, it writes a checkpoint of it into
    a folder, which takes ten times as long as the copy."""
    books, point = ledger_state.books, ledger_state.point
    arrays: list[npt.NDArray[Any]] = [books.header.copy()]
    for name in TABLES:
        table = getattr(books, name)
        rows = np.flatnonzero(table.any(axis=1))
        arrays += [rows, np.ascontiguousarray(table[rows])]
    facts = {
        "journal_id": ledger_state.reader.journal_id,
        "shape": shape_of(books),
        "seq": point.seq,
        "chain": point.chain,
        "trades": point.trades,
        "monies": books.monies,
        "wallets": books.wallets,
        "remarks": books.remarks,
        "units_before": books.units_before,
        "movements": books.movements.document(),
        "participants": len(books.participants),
        "now_ns": books.now_ns,
    }
    text, snapshot_of = json.dumps(facts), point.engine.captured()
    return lambda folder: _write(folder, json.loads(text), arrays, snapshot_of())


def _write(
    folder: Path, facts: dict[str, Any], arrays: list[npt.NDArray[Any]], snapshot: bytes
) -> Path:
    """Write a checkpoint.  Compression, hashes and the disk let other threads work."""
    parts = [*arrays, np.frombuffer(snapshot, np.uint8)]
    facts["arrays"] = [[array.dtype.str, list(array.shape)] for array in parts]
    text = json.dumps(facts).encode()
    size = sum(array.nbytes for array in parts)
    packing = _zstandard().ZstdCompressor(level=1).compressobj(size=size)
    packed = [packing.compress(array.reshape(-1).view(np.uint8).data) for array in parts]
    content = b"".join([len(text).to_bytes(8, "little"), text, *packed, packing.flush()])
    folder.mkdir(exist_ok=True)
    path = folder / f"checkpoint-{facts['seq']:015d}.olc"
    digest = hashlib.blake2b(content, digest_size=HASH_BYTES).digest()
    write_whole(path, MAGIC + digest + content)
    return path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write at; when the block ends, the file is whole, durable, and stored at ``path``.

    Raises :class:`LedgerError` naming the file where that fails; nothing of it is left then.
    """
    try:
        with replacing(path) as part:
            yield part
            descriptor = os.open(part, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise LedgerError(f"{path}: {why}: nothing was written") from None


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Like :func:`written_whole`, for bytes that are there."""
    with written_whole(path) as part:
        part.write_bytes(content)


HEAD_BYTES = len(MAGIC) + HASH_BYTES


def _now_ns(path: Path) -> int:
    """The ledger's time in a checkpoint, by its first bytes alone; NO_LIMIT: it has none."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES + 8)
            size = int.from_bytes(head[HEAD_BYTES:], "little")
            text = file.read(min(size, 1 << 20))
        return int(json.loads(text)["now_ns"])
    except (OSError, ValueError, KeyError):
        return NO_LIMIT


def _load(reader: JournalReader, path: Path) -> LedgerState | None:
    """None: it is damaged, another journal's, or of an earlier version's core."""
    data = path.read_bytes()
    head, content = data[:HEAD_BYTES], data[HEAD_BYTES:]
    digest = hashlib.blake2b(content, digest_size=HASH_BYTES).digest()
    if head not in [magic + digest for magic in MAGICS]:
        return None
    size = 8 + int.from_bytes(content[:8], "little")
    facts = json.loads(content[8:size])
    if facts["journal_id"] != reader.journal_id:
        return None
    books = Books(reader.config)
    # A journal that continues another one may have more instruments than that.
    if facts.get("shape", None if CARRIED in reader.config else shape_of(books)) != shape_of(books):
        return None
    body = memoryview(_zstandard().ZstdDecompressor().decompress(content[size:]))
    arrays, place = [], 0
    for kind, shape in facts["arrays"]:
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(body, kind, count, place).reshape(shape))
        place += arrays[-1].nbytes
    books.grow(facts["participants"])
    books.header[:] = arrays[0]
    for number, name in enumerate(TABLES):
        table = getattr(books, name)
        rows = arrays[2 + 2 * number]
        # What an earlier format has no words for is as at the journal's begin.
        table[:, : rows.shape[1]] = 0
        table[arrays[1 + 2 * number], : rows.shape[1]] = rows
    books.monies = [(name, decimals) for name, decimals in facts["monies"]]
    books.name_rows()
    if "wallets" in facts:
        books.wallets = [(name, decimals) for name, decimals in facts["wallets"]]
    books.remarks = [Remark(*row) for row in facts["remarks"]]
    books.units_before = [
        (seq, index, units) for seq, index, units in facts.get("units_before", [])
    ]
    if "movements" in facts:
        books.movements.restore(facts["movements"])
    name_monies(books)
    try:
        engine = Core.of(reader.config).restored(arrays[-1].tobytes())
    except MatcherError:
        return None
    point = Point(engine, facts["chain"], facts["trades"], facts["seq"])
    return LedgerState(reader, point, books)


def shape_of(books: Books) -> list[int]:
    """Return what the places of rows in the books' tables depend on."""
    return [books.count, books.first_lots, len(books.orders)]


def _zstandard() -> Any:
    return need("zstandard", "checkpoints of the ledger need zstandard", "ledger", LedgerError)


assert lay.ROW_BYTES % 8 == 0
