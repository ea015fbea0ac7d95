"""What the tests of detectors in several tiers share."""

import numpy as np

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire import make_instruments
from tests.oracles.surveillance.detectors import Reference, as_dicts
from tests.support.surveillance.surveillance_flow import SYMBOLS, random_orders, settings_of

INSTRUMENTS = make_instruments(SYMBOLS)
CONFIG = {"instruments": instruments_to_json(INSTRUMENTS)}


def compare(seed: int, count: int) -> dict[str, int]:
    """Both over the same commands, in parts of random length; hits by detector."""
    rng = np.random.default_rng(seed)
    venue_settings = settings_of(rng)
    orders, engine = random_orders(rng, count), Engine(INSTRUMENTS)
    detectors, reference = Detectors(CONFIG, venue_settings), Reference(CONFIG, venue_settings)
    at = 0
    while at < count:
        part = orders[at : at + int(rng.integers(1, 200))]
        at += len(part)
        events = engine.process(part)
        assert as_dicts(detectors.watch(part, events)) == reference.watch(part, events)
    counts: dict[str, int] = {}
    for hit in reference.hits:
        name = lay.Detector(hit["detector"]).name
        counts[name] = counts.get(name, 0) + 1
    return counts
