"""The control segment: what the stages of one run know of each other.

Every word is an int64 at a fixed byte offset, each group of words that one process writes on lines
of its own.  Everything here survives the death of the process that wrote it: a stage that is
restarted finds its place from these words and from the rings.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.ring import ProcessIdentity, Segment, SegmentError
from openoutcry.wire import LAYOUT_HASH, check_layout
from openoutcry.wire.records import CONTROL_MAGIC

# Written once by the supervisor.
MAGIC = 0
LAYOUT = 8
OWNER_PID = 16
OWNER_START = 24
SEED = 32
RATE = 40
DURABILITY = 48
EXPECTED = 56
EPOCH_OFFSET = 64  # CLOCK_REALTIME minus CLOCK_MONOTONIC at the start, ns
STARTED_NS = 72
RESUMED_SEQ = 80  # commands that the journal already held when the run took it up
DROPPED = 88  # by the supervisor: datagrams that the system dropped, its queue being full
REFUSED = 96  # by the supervisor: orders beyond their participants' rates
BUILD = 104  # which build the supervisor is of (host/build.py)
CONFIG = 112  # of which configuration, 0: of none that has a number

STOP = 128  # by the supervisor: take no more input, drain
GO = 136  # by the supervisor, once every stage is ready: take input
FIRST_NS = 256  # by receive: intended send time of the first command, CLOCK_MONOTONIC
WRITTEN_SEQ = 384  # by journal
WRITTEN_NS = 392
TABLE_BYTES = 512  # by the supervisor: length of the topology's text

# By replies: two copies of its state and the index of the one that counts, so that its cursor and
# everything counted up to that cursor change in one store.
REPLY_WHICH = 640
REPLY_STATES = 768
REPLY_STATE_BYTES = 640
REPLY_CURSOR = 0
REPLY_EVENT_HASH = 8
REPLY_COMMANDS = 16
REPLY_TRADES = 24
REPLY_LOST = 32
REPLY_DUPLICATED = 40
REPLY_LAST_NS = 48
REPLY_KINDS = 64  # 24 counts by EventKind
REPLY_KIND_COUNT = 24
REPLY_REASONS = 256  # 40 counts by Reason of a reject
REPLY_REASON_COUNT = 40

EVENT_HASHES = "events"
"""By command like the stamps: the hash of all events up to its last."""

STAGE_BLOCKS = 2048
STAGE_BYTES = 128
STAGE_PID = 0
STAGE_START = 8
STAGE_CORE = 16
STAGE_HEARTBEAT_NS = 24
STAGE_DONE = 32  # 1 + last sequence once the stage has finished
STAGE_RESTARTS = 40
STAGE_READY_NS = 48  # when it was ready to run, CLOCK_MONOTONIC
STAGE_STALLED_NS = 56  # by the supervisor: since when it is known to make no progress, 0 if it does
STAGE_SAFE_SEQ = 64  # of a stage that a gate waits for: commands up to here are safe with it
STAGE_OPEN_ORDERS = 72  # by a matcher: orders that its book holds
STAGE_PLACES = 80  # by a shard's matcher: two times a command and how many events it had by then
STAGE_PLACE_BYTES = 16
STAGE_SAFE_UNTIL_NS = 80  # of what publishes the journal, which is no matcher: until when, by
# CLOCK_BOOTTIME, the commands that it says are safe may be released
STAGE_LAG_BYTES = 88  # and what it has read and not had acknowledged yet
STAGE_PUBLISHED_SEQ = 96  # the last command that it has sent out
STAGE_PUBLISHED_BLOCK = 104  # and the last block
STAGE_BUILD = 112  # as BUILD, of the stage's process
STAGE_CONFIG = 120
MAX_STAGES = 64

TABLE_AT = STAGE_BLOCKS + MAX_STAGES * STAGE_BYTES
MAX_TABLE_BYTES = 1 << 15

# By merge (several shards): two copies of its state and the index of the one that counts.
MERGE_WHICH = TABLE_AT + MAX_TABLE_BYTES
MERGE_STATES = MERGE_WHICH + 64
MERGE_CAUSE = 0  # the command whose events come next; 0 before the first start
MERGE_EVENT = 8  # events merged so far
MERGE_DROPPED = 16  # orders that the command at work has taken in the shards that are done with it
MERGE_SHARDS = 32  # by shard: its next event, and the last command to all that it is done with
MERGE_SHARD_BYTES = 16
MERGE_STATE_BYTES = 320

# By the one matcher of a replicated run: the hash of its whole state, and after which command.  The
# count is odd while they are written.
STATE_COUNT = MERGE_STATES + 2 * MERGE_STATE_BYTES
STATE_SEQ = STATE_COUNT + 8
STATE_HASH = STATE_COUNT + 16  # two words
CONTROL_BYTES = STATE_COUNT + 64

DURABILITIES = ("none", "async", "durable", "replicated")


class Control:
    """The control segment as named words."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.words: npt.NDArray[np.int64] = segment.words(0, CONTROL_BYTES // 8)
        self.address = segment.address

    @classmethod
    def create(cls, name: str, table_text: str = "{}") -> "Control":
        """``table_text``: the topology of the run (``Topology.to_json``)."""
        control = cls(Segment.create(name, CONTROL_BYTES))
        control._set_table(table_text)
        owner = ProcessIdentity.mine()
        control[LAYOUT] = int(np.uint64(LAYOUT_HASH).view(np.int64))
        control[OWNER_PID] = owner.pid
        control[OWNER_START] = owner.start_ticks
        # Last, so that nobody attaches to one that is half made.
        control[MAGIC] = CONTROL_MAGIC
        return control

    @classmethod
    def attach(cls, name: str, read_only: bool = False) -> "Control":
        segment = Segment.attach(name, read_only)
        if segment.size_bytes != CONTROL_BYTES:
            raise SegmentError(f"{name} is no control segment: {segment.size_bytes} bytes")
        control = cls(segment)
        if control[MAGIC] != CONTROL_MAGIC:
            raise SegmentError(f"{name} is no control segment: wrong magic at byte 0")
        check_layout(control[LAYOUT] & (2**64 - 1), name)
        return control

    @property
    def table_text(self) -> str:
        """The topology of the run (``Topology.to_json``); raises ``SegmentError`` while the run
        that is just starting has not written it yet."""
        if not self[TABLE_BYTES]:
            raise SegmentError(f"{self.segment.name}: the run has not said its topology yet")
        return bytes(self.segment.view[TABLE_AT : TABLE_AT + self[TABLE_BYTES]]).decode()

    def _set_table(self, text: str) -> None:
        data = text.encode()
        if len(data) > MAX_TABLE_BYTES:
            raise SegmentError(f"a topology of {len(data)} bytes, more than {MAX_TABLE_BYTES}")
        self.segment.view[TABLE_AT : TABLE_AT + len(data)] = np.frombuffer(data, np.uint8)
        self[TABLE_BYTES] = len(data)

    def __getitem__(self, offset: int) -> int:
        return int(self.words[offset // 8])

    def __setitem__(self, offset: int, value: int) -> None:
        self.words[offset // 8] = value

    def stage(self, index: int, field: int) -> int:
        return self[STAGE_BLOCKS + index * STAGE_BYTES + field]

    def set_stage(self, index: int, field: int, value: int) -> None:
        self[STAGE_BLOCKS + index * STAGE_BYTES + field] = value

    def stage_address(self, index: int, field: int) -> int:
        return self.address + STAGE_BLOCKS + index * STAGE_BYTES + field

    def reply(self, field: int) -> int:
        """A word of the reply state that counts."""
        return self[REPLY_STATES + self[REPLY_WHICH] * REPLY_STATE_BYTES + field]
