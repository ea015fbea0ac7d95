"""What the tests of ring damage in several tiers share."""

from openoutcry.ring import RingBuffer, layout
from tests.support.ring.ring_processes import RECORD, ring_name


def make_ring() -> RingBuffer:
    """Entries: 0 the pool, 1 and 2 its workers, 3 and 4 readers."""
    return RingBuffer.create(
        ring_name("damage"),
        8,
        RECORD,
        {"a": (), "b": ("a", "pool")},
        pools={"pool": 2},
        multi_producer=True,
    )


def consumer_word(index: int, word: int) -> int:
    return layout.CONSUMERS + index * layout.CONSUMER_BYTES + word
