"""Headers with corrupted fields: an error that names the place, never a crash or a hang."""

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ring_processes import RECORD, Children, make_records, ring_name

from openoutcry.ring import RingBuffer, SegmentError, layout, repair
from openoutcry.wire import OutcryError


def make_ring() -> RingBuffer:
    """Entries: 0 the pool, 1 and 2 its workers, 3 and 4 readers."""
    return RingBuffer.create(
        ring_name("damage"), 8, RECORD, {"a": (), "b": ("a", "pool")}, pools={"pool": 2},
        multi_producer=True,
    )  # fmt: skip


def consumer_word(index: int, word: int) -> int:
    return layout.CONSUMERS + index * layout.CONSUMER_BYTES + word


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


def use_everything(name: str) -> None:
    """Attach and do a little of all; errors of ours are the right answer to damage."""
    signal.alarm(20)
    try:
        ring = RingBuffer.attach(name, RECORD)
    except OutcryError:
        return
    steps: list[Callable[[], Any]] = [
        lambda: ring.producer("fail").publish(make_records(1, 1, 3)),
        lambda: ring.producer("fail").try_claim(2),
        lambda: ring.reader("a").wait(0.001),
        lambda: ring.reader("a").poll().copy(),
        lambda: ring.reader("b").poll().copy(),
        lambda: repair(ring),
        lambda: ring.worker("pool").take(2).copy(),
        lambda: (ring.published, ring.claimed, ring.gating, ring.tombstones, ring.closed_at),
    ]
    for step in steps:
        try:
            step()
        except (OutcryError, KeyError):
            continue


@pytest.mark.parametrize("nth", [4, pytest.param(1, marks=pytest.mark.long)])
def test_no_corrupted_word_crashes_or_hangs_who_attaches(nth: int) -> None:
    """Every ``nth`` word of the header and of the entries in use, with an extreme or random value,
    in a process of its own that must end by itself."""
    rng = np.random.default_rng(11)
    words = [*range(0, layout.CONSUMERS, 8)][:70]
    words += [consumer_word(i, w) for i in range(5) for w in range(0, layout.CONSUMER_BYTES, 8)]
    words += [layout.PRODUCERS + w for w in range(0, layout.PRODUCER_BYTES, 8)]
    values = [0, 1, -1, 2**31, 2**62, -(2**63), 2**63 - 1]
    with Children() as children:
        for at in words[::nth]:
            with make_ring() as ring:
                value = int(rng.choice(values)) if rng.random() < 0.7 else int(rng.integers(2**62))
                ring.producer().publish(make_records(1, 1, 2))
                ring.words(at)[0] = value
                pid = children.fork(use_everything, ring.name)
                code = children.reap(pid)
                assert code == 0, f"byte {at} = {value}: ended with {code} (pid {os.getpid()})"
