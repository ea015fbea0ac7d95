"""A trade off the book: both sides are checked as orders are, the book does not change, and a
reference trades once."""

import numpy as np
import pytest

from openoutcry.matcher import Engine, hooks
from openoutcry.risk import before
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.layout import RiskInstrument
from openoutcry.risk.region import setting
from openoutcry.risk.requests import LEG, WHOLE, RequestState
from openoutcry.venue.requests import opening
from openoutcry.wire.enums import EventFlag, EventKind, Phase, Reason, Side
from openoutcry.wire.off_book_legs import LEG_SHIFT, MAX_LEGS
from openoutcry.wire.order_ids import OFF_BOOK_ORDER_IDS
from tests.support.risk.spot_page import SpotMarket

BTC_USD = b"BTC-USD"
TERMS = {"buyer": 1, "seller": 2, "lots": 100, "price": 5_000_000}


@pytest.fixture
def market(tmp_path):
    """p1 has 100,000 USD, p2 10 BTC; the book is 49,000.00 to 51,000.00."""
    one = SpotMarket(tmp_path)
    one.move(100_000 * 10**6, "USD", 1)
    one.move(10 * 10**8, "BTC", 2)
    one.move(10**12, "USD", 3)
    one.move(10**9, "BTC", 3)
    one.new(Side.BUY, 5, 4_900_000, BTC_USD, 3)
    one.new(Side.SELL, 5, 5_100_000, BTC_USD, 3)
    return one


def record_of(buyer, seller, lots, price, asks=Side.BUY, symbol=BTC_USD):
    record = setting(Setting.OFF_BOOK, lots, buyer << 16 | seller, symbol, price)
    record["time_in_force"], record["side"] = asks, WHOLE
    return record


def trade(market, reference="rfq 1", record=None, **terms):
    """The events of one trade that is asked for."""
    for one in opening(reference, 7, 0):
        market.send(one)
    return market.send(record_of(**TERMS | terms) if record is None else record)


def state_of(market, reference="rfq 1"):
    return RequestState(int(market.view.requests.find(reference)[-1]))


def held(market, who, asset):
    return market.wallets.balance(who, asset)[:2]


def test_both_sides_get_what_they_agreed_on_and_the_book_stays(market):
    events = trade(market)
    assert events["kind"].tolist() == [
        EventKind.ACCEPTED, EventKind.ACCEPTED, EventKind.FILLED, EventKind.FILLED,
        EventKind.COMPLETED,
    ]  # fmt: skip
    assert events["participant"].tolist() == [2, 1, 2, 1, 0]
    assert (events["flags"] & EventFlag.LAST).tolist() == [0, 0, 0, 0, 1]
    maker, taker = events[2], events[3]
    assert maker["flags"] == EventFlag.MAKER | EventFlag.HIDDEN
    assert taker["flags"] == EventFlag.HIDDEN
    assert (int(taker["order_id"]), int(maker["contra_id"])) == (
        OFF_BOOK_ORDER_IDS + 2 * market.seq,
    ) * 2
    # 100 lots are 0.01 BTC at 50,000.00; the one that asked pays 10 bps of what it receives.
    assert held(market, 1, "USD") == (99_500 * 10**6, 0)
    assert held(market, 1, "BTC") == (10**6 - 1_000, 0)
    assert held(market, 2, "BTC") == (10 * 10**8 - 10**6, 0)
    assert held(market, 2, "USD") == (500 * 10**6, 0)
    assert market.wallets.fees("BTC") == 1_000
    assert market.balanced()
    assert state_of(market) is RequestState.DONE
    assert market.engine.open_orders == 2
    assert market.engine.best("BTC-USD") == (4_900_000, 5, 5_100_000, 5)
    market.engine.check()


