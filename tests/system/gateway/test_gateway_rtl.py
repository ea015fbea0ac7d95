"""The gateway's RTL against the golden model, on both simulators."""

from pathlib import Path

import pytest

from tests.support.gateway_fpga.simulate import SIMULATORS, simulate

FIRST = [
    "rtl_equals_golden/(idle=0/hold=0|idle=[24]/hold=3)",
    "latency",
    "under_traffic",
    "read_back",
    "in_reset",
    "a_reset",
]
"""What `make test` runs of the small table on Icarus; the rest there takes a minute more."""
REST = [f"^(?!.*({'|'.join(FIRST)}))"]
TAKES_LONG = [pytest.mark.long, pytest.mark.fpga]


@pytest.mark.parametrize(
    ("simulator", "slot_bits", "counter_bits", "tests"),
    [
        pytest.param("verilator", 4, 32, None, id="verilator-small-table", marks=TAKES_LONG),
        pytest.param("icarus", 4, 32, FIRST, id="icarus-small-table"),
        pytest.param("icarus", 4, 32, REST, id="icarus-small-table-rest", marks=TAKES_LONG),
        *(
            pytest.param(simulator, *run, id=f"{simulator}-{name}", marks=marks)
            for simulator in SIMULATORS
            for name, run, marks in (
                ("small-counters", (4, 4, ["counters_", "every_address"]), TAKES_LONG),
                ("small-counters-all", (4, 4, None), pytest.mark.long),
                (
                    "full-table",
                    (9, 32, ["every_verdict_on_many_orders", "read_back", "rows_of_any"]),
                    TAKES_LONG,
                ),
            )
        ),
    ],
)
def test_gateway(
    simulator: str, slot_bits: int, counter_bits: int, tests: list[str] | None, tmp_path: Path
) -> None:
    """RTL = golden bit for bit under every idling and back-pressure; registers, swaps under
    traffic, counters that saturate, stalls and resets."""
    simulate(
        simulator,
        "outcry_gateway",
        "bench_gateway,bench_gateway_rows",
        tmp_path,
        parameters={"SLOT_BITS": slot_bits, "COUNTER_BITS": counter_bits},
        environment={"SLOT_BITS": str(slot_bits), "COUNTER_BITS": str(counter_bits)},
        tests=tests,
    )


SLOW_EDGES = ["a_reset_at_any_cycle", "a_row_does_not_follow", "a_command_beside_orders"]
OTHER_EDGES = [f"^(?!.*({'|'.join(SLOW_EDGES)}))"]
"""What takes half of the time on Icarus, and the rest."""


@pytest.mark.parametrize(
    ("simulator", "slot_bits", "tests"),
    [
        pytest.param("icarus", 4, OTHER_EDGES, id="icarus-4"),
        pytest.param("icarus", 4, SLOW_EDGES, id="icarus-4-slow", marks=TAKES_LONG),
        *(
            pytest.param(simulator, bits, None, id=f"{simulator}-{bits}", marks=TAKES_LONG)
            for simulator, bits in (("icarus", 9), ("verilator", 4), ("verilator", 9))
        ),
    ],
)
def test_gateway_edges(
    simulator: str, slot_bits: int, tests: list[str] | None, tmp_path: Path
) -> None:
    """Settings, commands and resets cycle by cycle; strobes and indices on and beside every end."""
    simulate(
        simulator,
        "outcry_gateway",
        "bench_gateway_edges,bench_gateway_bus",
        tmp_path,
        parameters={"SLOT_BITS": slot_bits, "COUNTER_BITS": 32},
        environment={"SLOT_BITS": str(slot_bits)},
        tests=tests,
    )


@pytest.mark.parametrize(
    ("simulator", "slot_bits"),
    [
        pytest.param("icarus", 4, id="icarus-4"),
        *(
            pytest.param(simulator, bits, id=f"{simulator}-{bits}", marks=TAKES_LONG)
            for simulator, bits in (("icarus", 9), ("verilator", 4), ("verilator", 9))
        ),
    ],
)
def test_gateway_cycles(simulator: str, slot_bits: int, tmp_path: Path) -> None:
    """Which cycles a command closes the gateway for, whose bucket an order finds, of which moment a
    count is, and what a reset lets through to the tables."""
    simulate(
        simulator,
        "outcry_gateway",
        "bench_gateway_cycles",
        tmp_path,
        parameters={"SLOT_BITS": slot_bits, "COUNTER_BITS": 32},
        environment={"SLOT_BITS": str(slot_bits)},
    )
