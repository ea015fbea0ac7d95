"""Programs among the tests, which no test imports, import only what is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests import ROOT


def programs() -> list[Path]:
    """Return the programs of storms, measurements and judges."""
    return [
        path
        for tier in ("long", "support", "oracles")
        for path in sorted((ROOT / "tests" / tier).rglob("*.py"))
        if 'if __name__ == "__main__":' in path.read_text()
    ]


def missing(source: str) -> Iterator[str]:
    """Names that are imported from modules of the tests and are not there."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("tests."):
            continue
        folder = ROOT.joinpath(*str(node.module).split("."))
        module = folder.with_suffix(".py")
        text = module.read_text() if module.exists() else (folder / "__init__.py").read_text()
        for alias in node.names:
            name = rf"\b{alias.name}\b"
            known = re.search(name, text)
            if not known and not (folder / f"{alias.name}.py").exists():
                yield f"{node.module}.{alias.name}"


def test_programs_import_what_is_there() -> None:
    found = programs()
    assert len(found) > 10
    assert {str(path): list(missing(path.read_text())) for path in found} == {
        str(path): [] for path in found
    }


def test_a_name_that_is_not_there_is_seen() -> None:
    there = "from tests.support.processes import free_port\nfrom tests.support import waiting\n"
    assert list(missing(there)) == []
    gone = "from tests.support.waiting import free_port\n"
    assert list(missing(gone)) == ["tests.support.waiting.free_port"]
