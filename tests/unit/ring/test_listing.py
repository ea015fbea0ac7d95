"""Looking at rings from outside: what is said, what may go, and records seen as they pass."""

import os

import pytest

from openoutcry.ring import ProcessIdentity, RingBuffer, Segment, SegmentError, layout
from openoutcry.ring.listing import (
    classify,
    clean,
    find_ring,
    is_alive,
    list_rings,
)
from openoutcry.ring.segment import SHM, segment_name
from openoutcry.ring.sigbus import PAGE_BYTES
from openoutcry.ring.tail import tail
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.records import CONTROL_MAGIC, RING_MAGIC
from tests.support.ring.listing import header
from tests.support.ring.ring_owners import look, orders, ring

__all__ = ["ring"]


# What is said of a ring


def test_everything_about_a_ring_is_listed(ring: RingBuffer) -> None:
    """Owner, geometry, positions, fill and who is attached, from the header and the slots."""
    me = os.getpid()
    with ring.producer() as producer, ring.reader("reader") as reader:
        producer.publish(orders(1, 40))
        reader.poll()
        reader.release(8)
        info = look(ring.name)
    assert (info.state, info.problem, info.owner_pid, info.owner_alive) == ("ring", "", me, True)
    assert (info.uid, info.size_bytes) == (os.geteuid(), layout.SLOTS + 64 * 64)
    assert (info.capacity, info.slot_bytes, info.published, info.gating) == (64, 64, 40, 8)
    assert (info.fill, info.closed, info.dropped, info.tombstones) == (0.5, False, 0, 0)
    (consumer,), (one,) = info.consumers, info.producers
    assert (consumer.role, consumer.name, consumer.pid, consumer.alive) == (
        "reader",
        "reader",
        me,
        True,
    )
    assert (consumer.cursor, consumer.lag) == (8, 32)
    assert (one.role, one.pid, one.alive) == ("producer", me, True)


def test_a_ring_without_processes_says_so(ring: RingBuffer) -> None:
    """A consumer that no process has taken has neither pid nor life."""
    info = look(ring.name)
    assert (info.consumers[0].pid, info.consumers[0].alive) == (None, None)
    assert info.producers == []


def test_the_position_is_found_in_the_slots(ring: RingBuffer) -> None:
    """A producer killed before it stored its hint has published all the same."""
    with ring.producer() as producer:
        producer.publish(orders(1, 20))
    ring.published_hint[0] = 3
    assert look(ring.name).published == 20


def test_several_producers_position_ends_at_the_first_gap() -> None:
    """A claim that is not published yet holds the position, whatever was published behind it."""
    name = segment_name(ProcessIdentity.mine(), "several")
    with (
        RingBuffer.create(name, 64, ORDER_DTYPE, ["a"], multi_producer=True) as ring,
        ring.producer() as first,
        ring.producer() as second,
    ):
        first.publish(orders(1, 5))
        held = first.try_claim(2)
        second.publish(orders(1, 3))
        assert look(name).published == 5
        assert len(look(name).producers) == 2
        assert held is not None
        held.publish()
        assert look(name).published == 10


def test_a_ring_lapped_many_times_is_listed_right(ring: RingBuffer) -> None:
    """Positions are sequences, however often the slots were used again."""
    with ring.producer() as producer, ring.reader("reader") as reader:
        for first in range(1, 1001, 50):
            producer.publish(orders(first, 50))
            for _ in reader.drain():
                pass
        info = look(ring.name)
    assert (info.published, info.gating, info.fill) == (1000, 1000, 0.0)


SIZE = layout.SLOTS + 8 * 64


@pytest.mark.parametrize(
    ("changes", "size_bytes", "state", "problem"),
    [
        ({}, SIZE, "ring", ""),
        ({"MAGIC": 0}, SIZE, "half-made", "its header is not finished"),
        ({"MAGIC": 77}, SIZE, "damaged", "wrong magic 0x4d at byte 0"),
        ({"MAGIC": CONTROL_MAGIC}, SIZE, "other", "not a ring"),
        ({"LAYOUT_HASH": 1}, SIZE, "damaged", "another record layout, or byte 8 is damaged"),
        ({"VERSION_AT": 0}, SIZE, "damaged", "another layout of the ring, or byte 88 is damaged"),
        ({"SLOT_BYTES_AT": 65}, SIZE, "damaged", "slot bytes 65 at byte 16"),
        ({"SLOT_BYTES_AT": -64}, SIZE, "damaged", "slot bytes -64 at byte 16"),
        ({"CAPACITY": 7}, SIZE, "damaged", "capacity 7 at byte 24"),
        ({"CAPACITY": 1 << 62}, SIZE, "damaged", "capacity 4611686018427387904 at byte 24"),
        ({"CAPACITY": 16}, SIZE, "damaged", "truncated: 8,704 of 9,216 bytes are left"),
        ({"CAPACITY": 4}, SIZE, "damaged", "8,704 bytes long, 8,448 by its header"),
        ({"CONSUMER_COUNT": 0}, SIZE, "damaged", "0 consumers at byte 48"),
        ({"CONSUMER_COUNT": 99}, SIZE, "damaged", "99 consumers at byte 48"),
        ({"POOL_COUNT": -1}, SIZE, "damaged", "-1 pools at byte 56"),
        ({}, SIZE - 64, "damaged", "truncated: 8,640 of 8,704 bytes are left"),
        ({}, 100, "damaged", "truncated: 100 bytes are left"),
        ({}, 0, "damaged", "truncated: 0 bytes are left"),
    ],
)
def test_each_fault_of_a_header_is_named(
    changes: dict[str, int], size_bytes: int, state: str, problem: str
) -> None:
    """The first field that cannot be, with its byte; nothing is skipped."""
    actual, why = classify(header(**changes)[:size_bytes], size_bytes, PAGE_BYTES)
    assert actual == state
    assert problem in why


