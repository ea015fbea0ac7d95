"""ptp/daemon.py on a simulated machine: whatever happens, the interval holds the true time."""

import random

import pytest

from openoutcry.ptp.leap import SECOND_NS
from openoutcry.wire.enums import ClockFlag, ClockState
from tests.support.ptp.clock_daemon import simulate
from tests.support.ptp.ptp_faults import KINDS, random_faults


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_quiet_hour_holds_the_truth(table, kind, seed):
    """Jitter, spikes, asymmetry and a wandering oscillator, nothing else: no reading in an hour
    misses the truth, and the drift is known."""
    with simulate(table, seed, which=KINDS[kind]) as simulation:
        simulation.run(900)
        assert simulation.violations == 0
        assert simulation.readings > 2_500
        assert simulation.daemon.status.state is ClockState.LOCKED
        errors = sorted(abs(e) for e in simulation.drift_errors_ppb)
        if kind != "chrony":
            assert errors[len(errors) * 99 // 100] <= 50


@pytest.mark.parametrize("lag_s", [0, 1024])
@pytest.mark.parametrize(("from_leap_s", "bound_ns"), [(-43_500, 600_000), (-300, 0), (42_900, 0)])
def test_a_smear_that_is_declared_holds_the_truth(table, from_leap_s, bound_ns, lag_s):
    """chrony's servers smear the leap of 2016, and chrony is up to a poll behind: over the smear's
    begin, the leap itself and the smear's end TAI and UTC both hold, the bound is wide as long as
    that goes on and no longer, and RTS 25 does not hold meanwhile."""
    start = table.leaps_tai_ns[-1] + from_leap_s * SECOND_NS
    which = {**KINDS["chrony"], "smeared": True}
    with simulate(table, 1, start, which, smear=True, smear_lag_s=lag_s) as simulation:
        simulation.run(250)
        if bound_ns:  # before it begins
            assert simulation.daemon.status.bound_ns < bound_ns
        simulation.run(1_150)
        assert simulation.violations == 0
        assert simulation.readings > 4_000
        assert 23_000_000 < simulation.daemon.status.bound_ns < 30_000_000
        assert ClockFlag.RTS25 not in simulation.daemon.status.flags
        assert simulation.daemon.status.utc_offset_s == (36 if from_leap_s == -43_500 else 37)


@pytest.mark.parametrize("from_leap_s", [-43_500, -300, 42_900])
def test_an_undeclared_smear_makes_no_wrong_claim(table, from_leap_s):
    """Nobody tells of a smear, but neither did chrony announce the leap of our list: as long as it
    may be smeared, the bound has room for a whole second."""
    start = table.leaps_tai_ns[-1] + from_leap_s * SECOND_NS
    with simulate(table, 1, start, KINDS["chrony"], smear=True) as simulation:
        simulation.run(1_400)
        assert simulation.violations == 0
        assert 1.0e9 < simulation.daemon.status.bound_ns < 1.1e9
        assert simulation.readings > 4_000


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))])
def test_hours_of_random_faults(table, seed):
    """Everything goes wrong at random: no reading that was answered missed the truth."""
    kind = list(KINDS)[seed % 2]
    with simulate(table, seed, which=KINDS[kind]) as simulation:
        simulation.run(1_500, random_faults(simulation, 1_500, random.Random(seed)))
        assert simulation.violations == 0
        assert simulation.readings > 3_000
