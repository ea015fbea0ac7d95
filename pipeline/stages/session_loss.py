"""What becomes of a lost session's orders: nothing, or they are cancelled, by its policy."""

from openoutcry.order_entry import apply as a
from openoutcry.order_entry import hall as h
from openoutcry.order_entry import notes as n
from openoutcry.order_entry import rows as r
from openoutcry.order_entry import session as s
from openoutcry.order_entry.fix import decode as fix_decode
from openoutcry.order_entry.spec import CancelOnDisconnect
from openoutcry.pipeline.stages import session_commands as c
from openoutcry.pipeline.stages import session_words as x
from openoutcry.wire.enums import CommandKind, TimeInForce
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, load_u16, store_i64

SWEEP_ROWS = 4096
"""Order rows that a step looks at when a lost session's orders go one by one."""
CANCEL, DISCONNECT = int(CommandKind.CANCEL), int(CommandKind.DISCONNECT)
DAY = int(TimeInForce.DAY)
CANCEL_NONE, CANCEL_DAY, CANCEL_ALL = (int(mode) for mode in CancelOnDisconnect)


@kernel_outlined
def cancel_orders(context: int, session: int) -> None:
    """The lost session's orders go: by one command where they are its participant's only ones, else
    one by one."""
    is_fix = a.is_fix(load_i64(session + s.PROTOCOL))
    if load_i64(session + s.CANCEL_MODE) == CANCEL_NONE and not is_fix:
        if c.say(context, session, n.LOST) != 0:
            store_i64(session + s.LOST_NS, 0)
    elif load_i64(session + s.CANCEL_MODE) == CANCEL_ALL and load_i64(session + s.ALONE) == 1:
        if c.internal(context, session, n.LOST, DISCONNECT, 0) != 0:
            store_i64(session + s.LOST_NS, 0)
    else:
        hall = load_i64(context + x.HALL)
        if c.say(context, session, n.LOST) != 0:
            store_i64(session + s.LOST_NS, 0)
            last = load_i64(hall + h.LAST_NUMBER)
            store_i64(session + s.SWEEP, max(1, last - load_i64(hall + h.ROW_MASK)))
            store_i64(session + s.SWEEP_END, last)


@kernel_outlined
def sweep(context: int, session: int) -> None:
    """Cancel a lost session's orders one by one, some rows at a time."""
    hall = load_i64(context + x.HALL)
    rows, mask = load_i64(hall + h.ROWS), load_i64(hall + h.ROW_MASK)
    number, end = load_i64(session + s.SWEEP), load_i64(session + s.SWEEP_END)
    until = min(end, number + SWEEP_ROWS)
    mode = load_i64(session + s.CANCEL_MODE)
    is_fix = a.is_fix(load_i64(session + s.PROTOCOL))
    while number <= until:
        row = r.find_row(rows, mask, number)
        if row != 0 and load_u16(row + r.SESSION) == load_i64(session + s.INDEX):
            live = r.is_live(row) and load_i64(row + r.ORDER_ID) == r.ORDER_BIT | number
            goes = mode == CANCEL_ALL or (
                mode == CANCEL_DAY and load_u8(row + r.TIME_IN_FORCE) & 15 == DAY
            )
            if is_fix and load_u16(row + r.FLAGS) & fix_decode.CANCEL_ON_LOSS:
                goes = True
            if live and goes and c.internal(context, session, n.LOST, CANCEL, number) == 0:
                break
        number += 1
    store_i64(session + s.SWEEP, 0 if number > end else number)
