"""Write docs/layouts.md: every private block of memory, field by field.

``python -m tests.support.documents.layouts`` writes it; a test compares.
"""

import ast
import operator
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby

from openoutcry.wire.layout import Field, Layout
from tests import ROOT
from tests.support.documents.rooms import rooms

OF_WIRE = ("shm_feed.py",)
"""The records of the other modules there are on docs/wire.md."""
PAGE = ROOT / "docs" / "layouts.md"
HEAD = """<!-- Written by python -m tests.support.documents.layouts. -->
# Blocks of memory, byte by byte

What the stages keep in memory and share with each other, little-endian. [Wire](wire.md) has the
records on the wire and on the disk. Each block is a `Layout`
([decision 024](decisions/024-layouts.md)); in a debugger or a test,
`dict(OrderRow(address).dump())` shows one with its values.

A row is 64 bytes of a block, which is a cache line where the block is aligned to one. Each field
has its offset, name, size and meaning; without a size it is an int64.
"""
LINE_BYTES = 64


def blocks() -> Iterator[type[Layout]]:
    """Every layout that a room declares, by its room and name."""
    for room in rooms():
        if room == "tests":
            continue
        for path in sorted((ROOT / room).rglob("*.py")):
            if room == "wire" and path.name not in OF_WIRE:
                continue
            text = path.read_text()
            if "openoutcry.wire.layout import" not in text:
                continue
            module = import_module(f"openoutcry.{'.'.join(path.relative_to(ROOT).parts)[:-3]}")
            for node in ast.parse(text).body:
                block = getattr(module, node.name) if isinstance(node, ast.ClassDef) else None
                if isinstance(block, type) and issubclass(block, Layout):
                    yield block


def page() -> str:
    """The page: a table for each module, with a row for each block and for each of its lines."""
    lines = [HEAD]
    for module, members in groupby(blocks(), operator.attrgetter("__module__")):
        place = module.removeprefix("openoutcry.").replace(".", "/")
        lines += [f"## {place}.py", "", "| bytes | |", "|---|---|"]
        for block in members:
            lines += _rows(block)
        lines.append("")
    return "\n".join(lines)


def _rows(block: type[Layout]) -> list[str]:
    base = block.__mro__[1]
    own = [field for name, field in block.fields.items() if name not in base.fields]
    own.sort(key=operator.attrgetter("offset"))
    text = " ".join((block.__doc__ or "").split())
    begins = "" if base is Layout else f" Begins as `{base.__name__}`."
    rows = [f"| | **{block.__name__}**, {block.size_bytes} bytes. {_cell(text + begins)} |"]
    for line, fields in groupby(own, lambda field: field.offset // LINE_BYTES * LINE_BYTES):
        last = min(line + LINE_BYTES, block.size_bytes) - 1
        rows.append(f"| {line}–{last} | {'<br>'.join(map(_field, fields))} |")
    return rows


def _field(field: Field) -> str:
    kind = field.ctype or f"{field.size_bytes} bytes"
    size = "" if kind == "i64" else f" ({kind})"
    return f"{field.offset} `{field.name}`{size}: {_cell(field.doc)}"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")
