"""Fees by schedule: which schedule, which tier by 30 days' volume, and how much of an amount."""

import openoutcry.ledger.layout as lay
from openoutcry.ledger.layout import (
    FeeTier,
    LedgerCell,
    LedgerInstrument,
    LedgerParticipant,
    LedgerState,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, store_i64

MOST = 2**63 - 1


@kernel
def share_of(amount: int, rate: int) -> int:
    """``rate`` millionths of an amount (0 or more), the nearest whole unit, of two the even one.

    Exact: the rate is at most 1,000,000 in size, so nothing leaves int64.
    """
    size = max(rate, -rate)
    whole, rest = (amount // lay.FEE_UNIT) * size, (amount % lay.FEE_UNIT) * size
    fee, remainder = whole + rest // lay.FEE_UNIT, rest % lay.FEE_UNIT
    if 2 * remainder > lay.FEE_UNIT or (2 * remainder == lay.FEE_UNIT and fee & 1 != 0):
        fee += 1
    return fee if rate >= 0 else -fee


@kernel
def bring_to_day(row: LedgerParticipant, day: int) -> None:
    """The volume that counts is that of the 30 days before this one."""
    last = row.day
    if day <= last:
        return
    for step in range(min(day - last, lay.RING_DAYS)):
        Words(row + lay.VOLUMES)[(day - step) % lay.RING_DAYS] = 0
    total = 0
    for index in range(lay.RING_DAYS):
        more = Words(row + lay.VOLUMES)[index]
        total = MOST if more > MOST - total else total + more
    row.day = day
    row.volume = total


@kernel
def add_volume(row: int, day: int, amount: int) -> None:
    """Add to a day's volume in the ring of days; it stops at the largest int64."""
    at = row + lay.VOLUMES + 8 * (day % lay.RING_DAYS)
    now = load_i64(at)
    store_i64(at, MOST if amount > MOST - now else now + amount)


@kernel
def schedule_of(
    books: LedgerState, rules: LedgerInstrument, row: LedgerParticipant, cell: LedgerCell
) -> int:
    """Address of the schedule: the most special that is named; 0: none."""
    number = cell.schedule
    if number == 0:
        number = row.schedule
    if number == 0:
        number = rules.schedule
    if number == 0:
        number = books.schedule_of_all
    if number == 0:
        return 0
    return books.schedules_at + (number - 1) * lay.SCHEDULE_WORDS * 8


@kernel
def fee_of(
    books: LedgerState,
    rules: LedgerInstrument,
    row: LedgerParticipant,
    cell: LedgerCell,
    day: int,
    amount: int,
    is_maker: bool,
) -> int:
    """The fee of a fill of this amount of money (0 or more); the amount counts as volume."""
    bring_to_day(row, day)
    schedule, fee = schedule_of(books, rules, row, cell), 0
    if schedule != 0:
        volume, best, rate = row.volume, lay.UNUSED_TIER, 0
        for tier in range(lay.TIER_COUNT):
            at = FeeTier(schedule + lay.TIERS + tier * lay.TIER_WORDS * 8)
            begin = at.from_
            if begin > best and begin <= volume:
                best = begin
                rate = at.maker if is_maker else at.taker
        fee = share_of(amount, rate)
        if rate > 0:
            fee = max(fee, load_i64(schedule + lay.MINIMUM))
    add_volume(row, day, amount)
    return fee
