"""The promises of docs/security.md, and the tests that show them.

    python -m tests.support.promises

A test says what it shows by ``@pytest.mark.promise("…", group="…")``; this command writes the
tables of the page from these markers, each between ``<!-- promises: GROUP -->`` and
``<!-- end -->``.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests import ROOT

PAGE = ROOT / "docs" / "security.md"
PLACE = re.compile(r"(<!-- promises: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)
Promises = dict[str, dict[str, list[str]]]
"""By group: each promise with the tests that show it (path::name)."""


def markers(path: Path) -> Iterator[tuple[str, str, str]]:
    """Group, promise and test of each marker of a file.  Raises ``ValueError`` for a marker that
    is not written as two strings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for one in node.decorator_list:
            if not isinstance(one, ast.Call) or ast.unparse(one.func) != "pytest.mark.promise":
                continue
            try:
                (text,) = map(ast.literal_eval, one.args)
                groups = {word.arg: ast.literal_eval(word.value) for word in one.keywords}
                group = groups["group"]
            except (ValueError, KeyError) as error:
                raise ValueError(f"{path}:{one.lineno}: a promise is a text and a group") from error
            yield group, text, f"{path.relative_to(ROOT)}::{node.name}"


@cache
def promises() -> Promises:
    found: Promises = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if ".promise(" not in path.read_text():
            continue
        for group, text, test in markers(path):
            found.setdefault(group, {}).setdefault(text, []).append(test)
    return found


def table(of_group: dict[str, list[str]]) -> str:
    lines = ["| promise | test |", "|---|---|"]
    for text, tests in sorted(of_group.items()):
        lines.append(f"| {text} | {', '.join(f'`{test}`' for test in tests)} |")
    return "\n".join(lines) + "\n"


def filled(page: str, found: Promises) -> str:
    """The page with the tables of ``found``.  Raises ``ValueError`` for a group without a place, or
    a place without a promise."""
    places = {group for _, group, _ in PLACE.findall(page)}
    if places != set(found):
        raise ValueError(f"{PAGE.name} and the markers differ in {sorted(places ^ set(found))}")
    return PLACE.sub(lambda at: at[1] + table(found[at[2]]) + at[3], page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(), promises()))
