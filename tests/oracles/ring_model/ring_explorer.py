"""Every order in which the steps of a few processes can happen, with kills, under a memory.

:func:`explore` visits all the states of a scenario and checks three things: what the processes
state about themselves (:func:`ring_steps.say`), that an end can still be reached from every state,
and that every end is a good one.
"""

import gc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from tests.oracles.ring_model.ring_memories import Memory, Tso, Weak, put
from tests.oracles.ring_model.ring_steps import Automaton, Facts, Good, New, Op, Program


@dataclass(frozen=True)
class Scenario:
    """Processes by name, the words that do not begin as 0, and what may happen to whom.

    ``victims`` may be killed before any of their steps, ``kills`` of them at most.  ``contended``:
    see :class:`Weak`.  ``good_end(facts, newest)`` says whether a state without a next step is one
    in which everything has been done.
    """

    processes: Mapping[str, Program]
    good_end: Good
    words: Mapping[str, int] = field(default_factory=dict)
    victims: tuple[str, ...] = ()
    kills: int = 1
    contended: tuple[str, ...] = ()
    facts: Facts = frozenset()


@dataclass(frozen=True)
class Result:
    """``failure`` is empty, or says what was violated; ``trace`` is the shortest way there."""

    model: str
    states: int
    ends: int
    failure: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.failure} ({self.states} states)", *self.trace])


class Violation(Exception):
    pass


Step = tuple[str, Op | str, Any]
"""Who, what, and what came of it: put into words only where a trace is shown."""


class _State(NamedTuple):
    at: tuple[int, ...]
    dead: int
    asleep: int
    facts: Facts
    memory: Any


