"""Terms TRIGGER and EXPIRY: stops by a price that they name, activation, expiry of every type."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import InstrumentOption, Phase
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_judge import Judge
from tests.support.matcher.matcher_script import SYMBOLS, format_event, parse_command
from tests.support.matcher.matcher_triggers import mark, mixed_triggers

A = SYMBOLS[0].encode()


class Both:
    """A kernel and a reference, asked alike; a copy of the kernel from its snapshot goes on in the
    same way."""

    def __init__(self, **instrument):
        rows = [{"symbol": symbol} | instrument for symbol in SYMBOLS]
        self.instruments = make_instruments(rows)
        self.engines = [Engine(self.instruments, 64), ReferenceEngine(self.instruments, 64)]
        self.judge = Judge(self.instruments)
        self.seq, self.marks = 0, (None, None)

    def _answers(self, ask):
        again = Engine.restore(self.engines[0].snapshot(), 64)
        mark(again, A, *self.marks, 0)
        answers = [ask(engine) for engine in (*self.engines, again)]
        rows = [answer.tolist() for answer in answers]
        assert rows[0] == rows[1] == rows[2]
        for engine in (self.engines[0], again):
            engine.check()
            assert engine.snapshot() == self.engines[1].snapshot()
        assert self.engines[0].state_hash() == self.engines[1].state_hash()
        return answers[0]

    def send(self, *lines):
        """The events of the last of these commands, as lines."""
        for line in lines:
            self.seq += 1
            order = parse_command(line, self.seq)
            events = self._answers(lambda engine, order=order: engine.process(order))
            self.judge.check(order, events)
        return [format_event(event) for event in events]

    def mark(self, price, index=None):
        """The events of another mark and index of the first instrument."""
        self.seq += 1
        marks = (price, index)
        events = self._answers(lambda engine: mark(engine, A, *marks, self.seq))
        self.marks = marks
        self.judge.mark(0, *marks, self.seq, events)
        return [format_event(event) for event in events]

    @property
    def open(self):
        return set(self.engines[1].markets[0].orders)


@pytest.fixture
def both():
    """A market at 98 to 102, whose last trade was at 100."""
    market = Both()
    market.send("NEW id=1 BUY 1@100 p9", "NEW id=2 SELL 1@100 p9")
    market.send("NEW id=3 BUY 9@98 p9", "NEW id=4 SELL 9@102 p9")
    return market


def elected(events):
    return [event.split()[1] for event in events if event.startswith("ELECTED")]


@pytest.mark.parametrize(
    ("by", "command", "then", "elects"),
    [
        ("OWN_QUOTE", "BUY 1 STOP trigger=99", "NEW id=9 BUY 1@99 p8", True),
        ("OWN_QUOTE", "BUY 1 STOP trigger=100", "NEW id=9 BUY 1@99 p8", False),
        ("OWN_QUOTE", "SELL 1 STOP trigger=101", "NEW id=9 SELL 1@101 p8", True),
        ("OPPOSITE_QUOTE", "SELL 1 STOP trigger=97", "CANCEL id=3 p9", False),
        ("OPPOSITE_QUOTE", "BUY 1 TAKE_PROFIT trigger=101", "NEW id=9 SELL 1@101 p8", True),
        ("MID", "BUY 1 STOP trigger=101", "NEW id=9 BUY 1@99 p8", False),
        ("MID", "BUY 1 STOP trigger=101", "NEW id=9 BUY 1@100 p8", True),
        ("MID", "SELL 1 TAKE_PROFIT trigger=101", "NEW id=9 BUY 1@100 p8", True),
        ("MID", "SELL 1 STOP trigger=99", "NEW id=9 SELL 1@101 p8", False),
        ("MID", "SELL 1 STOP trigger=99", "NEW id=9 SELL 1@100 p8", True),
        ("LAST", "BUY 1 STOP trigger=102", "NEW id=9 BUY 1@101 p8", False),
        ("LAST", "BUY 1 STOP_LIMIT trigger=102", "NEW id=9 BUY 1@102 p8", True),
    ],
)
def test_a_stop_is_elected_by_its_own_price(both, by, command, then, elects):
    both.send(f"TERMS id=5 TRIGGER {by}")
    assert not elected(both.send(f"NEW id=5 {command.replace(' 1 ', ' 1@102 ', 1)}"))
    assert elected(both.send(then)) == (["id=5"] if elects else [])


@pytest.mark.parametrize("by", ["MARK", "INDEX"])
def test_a_mark_elects_without_a_trade(both, by):
    both.mark(100, 100)
    both.send(f"TERMS id=5 TRIGGER {by}", "NEW id=5 SELL 2 STOP trigger=95")
    quiet = (95, 100) if by == "INDEX" else (100, 95)
    assert both.mark(*quiet) == []
    events = both.mark(95, 95)
    assert elected(events) == ["id=5"]
    assert sum(event.startswith("FILLED") for event in events) == 2
    assert both.open == {3, 4}


def test_a_stop_by_mark_is_refused_where_there_is_none(both):
    both.send("TERMS id=5 TRIGGER MARK")
    assert both.send("NEW id=5 SELL 2 STOP trigger=95") == [
        "REJECTED id=5 2@0 leaves=0 BAD_AUX",
    ]


def test_a_mark_in_a_halt_elects_after_it(both):
    both.mark(100)
    both.send("TERMS id=5 TRIGGER MARK", "NEW id=5 SELL 2 STOP trigger=95", "PHASE HALT")
    assert both.mark(90) == []
    assert elected(both.send("PHASE CONTINUOUS")) == ["id=5"]


def test_a_stop_elected_by_a_stop_of_another_price_in_the_same_command(both):
    """The first sale takes the bid, and the middle falls."""
    both.send("NEW id=6 BUY 2@90 p8", "TERMS id=7 TRIGGER OPPOSITE_QUOTE")
    both.send("NEW id=7 SELL 1 STOP trigger=90", "NEW id=5 SELL 9 STOP trigger=98")
    assert elected(both.send("NEW id=8 SELL 1@98 p7")) == ["id=5", "id=7"]


def test_an_uncrossing_elects_by_its_price_only_stops_of_the_last_trade():
    both = Both(initial_phase=int(Phase.OPENING_AUCTION))
    both.send("TERMS id=5 TRIGGER LAST", "NEW id=5 BUY 1@100 STOP_LIMIT trigger=100")
    both.send("TERMS id=6 TRIGGER MID", "NEW id=6 BUY 1@100 STOP_LIMIT trigger=90")
    both.send("NEW id=1 BUY 1@100 p8", "NEW id=2 SELL 3@100 p9")
    events = both.send("PHASE CONTINUOUS")
    assert elected(events) == ["id=5"]


def test_a_trailing_stop_waits_for_its_activation(both):
    both.send("TERMS id=5 TRIGGER activation=105")
    events = both.send("NEW id=5 SELL 1 TRAILING_STOP trail=3")
    assert events == ["ACCEPTED id=5 1@0 leaves=1 contra=none WAITING"]
    both.send("NEW id=6 SELL 1@103 p8", "NEW id=7 BUY 10@103 p7")
    assert both.open >= {5}
    both.send("NEW id=8 SELL 2@106 p8")
    assert both.send("NEW id=9 BUY 1@106 p7")[-1] == "TRIGGER_MOVED id=5 1@103 leaves=1 WAITING"
    both.send("NEW id=10 BUY 1@104 p7")
    assert elected(both.send("NEW id=11 SELL 1@103 p8")) == []
    assert elected(both.send("NEW id=12 SELL 9@98 p8")) == ["id=5"]


def test_a_trailing_stop_whose_activation_has_come_trails_at_once(both):
    both.send("TERMS id=5 TRIGGER activation=99")
    events = both.send("NEW id=5 SELL 1 TRAILING_STOP trail=3")
    assert events == ["ACCEPTED id=5 1@0 leaves=1 contra=97 WAITING"]


def test_a_trailing_stop_follows_its_own_price(both):
    both.mark(200)
    both.send("TERMS id=5 TRIGGER MARK", "NEW id=5 SELL 1 TRAILING_STOP trail=10")
    assert both.mark(250) == ["TRIGGER_MOVED id=5 1@240 leaves=1 WAITING"]
    assert elected(both.mark(240)) == ["id=5"]


def test_a_replaced_stop_keeps_its_own_price(both):
    both.mark(100)
    both.send("TERMS id=5 TRIGGER MARK", "NEW id=5 SELL 1 STOP trigger=95")
    both.send("REPLACE id=5 2 trigger=96")
    assert elected(both.mark(96)) == ["id=5"]


def test_a_replaced_trailing_stop_still_waits_for_its_activation(both):
    both.send("TERMS id=5 TRIGGER activation=105", "NEW id=5 SELL 1 TRAILING_STOP trail=3")
    events = both.send("REPLACE id=5 2 trail=4")
    assert events == ["REPLACED id=5 2@0 leaves=2 contra=none WAITING"] or both.open >= {5}
    assert not elected(both.send("NEW id=9 SELL 1@98 p8"))


def test_a_stop_that_its_own_price_has_passed_is_refused_where_such_are():
    both = Both(options=InstrumentOption.PASSED_STOPS_REFUSED)
    both.send("NEW id=3 BUY 9@98 p9", "NEW id=4 SELL 9@102 p9", "TERMS id=5 TRIGGER MID")
    events = both.send("NEW id=5 SELL 1 STOP trigger=100")
    assert events == ["REJECTED id=5 1@0 leaves=0 TRIGGER_ALREADY_PASSED"]
    both.send("TERMS id=5 TRIGGER MID")
    assert both.send("NEW id=5 SELL 1 STOP trigger=99")[0].startswith("ACCEPTED")


def test_a_leg_of_a_list_has_a_trigger_of_its_own(both):
    both.mark(100)
    both.send("TERMS id=11 LIST OTO list=11 leg=1/2", "NEW id=11 BUY 1@102")
    both.send("TERMS id=12 LIST OTO list=11 leg=2/2", "TERMS id=12 TRIGGER MARK activation=120")
    events = both.send("NEW id=12 SELL 1 TRAILING_STOP trail=5")
    assert both.open == {3, 4, 12}, events
    assert both.mark(120) == ["TRIGGER_MOVED id=12 1@115 leaves=1 WAITING"]
    assert elected(both.mark(114)) == ["id=12"]


@pytest.mark.parametrize(
    "new",
    [
        "SELL 1 STOP trigger=90 GTC",
        "SELL 1@99 STOP_LIMIT trigger=90 GTC",
        "SELL 1 TRAILING_STOP trail=3 GTC",
        "SELL 5@110 ICEBERG display=1 GTC",
        "BUY 5@90 PEG_PRIMARY GTC",
        "BUY 5@90 MIN_QTY min=1 GTC",
        "BUY 5@90 GTC",
        "SELL 1@101 TAKE_PROFIT_LIMIT trigger=110 GTC",
    ],
)
def test_an_order_of_any_type_expires(both, new):
    both.send("TERMS id=5 EXPIRY until=50")
    taken = both.send(f"NEW id=5 {new}")[0].split()[0]
    if "MIN_QTY" in new:
        assert both.open == {3, 4}
        return
    assert taken == "ACCEPTED"
    both.send("TIME 50")
    assert 5 in both.open
    assert both.send("TIME 51")[0].startswith("EXPIRED id=5 ")


@pytest.mark.parametrize(
    ("term", "new", "reason"),
    [
        ("EXPIRY until=50", "SELL 1 STOP trigger=90 DAY", "MALFORMED"),
        ("EXPIRY until=50", "BUY 1@90 IOC", "MALFORMED"),
        ("EXPIRY until=50", "BUY 1@90 GTD until=60", "MALFORMED"),
        ("EXPIRY until=9", "SELL 1 STOP trigger=90 GTC", "EXPIRED"),
        ("TRIGGER MID", "BUY 1@90", "MALFORMED"),
        ("TRIGGER activation=90", "SELL 1 STOP trigger=90", "MALFORMED"),
        ("TRIGGER INDEX", "SELL 1 STOP trigger=90", "BAD_AUX"),
    ],
)
def test_a_term_that_does_not_go_with_its_order_is_refused(both, term, new, reason):
    both.send("TIME 10", f"TERMS id=5 {term}")
    (event,) = both.send(f"NEW id=5 {new}")
    assert event.startswith("REJECTED")
    assert reason in event.split()


@pytest.mark.parametrize(
    "term", ["TRIGGER", "TRIGGER aux=7", "TRIGGER MID 1", "TRIGGER aux=1024", "EXPIRY 1 until=5"]
)
def test_a_senseless_term_is_malformed(both, term):
    assert both.send(f"TERMS id=5 {term}")[0].endswith("MALFORMED")


def run_with_marks(seed, count):
    """A random run in pieces; between them marks move."""
    run = mixed_triggers(seed, count, extreme=0.0 if seed % 3 else 0.02)
    engines = [
        Engine(run.instruments, run.order_capacity),
        ReferenceEngine(run.instruments, run.order_capacity),
    ]
    rng, judge = np.random.default_rng([seed, 1]), Judge(run.instruments)
    at, before = 0, 0
    while at < len(run.orders):
        part = run.orders[at : at + int(rng.integers(1, 30))]
        at += len(part)
        answers = [engine.process(part) for engine in engines]
        assert answers[0].tolist() == answers[1].tolist()
        judge.check(part, answers[0])
        which = int(rng.integers(0, len(run.instruments)))
        near = engines[1].markets[which].electing_price or 100
        marks = [None if rng.random() < 0.1 else near + int(rng.integers(-9, 10)) for _ in "12"]
        symbol, seq = run.instruments["symbol"][which], int(part["seq"][-1])
        answers = [mark(engine, symbol, *marks, seq) for engine in engines]
        assert answers[0].tolist() == answers[1].tolist()
        judge.mark(which, *marks, seq, answers[0])
        before += len(answers[0])
        engines[0].check()
    assert engines[0].snapshot() == engines[1].snapshot()
    assert engines[0].state_hash() == engines[1].state_hash()
    return before


@pytest.mark.parametrize("seed", range(8))
def test_kernels_and_reference_are_equal_and_the_judge_agrees(seed):
    run_with_marks(seed, 500)


def test_random_marks_elect():
    assert sum(run_with_marks(seed, 300) for seed in (1, 3, 5)) > 10


@pytest.mark.long
@pytest.mark.parametrize("part", range(8))
def test_many_random_triggers(part):
    for seed in range(1000 + part * 250, 1250 + part * 250):
        run_with_marks(seed, 600)
