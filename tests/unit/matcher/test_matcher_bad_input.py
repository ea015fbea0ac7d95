"""Every reason a command can be refused for, and that a refusal leaves no trace but its number."""

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.wire import EventKind, OrderType, Reason, TimeInForce, make_instruments
from openoutcry.wire.enums import ENUMS
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_script import parse_command

ROWS = [
    {
        "symbol": "A",
        "tick_table": [(0, 1), (100, 5)],
        "qty_step_lots": 2,
        "min_qty_lots": 4,
        "max_qty_lots": 2**63 - 2,
        "min_price_ticks": -500,
        "max_price_ticks": 5000,
    },
    {"symbol": "BB", "initial_phase": 8, "reference_price_ticks": 50},
    {"symbol": "CCCCCCCC", "initial_phase": 1},
    {"symbol": "HALT", "initial_phase": 6},
    {"symbol": "CALL", "initial_phase": 2},
    {"symbol": "LAST"},
    {"symbol": "CLOSE", "initial_phase": 7},
]
BASE = """
NEW id=1 BUY 10@90
NEW id=2 SELL 10@110 GTC
NEW id=3 SELL 10@120 ICEBERG display=4 p7
NEW id=4 BUY 10@80 STOP_LIMIT trigger=130
NEW id=5 BUY 10@85 PEG_PRIMARY offset=-1
NEW id=6 BUY 10@90 POST_ONLY
NEW id=7 SELL 10@150 HIDDEN
NEW id=8 BUY 10@70 GTD until=900
NEW id=9 BUY 9223372036854775800@60
NEW id=10 SELL 10 TRAILING_STOP trail=9
NEW id=1 SELL 4@50 sym=LAST
NEW id=2 BUY 1@50 sym=LAST p7
PHASE TRADING_AT_LAST sym=LAST
NEW id=1 BUY 5@70 sym=CALL
TIME 500
"""
"""State before each bad command: every kind of order is there, in every kind of phase."""

