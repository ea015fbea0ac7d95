"""Commands about many orders: TIME, MASS_CANCEL, DISCONNECT; and sweeping a book."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.any_order import (
    begin_list,
    cancel_order,
    first_order,
    next_in_list,
    next_order,
    reason_word,
)
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.expiry import first_to_expire
from openoutcry.matcher.book.instrument_rules import (
    has_price,
    is_multiple,
    is_peg,
    is_stop,
    refuse_price,
    rule_addr,
)
from openoutcry.matcher.book.levels import instrument_addr, slot_addr, touch_instrument
from openoutcry.matcher.book.orders import (
    extension_addr,
    extension_of,
    order_owner,
    plain_book,
    plain_price,
)
from openoutcry.matcher.book.owners import gather, sort_rows, sweep_addr
from openoutcry.matcher.book.terms import ANY_PARTICIPANT, drop_terms
from openoutcry.matcher.commands.after import after_command
from openoutcry.matcher.events import emit_next, event_tag
from openoutcry.wire.enums import NEW_DAY
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT, NO_PRICE, RECORD_BYTES

LISTS = (
    layout.PEG_LIST,
    layout.TRAILING_LIST,
    layout.AUCTION_LIST,
    layout.WAITING_BUYS,
    layout.WAITING_SELLS,
    layout.DORMANT_LIST,
)
WALKED_FOR_ONE = 16
"""Orders that a walk passes in the time in which one of a list is sorted."""
# Instead of a participant: which orders a sweep cancels.
ALL_PARTICIPANTS = -1
DAY_ORDERS = -2
OFF_RULES, OFF_RULES_OR_UNPRICED = -3, -4
"""Those that the instrument's rules do not permit; with the second, also those without a price."""
COUNT_ONLY = 0
"""Instead of kind and reason of the events: nothing is cancelled."""
MAX_DAY = 99_991_231
"""The last day that a trading day's number can be, YYYYMMDD."""


@kernel_outlined
def advance_time(arena: ArenaHeader, order: OrderRecord) -> int:
    """TIME: expire what is due, the earliest first."""
    word, now_ns = order.word, order.aux
    if word & 0xFFFF != 0:
        return const.MALFORMED
    if now_ns < arena.now_ns:
        return const.TIME_BACKWARDS
    arena.now_ns = now_ns
    clear_touched(arena)
    cancelled_count = 0
    extension = first_to_expire(arena)
    while extension != 0:
        ext = extension_addr(arena, extension)
        if ext.expiry_ns >= now_ns:
            break
        instrument = ext.instrument
        mark_touched(arena, instrument)
        expiry_ns = ext.expiry_ns
        number = ext.expiry_number
        cancel_order(
            arena,
            instrument,
            ext.slot,
            reason_word(const.EXPIRED_EVENT, const.EXPIRED),
        )
        if arena.is_shard != 0:
            # The shards' events are merged by these; the merge removes them.
            event = EventRecord(arena.next_event_at - RECORD_BYTES)
            event.leaves_lots = expiry_ns
            event.contra_id = number
        cancelled_count += 1
        extension = first_to_expire(arena)
    complete(arena, NO_INSTRUMENT, 0, 0, cancelled_count)
    return const.ACCEPT


