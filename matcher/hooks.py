"""Kernels before and after the matcher: with it, and their state, they are the core.

    order ─► before(region, order) ── 0 ──────► matcher ─► events ─► after(region, order, events, n)
                 └─ a verdict ─► REJECTED, its reason and detail ───────┘

With a speed bump ``hold`` may have a command wait, and ``due`` says who enters before the next one:

    order ─► due ──► what has waited ─► before ─► matcher ─► after, once more ..
          ─► hold ── 1 ─► DELAYED

Where the region says that nothing may trade in an instrument (:class:`Holds`), the matcher holds it
from the next command on (:func:`set_hold`).  What was kept back happens with the hooks' own
command that ends the hold, before its answer.  An off-book trade and the fills of a takeover
(``off_book.py``), and the cancels of a command that closes an instrument, too, come before the
answer to their command.

Where the region says that participants may trade no more (:class:`Sweeps`), their open orders are
cancelled before the next command, and their events are of that command.

The events of a delayed command that enters belong to the command at whose time it enters.  They
follow an ENTERED event that names the delayed command.  So causes never go back and each command
has one LAST.

The engine calls ``before`` for every command that the gateway let through, whatever bytes it holds.
It calls ``after`` for every command with all of its events (their ``seq`` is still 0).  Both are
kernels under the matcher's rules: no clock, no allocation, no exceptions.  All their state is in
``region``, one block of bytes without addresses.  So its bytes are part of the state hash and of
every snapshot.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.depth import note_best
from openoutcry.matcher.book.empty_arena import Zeros, zeroed
from openoutcry.matcher.book.ids import id_addr, prefetch_chain
from openoutcry.matcher.book.levels import instrument_addr, touch_instrument
from openoutcry.matcher.book.terms import restate_terms
from openoutcry.matcher.capacity import process_with_capacity_share
from openoutcry.matcher.commands.after import after_command
from openoutcry.matcher.commands.dispatch import find_instrument, process_batch
from openoutcry.matcher.commands.general import begin_new, is_foreign, reject_and_break
from openoutcry.matcher.commands.mass import cancel_flagged, cancel_instrument
from openoutcry.matcher.commands.rules import change_rules
from openoutcry.matcher.events import emit, event_tag, mark_last
from openoutcry.matcher.hook_context import ASKS_TERMS, REDUCES, HookContext
from openoutcry.matcher.marks import Marks, follow_marks
from openoutcry.matcher.off_book import show_broken, show_takeover, trade_off_book
from openoutcry.matcher.quoting import ask_quote, is_quote
from openoutcry.matcher.reducing import cut_traded, enter_reducing
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.indirect import call_after, call_batch_kernel, call_before, kernel_address
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, prefetch, store_i64
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, RECORD_BYTES
from openoutcry.wire.rule_changes import RulesBlock

REASON_BITS = 8
REASON_MASK = (1 << REASON_BITS) - 1
VERDICT_MASK = 0xFFFF
APPLIED, TRADES, TAKES_OVER = 1 << REASON_BITS, 2 << REASON_BITS, 3 << REASON_BITS
CANCELS, CHANGES_RULES, BREAKS = 4 << REASON_BITS, 6 << REASON_BITS, 8 << REASON_BITS
"""Verdicts without a reason. The command is the hooks' own, or its two sides trade with each other.
One of them has taken lots over from the other, or a trade was taken back (``off_book.py``).

With CANCELS every open order in its instrument is cancelled; with CHANGES_RULES the instrument has
the staged rules of the region from here on.  REDUCES lets the command enter (``reducing.py``)."""
TAKEOVER_SHIFT, TAKEOVER_BIAS = 16, 1 << 40
"""Of TAKES_OVER: the bits above are the price of what was taken over, and this.  Of CANCELS they
are the Reason of the cancels.  Of CHANGES_RULES 1: orders that the rules do not permit are
cancelled; 0: because of them nothing changes."""
REGION_MAGIC = b"OUTCRYRG"
TRAILER_BYTES = 32
"""After a snapshot with hooks: region, then magic, length and blake2b-128 of the region."""


NEVER_SEEN = -1
FIGURE_VERDICT, FIGURE_SEQ, FIGURE_PLACE, FIGURE_RELEASE = 0, 8, 16, 24
"""Words that ``hold`` and ``due`` report in addition to their result."""
KIND_BITS, TYPE_BITS = 32, 40
WAITS = 1
EVENT_WORD = EVENT.offsets["participant"]

FAR, NEAR = 8, 4
"""How many commands ahead memory is prefetched: FAR for the hooks' and the id's entry, NEAR for
what that entry leads to.  In a larger batch, ``process_batch`` does this itself."""


def region_hash(region: npt.NDArray[np.uint8]) -> bytes:
    """Return blake2b-128 of a region's bytes."""
    return hashlib.blake2b(region.data, digest_size=16).digest()