def test_an_unwritten_header_is_half_made_if_a_ring_could_stand_there() -> None:
    """Zeros before as many bytes as slots have (with a pool's done marks too) are a ring whose
    creator has not come to its header; zeros of another length are somebody else's."""
    zeros = bytes(layout.SLOTS)
    for slots_bytes in (2 * 64, 1024 * 64, 1024 * (64 + 8), 8 * (64 + 32)):
        assert classify(zeros, layout.SLOTS + slots_bytes, PAGE_BYTES)[0] == "half-made"
    for slots_bytes in (0, 64, 100, 3 * 1000):
        assert classify(zeros, layout.SLOTS + slots_bytes, PAGE_BYTES)[0] == "other"


def test_damaged_and_half_made_rings_are_listed(ring: RingBuffer) -> None:
    """The listing itself reports them, with no figures, and goes on."""
    words = ring.segment.words(0, 16)
    words[layout.CAPACITY // 8] = 3
    info = look(ring.name)
    assert (info.state, info.problem) == ("damaged", "capacity 3 at byte 24")
    assert (info.capacity, info.published, info.consumers) == (None, None, [])
    words[layout.CAPACITY // 8] = 64
    words[layout.MAGIC // 8] = 0
    assert look(ring.name).state == "half-made"
    words[layout.MAGIC // 8] = RING_MAGIC
    for size in (8192, 4096, 24, 3, 0):
        os.truncate(SHM / ring.name, size)
        info = look(ring.name)
        assert (info.state, info.size_bytes) == ("damaged", size)
        assert "truncated" in info.problem


def test_absurd_pids_and_names_in_a_header_are_survived(ring: RingBuffer) -> None:
    """Entries full of garbage are shown as they are."""
    ring.words(layout.CONSUMERS, 16)[:] = -1
    ring.words(layout.PRODUCERS, 16)[:] = 2**62
    info = look(ring.name)
    assert info.state == "ring"
    assert info.consumers[0].pid == 1
    assert info.consumers[0].name == "\\xff" * layout.CONSUMER_NAME_BYTES
    assert info.consumers[0].alive is False
    assert (info.producers[0].pid, info.producers[0].alive) == (0, False)


def test_other_things_with_our_names_are_survived(ring: RingBuffer) -> None:
    """A pipe, a folder and a link to nowhere make nobody wait and are no rings."""
    odd = {kind: SHM / f"outcry.999999999.1.{kind}" for kind in ("pipe", "folder", "link")}
    os.mkfifo(odd["pipe"])
    odd["folder"].mkdir()
    odd["link"].symlink_to("/nowhere")
    try:
        states = {info.name: info.state for info in list_rings(0)}
        assert states[ring.name] == "ring"
        assert {states[path.name] for path in odd.values()} == {"other"}
        assert set(clean().kept) >= {path.name for path in odd.values()}
        with pytest.raises(SegmentError, match="cannot be followed: other: not a file"):
            next(tail(odd["pipe"].name))
    finally:
        odd["pipe"].unlink()
        odd["link"].unlink()
        odd["folder"].rmdir()


def test_life_is_proven_or_unknown() -> None:
    """A living process, one whose pid is another's now, one that never was."""
    me = ProcessIdentity.mine()
    assert is_alive(me, me.pid) is True
    assert is_alive(ProcessIdentity(me.pid, me.start_ticks + 1), os.geteuid()) is False
    assert is_alive(ProcessIdentity(2**22 + 5, 1), os.geteuid()) is False
    assert is_alive(ProcessIdentity(2**70, 1), 1) is False


# Names


def test_a_part_of_a_name_finds_its_ring(ring: RingBuffer) -> None:
    """Whole name, unique part, or the last part; none and several are errors that name names."""
    other = Segment.create(segment_name(ProcessIdentity.mine(), "listed-too"), 4096)
    try:
        assert find_ring(ring.name) == ring.name
        assert find_ring("listed-too") == other.name
        assert find_ring("listed") == ring.name
        with pytest.raises(SegmentError, match=r"'liste' fits several rings: .*listed, .*-too"):
            find_ring("liste")
        with pytest.raises(SegmentError, match="there is no ring 'nowhere' on this machine"):
            find_ring("nowhere")
    finally:
        other.unlink()
