"""Write docs/layouts.md: every private block of memory, field by field.

``python -m tests.support.documents.layouts`` writes it; a test compares.
"""

import ast
import operator
from collections.abc import Iterator
from importlib import import_module

from openoutcry.wire.layout import Layout
from tests import ROOT
from tests.support.documents.rooms import rooms

PAGE = ROOT / "docs" / "layouts.md"
HEAD = """<!-- Written by python -m tests.support.documents.layouts. -->
# Blocks of memory, byte by byte

What the stages keep in memory and share with each other, little-endian. [Wire](wire.md) has the
records on the wire and on the disk. Each block is a `Layout`
([decision 024](decisions/024-layouts.md)); in a debugger or a test,
`dict(OrderRow(address).dump())` shows one with its values.
"""


def blocks() -> Iterator[type[Layout]]:
    """Every layout that a room declares, by its room and name."""
    for room in rooms():
        if room in ("tests", "wire"):
            continue
        for path in sorted((ROOT / room).rglob("*.py")):
            text = path.read_text()
            if "openoutcry.wire.layout import" not in text:
                continue
            module = import_module(f"openoutcry.{'.'.join(path.relative_to(ROOT).parts)[:-3]}")
            for node in ast.parse(text).body:
                block = getattr(module, node.name) if isinstance(node, ast.ClassDef) else None
                if isinstance(block, type) and issubclass(block, Layout):
                    yield block


def page() -> str:
    lines = [HEAD]
    for block in blocks():
        base = block.__mro__[1]
        own = [field for name, field in block.fields.items() if name not in base.fields]
        own.sort(key=operator.attrgetter("offset"))
        place = block.__module__.removeprefix("openoutcry.").replace(".", "/")
        text = " ".join((block.__doc__ or "").split())
        begins = "" if base is Layout else f" Begins as `{base.__name__}`."
        lines += [f"## {block.__name__}", ""]
        lines += [f"`{place}.py`, {block.size_bytes} bytes. {text}{begins}", ""]
        lines += ["| byte | type | field | meaning |", "|---|---|---|---|"]
        for field in own:
            kind = field.ctype or f"{field.size_bytes} bytes"
            meaning = field.doc.replace("``", "`").replace("|", "\\|")
            lines.append(f"| {field.offset} | {kind} | `{field.name}` | {meaning} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"written: {PAGE.relative_to(ROOT)}")