def test_the_seller_may_be_the_one_that_asked(market):
    events = trade(market, asks=Side.SELL)
    assert events["participant"].tolist() == [1, 2, 1, 2, 0]
    assert held(market, 1, "BTC") == (10**6, 0)
    assert held(market, 2, "USD") == (500 * 10**6 - 500_000, 0)


def test_a_reference_trades_once(market):
    trade(market)
    before_usd = held(market, 1, "USD")
    again = trade(market)
    assert again["kind"].tolist() == [EventKind.REJECTED]
    assert again["reason"].tolist() == [Reason.MALFORMED]
    assert held(market, 1, "USD") == before_usd
    # Nor does the command by itself, without the request that names it.
    alone = market.send(record_of(**TERMS))
    assert alone["kind"].tolist() == [EventKind.REJECTED]
    unmarked = record_of(**TERMS)
    unmarked["side"] = 0
    assert trade(market, "rfq 2", unmarked)["kind"].tolist() == [EventKind.REJECTED]
    assert held(market, 1, "USD") == before_usd


@pytest.mark.parametrize(
    ("terms", "who"),
    [({"lots": 30_000}, 1), ({"buyer": 3, "seller": 1}, 1), ({"buyer": 4, "seller": 2}, 4)],
)
def test_a_side_that_cannot_pay_takes_the_other_one_back(market, terms, who):
    was = [held(market, one, asset) for one in (1, 2, 3, 4) for asset in ("USD", "BTC")]
    for asks in Side:
        events = trade(market, f"rfq {asks}", **terms | {"asks": asks})
        assert events["kind"].tolist() == [EventKind.REJECTED]
        assert events["reason"].tolist() == [Reason.RISK]
        assert int(events["contra_id"][0]) >> RiskBit.BALANCE & 1
        assert state_of(market, f"rfq {asks}") is RequestState.BEGUN
        assert was == [held(market, one, asset) for one in (1, 2, 3, 4) for asset in ("USD", "BTC")]
    assert market.balanced()
    assert market.engine.open_orders == 2
    # What was refused may be asked for again once the side can pay.
    market.move(10**13, "USD", who)
    market.move(10**12, "BTC", who)
    assert trade(market, "rfq 1", **terms | {"asks": Side.BUY})[-1]["kind"] == EventKind.COMPLETED


def test_a_side_that_is_taken_back_keeps_its_rate_and_its_next_order(market):
    """Else a client whose trades fail would use up what its maker may send."""
    market.send(setting(Setting.RATE, 10**9, 2, second=2))
    market.send(setting(Setting.DUPLICATE_WINDOW, 10**9, 2))
    for number in range(5):
        events = trade(market, f"rfq {number}", lots=30_000)
        assert int(events["contra_id"][0]) >> RiskBit.BALANCE & 1
    for lots, kind in ((30_000, EventKind.ACCEPTED), (1, EventKind.ACCEPTED)):
        assert market.new(Side.SELL, lots, 5_000_000, BTC_USD, 2)["kind"][0] == kind
    refused = market.new(Side.SELL, 2, 5_000_000, BTC_USD, 2)
    assert int(refused["contra_id"][0]) >> RiskBit.RATE & 1


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"price": 0}, Reason.PRICE_LIMIT),
        ({"price": 100_000_001}, Reason.PRICE_LIMIT),
        ({"lots": 0}, Reason.MALFORMED),
        ({"lots": -5}, Reason.MALFORMED),
        ({"seller": 1}, Reason.MALFORMED),
        ({"seller": 0}, Reason.MALFORMED),
        ({"buyer": 400}, Reason.MALFORMED),
        ({"symbol": b"NONE"}, Reason.UNKNOWN_INSTRUMENT),
        ({"asks": 3}, Reason.MALFORMED),
    ],
)
def test_what_makes_no_sense_changes_nothing(market, terms, reason):
    was = market.wallets.rows.tobytes()
    events = trade(market, **terms)
    assert events["kind"].tolist() == [EventKind.REJECTED]
    assert events["reason"].tolist() in ([reason], [Reason.MALFORMED])
    assert market.wallets.rows.tobytes() == was