class Explorer:
    """All the states of one scenario under one memory model."""

    def __init__(self, scenario: Scenario, model: type[Tso] | type[Weak]) -> None:
        self.scenario = scenario
        self.names = list(scenario.processes)
        self.machines = [Automaton(program) for program in scenario.processes.values()]
        self.words: dict[str, int] = {}
        self._number_words()
        initial = [0] * len(self.words)
        for word, value in scenario.words.items():
            initial[self.words[word]] = value
        contended = frozenset(self.words[word] for word in scenario.contended)
        self.model: Memory = model(tuple(initial), len(self.names), contended)
        self.victims = [self.names.index(name) for name in scenario.victims]

    def _number_words(self) -> None:
        for word in (*self.scenario.words, *self.scenario.contended):
            self.words.setdefault(word, len(self.words))

    def run(self, limit: int = 4_000_000) -> Result:
        start = self._canonical(
            _State(
                tuple(machine.start for machine in self.machines),
                0,
                0,
                self.scenario.facts,
                self.model.start,
            ),
            range(len(self.names)),
        )
        known = {start: 0}
        order = [start]
        came: list[tuple[int, Step]] = [(-1, ("", "", None))]
        before: list[list[int]] = [[]]
        ends: list[int] = []
        index = 0
        while index < len(order):
            state = order[index]
            stuck = True
            try:
                for step, following in self._successors(state):
                    stuck = False
                    number = known.setdefault(following, len(order))
                    if number == len(order):
                        order.append(following)
                        came.append((index, step))
                        before.append([])
                    before[number].append(index)
                if stuck:
                    self._check_end(state)
                    ends.append(index)
            except Violation as violation:
                text, _, label = str(violation).partition("\n")
                trace = self._trace(came, index, label)
                return Result(self.model.name, len(order), len(ends), text, trace)
            index += 1
            if len(order) > limit:
                raise RuntimeError(f"more than {limit} states")
        lost = self._cannot_end(before, ends)
        if lost is not None:
            trace = self._trace(came, lost, "")
            return Result(self.model.name, len(order), len(ends), "no way to an end", trace)
        return Result(self.model.name, len(order), len(ends))

    # Steps

    def _successors(self, state: _State) -> Iterable[tuple[Step, _State]]:
        at, dead, asleep, facts, memory = state
        for p, name in enumerate(self.names):
            for drained in self.model.drain(memory, p):
                after = _State(at, dead, asleep, facts, drained)
                yield (name, "a store drains", None), self._canonical(after, ())
            place = at[p]
            if place == Automaton.DONE or dead >> p & 1:
                continue
            if p in self.victims and dead.bit_count() < self.scenario.kills:
                killed = _State(at, dead | 1 << p, asleep & ~(1 << p), facts, memory)
                yield (name, "killed", None), self._canonical(killed, ())
            if asleep >> p & 1:
                continue
            op = self.machines[p].ops[place]
            for result, (_, dead_now, asleep_now, facts_now, seen) in self._do(op, p, state):
                moved = put(at, p, self.machines[p].step(place, result))
                after = _State(moved, dead_now, asleep_now, facts_now, seen)
                step = name, op, result
                try:
                    yield step, self._canonical(after, (p,))
                except Violation as violation:
                    raise Violation(f"{violation}\n{_label(step)}") from None

    def _do(self, op: Op, p: int, state: _State) -> Iterable[tuple[Any, _State]]:
        """Every (result, state) that the operation can have; none while it must wait."""
        (at, dead, asleep, facts, memory), model = state, self.model
        if op.kind == "load":
            for value, seen in model.load(memory, p, self._word(op), op.b):
                if op.a is None or op.a(value):
                    yield value, _State(at, dead, asleep, facts, seen)
        elif op.kind == "store":
            for stored in model.store(memory, p, self._word(op), op.a, op.b):
                yield None, _State(at, dead, asleep, facts, stored)
        elif op.kind == "swap":
            new: New = lambda old: op.b if old == op.a else None  # noqa: E731
            for old, swapped in model.modify(memory, p, self._word(op), new):
                yield old == op.a, _State(at, dead, asleep, facts, swapped)
        elif op.kind == "add":
            for old, added in model.modify(memory, p, self._word(op), lambda old: old + op.a):
                yield old, _State(at, dead, asleep, facts, added)
        elif op.kind == "fence":
            for fenced in model.fence(memory, p):
                yield None, _State(at, dead, asleep, facts, fenced)
        elif op.kind == "sleep":
            for value, seen in model.modify(memory, p, self._word(op), lambda old: None):
                same = value == op.a
                yield same, _State(at, dead, asleep | same << p, facts, seen)
        elif op.kind == "wake":
            yield None, state._replace(asleep=0)
        else:
            yield from self._look_at_death(op, p, state)

    def _look_at_death(self, op: Op, p: int, state: _State) -> Iterable[tuple[bool, _State]]:
        other = self.names.index(op.word)
        if state.dead >> other & 1:
            for proven in self.model.prove(state.memory, p, other):
                yield True, state._replace(memory=proven)
        elif op.kind == "dead" or state.at[other] == Automaton.DONE:
            yield False, state

    def _canonical(self, state: _State, moved: Iterable[int]) -> _State:
        """Take the statements of those that moved, and forget what nobody can see."""
        for p in moved:
            at = state.at[p]
            while at != Automaton.DONE:
                kind, word, fact, never = self.machines[p].ops[at]
                if kind == "store" and self.model.unseen(word) and p not in self.victims:
                    (memory,) = self.model.store(state.memory, p, self.words[word], fact, never)
                    at = self.machines[p].step(at, None)
                    state = state._replace(at=put(state.at, p, at), memory=memory)
                    continue
                if kind != "say":
                    break
                if never is not None and never(state.facts, partial(self._dead, state)):
                    raise Violation(f"{self.names[p]} says {fact}")
                at = self.machines[p].step(at, None)
                state = state._replace(at=put(state.at, p, at), facts=state.facts | {fact})
        readers = (p for p in range(len(self.names)) if self._may_read(state, p))
        memory = self.model.tidy(state.memory, readers)
        return state if memory is state.memory else state._replace(memory=memory)

    def _dead(self, state: _State, name: str) -> bool:
        return bool(state.dead >> self.names.index(name) & 1)

    def _may_read(self, state: _State, p: int) -> bool:
        """Not who has ended, nor who waits for a death: its proof will show it everything."""
        at = state.at[p]
        if at == Automaton.DONE or state.dead >> p & 1:
            return False
        return self.machines[p].ops[at].kind != "death"

    def _word(self, op: Op) -> int:
        return self.words[op.word]

    # Ends

    def _check_end(self, state: _State) -> None:
        def newest(word: str) -> int:
            return self.model.newest(state.memory, self.words[word])

        if not self.scenario.good_end(state.facts, newest):
            raise Violation("stuck, or ended without having done everything")

    @staticmethod
    def _cannot_end(before: list[list[int]], ends: list[int]) -> int | None:
        """The first state from which no end can be reached."""
        reached = bytearray(len(before))
        todo = list(ends)
        for index in todo:
            reached[index] = 1
        while todo:
            for index in before[todo.pop()]:
                if not reached[index]:
                    reached[index] = 1
                    todo.append(index)
        lost = reached.find(0)
        return None if lost < 0 else lost

    @staticmethod
    def _trace(came: list[tuple[int, Step]], index: int, last: str) -> tuple[str, ...]:
        labels = [last] if last else []
        while index > 0:
            index, step = came[index]
            labels.append(_label(step))
        return tuple(reversed(labels))


def _label(step: Step) -> str:
    name, op, result = step
    return f"{name}: {op if isinstance(op, str) else f'{op.kind} {op.word} {_shown(op, result)}'}"


def _shown(op: Op, result: Any) -> str:
    if op.kind == "store":
        return str(op.a)
    if op.kind == "swap":
        return f"{op.a} to {op.b}: {'done' if result else 'refused'}"
    return "" if result is None else str(result)


def explore(scenario: Scenario, model: type[Tso] | type[Weak]) -> Result:
    # A million states are kept until the end; looking through them for rubbish finds none.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return Explorer(scenario, model).run()
    finally:
        if collecting:
            gc.enable()
