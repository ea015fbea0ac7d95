"""bench/ring_distance.py: a reader knows from its own looks how far its writer is."""

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.bench.ring_distance import (
    FAR_NS,
    LONGEST_NS,
    SAMPLE_EVERY,
    Distance,
    is_far,
    is_sampled,
    note_look,
    pause_between_looks,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import monotonic_ns

NEAR_NS = FAR_NS - 20


@pytest.fixture
def words() -> npt.NDArray[np.int64]:
    return np.zeros(2, np.int64)


@pytest.fixture
def distance(words: npt.NDArray[np.int64]) -> Distance:
    return Distance.of(words.ctypes.data)


def test_the_first_time_and_every_64th_is_measured(distance: Distance) -> None:
    """So that a process that is moved notices, and looks cost nothing otherwise."""
    times = [time for time in range(3 * SAMPLE_EVERY) if is_sampled(distance)]
    assert times == [0, SAMPLE_EVERY, 2 * SAMPLE_EVERY]


def test_a_writer_is_near_until_looks_say_otherwise(distance: Distance) -> None:
    """And near again a few looks after one of the two has moved."""
    assert not is_far(distance)
    note_look(distance, 2 * FAR_NS)
    assert is_far(distance)
    looks = 0
    while is_far(distance):
        note_look(distance, NEAR_NS)
        looks += 1
    assert 1 < looks < 10


def test_an_interrupted_look_says_nothing(distance: Distance, words: npt.NDArray[np.int64]) -> None:
    """It took longer than any line does."""
    note_look(distance, NEAR_NS)
    note_look(distance, LONGEST_NS + 1)
    assert words[1] == NEAR_NS


@kernel
def paused_ns(distance: Distance) -> int:
    before = monotonic_ns()
    pause_between_looks(distance)
    return monotonic_ns() - before


def test_far_from_its_writer_a_reader_looks_once_a_transfer(distance: Distance) -> None:
    """The pause is as long as the look was."""
    for _ in range(2):
        note_look(distance, LONGEST_NS)
    assert paused_ns(distance) >= LONGEST_NS
