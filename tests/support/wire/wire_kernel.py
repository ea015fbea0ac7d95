"""What the tests of wire kernel in several tiers share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from openoutcry import PACKAGE
from openoutcry.wire import shipped

CALLEE = """
from openoutcry.wire.kernel import kernel

STEP = 5


@kernel
def step(x):
    return x + STEP
"""

CALLER = """
from openoutcry.flow.callee import step
from openoutcry.wire.kernel import kernel


@kernel
def two_steps(x):
    return step(step(x))
"""

ASK = """
import openoutcry
from openoutcry.flow.caller import two_steps

answer = two_steps(1)
hits = sum(two_steps.stats.cache_hits.values())
print(openoutcry.__file__, two_steps._cache.cache_path, answer, hits, sep="|")
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of the package with wire and two small kernels, one calling the other."""
    package = tmp_path / "tree" / "openoutcry"
    shutil.copytree(
        PACKAGE / "wire", package / "wire", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(PACKAGE / "__init__.py", package)
    (package / "flow").mkdir()
    (package / "flow" / "__init__.py").write_text("")
    (package / "flow" / "callee.py").write_text(CALLEE)
    (package / "flow" / "caller.py").write_text(CALLER)
    return tmp_path / "tree"


def ask(tree, **variables):
    """Run the caller in a process of its own: (cache folder, answer, cache hits)."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"OUTCRY_CACHE_DIR": str(tree / "cache")} | variables
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, cwd=tree
    )
    assert done.returncode == 0, done.stderr
    package, cache, answer, hits = done.stdout.strip().split("|")
    assert Path(package).is_relative_to(tree)
    return Path(cache), int(answer), int(hits)


def ship(tree):
    """Compile for the level, as a wheel's kernels are, and put them into the package."""
    ask(tree, OUTCRY_CACHE_DIR=str(tree / "level"), **shipped.compiler_variables())
    (kernels,) = (tree / "level").glob("kernels-by-module-*")
    there = tree / "openoutcry" / shipped.FOLDER / kernels.name
    shutil.copytree(kernels, there)
    return there


needs_level = pytest.mark.skipif(
    not shipped.usable(), reason="this processor has not all of x86-64-v3: it cannot run them"
)
