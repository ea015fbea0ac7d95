"""What each kind of order reserves in a wallet, pays and gives back, to the unit."""

import numpy as np
import pytest

from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.venue.fee_tables import tier
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import (
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    SelfTrade,
    Side,
    TimeInForce,
)
from tests.support.risk.spot_page import TABLES, SpotMarket, change

S = b"BTC-USD"
"""A lot is 10,000 BTC units; a tick of a lot is one USD unit."""
LOT, MONEY, COINS = 10_000, 10**9, 10**8
BUY, SELL = Side.BUY, Side.SELL
IN_QUOTE = TABLES.replace('collect = "received"', 'collect = "quote"')
MODE_SHIFT = 4


@pytest.fixture
def market(tmp_path):
    return opened(SpotMarket(tmp_path))


@pytest.fixture
def in_quote(tmp_path):
    return opened(SpotMarket(tmp_path, IN_QUOTE))


def opened(market):
    for who in (1, 2, 3):
        assert market.move(MONEY, "USD", who)
        assert market.move(COINS, "BTC", who)
    return market


def usd(market, who):
    return market.wallets.balance(who, "USD")[:2]


def btc(market, who):
    return market.wallets.balance(who, "BTC")[:2]


def number(events):
    return int(events[0]["order_id"])


def test_a_buy_reserves_price_and_fee_and_a_cancel_gives_back_all(in_quote):
    order = number(in_quote.new(BUY, 7, 999, S, 1))
    # 6,993 and 0.1 % of that, cut off.
    assert usd(in_quote, 1) == (MONEY - 6_999, 6_999)
    change(in_quote, CommandKind.CANCEL, order, 1)
    assert usd(in_quote, 1) == (MONEY, 0)


def test_a_better_price_gives_back_the_rest_and_both_pay_at_the_fill(in_quote):
    in_quote.new(SELL, 5, 900, S, 2)
    in_quote.new(BUY, 7, 999, S, 1)
    # 5 at 900 and 4 of fee are paid; 2 at 999 and 1 of fee stay reserved.
    assert usd(in_quote, 1) == (MONEY - 4_504 - 1_999, 1_999)
    assert btc(in_quote, 1) == (COINS + 5 * LOT, 0)
    assert usd(in_quote, 2) == (MONEY + 4_500, 0)
    assert btc(in_quote, 2) == (COINS - 5 * LOT, 0)
    assert in_quote.wallets.fees("USD") == 4
    assert in_quote.balanced()


def test_the_fee_is_of_what_is_received(market):
    market.new(SELL, 5, 900, S, 2)
    market.new(BUY, 5, 900, S, 1)
    assert usd(market, 1) == (MONEY - 4_500, 0)
    assert btc(market, 1) == (COINS + 5 * LOT - 50, 0)
    market.new(BUY, 5, 900, S, 1)
    market.new(SELL, 5, 900, S, 2)
    assert usd(market, 2) == (MONEY + 9_000 - 4, 0)
    assert (market.wallets.fees("BTC"), market.wallets.fees("USD")) == (50, 4)


def test_a_replace_needs_the_difference_and_a_smaller_one_gives_it_back(in_quote):
    order = number(in_quote.new(BUY, 10, 1_000, S, 1))
    assert usd(in_quote, 1)[1] == 10_010
    change(in_quote, CommandKind.REPLACE, order, 1, qty_lots=20, price_ticks=1_000)
    assert usd(in_quote, 1)[1] == 20_020
    change(in_quote, CommandKind.REPLACE, order, 1, qty_lots=20, price_ticks=50)
    assert usd(in_quote, 1)[1] == 1_001
    change(in_quote, CommandKind.REDUCE, order, 1, qty_lots=5)
    left = 750
    assert usd(in_quote, 1) == (MONEY - left, left)
    events = change(in_quote, CommandKind.REPLACE, order, 1, qty_lots=10**6, price_ticks=100_000)
    assert in_quote.answer(events).startswith("BALANCE available")
    assert usd(in_quote, 1) == (MONEY - left, left)


