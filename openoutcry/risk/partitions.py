"""Risk in partitions, so that cores that share them reach the verdicts of one core.  Each partition
has some of the instruments, and a part of every limit that is summed over instruments.

Each partition is a complete risk state, with separate tables of participants, groups and orders.
The whole's header precedes them and has the limits that were set.  A verdict reads one partition.
Parts are allocated again at *rebalance points*, commands before which all cores have come equally
far.  All cores then know the use of every participant, and share out evenly what is free of a
limit.

 sum over partitions of max(part, use) <= limit or, while more is used, no use may grow

Money that is earned or spent belongs to a partition until a rebalance point.  A participant's RATE

    sum over partitions of max(part, use) <= limit    or, while more is used, nobody's use may grow

Money that is earned or spent is a partition's own until a rebalance point.  A participant's RATE
counts what it sends, which every core sees, so it needs no parts.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import after as events_of
from openoutcry.risk import before as command
from openoutcry.risk import bits, lists, totals
from openoutcry.risk.bits import LARGEST, NO_LIMIT
from openoutcry.risk.layout import RiskGroup, RiskParticipant, RiskState
from openoutcry.risk.money import add_money
from openoutcry.risk.operator_commands import apply_setting
from openoutcry.risk.requests import note_effect, permits
from openoutcry.wire import wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import (
    full_fence,
    load_i64,
    not_inlined,
    store_i64,
    store_release,
)
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT, RECORD_BYTES

SUMMED = (lay.RESERVED, lay.OPEN, lay.BUY_EXPOSURE, lay.SELL_EXPOSURE, lay.GROSS, lay.MARGINED)
"""Words of a participant's row that the partitions' add up to."""
ALLOCATED = (
    (lay.OPEN, lay.OPEN_LIMIT),
    (lay.BUY_EXPOSURE, lay.BUY_EXPOSURE_LIMIT),
    (lay.SELL_EXPOSURE, lay.SELL_EXPOSURE_LIMIT),
    (lay.GROSS, lay.GROSS_LIMIT),
)
COPIED = (lay.FLAGS, lay.GROUP, lay.DUPLICATE_NS)
KILLED_HERE = lay.KILLED_BY_ARITHMETIC | lay.CANCEL_WANTED
TIME, PHASE, DISCONNECT = command.TIME, command.PHASE, command.DISCONNECT
RISK = bits.RISK_KIND


# Where things are


@kernel
def header_of(region: int, partition: int) -> RiskState:
    """The state of a partition, from 1. ``region``: address of the whole state."""
    return RiskState(region + partition * lay.HEADER_BYTES)


@kernel
def partition_of(region: RiskState, instrument: int) -> RiskState:
    """The state that an instrument is in."""
    rules = totals.instrument_row(region, instrument)
    return header_of(region, rules.partition)


@kernel
def of_participant(setting: int) -> bool:
    """Return whether it is about a participant, and no instrument."""
    is_limit = constants.SET_DEPOSIT <= setting <= constants.SET_MAINTENANCE
    return is_limit or setting == constants.SET_STATUS


@kernel
def of_group(setting: int) -> bool:
    """Return whether a Setting is about a group."""
    return constants.SET_GROUP_GROSS_POSITION <= setting <= constants.SET_GROUP_NAME


@kernel
def of_instrument(setting: int) -> bool:
    """Return whether a Setting is about an instrument."""
    listed = constants.SET_POSITION_LONG <= setting <= constants.SET_MARK
    return listed or setting == constants.SET_DIVIDEND or setting == constants.SET_SPLIT


@kernel
def is_rebalance_point(region: RiskState, order: OrderRecord) -> int:
    """1 if the command is a rebalance point: TIME, a setting of a participant or group, or the next
    command after one that changed a participant's totals without an order."""
    if order.error_code != 0:
        return 0
    if region.rebalance_due != 0:
        return 1
    kind = order.kind
    if kind <= DISCONNECT or order.participant != 0:
        return 0
    setting = order.order_type
    is_risk = kind == RISK and (of_participant(setting) or of_group(setting))
    return 1 if kind == TIME or is_risk else 0


@kernel
def first_of(region: RiskState, order: OrderRecord) -> int:
    """The participants that a rebalance point is about: from this one,"""
    if is_about_all(region, order) or not of_participant(order.order_type):
        return 0
    return min(max(order.qty_lots, 0), region.participants)


