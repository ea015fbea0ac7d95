"""A venue that no kernel has been compiled for says that it is open when nothing is left to
compile: whoever trades or listens from then on waits for no compiler."""

import pytest

from openoutcry.market_data.glimpse import fetch
from openoutcry.wire.enums import TimeInForce
from tests.support.market_data.feed_days import Days
from tests.support.venue.served_venue import orders

pytestmark = pytest.mark.long  # two minutes of a processor, all of it in the compiler


def test_nothing_is_compiled_once_it_is_open(tmp_path, monkeypatch):
    kernels = tmp_path / "kernels"
    kernels.mkdir(mode=0o700)
    monkeypatch.setenv("OUTCRY_CACHE_DIR", str(kernels))
    days = Days(tmp_path)
    compiled = {path.name for path in kernels.rglob("*.nbi")}
    assert compiled
    try:
        resting = orders(1, 6, TimeInForce.GTC)
        assert days.venue.send(resting)["acknowledged"] == 6
        days.subscribe()
        page = days.page()
        page.close()
        levels = days.venue.send(orders(11, 6, TimeInForce.GTC, 500))
        assert levels["acknowledged"] == 6
        days.wait_for(
            lambda: days.receiver.lines.next_sequence > 12,
            lambda: bool(days.depth.book.levels(1, "B")),
            lambda: days.streamed == days.multicast,
        )
        assert fetch(days.spec.snapshots)
    finally:
        days.close()
    late = {path.name for path in kernels.rglob("*.nbi")} - compiled
    assert not late, " ".join(sorted(late))
