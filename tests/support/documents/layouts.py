"""Print private blocks of memory, field by field: ``python -m tests.support.documents.layouts``.

NAME …   blocks or modules (``OrderRow``, ``order_entry/shm_layout``); none: all of them
"""

import ast
import operator
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby

from openoutcry.wire.layout import Field, Layout
from tests import folder_of, inside
from tests.support.documents.rooms import rooms

OF_WIRE = ("shm_feed.py",)
"""The records of the other modules there are on docs/wire.md."""


def blocks() -> Iterator[type[Layout]]:
    """Every layout that a room declares, by its room and name."""
    for room in rooms():
        if room == "tests":
            continue
        for path in sorted(folder_of(room).rglob("*.py")):
            if room == "wire" and path.name not in OF_WIRE:
                continue
            text = path.read_text()
            if "openoutcry.wire.layout import" not in text:
                continue
            module = import_module(f"openoutcry.{'.'.join(inside(path).parts)[:-3]}")
            for node in ast.parse(text).body:
                block = getattr(module, node.name) if isinstance(node, ast.ClassDef) else None
                if isinstance(block, type) and issubclass(block, Layout):
                    yield block


def listing(names: list[str]) -> str:
    """Each module's blocks, those named or all, a line for each field."""
    lines = []
    for module, members in groupby(blocks(), operator.attrgetter("__module__")):
        place = module.removeprefix("openoutcry.").replace(".", "/")
        chosen = [one for one in members if not names or one.__name__ in names or place in names]
        lines += [f"{place}.py", ""] if chosen else []
        for block in chosen:
            lines += [*_lines(block), ""]
    return "\n".join(lines)


def _lines(block: type[Layout]) -> list[str]:
    base = block.__mro__[1]
    own = [field for name, field in block.fields.items() if name not in base.fields]
    own.sort(key=operator.attrgetter("offset"))
    text = " ".join((block.__doc__ or "").split())
    begins = "" if base is Layout else f" Begins as {base.__name__}."
    return [f"  {block.__name__}, {block.size_bytes} bytes. {text}{begins}", *map(_field, own)]


def _field(field: Field) -> str:
    kind = field.ctype or f"{field.size_bytes} bytes"
    return f"    {field.offset:6} {field.name:24} {kind:10} {field.doc}"


if __name__ == "__main__":
    print(listing(sys.argv[1:]))
