"""Contracts in the core: trades at their marks, marks, daily settlement, funding and expiry.

Every position in a contract is valued at one price, its mark, which comes as a command.  A trade
pays the difference between its price and the mark at once, so no trade moves the value of what
others hold.  A cell's ``mark`` is what its position cost instead: the values of its lots when they
were bought or sold.  It moves no money: ranks and displays go by it.

What one side is paid the other one pays, in the same command.  Settings of several contracts that
come from one moment are staged, and put in force together (``contract_batch.py``).
``derivatives/contracts.py`` has the same amounts in plain Python.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import contract_layout, totals
from openoutcry.risk.bits import LARGEST, NO_LIMIT
from openoutcry.risk.contract_layout import (
    CALL,
    EXPIRED_HALT,
    LIVE,
    MAX_PRICE,
    NOT_BEGUN,
    PAUSED_HALT,
    PERPETUAL,
    PUT,
    RATE_UNIT,
    SETTLED,
    UNLISTED_HALT,
    ContractBlock,
    ContractRow,
)
from openoutcry.risk.contract_terms import (
    can_adjust,
    mark_after,
    multiplier_after,
    put_terms,
)
from openoutcry.risk.layout import RiskCell, RiskInstrument, RiskParticipant, RiskState
from openoutcry.risk.money import (
    add_money,
    judge_loss,
    judge_profit,
    margined_lots,
    mark_position,
)
from openoutcry.risk.portfolio import follow_portfolio
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT

BUY = enum_numbers.SIDE_BUY
CAUSE = EVENT.offsets["cause_seq"]
MAX_DAY = 99_991_231
HOUR_NS = 3_600_000_000_000


@kernel
def contracts_of(state: RiskState) -> ContractBlock:
    """The contracts' block; address 0: without contracts."""
    at = state.contracts_at
    return ContractBlock(state + at) if at != 0 else ContractBlock(0)


@kernel
def contract_of(state: RiskState, rules: RiskInstrument) -> ContractRow:
    """Return the contract of an instrument; it must be one."""
    return ContractRow(state + rules.contract_at)


@kernel
def is_option(contract: ContractRow) -> bool:
    """Return whether its premium is paid when it trades, and its payoff at its expiry."""
    return contract.kind == CALL or contract.kind == PUT


