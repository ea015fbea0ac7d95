"""A trade that the operator takes back: BUST and its two legs say all that is reversed.

Both sides get back what they gave, and give back what they got, with the fees as they were charged.
It is no order: it passes no price band, kill, halt or limit.  A wallet that has not enough is below
0 by a shortfall.  A contract's lots go back at the trade's own price, against the mark of now; its
sides are then judged as after a mark.  Nothing is done unless all of it can be.

What the core cannot know the operator's desk has seen to: that there was such a trade.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import constants, totals
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.contract_layout import EXPIRED_HALT, LIVE
from openoutcry.risk.contracts import contract_of, contracts_of, cost_after, lot_value, set_lots
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.risk.money import add_money, judge_profit
from openoutcry.risk.requests import RequestTable, leg_at
from openoutcry.risk.spot import base_wallet, missing, quote_wallet, rules_of
from openoutcry.risk.spot_layout import LARGEST_TOTAL, SpotAsset, SpotRules, Wallet
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.notes import fee_is_of_base, fee_units
from openoutcry.wire.off_book_legs import AUCTION_BIT, MAKER_BIT, SIDE_MASK
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER

BUY, SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL
SEQ = ORDER.offsets["seq"]


@kernel_outlined
def bust(state: RiskState, order: OrderRecord, instrument: int) -> bool:
    """Take the trade back; False, and nothing changed, if it makes no sense or would not fit."""
    not_inlined()
    if state.requests_at == 0 or order.side == 0 or instrument < 0:
        return False
    table = RequestTable(state + state.requests_at)
    if table.legs != 2:
        return False
    buyer, seller = leg_at(table, 0), leg_at(table, 1)
    if not (is_side(state, order, buyer, BUY) and is_side(state, order, seller, SELL)):
        return False
    rules, price, lots = totals.instrument_row(state, instrument), order.price_ticks, order.aux
    if order.qty_lots <= 0 or lots <= 0 or lots > LARGEST:
        return False
    if rules.spot_at != 0:
        return bust_spot(state, rules, buyer, seller, price, lots)
    if rules.contract_at != 0:
        return bust_contract(state, rules, instrument, order, buyer, seller)
    return False


@kernel
def is_side(state: RiskState, order: OrderRecord, leg: OrderRecord, side: int) -> bool:
    """Return whether a leg is that side of the order's trade, and its participant may get it."""
    participant = leg.qty_lots
    same = leg.order_type == constants.SET_BUST and leg.symbol == order.symbol
    flags = leg.time_in_force & ~SIDE_MASK
    if not same or leg.time_in_force & SIDE_MASK != side or flags & ~(MAKER_BIT | AUCTION_BIT) != 0:
        return False
    if participant <= 0 or participant >= state.participants:
        return False
    fee = fee_units(leg.aux)
    if fee > LARGEST_TOTAL or fee < -LARGEST_TOTAL or (side == SELL and fee_is_of_base(leg.aux)):
        return False
    return totals.participant_row(state, participant).flags & lay.CLOSED_FLAG == 0


# Spot


@kernel
def bust_spot(
    state: RiskState,
    rules: RiskInstrument,
    buyer: OrderRecord,
    seller: OrderRecord,
    price: int,
    lots: int,
) -> bool:
    """Both assets go back, and the fees out of the venue's account."""
    spot = rules_of(state, rules)
    paid = wide.mul(wide.mul(price, rules.multiplier), lots)
    units = wide.mul(spot.lot_units, lots)
    if price < 0 or max(paid, units) > LARGEST_TOTAL:
        return False
    quote, base = SpotAsset(state + spot.quote_at), SpotAsset(state + spot.base_at)
    of_base = fee_is_of_base(buyer.aux)
    fee, sale_fee = fee_units(buyer.aux), fee_units(seller.aux)
    if not (may_give(quote, paid, fee, sale_fee) and may_give(base, units, fee, 0)):
        return False
    quote_fee, base_fee = (0, fee) if of_base else (fee, 0)
    give_side(state, spot, buyer.qty_lots, paid + quote_fee, base_fee - units)
    give_side(state, spot, seller.qty_lots, sale_fee - paid, units)
    quote.fees -= quote_fee + sale_fee
    base.fees -= base_fee
    return True


