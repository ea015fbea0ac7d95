"""Malformed packets under AddressSanitizer and UBSan: no wrong byte read, no wrong outcome."""

from pathlib import Path

import numpy as np
import pytest

from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.wire import ORDER_DTYPE
from tests.support.dpdk_shim import shim_fuzz as shared
from tests.support.dpdk_shim.shim_fuzz import INSTRUMENTS, check, fuzz

fuzzer = shared.fuzzer


@pytest.mark.promise(
    "The C shim handles malformed packets without a memory error",
    group="network",
)
@pytest.mark.parametrize("seed", [1, 2])
def test_ten_thousand_malformed_packets(fuzzer: Path, seed: int, tmp_path: Path) -> None:
    """Every reason is reached and counted as a second, slow parser counts it; nothing is read
    beside a frame; the verdicts are the golden model's."""
    path = tmp_path / "records"
    check(fuzz(fuzzer, 10_000, seed, path))
    records = np.fromfile(path, ORDER_DTYPE)
    assert len(records) > 1_000
    golden = records.copy()
    validate_orders(golden, make_rules(INSTRUMENTS))
    assert records["error_code"].tolist() == golden["error_code"].tolist()
    assert 0 < np.count_nonzero(records["error_code"]) < len(records)
