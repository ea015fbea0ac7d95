"""Looking at rings from outside: what is said, what may go, and records seen as they pass."""

import contextlib
import os
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ring import RingBuffer, SegmentError, layout
from openoutcry.ring.listing import (
    classify,
    clean,
    list_rings,
)
from openoutcry.ring.segment import SHM, list_segments
from openoutcry.ring.sigbus import PAGE_BYTES
from openoutcry.ring.tail import tail
from tests.support.ring.listing import header
from tests.support.ring.ring_owners import (
    CONSUMER,
    OWNER,
    WRITER,
    Child,
    kill,
    line,
    look,
    ring,
    spawn,
)
from tests.support.waiting import BOUND_S, wait_until

__all__ = ["ring", "spawn"]


def test_the_rate_is_of_the_window(spawn: Callable[..., Child], ring: RingBuffer) -> None:
    """Records that pass while we look make a rate; none make zero; no window makes none."""
    assert look(ring.name).records_per_s is None
    assert list_rings(0.01, ring.name)[0].records_per_s == 0
    spawn(WRITER, ring.name)
    seen = []

    def is_fast() -> bool:
        (info,) = list_rings(0.2, ring.name)
        assert info.records_per_s is not None
        seen.append(info.records_per_s)
        return seen[-1] > 1000

    # The writer may wait for a processor for longer than one window.
    wait_until(is_fast)


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(-(2**63), 2**63 - 1)), max_size=4),
    st.integers(0, 20000),
)
def test_no_header_is_taken_for_a_ring_beyond_its_bytes(
    changes: list[tuple[int, int]], size_bytes: int
) -> None:
    """Whatever stands in the header's first words, what passes for a ring lies inside the file."""
    words = np.frombuffer(header(), np.int64).copy()
    for index, value in changes:
        words[index] = value
    data = words.tobytes()[:size_bytes]
    state, problem = classify(data, size_bytes, PAGE_BYTES)
    assert (state == "ring") == (problem == "")
    if state == "ring":
        slots = int(words[layout.CAPACITY // 8]) * int(words[layout.SLOT_BYTES_AT // 8])
        assert layout.SLOTS + slots <= size_bytes


def test_rings_that_come_go_and_shrink_meanwhile_do_no_harm(
    spawn: Callable[..., Child],
) -> None:
    """While another process makes, truncates and removes rings as fast as it can, listing never
    fails, and sees some of them."""
    spawn(
        """
say("ready")
count = 0
while True:
    name = segment_name(ProcessIdentity.mine(), f"flash{count % 3}")
    ring = RingBuffer.create(name, 1024, ORDER_DTYPE, ["a"])
    os.truncate(f"/dev/shm/{name}", (count * 1000) % 70000)
    ring.unlink()
    count += 1
"""
    )
    states: set[str] = set()
    for _ in range(400):
        states |= {info.state for info in list_rings(0) if ".flash" in info.name}
    until = time.monotonic() + BOUND_S
    while not states & {"ring", "damaged", "half-made"} and time.monotonic() < until:
        states |= {info.state for info in list_rings(0.01) if ".flash" in info.name}
    assert states & {"ring", "damaged", "half-made"}
    assert states <= {"ring", "damaged", "half-made", "other", "unreadable"}


def test_another_users_ring_is_listed_with_what_can_be_seen(ring: RingBuffer) -> None:
    """Without the right to read it: name, owner, size and user; nothing is skipped."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        info = look(ring.name)
        sound = (
            info.state == "unreadable"
            and info.owner_pid == os.getppid()
            and info.owner_alive is True
            and info.uid == 0
            and info.size_bytes == layout.SLOTS + 64 * 64
        )
        with contextlib.suppress(SegmentError):
            next(tail(ring.name))
            sound = False
        kept = clean().kept[ring.name]
        os.write(writer, f"{sound} {kept}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 200) == b"True it belongs to user 0"
    os.close(reader)


# Cleaning


def test_a_killed_owners_ring_is_listed_dead_and_cleaned(spawn: Callable[..., Child]) -> None:
    """SIGKILL of the only process: said of owner and producer, then removed."""
    owner = spawn(OWNER)
    name = line(owner)
    info = look(name)
    assert (info.owner_alive, info.producers[0].alive, info.published) == (True, True, 10)
    assert name in clean().kept
    kill(owner)
    info = look(name)
    assert (info.state, info.owner_alive, info.producers[0].alive) == ("ring", False, False)
    assert name in clean().removed
    assert name not in dict(list_segments())


def test_a_dead_owners_ring_is_kept_while_a_consumer_lives(spawn: Callable[..., Child]) -> None:
    """The living consumer is named as the reason; after its death the ring goes."""
    owner = spawn(OWNER)
    name = line(owner)
    consumer = spawn(CONSUMER, name)
    kill(owner)
    info = look(name)
    lives = {one.name: (one.pid, one.alive, one.cursor) for one in info.consumers}
    assert lives == {"journal": (None, None, 0), "matcher": (consumer.pid, True, 4)}
    kept = clean().kept[name]
    assert kept == f"its reader matcher, process {consumer.pid}, lives"
    kill(consumer)
    assert look(name).consumers[1].alive is False
    assert name in clean().removed


def test_a_process_that_never_registered_keeps_the_ring_too(spawn: Callable[..., Child]) -> None:
    """Whoever has it mapped for writing is in the system's own list of mappings."""
    owner = spawn(OWNER)
    name = line(owner)
    user = spawn('s = Segment.attach(sys.argv[1]); say("ready"); input()', name)
    kill(owner)
    assert clean().kept[name] == f"process {user.pid} has it mapped for writing"
    kill(user)
    assert name in clean().removed


def test_a_dead_owners_damaged_ring_is_cleaned(spawn: Callable[..., Child]) -> None:
    """A header that says nothing reliable leaves the name's owner and the mappings as proof."""
    owner = spawn(OWNER)
    name = line(owner)
    kill(owner)
    os.truncate(SHM / name, 100)
    assert look(name).state == "damaged"
    assert name in clean().removed


def test_two_cleaners_do_not_disturb_each_other(spawn: Callable[..., Child]) -> None:
    """Each name is removed once, whoever does it."""
    owners = [spawn(OWNER) for _ in range(3)]
    names = {line(owner) for owner in owners}
    for owner in owners:
        kill(owner)
    done: list[str] = []
    threads = [
        threading.Thread(target=lambda: done.extend(set(clean().removed) & names)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(names)
