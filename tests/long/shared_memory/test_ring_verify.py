"""Assertions in the ring's kernels: they fire under VERIFY, and leave no trace without it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

WRONG_CALLS = """
from ring_processes import RECORD, make_records, ring_name
from openoutcry.ring import RingBuffer, kernels

def fires(call):
    try:
        call()
    except AssertionError:
        return True
    return False

with RingBuffer.create(ring_name("verify"), 8, RECORD, ["a"], multi_producer=True) as ring:
    records = make_records(1, 1, 6)
    reader, producer = ring.reader("a"), ring.producer()
    producer.publish(records[:3])
    place, data = (ring.address, ring.mask), records.ctypes.data
    calls = {
        "cursor moved back": lambda: kernels.release(reader.entry, -1),
        "published twice": lambda: kernels.publish(*place, 3, data),
        "published twice, sized": lambda: kernels.publish_sized(*place, ring.shift, 3, data),
        "an older sequence over a newer": lambda: kernels.publish(*place, -6, data),
        "stamped twice": lambda: kernels.stamp_range(*place, ring.shift, 3, 1),
        "a publication buried": lambda: kernels.bury(*place, ring.shift, 3, 3),
        "nothing claimed": lambda: kernels.claim(*place, producer.entry, 0),
        "no room": lambda: kernels.publish_allowed(*place, ring.shift, 4, data, 6),
        "right": lambda: kernels.release(reader.entry, 2),
    }
    print({name: fires(call) for name, call in calls.items()})
"""

MACHINE_CODE = """
import importlib.util, re, sys
from numba import types
from openoutcry.ring import kernels

def code(kernel):
    '''The compiled function's instructions, names of functions and labels levelled.'''
    kernel.compile((types.int64,) * kernel.py_func.__code__.co_argcount)
    (signature,) = kernel.signatures
    assembly = kernel.inspect_asm(signature)
    lines = [line for line in assembly.splitlines() if re.match(r"\\t[a-z]", line)]
    name = re.compile(r"[_.]?[$\\w.]*_ZN[$\\w.]*|\\.[\\w.]+")
    return "\\n".join(name.sub("NAME", line) for line in lines)

spec = importlib.util.spec_from_file_location("without_asserts", sys.argv[1])
stripped = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stripped)
for name in sys.argv[2:]:
    ours, bare = code(getattr(kernels, name)), code(getattr(stripped, name))
    llvm = getattr(kernels, name).inspect_llvm(getattr(kernels, name).signatures[0])
    raises = "AssertionError" in llvm or bool(re.search(r"ret i32 1$", llvm, re.M))
    print(name, len(ours.splitlines()) > 3, raises, ours == bare)
"""


def python(code: str, *arguments: str, **variables: str) -> str:
    """Run Python code in a fresh process with the tests' helpers on its path."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("verify", [True, False])
def test_a_deliberately_wrong_call_fires_under_verify_alone(verify: bool) -> None:
    """A cursor that goes back and a slot published twice; the right call passes either way."""
    fired = eval(python(WRONG_CALLS, OUTCRY_VERIFY=str(int(verify))))
    right = fired.pop("right")
    assert fired == dict.fromkeys(fired, verify)
    assert not right


@pytest.mark.parametrize("verify", [True, False])
def test_without_verify_the_machine_code_has_no_trace_of_them(verify: bool, tmp_path: Path) -> None:
    """Instruction by instruction it is what comes of the source with the assertions deleted; under
    VERIFY it is not, and it has a way to raise."""
    source = (ROOT / "ring" / "kernels.py").read_text()
    asserts = r"\n( +)if VERIFY:(\n\1    assert .*)+"
    stripped, count = re.subn(asserts, "", source)
    assert count >= 9
    assert "assert " not in stripped
    path = tmp_path / "without_asserts.py"
    path.write_text(stripped)
    names = ("publish", "publish_sized", "release", "publish_claim")
    printed = python(
        MACHINE_CODE,
        str(path),
        *names,
        OUTCRY_VERIFY=str(int(verify)),
        OUTCRY_CACHE_DIR=str(tmp_path / "cache"),
    )
    expected = [f"{name} True {verify} {not verify}" for name in names]
    assert printed.splitlines() == expected


@pytest.mark.long
def test_the_core_of_the_ring_tests_passes_under_verify() -> None:
    """The assertions hold wherever they are asked: one process, several, wraps, claims, kills."""
    tests = [
        *(f"system/shared_memory/test_ring{of}.py" for of in ("", "_claims", "_death", "_workers")),
        "unit/ring/test_ring_comeback.py::test_what_wait_promises_poll_keeps",
        "system/shared_memory/test_ring_comeback.py::"
        "test_a_consumers_successor_gets_what_was_read_and_not_released",
        "long/shared_memory/test_ring_comeback.py::"
        "test_a_consumer_that_comes_back_under_full_load_is_never_overtaken[multi-alone]",
        "system/shared_memory/test_ring_kills.py::"
        "test_kills_at_random_points_lose_and_double_nothing[1]",
        "system/shared_memory/test_ring_grid.py::test_one_producer_on_a_ring_of_several_is_the_same",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-m", "", *(f"tests/{test}" for test in tests)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OUTCRY_VERIFY": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
