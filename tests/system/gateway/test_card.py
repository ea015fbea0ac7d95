"""The gateway for a card, whose MACs cannot wait, on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import simulate

TAKES_LONG = [pytest.mark.long, pytest.mark.fpga]


@pytest.mark.parametrize(
    ("simulator", "ports", "tests"),
    [
        pytest.param("icarus", 2, ["idle=never/hold=never", "latency"], id="icarus-first"),
        pytest.param("icarus", 2, None, marks=TAKES_LONG, id="icarus"),
        *(
            pytest.param("verilator", ports, None, marks=TAKES_LONG, id=f"verilator-{ports}")
            for ports in (1, 2, 3)
        ),
    ],
)
def test_card(simulator, ports, tests, tmp_path):
    """Ports with clocks of their own: the golden model's verdicts, every lost frame counted."""
    simulate(
        simulator,
        "outcry_card",
        "bench_card",
        tmp_path,
        parameters={
            "PORTS": ports,
            "DEPTH_LOG2": 5,
            "RX_DEPTH_LOG2": 5,
            "SLOT_BITS": 4,
            "PARTICIPANT_BITS": 4,
        },
        tests=tests,
    )
