"""The command that runs a bench: on a design of one's own, and without what it needs."""

import os
import subprocess
import sys

import pytest

DESIGN = """`default_nettype none
module my_filter (input wire clk, input wire a, output reg y);
  always @(posedge clk) y <= a;
endmodule
`default_nettype wire
"""
BENCH = """
import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge


@cocotb.test()
async def follows(dut):
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    dut.a.value = 1
    await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    await ReadOnly()
    assert dut.y.value == 1
"""
OWN = "--sources", "my_filter.v", "icarus", "my_filter", "bench_my_filter"
COMMAND = [sys.executable, "-m", "openoutcry.gateway_fpga.tools.simulate"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_filter.v").write_text(DESIGN)
    (tmp_path / "bench_my_filter.py").write_text(BENCH)
    return tmp_path


def simulate(folder, *words, **environment):
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_a_bench_runs_on_a_design_of_ones_own(folder, simulator):
    status, said = simulate(
        folder, "--sources", "my_filter.v", simulator, "my_filter", "bench_my_filter"
    )
    assert status == 0, said
    assert "every test passed" in said


def test_a_simulator_that_is_not_here_is_named_with_its_package(folder):
    status, said = simulate(
        folder,
        "--sources",
        "my_filter.v",
        "icarus",
        "my_filter",
        "bench_my_filter",
        PATH="/nowhere",
    )
    assert status == 1
    assert said.splitlines() == [
        "Icarus Verilog simulates this: iverilog is not here: apt-get install iverilog"
    ]


def test_a_module_and_a_file_that_there_are_not_are_named(folder):
    status, said = simulate(folder, "icarus", "nowhere", "bench_my_filter")
    assert (status, "nowhere is no module of the gateway" in said) == (1, True)
    words = "--sources", "none.v", "icarus", "none", "bench_my_filter"
    status, said = simulate(folder, *words)
    assert (status, "none.v: there is no such file" in said) == (1, True)
