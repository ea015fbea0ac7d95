"""A model of a counter, and of a source that is right within what it claims: random histories whose
truth is known.

It shares nothing with the product.  True time passes in steps of an eighth of a second.  The
counter runs by a rate that stays within the oscillator's allowances.  A sample is off by an
asymmetry that moves within the path delay, and by noise, and claims both.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

STEP_S = 0.125
TICKS_PER_NS = 2.5
START_TAI_NS = 1_800_000_000 * 10**9
FLOOR_NS = 20
"""What a source claims for its own reading."""

DRIFTS = ("steady", "swings", "walks", "jumps")
PATHS = ("constant", "creeps", "jumps", "swings", "anything")


@dataclass(frozen=True)
class Moment:
    """One reading of the counter: ``ticks`` when it was truly ``true_tai_ns``; with a sample,
    ``measured_ns`` and ``claimed_ns``, else None."""

    ticks: int
    true_tai_ns: int
    measured_ns: int | None = None
    claimed_ns: int = 0


class History:
    """A counter and its source; ``wander_ppb``, ``ramp_ppb_per_s``: what its rate keeps to."""

    def __init__(self, seed: int, wander_ppb: float = 200.0, ramp_ppb_per_s: float = 1.0) -> None:
        self.dice = random.Random(seed)
        self.wander_ppb = wander_ppb
        self.centre_ppb = self.dice.uniform(-50_000, 50_000)
        self.ramp = self.dice.choice((0.0, self.dice.uniform(-1, 1), 1.0, -1.0)) * ramp_ppb_per_s
        self.drift, self.path = self.dice.choice(DRIFTS), self.dice.choice(PATHS)
        self.period_s = 10 ** self.dice.uniform(1, 3.5)
        self.path_ns = 10 ** self.dice.uniform(1, 5.5)
        self.noise_ns = self.path_ns * self.dice.choice((0.0, 0.01, 0.3, 3.0))
        self.flips_path = self.dice.random() < 0.4
        self.every = self.dice.choice((1, 4, 8, 8, 16, 32))
        self.offset_ppb = self.dice.uniform(-1, 1) * wander_ppb
        self.side = self.dice.choice((-1, 1))
        self.steps, self.excess_ns = 0, 0.0

    def _rate_ppb(self, at_s: float) -> float:
        w = self.wander_ppb
        if self.drift == "swings":
            self.offset_ppb = w * math.sin(2 * math.pi * at_s / self.period_s)
        elif self.drift == "walks":
            step = self.dice.gauss(0, w / 20) * math.sqrt(STEP_S)
            self.offset_ppb = min(max(self.offset_ppb + step, -w), w)
        elif self.drift == "jumps" and self.dice.random() < STEP_S / self.period_s:
            self.offset_ppb = self.dice.choice((-w, w, self.dice.uniform(-w, w)))
        return self.centre_ppb + self.ramp * at_s + self.offset_ppb

    def _advance(self) -> None:
        self.excess_ns += STEP_S * self._rate_ppb(self.steps * STEP_S)
        self.steps += 1

    def _asymmetry(self, at_s: float) -> float:
        """Part of the path delay, -1 to 1, by which a measurement is off."""
        if self.path == "creeps":  # to one end and back
            phase = (at_s / self.period_s) % 2
            return self.side * (2 * abs(phase - 1) - 1)
        if self.path == "swings":
            return self.side * math.sin(2 * math.pi * at_s / self.period_s)
        if self.path == "jumps" and self.dice.random() < 0.05:
            self.side = -self.side
        if self.path == "anything":
            return self.dice.uniform(-1, 1)
        return self.side

    def _moment(self, is_sample: bool) -> Moment:
        elapsed_ns = round(self.steps * STEP_S * 1e9)
        ticks = round((elapsed_ns + self.excess_ns) * TICKS_PER_NS)
        true_ns = START_TAI_NS + elapsed_ns
        if not is_sample:
            return Moment(ticks, true_ns)
        if self.flips_path and self.dice.random() < 0.03:  # another route, of another length
            self.path_ns *= self.dice.choice((0.05, 0.3, 3.0, 20.0))
            self.path_ns = min(max(self.path_ns, 10.0), 1e6)
            self.side = self.dice.choice((-1, 1))
        noise = self.dice.uniform(-1, 1) * self.noise_ns
        off = self._asymmetry(self.steps * STEP_S) * self.path_ns + noise
        claimed = math.ceil(self.path_ns + self.noise_ns) + FLOOR_NS
        return Moment(ticks, true_ns, true_ns + round(off), claimed)

    def moments(self) -> Iterator[Moment]:
        """Samples and readings in between; silences of seconds to an hour, and after the last."""
        for _ in range(self.dice.randint(1, 3)):
            for _ in range(self.dice.randint(10, 90)):
                for _ in range(self.every):
                    self._advance()
                    yield self._moment(is_sample=False)
                yield self._moment(is_sample=True)
            for step in range(round(10 ** self.dice.uniform(0.5, 3.5) / STEP_S)):
                self._advance()
                if step % 40 == 0:
                    yield self._moment(is_sample=False)
