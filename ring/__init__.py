"""Move records between processes through shared memory."""

from openoutcry.ring.identity import ProcessIdentity
from openoutcry.ring.ring import Reader, RingBuffer, RingClosed
from openoutcry.ring.segment import Segment, SegmentError, list_segments, remove_dead_segments

__all__ = [
    "ProcessIdentity",
    "Reader",
    "RingBuffer",
    "RingClosed",
    "Segment",
    "SegmentError",
    "list_segments",
    "remove_dead_segments",
]
