"""Move records between processes through shared memory."""

from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.producer import Claim, Producer, WhenFull
from openoutcry.ring.reader import Reader, Readiness, Worker
from openoutcry.ring.repair import DeathWatch, Repair, repair
from openoutcry.ring.ring import RingBuffer
from openoutcry.ring.segment import Segment, SegmentError, list_segments, remove_dead_segments
from openoutcry.ring.sequence import Sequence
from openoutcry.ring.wait_strategy import WaitStrategy
from openoutcry.wire.errors import RingError, RingFull

__all__ = [
    "Claim",
    "DeathWatch",
    "ProcessIdentity",
    "Producer",
    "Reader",
    "Readiness",
    "Repair",
    "RingBuffer",
    "RingError",
    "RingFull",
    "Segment",
    "SegmentError",
    "Sequence",
    "WaitStrategy",
    "WhenFull",
    "Worker",
    "list_segments",
    "remove_dead_segments",
    "repair",
]
