"""gate: releases events whose command is safe, in order: match early, release late.

Safe is what enough of the confirmers (the journal, replicas) have, by the row's policy
(ring/policy.py).
"""

from openoutcry.pipeline.stages import words as w
from openoutcry.ring.kernels import is_published, slot_address
from openoutcry.ring.policy import safe_sequence
from openoutcry.wire.enums import EventFlag
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, monotonic_ns, store_i64
from openoutcry.wire.records import EVENT

EVENT_CAUSE = EVENT.offsets["cause_seq"]
EVENT_FLAGS = EVENT.offsets["flags"]
LAST = int(EventFlag.LAST)


@kernel
def step(context: int) -> int:
    next_event = load_i64(context + w.NEXT)
    confirmers, needed = load_i64(context + w.CONFIRMERS), load_i64(context + w.NEEDED)
    limit = safe_sequence(load_i64(context + w.CONFIRMED), confirmers, needed)
    ring, ring_mask = load_i64(context + w.IN_RING), load_i64(context + w.IN_MASK)
    event = next_event
    while event < next_event + 4 * w.BURST and is_published(ring, ring_mask, event):
        if load_i64(slot_address(ring, ring_mask, event) + EVENT_CAUSE) > limit:
            break
        event += 1
    if event == next_event:
        return w.idle(context)
    now = monotonic_ns()
    stamps, mask = load_i64(context + w.UNTIL), load_i64(context + w.STAMP_MASK)
    for index in range(next_event, event):
        slot = slot_address(ring, ring_mask, index)
        if load_u8(slot + EVENT_FLAGS) & LAST:
            store_i64(stamps + 8 * (load_i64(slot + EVENT_CAUSE) & mask), now)
    return w.took(context, event - next_event)