@dataclass(frozen=True)
class Holds:
    """Where the region says that an instrument may not trade."""

    changes_at: int
    """A count that is another whenever one of the words below may be."""
    first_at: int
    """The first instrument's word; a bit of ``mask`` is set: it is held."""
    step_bytes: int
    """To the next instrument's."""
    all_at: int
    """Not 0: all of them are."""
    mask: int = -1
    """Which bits of an instrument's word count."""


@dataclass(frozen=True)
class Sweeps:
    """Where the region says that open orders of participants are cancelled before the next
    command."""

    wanted_at: int
    """Not 0: those of each participant whose word has all bits of ``mask``.  It is then 0."""
    first_at: int
    """The word of participant 0."""
    step_bytes: int
    """To the next one's."""
    count: int
    """How many participants there are."""
    mask: int


@dataclass(frozen=True)
class Hooks:
    """``before(region, order) -> verdict``: 0, or what :func:`verdict` makes; and
    ``after(region, order, events, count) -> 0``; either may be None."""

    region: npt.NDArray[np.uint8]
    """The region's content that an engine begins with, in a copy; of an engine's own hooks its
    region itself."""
    before: Callable[..., Any] | None = None
    after: Callable[..., Any] | None = None
    quotes_at: int = 0
    """Where in the region the best displayed prices of each instrument are kept up to date for
    ``after``, six words each as ``fill_best`` writes them; 0: nowhere."""
    ahead: Callable[..., Any] | None = None
    """``ahead(region, order) -> 0`` sees upcoming commands, to prefetch."""
    hold: Callable[..., Any] | None = None
    """``hold(region, order)`` returns 0 (it continues), 1 (it waits) or a verdict, also for what
    the gateway refused of a session's orders with terms; and"""
    due: Callable[..., Any] | None = None
    """``due(region, order)`` returns the address of the record that enters before ``order``, with
    the sequence of ``order``, or 0 if no command is due.  Give both or neither."""
    figures_at: int = 0
    """Where in the region their figures are: verdict (of the entering command: 0, or the refusal),
    sequence that it came with, place in the queue, time of its release."""
    digest: Callable[[npt.NDArray[np.uint8]], bytes] = region_hash
    """Digest of the region in the state hash, 16 bytes."""
    is_rebalance_point: Callable[..., Any] | None = None
    """For a core that several engines share: ``is_rebalance_point(region, order)`` returns 1 if all
    of them must have come this far before the command. It goes with"""
    wait_for_rebalance: Callable[..., Any] | None = None
    """``wait_for_rebalance(rebalance_args, order)``, after everything before it: 0 they have, 1
    ask again later."""
    rebalance_args: int = 0
    """Address of what ``wait_for_rebalance`` is called with; 0: this engine has the whole core."""
    holds: Holds | None = None
    """Which instruments are held; None: none ever is."""
    shares: npt.NDArray[np.int64] | None = None
    """The capacity share of each instrument (``capacity.py``), numbered from 0; None: there is one.
     Then"""
    room_count: int = 1
    """how many there are, and"""
    opened_at: tuple[int, int] = (0, 0)
    """where in the region the open orders of share 0 are counted, and bytes to the next share's."""
    legs_at: tuple[int, int] = (0, 0)
    """Where in the region legs of an off-book trade wait: their number, and their records."""
    sweeps: Sweeps | None = None
    """Whose orders are cancelled before the next command; None: no participant's ever are."""
    excess: Callable[..., Any] | None = None
    """``excess(region, order)`` returns how many lots of reduce-only orders are too many on the
    side of an order, and"""
    cut: Callable[..., Any] | None = None
    """``cut(region, order)`` how many of its ``qty_lots`` the open order of its id has of them.
    Give both or neither."""
    terms: Callable[..., Any] | None = None
    """``terms(region, terms) -> 0`` gets the terms of a NEW that ``before`` has answered with
    ASKS_TERMS, as the TERMS command that said them.  With ``qty_lots`` 0 the NEW has no terms, and
    ``aux`` is how many of its participant wait in the instrument.  Then ``before`` is asked again.
    """
    quote: Callable[..., Any] | None = None
    """``quote(region, sides) -> verdict`` judges a quote after ``before`` has answered its NEW with
    ASKS_TERMS.  Its sides are two records, in the order in which they are done: each is a NEW, a
    REPLACE, a CANCEL or (kind 0) nothing."""
    rules_at: int = 0
    """Where in the region the rules are that change while an instrument trades
    (``wire/rule_changes.py``); 0: none ever does."""
    marks: Marks | None = None
    """Where in the region the marks of contracts are (``marks.py``); None: nowhere."""
    leaves_notes: bool = False
    """``after`` leaves a word in the ``seq`` of some events, which are numbered only then: a note
    for those who report the event.  It is in no record and no hash, and follows from the region and
    the command."""

    def block(self, arena: int, region: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The words for :func:`process_hooked`."""
        before = kernel_address(self.before, 2) if self.before else 0
        after = kernel_address(self.after, 4) if self.after else 0
        ahead = kernel_address(self.ahead, 2) if self.ahead else 0
        batch = kernel_address(process_batch, 5)
        quotes = region.ctypes.data + self.quotes_at if self.quotes_at else 0
        words = [arena, batch, region.ctypes.data, before, after, quotes, ahead, *[0] * 6]
        if self.hold and self.due:
            words[7:9] = kernel_address(self.hold, 2), kernel_address(self.due, 2)
            words[9] = region.ctypes.data + self.figures_at
        if self.is_rebalance_point and self.wait_for_rebalance and self.rebalance_args:
            words[10:12] = (
                kernel_address(self.is_rebalance_point, 2),
                kernel_address(self.wait_for_rebalance, 2),
            )
            words[12] = self.rebalance_args
        words += [0, 0, 0, -1, 0, NEVER_SEEN]
        if self.holds is not None:
            places = self.holds.changes_at, self.holds.first_at, self.holds.all_at
            words[13], words[14], words[17] = (region.ctypes.data + place for place in places)
            words[15], words[16] = self.holds.step_bytes, self.holds.mask
        words += [region.ctypes.data + place if place else 0 for place in self.legs_at]
        sweeps = self.sweeps
        if sweeps is None:
            words += [0] * 5
        else:
            words += [region.ctypes.data + at for at in (sweeps.wanted_at, sweeps.first_at)]
            words += [sweeps.step_bytes, sweeps.count, sweeps.mask]
        if self.excess and self.cut:
            words += [kernel_address(self.excess, 2), kernel_address(self.cut, 2)]
        else:
            words += [0, 0]
        words.append(kernel_address(self.terms, 2) if self.terms else 0)
        words.append(kernel_address(self.quote, 2) if self.quote else 0)
        words.append(region.ctypes.data + self.rules_at if self.rules_at else 0)
        marks = self.marks
        if marks is None:
            words += [0] * 7
        else:
            words += [region.ctypes.data + marks.first_at, marks.step_bytes, marks.count]
            words += [marks.instrument_at, marks.mark_at, marks.index_at, marks.marks_at]
        if self.shares is None:
            words.append(0)
        else:
            count, (opened, step) = self.room_count, self.opened_at
            words += [count, region.ctypes.data + opened, step, *[0] * (3 + count), *self.shares]
        return np.array(words, np.int64)


@kernel
def verdict(reason: int, detail: int) -> int:
    """Return the value by which ``before`` has a command rejected: with this Reason, and ``detail``
    (below 2**55) as the event's ``contra_id``."""
    return detail << REASON_BITS | reason


@kernel
def process_hooked(
    block: HookContext, orders: OrderRecord, count: int, out: int, out_capacity: int
) -> tuple[int, int]:
    """Like ``process_batch``, with the hooks of ``block`` around every command. ``out``: address of
    room for ``out_capacity`` events."""
    arena, batch = ArenaHeader(block.arena), block.batch
    region = block.region
    before, after = block.before, block.after
    quotes = block.quotes
    ahead, due = block.ahead, block.due
    is_rebalance_point, shares = block.is_rebalance_point, block.shares
    changes, called = block.changes, block.called
    if changes != 0 and block.changes_seen == NEVER_SEEN:
        follow_holds(block, orders, out, NEVER_SEEN)
        if block.marks != 0:
            follow_marks(block, orders, out, False)
    for index in range(1, min(FAR, count)):
        prefetch_limits(arena, region, ahead, OrderRecord(orders + index * RECORD_BYTES))
    worst = arena.worst_events
    done = written = 0
    while done < count and written + worst <= out_capacity:
        order, at = (
            OrderRecord(orders + done * RECORD_BYTES),
            EventRecord(out + written * RECORD_BYTES),
        )
        if done + FAR < count:
            prefetch_limits(arena, region, ahead, OrderRecord(order + FAR * RECORD_BYTES))
        if is_rebalance_point != 0 and call_before(is_rebalance_point, region, order) != 0:
            # First, let the caller pass on what is done.
            wait_for_rebalance, rebalance_args = block.wait_for_rebalance, block.rebalance_args
            if done > 0 or call_before(wait_for_rebalance, rebalance_args, order) != 0:
                break
        if done + NEAR < count:
            prefetch_chain(arena, id_entry(arena, OrderRecord(order + NEAR * RECORD_BYTES)))
        refused = 0
        error_code = (order.word >> const.ERROR_SHIFT) & 0xFFFF
        if due != 0:
            entered, whole = enter_due(block, order, at, out_capacity - written)
            written += entered
            if whole == 0 or written + worst > out_capacity:
                break
            at = EventRecord(out + written * RECORD_BYTES)
        if called != 0 and load_i64(called) != 0:
            swept, whole = sweep_called(block, order, at, out_capacity - written)
            written += swept
            if whole == 0 or written + worst > out_capacity:
                break
            at = EventRecord(out + written * RECORD_BYTES)
        if due != 0:
            if error_code == 0 or order.order_id >= LEG_ORDER_IDS:
                refused = call_before(block.hold, region, order)
            if refused == WAITS:
                tell_delay(block, order, at)
                written += 1
                done += 1
                continue
        if before != 0 and error_code == 0 and refused == 0:
            refused = call_before(before, region, order)
        if refused >= APPLIED and refused & REASON_MASK == 0:
            if refused == ASKS_TERMS:
                refused = ask_with_terms(block, order, at)
            if refused == REDUCES:
                if changes != 0 and load_i64(changes) != block.changes_seen:
                    follow_holds(block, order, at, 0)
                written += enter_reducing(block, order, at, out_capacity - written)
                done += 1
                continue
            if refused >= APPLIED and refused & REASON_MASK == 0:
                traded = 0
                if refused != APPLIED:
                    traded, refused = trade_outside(block, order, at, refused)
                if block.marks != 0:
                    traded += follow_marks(block, order, at + traded * RECORD_BYTES, True)
                at = EventRecord(at + traded * RECORD_BYTES)
                written += traded
        settled = 0
        if changes != 0 and load_i64(changes) != block.changes_seen:
            settled = follow_holds(block, order, at, refused)
        if refused != 0:
            events = settled + refuse(
                arena, order, EventRecord(at + settled * RECORD_BYTES), refused
            )
        else:
            if shares == 0:
                _, events = call_batch_kernel(batch, arena, order, 1, at, out_capacity - written)
            else:
                events = process_with_capacity_share(
                    block, arena, batch, order, at, out_capacity - written
                )
            if quotes != 0:
                note_best(arena, quotes, at, events)
        if after != 0:
            call_after(after, region, order, at, events)
        written += events
        done += 1
    return done, written


@kernel_outlined
def ask_with_terms(block: HookContext, order: OrderRecord, out: int) -> int:
    """Give the hooks the terms of a NEW and ask ``before`` again, or about both sides of a quote;
    returns the answer.  ``out``: address of room for two records."""
    not_inlined()
    arena = ArenaHeader(block.arena)
    instrument = find_instrument(arena, order.symbol)
    if is_quote(arena, order, instrument):
        return ask_quote(block, order, instrument, out)
    restate_terms(arena, order, instrument)
    call_before(block.terms, block.region, OrderRecord(arena + layout.RESTATED))
    return call_before(block.before, block.region, order)


@kernel
def trade_outside(
    block: HookContext, order: OrderRecord, out: EventRecord, answer: int
) -> tuple[int, int]:
    """Do what is no order's: an off-book trade, a takeover or a bust that the hooks have done, the
    cancels of a whole instrument, or a change of its rules.  Returns the number of events at
    ``out``, and the command's verdict."""
    if answer == TRADES:
        events, answer = trade_off_book(block, order, out, APPLIED)
        return events + cut_traded(block, order, out, events), answer
    if answer == BREAKS:
        events = show_broken(block, order, out)
        return events + cut_traded(block, order, out, events), APPLIED
    instrument = find_instrument(ArenaHeader(block.arena), order.symbol)
    if answer & VERDICT_MASK == CANCELS:
        return cancel_whole(block, order, instrument, answer >> TAKEOVER_SHIFT, out), APPLIED
    if answer & VERDICT_MASK == CHANGES_RULES:
        return change_by_hooks(block, order, instrument, answer >> TAKEOVER_SHIFT, out)
    price = (answer >> TAKEOVER_SHIFT) - TAKEOVER_BIAS
    events = show_takeover(block, order, instrument, price, out)
    return events + cut_traded(block, order, out, events), APPLIED


@kernel_outlined
def cancel_whole(
    block: HookContext, order: OrderRecord, instrument: int, reason: int, out: EventRecord
) -> int:
    """Cancel every open order of an instrument, for this Reason; returns their events at ``out``,
    at most as many as those of a MASS_CANCEL."""
    not_inlined()
    arena = ArenaHeader(block.arena)
    events = cancel_instrument(arena, instrument, reason, order.seq, out)
    note_outside(block, order, out, events)
    return events


@kernel_outlined
def change_by_hooks(
    block: HookContext, order: OrderRecord, instrument: int, cancels: int, out: EventRecord
) -> tuple[int, int]:
    """Change an instrument's rules.  Returns the number of events at ``out``, at most as many as
    those of a MASS_CANCEL, and the command's verdict."""
    not_inlined()
    arena, rules = ArenaHeader(block.arena), RulesBlock(block.rules)
    events, in_the_way = change_rules(arena, rules, instrument, cancels, order.seq, out)
    if in_the_way != 0:
        return 0, verdict(const.RULES_CHANGED, in_the_way)
    note_outside(block, order, out, events)
    return events + cut_traded(block, order, out, events), APPLIED


@kernel_outlined
def note_outside(block: HookContext, order: OrderRecord, out: EventRecord, events: int) -> None:
    """Let the hooks see the events at ``out``, which come before the answer to their command."""
    not_inlined()
    if block.quotes != 0:
        note_best(ArenaHeader(block.arena), block.quotes, out, events)
    call_after(block.after, block.region, order, out, events)


@kernel_outlined
def enter_due(block: HookContext, order: int, out: int, room: int) -> tuple[int, int]:
    """Let in the commands that waited until the time of ``order``.  Returns the number of events
    written, and 1 if all due commands entered, 0 if there was no room for more.  ``out``: address
    of room for ``room`` events."""
    not_inlined()
    arena, region = ArenaHeader(block.arena), block.region
    before, after = block.before, block.after
    figures, worst, called = block.figures, arena.worst_events, block.called
    written = 0
    while written + 1 + worst <= room:
        if called != 0 and load_i64(called) != 0:
            at = EventRecord(out + written * RECORD_BYTES)
            swept, whole = sweep_called(block, OrderRecord(order), at, room - written)
            written += swept
            if whole == 0 or written + 1 + worst > room:
                return written, 0
        record = OrderRecord(call_before(block.due, region, order))
        if record == 0:
            return written, 1
        head = EventRecord(out + written * RECORD_BYTES)
        tell_entry(arena, figures, record, head)
        at = EventRecord(head + RECORD_BYTES)
        refused = load_i64(figures + FIGURE_VERDICT)
        if refused == 0 and record.error_code == 0:
            refused = call_before(before, region, record)
            if refused == ASKS_TERMS:
                refused = ask_with_terms(block, record, at)
        changes = block.changes
        if changes != 0 and load_i64(changes) != block.changes_seen:
            follow_holds(block, record, at, 0 if refused == REDUCES else refused)
        if refused == REDUCES:
            events = enter_reducing(block, record, at, room - written - 1)
        elif refused != 0:
            events = refuse(arena, record, at, refused)
        else:
            batch = block.batch
            _, events = call_batch_kernel(batch, arena, record, 1, at, room - written - 1)
            if block.quotes != 0:
                note_best(arena, block.quotes, at, events)
        if refused != REDUCES:
            call_after(after, region, record, at, events)
        head.qty_lots = events
        last = at + (events - 1) * RECORD_BYTES + const.EVENT_WORD
        store_i64(last, load_i64(last) & ~const.LAST)
        written += 1 + events
    return written, 0


@kernel_outlined
def sweep_called(
    block: HookContext, order: OrderRecord, out: EventRecord, room: int
) -> tuple[int, int]:
    """Cancel the orders of the participants that the region names, before the command at ``order``.
    Returns the number of events at ``out``, and 1; or 0 if there was no room for all."""
    not_inlined()
    arena, called, written = ArenaHeader(block.arena), block.called, 0
    word, spared = order.word, -1
    if (word >> const.ERROR_SHIFT) & 0xFFFF == 0 and (word >> const.KIND_SHIFT) & 0xFF == (
        const.DISCONNECT
    ):
        spared = word & 0xFFFF  # the command itself cancels its orders, and counts them
    # What moves when orders are gone may trade, and that may call another participant.
    while load_i64(called) != 0:
        if written + arena.worst_events > room:
            return written, 0
        store_i64(called, 0)
        at = EventRecord(out + written * RECORD_BYTES)
        flags, step, count = block.flags, block.flags_step, block.flags_count
        mask = block.flags_mask
        events = cancel_flagged(arena, flags, step, count, mask, spared, order.seq, at)
        if block.quotes != 0:
            note_best(arena, block.quotes, at, events)
        call_after(block.after, block.region, order, at, events)
        written += events
    return written, 1


# Held instruments: nothing trades in them, because the region says so.  One takes what makes less
# (CANCEL, REDUCE, SET_EXPIRY, what removes many orders) and no other order.  Nothing that such a
# command sets off happens while the hold lasts: no peg moves, no stop is elected, no all-or-none
# order trades.  A hold is not the matcher's state; the hooks' region has it, MODE_HELD follows it.


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


@kernel_outlined
def follow_holds(block: HookContext, order: OrderRecord, out: int, refused: int) -> int:
    """Hold the instruments that the region says, and no others.  If the command is the hooks' own
    and lets its instrument go, what was kept back there happens now; returns its events."""
    not_inlined()
    arena, named = ArenaHeader(block.arena), NO_INSTRUMENT
    block.changes_seen = load_i64(block.changes)
    all_held, first = load_i64(block.all_held) != 0, block.held
    if refused != 0 and refused & ((1 << REASON_BITS) - 1) == 0:
        named = find_instrument(arena, order.symbol)
    settled = 0
    for instrument in range(arena.instrument_count):
        at = first + instrument * block.held_step
        held = load_i64(at) & block.held_mask != 0
        freed = set_hold(arena, instrument, all_held or held)
        if freed and instrument == named and not is_foreign(arena, instrument):
            settled = settle_held(block, order, instrument, out)
    return settled


@kernel_outlined
def settle_held(block: HookContext, order: OrderRecord, instrument: int, out: int) -> int:
    """Do what a hold has kept back in an instrument that trades continuously; returns
    its events."""
    arena = ArenaHeader(block.arena)
    if instrument_addr(arena, instrument).phase != const.CONTINUOUS:
        return 0
    events = settle(arena, order, instrument, out)
    arena.event_count += events
    if block.quotes != 0:
        note_best(arena, block.quotes, out, events)
    if block.shares != 0:
        # What a share's orders could cause is another by now.
        block.counted = 0
    return events


@kernel
def own_word(arena: ArenaHeader, order: OrderRecord, kind: int) -> int:
    """The word of an event about a command."""
    word = order.word
    instrument = find_instrument(arena, order.symbol)
    return kind | event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)