BAD = [
    ("NEW id=20 BUY 10@90 err=6", "GATEWAY"),
    ("CANCEL id=1 err=32768", "GATEWAY"),
    ("TIME 600 err=1", "GATEWAY"),
    ("NEW id=20 BUY 10@90 sym=ZZ", "UNKNOWN_INSTRUMENT"),
    ("CANCEL id=1 sym=ZZ", "UNKNOWN_INSTRUMENT"),
    ("REPLACE id=1 10@95 everywhere", "UNKNOWN_INSTRUMENT"),
    ("PHASE HALT sym=ZZ", "UNKNOWN_INSTRUMENT"),
    ("MASS_CANCEL sym=ZZ", "UNKNOWN_INSTRUMENT"),
    ("SET_EXPIRY id=1 until=900 sym=ZZ", "UNKNOWN_INSTRUMENT"),
    ("kind=0", "MALFORMED"),
    ("kind=10 id=1", "MALFORMED"),
    ("kind=255 id=1", "MALFORMED"),
    ("NEW id=20 side=0 10@90", "MALFORMED"),
    ("NEW id=20 side=3 10@90", "MALFORMED"),
    ("NEW id=20 side=255 10@90", "MALFORMED"),
    ("NEW id=20 BUY 10@90 type=0", "MALFORMED"),
    (f"NEW id=20 BUY 10@90 type={len(OrderType) + 1}", "MALFORMED"),
    ("NEW id=20 BUY 10@90 type=255", "MALFORMED"),
    ("NEW id=20 BUY 10@90 tif=0", "MALFORMED"),
    ("NEW id=20 BUY 10@90 tif=15", "MALFORMED"),
    ("NEW id=20 BUY 10@90 tif=81", "MALFORMED"),
    ("NEW id=20 BUY 10@90 tif=255", "MALFORMED"),
    ("NEW id=20 BUY 10@90 POST_ONLY IOC", "MALFORMED"),
    ("NEW id=20 BUY 10@90 MIN_QTY min=2 FOK", "MALFORMED"),
    ("MASS_CANCEL side=3", "MALFORMED"),
    ("MASS_CANCEL aux=2", "MALFORMED"),
    ("MASS_CANCEL aux=3 p0", "MALFORMED"),
    ("MASS_CANCEL aux=2 20261130", "MALFORMED"),
    ("MASS_CANCEL aux=2 p0", "MALFORMED"),
    ("MASS_CANCEL aux=2 p0 99991232", "MALFORMED"),
    ("MASS_CANCEL aux=2 p0 20261130 BUY", "MALFORMED"),
    ("MASS_CANCEL aux=2 p0 20261130 everywhere", "MALFORMED"),
    ("MASS_CANCEL aux=-1", "MALFORMED"),
    ("MASS_CANCEL everybody p1", "MALFORMED"),
    ("TIME 600 p1", "MALFORMED"),
    ("PHASE HALT p1", "MALFORMED"),
    ("PHASE aux=0", "MALFORMED"),
    ("PHASE aux=9", "MALFORMED"),
    ("PHASE aux=-1", "MALFORMED"),
    ("NEW id=20 BUY 0@90", "BAD_QTY"),
    ("NEW id=20 BUY -2@90", "BAD_QTY"),
    ("NEW id=20 BUY -9223372036854775808@90", "BAD_QTY"),
    ("REDUCE id=1 0", "BAD_QTY"),
    ("REDUCE id=1 -2", "BAD_QTY"),
    ("REPLACE id=1 0@90", "BAD_QTY"),
    ("NEW id=20 BUY 11@90", "OFF_LOT"),
    ("REDUCE id=1 3", "OFF_LOT"),
    ("REPLACE id=1 11@90", "OFF_LOT"),
    ("NEW id=20 BUY 2@90", "QTY_LIMIT"),
    ("REPLACE id=1 2@90", "QTY_LIMIT"),
    ("NEW id=20 BUY 10@101", "OFF_STEP"),
    ("NEW id=20 SELL 10@109 ALL_OR_NONE", "OFF_STEP"),
    ("REPLACE id=1 10@101", "OFF_STEP"),
    ("NEW id=20 BUY 10@-501", "PRICE_LIMIT"),
    ("NEW id=20 SELL 10@5005", "PRICE_LIMIT"),
    ("NEW id=20 BUY 10@9223372036854775805", "PRICE_LIMIT"),
    ("NEW id=20 BUY 10@min", "PRICE_LIMIT"),
    ("REPLACE id=2 10@5005", "PRICE_LIMIT"),
    ("NEW id=20 BUY 10 STOP trigger=101", "BAD_AUX"),
    ("NEW id=20 BUY 10 STOP trigger=5005", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 STOP_LIMIT trigger=-501", "BAD_AUX"),
    ("NEW id=20 BUY 10 TRAILING_STOP trail=0", "BAD_AUX"),
    ("NEW id=20 BUY 10 TRAILING_STOP trail=2147483648", "BAD_AUX"),
    ("NEW id=20 BUY 10 TRAILING_STOP aux=-1", "BAD_AUX"),
    ("NEW id=20 BUY 10 TRAILING_STOP_BPS trail=10000", "BAD_AUX"),
    ("NEW id=20 BUY 10 TRAILING_STOP_BPS trail=0/5", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 ICEBERG display=0", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 ICEBERG display=-2", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 ICEBERG display=3", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 ICEBERG display=12", "BAD_AUX"),
    ("NEW id=20 BUY 514@90 ICEBERG display=2", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 PEG_PRIMARY offset=1099511627777", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 PEG_MIDPOINT offset=min", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 MIN_QTY min=0", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 MIN_QTY min=11", "BAD_AUX"),
    ("REPLACE id=3 10@120 display=12 p7", "BAD_AUX"),
    ("REPLACE id=4 10@80 trigger=131", "BAD_AUX"),
    ("REPLACE id=5 10@85 offset=-1099511627777", "BAD_AUX"),
    ("REPLACE id=10 10@0 trail=0/1", "BAD_AUX"),
    ("NEW id=20 BUY 10@90 sym=CCCCCCCC", "WRONG_PHASE"),
    ("NEW id=20 BUY 10 MARKET sym=HALT", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@90 IOC sym=CALL", "WRONG_PHASE"),
    ("NEW id=20 BUY 10 MARKET FOK sym=CALL", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@90 PEG_MARKET sym=CALL", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@90 MIN_QTY min=1 sym=CALL", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@90 AT_OPEN sym=CLOSE", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@90 AT_OPEN", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@50 sym=BB", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@50 HIDDEN sym=LAST", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@50 AT_CLOSE sym=LAST", "WRONG_PHASE"),
    ("NEW id=20 BUY 10@51 sym=LAST", "OFF_LAST"),
    ("REPLACE id=1 2@49 sym=LAST", "OFF_LAST"),
    ("NEW id=1 SELL 10@110", "DUPLICATE_ID"),
    ("NEW id=4 SELL 10@110", "DUPLICATE_ID"),
    ("NEW id=20 BUY 10@90 GTD until=499", "EXPIRED"),
    ("SET_EXPIRY id=1 until=499", "EXPIRED"),
    ("NEW id=20 BUY 10@110 POST_ONLY", "WOULD_CROSS"),
    ("REPLACE id=6 10@110", "WOULD_CROSS"),
    ("NEW id=20 BUY 10@60", "LEVEL_OVERFLOW"),
    ("REPLACE id=1 10@60", "LEVEL_OVERFLOW"),
    ("CANCEL id=99", "UNKNOWN_ORDER"),
    ("CANCEL id=5 sym=BB", "UNKNOWN_ORDER"),
    ("REDUCE id=99 2", "UNKNOWN_ORDER"),
    ("REPLACE id=99 10@90", "UNKNOWN_ORDER"),
    ("SET_EXPIRY id=99 until=900", "UNKNOWN_ORDER"),
    ("CANCEL id=1 p7", "NOT_OWNER"),
    ("REDUCE id=1 2 p7", "NOT_OWNER"),
    ("REPLACE id=4 10@90 p0", "NOT_OWNER"),
    ("SET_EXPIRY id=3 until=900", "NOT_OWNER"),
    ("TIME 499", "TIME_BACKWARDS"),
    ("TIME -9223372036854775808", "TIME_BACKWARDS"),
    ("NEW id=20 BUY 10@95", "BOOK_FULL"),
    ("NEW id=20 BUY 10@90 STOP_LIMIT trigger=300", "BOOK_FULL"),
]

REFUSALS = {
    Reason.GATEWAY, Reason.UNKNOWN_INSTRUMENT, Reason.MALFORMED, Reason.BAD_QTY,
    Reason.DUPLICATE_ID, Reason.UNKNOWN_ORDER, Reason.NOT_OWNER, Reason.WOULD_CROSS,
    Reason.BOOK_FULL, Reason.LEVEL_OVERFLOW, Reason.OFF_STEP, Reason.OFF_LOT, Reason.PRICE_LIMIT,
    Reason.QTY_LIMIT, Reason.WRONG_PHASE, Reason.BAD_AUX, Reason.EXPIRED, Reason.TIME_BACKWARDS,
    Reason.OFF_LAST,
}  # fmt: skip


def lines(text):
    return [line for line in text.splitlines() if line]


def base_engine(engine_class, full=False):
    """An engine after BASE, with as many open orders as there is room for if ``full``."""
    base = lines(BASE)
    engine = engine_class(make_instruments(ROWS), 13 if full else 64)
    orders = np.concatenate([parse_command(line, seq) for seq, line in enumerate(base, 1)])
    events = engine.process(orders)
    assert not (events["kind"] == EventKind.REJECTED).any()
    assert engine.open_orders == 13 - 1
    if full:
        engine.process(parse_command("NEW id=11 SELL 10@160", len(base) + 1))
        assert engine.open_orders == 13
    return engine


def test_every_reason_to_refuse_is_in_the_table():
    """A reason added to the enumeration wants its row here or in docs/matcher.md."""
    assert Reason in ENUMS
    assert {Reason[reason] for _, reason in BAD} == REFUSALS


@pytest.mark.promise(
    "A command with invalid fields is rejected by name and leaves no trace in the book. So is"
    " a TIME more than a day ahead of the host's clock, where the operator's commands enter",
    group="network",
)
@pytest.mark.parametrize("engine_class", [Engine, ReferenceEngine], ids=["fast", "reference"])
@pytest.mark.parametrize(("line", "reason"), BAD)
def test_a_refused_command_gives_its_reason_and_leaves_no_trace(engine_class, line, reason):
    """One REJECTED event that echoes the command; the state differs by the command's number only:
    another refusal of the same number would have left the very same bytes."""
    engine, other = (base_engine(engine_class, reason == "BOOK_FULL") for _ in range(2))
    seq = engine.last_seq + 1
    command = parse_command(line, seq)
    before = engine.state_hash()
    events = engine.process(command)
    assert [(EventKind(e["kind"]).name, Reason(e["reason"]).name) for e in events] == [
        ("REJECTED", reason)
    ]
    for field in ("order_id", "price_ticks", "qty_lots", "participant", "side"):
        assert events[field] == command[field]
    assert events["leaves_lots"] == 0
    assert events["contra_id"] == (command["error_code"] if reason == "GATEWAY" else 0)
    other.process(parse_command("kind=0 err=9", seq))
    assert engine.snapshot() == other.snapshot()
    assert engine.state_hash() == other.state_hash() != before
    if engine_class is Engine:
        engine.check()


@pytest.mark.parametrize("engine_class", [Engine, ReferenceEngine], ids=["fast", "reference"])
def test_a_thousand_refusals_do_not_change_what_comes_after(engine_class):
    """After all of the table, the rest of the day is the same as without it, numbers apart."""
    engine, other = (base_engine(engine_class) for _ in range(2))
    for line, reason in BAD:
        if reason != "BOOK_FULL":
            engine.process(parse_command(line, engine.last_seq + 1))
    after = [
        "NEW id=30 SELL 40@60",
        "NEW id=31 BUY 30 MARKET p7",
        "MASS_CANCEL everywhere",
        "TIME 901",
    ]
    for line in after:
        actual = engine.process(parse_command(line, 1000))
        expected = other.process(parse_command(line, 1000))
        for events in (actual, expected):
            events["seq"] = 0
        assert np.array_equal(actual, expected)
    assert engine.open_orders == other.open_orders


COMBINATIONS = [(t, f) for t in OrderType for f in TimeInForce]


@pytest.mark.parametrize("engine_class", [Engine, ReferenceEngine], ids=["fast", "reference"])
def test_only_the_listed_combinations_are_accepted(engine_class):
    """Among all order types with all times in force, MALFORMED are those that the page
    leaves out."""
    from tests.support.matcher.matcher_mixed import TIMES_ALLOWED

    for order_type, tif in COMBINATIONS:
        engine = engine_class(make_instruments(["A"]), 8)
        if tif == TimeInForce.AT_OPEN:
            engine.process(parse_command("PHASE PRE_OPEN", 1))
        aux = 1
        line = f"NEW id=1 BUY 4@90 {order_type.name} {tif.name} aux={aux}"
        events = engine.process(parse_command(line, 2))
        allowed = tif in TIMES_ALLOWED[order_type]
        assert (events[0]["reason"] != Reason.MALFORMED) == allowed, line
        assert (events[0]["kind"] == EventKind.ACCEPTED) == allowed, line
