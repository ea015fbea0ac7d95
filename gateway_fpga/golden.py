# SPDX-License-Identifier: Apache-2.0
"""The gateway's golden model: the validator's rules as kernels (docs/gateway.md is their table).

Every check is computed for every order, as in hardware, and the outcome is masked by the checks
that apply to its kind. So no branch depends on the order's kind, side or type. All reasons are
reported, not only the first.

The rules are one int64 block that a kernel reads by address and that may be copied to any place
aligned to 64 bytes (shared memory among them):

    header   4 lines: slot mask, layout, checks by kind, settings, how to divide by powers of five
    rows     an open-addressing hash table, a line a slot: the symbol and what is always checked
    limits   a line a slot: collar and notional, read only when there are any
    people   participants' bits and buckets, read only when they are asked for

so that an order costs one line in addition to the order itself. One gateway owns a block: with a
rate limit it writes the buckets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga.settings import (
    NO_COLLAR_HIGH,
    NO_NOTIONAL_LIMIT,
    PARTICIPANTS,
    Settings,
    make_rows,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    CommandKind,
    ErrorBit,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, U16s, Words, area, i64, u8
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.memory import load_i64, mul_wrapping, store_i64
from openoutcry.wire.order_types import UNPRICED
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import MAX_VALUE, ORDER, ORDER_DTYPE, RECORD_BYTES
from openoutcry.wire.registers import COLLAR_ONE, PRICE_FIVES_MAX, TIME_BITS
from openoutcry.wire.rule_changes import is_slot

_AT = ORDER.offsets
SYMBOL_AT = _AT["symbol"]
PARTICIPANT_AT = _AT["participant"]
ERROR_CODE_AT = _AT["error_code"]
KIND_AT = _AT["kind"]

KIND_NEW = enum_numbers.COMMAND_KIND_NEW
KIND_MASS_CANCEL = enum_numbers.COMMAND_KIND_MASS_CANCEL
KIND_TIME = enum_numbers.COMMAND_KIND_TIME
KIND_PHASE = enum_numbers.COMMAND_KIND_PHASE
KIND_RISK = enum_numbers.COMMAND_KIND_RISK
KIND_LAST = int(max(CommandKind))
SIDE_BUY = enum_numbers.SIDE_BUY
SIDE_SELL = enum_numbers.SIDE_SELL
SIDE_LAST = int(max(Side))
ORDER_TYPE_LAST = int(max(OrderType))
TIME_IN_FORCE_LAST = int(max(TimeInForce))
SELF_TRADE_LAST = int(max(SelfTrade))

BIT_PRICE_NOT_POSITIVE = 1 << ErrorBit.PRICE_NOT_POSITIVE
BIT_PRICE_ABOVE_LIMIT = 1 << ErrorBit.PRICE_ABOVE_LIMIT
BIT_QTY_NOT_POSITIVE = 1 << ErrorBit.QTY_NOT_POSITIVE
BIT_QTY_OUT_OF_LIMITS = 1 << ErrorBit.QTY_OUT_OF_LIMITS
BIT_SIDE = 1 << ErrorBit.SIDE
BIT_ORDER_TYPE = 1 << ErrorBit.ORDER_TYPE
BIT_TIME_IN_FORCE = 1 << ErrorBit.TIME_IN_FORCE
BIT_SYMBOL = 1 << ErrorBit.SYMBOL
BIT_PRICE_STEP = 1 << ErrorBit.PRICE_STEP
BIT_QTY_STEP = 1 << ErrorBit.QTY_STEP
BIT_COLLAR = 1 << ErrorBit.COLLAR
BIT_NOTIONAL = 1 << ErrorBit.NOTIONAL
BIT_PARTICIPANT = 1 << ErrorBit.PARTICIPANT
BIT_HALTED = 1 << ErrorBit.HALTED
BIT_RATE = 1 << ErrorBit.RATE
BIT_KIND = 1 << ErrorBit.KIND

PRICE_BITS = (
    BIT_PRICE_NOT_POSITIVE | BIT_PRICE_ABOVE_LIMIT | BIT_PRICE_STEP | BIT_COLLAR | BIT_NOTIONAL
)
QTY_BITS = BIT_QTY_NOT_POSITIVE | BIT_QTY_OUT_OF_LIMITS | BIT_QTY_STEP
FORM_BITS = BIT_SIDE | BIT_ORDER_TYPE | BIT_TIME_IN_FORCE
ENTRY_BITS = BIT_PARTICIPANT | BIT_HALTED | BIT_RATE
"""Asked of what adds to the book or keeps an order in it; whatever takes away is never refused."""
ROW_BITS = (
    BIT_PRICE_ABOVE_LIMIT
    | BIT_PRICE_STEP
    | BIT_QTY_OUT_OF_LIMITS
    | BIT_QTY_STEP
    | BIT_COLLAR
    | BIT_NOTIONAL
    | BIT_HALTED
)
"""Checks against the instrument's row: silent when the symbol is unknown."""

