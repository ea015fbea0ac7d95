"""Tests: tiers unit, system and long; oracles and support as packages."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""


def folder_of(room: str) -> Path:
    """Return the folder of a room: inside the package, but for the tests."""
    return ROOT / room if room.startswith("tests") else ROOT / "openoutcry" / room


def inside(path: Path) -> Path:
    """Return a module's path from the package, or of a test from the checkout."""
    package = ROOT / "openoutcry"
    return path.relative_to(package if path.is_relative_to(package) else ROOT)


# The processes that tests start find the helpers, too.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)
