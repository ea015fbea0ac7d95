"""Every parameter of the RTL: what is out of its range does not elaborate, and both ends work."""

import subprocess
import tempfile

import pytest

from openoutcry.wire.registers import FRAME_PORTS, SLOT_BITS
from tests.support.gateway_fpga.simulate import RTL

RANGES = {
    ("outcry_top", "PORTS"): (1, FRAME_PORTS),
    ("outcry_top", "DEPTH_LOG2"): (5, 12),
    ("outcry_gateway", "SLOT_BITS"): (1, SLOT_BITS),
    ("outcry_gateway", "PARTICIPANT_BITS"): (1, 16),
    ("outcry_gateway", "COUNTER_BITS"): (1, 32),
    ("outcry_gateway", "ORDER_COUNT_BITS"): (33, 64),
    ("outcry_validator", "SLOT_BITS"): (1, SLOT_BITS),
    ("outcry_validator", "PARTICIPANT_BITS"): (1, 16),
    ("outcry_arbiter", "PORTS"): (1, 16),
    ("outcry_udp_parser", "DEPTH_LOG2"): (5, 12),
    ("outcry_udp_parser", "COUNTER_WIDTH"): (1, 32),
    ("outcry_packet_fifo", "WIDTH"): (8, 4096),
    ("outcry_packet_fifo", "DEPTH_LOG2"): (1, 12),
    ("outcry_skid", "WIDTH"): (8, 4096),
    ("outcry_card", "PORTS"): (1, FRAME_PORTS),
    ("outcry_ingress", "DEPTH_LOG2"): (5, 12),
    ("outcry_frame_fifo", "WIDTH"): (8, 4096),
    ("outcry_frame_fifo", "DEPTH_LOG2"): (2, 12),
    ("outcry_frame_fifo", "COUNTER_WIDTH"): (2, 32),
    ("outcry_count_over", "WIDTH"): (2, 32),
    ("outcry_gray", "WIDTH"): (2, 64),
    ("outcry_sync", "WIDTH"): (1, 64),
    ("outcry_tags", "WIDTH"): (1, 64),
}


def elaborate(module: str, parameter: str, value: int) -> subprocess.CompletedProcess[str]:
    # Not to /dev/null: iverilog changes the mode of what it has written, for the whole machine.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [
                "iverilog",
                "-g2005",
                "-Wall",
                "-Wno-timescale",
                "-y",
                str(RTL),
                f"-I{RTL}",
                f"-P{module}.{parameter}={value}",
                "-s",
                module,
                "-o",
                f"{folder}/elaborated",
                str(RTL / f"{module}.v"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.mark.parametrize(("module", "parameter"), list(RANGES))
def test_a_parameter_out_of_its_range_is_refused_by_name(module: str, parameter: str) -> None:
    """One below and one above do not elaborate, and the message names parameter and range; both
    ends do."""
    low, high = RANGES[module, parameter]
    for value in (low, high):
        done = elaborate(module, parameter, value)
        assert done.returncode == 0, done.stderr
    for value in (low - 1, high + 1):
        done = elaborate(module, parameter, value)
        assert done.returncode != 0
        assert f"{parameter}_is_not_{low}_to_{high}" in done.stderr
