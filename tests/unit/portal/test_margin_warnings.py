"""A margin warning comes once for each crossing of a level, and a margin near it is no crossing."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from openoutcry.portal.notices.margin_warnings import (
    HYSTERESIS_PERCENT,
    LEAST_LEVEL,
    MOST_LEVEL,
    MOST_LEVELS,
    margin_of,
    reached,
)
from openoutcry.portal.notices.words import of_margin_level
from openoutcry.risk import layout as lay
from openoutcry.wire.enums import Side
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import order

levels = some.lists(
    some.integers(LEAST_LEVEL, MOST_LEVEL), min_size=1, max_size=MOST_LEVELS, unique=True
)
margins = some.lists(
    some.tuples(some.integers(0, 300), some.integers(-50, 300)), min_size=1, max_size=30
)


@given(levels, margins)
def test_each_level_is_reached_and_left_by_itself(chosen, walk):
    """The slow way: each level has a switch of its own."""
    is_on, before = dict.fromkeys(chosen, False), 0
    for needs, means in walk:
        for level in chosen:
            percent = level - HYSTERESIS_PERCENT if is_on[level] else level
            is_on[level] = needs > 0 and (means <= 0 or 100 * needs / means >= percent)
        before = reached(chosen, before, needs, means)
        assert before == max((level for level in chosen if is_on[level]), default=0)


def test_a_margin_around_a_level_is_one_crossing():
    found, before = [], 0
    for needs in (79, 80, 79, 81, 76, 80, 75, 74, 80):
        before = reached([80], before, needs, 100)
        found.append(before)
    assert found == [0, 80, 80, 80, 80, 80, 80, 0, 80]


def test_what_is_compared_is_what_the_core_calls_for(tmp_path):
    (tmp_path / "margin.toml").write_text(MARGIN_FILE)
    floor = InlineFloor(tmp_path, SCENARIO_VENUE)
    try:
        floor.send(order(1, Side.BUY, 4, 5_000, who=1), order(2, Side.SELL, 4, 5_000, who=2))
        view = floor.view
        needs, means = margin_of(view, 1)
        assert (needs, means) == (view.maintenance(1), view.means(1))
        assert needs > 0
        assert margin_of(view, 3)[0] == 0, "it holds nothing"
        at = 1, lay.MAINTENANCE_BPS // 8
        share, view.participants[at] = int(view.participants[at]), 0
        assert margin_of(view, 1) == (0, 0), "nobody calls it"
        view.participants[at] = share
    finally:
        floor.close()


@pytest.mark.parametrize(
    ("language", "title", "part"),
    [
        (
            "en",
            "Margin warning: 80 % is reached",
            "margin of 41.5 USD, and your account has 50 USD",
        ),
        ("de", "Marginwarnung: 80 % sind erreicht", "von 41.5 USD, Ihr Konto hat 50 USD"),
    ],
)
def test_a_warning_says_what_is_needed_and_what_is_there(language, title, part):
    notice = of_margin_level("margin-level3", 80, (4_150, 5_000), "USD", 2, language)
    assert (notice.event, notice.title, notice.is_urgent) == ("margin", title, True)
    assert part in notice.body
    assert notice.data == {"level": 80, "asset": "USD", "maintenance": "41.50", "means": "50.00"}
