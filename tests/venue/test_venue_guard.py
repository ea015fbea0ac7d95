"""Market protection of a venue that is being served: bands, pauses with their auctions and the
market-wide breaker, over kills of the venue itself; its journal replays to the same state."""

from pathlib import Path

import numpy as np
import pytest
from served_venue import VENUE
from venue_floor import Floor, gateway_told, kinds, order

from openoutcry.replay.replay import replay
from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason, Side

LIMITS = "\nmin_price_ticks = 1\nmax_price_ticks = 100_000\nreference_price_ticks = 1_000\n"
PROTECTED = """
[[participant]]
number = 2
name = "two"
[[protection]]
instruments = ["GOLD"]
luld_bps = 500
volatility_bps = 1_000
call_s = 30
[[protection]]
velocity_ticks = 40
velocity_s = 10
pause_s = 120
cancel_resting = true
[breaker]
index = { TIN = 1 }
"""
TEXT = (
    VENUE.replace('symbol = "GOLD"', 'symbol = "GOLD"' + LIMITS)
    .replace('symbol = "TIN"', 'symbol = "TIN"' + LIMITS)
    .replace("time_every_s = 600", "time_every_s = 1")
    + PROTECTED
)


class Guarded(Floor):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, TEXT)
        self.ids = 100

    def at(self, time: str) -> None:
        """Sequenced time is this moment of the day."""
        self.venue.set_time(f"2026-11-23T{time}")
        self.venue.wait_for(lambda s: time in self.sequenced(s))

    def sequenced(self, status: dict) -> str:
        ns = int(status.get("sequenced_time_ns", 0))
        return str(np.datetime64(ns, "ns"))

    def trade(self, price: int, symbol: bytes = b"GOLD") -> list[set[str]]:
        """What refuses a sell and a buy at this price."""
        self.ids += 2
        both = self.send(
            order(self.ids, Side.SELL, 1, price, who=2, symbol=symbol),
            order(self.ids + 1, Side.BUY, 1, price, who=1, symbol=symbol),
        )
        return [gateway_told(e) if e["kind"][0] == EventKind.REJECTED else set() for e in both]

    def is_in(self, symbol: str, phase: str) -> None:
        self.venue.wait_for(lambda s: s["phases"][symbol] == phase and s["phases_sequenced"])

    def phases_of(self, symbol: str) -> list[str]:
        return [Phase(phase).name for one, phase in self.venue.phases() if one == symbol]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory):
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    yield made
    last = made.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    found = replay(made.venue.journal)
    assert (found["state_hash"], found["commands"]) == (last["state_hash"], last["commands"])


def test_bands_a_limit_state_a_pause_and_the_auction_over_kills(market) -> None:
    settings = market.settings()
    assert settings.count(Setting.LULD) == 1
    assert settings[-2:] == [Setting.FILE, Setting.TRADING_DAY]
    assert market.trade(1_000) == [set(), set()]
    (beyond,) = market.send(order(1, Side.BUY, 1, 1_051))
    assert gateway_told(beyond) == {"COLLAR"}
    market.send(order(2, Side.BUY, 1, 1_050), order(3, Side.BUY, 1, 900))
    market.venue.wait_for(lambda s: s["risk"]["protection"] == {"GOLD": "limit state"})
    market.again()
    market.at("10:01:00")
    market.is_in("GOLD", "HALT")
    assert market.trade(1_000) == [{"HALTED"}, {"HALTED"}]
    cancel = order(2, Side.BUY, 1, 1_050, kind=CommandKind.CANCEL)
    assert kinds(market.send(cancel)[0]) == [EventKind.CANCELLED]
    market.again()
    market.venue.wait_for(lambda s: s["risk"]["protection"] == {"GOLD": "paused"})
    market.at("10:06:00")
    market.is_in("GOLD", "VOLATILITY_AUCTION")
    assert market.trade(980) == [set(), set()]
    market.again()
    market.at("10:06:29")
    assert market.venue.status()["phases"]["GOLD"] == "VOLATILITY_AUCTION"
    market.at("10:06:30")
    market.is_in("GOLD", "CONTINUOUS")
    assert market.phases_of("GOLD")[-3:] == ["HALT", "VOLATILITY_AUCTION", "CONTINUOUS"]
    (beyond,) = market.send(order(4, Side.BUY, 1, 1_030))
    assert gateway_told(beyond) == {"COLLAR"}
    assert market.settings() == settings


def test_velocity_cancels_resting_orders_where_the_file_says_so(market) -> None:
    assert market.trade(1_000, b"TIN") == [set(), set()]
    market.send(order(10, Side.BUY, 1, 900, symbol=b"TIN"))
    assert market.trade(1_041, b"TIN") == [set(), set()]
    market.is_in("TIN", "HALT")
    market.venue.wait_for(lambda s: s["risk"]["protection"] == {"TIN": "paused"})
    market.ask("halt", "TIN")  # the operator's halt stays when the pause is over
    _, events = market.journal()
    assert EventKind.CANCELLED in kinds(events[events["order_id"] == 10])
    market.at("10:09:00")
    market.venue.wait_for(lambda s: s["risk"]["protection"] == {"TIN": "paused"})
    assert market.venue.status()["phases"]["TIN"] == "HALT"
    market.ask("resume", "instrument", "TIN")
    market.is_in("TIN", "VOLATILITY_AUCTION")
    market.at("10:11:00")
    market.is_in("TIN", "CONTINUOUS")


def test_the_breaker_halts_the_market_and_then_closes_it(market) -> None:
    """TIN alone is the index; its close before this day is its reference price, 1,000."""
    for step, price in enumerate((1_010, 975, 945, 930)):
        market.at(f"10:{20 + step}:00")
        assert market.trade(price, b"TIN") == [set(), set()], price
    market.venue.wait_for(lambda s: s["risk"]["breaker_level"] == 1)
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
    for step, price in enumerate((925, 890, 871)):
        market.at(f"10:{50 + step}:00")
        assert market.trade(price, b"TIN") == [set(), set()], price
    market.at("11:00:00")
    assert market.trade(870, b"TIN") == [set(), set()]
    market.venue.wait_for(lambda s: s["risk"]["breaker_level"] == 2)
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
    assert market.venue.status()["risk"]["breaker_level"] == 3
    market.at("17:00:00")  # the calendar's closing auction is none
    (refused,) = market.send(order(900, Side.BUY, 1, 980))
    assert [row["reason"] for row in refused] == [Reason.WRONG_PHASE]
    assert market.phases_of("TIN")[-1] == "CLOSED"
