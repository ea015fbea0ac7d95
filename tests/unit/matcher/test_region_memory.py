"""The region of hooks is tens of megabytes in a venue with many participants: it is hashed where it
is, and copied once."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import Hooks, region_hash, with_region, without_region
from openoutcry.wire import make_instruments
from openoutcry.wire.errors import MatcherError

SIZE = 4 << 20


def peak_of(work: Callable[[], Any]) -> int:
    """Bytes that were in use at once, at most, beyond those before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_region_is_hashed_where_it_is_and_copied_once() -> None:
    region = np.random.default_rng(1).integers(0, 256, SIZE, dtype=np.uint8)
    assert peak_of(lambda: region_hash(region)) < SIZE // 4
    assert SIZE <= peak_of(lambda: with_region(b"book", region)) < SIZE * 5 // 4
    data = with_region(b"book", region)
    assert peak_of(lambda: without_region(data, SIZE)) < SIZE // 4
    book, again = without_region(data, SIZE)
    assert book == b"book"
    assert np.array_equal(again, region)


def test_a_damaged_region_or_one_of_another_size_is_refused() -> None:
    data = with_region(b"book", np.ones(SIZE, np.uint8))
    with pytest.raises(MatcherError, match="damaged"):
        without_region(data[:4] + b"\0" + data[5:], SIZE)
    with pytest.raises(MatcherError, match=f"its region has {SIZE} bytes, the hooks' has 8"):
        without_region(data, 8)


def test_an_engine_holds_its_region_once() -> None:
    instruments = make_instruments(["A"])

    def made() -> Engine:
        return Engine(instruments, 16, hooks=Hooks(np.ones(SIZE, np.uint8)))

    without = Engine(instruments, 16)
    made().clone()  # kernels are compiled or loaded
    tracemalloc.start()
    try:
        engine = made()
        held, _ = tracemalloc.get_traced_memory()
        other = engine.clone()
        both, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert SIZE <= held < SIZE * 3 // 2 + without.arena.nbytes
    assert SIZE <= both - held < SIZE * 3 // 2 + without.arena.nbytes
    assert engine.hooks is not None
    assert engine.hooks.region is engine.region
    assert other.hooks is not None
    assert other.hooks.region is other.region
    assert other.region is not engine.region
