"""ptp/daemon.py on a simulated machine: whatever happens, the interval holds the true time."""

import pytest

from openoutcry.ptp.leap import SECOND_NS
from openoutcry.ptp.page import ClockPage
from openoutcry.ptp.simulate import GM_IDENTITY
from openoutcry.wire.enums import ClockEvent, ClockFlag, ClockSource, ClockState
from tests.support.ptp.clock_daemon import simulate
from tests.support.ptp.ptp_faults import KINDS, change


def test_the_bound_holds_the_path(table):
    """A path that is wholly asymmetric is off by all of its delay: that is granted, no more than
    that and some jitter."""
    with simulate(table, asymmetry_ns=3_900, path_ns=2_000) as simulation:
        simulation.run(300)
        assert simulation.violations == 0
        assert 2_000 < simulation.daemon.status.bound_ns < 6_000


@pytest.mark.parametrize("seed", range(4))
def test_a_path_that_becomes_better_is_not_taken_at_its_first_word(table, seed):
    """ptp4l tells the new delay beside an offset that it measured over the old one."""
    with simulate(table, seed, which=KINDS["software"]) as simulation:
        faults = {
            60.0: change(simulation, path_ns=20_000, asymmetry_ns=30_000),
            180.0: change(simulation, path_ns=2_000, asymmetry_ns=600),
        }
        simulation.run(300, faults)
        assert simulation.violations == 0
        assert simulation.daemon.status.bound_ns < 20_000


def test_silence_is_held_over_and_ends(table):
    """The grandmaster is silent for ten minutes: holdover, a growing bound, locked again."""
    with simulate(table, which={"chrony": False}) as simulation:
        simulation.run(120)
        change(simulation, gm_silent=True)()
        before = len(simulation.bounds_ns)
        simulation.run(600)
        grown = simulation.bounds_ns[before:]
        assert simulation.daemon.status.state is ClockState.HOLDOVER
        assert grown == sorted(grown)
        assert grown[-1] > 10 * grown[0]
        change(simulation, gm_silent=False)()
        simulation.run(60)
        assert simulation.daemon.status.state is ClockState.LOCKED
        assert simulation.daemon.status.bound_ns < 10_000
        assert simulation.violations == 0


@pytest.mark.parametrize("off_ns", [30_000, -400_000, 10**9])
def test_a_grandmaster_that_steps_is_not_followed(table, off_ns):
    """It jumps away from the truth: a step is told within seconds, the interval covers both, and
    when it comes back the clock is locked again."""
    with simulate(table, which={"chrony": False}) as simulation:
        simulation.run(120)
        change(simulation, gm_bias_ns=off_ns)()
        simulation.run(120)
        (step,) = simulation.named(ClockEvent.STEP)
        assert 120 < step < 130
        assert simulation.daemon.status.state is ClockState.HOLDOVER
        assert ClockFlag.DOUBTED in simulation.daemon.status.flags
        assert simulation.daemon.status.bound_ns > abs(off_ns)
        change(simulation, gm_bias_ns=0)()
        simulation.run(30)
        assert simulation.daemon.status.state is ClockState.LOCKED
        assert simulation.violations == 0


def test_a_witness_takes_over_from_a_grandmaster_that_steps(table):
    """With chrony beside it the clock goes on at chrony's bound, not at the step's."""
    with simulate(table) as simulation:
        simulation.run(120)
        change(simulation, gm_bias_ns=50_000_000)()
        simulation.run(120)
        assert simulation.daemon.status.source is ClockSource.CHRONY
        assert simulation.daemon.status.bound_ns < 5_000_000
        assert simulation.violations == 0


def test_a_grandmaster_that_was_wrong_and_is_put_right_is_followed_when_chrony_agrees(table):
    """Before, the two contradicted each other and the interval covered both; after the step they
    agree, and the clock is as good as PTP again."""
    with simulate(table, gm_bias_ns=3_000_000, chrony_ns=20_000.0) as simulation:
        simulation.run(120)
        assert ClockFlag.DOUBTED in simulation.daemon.status.flags
        assert simulation.named(ClockEvent.DISAGREE)
        change(simulation, gm_bias_ns=0)()
        simulation.run(200)
        assert simulation.daemon.status.bound_ns < 10_000
        assert ClockFlag.DOUBTED not in simulation.daemon.status.flags
        assert simulation.violations == 0


def test_the_kernel_is_not_asked_while_a_named_source_answers(table):
    """Its bound is narrower than chrony's, and nobody can say whose it is: chrony is followed, and
    the kernel only once chrony has been silent for a while."""
    kernel = {"kernel_status": 0, "kernel_errors_ns": (10_000_000, 1_000_000)}
    kernel |= {"system_offset_ns": 0, "chrony_ns": 4e6}
    with simulate(table, which=KINDS["chrony"], **kernel) as simulation:
        simulation.run(30)
        assert simulation.daemon.status.source is ClockSource.CHRONY
        change(simulation, chrony_silent=True)()
        simulation.run(20)
        assert simulation.daemon.status.source is ClockSource.KERNEL
        assert simulation.violations == 0


