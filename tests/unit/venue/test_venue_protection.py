"""Market protection of a venue in one thread: bands, pauses with their auctions and the market-wide
breaker, over restarts from the journal; its journal replays to the same state."""

from pathlib import Path

import pytest

from openoutcry.market_data.files import write_feed
from openoutcry.risk.bits import Setting
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import CommandKind, EventKind, Reason, Side
from tests.support.operations.alarm_looks import Looks
from tests.support.venue.floor import InlineFloor
from tests.support.venue.protected import TEXT, protections
from tests.support.venue.venue_floor import gateway_refusal, kinds, order


class ProtectedFloor(InlineFloor):
    ids = 100

    def at(self, moment: str) -> None:
        super().at(moment if "T" in moment else f"2026-11-23T{moment}")

    def trade(self, price: int, symbol: bytes = b"GOLD") -> list[set[str]]:
        """What refuses a sell and a buy at this price."""
        self.ids += 2
        both = self.send(
            order(self.ids, Side.SELL, 1, price, who=2, symbol=symbol),
            order(self.ids + 1, Side.BUY, 1, price, who=1, symbol=symbol),
        )
        return [gateway_refusal(e) if e["kind"][0] == EventKind.REJECTED else set() for e in both]

    def is_in(self, symbol: str, phase: str) -> None:
        """The phase is sequenced; and continuous trading has come to the core, which the gateway
        takes its halts and bands from."""
        self.wait_for(lambda s: s["phases"][symbol] == phase and s["phases_sequenced"])
        if phase == "CONTINUOUS":
            self.wait_for(lambda s: symbol not in s["risk"]["protection"])

    def is_protected(self, **states: str) -> None:
        self.wait_for(lambda s: s["risk"]["protection"] == states)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory):
    protected_market = ProtectedFloor(tmp_path_factory.mktemp("protected"), TEXT)
    yield protected_market
    protected_market.close()


def test_a_limit_state_becomes_a_pause_over_restarts(market) -> None:
    assert market.trade(1_000) == [set(), set()]
    settings = market.settings()  # all on disk, for what came behind them was acknowledged
    assert settings.count(Setting.LULD) == 1
    assert settings[-2:] == [Setting.FILE, Setting.TRADING_DAY]
    (beyond,) = market.send(order(1, Side.BUY, 1, 1_051))
    assert gateway_refusal(beyond) == {"COLLAR"}
    market.send(order(2, Side.BUY, 1, 1_050), order(3, Side.BUY, 1, 900))
    market.is_protected(GOLD="limit state")
    market.again()
    market.at("10:01:00")
    market.is_in("GOLD", "HALT")
    assert market.trade(1_000) == [{"HALTED"}, {"HALTED"}]
    cancel = order(2, Side.BUY, 1, 1_050, kind=CommandKind.CANCEL)
    assert kinds(market.send(cancel)[0]) == [EventKind.CANCELLED]
    market.again()
    market.is_protected(GOLD="paused")
    assert market.settings() == settings


def test_a_pause_ends_with_an_auction_also_over_a_restart(market) -> None:
    settings = market.settings()
    market.at("10:06:00")
    market.is_in("GOLD", "VOLATILITY_AUCTION")
    market.is_protected(GOLD="re-opening auction")
    assert market.trade(980) == [set(), set()]
    market.again()
    market.at("10:06:29")
    assert market.status()["phases"]["GOLD"] == "VOLATILITY_AUCTION"
    market.at("10:06:30")
    market.is_in("GOLD", "CONTINUOUS")
    (beyond,) = market.send(order(4, Side.BUY, 1, 1_030))
    assert gateway_refusal(beyond) == {"COLLAR"}
    assert market.phases_of("GOLD")[-3:] == ["HALT", "VOLATILITY_AUCTION", "CONTINUOUS"]
    assert market.settings() == settings


def test_velocity_cancels_resting_orders_where_the_file_says_so(market) -> None:
    assert market.trade(1_000, b"TIN") == [set(), set()]
    market.send(order(10, Side.BUY, 1, 900, symbol=b"TIN"))
    assert market.trade(1_041, b"TIN") == [set(), set()]
    market.is_in("TIN", "HALT")
    market.is_protected(TIN="paused")
    market.ask("halt", "TIN")  # the operator's halt stays when the pause is over
    _, events = market.journal()
    assert EventKind.CANCELLED in kinds(events[events["order_id"] == 10])
    market.at("10:09:00")
    market.is_protected(TIN="paused")
    assert market.status()["phases"]["TIN"] == "HALT"
    market.ask("resume", "instrument", "TIN")
    market.is_in("TIN", "VOLATILITY_AUCTION")
    market.at("10:11:00")
    market.is_in("TIN", "CONTINUOUS")