@kernel
def end_of(region: RiskState, order: OrderRecord) -> int:
    """up to before this one."""
    if is_about_all(region, order):
        return region.participants
    participant, setting = order.qty_lots, order.order_type
    known = 0 <= participant < region.participants
    return participant + 1 if known and of_participant(setting) else first_of(region, order)


@kernel
def is_about_all(region: RiskState, order: OrderRecord) -> bool:
    """Return whether all partitions must have come as far as a command before it is checked."""
    return region.rebalance_due != 0 or order.kind == TIME


# Meetings


@kernel_outlined
def rebalance(region: RiskState, order: OrderRecord) -> None:
    """The whole's totals from the partitions', and the limits allocated again by what is used."""
    not_inlined()
    # Meanwhile a reader can see that the money of the whole and of the partitions is not one sum.
    number = region.rebalances + 1
    region.rebalances = -number
    full_fence()
    for participant in range(first_of(region, order), end_of(region, order)):
        fold(region, participant, order + command.SEQ)
        allocate_participant(region, participant)
    for group in range(region.groups):
        allocate_group(region, group)
    region.rebalance_due = 0
    store_release(region + lay.REBALANCES, number)


@kernel
def fold(region: RiskState, participant: int, seq_at: int) -> None:
    """Sum what the partitions have of a participant into the whole's row."""
    whole, stride = totals.participant_row(region, participant), region.stride
    first = totals.participant_row(header_of(region, 1), participant)
    count = region.partitions
    for at in SUMMED:
        store_i64(whole + at, summed(first + at, stride, count))
    for index in range(count):
        row = RiskParticipant(first + index * stride)
        add_money(whole, lay.BALANCE, row.balance, seq_at)
        add_money(whole, lay.PROFIT, row.profit, seq_at)
        funded = wide.add(whole.funded, row.funded)
        whole.funded = min(max(funded, -LARGEST), LARGEST)
        for at in (lay.BALANCE, lay.PROFIT, lay.FUNDED):
            store_i64(row + at, 0)
        flags = whole.flags | row.flags & KILLED_HERE
        whole.flags = flags
        kills = whole.kills + row.kills
        whole.kills = kills
        row.kills = 0
        last = max(whole.killed_seq, row.killed_seq)
        whole.killed_seq = last


@kernel
def summed(first: int, stride: int, count: int) -> int:
    """Return the sum, bounded to int64, of ``count`` words that are ``stride`` bytes apart.
    ``first``: address of the first."""
    total = 0
    for index in range(count):
        total = wide.add(total, load_i64(first + index * stride))
    return total


@kernel
def allocate_participant(region: RiskState, participant: int) -> None:
    """The parts of a participant's limits, and its switches, in all partitions."""
    whole, stride = totals.participant_row(region, participant), region.stride
    first = totals.participant_row(header_of(region, 1), participant)
    count = region.partitions
    for use_at, limit_at in ALLOCATED:
        allocate(first, stride, count, use_at, limit_at, load_i64(whole + limit_at), 0)
    capital = whole.credit
    if capital != NO_LIMIT:
        capital = min(wide.add(capital, whole.balance), NO_LIMIT - 1)
    # The partitions' balances begin at 0 here: a part of the capital is a credit.
    allocate(first, stride, count, lay.RESERVED, lay.CREDIT, capital, -LARGEST)
    for at in COPIED:
        for index in range(count):
            store_i64(first + index * stride + at, load_i64(whole + at))


@kernel
def allocate_group(region: RiskState, group: int) -> None:
    """Share what is left of a group's limit between the partitions, and copy its switch to them."""
    whole, stride = totals.group_row(region, group), region.stride
    first = totals.group_row(header_of(region, 1), group)
    count = region.partitions
    whole.gross = summed(first + lay.GROUP_GROSS, stride, count)
    limit = whole.gross_limit
    allocate(first, stride, count, lay.GROUP_GROSS, lay.GROUP_GROSS_LIMIT, limit, 0)
    for index in range(count):
        RiskGroup(first + index * stride).kill = whole.kill


@kernel
def allocate(
    first: int, stride: int, count: int, use_at: int, limit_at: int, limit: int, least: int
) -> None:
    """Allocate to each partition what it uses plus an even share of what is free.  If more is used
    than the limit, all parts are ``least``, below which nothing can grow.  That holds even after a
    use shrinks, because a partition does not know what the others still use."""
    free = wide.sub(limit, summed(first + use_at, stride, count))
    share = free // count
    for index in range(count):
        row = first + index * stride
        part = load_i64(row + use_at) + share + (1 if index < free - share * count else 0)
        if limit == NO_LIMIT:
            part = NO_LIMIT
        elif free < 0:
            part = least
        store_i64(row + limit_at, part)


