"""Run every gateway bench on Icarus and on Verilator and count what passed.

    python -m tests.support.gateway_fpga.simulators [PYTEST ARGUMENT …]

A bench runs once for each set of parameters, and in it every cocotb test for each of its idle and
back-pressure patterns.  Without arguments, and if nothing failed, the counts become the section
``simulators`` of ``docs/evidence/fpga.json``.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from openoutcry.gateway_fpga.tools.evidence import ROOT, write_section

TESTS = [
    str(ROOT / "tests" / tier) for tier in ("unit/gateway_fpga", "system/gateway", "long/gateway")
]
OF_MUTANTS = "bench_mutants"
"""Runs the others' tests on netlists that are broken on purpose."""
TOGETHER = ("-n", "2", "--dist", "loadgroup", "-m", "not long or fpga")


def counts(folder: Path) -> list[dict[str, Any]]:
    """One row a bench from the results that ``simulate.py`` of the tests left: how many runs
    and cocotb tests on each simulator.  Raises ``ValueError`` if one of them did not pass."""
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.xml")):
        bench, simulator, _ = path.stem.split("-")
        if bench == OF_MUTANTS:
            continue
        row = rows.setdefault(bench, {"bench": bench, "runs": {}, "tests": {}})
        cases = list(ElementTree.parse(path).iter("testcase"))
        if any(case.find(fault) is not None for case in cases for fault in ("failure", "error")):
            raise ValueError(f"{path.name}: a test failed")
        row["runs"][simulator] = row["runs"].get(simulator, 0) + 1
        row["tests"][simulator] = row["tests"].get(simulator, 0) + len(cases)
    return list(rows.values())


def main(arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *TOGETHER, *TESTS, *arguments],
            cwd=ROOT,
            check=False,
            env={**os.environ, "OUTCRY_FPGA_RESULTS": folder},
        )
        if done.returncode == 0 and not arguments:
            write_section("simulators", {"rows": counts(Path(folder))}, "make fpga")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
