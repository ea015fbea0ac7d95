"""Which lines, branches and bits of the RTL the cocotb benches exercise.

    python -m openoutcry.gateway_fpga.tools.coverage

Runs the benches on Verilator built with coverage, adds up what their runs reached, and prints every
point that none did.  A point may be left out only by :data:`EXCLUDED`, which says why.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools.evidence import ROOT, write_section

BENCHES = ROOT / "tests" / "gateway_fpga"
KINDS = {"line": ("line",), "branch": ("branch",), "toggle": ("toggle",), "expression": ("expr",)}
GOAL = {"line", "branch", "toggle"}
POINT = re.compile(r"^C '(.*)' (\d+)$")
# Indices and the direction behind the name of a toggled bit.
BITS = re.compile(r"\[\d+\]|:\d->\d$")
EXCLUDED: Mapping[tuple[str, str], str] = {}
"""(file, regular expression of the point) -> why it cannot be reached."""


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
        found = POINT.match(row)
        if found is None:
            continue
        keys = dict(part.split("\x02", 1) for part in found[1].split("\x01") if part)
        kind = keys.get("page", "").split("/")[0].removeprefix("v_")
        yield (
            Point(kind, Path(keys["f"]).name, int(keys["l"]), int(keys["n"]), keys.get("o", "")),
            int(found[2]),
        )


def collect(folder: Path) -> dict[Point, int]:
    """All runs of a folder together."""
    reached: dict[Point, int] = {}
    for path in sorted(folder.glob("*.dat")):
        for point, count in points(path.read_text()):
            reached[point] = reached.get(point, 0) + count
    return reached


def reason(point: Point) -> str | None:
    """Why the point is left out, if it is."""
    for (file, pattern), why in EXCLUDED.items():
        if file == point.file and re.search(pattern, f"{point.kind} {point.what}"):
            return why
    return None


def figures(reached: Mapping[Point, int]) -> dict[str, Any]:
    """Points by kind: how many there are, how many were reached, which were not."""
    rows, missed = [], []
    excluded = {str(point): reason(point) for point in reached if reason(point)}
    for name, kinds in KINDS.items():
        counted = {p: n for p, n in reached.items() if p.kind in kinds and not reason(p)}
        rows.append(
            {"kind": name, "points": len(counted), "reached": sum(n > 0 for n in counted.values())}
        )
        missed += [point for point, count in sorted(counted.items()) if count == 0]
    files = sorted({point.file for point in reached})
    return {"rows": rows, "files": files, "missed": together(missed), "excluded": excluded}


def together(missed: Iterable[Point]) -> dict[str, int]:
    """How many points of each expression or signal, with all of its bits, were not reached."""
    return dict(Counter(BITS.sub("", str(p)) if p.kind == "toggle" else str(p) for p in missed))


def run(folder: Path) -> None:
    """The benches on Verilator, each leaving a file in the folder."""
    subprocess.run(
        [sys.executable, "-m", "pytest", str(BENCHES), "-k", "verilator", "-q",
         "-p", "no:cacheprovider", "-m", "not long", "-x"],
        cwd=ROOT, check=True, env={**os.environ, "OUTCRY_FPGA_COVERAGE": str(folder)},
    )  # fmt: skip


def main() -> int:
    with tempfile.TemporaryDirectory() as temporary:
        run(Path(temporary))
        made = figures(collect(Path(temporary)))
    for missed, count in made["missed"].items():
        print(f"not reached: {count} of {missed}")
    for row in made["rows"]:
        print(f"{row['kind']:10} {row['reached']} of {row['points']}")
    write_section("coverage", made, "make fpga-coverage")
    whole = all(row["reached"] == row["points"] for row in made["rows"] if row["kind"] in GOAL)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