def test_the_breaker_halts_the_market_for_its_first_level(market) -> None:
    """TIN alone is the index; its close before this day is its reference price, 1,000."""
    fired = Looks("BreakerFired", read_venue(market.file))
    assert not fired.look()
    for step, price in enumerate((1_010, 975, 945, 930)):
        market.at(f"10:{20 + step}:00")
        assert market.trade(price, b"TIN") == [set(), set()], price
    market.wait_for(lambda s: s["risk"]["breaker_level"] == 1)
    assert fired.look()
    for symbol in ("GOLD", "TIN"):
        market.is_in(symbol, "HALT")
    assert market.trade(980) == [{"HALTED"}, {"HALTED"}]
    market.again()
    market.at("10:38:00")
    for symbol in ("GOLD", "TIN"):
        market.is_in(symbol, "VOLATILITY_AUCTION")
    market.at("10:41:00")
    for symbol in ("GOLD", "TIN"):
        market.is_in(symbol, "CONTINUOUS")


def test_the_breaker_closes_the_market_at_its_third_level(market) -> None:
    for step, price in enumerate((925, 890, 871)):
        market.at(f"10:{50 + step}:00")
        assert market.trade(price, b"TIN") == [set(), set()], price
    market.at("11:00:00")
    assert market.trade(870, b"TIN") == [set(), set()]
    market.wait_for(lambda s: s["risk"]["breaker_level"] == 2)
    market.is_in("TIN", "HALT")
    market.at("11:15:00")
    market.is_in("TIN", "VOLATILITY_AUCTION")
    market.at("11:16:00")
    market.is_in("TIN", "CONTINUOUS")
    for step, price in enumerate((840, 801, 800)):
        market.at(f"11:{step + 2}0:00")
        assert market.trade(price, b"TIN") == [set(), set()], price
    market.again()
    for symbol in ("GOLD", "TIN"):
        market.is_in(symbol, "CLOSED")
    assert market.status()["risk"]["breaker_level"] == 3
    market.at("17:00:00")  # the calendar's closing auction is none
    (refused,) = market.send(order(900, Side.BUY, 1, 980))
    assert [row["reason"] for row in refused] == [Reason.WRONG_PHASE]
    assert market.phases_of("TIN")[-1] == "CLOSED"


def test_the_feed_says_each_decision_in_its_order(market, tmp_path: Path) -> None:
    write_feed(market.journal_path, tmp_path / "day.itch", "itch", {"GOLD": 2, "TIN": 2}, session=1)
    said = protections((tmp_path / "day.itch").read_bytes())
    assert [one for one in said if one[0] in "VW"] == ["V 930 870 800", "W 1", "W 2", "W 3"]
    for level in "123":
        assert said.index(f"W {level}") < min(
            said.index(f"H {symbol} H MWC{level}") for symbol in ("GOLD", "TIN")
        )
    assert [one.replace(" GOLD", "") for one in said if "GOLD" in one] == [
        "H H CLSD", "H Q PREO", "H T CONT",
        "H P LUDP", "H Q T7", "J 1000 1200 800 0", "H T CONT",
        "H H MWC1", "H Q MWCQ", "J 980 1180 780 0", "H T CONT",
        "H H MWC2", "H Q MWCQ", "J 980 1180 780 0", "H T CONT", "H H MWC3",
    ]  # fmt: skip
    assert [one.replace(" TIN", "") for one in said if "TIN" in one] == [
        "H H CLSD", "H Q PREO", "H T CONT",
        "H P T5", "h H", "H P T5", "h T", "H Q T7", "H T CONT",
        "H H MWC1", "H Q MWCQ", "H T CONT", "H H MWC2", "H Q MWCQ", "H T CONT", "H H MWC3",
    ]  # fmt: skip


def test_the_day_after_the_breaker_closed_it_the_market_trades(market) -> None:
    """Opened while the calendar has continuous trading already, the venue having been away from
    before the night to then; the alarm clears."""
    fired = Looks("BreakerFired", read_venue(market.file))
    assert fired.look()
    market.stop()
    market.at("2026-11-24T10:00:00")
    market.open()
    market.wait_for(lambda s: s["risk"]["breaker_level"] == 0)
    for symbol in ("GOLD", "TIN"):
        market.is_in(symbol, "CONTINUOUS")
    assert market.trade(790, b"TIN") == [set(), set()]
    assert not fired.look()
