# (intrinsics have no types that mypy could see)
"""Kernels before and after the matcher: with it, and their state, they are the core.

    order ─► before(region, order) ── 0 ──────► matcher ─► events ─► after(region, order, events, n)
                 └─ a verdict ─► REJECTED, its reason and detail ───────┘

With a speed bump ``hold`` may have a command wait, and ``due`` says who enters before the next one:

    order ─► due ──► what has waited ─► before ─► matcher ─► after, once more ..
          ─► hold ── 1 ─► DELAYED

Where the region says that nothing may trade in an instrument (:class:`Holds`), the matcher holds it
from the next command on (``commands/holds.py``).  What was kept back happens with the hooks' own
command that ends the hold, before its answer.

An entered command's events are those of the command at whose time it enters, behind an ENTERED that
says whose they are, so that causes never go back and each command has one LAST.

``before`` is asked about every command that the gateway let through, whatever bytes it holds;
``after`` sees every command with all of its events (their ``seq`` is still 0).  Both are kernels as
the matcher's are: no clock, no allocation, no exceptions; all their state is in
``region``, one block of bytes without addresses in it, so that its bytes are their state: part of
the state hash and of every snapshot.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.matcher.book.depth import fill_best
from openoutcry.matcher.book.ids import id_addr, prefetch_chain
from openoutcry.matcher.book.levels import instrument_addr
from openoutcry.matcher.commands.dispatch import find_instrument, process_batch
from openoutcry.matcher.commands.every_command import is_foreign
from openoutcry.matcher.commands.holds import set_hold, settle
from openoutcry.matcher.errors import MatcherError
from openoutcry.matcher.events import emit, event_tag, mark_last, reject
from openoutcry.matcher.rooms import COUNTED, ROOMS, process_in_room
from openoutcry.wire.indirect import call_after, call_batch_kernel, call_before, kernel_address
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, not_inlined, prefetch, store_i64
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, RECORD_BYTES

REASON_BITS = 8
REGION_MAGIC = b"OUTCRYRG"
LINE_BYTES = 64
TRAILER_BYTES = 32
"""Behind a snapshot with hooks: region, then magic, length and blake2b-128 of the region."""

# Words of the block that the batch kernel is given.
(
    ARENA, BATCH, REGION, BEFORE, AFTER, QUOTES, AHEAD, HOLD, DUE, FIGURES, MEETS, MEET, MEETING,
    CHANGES, HELD, HELD_STEP, ALL_HELD, CHANGES_SEEN,
) = range(0, 144, 8)  # fmt: skip
NEVER_SEEN = -1
FIGURE_VERDICT, FIGURE_SEQ, FIGURE_PLACE, FIGURE_RELEASE = 0, 8, 16, 24
"""What ``hold`` and ``due`` say beside their answer."""
KIND_BITS, TYPE_BITS = 32, 40
WAITS = 1
EVENT_WORD = EVENT.offsets["participant"]
INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - EVENT_WORD)
QUOTE_BYTES = 48

FAR, NEAR = 8, 4
"""How many commands ahead memory is asked for: the hooks' and that of the id's entry, and what the
entry then leads to, as ``process_batch`` does by itself in a batch of many."""


def region_hash(region: npt.NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(region.tobytes(), digest_size=16).digest()


@dataclass(frozen=True)
class Holds:
    """Where in the region stands that nothing may trade."""

    changes_at: int
    """A count that is another whenever one of the words below may be."""
    first_at: int
    """The first instrument's word; not 0: it is held."""
    step_bytes: int
    """To the next instrument's."""
    all_at: int
    """Not 0: all of them are."""


