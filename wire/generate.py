"""Write what is generated from the declarations: C header, Verilog header and Markdown page.

``python -m openoutcry.wire.generate`` rewrites them; a test compares them byte for byte.
"""

from enum import IntEnum, IntFlag
from pathlib import Path

from openoutcry.wire import feed_messages, message, messages
from openoutcry.wire.enums import AUX_HALVES, ENUMS, OPEN_KNOWN
from openoutcry.wire.layout_hash import HISTORY_PATH, LAYOUT_HASH, layout_history
from openoutcry.wire.order_ids import ORDER_ID_RANGES, SESSION_ORDER_IDS, VENUE_ORDER_IDS
from openoutcry.wire.records import CTYPES, MAGICS, MAX_PACKET_RECORDS, RECORDS, Record
from openoutcry.wire.registers import LICENCE, WRITERS

ROOT = Path(__file__).resolve().parent.parent
GENERATED = "generated from wire/ by `python -m openoutcry.wire.generate`; do not edit"


def generate() -> dict[str, str]:
    """Every generated file: path from the project's root -> text."""
    return {
        "wire/enum_numbers.py": enum_numbers(),
        "wire/outcry_wire.h": c_header(),
        "wire/outcry_wire.vh": verilog_header(),
        "docs/wire.md": markdown(),
        "docs/order-messages.md": message.markdown(
            GENERATED, messages.PROTOCOLS, messages.OPTIONS50
        ),
        "docs/feed-messages.md": message.markdown(
            GENERATED, feed_messages.PROTOCOLS, title="Market-data messages"
        ),
        **{name: write(GENERATED) for name, write in WRITERS.items()},
    }


ORDER_ID_STARTS = {
    "VENUE_ORDER_IDS": VENUE_ORDER_IDS,
    "SESSION_ORDER_IDS": SESSION_ORDER_IDS,
}


def _snake(name: str) -> str:
    text = "".join("_" + c if c.isupper() and i else c for i, c in enumerate(name))
    return text.upper()


def _members(enum: type[IntEnum] | type[IntFlag]) -> list[tuple[str, int]]:
    return [(f"{_snake(enum.__name__)}_{member.name}", int(member)) for member in enum]


def enum_numbers() -> str:
    lines = [
        f"# {GENERATED}",
        '"""The members of wire/enums.py as the plain ints that kernels need."""',
    ]
    for enum in ENUMS:
        lines += ["", *(f"{name} = {value}" for name, value in _members(enum))]
    return "\n".join(lines) + "\n"


def c_header() -> str:
    lines = [
        f"/* {GENERATED} */",
        "#ifndef OUTCRY_WIRE_H",
        "#define OUTCRY_WIRE_H",
        "#include <assert.h> /* static_assert, which C++ has without */",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        f"#define OUTCRY_LAYOUT_HASH UINT64_C(0x{LAYOUT_HASH:016x})",
        f"#define OUTCRY_MAX_PACKET_RECORDS {MAX_PACKET_RECORDS}",
    ]
    lines += [f"#define OUTCRY_{name} UINT64_C(0x{value:x})" for name, value in MAGICS.items()]
    lines += [f"#define OUTCRY_{name} INT64_C(0x{n:x})" for name, n in ORDER_ID_STARTS.items()]
    for enum in ENUMS:
        lines += ["", f"/* {enum.__name__} */"]
        lines += [f"#define OUTCRY_{name} {value}" for name, value in _members(enum)]
    lines += ["", "/* time_in_force of a REPLACE */"]
    lines += [f"#define OUTCRY_OPEN_KNOWN {OPEN_KNOWN}", f"#define OUTCRY_AUX_HALVES {AUX_HALVES}"]
    for record in RECORDS:
        struct = f"struct outcry_{record.name}"
        lines += ["", f"/* {record.doc} */", f"{struct} {{"]
        for field in record.fields:
            suffix = "[8]" if field.ctype == "char8" else ""
            lines.append(f"    {CTYPES[field.ctype][2]} {field.name}{suffix}; /* {field.doc} */")
        lines.append("};")
        lines.append(f'static_assert(sizeof({struct}) == {record.size_bytes}, "{record.name}");')
        for name, at in record.offsets.items():
            lines.append(
                f'static_assert(offsetof({struct}, {name}) == {at}, "{record.name}.{name}");'
            )
    return "\n".join([*lines, "", "#endif", ""])