@kernel
def tell_entry(arena: ArenaHeader, figures: int, record: OrderRecord, out: EventRecord) -> None:
    """Write the ENTERED event of a command that has waited at the speed bump. ``figures``: address
    of what the speed bump's ``due`` reported of it."""
    word = record.word
    kind, order_type = (word >> const.KIND_SHIFT) & 0xFF, (word >> const.TYPE_SHIFT) & 0xFF
    what = kind << KIND_BITS | order_type << TYPE_BITS | load_i64(figures + FIGURE_PLACE)
    emit(
        out,
        record.order_id,
        load_i64(figures + FIGURE_SEQ),
        record.price_ticks,
        0,
        what,
        record.seq,
        own_word(arena, record, const.ENTERED),
    )
    arena.event_count += 1


@kernel_outlined
def tell_delay(block: HookContext, order: OrderRecord, out: EventRecord) -> None:
    """A command waits, and the matcher counts it."""
    not_inlined()
    arena, figures = ArenaHeader(block.arena), block.figures
    cause = order.seq
    emit(
        out,
        order.order_id,
        load_i64(figures + FIGURE_RELEASE),
        order.price_ticks,
        order.qty_lots,
        load_i64(figures + FIGURE_PLACE),
        cause,
        own_word(arena, order, const.DELAYED),
    )
    mark_last(out + RECORD_BYTES)
    arena.last_seq = cause
    for count in (layout.EVENT_COUNT, layout.COMMAND_COUNT):
        store_i64(arena + count, load_i64(arena + count) + 1)


