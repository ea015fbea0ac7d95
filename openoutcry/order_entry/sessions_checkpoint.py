"""A point from which the sessions can continue: their state, and the core's, at a command.

A checkpoint file of the journal's own kind (``journal/checkpoints.py``) next to the streams, bound
to the block that holds its command. The block's hash covers everything before it. The streams are
not in it: it has the length and the digest of each, and is used only if they still match. A
separate process follows the journal and makes checkpoints: no session waits.
"""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader, checkpoints
from openoutcry.journal.checkpoint import Follower
from openoutcry.journal.core import Core
from openoutcry.journal.event_hash import START
from openoutcry.journal.events import NO_LIMIT, Batch, Point
from openoutcry.journal.origins import Senders
from openoutcry.journal.tail import name_of_block
from openoutcry.order_entry import ouch, rows, session_region, shm_layout, sums, tokens
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.fix import words as fix_words
from openoutcry.order_entry.sessions_state import State, sizes_of
from openoutcry.order_entry.spec import Protocol, SessionsSpec
from openoutcry.order_entry.stream import COUNT
from openoutcry.order_entry.tokens import TokenTable
from openoutcry.wire.errors import JournalError

KEEP = 2
LAYOUT = [rows.ROW_BYTES, sums.ENTRY_BYTES, tokens.ENTRY_BYTES, 4]
"""Sizes of the arrays; the last number changes with their meaning."""
WORDS = (
    session_region.LAST_NUMBER,
    session_region.LANE_SEQ,
    session_region.UNREPORTED_EVENTS,
    session_region.DAY_BEGUN,
    session_region.ANSWERED_SEQ,
    session_region.REPORTED_UPTO,
)
"""Words of the region that follow from the journal."""
BLOCK_WORDS = (
    session_block.OPEN_ORDERS,
    session_block.LOGGED_OUT,
    session_block.KILLED,
    session_block.OWN_ROWS,
    session_block.LIST_ROW,
    session_block.LIST_LEFT,
)
"""Words of each session's block that follow from the journal; two belong to its protocol."""
SIZES = ("rows", "tokens", "waiting")
STREAMS_S = 60.0
"""How long the streams are waited for: their writer comes after the journal's."""


def folder_of(journal: Path) -> Path:
    """Return where a journal's checkpoints of sessions are."""
    return journal / "sessions" / "checkpoints"


def protocol_words(protocol: int) -> tuple[int, ...]:
    """A protocol's own words of a session's block that follow from the journal."""
    if protocol == Protocol.OUCH50:
        return ouch.LAST_USER_REF_WORD, ouch.DISABLED_WORD
    if protocol == Protocol.SHM:
        return (shm_layout.APPLIED_REQUEST,)
    return (fix_words.APPLIED_IN,) if session_block.is_fix(protocol) else ()


