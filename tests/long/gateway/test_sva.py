"""The assertions and cover points for simulators of SystemVerilog, on Verilator: silent beside the
RTL as it is, each loud beside a broken one; and the gateway's benches reach every cover point."""

import re
from pathlib import Path

import pytest

from tests.support.gateway_fpga.simulate import RTL, simulate

SVA = RTL.parent / "sva" / "outcry_gateway_sva.sv"
PARAMETERS = {"SLOT_BITS": 4, "COUNTER_BITS": 32}
ASSERTED = re.findall(r"(\w+): assert property", SVA.read_text())
POINTS = {
    *re.findall(r"`OUTCRY_SEEN\((\w+), ", SVA.read_text()),
    *re.findall(r"(\w+): cover property \(@\(posedge clk\) rst", SVA.read_text()),
}
LOSES_ORDERS = (
    "outcry_gateway",
    ".s_axis_tvalid(s_axis_tvalid)",
    ".s_axis_tvalid(s_axis_tvalid && !s_axis_tdata[64])",
)
CHECKS_EVERYBODY = (
    "outcry_validator",
    "({16{read_new || read_replace || read_expiry}} & ENTRY_CHECKS)",
    "ENTRY_CHECKS",
)
WRONG_DECERR = ("outcry_regs", "DECERR = 2'b11;", "DECERR = 2'b01;")
BROKEN = {
    "verdict_stands": ("outcry_gateway", ".m_axis_tready(m_axis_tready)", ".m_axis_tready(1'b1)"),
    "write_answer_stands": (
        "outcry_gateway",
        ".s_axil_bready(s_axil_bready)",
        ".s_axil_bready(1'b1)",
    ),
    "read_answer_stands": (
        "outcry_gateway",
        ".s_axil_rready(s_axil_rready)",
        ".s_axil_rready(1'b1)",
    ),
    "write_answer_is_one_of_three": WRONG_DECERR,
    "read_answer_is_one_of_three": WRONG_DECERR,
    "refused_read_is_empty": ("outcry_regs", "rresp == OKAY ? found_word : 32'd0", "found_word"),
    "reset_silences": ("outcry_regs", "            bvalid  <= 1'b0;\n", ""),
    "order_was_taken": ("outcry_gateway", ".s_axis_tvalid(s_axis_tvalid)", ".s_axis_tvalid(1'b1)"),
    "order_has_room": LOSES_ORDERS,
    "order_leaves_in_time": LOSES_ORDERS,
    "order_is_unchanged": (
        "outcry_gateway",
        ".s_axis_tdata(s_axis_tdata)",
        ".s_axis_tdata(s_axis_tdata ^ 512'd1)",
    ),
    "unarmed_lets_nobody_in": (
        "outcry_validator",
        "row_participant_off <= !armed || (",
        "row_participant_off <= (",
    ),
    "taking_away_is_never_limited": CHECKS_EVERYBODY,
    "disconnect_always_passes": CHECKS_EVERYBODY,
}
"""By assertion: a text of a file, and its replacement when it is broken."""


def run(tmp_path: Path, sources: list[Path]) -> None:
    """The gateway's benches with the assertions bound to it."""
    simulate(
        "verilator",
        "outcry_gateway",
        "bench_gateway,bench_gateway_edges,bench_gateway_bus",
        tmp_path,
        sources=[*sources, SVA],
        parameters=PARAMETERS,
        environment={"SLOT_BITS": "4", "COUNTER_BITS": "32"},
        build_arguments=["--assert", "--coverage-user"],
        # A failed assertion ends the simulation; one fault may trip several.
        plusargs=["+verilator+error+limit+100"],
    )


def reached(data: str) -> dict[str, int]:
    """How often each cover point was, from Verilator's coverage data."""
    matches = re.findall(r"\x01o\x02(\w+)\x01h\x02[^']*' (\d+)$", data, re.MULTILINE)
    return {name: int(count) for name, count in matches}


@pytest.mark.long
@pytest.mark.fpga
def test_the_benches_trip_no_assertion_and_reach_every_cover_point(tmp_path: Path) -> None:
    """The coverage model is closed: each point of the file, by name."""
    run(tmp_path, [RTL / "outcry_gateway.v"])
    counts = reached((tmp_path / "coverage.dat").read_text(errors="replace"))
    assert set(counts) == POINTS
    assert len(POINTS) > 80
    assert {name for name, count in counts.items() if not count} == set()


@pytest.mark.long
@pytest.mark.fpga
@pytest.mark.parametrize("assertion", ASSERTED)
def test_each_assertion_fires_with_a_broken_gateway(assertion: str, tmp_path: Path) -> None:
    """By its name, on a fault that breaks what it says."""
    file, old, new = BROKEN[assertion]
    text = (RTL / f"{file}.v").read_text()
    assert text.count(old) >= 1
    broken = tmp_path / f"{file}.v"
    broken.write_text(text.replace(old, new, 1))
    whole = [] if file == "outcry_gateway" else [RTL / "outcry_gateway.v"]
    with pytest.raises(AssertionError):
        run(tmp_path, [broken, *whole])
    assert f".{assertion}" in (tmp_path / "simulation.log").read_text(errors="replace")
