"""Every pair of a scheduled phase and something that is not scheduled ends as docs/risk.md says."""

from random import Random

import pytest

from openoutcry.wire.enums import Phase
from tests.support.venue.paused_day import (
    DAY,
    EVENTS,
    PAGE,
    PAIRS,
    SITUATIONS,
    PausedFloor,
    events_of,
    filled,
)

CALLS = {"PREO", "OPEN", "CLOS", "T7"}


def judge(folder, events):
    """Play a day; its phases are those of the rules, and the feed announced each once."""
    folder.mkdir()
    floor = PausedFloor(folder)
    floor.play(events)
    found = floor.phases()
    assert [phase for _, phase in found] == [phase for _, phase in floor.right], events
    for (at_s, _), (right_s, _) in zip(found, floor.right, strict=True):
        assert abs(at_s - right_s) <= 1, (events, found, floor.right)
    floor.close()
    announced = floor.announced(folder)
    at_last = sum(phase == Phase.TRADING_AT_LAST for _, phase in floor.right)
    assert announced.count("LAST") == at_last, announced
    for place, word in enumerate(announced):
        if word == "LAST":
            assert announced[place - 1] == "Q", announced


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_pair_ends_as_the_page_says(tmp_path, situation):
    for number, (one, what) in enumerate(PAIRS):
        if one == situation:
            judge(tmp_path / str(number), events_of(one, what))


def test_the_page_has_the_rules():
    """`python -m tests.support.venue.paused_day` writes the table."""
    assert filled(PAGE.read_text()) == PAGE.read_text()


def random_day(seed):
    rng = Random(seed)
    return {
        rng.randrange(3, DAY[-1][0] - 10): rng.choice(EVENTS) for _ in range(rng.randint(3, 12))
    }


@pytest.mark.parametrize("first", range(0, 16, 4))
def test_random_days(tmp_path, first):
    """Pauses, halts, orders outside of the band and restarts at any second."""
    for seed in range(first, first + 4):
        judge(tmp_path / str(seed), random_day(seed))


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 1_200, 20))
def test_more_random_days(tmp_path, first):
    for seed in range(first, first + 20):
        judge(tmp_path / str(seed), random_day(seed))
