"""The control segment: what the stages of one run know of each other.

Every word is an int64 at a fixed byte offset.  Each group of words that one process writes has
separate cache lines.  Everything here survives the death of the process that wrote it: a restarted
stage finds its place from these words and from the rings.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.ring import ProcessIdentity, Segment, SegmentError
from openoutcry.wire import LAYOUT_HASH, check_layout
from openoutcry.wire.layout import Layout, Words, area, i64
from openoutcry.wire.records import CONTROL_MAGIC

EVENT_HASHES = "events"
"""By command like the stamps: the hash of all events up to its last."""
REPLY_KIND_COUNT, REPLY_REASON_COUNT = 24, 40
MAX_STAGES = 64
MAX_TABLE_BYTES = 1 << 15


class ReplyState(Layout, size_bytes=640):
    """Counts of the replies stage up to its cursor."""

    cursor: int = i64("last event that it is done with")
    event_hash: int = i64("hash of all events up to there")
    commands: int = i64("commands whose last event it has seen")
    trades: int = i64("trades")
    lost: int = i64("commands without a last event")
    duplicated: int = i64("commands with more than one")
    last_ns: int = i64("when it saw the last event, CLOCK_MONOTONIC")
    kinds: Words = area(8 * 24, "events by EventKind", at=64, of=Words)
    reasons: Words = area(8 * 40, "rejects by Reason", of=Words)


class StageBlock(Layout, size_bytes=128):
    """State that one stage reports."""

    pid: int = i64("its process")
    start: int = i64("when that started, clock ticks since boot")
    core: int = i64("core that it is pinned to")
    heartbeat_ns: int = i64("when it last came round, CLOCK_MONOTONIC")
    done: int = i64("1 + last sequence once the stage has finished", atomic=True)
    restarts: int = i64("how often it was restarted")
    ready_ns: int = i64("when it was ready to run, CLOCK_MONOTONIC")
    stalled_ns: int = i64("by the supervisor: since when it makes no progress, 0: it does")
    safe_seq: int = i64("of a stage that a gate waits for: last command that is safe with it")
    open_orders: int = i64("by a matcher: orders that its book holds")
    places: Words = area(
        32, "by a shard's matcher: two times a command and its events by then", of=Words
    )
    build: int = i64("build of its process (host/build.py)")
    config: int = i64("configuration of its process")
    safe_until_ns: int = i64(
        "by what publishes the journal: until when (CLOCK_BOOTTIME) ``safe_seq`` lasts", at=80
    )
    lag_bytes: int = i64("and what it has read and not had acknowledged yet")
    published_seq: int = i64("the last command that it has sent out")
    published_block: int = i64("and the last block")
    own_done: int = i64("``done`` as the stage's own process reads it", at=32)


class MergeState(Layout, size_bytes=320):
    """How far the merge of several shards has come."""

    cause: int = i64("the command whose events come next; 0 before the first start")
    event: int = i64("events merged so far")
    dropped: int = i64("orders that the command at work has taken in the shards done with it")
    shards: int = area(288, "a row of 16 bytes a shard", at=32)


class ControlSegment(Layout, size_bytes=43776):
    """The segment."""

    magic: int = i64("which kind of segment it is")
    layout_hash: int = i64("hash of the records' layout")
    owner_pid: int = i64("the supervisor's process")
    owner_start: int = i64("and when it started, clock ticks since boot")
    seed: int = i64("seed of the flow")
    rate: int = i64("commands a second, 0: as fast as possible")
    durability: int = i64("index in DURABILITIES")
    expected: int = i64("commands that will come")
    epoch_offset: int = i64("CLOCK_REALTIME minus CLOCK_MONOTONIC at the start, ns")
    started_ns: int = i64("when the run started, CLOCK_MONOTONIC")
    resumed_seq: int = i64("commands that the journal held when the run took it up")
    dropped: int = i64("datagrams that the system dropped, its queue being full")
    refused: int = i64("orders beyond their participants' rates")
    build: int = i64("build of the supervisor (host/build.py)")
    config: int = i64("its configuration, 0: of none that has a number")
    stop: int = i64("by the supervisor: take no more input, drain", at=128, atomic=True)
    go: int = i64("by the supervisor, once every stage is ready: take input", atomic=True)
    ports: Words = area(
        32, "by receive: of each port 1 + errno of what keeps packets away, 0: none", of=Words
    )
    woken: int = i64(
        "by loops of stages: counts up when work comes, for processes that sleep until then",
        at=192,
        atomic=True,
    )
    journal_asleep: int = i64(
        "by journal: 1 while it sleeps on this word; who publishes commands clears it",
        at=200,
        atomic=True,
    )
    loop_asleep: int = i64(
        "by the loop of all compiled stages: 1 while journal must wake it, by a socket",
        at=208,
        atomic=True,
    )
    first_ns: int = i64(
        "by receive: intended send time of the first command, CLOCK_MONOTONIC", at=256
    )
    written_seq: int = i64("by journal: last command written", at=384)
    written_ns: int = i64("by journal: when, CLOCK_MONOTONIC")
    clock_back_ns: int = i64("by journal: by how much the clock was set back in this run, ns")
    table_bytes: int = i64("by the supervisor: length of the topology's text", at=512)
    reply_which: int = i64("by replies: which of its two states counts", at=640)
    reply_states: int = area(2 * 640, "its two states, so that one store changes all", at=768)
    stage_blocks: int = area(64 * 128, "a block a stage", at=2048)
    table: int = area(1 << 15, "the topology's text")
    merge_which: int = i64("by merge (several shards): which of its two states counts")
    merge_states: int = area(2 * 320, "its two states", at=43072)
    state_count: int = i64("by the one matcher of a replicated run: odd while it writes the next")
    state_seq: int = i64("after which command")
    state_hash: Words = area(16, "hash of its whole state", of=Words)
    set_first_ns: int = i64("``first_ns`` as receive sets it", at=256, atomic=True)
    set_reply_which: int = i64("``reply_which`` as replies sets it", at=640, atomic=True)
    set_merge_which: int = i64("``merge_which`` as merge sets it", at=43008, atomic=True)


MAX_PORTS = 4
REPLY_STATE_BYTES = ReplyState.size_bytes
STAGE_BYTES = StageBlock.size_bytes
STAGE_PLACE_BYTES = 16
MERGE_SHARD_BYTES = 16
MERGE_STATE_BYTES = MergeState.size_bytes
CONTROL_BYTES = ControlSegment.size_bytes

DURABILITIES = ("none", "async", "durable", "replicated")


class Control:
    """The control segment of a run; ``block``: its words."""

    def __init__(self, segment: Segment) -> None:
        self.segment, self.block = segment, ControlSegment(segment.address)

    @classmethod
    def create(cls, name: str, table_text: str = "{}") -> "Control":
        """``table_text``: the topology of the run (``Topology.to_json``)."""
        control = cls(Segment.create(name, CONTROL_BYTES, lock=True))
        control._set_table(table_text)
        owner = ProcessIdentity.mine()
        control.block.layout_hash = LAYOUT_HASH
        control.block.owner_pid = owner.pid
        control.block.owner_start = owner.start_ticks
        # Last, so that no process attaches to a half-made one.
        control.block.magic = CONTROL_MAGIC
        return control

    @classmethod
    def attach(cls, name: str, read_only: bool = False) -> "Control":
        """Attach the control segment of a running pipeline. Raises ``SegmentError`` for another
        segment, or one of another layout."""
        segment = Segment.attach(name, read_only)
        if segment.size_bytes != CONTROL_BYTES:
            raise SegmentError(f"{name} is not a control segment: {segment.size_bytes} bytes")
        control = cls(segment)
        if control.block.magic != CONTROL_MAGIC:
            raise SegmentError(f"{name} is not a control segment: wrong magic at byte 0")
        check_layout(control.block.layout_hash & (2**64 - 1), name)
        return control

    @property
    def table_text(self) -> str:
        """The topology of the run (``Topology.to_json``); raises ``SegmentError`` while the run
        that is just starting has not written it yet."""
        if not self.block.table_bytes:
            raise SegmentError(f"{self.segment.name}: the run has not said its topology yet")
        return bytes(self._table(self.block.table_bytes)).decode()

    def _table(self, size_bytes: int) -> npt.NDArray[np.uint8]:
        at = ControlSegment.offset("table")
        return self.segment.view[at : at + size_bytes]

    def _set_table(self, text: str) -> None:
        data = text.encode()
        if len(data) > MAX_TABLE_BYTES:
            raise SegmentError(f"a topology of {len(data)} bytes, more than {MAX_TABLE_BYTES}")
        self._table(len(data))[:] = np.frombuffer(data, np.uint8)
        self.block.table_bytes = len(data)

    def port(self, index: int) -> int | None:
        """Return the errno of what keeps packets away from a port, 0 while it takes them; None:
        there is no such port, or it is not open yet."""
        word = self.block.ports[index]
        return word - 1 if word else None

    def set_port(self, index: int, error: int) -> None:
        """Publish the errno of what keeps packets away from a port, or 0."""
        self.block.ports[index] = error + 1

    def stage(self, index: int) -> StageBlock:
        """Return the block of a stage, by its index in the table."""
        return StageBlock(self.block.stage_blocks + index * STAGE_BYTES)

    def reply_state(self, which: int) -> ReplyState:
        """Return one of the two states of replies."""
        return ReplyState(self.block.reply_states + which * REPLY_STATE_BYTES)

    @property
    def reply(self) -> ReplyState:
        """The state of replies that counts."""
        return self.reply_state(self.block.reply_which)
