"""What the tests of ring in several tiers share."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from openoutcry.ring import ProcessIdentity, RingBuffer
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE


@pytest.fixture
def make_ring() -> Iterator[Callable[..., RingBuffer]]:
    """Rings that are removed at the end of the test."""
    rings: list[RingBuffer] = []

    def make(
        capacity: int = 8, consumers: tuple[str, ...] = ("a",), multi_producer: bool = False
    ) -> RingBuffer:
        name = segment_name(ProcessIdentity.mine(), f"test-{len(rings)}")
        rings.append(
            RingBuffer.create(
                name, capacity, ORDER_DTYPE, list(consumers), multi_producer=multi_producer
            )
        )
        return rings[-1]

    yield make
    for ring in rings:
        ring.unlink()


def orders(first: int, count: int) -> np.ndarray:
    """Orders numbered from ``first``, with a check value in a second field."""
    records = np.zeros(count, ORDER_DTYPE)
    records["order_id"] = np.arange(first, first + count)
    records["price_ticks"] = records["order_id"] * 7 + 3
    return records


def take(reader: object, got: int) -> int:
    """Check and release what is there; returns the new total."""
    batch = reader.poll()  # type: ignore[attr-defined]
    assert list(batch["order_id"]) == list(range(got + 1, got + 1 + len(batch)))
    assert (batch["price_ticks"] == batch["order_id"] * 7 + 3).all()
    reader.release(len(batch))  # type: ignore[attr-defined]
    return got + len(batch)
