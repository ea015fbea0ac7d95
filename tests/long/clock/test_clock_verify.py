"""Assertions in the clock's page and calibration: they fire under VERIFY alone."""

import pytest

from tests.support.verified import python

WRONG_CALLS = """
import numpy as np
from openoutcry.ptp.calibrate import Calibration, Sample
from openoutcry.ptp.page import BOUND_NS, EVIDENCE_SLOTS, MULT_Q48, VERSION
from openoutcry.ptp.page import publish_evidence, publish_line
from openoutcry.wire.enums import ClockSource

def fires(call):
    try:
        call()
    except AssertionError:
        return True
    return False

page, line = np.zeros(8, np.int64), np.zeros(8, np.int64)
slots, record = np.zeros((EVIDENCE_SLOTS, 8), np.int64), np.zeros(8, np.int64)

def publish(version=0, bound_ns=1, mult_q48=1):
    page[VERSION // 8], line[BOUND_NS // 8], line[MULT_Q48 // 8] = version, bound_ns, mult_q48
    publish_line(page.ctypes.data, line.ctypes.data)

def evidence(seq):
    publish_evidence(slots.ctypes.data, record.ctypes.data, seq)

def calibrate(*ticks):
    made = Calibration(1.0)
    for at in ticks:
        made.add(Sample(at, at, 10, ClockSource.PHC_BASIC))

print({
    "right": fires(publish) or fires(lambda: evidence(5)) or fires(lambda: calibrate(*range(9))),
    "a second writer": fires(lambda: publish(version=1)),
    "a negative bound": fires(lambda: publish(bound_ns=-1)),
    "a clock that runs backwards": fires(lambda: publish(mult_q48=-1)),
    "no sequence": fires(lambda: evidence(0)),
    "an older record over a newer": fires(lambda: evidence(5)),
    "a sample from before": fires(lambda: calibrate(*range(8), 3)),
})
"""


@pytest.mark.parametrize("verify", [True, False])
def test_a_deliberately_wrong_call_fires_under_verify_alone(verify: bool) -> None:
    """A page with two writers, a bound below nothing, a sequence or a sample that goes back."""
    fired = eval(python("-c", WRONG_CALLS, OUTCRY_VERIFY=str(int(verify))))
    assert not fired.pop("right")
    assert fired == dict.fromkeys(fired, verify)


def test_the_calibrations_own_tests_pass_under_verify() -> None:
    """The assertions hold wherever these go: steps, slews, noise, silences."""
    done = python("-m", "pytest", "-x", "-v", "tests/unit/ptp/test_calibrate.py", OUTCRY_VERIFY="1")
    assert " passed" in done
