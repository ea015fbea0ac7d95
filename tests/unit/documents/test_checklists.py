"""The files and modules that the contributors' checklists name exist."""

import re

import pytest

from openoutcry import PACKAGE
from tests import ROOT

SECTIONS = {
    "docs/for-contributors.md": ("## Five commands", ""),
    "docs/matcher.md": ("## Adding an order type", "matcher/"),
    "docs/topology.md": ("## A new stage", ""),
}
"""By page: where its checklists begin, and the folder that they leave out."""
WRITTEN = {"build/flaky.json"}
"""Made by a run."""


def checklists(page: str) -> str:
    return (ROOT / page).read_text().partition(SECTIONS[page][0])[2]


def missing_files(text: str, folder: str = "") -> list[str]:
    """Paths with a folder that are neither at the root nor in the package or its ``folder``."""
    named = set(re.findall(r"`(\w+(?:/\w+)+\.\w+)`", text)) - WRITTEN
    places = ROOT, PACKAGE, PACKAGE / folder
    return [one for one in sorted(named) if not any((place / one).exists() for place in places)]


def missing_modules(text: str) -> list[str]:
    """Modules of ``python -m`` that are not there."""
    named = (one.replace(".", "/") for one in re.findall(r"python -m ((?:\w+\.)+\w+)", text))
    return [one for one in named if not (ROOT / f"{one}.py").exists()]


@pytest.mark.parametrize("page", SECTIONS)
def test_what_a_checklist_names_exists(page: str) -> None:
    text = checklists(page)
    assert text, f"{page} has no heading {SECTIONS[page][0]!r}"
    assert missing_files(text, SECTIONS[page][1]) == []
    assert missing_modules(text) == []


def test_what_is_missing_is_found() -> None:
    text = "`wire/nowhere.py` `wire/enums.py` `book/arena.py` python -m openoutcry.wire.nothing"
    assert missing_files(text) == ["book/arena.py", "wire/nowhere.py"]
    assert missing_files(text, "matcher/") == ["wire/nowhere.py"]
    assert missing_modules(text) == ["openoutcry/wire/nothing"]
