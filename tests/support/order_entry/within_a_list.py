"""A death of the sessions' process between the commands of one request."""

from openoutcry.order_entry import session_region
from openoutcry.order_entry.sessions import LANE
from openoutcry.ring.layout import PUBLISHED
from openoutcry.wire import ORDER_DTYPE

SLOT_SEQ = ORDER_DTYPE.names[-1]


def within_a_list(venue, taken, count=4):
    """Let the sessions alone take the list, and take back all but ``taken`` of its ``count``
    commands: as it is when their process dies there."""
    venue.run.step_alone("sessions")
    region, lane = venue.run.work.sessions.region, venue.run.work.shared.rings[LANE]
    last = region[session_region.LANE_SEQ]
    assert region[session_region.LIST_END] == last
    for seq in range(last - count + taken + 1, last + 1):
        lane.slots[seq & lane.mask][SLOT_SEQ] = 0
    lane.words(PUBLISHED)[0] = last - count + taken
    assert lane.published == last - count + taken
