"""Where room ends and numbers end: full pools, full levels, the event bound, the ends of int64."""

import numpy as np
import pytest

from openoutcry.matcher import Engine, scratch_records
from openoutcry.wire import EventKind, Reason, make_instruments
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import mixed

MAX = 2**63 - 1
ANY_QTY = {"symbol": "A", "max_qty_lots": MAX}
ENGINES = pytest.mark.parametrize("engine_class", [Engine, ReferenceEngine])
RESTING = [
    "BUY 5@90",
    "BUY 5@90 GTC",
    "SELL 5@110 POST_ONLY",
    "SELL 5@80 POST_ONLY_SLIDE",
    "BUY 5@90 ICEBERG display=1",
    "BUY 5@90 HIDDEN",
    "BUY 5@90 ALL_OR_NONE",
    "BUY 5@90 PEG_PRIMARY",
    "SELL 5@90 PEG_MARKET offset=-1",
    "BUY 5@90 STOP_LIMIT trigger=120",
    "SELL 5 STOP trigger=80",
    "SELL 5 TRAILING_STOP trail=5",
    "BUY 5 TRAILING_STOP_BPS trail=5",
    "BUY 5@90 AT_CLOSE",
    "BUY 5@90 GTD until=9",
]
FIRST = {"SELL 5@80 POST_ONLY_SLIDE": "NEW id=-1 BUY 1@85 p7"}


def kinds_and_reasons(events):
    return [(EventKind(e["kind"]).name, Reason(e["reason"]).name) for e in events]


@pytest.mark.parametrize("what", RESTING)
@ENGINES
def test_every_kind_of_resting_order_needs_a_place_and_gives_it_back(
    make_script, engine_class, what
):
    """With the pool full the next is refused; one cancelled, the next is accepted."""
    script = make_script(engine_class, order_capacity=12)
    first = FIRST.get(what, "CANCEL id=-1")
    script.send(first)
    order_count = 0
    while (events := script.send(f"NEW id={order_count} {what}"))[0]["kind"] == EventKind.ACCEPTED:
        order_count += 1
        assert script.engine.open_orders <= 12
    assert kinds_and_reasons(events) == [("REJECTED", "BOOK_FULL")]
    assert order_count > 0
    script.send("MASS_CANCEL everywhere everybody")
    assert script.engine.open_orders == 0
    script.send(first)
    for order_id in range(order_count):
        assert script.send(f"NEW id={order_id} {what}")[0]["kind"] == EventKind.ACCEPTED
    assert script.send(f"NEW id={order_count} {what}")[0]["reason"] == Reason.BOOK_FULL


@ENGINES
def test_a_full_pool_still_serves_those_that_need_no_place(make_script, engine_class):
    """IOC, FOK and market orders trade, cancels and replaces work, while nothing more can rest."""
    script = make_script(engine_class, order_capacity=2)
    script.run("""
NEW id=1 SELL 5@100
    ACCEPTED id=1 5@100 leaves=5
NEW id=2 SELL 5@101
    ACCEPTED id=2 5@101 leaves=5
NEW id=3 BUY 20@100 p7
    REJECTED id=3 20@100 leaves=0 BOOK_FULL p7
NEW id=3 BUY 2@100 IOC p7
    ACCEPTED id=3 2@100 leaves=2 p7
    FILLED id=1 2@100 leaves=3 contra=3 MAKER
    FILLED id=3 2@100 leaves=0 contra=1 p7
REPLACE id=2 9@102
    REPLACED id=2 9@102 leaves=9
NEW id=3 BUY 12 MARKET FOK p7
    ACCEPTED id=3 12@0 leaves=12 p7
    FILLED id=1 3@100 leaves=0 contra=3 MAKER
    FILLED id=3 3@100 leaves=9 contra=1 p7
    FILLED id=2 9@102 leaves=0 contra=3 MAKER
    FILLED id=3 9@102 leaves=0 contra=2 p7
""")


