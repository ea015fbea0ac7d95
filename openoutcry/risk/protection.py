"""Protection of a market inside the core: price bands, volatility, velocity, and the breaker over
an index of instruments.

Decided where trades happen, on sequenced time: the next command after the one that trips a breaker
is already refused.  Changes of the matcher's phases (halt, re-opening auction, close) come from the
operator's lane, which reads this state (``venue/protection_timer.py``).

Limit up, limit down as in the LULD Plan of the US markets (I, V, VI, VII).  The market-wide breaker
is as in NYSE Rule 7.12, velocity as in CME's velocity logic.  Percentages are cross-multiplied,
never divided.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.protection_layout as protection_layout
from openoutcry.risk import totals
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.layout import RiskState
from openoutcry.risk.protection_layout import ProtectionHeader, ProtectionRow
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.enums import Phase
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, not_inlined, store_i64
from openoutcry.wire.off_book import is_off_book
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, RECORD_BYTES

WORD = EVENT.offsets["participant"]
INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - WORD)
KIND_SHIFT = 8 * (EVENT.offsets["kind"] - WORD)
FLAGS_SHIFT = 8 * (EVENT.offsets["flags"] - WORD)
FILLED, PHASE_CHANGED = enum_numbers.EVENT_KIND_FILLED, enum_numbers.EVENT_KIND_PHASE_CHANGED
COMPLETED = enum_numbers.EVENT_KIND_COMPLETED
MAKER, AUCTION = enum_numbers.EVENT_FLAG_MAKER, enum_numbers.EVENT_FLAG_AUCTION
BUY = enum_numbers.SIDE_BUY
CLOSED, CONTINUOUS = enum_numbers.PHASE_CLOSED, enum_numbers.PHASE_CONTINUOUS
CALLS = sum(
    1 << int(phase)
    for phase in (
        Phase.PRE_OPEN,
        Phase.OPENING_AUCTION,
        Phase.VOLATILITY_AUCTION,
        Phase.CLOSING_AUCTION,
    )
)
TRADES = 1 << CONTINUOUS | 1 << enum_numbers.PHASE_TRADING_AT_LAST
NEVER, SLOTS = protection_layout.NEVER, protection_layout.SLOTS
NOWHERE = int(NO_INSTRUMENT)


@kernel
def protection_of(state: RiskState) -> ProtectionHeader:
    """Address of the protection's block; only where there is one."""
    return ProtectionHeader(state + state.protection_at)


@kernel
def row_of(protection: ProtectionHeader, instrument: int) -> ProtectionRow:
    """Return an instrument's row of market protection."""
    return ProtectionRow(protection + protection.rows_at + instrument * protection_layout.ROW_BYTES)


@kernel
def log(protection: ProtectionHeader, kind: int, instrument: int, now: int, value: int) -> None:
    """Add to the last decisions, for the processes that report them; overwrites the oldest."""
    count = protection.logged
    at = (
        protection
        + protection_layout.LOG_AT
        + count % protection_layout.LOG_ENTRIES * protection_layout.LOG_ENTRY_BYTES
    )
    store_i64(at, kind)
    Words(at)[1] = instrument
    Words(at)[2] = now
    Words(at)[3] = value
    protection.logged = count + 1


# Bands


