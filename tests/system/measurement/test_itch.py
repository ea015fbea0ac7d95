"""ITCH 5.0 messages become commands; every byte of a file is accounted for."""

from pathlib import Path

from openoutcry.flow import ItchSource
from openoutcry.matcher import Engine
from tests.support.flow import itch as shared
from tests.support.flow.itch import add

path = shared.path


def test_a_day_has_more_symbols_than_4096(path: Path) -> None:
    """Every one is an instrument, and its orders are the engine's."""
    count = 9_000
    path.write_bytes(b"".join(add(k + 1, b"B", 1, b"S%d" % k, 100 + k) for k in range(count)))
    source = ItchSource(path)
    engine = Engine(source.instruments, 1 << 14)
    for chunk in source.chunks():
        engine.process(chunk)
    assert engine.open_orders == count
    assert engine.best(f"S{count - 1}") == (100 + count - 1, 1, None, 0)
    again = Engine.restore(engine.snapshot(), 1 << 14)
    assert again.book_hash() == engine.book_hash()
    engine.check()