def test_a_grandmaster_that_jitters_beyond_its_word(table):
    """It claims 100 ns and is all over 20 us: what is seen counts, not what is claimed."""
    with simulate(table, which={"phc": False, "linuxptp": True, "chrony": False}) as simulation:
        simulation.run(120)
        change(simulation, gm_jitter_ns=8_000.0)()
        simulation.run(300)
        assert simulation.violations == 0
        assert simulation.daemon.status.bound_ns > 10_000


def test_a_suspended_machine_knows_nothing_until_it_has_looked_again(table):
    """After an hour's sleep the counter is an hour behind: the page is unknown at the next step,
    and then right again."""
    with simulate(table) as simulation:
        simulation.run(60)
        simulation.machine.suspend(3_600 * SECOND_NS)
        simulation.daemon.step()
        assert simulation.named(ClockEvent.SUSPENDED)
        assert simulation.daemon.status.state is ClockState.UNKNOWN
        simulation.run(60)
        assert simulation.daemon.status.state is ClockState.LOCKED
        assert simulation.violations == 0


@pytest.mark.parametrize(
    ("ticks", "rate"), [(10**12, None), (-(10**12), None), (0, 2.1), (10**9, 3.0)]
)
def test_a_machine_that_is_migrated_knows_nothing_until_it_has_looked_again(table, ticks, rate):
    """The counter jumps, is set back, or has another rate: it is noticed before a wrong reading is
    made of it, and the new one is measured, for the sources as well."""
    with simulate(table) as simulation:
        simulation.run(60)
        simulation.machine.migrate(ticks, rate)
        simulation.machine.pause(0.05)
        simulation.daemon.step()
        assert simulation.named(ClockEvent.MIGRATED)
        assert simulation.daemon.status.state is ClockState.UNKNOWN
        simulation.run(60)
        assert simulation.daemon.status.state is ClockState.LOCKED
        assert simulation.daemon.status.source is ClockSource.PHC_PRECISE
        assert simulation.violations == 0


def test_readings_between_a_break_and_the_next_look_are_counted_by_themselves(table):
    """Nobody can know yet that the machine slept: what is read then misses the truth, and is said
    to; from the daemon's next look on nothing does."""
    with simulate(table) as simulation:
        simulation.run(60)
        simulation.run(60, {0.0: lambda: simulation.machine.suspend(3_600 * SECOND_NS)})
        assert (simulation.window_readings, simulation.window_violations) == (2, 2)
        assert simulation.violations == 0
        assert len(simulation.named(ClockEvent.SUSPENDED)) == 1
        simulation.run(60, {0.0: lambda: simulation.machine.migrate(-(10**12))})
        assert (simulation.window_readings, simulation.window_violations) == (2, 2), "refused"
        assert max(simulation.bounds_ns) < 20 * SECOND_NS, "what is unknown is no bound"


def test_thresholds_are_events(table):
    """Holdover passes 10 us and 100 us on its way out and clears on its return; RTS 25's word
    changes with the second, and says since when."""
    with simulate(table, which={"chrony": False}) as simulation:
        simulation.run(60)
        since = simulation.page.rts25_since_tai_ns
        assert since > 0
        change(simulation, gm_silent=True)()
        simulation.run(900)
        gone = simulation.page.rts25_since_tai_ns
        assert gone < -since
        change(simulation, gm_silent=False)()
        simulation.run(60)
        assert simulation.page.rts25_since_tai_ns > -gone
        names = [
            e
            for _, e in simulation.events
            if e in (ClockEvent.WARNING, ClockEvent.CRITICAL, ClockEvent.CLEARED)
        ]
        place = names.index(ClockEvent.CRITICAL)
        assert names[place - 1] is ClockEvent.WARNING
        assert names[-1] is ClockEvent.CLEARED
        assert names.count(ClockEvent.CRITICAL) == 1
        (critical,) = simulation.named(ClockEvent.CRITICAL)
        assert abs(critical - (-gone - simulation.machine._start_ns) / SECOND_NS) < 2


@pytest.mark.parametrize("kind", ["hardware", "software"])
def test_a_leap_second_passes(table, kind):
    """Through the end of 2016: UTC and TAI both hold, and the offset's change is an event."""
    leap = table.leaps_tai_ns[-1]
    start = leap - 90 * SECOND_NS
    with simulate(table, start_tai_ns=start, system_offset_ns=0, which=KINDS[kind]) as simulation:
        simulation.run(80)
        assert simulation.daemon.status.utc_offset_s == 36
        assert ClockFlag.LEAP_INSERT in simulation.daemon.status.flags
        simulation.run(60)
        assert simulation.daemon.status.utc_offset_s == 37
        assert len(simulation.named(ClockEvent.LEAP)) == 1
        assert simulation.violations == 0


