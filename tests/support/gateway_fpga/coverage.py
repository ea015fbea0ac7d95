"""Which lines, branches and bits of the RTL the cocotb benches exercise.

    python -m tests.support.gateway_fpga.coverage

Runs the benches on Verilator built with coverage, adds up what their runs reached, and prints every
point that none did.  A point is left out only if it is not reached and ``exclusions.py`` says why
it cannot be.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools.evidence import ROOT, write_section
from tests.support.gateway_fpga.exclusions import CONSTANT, by_hand, constants

BENCHES = [str(ROOT / "tests" / tier / "gateway") for tier in ("system", "long")]
KINDS = {"line": ("line",), "branch": ("branch",), "toggle": ("toggle",), "expression": ("expr",)}
GOAL = {"line", "branch", "toggle"}
POINT = re.compile(r"^C '(.*)' (\d+)$")
# Indices and the direction behind the name of a toggled bit.
BITS = re.compile(r"\[\d+\]|:\d->\d$")
BIT = re.compile(r"(.*?)(?:\[(\d+)\])?:\d->\d$")


@dataclass(frozen=True, order=True)
class Point:
    """One place that a simulation reaches or not; ``what`` names the bit or the branch."""

    kind: str
    file: str
    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.file}:{self.line} {self.what}"


def points(text: str) -> Iterable[tuple[Point, int]]:
    """The points of one of Verilator's coverage files, each with how often it was reached."""
    for row in text.splitlines():
        match = POINT.match(row)
        if match is None:
            continue
        keys = dict(part.split("\x02", 1) for part in match[1].split("\x01") if part)
        kind = keys.get("page", "").split("/")[0].removeprefix("v_")
        yield (
            Point(kind, Path(keys["f"]).name, int(keys["l"]), int(keys["n"]), keys.get("o", "")),
            int(match[2]),
        )


def collect(folder: Path) -> dict[Point, int]:
    """All runs of a folder together."""
    reached: dict[Point, int] = {}
    for path in sorted(folder.glob("*.dat")):
        for point, count in points(path.read_text()):
            reached[point] = reached.get(point, 0) + count
    return reached


def reason(point: Point, constant: Container[tuple[str, str, int]]) -> str | None:
    """Why the point cannot be reached, if ``exclusions.py`` or a constant says so."""
    bit = BIT.match(point.what) if point.kind == "toggle" else None
    if bit is not None and (point.file, bit[1], int(bit[2] or 0)) in constant:
        return CONSTANT
    return by_hand(point.file, f"{point.kind} {point.what}")


def figures(
    reached: Mapping[Point, int], constant: Container[tuple[str, str, int]]
) -> dict[str, Any]:
    """Points by kind: how many there are, how many were reached, which were not."""
    rows, missed = [], []
    unreached = [point for point, count in reached.items() if not count]
    reasons = {point: reason(point, constant) for point in unreached}
    left_out = {point: why for point, why in reasons.items() if why}
    for name, kinds in KINDS.items():
        counted = {p: n for p, n in reached.items() if p.kind in kinds and p not in left_out}
        rows.append(
            {"kind": name, "points": len(counted), "reached": sum(n > 0 for n in counted.values())}
        )
        missed += [point for point, count in sorted(counted.items()) if count == 0]
    files = sorted({point.file for point in reached})
    excluded = {
        why: together(point for point in sorted(left_out) if left_out[point] == why)
        for why in sorted(set(left_out.values()))
    }
    return {"rows": rows, "files": files, "missed": together(missed), "excluded": excluded}


def together(missed: Iterable[Point]) -> dict[str, int]:
    """How many points of each expression or signal, with all of its bits, were not reached."""
    return dict(Counter(BITS.sub("", str(p)) if p.kind == "toggle" else str(p) for p in missed))


def run(folder: Path) -> None:
    """The benches on Verilator, each leaving a file in the folder."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *BENCHES,
            "-k",
            "verilator",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not long or fpga",
            "-x",
        ],
        cwd=ROOT,
        check=True,
        env={**os.environ, "OUTCRY_FPGA_COVERAGE": str(folder)},
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as temporary:
        run(Path(temporary))
        coverage = figures(collect(Path(temporary)), constants())
    for missed, count in coverage["missed"].items():
        print(f"not reached: {count} of {missed}")
    for row in coverage["rows"]:
        print(f"{row['kind']:10} {row['reached']} of {row['points']}")
    write_section("coverage", coverage, "make fpga-coverage")
    complete = all(
        row["reached"] == row["points"] for row in coverage["rows"] if row["kind"] in GOAL
    )
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