@kernel
def set_bands(state: RiskState, protection: ProtectionHeader, instrument: int) -> None:
    """The bands in force, of the dynamic and the static reference: what both allow; where they
    do not meet, the static one's nearest end."""
    row = row_of(protection, instrument)
    low, high = -NEVER, NEVER
    price, bps = row.reference, row.band_bps
    if bps != 0 and price != NEVER:
        unit, size = row.ticks_a_unit, max(price, -price)
        if unit != 0 and size <= 3 * unit:
            bps = 2_000 if 4 * size >= 3 * unit else 7_500
        width = max(1, (size * bps + 5_000) // 10_000)
        if unit != 0 and 4 * size < 3 * unit:
            width = max(1, min(width, 15 * unit // 100))
        low, high = price - width, price + width
    fixed, static_bps = row.static_reference, row.static_bps
    if static_bps != 0 and fixed != NEVER:
        width = max(1, (max(fixed, -fixed) * static_bps + 5_000) // 10_000)
        least, most = fixed - width, fixed + width
        low, high = min(max(low, least), most), max(min(high, most), least)
    if VERIFY:
        assert low <= high, "bands leave a price"
        assert (low == -NEVER) == (high == NEVER), "both bands or none"
    row.low = low
    row.high = high
    rules = totals.instrument_row(state, instrument)
    rules.band_low = low
    rules.band_high = high
    rules.banded = 0 if high == NEVER else 1
    totals.publish(state)


@kernel
def is_banded(row: ProtectionRow) -> bool:
    """Return whether an instrument has dynamic or static price bands."""
    return row.band_bps != 0 or row.static_bps != 0


@kernel
def refer(
    state: RiskState, protection: ProtectionHeader, instrument: int, price: int, now: int
) -> None:
    """Set the price that bands are drawn around, at a time in ns, and draw them."""
    row = row_of(protection, instrument)
    row.reference = price
    row.reference_at_ns = now
    if is_banded(row):
        set_bands(state, protection, instrument)
        log(protection, protection_layout.NEW_BANDS, instrument, now, price)


@kernel
def renew_reference(
    state: RiskState, protection: ProtectionHeader, instrument: int, now: int
) -> None:
    """The mean of the last five minutes' trades becomes the reference if it is 1 % away or more,
    and the one in effect has been for RENEWAL_NS."""
    row = row_of(protection, instrument)
    reference, trades = row.reference, row.trades
    if row.band_bps == 0 or row.state >= protection_layout.PAUSED or trades == 0:
        return
    if row.phase != CONTINUOUS or reference == NEVER:
        return
    if now - row.reference_at_ns < row.renewal_ns:
        return
    total = row.sum
    if total == reference * trades:
        return
    away = total - reference * trades
    size = max(reference, -reference) * trades
    if wide.product_above(size, 1, max(away, -away), 100) == 0:
        refer(state, protection, instrument, (2 * total + trades) // (2 * trades), now)


@kernel
def judge_quote(protection: ProtectionHeader, instrument: int, now: int) -> None:
    """The best displayed prices: a bid at the upper band or an offer at the lower one is a limit
    state, until it no longer is."""
    row = row_of(protection, instrument)
    state = row.state
    if state > protection_layout.LIMIT_STATE or not is_banded(row) or row.phase != CONTINUOUS:
        return
    best = protection + protection.quotes_at + instrument * protection_layout.QUOTE_BYTES
    at_high = load_i64(best) != 0 and Words(best)[1] >= row.high
    at_low = Words(best)[3] != 0 and Words(best)[4] <= row.low
    if not (at_high or at_low):
        row.state = protection_layout.NORMAL
    elif state == protection_layout.NORMAL:
        row.state = protection_layout.LIMIT_STATE
        row.since_ns = now
        log(protection, protection_layout.LIMIT, instrument, now, 0)


# Pauses


@kernel
def pause_one(
    state: RiskState, protection: ProtectionHeader, instrument: int, now: int, until: int, why: int
) -> None:
    """Pause one instrument: no order enters from here on. Of two pauses the later end counts, and
    that of the market."""
    row = row_of(protection, instrument)
    if row.state == protection_layout.PAUSED:
        row.until_ns = max(row.until_ns, until)
        if why == protection_layout.BY_MARKET:
            row.why = why
        return
    if VERIFY:
        assert until >= now, "a pause ends after its begin"
        assert now >= row.since_ns, "sequenced time goes on"
        assert protection_layout.BY_BANDS <= why <= protection_layout.BY_GROUP, (
            "a pause has a reason"
        )
    row.state = protection_layout.PAUSED
    row.since_ns = now
    row.until_ns = until
    row.why = why
    row.paused_times += 1
    protection.pauses += 1
    switch_halt(state, instrument, True)
    log(protection, protection_layout.PAUSE, instrument, now, why)


@kernel
def switch_halt(state: RiskState, instrument: int, on: bool) -> None:
    """Halt an instrument for market protection, or end that; other halts remain."""
    rules = totals.instrument_row(state, instrument)
    halt = rules.halt & ~protection_layout.PROTECTIONS_HALT
    rules.halt = halt | (protection_layout.PROTECTIONS_HALT if on else 0)
    totals.publish(state)


@kernel
def pause(
    state: RiskState, protection: ProtectionHeader, instrument: int, now: int, why: int
) -> None:
    """An instrument in continuous trading, and with it those that halt together with it."""
    row = row_of(protection, instrument)
    if row.state >= protection_layout.PAUSED or row.phase != CONTINUOUS:
        return
    until = wide.add(now, row.pause_ns)
    pause_one(state, protection, instrument, now, until, why)
    together = row.halt_group
    if together != 0:
        for other in range(state.instruments):
            beside = row_of(protection, other)
            trades = beside.phase == CONTINUOUS
            member = beside.halt_group == together
            if member and trades and beside.state < protection_layout.PAUSED:
                pause_one(state, protection, other, now, until, protection_layout.BY_GROUP)


# Trades


@kernel
def roll(row: ProtectionRow, second: int) -> None:
    """Bring the window to this second: what is older counts no longer."""
    if row.second == second:
        return
    row.second = second
    volatile, fast = row.volatility_s, row.velocity_s
    total, trades, low, high = 0, 0, NEVER, -NEVER
    fast_low, fast_high = NEVER, -NEVER
    for slot in range(SLOTS):
        at = row + protection_layout.SLOTS_AT + slot * protection_layout.SLOT_BYTES
        count, age = Words(at)[2], second - load_i64(at)
        if count != 0 and age < SLOTS:
            total += Words(at)[1]
            trades += count
            if age < volatile:
                low, high = min(low, Words(at)[3]), max(high, Words(at)[4])
            if age < fast:
                fast_low = min(fast_low, Words(at)[3])
                fast_high = max(fast_high, Words(at)[4])
    row.sum = total
    row.trades = trades
    row.lowest = low
    row.highest = high
    row.fast_lowest = fast_low
    row.fast_highest = fast_high
    if VERIFY:
        assert trades >= 0, "trades are counted up"
        assert trades <= protection_layout.TRADES_LIMIT, "as many as a sum has room for"
        assert trades > 0 or total == 0, "no trades, no sum"
        assert trades > 0 or low == NEVER, "nor a price"


@kernel
def count_trade(row: ProtectionRow, price: int, second: int) -> None:
    """Note a trade's price in the window of its second (sequenced time)."""
    if VERIFY:
        assert second >= row.second, "sequenced time goes on"
    roll(row, second)
    at = row + protection_layout.SLOTS_AT + second % SLOTS * protection_layout.SLOT_BYTES
    if load_i64(at) != second or Words(at)[2] == 0:
        store_i64(at, second)
        Words(at)[1] = 0
        Words(at)[2] = 0
        Words(at)[3] = price
        Words(at)[4] = price
    if row.trades < protection_layout.TRADES_LIMIT:
        Words(at)[1] += price
        Words(at)[2] += 1
        row.sum += price
        row.trades += 1
    Words(at)[3] = min(Words(at)[3], price)
    Words(at)[4] = max(Words(at)[4], price)
    row.lowest = min(row.lowest, price)
    row.highest = max(row.highest, price)
    row.fast_lowest = min(row.fast_lowest, price)
    row.fast_highest = max(row.fast_highest, price)
    if VERIFY:
        assert row.trades > 0, "this one counts"
        assert row.lowest <= row.fast_lowest or (row.volatility_s < row.velocity_s), (
            "the longer window has the shorter one in it"
        )


@kernel
def share_above(away: int, of: int, bps: int) -> bool:
    """Return whether ``away`` is more than ``bps`` basis points of ``of``, whatever the sign of
    ``of``."""
    return away * 10_000 > max(of, -of) * bps


@kernel
def trade(
    state: RiskState, protection: ProtectionHeader, instrument: int, price: int, now: int
) -> None:
    """A trade in continuous trading: it counts in the window, may move the reference, may trip a
    breaker.  One outside of the bands (by an order that rested when they moved) does."""
    row = row_of(protection, instrument)
    if row.phase != CONTINUOUS:
        return
    if row.reference == NEVER:
        row.static_reference = price
        refer(state, protection, instrument, price, now)
    outside = price < row.low or price > row.high
    count_trade(row, price, now // protection_layout.SECOND_NS)
    renew_reference(state, protection, instrument, now)
    low, high = row.lowest, row.highest
    bps = row.volatility_bps
    if bps != 0 and (share_above(high - price, high, bps) or share_above(price - low, low, bps)):
        pause(state, protection, instrument, now, protection_layout.BY_VOLATILITY)
    ticks = row.velocity_ticks
    low, high = row.fast_lowest, row.fast_highest
    if ticks != 0 and max(high - price, price - low) > ticks:
        pause(state, protection, instrument, now, protection_layout.BY_VELOCITY)
    if outside:
        pause(state, protection, instrument, now, protection_layout.BY_BANDS)


@kernel
def break_market(state: RiskState, protection: ProtectionHeader, now: int) -> None:
    """The index against the previous close, from the highest level down.  A level fires once a
    day, and none below one that fired; levels 1 and 2 only before the cut-off."""
    fired = protection.level_fired
    if protection.day == 0 or fired == 3 or protection.market_until_ns != 0:
        return
    index, base = 0, index_base(state, protection)
    if base <= 0:
        return
    for instrument in range(state.instruments):
        weight = row_of(protection, instrument).weight
        if weight != 0:
            last = totals.instrument_row(state, instrument).last
            if last == NO_LIMIT:
                return
            index += weight * last
    level = 0
    if is_down(index, base, protection.level_3_bps):
        level = 3
    elif is_down(index, base, protection.level_2_bps):
        level = 2
    elif is_down(index, base, protection.level_1_bps):
        level = 1
    if level <= fired or (level != 3 and now >= protection.cut_off_ns):
        return
    if VERIFY:
        assert fired < level <= 3, "a level fires once, and none below one that fired"
    until = NEVER
    if level != 3:
        until = wide.add(now, (protection.halt_1_ns if level == 1 else protection.halt_2_ns))
    protection.level_fired = level
    protection.market_until_ns = until
    log(protection, protection_layout.MARKET_HALT, -1, now, level)
    for instrument in range(state.instruments):
        if row_of(protection, instrument).phase != CLOSED:
            pause_one(state, protection, instrument, now, until, protection_layout.BY_MARKET)


@kernel
def index_base(state: RiskState, protection: ProtectionHeader) -> int:
    """The index at the previous closes; 0: one of its instruments has none, or there is no index,
    or no day has begun."""
    base = 0
    if protection.day == 0:
        return 0
    for instrument in range(state.instruments):
        row = row_of(protection, instrument)
        weight, close = row.weight, row.close
        if weight != 0:
            if close == NEVER:
                return 0
            base += weight * close
    return base


@kernel
def level_at(base: int, bps: int) -> int:
    """Return where a level of the breaker is, to the nearest unit; 0: it is off, or there is no
    base."""
    if bps == 0 or base <= 0:
        return 0
    kept = 10_000 - bps
    return base // 10_000 * kept + (base % 10_000 * kept + 5_000) // 10_000


@kernel
def is_down(index: int, base: int, bps: int) -> bool:
    """Return whether the index is at a level or below it, the level to the nearest unit as it is
    published."""
    if bps == 0:
        return False
    scaled = wide.sub(wide.mul(index, 10_000), 5_000)
    if scaled < NEVER - 10_000:
        return wide.product_above(scaled, 1, base, 10_000 - bps) == 0
    return wide.product_above(index, 10_000, base, 10_000 - bps) == 0


# Phases


@kernel
def change_phase(
    state: RiskState,
    protection: ProtectionHeader,
    instrument: int,
    phase: int,
    price: int,
    now: int,
) -> None:
    """The matcher has another phase; ``price``: its auction's, NEVER if none traded."""
    row = row_of(protection, instrument)
    stands = row.state
    row.phase = phase
    if phase == CLOSED:
        row.state = protection_layout.NORMAL
        switch_halt(state, instrument, False)
        forget(state, protection, instrument)
    elif (CALLS >> phase) & 1 != 0:
        by_market = row.why == protection_layout.BY_MARKET
        if stands == protection_layout.DUE or (
            stands == protection_layout.PAUSED and not by_market
        ):
            row.state = protection_layout.CALLING
            row.since_ns = now
            switch_halt(state, instrument, False)
            log(protection, protection_layout.CALL, instrument, now, 0)
        elif stands == protection_layout.CALLING:
            row.since_ns = now
        elif stands == protection_layout.LIMIT_STATE:
            row.state = protection_layout.NORMAL
        if stands != protection_layout.CALLING:
            forget(state, protection, instrument)
    elif TRADES >> phase & 1 != 0 and stands in (
        protection_layout.NORMAL,
        protection_layout.CALLING,
    ):
        row.state = protection_layout.NORMAL
        if price == NEVER:
            price = totals.instrument_row(state, instrument).last
        if price != NO_LIMIT:
            row.static_reference = price
            refer(state, protection, instrument, price, now)
        if stands == protection_layout.CALLING:
            log(protection, protection_layout.OPENED, instrument, now, price)


@kernel
def forget(state: RiskState, protection: ProtectionHeader, instrument: int) -> None:
    """Forget what was before an auction is over: no trades, no reference, no bands."""
    row = row_of(protection, instrument)
    for slot in range(SLOTS):
        Words(row + protection_layout.SLOTS_AT + slot * protection_layout.SLOT_BYTES)[2] = 0
    second = row.second
    row.second = -1
    roll(row, second)
    row.reference = NEVER
    row.static_reference = NEVER
    if is_banded(row):
        set_bands(state, protection, instrument)


# Words of events that the matcher leaves free, for readers of events alone.


@kernel_outlined
def say_cause(protection: ProtectionHeader, event: EventRecord, instrument: int) -> None:
    """PHASE_CHANGED: why what it ends or begins pauses, and the breaker's level."""
    not_inlined()
    row = row_of(protection, instrument)
    if row.state >= protection_layout.PAUSED:
        why = row.why
        event.order_id = why
        if why == protection_layout.BY_MARKET:
            event.leaves_lots = protection.level_fired


@kernel_outlined
def say_levels(state: RiskState, protection: ProtectionHeader, event: EventRecord) -> None:
    """COMPLETED of what the breaker's levels depend on: where they are now."""
    not_inlined()
    setting = event.contra_id
    if setting in (constants.SET_TRADING_DAY, constants.SET_BREAKER, constants.SET_INDEX_WEIGHT):
        base = index_base(state, protection)
        event.price_ticks = level_at(base, protection.level_1_bps)
        event.qty_lots = level_at(base, protection.level_2_bps)
        event.order_id = level_at(base, protection.level_3_bps)


# What the core calls


@kernel_outlined
def watch(state: RiskState, events: int, count: int) -> int:
    """All events of a command, after the rest of ``after``; the quotes are those after it."""
    not_inlined()
    protection, now = protection_of(state), state.now_ns
    phase, changed, auction, indexed, judged = 0, -1, NEVER, 0, -1
    for index in range(count):
        event = EventRecord(events + index * RECORD_BYTES)
        word = event.word
        kind, instrument = (word >> KIND_SHIFT) & 0xFF, (word >> INSTRUMENT_SHIFT) & 0xFFFF
        if kind == FILLED:
            flags, price = (word >> FLAGS_SHIFT) & 0xFF, event.price_ticks
            if flags & AUCTION != 0:
                auction = price
                indexed = 1
            elif flags & MAKER != 0 and not is_off_book(event.order_id):
                trade(state, protection, instrument, price, now)
                indexed = 1
        elif kind == PHASE_CHANGED:
            # Into the phase that it is in already: a call that is put off, or a repeat of the
            # calendar after an auction that was not, which changes nothing.
            if event.qty_lots != event.contra_id or CALLS >> event.qty_lots & 1 != 0:
                changed, phase = instrument, event.qty_lots
            say_cause(protection, event, instrument)
        elif kind == COMPLETED:
            say_levels(state, protection, event)
    if changed >= 0:
        change_phase(state, protection, changed, phase, auction, now)
    for index in range(count):
        word = EventRecord(events + index * RECORD_BYTES).word
        instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
        if instrument != judged and instrument != NOWHERE:
            judged = instrument
            judge_quote(protection, instrument, now)
    if indexed != 0 and protection.indexed != 0:
        break_market(state, protection, now)
    return 0


@kernel_outlined
def tick(state: RiskState) -> int:
    """Sequenced time: references are renewed, limit states become pauses, pauses and halts end."""
    not_inlined()
    protection, now = protection_of(state), state.now_ns
    for instrument in range(state.instruments):
        row = row_of(protection, instrument)
        if row.phase == CONTINUOUS:
            roll(row, now // protection_layout.SECOND_NS)
            renew_reference(state, protection, instrument, now)
        stands, since = row.state, row.since_ns
        if stands == protection_layout.LIMIT_STATE and now - since >= row.limit_state_ns:
            pause(state, protection, instrument, now, protection_layout.BY_BANDS)
        elif stands == protection_layout.PAUSED and now >= row.until_ns:
            row.state = protection_layout.DUE
            log(protection, protection_layout.REOPEN, instrument, now, 0)
    until = protection.market_until_ns
    if until != 0 and until != NEVER and now >= until:
        protection.market_until_ns = 0
    return 0
