"""A bound on the open orders of each participant, for a core that has no other limits, so that no
participant can fill the book.

If a participant has as many orders as one may, ``before`` refuses its next NEW that may rest.  The
bit is OPEN_ORDERS, as for the limit of that name (``before.py``).  An order that never rests, IOC
or FOK, does not count.  The count comes from the events, each of which says what is open of its
order; ``after`` keeps it.  The state is the bound, then a count for each participant.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.risk import constants
from openoutcry.risk.bits import RISK_REASON
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import SELF_TRADE_SHIFT
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES

PARTICIPANTS = 1 << 16
COUNTS = 8
REFUSED = 1 << constants.OPEN_ORDERS << 8 | RISK_REASON
"""The answer of ``before``: the bits, and their reason."""

TIF_MASK = (1 << SELF_TRADE_SHIFT) - 1
IOC, FOK = enum_numbers.TIME_IN_FORCE_IOC, enum_numbers.TIME_IN_FORCE_FOK
NEW, ACCEPTED, REJECTED = (
    enum_numbers.COMMAND_KIND_NEW,
    enum_numbers.EVENT_KIND_ACCEPTED,
    enum_numbers.EVENT_KIND_REJECTED,
)
FILLED, GONE, EXPIRED = (
    enum_numbers.EVENT_KIND_FILLED,
    enum_numbers.EVENT_KIND_CANCELLED,
    enum_numbers.EVENT_KIND_EXPIRED,
)


def make_state(limit: int) -> npt.NDArray[np.uint8]:
    """A state without open orders.  Raises ``ValueError`` for a bound below one."""
    if not 1 <= limit < 1 << 62:
        raise ValueError(f"{limit} open orders of a participant are not 1 or more")
    words = np.zeros(1 + PARTICIPANTS, np.int64)
    words[0] = limit
    return words.view(np.uint8)


def held(state: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], int]:
    """Return how many each participant holds, a view, and how many one may."""
    words = state.view(np.int64)
    return words[1:], int(words[0])


@kernel
def before(state: int, order: OrderRecord) -> int:
    """0, or :data:`REFUSED`. ``state``: address of the limit and of a count a participant."""
    if order.kind != NEW:
        return 0
    if order.time_in_force & TIF_MASK in (IOC, FOK):
        # It never rests.
        return 0
    count = Words(state + COUNTS)[order.participant]
    return REFUSED if count >= load_i64(state) else 0


@kernel
def after(state: int, order: int, events: int, count: int) -> int:
    """Take the events of one command, contiguous at ``events``.  Returns 0.  ``state`` as in
    :func:`before`."""
    for index in range(count):
        event = EventRecord(events + index * RECORD_BYTES)
        kind = event.kind
        at = state + COUNTS + 8 * event.participant
        if kind == ACCEPTED:
            store_i64(at, load_i64(at) + 1)
            if VERIFY:
                # One that never rests may come on top, and is gone after its command.
                assert load_i64(at) <= load_i64(state) + 1, "before let no more in than may be held"
        elif kind in (GONE, EXPIRED) or (kind == FILLED and event.leaves_lots == 0):
            store_i64(at, load_i64(at) - 1)
            if VERIFY:
                assert load_i64(at) >= 0, "an order that goes was counted"
        elif kind == REJECTED and event.reason == RISK_REASON:
            event.price_ticks = load_i64(state)
            event.leaves_lots = load_i64(at)
            event.qty_lots = load_i64(at) + 1
    return 0
