"""Lists of orders: one leg's events act on the others in the same command."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import Hooks, verdict
from openoutcry.wire import EventKind, Reason, make_instruments
from openoutcry.wire.enums import InstrumentOption
from openoutcry.wire.kernel import kernel
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.record_blocks import OrderRecord
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_compare import assert_same, compare, first_difference
from tests.support.matcher.matcher_lists import lists_that_wait, mixed_lists
from tests.support.matcher.matcher_script import SYMBOLS, Script, format_event, parse_command


def legs(contingency, *news):
    """The commands of a list whose legs are these NEW commands, without their word NEW."""
    ids = [new.split()[0].removeprefix("id=") for new in news]
    rest = " ".join(word for word in news[0].split() if word[0] == "p" or word.startswith("sym="))
    lines = []
    for leg, (order_id, new) in enumerate(zip(ids, news, strict=True), 1):
        place = f"list={ids[0]} leg={leg}/{len(news)}"
        lines += [f"TERMS id={order_id} LIST {contingency} {place} {rest}", f"NEW {new}"]
    return lines


def bracket(first="id=11 BUY 5@100"):
    return legs("OTOCO", first, "id=12 SELL 5@120", "id=13 SELL 5 STOP trigger=91")


class Both:
    """A kernel and a reference, asked alike; after each command a copy of the kernel from its
    snapshot must go on in the same way."""

    def __init__(self, **instrument):
        rows = [{"symbol": symbol} | instrument for symbol in SYMBOLS]
        instruments = make_instruments(rows)
        self.engines = [Engine(instruments, 64), ReferenceEngine(instruments, 64)]
        self.seq = 0

    def send(self, *lines):
        """The events of the last of these commands, as lines."""
        for line in lines:
            self.seq += 1
            order = parse_command(line, self.seq)
            again = Engine.restore(self.engines[0].snapshot(), 64)
            answers = [engine.process(order) for engine in (*self.engines, again)]
            assert answers[0].tolist() == answers[1].tolist() == answers[2].tolist(), line
            self.engines[0].check()
            again.check()
            assert self.engines[0].snapshot() == self.engines[1].snapshot() == again.snapshot()
            assert self.engines[0].state_hash() == self.engines[1].state_hash()
        return [format_event(event) for event in answers[0]]

    @property
    def open(self):
        return set(self.engines[1].markets[0].orders)


@pytest.fixture
def both():
    return Both()


@pytest.mark.parametrize("seed", range(12))
def test_kernels_and_reference_are_equal_and_the_judge_agrees(seed):
    run = mixed_lists(seed, 500)
    assert_same(
        Engine(run.instruments, run.order_capacity),
        ReferenceEngine(run.instruments, run.order_capacity),
        run.orders,
    )


@pytest.mark.parametrize("seed", range(12))
def test_kernels_and_reference_are_equal_where_legs_wait_and_owners_cancel_all(seed):
    compare(lists_that_wait(seed, 500))


@pytest.mark.long
@pytest.mark.parametrize("part", range(8))
def test_many_random_lists(part):
    for seed in range(100 + part * 500, 600 + part * 500):
        compare(mixed_lists(seed, 600, extreme=0.0))
        run = lists_that_wait(seed)
        engine, plain = (
            one(run.instruments, run.order_capacity) for one in (Engine, ReferenceEngine)
        )
        # Without the judge: it knows too little of legs of one age.
        events, expected = engine.process(run.orders), plain.process(run.orders)
        assert first_difference(events, expected) is None, seed
        assert engine.snapshot() == plain.snapshot(), seed


@pytest.mark.parametrize("contingency", ["OCO", "OUO"])
def test_what_self_trade_prevention_takes_from_a_leg_is_no_trade(both, contingency):
    """The other leg stays as it is, unless some of the leg was filled."""
    both.send("NEW id=7 BUY 4@100", "NEW id=8 BUY 1@99 p7")
    both.send(*legs(contingency, "id=1 SELL 9@110", "id=2 SELL 9 STOP trigger=90"))
    events = both.send("REPLACE id=1 9@100 DECREMENT")
    assert [event.split()[:2] for event in events] == [
        ["REPLACED", "id=1"], ["CANCELLED", "id=7"], ["REDUCED", "id=1"],
    ]  # fmt: skip
    assert both.open == {1, 2, 8}
    last = both.send("REPLACE id=1 5@99 DECREMENT")[-1].split()[:2]
    assert last == ["CANCELLED" if contingency == "OCO" else "REDUCED", "id=2"]


def test_a_leg_that_is_all_or_none_cancels_the_other_when_it_takes(both):
    both.send(*legs("OCO", "id=1 SELL 9@100 ALL_OR_NONE", "id=2 SELL 9 STOP trigger=90"))
    both.send("NEW id=3 BUY 5@100 p7")
    assert both.open == {1, 2, 3}
    assert both.send("NEW id=4 BUY 4@100 p7")[-1] == "CANCELLED id=2 9@0 leaves=0 LIST"
    assert both.open == set()


@pytest.mark.parametrize("others", [0, 50], ids=["few others", "many others"])
@pytest.mark.parametrize("command", ["MASS_CANCEL", "DISCONNECT"])
def test_market_legs_that_wait_are_of_one_age_and_the_lower_id_is_first(command, others):
    """They entered with one command; what removes many orders sorts them, or walks the book."""
    both = Both(options=InstrumentOption.MARKET_WAITS)
    for order_id in range(100, 100 + others):
        both.send(f"NEW id={order_id} SELL 1@200 p7")
    both.send(*legs("OTO", "id=9 SELL 1@110", "id=13 SELL 3 MARKET", "id=12 SELL 3 MARKET"))
    both.send("NEW id=1 BUY 1@110 p7")
    assert {9, 12, 13} & both.open == {12, 13}
    events = both.send(command)
    assert [event.split()[1] for event in events[:2]] == ["id=12", "id=13"]
    assert both.open == set(range(100, 100 + others))


def test_a_bracket_whose_first_leg_fills_in_an_auction():
    both = Both(initial_phase=2)
    both.send(*bracket())
    both.send("NEW id=1 SELL 5@99 p7")
    events = both.send("PHASE CONTINUOUS")
    assert events[-2:] == [
        "ELECTED id=12 5@120 leaves=5",
        "TRIGGER_MOVED id=13 5@91 leaves=5 WAITING",
    ]
    assert both.open == {12, 13}


def test_a_bracket_whose_first_leg_fills_in_the_closing_auction_enters_the_next_day():
    both = Both(initial_phase=7)
    first, *others = (f"{new} GTC" for new in bracket()[1::2])
    both.send(*legs("OTOCO", *(new.removeprefix("NEW ") for new in (first, *others))))
    both.send("NEW id=1 SELL 5@99 p7", "PHASE CLOSED")
    assert both.open == {12, 13}
    assert "ELECTED id=12 5@120 leaves=5" in both.send("PHASE PRE_OPEN")


def test_a_stop_that_a_stop_elects_cancels_its_list_at_once(both):
    """The second stop's sale would reach the other leg's own bid if that were still there."""
    both.send("NEW id=1 BUY 1@100 p9", "NEW id=2 BUY 5@95 p9", "NEW id=3 BUY 5@90 p9")
    both.send("NEW id=4 SELL 5@94 STOP_LIMIT trigger=100 p8")
    both.send(*legs("OCO", "id=5 BUY 1@93", "id=6 SELL 6@90 STOP_LIMIT trigger=95"))
    events = both.send("NEW id=7 SELL 1@100 p7")
    at = events.index("ELECTED id=6 6@95 leaves=6")
    assert events[at + 1] == "CANCELLED id=5 1@93 leaves=0 LIST"
    assert not any("id=5" in event for event in events[at + 2 :])


def test_a_sweep_that_fills_one_leg_does_not_elect_the_other(both):
    """The sale's last trade is at the other leg's trigger."""
    both.send(*legs("OCO", "id=1 BUY 5@100", "id=2 BUY 5@120 STOP_LIMIT trigger=95"))
    both.send("NEW id=3 BUY 5@95 p9", "NEW id=4 SELL 9@120 p9")
    events = both.send("NEW id=5 SELL 10@95 p7")
    assert events[-1] == "CANCELLED id=2 5@120 leaves=0 LIST"
    assert not any(event.startswith("ELECTED") for event in events)


@pytest.mark.parametrize(
    "between",
    [
        "MASS_CANCEL",
        "MASS_CANCEL everywhere",
        "DISCONNECT",
        "MASS_CANCEL everybody",
        "PHASE CLOSED",
    ],
)
@pytest.mark.parametrize("leg", [1, 2, 3])
def test_a_leg_whose_terms_are_gone_is_no_order_for_itself(both, between, leg):
    """Another session of the participant, or the exchange operator, comes between the two."""
    first = LEG_ORDER_IDS + 7
    news = (f"id={first} BUY 5@100", f"id={first + 1} SELL 5@120", f"id={first + 2} SELL 5@121")
    lines = legs("OTO", *news)
    both.send(*lines[: 2 * leg - 1], between)
    events = both.send(lines[2 * leg - 1])
    assert [event.split()[0] for event in events] == ["REJECTED"]
    if "CLOSED" not in between:
        assert events[0].endswith("LIST")
    if leg < 3:
        both.send(*lines[2 * leg :])
    assert both.open == set()


def test_a_refused_term_ends_the_list_that_its_order_was_to_continue(both):
    first = LEG_ORDER_IDS + 7
    lines = legs("OCO", f"id={first} SELL 5@120", f"id={first + 1} SELL 5 STOP trigger=91")
    both.send(*lines[:2])
    events = both.send(lines[2] + " err=3")
    assert [event.split()[0] for event in events] == ["REJECTED", "CANCELLED"]
    assert both.send(lines[3])[-1].endswith("LIST")
    assert both.open == set()


@pytest.mark.parametrize("order_id", [11, 12, 13])
def test_a_cancel_of_any_leg_cancels_all(both, order_id):
    both.send(*bracket())
    events = both.send(f"CANCEL id={order_id}")
    assert events[0].startswith(f"CANCELLED id={order_id} ")
    assert all(event.endswith("LIST") for event in events[1:])
    assert both.open == set()


def test_a_leg_that_expires_ends_its_list(both):
    news = ("id=1 SELL 5@110 GTD until=50", "id=2 SELL 5@85 STOP_LIMIT trigger=88")
    both.send(*legs("OCO", *news))
    assert both.send("TIME 51")[:2] == [
        "EXPIRED id=1 5@110 leaves=0 EXPIRED",
        "CANCELLED id=2 5@85 leaves=0 LIST",
    ]


def test_an_expiry_outlives_the_wait_for_the_first_leg(both):
    both.send(*legs("OTO", "id=1 BUY 5@100", "id=2 SELL 5@110 GTD until=50"))
    both.send("NEW id=3 SELL 5@100 p7")
    assert both.open == {2}
    assert both.send("TIME 51")[0] == "EXPIRED id=2 5@110 leaves=0 EXPIRED"


def test_lists_wait_through_a_halt(both):
    both.send(*bracket(), "PHASE HALT", "NEW id=1 SELL 5@100 p7", "PHASE CONTINUOUS")
    assert both.open == {11, 12, 13}
    both.send("NEW id=1 SELL 5@100 p7")
    assert both.open == {12, 13}


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("MASS_CANCEL", set()),
        ("MASS_CANCEL SELL", set()),
        ("MASS_CANCEL BUY", set()),
        ("DISCONNECT", set()),
        ("MASS_CANCEL everybody", set()),
        ("MASS_CANCEL p2", {11, 12, 13}),
    ],
)
def test_mass_cancels_take_lists_whole(both, command, left):
    both.send(*bracket())
    both.send(command)
    assert both.open == left


def test_legs_of_one_participant_do_not_trade_with_each_other(both):
    """The elected stop's sale meets no own bid: that is gone."""
    both.send("NEW id=9 BUY 1@90 p9")
    both.send(*legs("OCO", "id=1 BUY 5@89", "id=2 SELL 5 STOP trigger=90"))
    events = both.send("NEW id=3 SELL 1@90 p7")
    assert "CANCELLED id=1 5@89 leaves=0 LIST" in events
    assert events[-1] == "CANCELLED id=2 5@0 leaves=0 MARKET_REST"


