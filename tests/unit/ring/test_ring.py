"""The ring: wrap, back-pressure, several consumers, real processes, a producer killed."""

import hashlib
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ring import ProcessIdentity, RingBuffer, RingError, RingFull, SegmentError, layout
from openoutcry.ring.kernels import sleep_until_published, wake_reader
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE, LayoutMismatch
from tests.support.ring import ring as shared
from tests.support.ring.ring import orders

make_ring = shared.make_ring


def test_every_slot_is_usable_and_a_full_ring_waits(make_ring: Callable[..., RingBuffer]) -> None:
    """Eight records fit a ring of eight; the ninth waits for a release and then goes in."""
    ring = make_ring(8)
    producer = ring.producer()
    assert producer.publish(orders(1, 8)) == 8
    with pytest.raises(RingFull, match="no room"):
        producer.publish(orders(9, 1), timeout_s=0.01)
    reader = ring.reader("a")
    assert list(reader.poll()["order_id"]) == [1, 2, 3, 4, 5, 6, 7]
    reader.release(1)
    assert producer.publish(orders(9, 1), timeout_s=1) == 1
    assert ring.published == 9


def test_the_slowest_consumer_gates(make_ring: Callable[..., RingBuffer]) -> None:
    """What one consumer has released is still the other's: nothing is overwritten."""
    ring = make_ring(8, ("journal", "matcher"))
    producer = ring.producer()
    producer.publish(orders(1, 8))
    for batch in ring.reader("matcher").drain():
        assert len(batch)
    with pytest.raises(RingFull):
        producer.publish(orders(9, 1), timeout_s=0.01)
    seen = np.concatenate([batch.copy() for batch in ring.reader("journal").drain()])
    assert list(seen["order_id"]) == list(range(1, 9))
    producer.publish(orders(9, 1), timeout_s=1)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
def test_any_mix_of_publish_and_release_keeps_order_and_content(
    steps: list[tuple[int, int]],
) -> None:
    """Against a plain list: each record comes exactly once, in order, whole, across the wrap."""
    name = segment_name(ProcessIdentity.mine(), "test-mix")
    with RingBuffer.create(name, 8, ORDER_DTYPE, ["a"]) as ring:
        reader, producer = ring.reader("a"), ring.producer()
        sent, got = 0, 0
        for publish, take in steps:
            room = min(publish, 8 - (sent - got))
            producer.publish(orders(sent + 1, room))
            sent += room
            batch = reader.poll(take)
            expected = orders(got + 1, len(batch))
            expected["seq"] = expected["order_id"]
            assert np.array_equal(batch, expected)
            assert len(batch) == take or len(batch) == sent - got or (got + len(batch) + 1) % 8 == 0
            reader.release(len(batch))
            got += len(batch)
        assert ring.published == sent


def test_attach_finds_the_same_ring(make_ring: Callable[..., RingBuffer]) -> None:
    """A second mapping has the geometry, the consumers and the records."""
    ring = make_ring(8, ("a", "b"))
    ring.producer().publish(orders(1, 3))
    other = RingBuffer.attach(ring.segment.name, ORDER_DTYPE)
    assert (other.capacity, sorted(other.cursors), other.published) == (8, ["a", "b"], 3)


@pytest.mark.parametrize(
    ("word", "value", "message"),
    [
        (layout.MAGIC, 1, "not a ring: wrong magic"),
        (layout.CAPACITY, 7, "damaged"),
        (layout.CAPACITY, 1 << 40, "damaged"),
        (layout.CAPACITY, 16, "damaged"),
        (layout.CONSUMER_COUNT, 99, "damaged"),
        (layout.SLOT_BYTES_AT, 128, "damaged"),
    ],
)
def test_a_damaged_header_is_refused(
    make_ring: Callable[..., RingBuffer], word: int, value: int, message: str
) -> None:
    """Each corrupted field of the header is an error that names the segment."""
    ring = make_ring(8)
    ring.segment.words(word, 1)[0] = value
    with pytest.raises(SegmentError, match=message) as error:
        RingBuffer.attach(ring.segment.name, ORDER_DTYPE)
    assert ring.segment.name in str(error.value)


def test_another_layout_is_refused_with_its_age(make_ring: Callable[..., RingBuffer]) -> None:
    """A ring of another build does not open, and the message says which side is older."""
    ring = make_ring(8)
    ring.segment.words(layout.LAYOUT_HASH, 1)[0] = 12345
    with pytest.raises(LayoutMismatch, match="newer than this program"):
        RingBuffer.attach(ring.segment.name, ORDER_DTYPE)


