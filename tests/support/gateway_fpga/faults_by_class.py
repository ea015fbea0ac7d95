"""Sixty faults of five classes that a foreign review planted one each of, which nobody noticed.

    python -m tests.support.gateway_fpga.faults_by_class [--jobs N] [CLASS …]

The review's own five lines of RTL are in none of them.  Each is one text of one file and what it
is replaced by.  What counts is what ``make check`` runs of the gateway on Icarus, with the same
filters, and the check of the netlist's clock crossings: nothing that is left to ``make fpga`` or
``make test-long``.  Only the benches that read the file are run, the likeliest first, until one
fails.  The result is the section ``classes`` of docs/evidence/fpga.json.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.tools import crossings
from openoutcry.gateway_fpga.tools.evidence import read_evidence, write_section
from tests.support.gateway_fpga.simulate import RTL, runner, simulate
from tests.system.gateway.test_gateway_rtl import FIRST, OTHER_EDGES

GATEWAY = {"SLOT_BITS": 4, "COUNTER_BITS": 32}
FIFO = {"WIDTH": 17, "DEPTH_LOG2": 4, "COUNTER_WIDTH": 3}
CARD = {
    "PORTS": 2,
    "DEPTH_LOG2": 5,
    "RX_DEPTH_LOG2": 5,
    "SLOT_BITS": 4,
    "PARTICIPANT_BITS": 4,
}


@dataclass(frozen=True)
class Run:
    """What a test of ``make check`` gives to the runner."""

    toplevel: str
    bench: str
    parameters: dict[str, int]
    tests: Sequence[str] | None = None


RUNS = {
    "cycles": Run("outcry_gateway", "bench_gateway_cycles", GATEWAY),
    "edges": Run("outcry_gateway", "bench_gateway_edges,bench_gateway_bus", GATEWAY, OTHER_EDGES),
    "gateway": Run("outcry_gateway", "bench_gateway,bench_gateway_rows", GATEWAY, FIRST),
    "fifo": Run("outcry_frame_fifo", "bench_frame_fifo", FIFO),
    "ingress": Run("outcry_ingress", "bench_ingress", {"DEPTH_LOG2": 5}),
    "card": Run("outcry_card", "bench_card", CARD, ["idle=never/hold=never", "latency"]),
    "packet_fifo": Run("outcry_packet_fifo", "bench_packet_fifo", {"WIDTH": 8, "DEPTH_LOG2": 2}),
    "parser": Run("outcry_udp_parser", "bench_udp_parser", {"DEPTH_LOG2": 6, "COUNTER_WIDTH": 32}),
}
CROSSINGS = "crossings"
OF_GATEWAY = ("cycles", "edges", "gateway")
OF_CLOCKS = (CROSSINGS, "fifo", "ingress", "card")
CHECKS = {
    "outcry_validator": OF_GATEWAY,
    "outcry_regs": OF_GATEWAY,
    "outcry_frame_fifo": ("fifo", CROSSINGS, "ingress", "card"),
    "outcry_count_over": ("fifo", CROSSINGS, "ingress", "card"),
    "outcry_sync": OF_CLOCKS,
    "outcry_ingress": (CROSSINGS, "ingress", "card"),
    "outcry_packet_fifo": ("packet_fifo",),
    "outcry_udp_parser": ("parser",),
}

VALIDATOR, REGS, QUEUE, SYNC = (
    "outcry_validator",
    "outcry_regs",
    "outcry_frame_fifo",
    "outcry_sync",
)
BITS = "PARTICIPANT_BITS"
TREADY = "s_axis_tready = running && advance && !command;"
TAKEN = "s_axis_tvalid && running && !command;"
DONE = "!read_valid && !row_valid && !check_valid;"
SET_NOW = "wire                        set_now = participant_set && command_done && !rst;"
COUNTED = "order_count <= order_count + {{ORDER_COUNT_BITS-1{1'b0}}, 1'b1};"
WAS_WRITE = "            was_write_bad <= write_bad;\n"
HIGH = "{{64-ORDER_COUNT_BITS{1'b0}}, order_count[ORDER_COUNT_BITS-1:32]}"
FIRST_STAGE = "    always @(posedge clk) begin\n        sync_first  <= from;"
WRITE = "wire write = swap_now && row_index[SLOT_BITS+1:SLOT_BITS] == way;"

BY_CLASS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "an order is taken, lost or doubled in a cycle of a command": (
        (VALIDATOR, TREADY, "s_axis_tready = running && advance && (!command || command_done);"),
        (VALIDATOR, TAKEN, "s_axis_tvalid && running && (!command || command_done);"),
        (VALIDATOR, TREADY, "s_axis_tready = running && advance && !row_swap;"),
        (VALIDATOR, TAKEN, "s_axis_tvalid && running && !participant_set;"),
        (VALIDATOR, DONE, "!read_valid && !row_valid && (!check_valid || m_axis_tready);"),
        (VALIDATOR, DONE, "!read_valid && (!row_valid || advance) && !check_valid;"),
        (VALIDATOR, "running <= 1'b1;", "running <= !command_done;"),
        (VALIDATOR, WRITE, f"reg write; always @(posedge clk) write <= {WRITE[13:]}"),
        (VALIDATOR, SET_NOW,
         "reg set_now; always @(posedge clk) set_now <= participant_set && command_done && !rst;"),
        (REGS, "= participant_set_reg;", "= participant_set_reg && !write;"),
        (REGS, "= row_swap_reg;", "= row_swap_reg && !asked;"),
        (REGS, "            if (command_done) begin",
         "            if (command_done && !asked) begin"),
    ),
    "a number is compared, or a place found, with a bit too few": (
        (VALIDATOR, f"read_participant[{BITS}-1:0] == in_index;",
         f"read_participant[{BITS}-2:0] == in_index[{BITS}-2:0];"),
        (VALIDATOR, "row_index2 == in_index;", f"row_index2[{BITS}-2:0] == in_index[{BITS}-2:0];"),
        (VALIDATOR, "row_index2 == in_index;", f"row_index2[{BITS}-1:1] == in_index[{BITS}-1:1];"),
        (VALIDATOR, "check_taken ? check_index : participant_index;",
         f"check_taken ? {{1'b0, check_index[{BITS}-2:0]}} : participant_index;"),
        (VALIDATOR, "bits[participant_index] <=",
         f"bits[{{1'b0, participant_index[{BITS}-2:0]}}] <="),
        (VALIDATOR, "read_bit <= bits[in_index];",
         f"read_bit <= bits[{{in_index[{BITS}-1:1], 1'b0}}];"),
        (VALIDATOR, "read_bucket <= buckets[in_index];",
         f"read_bucket <= buckets[{{in_index[{BITS}-1:5], 1'b0, in_index[3:0]}}];"),
        (VALIDATOR, f"|read_participant[15:{BITS}];", f"|read_participant[14:{BITS}];"),
        (REGS, f"participant_index_reg <= write_data[{BITS}-1:0];",
         f"participant_index_reg <= {{1'b0, write_data[{BITS}-2:0]}};"),
        (REGS, "row_index_reg <= write_data[SLOT_BITS+1:0];",
         "row_index_reg <= {write_data[SLOT_BITS+1:1], 1'b0};"),
        (REGS, "{16'd0, s_axil_wdata[15:0]} < PARTICIPANTS;",
         "{17'd0, s_axil_wdata[14:0]} < PARTICIPANTS;"),
        (QUEUE, "some = read_gray != released_seen;",
         "some = read_gray[DEPTH_LOG2-1:0] != released_seen[DEPTH_LOG2-1:0];"),
    ),
    "a count is of another moment than its reader thinks, or loses a carry": (
        (REGS, "counting         <= count_valid;", "counting         <= count_valid && !asked;"),
        (REGS, "if (counting) order_count", "if (counting && !found) order_count"),
        (REGS, "& order_count[31:0])", "& (order_count[31:0] + {31'd0, counting}))"),
        (REGS, "& order_count_high)", f"& {HIGH})"),
        (REGS, "{16{asked_word[9:4] == 6'd0}};", "{16{asked_word[9:5] == 5'd0}};"),
        (REGS, COUNTED, "order_count[31:0] <= order_count[31:0] + 32'd1;"),
        (REGS, COUNTED, "order_count[47:0] <= order_count[47:0] + 48'd1;"),
        (REGS, WAS_WRITE,
         f"{WAS_WRITE}            if (asked && read_status[13]) order_count_high <= 32'd0;\n"),
        (REGS, WAS_WRITE,
         f"{WAS_WRITE}            if (asked && read_status[7]) order_count_high <= {HIGH};\n"),
        (REGS, "{{COUNTER_BITS{1'b0}}, was_write_bad}\n"
         "                                     + {{COUNTER_BITS{1'b0}}, was_read_bad};",
         "{{COUNTER_BITS{1'b0}}, was_write_bad || was_read_bad};"),
        (REGS, "+: COUNTER_BITS] != COUNT_FULL)", "+: COUNTER_BITS] != COUNT_FULL - COUNT_ONE)"),
        ("outcry_count_over", "value != FULL)", "value != FULL - ONE)"),
    ),
    "a table or a register is written in a reset, or outlives it": (
        (VALIDATOR, "swap_now = row_swap && command_done && !rst;",
         "swap_now = row_swap && command_done;"),
        (VALIDATOR, SET_NOW, SET_NOW.replace(" && !rst", "")),
        (VALIDATOR, "            check_taken <= 1'b0;\n",
         "            check_taken <= check_taken;\n"),
        (VALIDATOR, "            row_is_from <= 4'd0;\n",
         "            row_is_from <= row_is_from;\n"),
        (REGS, "            bvalid  <= 1'b0;\n", ""),
        (QUEUE, "            released_gray <= {POINTER{1'b0}};\n", ""),
        (QUEUE, "            read_gray <= {POINTER{1'b0}};\n", ""),
        (REGS, "            found   <= 1'b0;\n", ""),
        (REGS, "            asked   <= 1'b0;\n", ""),
        (REGS, "            counting         <= 1'b0;\n", ""),
        ("outcry_packet_fifo", "            committed <= {(DEPTH_LOG2+1){1'b0}};\n", ""),
        ("outcry_udp_parser", "if (rst) counted <= 19'd0;\n        else counted", "counted"),
    ),
    "a signal crosses to another clock past two flip-flops in a row": (
        (SYNC, FIRST_STAGE,
         "    always @(negedge clk) sync_first <= from;\n    always @(posedge clk) begin"),
        (SYNC, "sync_first  <= from;", "if (sync_first != from) sync_first <= from;"),
        (SYNC, '(* ASYNC_REG = "TRUE" *) reg [WIDTH-1:0] sync_second;',
         "reg [WIDTH-1:0] sync_second;"),
        (QUEUE, "outcry_sync ask (.clk(write_clk), .from(asked), .to(asked_seen));",
         "assign asked_seen = asked;"),
        (QUEUE, "outcry_sync answering (.clk(clk), .from(answer), .to(answer_seen));",
         "assign answer_seen = answer;"),
        (QUEUE, ".from(read_gray)", ".from(read)"),
        (QUEUE, ".from(released_gray)", ".from(released)"),
        (QUEUE, "released_over (.clk(clk)", "released_over (.clk(write_clk)"),
        (QUEUE, ".from(read_gray)", ".from(next_read ^ (next_read >> 1))"),
        (QUEUE, "read_back (.gray(read_gray_seen)", "read_back (.gray(read_gray)"),
        ("outcry_count_over", ".from(value_gray)", ".from(next_value ^ (next_value >> 1))"),
        ("outcry_ingress", ".write_abort(rx_rst)", ".write_abort(rx_rst || rst)"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    kind: str
    file: str
    old: str
    new: str


def table() -> list[Planted]:
    """Every fault, in order; raises ``ValueError`` for one whose text is not in its file once."""
    faults = [Planted(kind, *row) for kind, rows in BY_CLASS.items() for row in rows]
    for fault in faults:
        count = (RTL / f"{fault.file}.v").read_text().count(fault.old)
        if count != 1 or fault.old == fault.new:
            raise ValueError(f"{fault.file}: {fault.old!r} is there {count} times, not once")
    return faults


def noticed(fault: Planted) -> str:
    """The first check that fails with the fault in the RTL; empty if none does."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        vars(runner)["cache_dir"] = lambda: folder
        text = (RTL / f"{fault.file}.v").read_text().replace(fault.old, fault.new)
        for name in CHECKS[fault.file]:
            if fails(name, fault.file, text, folder / name):
                return name
    return ""


