"""Dividends and splits: everybody paid to the unit, and commands that the matcher takes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.settlement.corporate import (
    ISSUER,
    OpenOrder,
    Position,
    cash_dividend,
    records,
    split,
)
from openoutcry.ledger.settlement.corporate_files import (
    read_orders,
    read_positions,
    write_adjustment,
)
from openoutcry.matcher import Engine
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import (
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.errors import SettlementError

BUY, SELL, LIMIT = Side.BUY, Side.SELL, OrderType.LIMIT
POSITIONS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(-(10**12), 10**12)),
    unique_by=lambda row: row[0],
).map(lambda rows: [Position(*row) for row in rows])
TERMS = st.tuples(st.integers(1, 1000), st.integers(1, 1000))


def order(order_id, side, price, qty, kind=LIMIT, symbol="ACME", participant=7):
    return OpenOrder(order_id, participant, symbol, side, kind, price, qty, SelfTrade.CANCEL_BOTH)


def received(movements, member, asset):
    return sum(
        one.units * ((one.payee == member) - (one.payer == member))
        for one in movements
        if one.asset == asset
    )


@given(POSITIONS, TERMS)
def test_a_dividend_pays_each_half_even_and_the_issuer_the_sum(positions, rate):
    done = cash_dividend(positions, [], "ACME", "USD", rate, 1, 10, Phase.PRE_OPEN)
    for member, units in positions:
        due = abs(units) * Fraction(*rate)
        assert received(done.movements, member, "USD") == round(due) * (1 if units > 0 else -1)
    everybody = sum(received(done.movements, one.member, "USD") for one in positions)
    assert received(done.movements, ISSUER, "USD") == -everybody


@given(POSITIONS, TERMS, st.integers(1000, 10**6), st.integers(0, 100))
def test_a_split_gives_whole_units_and_cash_for_the_rest(positions, ratio, ticks, per_tick):
    new, old = ratio
    done = split(positions, [], "ACME", "USD", ratio, per_tick, ticks, Phase.PRE_OPEN)
    reference = round(Fraction(ticks * old, new))
    assert done.commands[-1].price_ticks == reference
    for member, units in positions:
        sign = 1 if units > 0 else -1
        share = Fraction(abs(units) * new, old)
        after = units + received(done.movements, member, "ACME")
        assert after == sign * int(share)
        paid = round((share - int(share)) * reference * per_tick)
        assert received(done.movements, member, "USD") == sign * paid


def opened(orders):
    """An engine before the open, with these orders in it."""
    engine = Engine(make_instruments([b"ACME", b"COIN"]), 64)
    commands = np.zeros(2 + len(orders), ORDER_DTYPE)
    for at, symbol in enumerate((b"ACME", b"COIN")):
        commands[at]["kind"], commands[at]["symbol"] = CommandKind.PHASE, symbol
        commands[at]["aux"] = Phase.PRE_OPEN
    for row, one in zip(commands[2:], orders, strict=True):
        row["kind"], row["time_in_force"] = CommandKind.NEW, TimeInForce.DAY
        for field in ("order_id", "participant", "side", "order_type", "price_ticks", "qty_lots"):
            row[field] = getattr(one, field)
        row["symbol"] = one.symbol.encode()
        row["aux"] = 500 if one.order_type == OrderType.STOP else 0
    commands["seq"] = np.arange(1, len(commands) + 1)
    engine.process(commands)
    assert engine.open_orders == len(orders)
    return engine, len(commands) + 1


BOOK = [
    order(1, BUY, 101, 30),
    order(2, BUY, 101, 9),
    order(3, SELL, 110, 7),
    order(4, BUY, 0, 3, OrderType.STOP),
    order(5, BUY, 2, 1),
    order(6, BUY, 55, 4, symbol="COIN"),
]


def test_the_matcher_takes_the_commands_of_a_dividend():
    """Buys are lowered, sales stay, what has a trigger or no price left is cancelled."""
    engine, seq = opened(BOOK)
    done = cash_dividend([], BOOK, "ACME", "USD", (5, 2), 3, 100, Phase.PRE_OPEN)
    events = engine.process(records(done.commands, seq))
    assert not any(event["kind"] == EventKind.REJECTED for event in events)
    depth = engine.depth("ACME", 9)
    assert [level[:2] for level in depth["bids"]] == [(98, 39)]
    assert [level[:2] for level in depth["asks"]] == [(110, 7)]
    assert engine.depth("COIN", 9)["bids"][0][:2] == (55, 4)
    assert engine.open_orders == 4


def test_the_matcher_takes_the_commands_of_a_split():
    """3 for 2: half as many more, a price of two thirds, never worse for who entered it."""
    engine, seq = opened(BOOK)
    done = split([], BOOK, "ACME", "USD", (3, 2), 1, 100, Phase.PRE_OPEN)
    events = engine.process(records(done.commands, seq))
    assert not any(event["kind"] == EventKind.REJECTED for event in events)
    depth = engine.depth("ACME", 9)
    assert [level[:2] for level in depth["bids"]] == [(67, 45 + 13), (1, 1)]
    assert [level[:2] for level in depth["asks"]] == [(74, 10)]
    assert engine.open_orders == 5
    changed = [event for event in events if event["kind"] == EventKind.PHASE_CHANGED]
    assert [int(event["price_ticks"]) for event in changed] == [67]


def test_a_reverse_split_cancels_every_order_of_the_instrument():
    engine, seq = opened(BOOK)
    done = split([], BOOK, "ACME", "USD", (1, 10), 1, 100, Phase.CLOSED)
    engine.process(records(done.commands, seq))
    assert engine.depth("ACME", 9) == {"bids": [], "asks": []}
    assert engine.open_orders == 1


@pytest.mark.parametrize(
    ("make", "words", "word"),
    [
        (cash_dividend, ((0, 1), 1, 10), "a dividend of 0/1"),
        (cash_dividend, ((1, 1), 10, 10), "a dividend of 10 ticks on a price of 10"),
        (split, ((1, 0), 1, 10), "a split of 1/0"),
        (split, ((100, 1), 1, 10), "is 0 after 100 for 1"),
        (split, ((1, 10), 1, 2**60), f"a price of {2**60 * 10} ticks does not fit 64 bits"),
    ],
)
def test_terms_that_make_no_sense_are_refused(make, words, word):
    terms, price, reference = words
    with pytest.raises(SettlementError, match=word):
        make([], [], "ACME", "USD", terms, price, reference, Phase.CLOSED)
    with pytest.raises(SettlementError, match="64 bits"):
        make([Position("rich", 2**62)], [], "ACME", "USD", (1000, 1), 1, 5000, Phase.CLOSED)


def test_cash_for_a_fraction_that_is_too_much_is_refused():
    with pytest.raises(SettlementError, match="rich: 9223372036854775808 USD do not fit 64 bits"):
        split([Position("rich", 1)], [], "ACME", "USD", (1, 2), 4, 2**61, Phase.CLOSED)


def test_a_dividend_of_less_than_a_tick_leaves_the_orders_alone():
    """Nothing of them would have to change, whatever their type."""
    orders = [order(1, BUY, 50, 5), order(2, BUY, 50, 5, OrderType.ICEBERG)]
    done = cash_dividend(
        [Position("ann", 10)], orders, "ACME", "USD", (1, 10), 0, 100, Phase.CLOSED
    )
    assert [one.units for one in done.movements] == [1]
    assert [one.kind for one in done.commands] == [CommandKind.PHASE]


def test_both_files_of_an_adjustment_are_written_or_none(tmp_path):
    done = cash_dividend([Position("ann", 10)], [], "ACME", "USD", (1, 1), 1, 100, Phase.CLOSED)
    (tmp_path / "moved.csv").write_text("before")
    for commands in (tmp_path / "nowhere" / "commands.csv", tmp_path / "moved.csv"):
        with pytest.raises(SettlementError):
            write_adjustment(done, tmp_path / "moved.csv", commands)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    write_adjustment(done, tmp_path / "moved.csv", tmp_path / "commands.csv")
    assert (tmp_path / "moved.csv").read_text().endswith("issuer,ann,USD,10\n")


ORDERS = "order_id,participant,symbol,side,order_type,price_ticks,qty_lots,self_trade\n"


@pytest.mark.parametrize(
    ("read", "text", "word"),
    [
        (read_positions, "member,units\nann,1\nann,2\n", "row 3, member: ann occurs twice"),
        (read_positions, "member,units\nissuer,1\n", "row 2, member: issuer is not a member"),
        (
            read_orders,
            ORDERS + "1,7,ACME,BID,LIMIT,1,1,ALLOW\n",
            "row 2, side: 'BID' is not one of",
        ),
        (read_orders, ORDERS + "1,70000,ACME,BUY,LIMIT,1,1,ALLOW\n", "participant: 70000 is above"),
        (
            read_orders,
            ORDERS + "1,7,ACMEACMEACMEACMEACMEACME1,BUY,LIMIT,1,1,ALLOW\n",
            "row 2, symbol",
        ),
        (read_orders, ORDERS + "1,7,A,BUY,LIMIT,1,1,ALLOW\n" * 2, "row 3, order_id: 1 of A occurs"),
    ],
)
def test_files_that_are_not_right_are_named_by_row_and_field(read, text, word, tmp_path):
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(SettlementError, match=word):
        read(tmp_path / "in.csv")
