"""What the tests of deaths on a ring share: rings of several producers, and children to kill."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openoutcry.ring import (
    RingBuffer,
)
from tests.support.ring.ring_processes import (
    RECORD,
    Children,
    check_whole,
    fill,
    pause_for_ever,
    ring_name,
    shared_words,
)
from tests.support.waiting import wait_until


@pytest.fixture
def make_ring() -> Iterator[Callable[..., RingBuffer]]:
    """Rings of several producers that are removed at the end of the test."""
    rings: list[RingBuffer] = []

    def make(
        capacity: int = 8, readers: Any = ("a",), multi_producer: bool = True, **more: Any
    ) -> RingBuffer:
        rings.append(
            RingBuffer.create(
                ring_name("death"), capacity, RECORD, readers, multi_producer=multi_producer, **more
            )
        )
        return rings[-1]

    yield make
    for ring in rings:
        ring.unlink()


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as processes:
        yield processes


def claim_and_stay(ring: RingBuffer, children: Children, count: int) -> int:
    """A child that has claimed ``count`` slots, filled half of them, and published none."""
    claimed = shared_words(1)

    def work() -> None:
        claim = ring.producer().claim(count)
        fill(claim.views[0][: (count + 1) // 2], 9, 1)
        claimed[0] = claim.first_seq
        pause_for_ever()

    pid = children.fork(work)
    wait_until(lambda: bool(claimed[0]))
    return pid


def drain(ring: RingBuffer, name: str = "a") -> list[int]:
    """Sequences of the records there are, checked and released."""
    reader, seqs = ring.reader(name), []
    for batch in reader.drain():
        check_whole(batch, int(batch["stamp"][0]))
        seqs += batch["stamp"].tolist()
    return seqs
