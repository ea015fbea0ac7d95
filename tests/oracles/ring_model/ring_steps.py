"""Processes as step machines: generators that yield one atomic operation at a time.

A program is sent the result of each operation it yields and looks like the kernel that it stands
for.  Its local state is where its generators stand and their local variables, so waiting loops
close.  That rests on two habits: a result is put into a variable at once (``x = yield ...``), and a
``for`` around a ``yield`` runs over a ``range`` or a tuple whose variable tells how far it is.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

Facts = frozenset[tuple[Any, ...]]
Test = Callable[[int], bool]
Dead = Callable[[str], bool]
Fault = Callable[[Facts, Dead], bool]
Good = Callable[[Facts, Callable[[str], int]], bool]
New = Callable[[int], int | None]


class Op(NamedTuple):
    """One atomic step: what it is, where, and up to two arguments."""

    kind: str
    word: str = ""
    a: Any = None
    b: Any = None


Code = Generator[Op, Any, Any]
Program = Callable[[], Code]


# What a process may do


def load(word: str) -> Op:
    """Relaxed: a plain load."""
    return Op("load", word, None, False)


def acquire(word: str) -> Op:
    return Op("load", word, None, True)


def wait_for(word: str, test: Test) -> Op:
    """An acquire load that is tried until ``test`` likes the value."""
    return Op("load", word, test, True)


def wait_relaxed(word: str, test: Test) -> Op:
    return Op("load", word, test, False)


def differs_from(old: int) -> Test:
    return lambda value: value != old


def reached(seq: int) -> Test:
    return lambda value: value >= seq


def settled(seq: int) -> Test:
    """A stamp: published, buried, or long overwritten."""
    return lambda value: abs(value) >= seq


def is_stamp_of(seq: int) -> Test:
    """A stamp: published or buried."""
    return lambda value: value in (seq, -seq)


def store(word: str, value: int) -> Op:
    """Relaxed: a plain store."""
    return Op("store", word, value, False)


def release(word: str, value: int) -> Op:
    return Op("store", word, value, True)


def swap(word: str, expected: int, value: int) -> Op:
    """Compare-and-swap; sends whether it happened."""
    return Op("swap", word, expected, value)


def add(word: str, amount: int) -> Op:
    return Op("add", word, amount)


def fence() -> Op:
    return Op("fence")


def death_of(process: str) -> Op:
    """Wait for the process to end; sends True if it was killed, and then that is proven: what it
    stored is there."""
    return Op("death", process)


def is_dead(process: str) -> Op:
    """Look whether the process has been killed."""
    return Op("dead", process)


def futex_sleep(word: str, seen: int) -> Op:
    """Sleep if the word is ``seen``, until :func:`futex_wake`: one step, as the kernel's lock
    makes it."""
    return Op("sleep", word, seen)


def futex_wake() -> Op:
    return Op("wake")


def say(fact: tuple[Any, ...], never: Fault | None = None) -> Op:
    """No step of the process but a statement about the last one: ``never(facts, dead)`` must be
    false, then the fact is remembered."""
    return Op("say", "", fact, never)


# Processes as automata


class Automaton:
    """A program's local states, found as they are reached; DONE when it has returned."""

    DONE = -1

    def __init__(self, program: Program) -> None:
        self.program = program
        self.ops: list[Op] = []
        self.histories: list[tuple[Any, ...]] = []
        self._known: dict[Any, int] = {}
        self._next: dict[tuple[int, Any], int] = {}
        self.start = self._enter(())

    def step(self, state: int, result: Any) -> int:
        """The state after the operation of ``state`` gave ``result``."""
        key = (state, result)
        if key not in self._next:
            self._next[key] = self._enter((*self.histories[state], result))
        return self._next[key]

    def _enter(self, history: tuple[Any, ...]) -> int:
        run = self.program()
        try:
            op = next(run)
            for result in history:
                op = run.send(result)
        except StopIteration:
            return self.DONE
        key = self._position(run)
        if key not in self._known:
            self._known[key] = len(self.ops)
            self.ops.append(op)
            self.histories.append(history)
        return self._known[key]

    @staticmethod
    def _position(run: Any) -> tuple[Any, ...]:
        """Where the generator and those it delegates to stand, with their variables."""
        parts: list[Any] = []
        while run is not None:
            frame = run.gi_frame
            parts.append(
                (frame.f_code, frame.f_lasti, tuple(sorted(frame.f_locals.items(), key=_name)))
            )
            run = run.gi_yieldfrom
        return tuple(parts)


def _name(item: tuple[str, Any]) -> str:
    return item[0]
