"""wire/kernel.py: one compiler policy, and a cache that never returns an old answer."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openoutcry.wire import kernel as kernel_module
from tests.support.waiting import BOUND_S
from tests.support.wire import wire_kernel as shared
from tests.support.wire.wire_kernel import ASK, ask, needs_level, ship

tree = shared.tree


@pytest.mark.promise(
    "Compiled code is loaded only from a folder that belongs to the user alone; without one, "
    "nothing is cached. A changed source is never served by an old compiled kernel",
    group="secrets",
)
def test_an_edited_constant_in_a_callees_file_changes_the_answer(tree):
    """The compiled caller is found again while nothing changed, and compiled anew once a constant
    did in the other file, which numba's own cache would not notice."""
    cache, answer, hits = ask(tree)
    assert (answer, hits) == (11, 0)
    assert ask(tree) == (cache, 11, 1)
    callee = tree / "openoutcry" / "flow" / "callee.py"
    callee.write_text(callee.read_text().replace("STEP = 5", "STEP = 7"))
    other_cache, answer, hits = ask(tree)
    assert (answer, hits) == (15, 0)
    assert other_cache != cache


def test_an_edit_costs_only_the_kernels_that_can_reach_it(tree):
    """A module that the caller does not import, however deep it lies, leaves its code as it is."""
    cache, _, _ = ask(tree)
    nested = tree / "openoutcry" / "flow" / "deep"
    nested.mkdir()
    (nested / "__init__.py").write_text("")
    (nested / "other.py").write_text("ANSWER = 1\n")
    assert ask(tree) == (cache, 11, 1)
    caller = tree / "openoutcry" / "flow" / "caller.py"
    caller.write_text(
        caller.read_text().replace(
            "from openoutcry.flow.callee import step",
            "from openoutcry.flow.callee import (\n    step,  # in steps\n)\n"
            "from openoutcry.flow.deep import other",
        )
    )
    cache, _, hits = ask(tree)
    assert hits == 0
    (nested / "other.py").write_text("ANSWER = 2\n")
    other_cache, _, hits = ask(tree)
    assert hits == 0
    assert other_cache != cache


def test_what_was_edited_after_it_was_imported_is_not_kept(tree):
    """The process goes on with what it imported, and leaves nothing that one which imports the
    edited source would take for its own."""
    callee = tree / "openoutcry" / "flow" / "callee.py"
    edit = (
        "import pathlib, time\n"
        "from openoutcry.flow import caller\n"
        f"file = pathlib.Path({str(callee)!r})\n"
        "time.sleep(0.05)  # the clock of files is coarser\n"
        "file.write_text(file.read_text().replace('STEP = 5', 'STEP = 7'))\n"
        "print(caller.two_steps(1), type(caller.two_steps._cache).__name__)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tree), "OUTCRY_CACHE_DIR": str(tree / "cache")}
    # Python's own files of what it compiled tell an edit by seconds and size.
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", edit], env=environment, capture_output=True, text=True, cwd=tree
    )
    assert done.stdout.split() == ["11", "NullCache"], done.stderr
    assert not list((tree / "cache").rglob("*.nbi"))
    assert not list((tree / "cache").rglob("*.callee"))
    assert ask(tree)[1:] == (15, 0)


COUNTED = """
from openoutcry.wire import kernel

compiled = []
compile_callee = kernel._CalleeCompiler.compile_extra


def counted(compiler, function):
    compiled.append(function.__name__)
    return compile_callee(compiler, function)


kernel._CalleeCompiler.compile_extra = counted
from openoutcry.flow.other import three_steps

print(three_steps(1), *compiled)
"""
OTHER = """
from openoutcry.flow.callee import step
from openoutcry.flow.caller import two_steps
from openoutcry.wire.kernel import kernel


@kernel
def three_steps(x):
    return step(two_steps(x))
"""


