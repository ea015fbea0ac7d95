# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""What was asked for by a ResendRequest and does not come: it is asked for again, less and less
often; at last the session ends."""

import openoutcry.order_entry.fix.send as send
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.session as block
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64

SECOND_NS = 1_000_000_000
FIRST_NS, LIMIT_NS = 5 * SECOND_NS, 60 * SECOND_NS
"""It is asked for again after 5, 15 and 35 seconds; after a minute without any of it the session
ends."""
NOTHING, ASKED, ENDED = range(3)
"""What :func:`on_timer` returns."""


@kernel
def is_open(session: int) -> bool:
    """Something was asked for and has not come."""
    return load_i64(session + words.STATE) == words.ACTIVE and (
        load_i64(session + words.RESEND_TO) >= load_i64(session + block.IN_SEQ)
    )


@kernel
def due_ns(session: int) -> int:
    """When the timer has something to do about an open gap."""
    is_known = load_i64(session + words.GAP_SEQ) == load_i64(session + block.IN_SEQ)
    return load_i64(session + words.GAP_DUE_NS) if is_known else 0


@kernel
def on_timer(session: int, now_ns: int, out: int) -> int:
    """Ask again, or say that it is enough.

    Time counts from the last of it that came; what waits for the session's rate is not missing.
    """
    if not is_open(session):
        return NOTHING
    expected = load_i64(session + block.IN_SEQ)
    if (
        load_i64(session + words.GAP_SEQ) != expected
        or load_i64(session + block.WAITING_SINCE) != 0
    ):
        store_i64(session + words.GAP_SEQ, expected)
        store_i64(session + words.GAP_SINCE_NS, now_ns)
        store_i64(session + words.GAP_DUE_NS, now_ns + FIRST_NS)
        return NOTHING
    if now_ns < load_i64(session + words.GAP_DUE_NS):
        return NOTHING
    waited = now_ns - load_i64(session + words.GAP_SINCE_NS)
    if waited >= LIMIT_NS:
        return ENDED
    send.send_resend_request(session, expected, now_ns, out)
    store_i64(session + words.GAP_DUE_NS, now_ns + min(waited + FIRST_NS, LIMIT_NS - waited))
    return ASKED
