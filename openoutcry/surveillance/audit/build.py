"""Make the audit trail of a journal, part by part; continue where the last run ended.

A part is at most :data:`PART_COMMANDS` commands of one day.  Its files are written under
other names and renamed, then its line of the chain is added.  A part without a line is made again,
byte for byte the same.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from openoutcry.journal.events import STEP, commands_of
from openoutcry.journal.projections import Block, JournalReader, has_risk
from openoutcry.journal.tables import arrow
from openoutcry.order_entry.command_metadata import BLOCK_KEY, unpack
from openoutcry.surveillance.audit.carry import Carry, beginning, load_state, save_state
from openoutcry.surveillance.audit.chain import (
    NO_HASH,
    PLAN,
    Link,
    canonical,
    heads,
    read_chain,
    write_chain,
    write_whole,
)
from openoutcry.surveillance.audit.index import index_bytes
from openoutcry.surveillance.audit.rows import (
    SESSION_METADATA_DTYPE,
    Array,
    PartInput,
    session_metadata_of,
)
from openoutcry.surveillance.audit.survey import Survey, day_text
from openoutcry.surveillance.audit.table import Names, Stamps, table_of
from openoutcry.wire.errors import AuditError
from openoutcry.wire.symbols import symbols_of

FOLDER, LOCK = "audit", "lock"
PART_COMMANDS = 1 << 20
GROUP_ROWS = 1 << 14
"""Rows that are read at once: an order's life is in one or two of these of a part."""
VERSION = 1
WITH_STATISTICS = ["seq", "ts_ns", "order_id"]
PLAIN = ["seq", "event_seq", "command_seq", "entry_seq", "ts_ns", "time", "order_id", "match"]
"""Columns in which hardly a value is there twice."""


@dataclass(frozen=True)
class Plan:
    """Plan of a build; it is done when the chain has come to ``until_seq``."""

    journal_id: int
    until_block: int
    until_seq: int
    part_commands: int
    version: int = VERSION


def folder_of(directory: Path) -> Path:
    """Return where a journal's trail is unless another folder is named."""
    return Path(directory) / FOLDER


def build(
    directory: Path,
    folder: Path | None = None,
    *,
    part_commands: int = PART_COMMANDS,
    close: bool = False,
    progress: Callable[[int, int], None] = lambda seq, last: None,
) -> dict[str, Any]:
    """Bring the trail of the journal up to its present end; ``close``: the last day is
    over, so its parts too will never change.

    Works while the venue runs.  Returns ``parts``, ``rows``, ``seq`` and ``days`` (a row each:
    :func:`chain.heads`).  Raises :class:`AuditError`, and ``JournalError`` as reading does.
    """
    arrow()
    folder = folder or folder_of(directory)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        for unfinished in folder.rglob(".outcry-*"):
            shutil.rmtree(unfinished)
        plan, links = read_plan(folder), read_chain(folder)
        if plan is not None and _end(links) < plan.until_seq:
            links = _Build(directory, folder, plan, progress).run(links)
        survey = Survey(directory)
        _require_own(folder, plan, survey)
        if plan is None or survey.until_block > plan.until_block:
            size = plan.part_commands if plan else part_commands
            reader = survey.reader
            plan = Plan(reader.journal_id, survey.until_block, survey.until_seq, size)
            write_whole(folder / PLAN, plan_text(plan).encode())
            links = _Build(directory, folder, plan, progress, survey).run(links)
        if close:
            links = _closed(folder, links)
    rows = sum(link.rows for link in links)
    return {
        "path": str(folder),
        "parts": len(links),
        "rows": rows,
        "seq": _end(links),
        "days": heads(links),
    }


def made_again(
    directory: Path, folder: Path, plan: Plan, ends: Collection[int]
) -> tuple[list[Link], set[int]]:
    """The trail of this plan in another, empty folder, its parts ending at ``ends`` as well; and
    where parts end by themselves.  Raises :class:`AuditError` if the journal is another's, or ends
    before the plan does."""
    arrow()
    survey = Survey(directory, plan.until_block)
    work = _Build(directory, folder, plan, lambda seq, last: None, survey, ends)
    return work.run([]), set(survey.ends(1, plan.part_commands))


def _end(links: list[Link]) -> int:
    return links[-1].last_seq if links else 0


def plan_text(plan: Plan) -> str:
    """The plan's one text, under its own hash."""
    document = asdict(plan)
    seal = blake3(canonical(document).encode()).hexdigest()
    return canonical(document | {"hash": seal}) + "\n"