def test_a_partial_fill_of_the_first_leg_lets_nothing_enter(both):
    both.send(*bracket("id=11 BUY 5@100 IOC"))
    assert both.open == set(), "nothing to trade with: its rest is cancelled, and so are the others"
    both.send("NEW id=1 SELL 3@100 p7", *bracket("id=11 BUY 5@100"))
    assert both.open == {11, 12, 13}
    events = both.send("CANCEL id=11")
    assert [event.split()[1] for event in events] == ["id=11", "id=12", "id=13"]


def test_replaces_keep_a_leg_in_its_list(both):
    both.send(*legs("OCO", "id=1 SELL 5@110", "id=2 SELL 5@85 STOP_LIMIT trigger=88"))
    both.send("REPLACE id=1 7@112", "REPLACE id=2 6@84 trigger=87")
    both.send("NEW id=3 BUY 1@112 p7")
    assert both.open == {1}


def test_a_leg_that_waits_is_not_replaced_but_reduced(both):
    both.send(*bracket())
    assert both.send("REPLACE id=12 4@120") == ["REJECTED id=12 4@120 leaves=0 LIST"]
    assert both.send("REDUCE id=12 2") == ["REDUCED id=12 2@120 leaves=3"]
    assert "ELECTED id=12 3@120 leaves=3" in both.send("NEW id=1 SELL 5@100 p7")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("id=1 SELL 5@110", "id=2 SELL 5@120", "MALFORMED"),
        ("id=1 SELL 5@110 IOC", "", "MALFORMED"),
        ("id=1 SELL 5 MARKET", "", "MALFORMED"),
        ("id=1 SELL 5@110 PEG_PRIMARY", "", "MALFORMED"),
        ("id=1 SELL 5@110", "id=2 SELL 0 STOP trigger=90", "BAD_QTY"),
        ("id=1 SELL 5@110", "id=2 SELL 5 STOP trigger=90 err=1", "GATEWAY"),
        ("id=1 SELL 5@110", "id=2 SELL 5 STOP trigger=90 p3", "LIST"),
    ],
)
def test_a_leg_that_is_refused_ends_its_list(both, first, second, reason):
    lines = legs("OCO", first, *([second] if second else ["id=2 SELL 5 STOP trigger=90"]))
    if "p3" in second:
        lines[2] += " p3"
    events = both.send(*(lines if second else lines[:2]))
    assert reason in events[0].split()
    own = ["CANCELLED id=1 5@110 leaves=0 LIST"]
    assert events[1:] == (own if second and "p3" not in second else [])
    assert both.open == ({1} if "p3" in second else set())


