"""Malformed packets under AddressSanitizer and UBSan: no wrong byte read, no wrong outcome."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim.names import Reject
from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.report.evidence import write_evidence
from openoutcry.wire import ORDER_DTYPE
from tests.support.dpdk_shim import shim_fuzz as shared
from tests.support.dpdk_shim.shim_fuzz import INSTRUMENTS, check, fuzz

fuzzer = shared.fuzzer
LONG_PACKETS = 10_000_000


@pytest.mark.long
def test_ten_million_malformed_packets(fuzzer: Path, tmp_path: Path) -> None:
    """The same ten million times; then C, golden model and RTL give one verdict on a million
    records of them.  Writes the figures of docs/evidence/shim_fuzz.json."""
    total: dict[str, Any] = {}
    parts = 10
    for seed in range(parts):
        counts = fuzz(fuzzer, LONG_PACKETS // parts, 100 + seed)
        check(counts)
        for name, value in counts.items():
            if name == "reasons":
                total[name] = np.add(total.get(name, 0), value).tolist()
            else:
                total[name] = total.get(name, 0) + value
    path = tmp_path / "records"
    fuzz(fuzzer, 700_000, 99, path)
    records = np.fromfile(path, ORDER_DTYPE)
    compared = golden_and_rtl(records)
    reasons = {reason.name: total["reasons"][reason - 1] for reason in Reject}
    write_evidence(
        "shim_fuzz",
        {**total, "reasons": reasons, "verdicts_compared": compared, "first_seed": 100},
        "make test-long ARGS=tests/long/packets/test_shim_fuzz.py",
    )


def golden_and_rtl(records: np.ndarray) -> int:
    """Assert that golden model and RTL give the verdicts that stand in the records; how many."""
    golden = records.copy()
    validate_orders(golden, make_rules(INSTRUMENTS))
    assert np.array_equal(records["error_code"], golden["error_code"])
    device = LiveGateway.loaded(INSTRUMENTS)
    try:
        hardware = records.copy()
        device.validate(hardware)
    finally:
        device.close()
    assert np.array_equal(records["error_code"], hardware["error_code"])
    return len(records)
