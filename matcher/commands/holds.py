# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Held instruments: nothing trades in them, because the core's hooks say so (``hooks.py``).

A held instrument takes what makes less (CANCEL, REDUCE, SET_EXPIRY, what removes many orders) and
no other order.  Nothing that such a command sets off happens while the hold lasts: no peg moves, no
stop is elected, no all-or-none order trades.  A hold is no state of the matcher; the hooks' region
has it, and MODE_HELD follows that.
"""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.levels import instrument_addr, touch_instrument
from openoutcry.matcher.matching.cascade import after_command
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import RECORD_BYTES


@kernel_outlined
def set_hold(arena: ArenaHeader, instrument: int, on: bool) -> bool:
    """Hold an instrument, or let it go; returns whether it was held and is no longer."""
    at = instrument_addr(arena, instrument) + layout.MODE
    was = load_i64(at)
    mode = was & ~layout.MODE_HELD
    store_i64(at, mode | layout.MODE_HELD if on else mode)
    return was & layout.MODE_HELD != 0 and not on


@kernel_outlined
def settle(arena: ArenaHeader, order: OrderRecord, instrument: int, out: int) -> int:
    """Do what a hold has kept back, as the command at ``order`` that ended it; returns how many
    events were written at ``out``."""
    arena.next_event_at = out
    arena.cause_seq = order.seq
    touch_instrument(arena, instrument)
    after_command(arena, instrument)
    return (arena.next_event_at - out) // RECORD_BYTES
