"""A session's questions: a request for positions (AN), which another process answers.

The session layer checks its fields.  A question is no command, so it is not in the journal.  What
answers it comes back by the session's store of answers (answers.py).

A question is 8 bytes, the session's index, and fields as they came: ``710=…|724=…|…``.
"""

import openoutcry.order_entry.fix.answers as answers
import openoutcry.order_entry.fix.scan as scan
import openoutcry.order_entry.fix.send as send
import openoutcry.order_entry.fix.session as fix_session
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.session as block
from openoutcry.order_entry.fix.decode import (
    FINE,
    MAX_ACCOUNT,
    MAX_TOKEN,
    MISSING,
    problem_of,
    reason_of,
)
from openoutcry.order_entry.fix.send import put_field_end
from openoutcry.order_entry.fix.text import (
    BAD,
    EQUALS,
    constant,
    put_bytes,
    put_number,
    read_date,
    read_timestamp,
)
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.wire import sockets
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.symbols import MAX_SYMBOL

AN = 0x4E41
MAX_ASKED = 16
"""Questions of a session that wait for their answers; one more is refused."""
REQUIRED = (710, 724, 1, 581, 715)
LONGEST = (MAX_TOKEN, 1, MAX_ACCOUNT, 1, 8)
"""Fields that a request must have, and their most characters."""
OPTIONAL = (263, 55, words.WITH_MARGIN_SLOT)
LONGEST_OPTIONAL = (1, MAX_SYMBOL, 1)
put_j, put_58 = constant(b"35=j\x0145="), constant(b"58=too many requests wait for an answer\x01")
put_372 = constant(b"372=AN\x01379=")
put_380 = constant(b"380=4\x01")


@kernel
def is_question(session: FixSession) -> bool:
    """Return whether the message at hand is a question, and this session's are answered."""
    if FixFields(session.fields_).msg_type != AN:
        return False
    return session.questions_fd != 0 and session.protocol != block.FIX42


@kernel
def put_field(at: int, fields: FixFields, tag: int, slot: int) -> int:
    """Write the field at ``slot`` as it came; returns where it ends."""
    entry = scan.field(fields, slot)
    at = put_number(at, tag)
    Bytes(at)[0] = EQUALS
    return put_field_end(put_bytes(at + 1, scan.value_of(fields, entry), entry & 0xFFFF))


@kernel_outlined
def fault_of(fields: FixFields) -> bool:
    """Return whether the request is invalid; its first fault is noted."""
    for place in range(len(REQUIRED)):
        problem = problem_of(fields, REQUIRED[place], LONGEST[place])
        if problem != FINE:
            fix_session.error_of_tag(fields, reason_of(problem), REQUIRED[place])
            return True
    for place in range(len(OPTIONAL)):
        slot = OPTIONAL[place]
        tag = words.WITH_MARGIN_TAG if slot == words.WITH_MARGIN_SLOT else slot
        problem = problem_of(fields, slot, LONGEST_OPTIONAL[place])
        if problem not in (FINE, MISSING):
            fix_session.error_of_tag(fields, reason_of(problem), tag)
            return True
    entry = scan.field(fields, 715)
    is_day = entry & 0xFFFF == 8 and read_date(scan.value_of(fields, entry)) != BAD
    if not is_day:
        fix_session.error_of_tag(fields, scan.BAD_FORMAT, 715)
        return True
    entry = scan.field(fields, 60)
    if read_timestamp(scan.value_of(fields, entry), entry & 0xFFFF) < 0:
        missing = entry == 0
        bad = scan.REQUIRED_MISSING if missing else scan.BAD_FORMAT
        fix_session.error_of_tag(fields, bad, 60)
        return True
    return False


@kernel_outlined
def ask(session: FixSession, now_ns: int, out: int) -> None:
    """Let the request at hand leave the stage, or reject it."""
    fields = FixFields(session.fields_)
    if fault_of(fields):
        fix_session.reject(session, now_ns, out)
        return
    waits = session.asked - session.answered >= MAX_ASKED
    waits |= answers.unsent(session) > answers.SLOTS // 2
    body = send.body_of(session)
    Words(body)[0] = session.index
    at = body + 8
    for place in range(len(REQUIRED)):
        at = put_field(at, fields, REQUIRED[place], REQUIRED[place])
    for place in range(len(OPTIONAL)):
        slot = OPTIONAL[place]
        if scan.field(fields, slot) != 0:
            tag = words.WITH_MARGIN_TAG if slot == words.WITH_MARGIN_SLOT else slot
            at = put_field(at, fields, tag, slot)
    if not waits and sockets.send(session.questions_fd, body, at - body) == at - body:
        session.asked += 1
        return
    at = put_field_end(put_number(put_j(body), scan.number_of(fields, 34)))
    at = put_372(put_58(at))
    entry = scan.field(fields, 710)
    at = put_field_end(put_bytes(at, scan.value_of(fields, entry), entry & 0xFFFF))
    send.send_body(session, put_380(at) - body, now_ns, out)
