"""Synthesise, place and route the gateway for an ECP5 and say how fast and how large it is.

    python -m openoutcry.gateway_fpga.tools.pnr [--seeds N] [MODULE …]

Each module stands alone between shift registers that feed its inputs and take its outputs, so that
every path through it runs from register to register and none is lost in pins.  The device is an
LFE5UM5G-85F in its fastest grade (-8); the figure that counts is the worst of the seeds.  The block
RAMs of the symbol table have fixed places (:data:`FLOORPLAN`), everything else has none.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools.evidence import ROOT, merged, write_section

RTL = ROOT / "gateway_fpga" / "rtl"
WIRE = ROOT / "wire"
DEVICE = ("--um5g-85k", "--package", "CABGA756", "--speed", "8")
GOAL_MHZ = 156.25
# What the router aims at: above the goal, so that it does not stop at it.
TARGET_MHZ = 200
# What the mapper takes a wire to cost: about what one does in a routed worst path (0.5 to 1.5 ns,
# more where it fans out), where synth_ecp5 says 300.  It then prefers few LUTs in a row to a short
# carry chain.
WIRE_PS = 1000
SEEDS = 5
# The block RAMs of a way are numbered by the bits of the row they hold.  Row of the device: which
# of them stand there from left to right, each three times, for the three ways, whose bits are
# compared with the same field of the order.  The symbol, which everything begins with, is in the
# middle; DSPs stand between rows 46 and 70.  Left alone, the placer spreads them over 60 columns,
# and the hash takes 2.9 ns to the farthest.
FLOORPLAN = {46: (13, 14, 15, 16, 17, 12), 70: (2, 1, 0, 3, 4, 5), 82: (11, 10, 9, 8, 7, 6)}
FIRST_COLUMN = 22
# Timing weighs twice what it does by itself.  --tmg-ripup routes what misses the target again: one
# pass gave 148.9 to 161 MHz, but it had not come to its end in 16 minutes.
EFFORT = ("--placer-heap-timingweight", "20")
TABLE = re.compile(r"g_table\[(\d)\]\.g_part\[(\d)\]\.rows\.0\.(\d+)$")
FMAX = re.compile(r"Max frequency for clock\s+'\S*clk\S*':\s+([\d.]+) MHz")
CELLS = {
    "LUTs": "TRELLIS_COMB",
    "flip-flops": "TRELLIS_FF",
    "block RAM": "DP16KD",
    "DSP": "MULT18X18D",
}


@dataclass(frozen=True)
class Target:
    """``what`` says in the table what was built."""

    module: str
    what: str
    parameters: Mapping[str, int] = field(default_factory=dict)


TARGETS = {
    target.module: target
    for target in (
        Target("outcry_gateway", "validator and registers, 1,536 table rows, 1,024 participants"),
        Target("outcry_udp_parser", "64 orders of queue"),
        Target("outcry_arbiter", "three ports", {"PORTS": 3}),
        Target("outcry_timestamp", ""),
        Target("outcry_top", "three ports, all of the above"),
    )
}


class BuildError(Exception):
    """A tool did not do its work; the message is the end of what it said."""


def tool(name: str, arguments: Sequence[str], folder: Path) -> str:
    """Run one of YoWASP's tools in a folder; returns what it said."""
    done = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / f"yowasp-{name}", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    if done.returncode != 0:
        raise BuildError(f"{name}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr


def copy_sources(folder: Path) -> str:
    """All RTL and headers into the folder; the names of the modules' files."""
    for path in [*RTL.glob("*.v"), *RTL.glob("*.vh"), *WIRE.glob("*.vh")]:
        (folder / path.name).write_text(path.read_text())
    return " ".join(sorted(path.name for path in RTL.glob("*.v")))


def read_script(target: Target, files: str) -> str:
    chosen = "".join(f" -chparam {name} {value}" for name, value in target.parameters.items())
    return f"read_verilog {files}; hierarchy -top {target.module}{chosen}"


def ports(target: Target, folder: Path, files: str) -> dict[str, tuple[str, int]]:
    """Direction and width of each port."""
    script = f"{read_script(target, files)}; proc; write_json -selected ports.json"
    tool("yosys", ["-q", "-p", script], folder)
    modules = json.loads((folder / "ports.json").read_text())["modules"]
    (top,) = (m for m in modules.values() if m["attributes"].get("top"))
    return {name: (p["direction"], len(p["bits"])) for name, p in top["ports"].items()}


def harness(target: Target, found: Mapping[str, tuple[str, int]]) -> str:
    """A module of four pins around the target: a shift register in, another out."""
    ins = [(n, w) for n, (d, w) in found.items() if d == "input" and n != "clk"]
    outs = [(n, w) for n, (d, w) in found.items() if d == "output"]
    wide_in, wide_out = sum(w for _, w in ins), sum(w for _, w in outs)
    chosen = ", ".join(f".{name}({value})" for name, value in target.parameters.items())
    wires, at = [".clk(clk)"], 0
    for name, width in ins:
        wires.append(f".{name}(feed[{at + width - 1}:{at}])")
        at += width
    at = 0
    for name, width in outs:
        wires.append(f".{name}(result[{at + width - 1}:{at}])")
        at += width
    return f"""module harness (input wire clk, input wire in, input wire load, output wire out);
    reg [{wide_in - 1}:0] feed;
    reg [{wide_out - 1}:0] taken;
    wire [{wide_out - 1}:0] result;
    assign out = taken[{wide_out - 1}];
    always @(posedge clk) begin
        feed <= {{feed[{wide_in - 2}:0], in}};
        taken <= load ? result : {{taken[{wide_out - 2}:0], 1'b0}};
    end
    // Kept apart: no register of the harness becomes the target's, nor the other way round.
    (* keep_hierarchy *)
    {target.module}{f" #({chosen})" if chosen else ""} target ({", ".join(wires)});
endmodule
"""


def synthesise(target: Target, folder: Path) -> None:
    files = copy_sources(folder)
    (folder / "harness.v").write_text(harness(target, ports(target, folder, files)))
    synth = "synth_ecp5 -top harness"
    script = (
        f"read_verilog {files} harness.v; {synth} -run begin:map_luts; "
        f"check -latchonly -assert; abc9 -W {WIRE_PS}; clean; "
        f"{synth} -run map_cells: -json harness.json"
    )
    tool("yosys", ["-q", "-p", script], folder)
    floorplan(folder / "harness.json")


def floorplan(netlist: Path) -> None:
    """Give the table's block RAMs their places, in a netlist that has them."""
    design = json.loads(netlist.read_text())
    found = {
        tuple(int(number) for number in match.groups()): cell
        for module in design["modules"].values()
        for name, cell in module["cells"].items()
        if cell["type"] == "DP16KD" and (match := TABLE.search(name))
    }
    if not found:
        return
    places = {
        (way, block): f"X{FIRST_COLUMN + 9 * (at // 4) + 2 * (at % 4)}/Y{row}/EBR{at % 4}"
        for row, blocks in FLOORPLAN.items()
        for nth, block in enumerate(blocks)
        for way in range(3)
        for at in [3 * nth + way]
    }
    if len(found) != len(places):
        raise BuildError(f"the table has {len(found)} block RAMs, the floorplan {len(places)}")
    for at, (way, part, index) in enumerate(sorted(found)):
        found[way, part, index]["attributes"]["BEL"] = places[way, at % (len(found) // 3)]
    netlist.write_text(json.dumps(design))


def place_and_route(folder: Path, seed: int) -> tuple[float, dict[str, int]]:
    """Highest frequency in MHz and cells used, for one seed."""
    report = f"report{seed}.json"
    said = tool(
        "nextpnr-ecp5",
        [*DEVICE, "--json", "harness.json", "--freq", str(TARGET_MHZ), "--timing-allow-fail",
         "--lpf-allow-unconstrained", "--seed", str(seed), "--report", report, *EFFORT],
        folder,
    )  # fmt: skip
    found = FMAX.findall(said)
    if not found:
        raise BuildError(f"nextpnr named no frequency:\n{said[-2000:]}")
    used = json.loads((folder / report).read_text())["utilization"]
    cells = {what: int(used.get(cell, {"used": 0})["used"]) for what, cell in CELLS.items()}
    # The last line is after routing.
    return float(found[-1]), cells


def measure(target: Target, seeds: int) -> dict[str, Any]:
    """One row of the table; as many seeds at a time as there are cores."""
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(temporary)
        synthesise(target, folder)
        runs = list(pool.map(lambda seed: place_and_route(folder, seed), range(1, seeds + 1)))
    return {
        "module": target.module,
        "what": target.what,
        "worst_mhz": min(mhz for mhz, _ in runs),
        "best_mhz": max(mhz for mhz, _ in runs),
        "each_mhz": [mhz for mhz, _ in runs],
        "seeds": seeds,
        "cells": runs[0][1],
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    chosen = parser.parse_args(arguments)
    rows = []
    for name in chosen.modules or TARGETS:
        row = measure(TARGETS[name], chosen.seeds)
        rows.append(row)
        cells = ", ".join(f"{count} {what}" for what, count in row["cells"].items())
        print(
            f"{name:20} {row['worst_mhz']:7.2f} to {row['best_mhz']:7.2f} MHz over {row['seeds']} "
            f"seeds; {cells}",
            flush=True,
        )
        if chosen.seeds >= SEEDS:
            kept = merged("timing", "modules", rows, list(TARGETS))
            write_section("timing", {"goal_mhz": GOAL_MHZ, "modules": kept}, "make fpga-pnr")
    return 0 if all(row["worst_mhz"] >= GOAL_MHZ for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
