"""Manipulators in a flow: its commands come as they are, the acts are labelled and found."""

import numpy as np

from openoutcry.bench.surveillance_accuracy import Accuracy, count
from openoutcry.flow import GeneratedFlow
from openoutcry.flow.manipulators import manipulators
from openoutcry.matcher import Engine
from tests.support.flow.mixed_market import FIRST_ID, MixedMarket

NAMES = ("wash_pair", "stuffer")
MINUTES = 10


def market() -> tuple[MixedMarket, np.ndarray]:
    source = GeneratedFlow("static", 12_000, 5)
    flow = np.concatenate([chunk.copy() for chunk in source.chunks()])
    flow["participant"] = flow["participant"] % 90 + 1
    return MixedMarket(3, MINUTES, [manipulators(NAMES)], flow, source.instruments), flow


def test_every_command_of_the_flow_comes_once_and_in_order() -> None:
    mixed_market, flow = market()
    parts = [commands for commands, _ in mixed_market.run(Engine(mixed_market.instruments))]
    commands = np.concatenate(parts)
    played = commands[(commands["participant"] > 0) & (commands["participant"] < 100)]
    assert len(played) == len(flow)
    for name in ("order_id", "kind", "side", "price_ticks", "qty_lots", "participant", "aux"):
        assert (played[name] == flow[name]).all(), name
    assert (commands["order_id"][commands["participant"] >= 200] > FIRST_ID).all()


def test_its_manipulators_are_found() -> None:
    mixed_market, _ = market()
    accuracy = Accuracy()
    count(accuracy, 3, mixed_market)
    assert sum(accuracy.seen.values()) >= 1
    assert not accuracy.wrong
