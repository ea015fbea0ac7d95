"""Write what is generated from the declarations: C header, Verilog header and Markdown page.

``python -m openoutcry.wire.generate`` rewrites them; a test compares them byte for byte.
"""

import ast
import json
import re
from collections.abc import Iterable
from enum import IntEnum, IntFlag
from itertools import takewhile

from openoutcry import PACKAGE
from openoutcry.wire import feed_messages, messages, order_types, records, words
from openoutcry.wire.enums import AUX_HALVES, ENUMS, OPEN_KNOWN, OrderType, TimeInForce
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.layout_hash import HISTORY_PATH, LAYOUT_HASH, layout_history
from openoutcry.wire.message import Field, Message, Option, Protocol
from openoutcry.wire.order_ids import (
    LEG_ORDER_IDS,
    ORDER_ID_RANGES,
    SESSION_ORDER_IDS,
    VENUE_ORDER_IDS,
)
from openoutcry.wire.records import CTYPES, MAGICS, MAX_PACKET_RECORDS, RECORDS
from openoutcry.wire.registers import LICENCE, WRITERS

ROOT = PACKAGE.parent
GENERATED = "generated from wire/ by `python -m openoutcry.wire.generate`; do not edit"


ROOM_ENUMS: dict[str, dict[str, dict[str, str]]] = {
    "ledger/constants.py": {"ledger/layout.py": {"Kind": "KIND", "Error": "ERROR"}},
    "order_entry/constants.py": {
        "order_entry/faults.py": {"Fault": "FAULT", "Kind": "KIND", "Refusal": "REFUSAL"},
        "order_entry/fix/refusals.py": {"Refusal": "FIX_REFUSAL"},
        "order_entry/ouch.py": {"Refusal": "OUCH_REFUSAL"},
        "order_entry/shm_layout.py": {
            "Request": "SHM_REQUEST",
            "Reply": "SHM_REPLY",
            "State": "SHM_STATE",
            "End": "SHM_END",
        },
        "order_entry/spec.py": {
            "Protocol": "PROTOCOL",
            "CancelOnDisconnect": "CANCEL",
            "ThrottlePolicy": "THROTTLE",
        },
    },
    "risk/constants.py": {
        "risk/bits.py": {
            "RiskBit": "",
            "Setting": "SET",
            "MovementStep": "STEP",
            "MovementState": "STATE",
            "MovementRefusal": "REFUSAL",
            "PauseCause": "PAUSE_BY",
        },
    },
    "surveillance/detect/constants.py": {"surveillance/detect/layout.py": {"Detector": ""}},
}
"""Enumerations that belong to a room above: the module of numbers that its kernels use, the modules
that declare them, and the prefix of each enumeration's members."""


def generate() -> dict[str, str]:
    """Every generated file: path from the project's root -> text."""
    return {
        "openoutcry/wire/enum_numbers.py": enum_numbers(),
        **{f"openoutcry/{name}": room_numbers(modules) for name, modules in ROOM_ENUMS.items()},
        "openoutcry/wire/outcry_wire.h": c_header(),
        "gateway_fpga/rtl/outcry_wire.vh": verilog_header(),
        "docs/wire.md": markdown(),
        "docs/order-messages.md": messages_page(
            "Order-entry messages", messages.PROTOCOLS, messages.OPTIONS50
        ),
        "docs/feed-messages.md": messages_page("Market-data messages", feed_messages.PROTOCOLS),
        "openoutcry/portal/page/static/order-words.js": page_words(),
        **{name: write(GENERATED) for name, write in WRITERS.items()},
    }


ORDER_ID_STARTS = {
    "VENUE_ORDER_IDS": VENUE_ORDER_IDS,
    "SESSION_ORDER_IDS": SESSION_ORDER_IDS,
    "LEG_ORDER_IDS": LEG_ORDER_IDS,
}


def _snake(name: str) -> str:
    text = "".join("_" + c if c.isupper() and i else c for i, c in enumerate(name))
    return text.upper()


def _members(enum: type[IntEnum] | type[IntFlag]) -> list[tuple[str, int]]:
    return [(f"{_snake(enum.__name__)}_{member.name}", int(member)) for member in enum]


def enum_numbers() -> str:
    """The text of wire/enum_numbers.py."""
    lines = [
        f"# {GENERATED}",
        '"""The members of the enumerations of wire/ as the plain ints that kernels need."""',
    ]
    for enum in (*ENUMS, InstrumentState):
        lines += ["", *(f"{name} = {value}" for name, value in _members(enum))]
    return "\n".join(lines) + "\n"


