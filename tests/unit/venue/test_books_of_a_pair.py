"""Several books of one pair: a lit and a block book with other lots, other fees, paid in another
asset, which share wallets, limits and switches."""

import pytest

from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.risk.bits import RiskBit
from openoutcry.wire.enums import ErrorBit, EventKind, Side
from tests.support.venue.floor import InlineFloor
from tests.support.venue.pairs import FUNDS, MARKETS, PEOPLE, SOL
from tests.support.venue.spot_floor import wallet
from tests.support.venue.venue_floor import gateway_refusal, kinds, order, risk_refusal

BLOCK = """
[[instrument]]
symbol = "BTC-BLK"
settlement = "spot"
base = "BTC"
quote = "USD"
lot_units = 100_000_000
tick_units = 10_000
decimals = 2
min_price_ticks = 1
max_price_ticks = 10_000_000
min_qty_lots = 2
max_qty_lots = 50
[[fee_schedule]]
name = "blocks"
maker_bps = 0
taker_bps = 1
collect = "quote"
[[fees]]
schedule = "blocks"
instrument = "BTC-BLK"
"""
PRICE = 100_000
"""1,000 USD for 1 BTC, in both."""


@pytest.fixture
def floor(tmp_path):
    trading_floor = InlineFloor(tmp_path, MARKETS + SOL + PEOPLE + FUNDS + BLOCK)
    yield trading_floor
    trading_floor.close()


def sent(floor, number, side, lots, who, symbol):
    one = order(number, side, lots, PRICE, who=who)
    one["symbol"] = symbol
    return floor.send(one)[0]


def test_two_books_of_a_pair_are_paid_from_one_wallet(floor):
    usd, btc = 10**12, 10**10
    assert wallet(floor, 1, "USD")[:2] == [usd, 0]
    sent(floor, 1, Side.BUY, 10_000, 1, b"BTC-USD")
    sent(floor, 2, Side.BUY, 3, 1, b"BTC-BLK")
    assert wallet(floor, 1, "USD")[1] == 1_000_000_000 + 3_000_000_000 * 10_001 // 10_000
    sent(floor, 3, Side.SELL, 10_000, 2, b"BTC-USD")
    sent(floor, 4, Side.SELL, 3, 2, b"BTC-BLK")
    # The lit book takes its fee of what is received, the block book in USD.
    assert wallet(floor, 1, "USD")[:2] == [usd - 4_000_000_000, 0]
    assert wallet(floor, 1, "BTC")[0] == btc + 100_000_000 * 999 // 1_000 + 300_000_000
    fees = 1_000_000_000 * 20 // 10_000 + 3_000_000_000 // 10_000
    assert wallet(floor, 2, "USD")[0] == usd + 4_000_000_000 - fees
    assert wallet(floor, 2, "BTC")[:2] == [btc - 400_000_000, 0]
    assert Reconciliation(floor.journal_path, None, every=1).advance().difference is None


def test_what_one_book_has_reserved_the_other_cannot_spend(floor):
    """100 BTC are there: both books count against them, over a restart too."""
    sent(floor, 1, Side.SELL, 990_000, 1, b"BTC-USD")
    assert wallet(floor, 1, "BTC")[1] == 99 * 10**8
    floor.again()
    assert risk_refusal(sent(floor, 2, Side.SELL, 2, 1, b"BTC-BLK"))[0] == {RiskBit.BALANCE.name}
    sent(floor, 3, Side.BUY, 10_000, 2, b"BTC-USD")
    assert kinds(sent(floor, 4, Side.BUY, 2, 2, b"BTC-BLK")) == [EventKind.ACCEPTED]
    assert gateway_refusal(sent(floor, 5, Side.BUY, 1, 2, b"BTC-BLK")) == {
        ErrorBit.QTY_OUT_OF_LIMITS.name
    }
    floor.ask("kill", "participant", "2")
    for symbol in (b"BTC-USD", b"BTC-BLK"):
        refused = gateway_refusal(sent(floor, 6, Side.BUY, 2, 2, symbol))
        assert refused == {ErrorBit.PARTICIPANT.name}
