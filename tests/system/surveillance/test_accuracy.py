"""Markets of agents: honest and manipulating, drawn now; the rules as written beside; money."""

import secrets

from openoutcry.bench.surveillance_accuracy import PATTERNS, measure
from openoutcry.flow.manipulators import THIN


def test_manipulators_drawn_now_are_found_and_the_honest_left_alone() -> None:
    """Most acts have their case, and hardly a case is of somebody honest; the figures with their
    intervals, of many seeds, are in docs/surveillance.md (this is too few to hold them to)."""
    seed = secrets.randbelow(2**31)
    accuracy = measure([seed])
    acts = sum(accuracy.seen.values()) + sum(accuracy.missed.values())
    assert acts >= 5, seed
    assert sum(accuracy.seen.values()) >= acts / 2, (seed, accuracy.missed)
    assert sum(accuracy.wrong.values()) <= 4, (seed, accuracy.false)
    shares = accuracy.document()["detectors"]
    assert set(shares) == set(PATTERNS)
    # As written: hundreds of alarms of people who did nothing.
    assert accuracy.written_wrong["cancels"] > 20


def test_who_moves_pegged_orders_is_found_and_the_honest_left_alone() -> None:
    """In thin markets drawn now, with market makers and holders of pegged orders."""
    seeds = [secrets.randbelow(2**31) for _ in range(3)]
    accuracy = measure(seeds, THIN)
    assert accuracy.seen["moving_pegs"] >= 2, (seeds, accuracy.missed)
    assert accuracy.wrong["moving_pegs"] <= 1, (seeds, accuracy.false)
