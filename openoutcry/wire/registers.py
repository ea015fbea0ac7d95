"""The gateway's registers as plain data: name, offset, access and meaning, in address order.

An AXI-Lite window of 32-bit words.  The Verilog header, the C header and the Markdown page are
generated from these tables (``wire/generate.py``), and the driver, the golden model and the RTL's
benches read them from here.

The symbol table is ``ways`` hash tables, which are read in parallel.  A symbol may be in one slot
of each way; :func:`slot_of` gives its number.  The driver fills the table so that every symbol has
a place, so the hardware looks once and compares all eight bytes.  The host writes a row through the
shadow registers: all its words, then ``row_swap``.  The next order sees the new row, and no order
ever sees a part of it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WORD_BYTES = 4
WINDOW_BYTES = 4096

WAYS = 3
SLOT_BITS = 9
PARTICIPANT_BITS = 10
"""The gateway keeps bits and buckets of this many participants (2 to this power)."""
MAX_SYMBOLS = 1024
"""Symbols for which a place is always found: two thirds of the slots."""
PRICE_FIVES_MAX = 6
"""Steps are checked for their factors of two and up to this many factors of five."""
TIME_BITS = 62
"""Bits of ``rx_ts_ns`` that the rate check reads."""
COLLAR_ONE = 10_000
LICENCE = "SPDX-License-Identifier: Apache-2.0"
"""The second line of each Verilog header."""
"""Basis points in one."""
CONTROL_CHECK_PARTICIPANTS, CONTROL_ARMED = 0, 1
"""Bits of ``control``."""


@dataclass(frozen=True, slots=True)
class Register:
    """One 32-bit register, or ``count`` of them in a row.  ``access``: RO, RW, or WO for a command
    (it reads as an error)."""

    name: str
    offset: int
    access: str
    doc: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class RowField:
    """One field of a symbol table row: bits ``low`` up of the row's image."""

    name: str
    low: int
    bits: int
    doc: str


FRAME_PORTS = 3
"""Ethernet ports whose frames are counted."""
FRAME_OUTCOMES = (
    "NONE", "KEEP", "OVERSIZED", "RUNT", "ETHERTYPE", "IP_HEADER", "FRAGMENT", "PROTOCOL", "PORT",
    "LENGTH", "IP_CHECKSUM", "UDP_CHECKSUM", "SHORT", "MAGIC", "LAYOUT", "KIND", "COUNT", "SIZE",
    "SEQUENCE", "BAD_FRAME", "NO_ROOM",
)  # fmt: skip
"""The outcome of a frame, by the number that it is counted under.  The first means that the gateway
took the whole frame; each other name is the reason for refusing it.  A MAC that cannot wait
(``outcry_ingress``) counts the last two before the parser; elsewhere they stay 0.  docs/fpga.md
explains them."""
PARSER_OUTCOMES = FRAME_OUTCOMES[:-2]
"""Outcomes that the parser counts."""
LEFT_OUT = ("OPERATOR", "RESERVED_ID")
"""Why the gateway leaves a record out of a packet that it took, by the number that it is counted
under.  The record is participant 0's, or its order id is one that only the venue allocates
(``order_ids.py``).  If both hold, it is counted under the first."""

