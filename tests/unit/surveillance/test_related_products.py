"""Products that belong together: which contract has which spot is known from the venue's data, and
kernels and reference say the same of acts in both."""

import numpy as np
import pytest

from openoutcry.derivatives.index import IndexRules
from openoutcry.derivatives.marking import MarkingRules
from openoutcry.derivatives.marks import BasisRules
from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.venue.index_journal import rules_records
from openoutcry.wire import make_instruments
from tests.oracles.surveillance.detectors import Reference, as_dicts
from tests.support.surveillance.foreign_markets import HOOKS
from tests.support.surveillance.foreign_products import ACTS, ProductMarket

LIMITS = {"min_price_ticks": 1, "max_price_ticks": 10**6, "reference_price_ticks": 10_000}


def config_of(*symbols: str) -> dict[str, object]:
    """The configuration of a journal whose second instrument is a perpetual."""
    table = make_instruments([{"symbol": symbol} | LIMITS for symbol in symbols])
    return {"instruments": instruments_to_json(table), "hooks": HOOKS, "order_capacity": 1 << 14}


@pytest.mark.parametrize("name", ACTS)
def test_kernels_and_reference_agree(name: str) -> None:
    """The acts in a hurry: five minutes with a funding and a closing call."""
    count = 0
    for seed in (803, 804):
        market = ProductMarket(seed)
        traders = [*market.honest(), market.script(ACTS[name][0](market), 8.0)]
        market.day(200, traders)
        market.fund()
        reference = Reference(market.config)
        for orders, events in market.batches:
            reference.watch(orders, events)
        assert as_dicts(np.array(market.hits)) == reference.hits
        count += len(reference.hits)
    assert count


@pytest.mark.parametrize(
    ("symbols", "linked", "expected"),
    [
        (("BTC", "BTC-P"), (), [1, 0]),
        (("BTC", "ETH-P"), (), [-1, -1]),
        (("BTC", "BTC-P", "BTC-PX"), (("BTC", "BTC-PX"),), [2, 0, 0]),
    ],
)
def test_contracts_are_linked_by_their_symbols(
    symbols: tuple[str, ...], linked: tuple[tuple[str, str], ...], expected: list[int]
) -> None:
    detectors = Detectors(config_of(*symbols), Settings(linked=linked))
    assert detectors.links.tolist() == expected


@pytest.mark.parametrize("cut", [0, 1, 2, 5])
def test_contracts_are_linked_by_the_rules_of_their_index(cut: int) -> None:
    """However the pieces of the document are parted, also over a checkpoint."""
    config = config_of("COIN", "PERP")
    index = IndexRules({"COIN": 1, "elsewhere": 1}, 10**9, 10**5, 1)
    rules = MarkingRules("X", index, BasisRules(10**9, 10**5, 10**5), ("PERP",))
    records = rules_records([rules], 10**18)
    records["seq"] = np.arange(1, len(records) + 1)
    table = make_instruments([{"symbol": symbol} | LIMITS for symbol in ("COIN", "PERP")])
    engine = Core(table, 1 << 14, hooks=HOOKS).fresh()
    detectors = Detectors(config)
    assert detectors.links.tolist() == [-1, -1]
    for part in (records[:cut], records[cut:]):
        if len(part):
            detectors.watch(part, engine.process(part))
        arrays = [array.copy() for array in detectors.arrays()]
        detectors = Detectors(config)
        detectors.restore(arrays)
    assert detectors.links.tolist() == [1, 0]
