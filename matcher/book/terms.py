"""Terms: what TERMS commands say of the NEW to come, kept until it comes.

They are in one small table, the oldest first, and every search looks at all of it.  MODE_TERMS of
an instrument says that some wait for a NEW of it: only then is the table searched.
"""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader, NewTerms, WaitingTerm
from openoutcry.matcher.book.levels import instrument_addr
from openoutcry.matcher.events import emit_next, event_tag
from openoutcry.wire.enums import HAS_ACTIVATION, LEGS_SHIFT, MAX_LEGS
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT

ANY_PARTICIPANT = -1
CONTINGENCY_MASK = (1 << LEGS_SHIFT) - 1


@kernel
def term_addr(arena: ArenaHeader, index: int) -> WaitingTerm:
    """Return the address of the term ``index``, from 0."""
    return WaitingTerm(arena + arena.terms_at + index * layout.TERM_BYTES)


@kernel
def is_about(row: WaitingTerm, instrument: int, participant: int, order_id: int) -> bool:
    """Return whether a term is about this order."""
    return (
        row.order_id == order_id and row.participant == participant and row.instrument == instrument
    )


@kernel_outlined
def has_terms(arena: ArenaHeader, instrument: int, participant: int, order_id: int) -> bool:
    """Return whether terms wait for this order."""
    for index in range(arena.terms_count):
        if is_about(term_addr(arena, index), instrument, participant, order_id):
            return True
    return False


@kernel
def refuse_list(order: OrderRecord) -> int:
    """Why the values of the term LIST make no sense, or ACCEPT."""
    contingency, legs = order.aux & CONTINGENCY_MASK, order.aux >> LEGS_SHIFT
    if contingency < const.OCO or contingency > const.OTOUO:
        return const.MALFORMED
    least = 3 if contingency >= const.OTOCO else 2
    most = least if contingency in (const.OUO, const.OTOUO) else MAX_LEGS
    if legs < least or legs > most or order.qty_lots < 1 or order.qty_lots > legs:
        return const.MALFORMED
    if (order.price_ticks == order.order_id) != (order.qty_lots == 1):
        return const.MALFORMED
    return const.ACCEPT


@kernel
def refuse_trigger_term(order: OrderRecord) -> int:
    """Why the values of the term TRIGGER make no sense, or ACCEPT."""
    source, activates = order.aux & const.BY_MASK, order.aux & HAS_ACTIVATION != 0
    if order.aux & ~(const.BY_MASK | HAS_ACTIVATION) != 0 or order.qty_lots != 0:
        return const.MALFORMED
    if source > const.BY_INDEX or (source == 0 and not activates):
        return const.MALFORMED
    return const.ACCEPT if activates or order.price_ticks == 0 else const.MALFORMED


@kernel
def refuse_quote_term(order: OrderRecord) -> int:
    """Why the values of the term QUOTE make no sense, or ACCEPT."""
    if order.qty_lots < 0 or order.aux == order.order_id:
        return const.MALFORMED
    return const.MALFORMED if order.qty_lots == 0 and order.price_ticks != 0 else const.ACCEPT


@kernel
def refuse_term(order: OrderRecord, term: int) -> int:
    """Why the values of a term make no sense, or ACCEPT."""
    if term == const.TERM_LIST:
        return refuse_list(order)
    if term == const.TERM_TRIGGER:
        return refuse_trigger_term(order)
    if term == const.TERM_QUOTE:
        return refuse_quote_term(order)
    is_bare = order.price_ticks | order.qty_lots == 0
    return const.ACCEPT if term == const.TERM_EXPIRY and is_bare else const.MALFORMED


@kernel
def own_share(count: int) -> int:
    """Return how many terms of one participant may wait where ``count`` of all do."""
    more = (layout.MAX_TERMS - count) // layout.SPACE_FOR_A_TERM
    return min(layout.MAX_OWN_TERMS, layout.LEAST_OWN_TERMS + more)


@kernel_outlined
def keep_term(arena: ArenaHeader, order: OrderRecord, instrument: int) -> int:
    """TERMS: keep the term for the NEW to come; returns why it is refused, or ACCEPT.  The same
    term of the same order replaces the one before."""
    word = order.word
    participant, term = word & 0xFFFF, (word >> const.TYPE_SHIFT) & 0xFF
    reason = refuse_term(order, term)
    if reason != const.ACCEPT:
        return reason
    count, own, to = arena.terms_count, 0, -1
    for index in range(count):
        row = term_addr(arena, index)
        own += 1 if row.participant == participant else 0
        if row.term == term and is_about(row, instrument, participant, order.order_id):
            to = index
    if to < 0:
        if count >= layout.MAX_TERMS or own >= own_share(count):
            return const.BOOK_FULL
        to = count
        arena.terms_count = count + 1
    row = term_addr(arena, to)
    row.key = 0
    row.participant = participant
    row.instrument = instrument
    row.term = term
    row.order_id = order.order_id
    row.price_ticks = order.price_ticks
    row.qty_lots = order.qty_lots
    row.aux = order.aux
    state = instrument_addr(arena, instrument)
    state.mode = state.mode | layout.MODE_TERMS
    tag = event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, participant)
    emit_next(arena, order.order_id, term, 0, 0, 0, tag | const.COMPLETED)
    return const.ACCEPT