@dataclass(frozen=True)
class Hooks:
    """``before(region, order) -> verdict``: 0, or what :func:`verdict` makes; and
    ``after(region, order, events, count) -> 0``; either may be None."""

    region: npt.NDArray[np.uint8]
    """What the region holds at the start; each engine has a copy of its own."""
    before: Callable[..., Any] | None = None
    after: Callable[..., Any] | None = None
    quotes_at: int = 0
    """Where in the region the best displayed prices of each instrument are kept up to date for
    ``after``, six words each as ``fill_best`` writes them; 0: nowhere."""
    ahead: Callable[..., Any] | None = None
    """``ahead(region, order) -> 0`` sees upcoming commands, to prefetch."""
    hold: Callable[..., Any] | None = None
    """``hold(region, order)``: 0 it goes on, 1 it waits, or a verdict; and"""
    due: Callable[..., Any] | None = None
    """``due(region, order)``: address of the record, with the sequence of ``order``, of who enters
    before it; 0: nobody does.  Both or none."""
    figures_at: int = 0
    """Where in the region their figures stand: verdict (of who enters: 0, or why it is refused),
    sequence that it came with, place in the queue, time of its release."""
    digest: Callable[[npt.NDArray[np.uint8]], bytes] = region_hash
    """What the state hash has of the region, 16 bytes."""
    meets: Callable[..., Any] | None = None
    """Of a core that several engines share: ``meets(region, order)``, 1 if all of them must have
    come this far before the command, and"""
    meet: Callable[..., Any] | None = None
    """``meet(meeting, order)``, behind everything before it: 0 they have, 1 ask again later."""
    meeting: int = 0
    """Address of what ``meet`` is called with; 0: this engine has the whole core."""
    holds: Holds | None = None
    """Which instruments are held; None: none ever is."""
    rooms: npt.NDArray[np.int64] | None = None
    """The room of each instrument (``rooms.py``), numbered from 0; None: there is one.  Then"""
    room_count: int = 1
    """how many there are, and"""
    opened_at: tuple[int, int] = (0, 0)
    """where in the region the open orders of room 0 are counted, and bytes to the next room's."""

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
        if self.meets and self.meet and self.meeting:
            words[10:12] = kernel_address(self.meets, 2), kernel_address(self.meet, 2)
            words[12] = self.meeting
        words += [0, 0, 0, 0, NEVER_SEEN]
        if self.holds is not None:
            places = self.holds.changes_at, self.holds.first_at, self.holds.all_at
            words[13], words[14], words[16] = (region.ctypes.data + place for place in places)
            words[15] = self.holds.step_bytes
        if self.rooms is None:
            words.append(0)
        else:
            count, (opened, step) = self.room_count, self.opened_at
            words += [count, region.ctypes.data + opened, step, *[0] * (3 + count), *self.rooms]
        return np.array(words, np.int64)


@kernel
def verdict(reason: int, detail: int) -> int:
    """What ``before`` answers to have a command rejected: with this Reason, and ``detail`` (below
    2**55) as the event's ``contra_id``."""
    return detail << REASON_BITS | reason


@kernel
def process_hooked(
    block: int, orders: int, count: int, out: int, out_capacity: int
) -> tuple[int, int]:
    """As ``process_batch``, with the hooks of ``block`` around every command."""
    arena, batch = load_i64(block + ARENA), load_i64(block + BATCH)
    region = load_i64(block + REGION)
    before, after = load_i64(block + BEFORE), load_i64(block + AFTER)
    quotes = load_i64(block + QUOTES)
    ahead, due = load_i64(block + AHEAD), load_i64(block + DUE)
    meets, rooms = load_i64(block + MEETS), load_i64(block + ROOMS)
    changes = load_i64(block + CHANGES)
    if changes != 0 and load_i64(block + CHANGES_SEEN) == NEVER_SEEN:
        follow_holds(block, orders, out, NEVER_SEEN)
    for index in range(1, min(FAR, count)):
        look_ahead(arena, region, ahead, orders + index * RECORD_BYTES)
    worst = load_i64(arena + layout.WORST_EVENTS)
    done = written = 0
    while done < count and written + worst <= out_capacity:
        order, at = orders + done * RECORD_BYTES, out + written * RECORD_BYTES
        if done + FAR < count:
            look_ahead(arena, region, ahead, order + FAR * RECORD_BYTES)
        if meets != 0 and call_before(meets, region, order) != 0:
            # First whoever calls hands on what is done.
            meet, meeting = load_i64(block + MEET), load_i64(block + MEETING)
            if done > 0 or call_before(meet, meeting, order) != 0:
                break
        if done + NEAR < count:
            prefetch_chain(arena, id_entry(arena, order + NEAR * RECORD_BYTES))
        refused = 0
        error_code = (load_i64(order + const.ORDER_WORD) >> const.ERROR_SHIFT) & 0xFFFF
        if due != 0:
            entered, whole = enter_due(block, order, at, out_capacity - written)
            written += entered
            if whole == 0 or written + worst > out_capacity:
                break
            at = out + written * RECORD_BYTES
            if error_code == 0:
                refused = call_before(load_i64(block + HOLD), region, order)
            if refused == WAITS:
                tell_delay(block, order, at)
                written += 1
                done += 1
                continue
        if before != 0 and error_code == 0 and refused == 0:
            refused = call_before(before, region, order)
        settled = 0
        if changes != 0 and load_i64(changes) != load_i64(block + CHANGES_SEEN):
            settled = follow_holds(block, order, at, refused)
        if refused != 0:
            events = settled + refuse(arena, order, at + settled * RECORD_BYTES, refused)
        else:
            if rooms == 0:
                _, events = call_batch_kernel(batch, arena, order, 1, at, out_capacity - written)
            else:
                events = process_in_room(block, arena, batch, order, at, out_capacity - written)
            if quotes != 0:
                note_best(arena, quotes, at, events)
        if after != 0:
            call_after(after, region, order, at, events)
        written += events
        done += 1
    return done, written


