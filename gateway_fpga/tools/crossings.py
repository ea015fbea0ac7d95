# SPDX-License-Identifier: Apache-2.0
"""Check in the netlist how signals cross from one clock to another.

    python -m openoutcry.gateway_fpga.tools.crossings [FOLDER OF RTL]

Yosys flattens ``outcry_card`` with one port, and ``outcry_time_over``. For each flip-flop, the cone
of logic before it is searched for flip-flops, memories and inputs of another clock. Where there is
one, the flip-flop must be the first of an ``outcry_sync``:

- One flip-flop's output feeds it, through no logic; it has no enable and no reset.

- Only one second flip-flop of the same clock uses it.

- Both have the attribute ``ASYNC_REG``.

Several bits side by side must come from a register of a Gray code. The one memory between two
clocks is the queue's. No simulation sees any of this: there a signal that crosses unprotected
arrives whole.
"""

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools.pnr import RTL, tool

TIME = "outcry_time_over"
TOPS = ("outcry_card", TIME)
"""Together every crossing that there is: the others have one clock."""
CORE = "outcry_core"
"""A module of one clock, ``clk``: what goes into it and comes out of it belongs to that clock."""
CLOCKED = (CORE, "outcry_gateway", "outcry_validator", "outcry_regs", "outcry_udp_parser")
PARAMETERS = {"outcry_card": {"PORTS": 1, "RX_DEPTH_LOG2": 5}, TIME: {"CYCLE_NS_LOG2": 2}}
RX_INPUTS = ("rx_", "s_axis_")
"""Inputs of the card that change with the port's receive clock; the others change with ``clk``."""
FIRST, SECOND, GRAY = "sync_first", "sync_second", "_gray"
MEMORIES = ("queue.words",)
"""Memories that one clock writes and another reads: a word is read cycles after it was written."""
FLIP_FLOPS = ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce", "$adff", "$adffe")
MEMORY_READS = ("$memrd", "$memrd_v2")
MEMORY_WRITES = ("$memwr", "$memwr_v2")

Domain = tuple[int, bool]
"""A clock: its net, and whether the rising edge counts."""


@dataclass(frozen=True, slots=True)
class Source:
    """Source of a bit of logic: a flip-flop's output, an input, a memory's contents."""

    name: str
    domain: Domain
    is_flip_flop: bool = True


@dataclass(slots=True)
class FlipFlop:
    """A flip-flop: its name, its clock, and the bit that it takes."""

    name: str
    domain: Domain
    data: Any
    plain: bool
    """No enable and no reset."""
    marked: bool = False
    """It has the attribute ``ASYNC_REG``."""


@dataclass(slots=True)
class Netlist:
    """The flattened module, bit by bit."""

    flip_flops: dict[int, FlipFlop] = field(default_factory=dict)
    inputs: dict[int, Source] = field(default_factory=dict)
    contents: dict[int, Source] = field(default_factory=dict)
    """By bit that a memory supplies: the memory, in its writer's clock."""
    feeds: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By bit that logic computes: the bits from which it is computed."""
    used_by: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By bit: what reads it, a flip-flop's data by its name, anything else by its kind."""


@dataclass(frozen=True, slots=True)
class Report:
    """The crossings between clocks, and a sentence for each that is wrong."""

    crossings: tuple[str, ...]
    """``from -> to`` of each register that another clock's flip-flops are brought into."""
    wrong: tuple[str, ...]


def check(rtl: Path = RTL) -> Report:
    """Every crossing of the tops whose modules are in a folder."""
    reports = [judge(read(rtl, top)) for top in TOPS]
    return Report(
        tuple(crossing for report in reports for crossing in report.crossings),
        tuple(sentence for report in reports for sentence in report.wrong),
    )


