# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Protection of a market: price bands, volatility, velocity, and the breaker over all instruments.

Pure kernels over a block of words; they look at trades, quotes and sequenced time, and say what is
to be done as decisions in a queue: ``(kind, instrument, a, b)``.  The operator's lane takes them
and sequences the commands they stand for (RISK BANDS and HALT, PHASE): a breaker acts through the
same journaled commands as a person does, and a replay sees the command where it took effect.

Limit up, limit down as in the LULD Plan of the US markets (II, V, VI, VII); the market-wide
breaker as in NYSE Rule 7.12.  Percentages are cross-multiplied, never divided.
"""

import numpy as np
import numpy.typing as npt

from openoutcry.risk import wide
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
SLOTS = 300
"""The last five minutes are kept by the second."""
DECISIONS = 64
NEVER = 2**63 - 1

# Header.
COUNT, QUEUED, QUEUE, HALTED_UNTIL, LEVEL_FIRED, CUT_OFF_NS, BASE, ROWS = (
    0, 8, 16, 16 + 32 * DECISIONS, 24 + 32 * DECISIONS, 32 + 32 * DECISIONS, 40 + 32 * DECISIONS,
    48 + 32 * DECISIONS,
)  # fmt: skip
"""BASE: the index at the previous close; LEVEL_FIRED: the highest level that fired today."""

# An instrument's row.
(
    WEIGHT, LAST, BAND_BPS, TICKS_A_UNIT, REFERENCE, REFERENCE_AT, LOW, HIGH, STATE, SINCE,
    VOLATILITY_BPS, VELOCITY_TICKS, VELOCITY_S, SECOND, SUM, TRADES, MIN, MAX,
) = range(0, 18 * 8, 8)  # fmt: skip
"""SECOND .. MAX: the second that trades were last seen in, and of the window up to it the sum of
prices, their count, lowest and highest."""
SLOT_AT = 24 * 8
SLOT_BYTES = 5 * 8
"""Second, sum, count, lowest, highest."""
ROW_BYTES = SLOT_AT + SLOTS * SLOT_BYTES

NORMAL, LIMIT_STATE, PAUSED = 0, 1, 2
NEW_BANDS, PAUSE, REOPEN, MARKET_HALT, MARKET_CLOSE, MARKET_REOPEN = range(1, 7)
"""Decisions: bands (low, high); pause (until, why); reopen by an auction; the market halts (until,
level), closes (0, 3), reopens by auctions."""
BY_BANDS, BY_VOLATILITY, BY_VELOCITY = 1, 2, 3

LIMIT_STATE_NS = 15 * SECOND_NS
PAUSE_NS = 5 * MINUTE_NS
RENEWAL_NS = 30 * SECOND_NS
"""A reference price is in effect this long at least."""
HALT_NS = 15 * MINUTE_NS
LEVELS_BPS = (700, 1_300, 2_000)
LEVEL_1, LEVEL_2, LEVEL_3 = LEVELS_BPS


def new_block(count: int, cut_off_ns: int) -> npt.NDArray[np.int64]:
    """A block for so many instruments, nothing protected yet; levels 1 and 2 halt the market only
    before ``cut_off_ns`` (15:25 in New York)."""
    block = np.zeros((ROWS + count * ROW_BYTES) // 8, np.int64)
    block[COUNT // 8], block[CUT_OFF_NS // 8] = count, cut_off_ns
    for index in range(count):
        row = (ROWS + index * ROW_BYTES) // 8
        block[row + LAST // 8] = block[row + VELOCITY_TICKS // 8] = NEVER
        block[row + VOLATILITY_BPS // 8] = NEVER
        block[row + LOW // 8], block[row + HIGH // 8] = -NEVER, NEVER
    return block


@kernel
def row_of(block: int, instrument: int) -> int:
    return block + ROWS + instrument * ROW_BYTES


@kernel
def decide(block: int, kind: int, instrument: int, a: int, b: int) -> None:
    """Queue a decision; the operator's lane takes them after every command, so that the queue never
    holds more than one command's (one for each instrument): what is beyond it is dropped."""
    queued = load_i64(block + QUEUED)
    if queued < DECISIONS:
        at = block + QUEUE + 32 * queued
        store_i64(at, kind)
        store_i64(at + 8, instrument)
        store_i64(at + 16, a)
        store_i64(at + 24, b)
        store_i64(block + QUEUED, queued + 1)


