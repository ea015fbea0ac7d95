"""Malformed packets under AddressSanitizer and UBSan: no wrong byte read, no wrong outcome."""

import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.names import Reject
from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.report.evidence import write_evidence
from openoutcry.wire import ORDER_DTYPE, make_instruments
from tests import ROOT
from tests.support.dpdk_shim.shim_wire import needs_shim

SOURCE = ROOT / "tests/support/dpdk_shim/shim_fuzz.c"
NATIVE = ("-march=native",) if platform.machine() == "x86_64" else ()
"""As the shim itself is compiled: it has words of its own for wide registers."""
SANITIZERS = (*NATIVE, "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# The rules block holds 16-bit masks and bytes between its words; x86 reads them anywhere, and the
# packet's records may stand at any address.
INSTRUMENTS = make_instruments(["ACME", {"symbol": "STEP", "price_step_ticks": 5}])


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_shim()
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    work = tmp_path_factory.mktemp("fuzz")
    native.write_sources(work, native.PLAIN)
    binary = work / "fuzz"
    done = subprocess.run(
        [
            "cc",
            "-std=gnu11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-unused-parameter",
            "-Wno-unused-function",
            *SANITIZERS,
            f"-I{work}",
            str(SOURCE),
            "-o",
            str(binary),
        ],
        capture_output=True,
        text=True,
    )
    if "cannot find" in done.stderr and "asan" in done.stderr:
        pytest.skip("no AddressSanitizer")
    assert done.returncode == 0, done.stderr
    return binary


def fuzz(fuzzer: Path, count: int, seed: int, records: Path | None = None) -> dict[str, Any]:
    rules = fuzzer.parent / "rules"
    rules.write_bytes(make_rules(INSTRUMENTS).tobytes())
    command = [str(fuzzer), str(count), str(seed), str(rules)]
    if records:
        command.append(str(records))
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def check(counts: dict[str, Any]) -> None:
    assert counts["unaccounted"] == 0
    assert counts["different"] == 0
    reached = {reason.name for reason in Reject if counts["reasons"][reason - 1]}
    assert reached == {reason.name for reason in Reject if reason is not Reject.CUT}
    assert counts["published"] > counts["packets"] // 10


@pytest.mark.promise(
    "Any bytes are parsed, or rejected and counted by reason; none crashes the receiver or is"
    " a memory error in C",
    group="network",
)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
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
        "make test-long ARGS=tests/system/packets/test_shim_fuzz.py",
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
