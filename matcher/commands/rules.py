"""A change of an instrument's rules while it trades, as the hooks ask for it.

The rules are those that the hooks' region has staged (``wire/rule_changes.py``).  Open orders that
they do not permit are cancelled within the same command, or they are in the way and nothing
changes.  Who sees a sequence number sees the rules of all orders that are open there.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import reason_word
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.empty_arena import enter_limits, enter_symbols, needs_rules
from openoutcry.matcher.book.instrument_rules import rule_addr
from openoutcry.matcher.book.levels import instrument_addr, touch_instrument
from openoutcry.matcher.commands.after import after_command
from openoutcry.matcher.commands.mass import COUNT_ONLY, OFF_RULES, OFF_RULES_OR_UNPRICED, sweep
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import InstrumentRecord
from openoutcry.wire.records import NO_PRICE, RECORD_BYTES
from openoutcry.wire.rule_changes import RulesBlock, copy_row, row_in, staged_row

UNSEEN = NO_PRICE + 1
"""No best price is this: what follows the best prices looks again."""


@kernel
def change_rules(
    arena: ArenaHeader, rules: RulesBlock, instrument: int, cancels: int, cause_seq: int, out: int
) -> tuple[int, int]:
    """Give an instrument the rules that ``rules`` has staged.  Returns the number of events of the
    command ``cause_seq`` at ``out``, and how many open orders are in the way: then nothing has
    changed.  ``cancels`` 1: they are cancelled instead."""
    before, now = row_in(rules, instrument), staged_row(rules)
    owner = OFF_RULES_OR_UNPRICED if bounds_move(before, now) else OFF_RULES
    put_rules(arena, instrument, now)
    if cancels == 0:
        in_the_way = sweep(arena, instrument, owner, 0, COUNT_ONLY)
        if in_the_way != 0:
            put_rules(arena, instrument, before)
            return 0, in_the_way
    arena.next_event_at = out
    arena.cause_seq = cause_seq
    sweep(arena, instrument, owner, 0, reason_word(const.CANCELLED, const.RULES_CHANGED))
    if before.symbol != now.symbol:
        enter_symbols(arena, before.symbol, instrument)
    state = instrument_addr(arena, instrument)
    # Pegs and triggers that trail follow the new steps from here on.
    state.pegged_bid = UNSEEN
    state.pegged_ask = UNSEEN
    after_command(arena, instrument)
    events = (arena.next_event_at - out) // RECORD_BYTES
    arena.event_count += events
    return events, 0


@kernel
def bounds_move(before: InstrumentRecord, now: InstrumentRecord) -> bool:
    """Return whether what bounds an order without a price is another."""
    return (
        before.min_price_ticks != now.min_price_ticks
        or before.max_price_ticks != now.max_price_ticks
        or before.market_band_ticks != now.market_band_ticks
    )


@kernel
def put_rules(arena: ArenaHeader, instrument: int, rules: InstrumentRecord) -> None:
    """Let the book follow these rules of an instrument, and the state hash see them."""
    copy_row(rule_addr(arena, instrument), rules)
    state = instrument_addr(arena, instrument)
    enter_limits(state, rules)
    mode = state.mode & ~layout.MODE_RULES
    state.mode = mode | layout.MODE_RULES if needs_rules(rules) else mode
    arena.rules_changed += 1
    touch_instrument(arena, instrument)