@pytest.mark.parametrize("what", ["", "HIDDEN", "ALL_OR_NONE", "POST_ONLY"])
def test_a_level_holds_up_to_the_largest_number(script, what):
    """Exactly 2**63 - 1 lots fit a level; one more is LEVEL_OVERFLOW, new or replaced."""
    script.with_instruments([ANY_QTY])
    assert script.send(f"NEW id=1 BUY {MAX - 7}@100 {what}")[0]["kind"] == EventKind.ACCEPTED
    assert script.send(f"NEW id=2 BUY 8@100 {what}")[0]["reason"] == Reason.LEVEL_OVERFLOW
    assert script.send(f"NEW id=2 BUY 6@100 {what}")[0]["kind"] == EventKind.ACCEPTED
    assert script.send(f"NEW id=3 BUY 5@99 {what}")[0]["kind"] == EventKind.ACCEPTED
    assert script.send("REPLACE id=3 2@100")[0]["reason"] == Reason.LEVEL_OVERFLOW
    assert script.send("REPLACE id=3 1@100")[0]["kind"] == EventKind.REPLACED
    assert script.send("REPLACE id=3 2@100")[0]["reason"] == Reason.LEVEL_OVERFLOW


def test_what_an_iceberg_holds_back_is_no_quantity_of_the_level(script):
    """Only the slice counts; a next slice that does not fit any more ends the order."""
    script.with_instruments([ANY_QTY])
    total, display = 9 * 10**18, 3 * 10**17
    script.send(f"NEW id=1 SELL {total}@100 ICEBERG display={display}")
    rest = MAX - display
    assert script.send(f"NEW id=2 SELL {rest + 1}@100")[0]["reason"] == Reason.LEVEL_OVERFLOW
    assert script.send(f"NEW id=2 SELL {rest}@100")[0]["kind"] == EventKind.ACCEPTED
    events = script.send(f"NEW id=3 BUY {display}@100 p7")
    assert kinds_and_reasons(events)[-1] == ("REFRESHED", "NONE")
    assert events[-1]["leaves_lots"] == total - display


def test_quantities_of_many_levels_sum_without_overflow(script):
    """FOK, MIN_QTY and ALL_OR_NONE look across several levels of nearly 2**63 lots each."""
    script.with_instruments([ANY_QTY])
    for order_id, price in enumerate((100, 101, 102)):
        script.send(f"NEW id={order_id} SELL {MAX - 1}@{price}")
    assert kinds_and_reasons(script.send(f"NEW id=9 BUY {MAX}@100 FOK p7"))[1:] == [
        ("CANCELLED", "FOK_UNFILLABLE")
    ]
    assert kinds_and_reasons(script.send(f"NEW id=9 BUY {MAX}@100 MIN_QTY min={MAX} p7"))[1:] == [
        ("CANCELLED", "MIN_QTY_UNFILLABLE")
    ]
    events = script.send(f"NEW id=9 BUY {MAX}@102 FOK p7")
    assert events["qty_lots"].tolist()[1:] == [MAX - 1, MAX - 1, 1, 1]


def test_an_auction_of_enormous_quantities_is_exact(script):
    """Sums of more than 2**63 lots on both sides are compared exactly, so that no crossed book is
    left (seed 1016584 of the fuzz); what is told of them ends at 2**63 - 1."""
    script.with_instruments([{**ANY_QTY, "initial_phase": 3}])
    for order_id in range(3):
        script.send(f"NEW id={order_id} SELL {MAX - 1}@{100 + order_id}")
        script.send(f"NEW id={order_id + 10} BUY {MAX - 1}@{105 + order_id} p7")
    events = script.send("PHASE CONTINUOUS")
    uncrossed = events[events["kind"] == EventKind.UNCROSSED][0]
    assert uncrossed["qty_lots"] == MAX
    fills = events[events["kind"] == EventKind.FILLED]
    buys = fills[fills["side"] == 1]["qty_lots"].tolist()
    # All trade from 102 to 105 and nothing is left over: without a reference the highest.
    assert uncrossed["price_ticks"] == 105
    assert sum(buys) == 3 * (MAX - 1), "everybody who can trade at the price does"
    assert sum(fills["qty_lots"].tolist()) == 2 * sum(buys)
    assert script.engine.open_orders == 0