def judge(netlist: Netlist) -> Report:
    """Every crossing, and each that is not as it must be, in a sentence."""
    crossings: set[str] = set()
    wrong: set[str] = set()
    gray: dict[str, set[str]] = defaultdict(set)
    for bit, flip_flop in netlist.flip_flops.items():
        foreign = [s for s in cone(netlist, flip_flop.data) if s.domain != flip_flop.domain]
        if not foreign:
            continue
        if all(not s.is_flip_flop and s.name.endswith(MEMORIES) for s in foreign):
            crossings.add(f"{foreign[0].name} -> {register(flip_flop.name)}")
            continue
        names = sorted({register(s.name) for s in foreign})
        crossings.add(f"{', '.join(names)} -> {register(flip_flop.name)}")
        wrong |= faults(netlist, bit, flip_flop, foreign)
        gray[register(flip_flop.name)] |= {s.name for s in foreign}
    for first, sources in gray.items():
        if len(sources) > 1 and {register(name)[-len(GRAY) :] for name in sources} != {GRAY}:
            wrong.add(f"{first} takes {len(sources)} bits that are no Gray code's register")
    return Report(tuple(sorted(crossings)), tuple(sorted(wrong)))


def register(name: str) -> str:
    """A bit's register without the bit's number."""
    return name.rpartition("[")[0] or name


def faults(netlist: Netlist, bit: int, flip_flop: FlipFlop, foreign: Iterable[Source]) -> set[str]:
    """Return what is wrong with a flip-flop that takes another clock's signal."""
    name = register(flip_flop.name)
    wrong = set()
    if not name.endswith(FIRST):
        whence = ", ".join(sorted({register(s.name) for s in foreign}))
        return {f"{name} takes {whence} of another clock past every outcry_sync"}
    if not flip_flop.plain or flip_flop.data in netlist.feeds:
        wrong.add(f"logic, an enable or a reset is before {name}")
    elif flip_flop.data not in netlist.flip_flops:
        wrong.add(f"{name} is not fed by a flip-flop")
    users = netlist.used_by[bit]
    seconds = [
        second for second in netlist.flip_flops.values() if second.data == bit and second.plain
    ]
    if len(users) != 1 or len(seconds) != 1 or not register(seconds[0].name).endswith(SECOND):
        wrong.add(f"{name} is used by something other than one second flip-flop")
    elif seconds[0].domain != flip_flop.domain:
        wrong.add(f"{name} and its second flip-flop have different clocks")
    elif not (flip_flop.marked and seconds[0].marked):
        wrong.add(f"{name} or its second flip-flop lacks ASYNC_REG")
    return wrong


def cone(netlist: Netlist, bit: Any) -> set[Source]:
    """Every flip-flop, input and memory that a bit depends on without another clock's edge."""
    found: set[Source] = set()
    waiting, seen = [bit], {bit}
    while waiting:
        at = waiting.pop()
        if at in netlist.flip_flops:
            flip_flop = netlist.flip_flops[at]
            found.add(Source(flip_flop.name, flip_flop.domain))
        elif at in netlist.inputs:
            found.add(netlist.inputs[at])
        else:
            if at in netlist.contents:
                found.add(netlist.contents[at])
            new = netlist.feeds.get(at, set()) - seen
            seen |= new
            waiting += new
    return found


def read(rtl: Path, top: str) -> Netlist:
    """The netlist of a top whose modules are in a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in rtl.glob("*.v*"):
            (folder / path.name).write_text(path.read_text())
        core = (rtl / f"{CORE}.v").read_text()
        ports, end, _ = core.partition("\n);\n")
        (folder / f"{CORE}.v").write_text(f"{ports}{end}endmodule\n")
        files = " ".join(sorted(path.name for path in rtl.glob("*.v") if path.stem not in CLOCKED))
        chosen = "".join(f" -chparam {name} {value}" for name, value in PARAMETERS[top].items())
        script = (
            f"read_verilog {files}; read_verilog -lib {CORE}.v; hierarchy -top {top}{chosen}; "
            "proc; flatten; opt_clean; write_json card.json"
        )
        tool("yosys", ["-q", "-p", script], folder)
        modules = json.loads((folder / "card.json").read_text())["modules"]
    (found,) = (m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))
    return build(found)


def build(top: dict[str, Any]) -> Netlist:
    """The module as Yosys' JSON has it, bit by bit."""
    netlist = Netlist()
    names, marked = _names(top)
    clocks = {name: top["ports"][name]["bits"][0] for name in ("clk", "rx_clk")}
    for name, port in top["ports"].items():
        if port["direction"] == "input":
            clock = clocks["rx_clk" if name.startswith(RX_INPUTS) else "clk"]
            for bit in port["bits"]:
                netlist.inputs[bit] = Source(name, (clock, True), False)
    writers = {
        cell["parameters"]["MEMID"]: _domain(cell)
        for cell in top["cells"].values()
        if cell["type"] in MEMORY_WRITES
    }
    for cell in top["cells"].values():
        if cell["type"].endswith(CORE):
            _add_core(netlist, cell, (clocks["clk"], True))
        else:
            _add(netlist, cell, names, marked, writers)
    return netlist


