"""Bits of the RTL that no simulation can toggle: every exclusion from the coverage stands here.

Nearly all are constants by construction (padding, sums whose range is smaller than their width,
bits of flags that a later stage sets).  They are not listed by hand: Yosys propagates constants
through each module, down to gates, and what it finds constant is left out if it was not reached.
Few remain, in :data:`BY_HAND`; each says why in one sentence.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.formal.modules import VALIDATOR
from tests.support.gateway_fpga.mutate import FLATTEN, RTL, MutationError, yosys

CONSTANT = "Yosys proves the bit constant, whatever the inputs do."


@dataclass(frozen=True)
class Exclusion:
    """``pattern``: a regular expression of the point's kind and name."""

    file: str
    pattern: str
    why: str


def _above(bits: int, lanes: int) -> str:
    """A regular expression of the bits that numbers of so many bits, 32 apart, leave over."""
    return "|".join(str(bit) for bit in range(32 * lanes) if bit % 32 >= bits)


BY_HAND = (
    *(
        Exclusion(
            file,
            rf"toggle {signal}\[({_above(bits, lanes)})\]",
            "A number of 14 or 16 bits in a lane of 32: what is above it is 0 and not read.",
        )
        for file, signal, bits, lanes in (
            ("outcry_sum4.v", "terms", 16, 4),
            ("outcry_validator.v", "(price|qty)_pieces", 14, 16),
        )
    ),
    Exclusion(
        "outcry_validator.v",
        r"toggle read_products\[51[01]\]",
        "The product of the two upper limbs, of 15 bits each, has 30 bits.",
    ),
    *(
        Exclusion(
            file,
            rf"toggle {signal}\[15\]",
            "The four lowest pieces leave at most 15 + 240 + 3,840 + 14,565: bit 15 stays 0.",
        )
        for file, signal in (
            ("outcry_sum4.v", "terms"),
            ("outcry_validator.v", "((price|qty)_fours|read_(price|qty)_residues)"),
        )
    ),
    Exclusion(
        "outcry_add.v",
        r"toggle [ab]\[17\]",
        "What the widest of these adds are two sums of 17 bits.",
    ),
    *(
        Exclusion(
            file,
            rf"toggle {signal}\[4(0\d|1[0-5])\]",
            "The parser writes 0 where the verdict will stand: Yosys proves it of what the queue "
            "is given, but does not see through the queue's memory.",
        )
        for file, signal in (
            ("outcry_packet_fifo.v", "(m_axis_tdata|out_data)"),
            ("outcry_udp_parser.v", "m_axis_tdata"),
            ("outcry_core.v", "merged_tdata"),
        )
    ),
    *(
        Exclusion(
            file,
            r"toggle m_axis_(tkeep\[\d+\]|tlast):1->0",
            "Each order is a packet of one whole beat: of these outputs every bit is 1, always.",
        )
        for file in ("outcry_core.v", "outcry_top.v", "outcry_card.v")
    ),
)


@dataclass(frozen=True)
class Design:
    """A module with what it is made of; ``inside`` says of which file an instance's wires are."""

    top: str
    files: tuple[str, ...]
    parameters: Mapping[str, int]
    inside: Mapping[str, str]


DESIGNS = (
    Design(
        "outcry_validator",
        VALIDATOR,
        {"SLOT_BITS": 4, "PARTICIPANT_BITS": 4},
        {
            **{f"csa{n}": "outcry_csa.v" for n in range(5)},
            **{
                f"g_four[{n}].{what}": "outcry_sum4.v"
                for n in range(4)
                for what in ("price", "qty")
            },
            "sum_price": "outcry_sum4.v",
            "sum_qty": "outcry_sum4.v",
        },
    ),
    Design(
        "outcry_udp_parser",
        ("outcry_packet_fifo", "outcry_udp_parser"),
        {"DEPTH_LOG2": 5, "COUNTER_WIDTH": 32},
        {"queue": "outcry_packet_fifo.v"},
    ),
    Design("outcry_regs", ("outcry_regs",), {}, {}),
)


def by_hand(file: str, name: str) -> str | None:
    """Why a point is left out by hand, if it is."""
    for exclusion in BY_HAND:
        if exclusion.file == file and re.search(exclusion.pattern, name):
            return exclusion.why
    return None


def constants() -> set[tuple[str, str, int]]:
    """(file, signal, bit) of all bits that are constant; of a module with several instances, in
    each of them."""
    constant_bits: set[tuple[str, str, int]] = set()
    for design in DESIGNS:
        constant_bits |= _of_design(design)
    return constant_bits


def _of_design(design: Design) -> set[tuple[str, str, int]]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in RTL.glob("*.v*"):
            (folder / path.name).write_text(path.read_text())
        chosen = "".join(f" -chparam {name} {value}" for name, value in design.parameters.items())
        # Bits are taken before wreduce, which cuts wires, and again when all is gates.
        script = (
            f"read_verilog {' '.join(f'{name}.v' for name in design.files)}\n"
            f"hierarchy -top {design.top}{chosen}\nproc\n{FLATTEN}\nopt\nwrite_json wide.json\n"
            "wreduce\nopt\ntechmap -max_iter 1 t:$mul %n\nopt -full\n"
            "techmap t:$mul %n\nopt -full\nwrite_json gates.json\n"
        )
        good, log = yosys(folder, script)
        if not good:
            raise MutationError(f"{design.top}: yosys found no constants\n{log[-2000:]}")
        bits = [_constant_bits(folder / name, design) for name in ("wide.json", "gates.json")]
    everywhere: dict[tuple[str, str, int], int] = {}
    for instance, name, bit in bits[0] | bits[1]:
        point = (design.inside.get(instance, f"{design.top}.v"), name, bit)
        everywhere[point] = everywhere.get(point, 0) + 1
    instances = list(design.inside.values())
    return {point for point, count in everywhere.items() if count >= instances.count(point[0])}


def _constant_bits(path: Path, design: Design) -> set[tuple[str, str, int]]:
    """(instance, signal, bit); the instance is empty for the module's own signals."""
    modules: dict[str, Any] = json.loads(path.read_text())["modules"]
    (module,) = (module for name, module in modules.items() if design.top in name)
    constant_bits = set()
    for name, net in module["netnames"].items():
        instance, _, signal = name.rpartition(".")
        if instance not in design.inside:
            instance, signal = "", name
        for index, bit in enumerate(net["bits"]):
            if bit in ("0", "1"):
                constant_bits.add((instance, signal, index + int(net.get("offset", 0))))
    return constant_bits