@kernel_outlined
def enter_due(block: int, order: int, out: int, room: int) -> tuple[int, int]:
    """Let in who waited until the time of ``order``; events written, and 1 if that was everybody
    whose time it is, 0 if there was no room for more."""
    not_inlined()
    arena, region = load_i64(block + ARENA), load_i64(block + REGION)
    before, after = load_i64(block + BEFORE), load_i64(block + AFTER)
    figures, worst = load_i64(block + FIGURES), load_i64(arena + layout.WORST_EVENTS)
    written = 0
    while written + 1 + worst <= room:
        record = call_before(load_i64(block + DUE), region, order)
        if record == 0:
            return written, 1
        head = out + written * RECORD_BYTES
        tell_entry(arena, figures, record, head)
        at = head + RECORD_BYTES
        refused = load_i64(figures + FIGURE_VERDICT)
        if refused == 0:
            refused = call_before(before, region, record)
        changes = load_i64(block + CHANGES)
        if changes != 0 and load_i64(changes) != load_i64(block + CHANGES_SEEN):
            follow_holds(block, record, at, refused)
        if refused != 0:
            events = refuse(arena, record, at, refused)
        else:
            batch = load_i64(block + BATCH)
            _, events = call_batch_kernel(batch, arena, record, 1, at, room - written - 1)
            if load_i64(block + QUOTES) != 0:
                note_best(arena, load_i64(block + QUOTES), at, events)
        call_after(after, region, record, at, events)
        store_i64(head + const.EVENT_QTY, events)
        last = at + (events - 1) * RECORD_BYTES + const.EVENT_WORD
        store_i64(last, load_i64(last) & ~const.LAST)
        written += 1 + events
    return written, 0


@kernel_outlined
def follow_holds(block: int, order: int, out: int, refused: int) -> int:
    """Hold the instruments that the region says, and no others.  If the command is the hooks' own
    and lets its instrument go, what was kept back there happens now; returns its events."""
    not_inlined()
    arena, named = load_i64(block + ARENA), NO_INSTRUMENT
    store_i64(block + CHANGES_SEEN, load_i64(load_i64(block + CHANGES)))
    all_held, first = load_i64(load_i64(block + ALL_HELD)) != 0, load_i64(block + HELD)
    if refused != 0 and refused & ((1 << REASON_BITS) - 1) == 0:
        named = find_instrument(arena, load_i64(order + const.ORDER_SYMBOL))
    settled = 0
    for instrument in range(load_i64(arena + layout.INSTRUMENT_COUNT)):
        at = first + instrument * load_i64(block + HELD_STEP)
        freed = set_hold(arena, instrument, all_held or load_i64(at) != 0)
        if freed and instrument == named and not is_foreign(arena, instrument):
            settled = settle_held(block, order, instrument, out)
    return settled


@kernel_outlined
def settle_held(block: int, order: int, instrument: int, out: int) -> int:
    """What a hold has kept back in an instrument that trades continuously; returns its events."""
    arena = load_i64(block + ARENA)
    if load_u8(instrument_addr(arena, instrument) + layout.PHASE) != const.CONTINUOUS:
        return 0
    events = settle(arena, order, instrument, out)
    store_i64(arena + layout.EVENT_COUNT, load_i64(arena + layout.EVENT_COUNT) + events)
    if load_i64(block + QUOTES) != 0:
        note_best(arena, load_i64(block + QUOTES), out, events)
    if load_i64(block + ROOMS) != 0:
        # What a room's orders could cause is another by now.
        store_i64(block + COUNTED, 0)
    return events


@kernel
def own_word(arena: int, order: int, kind: int) -> int:
    """The word of an event about a command."""
    word = load_i64(order + const.ORDER_WORD)
    instrument = find_instrument(arena, load_i64(order + const.ORDER_SYMBOL))
    return kind | event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)


@kernel
def tell_entry(arena: int, figures: int, record: int, out: int) -> None:
    word = load_i64(record + const.ORDER_WORD)
    kind, order_type = (word >> const.KIND_SHIFT) & 0xFF, (word >> const.TYPE_SHIFT) & 0xFF
    what = kind << KIND_BITS | order_type << TYPE_BITS | load_i64(figures + FIGURE_PLACE)
    emit(
        out, load_i64(record + const.ORDER_ID), load_i64(figures + FIGURE_SEQ),
        load_i64(record + const.ORDER_PRICE), 0, what, load_i64(record + const.ORDER_SEQ),
        own_word(arena, record, const.ENTERED),
    )  # fmt: skip
    store_i64(arena + layout.EVENT_COUNT, load_i64(arena + layout.EVENT_COUNT) + 1)


