"""What the tests of shim fuzz in several tiers share."""

import json
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.names import Reject
from openoutcry.gateway_fpga import make_rules
from openoutcry.wire import make_instruments
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
        ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter",
         "-Wno-unused-function", *SANITIZERS, f"-I{work}", str(SOURCE), "-o", str(binary)],
        capture_output=True, text=True,
    )  # fmt: skip
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
