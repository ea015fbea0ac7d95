"""Headers with corrupted fields: an error that names the place, never a crash or a hang."""

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openoutcry.ring import RingBuffer, layout, repair
from openoutcry.wire import OutcryError
from tests.support.ring.ring_damage import consumer_word, make_ring
from tests.support.ring.ring_processes import RECORD, Children, make_records


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


@pytest.mark.promise(
    "A damaged ring header neither crashes nor hangs a process that attaches. A segment "
    "truncated under a polling kernel is an error, not a crash",
    group="shared-memory",
)
@pytest.mark.parametrize("nth", [8, pytest.param(1, marks=pytest.mark.long)])
def test_no_corrupted_word_crashes_or_hangs_a_process_that_attaches(nth: int) -> None:
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