def test_a_smear_is_over_when_it_is(table):
    """A poll after its last second nothing of it is granted any more."""
    start = table.leaps_tai_ns[-1] + (43_200 + 2 * 1024 - 100) * SECOND_NS
    which = {**KINDS["chrony"], "smeared": True}
    with simulate(table, 1, start, which, smear=True) as simulation:
        simulation.run(60)
        assert simulation.daemon.status.bound_ns > 23_000_000
        simulation.run(140)
        assert simulation.daemon.status.bound_ns < 600_000
        assert simulation.violations == 0


def test_an_announced_leap_costs_chrony_nothing(table):
    """Told before it, the leap of 2016 passes with the bound as it was before."""
    start = table.leaps_tai_ns[-1] - 60 * SECOND_NS
    with simulate(
        table, start_tai_ns=start, system_offset_ns=0, which=KINDS["chrony"]
    ) as simulation:
        simulation.run(300)
        assert max(simulation.bounds_ns) < 3_000_000
        assert simulation.violations == 0


def test_a_disputed_offset_is_said(table):
    """The grandmaster's UTC offset is another than the list's: the list's is used, and flagged; UTC
    may be a second off, so RTS 25 does not hold."""
    old = type(table)(table.utc_s[:-1], table.offset_s[:-1], 2**40, "an old list")
    with simulate(table, which={"phc": True, "chrony": False}) as simulation:
        simulation.daemon.table = old
        simulation.run(20)
        status = simulation.daemon.status
        assert {ClockFlag.OFFSET_DISPUTED, ClockFlag.TRACEABLE} <= set(status.flags)
        assert status.utc_offset_s == 36
        assert ClockFlag.RTS25 not in status.flags
        assert simulation.page.rts25_since_tai_ns < 0


@pytest.mark.parametrize(("gm_flags", "holds"), [(0x3C, True), (0x38, False)])
def test_an_expired_list_needs_a_source_of_the_offset(table, gm_flags, holds):
    """The list has ended: where the grandmaster calls its UTC offset valid and it is the list's,
    RTS 25 holds; where nobody says it, there may have been a leap second since."""
    ended = type(table)(table.utc_s, table.offset_s, table.utc_s[-1], "a list that has ended")
    with simulate(table, which={"phc": True, "chrony": False}, gm_flags=gm_flags) as simulation:
        simulation.daemon.table = ended
        simulation.run(20)
        flags = simulation.daemon.status.flags
        assert {ClockFlag.LIST_EXPIRED, ClockFlag.TRACEABLE} <= set(flags)
        assert (ClockFlag.RTS25 in flags) == holds


def test_an_expired_list_gives_way_to_the_source(table):
    """A list that is out of date says so, and the grandmaster's offset is used."""
    old = type(table)(table.utc_s[:-1], table.offset_s[:-1], table.utc_s[-1], "an old list")
    with simulate(table, which={"phc": True, "chrony": False}) as simulation:
        simulation.daemon.table = old
        simulation.run(20)
        assert {ClockFlag.OFFSET_DISPUTED, ClockFlag.LIST_EXPIRED} <= set(
            simulation.daemon.status.flags
        )
        assert simulation.daemon.status.utc_offset_s == 37
        assert simulation.violations == 0


def test_evidence_says_what_was_known(table):
    """Every second one record; its interval held the truth, its sequence has no gap."""
    with simulate(table) as simulation:
        simulation.run(100)
        records = simulation.page.evidence()
        assert (records["seq"][1:] - records["seq"][:-1] == 1).all()
        last = records[-1]
        assert last["source"] == ClockSource.PHC_PRECISE
        assert last["state"] == ClockState.LOCKED
        assert last["grandmaster"] == GM_IDENTITY
        assert last["utc_offset_s"] == 37
        assert last["flags"] & ClockFlag.RTS25
        assert abs(int(last["tai_ts_ns"]) - simulation.machine.true_tai_ns) < 2 * SECOND_NS
        assert abs(int(last["drift_ppb"]) - 18_000) < 1_000


def test_the_last_word_of_a_daemon(table):
    """Closed in order it leaves a record that says so, and the page is over."""
    simulation = simulate(table)
    simulation.run(20)
    page = ClockPage(simulation.writer.segment)
    simulation.daemon.close()
    assert page.evidence()[-1]["event"] == ClockEvent.STOPPED
    simulation.read()
    assert simulation.refused