REGISTERS = (
    Register("magic", 0x000, "RO", "the letters OCGW: a gateway answers"),
    Register("map_hash", 0x004, "RO", "hash of this register map"),
    Register("layout_hash", 0x008, "RO", "hash of the record layout, low word first", 2),
    Register("ways", 0x010, "RO", "hash tables read side by side"),
    Register("slots", 0x014, "RO", "slots of each way"),
    Register("participants", 0x018, "RO", "participants with a bit and a bucket: 0 to this - 1"),
    Register("status", 0x01C, "RO", "bit 0: a command (row_swap, participant_set) is under way"),
    Register(
        "control",
        0x020,
        "RW",
        "bit 0: check the participants' bits; bit 1: armed, without it no order enters",
    ),
    Register("rate_interval_ns", 0x024, "RW", "one order a participant in this time; 0 no limit"),
    Register("rate_burst_ns", 0x028, "RW", "how far ahead of its rate a participant may run"),
    Register("bad_access_count", 0x02C, "RO", "accesses that got an error; saturates"),
    Register(
        "order_count", 0x030, "RO", "orders that left; reading the low word holds the high one", 2
    ),
    Register("row_index", 0x038, "RW", "where row_swap writes: way * slots + slot"),
    Register("row_swap", 0x03C, "WO", "any value: the shadow becomes row row_index, all at once"),
    Register("reason_count", 0x040, "RO", "orders with this bit of ErrorBit; saturates", 16),
    Register(
        "participant_set",
        0x080,
        "WO",
        "bits 15:0 the participant, bit 31 its bit; its bucket becomes full",
    ),
    Register("row_shadow", 0x100, "RW", "the row to be swapped in, low word first", 18),
    Register(
        "frame_count",
        0x200,
        "RO",
        f"frames by port and outcome: word {len(FRAME_OUTCOMES)} * port + outcome; saturates",
        FRAME_PORTS * len(FRAME_OUTCOMES),
    ),
    Register(
        "left_out_count",
        0x300,
        "RO",
        f"records left out of packets taken: word {len(LEFT_OUT)} * port of participant 0, the "
        "next with a reserved order id; saturates",
        FRAME_PORTS * len(LEFT_OUT),
    ),
)

ROW_FIELDS = (
    RowField("symbol", 0, 64, "eight bytes as in the record; 0 is an empty row"),
    RowField("max_price_ticks", 64, 64, "signed"),
    RowField("min_qty_lots", 128, 64, "signed"),
    RowField("max_qty_lots", 192, 64, "signed"),
    RowField("collar_low", 256, 80, "reference * 10000 - width, not below 0; 0 no collar"),
    RowField("collar_high", 336, 80, "reference * 10000 + width; all ones no collar"),
    RowField("notional_limit", 416, 126, "highest price * quantity; all ones no limit"),
    RowField("price_twos", 544, 6, "prices are multiples of 2 to this power"),
    RowField("price_fives", 552, 3, "prices are multiples of 5 to this power, 0 to 6"),
    RowField("qty_twos", 560, 6, "quantities are multiples of 2 to this power"),
    RowField("qty_fives", 568, 3, "quantities are multiples of 5 to this power, 0 to 6"),
    RowField(
        "by_side",
        574,
        1,
        "1: price bands: collar_low is asked of new sells, collar_high of new buys",
    ),
    RowField("halted", 575, 1, "1: no order may enter or be changed"),
)
ROW_BITS = 576
ROW_WORDS = ROW_BITS // 64

OKAY, SLVERR, DECERR = 0, 2, 3
"""Answers on the bus: done; refused (read-only, write-only, busy, out of range, byte strobes);
nothing is there."""

GATEWAY_MAGIC = int.from_bytes(b"OCGW", "little")


def _hash_tables() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Tabulation hashing: for each way, half byte and its value the bits it flips in the slot
    number.  Drawn once; 1,024 tickers, numbers or option names all find a place (tested)."""
    dice = np.random.Generator(np.random.PCG64(3))
    tables = dice.integers(0, 2**SLOT_BITS, (WAYS, 16, 16)).tolist()
    return tuple(tuple(tuple(values) for values in way) for way in tables)


HASH_TABLES = _hash_tables()


def slot_of(symbol_word: int, way: int, slot_bits: int = SLOT_BITS) -> int:
    """The slot of a way in which a symbol may be, of 2**slot_bits slots."""
    slot = 0
    for half, values in enumerate(HASH_TABLES[way]):
        slot ^= values[symbol_word >> 4 * half & 15]
    return slot & ((1 << slot_bits) - 1)


def row_image(values: dict[str, int]) -> int:
    """The row's bits; missing fields are 0.  ``ValueError`` names a field that does not fit."""
    image = 0
    for field in ROW_FIELDS:
        value = values.get(field.name, 0)
        if field.name.endswith(("_ticks", "_lots")):
            value &= 2**64 - 1
        if not 0 <= value < 2**field.bits:
            raise ValueError(f"{field.name} is {value}: not {field.bits} bits")
        image |= value << field.low
    return image


