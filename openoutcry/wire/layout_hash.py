"""Layout hashes: whether two builds have the same records, and which is older."""

import hashlib
import json
from pathlib import Path

from openoutcry.wire.enums import ENUMS
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import MAGICS, RECORDS

HISTORY_PATH = Path(__file__).with_name("layout_history.json")


READABLE = (
    "55381ad72a83c94a",
    "d90c24cf08e0dc00",
    "73413abe1d1fac0d",
    "b50de362a42ea723",
    "98e5021727a1718d",
    "8a7c243368d0c816",
    "319ba7b0e4fae16f",
)
"""Older layouts to which later ones only added values of enumerations.  Their records mean the same
today: a journal that begins with one is read, replayed and continued."""


class LayoutMismatch(OutcryError):
    """Two parties were built from different record declarations."""


def layout_text() -> str:
    """The declarations in one canonical text: what the layout hash is taken over."""
    lines = []
    for record in RECORDS:
        lines.append(f"record {record.name} {record.size_bytes}")
        lines += [f"  {record.offsets[f.name]} {f.ctype} {f.name}" for f in record.fields]
    for enum in ENUMS:
        lines.append(f"enum {enum.__name__}")
        lines += [f"  {int(member)} {member.name}" for member in enum]
    lines += [f"magic {name} {value:#x}" for name, value in MAGICS.items()]
    return "\n".join(lines) + "\n"


def layout_history() -> list[str]:
    """Hashes of every layout ever released, oldest first, as 16 hexadecimal digits."""
    return [str(h) for h in json.loads(HISTORY_PATH.read_text())]


LAYOUT_HASH = int.from_bytes(hashlib.blake2b(layout_text().encode(), digest_size=8).digest())
LAYOUT_VERSION = len(layout_history())


def is_readable(layout_hash: int) -> bool:
    """Return whether this build reads records of that layout: its own, or one of READABLE."""
    return layout_hash == LAYOUT_HASH or f"{layout_hash:016x}" in READABLE


def check_readable(layout_hash: int, where: str) -> None:
    """Like :func:`check_layout`, for records at rest, which may be of a layout in READABLE."""
    if not is_readable(layout_hash):
        check_layout(layout_hash, where)


def check_layout(layout_hash: int, where: str) -> None:
    """Raise :class:`LayoutMismatch` unless ``layout_hash`` is this build's layout hash.

    ``where`` names the file or segment; the message says which side is older.
    """
    if layout_hash == LAYOUT_HASH:
        return
    history = layout_history()
    text = f"{layout_hash:016x}"
    if text in history:
        age = f"it is older (layout {history.index(text) + 1}, this program has {len(history)})"
    else:
        age = f"it is newer than this program (layout {len(history)}) or not of Open Outcry"
    raise LayoutMismatch(f"{where} was written with layout {text}: {age}")
