"""ptp/calibrate.py: the line is robust, and the bound holds the truth whatever the source does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ptp.calibrate import (
    SAMPLES_MIN,
    SUSPECTS,
    Calibration,
    Oscillator,
    Sample,
    Verdict,
    median,
    theil_sen,
)
from openoutcry.ptp.page import GROWTH_PPB_MAX
from openoutcry.wire.enums import ClockSource

SECOND_NS = 1_000_000_000
TICKS_PER_NS = 2.5
START_NS = 18 * 10**17


class Truth:
    """A counter that runs off by ``ppb`` and a source of which everything is known."""

    def __init__(self, ppb=0.0, seed=1):
        self.rate = TICKS_PER_NS * (1 + ppb * 1e-9)
        self.dice = np.random.default_rng(seed)

    def ticks(self, at_s):
        return round(at_s * SECOND_NS * self.rate)

    def tai_ns(self, at_s):
        return START_NS + round(at_s * SECOND_NS)

    def sample(self, at_s, error_ns=500, off_ns=0):
        tai_ns = self.tai_ns(at_s) + round(off_ns)
        return Sample(self.ticks(at_s), tai_ns, error_ns, ClockSource.SIMULATED)

    def run(self, calibration, seconds, noise_ns=100.0, **how):
        """One sample a second with noise of this standard deviation; returns the verdicts."""
        return [
            calibration.add(self.sample(s, off_ns=noise_ns * self.dice.standard_normal(), **how))
            for s in seconds
        ]

    def holds(self, calibration, at_s):
        ticks = self.ticks(at_s)
        return abs(calibration.tai_at(ticks) - self.tai_ns(at_s)) <= calibration.bound_ns(ticks)


def make():
    return Calibration(1 / TICKS_PER_NS)


def test_nothing_is_said_from_few_samples():
    """Fewer than eight say nothing about jitter."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(SAMPLES_MIN - 1))
    assert not calibration.ready
    truth.run(calibration, [SAMPLES_MIN])
    assert calibration.ready


@pytest.mark.parametrize("ppb", [-50_000, -300, 0, 7, 100_000])
def test_drift_is_found_to_a_few_ppb(ppb):
    """With 100 ns of noise, a minute gives the oscillator's rate to 10 ppb."""
    truth, calibration = Truth(ppb), make()
    truth.run(calibration, range(64))
    assert abs(calibration.drift_ppb - ppb) <= 10


@given(st.lists(st.integers(0, 63), max_size=16, unique=True), st.integers(-(10**6), 10**6))
def test_a_quarter_of_outliers_does_not_bend_the_line(where, off_ns):
    """Theil-Sen: up to 16 of 64 points may be anywhere, and the slope stays."""
    x = np.arange(64.0) * SECOND_NS
    y = 1e-7 * x + np.sin(np.arange(64.0)) * 50
    y[where] += off_ns
    assert abs(theil_sen(x, y) - 1e-7) < 20e-9


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40))
def test_the_median_is_numpys(values):
    """The short cut gives the same number."""
    assert median(np.array(values)) == pytest.approx(float(np.median(values)), rel=1e-12)


def test_a_spike_is_not_believed():
    """One sample a millisecond off changes nothing but the age of the last believed."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(30))
    before = calibration.bound_ns(truth.ticks(30))
    assert calibration.add(truth.sample(30, off_ns=10**6)) is Verdict.SUSPECT
    assert calibration.bound_ns(truth.ticks(30)) == before
    assert calibration.add(truth.sample(31)) is Verdict.BELIEVED
    assert truth.holds(calibration, 31)


@pytest.mark.parametrize("off_ns", [5_000, -50_000, 10**9])
def test_a_step_is_reported_and_both_times_are_covered(off_ns):
    """The source jumps by far more than its error: the interval holds our time and its own, and the
    source is not followed."""
    truth, calibration = Truth(300), make()
    truth.run(calibration, range(40))
    verdicts = [calibration.add(truth.sample(s, off_ns=off_ns)) for s in range(40, 60)]
    assert verdicts[SUSPECTS - 1] is Verdict.STEP
    assert verdicts.count(Verdict.STEP) == 1
    at = truth.ticks(60)
    line, bound = calibration.tai_at(at), calibration.bound_ns(at)
    assert abs(line - truth.tai_ns(60)) <= bound
    assert abs(line - truth.tai_ns(60) - off_ns) <= bound
    assert abs(line - truth.tai_ns(60)) < abs(off_ns) / 2


def test_a_slew_is_distinguished_from_a_step():
    """A source that runs away at 200 ppm slews; it did not step."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(40))
    verdicts = [calibration.add(truth.sample(s, off_ns=200_000 * (s - 39))) for s in range(40, 50)]
    assert Verdict.SLEW in verdicts
    assert Verdict.STEP not in verdicts
    assert truth.holds(calibration, 50)