UNPRICED_TYPES = UNPRICED
"""New orders of these types have no limit price, so no check looks at it."""
UNPRICED_WORD = sum(1 << t for t in UNPRICED_TYPES)

ANY_KIND_MASK = BIT_SYMBOL | BIT_KIND
CHECKS_BY_KIND = {
    CommandKind.NEW: ANY_KIND_MASK | ENTRY_BITS | PRICE_BITS | QTY_BITS | FORM_BITS,
    CommandKind.REDUCE: ANY_KIND_MASK | BIT_QTY_NOT_POSITIVE | BIT_QTY_STEP,
    CommandKind.REPLACE: ANY_KIND_MASK | ENTRY_BITS | PRICE_BITS | QTY_BITS,
    CommandKind.SET_EXPIRY: ANY_KIND_MASK | ENTRY_BITS,
    CommandKind.MASS_CANCEL: ANY_KIND_MASK | BIT_SIDE,
    CommandKind.DISCONNECT: BIT_KIND,
    CommandKind.TIME: BIT_KIND,
}
"""Which checks a command is subject to; of a kind not named here, SYMBOL and KIND."""


class GatewayRules(Layout, size_bytes=256):
    """The header of the rules."""

    mask: int = i64("slots of the hash table, less one")
    layout_hash: int = i64("hash of the records' layout")
    masks: U16s = area(32, "the checks that a command of each kind is subject to", of=U16s)
    features: int = i64("HAS_LIMITS, CHECKS_PARTICIPANTS, HAS_RATE")
    limits_at: int = i64("bytes from a slot to its line of limits")
    people_at: int = i64("bytes to a word a participant: its sign the bit, below it the bucket")
    rate_interval_ns: int = i64("time that a command costs its participant's bucket")
    rate_burst_ns: int = i64("how far ahead the bucket may be")
    fives: Words = area(
        128,
        "of each power of five its inverse modulo 2**64 and the highest quotient",
        at=128,
        of=Words,
    )


class RuleRow(Layout, size_bytes=64):
    """A slot of the hash table: a symbol and what is always checked."""

    symbol: int = i64("the symbol, 0: a free slot")
    max_price: int = i64("highest price")
    min_qty: int = i64("smallest quantity")
    max_qty: int = i64("largest quantity")
    price_twos: int = i64("the low bits that every price has zero, as a mask")
    qty_twos: int = i64("of quantities likewise")
    price_fives: int = u8("power of five that divides every price")
    qty_fives: int = u8("of quantities likewise")
    is_halted: int = u8("1: the instrument is halted")


class RuleLimits(Layout, size_bytes=64):
    """A slot's limits; numbers of 128 bits, the upper half first."""

    collar_low: Words = area(16, "lower collar", of=Words)
    collar_high: Words = area(16, "upper collar", of=Words)
    notional: Words = area(16, "largest value of an order", of=Words)
    by_side: int = i64("1: the collar binds the side that would trade beyond it")


SLOT_WORDS, HEADER_WORDS = RuleRow.size_bytes // 8, GatewayRules.size_bytes // 8
SLOT_BYTES, HEADER_BYTES = RuleRow.size_bytes, GatewayRules.size_bytes
MASK_COUNT = 16
MASKS_AT = GatewayRules.offset("masks")
FEATURES_AT = GatewayRules.offset("features")
LIMITS_AT = GatewayRules.offset("limits_at")
PEOPLE_AT = GatewayRules.offset("people_at")
RATE_INTERVAL_AT = GatewayRules.offset("rate_interval_ns")
RATE_BURST_AT = GatewayRules.offset("rate_burst_ns")
FIVES_AT = GatewayRules.offset("fives")