def room_numbers(modules: dict[str, dict[str, str]]) -> str:
    """A module of the members of a room's enumerations as plain ints.

    ``modules``: of each module (a path from the package) its enumerations, with their
    prefixes. The classes are read from the source: the module itself may need the numbers.
    Raises :class:`KeyError` if a module does not declare an enumeration of that name.
    """
    room = next(iter(modules)).rpartition("/")[0]
    lines = [
        f"# {GENERATED.replace('wire/', f'{room}/', 1)}",
        f'"""The members of enumerations of {room}/ as the plain ints that kernels need."""',
    ]
    for path, prefixes in modules.items():
        body = ast.parse((PACKAGE / path).read_text()).body
        classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
        for name, prefix in prefixes.items():
            declared: dict[str, type[IntEnum]] = {}
            exec(ast.unparse(classes[name]), {"IntEnum": IntEnum}, declared)
            start = f"{prefix}_" if prefix else ""
            lines += ["", f"# {path}: {name}"]
            lines += [f"{start}{one.name} = {int(one)}" for one in declared[name]]
    return "\n".join(lines) + "\n"


def c_header() -> str:
    """The text of outcry_wire.h: constants and structs, with assertions about sizes and offsets."""
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
    """The text of outcry_wire.vh: constants, and each field's range of bits."""
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


def markdown() -> str:
    """The text of docs/wire.md."""
    lines = [
        f"<!-- {GENERATED} -->",
        "# The wire: every record, byte by byte",
        "",
        f"Layout {len(layout_history())}, hash `{LAYOUT_HASH:016x}`. Little-endian, natural "
        "alignment, no padding. Prices are int64 ticks, quantities int64 lots.",
    ]
    for record in RECORDS:
        lines += ["", f"## {record.name} ({record.size_bytes} bytes)", "", record.doc, ""]
        lines += ["| byte | field | type | meaning |", "|---|---|---|---|"]
        rows: dict[tuple[str, str, str], list[records.Field]] = {}
        for field in record.fields:
            rows.setdefault(_row_of(field), []).append(field)
        for fields in rows.values():
            first, last = fields[0], fields[-1]
            meaning = first.doc + (f" ({first.enum})" if first.enum else "")
            at = str(record.offsets[first.name])
            name = f"`{first.name}`"
            if len(fields) > 1:
                at += f", {record.offsets[fields[1].name]}" if len(fields) > 2 else ""
                at += f" … {record.offsets[last.name]}"
                name += f" … `{last.name}`"
            kind = first.ctype if len({one.ctype for one in fields}) == 1 else ""
            lines.append(f"| {at} | {name} | {kind} | {meaning} |")
    lines += ["", "## Order ids", ""]
    lines += ["No door takes an order id of another owner from outside.", ""]
    lines += ["| first | last | owner | |", "|---|---|---|---|"]
    lines += [f"| {r.first} | {r.last} | {r.owner} | {r.doc} |" for r in ORDER_ID_RANGES]
    lines += ["", "## Enumerations", "", "| type | values |", "|---|---|"]
    for enum in ENUMS:
        members = ", ".join(f"`{member.name}={int(member)}`" for member in enum)
        lines.append(f"| {enum.__name__} | {members} |")
    return "\n".join([*lines, ""])


def page_words() -> str:
    """The text of order-words.js: what the portal's page knows of order types, in the words of
    /v1."""
    types, times = words.ORDER_TYPES, words.TIMES

    def names(some: Iterable[OrderType]) -> list[str]:
        return [name for name, core in types.by_word("/v1").items() if core in some]

    def times_of(order_type: OrderType) -> list[str]:
        known = order_types.ORDER_TYPES[order_type].times_in_force
        if TimeInForce.GTC in known:  # what may be GTC may be GTD, by a term if not by itself
            known = (*known, TimeInForce.GTD)
        usual = [tif for tif in words.USUAL if tif in known][:1]
        return [times.say("/v1", tif) for tif in dict.fromkeys((*usual, *known))]

    def with_aux(aux: order_types.Aux) -> list[str]:
        return names(order_types.types_where(lambda row: row.aux == aux))

    sets = {
        "UNPRICED": names(order_types.UNPRICED),
        "STOPPED": with_aux(order_types.Aux.TRIGGER),
        "TRAILING": names(order_types.TRAILING),
        "PEGGED": names(order_types.PEGS),
        "AT_ONCE": [times.say("/v1", tif) for tif in order_types.AT_ONCE],
        "LEGS": names(order_types.LEGS),
        "LEG_TIMES": [times.say("/v1", tif) for tif in order_types.LEG_TIMES],
    }
    of_types = {name: times_of(core) for name, core in types.by_word("/v1").items()}
    of_parts = {"shown": times_of(OrderType.ICEBERG), "least": times_of(OrderType.MIN_QTY)}
    lines = [f"// {GENERATED}"]
    lines += [f"export const {name} = new Set({json.dumps(some)});" for name, some in sets.items()]
    for name, some, what in (
        ("TIMES", of_types, "of each type, the usual one first"),
        ("TIMES_WITH", of_parts, "of limit orders with a part of their quantity"),
    ):
        lines += [f"// Times in force {what}.", f"export const {name} = {json.dumps(some)};"]
    return "\n".join([*lines, ""])


