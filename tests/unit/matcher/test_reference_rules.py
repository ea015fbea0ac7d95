"""Hand-worked cases of the trickiest rules, and laws that hold for whatever is sent to the
reference: its own tests, for it is what the kernels are measured by.
"""

import numpy as np
import pytest

from openoutcry.matcher import Engine, MatcherError
from openoutcry.matcher.event_bound import scratch_records
from openoutcry.wire import EventFlag, EventKind, Phase, Side, make_instruments
from openoutcry.wire.records import NO_INSTRUMENT
from tests import ROOT
from tests.oracles.matcher.book_from_events import BookFromEvents
from tests.oracles.matcher.books import Place
from tests.oracles.matcher.cascade import cascade
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_ledger import check_ledger
from tests.support.matcher.matcher_fuzz import without_merge_keys
from tests.support.matcher.matcher_mixed import mixed
from tests.support.matcher.matcher_script import Script
from tests.support.matcher.reference_rules import COMMANDS, SEEDS, run_by_command

ENGINES = [Engine, ReferenceEngine]

CASES = (ROOT / "tests/support/matcher/worked_rules.txt").read_text()
NAMED_CASES = dict(case.split("\n", 1) for case in CASES.split("=== ")[1:])
"""Scripts as tests/support/matcher/matcher_script.py describes them, by their names."""