@kernel
def may_give(asset: SpotAsset, amount: int, fee: int, other_fee: int) -> bool:
    """Return whether so much of an asset may move: its shortfalls and the venue's fees stay in
    range."""
    fees = max(fee, -fee) + max(other_fee, -other_fee)
    if asset.fees < fees - LARGEST_TOTAL or asset.fees > LARGEST - fees:
        return False
    short = wide.add(wide.add(asset.granted, asset.short), wide.add(amount, fees))
    return short <= LARGEST_TOTAL


@kernel
def give_side(
    state: RiskState, spot: SpotRules, participant: int, quote_units: int, base_units: int
) -> None:
    """A participant gets these units of both assets; below 0: gives them, also what it has not."""
    change(SpotAsset(state + spot.quote_at), quote_wallet(state, spot, participant), quote_units)
    change(SpotAsset(state + spot.base_at), base_wallet(state, spot, participant), base_units)


@kernel
def change(asset: SpotAsset, wallet: Wallet, units: int) -> None:
    """A wallet has more, or less; its shortfall is what is missing afterwards."""
    wallet.available += units
    short = missing(wallet)
    asset.short += short - wallet.shortfall
    wallet.shortfall = short


# Contracts


@kernel
def bust_contract(
    state: RiskState,
    rules: RiskInstrument,
    instrument: int,
    order: OrderRecord,
    buyer: OrderRecord,
    seller: OrderRecord,
) -> bool:
    """The lots go back, and the difference to the mark; then both sides are judged."""
    contract = contract_of(state, rules)
    if contract.state != LIVE or rules.halt & (EXPIRED_HALT | lay.DELISTED_HALT) != 0:
        return False
    price, lots = order.price_ticks, order.aux
    if contract.inverse != 0 and price < 1:
        return False
    for leg in (buyer, seller):
        if not contract_side_fits(state, rules, instrument, leg, price, lots):
            return False
    for leg in (buyer, seller):
        bust_contract_side(state, rules, instrument, leg, price, lots, order + SEQ)
    for leg in (buyer, seller):
        judge_profit(state, totals.participant_row(state, leg.qty_lots), order + SEQ)
    return True


@kernel
def contract_side_fits(
    state: RiskState,
    rules: RiskInstrument,
    instrument: int,
    leg: OrderRecord,
    price: int,
    lots: int,
) -> bool:
    """Return whether a side may get its lots back: no margin call is open, and totals are in
    range."""
    row = totals.participant_row(state, leg.qty_lots)
    if row.flags & lay.KILLED_BY_MARGIN != 0 or fee_is_of_base(leg.aux):
        return False
    contract, cell = contract_of(state, rules), totals.cell_of(state, leg.qty_lots, instrument)
    value, at_mark = lot_value(contract, price), lot_value(contract, contract.mark)
    more = wide.mul(lots, wide.add(wide.size(value), wide.size(at_mark)))
    fee = fee_units(leg.aux)
    money = wide.add(more, max(fee, -fee))
    sums = wide.add(money, max(wide.size(row.balance), wide.size(row.profit)))
    held = wide.add(wide.size(cell.position), lots)
    needs = wide.add(row.reserved, wide.mul(rules.margin, lots))
    group = totals.group_row(state, row.group)
    gross = wide.add(group.gross, wide.mul(rules.weight, lots))
    costs = wide.add(wide.size(cell.mark), more)
    return max(sums, held, needs, gross, costs) <= LARGEST


@kernel
def bust_contract_side(
    state: RiskState,
    rules: RiskInstrument,
    instrument: int,
    leg: OrderRecord,
    price: int,
    lots: int,
    seq_at: int,
) -> None:
    """One side: the opposite lots at the trade's price, and the fee back."""
    participant = leg.qty_lots
    moved = -lots if leg.time_in_force & SIDE_MASK == BUY else lots
    contract, row = contract_of(state, rules), totals.participant_row(state, participant)
    cell = totals.cell_of(state, participant, instrument)
    value, at_mark = lot_value(contract, price), lot_value(contract, contract.mark)
    gain, fee = wide.mul(moved, wide.sub(at_mark, value)), fee_units(leg.aux)
    cost = cost_after(cell.mark, cell.position, moved, value)
    set_lots(state, participant, instrument, rules, cell.position + moved, cost)
    paid = gain if rules.leveraged != 0 else wide.sub(0, wide.mul(moved, value))
    add_money(row, lay.BALANCE, paid + fee, seq_at)
    add_money(row, lay.PROFIT, gain + fee, seq_at)
    if VERIFY:
        contracts_of(state).clearing += paid