def test_a_call_notices_whatever_can_change_its_price_and_nothing_else(script):
    """The first order at a price that crosses is told of; orders beyond the last pair that trades
    are not, until what trades is gone."""
    script.with_instruments([{"symbol": "A", "initial_phase": 3}])
    script.run("""
NEW id=1 SELL 5@101 p7
    ACCEPTED id=1 5@101 leaves=5 p7
NEW id=2 BUY 5@101
    ACCEPTED id=2 5@101 leaves=5
    INDICATIVE 5@101 surplus=0
NEW id=3 BUY 9@100
    ACCEPTED id=3 9@100 leaves=9
NEW id=4 SELL 4@102 p7
    ACCEPTED id=4 4@102 leaves=4 p7
REDUCE id=3 BUY 2
    REDUCED id=3 2@100 leaves=7
REPLACE id=4 SELL 3@100 p7
    REPLACED id=4 3@100 leaves=3 p7
    INDICATIVE 5@101 surplus=3 SELL
CANCEL id=2
    CANCELLED id=2 5@101 leaves=0 USER
    INDICATIVE 3@100 surplus=4 BUY
CANCEL id=4 p7
    CANCELLED id=4 3@100 leaves=0 USER p7
    INDICATIVE 0@none surplus=0
NEW id=5 BUY 6@101
    ACCEPTED id=5 6@101 leaves=6
    INDICATIVE 5@101 surplus=1 BUY
""")


