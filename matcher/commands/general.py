"""The general path: validates and dispatches every command."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.ids import find_id
from openoutcry.matcher.book.levels import instrument_addr, touch_instrument
from openoutcry.matcher.book.orders import order_owner
from openoutcry.matcher.book.terms import begin_refused_term, keep_term, take_terms
from openoutcry.matcher.commands.after import after_command
from openoutcry.matcher.commands.amend import cancel_any, reduce_any, replace_any, set_expiry
from openoutcry.matcher.commands.legs import break_list, enter_leg, is_leg
from openoutcry.matcher.commands.mass import advance_time, disconnect, mass_cancel
from openoutcry.matcher.commands.new import check_new, enter_by_type, refuse_terms
from openoutcry.matcher.commands.phases import change_phase
from openoutcry.matcher.commands.quotes import enter_quote
from openoutcry.matcher.events import event_tag, reject
from openoutcry.matcher.matching.lists import settle_lists
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT


@kernel_outlined
def process_general(
    arena: ArenaHeader, order: OrderRecord, out: EventRecord, instrument: int
) -> EventRecord:
    """Process the command at ``order`` for ``instrument`` (or NO_INSTRUMENT); returns where the
    next event goes."""
    word = order.word
    error_code = (word >> const.ERROR_SHIFT) & 0xFFFF
    kind = (word >> const.KIND_SHIFT) & 0xFF
    everywhere = error_code == 0 and (
        kind in (const.TIME, const.DISCONNECT) or (kind == const.MASS_CANCEL and order.symbol == 0)
    )
    if everywhere:
        instrument = NO_INSTRUMENT
    elif is_foreign(arena, instrument):
        return out
    arena.next_event_at = out
    arena.cause_seq = order.seq
    if kind == const.NEW and instrument != NO_INSTRUMENT:
        begin_new(arena, order, instrument)
    if error_code != 0:
        return reject_and_break(arena, order, out, instrument, const.GATEWAY, error_code)
    if kind < const.NEW or kind > const.TERMS or kind == const.RISK:
        return reject_and_break(arena, order, out, instrument, const.MALFORMED, 0)
    if everywhere:
        reason = global_command(arena, order, kind)
    elif instrument == NO_INSTRUMENT:
        reason = const.UNKNOWN_INSTRUMENT
    else:
        reason = instrument_command(arena, order, instrument, kind)
    if reason != const.ACCEPT:
        return reject_and_break(arena, order, out, instrument, reason, 0)
    arena.new_terms = 0
    return EventRecord(arena.next_event_at)


@kernel_outlined
def reject_and_break(
    arena: ArenaHeader, order: OrderRecord, out: int, instrument: int, reason: int, contra_id: int
) -> EventRecord:
    """Reject the command.  If it is a leg of a list, or says that the NEW to come is one, the legs
    that wait for it are cancelled, too.  Returns where the next event goes."""
    word = order.word
    if (word >> const.KIND_SHIFT) & 0xFF == const.TERMS and instrument != NO_INSTRUMENT:
        begin_refused_term(arena, order)
    address = event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)
    end = reject(order, EventRecord(out), address, reason, contra_id)
    if is_leg(arena):
        arena.next_event_at = end
        arena.cause_seq = order.seq
        touch_instrument(arena, instrument)
        break_list(arena, order, instrument)
        settle_lists(arena, instrument)
        end = EventRecord(arena.next_event_at)
    arena.new_terms = 0
    return end


@kernel
def begin_new(arena: ArenaHeader, order: OrderRecord, instrument: int) -> None:
    """A NEW has come, whatever becomes of it: it uses up its terms."""
    arena.new_terms = 0
    if instrument_addr(arena, instrument).mode & layout.MODE_TERMS != 0:
        take_terms(arena, order, instrument)


@kernel
def is_foreign(arena: ArenaHeader, instrument: int) -> bool:
    """Return whether the command is another shard's."""
    if instrument == NO_INSTRUMENT:
        return arena.shard != 0
    return instrument_addr(arena, instrument).mode & layout.MODE_FOREIGN != 0


@kernel_outlined
def global_command(arena: ArenaHeader, order: OrderRecord, kind: int) -> int:
    """A command to all instruments; returns why it is refused, or ACCEPT."""
    if kind == const.TIME:
        return advance_time(arena, order)
    if kind == const.DISCONNECT:
        return disconnect(arena, order)
    return mass_cancel(arena, order, NO_INSTRUMENT)


@kernel
def instrument_command(arena: ArenaHeader, order: OrderRecord, instrument: int, kind: int) -> int:
    """A command to one instrument; returns why it is refused, or ACCEPT."""
    # Once, here: everything this path may change of an instrument except its levels.
    touch_instrument(arena, instrument)
    if kind == const.MASS_CANCEL:
        return mass_cancel(arena, order, instrument)
    if kind == const.NEW:
        reason = check_new(arena, order, instrument)
        if reason == const.ACCEPT and arena.new_terms != 0:
            reason = refuse_terms(arena, order, instrument)
        if reason == const.ACCEPT and is_leg(arena):
            reason = enter_leg(arena, order, instrument)
        elif reason == const.ACCEPT and arena.new_terms & const.QUOTE_TERM != 0:
            reason = enter_quote(arena, order, instrument)
        elif reason == const.ACCEPT and arena.new_terms == 0 and order.order_id >= LEG_ORDER_IDS:
            reason = const.LIST
        elif reason == const.ACCEPT:
            reason = enter_by_type(arena, order, instrument)
        arena.new_terms = arena.new_terms if reason != const.ACCEPT else 0
    elif kind == const.TERMS:
        return keep_term(arena, order, instrument)
    elif kind == const.PHASE_COMMAND:
        reason = change_phase(arena, order, instrument)
    else:
        reason = order_command(arena, order, instrument, kind)
    if reason == const.ACCEPT:
        after_command(arena, instrument)
    return reason


@kernel
def order_command(arena: ArenaHeader, order: OrderRecord, instrument: int, kind: int) -> int:
    """A command to one open order; returns why it is refused, or ACCEPT."""
    word = order.word
    if kind == const.REPLACE and (word >> const.MODE_SHIFT) & const.MODE_MASK > const.DECREMENT:
        return const.MALFORMED
    slot = find_id(arena, instrument, order.order_id)
    if slot == 0:
        return const.UNKNOWN_ORDER
    if order_owner(arena, slot) != word & 0xFFFF:
        return const.NOT_OWNER
    if kind == const.CANCEL:
        return cancel_any(arena, instrument, slot)
    if kind == const.REDUCE:
        return reduce_any(arena, order, instrument, slot)
    if kind == const.REPLACE:
        return replace_any(arena, order, instrument, slot)
    return set_expiry(arena, order, slot)