# Bands


@kernel
def set_reference(block: int, instrument: int, price: int, now: int) -> None:
    """A reference price, and the bands that it makes, to the nearest tick: the row's percentage
    above 3.00; 20 % from 0.75 on; below the lesser of 0.15 and 75 %."""
    row = row_of(block, instrument)
    unit = load_i64(row + TICKS_A_UNIT)
    bps = load_i64(row + BAND_BPS)
    if price <= 3 * unit:
        bps = 2_000 if 4 * price >= 3 * unit else 7_500
    width = (price * bps + 5_000) // 10_000
    if 4 * price < 3 * unit:
        width = min(width, 15 * unit // 100)
    store_i64(row + REFERENCE, price)
    store_i64(row + REFERENCE_AT, now)
    store_i64(row + LOW, price - width)
    store_i64(row + HIGH, price + width)
    decide(block, NEW_BANDS, instrument, price - width, price + width)


@kernel
def renew_reference(block: int, instrument: int, now: int) -> None:
    """The mean of the last five minutes' trades becomes the reference if it is 1 % away or more,
    and the one in effect has been for 30 s."""
    row = row_of(block, instrument)
    reference, trades = load_i64(row + REFERENCE), load_i64(row + TRADES)
    if load_i64(row + BAND_BPS) == 0 or load_i64(row + STATE) == PAUSED or trades == 0:
        return
    if now - load_i64(row + REFERENCE_AT) < RENEWAL_NS:
        return
    total = load_i64(row + SUM)
    away = total - reference * trades
    if max(away, -away) * 100 >= reference * trades:
        set_reference(block, instrument, (2 * total + trades) // (2 * trades), now)


@kernel
def quote(block: int, instrument: int, bid: int, ask: int, now: int) -> None:
    """The best displayed prices: a bid at the upper band or an offer at the lower one is a limit
    state, until it no longer is."""
    row = row_of(block, instrument)
    state = load_i64(row + STATE)
    if load_i64(row + BAND_BPS) == 0 or state == PAUSED:
        return
    at_limit = bid >= load_i64(row + HIGH) or ask <= load_i64(row + LOW)
    if at_limit and state == NORMAL:
        store_i64(row + STATE, LIMIT_STATE)
        store_i64(row + SINCE, now)
    elif not at_limit:
        store_i64(row + STATE, NORMAL)


@kernel
def pause(block: int, instrument: int, now: int, why: int) -> None:
    row = row_of(block, instrument)
    if load_i64(row + STATE) != PAUSED:
        store_i64(row + STATE, PAUSED)
        store_i64(row + SINCE, now)
        decide(block, PAUSE, instrument, now + PAUSE_NS, why)


@kernel
def reopened(block: int, instrument: int, price: int, now: int) -> None:
    """The re-opening auction's price is the new reference; what was before the pause is over."""
    row = row_of(block, instrument)
    store_i64(row + STATE, NORMAL)
    for slot in range(SLOTS):
        store_i64(row + SLOT_AT + slot * SLOT_BYTES + 16, 0)
    store_i64(row + TRADES, 0)
    store_i64(row + SUM, 0)
    store_i64(row + LAST, price)
    if load_i64(row + BAND_BPS) != 0:
        set_reference(block, instrument, price, now)


# Trades


@kernel
def look_back(row: int, second: int, seconds: int) -> tuple[int, int, int, int]:
    """Sum, count, lowest and highest of the trades of the last ``seconds``, this one included."""
    total, trades, low, high = 0, 0, NEVER, -NEVER
    for slot in range(SLOTS):
        at = row + SLOT_AT + slot * SLOT_BYTES
        age = second - load_i64(at)
        if load_i64(at + 16) != 0 and 0 <= age < seconds:
            total += load_i64(at + 8)
            trades += load_i64(at + 16)
            low, high = min(low, load_i64(at + 24)), max(high, load_i64(at + 32))
    return total, trades, low, high


@kernel
def trade(block: int, instrument: int, price: int, now: int) -> None:
    """A trade: it counts in the window, may move the reference, may trip a breaker."""
    row = row_of(block, instrument)
    second = now // SECOND_NS
    at = row + SLOT_AT + second % SLOTS * SLOT_BYTES
    if load_i64(at) != second or load_i64(at + 16) == 0:
        store_i64(at, second)
        store_i64(at + 8, 0)
        store_i64(at + 16, 0)
        store_i64(at + 24, price)
        store_i64(at + 32, price)
    store_i64(at + 8, load_i64(at + 8) + price)
    store_i64(at + 16, load_i64(at + 16) + 1)
    store_i64(at + 24, min(load_i64(at + 24), price))
    store_i64(at + 32, max(load_i64(at + 32), price))
    store_i64(row + LAST, price)
    total, trades, low, high = look_back(row, second, SLOTS)
    store_i64(row + SUM, total)
    store_i64(row + TRADES, trades)
    renew_reference(block, instrument, now)
    bps = load_i64(row + VOLATILITY_BPS)
    if bps != NEVER and (
        wide.product_above(high - price, 10_000, high, bps) != 0
        or wide.product_above(price - low, 10_000, low, bps) != 0
    ):
        pause(block, instrument, now, BY_VOLATILITY)
    ticks = load_i64(row + VELOCITY_TICKS)
    if ticks != NEVER:
        _, _, low, high = look_back(row, second, load_i64(row + VELOCITY_S))
        if max(high - price, price - low) > ticks:
            pause(block, instrument, now, BY_VELOCITY)
    break_market(block, now)


@kernel
def break_market(block: int, now: int) -> None:
    """The index against the previous close, from the highest level down.  A level fires once a
    day, and none below one that fired; levels 1 and 2 only before the cut-off."""
    base = load_i64(block + BASE)
    if base == 0 or load_i64(block + HALTED_UNTIL) != 0:
        return
    index = 0
    for instrument in range(load_i64(block + COUNT)):
        row = row_of(block, instrument)
        weight = load_i64(row + WEIGHT)
        if weight != 0:
            if load_i64(row + LAST) == NEVER:
                return
            index = wide.add(index, wide.mul(weight, load_i64(row + LAST)))
    # At a level or below it, the level to the nearest unit as it is published.
    scaled, level = wide.sub(wide.mul(index, 10_000), 5_000), 0
    if wide.product_above(scaled, 1, base, 10_000 - LEVEL_3) == 0:
        level = 3
    elif wide.product_above(scaled, 1, base, 10_000 - LEVEL_2) == 0:
        level = 2
    elif wide.product_above(scaled, 1, base, 10_000 - LEVEL_1) == 0:
        level = 1
    if level <= load_i64(block + LEVEL_FIRED):
        return
    if level == 3:
        store_i64(block + LEVEL_FIRED, level)
        store_i64(block + HALTED_UNTIL, NEVER)
        decide(block, MARKET_CLOSE, -1, 0, level)
    elif now < load_i64(block + CUT_OFF_NS):
        store_i64(block + LEVEL_FIRED, level)
        store_i64(block + HALTED_UNTIL, now + HALT_NS)
        decide(block, MARKET_HALT, -1, now + HALT_NS, level)


# Time


@kernel
def tick(block: int, now: int) -> None:
    """Sequenced time: references are renewed, limit states become pauses, pauses and halts end."""
    for instrument in range(load_i64(block + COUNT)):
        row = row_of(block, instrument)
        state, since = load_i64(row + STATE), load_i64(row + SINCE)
        total, trades, _, _ = look_back(row, now // SECOND_NS, SLOTS)
        store_i64(row + SUM, total)
        store_i64(row + TRADES, trades)
        renew_reference(block, instrument, now)
        if state == LIMIT_STATE and now - since >= LIMIT_STATE_NS:
            pause(block, instrument, now, BY_BANDS)
        elif state == PAUSED and since != NEVER and now - since >= PAUSE_NS:
            store_i64(row + SINCE, NEVER)
            decide(block, REOPEN, instrument, 0, 0)
    until = load_i64(block + HALTED_UNTIL)
    if until != 0 and until != NEVER and now >= until:
        store_i64(block + HALTED_UNTIL, 0)
        decide(block, MARKET_REOPEN, -1, 0, load_i64(block + LEVEL_FIRED))


def take_decisions(block: npt.NDArray[np.int64]) -> list[tuple[int, ...]]:
    """The decisions in the queue, which is empty then."""
    count, first = int(block[QUEUED // 8]), QUEUE // 8
    block[QUEUED // 8] = 0
    return [tuple(block[first + 4 * n : first + 4 * n + 4].tolist()) for n in range(count)]