def _row_of(field: records.Field) -> tuple[str, str, str]:
    """Return what the fields of one row share: their type and, but for a number in it, name and
    meaning (``band1_step_ticks``, ``band2_step_ticks``)."""
    if field.name.startswith("reserved"):
        return "reserved", "", field.doc
    return re.sub(r"\d+", "", field.name), field.ctype, re.sub(r"\d+", "", field.doc)


def messages_page(title: str, protocols: Iterable[Protocol], options: Iterable[Option] = ()) -> str:
    """The page of every message of some protocols: for each protocol its messages with the place of
    each field, then the fields, each meaning once on the page."""
    lines = [
        f"<!-- {GENERATED} -->",
        f"# {title}, byte by byte",
        "",
        "Big-endian, packed, no padding. Byte 0 of each message is its type. Each field has the "
        "number of its first byte.",
    ]
    above: set[str] = set()
    for protocol in protocols:
        lines += ["", f"## {protocol.name}", ""]
        lines += ["| message | bytes | | fields |", "|---|---|---|---|"]
        for sender, group in (("client", protocol.client), ("server", protocol.server)):
            common = _common_fields(group)
            if common:
                begin = _places(group[0], common)
                lines.append(f"| **every message of the {sender}** | | begins with | {begin} |")
            for one in group:
                name = re.sub(r"(\d) (\d)", r"\1.\2", one.name.replace("_", " "))
                places = _places(one, one.fields[len(common) :])
                size = f"{sender}, {one.size_bytes}"
                lines.append(f"| **{one.kind}: {name}** | {size} | {one.doc} | {places} |")
        meanings = _meanings(protocol)
        new = [row for row in meanings if row not in above]
        if new:
            lines += ["", "| field | type | meaning |", "|---|---|---|", *new]
        if len(new) < len(meanings):
            lines += ["", "All other fields are as above."]
        above.update(meanings)
    if options:
        lines += ["", "## Options of OUCH 5.0", ""]
        lines += ["Each: a byte with the length of tag and value, the tag, the value.", ""]
        lines += ["| tag | option | type | in | meaning |", "|---|---|---|---|---|"]
    rows: dict[tuple[str, str], list[Option]] = {}
    for option in options:
        where = " ".join(k for k, on in (("O", option.enters), ("U", option.replaces)) if on)
        rows.setdefault((where or "server", option.field.doc), []).append(option)
    for (where, doc), some in rows.items():
        tags = ", ".join(str(one.tag) for one in some)
        names = ", ".join(f"`{one.field.name}`" for one in some)
        kinds = ", ".join(_kind(one.field) for one in some)
        lines.append(f"| {tags} | {names} | {kinds} | {where} | {doc} |")
    return "\n".join([*lines, ""])


def _common_fields(group: tuple[Message, ...]) -> tuple[Field, ...]:
    """The fields with which all messages begin, if there are several messages."""
    count = 0
    if len(group) > 2:
        columns = zip(*(one.fields for one in group), strict=False)
        count = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    return group[0].fields[:count] if group else ()


def _places(one: Message, fields: Iterable[Field]) -> str:
    return ", ".join(f"{one.offsets[field.name]}\u00a0`{field.name}`" for field in fields)


def _kind(field: Field) -> str:
    return f"{field.ctype} {field.size or ''}".strip()


def _meanings(protocol: Protocol) -> list[str]:
    """A row for the fields of one meaning; of several, with the messages that have each."""
    found: dict[str, dict[tuple[str, str], dict[str, list[str]]]] = {}
    for sender, group in (("client", protocol.client), ("server", protocol.server)):
        for one in group:
            for field in one.fields:
                where = found.setdefault(field.name, {}).setdefault((_kind(field), field.doc), {})
                where.setdefault(sender, []).append(one.kind)
    rows: dict[tuple[str, str], list[str]] = {}
    for name, meanings in found.items():
        for (kind, doc), where in meanings.items():
            places = "; ".join(f"{sender}'s {' '.join(kinds)}" for sender, kinds in where.items())
            shown = f"{doc} ({places})" if len(meanings) > 1 else doc
            rows.setdefault((name, kind), []).append(shown)
    same: dict[tuple[str, str], list[str]] = {}
    for (name, kind), docs in rows.items():
        same.setdefault((kind, "; ".join(docs)), []).append(f"`{name}`")
    return [f"| {', '.join(names)} | {kind} | {doc} |" for (kind, doc), names in same.items()]


def main() -> None:
    """Write every generated file; raises ``SystemExit`` if the layout changed unrecorded."""
    for name, text in generate().items():
        path = ROOT / name
        same = path.exists() and path.read_text() == text
        if not same:
            path.write_text(text)
        print(f"{name}: {'unchanged' if same else 'written'}")
    history = layout_history()
    if f"{LAYOUT_HASH:016x}" not in history:
        raise SystemExit(
            f'the layout changed: append "{LAYOUT_HASH:016x}" to wire/{HISTORY_PATH.name} '
            "(or, before a release, put it in place of the last) and generate again"
        )


if __name__ == "__main__":
    main()
