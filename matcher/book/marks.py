"""Stops with a named price (TriggerBy): how many there are; and the mark and the index.

They wait in the same books as all stops.  As long as there is one, every command on the general
path looks whether it is elected: its price may move without a trade.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, Extension, InstrumentMarks
from openoutcry.wire.kernel import kernel


@kernel
def marks_of(arena: ArenaHeader, instrument: int) -> InstrumentMarks:
    """Return the marks of an instrument."""
    first = arena + arena.terms_at + layout.MARKS_OFFSET
    return InstrumentMarks(first + instrument * layout.MARKS_BYTES)


@kernel
def give_trigger(arena: ArenaHeader, ext: Extension, trigger_by: int, activation: int) -> None:
    """Give a stop a named price; ``trigger_by`` 0: none."""
    if trigger_by != 0:
        ext.trigger_by = trigger_by
        ext.display = activation
        marks_of(arena, ext.instrument).own_triggers += 1


@kernel
def forget_trigger(arena: ArenaHeader, ext: Extension) -> None:
    """The order waits for no named price any more."""
    if ext.trigger_by != 0:
        ext.trigger_by = 0
        ext.display = 0
        marks_of(arena, ext.instrument).own_triggers -= 1


@kernel
def activate(arena: ArenaHeader, ext: Extension) -> None:
    """The trailing stop trails from here on."""
    trigger_by = ext.trigger_by & const.BY_MASK
    if trigger_by == 0:
        forget_trigger(arena, ext)
    else:
        ext.trigger_by = trigger_by
        ext.display = 0