@kernel
def prefetch_limits(arena: ArenaHeader, region: int, ahead: int, order: OrderRecord) -> None:
    """Prefetch the id entry of a command that comes soon, and what the ``ahead`` hook wants for
    it."""
    prefetch(id_entry(arena, order))
    if ahead != 0:
        call_before(ahead, region, order)


@kernel
def id_entry(arena: ArenaHeader, order: OrderRecord) -> int:
    """Return the address of the entry where a command's order id is looked up."""
    instrument = find_instrument(arena, order.symbol)
    return id_addr(arena, instrument, order.order_id)


@kernel
def refuse(arena: ArenaHeader, order: OrderRecord, out: EventRecord, refused: int) -> int:
    """Reject the command by the verdict; the matcher counts it and does nothing else, unless it is
    a leg of a list, which then ends.  Returns the number of events.  What is
    another shard's to answer (all of them heed a RISK command) has no event."""
    instrument = find_instrument(arena, order.symbol)
    if is_foreign(arena, instrument):
        arena.last_seq = order.seq
        arena.command_count += 1
        return 0
    word = order.word
    arena.new_terms = 0
    if (word >> const.KIND_SHIFT) & 0xFF == const.NEW and instrument != NO_INSTRUMENT:
        begin_new(arena, order, instrument)
    reason, detail = refused & ((1 << REASON_BITS) - 1), refused >> REASON_BITS
    end = reject_and_break(arena, order, out, instrument, reason, detail)
    mark_last(end)
    if refused == APPLIED:
        arena.last_symbol = 0  # it may be of no instrument any more (``change_rules``)
    arena.last_seq = order.seq
    arena.command_count += 1
    events = (end - out) // RECORD_BYTES
    arena.event_count += events
    return events


