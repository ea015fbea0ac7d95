# SPDX-License-Identifier: Apache-2.0
"""How large the gateway's tops and the modules between a MAC and the parser are: synthesis alone.

    python -m openoutcry.gateway_fpga.tools.synthesis [--keep] [MODULE …]

Yosys maps each for an ECP5 as it is, with all of its parameters at what a design begins with.
Nothing is placed, so there is no frequency. (tools/pnr.py places and routes modules of one clock.)
Without a name, or with ``--keep``, the rows go into ``docs/evidence/fpga.json``.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools.evidence import merged, write_section
from openoutcry.gateway_fpga.tools.pnr import Target, copy_sources, read_script, tool

TARGETS = {
    target.module: target
    for target in (
        Target("outcry_top", "three ports, 1,536 rows, 1,024 participants"),
        Target("outcry_card", "three ports with their ingress"),
        Target("outcry_ingress", "one port: 64 bits to 512, 128 beats of queue"),
        Target("outcry_frame_fifo", "128 words of 641 bits between two clocks"),
        Target("outcry_time_over", "64 bits of time into another clock"),
    )
}
CELLS = {
    "LUTs": ("LUT4", "CCU2C"),
    "flip-flops": ("TRELLIS_FF",),
    "block RAM": ("DP16KD",),
    "LUT RAM": ("TRELLIS_DPR16X4",),
    "DSP": ("MULT18X18D",),
}
LUTS_A_CELL = {"CCU2C": 2}


def measure(target: Target) -> dict[str, Any]:
    """One row of the table."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        script = (
            f"{read_script(target, copy_sources(folder))}; synth_ecp5 -top {target.module}; "
            "flatten; tee -q -o cells.json stat -json"
        )
        tool("yosys", ["-q", "-p", script], folder)
        design = json.loads((folder / "cells.json").read_text())["design"]
    return {
        "module": target.module,
        "what": target.what,
        "cells": cells(design["num_cells_by_type"]),
        "seconds": round(time.monotonic() - started),
    }


def cells(by_type: dict[str, int]) -> dict[str, int]:
    """The counts of the table: a carry cell is two LUTs."""
    return {
        name: sum(by_type.get(kind, 0) * LUTS_A_CELL.get(kind, 1) for kind in kinds)
        for name, kinds in CELLS.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Synthesise the modules of the arguments (none: all) and print their cells, a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--keep", action="store_true", help="write a part, too, into the evidence")
    chosen = parser.parse_args(arguments)
    rows = []
    for name in chosen.modules or TARGETS:
        rows.append(measure(TARGETS[name]))
        counts = ", ".join(f"{count} {what}" for what, count in rows[-1]["cells"].items())
        print(f"{name:20} {counts}; {rows[-1]['seconds']} s", flush=True)
        if chosen.keep or not chosen.modules:
            kept = merged("synthesis", "modules", rows, list(TARGETS))
            write_section("synthesis", {"modules": kept}, "make fpga-synthesis")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
