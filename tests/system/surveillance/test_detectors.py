"""The kernels find what the plain reference finds, hit by hit, however the commands are parted."""

import openoutcry.surveillance.detect.layout as lay
from tests.support.surveillance.detectors import compare


def test_every_detector_that_needs_no_money_is_compared() -> None:
    """Over these seeds each has hits: a comparison of nothing would prove nothing."""
    counts: dict[str, int] = {}
    for seed in (5, 6, 14, 19, 21, 23):
        for name, count in compare(seed, 700).items():
            counts[name] = counts.get(name, 0) + count
    missing = {one.name for one in lay.Detector} - set(counts)
    assert missing == {"NEGATIVE_BALANCE", "CALLED_TRADES", "OFF_BOOK_PRICE"}