# Before and after the matcher


@kernel
def before(region: RiskState, order: OrderRecord) -> int:
    """Like ``before.before``."""
    if is_rebalance_point(region, order) != 0:
        rebalance(region, order)
    kind = order.kind
    if kind == command.NEW or kind == command.REPLACE:
        instrument = totals.find_symbol(region, order.symbol)
        if instrument < 0:
            return 0
        state, late = partition_of(region, instrument), is_too_fast(region, order, kind)
        if state.owned == 0:
            return 0
        return refuse_rate(region, state, order) if late else command.before(state, order)
    if kind <= DISCONNECT:
        if kind == DISCONNECT:
            disconnected(region, order.participant)
        return 0
    return operator_command(region, order, kind)


@kernel
def take_terms(region: RiskState, terms: OrderRecord) -> int:
    """Like ``lists.take_terms``.  The order that comes again counts once in its owner's rate."""
    participant = terms.participant
    if participant < region.participants:
        row = totals.participant_row(region, participant)
        row.full_at_ns -= row.rate_ns
    instrument = totals.find_symbol(region, terms.symbol)
    return lists.take_terms(partition_of(region, instrument), terms)


@kernel
def ahead(region: RiskState, order: OrderRecord) -> int:
    """Like ``before.ahead``."""
    instrument = totals.find_symbol(region, order.symbol)
    if instrument < 0:
        return 0
    return command.ahead(partition_of(region, instrument), order)


@kernel
def after(region: RiskState, order: OrderRecord, events: int, count: int) -> int:
    """Like ``after.after``; what a command did to several instruments goes to each one's partition,
    in turn. ``events``: address of the first."""
    done = 0
    while done < count:
        state = state_of(region, EventRecord(events + done * RECORD_BYTES))
        end = done + 1
        while end < count and state_of(region, EventRecord(events + end * RECORD_BYTES)) == state:
            end += 1
        events_of.after(state, order, events + done * RECORD_BYTES, end - done)
        done = end
    return 0


@kernel
def state_of(region: RiskState, event: EventRecord) -> RiskState:
    """Return the partition of an event's instrument, the whole region if it names none."""
    word = event.word
    instrument = (word >> events_of.INSTRUMENT_SHIFT) & 0xFFFF
    return region if instrument == NO_INSTRUMENT else partition_of(region, instrument)


@kernel
def is_too_fast(region: RiskState, order: OrderRecord, kind: int) -> bool:
    """Return whether a participant's order comes too soon after its others.  All that it sends
    counts, also what another limit then refuses: that, all cores see."""
    side, order_type = order.side, order.order_type
    known = 1 <= side <= command.SELL and 1 <= order_type <= command.TYPE_COUNT
    participant = order.participant
    if participant >= region.participants or order.qty_lots <= 0:
        return False
    row = totals.participant_row(region, participant)
    rate_ns, now = row.rate_ns, region.now_ns
    if rate_ns == 0 or (kind == command.NEW and not known):
        return False
    full_at = wide.add(max(row.full_at_ns, now), rate_ns)
    burst = row.rate_burst
    if wide.product_above(wide.sub(full_at, now), 1, rate_ns, burst) != 0:
        return True
    row.full_at_ns = full_at
    return False


@kernel_outlined
def refuse_rate(region: RiskState, state: RiskState, order: OrderRecord) -> int:
    """Return the verdict that refuses an order above its participant's rate, with when there is
    room again."""
    not_inlined()
    row = totals.participant_row(region, order.participant)
    rate_ns, now = row.rate_ns, region.now_ns
    stands = wide.sub(max(row.full_at_ns, now), now)
    limit = wide.mul(rate_ns, row.rate_burst)
    return command.refuse(
        state, order, 1 << constants.RATE, limit, stands, wide.add(stands, rate_ns)
    )


@kernel
def disconnected(region: RiskState, participant: int) -> None:
    """A DISCONNECT has cancelled a participant's orders: no partition wants that any longer."""
    command.wanted(region, participant)
    if participant < region.participants:
        for index in range(1, region.partitions + 1):
            row = totals.participant_row(header_of(region, index), participant)
            row.flags &= ~lay.CANCEL_WANTED