HAS_LIMITS = 1
CHECKS_PARTICIPANTS = 2
HAS_RATE = 4

ROW_MAX_PRICE_AT = RuleRow.offset("max_price")
ROW_MIN_QTY_AT = RuleRow.offset("min_qty")
ROW_MAX_QTY_AT = RuleRow.offset("max_qty")
ROW_PRICE_TWOS_AT = RuleRow.offset("price_twos")
ROW_QTY_TWOS_AT = RuleRow.offset("qty_twos")
ROW_PRICE_FIVES_AT = RuleRow.offset("price_fives")
ROW_QTY_FIVES_AT = RuleRow.offset("qty_fives")
ROW_HALTED_AT = RuleRow.offset("is_halted")

COLLAR_LOW_AT = RuleLimits.offset("collar_low")
COLLAR_HIGH_AT = RuleLimits.offset("collar_high")
NOTIONAL_AT = RuleLimits.offset("notional")
BY_SIDE_AT = RuleLimits.offset("by_side")

HASH_MULTIPLIER = -7046029254386353131
"""2**64 over the golden ratio, as int64: consecutive symbols fall far apart."""
HASH_SHIFT = 40
LOW_32 = 2**32 - 1
SIGN = -(2**63)
TIME_MASK = 2**TIME_BITS - 1


def make_rules(
    instruments: npt.NDArray[Any], settings: Settings | None = None
) -> npt.NDArray[np.int64]:
    """The rules block of an instrument table: what :func:`validate` reads by address.

    ``instruments`` is an array of ``INSTRUMENT_DTYPE`` (see ``wire.make_instruments``).  Returns
    int64 words, the first on a 64-byte boundary.  Raises ``ValueError`` for another dtype or an
    empty table, ``SettingsError`` for limits of an unknown symbol.
    """
    settings = settings or Settings()
    return rules_of_rows(make_rows(instruments, settings), settings)


def rules_of_rows(rows: Sequence[dict[str, int]], settings: Settings) -> npt.NDArray[np.int64]:
    """The rules block of a symbol table (see ``settings.make_rows``); its buckets are full.

    The hash table is never more than half full, so every search ends at an empty slot.  A row that
    gets its symbol while trading (``rule_changes.is_slot``) has room under that one, too.
    """
    slots, symbols = 2, sum(1 + bool(is_slot(row["symbol"])) for row in rows)
    while slots < 2 * symbols:
        slots *= 2
    block = _aligned_words(HEADER_WORDS + 2 * slots * SLOT_WORDS + PARTICIPANTS)
    table = block[HEADER_WORDS:][: slots * SLOT_WORDS].reshape(slots, SLOT_WORDS)
    limits = block[HEADER_WORDS + slots * SLOT_WORDS :][: slots * SLOT_WORDS]
    limits = limits.reshape(slots, SLOT_WORDS)
    has_limits = False
    for row in rows:
        slot = _home(row["symbol"], slots - 1)
        while table[slot, 0] != 0:
            slot = (slot + 1) & (slots - 1)
        table[slot] = _row_words(row)
        limits[slot] = _limit_words(row)
        has_limits |= (
            (row["collar_low"], row["collar_high"], row["notional_limit"])
            != (0, NO_COLLAR_HIGH, NO_NOTIONAL_LIMIT)
        ) | bool(row["halted"])
    _fill_header(block, slots, settings, has_limits)
    for participant in settings.participants_on:
        block[len(block) - PARTICIPANTS + participant] = SIGN
    return block


