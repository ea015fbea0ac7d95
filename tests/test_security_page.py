"""docs/security.md promises nothing without a test."""

import re

from user_commands import DOCS, ROOT

PAGE = (DOCS / "security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> list[tuple[str, str]]:
    """Promise and evidence: the rows of the tables with a column of tests."""
    tables = re.findall(r"^\| promise \| test \|\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    rows = [row.strip("| ").split(" | ") for table in tables for row in table.splitlines()]
    assert all(len(row) == 2 for row in rows)
    return [(row[0], row[1]) for row in rows]


def test_each_promise_names_a_test_that_exists() -> None:
    assert len(promises()) >= 25
    for promise, evidence in promises():
        named = NAMED.findall(evidence)
        assert named, promise
        for path, name in named:
            source = (ROOT / path).read_text()
            assert re.search(rf"^(async )?def {name}\(", source, re.M), f"{path}::{name}"


def test_every_test_that_the_page_names_stands_beside_a_promise() -> None:
    beside = {name for _, evidence in promises() for name in NAMED.findall(evidence)}
    assert set(NAMED.findall(PAGE)) == beside


def test_the_missing_authentication_is_said_before_anything_is_promised() -> None:
    first = PAGE.partition("\n## ")[0]
    assert "has no authentication" in first
    assert "Any sender can name any participant" in first
