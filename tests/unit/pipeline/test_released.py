"""Released readers in processes of their own: each event once and in order, from the ring or from
the journal, and none holds the pipeline up for longer than its queue."""

import pytest

from openoutcry.pipeline.contract.shared import Shared
from openoutcry.pipeline.contract.table import Geometry, Reader, TopologyError
from openoutcry.pipeline.topology import TOPOLOGY


def test_a_queue_that_is_no_part_of_the_ring_is_refused() -> None:
    """The ring must have room beside what a reader may hold."""
    sizes = Geometry({"lane": 64, "sequenced": 64, "events": 64})
    with pytest.raises(TopologyError, match="reader audit has a queue of 33, not 1 to 32"):
        Shared(sizes, TOPOLOGY.extended(released=[Reader("audit", 33)]))
