"""The kernels find what the plain reference finds, hit by hit, however the commands are parted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import openoutcry.surveillance.detect.layout as lay
from openoutcry.matcher import Engine
from openoutcry.surveillance.detect.settings import Settings
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.surveillance.parameters import RING, TABLE, parameters
from openoutcry.wire.errors import SurveillanceError
from tests.support.surveillance.detectors import CONFIG, INSTRUMENTS, compare
from tests.support.surveillance.surveillance_flow import random_orders, settings_of


@settings(max_examples=8)  # one takes 80 to 210 ms
@given(st.integers(0, 2**32 - 1))
def test_the_kernels_find_what_the_reference_finds(seed: int) -> None:
    compare(seed, 400)


def watched(cuts: list[int], orders: np.ndarray, venue_settings: Settings) -> np.ndarray:
    """Hits of the commands in these parts; between parts the state goes through its arrays."""
    engine, detectors = Engine(INSTRUMENTS), Detectors(CONFIG, venue_settings)
    hits = []
    for begin, end in zip([0, *cuts], [*cuts, len(orders)], strict=True):
        part = orders[begin:end]
        hits.append(detectors.watch(part, engine.process(part)))
        arrays = [array.copy() for array in detectors.arrays()]
        detectors = Detectors(CONFIG, venue_settings)
        detectors.restore(arrays)
    return np.concatenate(hits)


def test_hits_do_not_depend_on_parts_nor_on_a_restored_state() -> None:
    """Tables grow at other moments and are hashed anew: the bytes of the hits are the same."""
    rng = np.random.default_rng(5)
    venue_settings, orders = settings_of(rng), random_orders(rng, 1_500)
    whole = watched([], orders, venue_settings)
    assert len(whole) > 50
    assert watched([1, 2, 400, 401, 1_333], orders, venue_settings).tobytes() == whole.tobytes()


def test_events_that_are_missing_are_reported() -> None:
    rng = np.random.default_rng(1)
    orders, engine, detectors = random_orders(rng, 20), Engine(INSTRUMENTS), Detectors(CONFIG)
    detectors.watch(orders[:5], engine.process(orders[:5]))
    engine.process(orders[5:10])
    with pytest.raises(SurveillanceError, match="does not come after event"):
        detectors.watch(orders[10:], engine.process(orders[10:]))


def test_a_parameter_out_of_range_is_named() -> None:
    assert len(parameters()) == len(TABLE)
    assert parameters({one.name: one.value for one in TABLE}).tolist() == parameters().tolist()
    bad = ({"no_such": 1}, "no_such"), ({"ramp_bps": 0}, "is 0"), ({"ramp_bps": True}, "is True")
    for changed, words in bad:
        with pytest.raises(SurveillanceError, match=words):
            parameters(changed)


def test_no_parameter_goes_beyond_what_the_detectors_keep() -> None:
    """Repetitions go up to eight, sums in buckets up to six minutes: with more a detector would say
    nothing, or leave out what is older."""
    assert RING == lay.REPEAT_RING
    most = {one.name: one.most for one in TABLE}
    assert {most[name] for name in most if name.endswith("_repeats")} == {RING}
    for name, times in (
        ("ignition_ns", 2),
        ("ramp_ns", 1),
        ("marking_ns", 1),
        ("spoof_withdrawn_ns", 1),
    ):
        assert times * most[name] // lay.BUCKET_NS + 1 <= lay.BUCKETS
    with pytest.raises(SurveillanceError, match="spoof_repeats is 9, not 1 to 8"):
        parameters({"spoof_repeats": 9})