def test_a_source_that_comes_back_is_believed_again():
    """After a step and a step back the bound is what it was, and not before several samples."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(40))
    small = calibration.bound_ns(truth.ticks(40))
    for s in range(40, 50):
        calibration.add(truth.sample(s, off_ns=80_000))
    verdicts = truth.run(calibration, range(50, 50 + SUSPECTS))
    assert verdicts == [Verdict.SUSPECT] * (SUSPECTS - 1) + [Verdict.RETURNED]
    assert calibration.bound_ns(truth.ticks(54)) < small + 2_000


def test_a_doubted_source_is_not_taken_back_because_our_bound_has_grown():
    """Hours later our own interval reaches the stepped time; it stays in doubt all the same."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(40))
    verdicts = [calibration.add(truth.sample(s, off_ns=30_000)) for s in range(40, 2_000)]
    assert Verdict.RETURNED not in verdicts
    assert calibration.doubt_ns > 0
    assert truth.holds(calibration, 2_000)


def test_a_source_that_jitters_more_than_it_says_widens_the_bound():
    """It claims 50 ns and is off by microseconds on both sides: the jitter seen is in the bound."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(30), noise_ns=20, error_ns=50)
    before = calibration.bound_ns(truth.ticks(30))
    offs = [3_000 * (-1) ** s for s in range(30, 60)]
    verdicts = [
        calibration.add(truth.sample(s, error_ns=50, off_ns=off))
        for s, off in zip(range(30, 60), offs, strict=True)
    ]
    assert Verdict.NOISE in verdicts
    assert calibration.bound_ns(truth.ticks(60)) > before + 2_000
    assert truth.holds(calibration, 60)


def test_one_sample_that_claims_to_be_exact_does_not_narrow_the_bound():
    """It may be an outlier: the largest claim of the last few is granted, until they all say so."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(20), noise_ns=0.0, error_ns=50_000)
    for second in range(20, 20 + SUSPECTS - 1):
        truth.run(calibration, [second], noise_ns=0.0, error_ns=10)
        assert calibration.own_bound_ns(truth.ticks(second)) > 50_000
    truth.run(calibration, [20 + SUSPECTS], noise_ns=0.0, error_ns=10)
    assert calibration.own_bound_ns(truth.ticks(20 + SUSPECTS)) < 10_000


def test_a_confirmed_step_is_followed():
    """When somebody independent agrees with the source, its latest samples begin a new line."""
    truth, calibration = Truth(), make()
    truth.run(calibration, range(40))
    for s in range(40, 60):
        calibration.add(truth.sample(s, off_ns=40_000))
    calibration.follow()
    at = truth.ticks(60)
    assert calibration.ready
    assert abs(calibration.tai_at(at) - truth.tai_ns(60) - 40_000) < 1_000


@given(
    st.floats(-2_000, 2_000),
    st.floats(0, 5_000),
    st.integers(0, 20_000),
    st.integers(0, 3_600),
    st.integers(0, 2**31),
)
def test_holdover_holds_the_truth(ppb, noise_ns, error_ns, silent_s, seed):
    """For any drift, noise and honest error, the interval holds the truth through an hour's
    silence, and never narrows in it."""
    truth, calibration = Truth(ppb, seed), make()
    for s in range(40):
        noise = float(np.clip(noise_ns * truth.dice.standard_normal(), -error_ns, error_ns))
        calibration.add(truth.sample(s, error_ns=error_ns, off_ns=noise))
    assert truth.holds(calibration, 40)
    assert truth.holds(calibration, 40 + silent_s)
    bounds = [calibration.bound_ns(truth.ticks(40 + s)) for s in range(0, silent_s, 60)]
    assert bounds == sorted(bounds)


def test_growth_has_its_limits():
    """The oscillator's tolerance ends its part, and the page's range all of it."""
    truth, calibration = Truth(), Calibration(1 / TICKS_PER_NS, Oscillator(limit_ppb=1_000))
    truth.run(calibration, range(40), noise_ns=0)
    assert 1_000 <= calibration.growth_ppb(truth.ticks(10**6)) <= 1_100
    wild = make()
    Truth().run(wild, [s * 1e-3 for s in range(8)], noise_ns=10**6, error_ns=10**7)
    assert wild.growth_ppb(truth.ticks(1)) == GROWTH_PPB_MAX
