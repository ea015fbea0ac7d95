"""Let commands wait at the speed bump, and enter: the core's kernels around the queue.

Risk is asked, and reserves, when a command enters, by the state of that moment; a command that
waits holds a place and nothing else."""

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
from openoutcry.wire.enums import NEW_DAY
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import OrderRecord

SET_EXPIRY, MASS_CANCEL = (
    enum_numbers.COMMAND_KIND_SET_EXPIRY,
    enum_numbers.COMMAND_KIND_MASS_CANCEL,
)
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
    if delay | waiting == 0 or kind == 0 or kind > MASS_CANCEL:
        return 0
    if participant >= state.participants or is_part(state, order, participant):
        return 0
    symbol = order.symbol
    every = kind == MASS_CANCEL and symbol == 0
    if not every and totals.find_symbol(state, symbol) < 0:
        return 0
    release = speed_bump.release_of(bump, order)
    if release <= bump.now_ns:
        return 0
    room = bump.capacity
    if kind in (NEW, REPLACE, SET_EXPIRY):
        room -= room // KEPT_PARTS
    if waiting >= room:
        return refuse(state, order, 1 << constants.SPEED_BUMP_FULL, room, waiting, waiting + 1)
    speed_bump.enter_bump(bump, order, release)
    return WAITS


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
