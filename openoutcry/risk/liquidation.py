"""Liquidation, in the core: which order may reduce the position of a participant that is below its
maintenance margin.

``money.judge_margin`` kills such a participant: from there on it enters nothing.  The operator's
lane cancels its orders, and closes out what it holds in parts, each a LIQUIDATE command and the
order itself, under the participant's number.  A LIQUIDATE that comes too late (the margin is enough
again, the position is smaller) makes no sense, and its order is refused as any of a killed
participant.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.contracts import contract_of, contracts_of
from openoutcry.risk.layout import RiskState
from openoutcry.risk.money import is_under
from openoutcry.risk.waterfall import loss_is_covered
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import OrderRecord

LIMIT, IOC, BUY = (
    enum_numbers.ORDER_TYPE_LIMIT,
    enum_numbers.TIME_IN_FORCE_IOC,
    enum_numbers.SIDE_BUY,
)
REFUSED_ALWAYS = (
    1 << constants.ARITHMETIC
    | 1 << constants.MARKET_KILLED
    | 1 << constants.HALTED
    | 1 << constants.INSTRUMENT_SUSPENDED
    | 1 << constants.PRICE_BAND
)
"""Checks for which even a part is refused: everything else would keep the participant where it is.
A part that is worse than the price band around the mark is, too."""


@kernel_outlined
def set_part(state: RiskState, participant: int, instrument: int, lots: int, price: int) -> bool:
    """Let the next order of this kind in.  False, and nothing changed, if the participant is not
    under its maintenance margin, still has orders, or does not hold so much, and while the fee for
    the last part is due."""
    not_inlined()
    row = totals.participant_row(state, participant)
    flags = row.flags
    called = flags & lay.KILLED_BY_MARGIN != 0 and flags & lay.CANCEL_WANTED == 0
    if not called or row.open != 0 or not is_under(row):
        return False
    position = totals.cell_of(state, participant, instrument).position
    smaller = -position <= lots < 0 if position > 0 else 0 < lots <= -position
    if not smaller:
        return False
    rules = totals.instrument_row(state, instrument)
    if rules.contract_at != 0 and not loss_is_covered(state, participant, rules, lots, price):
        return False
    if state.contracts_at != 0 and contracts_of(state).fee_due != 0:
        return False
    state.parts += 1
    state.part_who = participant
    state.part_instrument = instrument
    state.part_qty = lots
    state.part_price = price
    return True


@kernel_outlined
def excuse(state: RiskState, order: OrderRecord, instrument: int, failed: int) -> int:
    """Return what is left of the checks that a NEW of PART_WHO fails: if it is the part that was
    said, only REFUSED_ALWAYS count, and a price that is worse than the band around the mark; and
    there is no second one."""
    not_inlined()
    lots = order.qty_lots
    signed = lots if order.side == BUY else -lots
    same = signed == state.part_qty
    same = same and order.price_ticks == state.part_price
    same = same and instrument == state.part_instrument
    same = same and order.order_id == lay.PART_IDS + state.parts
    same = same and order.order_type == LIMIT and order.time_in_force == IOC
    if not same:
        return failed
    state.part_who = 0
    refused, rules = REFUSED_ALWAYS, totals.instrument_row(state, instrument)
    if rules.contract_at != 0:
        more = wide.sub(order.price_ticks, contract_of(state, rules).mark)
        refused |= ((more if order.side == BUY else -more) > 0) << constants.PRICE_DISTANCE
    return failed & refused
