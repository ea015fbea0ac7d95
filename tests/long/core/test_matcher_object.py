"""The C library: no Python in it, and the same answers as the engine's."""

import shutil
import subprocess
import sys

import pytest

from openoutcry.matcher.c_library.object_code import HEADER, LIBRARY
from tests.support.matcher.matcher_object import MATCHER

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (gcc) here")


@pytest.mark.long
def test_make_builds_it_and_runs_the_example(tmp_path):
    """`make -C matcher example` makes `object` first, which leaves library and headers where it is
    told, compiles the example as C11 with nothing defined, and runs it."""
    if shutil.which("make") is None:
        pytest.skip("no make here")
    command = ["make", "-s", "-C", str(MATCHER), "example"]
    done = subprocess.run(
        [*command, f"PYTHON={sys.executable}", f"OUT={tmp_path}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        LIBRARY, HEADER, "outcry_wire.h", "example",
    }  # fmt: skip
    assert "warning" not in done.stderr
    assert len(done.stdout.splitlines()) > 4