def registers_text() -> str:
    """The declarations in one canonical text: what the map's hash is taken over."""
    lines = [f"{r.offset:#x} {r.count} {r.access} {r.name}" for r in REGISTERS]
    lines += [f"row {f.low} {f.bits} {f.name}" for f in ROW_FIELDS]
    lines += [f"hash {values}" for way in HASH_TABLES for values in way]
    lines += [f"control {CONTROL_CHECK_PARTICIPANTS} {CONTROL_ARMED}"]
    lines += [f"fives {PRICE_FIVES_MAX} time {TIME_BITS} one {COLLAR_ONE}"]
    return "\n".join(lines) + "\n"


MAP_HASH = int.from_bytes(hashlib.blake2b(registers_text().encode(), digest_size=4).digest())

ADDRESS = {r.name: r.offset for r in REGISTERS}

FIVES_MODULUS = 5**PRICE_FIVES_MAX
"""Residues modulo this say which powers of five divide a number."""


def register_constants() -> list[tuple[str, int]]:
    """Names and numbers that the generated headers share."""
    return [
        ("GATEWAY_MAGIC", GATEWAY_MAGIC),
        ("MAP_HASH", MAP_HASH),
        ("WAYS", WAYS),
        ("SLOT_BITS", SLOT_BITS),
        ("PARTICIPANT_BITS", PARTICIPANT_BITS),
        ("ROW_BITS", ROW_BITS),
        ("TIME_BITS", TIME_BITS),
        ("FRAME_PORTS", FRAME_PORTS),
        ("FRAME_OUTCOMES", len(FRAME_OUTCOMES)),
        ("PARSER_OUTCOMES", len(PARSER_OUTCOMES)),
        ("LEFT_OUT", len(LEFT_OUT)),
        ("FIVES_MODULUS", FIVES_MODULUS),
        ("CONTROL_CHECK_PARTICIPANTS", CONTROL_CHECK_PARTICIPANTS),
        ("CONTROL_ARMED", CONTROL_ARMED),
    ]


def registers_verilog(generated: str) -> str:
    """Return the text of outcry_registers.vh; ``generated`` is its first line."""
    lines = [f"// {generated}", f"// {LICENCE}", "`ifndef OUTCRY_REGISTERS_VH"]
    lines += ["`define OUTCRY_REGISTERS_VH"]
    lines += [f"`define OUTCRY_{name} {_sized(value)}" for name, value in register_constants()]
    lines += ["", "// Word numbers (address bits 11:2)"]
    for r in REGISTERS:
        lines.append(f"`define OUTCRY_REG_{r.name.upper()} 10'd{r.offset // 4} // {r.doc}")
    lines += ["", "// Fields of a symbol table row"]
    for f in ROW_FIELDS:
        lines.append(f"`define OUTCRY_ROW_{f.name.upper()} {f.low + f.bits - 1}:{f.low} // {f.doc}")
    lines += [
        "",
        "// What half byte h of a symbol flips in its slot numbers when its value is v: bits",
        f"// {WAYS * SLOT_BITS} * (16 * h + v) up, way 0 lowest.",
        "`define OUTCRY_HASH_TABLES { \\",
    ]
    words = [
        sum(HASH_TABLES[way][half][value] << way * SLOT_BITS for way in range(WAYS))
        for half in range(16)
        for value in range(16)
    ]
    rows = [words[at : at + 8] for at in range(0, 256, 8)]
    texts = [
        ", ".join(f"{WAYS * SLOT_BITS}'h{word:07x}" for word in reversed(row))
        for row in reversed(rows)
    ]
    lines.append(", \\\n".join(f"    {text}" for text in texts) + " }")
    return "\n".join([*lines, "", "`endif", ""])