@kernel_outlined
def tell_delay(block: int, order: int, out: int) -> None:
    """A command waits, and the matcher counts it."""
    not_inlined()
    arena, figures = load_i64(block + ARENA), load_i64(block + FIGURES)
    cause = load_i64(order + const.ORDER_SEQ)
    emit(
        out, load_i64(order + const.ORDER_ID), load_i64(figures + FIGURE_RELEASE),
        load_i64(order + const.ORDER_PRICE), load_i64(order + const.ORDER_QTY),
        load_i64(figures + FIGURE_PLACE), cause, own_word(arena, order, const.DELAYED),
    )  # fmt: skip
    mark_last(out + RECORD_BYTES)
    store_i64(arena + layout.LAST_SEQ, cause)
    for count in (layout.EVENT_COUNT, layout.COMMAND_COUNT):
        store_i64(arena + count, load_i64(arena + count) + 1)


@kernel
def look_ahead(arena: int, region: int, ahead: int, order: int) -> None:
    prefetch(id_entry(arena, order))
    if ahead != 0:
        call_before(ahead, region, order)


@kernel
def id_entry(arena: int, order: int) -> int:
    instrument = find_instrument(arena, load_i64(order + const.ORDER_SYMBOL))
    return id_addr(arena, instrument, load_i64(order + const.ORDER_ID))


@kernel
def note_best(arena: int, quotes: int, events: int, count: int) -> None:
    """Keep the best displayed prices of the instruments that have events."""
    noted = NO_INSTRUMENT
    for index in range(count):
        word = load_i64(events + index * RECORD_BYTES + EVENT_WORD)
        instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
        if instrument not in (noted, NO_INSTRUMENT):
            noted = instrument
            fill_best(arena, instrument, quotes + instrument * QUOTE_BYTES)


@kernel
def refuse(arena: int, order: int, out: int, refused: int) -> int:
    """Reject the command by the verdict; the matcher counts it and does nothing else.  What is
    another shard's to answer (all of them heed a RISK command) has no event."""
    instrument = find_instrument(arena, load_i64(order + const.ORDER_SYMBOL))
    if is_foreign(arena, instrument):
        store_i64(arena + layout.LAST_SEQ, load_i64(order + const.ORDER_SEQ))
        store_i64(arena + layout.COMMAND_COUNT, load_i64(arena + layout.COMMAND_COUNT) + 1)
        return 0
    word = load_i64(order + const.ORDER_WORD)
    address = event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)
    reason, detail = refused & ((1 << REASON_BITS) - 1), refused >> REASON_BITS
    mark_last(reject(order, out, address, reason, detail))
    store_i64(arena + layout.LAST_SEQ, load_i64(order + const.ORDER_SEQ))
    for count in (layout.EVENT_COUNT, layout.COMMAND_COUNT):
        store_i64(arena + count, load_i64(arena + count) + 1)
    return 1


# The region in hashes and snapshots


def own_region(region: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A copy that begins with a cache line, so that what is aligned in it is."""
    room = np.empty(len(region) + LINE_BYTES, np.uint8)
    at = -room.ctypes.data % LINE_BYTES
    room[at : at + len(region)] = region
    return room[at : at + len(region)]


def seal_region(state_hash: str, digest: bytes) -> str:
    """The hash of the core from the matcher's and the region's."""
    both = bytes.fromhex(state_hash) + digest
    return hashlib.blake2b(both, digest_size=16).hexdigest()


def with_region(snapshot: bytes, region: npt.NDArray[np.uint8]) -> bytes:
    """A matcher's snapshot, and the region behind it."""
    size = len(region).to_bytes(8, "little")
    return snapshot + region.tobytes() + REGION_MAGIC + size + region_hash(region)


def without_region(data: bytes, region: npt.NDArray[np.uint8]) -> bytes:
    """The matcher's part of a snapshot; its region is copied to ``region``.

    Raises :class:`MatcherError` for bytes that end with no region of that size, or a damaged one.
    """
    trailer = data[-TRAILER_BYTES:]
    if len(data) < TRAILER_BYTES or trailer[:8] != REGION_MAGIC:
        raise MatcherError("snapshot: it has no region for the hooks")
    size = int.from_bytes(trailer[8:16], "little")
    if size != len(region) or size > len(data) - TRAILER_BYTES:
        raise MatcherError(f"snapshot: its region has {size} bytes, the hooks' has {len(region)}")
    at = len(data) - TRAILER_BYTES - size
    region[:] = np.frombuffer(data, np.uint8, size, at)
    if region_hash(region) != trailer[16:]:
        raise MatcherError("snapshot: damaged: the checksum of the region does not match")
    return data[:at]
