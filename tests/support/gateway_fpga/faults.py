"""Break the RTL by hand in more than two hundred ways, and see whether the module's bench notices.

    python -m tests.support.gateway_fpga.faults [--jobs N] [--first] [FILE …]

The faults are in tests/support/gateway_fpga/faults_*.py: one text of one file each, with the
class of faults that it represents.  Each is built and run on Icarus, the tests where it should show
first; if they pass, on Verilator with all tests of the module's own bench (``--first`` leaves that
out).
What no test notices is a survivor: ``EXPLAINED`` there says of each why.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools.evidence import ROOT, read_evidence, write_section
from tests.support.gateway_fpga import faults_card, faults_gateway, faults_ingress
from tests.support.gateway_fpga.simulate import runner, simulate

RTL = ROOT / "gateway_fpga" / "rtl"
PARAMETERS = {
    "outcry_gateway": {"SLOT_BITS": 4, "COUNTER_BITS": 32},
    "outcry_packet_fifo": {"WIDTH": 16, "DEPTH_LOG2": 3},
    "outcry_frame_fifo": {"WIDTH": 17, "DEPTH_LOG2": 4, "COUNTER_WIDTH": 3},
    "outcry_ingress": {"DEPTH_LOG2": 5},
    "outcry_top": {"PORTS": 3, "DEPTH_LOG2": 5, "SLOT_BITS": 4, "PARTICIPANT_BITS": 4},
    "outcry_card": {
        "PORTS": 2,
        "DEPTH_LOG2": 5,
        "RX_DEPTH_LOG2": 5,
        "SLOT_BITS": 4,
        "PARTICIPANT_BITS": 4,
    },
    "outcry_skid": {"WIDTH": 16},
    "outcry_udp_parser": {"DEPTH_LOG2": 6, "COUNTER_WIDTH": 32},
}


@dataclass(frozen=True)
class Planted:
    """One fault: its number in the table, and what is known of it."""

    number: int
    kind: str
    file: str
    toplevel: str
    bench: str
    first: str
    old: str
    new: str


def table() -> list[Planted]:
    """Every fault, in order; raises ``ValueError`` for one whose text is not in its file once."""
    rows: list[Planted] = []
    for group in (
        *faults_gateway.VALIDATOR,
        *faults_gateway.REGS,
        *faults_ingress.PARSER,
        *faults_ingress.OTHERS,
        *faults_card.CARD,
    ):
        text = (RTL / f"{group.file}.v").read_text()
        for old, new in group.changes:
            if text.count(old) != 1 or old == new:
                raise ValueError(f"{group.file}: {old!r} stands {text.count(old)} times, not once")
            rows.append(
                Planted(
                    len(rows) + 1,
                    group.kind,
                    group.file,
                    group.toplevel,
                    group.bench,
                    group.first,
                    old,
                    new,
                )
            )
    return rows


def noticed(fault: Planted, first: bool) -> str:
    """``first``, ``bench`` or ``survived``: by which tests the fault was noticed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        vars(runner)["cache_dir"] = lambda: folder
        text = (RTL / f"{fault.file}.v").read_text().replace(fault.old, fault.new)
        broken = folder / f"{fault.file}.v"
        broken.write_text(text)
        top = RTL / f"{fault.toplevel}.v"
        parameters = PARAMETERS.get(fault.toplevel, {})
        stages = [("first", [fault.first])] + ([] if first else [("bench", None)])
        for stage, tests in stages:
            run = folder / stage
            run.mkdir()
            try:
                simulate(
                    "icarus" if tests else "verilator",
                    fault.toplevel,
                    fault.bench,
                    run,
                    sources=[broken] if fault.file == fault.toplevel else [broken, top],
                    parameters=parameters,
                    tests=tests,
                    environment={name: str(value) for name, value in parameters.items()}
                    | {"COCOTB_MAX_FAILURES": "1"},
                    build_arguments=[] if tests else ["-Wno-fatal"],
                )
            except AssertionError as error:
                if not str(error).startswith("cocotb tests failed"):
                    raise RuntimeError(f"fault {fault.number}: {error}") from error
                return stage
    return "survived"


def measure(faults: Sequence[Planted], jobs: int, first: bool) -> list[dict[str, Any]]:
    """What became of each, as rows of the evidence."""
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(jobs, initializer=table) as pool:
        running = {pool.submit(noticed, fault, first): fault for fault in faults}
        for done in as_completed(running):
            fault, by = running[done], done.result()
            rows.append(
                {
                    "number": fault.number,
                    "file": fault.file,
                    "class": fault.kind,
                    "from": fault.old,
                    "to": fault.new,
                    "noticed": by,
                }
            )
            print(
                f"{fault.number:4} {fault.file:20} {by:9} {fault.old!r} -> {fault.new!r}",
                flush=True,
            )
    return sorted(rows, key=lambda row: row["number"])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*", help="of these files of the RTL alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="simulations at a time")
    parser.add_argument("--first", action="store_true", help="only the tests where it should show")
    parser.add_argument("--numbers", help="of these numbers alone, in this order: 3,17")
    parser.add_argument("--keep", action="store_true", help="write a part, too, into the evidence")
    chosen = parser.parse_args(arguments)
    faults = [fault for fault in table() if not chosen.files or fault.file in chosen.files]
    if chosen.numbers:
        by_number = {fault.number: fault for fault in faults}
        faults = [by_number[int(number)] for number in chosen.numbers.split(",")]
    started = time.monotonic()
    rows = measure(faults, chosen.jobs, chosen.first)
    survivors = [row for row in rows if row["noticed"] == "survived"]
    print(
        f"{len(rows) - len(survivors)} of {len(rows)} noticed, {time.monotonic() - started:.0f} s"
    )
    if chosen.keep or not (chosen.files or chosen.numbers):
        keep([row for row in rows if not (chosen.first and row["noticed"] == "survived")])
    return 0


def keep(rows: list[dict[str, Any]]) -> None:
    """Put what became of these faults into the evidence, beside the others of the table."""
    known = {(fault.file, fault.old, fault.new): fault.number for fault in table()}
    before = read_evidence().get("faults", {}).get("figures", {"faults": []})["faults"]
    by_place = {}
    for row in (*before, *rows):
        place = row["file"], row["from"], row["to"]
        if place in known:
            by_place[place] = row | {"number": known[place]}
            if row["noticed"] == "survived":
                by_place[place]["why"] = faults_ingress.EXPLAINED.get(place, "")
    kept = sorted(by_place.values(), key=lambda row: row["number"])
    write_section("faults", {"planned": len(known), "faults": kept}, "make fpga-faults")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