@pytest.mark.parametrize("engine_class", ENGINES, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", NAMED_CASES)
def test_rules_worked_by_hand(name, engine_class):
    """Each case is what its name says, event by event."""
    Script(engine_class).run(NAMED_CASES[name])


@pytest.mark.parametrize("seed", SEEDS)
def test_no_lot_is_lost_and_every_command_ends_with_the_flag(seed):
    """Accepted is traded, cancelled, reduced or open; each command's last event says it is that,
    and there are no more of them than the bound allows."""
    run, engine, answers = run_by_command(seed)
    answers = list(answers)
    for events in answers:
        last = (events["flags"] & EventFlag.LAST) != 0
        assert last.tolist() == [False] * (len(events) - 1) + [True]
        assert len(events) <= scratch_records(run.order_capacity)
    assert check_ledger(np.concatenate(answers)) == engine.open_orders


@pytest.mark.parametrize("seed", SEEDS)
def test_the_displayed_book_is_never_crossed_while_trading_continues(seed):
    """After every command in continuous trading the best bid shown is below the best ask shown,
    and nothing is left to set off."""
    _, engine, answers = run_by_command(100 + seed, width=8, extreme=0.0, phases=seed % 2 == 0)
    both = 0
    for _ in answers:
        for market in engine.markets:
            if market.phase != Phase.CONTINUOUS:
                continue
            bid, ask = market.best_displayed(Side.BUY), market.best_displayed(Side.SELL)
            if bid is not None and ask is not None:
                both += 1
                assert bid < ask
            count = engine.event_count
            cascade(market)
            assert engine.event_count == count
    assert both > 0


def book_by_reference(market, side, places):
    return [
        (o.price, o.order_id, o.leaves, o.open_qty if o.place == Place.DISPLAYED else 0)
        for place in places
        for o in market.orders_of(place, side)
    ]


def book_by_reader(queue):
    return [(o.price_ticks, o.order_id, o.leaves_lots, o.shown_lots) for o in queue]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_book_can_be_rebuilt_from_events_alone(seed):
    """After every command a reader of the events knows each open order: its price, what is left
    and shown of it, and its place in the queue; public ids ascend along each level."""
    run, engine, answers = run_by_command(300 + seed)
    book = BookFromEvents()
    for events in answers:
        book.apply(events)
        if events["kind"][0] == EventKind.REJECTED:
            continue
        for market in engine.markets:
            for side in Side:
                shown = book.queue(market.index, side)
                assert book_by_reader(shown) == book_by_reference(market, side, [Place.DISPLAYED])
                hidden = book_by_reader(book.queue(market.index, side, hidden=True))
                for place in (Place.HIDDEN, Place.AON):
                    orders = book_by_reference(market, side, [place])
                    assert [o for o in hidden if o in orders] == orders
                assert len(hidden) == len(
                    book_by_reference(market, side, [Place.HIDDEN, Place.AON])
                )
            waiting = [
                o for o in market.orders.values() if o.place in (Place.NOWHERE, Place.TRIGGER)
            ]
            assert sorted(
                (o.order_id, o.leaves_lots) for o in book.waiting(market.index)
            ) == sorted((o.order_id, o.leaves) for o in waiting)
    assert len(engine.markets) == len(run.instruments)


def test_a_reader_that_missed_events_is_reported():
    """A fill of an order nobody has seen, and anything but events, is an error that says so."""
    run = mixed(1, 300, phases=False)
    events = ReferenceEngine(run.instruments, run.order_capacity).process(run.orders)
    fills = events[events["kind"] == EventKind.FILLED]
    with pytest.raises(MatcherError, match=r"event \d+: order -?\d+ of instrument \d+ is not open"):
        BookFromEvents().apply(fills)
    with pytest.raises(MatcherError, match="not a one-dimensional array of EVENT_DTYPE"):
        BookFromEvents().apply(run.orders)


def test_the_reader_reports_depth_and_single_orders():
    """An iceberg counts with its slice only, hidden orders not at all; orders are found by id."""
    script = Script(ReferenceEngine)
    book = BookFromEvents()
    for line in (
        "NEW id=1 SELL 9@100 ICEBERG display=4",
        "NEW id=2 SELL 3@100",
        "NEW id=3 SELL 3@99 HIDDEN",
        "NEW id=4 BUY 2@98",
        "NEW id=5 SELL 1@101",
        "NEW id=6 BUY 5@100 IOC p7",
        "NEW id=7 BUY 1 STOP trigger=120",
    ):
        book.apply(script.send(line))
    assert book.depth(0, 9) == {"bids": [(98, 2, 1)], "asks": [(100, 5, 2), (101, 1, 1)]}
    assert book.depth(0, 1)["asks"] == [(100, 5, 2)]
    iceberg = book.order(0, 1)
    assert iceberg is not None
    assert (iceberg.leaves_lots, iceberg.shown_lots, iceberg.display_lots) == (7, 2, 4)
    assert book.order(0, 3) is None
    assert [o.order_id for o in book.waiting(0)] == [7]


@pytest.mark.parametrize("seed", SEEDS)
def test_shards_give_each_instrument_the_events_of_one_engine(seed):
    """However instruments are dealt out, each has the same events, numbers apart; what belongs to
    no instrument is answered by the first shard, and by all if it goes to all."""
    rows = ["A", "BB", "CCC", {"symbol": "D", "initial_phase": 2}]
    run = mixed(400 + seed, COMMANDS, instruments=make_instruments(rows), order_capacity=4000)
    whole = ReferenceEngine(run.instruments, run.order_capacity).process(run.orders)
    shard_of = np.array([0, 1, 2, 1])
    parts = [
        without_merge_keys(
            ReferenceEngine(run.instruments, run.order_capacity, shard=(shard_of, k)).process(
                run.orders
            )
        )
        for k in range(3)
    ]
    for instrument in range(4):
        own = parts[shard_of[instrument]]
        assert same_but_numbers(own, whole, instrument)
        assert not any((p["instrument"] == instrument).any() for p in parts if p is not own)
    rejected = whole["kind"] == EventKind.REJECTED
    elsewhere = parts[0]["kind"] == EventKind.REJECTED
    assert same_but_numbers(parts[0][elsewhere], whole[rejected], NO_INSTRUMENT)


def same_but_numbers(actual, expected, instrument):
    """The events of one instrument, without their numbers and without the flag LAST, which in a
    command to all belongs to the last of them."""
    actual, expected = (events[events["instrument"] == instrument] for events in (actual, expected))
    for events in (actual, expected):
        events["seq"] = 0
        events["flags"] &= ~np.uint8(EventFlag.LAST)
    return np.array_equal(actual, expected)