def test_nothing_trades_off_the_book_while_the_instrument_does_not(market):
    market.phase(BTC_USD, Phase.HALT)
    assert trade(market)["reason"].tolist() == [Reason.WRONG_PHASE]
    market.phase(BTC_USD, Phase.CONTINUOUS)
    assert trade(market)[-1]["kind"] == EventKind.COMPLETED


def test_a_killed_or_suspended_side_does_not_trade(market):
    market.send(setting(Setting.KILL, 1, 2))
    assert int(trade(market)["contra_id"][0]) >> RiskBit.KILLED & 1
    market.send(setting(Setting.KILL, 0, 2))
    market.send(setting(Setting.STATUS, 2, 1))
    assert int(trade(market)["contra_id"][0]) >> RiskBit.SUSPENDED & 1


def test_the_last_price_is_the_books(market):
    market.new(Side.BUY, 1, 5_100_000, BTC_USD, 3)
    last = market.view.instruments[0].copy()
    trade(market, price=6_000_000)
    changed = np.flatnonzero(market.view.instruments[0] != last)
    assert changed.tolist() == [RiskInstrument.offset("volume") // 8]


# Several legs


LEGS = (
    {"symbol": BTC_USD, "lots": 100, "price": 5_000_000},
    {
        "symbol": b"ETH-USD",
        "lots": 20,
        "price": 300_000,
        "asks": Side.SELL,
        "buyer": 2,
        "seller": 1,
    },
)
"""The client buys the first, and sells the second."""


def trade_legs(market, legs=LEGS, reference="rfq 1", last=WHOLE):
    """The events of each command of a trade of several legs."""
    for one in opening(reference, 7, 0):
        market.send(one)
    found = []
    for number, terms in enumerate(legs):
        record = record_of(**{"buyer": 1, "seller": 2} | terms)
        record["side"] = last if number == len(legs) - 1 else LEG
        record["time_in_force"] |= number << LEG_SHIFT
        found.append(market.send(record))
    return found


def fund(market):
    """What each side gives in a leg it has, whatever another leg brings."""
    market.move(10**10, "ETH", 1)
    market.move(10**10, "USD", 2)


def all_held(market):
    return [held(market, who, asset) for who in (1, 2, 3) for asset in ("USD", "BTC", "ETH")]


def test_all_legs_trade_with_the_last_one(market):
    fund(market)
    was = {(who, asset): held(market, who, asset)[0] for who in (1, 2) for asset in ("USD", "ETH")}
    waits, traded = trade_legs(market)
    assert waits["kind"].tolist() == [EventKind.COMPLETED]
    kinds = [EventKind.ACCEPTED] * 4 + [EventKind.FILLED] * 4 + [EventKind.COMPLETED]
    assert traded["kind"].tolist() == kinds
    assert traded["participant"].tolist() == [2, 1, 2, 1, 2, 1, 2, 1, 0]
    assert traded["instrument"][:8].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert (traded["flags"] & EventFlag.LAST).tolist() == [*[0] * 8, 1]
    assert len(set(traded["order_id"][:4].tolist())) == 4
    assert traded["order_id"][4:8].tolist() == traded["order_id"][:4].tolist()
    assert traded["cause_seq"].tolist() == [market.seq] * 9
    of_eth = market.venue.risk.money.spot["ETH-USD"]
    sold, paid = 20 * of_eth.lot_units, 20 * 300_000 * of_eth.tick_units
    assert was[1, "ETH"] - held(market, 1, "ETH")[0] == sold
    assert held(market, 2, "ETH")[0] - was[2, "ETH"] == sold
    assert was[2, "USD"] + 500 * 10**6 - held(market, 2, "USD")[0] == paid
    assert market.balanced()
    assert state_of(market) is RequestState.DONE
    assert market.engine.open_orders == 2
    market.engine.check()
    # Nothing of it is left for another trade.
    assert len(trade(market, "rfq 2")) == 5


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_one_leg_that_cannot_be_lets_none_be(market, wrong):
    fund(market)
    legs = [dict(one) for one in (*LEGS, LEGS[0])]
    legs[wrong] |= {"lots": 30_000}
    was = all_held(market)
    events = trade_legs(market, legs)[-1]
    assert events["kind"].tolist() == [EventKind.REJECTED]
    assert int(events["contra_id"][0]) >> RiskBit.BALANCE & 1
    assert all_held(market) == was
    assert market.balanced()
    assert market.engine.open_orders == 2
    assert state_of(market) is RequestState.BEGUN
    # What waited does not count any more: the request begins again.
    assert trade_legs(market)[-1]["kind"][-1] == EventKind.COMPLETED


def test_legs_wait_for_their_own_request_alone(market):
    fund(market)
    alone = record_of(**TERMS)
    alone["side"] = LEG
    assert market.send(alone.copy())["kind"].tolist() == [EventKind.REJECTED]
    was = all_held(market)
    for one in opening("cut off", 7, 0):
        market.send(one)
    assert market.send(alone.copy())["kind"].tolist() == [EventKind.COMPLETED]
    assert all_held(market) == was
    assert len(trade(market, "another")) == 5
    # A leg is no effect, and no other setting may be one.
    kill = setting(Setting.KILL, 1, 2)
    kill["side"] = LEG
    assert market.send(kill)["kind"].tolist() == [EventKind.REJECTED]


def test_a_trade_has_so_many_legs_and_no_more(market):
    small = {"symbol": BTC_USD, "lots": 1, "price": 5_000_000}
    events = trade_legs(market, [small] * MAX_LEGS)[-1]
    assert events["kind"].tolist().count(EventKind.FILLED) == 2 * MAX_LEGS
    *waiting, last = trade_legs(market, [small] * (MAX_LEGS + 1), "rfq 2")
    kinds = [EventKind.COMPLETED] * (MAX_LEGS - 1) + [EventKind.REJECTED]
    assert [one["kind"][0] for one in waiting] == kinds
    # A leg that was not taken lets none trade.
    assert last["kind"].tolist() == [EventKind.REJECTED]


@pytest.mark.parametrize("legs", [1, 2])
def test_replay_and_a_snapshot_give_the_same_core(tmp_path, market, legs):
    """From any prefix the commands give the same events and the same hash."""
    sent = []
    one = SpotMarket(tmp_path)
    plain = one.send

    def keep(record):
        sent.append(record.copy())
        return plain(record)

    one.send = keep
    one.move(100_000 * 10**6, "USD", 1)
    one.move(10 * 10**8, "BTC", 2)
    start = Engine.restore(one.engine.snapshot(), 1_024, hooks=one.engine.hooks)
    sent.clear()
    for number in range(6):
        if legs == 1:
            trade(one, f"rfq {number // 2}", asks=Side(1 + number % 2), lots=10 + number)
        else:
            trade_legs(one, [LEGS[0] | {"lots": 10 + number}] * 3, f"rfq {number // 2}")
        one.new(Side.BUY, 5, 4_900_000, BTC_USD, 1)
    commands = np.concatenate(sent)
    for record, seq in zip(commands, range(len(commands)), strict=True):
        record["seq"] = start.last_seq + 1 + seq
    for cut in range(0, len(commands), 3):
        other = start.clone()
        other.process(commands[:cut])
        again = Engine.restore(other.snapshot(), 1_024, hooks=other.hooks)
        again.process(commands[cut:])
        assert again.state_hash() == one.engine.state_hash()


def test_the_matcher_and_the_risk_say_the_same_word():
    assert (hooks.APPLIED, hooks.TRADES) == (before.APPLIED, before.TRADES)
