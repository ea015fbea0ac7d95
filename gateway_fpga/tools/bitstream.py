# SPDX-License-Identifier: Apache-2.0
"""Build the board's bitstream: ``python -m openoutcry.gateway_fpga.tools.bitstream FILE.bit``."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.gateway_fpga.tools.pnr import copy_sources, tool

BOARD = ROOT / "gateway_fpga" / "board"
DEVICE = ("--85k", "--package", "CABGA381", "--speed", "6")


def build(target: Path) -> float:
    """Synthesise, place, route and pack; writes the bitstream, returns the MHz it may run at.

    Raises ``BuildError`` when a tool fails, a pin is without a place, or 25 MHz are not met.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = copy_sources(folder)
        for path in [*BOARD.glob("*.v"), *BOARD.glob("*.lpf")]:
            shutil.copy(path, folder)
        files = f"{files} {' '.join(sorted(path.name for path in BOARD.glob('*.v')))}"
        script = f"read_verilog {files}; synth_ecp5 -top outcry_ulx3s -json board.json"
        tool("yosys", ["-q", "-p", script], folder)
        log = tool(
            "nextpnr-ecp5",
            [
                *DEVICE,
                "--json",
                "board.json",
                "--lpf",
                "ulx3s.lpf",
                "--textcfg",
                "board.config",
                "--freq",
                "25",
            ],
            folder,
        )
        tool("ecppack", ["--compress", "board.config", "board.bit"], folder)
        shutil.copy(folder / "board.bit", target)
    (mhz,) = [line for line in log.splitlines() if "Max frequency for clock" in line][-1:]
    return float(mhz.split(":")[-1].split("MHz")[0])


def main(arguments: Sequence[str]) -> int:
    """Write the file that the argument names; returns the exit status."""
    if len(arguments) != 1:
        print("one argument: the file to write", file=sys.stderr)
        return 1
    mhz = build(Path(arguments[0]))
    print(f"{arguments[0]}: may run at {mhz} MHz, the board's clock is 25 MHz")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
