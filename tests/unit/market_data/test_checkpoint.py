"""A feed goes on from a checkpoint with the same numbers and bytes, and from none but its own."""

import numpy as np
import pytest

from openoutcry.journal import JournalReader
from openoutcry.journal.archive import retire
from openoutcry.journal.checkpoints import write_checkpoint
from openoutcry.market_data import checkpoint
from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.glimpse import snapshot
from openoutcry.market_data.public_feed import PublicFeed
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.store import Store
from openoutcry.wire.errors import FeedError
from tests.support.journal.journal_checkpoint import own_checkpoint
from tests.support.market_data.feed_journal import make_journal
from tests.support.market_data.feed_support import flow, unframed


class Day:
    """A journal, its events, and a feed of it up to some event."""

    def __init__(self, home, seed, **more):
        self.run, self.events, self.rx_ts_ns = flow(seed, 900)
        self.home, self.folder = home, home / "market_data"
        make_journal(home, self.run.instruments, self.run.orders, self.run.order_capacity, **more)
        self.journal_id = JournalReader(home).journal_id
        self.path = self.folder / "x.itch"

    def feed(self):
        return Feed(self.run.instruments, self.run.order_capacity, strict=False)

    def tell(self, feed, book, store, until):
        part = np.ascontiguousarray(self.events[feed.event_seq : until])
        for output in feed.encode_by_session(part, self.rx_ts_ns, 1):
            assert output.session == 1  # of the flows that are used here
            store.append(output.messages, feed.messages - store.count)
            book.apply(output.messages)

    def newest(self):
        return checkpoint.newest(self.folder, self.home, self.journal_id)

    def save(self, feed, book, store):
        cause = int(self.events["cause_seq"][feed.event_seq - 1])
        return checkpoint.save(self.folder, self.home, self.journal_id, cause, feed, book, store)


@pytest.mark.parametrize("seed", range(4))
def test_it_continues_where_it_was(tmp_path, seed):
    day = Day(tmp_path / "j", seed)
    whole, whole_book = day.feed().encode(day.events, day.rx_ts_ns, 1), Book()
    whole_book.apply(whole)
    feed, book, store = day.feed(), Book(8), Store(day.path)
    for until in (len(day.events) // 3, len(day.events) // 2):
        day.tell(feed, book, store, until)
        if not feed.is_between_commands:
            assert day.save(feed, book, store) is None
        while not feed.is_between_commands:
            day.tell(feed, book, store, feed.event_seq + 1)
        assert day.save(feed, book, store)
        day.tell(feed, book, store, feed.event_seq + 20)  # what is behind it is lost
    store.close()
    standing = day.newest()
    assert standing.event_seq < feed.event_seq
    again, book_again = day.feed(), Book()
    store = checkpoint.resume(standing, day.path, again, book_again)
    assert (again.event_seq, again.messages) == (standing.event_seq, standing.messages)
    day.tell(again, book_again, store, len(day.events))
    assert day.path.read_bytes() == whole
    assert book_again.hash() == whole_book.hash()
    assert store.read(1, 1, 100)[0] == 1
    store.close()


def test_of_other_journals_instruments_and_damaged_ones_none_is_taken(tmp_path):
    day, other = Day(tmp_path / "j", 1), Day(tmp_path / "k", 2)
    feed, book, store = day.feed(), Book(), Store(day.path)
    day.tell(feed, book, store, len(day.events))
    path = day.save(feed, book, store)
    store.close()
    assert day.newest() is not None
    other.folder.mkdir()
    (other.folder / path.name).write_bytes(path.read_bytes())
    assert other.newest() is None
    with pytest.raises(FeedError, match="other instruments or another capacity"):
        checkpoint.resume(day.newest(), day.path, other.feed(), Book())
    smaller = Feed(day.run.instruments, 8)
    with pytest.raises(FeedError, match="other instruments or another capacity"):
        checkpoint.resume(day.newest(), day.path, smaller, Book())
    day.path.write_bytes(day.path.read_bytes()[:-1])
    with pytest.raises(FeedError, match="is shorter than its"):
        checkpoint.resume(day.newest(), day.path, day.feed(), Book())
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)
    assert day.newest() is None


def test_without_the_journals_begin_it_continues_and_a_late_client_has_all(tmp_path):
    """Segments are retired up to before the feed's checkpoint: the numbers go on, the past is in
    the store, a snapshot is the book; without a checkpoint there are no numbers, which is told."""
    day = Day(tmp_path / "j", 1, blocks=20, segment_bytes=4 * 4096)
    whole = day.feed().encode(day.events, day.rx_ts_ns, 1)
    feed, book, store = day.feed(), Book(), Store(day.path)
    day.tell(feed, book, store, len(day.events) * 3 // 4)
    while not feed.is_between_commands:
        day.tell(feed, book, store, feed.event_seq + 1)
    kept = day.save(feed, book, store)
    store.close()
    for seq in (300, 400):
        write_checkpoint(day.home, own_checkpoint(day.home, seq))
    assert retire(day.home)
    assert JournalReader(day.home).first_seq > 1
    again, joined = day.feed(), Book()
    store = checkpoint.resume(day.newest(), day.path, again, joined)
    day.tell(again, joined, store, len(day.events))
    assert day.path.read_bytes() == whole
    count, data = store.read(1, store.count, 1 << 16)
    assert count > 0
    assert whole.startswith(data)
    late = Book()
    directory = unframed(whole)[: 1 + len(day.run.instruments)]
    for message in list(snapshot(joined, directory, store.count + 1))[:-1]:
        late.apply(len(message).to_bytes(2, "big") + message)
    assert late.hash() == joined.hash()
    store.close()
    kept.unlink()
    spec = FeedSpec(("239.193.0.1", 26400))
    with pytest.raises(
        FeedError, match="its beginning is retired, so the feed cannot number its messages"
    ):
        PublicFeed(spec, None, day.run.instruments, day.run.order_capacity, day.home)