def _fill_header(
    block: npt.NDArray[np.int64], slots: int, settings: Settings, has_limits: bool
) -> None:
    block[0] = slots - 1
    block[1] = np.uint64(LAYOUT_HASH).astype(np.int64)
    block.view(np.uint16)[MASKS_AT // 2 :][:MASK_COUNT] = [
        CHECKS_BY_KIND.get(kind, ANY_KIND_MASK)  # type: ignore[call-overload]
        for kind in range(MASK_COUNT)
    ]
    block[FEATURES_AT // 8] = (
        HAS_LIMITS * has_limits
        | CHECKS_PARTICIPANTS * settings.check_participants
        | HAS_RATE * (settings.rate_interval_ns != 0)
    )
    block[LIMITS_AT // 8] = slots * SLOT_BYTES
    block[PEOPLE_AT // 8] = 8 * (len(block) - PARTICIPANTS)
    block[RATE_INTERVAL_AT // 8] = settings.rate_interval_ns
    block[RATE_BURST_AT // 8] = settings.rate_burst_ns
    for fives in range(PRICE_FIVES_MAX + 1):
        at = FIVES_AT // 8 + 2 * fives
        block[at : at + 2] = (
            _signed(pow(5**fives, -1, 2**64)),
            _signed((2**64 - 1) // 5**fives) ^ SIGN,
        )


def _row_words(row: dict[str, int]) -> tuple[int, ...]:
    return (
        _signed(row["symbol"]),
        row["max_price_ticks"],
        row["min_qty_lots"],
        row["max_qty_lots"],
        2 ** row["price_twos"] - 1,
        2 ** row["qty_twos"] - 1,
        row["price_fives"] | row["qty_fives"] << 8 | row["halted"] << 16,
        0,
    )


def _limit_words(row: dict[str, int]) -> tuple[int, ...]:
    names = ("collar_low", "collar_high", "notional_limit")
    halves = (half for name in names for half in (row[name] >> 64, row[name] % 2**64))
    return (*map(_signed, halves), row["by_side"], 0)


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


def _aligned_words(count: int) -> npt.NDArray[np.int64]:
    """Zeroed int64 words that start at a cache line."""
    words = np.zeros(count + 7, np.int64)
    first = -(words.ctypes.data // 8) % 8
    return words[first : first + count]


def _home(symbol_word: int, mask: int) -> int:
    """Return where the search for a symbol starts; the kernel's :func:`find_row` computes the
    same."""
    product = (symbol_word * HASH_MULTIPLIER) % 2**64
    return (product >> HASH_SHIFT) & mask


@kernel
def find_row(symbol_word: int, rules_addr: GatewayRules) -> RuleRow:
    """Address of the symbol's slot, or of the empty slot at which the search ended."""
    mask: int = rules_addr.mask
    slot = (mul_wrapping(symbol_word, HASH_MULTIPLIER) >> HASH_SHIFT) & mask
    row = RuleRow(rules_addr + HEADER_BYTES + slot * SLOT_BYTES)
    slot_symbol: int = row.symbol
    while slot_symbol != symbol_word and slot_symbol != 0:
        slot = (slot + 1) & mask
        row = RuleRow(rules_addr + HEADER_BYTES + slot * SLOT_BYTES)
        slot_symbol = row.symbol
    return row


@kernel
def applicable_checks(kind: int, order_type: int, symbol: int, rules_addr: int) -> int:
    """Mask of the checks that a command is subject to. ``rules_addr``: address of the rules."""
    row = kind * (kind < MASK_COUNT)
    mask: int = U16s(rules_addr + MASKS_AT)[row]
    if VERIFY:
        assert mask & BIT_KIND != 0, "no command gets by without a kind"
    unpriced = (kind == KIND_NEW) & (order_type < 64) & (UNPRICED_WORD >> (order_type & 63))
    everywhere = ((kind == KIND_MASS_CANCEL) | (kind == KIND_RISK)) & (symbol == 0)
    return mask & ~(unpriced * PRICE_BITS | everywhere * BIT_SYMBOL)


@kernel
def wrong_kind(kind: int, aux: int, participant: int) -> bool:
    """Is the kind undeclared, or the exchange operator's and sent by a participant?"""
    operator_only = (
        (kind == KIND_TIME)
        | (kind == KIND_PHASE)
        | (kind == KIND_RISK)
        | ((kind == KIND_MASS_CANCEL) & (aux != 0))
    )
    return (kind == 0) | (kind > KIND_LAST) | (operator_only & (participant != 0))


@kernel
def off_step(value: int, twos: int, fives: int, rules_addr: int) -> bool:
    """Is a value no multiple of the step's factors?  Multiplied by the inverse of 5**fives, only
    multiples become small.  Means nothing for values that are not positive."""
    power = rules_addr + FIVES_AT + 16 * fives
    quotient: int = mul_wrapping(value, load_i64(power)) ^ SIGN
    too_high: bool = quotient > Words(power)[1]
    return ((value & twos) != 0) | too_high


@kernel
def product_high(a: int, b: int) -> int:
    """The upper 64 bits of a product of two numbers from 0 to 2**63 - 1."""
    a_low, a_high, b_low, b_high = a & LOW_32, a >> 32, b & LOW_32, b >> 32
    middle = a_high * b_low + ((mul_wrapping(a_low, b_low) >> 32) & LOW_32)
    other = a_low * b_high + (middle & LOW_32)
    return a_high * b_high + (middle >> 32) + (other >> 32)


@kernel
def wide_above(high: int, low: int, limit_addr: int) -> bool:
    """Is the 128-bit number above the one at the address?  Both from 0 to 2**127 - 1. Two words are
    there, the high one first."""
    limit_high: int = load_i64(limit_addr)
    limit_low: int = Words(limit_addr)[1]
    return (high > limit_high) | ((high == limit_high) & ((low ^ SIGN) > (limit_low ^ SIGN)))


@kernel
def wide_below(high: int, low: int, limit_addr: int) -> bool:
    """Is the 128-bit number below the one at the address?"""
    limit_high: int = load_i64(limit_addr)
    limit_low: int = Words(limit_addr)[1]
    return (high < limit_high) | ((high == limit_high) & ((low ^ SIGN) < (limit_low ^ SIGN)))


@kernel
def beyond_limits(price: int, qty: int, new_side: int, limits_addr: RuleLimits) -> int:
    """COLLAR and NOTIONAL of a positive price and quantity, by exact integers.  ``new_side``: the
    side of a new order, 0 of others: of price bands only one end is asked."""
    scaled_high, scaled_low = product_high(price, COLLAR_ONE), mul_wrapping(price, COLLAR_ONE)
    too_low = wide_below(scaled_high, scaled_low, limits_addr + COLLAR_LOW_AT)
    too_high = wide_above(scaled_high, scaled_low, limits_addr + COLLAR_HIGH_AT)
    both = limits_addr.by_side == 0
    too_low &= both | (new_side == SIDE_SELL)
    too_high &= both | (new_side == SIDE_BUY)
    notional_high, notional_low = product_high(price, qty), mul_wrapping(price, qty)
    too_large = wide_above(notional_high, notional_low, limits_addr + NOTIONAL_AT)
    return (too_low | too_high) * BIT_COLLAR | ((qty > 0) & too_large) * BIT_NOTIONAL


@kernel
def over_rate(word_addr: int, now_ns: int, rules_addr: GatewayRules) -> bool:
    """Take a place in a participant's bucket; True if the bucket has no place left.

    The bucket is the time at which the participant's next order would come at the very rate. An
    order may be ahead of that time by the burst, and moves it on by the interval. The address
    ``word_addr`` is of its word: the bucket, ns, and in the sign whether it is switched on.
    """
    word: int = load_i64(word_addr)
    bucket = word & MAX_VALUE
    interval: int = rules_addr.rate_interval_ns
    refused: bool = bucket > now_ns + rules_addr.rate_burst_ns
    if not refused:
        store_i64(word_addr, (max(bucket, now_ns) + interval) | (word & SIGN))
    if VERIFY:
        after = load_i64(word_addr)
        most = now_ns + rules_addr.rate_burst_ns + interval
        assert (after ^ word) & SIGN == 0, "a rate switches nobody on or off"
        assert after & MAX_VALUE >= bucket, "a bucket's time only goes on"
        assert refused or after & MAX_VALUE <= most, "nobody is ahead by more than the burst"
        assert not refused or after == word, "what is refused takes no place"
    return refused


@kernel
def switched_checks(
    order_addr: OrderRecord, row: RuleRow, mask: int, rules_addr: GatewayRules
) -> int:
    """The checks that are off unless someone switches them on: collar, notional, halt,
    participant and rate, of those in the mask."""
    features: int = rules_addr.features
    code = 0
    if features & HAS_LIMITS:
        price: int = order_addr.price_ticks
        if price > 0:
            limits = RuleLimits(row + rules_addr.limits_at)
            new_side = order_addr.side * (order_addr.kind == KIND_NEW)
            code |= beyond_limits(price, order_addr.qty_lots, new_side, limits)
        code |= row.is_halted * BIT_HALTED
    participant: int = order_addr.participant
    outside = participant >= PARTICIPANTS
    person = rules_addr + rules_addr.people_at + 8 * (participant & (PARTICIPANTS - 1))
    if features & CHECKS_PARTICIPANTS:
        switched_off = load_i64(person) >= 0
        code |= (outside | switched_off) * BIT_PARTICIPANT
    if (features & HAS_RATE) != 0 and (mask & BIT_RATE) != 0:
        now_ns = order_addr.rx_ts_ns & TIME_MASK
        code |= (outside or over_rate(person, now_ns, rules_addr)) * BIT_RATE
    return code & mask


@kernel
def validate(order_addr: OrderRecord, rules_addr: GatewayRules) -> int:
    """The verdict on one order: a mask of ``ErrorBit`` bits, 0 if nothing is wrong.

    ``order_addr`` is the address of a 64-byte order record, which is not written, ``rules_addr`` of
    a block made by :func:`make_rules`, of which a rate limit writes the participants' buckets.
    """
    price = order_addr.price_ticks
    qty = order_addr.qty_lots
    symbol: int = order_addr.symbol
    kind: int = order_addr.kind
    side = order_addr.side
    order_type: int = order_addr.order_type
    time_in_force = order_addr.time_in_force
    aux = order_addr.aux
    participant = order_addr.participant
    row = find_row(symbol, rules_addr)
    if VERIFY:
        assert row.symbol in (symbol, 0), "the row that was found is the symbol's, or the empty row"
        assert row.symbol == 0 or row.min_qty <= row.max_qty, (
            "an instrument has a quantity that may be traded"
        )

    below_limit = qty < row.min_qty
    above_limit = qty > row.max_qty
    price_off_step = off_step(price, row.price_twos, row.price_fives, rules_addr)
    qty_off_step = off_step(qty, row.qty_twos, row.qty_fives, rules_addr)
    duration = time_in_force & ((1 << SELF_TRADE_SHIFT) - 1)
    wrong_time = (duration == 0) | (duration > TIME_IN_FORCE_LAST)
    # Above it: REDUCE_ONLY.
    wrong_self_trade = (time_in_force >> SELF_TRADE_SHIFT & SELF_TRADE_MASK) > SELF_TRADE_LAST
    wrong_side = (side > SIDE_LAST) | ((side == 0) & (kind != KIND_MASS_CANCEL))
    code: int = (
        (price <= 0) * BIT_PRICE_NOT_POSITIVE
        | (price > row.max_price) * BIT_PRICE_ABOVE_LIMIT
        | ((price > 0) & price_off_step) * BIT_PRICE_STEP
        | (qty <= 0) * BIT_QTY_NOT_POSITIVE
        | ((qty > 0) & (below_limit | above_limit)) * BIT_QTY_OUT_OF_LIMITS
        | ((qty > 0) & qty_off_step) * BIT_QTY_STEP
        | wrong_side * BIT_SIDE
        | ((order_type == 0) | (order_type > ORDER_TYPE_LAST)) * BIT_ORDER_TYPE
        | (wrong_time | wrong_self_trade) * BIT_TIME_IN_FORCE
        | wrong_kind(kind, aux, participant) * BIT_KIND
    )
    mask = applicable_checks(kind, order_type, symbol, rules_addr)
    if rules_addr.features != 0:
        code |= switched_checks(order_addr, row, mask, rules_addr)
    if row.symbol == 0:
        return ((code & ~ROW_BITS) | BIT_SYMBOL) & mask
    return code & mask


@kernel
def validate_batch(orders_addr: int, count: int, rules_addr: GatewayRules) -> int:
    """Write the verdict into ``error_code`` of ``count`` order records; returns how many are
    rejected. ``orders_addr``: address of the first."""
    rejected = 0
    for index in range(count):
        order = OrderRecord(orders_addr + index * RECORD_BYTES)
        code = validate(order, rules_addr)
        order.error_code = code
        rejected += code != 0
        if VERIFY:
            assert order.error_code == code, "a verdict fits its field"
    return rejected


def validate_orders(orders: npt.NDArray[Any], rules: npt.NDArray[np.int64]) -> int:
    """:func:`validate_batch` over an array: ``orders`` (contiguous ``ORDER_DTYPE``) gets its
    ``error_code`` written; returns how many are rejected."""
    if orders.dtype != ORDER_DTYPE or not orders.flags.c_contiguous or not orders.flags.writeable:
        raise ValueError("orders must be a contiguous, writeable array of ORDER_DTYPE")
    return int(validate_batch(orders.ctypes.data, len(orders), GatewayRules.of(rules.ctypes.data)))