def arrays_of(state: State) -> dict[str, npt.NDArray[Any]]:
    """Everything that the sessions know, in canonical order."""
    region = state.region
    known = region.rows[region.rows["number"] != 0]
    table = region.sums[region.sums[:, sums.KEY // 8] != 0]
    blocks = np.zeros((len(state.streams), len(BLOCK_WORDS) + 2), np.int64)
    for index in range(1, len(state.streams) + 1):
        block = region.block(index)
        own = protocol_words(int(block[session_block.PROTOCOL // 8]))
        for place, word in enumerate((*BLOCK_WORDS, *own)):
            blocks[index - 1, place] = block[word // 8]
    return {
        "words": np.array([region[word] for word in WORDS]),
        "rows": known[np.argsort(known["number"])],
        "tokens": region.tokens.copy(),
        "sums": table[np.argsort(table[:, sums.KEY // 8])],
        "blocks": blocks,
        "places": np.flatnonzero(region.waiting[:, session_region.WAIT_SEQ // 8]),
        "waiting": region.waiting[region.waiting[:, session_region.WAIT_SEQ // 8] != 0],
        "documents": state.documents.saved(),
    }


def put_back(state: State, arrays: Any) -> None:
    """Let a state that has begun know what :func:`arrays_of` gave."""
    region = state.region
    if "documents" in arrays:  # of a build that had none there are none
        state.follow_documents(state.documents.put_back(arrays["documents"]))
    for word, value in zip(WORDS, arrays["words"].tolist(), strict=True):
        region.words[word // 8] = value
    known = with_participants(state, arrays["rows"])
    region.rows[known["number"] & region[session_region.ROW_MASK]] = known
    entries = np.ascontiguousarray(arrays["tokens"])
    table = TokenTable.of(region[session_region.TOKENS])
    assert tokens.put_tokens(table, entries.ctypes.data, len(entries)) == len(entries)
    for key, *values in arrays["sums"].tolist() if region.sizes.sums else ():
        place = int(sums.find(region[session_region.SUMS], region[session_region.SUMS_MASK], ~key))
        region.sums[(place - region[session_region.SUMS]) // sums.ENTRY_BYTES] = key, *values
    region.waiting[arrays["places"]] = arrays["waiting"]
    region.mark_waiting()
    for index, values in enumerate(arrays["blocks"].tolist(), start=1):
        block = region.block(index)
        own = protocol_words(int(block[session_block.PROTOCOL // 8]))
        for word, value in zip((*BLOCK_WORDS, *own), values, strict=False):
            block[word // 8] = value


def with_participants(state: State, known: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of a checkpoint, whatever their fields were called; a build that did not write whose
    order each is knew only sessions of one participant."""
    known = known.view(rows.ROW_DTYPE)
    nameless = known["participant"] == 0
    if nameless.any():
        owners = np.array([0, *(row.participant for row in state.spec.sessions)], np.uint16)
        known = known.copy()
        known["participant"][nameless] = owners[known["session"][nameless]]
    return known


def identity_of(spec: SessionsSpec) -> list[str]:
    """Return what a checkpoint is bound to: names, protocols and participants of the sessions."""
    return [f"{row.name} {row.protocol.name} {row.participant}" for row in spec.sessions]


def save(state: State, point: Point, journal_id: int, begins_journal: bool = False) -> Path | None:
    """Write what a state that follows the journal knows, durable; None if the day's streams are
    not as far, or not the same.  ``begins_journal``: of one that continues another."""
    assert state.journal is not None
    assert point.block is not None
    streams = []
    for row, mine in zip(state.spec.sessions, state.streams, strict=True):
        theirs = state.stream_of(row, state.journal, follows=True)
        count = mine.count
        if theirs[COUNT] < count or theirs.entry_end(count) != mine.entry_end(count):
            return None
        streams.append([count, mine.entry_end(count), theirs.digest_of(count)])
    engine = point.engine.snapshot()
    facts = {
        "layout": LAYOUT,
        "chain": point.chain,
        "trades": point.trades,
        "events": point.engine.event_count,
        "senders": point.senders.as_json(),
        "day": state.day,
        "day_begin_ns": state.region[session_region.DAY_BEGIN],
        "max_ts_ns": state.max_ts_ns,
        "sessions": identity_of(state.spec),
        **{name: getattr(state.region.sizes, name) for name in SIZES},
        "streams": streams,
        "begins_journal": begins_journal,
    }
    data = io.BytesIO()
    arrays = {"engine": np.frombuffer(engine, np.uint8), **arrays_of(state)}
    np.savez_compressed(data, **arrays)  # type: ignore[arg-type]
    folder = folder_of(state.journal)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = checkpoints.Checkpoint(journal_id, point.seq, point.block, facts, data.getvalue())
    path = checkpoints.write_checkpoint(folder, checkpoint)
    remove_old(folder)
    return path


def remove_old(folder: Path) -> None:
    """Keep the newest, and the newest of an earlier day: the streams of earlier days are no
    longer needed, so it is valid whatever happened to them."""
    kept, days = 0, set[str]()
    for seq in reversed(checkpoints.checkpoint_seqs(folder)):
        path = checkpoints.checkpoint_path(folder, seq)
        try:
            day = str(checkpoints.read_checkpoint(path).facts.get("day"))
        except JournalError:
            continue
        new_day = day not in days and len(days) < KEEP
        days.add(day)
        if kept >= KEEP and not new_day:
            path.unlink(missing_ok=True)
        kept += 1


def valid_checkpoints(
    state: State, reader: JournalReader, event_seq: int
) -> Iterator[checkpoints.Checkpoint]:
    """Checkpoints that the state may resume from, the newest first. ``event_seq``: the last
    event that is known to have been sent."""
    assert state.journal is not None
    folder = folder_of(state.journal)
    if not folder.is_dir():
        return
    mine = identity_of(state.spec)
    for seq in reversed(checkpoints.checkpoint_seqs(folder)):
        try:
            checkpoint = checkpoints.read_checkpoint(checkpoints.checkpoint_path(folder, seq))
            named = name_of_block(reader.directory, seq)
        except JournalError:
            continue
        facts = checkpoint.facts
        if (
            named != (checkpoint.journal_id, checkpoint.block)
            or (checkpoint.journal_id, facts.get("layout")) != (reader.journal_id, LAYOUT)
            or facts["events"] > event_seq
            or facts["sessions"] != mine[: len(facts["sessions"])]
            or [facts[n] for n in SIZES] != [getattr(state.region.sizes, n) for n in SIZES]
        ):
            continue
        yield checkpoint


def is_of_today(state: State, facts: dict[str, Any]) -> bool | None:
    """Return whether the streams of a checkpoint are the day's; None: it cannot be said."""
    begin_ns = state.region[session_region.DAY_BEGIN]
    if (facts["day"], facts["day_begin_ns"]) == (state.day, begin_ns):
        return True
    # At the begin of a journal that continues another one streams end, if the day is another one.
    return False if facts["max_ts_ns"] < begin_ns or facts.get("begins_journal") else None


def resume(state: State, reader: JournalReader, event_seq: int = NO_LIMIT) -> Point:
    """Bring a new state to the newest usable checkpoint, or at
    the journal's begin; returns the core there.

    Raises :class:`JournalError` if the begin is retired and none bridges the gap.
    """
    core = Core.of(reader.config)
    for checkpoint in valid_checkpoints(state, reader, event_seq):
        facts, today = checkpoint.facts, is_of_today(state, checkpoint.facts)
        if today is None or (today and not _stand(state, facts["streams"])):
            continue
        with np.load(io.BytesIO(checkpoint.state), allow_pickle=False) as arrays:
            put_back(state, arrays)
            engine = core.restored(arrays["engine"].tobytes())
        state.take_symbols(engine.region)
        state.max_ts_ns = facts["max_ts_ns"]
        if not today:
            state.region.words[session_region.DAY_BEGUN // 8] = 0
        senders = Senders.from_json(facts["senders"])
        return Point(
            engine, facts["chain"], facts["trades"], checkpoint.seq, checkpoint.block, senders
        )
    if reader.first_seq > 1:
        raise JournalError(
            f"{reader.directory} begins at sequence {reader.first_seq}, and no valid "
            "checkpoint of its sessions covers the commands before"
        )
    return Point(core.fresh(), START)


def _stand(state: State, streams: list[Any]) -> bool:
    """Put the day's streams where a checkpoint has them, if they hold what they held then."""
    assert state.journal is not None
    files = []
    for row, (count, end, wanted) in zip(state.spec.sessions, streams, strict=False):
        file = state.stream_of(row, state.journal, follows=True)
        if file[COUNT] < count or file.entry_end(count) != end or file.digest_of(count) != wanted:
            return False
        files.append((count, end))
    for stream, (count, end) in zip(state.streams, files, strict=False):
        if stream.path is None:
            stream.stand_behind(count, end)
        else:
            stream.begin(count)
    return True


class Shadow(State):
    """A separate state in memory that follows the journal; its streams hold only messages since
    the last checkpoint."""

    def __init__(self, spec: SessionsSpec, instruments: npt.NDArray[Any], journal: Path) -> None:
        sizes = sizes_of(spec, 1)
        region = session_region.SessionRegion(
            np.zeros(session_region.region_bytes(sizes) // 8, np.int64), sizes
        )
        super().__init__(spec, instruments, region, None)
        self.journal = journal
        self.begin()


class SessionsFollower(Follower):
    """A matcher and the sessions' state that follow the journal and write checkpoints of both."""

    def __init__(self, directory: Path, every: int | None, shadow: Shadow) -> None:
        self.shadow = shadow
        super().__init__(directory, every)
        self.saved_seq = self.point.seq

    def first_point(self) -> Point:
        """Return where to begin: after the newest checkpoint that fits."""
        return resume(self.shadow, self.reader)

    def take(self, batch: Batch) -> None:
        """Apply a batch of commands and events."""
        self.shadow.take_symbols(self.point.engine.region)
        self.shadow.apply(batch, NO_LIMIT)

    def save(self) -> list[Path]:
        """Write the checkpoints that are due; returns their files."""
        return [*super().save(), *self.save_sessions()]

    def save_sessions(self) -> list[Path]:
        """A checkpoint of the sessions, once the day's streams are as far; none if they are not
        within a minute: the next one comes."""
        until_s = time.monotonic() + STREAMS_S
        while (path := save(self.shadow, self.point, self.reader.journal_id)) is None:
            if time.monotonic() > until_s:
                return []
            time.sleep(0.05)
        self.saved_seq = self.point.seq
        for stream in self.shadow.streams:
            stream.stand_behind(stream.count, stream.entry_end(stream.count))
        return [path]

    def end_reached(self) -> None:
        """Write a checkpoint at the beginning of a run, so that the next start need not repeat the
        work."""
        if self.point.seq > self.saved_seq:
            self.save_sessions()


def make_sessions_checkpoint(
    directory: Path, spec: SessionsSpec, instruments: npt.NDArray[Any]
) -> list[Path]:
    """Write a checkpoint at the journal's end, unless it exists."""
    follower = SessionsFollower(directory, None, Shadow(spec, instruments, directory))
    follower.advance()
    return follower.save_sessions() if follower.point.seq > follower.saved_seq else []


def carry_over(
    old: Path,
    new: Path,
    spec: SessionsSpec,
    instruments: npt.NDArray[Any],
    point: Point,
    number: int,
) -> Path | None:
    """Write the checkpoint with which the sessions of the journal ``new`` continue those of
    ``old``, which has ended; their streams were copied.

    ``point``: the new core there; ``number``: of both journals.  Returns the file; None if the
    day's streams end before the journal does."""
    shadow = Shadow(spec, instruments, old)
    SessionsFollower(old, None, shadow).advance()
    shadow.journal = new
    return save(shadow, point, number, begins_journal=True)


def newest_seq(journal: Path) -> int:
    """The newest existing checkpoint; 0: no checkpoint."""
    folder = folder_of(journal)
    return max(checkpoints.checkpoint_seqs(folder), default=0) if folder.is_dir() else 0
