"""The ring's protocol, explored in every order: no flaw is found, and each one put in is found."""

import re

import pytest

from tests import ROOT
from tests.oracles.ring_model.ring_explorer import Scenario, explore
from tests.oracles.ring_model.ring_memories import Tso, Weak
from tests.oracles.ring_model.ring_protocol import NONE, one_producer, reader_killed
from tests.oracles.ring_model.ring_scenarios import BOTH, FLAWS, SCENARIOS
from tests.oracles.ring_model.ring_steps import (
    Automaton,
    acquire,
    fence,
    load,
    release,
    say,
    store,
    swap,
    wait_for,
)
from tests.support.ring.model import EXPLORED, blocks


@pytest.mark.parametrize("flaw", [f for f in FLAWS if FLAWS[f][1] == (Weak,)])
def test_what_only_a_weak_memory_shows_is_hidden_by_x86(flaw):
    """These orderings cost nothing on x86, and a test on such a machine cannot see them."""
    assert not explore(SCENARIOS[FLAWS[flaw][0]](frozenset({flaw})), Tso).failure


def test_every_flaw_is_put_in_somewhere():
    """A name of the table that no line of the model knows would pass unnoticed otherwise."""
    source = "".join(p.read_text() for p in (ROOT / "tests/oracles/ring_model").glob("ring_*.py"))
    in_use = set(re.findall(r'"([^"]+)" (?:not )?in flaws', source))
    assert in_use == set(FLAWS)


# The memories themselves: the classic litmus tests, each with all its outcomes


def outcomes(model, programs, contended=()):
    """What the processes can have said at the end, over every order."""
    words = dict.fromkeys(("x", "y"), 0)
    seen = set()

    def good(facts, newest):
        seen.add(tuple(value for _, value in sorted(facts)))
        return True

    result = explore(Scenario(programs, good, words, contended=contended), model)
    assert not result.failure
    return seen


def writer(*ops):
    def program():
        for number in range(len(ops)):
            yield ops[number]

    return program


def store_then_load(mine, other, who, between=()):
    def program():
        yield store(mine, 1)
        for number in range(len(between)):
            yield between[number]
        value = yield acquire(other)
        yield say((who, value))

    return program


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize(("between", "both_old"), [((), True), ((fence(),), False)])
def test_store_buffering(model, between, both_old):
    """Two processes store, then look at each other: without fences both may see nothing."""
    programs = {
        "P": store_then_load("x", "y", 0, between),
        "Q": store_then_load("y", "x", 1, between),
    }
    assert ((0, 0) in outcomes(model, programs)) == both_old


def two_loads(first, second, names=("y", "x")):
    def program():
        a = yield first(names[0])
        b = yield second(names[1])
        yield say((0, (a, b)))

    return program


@pytest.mark.parametrize(
    ("publish", "look", "weak_sees_old"),
    [(release, acquire, False), (store, acquire, True), (release, load, True)],
)
def test_message_passing(publish, look, weak_sees_old):
    """The flag without the data: never on x86, and elsewhere only if either side is relaxed."""
    programs = {"P": writer(store("x", 1), publish("y", 1)), "Q": two_loads(look, load)}
    assert ((1, 0),) not in outcomes(Tso, programs)
    assert (((1, 0),) in outcomes(Weak, programs)) == weak_sees_old


@pytest.mark.parametrize("model", BOTH)
def test_one_location_never_goes_back(model):
    """Two relaxed loads of one word see its stores in their order."""
    programs = {"P": writer(store("x", 1), store("x", 2)), "Q": two_loads(load, load, ("x", "x"))}
    seen = {pair for (pair,) in outcomes(model, programs)}
    assert seen == {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)}


def test_readers_may_disagree_about_independent_stores_only_in_the_weak_memory():
    """Independent stores, seen in opposite orders by two acquiring readers."""

    def reader(number, first, second):
        def program():
            a = yield acquire(first)
            b = yield acquire(second)
            yield say((number, (a, b)))

        return program

    programs = {
        "P": writer(release("x", 1)),
        "Q": writer(release("y", 1)),
        "R": reader(0, "x", "y"),
        "S": reader(1, "y", "x"),
    }
    assert ((1, 0), (1, 0)) not in outcomes(Tso, programs)
    assert ((1, 0), (1, 0)) in outcomes(Weak, programs)


@pytest.mark.parametrize(("model", "first_stores_last"), [(Tso, False), (Weak, True)])
def test_two_stores_to_two_words_in_opposite_orders(model, first_stores_last):
    """Only in the weak memory, and only where words are contended, both words can end with what
    their writers stored first."""
    ends = set()

    def good(facts, newest):
        ends.add((newest("x"), newest("y")))
        return True

    programs = {
        "P": writer(store("x", 1), store("y", 2)),
        "Q": writer(store("y", 1), store("x", 2)),
    }
    explore(Scenario(programs, good, {"x": 0, "y": 0}, contended=("x", "y")), model)
    assert ends == {(1, 2), (2, 1), (2, 2)} | ({(1, 1)} if first_stores_last else set())


@pytest.mark.parametrize("model", BOTH)
def test_one_swap_wins(model):
    """Exactly one of two compare-and-swaps from the same value succeeds."""

    def program(number):
        def swapper():
            won = yield swap("x", 0, number)
            yield say((number, won))

        return swapper

    seen = outcomes(model, {"P": program(1), "Q": program(2)})
    assert seen == {(True, False), (False, True)}


# The explorer itself


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize(
    "flaw", ["", "released before the look", "gating by one consumer", "one slot too many"]
)
def test_states_taken_for_the_same_are_the_same(model, flaw, monkeypatch):
    """Told apart by everything that each process has seen, the states lead to the same verdict."""
    flaws = frozenset({flaw} - {""})
    merged = explore(one_producer(flaws, 2, 3), model)
    monkeypatch.setattr(Automaton, "_position", lambda self, run: len(self.ops), raising=True)
    apart = explore(one_producer(flaws, 2, 3), model)
    assert apart.failure == merged.failure
    assert apart.states >= merged.states


def test_waiting_without_end_is_found():
    """A process that waits for what nobody does is an end that is not good; one that spins is a
    state without a way to an end."""

    def waits():
        yield wait_for("x", bool)

    def spins():
        while True:
            value = yield load("x")
            if value:
                return

    for program, text in ((waits, "stuck"), (spins, "no way to an end")):
        scenario = Scenario({"P": program}, lambda facts, newest: False, {"x": 0})
        assert explore(scenario, Tso).failure.startswith(text)


def test_a_victim_is_killed_before_every_step():
    """As many ends as places to be killed at, and one without a kill."""
    scenario = Scenario(
        {"P": writer(store("x", 1), store("x", 2), store("x", 3))},
        lambda facts, newest: True,
        {"x": 0},
        victims=("P",),
    )
    assert explore(scenario, Tso).ends == 4
    assert explore(reader_killed(NONE), Tso).ends > 4


def test_the_page_names_everything_that_is_explored():
    """Each scenario and each flaw has its row."""
    assert len(blocks("python")) >= 3
    for name in (*SCENARIOS, *FLAWS):
        assert f"| {name} |" in EXPLORED, name