@kernel_outlined
def mass_cancel(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """MASS_CANCEL in ``instrument``, or (NO_INSTRUMENT) in all."""
    word, aux = order.word, order.aux
    side, participant = (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF
    if side > const.SELL or aux < 0 or aux > NEW_DAY or (aux != 0 and participant != 0):
        return const.MALFORMED
    if aux == NEW_DAY:
        return begin_day(arena, instrument, side, order.qty_lots)
    what = reason_word(const.CANCELLED, const.MASS_CANCELLED)
    drop_terms(arena, instrument, ANY_PARTICIPANT if aux == 1 else participant)
    if aux == 1:
        clear_touched(arena)
        cancelled_count = sweep_instruments(arena, instrument, ALL_PARTICIPANTS, side, what)
        complete(arena, instrument, side, participant, cancelled_count)
    else:
        cancel_owned(arena, instrument, participant, side, what)
    return const.ACCEPT


@kernel_outlined
def begin_day(arena: ArenaHeader, instrument: int, side: int, day: int) -> int:
    """MASS_CANCEL by which a trading day begins in an instrument that never closes: its DAY orders
    expire, and its phase stays as it is."""
    if instrument == NO_INSTRUMENT or side != 0 or day < 1 or day > MAX_DAY:
        return const.MALFORMED
    state = instrument_addr(arena, instrument)
    if day <= state.day:
        return const.TIME_BACKWARDS
    state.day = day
    drop_terms(arena, instrument, ANY_PARTICIPANT)
    clear_touched(arena)
    what = reason_word(const.EXPIRED_EVENT, const.DAY_END)
    complete(arena, instrument, 0, 0, sweep_instruments(arena, instrument, DAY_ORDERS, 0, what))
    return const.ACCEPT


@kernel_outlined
def disconnect(arena: ArenaHeader, order: OrderRecord) -> int:
    """DISCONNECT: cancel the participant's orders in all instruments."""
    participant = order.word & 0xFFFF
    what = reason_word(const.CANCELLED, const.DISCONNECTED)
    drop_terms(arena, NO_INSTRUMENT, participant)
    cancel_owned(arena, NO_INSTRUMENT, participant, 0, what)
    return const.ACCEPT


@kernel_outlined
def cancel_owned(
    arena: ArenaHeader, instrument: int, participant: int, side: int, what: int
) -> None:
    """Cancel the participant's orders on ``side`` (0: both) in ``instrument``, or (NO_INSTRUMENT)
    in all, in canonical order; run the cascade of each instrument that had some; emit COMPLETED.

    This costs what the participant owns, whatever the book holds."""
    clear_touched(arena)
    count = gather(arena, instrument, participant, side)
    walked = arena.open_orders + arena.instrument_count
    if count * WALKED_FOR_ONE >= walked:
        # Most of what is open is its own: to walk the books is less than to sort its orders.
        sweep_instruments(arena, instrument, participant, side, what)
        complete(arena, instrument, side, participant, count)
        return
    sort_rows(arena, count)
    touched_count, last = 0, NO_INSTRUMENT
    for index in range(count):
        row = sweep_addr(arena, index)
        place = row.place >> 4
        cancel_order(arena, place, row.slot, what)
        if place != last:
            # Of rows that are done with, the first ones keep the instruments.
            sweep_addr(arena, touched_count).place = place
            touched_count, last = touched_count + 1, place
    for index in range(touched_count):
        touched = sweep_addr(arena, index).place
        touch_instrument(arena, touched)
        after_command(arena, touched)
    complete(arena, instrument, side, participant, count)


@kernel
def cancel_flagged(
    arena: ArenaHeader,
    first: int,
    step: int,
    count: int,
    mask: int,
    spared: int,
    cause_seq: int,
    out: EventRecord,
) -> int:
    """Cancel the orders of each participant of ``count`` whose word has all bits of ``mask``, but
    of ``spared``, in the order of their numbers.  Only then run the cascade of each instrument that
    had some.  Returns how many events of the command ``cause_seq`` were written at ``out``, at most
    as many as a MASS_CANCEL takes.

    ``first``: address of participant 0's word; ``step``: bytes to the next one's."""
    arena.next_event_at = out
    arena.cause_seq = cause_seq
    clear_touched(arena)
    for participant in range(count):
        is_flagged = load_i64(first + participant * step) & mask == mask
        if is_flagged and participant != spared:
            orders = gather(arena, NO_INSTRUMENT, participant, 0)
            sort_rows(arena, orders)
            for index in range(orders):
                row = sweep_addr(arena, index)
                place, slot = row.place >> 4, row.slot
                cancel_order(arena, place, slot, reason_word(const.CANCELLED, const.DISCONNECTED))
                mark_touched(arena, place)
    run_touched(arena)
    events = (arena.next_event_at - out) // RECORD_BYTES
    arena.event_count += events
    return events


@kernel
def cancel_instrument(
    arena: ArenaHeader, instrument: int, reason: int, cause_seq: int, out: EventRecord
) -> int:
    """Cancel every order of an instrument, for this Reason, then run its cascade.  Returns how many
    events of the command ``cause_seq`` were written at ``out``."""
    arena.next_event_at = out
    arena.cause_seq = cause_seq
    clear_touched(arena)
    what = reason_word(const.CANCELLED, reason)
    sweep_instruments(arena, instrument, ALL_PARTICIPANTS, 0, what)
    run_touched(arena)
    events = (arena.next_event_at - out) // RECORD_BYTES
    arena.event_count += events
    return events


@kernel_outlined
def sweep_instruments(arena: ArenaHeader, instrument: int, owner: int, side: int, what: int) -> int:
    """:func:`sweep` one instrument, or (NO_INSTRUMENT) all; returns the number cancelled."""
    first, beyond = instrument, instrument + 1
    if instrument == NO_INSTRUMENT:
        first, beyond = 0, arena.instrument_count
    cancelled_count = 0
    for index in range(first, beyond):
        here = sweep(arena, index, owner, side, what)
        cancelled_count += here
        if here > 0:
            mark_touched(arena, index)
    return cancelled_count


@kernel_outlined
def complete(
    arena: ArenaHeader, instrument: int, side: int, participant: int, cancelled_count: int
) -> None:
    """Run the cascade of each touched instrument, in order, then emit COMPLETED."""
    run_touched(arena)
    emit_next(
        arena,
        0,
        0,
        0,
        cancelled_count,
        0,
        event_tag(instrument, side, participant) | const.COMPLETED,
    )


@kernel
def run_touched(arena: ArenaHeader) -> None:
    """Run the cascade of each touched instrument, in order."""
    for index in range(arena.touched_from, arena.touched_to):
        state = instrument_addr(arena, index)
        if state.touched != 0:
            state.touched = 0
            after_command(arena, index)


@kernel
def clear_touched(arena: ArenaHeader) -> None:
    """Forget which instruments a command has touched."""
    arena.touched_from = NO_INSTRUMENT
    arena.touched_to = 0


@kernel_outlined
def mark_touched(arena: ArenaHeader, instrument: int) -> None:
    """Note that the command cancelled orders of the instrument."""
    touch_instrument(arena, instrument)
    instrument_addr(arena, instrument).touched = 1
    arena.touched_from = min(arena.touched_from, instrument)
    arena.touched_to = max(arena.touched_to, instrument + 1)


# Sweeping


@kernel_outlined
def sweep(arena: ArenaHeader, instrument: int, owner: int, side: int, what: int) -> int:
    """Cancel the orders of ``owner`` (a participant, or one of DAY_ORDERS and its like) on ``side``
    (0: both) in canonical order; returns how many."""
    cancelled_count = 0
    for kind in (layout.DISPLAYED, layout.HIDDEN_BOOK, layout.ALL_OR_NONE_BOOK, layout.TRIGGERS):
        cancelled_count += sweep_book(arena, instrument << 4 | kind, owner, side, what)
        cancelled_count += sweep_book(arena, instrument << 4 | kind | 1, owner, side, what)
    for which in LISTS:
        cancelled_count += sweep_list(arena, instrument, which, owner, side, what)
    return cancelled_count


@kernel_outlined
def sweep_book(arena: ArenaHeader, book: int, owner: int, side: int, what: int) -> int:
    """Cancel the orders of a book that a sweep is about, in their order; returns how many.

    ``owner``: as of :func:`sweep`.  ``what``: kind and reason of the events."""
    cancelled_count = 0
    slot = first_order(arena, book)
    while slot != 0:
        following = next_order(arena, slot)
        if is_swept(arena, slot, owner, side):
            if what != COUNT_ONLY:
                cancel_order(arena, book >> 4, slot, what)
            cancelled_count += 1
        slot = following
    return cancelled_count


@kernel_outlined
def sweep_list(
    arena: ArenaHeader, instrument: int, which: int, owner: int, side: int, what: int
) -> int:
    """Like :func:`sweep_book`, for the orders of a list that are in no level."""
    cancelled_count = 0
    begin_list(arena, instrument, which)
    ext = next_in_list(arena)
    while ext != 0:
        slot = ext.slot
        waits = slot_addr(arena, slot).level == 0
        if waits and is_swept(arena, slot, owner, side):
            if what != COUNT_ONLY:
                cancel_order(arena, instrument, slot, what)
            cancelled_count += 1
        ext = next_in_list(arena)
    return cancelled_count


@kernel
def is_swept(arena: ArenaHeader, slot: int, owner: int, side: int) -> bool:
    """Return whether a sweep of ``owner`` on ``side`` cancels the order."""
    ext = extension_of(arena, slot)
    if side != 0:
        here = ext.side if ext != 0 else (plain_book(arena, slot) & 1) + 1
        if here != side:
            return False
    if owner == DAY_ORDERS:
        if ext != 0:
            return ext.tif not in (const.GTC, const.GTD)
        return slot_addr(arena, slot).owner & layout.SLOT_GTC == 0
    if owner <= OFF_RULES:
        return is_off_rules(arena, slot, owner == OFF_RULES_OR_UNPRICED)
    return owner == ALL_PARTICIPANTS or order_owner(arena, slot) == owner


@kernel_outlined
def is_off_rules(arena: ArenaHeader, slot: int, with_unpriced: bool) -> bool:
    """Return whether an open order has lots or a price that its instrument's rules do not permit.
    ``with_unpriced``: or it has no price.

    What is left of an order may be less than the smallest of a new one.  The price of a peg in the
    book follows from the market."""
    ext = extension_of(arena, slot)
    at = slot_addr(arena, slot)
    if ext == 0:
        instrument = plain_book(arena, slot) >> 4
        if not is_multiple(at.qty, rule_addr(arena, instrument).qty_step_lots):
            return True
        return refuse_price(arena, instrument, plain_price(arena, slot)) != const.ACCEPT
    instrument, order_type = ext.instrument, ext.type
    lot = rule_addr(arena, instrument).qty_step_lots
    if not is_multiple(at.qty, lot):
        return True
    if order_type == const.ICEBERG and not (
        is_multiple(ext.reserve, lot) and is_multiple(ext.display, lot)
    ):
        return True
    if is_stop(order_type) and is_off_price(arena, instrument, ext.trigger):
        return True
    if not has_price(order_type):
        return with_unpriced
    is_waiting, pegged = at.level == 0, is_peg(order_type)
    if (is_waiting or pegged or is_stop(order_type)) and is_off_price(arena, instrument, ext.price):
        return True
    if is_waiting or pegged:
        return False
    return refuse_price(arena, instrument, plain_price(arena, slot)) != const.ACCEPT


@kernel
def is_off_price(arena: ArenaHeader, instrument: int, price: int) -> bool:
    """Return whether the rules do not permit a price that an order may have, or not (0)."""
    if price in (0, NO_PRICE):
        return False
    return refuse_price(arena, instrument, price) != const.ACCEPT
