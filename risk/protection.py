# (intrinsics have no types that mypy could see)
"""Protection of a market inside the core: price bands, volatility, velocity, and the breaker over
an index of instruments.

Decided where trades happen, on sequenced time: the command behind the one that trips a breaker is
refused already.  What takes the matcher's phases (halt, re-opening auction, close) comes from the
operator's lane, which reads what stands here (``venue/guard.py``).

Limit up, limit down as in the LULD Plan of the US markets (I, V, VI, VII); the market-wide breaker
as in NYSE Rule 7.12; velocity as in CME's velocity logic.  Percentages are cross-multiplied, never
divided.
"""

import openoutcry.risk.constants as rb
import openoutcry.risk.guard_layout as g
import openoutcry.risk.layout as lay
from openoutcry.risk import totals, wide
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.wire.enums import EventFlag, EventKind, Phase, Side
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64
from openoutcry.wire.records import EVENT, NO_INSTRUMENT, RECORD_BYTES

PRICE, QTY = EVENT.offsets["price_ticks"], EVENT.offsets["qty_lots"]
ORDER_ID, CONTRA = EVENT.offsets["order_id"], EVENT.offsets["contra_id"]
LEAVES = EVENT.offsets["leaves_lots"]
WORD = EVENT.offsets["participant"]
INSTRUMENT_SHIFT = 8 * (EVENT.offsets["instrument"] - WORD)
KIND_SHIFT = 8 * (EVENT.offsets["kind"] - WORD)
SIDE_SHIFT = 8 * (EVENT.offsets["side"] - WORD)
FLAGS_SHIFT = 8 * (EVENT.offsets["flags"] - WORD)
FILLED, PHASE_CHANGED = int(EventKind.FILLED), int(EventKind.PHASE_CHANGED)
COMPLETED = int(EventKind.COMPLETED)
MAKER, AUCTION = int(EventFlag.MAKER), int(EventFlag.AUCTION)
BUY = int(Side.BUY)
CLOSED, CONTINUOUS = int(Phase.CLOSED), int(Phase.CONTINUOUS)
CALLS = sum(
    1 << int(phase)
    for phase in (
        Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.VOLATILITY_AUCTION, Phase.CLOSING_AUCTION,
    )
)  # fmt: skip
NEVER, SLOTS = g.NEVER, g.SLOTS
NOWHERE = int(NO_INSTRUMENT)


@kernel
def guard_of(state: int) -> int:
    """Address of the protection's block; only where there is one."""
    return state + load_i64(state + lay.PROTECTION_AT)


@kernel
def row_of(guard: int, instrument: int) -> int:
    return guard + load_i64(guard + g.ROWS_AT) + instrument * g.ROW_BYTES


@kernel
def log(guard: int, kind: int, instrument: int, now: int, value: int) -> None:
    """The last decisions, for whoever tells them; the oldest is written over."""
    count = load_i64(guard + g.LOGGED)
    at = guard + g.LOG_AT + count % g.LOG_ENTRIES * g.LOG_ENTRY_BYTES
    store_i64(at, kind)
    store_i64(at + 8, instrument)
    store_i64(at + 16, now)
    store_i64(at + 24, value)
    store_i64(guard + g.LOGGED, count + 1)


# Bands