# The region in hashes and snapshots


def own_region(region: npt.NDArray[np.uint8], zeros: Zeros | None = None) -> npt.NDArray[np.uint8]:
    """A copy that begins with a cache line, so that what is aligned in it is; ``zeros`` gives its
    memory, by default :func:`zeroed`."""
    own = (zeros or zeroed)(len(region))
    own[:] = region
    return own


def seal_region(state_hash: str, digest: bytes) -> str:
    """The hash of the core from the matcher's and the region's."""
    both = bytes.fromhex(state_hash) + digest
    return hashlib.blake2b(both, digest_size=16).hexdigest()


def with_region(snapshot: bytes, region: npt.NDArray[np.uint8]) -> bytes:
    """A matcher's snapshot, and the region after it."""
    size = len(region).to_bytes(8, "little")
    return b"".join((snapshot, region.data, REGION_MAGIC, size, region_hash(region)))


def without_region(data: bytes, region_bytes: int) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """The matcher's part of a snapshot, and its region, which is not copied.

    Raises :class:`MatcherError` for bytes that end with no region of that size, or a damaged one.
    """
    trailer = data[-TRAILER_BYTES:]
    if len(data) < TRAILER_BYTES or trailer[:8] != REGION_MAGIC:
        raise MatcherError("snapshot: it has no region for the hooks")
    size = int.from_bytes(trailer[8:16], "little")
    if size != region_bytes or size > len(data) - TRAILER_BYTES:
        raise MatcherError(f"snapshot: its region has {size} bytes, the hooks' has {region_bytes}")
    at = len(data) - TRAILER_BYTES - size
    region = np.frombuffer(data, np.uint8, size, at)
    if region_hash(region) != trailer[16:]:
        raise MatcherError("snapshot: damaged: the checksum of the region does not match")
    return data[:at], region
