"""Quotes: both sides of an instrument are replaced in one command, or the quote is refused."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import Hooks
from openoutcry.wire import EventKind, Reason, make_instruments
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import OrderRecord
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_compare import assert_same
from tests.support.matcher.matcher_quotes import mixed_quotes
from tests.support.matcher.matcher_script import SYMBOLS, format_event, parse_command


class Both:
    """A kernel and a reference, asked alike; after each command a copy of the kernel from its
    snapshot must go on in the same way."""

    def __init__(self, capacity=64, **instrument):
        instruments = make_instruments([{"symbol": symbol} | instrument for symbol in SYMBOLS])
        self.capacity = capacity
        self.engines = [Engine(instruments, capacity), ReferenceEngine(instruments, capacity)]
        self.seq = 0

    def send(self, *lines):
        """The events of the last of these commands, as lines."""
        for line in lines:
            self.seq += 1
            order = parse_command(line, self.seq)
            again = Engine.restore(self.engines[0].snapshot(), self.capacity)
            answers = [engine.process(order) for engine in (*self.engines, again)]
            assert answers[0].tolist() == answers[1].tolist() == answers[2].tolist(), line
            self.engines[0].check()
            assert self.engines[0].snapshot() == self.engines[1].snapshot() == again.snapshot()
        return [format_event(event) for event in answers[0]]

    def quote(self, bid, offer, how=""):
        """The events of a quote with the ids 1 and 2: ``bid`` and ``offer`` as ``5@100``."""
        owner = how if how.startswith("p") else ""
        return self.send(f"TERMS id=1 QUOTE {offer} other=2 {owner}", f"NEW id=1 BUY {bid} {how}")

    @property
    def open(self):
        return {o.order_id: (o.leaves, o.price) for o in self.engines[1].markets[0].orders.values()}


def test_a_quote_that_moves_up_past_its_own_offer_never_meets_it():
    both = Both()
    both.quote("5@100", "5@102")
    assert both.quote("5@103", "5@105") == [
        "REPLACED id=2 5@105 leaves=5",
        "REPLACED id=1 5@103 leaves=5",
    ]
    assert both.quote("5@99", "5@101") == [
        "REPLACED id=1 5@99 leaves=5",
        "REPLACED id=2 5@101 leaves=5",
    ]


@pytest.mark.parametrize("mode", ["ALLOW", "CANCEL_NEWEST", "CANCEL_OLDEST", "CANCEL_BOTH"])
def test_a_quote_meets_its_participants_other_orders_by_its_mode(mode):
    both = Both()
    both.send("NEW id=9 SELL 2@101")
    both.quote("5@101", "5@103", mode)
    bid = {"ALLOW": (3, 101), "CANCEL_OLDEST": (5, 101)}.get(mode)
    left = {1: bid, 2: (5, 103), 9: (2, 101) if mode == "CANCEL_NEWEST" else None}
    assert both.open == {order: lots for order, lots in left.items() if lots}


@pytest.mark.parametrize(
    ("bid", "offer", "how", "reason"),
    [
        ("5@100", "5@100", "", "BAD_AUX"),
        ("5@100", "5@103", "HIDDEN", "DUPLICATE_ID"),
        ("5@100", "5@103", "IOC", "MALFORMED"),
        ("5@100", "-1@103", "", "LIST"),
        ("7@100", "5@103", "", "OFF_LOT"),
        ("5@100", "7@103", "", "OFF_LOT"),
        ("5@100", "5@1030", "", "PRICE_LIMIT"),
        ("5@100", "5@103", "p7", "DUPLICATE_ID"),
        ("5@100", "5@103", "POST_ONLY", "DUPLICATE_ID"),
    ],
)
def test_a_refused_quote_changes_neither_side(bid, offer, how, reason):
    both = Both(qty_step_lots=5, max_price_ticks=1000)
    both.quote("5@101", "5@102")
    before = both.open
    events = both.quote(bid, offer, how)
    if reason == "LIST":  # its term was refused, so the NEW is an order by itself
        reason = "DUPLICATE_ID"
    assert len(events) == 1
    assert events[0].startswith("REJECTED")
    assert reason in events[0]
    assert both.open == before


@pytest.mark.parametrize(("free", "enters"), [(1, False), (2, True)])
def test_a_quote_needs_room_for_both_sides(free, enters):
    both = Both(capacity=4)
    both.send(*[f"NEW id={10 + n} BUY 1@90 p7" for n in range(4 - free)])
    assert ("BOOK_FULL" not in both.quote("1@90", "1@91")[0]) == enters
    assert (1 in both.open) == (2 in both.open) == enters


def test_a_post_only_quote_is_refused_if_it_would_trade_with_others_alone():
    both = Both()
    both.quote("5@100", "5@102", "POST_ONLY")
    assert "REPLACED" in both.quote("5@102", "5@104", "POST_ONLY")[0]
    both.send("NEW id=9 SELL 1@106 p7")
    before = both.open
    assert "WOULD_CROSS" in both.quote("5@106", "5@108", "POST_ONLY")[0]
    assert both.open == before


def test_a_side_that_was_filled_enters_again():
    both = Both()
    both.quote("5@100", "5@102")
    both.send("NEW id=9 SELL 5@100 p7")
    assert both.quote("5@99", "5@102") == [
        "ACCEPTED id=1 5@99 leaves=5",
        "REPLACED id=2 5@102 leaves=5 KEPT_PLACE",
    ]


@kernel
def ask_for_terms(region: int, order: OrderRecord) -> int:
    """A ``before`` hook that wants the terms of every NEW, and judges no quotes."""
    return 7 << 8 if order.kind == 1 and order.order_id == 1 else 0


def test_hooks_that_judge_no_quotes_refuse_them():
    hooks = Hooks(np.zeros(64, np.uint8), before=ask_for_terms, terms=ask_for_terms)
    engine = Engine(make_instruments(SYMBOLS), 64, hooks=hooks)
    engine.process(parse_command("TERMS id=1 QUOTE 5@102 other=2", 1))
    (event,) = engine.process(parse_command("NEW id=1 BUY 5@100", 2))
    assert (event["kind"], event["reason"]) == (EventKind.REJECTED, Reason.MALFORMED)


@pytest.mark.parametrize("seed", range(12))
def test_kernels_and_reference_are_equal_and_the_judge_agrees(seed):
    run = mixed_quotes(seed, 500)
    assert_same(
        Engine(run.instruments, run.order_capacity),
        ReferenceEngine(run.instruments, run.order_capacity),
        run.orders,
    )


@pytest.mark.long
@pytest.mark.parametrize("part", range(8))
def test_many_random_quotes(part):
    for seed in range(100 + part * 500, 600 + part * 500):
        run = mixed_quotes(seed, 400)
        assert_same(
            Engine(run.instruments, run.order_capacity),
            ReferenceEngine(run.instruments, run.order_capacity),
            run.orders,
        )