@kernel
def lot_value(contract: ContractRow, price: int) -> int:
    """Units that a long lot is worth at a price, or the end of int64.  Of an inverse contract only
    differences have a meaning; its prices are 1 or more."""
    if contract.inverse != 0 and not is_option(contract):
        return -(contract.multiplier // max(price, 1))
    return wide.mul(contract.multiplier, price)


@kernel
def payoff(contract: ContractRow, price: int) -> int:
    """Units that a long lot of an option is paid, by its underlying's final price."""
    inside = price - contract.strike if contract.kind == CALL else contract.strike - price
    if inside < 0:
        return 0
    if contract.inverse != 0:
        return wide.part_of(contract.strike_multiplier, inside, max(price, 1))
    rest = -contract.strike_rest if contract.kind == CALL else contract.strike_rest
    return max(wide.add(wide.mul(contract.strike_multiplier, inside), rest), 0)


@kernel
def share_of(amount: int, part: int, whole: int) -> int:
    """``amount`` x ``part`` / ``whole`` (1 or more, ``part`` at most that), cut off towards 0."""
    while whole >= LARGEST >> 2:
        part, whole = part >> 1, whole >> 1
    size = wide.part_of(min(max(amount, -amount), LARGEST >> 1), part, whole)
    return size if amount >= 0 else -size


@kernel
def loss_at(contract: ContractRow, side: int, lots: int, price: int) -> int:
    """Return what an order loses at once if it trades at this price, which is worse than
    the mark."""
    more = wide.sub(lot_value(contract, price), lot_value(contract, contract.mark))
    return max(wide.mul(lots if side == BUY else -lots, more), 0)


@kernel
def worst_price(rules: RiskInstrument, contract: ContractRow, side: int) -> int:
    """Return the price that an order without a price may trade at in the worst case: as far past
    the price band around the mark as its market band, within the instrument's limits."""
    distance = wide.mul(wide.size(contract.mark), rules.distance_bps) // 10_000
    away = wide.add(max(distance, 1), contract.market_band)
    if side == BUY:
        return min(rules.worst_buy, wide.add(contract.mark, away))
    return max(rules.worst_sell, wide.sub(contract.mark, away))


@kernel
def loss_flags(
    state: RiskState,
    rules: RiskInstrument,
    cell: RiskCell,
    side: int,
    flags: int,
    price: int,
    side_lots: int,
) -> int:
    """Return the flags of an order in a contract with what a lot of it loses at once against the
    mark.  ``side_lots``: the open lots of its side with it.

    Where all of them make the position smaller, the margin that a lot gives back pays first.
    """
    contract = contract_of(state, rules)
    if flags & lay.PRICED_FLAG == 0:
        price = worst_price(rules, contract, side)
    loss = loss_at(contract, side, 1, price)
    held = -cell.position if side == BUY else cell.position
    if rules.leveraged != 0 and side_lots <= held:
        loss = max(loss - rules.margin, 0)
    return totals.with_loss(flags, loss)


@kernel
def cost_after(cost: int, held: int, moved: int, value: int) -> int:
    """Return the cost of a position after ``moved`` lots (negative: sold) at ``value`` a lot."""
    if held == 0 or (held > 0) == (moved > 0):
        return wide.add(cost, wide.mul(moved, value))
    closed, size = max(moved, -moved), max(held, -held)
    if closed > size:
        return wide.mul(held + moved, value)
    return cost - share_of(cost, closed, size)


@kernel_outlined
def trade_contract(
    state: RiskState,
    rules: RiskInstrument,
    row: RiskParticipant,
    cell: RiskCell,
    side: int,
    qty: int,
    event: EventRecord,
    position: int,
) -> None:
    """One side of a trade: the difference from its price to the mark (of an option the premium),
    and the fee."""
    not_inlined()
    contract, seq_at = contract_of(state, rules), event + CAUSE
    moved = qty if side == BUY else -qty
    value, at_mark = lot_value(contract, event.price_ticks), lot_value(contract, contract.mark)
    gain = wide.mul(moved, wide.sub(at_mark, value))
    more = margined_lots(rules, position) - margined_lots(rules, cell.position)
    row.margined += more * rules.margin
    cell.mark = cost_after(cell.mark, cell.position, moved, value)
    cell.position = position
    paid = gain if rules.leveraged != 0 else wide.sub(0, wide.mul(moved, value))
    add_money(row, lay.BALANCE, paid, seq_at)
    add_money(row, lay.PROFIT, gain, seq_at)
    fee = wide.sub(0, wide.mul(rules.fee, qty))
    add_money(row, lay.BALANCE, fee, seq_at)
    add_money(row, lay.PROFIT, fee, seq_at)
    judge_loss(row, seq_at)
    block = contracts_of(state)
    if block.fee_bps != 0 and event.order_id == lay.PART_IDS + state.parts:
        due = part_fee(block, qty, event.price_ticks, contract)
        block.fee_due = min(wide.add(block.fee_due, due), LARGEST)
        block.fee_payer = event.participant
    if VERIFY:
        block.clearing += paid


@kernel
def part_fee(block: ContractBlock, lots: int, price: int, contract: ContractRow) -> int:
    """Return the fee for lots that a liquidation closed out at a price, rounded up."""
    value = lot_value(contract, price)
    worth = min(wide.mul(lots, max(value, wide.sub(0, value))), LARGEST)
    whole, rest = worth // 10_000, worth % 10_000
    return whole * block.fee_bps + (rest * block.fee_bps + 9_999) // 10_000


@kernel
def tick_contracts(state: RiskState) -> None:
    """Sequenced time has advanced: whose expiry has come takes no order from here on."""
    block = contracts_of(state)
    for number in range(block.contracts):
        contract = row_of(state, block, number)
        if contract.expiry_ns != 0 and contract.expiry_ns <= state.now_ns:
            rules = totals.instrument_row(state, contract.instrument)
            if rules.halt & EXPIRED_HALT == 0:
                rules.halt |= EXPIRED_HALT
                totals.publish(state)


@kernel
def row_of(state: RiskState, block: ContractBlock, number: int) -> ContractRow:
    """Return a contract's row, by its number."""
    return ContractRow(state + block.rows_at + number * contract_layout.ROW_BYTES)


@kernel_outlined
def apply_contract(
    state: RiskState,
    instrument: int,
    setting: int,
    count: int,
    value: int,
    second: int,
    is_staged: bool,
    with_mark: bool,
    seq_at: int,
) -> bool:
    """Apply CONTRACT_MARK to _PAUSE, _LIST or _ADJUST.  False, and nothing changed, if it makes no
    sense or a total would pass 2**62.  ``count``: of a price, how often its contract was adjusted.
    """
    not_inlined()
    if instrument < 0:
        return False
    rules = totals.instrument_row(state, instrument)
    if rules.contract_at == 0:
        return False
    contract = contract_of(state, rules)
    if contract.state != LIVE:
        return False
    if has_price(setting) and count != contract.adjustments:
        return False
    if setting == constants.SET_CONTRACT_ADJUST and contract.staged != 0:
        return False
    if setting == constants.SET_CONTRACT_LIST:
        is_over = rules.halt & (EXPIRED_HALT | lay.DELISTED_HALT) != 0
        if is_staged or rules.halt & UNLISTED_HALT == 0 or is_over:
            return False
        mark = constants.SET_CONTRACT_MARK
        if not set_now(state, rules, contract, mark, value, second, False, seq_at):
            return False
        rules.halt &= ~UNLISTED_HALT
        totals.publish(state)
        return True
    if setting == constants.SET_CONTRACT_PAUSE:
        if is_staged or (value != 0 and value != 1):
            return False
        rules.halt = rules.halt & ~PAUSED_HALT | PAUSED_HALT * value
        totals.publish(state)
        return True
    if is_staged:
        return stage(state, rules, contract, setting, value, second)
    return set_now(state, rules, contract, setting, value, second, with_mark, seq_at)


@kernel
def has_price(setting: int) -> bool:
    """Return whether its value is a price of the contract or its underlying."""
    is_mark = setting == constants.SET_CONTRACT_MARK or setting == constants.SET_CONTRACT_SETTLE
    return is_mark or setting in (constants.SET_CONTRACT_EXPIRE, constants.SET_CONTRACT_LIST)


@kernel
def stage(
    state: RiskState,
    rules: RiskInstrument,
    contract: ContractRow,
    setting: int,
    value: int,
    second: int,
) -> bool:
    """Keep a setting until CONTRACT_APPLY; one of each contract."""
    if contract.staged != 0 or not makes_sense(state, rules, contract, setting, value, second):
        return False
    contract.staged = setting
    contract.staged_value = value
    contract.staged_second = second
    contracts_of(state).staged += 1
    return True


@kernel
def set_now(
    state: RiskState,
    rules: RiskInstrument,
    contract: ContractRow,
    setting: int,
    value: int,
    second: int,
    with_mark: bool,
    seq_at: int,
) -> bool:
    """Put a setting in force by itself, or with the marks of all other instruments; every
    participant is then judged."""
    if not makes_sense(state, rules, contract, setting, value, second):
        return False
    paid, gain, margin = amounts(rules, contract, setting, value)
    instrument = contract.instrument
    if not new_margin(state, instrument, rules, margin, False):
        return False
    if not pay_all(state, instrument, paid, gain, seq_at, False):
        return False
    put(state, rules, contract, setting, value, second, seq_at)
    if with_mark:
        mark_others(state, seq_at)
    judge_all(state, seq_at)
    return True


@kernel
def makes_sense(
    state: RiskState,
    rules: RiskInstrument,
    contract: ContractRow,
    setting: int,
    value: int,
    second: int,
) -> bool:
    """Return whether a live contract can be marked, funded or ended so, whatever its holders
    have."""
    if setting == constants.SET_CONTRACT_MARK:
        return second <= MAX_PRICE and second >= -MAX_PRICE and can_be_marked(contract, value)
    if setting == constants.SET_CONTRACT_SETTLE:
        return contract.day < second <= MAX_DAY and can_be_marked(contract, value)
    if setting == constants.SET_CONTRACT_FUNDING:
        is_next = contract.kind == PERPETUAL and second > contract.period
        return is_next and value >= -RATE_UNIT and value <= RATE_UNIT
    if setting == constants.SET_CONTRACT_ADJUST:
        if not can_adjust(rules, contract, value, second):
            return False
    elif rules.halt & EXPIRED_HALT == 0:
        return False
    for participant in range(state.participants):
        cell = totals.cell_of(state, participant, contract.instrument)
        if cell.buy_lots | cell.sell_lots != 0:
            return False
    if setting == constants.SET_CONTRACT_ADJUST:
        worth = wide.mul(multiplier_after(contract, value), mark_after(contract, value))
        return worth <= LARGEST
    return 0 <= value <= MAX_PRICE if is_option(contract) else can_be(contract, value)


@kernel
def can_be_marked(contract: ContractRow, price: int) -> bool:
    """Return whether a mark can be this price: at 0 a margin that follows the mark would be
    nothing."""
    return can_be(contract, price) and (contract.margin_bps == 0 or price >= 1)


@kernel
def can_be(contract: ContractRow, price: int) -> bool:
    """Return whether a contract can end at this price."""
    least = 1 if contract.inverse != 0 and not is_option(contract) else -MAX_PRICE
    if is_option(contract):
        least = 0
    return least <= price <= MAX_PRICE


@kernel
def amounts(
    rules: RiskInstrument, contract: ContractRow, setting: int, value: int
) -> tuple[int, int, int]:
    """Return what a setting that makes sense pays for each lot held, what a lot gains by it, and
    which margin a lot needs afterwards.  What futures and perpetuals gain by a mark is paid."""
    if setting == constants.SET_CONTRACT_FUNDING:
        due = wide.sub(0, due_of(contract, value)[0])
        return due, due, rules.margin
    at_mark = lot_value(contract, contract.mark)
    if setting == constants.SET_CONTRACT_EXPIRE:
        if is_option(contract):
            paid = payoff(contract, value)
            return paid, wide.sub(paid, at_mark), rules.margin
        paid = wide.sub(lot_value(contract, value), at_mark)
        return paid, paid, rules.margin
    worth = lot_value(contract, value)
    if setting == constants.SET_CONTRACT_ADJUST:
        worth = wide.mul(multiplier_after(contract, value), mark_after(contract, value))
    gain, margin = wide.sub(worth, at_mark), margin_of(contract, worth)
    return gain if rules.leveraged != 0 else 0, gain, margin if margin >= 0 else rules.margin


@kernel
def due_of(contract: ContractRow, rate: int) -> tuple[int, int]:
    """Return what a long lot pays in funding, and what is left over."""
    value = lot_value(contract, contract.mark)
    size = max(value, wide.sub(0, value))
    whole, rest = size // RATE_UNIT, size % RATE_UNIT
    over = rest * rate + contract.carry
    return wide.add(wide.mul(whole, rate), over // RATE_UNIT), over % RATE_UNIT


@kernel
def put(
    state: RiskState,
    rules: RiskInstrument,
    contract: ContractRow,
    setting: int,
    value: int,
    second: int,
    seq_at: int,
) -> None:
    """Put a setting that makes sense and fits in force; no participant is judged yet.  At an
    expiry options in the money are exercised, and every short lot is assigned: all are paid in
    cash."""
    paid, gain, margin = amounts(rules, contract, setting, value)
    instrument = contract.instrument
    pay_all(state, instrument, paid, gain, seq_at, True)
    new_margin(state, instrument, rules, margin, True)
    if setting == constants.SET_CONTRACT_EXPIRE:
        for participant in range(state.participants):
            if totals.cell_of(state, participant, instrument).position != 0:
                set_lots(state, participant, instrument, rules, 0, 0)
        contract.state = SETTLED
        contract.final = value
        contract.final_units = paid
    elif setting == constants.SET_CONTRACT_FUNDING:
        due, carry = due_of(contract, value)
        count_premium(state, contract)
        if contract.premium_to_ns != 0:
            # A scheduled period is that of its hour, which the core's clock may still come to.
            end_ns = max(contract.premium_to_ns, wide.mul(second, HOUR_NS))
            contract.premium = 0
            contract.premium_from_ns = contract.premium_to_ns = end_ns
        contract.rate = value
        contract.period = second
        contract.carry = carry
        contract.funded += due
    elif setting == constants.SET_CONTRACT_ADJUST:
        put_terms(state, rules, contract, value)
    else:
        count_premium(state, contract)
        contract.mark = value
        contract.marked_ns = state.now_ns
        contract.marks += 1
        if setting == constants.SET_CONTRACT_SETTLE:
            contract.day = second
            contract.settlement = value
        else:
            contract.index = second
            if contract.premium_from_ns == NOT_BEGUN and second >= 1:
                contract.premium_from_ns = contract.premium_to_ns = state.now_ns


@kernel
def count_premium(state: RiskState, contract: ContractRow) -> None:
    """Add what the premium was since it was counted last, if it is averaged.  Time without an index
    does not count."""
    if contract.premium_to_ns == 0:
        return
    past_ns = max(state.now_ns - contract.premium_to_ns, 0)
    contract.premium_to_ns += past_ns
    if contract.index < 1:
        contract.premium_from_ns += past_ns
        return
    more = wide.mul(premium_of(contract.mark, contract.index), past_ns // 1_000_000)
    contract.premium = max(min(wide.add(contract.premium, more), LARGEST), -LARGEST)


@kernel
def premium_of(mark: int, index: int) -> int:
    """Return how far a mark is above its index (1 or more), in billionths of it, cut off towards 0;
    at most the whole, either way."""
    away = max(mark, index) - min(mark, index)
    size = share_of(RATE_UNIT, away, index) if away < index else RATE_UNIT
    return size if mark >= index else -size


@kernel
def margin_of(contract: ContractRow, value: int) -> int:
    """Initial margin of a lot of that value, upwards; -1: the operator sets it."""
    if contract.margin_bps == 0:
        return -1
    size = max(value, -value)
    whole, rest = size // 10_000, size % 10_000
    return whole * contract.margin_bps + (rest * contract.margin_bps + 9_999) // 10_000


@kernel
def new_margin(
    state: RiskState, instrument: int, rules: RiskInstrument, margin: int, stores: bool
) -> bool:
    """A lot needs another margin: whether all totals fit; with ``stores`` they are kept."""
    was = rules.margin
    if margin == was:
        return True
    if margin > LARGEST:
        return False
    for participant in range(state.participants):
        row, cell = (
            totals.participant_row(state, participant),
            totals.cell_of(state, participant, instrument),
        )
        if cell.position | cell.buy_lots | cell.sell_lots == 0:
            continue
        position, cost = cell.position, cell.cost
        buys, sells = cell.buy_lots, cell.sell_lots
        need = totals.needed(rules, position, buys, sells, cost)
        rules.margin = margin
        new_need = totals.needed(rules, position, buys, sells, cost)
        rules.margin = was
        reserved = wide.add(row.reserved - need, new_need)
        lots = margined_lots(rules, position)
        margined = wide.add(row.margined, wide.mul(margin, lots) - was * lots)
        if not stores and max(reserved, margined) > LARGEST:
            return False
        if stores:
            row.reserved = reserved
            row.margined = margined
    if stores:
        rules.margin = margin
    return True


@kernel
def pay_all(
    state: RiskState, instrument: int, paid: int, gain: int, seq_at: int, stores: bool
) -> bool:
    """Pay ``paid`` for each lot held to its holder's balance, and ``gain`` to its profit; whether
    all of it fits.  With ``stores`` it is done."""
    moved = 0
    for participant in range(state.participants):
        cell = totals.cell_of(state, participant, instrument)
        position = cell.position
        if position == 0:
            continue
        row = totals.participant_row(state, participant)
        money, profit = wide.mul(position, paid), wide.mul(position, gain)
        if not stores:
            balance, total = wide.add(row.balance, money), wide.add(row.profit, profit)
            if max(balance, total, money, profit) > LARGEST:
                return False
            if min(balance, total, money, profit) < -LARGEST:
                return False
        else:
            add_money(row, lay.BALANCE, money, seq_at)
            add_money(row, lay.PROFIT, profit, seq_at)
            moved += money
    if VERIFY and stores:
        contracts_of(state).clearing += moved
    return True


@kernel_outlined
def mark_others(state: RiskState, seq_at: int) -> None:
    """Value every position in other instruments than contracts at their last prices; no participant
    is judged yet.  Contracts have marks of their indices."""
    not_inlined()
    for instrument in range(state.instruments):
        rules = totals.instrument_row(state, instrument)
        price = rules.last
        if price == NO_LIMIT or rules.spot_at | rules.contract_at != 0:
            continue
        for participant in range(state.participants):
            row, cell = (
                totals.participant_row(state, participant),
                totals.cell_of(state, participant, instrument),
            )
            mark_position(rules, row, cell, price, seq_at)


@kernel
def judge_all(state: RiskState, seq_at: int) -> None:
    """Every participant's losses and margin."""
    for participant in range(state.participants):
        judge_profit(state, totals.participant_row(state, participant), seq_at)


@kernel
def set_lots(
    state: RiskState, participant: int, instrument: int, rules: RiskInstrument, lots: int, cost: int
) -> None:
    """A participant holds ``lots``, which cost ``cost``, without a trade: its totals follow."""
    row, cell = (
        totals.participant_row(state, participant),
        totals.cell_of(state, participant, instrument),
    )
    group, held = totals.group_row(state, row.group), cell.position
    buys, sells = cell.buy_lots, cell.sell_lots
    need = totals.needed(rules, lots, buys, sells, cell.cost)
    need -= totals.needed(rules, held, buys, sells, cell.cost)
    worst = totals.worst_lots(lots, buys, sells) - totals.worst_lots(held, buys, sells)
    row.reserved += need
    row.gross += worst * rules.weight
    group.gross += worst * rules.weight
    row.margined += rules.margin * (margined_lots(rules, lots) - margined_lots(rules, held))
    cell.position = lots
    cell.mark = cost
    if rules.scenario != 0:
        follow_portfolio(state, row, rules, participant, lots, buys, sells, 0)
