"""What the counter is worth in TAI: robust regression over the last samples of a source.

Theil-Sen (Sen 1968): the slope is the median of the slopes between all pairs of samples, so that up
to 29 % of them may be anything.  Its phase is the median residual.  The bound is made of what was
seen and what must be granted, never of what is likely::

    bound = largest residual of the samples believed      the line is not straight, they jitter
          + the most that the last few grant themselves   half a window, half a round trip
          + growth x time since then                      the counter's rate is not quite known
          + what contradicts it, if anything does         see below

    growth = what two samples leave open                  the pair that leaves least
           + the oscillator's wander, and its ramp        temperature, age

If each sample is right within e, a slope over the span s may still be wrong by 2e/s, however small
the residuals are.  An asymmetry that moves within the path delay bends the line unseen.  A sample
leaves open its residual and the most that it and those just before it grant themselves.  Not it
alone: a source's data about its path may be newer than its measurement over it.  And the sample
that would make the interval narrower may itself be an outlier.

A sample whose interval does not meet ours is not believed.  Several of them in a row are
classified.  On both sides of us it is noise that the source does not report, and the bound grows by
it.  On one side it is a step if their distance is constant, otherwise a slew.  A step does not show
whether the source went wrong then, or was wrong until then.  So from then on the interval covers
both, until the source comes back, or an independent source confirms it.
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

from openoutcry.ptp.page import GROWTH_PPB_MAX
from openoutcry.ptp.ticks import Q48
from openoutcry.wire.enums import ClockSource
from openoutcry.wire.kernel import VERIFY

WINDOW = 64
"""Samples that a fit is over: a minute at one a second.  A longer one averages more noise away and
bends more with the oscillator's temperature."""
SAMPLES_MIN = 8
"""Fewer say nothing about jitter."""
MEMORY_NS = 300 * 10**9
"""Older samples go as soon as there are enough without them."""
SUSPECTS = 4
"""This many in a row that do not meet our interval are not outliers."""
OUTLIER_DEVIATIONS = 6
MAD_TO_SIGMA = 1.4826
NOISE_FLOOR_NS = 50
RATE_MAX = GROWTH_PPB_MAX / 2e9
"""A counter further off its nominal rate (500 ppm) could not be disciplined by NTP either."""
SLEW_PPB = 5_000
"""Suspects that drift apart from us by more than this are slewing."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Oscillator:
    """Allowances for the counter's oscillator: an uncompensated quartz in a machine room.

    Its rate is within ``wander_ppb`` of its mean, to either side.  It leaves that range by
    ``ramp_ppb_per_s`` at most (temperature), and is never further than ``limit_ppb`` from the fit
    (the data sheets' tolerance)."""

    wander_ppb: int = 200
    ramp_ppb_per_s: float = 1.0
    limit_ppb: int = 50_000


@dataclass(frozen=True)
class Sample:
    """A source's word: when the counter was at ``ticks`` it was ``tai_ns``, give or take
    ``error_ns`` (half the reading window, half the round trip, and what the source says itself)."""

    ticks: int
    tai_ns: int
    error_ns: int
    source: ClockSource
    grandmaster: int = 0
    path_delay_ns: int = 0
    held: bool = True
    """Whether a source that knows the time vouches for it."""
    coasting: bool = False
    """Whether the source says that it is itself in holdover."""
    traceable: bool = False
    utc_offset_s: int | None = None
    leap_insert: bool = False
    leap_delete: bool = False
    port_state: str = ""
    """State of the PTP port over which it arrived."""


class Verdict(Enum):
    """Verdict on a sample."""

    GATHERED = "one of the first"
    BELIEVED = "it meets our interval"
    SUSPECT = "it does not"
    NOISE = "the source jitters more than it says"
    STEP = "the source jumped"
    SLEW = "the source runs away"
    RETURNED = "the source came back to our time"


@dataclass
class Calibration:
    """The line through one source's samples.  ``nominal_ns`` is what a tick is worth to begin
    with; only drift is counted from it."""

    nominal_ns: float
    oscillator: Oscillator = field(default_factory=Oscillator)
    samples: list[Sample] = field(default_factory=list)
    suspects: list[Sample] = field(default_factory=list)
    returning: list[Sample] = field(default_factory=list)
    doubt_ns: int = 0
    """How far the doubted source was away when it was doubted; 0 nothing is in doubt."""
    doubt_extent_ns: int = 0
    """How far away the source's claim reaches now."""
    offset_ns: int = 0
    slope: float = 0.0
    slope_error: float = 0.0
    jitter_ns: int = 0
    _base_ticks: int = 0
    _base_tai_ns: int = 0

    @property
    def ready(self) -> bool:
        """Return whether there is a line."""
        return len(self.samples) >= SAMPLES_MIN

    @property
    def drift_ppb(self) -> int:
        """Return by how much the counter is faster than its nominal rate."""
        return round(-self.slope / (1 + self.slope) * 1e9)

    @property
    def mult_q48(self) -> int:
        """Nanoseconds a tick, times 2^48."""
        return round(self.nominal_ns * (1 + self.slope) * Q48)

    def tai_at(self, ticks: int) -> int:
        """The line."""
        return self._base_tai_ns + ((ticks - self._base_ticks) * self.mult_q48 >> 48)

    def growth_ppb(self, ticks: int) -> int:
        """Return how fast the bound grows now: the fit's own doubt, and the oscillator's."""
        age_s = self._age_ns(ticks) * 1e-9
        # The fit is over rates of one side, and the rate may now be at the other.
        wander_ppb = min(2 * self.oscillator.wander_ppb, self.oscillator.limit_ppb)
        ramp_ppb = self.oscillator.ramp_ppb_per_s * age_s
        oscillator_ppb = min(wander_ppb + ramp_ppb, self.oscillator.limit_ppb)
        return min(round(self.slope_error * 1e9 + oscillator_ppb) + 1, GROWTH_PPB_MAX)

    def own_bound_ns(self, ticks: int) -> int:
        """The bound by the samples believed alone."""
        age_ns = self._age_ns(ticks)
        # The rate of growth grew evenly until it was at its limit, and the mean of the part before
        # is no more than the rate at the limit.
        start, end = self.growth_ppb(self._base_ticks), self.growth_ppb(ticks)
        rising_ns = (end - start) / max(self.oscillator.ramp_ppb_per_s, 1e-9) * 1e9
        rising_ns = min(rising_ns, age_ns)
        grown = (age_ns * end - rising_ns * (end - start) / 2) / 1e9
        granted_ns = max(sample.error_ns for sample in self.samples[-SUSPECTS:])
        bound_ns = self.jitter_ns + granted_ns + round(grown) + 1
        if VERIFY:
            assert bound_ns > granted_ns
        return bound_ns

    def bound_ns(self, ticks: int) -> int:
        """The bound with what contradicts us."""
        return self.own_bound_ns(ticks) + self.doubt_extent_ns

    def add(self, sample: Sample) -> Verdict:
        """Take one sample, later than all before."""
        if self.samples and sample.held is not self.samples[-1].held:
            if sample.held:
                self.forget()  # those before were right within no bound
            else:
                self._trust()  # nothing contradicts one that may be anything
        if not self.ready:
            self._believe([sample])
            return Verdict.GATHERED
        self.offset_ns = sample.tai_ns - self.tai_at(sample.ticks)
        own = self.own_bound_ns(sample.ticks)
        meets = abs(self.offset_ns) <= own + sample.error_ns
        if self.doubt_ns:
            return self._add_doubted(sample, meets)
        if meets:
            self.suspects.clear()
            self._believe([sample])
            return Verdict.BELIEVED
        self.suspects.append(sample)
        if len(self.suspects) < SUSPECTS:
            return Verdict.SUSPECT
        return self._judge()

    def forget(self) -> None:
        """Start again with nothing: the counter is not the one it was."""
        self.samples.clear()
        self._trust()

    def follow(self) -> None:
        """An independent source confirms this one: it is believed from its latest samples on."""
        latest = self.suspects[-WINDOW:]
        self.forget()
        for sample in latest:
            self._believe([sample])

    # Judgement

    def _trust(self) -> None:
        self.suspects.clear()
        self.returning.clear()
        self.doubt_ns = self.doubt_extent_ns = 0

    def _judge(self) -> Verdict:
        offsets = [s.tai_ns - self.tai_at(s.ticks) for s in self.suspects]
        if min(offsets) < 0 < max(offsets):
            self._believe(self.suspects)
            self.suspects = []
            return Verdict.NOISE
        self.doubt_ns = min(abs(o) for o in offsets)
        self._cover(self.suspects)
        span_ns = (self.suspects[-1].ticks - self.suspects[0].ticks) * self.nominal_ns
        scatter = sum(s.error_ns for s in self.suspects) / SUSPECTS + self.jitter_ns
        drifted = abs(offsets[-1] - offsets[0])
        steady = drifted <= span_ns * SLEW_PPB * 1e-9 + 2 * scatter
        return Verdict.STEP if steady else Verdict.SLEW

    def _add_doubted(self, sample: Sample, meets: bool) -> Verdict:
        """Add a sample of a doubted source, until it is back where it was, and not only because our
        bound has grown to it."""
        self._cover([*self.suspects[1 - SUSPECTS :], sample])
        if meets and abs(self.offset_ns) < self.doubt_ns / 2:
            self.returning.append(sample)
            if len(self.returning) < SUSPECTS:
                return Verdict.SUSPECT
            self._believe(self.returning)
            self.returning, self.suspects = [], []
            self.doubt_ns = self.doubt_extent_ns = 0
            return Verdict.RETURNED
        self.returning.clear()
        self.suspects = [*self.suspects[-WINDOW:], sample]
        return Verdict.SUSPECT

    def _cover(self, latest: list[Sample]) -> None:
        """Reach as far as the farthest of them: one alone may be an outlier."""
        self.doubt_extent_ns = max(
            abs(sample.tai_ns - self.tai_at(sample.ticks)) + sample.error_ns for sample in latest
        )

    # The fit

    def _believe(self, samples: list[Sample]) -> None:
        self.samples = [*self.samples, *samples][-WINDOW:]
        oldest = self.samples[-1].ticks - round(MEMORY_NS / self.nominal_ns)
        recent = [s for s in self.samples if s.ticks >= oldest]
        if len(recent) >= SAMPLES_MIN:
            # After a long silence the oscillator is no longer the one of before.
            self.samples = recent
        if self.ready:
            self._fit()

    def _fit(self) -> None:
        last = self.samples[-1]
        ticks = np.array([s.ticks - last.ticks for s in self.samples], np.float64)
        elapsed = ticks * self.nominal_ns
        tai = np.array([s.tai_ns - last.tai_ns for s in self.samples], np.float64)
        beyond = tai - elapsed
        self.slope = min(max(theil_sen(elapsed, beyond), -RATE_MAX), RATE_MAX)
        residuals = beyond - self.slope * elapsed
        phase = median(residuals)
        residuals = np.abs(residuals - phase)
        sigma = median(residuals) * MAD_TO_SIGMA
        inside = residuals <= max(OUTLIER_DEVIATIONS * sigma, NOISE_FLOOR_NS)
        # The last samples' claims are what ties the line to the truth: they always count.
        inside[-SUSPECTS:] = True
        self.jitter_ns = int(np.ceil(residuals[inside].max()))
        self.slope_error = self._slope_error(elapsed, residuals)
        self._base_ticks = last.ticks
        self._base_tai_ns = last.tai_ns + round(phase)
        if VERIFY:
            assert len(self.samples) <= WINDOW
            assert (np.diff(ticks) > 0).all()
            assert self.jitter_ns >= 0
            assert self.mult_q48 > 0

    def _slope_error(self, elapsed: FloatArray, residuals: FloatArray) -> float:
        """Return how far the slope may be from the counter's rate now, by the pair of samples that
        leaves least open.

        Either end of a pair may be off by what it leaves open, and since the middle of the pair the
        rate may have moved on."""
        errors = np.array([s.error_ns for s in self.samples], np.float64)
        granted = errors.copy()
        for back in range(1, SUSPECTS):
            np.maximum(granted[back:], errors[:-back], out=granted[back:])
        # What came before the first ones is no longer there to be granted.
        skipped = SUSPECTS - 1 if len(self.samples) > SAMPLES_MIN + SUSPECTS else 0
        elapsed, open_ns = elapsed[skipped:], (residuals + granted + 1)[skipped:]
        first, second = _pairs(len(elapsed))
        drifted = -(elapsed[first] + elapsed[second]) / 2 * self.oscillator.ramp_ppb_per_s * 1e-18
        ramped = np.minimum(drifted, self.oscillator.limit_ppb * 1e-9)
        errors_of_pairs = (open_ns[first] + open_ns[second]) / (elapsed[second] - elapsed[first])
        return float((errors_of_pairs + ramped).min())

    def _age_ns(self, ticks: int) -> float:
        return max(0.0, (ticks - self._base_ticks) * self.nominal_ns)


def theil_sen(x: FloatArray, y: FloatArray) -> float:
    """The median slope over all pairs of points; ``x`` strictly ascending."""
    first, second = _pairs(len(x))
    return median((y[second] - y[first]) / (x[second] - x[first]))


def median(values: FloatArray) -> float:
    """Return the median like numpy's, without the cases that cannot occur here (NaN, axes): in a
    fifth of the time."""
    middle = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, middle)[middle])
    parted = np.partition(values, (middle - 1, middle))
    return float(parted[middle - 1] + parted[middle]) / 2


_PAIRS: dict[int, tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]] = {}


def _pairs(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    if count not in _PAIRS:
        first, second = np.triu_indices(count, 1)
        _PAIRS[count] = first, second
    return _PAIRS[count]
