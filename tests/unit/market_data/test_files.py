"""Files of the feed: the same bytes whenever they are made, and the same book for whoever reads
them: our own reader, and other people's."""

from itch.parser import MessageParser

from openoutcry.market_data.feed import Feed
from tests.support.market_data import files as shared
from tests.support.market_data.feed_support import flow, protected, unframed

day = shared.day


def test_itchfeed_reads_what_protects_the_market(tmp_path):
    """H with its reasons, J, V, W and h, each by its own class."""
    theirs = {}
    for seed in range(3):
        run, events, rx_ts_ns = flow(seed)
        events, times = protected(seed, run.instruments, events, rx_ts_ns)
        path = tmp_path / "day.itch"
        path.write_bytes(
            Feed(run.instruments, run.order_capacity, strict=False).encode(events, times, 1)
        )
        with path.open("rb") as file:
            parsed = list(MessageParser().parse_file(file))
        assert [one.to_bytes() for one in parsed] == unframed(path.read_bytes())
        for one in parsed:
            theirs.setdefault(one.message_type.decode(), type(one).__name__)
    assert set("HJVWh") <= set(theirs)
    assert len(set(theirs.values())) == len(theirs)
