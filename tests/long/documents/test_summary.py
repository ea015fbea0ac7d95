"""The end of a test run says once what this machine lacks (tests/conftest.py)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

SKIPPING = """
import pytest

@pytest.mark.skipif(True, reason="no such data")
def test_a():
    pass

def test_b():
    pytest.skip("no such data")

def test_c():
    pytest.skip("no such tool")

def test_d():
    pass
"""
EXPECTED = """\
no such data: 4 tests in test_one.py, test_two.py
no such tool: 2 tests in test_one.py, test_two.py
pytest.importorskip of no_such_module: 1 test in test_three.py
"""


@pytest.mark.parametrize("workers", [pytest.param("0", marks=pytest.mark.long), "2"])
def test_what_is_missing_is_said_once_with_the_tests_that_need_it(
    tmp_path: Path, workers: str
) -> None:
    """One line a reason, of all files, whichever worker ran them; nothing where nothing is
    missing."""
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(SKIPPING)
    (tmp_path / "test_three.py").write_text(
        "import pytest\n"
        "pytest.importorskip('no_such_module', reason='pytest.importorskip of no_such_module')\n"
    )
    (tmp_path / "test_whole.py").write_text("def test_e():\n    pass\n")
    assert EXPECTED in run(tmp_path, "-n", workers, "--dist", "loadgroup")
    if workers == "0":
        assert "missing" not in run(tmp_path, "test_whole.py")


def run(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
