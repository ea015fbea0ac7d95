"""Assertions in the receiver's kernels: they fire under VERIFY alone, cost nothing without it, and
hold whatever comes."""

import pytest

from tests.support.verified import (
    assert_costs_nothing,
    assert_fires_under_verify_alone,
    assert_passes_under_verify,
)

WRONG_CALLS = """
import numpy as np
from openoutcry.dpdk_shim import receive_window as window

fired, right = {}, []


class Sender:
    '''One that has sent 1 to 9, and 5 and 6 are missing.'''

    def __init__(self):
        size = window.SENDERS_AT + window.SENDER_SLOTS * window.SENDER_BYTES
        self.words = np.zeros(size // 8, np.int64)
        self.state = self.words.ctypes.data
        self.at = int(window.find_sender(self.state, window.SENDER_USED | 1, 7))
        for first_seq, count in ((1, 4), (7, 3)):
            right.append(fires(self.take, first_seq, count))

    def take(self, first_seq, count):
        return window.is_new(self.state, self.at, first_seq, count)

    def insert(self, index, begin, end):
        window._insert_range(self.at, index, begin, end)

    def set(self, at, value):
        self.words[(self.at - self.state + at) // 8] = value
        return self


right.append(fires(Sender().take, 5, 1))
fired["a packet without records"] = fires(Sender().take, 10, 0)
fired["numbers that are missing above the next"] = fires(
    Sender().set(window.SENDER_FLOOR_AT, 99).take, 10, 1
)
fired["a missing range without a number"] = fires(Sender().insert, 1, 8, 7)
fired["missing ranges out of order"] = fires(Sender().insert, 1, 2, 3)
fired["missing ranges that share a number"] = fires(Sender().insert, 0, 4, 5)
sender = Sender()
fired["a sender with a free slot's name"] = fires(window.find_sender, sender.state, 5, 7)
fired["a range that is not there"] = fires(window._remove_range, sender.at, 1)
print(fired | {"right": any(right)})
"""


@pytest.mark.parametrize("verify", [True, False])
def test_a_deliberately_wrong_call_fires_under_verify_alone(verify: bool) -> None:
    """Windows of missing numbers that are out of order, and senders that are none."""
    assert_fires_under_verify_alone(WRONG_CALLS, verify)


@pytest.mark.long
def test_without_verify_the_machine_code_has_no_trace_of_them(tmp_path):
    kernels = ("is_new", "find_sender", "_insert_range", "_remove_range")
    assert_costs_nothing({"openoutcry.dpdk_shim.receive_window": kernels}, tmp_path)


def test_the_receiver_passes_under_verify() -> None:
    """The assertions hold with gaps, late comers, doubles, floods, forgeries and kills."""
    names = ("udp", "senders", "authentication")
    assert_passes_under_verify(*(f"tests/dpdk_shim/test_{name}.py" for name in names))