def _sized(value: int) -> str:
    return f"32'd{value}"


def registers_c(generated: str) -> str:
    """Return the text of outcry_registers.h; ``generated`` is its first line."""
    lines = [
        f"/* {generated} */",
        "#ifndef OUTCRY_REGISTERS_H",
        "#define OUTCRY_REGISTERS_H",
        "#include <stdint.h>",
        "",
    ]
    lines += [f"#define OUTCRY_{name} UINT32_C({value})" for name, value in register_constants()]
    lines += ["", "/* Byte offsets */"]
    for r in REGISTERS:
        lines.append(f"#define OUTCRY_REG_{r.name.upper()} 0x{r.offset:03x} /* {r.doc} */")
    lines += ["", "/* Fields of a symbol table row: first bit, bits */"]
    for f in ROW_FIELDS:
        name = f.name.upper()
        lines.append(f"#define OUTCRY_ROW_{name}_LOW {f.low} /* {f.doc} */")
        lines.append(f"#define OUTCRY_ROW_{name}_BITS {f.bits}")
    tables = ",\n".join(
        "    {\n"
        + ",\n".join("        {" + ", ".join(map(str, values)) + "}" for values in way)
        + "\n    }"
        for way in HASH_TABLES
    )
    lines += [
        "",
        "/* What each half byte of a symbol flips in its slot number, by its value */",
        f"static const uint16_t OUTCRY_HASH_TABLES[{WAYS}][16][16] = {{",
        tables,
        "};",
    ]
    return "\n".join([*lines, "", "#endif", ""])


def registers_markdown(generated: str) -> str:
    """Return the text of docs/registers.md; ``generated`` is its first line."""
    lines = [
        f"<!-- {generated} -->",
        "# The gateway's registers",
        "",
        f"AXI-Lite, 32-bit words, a window of {WINDOW_BYTES} bytes. Map hash `{MAP_HASH:08x}`. "
        "RO is read only, RW read and write, WO a command. The answer SLVERR means that nothing "
        "changed. It answers a write with some byte strobes off, to an RO register, or of a value "
        "out of range. It also answers a write of a command or the row while a command is under "
        "way, and a read of a WO register. An unused address is answered with DECERR. Both are "
        "counted in `bad_access_count`.",
        "",
        "A reset clears every register that can be written and every counter, but no table "
        "([after power-up and reset](gateway.md#after-power-up-and-reset)).",
        "",
        "| offset | name | access | meaning |",
        "|---|---|---|---|",
    ]
    for r in REGISTERS:
        last = r.offset + (r.count - 1) * WORD_BYTES
        where = f"`{r.offset:03x}`" if r.count == 1 else f"`{r.offset:03x}`–`{last:03x}`"
        name = r.name if r.count == 1 else f"{r.name}[{r.count}]"
        lines.append(f"| {where} | `{name}` | {r.access} | {r.doc} |")
    lines += [
        "",
        f"## A row of the symbol table ({ROW_BITS} bits, `row_shadow`)",
        "",
        f"{WAYS} ways of {2**SLOT_BITS} slots. Row `way * {2**SLOT_BITS} + slot`. A symbol may be "
        f"in any one of its {WAYS} slots. Its slot in a way is the exclusive or of 16 numbers, one "
        "for each half byte, lowest first: `OUTCRY_HASH_TABLES[way][half][value]` in "
        "`wire/outcry_registers.h`.",
        "",
        "| bits | field | meaning |",
        "|---|---|---|",
    ]
    for f in ROW_FIELDS:
        lines.append(f"| {f.low + f.bits - 1}:{f.low} | `{f.name}` | {f.doc} |")
    return "\n".join([*lines, ""])


WRITERS: dict[str, Callable[[str], str]] = {
    "openoutcry/wire/outcry_registers.h": registers_c,
    "gateway_fpga/rtl/outcry_registers.vh": registers_verilog,
    "docs/registers.md": registers_markdown,
}