@kernel
def refuse_stops(region: int, order: OrderRecord) -> int:
    """A ``before`` hook that takes no stop."""
    return verdict(32, 5) if order.kind == 1 and order.order_type == 6 else 0


def test_a_leg_that_risk_refuses_ends_its_list():
    hooks = Hooks(np.zeros(64, np.uint8), before=refuse_stops)
    engine = Engine(make_instruments(SYMBOLS), 64, hooks=hooks)
    lines = legs("OCO", "id=1 SELL 5@110", "id=2 SELL 5 STOP trigger=90")
    for seq, line in enumerate(lines, 1):
        events = engine.process(parse_command(line, seq))
    kinds = [EventKind.REJECTED, EventKind.CANCELLED]
    assert events["kind"].tolist() == kinds
    assert events["reason"].tolist() == [Reason.RISK, Reason.LIST]
    assert events["flags"].tolist() == [0, 1]
    assert engine.event_count == 4 + len(kinds)
    assert engine.open_orders == 0
    engine.check()


def test_eight_legs_wait_for_the_first(both):
    news = [f"id={n} SELL 1@{100 + n}" for n in range(2, 9)]
    both.send(*legs("OTO", "id=1 BUY 5@100", *news))
    assert len(both.open) == 8
    both.send("NEW id=20 SELL 5@100 p7")
    assert both.open == set(range(2, 9))
    both.send("CANCEL id=3")
    assert both.open == set(range(2, 9)) - {3}, "they are orders for themselves"


@pytest.mark.parametrize("engine", [Engine, ReferenceEngine])
def test_another_participants_leg_is_no_part_of_a_list(engine):
    script = Script(engine)
    for line in legs("OCO", "id=1 SELL 5@110", "id=2 SELL 5 STOP trigger=90")[:2]:
        script.send(line)
    script.send("TERMS id=2 LIST OCO list=1 leg=2/2 p2")
    events = script.send("NEW id=2 SELL 5 STOP trigger=90 p2")
    assert [format_event(event) for event in events] == ["REJECTED id=2 5@0 leaves=0 LIST p2"]
