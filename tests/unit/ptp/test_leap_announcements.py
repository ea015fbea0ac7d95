"""ptp/leap.py, daemon.py: leap seconds that are announced, withdrawn, forgotten, contradicted: UTC
stays in the interval, and the bound is wide only while something is disputed."""

import itertools

import pytest

from openoutcry.ptp import management
from openoutcry.ptp.leap import SECOND_NS, Announcements, LeapTable
from openoutcry.ptp.simulate import World
from openoutcry.wire.enums import ClockFlag
from tests.support.ptp.clock_daemon import simulate
from tests.support.ptp.ptp_faults import KINDS, change

MIDNIGHT_S = 1_800_057_600
"""2027-01-16 00:00:00 UTC, at which no list has a leap."""
FLAGS = {1: management.LEAP61, 0: 0, -1: management.LEAP59}
START_NS = (MIDNIGHT_S - 60 + 37) * SECOND_NS


def lists(table, listed, reaches):
    """The list that a clock has: with that leap at the midnight, and ending before it or after."""
    extra = listed != 0
    return LeapTable(
        (*table.utc_s, MIDNIGHT_S) if extra else table.utc_s,
        (*table.offset_s, 37 + listed) if extra else table.offset_s,
        MIDNIGHT_S + (90 * 86_400 if reaches else -7_200),
        "a list of the test",
    )


def is_possible(listed, announced, happened, reaches, withdrawn):
    """Whether the clock could know: what happens was listed or announced, and nothing contradicts
    what is true in silence."""
    if happened not in (listed, announced) or (withdrawn and not announced):
        return False
    if reaches:
        return happened == listed or (announced != 0 and not withdrawn)
    return not listed and happened == (0 if withdrawn else announced)


CASES = [
    case
    for case in itertools.product((0, 1, -1), (0, 1, -1), (0, 1, -1), (True, False), (True, False))
    if is_possible(*case)
]


@pytest.mark.parametrize(("listed", "announced", "happened", "reaches", "withdrawn"), CASES)
def test_utc_is_in_the_interval_whatever_is_listed_announced_and_true(
    table, listed, announced, happened, reaches, withdrawn
):
    """Every list x announcement x truth that is possible, withdrawn before midnight or not, 60 s
    before to 30 s after: no reading misses UTC; wide only while list and announcement differ."""
    truth = lists(table, happened, True)
    with simulate(truth, start_tai_ns=START_NS, which={"chrony": False}) as simulation:
        simulation.daemon.table = lists(table, listed, reaches)
        flags = simulation.world.gm_flags
        on, off = (change(simulation, gm_flags=flags | f) for f in (FLAGS[announced], 0))
        simulation.run(90, {12.0: on, (22.0 if withdrawn else 63.0): off})
        assert simulation.violations == 0
        assert simulation.readings > 200
        status = simulation.daemon.status
        assert status.utc_offset_s == 37 + (listed if reaches else happened)
        disputed = reaches and happened != listed
        assert (ClockFlag.OFFSET_DISPUTED in status.flags) == disputed
        assert (status.bound_ns > SECOND_NS) == disputed
        wide = [b for b in simulation.bounds_ns if b > SECOND_NS]
        assert bool(wide) == (reaches and announced not in (0, listed))


def test_a_leap_that_is_withdrawn_after_ten_seconds_was_none(table):
    """The unexpired list has none: wide while it is announced, narrow from its withdrawal on, and
    no second is inserted at midnight."""
    with simulate(table, start_tai_ns=START_NS, which={"chrony": False}) as simulation:
        flags = World().gm_flags
        change(simulation, gm_flags=flags | management.LEAP61)()
        simulation.run(10)
        assert simulation.daemon.status.bound_ns > SECOND_NS
        assert ClockFlag.OFFSET_DISPUTED in simulation.daemon.status.flags
        assert ClockFlag.RTS25 not in simulation.daemon.status.flags
        change(simulation, gm_flags=flags)()
        simulation.run(200)
        assert simulation.daemon.status.bound_ns < 10_000
        assert simulation.daemon.status.utc_offset_s == 37
        assert ClockFlag.RTS25 in simulation.daemon.status.flags
        assert simulation.violations == 0


@pytest.mark.parametrize("withdrawn", [True, False])
def test_chrony_alone_announces_and_withdraws(table, withdrawn):
    """Beyond the list's end chrony's announcement is all there is: it counts, and once its second
    is over it has happened, though chrony announces nothing any more."""
    truth = lists(table, 0 if withdrawn else 1, True)
    start_ns = START_NS
    world = {"system_offset_ns": 0, "chrony_ns": 4_000.0}
    with simulate(truth, 1, start_ns, KINDS["chrony"], **world) as simulation:
        simulation.daemon.table = lists(table, 0, False)
        machine = simulation.machine
        if withdrawn:
            machine._announced = lambda: int(machine.true_tai_ns < start_ns + 20 * SECOND_NS)
        simulation.run(90)
        assert simulation.violations == 0
        assert simulation.daemon.status.utc_offset_s == (37 if withdrawn else 38)
        assert max(simulation.bounds_ns[-60:]) < 5_000_000


def test_two_sources_that_announce_different_leaps_are_a_dispute(table):
    """One a second more, one a second less, and a list that has ended: neither is believed."""
    leaps = Announcements(lists(table, 0, False))
    leaps.update(START_NS, frozenset({1, -1}), None)
    assert leaps.disputed_s
    assert leaps.in_force is leaps.table
    leaps.update(START_NS + SECOND_NS, frozenset({1}), None)
    assert not leaps.disputed_s
    assert leaps.in_force.offset_s[-1] == 38


def test_a_dispute_that_outlasts_its_second_ends_when_a_source_states_the_lists_offset(table):
    """Until then nobody knows whether the leap was one."""
    leaps = Announcements(lists(table, 0, True))
    leaps.update(START_NS, frozenset({1}), 37)
    assert leaps.disputed_s
    after = START_NS + 61 * SECOND_NS
    leaps.update(after, frozenset(), None)
    assert leaps.disputed_s
    leaps.update(after + SECOND_NS, frozenset(), 38)
    assert leaps.disputed_s
    leaps.update(after + 2 * SECOND_NS, frozenset(), 37)
    assert not leaps.disputed_s


def test_an_announcement_that_is_left_on_after_its_second_is_none_of_the_next_day(table):
    """A grandmaster clears its flag some seconds late; the next one is heard again."""
    leaps = Announcements(lists(table, 1, True))
    leaps.update(START_NS, frozenset({1}), 37)
    for second in range(61, 70):
        leaps.update(START_NS + second * SECOND_NS, frozenset({1}), 38)
        assert not leaps.disputed_s
    leaps.update(START_NS + 71 * SECOND_NS, frozenset(), 38)
    leaps.update(START_NS + 72 * SECOND_NS, frozenset({1}), 38)
    assert leaps.disputed_s
