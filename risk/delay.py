# (intrinsics have no types that mypy could see)
"""Which commands wait at the speed bump, and what is let in: the core's kernels around the queue.

Risk is asked, and reserves, when a command enters, by the state of that moment; a command that
waits holds a place and nothing else.
"""

import openoutcry.risk.constants as rb
import openoutcry.risk.layout as lay
from openoutcry.risk import speed_bump as sb
from openoutcry.risk import totals
from openoutcry.risk.before import (
    CLIENT_ID,
    DISCONNECT,
    KIND,
    NEW,
    PARTICIPANT,
    REPLACE,
    SYMBOL,
    refuse,
)
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, load_u16, store_i64

SET_EXPIRY, MASS_CANCEL = int(CommandKind.SET_EXPIRY), int(CommandKind.MASS_CANCEL)
WAITS = 1
"""Answer of :func:`hold`: the command waits."""
KEPT_PARTS = 4
"""This part of the places is kept for what makes less: cancels and reductions."""


@kernel
def hold(state: int, order: int) -> int:
    """0: the command goes on at once.  WAITS: its place and release are in the figures.  Else it is
    refused, as ``before`` says it."""
    bump = state + load_i64(state + lay.BUMP_AT)
    kind, participant = load_u8(order + KIND), load_u16(order + PARTICIPANT)
    if kind == DISCONNECT:
        if participant != 0:
            sb.withdraw(bump, participant, 0)
        return 0
    if participant == 0:
        if kind == MASS_CANCEL:
            sb.withdraw(bump, 0, load_i64(order + SYMBOL))
        return 0
    waiting = load_i64(bump + sb.WAITING)
    delay = load_i64(bump + sb.DELAY_NS) | load_i64(bump + sb.WINDOW_NS)
    if delay | waiting == 0 or kind == 0 or kind > MASS_CANCEL:
        return 0
    if participant >= load_i64(state + lay.PARTICIPANTS) or is_part(state, order, participant):
        return 0
    symbol = load_i64(order + SYMBOL)
    every = kind == MASS_CANCEL and symbol == 0
    if not every and totals.find_symbol(state, symbol) < 0:
        return 0
    release = sb.release_of(bump, order)
    if release <= load_i64(bump + sb.NOW_NS):
        return 0
    room = load_i64(bump + sb.CAPACITY)
    if kind in (NEW, REPLACE, SET_EXPIRY):
        room -= room // KEPT_PARTS
    if waiting >= room:
        return refuse(state, order, 1 << rb.SPEED_BUMP_FULL, room, waiting, waiting + 1)
    sb.enter_bump(bump, order, release)
    return WAITS


@kernel
def is_part(state: int, order: int, participant: int) -> bool:
    """A part of the participant's liquidation, which comes by the operator's lane."""
    same = load_i64(state + lay.PART_WHO) == participant and load_u8(order + KIND) == NEW
    return same and load_i64(order + CLIENT_ID) == lay.PART_IDS + load_i64(state + lay.PARTS)


@kernel
def due(state: int, order: int) -> int:
    """Address of the record of the next command that enters before ``order``, whose time it is, as
    the figures say; 0 if there is none."""
    bump = state + load_i64(state + lay.BUMP_AT)
    left = sb.leave_bump(bump, order)
    if left == 0:
        return 0
    record, verdict = bump + sb.FIGURE_RECORD, 0
    if left == 2:
        verdict = refuse(state, record, 1 << rb.WITHDRAWN, 0, 0, 0)
    store_i64(bump + sb.FIGURE_VERDICT, verdict)
    return record
