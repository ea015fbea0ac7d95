# (intrinsics have no types that mypy could see)
"""Liquidation, the core's side of it: which order may make smaller what a participant holds who is
under its maintenance margin.

``money.judge_margin`` kills such a participant: from there on it enters nothing.  The operator's
lane cancels its orders, and closes out what it holds in parts, each a LIQUIDATE command and the
order itself, under the participant's number.  A LIQUIDATE that comes too late (the margin is enough
again, the position is smaller) makes no sense, and its order is refused as any of a killed
participant.
"""

import openoutcry.risk.constants as rb
import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.money import is_under
from openoutcry.wire.enums import OrderType, Side, TimeInForce
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import load_i64, load_u8, not_inlined, store_i64
from openoutcry.wire.records import ORDER

PRICE, QTY = ORDER.offsets["price_ticks"], ORDER.offsets["qty_lots"]
CLIENT_ID, SIDE = ORDER.offsets["order_id"], ORDER.offsets["side"]
TYPE, TIME_IN_FORCE = ORDER.offsets["order_type"], ORDER.offsets["time_in_force"]
LIMIT, IOC, BUY = int(OrderType.LIMIT), int(TimeInForce.IOC), int(Side.BUY)
REFUSED_ALWAYS = 1 << rb.ARITHMETIC | 1 << rb.MARKET_KILLED | 1 << rb.HALTED | 1 << rb.PRICE_BAND
"""What a part is refused for, too: everything else would keep the participant where it is."""


@kernel_outlined
def set_part(state: int, who: int, instrument: int, lots: int, price: int) -> bool:
    """Let the next order of this kind in.  False, and nothing changed, if the participant is not
    under its maintenance margin, still has orders, or does not hold so much."""
    not_inlined()
    row = totals.participant_row(state, who)
    flags = load_i64(row + lay.FLAGS)
    called = flags & lay.KILLED_BY_MARGIN != 0 and flags & lay.CANCEL_WANTED == 0
    if not called or load_i64(row + lay.OPEN) != 0 or not is_under(row):
        return False
    position = load_i64(totals.cell_of(state, who, instrument) + lay.POSITION)
    smaller = -position <= lots < 0 if position > 0 else 0 < lots <= -position
    if not smaller:
        return False
    store_i64(state + lay.PARTS, load_i64(state + lay.PARTS) + 1)
    store_i64(state + lay.PART_WHO, who)
    store_i64(state + lay.PART_INSTRUMENT, instrument)
    store_i64(state + lay.PART_QTY, lots)
    store_i64(state + lay.PART_PRICE, price)
    return True


@kernel_outlined
def excuse(state: int, order: int, instrument: int, failed: int) -> int:
    """What is left of the checks that a NEW of PART_WHO fails: if it is the part that was said,
    only REFUSED_ALWAYS count, and there is no second one."""
    not_inlined()
    lots = load_i64(order + QTY)
    signed = lots if load_u8(order + SIDE) == BUY else -lots
    same = signed == load_i64(state + lay.PART_QTY)
    same = same and load_i64(order + PRICE) == load_i64(state + lay.PART_PRICE)
    same = same and instrument == load_i64(state + lay.PART_INSTRUMENT)
    same = same and load_i64(order + CLIENT_ID) == lay.PART_IDS + load_i64(state + lay.PARTS)
    same = same and load_u8(order + TYPE) == LIMIT and load_u8(order + TIME_IN_FORCE) == IOC
    if not same:
        return failed
    store_i64(state + lay.PART_WHO, 0)
    return failed & REFUSED_ALWAYS
