"""Headers with corrupted fields: an error that names the place, never a crash or a hang."""

import pytest

from openoutcry.ring import RingBuffer, SegmentError, layout
from tests.support.ring.ring_damage import consumer_word, make_ring
from tests.support.ring.ring_processes import RECORD


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (layout.POOL_COUNT, 3, "header is damaged"),
        (layout.POOL_COUNT, -1, "header is damaged"),
        (layout.CONSUMER_COUNT, 0, "header is damaged"),
        (consumer_word(3, layout.CONSUMER_KIND), 7, "consumer 3 at byte 1408 is damaged"),
        (consumer_word(4, layout.CONSUMER_AFTER), 1 << 40, "consumer 4 at byte 1536 is damaged"),
        (consumer_word(4, layout.CONSUMER_AFTER), -1, "consumer 4 at byte 1536 is damaged"),
        (consumer_word(1, layout.CONSUMER_POOL), 1 << 50, "consumer 1 at byte 1152 is damaged"),
        (consumer_word(1, layout.CONSUMER_POOL), 3, "consumer 1 at byte 1152 is damaged"),
        (consumer_word(0, layout.POOL_NUMBER), 1 << 50, "consumer 0 at byte 1024 is damaged"),
        (consumer_word(3, layout.CONSUMER_NAME), 0, "consumer 3 at byte 1408 is damaged"),
        (consumer_word(3, layout.CONSUMER_NAME), -1, "consumer 3 at byte 1408 is damaged"),
        (consumer_word(3, layout.CONSUMER_NAME), ord("b"), "two consumers have one name"),
    ],
)
def test_a_damaged_consumer_table_is_refused(at: int, value: int, message: str) -> None:
    """Each field that an address or a loop depends on."""
    with make_ring() as ring:
        ring.words(at)[0] = value
        with pytest.raises(SegmentError, match=message) as error:
            RingBuffer.attach(ring.name, RECORD)
        assert ring.name in str(error.value)