@pytest.mark.parametrize(
    ("version", "age"), [(0, "1: it is older"), (1, "1: it is older"), (99, "99: it is newer")]
)
def test_another_version_of_the_rings_own_layout_is_refused(
    make_ring: Callable[..., RingBuffer], version: int, age: str
) -> None:
    """Segments made before the version was written down have 0 there."""
    ring = make_ring(8)
    ring.segment.words(layout.VERSION_AT, 1)[0] = version
    with pytest.raises(LayoutMismatch, match=f"{ring.segment.name} is a ring of layout {age}"):
        RingBuffer.attach(ring.segment.name, ORDER_DTYPE)


def test_no_offset_changes_without_a_new_version() -> None:
    """Whoever changes ring/layout.py raises VERSION and writes the digest of the new one here."""
    blocks = (layout.RingHeader, layout.RingConsumer, layout.RingProducer, layout.Slot)
    text = "\n".join(
        f"{block.__name__} {block.size_bytes} {name} {field.offset} {field.size_bytes}"
        for block in blocks
        for name, field in sorted(block.fields.items())
        if not field.name.startswith("own_")
    )
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    assert (layout.VERSION, digest) == (2, "9d341f38f08e8047")


@pytest.mark.parametrize("multi_producer", [False, True], ids=["single", "multi"])
def test_nothing_is_published_after_the_close(
    make_ring: Callable[..., RingBuffer], multi_producer: bool
) -> None:
    """It would stand where no reader looks: publish, claim and a claim made before are refused,
    each naming the ring; readers end where the close was."""
    ring = make_ring(8, multi_producer=multi_producer)
    with ring.producer() as producer:
        producer.publish(orders(1, 3))
        ring.close()
        for publish in (lambda: producer.publish(orders(4, 1)), lambda: producer.try_claim(1)):
            with pytest.raises(RingError, match=f"{ring.name} was closed"):
                publish()
    assert [len(batch) for batch in ring.reader("a")] == [3]


def test_a_claim_open_at_the_close_counts_where_it_is_known(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """With several producers claims are shared, so the end lies behind them; a single producer's
    own claim is nobody else's knowledge, and is refused."""
    several, single = make_ring(8, multi_producer=True), make_ring(8)
    claim = several.producer().claim(1)
    several.close()
    assert claim.publish() == 1
    assert [len(batch) for batch in several.reader("a")] == [1]
    claim = single.producer().claim(1)
    single.close()
    with pytest.raises(RingError, match="was closed"):
        claim.publish()
    assert list(single.reader("a")) == []


@pytest.mark.parametrize("capacity", [0, 1, 3, 1000, 1 << 29])
def test_a_capacity_that_is_no_power_of_two_is_refused(capacity: int) -> None:
    """The geometry is checked before any memory is taken."""
    with pytest.raises(ValueError, match="power of two"):
        RingBuffer.create("outcry.1.1.never", capacity, ORDER_DTYPE, ["a"])


def test_an_unknown_consumer_is_named(make_ring: Callable[..., RingBuffer]) -> None:
    """Asking for a reader the ring was not made for lists those it has."""
    with pytest.raises(KeyError, match="no consumer 'x'"):
        make_ring(8).reader("x")


def test_a_sleep_ends_when_the_record_is_there(make_ring: Callable[..., RingBuffer]) -> None:
    """A producer wakes only a reader that sleeps; one that was just about to sleep does not."""
    ring, word = make_ring(8), np.zeros(1, np.int64)
    asleep = word.ctypes.data
    asked = ring.address, ring.mask
    assert sleep_until_published(*asked, 1, asleep, 1) == 0
    assert word[0] == 0
    ring.producer().publish(orders(1, 2))
    assert sleep_until_published(*asked, 2, asleep, 2**40) == 1
    woken: list[int] = []
    thread = threading.Thread(
        target=lambda: woken.append(sleep_until_published(*asked, 3, asleep, 60_000_000))
    )
    thread.start()
    while word[0] == 0:
        time.sleep(0)
    ring.producer().publish(orders(3, 1))
    wake_reader(asleep)
    thread.join(30)
    assert woken == [1]
    assert word[0] == 0