def read_plan(folder: Path) -> Plan | None:
    """None: there was no build.  Raises :class:`AuditError` if it was changed."""
    path = folder / PLAN
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
        del document["hash"]
        plan = Plan(**document)
    except (ValueError, TypeError, KeyError):
        raise AuditError(f"{path} is damaged") from None
    if plan_text(plan).encode() != text:
        raise AuditError(f"{path} was changed after it was written")
    if plan.version != VERSION:
        raise AuditError(f"{path}: a trail of version {plan.version}, this program's is {VERSION}")
    return plan


def _require_own(folder: Path, plan: Plan | None, survey: Survey) -> None:
    if plan is not None and plan.journal_id != survey.reader.journal_id:
        raise AuditError(
            f"{folder} is the trail of journal {plan.journal_id:016x}, not of "
            f"{survey.reader.journal_id:016x}"
        )
    if plan is not None and plan.until_seq > survey.until_seq:
        raise AuditError(
            f"{folder} goes to command {plan.until_seq:,}, {survey.reader.directory} only to "
            f"{survey.until_seq:,}"
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AuditError(f"{folder}: another build is in progress") from None
        yield
    finally:
        os.close(handle)


def _closed(folder: Path, links: list[Link]) -> list[Link]:
    """Every part as one that never changes."""
    out: list[Link] = []
    for link in links:
        previous = out[-1].hash if out else NO_HASH
        out.append(replace(link, open_until_block=None, previous=previous).sealed())
    if out != links:
        write_chain(folder, out)
    return out


class _Build:
    """One plan carried out."""

    def __init__(
        self,
        directory: Path,
        folder: Path,
        plan: Plan,
        progress: Callable[[int, int], None],
        survey: Survey | None = None,
        ends: Collection[int] = (),
    ) -> None:
        """``ends``: sequences at which parts end that would not end there by themselves."""
        self.folder, self.plan, self.progress = folder, plan, progress
        self.more_ends = ends
        self.survey = survey or Survey(directory, plan.until_block)
        _require_own(folder, plan, self.survey)
        self.reader = JournalReader(directory)
        self._begin_part()

    def _begin_part(self) -> None:
        self.commands: list[Array] = []
        self.events: list[Array] = []
        self.session_metadata: list[Array] = []
        self.blocks: list[tuple[int, int, int]] = []
        """Index, time written (ns) and commands of each block, or piece of one."""

    def run(self, links: list[Link]) -> list[Link]:
        """The chain, brought to the plan's end."""
        kept = [link for link in links if link.open_until_block in (None, self.plan.until_block)]
        self.links = kept
        done = _end(kept)
        self.carry = self._carry_at(done, _end(links))
        if kept != links:
            write_chain(self.folder, kept)
            for gone in links[len(kept) :]:
                for path in files_of(self.folder, gone):
                    path.unlink(missing_ok=True)
        first = self.carry.seq + 1
        more = {end for end in self.more_ends if end >= first}
        ends = sorted({*self.survey.ends(first, self.plan.part_commands), *more})
        if self.carry.seq < self.plan.until_seq:
            for block in self.reader.all_blocks(self.carry.seq + 1, self.plan.until_block):
                self._take(block, ends)
        return self.links

    def _carry_at(self, seq: int, known: int) -> Carry:
        """Return where the last part ended; without its state from the journal's beginning on.

        Raises :class:`AuditError` if that was retired, and what is left begins after what the
        trail has up to ``known``."""
        carry = load_state(self.folder, self.reader, seq) if seq else None
        if carry is None:
            carry = beginning(self.reader)
            if known and seq < carry.seq:
                raise AuditError(
                    f"{self.folder} has no good state after command {seq:,}, its next one; "
                    f"{self.reader.directory} can be replayed only after command {carry.seq:,}, "
                    "since its begin is retired"
                )
        return carry

    def _take(self, block: Block, ends: list[int]) -> None:
        """A block's commands, fed in steps that end where parts do."""
        records = commands_of(block)
        if not len(records):
            return
        session_metadata = self._session_metadata(block, len(records))
        first = block.header.first_seq
        at = max(0, self.carry.seq + 1 - first)
        while at < len(records):
            end = min(len(records), at + STEP, ends[0] + 1 - first)
            part = records[at:end]
            self.commands.append(part)
            self.session_metadata.append(session_metadata[at:end])
            self.blocks.append((block.header.block_index, block.header.written_ts_ns, end - at))
            self.events.append(self.carry.point.feed(part, block, self.reader.last_block))
            at = end
            if self.carry.seq == ends[0]:
                self._end_part()
                ends.pop(0)

    def _session_metadata(self, block: Block, count: int) -> Array:
        """Return the sessions' metadata of a block's commands (SESSION_METADATA_DTYPE)."""
        runs = self.survey.runs_begin
        while self.carry.runs < len(runs) and runs[self.carry.runs] < block.header.first_seq:
            self.carry.sources.new_run()
            self.carry.runs += 1
        session_metadata = np.zeros(count, SESSION_METADATA_DTYPE)
        text = block.note.get(BLOCK_KEY, "")
        if text and block.header.first_seq + count - 1 > self.carry.seq:
            noted, notes = unpack(text, count, len(self.survey.sessions))
            skip = np.searchsorted(noted, self.carry.seq + 1 - block.header.first_seq)
            session_metadata[noted[skip:]] = session_metadata_of(notes[skip:], self.carry.sources)
        return session_metadata

    def _end_part(self) -> None:
        commands = np.concatenate(self.commands)
        part = PartInput(
            commands, np.concatenate(self.session_metadata), np.concatenate(self.events)
        )
        joined = self.carry.orders.join(part)
        if self.carry.seq > _end(self.links):
            indices, written, counts = (np.array(c) for c in zip(*self.blocks, strict=True))
            block_indices = np.repeat(indices, counts)
            bounds = self.survey.bounds.of(block_indices, commands["rx_ts_ns"])
            stamps = Stamps(np.repeat(written, counts), bounds)
            table = table_of(joined, commands, stamps, self._names())
            self._write(table, index_bytes(joined), commands, part.events, int(indices[-1]))
        self._begin_part()
        self.progress(self.carry.seq, self.plan.until_seq)

    def _names(self) -> Names:
        config = self.survey.config
        return Names(
            self.reader.journal_id,
            symbols_of(config),
            ["", *(text.split(" ", 1)[0] for text in self.survey.sessions)],
            self.carry.sources.names,
            str(config.get("gateway") or ""),
            has_risk(config),
            self.survey.runs_begin,
        )

    def _write(
        self, table: Any, index: bytes, commands: Array, events: Array, last_block: int
    ) -> None:
        data = parquet_bytes(table)
        first, last = int(commands["seq"][0]), int(commands["seq"][-1])
        times, ids = commands["rx_ts_ns"], events["order_id"]
        before = self.links[-1] if self.links else None
        is_full = last % self.plan.part_commands == 0 or last < self.plan.until_seq
        final = is_full and self.survey.is_final(last_block, int(times.max()))
        follows_closed = before is None or before.open_until_block is None
        link = Link(
            day_text(self.survey.day_of(last)),
            first,
            last,
            int(times.min()),
            int(times.max()),
            table.num_rows,
            int(ids.min()),
            int(ids.max()),
            _digest(data),
            _digest(index),
            None if final and follows_closed else self.plan.until_block,
            before.hash if before else NO_HASH,
        ).sealed()
        (self.folder / link.day).mkdir(exist_ok=True)
        for path, content in zip(files_of(self.folder, link), (data, index), strict=True):
            write_whole(path, content)
        self.links.append(link)
        closed = [line.last_seq for line in self.links if line.open_until_block is None]
        save_state(self.folder, self.reader.journal_id, self.carry, {*closed[-1:]})
        write_chain(self.folder, self.links)


def files_of(folder: Path, link: Link) -> tuple[Path, Path]:
    """A part's Parquet file and its index."""
    return folder / f"{link.name}.parquet", folder / f"{link.name}.index"


def parquet_bytes(table: Any) -> Any:
    """The same rows give the same bytes (of one release of pyarrow)."""
    pa = arrow()
    sink = pa.BufferOutputStream()
    dictionaries = [name for name in table.schema.names if name not in PLAIN]
    pa.parquet.write_table(
        table,
        sink,
        row_group_size=GROUP_ROWS,
        compression="zstd",
        compression_level=1,
        use_dictionary=dictionaries,
        write_statistics=WITH_STATISTICS,
        store_schema=True,
    )
    return sink.getvalue().to_pybytes()


def _digest(data: bytes) -> str:
    return blake3(data, max_threads=blake3.AUTO).hexdigest()
