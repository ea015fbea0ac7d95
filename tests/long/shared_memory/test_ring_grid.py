"""Producers × consumers × wait strategies × tiny rings: real processes, every record checked."""

import pytest

from openoutcry.ring import WaitStrategy
from tests.support.ring.ring_grid import GRID, run_and_check


@pytest.mark.long
@pytest.mark.parametrize(("producers", "consumers", "strategy", "capacity"), GRID)
def test_the_full_grid(
    producers: int, consumers: int, strategy: WaitStrategy, capacity: int
) -> None:
    """The same over all 240 combinations."""
    run_and_check(producers, consumers, strategy, capacity)