@kernel
def set_bands(state: int, guard: int, instrument: int) -> None:
    """The bands that stand, of the dynamic and the static reference: what both allow; where they
    do not meet, the static one's nearest end."""
    row = row_of(guard, instrument)
    low, high = -NEVER, NEVER
    price, bps = load_i64(row + g.REFERENCE), load_i64(row + g.BAND_BPS)
    if bps != 0 and price != NEVER:
        unit, size = load_i64(row + g.TICKS_A_UNIT), max(price, -price)
        if unit != 0 and size <= 3 * unit:
            bps = 2_000 if 4 * size >= 3 * unit else 7_500
        width = max(1, (size * bps + 5_000) // 10_000)
        if unit != 0 and 4 * size < 3 * unit:
            width = max(1, min(width, 15 * unit // 100))
        low, high = price - width, price + width
    fixed, static_bps = load_i64(row + g.STATIC_REFERENCE), load_i64(row + g.STATIC_BPS)
    if static_bps != 0 and fixed != NEVER:
        width = max(1, (max(fixed, -fixed) * static_bps + 5_000) // 10_000)
        least, most = fixed - width, fixed + width
        low, high = min(max(low, least), most), max(min(high, most), least)
    if VERIFY:
        assert low <= high, "bands leave a price"
        assert (low == -NEVER) == (high == NEVER), "both bands or none"
    store_i64(row + g.LOW, low)
    store_i64(row + g.HIGH, high)
    rules = totals.instrument_row(state, instrument)
    store_i64(rules + lay.BAND_LOW, low)
    store_i64(rules + lay.BAND_HIGH, high)
    store_i64(rules + lay.BANDED, 0 if high == NEVER else 1)
    totals.publish(state)


@kernel
def is_banded(row: int) -> bool:
    return load_i64(row + g.BAND_BPS) != 0 or load_i64(row + g.STATIC_BPS) != 0


@kernel
def refer(state: int, guard: int, instrument: int, price: int, now: int) -> None:
    row = row_of(guard, instrument)
    store_i64(row + g.REFERENCE, price)
    store_i64(row + g.REFERENCE_AT_NS, now)
    if is_banded(row):
        set_bands(state, guard, instrument)
        log(guard, g.NEW_BANDS, instrument, now, price)


@kernel
def renew_reference(state: int, guard: int, instrument: int, now: int) -> None:
    """The mean of the last five minutes' trades becomes the reference if it is 1 % away or more,
    and the one in effect has been for RENEWAL_NS."""
    row = row_of(guard, instrument)
    reference, trades = load_i64(row + g.REFERENCE), load_i64(row + g.TRADES)
    if load_i64(row + g.BAND_BPS) == 0 or load_i64(row + g.STATE) >= g.PAUSED or trades == 0:
        return
    if load_i64(row + g.PHASE) != CONTINUOUS or reference == NEVER:
        return
    if now - load_i64(row + g.REFERENCE_AT_NS) < load_i64(row + g.RENEWAL_NS):
        return
    total = load_i64(row + g.SUM)
    if total == reference * trades:
        return
    away = total - reference * trades
    size = max(reference, -reference) * trades
    if wide.product_above(size, 1, max(away, -away), 100) == 0:
        refer(state, guard, instrument, (2 * total + trades) // (2 * trades), now)


@kernel
def judge_quote(guard: int, instrument: int, now: int) -> None:
    """The best displayed prices: a bid at the upper band or an offer at the lower one is a limit
    state, until it no longer is."""
    row = row_of(guard, instrument)
    state = load_i64(row + g.STATE)
    if state > g.LIMIT_STATE or not is_banded(row) or load_i64(row + g.PHASE) != CONTINUOUS:
        return
    best = guard + load_i64(guard + g.QUOTES_AT) + instrument * g.QUOTE_BYTES
    at_high = load_i64(best) != 0 and load_i64(best + 8) >= load_i64(row + g.HIGH)
    at_low = load_i64(best + 24) != 0 and load_i64(best + 32) <= load_i64(row + g.LOW)
    if not (at_high or at_low):
        store_i64(row + g.STATE, g.NORMAL)
    elif state == g.NORMAL:
        store_i64(row + g.STATE, g.LIMIT_STATE)
        store_i64(row + g.SINCE_NS, now)
        log(guard, g.LIMIT, instrument, now, 0)


# Pauses


@kernel
def pause_one(state: int, guard: int, instrument: int, now: int, until: int, why: int) -> None:
    """Nothing enters from here on.  Of two pauses the later end counts, and that of the market."""
    row = row_of(guard, instrument)
    if load_i64(row + g.STATE) == g.PAUSED:
        store_i64(row + g.UNTIL_NS, max(load_i64(row + g.UNTIL_NS), until))
        if why == g.BY_MARKET:
            store_i64(row + g.WHY, why)
        return
    if VERIFY:
        assert until >= now, "a pause ends behind its begin"
        assert now >= load_i64(row + g.SINCE_NS), "sequenced time goes on"
        assert g.BY_BANDS <= why <= g.BY_GROUP, "a pause has a reason"
    store_i64(row + g.STATE, g.PAUSED)
    store_i64(row + g.SINCE_NS, now)
    store_i64(row + g.UNTIL_NS, until)
    store_i64(row + g.WHY, why)
    store_i64(row + g.PAUSED_TIMES, load_i64(row + g.PAUSED_TIMES) + 1)
    store_i64(guard + g.PAUSES, load_i64(guard + g.PAUSES) + 1)
    switch_halt(state, instrument, True)
    log(guard, g.PAUSE, instrument, now, why)


@kernel
def switch_halt(state: int, instrument: int, on: bool) -> None:
    rules = totals.instrument_row(state, instrument)
    halt = load_i64(rules + lay.HALT) & ~g.PROTECTIONS_HALT
    store_i64(rules + lay.HALT, halt | (g.PROTECTIONS_HALT if on else 0))
    totals.publish(state)


@kernel
def pause(state: int, guard: int, instrument: int, now: int, why: int) -> None:
    """An instrument in continuous trading, and with it those that halt together with it."""
    row = row_of(guard, instrument)
    if load_i64(row + g.STATE) >= g.PAUSED or load_i64(row + g.PHASE) != CONTINUOUS:
        return
    until = wide.add(now, load_i64(row + g.PAUSE_NS))
    pause_one(state, guard, instrument, now, until, why)
    together = load_i64(row + g.HALT_GROUP)
    if together != 0:
        for other in range(load_i64(state + lay.INSTRUMENTS)):
            beside = row_of(guard, other)
            trades = load_i64(beside + g.PHASE) == CONTINUOUS
            member = load_i64(beside + g.HALT_GROUP) == together
            if member and trades and load_i64(beside + g.STATE) < g.PAUSED:
                pause_one(state, guard, other, now, until, g.BY_GROUP)


# Trades


@kernel
def roll(row: int, second: int) -> None:
    """Bring the window to this second: what is older counts no longer."""
    if load_i64(row + g.SECOND) == second:
        return
    store_i64(row + g.SECOND, second)
    volatile, fast = load_i64(row + g.VOLATILITY_S), load_i64(row + g.VELOCITY_S)
    total, trades, low, high = 0, 0, NEVER, -NEVER
    fast_low, fast_high = NEVER, -NEVER
    for slot in range(SLOTS):
        at = row + g.SLOTS_AT + slot * g.SLOT_BYTES
        count, age = load_i64(at + 16), second - load_i64(at)
        if count != 0 and age < SLOTS:
            total += load_i64(at + 8)
            trades += count
            if age < volatile:
                low, high = min(low, load_i64(at + 24)), max(high, load_i64(at + 32))
            if age < fast:
                fast_low = min(fast_low, load_i64(at + 24))
                fast_high = max(fast_high, load_i64(at + 32))
    store_i64(row + g.SUM, total)
    store_i64(row + g.TRADES, trades)
    store_i64(row + g.LOWEST, low)
    store_i64(row + g.HIGHEST, high)
    store_i64(row + g.FAST_LOWEST, fast_low)
    store_i64(row + g.FAST_HIGHEST, fast_high)
    if VERIFY:
        assert trades >= 0, "trades are counted up"
        assert trades <= g.TRADES_LIMIT, "as many as a sum has room for"
        assert trades > 0 or total == 0, "no trades, no sum"
        assert trades > 0 or low == NEVER, "nor a price"


@kernel
def count_trade(row: int, price: int, second: int) -> None:
    if VERIFY:
        assert second >= load_i64(row + g.SECOND), "sequenced time goes on"
    roll(row, second)
    at = row + g.SLOTS_AT + second % SLOTS * g.SLOT_BYTES
    if load_i64(at) != second or load_i64(at + 16) == 0:
        store_i64(at, second)
        store_i64(at + 8, 0)
        store_i64(at + 16, 0)
        store_i64(at + 24, price)
        store_i64(at + 32, price)
    if load_i64(row + g.TRADES) < g.TRADES_LIMIT:
        store_i64(at + 8, load_i64(at + 8) + price)
        store_i64(at + 16, load_i64(at + 16) + 1)
        store_i64(row + g.SUM, load_i64(row + g.SUM) + price)
        store_i64(row + g.TRADES, load_i64(row + g.TRADES) + 1)
    store_i64(at + 24, min(load_i64(at + 24), price))
    store_i64(at + 32, max(load_i64(at + 32), price))
    store_i64(row + g.LOWEST, min(load_i64(row + g.LOWEST), price))
    store_i64(row + g.HIGHEST, max(load_i64(row + g.HIGHEST), price))
    store_i64(row + g.FAST_LOWEST, min(load_i64(row + g.FAST_LOWEST), price))
    store_i64(row + g.FAST_HIGHEST, max(load_i64(row + g.FAST_HIGHEST), price))
    if VERIFY:
        assert load_i64(row + g.TRADES) > 0, "this one counts"
        assert load_i64(row + g.LOWEST) <= load_i64(row + g.FAST_LOWEST) or (
            load_i64(row + g.VOLATILITY_S) < load_i64(row + g.VELOCITY_S)
        ), "the longer window has the shorter one in it"


@kernel
def share_above(away: int, of: int, bps: int) -> bool:
    return away * 10_000 > max(of, -of) * bps


@kernel
def trade(state: int, guard: int, instrument: int, price: int, now: int) -> None:
    """A trade in continuous trading: it counts in the window, may move the reference, may trip a
    breaker.  One outside of the bands (by an order that rested when they moved) does."""
    row = row_of(guard, instrument)
    if load_i64(row + g.PHASE) != CONTINUOUS:
        return
    if load_i64(row + g.REFERENCE) == NEVER:
        store_i64(row + g.STATIC_REFERENCE, price)
        refer(state, guard, instrument, price, now)
    outside = price < load_i64(row + g.LOW) or price > load_i64(row + g.HIGH)
    count_trade(row, price, now // g.SECOND_NS)
    renew_reference(state, guard, instrument, now)
    low, high = load_i64(row + g.LOWEST), load_i64(row + g.HIGHEST)
    bps = load_i64(row + g.VOLATILITY_BPS)
    if bps != 0 and (share_above(high - price, high, bps) or share_above(price - low, low, bps)):
        pause(state, guard, instrument, now, g.BY_VOLATILITY)
    ticks = load_i64(row + g.VELOCITY_TICKS)
    low, high = load_i64(row + g.FAST_LOWEST), load_i64(row + g.FAST_HIGHEST)
    if ticks != 0 and max(high - price, price - low) > ticks:
        pause(state, guard, instrument, now, g.BY_VELOCITY)
    if outside:
        pause(state, guard, instrument, now, g.BY_BANDS)


@kernel
def break_market(state: int, guard: int, now: int) -> None:
    """The index against the previous close, from the highest level down.  A level fires once a
    day, and none below one that fired; levels 1 and 2 only before the cut-off."""
    fired = load_i64(guard + g.LEVEL_FIRED)
    if load_i64(guard + g.DAY) == 0 or fired == 3 or load_i64(guard + g.MARKET_UNTIL_NS) != 0:
        return
    index, base = 0, index_base(state, guard)
    if base <= 0:
        return
    for instrument in range(load_i64(state + lay.INSTRUMENTS)):
        weight = load_i64(row_of(guard, instrument) + g.WEIGHT)
        if weight != 0:
            last = load_i64(totals.instrument_row(state, instrument) + lay.LAST)
            if last == NO_LIMIT:
                return
            index += weight * last
    level = 0
    if is_down(index, base, load_i64(guard + g.LEVEL_3_BPS)):
        level = 3
    elif is_down(index, base, load_i64(guard + g.LEVEL_2_BPS)):
        level = 2
    elif is_down(index, base, load_i64(guard + g.LEVEL_1_BPS)):
        level = 1
    if level <= fired or (level != 3 and now >= load_i64(guard + g.CUT_OFF_NS)):
        return
    if VERIFY:
        assert fired < level <= 3, "a level fires once, and none below one that fired"
    until = NEVER
    if level != 3:
        until = wide.add(now, load_i64(guard + (g.HALT_1_NS if level == 1 else g.HALT_2_NS)))
    store_i64(guard + g.LEVEL_FIRED, level)
    store_i64(guard + g.MARKET_UNTIL_NS, until)
    log(guard, g.MARKET_HALT, -1, now, level)
    for instrument in range(load_i64(state + lay.INSTRUMENTS)):
        if load_i64(row_of(guard, instrument) + g.PHASE) != CLOSED:
            pause_one(state, guard, instrument, now, until, g.BY_MARKET)


@kernel
def index_base(state: int, guard: int) -> int:
    """The index at the previous closes; 0: one of its instruments has none, or there is no index,
    or no day has begun."""
    base = 0
    if load_i64(guard + g.DAY) == 0:
        return 0
    for instrument in range(load_i64(state + lay.INSTRUMENTS)):
        row = row_of(guard, instrument)
        weight, close = load_i64(row + g.WEIGHT), load_i64(row + g.CLOSE)
        if weight != 0:
            if close == NEVER:
                return 0
            base += weight * close
    return base


@kernel
def level_at(base: int, bps: int) -> int:
    """Where a level of the breaker is, to the nearest unit; 0: it is off, or there is no base."""
    if bps == 0 or base <= 0:
        return 0
    kept = 10_000 - bps
    return base // 10_000 * kept + (base % 10_000 * kept + 5_000) // 10_000


@kernel
def is_down(index: int, base: int, bps: int) -> bool:
    """At a level or below it, the level to the nearest unit as it is published."""
    if bps == 0:
        return False
    scaled = wide.sub(wide.mul(index, 10_000), 5_000)
    if scaled < NEVER - 10_000:
        return wide.product_above(scaled, 1, base, 10_000 - bps) == 0
    return wide.product_above(index, 10_000, base, 10_000 - bps) == 0


# Phases


@kernel
def change_phase(state: int, guard: int, instrument: int, phase: int, price: int, now: int) -> None:
    """The matcher has another phase; ``price``: its auction's, NEVER if none traded."""
    row = row_of(guard, instrument)
    stands = load_i64(row + g.STATE)
    store_i64(row + g.PHASE, phase)
    if phase == CLOSED:
        store_i64(row + g.STATE, g.NORMAL)
        switch_halt(state, instrument, False)
        forget(state, guard, instrument)
    elif (CALLS >> phase) & 1 != 0:
        by_market = load_i64(row + g.WHY) == g.BY_MARKET
        if stands == g.DUE or (stands == g.PAUSED and not by_market):
            store_i64(row + g.STATE, g.CALLING)
            store_i64(row + g.SINCE_NS, now)
            switch_halt(state, instrument, False)
            log(guard, g.CALL, instrument, now, 0)
        elif stands == g.CALLING:
            store_i64(row + g.SINCE_NS, now)
        elif stands == g.LIMIT_STATE:
            store_i64(row + g.STATE, g.NORMAL)
        if stands != g.CALLING:
            forget(state, guard, instrument)
    elif phase == CONTINUOUS and stands in (g.NORMAL, g.CALLING):
        store_i64(row + g.STATE, g.NORMAL)
        if price == NEVER:
            price = load_i64(totals.instrument_row(state, instrument) + lay.LAST)
        if price != NO_LIMIT:
            store_i64(row + g.STATIC_REFERENCE, price)
            refer(state, guard, instrument, price, now)
        if stands == g.CALLING:
            log(guard, g.OPENED, instrument, now, price)


@kernel
def forget(state: int, guard: int, instrument: int) -> None:
    """What was before an auction is over: no trades, no reference, no bands."""
    row = row_of(guard, instrument)
    for slot in range(SLOTS):
        store_i64(row + g.SLOTS_AT + slot * g.SLOT_BYTES + 16, 0)
    second = load_i64(row + g.SECOND)
    store_i64(row + g.SECOND, -1)
    roll(row, second)
    store_i64(row + g.REFERENCE, NEVER)
    store_i64(row + g.STATIC_REFERENCE, NEVER)
    if is_banded(row):
        set_bands(state, guard, instrument)


# What is told: words of events that the matcher leaves free, for whoever reads events alone


@kernel_outlined
def say_cause(guard: int, event: int, instrument: int) -> None:
    """PHASE_CHANGED: why what it ends or begins pauses, and the breaker's level."""
    not_inlined()
    row = row_of(guard, instrument)
    if load_i64(row + g.STATE) >= g.PAUSED:
        why = load_i64(row + g.WHY)
        store_i64(event + ORDER_ID, why)
        if why == g.BY_MARKET:
            store_i64(event + LEAVES, load_i64(guard + g.LEVEL_FIRED))


@kernel_outlined
def say_levels(state: int, guard: int, event: int) -> None:
    """COMPLETED of what the breaker's levels depend on: where they are now."""
    not_inlined()
    setting = load_i64(event + CONTRA)
    if setting in (rb.SET_TRADING_DAY, rb.SET_BREAKER, rb.SET_INDEX_WEIGHT):
        base = index_base(state, guard)
        store_i64(event + PRICE, level_at(base, load_i64(guard + g.LEVEL_1_BPS)))
        store_i64(event + QTY, level_at(base, load_i64(guard + g.LEVEL_2_BPS)))
        store_i64(event + ORDER_ID, level_at(base, load_i64(guard + g.LEVEL_3_BPS)))


# What the core calls


@kernel_outlined
def watch(state: int, events: int, count: int) -> int:
    """All events of a command, behind the rest of ``after``; the quotes are those behind it."""
    not_inlined()
    guard, now = guard_of(state), load_i64(state + lay.NOW_NS)
    phase, changed, auction, indexed, judged = 0, -1, NEVER, 0, -1
    for index in range(count):
        event = events + index * RECORD_BYTES
        word = load_i64(event + WORD)
        kind, instrument = (word >> KIND_SHIFT) & 0xFF, (word >> INSTRUMENT_SHIFT) & 0xFFFF
        if kind == FILLED:
            flags, price = (word >> FLAGS_SHIFT) & 0xFF, load_i64(event + PRICE)
            if flags & AUCTION != 0:
                auction = price
                indexed = 1
            elif flags & MAKER != 0:
                trade(state, guard, instrument, price, now)
                indexed = 1
        elif kind == PHASE_CHANGED:
            changed, phase = instrument, load_i64(event + QTY)
            say_cause(guard, event, instrument)
        elif kind == COMPLETED:
            say_levels(state, guard, event)
    if changed >= 0:
        change_phase(state, guard, changed, phase, auction, now)
    for index in range(count):
        word = load_i64(events + index * RECORD_BYTES + WORD)
        instrument = (word >> INSTRUMENT_SHIFT) & 0xFFFF
        if instrument != judged and instrument != NOWHERE:
            judged = instrument
            judge_quote(guard, instrument, now)
    if indexed != 0 and load_i64(guard + g.INDEXED) != 0:
        break_market(state, guard, now)
    return 0


@kernel_outlined
def tick(state: int) -> int:
    """Sequenced time: references are renewed, limit states become pauses, pauses and halts end."""
    not_inlined()
    guard, now = guard_of(state), load_i64(state + lay.NOW_NS)
    for instrument in range(load_i64(state + lay.INSTRUMENTS)):
        row = row_of(guard, instrument)
        if load_i64(row + g.PHASE) == CONTINUOUS:
            roll(row, now // g.SECOND_NS)
            renew_reference(state, guard, instrument, now)
        stands, since = load_i64(row + g.STATE), load_i64(row + g.SINCE_NS)
        if stands == g.LIMIT_STATE and now - since >= load_i64(row + g.LIMIT_STATE_NS):
            pause(state, guard, instrument, now, g.BY_BANDS)
        elif stands == g.PAUSED and now >= load_i64(row + g.UNTIL_NS):
            store_i64(row + g.STATE, g.DUE)
            log(guard, g.REOPEN, instrument, now, 0)
    until = load_i64(guard + g.MARKET_UNTIL_NS)
    if until != 0 and until != NEVER and now >= until:
        store_i64(guard + g.MARKET_UNTIL_NS, 0)
    return 0