def _add_core(netlist: Netlist, cell: dict[str, Any], domain: Domain) -> None:
    """Add a core: its inputs are checked like a flip-flop of its clock, its outputs count
    as one."""
    for name, way in cell["port_directions"].items():
        for at, bit in enumerate(cell["connections"][name]):
            label = f"{CORE}.{name}[{at}]"
            if way == "output":
                netlist.inputs[bit] = Source(label, domain, False)
            elif bit != domain[0]:
                # No bit of the netlist has this number.
                netlist.flip_flops[-1 - len(netlist.flip_flops)] = FlipFlop(
                    label, domain, bit, plain=True
                )
                netlist.used_by[bit].append(label)


def _names(top: dict[str, Any]) -> tuple[dict[int, str], set[int]]:
    """Return the name of the register that each bit belongs to, and the bits with ASYNC_REG."""
    names: dict[int, str] = {}
    marked: set[int] = set()
    # Names of the deepest scope last: they are the register's own.
    for name, net in sorted(top["netnames"].items(), key=lambda item: item[0].count(".")):
        if net.get("hide_name"):
            continue
        for at, bit in enumerate(net["bits"]):
            if isinstance(bit, int):
                if "ASYNC_REG" in net["attributes"]:
                    marked.add(bit)
                known = names.get(bit, "")
                if not register(known).endswith((FIRST, SECOND, GRAY)):
                    names[bit] = f"{name}[{at}]"
    return names, marked


def _domain(cell: dict[str, Any]) -> Domain:
    rising = int(cell["parameters"].get("CLK_POLARITY", "1"), 2) == 1
    return cell["connections"]["CLK"][0], rising


def _add(
    netlist: Netlist,
    cell: dict[str, Any],
    names: dict[int, str],
    marked: set[int],
    writers: dict[str, Domain],
) -> None:
    kind, wires = cell["type"], cell["connections"]
    if kind in FLIP_FLOPS:
        for data, out in zip(wires["D"], wires["Q"], strict=True):
            flip_flop = FlipFlop(
                names.get(out, str(out)), _domain(cell), data, kind == "$dff", out in marked
            )
            netlist.flip_flops[out] = flip_flop
            netlist.used_by[data].append(flip_flop.name)
        return
    if kind in MEMORY_WRITES:
        return
    ins = [name for name, way in cell["port_directions"].items() if way == "input"]
    made_of = {bit for name in ins for bit in wires[name] if isinstance(bit, int)}
    for bit in made_of:
        netlist.used_by[bit].append(kind)
    for name, way in cell["port_directions"].items():
        if way == "output":
            for out in wires[name]:
                netlist.feeds[out] |= made_of
                # A memory that nothing writes is a table of constants.
                if kind in MEMORY_READS and cell["parameters"]["MEMID"] in writers:
                    memory = cell["parameters"]["MEMID"]
                    netlist.contents[out] = Source(
                        memory.removeprefix("\\"), writers[memory], False
                    )


def main(arguments: Sequence[str]) -> int:
    """Print the crossings of the folder of the argument, or of the RTL; 1 if any is wrong."""
    report = check(Path(arguments[0]) if arguments else RTL)
    for crossing in report.crossings:
        print(crossing)
    for sentence in report.wrong:
        print(f"wrong: {sentence}", file=sys.stderr)
    return int(bool(report.wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