def test_a_higher_fee_never_costs_an_open_buy_more_than_it_reserved(in_quote):
    in_quote.new(BUY, 10, 1_000, S, 1)
    # From now on makers pay 1 %, and takers 2 %.
    in_quote.send(tier(0, 0, (0, 10_000, 20_000)))
    in_quote.new(SELL, 4, 1_000, S, 2)
    assert usd(in_quote, 1) == (MONEY - 10_010, 10_010 - 4_004)
    in_quote.send(tier(0, 0, (0, 500, 20_000)))
    in_quote.new(SELL, 6, 1_000, S, 2)
    # The lower of both rates: 0.05 % of 6,000.
    assert usd(in_quote, 1) == (MONEY - 4_004 - 6_003, 0)
    assert usd(in_quote, 2) == (MONEY + 10_000 - 80 - 120, 0)
    in_quote.new(BUY, 10, 1_000, S, 3)
    assert usd(in_quote, 3)[1] == 10_200
    assert in_quote.balanced()


def test_a_rebate_comes_from_the_venues_account(in_quote):
    in_quote.send(tier(0, 0, (0, -1_000, 0)))
    in_quote.new(SELL, 10, 1_000, S, 2)
    in_quote.new(BUY, 10, 1_000, S, 1)
    assert usd(in_quote, 2) == (MONEY + 10_010, 0)
    assert in_quote.wallets.fees("USD") == -10
    assert in_quote.balanced()
    # Nobody can take out what the account does not have.
    assert not in_quote.move(2**61, "USD", 3)


def test_the_tier_follows_the_volume_that_is_set(in_quote):
    in_quote.send(tier(0, 1, (1_000_000, 0, 0)))
    for volume, fee in ((999_999, 10), (1_000_000, 0)):
        in_quote.send(setting(Setting.FEE_VOLUME, volume, 1))
        order = number(in_quote.new(BUY, 10, 1_000, S, 1))
        assert usd(in_quote, 1)[1] == 10_000 + fee
        change(in_quote, CommandKind.CANCEL, order, 1)


def done(events):
    return events[-1]["kind"] == EventKind.COMPLETED


