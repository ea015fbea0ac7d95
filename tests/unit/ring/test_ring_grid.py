"""Producers × consumers × wait strategies × tiny rings: real processes, every record checked."""

import itertools

from tests.support.ring.ring_grid import GRID, PAIRWISE


def test_the_pairs_are_all_there() -> None:
    """The default subset really has every pair of values of every two axes."""
    for one, two in itertools.combinations(range(4), 2):
        assert {(r[one], r[two]) for r in PAIRWISE} == {(r[one], r[two]) for r in GRID}
