"""The calibration under the histories of tests/oracles/clock.py."""

from openoutcry.ptp.calibrate import Calibration, Sample
from openoutcry.wire.enums import ClockSource
from tests.oracles.clock import TICKS_PER_NS, History


def judge(seed):
    """Readings of one history, and those whose interval did not hold the truth."""
    calibration, readings, outside = Calibration(1 / TICKS_PER_NS), 0, []
    for moment in History(seed).moments():
        if moment.measured_ns is not None:
            calibration.add(
                Sample(moment.ticks, moment.measured_ns, moment.claimed_ns, ClockSource.SIMULATED)
            )
        elif calibration.ready:
            readings += 1
            off_ns = abs(calibration.tai_at(moment.ticks) - moment.true_tai_ns)
            if off_ns > calibration.bound_ns(moment.ticks):
                outside.append((moment, off_ns))
    return readings, outside
