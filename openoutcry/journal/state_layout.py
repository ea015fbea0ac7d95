"""The layout of the state whose hash a run records, so that a hash of another layout is told from
another behaviour.

The hash of a state covers the words of its blocks.  A release that adds or moves a word hashes
other bytes of the same state, so two hashes are compared only if their layouts are the same.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from importlib import import_module
from typing import Any

from openoutcry.wire.layout import Layout

MODULES = (
    "openoutcry.derivatives.margin_layout",
    "openoutcry.risk.contract_layout",
    "openoutcry.risk.layout",
    "openoutcry.risk.movements",
    "openoutcry.risk.own_limits",
    "openoutcry.risk.portfolio_layout",
    "openoutcry.risk.protection_layout",
    "openoutcry.risk.requests",
    "openoutcry.risk.speed_bump",
    "openoutcry.risk.spot_layout",
    "openoutcry.wire.rule_changes",
)
"""Modules that declare blocks of the state."""
HASHING = 1
"""Raise it when the hash of the same words becomes another one."""
KEY, UNKNOWN = "state_layout", "unknown"
"""The field of a record with the layout, and what stands for it in records of releases that did not
write it."""


def blocks() -> Iterator[type[Layout]]:
    """Yield every block of the state."""
    for name in MODULES:
        for block in vars(import_module(name)).values():
            if isinstance(block, type) and issubclass(block, Layout) and block.__module__ == name:
                yield block


@cache
def state_layout() -> str:
    """Return this build's version of the state's layout, 8 hexadecimal digits."""
    rows = [
        (block.__name__, block.size_bytes, field.name, field.ctype, field.offset)
        for block in blocks()
        for field in block.fields.values()
    ]
    return blake2b(repr((HASHING, sorted(rows))).encode(), digest_size=4).hexdigest()


def other_layout(recorded: Mapping[str, Any]) -> str:
    """Return in words how the layout of a record's state differs from this build's, '' if it does
    not."""
    then, now = str(recorded.get(KEY, UNKNOWN)), state_layout()
    if then == now:
        return ""
    return f"the state's layout changed from version {then} to {now} and cannot be compared"
