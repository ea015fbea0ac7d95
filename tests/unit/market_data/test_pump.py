"""The pump's place: behind the gate, and no more than a burst before participants."""

import numpy as np
import pytest

import openoutcry.market_data.pump as pump
from openoutcry.ring import ProcessIdentity, RingBuffer, layout
from openoutcry.ring.segment import segment_name
from openoutcry.wire import EVENT_DTYPE

CAPACITY = 2_048


@pytest.fixture
def ring():
    name = segment_name(ProcessIdentity.mine(), "test-pump")
    buffer = RingBuffer.create(name, CAPACITY, EVENT_DTYPE, ["gate", "feed", "replies", "sessions"])
    yield buffer
    buffer.unlink()


def context_of(ring, private):
    """A pump's words, and what they point to."""
    kept = {
        "events": np.zeros(pump.BATCH * 64 + 64, np.uint8),
        "times": np.zeros(pump.BATCH, np.int64),
        "stamps": np.zeros(64, np.int64),
    }
    words = np.zeros(pump.CONTEXT_WORDS, np.int64)
    events = kept["events"].ctypes.data
    for word, value in pump.PumpContext.words(
        ring=ring.address,
        mask=ring.mask,
        events=events + -events % 64,
        cursor=ring.cursors["feed"].ctypes.data,
        gate=ring.cursors["gate"].ctypes.data,
        stamps=kept["stamps"].ctypes.data,
        stamp_mask=63,
        times=kept["times"].ctypes.data,
        after_seq=-1,
        private=ring.cursors[private[0]].ctypes.data if private else 0,
        private_2=ring.cursors[private[1]].ctypes.data if len(private) > 1 else 0,
    ).items():
        words[word // 8] = value
    return words, kept


def taken(words, ring):
    """Until there is no more: where the pump's cursor is."""
    while (count := int(pump.take(words.ctypes.data))) > 0:
        assert count <= pump.BATCH
    assert count == 0
    return int(ring.cursors["feed"][0])


@pytest.mark.parametrize("private", [(), ("replies",), ("replies", "sessions")])
def test_the_public_is_a_burst_before_participants_at_most(ring, private):
    words, kept = context_of(ring, private)
    assert kept
    for name in ("gate", "feed", "replies", "sessions"):
        ring.cursors[name][0] = 0
    rng = np.random.default_rng(1)
    for _ in range(2_000):
        gate = int(ring.cursors["gate"][0])
        ring.cursors["gate"][0] = gate + int(rng.integers(0, 300))
        for name in ("replies", "sessions"):
            behind = int(ring.cursors["gate"][0]) - int(ring.cursors[name][0])
            if rng.random() < 0.7:
                ring.cursors[name][0] += int(rng.integers(0, behind + 1))
        positions = [int(ring.cursors[name][0]) for name in private]
        most = min([int(ring.cursors["gate"][0]), *(one + pump.BATCH for one in positions)])
        assert taken(words, ring) == most


def test_a_stage_that_has_no_cursor_holds_up_nothing(ring):
    words, kept = context_of(ring, ("replies",))
    assert kept
    ring.cursors["feed"][0], ring.cursors["gate"][0] = 0, 1_000
    ring.cursors["replies"][0] = layout.FREE
    assert taken(words, ring) == 1_000
    ring.cursors["replies"][0] = 1_000
    ring.cursors["gate"][0] = 2_000
    assert taken(words, ring) == 1_000 + pump.BATCH
