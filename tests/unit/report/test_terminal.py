"""report/terminal.py, text.py: what was measured reaches its reader, on terminal and page."""

import pytest

from openoutcry.report.core_map import core_map, shared_sets
from openoutcry.report.quantity import quantity
from openoutcry.report.text import beside, not_kept
from tests.support.report.terminal import SLOW


def test_a_slow_order_says_everything_known_of_it():
    """Its durable stamp, the level, the faults and what ran meanwhile; nothing where there is
    nothing, and a fault, which has no length, is counted and not timed."""
    assert beside(SLOW) == [
        "durable after 80.5 µs",
        "a price level touched for the first time",
        "page faults meanwhile: 2",
        "core 1, preempted: kworker for 12 µs from 5 µs on",
    ]
    earlier = SLOW["meanwhile"][0] | {"after_intended_ns": -3_272}
    assert beside(SLOW | {"meanwhile": [earlier]})[-1].endswith("for 12 µs since 3.27 µs before")
    quiet = {"after_intended_ns": {}, "new_level": False, "page_faults": 0, "meanwhile": []}
    assert beside(quiet) == []
    assert beside(SLOW, 0) == beside(SLOW)[:-1]


def test_steps_without_room_are_said():
    """Only if there were any."""
    assert not_kept({"steps_not_kept": 0}) == ""
    assert not_kept({"steps_not_kept": 1_500}).startswith("1,500 long steps were not kept")


def test_the_core_map_lays_groups_together_and_outlines_them():
    """Cores 0 and 2 are near, 1 and 3: the map has each pair as one block, and the kernel's own
    idea (0 with 1, 2 with 3) stands above in brackets that are torn apart by it."""
    near = [[0, 200, 50, 200], [200, 0, 200, 50], [50, 200, 0, 200], [200, 50, 200, 0]]
    relation = {
        "0_1": "one L3",
        "2_3": "one L3",
        "0_2": "one socket",
        "0_3": "one socket",
        "1_2": "one socket",
        "1_3": "one socket",
    }
    details = {"cores": [0, 1, 2, 3], "map": near, "relation": relation, "groups": [[0, 2], [1, 3]]}
    assert shared_sets([0, 2, 1, 3], relation) == [
        ("one L3", [(0, 1), (2, 3)]),
        ("one L3", [(1, 2), (3, 4)]),
    ]
    drawn = str(core_map(details))
    assert drawn.count('class="group"') == 2
    assert "near each other: cores 0, 2" in drawn
    assert drawn.count('class="told"') == 4
    assert drawn.count('<rect class="core') == 12 + 7
    assert core_map({"cores": [0], "map": [[0.0]]}) == ""


@pytest.mark.parametrize(
    ("relation", "sets"),
    [
        ({"0_1": "two sockets"}, []),
        ({"0_1": "not told"}, []),
        ({"0_1": "one socket"}, [("one socket", [(0, 2)])]),
        ({"0_1": "threads of one core"}, [("threads of one core", [(0, 2)])]),
        ({}, []),
    ],
)
def test_what_the_kernel_reports_of_two_cores_is_bracketed(relation, sets):
    """Nothing where it tells nothing."""
    assert shared_sets([0, 1], relation) == sets


def test_shares_in_billionths_are_said_in_per_cent():
    """Nobody reads 17.9 M ppb; a clock's drift stays in ppb."""
    assert quantity(17_900_000, "ppb") == "1.79 %"
    assert quantity(4.32, "ppb") == "4.32 ppb"