def fails(name: str, file: str, text: str, folder: Path) -> bool:
    """Does a check notice this text in the file's place?"""
    folder.mkdir()
    if name == CROSSINGS:
        for path in RTL.glob("*.v*"):
            (folder / path.name).write_text(path.read_text())
        (folder / f"{file}.v").write_text(text)
        return bool(crossings.check(folder).wrong)
    run = RUNS[name]
    broken, top = folder / f"{file}.v", RTL / f"{run.toplevel}.v"
    broken.write_text(text)
    try:
        simulate(
            "icarus",
            run.toplevel,
            run.bench,
            folder,
            sources=[broken] if file == run.toplevel else [broken, top],
            parameters=run.parameters,
            tests=run.tests,
            environment={key: str(value) for key, value in run.parameters.items()}
            | {"COCOTB_MAX_FAILURES": "1", "FRAMES": "8"},
        )
    except AssertionError as error:
        if not str(error).startswith("cocotb tests failed"):
            raise RuntimeError(f"{file}: {error}") from error
        return True
    return False


def measure(faults: Sequence[Planted], jobs: int) -> list[dict[str, Any]]:
    """What became of each, as rows of the evidence, in the order of the table."""
    found: dict[Planted, str] = {}
    with ProcessPoolExecutor(jobs) as pool:
        running = {pool.submit(noticed, fault): fault for fault in faults}
        for done in as_completed(running):
            fault = running[done]
            found[fault] = done.result()
            print(
                f"{found[fault] or 'SURVIVED':11} {fault.file:18} {fault.old!r} -> {fault.new!r}",
                flush=True,
            )
    return [
        {
            "class": fault.kind,
            "file": fault.file,
            "from": fault.old,
            "to": fault.new,
            "noticed": found[fault],
        }
        for fault in faults
    ]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="of classes with one of these words alone")
    parser.add_argument("--jobs", type=int, default=2, help="checks at a time")
    parser.add_argument("--keep", action="store_true", help="write a part, too, into the evidence")
    parser.add_argument("--survivors", action="store_true", help="only those that survived before")
    chosen = parser.parse_args(arguments)
    faults = table()
    before = {
        (row["file"], row["from"], row["to"]): row
        for row in read_evidence().get("classes", {}).get("figures", {}).get("faults", [])
    }
    if chosen.words:
        faults = [f for f in faults if any(word in f.kind for word in chosen.words)]
    if chosen.survivors:
        faults = [f for f in faults if not before.get((f.file, f.old, f.new), {}).get("noticed")]
    started = time.monotonic()
    rows = measure(faults, chosen.jobs)
    survivors = sum(not row["noticed"] for row in rows)
    print(f"{len(rows) - survivors} of {len(rows)}, {time.monotonic() - started:.0f} s")
    if not chosen.keep and (chosen.words or chosen.survivors):
        return 0
    new = {(row["file"], row["from"], row["to"]): row for row in rows}
    for place, row in new.items():
        old = before.get(place, row)
        row["at_first"] = old.get("at_first", old["noticed"])
    together = before | new
    kept = [together[f.file, f.old, f.new] for f in table() if (f.file, f.old, f.new) in together]
    write_section("classes", {"faults": kept}, "make fpga-classes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
