"""Fixtures of tests that run the real command: a way to run it, a look at what it leaves."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipeline import warm_outcry
from tests.support.processes import left_behind, left_since


@pytest.fixture
def outcry(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``outcry`` in an empty folder of its own."""

    def run(*arguments: object, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        return warm_outcry.run(arguments, tmp_path, timeout_s)

    return run


@pytest.fixture
def outcry_json(outcry: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Run ``outcry … --json``, expect success, return the document."""

    def run(*arguments: object) -> dict[str, Any]:
        done = outcry(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Every test leaves the shared memory as it found it."""
    before = left_behind()
    yield
    left = left_since(before)
    assert not left, f"left in /dev/shm: {sorted(left)}"