@kernel_outlined
def operator_command(region: RiskState, order: OrderRecord, kind: int) -> int:
    """TIME, PHASE and RISK, of the exchange operator."""
    not_inlined()
    if order.participant != 0:
        return 0
    if kind == TIME:
        now = max(region.now_ns, order.aux)
        for index in range(region.partitions + 1):
            header_of(region, index).now_ns = now
        return 0
    setting = order.order_type
    instrument = totals.find_symbol(region, order.symbol)
    if kind == RISK and not permits(region, order):
        return 0
    if kind == RISK and setting >= constants.SET_INSTRUMENT_STATE:
        return 0  # no core knows the positions and orders of all partitions
    if kind == RISK and of_instrument(setting):
        # Every core has the same requests, and only one says whether it applies.
        note_effect(region, order)
    if kind == PHASE or (kind == RISK and of_instrument(setting)):
        return operator_command_of_instrument(region, order, kind, instrument)
    if kind != RISK or follows_prices(order, setting):
        return 0
    answer = operator_command_of_all(region, order, setting, instrument)
    if answer == command.APPLIED:
        note_effect(region, order)
    return answer


@kernel
def follows_prices(order: OrderRecord, setting: int) -> bool:
    """Return whether the setting is a limit that a price change alone can break.  The losses of
    another partition are not known here.  A value that switches such a limit off is allowed."""
    value = order.aux
    stops = setting == constants.SET_LOSS or setting == constants.SET_DRAWDOWN
    return (stops and value != NO_LIMIT) or (setting == constants.SET_MAINTENANCE and value != 0)


@kernel
def operator_command_of_instrument(
    region: RiskState, order: OrderRecord, kind: int, instrument: int
) -> int:
    """Applied by the partition that has the instrument.  All partitions apply a halt and bands,
    since each may be read."""
    if instrument < 0:
        return 0
    state, setting = partition_of(region, instrument), order.order_type
    by_all = kind == RISK and (setting == constants.SET_HALT or setting == constants.SET_BANDS)
    if kind == RISK and setting == constants.SET_LIQUIDATE:
        return 0
    moves = (
        setting == constants.SET_POSITION or constants.SET_FEE <= setting <= constants.SET_WEIGHT
    )
    if kind == RISK and (
        moves or setting == constants.SET_DIVIDEND or setting == constants.SET_SPLIT
    ):
        region.rebalance_due = 1
    if state.owned == 0 and not by_all:
        return 0
    answer = command.operator_command(state, order, kind)
    if by_all and answer == command.APPLIED:
        totals.publish(region)
    return answer


@kernel
def operator_command_of_all(
    region: RiskState, order: OrderRecord, setting: int, instrument: int
) -> int:
    """Apply a setting of the market, of a participant or of a group: by every core, for all
    partitions alike."""
    participant = order.qty_lots
    was = -1
    if of_participant(setting) and 0 <= participant < region.participants:
        was = totals.participant_row(region, participant).group
    if not apply_setting(region, order, instrument):
        return 0
    if setting == constants.SET_GROUP:
        follow_group(region, participant, was)
    for index in range(1, region.partitions + 1):
        state = header_of(region, index)
        state.market_kill = region.market_kill
    if was >= 0:
        allocate_participant(region, participant)
    if was >= 0 or of_group(setting):
        for group in range(region.groups):
            allocate_group(region, group)
    kills = (
        setting == constants.SET_KILL
        or setting == constants.SET_GROUP_KILL
        or setting == constants.SET_MARKET_KILL
    )
    if kills or setting == constants.SET_GROUP:
        totals.publish(region)
    return command.APPLIED


@kernel
def follow_group(region: RiskState, participant: int, was: int) -> None:
    """A participant is in another group: what it holds in each partition counts there."""
    stride, count = region.stride, region.partitions
    first = header_of(region, 1)
    row = totals.participant_row(first, participant)
    joined = totals.participant_row(region, participant).group
    left_at = totals.group_row(first, was) + lay.GROUP_GROSS
    joined_at = totals.group_row(first, joined) + lay.GROUP_GROSS
    for index in range(count):
        gross, at = RiskParticipant(row + index * stride).gross, index * stride
        store_i64(left_at + at, load_i64(left_at + at) - gross)
        store_i64(joined_at + at, load_i64(joined_at + at) + gross)
        if VERIFY:
            assert load_i64(left_at + at) >= 0, "a group has its members' in it"
