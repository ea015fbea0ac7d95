"""Released readers in processes of their own: each event once and in order, from the ring or from
the journal, and none holds the pipeline up for longer than its queue."""

import numpy as np
import pytest

from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.ring import ProcessIdentity
from openoutcry.runtime.released import Place, ReleasedError, ReleasedReader
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Geometry, Reader, TopologyError


def test_a_queue_that_is_no_part_of_the_ring_is_refused() -> None:
    """The ring must have room beside what a reader may hold."""
    sizes = Geometry({"lane": 64, "sequenced": 64, "events": 64})
    with pytest.raises(TopologyError, match="reader audit has a queue of 33, not 1 to 32"):
        Shared(sizes, TOPOLOGY.extended(released=[Reader("audit", 33)]))


CAPACITY, QUEUE = 1024, 64


@pytest.fixture
def events():
    """The event ring of a run that has published and released 700 events, and the reader's row."""
    sizes = Geometry({"lane": 64, "sequenced": 64, "events": CAPACITY})
    shared = Shared(sizes, TOPOLOGY.extended(released=[Reader("audit", QUEUE)]))
    try:
        publish(shared.events, 1, 700)
        yield shared.events
    finally:
        shared.unlink()


def publish(ring, first, last):
    """Events ``first`` to ``last``, a command each, all of them released."""
    numbers = np.arange(first, last + 1)
    rows = ring.slots[numbers & ring.mask]
    rows["cause_seq"] = rows["seq"] = numbers
    ring.slots[numbers & ring.mask] = rows
    ring.published_hint[0] = last
    for name in ring.cursors:
        ring.cursors[name][0] = last


def reader_at(event_seq):
    return ReleasedReader(ProcessIdentity.mine(), "audit", (), Place(event_seq, event_seq))


def test_what_the_rings_memory_still_has_is_not_read_from_the_journal(events):
    """A process that takes a dead one's place is further behind than its queue."""
    reader, seen = reader_at(300), []
    while reader.place.event_seq < 700:
        came = reader.poll(150)
        assert len(came)
        seen += came["seq"].tolist()
    publish(events, 701, 703)
    seen += reader.poll()["seq"].tolist()
    assert seen == list(range(301, 704))
    assert reader.on_ring


@pytest.mark.parametrize("event_seq", [0, 700 - CAPACITY // 2 - 1])
def test_what_may_be_written_over_meanwhile_is_not_read(events, event_seq):
    with pytest.raises(ReleasedError, match="no journal to resume from"):
        reader_at(event_seq).poll()


def test_what_an_earlier_run_published_is_not_in_a_new_ring(events):
    numbers = np.arange(1, 500)
    events.slots[numbers & events.mask] = np.zeros((), events.dtype)
    with pytest.raises(ReleasedError, match="no journal to resume from"):
        reader_at(400).poll()
