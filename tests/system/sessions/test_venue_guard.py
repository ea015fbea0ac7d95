"""Market protection of a venue that is being served: bands, pauses with their auctions and the
market-wide breaker, over kills of the venue itself; its journal replays to the same state."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from openoutcry.market_data.files import write_feed
from openoutcry.market_data.receiver import Receiver
from openoutcry.replay.replay import replay
from openoutcry.risk.bits import Setting
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Reason, Side
from tests.support.market_data.feed_support import fields, unframed
from tests.support.operations.alarm_looks import Looks
from tests.support.processes import free_port
from tests.support.venue.served_venue import VENUE, WAIT_S
from tests.support.venue.venue_floor import Floor, gateway_refusal, kinds, order

LIMITS = (
    "\nmin_price_ticks = 1\nmax_price_ticks = 100_000\nreference_price_ticks = 1_000"
    "\nmax_qty_lots = 1_000_000\n"
)
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
    VENUE.replace('symbol = "GOLD"', 'symbol = "GOLD"' + LIMITS + "auction_band_ticks = 200\n")
    .replace('symbol = "TIN"', 'symbol = "TIN"' + LIMITS)
    .replace("time_every_s = 600", "time_every_s = 1")
    + PROTECTED
)


FEED = """
[market_data]
a = "239.193.9.7:{a}"
retransmission = "127.0.0.1:{requests}"
interface = "127.0.0.1"
heartbeat_ms = 50
"""


class Subscriber(threading.Thread):
    """Of the venue's public line, over all kills of the venue."""

    def __init__(self, ports: dict[str, int]) -> None:
        super().__init__(daemon=True)
        self.stream, self.enough = bytearray(), threading.Event()
        self.receiver = Receiver(
            [("239.193.9.7", ports["a"])], ("127.0.0.1", ports["requests"]), "127.0.0.1",
            lambda data, first: self.stream.extend(data),
        )  # fmt: skip

    def run(self) -> None:
        while not self.enough.is_set():
            self.receiver.poll(0.05)

    def protections(self) -> list[str]:
        """What was told of the market's protection, in its order."""
        lines = []
        for message in unframed(bytes(self.stream)):
            row = fields(message)
            words = {
                "H": lambda r: f"{r['stock'].strip()} {r['state']} {r['reason'].strip()}",
                "J": lambda r: (
                    f"{r['stock'].strip()} {r['reference_price'] // 100}"
                    f" {r['upper'] // 100} {r['lower'] // 100} {r['extension']}"
                ),
                "V": lambda r: " ".join(str(r[f"level{k}"] // 10**8) for k in (1, 2, 3)),
                "W": lambda r: r["level"],
                "h": lambda r: f"{r['stock'].strip()} {r['action']}",
            }
            if row["kind"] in words:
                lines.append(f"{row['kind']} {words[row['kind']](row)}")
        return lines


class Guarded(Floor):
    def __init__(self, folder: Path) -> None:
        ports = {"a": free_port(), "requests": free_port()}
        super().__init__(folder, TEXT + FEED.format(**ports))
        self.ids = 100
        self.public = Subscriber(ports)
        self.public.start()

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
        return [gateway_refusal(e) if e["kind"][0] == EventKind.REJECTED else set() for e in both]

    def is_in(self, symbol: str, phase: str) -> None:
        """The phase is sequenced; and continuous trading has come to the core, which the gateway
        takes its halts and bands from."""
        self.venue.wait_for(lambda s: s["phases"][symbol] == phase and s["phases_sequenced"])
        if phase == "CONTINUOUS":
            self.venue.wait_for(lambda s: symbol not in s["risk"]["protection"])

    def phases_of(self, symbol: str) -> list[str]:
        return [Phase(phase).name for one, phase in self.venue.phases() if one == symbol]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory):
    guarded_market = Guarded(tmp_path_factory.mktemp("guarded"))
    yield guarded_market
    guarded_market.public.enough.set()
    last = guarded_market.venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"]) == (0, 0)
    replayed = replay(guarded_market.venue.journal)
    assert (replayed["state_hash"], replayed["commands"]) == (last["state_hash"], last["commands"])


def test_bands_a_limit_state_a_pause_and_the_auction_over_kills(market) -> None:
    assert market.trade(1_000) == [set(), set()]
    settings = market.settings()  # all on disk, for what came behind them was acknowledged
    assert settings.count(Setting.LULD) == 1
    assert settings[-2:] == [Setting.FILE, Setting.TRADING_DAY]
    (beyond,) = market.send(order(1, Side.BUY, 1, 1_051))
    assert gateway_refusal(beyond) == {"COLLAR"}
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
    market.venue.wait_for(lambda s: s["risk"]["protection"] == {"GOLD": "re-opening auction"})
    assert market.trade(980) == [set(), set()]
    market.again()
    market.at("10:06:29")
    assert market.venue.status()["phases"]["GOLD"] == "VOLATILITY_AUCTION"
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
    fired = Looks("BreakerFired", read_venue(market.venue.folder / "venue.toml"))
    assert not fired.look()
    for step, price in enumerate((1_010, 975, 945, 930)):
        market.at(f"10:{20 + step}:00")
        assert market.trade(price, b"TIN") == [set(), set()], price
    market.venue.wait_for(lambda s: s["risk"]["breaker_level"] == 1)
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


def test_the_public_was_told_each_decision_in_its_order(market, tmp_path) -> None:
    """Live, over kills of the venue; made again from the journal it is the same to the bit."""
    public, until = market.public, time.monotonic() + WAIT_S
    while not public.receiver.lines.complete:
        assert time.monotonic() < until
        time.sleep(0.05)
    protections = public.protections()
    assert [one for one in protections if one[0] in "VW"] == ["V 930 870 800", "W 1", "W 2", "W 3"]
    for level in "123":
        assert protections.index(f"W {level}") < min(
            protections.index(f"H {symbol} H MWC{level}") for symbol in ("GOLD", "TIN")
        )
    assert [one.replace(" GOLD", "") for one in protections if "GOLD" in one] == [
        "H H CLSD", "H Q PREO", "H T CONT",
        "H P LUDP", "H Q T7", "J 1000 1200 800 0", "H T CONT",
        "H H MWC1", "H Q MWCQ", "J 980 1180 780 0", "H T CONT",
        "H H MWC2", "H Q MWCQ", "J 980 1180 780 0", "H T CONT", "H H MWC3",
    ]  # fmt: skip
    assert [one.replace(" TIN", "") for one in protections if "TIN" in one] == [
        "H H CLSD", "H Q PREO", "H T CONT",
        "H P T5", "h H", "H P T5", "h T", "H Q T7", "H T CONT",
        "H H MWC1", "H Q MWCQ", "H T CONT", "H H MWC2", "H Q MWCQ", "H T CONT", "H H MWC3",
    ]  # fmt: skip
    places = {"GOLD": 2, "TIN": 2}
    write_feed(market.venue.journal, tmp_path / "day.itch", "itch", places, session=1)
    assert (tmp_path / "day.itch").read_bytes() == bytes(public.stream)


def test_the_day_after_the_breaker_closed_it_the_market_trades(market) -> None:
    """Opened while the calendar has continuous trading already, the venue having been away from
    before the night to then; the alarm clears."""
    fired = Looks("BreakerFired", read_venue(market.venue.folder / "venue.toml"))
    assert fired.look()
    market.venue.stop()
    market.venue.set_time("2026-11-24T10:00:00")
    market.open()
    market.venue.wait_for(lambda s: s["risk"]["breaker_level"] == 0)
    for symbol in ("GOLD", "TIN"):
        market.is_in(symbol, "CONTINUOUS")
    assert market.trade(790, b"TIN") == [set(), set()]
    assert not fired.look()
