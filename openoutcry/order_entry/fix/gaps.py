"""What was asked for by a ResendRequest and does not come: it is asked for again, less and less
often; at last the session ends."""

import openoutcry.order_entry.fix.send as send
import openoutcry.order_entry.fix.words as words
from openoutcry.order_entry.fix.words import FixSession
from openoutcry.wire.kernel import kernel

SECOND_NS = 1_000_000_000
FIRST_NS, LIMIT_NS = 5 * SECOND_NS, 60 * SECOND_NS
"""It is asked for again after 5, 15 and 35 seconds; after a minute without any of it the session
ends."""
NOTHING, ASKED, ENDED = range(3)
"""Results of :func:`on_timer`."""


@kernel
def is_open(session: FixSession) -> bool:
    """Something was asked for and has not come."""
    return session.fix_state == words.ACTIVE and (session.resend_to >= session.in_seq)


@kernel
def due_ns(session: FixSession) -> int:
    """Return when the timer has something to do about an open gap."""
    is_known = session.gap_seq == session.in_seq
    return session.gap_due_ns if is_known else 0


@kernel
def on_timer(session: FixSession, now_ns: int, out: int) -> int:
    """Ask again, or say that it is enough.

    Time counts from the last of it that came; what waits for the session's rate is not missing.
    """
    if not is_open(session):
        return NOTHING
    expected = session.in_seq
    if session.gap_seq != expected or session.waiting_since != 0:
        session.gap_seq = expected
        session.gap_since_ns = now_ns
        session.gap_due_ns = now_ns + FIRST_NS
        return NOTHING
    if now_ns < session.gap_due_ns:
        return NOTHING
    waited = now_ns - session.gap_since_ns
    if waited >= LIMIT_NS:
        return ENDED
    send.send_resend_request(session, expected, now_ns, out)
    session.gap_due_ns = now_ns + min(waited + FIRST_NS, LIMIT_NS - waited)
    return ASKED
