"""TERMS: what is said in advance of an order waits for its NEW, within bounds, and no longer."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.matcher.book.arena import LEAST_OWN_TERMS, MAX_OWN_TERMS, MAX_TERMS
from openoutcry.matcher.hooks import Hooks, verdict
from openoutcry.wire import EventKind, Reason, make_instruments
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import OrderRecord
from tests.oracles.matcher.checks import WaitingTerm
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_script import SYMBOLS, Script, parse_command


@pytest.fixture
def both():
    """A kernel and a reference that answer the same commands."""
    instruments = make_instruments(SYMBOLS)
    engines = Engine(instruments, 64), ReferenceEngine(instruments, 64)
    counter = iter(range(1, 1 << 30))

    def send(line):
        order = parse_command(line, next(counter))
        fast, slow = (engine.process(order) for engine in engines)
        assert fast.tolist() == slow.tolist()
        engines[0].check()
        assert engines[0].snapshot() == engines[1].snapshot()
        return fast

    send.engine = engines[0]
    return send


@kernel
def refuse_all(region: int, order: OrderRecord) -> int:
    """A ``before`` hook that takes no NEW."""
    return verdict(32, 5) if order.kind == 1 else 0


def waiting(send):
    return len(send.engine.state().terms)


def term(order_id, rest=""):
    return f"TERMS id={order_id} LIST OTO list={order_id} leg=1/2 {rest}"


@pytest.mark.parametrize(
    ("drops", "left"),
    [
        ("NEW id=1 BUY 5@100 p2", 3),
        ("NEW id=2 BUY 5@100 p2", 2),
        ("NEW id=2 BUY 0@100 p2", 2),
        ("NEW id=2 BUY 5@100 p2 err=3", 2),
        ("NEW id=2 BUY 5@100 p2 sym=BB", 3),
        ("CANCEL id=2 p2", 3),
        ("MASS_CANCEL p2", 2),
        ("MASS_CANCEL p2 sym=BB", 3),
        ("MASS_CANCEL p2 everywhere", 2),
        ("MASS_CANCEL everybody", 1),
        ("MASS_CANCEL 20261130 new_day", 1),
        ("DISCONNECT p2", 2),
        ("DISCONNECT", 2),
        ("PHASE CLOSED", 1),
        ("PHASE HALT", 3),
    ],
)
def test_what_ends_a_term(both, drops, left):
    for line in (term(1), term(2, "p2"), term(3, "p3 sym=BB")):
        both(line)
    both(drops)
    assert waiting(both) == left


def test_the_same_term_of_the_same_order_replaces_the_one_before(both):
    both(term(1))
    both("TERMS id=1 LIST OTO list=8 leg=2/3")
    assert both.engine.state().terms["price_ticks"].tolist() == [8]


def test_terms_of_one_and_of_all_are_bounded(both):
    def is_taken(order_id, participant):
        return both(term(order_id, f"p{participant}"))["kind"][0] != EventKind.REJECTED

    for order_id in range(MAX_OWN_TERMS):
        assert is_taken(order_id, 1)
    assert not is_taken(99, 1)
    assert is_taken(0, 1), "the same again takes no more room"


def test_it_takes_hundreds_of_participants_to_fill_the_table():
    """Each sends until it is refused; the last still has what one order needs."""
    instruments = make_instruments(SYMBOLS)
    engines = Engine(instruments, 64), ReferenceEngine(instruments, 64)
    taken: list[int] = []
    while sum(taken) < MAX_TERMS:
        who = len(taken) + 2
        lines = [term(n, f"p{who}") for n in range(MAX_OWN_TERMS + 1)]
        orders = np.concatenate([parse_command(line, 1) for line in lines])
        kinds = engines[0].process(orders)["kind"]
        if who in (2, 200, 300):
            # The reference is slow: it is asked at some places only.
            engines[1].terms = [
                WaitingTerm((row[0], row[1], row[3]), row[2], tuple(row[4:7]))
                for row in engines[0].state().terms.tolist()
                if row[0] != who
            ]
            assert engines[1].process(orders)["kind"].tolist() == kinds.tolist()
        taken.append(int((kinds == EventKind.COMPLETED).sum()))
    assert taken[0] == MAX_OWN_TERMS
    assert min(taken[:-1]) >= LEAST_OWN_TERMS
    assert len(taken) > 380


@pytest.mark.parametrize("engine", [Engine, ReferenceEngine])
def test_senseless_terms_are_malformed(engine):
    script = Script(engine)
    for values in (
        "OTO list=2 leg=1/2",
        "OTO list=1 leg=2/2",
        "OUO list=1 leg=1/3",
        "OTOUO list=1 leg=1/4",
        "list=1 leg=1/2",
        "OTO list=1 leg=0/2",
        "OTO list=1 leg=3/2",
        "OTO list=1 leg=1/1",
        "OTOCO list=1 leg=1/2",
        "OTO list=1 leg=1/9",
    ):
        assert script.send(f"TERMS id=1 LIST {values}")["reason"].tolist() == [Reason.MALFORMED], (
            values
        )
    assert script.send("TERMS id=1 LIMIT OTO list=1 leg=1/2 type=9")["reason"].tolist() == [
        Reason.MALFORMED
    ]


def test_terms_are_in_snapshots_hashes_and_copies(both):
    empty = both.engine.book_hash()
    both(term(1))
    assert both.engine.book_hash() != empty
    for again in (Engine.restore(both.engine.snapshot(), 64), both.engine.clone()):
        again.check()
        assert again.state_hash() == both.engine.state_hash()
        assert again.snapshot() == both.engine.snapshot()
        again.process(parse_command("NEW id=1 BUY 5@100", 9))
        assert len(again.state().terms) == 0


def test_a_participant_that_the_hooks_refuse_leaves_no_terms(both):
    """The NEW has come, although the matcher never saw it."""
    engine = Engine(
        make_instruments(SYMBOLS), 64, hooks=Hooks(np.zeros(64, np.uint8), before=refuse_all)
    )
    engine.process(parse_command(term(1), 1))
    assert len(engine.state().terms) == 1
    assert engine.process(parse_command("NEW id=1 BUY 5@100", 2))["kind"].tolist() == [
        EventKind.REJECTED
    ]
    assert len(engine.state().terms) == 0
    engine.check()
