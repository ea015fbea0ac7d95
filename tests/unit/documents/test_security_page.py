"""docs/security.md and docs/threat-model.md promise nothing without a test."""

import re

from tests import ROOT
from tests.support.promises import PAGE, filled, promises

TEXT = PAGE.read_text()
MODEL = (PAGE.parent / "threat-model.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_its_tables_are_those_of_the_markers() -> None:
    """``python -m tests.support.promises`` writes them."""
    found = promises()
    assert sum(map(len, found.values())) >= 100
    assert filled(TEXT, found) == TEXT


def test_each_test_that_the_pages_name_exists() -> None:
    for path, name in set(NAMED.findall(TEXT + MODEL)):
        source = (ROOT / path).read_text()
        assert re.search(rf"^(async )?def {name}\(", source, re.M), f"{path}::{name}"


def test_each_line_of_the_threat_model_names_a_test() -> None:
    rows = [line for line in MODEL.splitlines() if line.startswith("| ")]
    lines = [line for line in rows if not line.startswith("| a thief has |")]
    assert len(lines) > 30
    assert [line for line in lines if not NAMED.search(line.rpartition(" | ")[2])] == []


def test_each_group_of_promises_has_a_smoke_test() -> None:
    """`make test` runs the unit tests and these."""
    smoke = smoke_tests()
    for group, of_group in promises().items():
        tests = {test for tests in of_group.values() for test in tests}
        assert any("/unit/" in test or test in smoke for test in tests), group


def smoke_tests() -> set[str]:
    marked = re.compile(
        r"^@pytest\.mark\.smoke\n(?:(?:@.*|    .*|\))\n)*(?:async )?def (\w+)", re.M
    )
    return {
        f"{path.relative_to(ROOT)}::{name}"
        for path in (ROOT / "tests/system").rglob("test_*.py")
        for name in marked.findall(path.read_text())
    }


def test_the_missing_authentication_is_said_before_anything_is_promised() -> None:
    first = TEXT.partition("\n## ")[0]
    assert "has no authentication" in first
    assert "Any sender can name any participant" in first
