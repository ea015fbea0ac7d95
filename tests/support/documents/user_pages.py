"""What the tests of user pages in several tiers share."""

from pathlib import Path

import pytest

from tests.support.user_commands import (
    DOCS,
    copy_of_the_tree,
)

PAGES = sorted(path.name for path in DOCS.glob("for-*.md"))
FEWER_ORDERS = " --orders 2000"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("clone"))


@pytest.fixture
def clone_first(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands import the copy of the tree, not the installed package."""
    monkeypatch.setenv("PYTHONPATH", str(clone))
    return clone
