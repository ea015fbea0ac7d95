"""Trades far from the mark around a margin call are reported, and no other day's are."""

from typing import Any

import numpy as np
import pytest

from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.surveillance.detect import calls
from openoutcry.surveillance.detect.layout import Detector
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.detect.state import Detectors
from tests.oracles.surveillance.detectors import Reference, as_dicts
from tests.support.risk.called import FALLEN, FUND, MARK, OTHER, SYMBOL, THIRD, WHO, Floor

SECOND, MINUTE = 10**9, 60 * 10**9


class Watched(Floor):
    """The floor with a clock; the fund can pay whatever a liquidation costs."""

    def __init__(self) -> None:
        self.now_ns, self.ids = 10**18, 100
        super().__init__()
        self.set(Setting.DEPOSIT, 10**9, FUND)

    def send(self, what: Any) -> Any:
        events = super().send(what)
        self.now_ns += SECOND // 10
        self.commands[-1]["rx_ts_ns"] = self.now_ns
        return events

    def trade(self, buyer: int, seller: int, lots: int, price: int) -> int:
        """The two trade with each other; returns the trade's command."""
        for who, side in ((seller, "SELL"), (buyer, "BUY")):
            self.ids += 1
            self.send(f"NEW id={self.ids} {side} {lots}@{price} p{who}")
        assert (self.events[-1]["qty_lots"][-1], self.events[-1]["price_ticks"][-1]) == (
            lots,
            price,
        )
        return self.engine.last_seq

    def liquidate(self, lots: int, price: int) -> int:
        """A part of participant 1's liquidation; returns the LIQUIDATE."""
        if self.view.of(WHO, lay.FLAGS) & lay.CANCEL_WANTED:
            self.send(f"DISCONNECT p{WHO}")
        told = self.send(setting(Setting.LIQUIDATE, -lots, WHO, SYMBOL, price))
        assert told["reason"][0] == 0
        part = lay.PART_IDS + self.view.word(lay.PARTS)
        seq = self.engine.last_seq
        self.send(f"NEW id={part} SELL {lots}@{price} IOC p{WHO}")
        return seq

    def hits(self) -> list[dict[str, Any]]:
        """What kernels and reference find, in one call and command by command."""
        rows = instruments_to_json(self.instruments)
        config = {"instruments": rows, "hooks": self.hooks, "order_capacity": 64}
        orders, events = np.concatenate(self.commands), np.concatenate(self.events)
        hits = as_dicts(Detectors(config).watch(orders, events))
        assert hits == Reference(config).watch(orders, events)
        one_by_one, detectors = [], Detectors(config, Settings())
        for order, told in zip(self.commands, self.events, strict=True):
            one_by_one += as_dicts(detectors.watch(order, told))
        assert one_by_one == hits
        return [hit for hit in hits if hit["detector"] == Detector.CALLED_TRADES]


def test_the_settings_are_the_risk_rooms() -> None:
    ours = (calls.LIQUIDATE, calls.MARK, calls.SETTLE, calls.DELEVERAGE, calls.LIST, calls.APPLY)
    names = ("LIQUIDATE", "CONTRACT_MARK", "CONTRACT_SETTLE", "DELEVERAGE", "CONTRACT_LIST",
             "CONTRACT_APPLY")  # fmt: skip
    assert ours == tuple(Setting[name] for name in names)


def test_a_friend_that_waits_for_the_liquidation_at_the_end_of_the_band_is_reported() -> None:
    floor = Watched()
    floor.mark(FALLEN)
    floor.send(f"NEW id=20 BUY 5@{FALLEN - 8_000} p{OTHER}")
    called = floor.liquidate(5, FALLEN - 8_000)
    (hit,) = floor.hits()
    assert hit["participants"] == [WHO, OTHER]
    assert (hit["lots"], hit["gain_half_ticks"]) == (5, 2 * 8_000 * 5)
    assert hit["evidence"][:2] == [called, floor.engine.last_seq]


@pytest.mark.parametrize(("wait_ns", "reported"), [(50 * SECOND, True), (70 * SECOND, False)])
def test_a_gain_that_is_given_away_ahead_of_the_takeover_is_reported(
    wait_ns: int, reported: bool
) -> None:
    """Participant 2 is first to take over: it buys from 3 far above the mark."""
    floor = Watched()
    floor.mark(FALLEN)
    floor.liquidate(5, FALLEN)
    floor.now_ns += wait_ns
    seq = floor.trade(OTHER, THIRD, 4, FALLEN + 8_000)
    assert [(hit["participants"], hit["seq"]) for hit in floor.hits()] == [
        ([OTHER, THIRD], seq)
    ] * reported


@pytest.mark.parametrize(("wait_ns", "reported"), [(9 * MINUTE, True), (11 * MINUTE, False)])
def test_what_an_account_gave_away_before_its_call_is_reported(
    wait_ns: int, reported: bool
) -> None:
    floor = Watched()
    seqs = [floor.trade(WHO, THIRD, 1, MARK + 9_000) for _ in range(2)]
    floor.now_ns += wait_ns
    floor.mark(FALLEN)
    assert floor.hits() == []
    floor.liquidate(5, FALLEN)
    floor.liquidate(3, FALLEN)
    found = [(hit["participants"], hit["repeats"], hit["gain_half_ticks"]) for hit in floor.hits()]
    assert found == [([WHO], 2, 2 * 2 * 9_000)] * reported
    if reported:
        assert floor.hits()[0]["evidence"][0] == seqs[-1]


def test_the_mark_of_a_batch_counts_once_it_is_in_force() -> None:
    floor = Watched()
    record = setting(Setting.CONTRACT_MARK, FALLEN, 0, SYMBOL)
    record["time_in_force"] = 1
    floor.send(record)
    floor.send(setting(Setting.CONTRACT_APPLY, 0))  # dropped
    floor.trade(THIRD, OTHER, 1, MARK)
    floor.send(record.copy())
    floor.send(setting(Setting.CONTRACT_APPLY, 1))
    assert floor.is_called()
    floor.liquidate(5, FALLEN)
    floor.trade(THIRD, OTHER, 1, FALLEN + 1_700)
    assert floor.hits() == []
    floor.trade(THIRD, OTHER, 1, FALLEN + 1_701)
    assert [hit["participants"] for hit in floor.hits()] == [[THIRD, OTHER]]


def test_a_quiet_day_has_none() -> None:
    """Trades far off without a call, and a liquidation near the mark."""
    floor = Watched()
    for price in (MARK - 9_000, MARK + 9_000, MARK + 1_000):
        floor.trade(THIRD, OTHER, 2, price)
    floor.mark(FALLEN)
    floor.send(f"NEW id=20 BUY 20@{FALLEN - 1_000} p{OTHER}")
    for _ in range(4):
        floor.liquidate(5, FALLEN - 1_000)
    floor.trade(THIRD, OTHER, 2, FALLEN + 1_000)
    assert floor.hits() == []