def verilog_header() -> str:
    lines = [
        f"// {GENERATED}",
        f"// {LICENCE}",
        "`ifndef OUTCRY_WIRE_VH",
        "`define OUTCRY_WIRE_VH",
        f"`define OUTCRY_LAYOUT_HASH 64'h{LAYOUT_HASH:016x}",
        f"`define OUTCRY_MAX_PACKET_RECORDS {MAX_PACKET_RECORDS}",
    ]
    lines += [f"`define OUTCRY_{name} 64'h{value:x}" for name, value in MAGICS.items()]
    lines += [f"`define OUTCRY_{name} 64'h{n:x}" for name, n in ORDER_ID_STARTS.items()]
    for record in RECORDS:
        lines += ["", f"// {record.doc} Byte 0 is tdata[7:0]."]
        for field in record.fields:
            low = record.offsets[field.name] * 8
            high = low + field.size_bytes * 8 - 1
            name = f"{record.name}_{field.name}".upper()
            lines.append(f"`define OUTCRY_{name} {high}:{low} // {field.doc}")
    for enum in ENUMS:
        lines += ["", f"// {enum.__name__}"]
        width = 4 if enum.__name__ == "ErrorBit" else 8
        lines += [f"`define OUTCRY_{name} {width}'d{value}" for name, value in _members(enum)]
    return "\n".join([*lines, "", "`endif", ""])


def _ruler(record: Record) -> list[str]:
    """Eight bytes a row, each field as wide as its bytes."""
    lines = ["```", "byte   0     1     2     3     4     5     6     7"]
    edge = "     +" + "-----+" * 8
    lines.append(edge)
    row, used, start = "", 0, 0
    for field in record.fields:
        width = field.size_bytes * 6 - 1
        row += f"{field.name:^{width}.{width}}|"
        used += field.size_bytes
        if used == 8:
            lines += [f"{start:>4} |{row}", edge]
            row, used, start = "", 0, start + 8
    return [*lines, "```"]


def markdown() -> str:
    lines = [
        f"<!-- {GENERATED} -->",
        "# The wire: every record, byte by byte",
        "",
        f"Layout {len(layout_history())}, hash `{LAYOUT_HASH:016x}`. Little-endian, natural "
        "alignment, no padding. Prices are int64 ticks, quantities int64 lots.",
    ]
    for record in RECORDS:
        lines += ["", f"## {record.name} ({record.size_bytes} bytes)", "", record.doc, ""]
        lines += _ruler(record)
        lines += ["", "| byte | field | type | meaning |", "|---|---|---|---|"]
        for field in record.fields:
            meaning = field.doc + (f" ({field.enum})" if field.enum else "")
            at = record.offsets[field.name]
            lines.append(f"| {at} | `{field.name}` | {field.ctype} | {meaning} |")
    lines += ["", "## Order ids", ""]
    lines += ["No door takes an order id of another owner from outside.", ""]
    lines += ["| first | last | owner | |", "|---|---|---|---|"]
    lines += [f"| {r.first} | {r.last} | {r.owner} | {r.doc} |" for r in ORDER_ID_RANGES]
    lines += ["", "## Enumerations"]
    for enum in ENUMS:
        lines += ["", f"### {enum.__name__}", "", "| value | name |", "|---|---|"]
        lines += [f"| {int(member)} | {member.name} |" for member in enum]
    return "\n".join([*lines, ""])


def main() -> None:
    for name, text in generate().items():
        path = ROOT / name
        same = path.exists() and path.read_text() == text
        if not same:
            path.write_text(text)
        print(f"{name}: {'unchanged' if same else 'written'}")
    history = layout_history()
    if f"{LAYOUT_HASH:016x}" not in history:
        raise SystemExit(
            f'the layout changed: append "{LAYOUT_HASH:016x}" to {HISTORY_PATH.name} '
            "(or, before a release, put it in place of the last) and generate again"
        )


if __name__ == "__main__":
    main()
