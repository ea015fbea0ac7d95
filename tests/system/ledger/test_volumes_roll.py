"""Volumes of fee tiers and average daily volumes follow from a venue's own days."""

from openoutcry.risk.layout import ADV, RiskParticipant
from openoutcry.venue.days import note_day
from openoutcry.wire.enums import Side
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR
from tests.support.venue.venue_floor import order

FEE_VOLUME = RiskParticipant.offset("fee_volume") // 8


def test_volumes_roll_with_the_venues_own_days(tmp_path):
    """Days that are finished count, others do not; a repeated roll changes nothing."""
    floor = InlineFloor(tmp_path, FLOOR)
    floor.ask("deposit", "1", "5000000000", "--asset", "USD")
    for asset in ("BTC", "ETH"):
        floor.ask("deposit", "3", "100000000", "--asset", asset)
    assert "no day of the venue is finished" in floor.outcry("fees", "roll").output

    def trade(number, lots, price, symbol):
        both = [
            order(2 * number, Side.SELL, lots, price, who=3),
            order(2 * number + 1, Side.BUY, lots, price, who=1),
        ]
        for one in both:
            one["symbol"] = symbol
        floor.send(*both)

    def finish(day):
        floor.step()
        note_day(floor.journal_path, {"day": day, "last_seq": len(floor.commands())})

    def volumes():
        return floor._desk.view.participants[:, FEE_VOLUME][1:4].tolist()

    trade(1, 40, 50_000, b"BTC-USD")
    finish("2026-10-20")
    trade(2, 10, 60_000, b"BTC-USD")
    finish("2026-11-20")
    trade(3, 5, 4_000, b"ETH-BTC")
    trade(4, 1, 70_000, b"BTC-USD")
    finish("2026-11-21")
    trade(5, 7, 70_000, b"BTC-USD")
    spot = floor._desk.file.risk.money.spot
    btc_usd, eth_btc = spot["BTC-USD"], spot["ETH-BTC"]
    of_coins = 5 * 4_000 * eth_btc.tick_units * 60_000 * btc_usd.tick_units // btc_usd.lot_units
    wanted = (10 * 60_000 + 70_000) * btc_usd.tick_units + of_coins
    assert of_coins > 0
    floor.ask("fees", "roll", "--days", "30")
    assert volumes() == [wanted, 0, wanted]
    before = len(floor.settings())
    answer = floor.ask("fees", "roll", "--days", "30")
    assert "0 of them changed" in answer["done"][0]
    assert len(floor.settings()) == before
    floor.ask("fees", "roll", "--days", "1")
    assert volumes() == [of_coins * 70_000 // 70_000 + 70_000, 0, of_coins + 70_000]
    floor.ask("fees", "volume", "2", "5")
    floor.ask("fees", "roll", "--days", "1")
    assert volumes()[1] == 0, "whoever has traded nothing has no volume"
    floor.ask("fees", "roll", "--days", "60")
    assert volumes()[0] == wanted + 40 * 50_000 * btc_usd.tick_units
    floor.again()
    assert volumes()[0] == wanted + 40 * 50_000 * btc_usd.tick_units
    floor.ask("limits", "adv", "--days", "2")
    floor.step()
    symbols = floor._desk.limits.symbols
    lots = floor._desk.view.instruments[:, ADV // 8].tolist()
    assert lots[symbols.index("BTC-USD")] == (10 + 1) // 2
    assert lots[symbols.index("ETH-BTC")] == 5 // 2
    floor.close()
