"""Let commands wait at the speed bump, and enter: the core's kernels around the queue.

Risk is asked, and reserves, when a command enters, by the state of that moment; a command that
waits holds a place and nothing else.

What sessions enter with terms enters as it came: each TERMS, its NEW, and what says that a cancel
of quotes is done, also where the gateway has refused it.  All of a list has room, or none of it.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import speed_bump, totals
from openoutcry.risk.before import (
    DISCONNECT,
    NEW,
    REPLACE,
    refuse,
)
from openoutcry.risk.layout import RiskState
from openoutcry.risk.speed_bump import SpeedBump
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import LEGS_SHIFT, MAX_LEGS, NEW_DAY
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.record_blocks import OrderRecord

SET_EXPIRY, MASS_CANCEL = (
    enum_numbers.COMMAND_KIND_SET_EXPIRY,
    enum_numbers.COMMAND_KIND_MASS_CANCEL,
)
TERMS, LIST = enum_numbers.COMMAND_KIND_TERMS, enum_numbers.TERM_LIST
WAITS = 1
"""Answer of :func:`hold`: the command waits."""
KEPT_PARTS = 4
"""This part of the places is kept for what makes less: cancels and reductions."""


@kernel
def hold(state: RiskState, order: OrderRecord) -> int:
    """0: the command continues at once.  WAITS: its place and release are in the figures.  Any
    other result is a refusal, as from ``before``."""
    bump = SpeedBump(state + state.bump_at)
    kind, participant = order.kind, order.participant
    termed = bump.holds_terms != 0 and is_termed(order)
    if order.error_code != 0 and not termed:
        return 0
    if kind == DISCONNECT:
        if participant != 0:
            speed_bump.withdraw(bump, participant, 0)
        return 0
    if participant == 0:
        # The begin of a trading day takes DAY orders alone, and none that waits: it is of that day.
        if kind == MASS_CANCEL and order.aux != NEW_DAY:
            speed_bump.withdraw(bump, 0, order.symbol)
        return 0
    waiting = bump.waiting
    delay = bump.delay_ns | bump.window_ns
    if delay | waiting == 0:
        return 0
    if not (1 <= kind <= MASS_CANCEL or termed or (kind == TERMS and bump.holds_terms != 0)):
        return 0
    if participant >= state.participants or is_part(state, order, participant):
        return 0
    symbol = order.symbol
    every = kind in (0, MASS_CANCEL) and symbol == 0
    if not every and totals.find_symbol(state, symbol) < 0:
        return 0
    room, taken, more = bump.capacity, waiting + bump.promised, 1
    if kind in (NEW, REPLACE, SET_EXPIRY, TERMS):
        room -= room // KEPT_PARTS
    if termed and kind != 0:
        taken, more = places_of_terms(bump, order, room)
    release = speed_bump.release_of(bump, order)
    if release <= bump.now_ns:
        return 0
    if taken + more > room:
        return refuse(state, order, 1 << constants.SPEED_BUMP_FULL, room, taken, taken + more)
    speed_bump.enter_bump(bump, order, release)
    return WAITS


@kernel
def is_termed(order: OrderRecord) -> bool:
    """Return whether a command is one of those with which a session enters an order with terms, or
    says that it has cancelled quotes."""
    return order.order_id >= LEG_ORDER_IDS and order.kind in (0, NEW, TERMS)


@kernel_outlined
def places_of_terms(bump: SpeedBump, order: OrderRecord, room: int) -> tuple[int, int]:
    """Keep the places for the list or the order that a TERMS begins, and let what comes of it
    afterwards have them.  Returns how many of the places are taken, and how many are asked for."""
    not_inlined()
    if order.kind == TERMS and (order.order_type != LIST or order.qty_lots == 1):
        legs = 1
        if order.order_type == LIST:
            legs = max(1, min(order.aux >> LEGS_SHIFT, MAX_LEGS))
        bump.promised = 0
        if bump.waiting + 2 * legs <= room:
            bump.promised = 2 * legs - 1
        return bump.waiting, 2 * legs
    if bump.promised > 0:
        bump.promised -= 1
        return 0, 0
    return max(bump.waiting, room), 1


@kernel
def is_part(state: RiskState, order: OrderRecord, participant: int) -> bool:
    """A part of the participant's liquidation, which comes by the operator's lane."""
    same = state.part_who == participant and order.kind == NEW
    return same and order.order_id == lay.PART_IDS + state.parts


@kernel
def due(state: RiskState, order: OrderRecord) -> int:
    """Address of the record of the next due command, which enters before ``order``, as the figures
    say; 0 if no command is due."""
    bump = SpeedBump(state + state.bump_at)
    left = speed_bump.leave_bump(bump, order)
    if left == 0:
        return 0
    record, verdict = OrderRecord(bump + speed_bump.FIGURE_RECORD), 0
    if left == 2:
        verdict = refuse(state, record, 1 << constants.WITHDRAWN, 0, 0, 0)
    bump.figure_verdict = verdict
    return record