@kernel_outlined
def drop_terms(arena: ArenaHeader, instrument: int, participant: int) -> None:
    """Forget the terms of a participant (ANY_PARTICIPANT: of all) in an instrument (NO_INSTRUMENT:
    in all)."""
    if arena.terms_count == 0:
        return
    mark_terms(arena, 0)
    kept = 0
    for index in range(arena.terms_count):
        row = term_addr(arena, index)
        if participant in (ANY_PARTICIPANT, row.participant) and (
            instrument in (NO_INSTRUMENT, row.instrument)
        ):
            continue
        move_term(arena, index, kept)
        kept += 1
    arena.terms_count = kept
    mark_terms(arena, layout.MODE_TERMS)


@kernel_outlined
def take_terms(arena: ArenaHeader, order: OrderRecord, instrument: int) -> None:
    """The NEW at ``order`` has come: its terms wait no more, and are those of the command at
    work (NewTerms)."""
    participant, kept = order.word & 0xFFFF, 0
    mark_terms(arena, 0)
    for index in range(arena.terms_count):
        row = term_addr(arena, index)
        if is_about(row, instrument, participant, order.order_id):
            note_term(arena, row)
            continue
        move_term(arena, index, kept)
        kept += 1
    arena.terms_count = kept
    mark_terms(arena, layout.MODE_TERMS)


@kernel_outlined
def peek_terms(arena: ArenaHeader, order: OrderRecord, instrument: int) -> None:
    """Make the terms of the NEW at ``order`` those at work, and let them wait on."""
    arena.new_terms = 0
    for index in range(arena.terms_count):
        row = term_addr(arena, index)
        if is_about(row, instrument, order.word & 0xFFFF, order.order_id):
            note_term(arena, row)


@kernel_outlined
def begin_refused_term(arena: ArenaHeader, order: OrderRecord) -> None:
    """A TERMS command is refused: the list that its NEW was to continue will not be whole."""
    if (order.word >> const.TYPE_SHIFT) & 0xFF == const.TERM_LIST and order.qty_lots > 1:
        arena.new_terms = 1 << const.TERM_LIST
        new_terms(arena).list_id = order.price_ticks


@kernel
def restate_terms(arena: ArenaHeader, order: OrderRecord, instrument: int) -> None:
    """Write at RESTATED the TERMS command that said of which list the NEW at ``order`` is a leg.

    Without one its ``qty_lots`` is 0, and ``aux`` how many terms that the hooks want to know
    wait in the instrument, of its participant."""
    record, participant, waiting = OrderRecord(arena + layout.RESTATED), order.word & 0xFFFF, 0
    record.symbol = order.symbol
    record.order_id = order.order_id
    record.word = participant | const.TERMS << const.KIND_SHIFT
    record.price_ticks = 0
    record.qty_lots = 0
    for index in range(arena.terms_count):
        row = term_addr(arena, index)
        if row.participant != participant or row.instrument != instrument:
            continue
        if row.term not in (const.TERM_LIST, const.TERM_QUOTE):
            continue
        waiting += 1
        if row.order_id == order.order_id and row.term == const.TERM_LIST:
            record.price_ticks = row.price_ticks
            record.qty_lots = row.qty_lots
            record.aux = row.aux
            return
    record.aux = waiting


@kernel
def note_term(arena: ArenaHeader, row: WaitingTerm) -> None:
    """Make a term one of the command at work."""
    new = new_terms(arena)
    arena.new_terms = arena.new_terms | 1 << row.term
    if row.term == const.TERM_LIST:
        new.list_id = row.price_ticks
        new.leg = row.qty_lots
        new.contingency = row.aux & CONTINGENCY_MASK
        new.legs = row.aux >> LEGS_SHIFT
    elif row.term == const.TERM_EXPIRY:
        new.expiry_ns = row.aux
    elif row.term == const.TERM_QUOTE:
        new.quote_price = row.price_ticks
        new.quote_qty = row.qty_lots
        new.quote_id = row.aux
    else:
        new.trigger_by = row.aux & const.BY_MASK
        new.activation = 0
        if row.aux & HAS_ACTIVATION != 0:
            new.trigger_by = row.aux & const.BY_MASK | const.INACTIVE
            new.activation = row.price_ticks


@kernel
def new_terms(arena: ArenaHeader) -> NewTerms:
    """Return the terms of the NEW at work, of which ``arena.new_terms`` says which there are."""
    return NewTerms(arena + arena.terms_at + layout.NEW_TERMS_OFFSET)


@kernel
def move_term(arena: ArenaHeader, index: int, to: int) -> None:
    """Move a term to a place before its own."""
    if index != to:
        copy_term(term_addr(arena, to), term_addr(arena, index))


@kernel
def copy_term(to: WaitingTerm, source: WaitingTerm) -> None:
    """Copy a term."""
    to.key = source.key
    to.order_id = source.order_id
    to.price_ticks = source.price_ticks
    to.qty_lots = source.qty_lots
    to.aux = source.aux


@kernel
def mark_terms(arena: ArenaHeader, bit: int) -> None:
    """Set MODE_TERMS (``bit``) of the instruments of all terms, or (0) clear it."""
    for index in range(arena.terms_count):
        state = instrument_addr(arena, term_addr(arena, index).instrument)
        state.mode = (state.mode & ~layout.MODE_TERMS) | bit
