"""What is missing is compiled by several processes, each part by one of them, and none by the
process that asks for it."""

import os
import signal
import time
from collections import Counter

import pytest

from openoutcry.host.processes import named_children
from openoutcry.pipeline import compile as module
from openoutcry.pipeline.compile import Part, compile_parts
from tests.support.waiting import wait_until


class Compiler:
    """Kernels are names; those that were compiled are lines of a file, each with its process."""

    def __init__(self, folder, monkeypatch):
        self.path = folder / "compiled"
        self.path.touch()
        self.kept = {"kept"}
        self.does = lambda name: None
        self.said = []
        monkeypatch.setattr(module, "is_kept", self.is_kept)
        monkeypatch.setattr(module, "compile_kernel", self.compile)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})

    @property
    def lines(self):
        return [line.split() for line in self.path.read_text().splitlines()]

    def is_kept(self, name):
        return name in self.kept or name in {one for _, one in self.lines}

    def compile(self, name, count):
        self.does(name)
        with self.path.open("a") as file:
            file.write(f"{os.getpid()} {name}\n")

    def say(self, what, done, total):
        self.said.append((what, done, total))


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    return Compiler(tmp_path, monkeypatch)


def part(label, *names, long=True):
    return Part(label, [(name, 1) for name in names], long)


def test_each_part_that_is_missing_is_compiled_by_one_process_and_not_by_this_one(compiler):
    parts = [part("one", "a", "kept", "b"), part("none", "kept"), part("two", "c"), part("3", "d")]
    met = compiler.path.with_name("met")

    def waits_for_the_other(name):
        """Until the second process has its first part, too."""
        if name == "c":
            met.touch()
        if name == "a":
            wait_until(met.exists, "the second process has a part")

    compiler.does = waits_for_the_other
    compile_parts(parts, compiler.say)
    by_name = {name: int(pid) for pid, name in compiler.lines}
    assert Counter(name for _, name in compiler.lines) == Counter("abcd")
    assert by_name["a"] == by_name["b"] != by_name["c"]
    assert os.getpid() not in by_name.values()
    assert {total for _, _, total in compiler.said} == {3}
    assert compiler.said[0][1] == 0
    assert "one" in compiler.said[0][0]
    assert "s so far" in compiler.said[0][0]
    before = list(compiler.said)
    compile_parts(parts, compiler.say)
    assert compiler.said == before


def test_what_fails_or_is_killed_is_left_and_the_rest_is_done(compiler):
    def fails(name):
        if name == "fails":
            raise OSError("no room")
        if name == "dies":
            os.kill(os.getpid(), signal.SIGKILL)

    compiler.does = fails
    compile_parts([part("1", "dies"), part("2", "fails", "x"), part("3", "y")], compiler.say)
    assert {name for _, name in compiler.lines} == {"y"}
    assert named_children(os.getpid()) == []


def test_an_interrupt_ends_the_processes(compiler):
    compiler.does = lambda name: time.sleep(600)

    def interrupt(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_parts([part("1", "a"), part("2", "b")], interrupt)
    assert named_children(os.getpid()) == []
    assert compiler.lines == []


def test_what_is_short_is_left_to_this_process(compiler):
    compile_parts([part("1", "a", long=False), part("2", "kept")], compiler.say)
    assert compiler.lines == compiler.said == []
