"""What the tests of ring claims in several tiers share."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from openoutcry.ring import RingBuffer
from tests.support.ring.ring_processes import (
    RECORD,
    ring_name,
)


@pytest.fixture
def make_ring() -> Iterator[Callable[..., RingBuffer]]:
    """Rings that are removed at the end of the test."""
    rings: list[RingBuffer] = []

    def make(
        capacity: int = 8,
        dtype: np.dtype[Any] = RECORD,
        readers: tuple[str, ...] = ("a",),
        **more: Any,
    ) -> RingBuffer:
        rings.append(RingBuffer.create(ring_name("claims"), capacity, dtype, readers, **more))
        return rings[-1]

    yield make
    for ring in rings:
        ring.unlink()


both_kinds = pytest.mark.parametrize("multi", [False, True], ids=["single", "multi"])
