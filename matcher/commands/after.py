"""What follows every command in an instrument: lists, the cascade, the indicative price."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.instrument_rules import is_call
from openoutcry.matcher.book.levels import instrument_addr
from openoutcry.matcher.commands.legs import enter_due, may_enter
from openoutcry.matcher.matching.auction_price import publish_indicative
from openoutcry.matcher.matching.cascade import cascade, is_stable
from openoutcry.matcher.matching.lists import settle_lists
from openoutcry.wire.kernel import kernel_outlined


@kernel_outlined
def after_command(arena: ArenaHeader, instrument: int) -> None:
    """Run what a command's changes to the instrument trigger; while it is held, only what cancels
    or reduces legs of lists."""
    if arena.defers != 0:
        return
    state = instrument_addr(arena, instrument)
    phase = state.phase
    is_held = state.mode & layout.MODE_HELD != 0
    runs = phase == const.CONTINUOUS and not is_held
    while True:
        if runs:
            if not is_stable(arena, instrument, state):
                cascade(arena, instrument)
        elif state.mode & layout.MODE_LISTS != 0:
            settle_lists(arena, instrument)
        if state.due_first == 0 or not may_enter(arena, instrument):
            break
        enter_due(arena, instrument)
    if is_call(phase):
        publish_indicative(arena, instrument)
