"""The kernels' assertions, asked in processes of their own: with OUTCRY_VERIFY=1 and without."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests import ROOT

FIRES = """
def fires(call, *arguments):
    try:
        call(*arguments)
    except AssertionError:
        return True
    return False
"""

MACHINE_CODE = """
import importlib, importlib.util, re, sys
from numba import types

def code(kernel):
    '''The compiled function's instructions, names of functions and labels levelled.'''
    kernel.compile((types.int64,) * kernel.py_func.__code__.co_argcount)
    (signature,) = kernel.signatures
    lines = kernel.inspect_asm(signature).splitlines()
    lines = [line for line in lines if re.match(r"\\t[a-z]", line)]
    name = re.compile(r"[_.]?[$\\w.]*_ZN[$\\w.]*|\\.[\\w.]+")
    return [name.sub("NAME", line) for line in lines]

for words in sys.argv[1:]:
    module, path, *names = words.split()
    spec = importlib.util.spec_from_file_location("without_asserts", path)
    stripped = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stripped)
    for name in names:
        ours = code(getattr(importlib.import_module(module), name))
        print(module, name, len(ours) > 3, ours == code(getattr(stripped, name)))
"""


def python(*arguments: str, **variables: str) -> str:
    """What a fresh process prints, with the tests' helpers on its path."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_fires_under_verify_alone(calls: str, verify: bool) -> None:
    """``calls``: Python that prints a dict of which wrong call fired; "right": whether one that is
    not wrong did."""
    fired = eval(python("-c", FIRES + calls, OUTCRY_VERIFY=str(int(verify))))
    assert not fired.pop("right")
    assert fired == dict.fromkeys(fired, verify)


def without_asserts(source: str) -> str:
    """A module's source without the blocks that only VERIFY compiles in."""
    stripped = re.sub(r"\n( +)if VERIFY:(\n(\1 .*)?)+(?=\n|$)", "", source)
    assert "if VERIFY" not in stripped
    return stripped


def assert_costs_nothing(kernels: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    """Without VERIFY each kernel, of a module, is instruction by instruction what comes of the
    source without its assertions; with them it is not."""
    words = []
    for number, (module, names) in enumerate(kernels.items()):
        source = (ROOT / Path(*module.split(".")[1:])).with_suffix(".py").read_text()
        path = tmp_path / f"without_asserts_{number}.py"
        path.write_text(without_asserts(source))
        words.append(" ".join([module, str(path), *names]))
    for verify in (True, False):
        printed = python(
            "-c",
            MACHINE_CODE,
            *words,
            OUTCRY_VERIFY=str(int(verify)),
            OUTCRY_CACHE_DIR=str(tmp_path / "cache"),
        )
        assert printed.splitlines() == [
            f"{module} {name} True {not verify}" for module in kernels for name in kernels[module]
        ]


def assert_passes_under_verify(*tests: str) -> None:
    """These tests pass with the assertions compiled in."""
    done = python("-m", "pytest", "-x", "-v", *tests, OUTCRY_VERIFY="1")
    assert " passed" in done