def test_a_function_that_several_kernels_reach_is_compiled_once(tree):
    """Another process links what the first has compiled.  What is damaged, or of an edited source,
    is compiled anew."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"OUTCRY_CACHE_DIR": str(tree / "cache")}
    (tree / "openoutcry" / "flow" / "other.py").write_text(OTHER)

    def count() -> list[str]:
        for index in (tree / "cache").rglob("*three_steps*.nbi"):
            index.unlink()
        done = subprocess.run(
            [sys.executable, "-c", COUNTED],
            env=environment,
            capture_output=True,
            text=True,
            cwd=tree,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert ask(tree)[1:] == (11, 0)
    assert count() == ["16", "two_steps"], "the caller called step before, and Python two_steps"
    assert count() == ["16"]
    (step,) = (tree / "cache").rglob("step-*.callee")
    whole = step.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1], bytes(changed)):
        step.write_bytes(damaged)
        assert count() == ["16", "two_steps", "step"]
        assert count() == ["16"]
    step.unlink()
    assert count() == ["16", "two_steps", "step"]
    callee = tree / "openoutcry" / "flow" / "callee.py"
    callee.write_text(callee.read_text().replace("STEP = 5", "STEP = 7"))
    assert count() == ["22", "two_steps", "step"]


def test_a_copy_of_the_same_sources_compiles_nothing(tree, tmp_path):
    """Who has the tree twice, or installs the same wheel again, has its kernels already; another
    constant in the copy makes them its own."""
    cache, answer, hits = ask(tree)
    assert (answer, hits) == (11, 0)
    copy = shutil.copytree(tree, tmp_path / "copy", ignore=shutil.ignore_patterns("cache"))
    assert ask(copy, OUTCRY_CACHE_DIR=str(tree / "cache")) == (cache, 11, 1)
    callee = copy / "openoutcry" / "flow" / "callee.py"
    callee.write_text(callee.read_text().replace("STEP = 5", "STEP = 7"))
    other_cache, answer, hits = ask(copy, OUTCRY_CACHE_DIR=str(tree / "cache"))
    assert (answer, hits) == (15, 0)
    assert other_cache != cache


def test_processes_that_need_a_kernel_at_once_compile_it_once(tree):
    """Five begin together in an empty cache: one compiles, four load what it has compiled."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"OUTCRY_CACHE_DIR": str(tree / "cache")}
    start = "import sys\nfrom openoutcry.flow import caller\nprint(flush=True)\nsys.stdin.read()\n"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", start + ASK],
            env=environment,
            cwd=tree,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(5)
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.close()
    hits = []
    for process in processes:
        with process:
            _, cache, answer, hit = process.stdout.read().strip().split("|")
        assert answer == "11"
        hits.append(int(hit))
    assert sorted(hits) == [0, 1, 1, 1, 1]
    assert not list(Path(cache).glob("*.lock"))


@pytest.mark.parametrize(("ended", "patience_s"), [(True, 600), (False, 0.1)])
def test_no_process_waits_for_one_that_compiles_no_more(tmp_path, monkeypatch, ended, patience_s):
    """Killed, it holds the lock no longer; stopped, it is waited for a while.  No file is left."""
    monkeypatch.setattr(kernel_module, "PATIENCE_S", patience_s)
    index, begun = tmp_path / "kernel.nbi", tmp_path / "begun"
    child = os.fork()
    if child == 0:
        with kernel_module._compile_lock(index):
            begun.touch()
            signal.pause()
    while not begun.exists():
        time.sleep(0.001)
    if ended:
        os.kill(child, signal.SIGKILL)
    with kernel_module._compile_lock(index):
        begun.unlink()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert list(tmp_path.iterdir()) == []


@needs_level
def test_what_the_package_has_with_it_is_not_compiled(tree):
    """Nothing is compiled, nothing is written into the user's cache, the answer is the same; and
    no path of who compiled it has gone along."""
    there = ship(tree)
    cache, answer, hits = ask(tree)
    assert (answer, hits) == (11, 1)
    assert list(cache.glob("*.nb?")) == []
    for file in there.rglob("*.nb?"):
        assert str(tree).encode() not in file.read_bytes(), file


def test_verify_has_separate_kernels(tree):
    """Kernels with assertions and kernels without never stand in for each other."""
    plain, _, _ = ask(tree, OUTCRY_VERIFY="0")
    verified, answer, hits = ask(tree, OUTCRY_VERIFY="1")
    assert (answer, hits) == (11, 0)
    assert verified != plain


def test_cache_goes_where_it_can(tree):
    """When the folder asked for cannot be made, the user's cache folder is the next choice."""
    (tree / "file").write_text("")
    cache, answer, _ = ask(
        tree, OUTCRY_CACHE_DIR=str(tree / "file"), XDG_CACHE_HOME=str(tree / "xdg")
    )
    assert answer == 11
    assert cache.is_relative_to(tree / "xdg" / "openoutcry")


def test_a_process_that_asked_duckdb_ends_without_a_word():
    """What is left alone when a process ends is no leak that DuckDB would have to name."""
    pytest.importorskip("duckdb")
    code = "import openoutcry.wire.kernel, duckdb; duckdb.connect().execute('select 1').fetchall()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=BOUND_S
    )
    assert (done.returncode, done.stderr) == (0, "")