def test_pro_rata_shares_of_enormous_quantities_are_exact(script):
    """order × incoming / level needs more than 64 bits in between."""
    script.with_instruments([{**ANY_QTY, "allocation": 2}])
    sizes = [MAX // 3, MAX // 7, MAX // 5]
    for order_id, qty in enumerate(sizes):
        script.send(f"NEW id={order_id} BUY {qty}@100")
    incoming = MAX // 2
    events = script.send(f"NEW id=9 SELL {incoming}@100 p7")
    fills = events[(events["kind"] == EventKind.FILLED) & (events["order_id"] != 9)]
    shares = [qty * incoming // sum(sizes) for qty in sizes]
    shares[0] += incoming - sum(shares)
    assert fills["qty_lots"].tolist() == shares


@pytest.mark.parametrize("order_id", [0, 1, -1, LEG_ORDER_IDS - 1, -MAX - 1, 2**32, 2**31 - 1])
def test_any_int64_below_those_of_legs_is_an_id(script, order_id):
    """An id of 0 or of the largest number is opened, found, filled and free again."""
    i = order_id
    script.run(
        f"""
NEW id={i} BUY 5@100
    ACCEPTED id={i} 5@100 leaves=5
NEW id={i} BUY 5@100
    REJECTED id={i} 5@100 leaves=0 DUPLICATE_ID
REDUCE id={i} 1
    REDUCED id={i} 1@100 leaves=4
REPLACE id={i} 4@101
    REPLACED id={i} 4@101 leaves=4
NEW id=77 SELL 4@101 p7
    ACCEPTED id=77 4@101 leaves=4 p7
    FILLED id={i} 4@101 leaves=0 contra=77 MAKER
    FILLED id=77 4@101 leaves=0{f" contra={i}" if i else ""} p7
NEW id={i} SELL 2@103 STOP_LIMIT trigger=90
    ACCEPTED id={i} 2@103 leaves=2 contra=90 WAITING
CANCEL id={i}
    CANCELLED id={i} 2@103 leaves=0 USER
CANCEL id={i}
    REJECTED id={i} 0@0 leaves=0 UNKNOWN_ORDER
""".replace(f"contra={MAX}", "contra=max").replace(f"contra={-MAX - 1}", "contra=none")
    )


def test_the_same_id_may_be_open_in_two_instruments(script):
    """Ids are unique within an instrument only, so that shards agree with one engine."""
    script.run("""
NEW id=1 BUY 5@100
    ACCEPTED id=1 5@100 leaves=5
NEW id=1 SELL 7@200 sym=BB
    ACCEPTED id=1 7@200 leaves=7
REDUCE id=1 2 sym=BB
    REDUCED id=1 2@200 leaves=5
CANCEL id=1
    CANCELLED id=1 5@100 leaves=0 USER
CANCEL id=1
    REJECTED id=1 0@0 leaves=0 UNKNOWN_ORDER
CANCEL id=1 sym=BB
    CANCELLED id=1 5@200 leaves=0 USER
""")


def test_a_far_away_order_trades_like_any_other(script):
    """A bid of one tick under a market at a thousand million is reached when all above is gone."""
    script.run("""
NEW id=1 BUY 5@1
    ACCEPTED id=1 5@1 leaves=5
NEW id=2 BUY 5@1000000000
    ACCEPTED id=2 5@1000000000 leaves=5
NEW id=3 SELL 5@1000000001
    ACCEPTED id=3 5@1000000001 leaves=5
NEW id=4 SELL 5@4000000000000000000
    ACCEPTED id=4 5@4000000000000000000 leaves=5
NEW id=5 SELL 8@1 p7
    ACCEPTED id=5 8@1 leaves=8 p7
    FILLED id=2 5@1000000000 leaves=0 contra=5 MAKER
    FILLED id=5 5@1000000000 leaves=3 contra=2 p7
    FILLED id=1 3@1 leaves=2 contra=5 MAKER
    FILLED id=5 3@1 leaves=0 contra=1 p7
NEW id=6 BUY 7 MARKET p7
    ACCEPTED id=6 7@0 leaves=7 p7
    FILLED id=3 5@1000000001 leaves=0 contra=6 MAKER
    FILLED id=6 5@1000000001 leaves=2 contra=3 p7
    FILLED id=4 2@4000000000000000000 leaves=3 contra=6 MAKER
    FILLED id=6 2@4000000000000000000 leaves=0 contra=4 p7
""")


@pytest.mark.parametrize("far", [1, -(2**62), 2**20, 64 * 64 * 64, 2**62])
def test_every_type_works_far_from_the_market(script, far):
    """Hidden, iceberg, all-or-none and stop orders anywhere in int64 do what they do nearby."""
    near = 10**9
    for order_id, price in ((1, near), (2, far)):
        if price < near:
            script.send(f"NEW id={order_id} BUY 2@{price} HIDDEN")
            script.send(f"NEW id={order_id + 10} BUY 6@{price} ICEBERG display=2")
            script.send(f"NEW id={order_id + 20} BUY 3@{price} ALL_OR_NONE")
        else:
            script.send(f"NEW id={order_id} SELL 2@{price} HIDDEN")
            script.send(f"NEW id={order_id + 10} SELL 6@{price} ICEBERG display=2")
            script.send(f"NEW id={order_id + 20} SELL 3@{price} ALL_OR_NONE")
    side = "SELL" if far < near else "BUY"
    events = script.send(f"NEW id=99 {side} 11@{far} p7")
    fills = events[(events["kind"] == EventKind.FILLED) & (events["order_id"] == 99)]
    if far < near:
        assert set(fills["price_ticks"].tolist()) == {far}
        assert fills["contra_id"].tolist() == [12, 12, 12, 2, 22]
    else:
        assert fills["price_ticks"].tolist() == [near] * 5
        assert fills["contra_id"].tolist() == [11, 11, 11, 1, 21]
    assert fills["leaves_lots"].tolist()[-1] == 0


@ENGINES
@pytest.mark.parametrize("capacity", [1, 2, 5, 30])
def test_no_command_writes_more_events_than_announced(engine_class, capacity):
    """Whatever comes, scratch_records is room enough for one command's events."""
    for seed in range(20 if engine_class is Engine else 4):
        run = mixed(seed, 400, order_capacity=capacity, extreme=0.02)
        events = engine_class(run.instruments, capacity).process(run.orders)
        counts = np.unique(events["cause_seq"], return_counts=True)[1]
        assert counts.max() <= scratch_records(capacity)


@ENGINES
def test_icebergs_whose_slices_could_fill_the_event_buffer_are_refused(make_script, engine_class):
    """The worst case of events is a part of the room that BOOK_FULL speaks of."""
    script = make_script(engine_class, order_capacity=2)
    bound = scratch_records(2)
    slices = 0
    for order_id, qty in ((1, 8), (2, 8)):
        if script.send(f"NEW id={order_id} SELL {qty}@100 ICEBERG display=1")[0]["kind"] == 1:
            slices += qty
    assert 0 < slices < 16, f"both fit although they could cause more than {bound} events"
    assert len(script.send("NEW id=9 BUY 50 MARKET p7")) <= bound


def test_malformed_instrument_limits_never_reach_the_engine():
    """make_instruments refuses what the engine could not hold."""
    with pytest.raises(ValueError, match="instrument row 0: top_share_bps is 10001"):
        make_instruments([{"symbol": "A", "top_share_bps": 10_001}])


@ENGINES
def test_of_orders_that_expire_at_one_moment_the_first_entered_goes_first(
    make_script, engine_class
):
    """Whatever their place in the heap: the ids and prices are in no order."""
    script, ids = make_script(engine_class), (5, 2, 9, 1, 7, 3)
    script.send("TIME 1")
    for order_id in ids:
        script.send(f"NEW id={order_id} BUY 1@{100 - order_id} GTD until=10")
    over = [event for event in script.send("TIME 11") if event["kind"] == EventKind.EXPIRED]
    assert [event["order_id"] for event in over] == list(ids)