def test_a_minimum_is_taken_of_what_a_fill_brings(market):
    """In units of the quote asset; a buyer pays as many of the base asset as these are worth."""
    assert done(market.send(setting(Setting.LEDGER_MINIMUM, 50, 0)))
    market.new(SELL, 10, 1_000, S, 2)
    market.new(BUY, 10, 1_000, S, 1)
    # The maker's rate is 0, which has no minimum; the taker's fee would be 100 of 100,000 units.
    assert usd(market, 2) == (MONEY + 10_000, 0)
    assert btc(market, 1) == (COINS + 100_000 - 100_000 * 50 // 10_000, 0)
    market.new(BUY, 10, 1_000, S, 1)
    market.new(SELL, 10, 1_000, S, 2)
    assert usd(market, 2) == (MONEY + 20_000 - 50, 0)
    # Of a fill that brings less, all of it and no more.
    market.new(BUY, 1, 3, S, 1)
    market.new(SELL, 1, 3, S, 3)
    assert usd(market, 3) == (MONEY, 0)
    # Above the minimum the rate counts.
    market.new(BUY, 100, 1_000, S, 1)
    market.new(SELL, 100, 1_000, S, 3)
    assert usd(market, 3) == (MONEY + 100_000 - 100, 0)
    assert market.wallets.fees("USD") == 50 + 3 + 100
    assert market.balanced()


def test_no_minimum_where_a_buy_would_have_to_reserve_it(market, in_quote):
    assert not done(in_quote.send(setting(Setting.LEDGER_MINIMUM, 1, 0)))
    assert done(in_quote.send(setting(Setting.LEDGER_MINIMUM, 0, 0)))
    order = number(in_quote.new(BUY, 10, 1_000, S, 1))
    assert done(in_quote.send(setting(Setting.LEDGER_COLLECT, 0, 0)))
    assert done(in_quote.send(setting(Setting.LEDGER_MINIMUM, 500, 0)))
    assert not done(in_quote.send(setting(Setting.LEDGER_COLLECT, 1, 0)))
    # It entered before, and pays what it has reserved.
    in_quote.new(SELL, 10, 1_000, S, 2)
    assert usd(in_quote, 1)[1] == 0
    assert btc(in_quote, 1) == (COINS + 100_000, 0)
    assert usd(in_quote, 2) == (MONEY + 10_000 - 500, 0)
    assert in_quote.balanced()
    assert order
    assert not done(market.send(setting(Setting.LEDGER_MINIMUM, 2**61 + 1, 0)))
    assert done(market.send(setting(Setting.LEDGER_MINIMUM, 2**61, 0)))


def test_fees_of_all_without_a_schedule_end_special_ones(market):
    """What a venue file begins with: rows that have left it count no longer."""
    market.send(tier(1, 0, (0, 10_000, 10_000)))
    market.send(tier(2, 0, (0, 20_000, 20_000)))
    special = ((1, -1, b""), (1, 1, b""), (2, -1, S), (2, 1, S))
    for number, who, symbol in special:
        assert done(market.send(setting(Setting.LEDGER_FEES, number, who, symbol)))
        assert done(market.send(setting(Setting.LEDGER_FEES, -1, -1)))
        market.new(SELL, 10, 1_000, S, 1)
        market.new(BUY, 10, 1_000, S, 2)
        assert [market.wallets.fees(name) for name in ("USD", "BTC")] == [0, 0]
    assert done(market.send(setting(Setting.LEDGER_FEES, 1, -1)))
    market.new(SELL, 10, 1_000, S, 1)
    market.new(BUY, 10, 1_000, S, 2)
    assert market.wallets.fees("USD") == 100


@pytest.mark.parametrize(
    ("order_type", "fields", "reserved"),
    [
        (OrderType.LIMIT, {}, 10_000),
        (OrderType.POST_ONLY, {}, 10_000),
        (OrderType.HIDDEN, {}, 10_000),
        (OrderType.ICEBERG, {"aux": 3}, 10_000),
        (OrderType.STOP_LIMIT, {"aux": 2_000}, 10_000),
        (OrderType.PEG_PRIMARY, {}, 10_000),
        (OrderType.PEG_MIDPOINT, {}, 10_000),
        (OrderType.ALL_OR_NONE, {}, 10_000),
        (OrderType.STOP, {"aux": 2_000, "price_ticks": 0}, 10 * 40_000_000),
    ],
)
def test_what_rests_reserves_its_worst(market, order_type, fields, reserved):
    """A stop reserves at the highest price that there may be."""
    market.new(BUY, 1, 900, S, 2)
    market.new(SELL, 1, 1_100, S, 3)
    assert market.move(10**12, "USD", 1)
    events = market.new(BUY, 10, 1_000, S, 1, order_type, **fields)
    assert events[0]["kind"] == EventKind.ACCEPTED, events[0]
    assert usd(market, 1) == (MONEY + 10**12 - reserved, reserved)
    change(market, CommandKind.CANCEL, number(events), 1)
    assert usd(market, 1) == (MONEY + 10**12, 0)


def test_a_market_order_needs_the_highest_price_there_may_be(market):
    market.new(SELL, 10, 1_000, S, 2)
    events = market.new(BUY, 30, 0, S, 1, OrderType.MARKET, time_in_force=TimeInForce.IOC)
    assert market.answer(events) == "BALANCE available 1000.000000 needed 1200.000000 USD"
    market.new(BUY, 10, 0, S, 1, OrderType.MARKET, time_in_force=TimeInForce.IOC)
    assert usd(market, 1) == (MONEY - 10_000, 0)
    market.new(SELL, 5, 0, S, 1, OrderType.MARKET, time_in_force=TimeInForce.IOC)
    assert btc(market, 1) == (COINS + 10 * (LOT - 10), 0)


@pytest.mark.parametrize("order_type", [OrderType.MARKET_BUDGET, OrderType.LIMIT_BUDGET])
def test_a_budget_needs_itself_and_its_fee(in_quote, order_type):
    in_quote.new(SELL, 10, 1_000, S, 2)
    fields = {"time_in_force": TimeInForce.IOC, "aux": MONEY}
    events = in_quote.new(BUY, 10**6, 5_000, S, 1, order_type, **fields)
    assert in_quote.answer(events) == "BALANCE available 1000.000000 needed 1001.000000 USD"
    fields["aux"] = 5_500
    in_quote.new(BUY, 10**6, 5_000, S, 1, order_type, **fields)
    assert usd(in_quote, 1) == (MONEY - 5_005, 0)
    assert btc(in_quote, 1) == (COINS + 5 * LOT, 0)


@pytest.mark.parametrize("mode", [mode for mode in SelfTrade if mode])
def test_a_self_trade_leaves_nothing_reserved_that_is_not_open(market, mode):
    market.new(SELL, 10, 1_000, S, 1)
    market.new(BUY, 6, 1_000, S, 1, time_in_force=TimeInForce.DAY | int(mode) << MODE_SHIFT)
    opened_lots = {side: int(market.view.cells[1, 0, 1 + (side == SELL)]) for side in (BUY, SELL)}
    assert usd(market, 1) == (MONEY - 1_000 * opened_lots[BUY], 1_000 * opened_lots[BUY])
    assert btc(market, 1) == (COINS - LOT * opened_lots[SELL], LOT * opened_lots[SELL])
    assert market.balanced()


def test_a_participant_that_trades_with_itself_pays_the_fee_alone(market):
    market.new(SELL, 10, 1_000, S, 1)
    market.new(BUY, 10, 1_000, S, 1)
    assert usd(market, 1) == (MONEY, 0)
    assert btc(market, 1) == (COINS - 100, 0)


def test_an_auction_settles_both_sides_at_its_price_by_the_makers_rate(in_quote):
    in_quote.send(tier(0, 0, (0, 2_000, 9_000)))
    in_quote.phase(S, Phase.VOLATILITY_AUCTION)
    in_quote.new(BUY, 10, 1_100, S, 1)
    in_quote.new(SELL, 10, 900, S, 2)
    # Pinned is the higher rate.
    assert usd(in_quote, 1)[1] == 11_000 + 99
    events = in_quote.phase(S, Phase.CONTINUOUS)
    (price,) = set(events["price_ticks"][events["kind"] == EventKind.FILLED].tolist())
    assert 900 <= price <= 1_100
    fee = 10 * price * 2_000 // 10**6
    assert usd(in_quote, 1) == (MONEY - 10 * price - fee, 0)
    assert usd(in_quote, 2) == (MONEY + 10 * price - fee, 0)
    assert in_quote.wallets.fees("USD") == 2 * fee


def test_an_expired_order_gives_back_all(market):
    market.new(BUY, 10, 1_000, S, 1, time_in_force=TimeInForce.GTD, aux=10**9)
    market.new(SELL, 10, 2_000, S, 2, time_in_force=TimeInForce.DAY)
    assert usd(market, 1)[1] == 10_000
    time = np.zeros(1, ORDER_DTYPE)
    time["kind"], time["aux"] = CommandKind.TIME, 10**9 + 1
    market.send(time)
    assert usd(market, 1) == (MONEY, 0)
    market.phase(S, Phase.CLOSED)
    assert btc(market, 2) == (COINS, 0)


def test_open_orders_cannot_claim_one_wallet_twice(market):
    """The same BTC for sale in two instruments, and as what pays in a third."""
    market.new(SELL, 6_000, 1_000, S, 1)
    assert btc(market, 1) == (COINS - 6_000 * LOT, 6_000 * LOT)
    events = market.new(BUY, 8_001, 5_000, b"ETH-BTC", 1)
    assert market.answer(events).startswith("BALANCE available 0.40000000 needed 0.40005000 BTC")
    assert market.answer(market.new(BUY, 8_000, 5_000, b"ETH-BTC", 1)) == "passes"
    assert btc(market, 1) == (0, COINS)
    assert not market.move(-1, "BTC", 1)


def test_credit_in_an_asset_is_what_orders_may_owe(market):
    def credit(amount):
        record = setting(Setting.ASSET_CREDIT, amount, 1, second=int.from_bytes(b"BTC", "little"))
        return market.send(record)[0]["kind"] == EventKind.COMPLETED

    assert credit(5 * LOT)
    assert market.answer(market.new(SELL, COINS // LOT + 6, 1_000, S, 1)) != "passes"
    market.new(SELL, COINS // LOT + 5, 1_000, S, 1)
    assert btc(market, 1) == (-5 * LOT, COINS + 5 * LOT)
    assert not credit(5 * LOT - 1)
    market.new(BUY, COINS // LOT + 5, 1_000, S, 2)
    assert btc(market, 1) == (-5 * LOT, 0)
    assert not market.move(-1, "BTC", 1)
    assert market.balanced()
