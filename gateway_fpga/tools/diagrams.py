# SPDX-License-Identifier: Apache-2.0
"""Timing diagrams that a bench runs: what they show is driven and compared cycle by cycle.

A signal is one character a cycle: ``0`` and ``1``, or a letter for another value. A ``.`` says
nothing of the signal in that cycle. The command ``python -m openoutcry.gateway_fpga.tools.page``
draws the diagrams into docs/fpga-ports.md; tests/system/gateway/bench_diagrams.py is the bench.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

CYCLE_WIDTH = 4


@dataclass(frozen=True)
class Diagram:
    """``driven`` is what the bench does, ``seen`` what the module answers in the same cycles."""

    name: str
    toplevel: str
    words: str
    driven: Mapping[str, str]
    seen: Mapping[str, str]
    parameters: Mapping[str, int] = field(default_factory=lambda: {"SLOT_BITS": 4})

    def __post_init__(self) -> None:
        lengths = {len(cycles) for cycles in (*self.driven.values(), *self.seen.values())}
        if len(lengths) != 1:
            raise ValueError(f"{self.name}: signals of {sorted(lengths)} cycles")

    @property
    def cycles(self) -> int:
        """Clock cycles that it shows."""
        return len(next(iter(self.driven.values())))


TOP = {"PORTS": 1, "DEPTH_LOG2": 5, "SLOT_BITS": 4, "PARTICIPANT_BITS": 4}

DIAGRAMS = (
    Diagram(
        "three orders and a sink that is not ready",
        "outcry_gateway",
        "Four cycles after an order was taken it is offered with its verdict; an offered order "
        "stays until it is taken, and the ranks before it wait with it.",
        {
            "s_axis_tdata": "aabcccccc.......",
            "s_axis_tvalid": "0110000000000000",
            "m_axis_tready": "1111100011111111",
        },
        {
            "s_axis_tready": "1111100011111111",
            "m_axis_tvalid": "0000011111000000",
            "m_axis_tdata": ".....aaaab......",
        },
    ),
    Diagram(
        "a register is written, then read",
        "outcry_gateway",
        "A write is answered in the second cycle, a read in the third; the next of a kind is "
        "taken after its answer was.",
        {
            "s_axil_awvalid": "01000000000000",
            "s_axil_wvalid": "01000000000000",
            "s_axil_bready": "11111111111111",
            "s_axil_arvalid": "00000111110000",
            "s_axil_rready": "11111111111111",
        },
        {
            "s_axil_awready": "01000000000000",
            "s_axil_bvalid": "00010000000000",
            "s_axil_arready": "11111100010001",
            "s_axil_rvalid": "00000000100010",
        },
    ),
    Diagram(
        "a command between orders at full rate",
        "outcry_gateway",
        "Two cycles after the bus has taken the command no order is taken any more; the table is "
        "written once the orders inside have left three ranks.",
        {
            "s_axis_tvalid": "1111111111111111",
            "m_axis_tready": "1111111111111111",
            "s_axil_awvalid": "0001000000000000",
            "s_axil_wvalid": "0001000000000000",
            "s_axil_bready": "1111111111111111",
        },
        {
            "s_axil_awready": "0001000000000000",
            "s_axil_bvalid": "0000010000000000",
            "s_axis_tready": "1111100000111111",
            "m_axis_tvalid": "0000111110000011",
        },
    ),
    Diagram(
        "a frame of one order",
        "outcry_top",
        "Thirteen cycles after its last beat the frame's order is offered, with its number and "
        "its verdict.",
        {
            "s_axis_tdata": "aabccccccccccccccccc",
            "s_axis_tvalid": "01110000000000000000",
            "s_axis_tlast": "00010000000000000000",
            "m_axis_tready": "11111111111111111111",
        },
        {
            "s_axis_tready": "11111111111111111111",
            "m_axis_tvalid": "00000000000000001000",
            "m_axis_tlast": "11111111111111111111",
        },
        TOP,
    ),
)


def drawn(diagram: Diagram) -> str:
    """The diagram in characters; inputs first."""
    width = max(map(len, (*diagram.driven, *diagram.seen))) + 5
    numbers = "".join(f"{n:<{CYCLE_WIDTH}}" for n in range(diagram.cycles))
    lines = [f"{'cycle':{width}}{numbers}".rstrip()]
    for kind, signals in (("in", diagram.driven), ("out", diagram.seen)):
        lines += [
            f"{kind:4}{name:{width - 4}}{_wave(cycles)}".rstrip()
            for name, cycles in signals.items()
        ]
    return "\n".join(lines)


def _wave(cycles: str) -> str:
    text, before = "", cycles[0]
    for now in cycles:
        if now in "01":
            line = "‾" if now == "1" else "_"
            edge = line if before == now or before not in "01" else "/" if now == "1" else "\\"
            text += edge + line * (CYCLE_WIDTH - 1)
        elif now == ".":
            text += " " * CYCLE_WIDTH
        else:
            text += ("=" if before == now and text else "<") + f"{now}".center(CYCLE_WIDTH - 1, "=")
        before = now
    return text


REGISTER_BUS = "a register is written, then read"


def markdown() -> str:
    """Every diagram under its name, but that of the register bus, which is AXI-Lite."""
    parts = [
        f"\n**{diagram.name[0].upper()}{diagram.name[1:]}.** `{diagram.toplevel}`. "
        f"{diagram.words}\n\n"
        f"```text\n{drawn(diagram)}\n```\n"
        for diagram in DIAGRAMS
        if diagram.name != REGISTER_BUS
    ]
    return "".join(parts)
