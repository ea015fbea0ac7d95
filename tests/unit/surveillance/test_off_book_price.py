"""A trade off the book far from it is reported, by kernels and by the plain reference alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.risk.requests import WHOLE
from openoutcry.surveillance.detect import off_book
from openoutcry.surveillance.detect.layout import Detector
from openoutcry.surveillance.detect.settings import Related, Settings
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.venue.requests import opening
from openoutcry.wire.enums import EventKind, Side
from tests.oracles.surveillance.detectors import Reference, as_dicts
from tests.support.risk.spot_page import SpotMarket

SYMBOL = b"BTC-USD"
BID, ASK = 4_900_000, 4_902_000
MIDDLE = (BID + ASK) // 2
BPS = MIDDLE // 10_000
BUYER, SELLER, MAKER = 1, 2, 3


class Watched(SpotMarket):
    """A spot market with a quoted book, whose commands and events are kept."""

    def __init__(self, folder: Path, quotes: tuple[Side, ...] = (Side.BUY, Side.SELL)) -> None:
        self.commands: list[Any] = []
        self.events: list[Any] = []
        super().__init__(folder)
        for who in (BUYER, SELLER, MAKER):
            self.move(10**13, "USD", who)
            self.move(10**11, "BTC", who)
        for side in quotes:
            self.new(side, 5, BID if side == Side.BUY else ASK, SYMBOL, MAKER)

    def send(self, record: Any) -> Any:
        events = super().send(record)
        self.commands.append(np.array(record).reshape(1))
        self.events.append(events.copy())
        return events

    def trade(self, price: int, asks: Side = Side.BUY) -> int:
        """Trade 100 lots off the book; returns the command."""
        for record in opening(f"rfq {self.seq}", 7, 0):
            self.send(record)
        record = setting(Setting.OFF_BOOK, 100, BUYER << 16 | SELLER, SYMBOL, price)
        record["time_in_force"], record["side"] = asks, WHOLE
        assert self.send(record)[-1]["kind"] == EventKind.COMPLETED
        return int(self.seq)

    def hits(self, settings: Settings | None = None) -> list[dict[str, Any]]:
        """Return what kernels and reference find."""
        config = {"instruments": instruments_to_json(self.venue.instruments)}
        orders, events = np.concatenate(self.commands), np.concatenate(self.events)
        found = as_dicts(Detectors(config, settings).watch(orders, events))
        assert found == Reference(config, settings).watch(orders, events)
        return found


def test_the_setting_is_the_risk_rooms() -> None:
    assert off_book.OFF_BOOK == Setting.OFF_BOOK


@pytest.mark.parametrize("asks", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("bps", [-150, -40, -29, -20, 0, 20, 29, 40, 150])
def test_far_prices_are_reported_with_who_loses(tmp_path: Path, bps: int, asks: Side) -> None:
    market = Watched(tmp_path)
    seq = market.trade(MIDDLE + bps * BPS, asks)
    hits = [hit for hit in market.hits() if hit["detector"] == Detector.OFF_BOOK_PRICE]
    if abs(bps) < 30:
        assert hits == []
        return
    (hit,) = hits
    assert hit["participants"] == ([BUYER, SELLER] if bps > 0 else [SELLER, BUYER])
    assert (hit["seq"], hit["lots"], hit["evidence"][0]) == (seq, 100, seq)
    assert hit["gain_half_ticks"] == 2 * abs(bps) * BPS * 100


def test_nothing_is_said_without_a_book_or_within_one_owner(tmp_path: Path) -> None:
    one_sided = Watched(tmp_path, (Side.BUY,))
    one_sided.trade(2 * MIDDLE)
    assert one_sided.hits() == []
    market = Watched(tmp_path)
    market.trade(2 * MIDDLE)
    own = Settings(related=(Related((BUYER, SELLER)),))
    assert [hit["detector"] for hit in market.hits(own)] == []
    assert [hit["detector"] for hit in market.hits()] == [Detector.OFF_BOOK_PRICE]


def test_a_client_and_its_maker_are_no_wash_pair(tmp_path: Path) -> None:
    """They agree on all of their trades off the book, while others trade as much in it."""
    market = Watched(tmp_path)
    for _ in range(8):
        market.trade(MIDDLE)
        market.new(Side.SELL, 5, BID, SYMBOL, 4)
        market.move(10**11, "BTC", 4)
        market.new(Side.BUY, 5, BID, SYMBOL, MAKER)
        market.new(Side.SELL, 5, BID, SYMBOL, 4)
    assert market.hits() == []


def test_a_maker_that_trades_ahead_of_its_client_is_reported(tmp_path: Path) -> None:
    """It buys what the client is about to ask for, and sells that to the client at a gain."""
    market = Watched(tmp_path)
    market.new(Side.SELL, 40, ASK, SYMBOL, MAKER)
    market.new(Side.BUY, 45, ASK, SYMBOL, SELLER)
    seq = market.trade(ASK + BPS)
    (hit,) = market.hits()
    assert hit["detector"] == Detector.FRONT_RUNNING
    assert hit["participants"] == [SELLER]
    assert (hit["lots"], hit["gain_half_ticks"], hit["seq"]) == (45, 2 * 45 * BPS, seq)


@pytest.mark.parametrize("case", ["a few", "no gain", "the other way", "a hedge", "both ways"])
def test_makers_that_do_not_are_left_alone(tmp_path: Path, case: str) -> None:
    market = Watched(tmp_path)
    market.new(Side.SELL, 140, ASK, SYMBOL, MAKER)
    market.new(Side.BUY, 140, BID, SYMBOL, MAKER)
    if case == "a few":
        market.new(Side.BUY, 20, ASK, SYMBOL, SELLER)
    elif case == "the other way":
        market.new(Side.SELL, 60, BID, SYMBOL, SELLER)
    elif case == "a hedge":
        market.trade(ASK)  # and then it buys what it has sold
        market.new(Side.BUY, 100, ASK, SYMBOL, SELLER)
    else:
        market.new(Side.BUY, 60, ASK, SYMBOL, SELLER)
    if case == "both ways":
        market.new(Side.SELL, 60, BID, SYMBOL, SELLER)
    market.trade(ASK if case == "no gain" else ASK + BPS)
    assert market.hits() == []
