"""The result of a run says what stamped its packets, from the counters of its ports."""

import pytest

from openoutcry.dpdk_shim.names import Count
from openoutcry.ptp.stamp_clock import OWN, STAMPED_BY, stamp_clock, stamped_by


def test_every_kind_of_stamp_has_its_words() -> None:
    counters = {one.name.lower() for one in Count if one.name.endswith("_TIMES")}
    assert set(STAMPED_BY) == counters


@pytest.mark.parametrize("counter", STAMPED_BY)
def test_packets_of_one_kind(counter: str) -> None:
    account = dict.fromkeys(STAMPED_BY, 0) | {counter: 3, "packets": 3}
    assert stamped_by(account) == STAMPED_BY[counter]
    assert stamp_clock(0, stamped_by(account))["stamps"] == STAMPED_BY[counter]


def test_packets_of_several_kinds_are_counted() -> None:
    text = stamped_by({"kernel_times": 2_000, "host_times": 2})
    assert text == f"2,000 packets by the kernel, CLOCK_REALTIME; 2 packets by {OWN}"


def test_an_input_without_packets_is_stamped_by_the_process() -> None:
    assert stamped_by({}) == stamped_by({"records": 5}) == OWN
    assert stamp_clock(0)["stamps"] == OWN
