"""The gateway's golden model: the validator's rules as kernels (docs/gateway.md is their table).

Every check is computed for every order, as in hardware, and the outcome is masked by the checks
that apply to its kind: no branch depends on the order's kind, side or type, and all reasons are
told, not only the first.

The rules are one int64 block that a kernel reads by address and that may be copied to any place
aligned to 64 bytes (shared memory among them): one line of header, then an open-addressing hash
table of 64-byte slots, each a symbol with its limits beside it, so that an order costs one line.

    word 0         1          2 … 5            slot: word 0       1                2
    +------------+----------+----------+       +-----------------+----------------+---------------+
    | slot mask  | layout   | 16 masks |       | symbol, 0 empty | price_step     | qty_step      |
    +------------+----------+----------+       +-----------------+----------------+---------------+
                                               | 3: min_qty      | 4: max_qty     | 5: max_price  |
                                               +-----------------+----------------+---------------+
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.enums import (
    SELF_TRADE_SHIFT,
    CommandKind,
    ErrorBit,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import LAYOUT_HASH
from openoutcry.wire.memory import load_i64, load_u8, load_u16, store_u16
from openoutcry.wire.records import INSTRUMENT_DTYPE, ORDER, ORDER_DTYPE, RECORD_BYTES, TICK_BANDS

_AT = ORDER.offsets
PRICE_AT = _AT["price_ticks"]
QTY_AT = _AT["qty_lots"]
SYMBOL_AT = _AT["symbol"]
AUX_AT = _AT["aux"]
PARTICIPANT_AT = _AT["participant"]
ERROR_CODE_AT = _AT["error_code"]
KIND_AT = _AT["kind"]
SIDE_AT = _AT["side"]
ORDER_TYPE_AT = _AT["order_type"]
TIME_IN_FORCE_AT = _AT["time_in_force"]

KIND_NEW = int(CommandKind.NEW)
KIND_MASS_CANCEL = int(CommandKind.MASS_CANCEL)
KIND_TIME = int(CommandKind.TIME)
KIND_PHASE = int(CommandKind.PHASE)
KIND_LAST = int(max(CommandKind))
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
BIT_KIND = 1 << ErrorBit.KIND

PRICE_BITS = BIT_PRICE_NOT_POSITIVE | BIT_PRICE_ABOVE_LIMIT | BIT_PRICE_STEP
QTY_BITS = BIT_QTY_NOT_POSITIVE | BIT_QTY_OUT_OF_LIMITS | BIT_QTY_STEP
FORM_BITS = BIT_SIDE | BIT_ORDER_TYPE | BIT_TIME_IN_FORCE
ROW_BITS = BIT_PRICE_ABOVE_LIMIT | BIT_PRICE_STEP | BIT_QTY_OUT_OF_LIMITS | BIT_QTY_STEP
"""Checks against the instrument's row: silent when the symbol is unknown."""

UNPRICED_TYPES = (
    OrderType.MARKET,
    OrderType.MARKET_TO_LIMIT,
    OrderType.STOP,
    OrderType.TRAILING_STOP,
    OrderType.TRAILING_STOP_BPS,
)
"""New orders of these types have no limit price, so nobody looks at it."""
UNPRICED_WORD = sum(1 << t for t in UNPRICED_TYPES)

ANY_KIND_MASK = BIT_SYMBOL | BIT_KIND
CHECKS_BY_KIND = {
    CommandKind.NEW: ANY_KIND_MASK | PRICE_BITS | QTY_BITS | FORM_BITS,
    CommandKind.REDUCE: ANY_KIND_MASK | BIT_QTY_NOT_POSITIVE | BIT_QTY_STEP,
    CommandKind.REPLACE: ANY_KIND_MASK | PRICE_BITS | QTY_BITS,
    CommandKind.MASS_CANCEL: ANY_KIND_MASK | BIT_SIDE,
    CommandKind.DISCONNECT: BIT_KIND,
    CommandKind.TIME: BIT_KIND,
}
"""Which checks a command is subject to; of a kind not named here, SYMBOL and KIND."""

HEADER_WORDS = 8
SLOT_WORDS = 8
HEADER_BYTES = 8 * HEADER_WORDS
SLOT_BYTES = 8 * SLOT_WORDS
MASKS_AT = 16
MASK_COUNT = 16
ROW_PRICE_STEP_AT = 8
ROW_QTY_STEP_AT = 16
ROW_MIN_QTY_AT = 24
ROW_MAX_QTY_AT = 32
ROW_MAX_PRICE_AT = 40
HASH_MULTIPLIER = -7046029254386353131
"""2**64 over the golden ratio, as int64: consecutive symbols fall far apart."""
HASH_SHIFT = 40


def make_rules(instruments: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The rules block of an instrument table: what :func:`validate` reads by address.

    ``instruments`` is an array of ``INSTRUMENT_DTYPE`` (see ``wire.make_instruments``).  Returns
    int64 words, the first on a 64-byte boundary; the table is never more than half full, so every
    search ends at an empty slot.  Raises ``ValueError`` for another dtype or an empty table.
    """
    if instruments.dtype != INSTRUMENT_DTYPE or instruments.ndim != 1 or len(instruments) == 0:
        raise ValueError(
            "rules are made from a one-dimensional array of INSTRUMENT_DTYPE, not empty"
        )
    slots = 2
    while slots < 2 * len(instruments):
        slots *= 2
    block = _aligned_words(HEADER_WORDS + slots * SLOT_WORDS)
    block[0] = slots - 1
    block[1] = np.uint64(LAYOUT_HASH).astype(np.int64)
    block.view(np.uint16)[MASKS_AT // 2 :][:MASK_COUNT] = [
        CHECKS_BY_KIND.get(kind, ANY_KIND_MASK)  # type: ignore[call-overload]
        for kind in range(MASK_COUNT)
    ]
    table = block[HEADER_WORDS:].reshape(slots, SLOT_WORDS)
    # An empty slot's steps are 1: the checks are computed before anyone asks whether they apply.
    table[:, 1:3] = 1
    words = np.ascontiguousarray(instruments["symbol"]).view(np.int64)
    for word, row in zip(words.tolist(), instruments, strict=True):
        slot = _home(word, slots - 1)
        while table[slot, 0] != 0:
            slot = (slot + 1) & (slots - 1)
        table[slot, :6] = (
            word,
            checked_price_step(row),
            row["qty_step_lots"],
            row["min_qty_lots"],
            row["max_qty_lots"],
            row["max_price_ticks"],
        )
    return block


def checked_price_step(row: np.void) -> int:
    """What every price of an instrument is a multiple of: the greatest common divisor of its steps.

    Which of its bands a price lies in, and the step there, is the matcher's to check.
    """
    bands = (int(row[f"band{k}_step_ticks"]) for k in range(1, TICK_BANDS + 1))
    return math.gcd(int(row["price_step_ticks"]), *bands)


def _aligned_words(count: int) -> npt.NDArray[np.int64]:
    """Zeroed int64 words that start at a cache line."""
    words = np.zeros(count + 7, np.int64)
    first = -(words.ctypes.data // 8) % 8
    return words[first : first + count]


def _home(symbol_word: int, mask: int) -> int:
    """Where the search for a symbol starts; the kernel's :func:`find_row` computes the same."""
    product = (symbol_word * HASH_MULTIPLIER) % 2**64
    return (product >> HASH_SHIFT) & mask


@kernel
def find_row(symbol_word: int, rules_addr: int) -> int:
    """Address of the symbol's slot, or of the empty slot at which the search ended."""
    mask: int = load_i64(rules_addr)
    slot = ((symbol_word * HASH_MULTIPLIER) >> HASH_SHIFT) & mask
    row = rules_addr + HEADER_BYTES + slot * SLOT_BYTES
    found: int = load_i64(row)
    while found != symbol_word and found != 0:
        slot = (slot + 1) & mask
        row = rules_addr + HEADER_BYTES + slot * SLOT_BYTES
        found = load_i64(row)
    return row


@kernel
def applicable_checks(kind: int, order_type: int, symbol: int, rules_addr: int) -> int:
    """Mask of the checks that a command is subject to."""
    row = kind * (kind < MASK_COUNT)
    mask: int = load_u16(rules_addr + MASKS_AT + 2 * row)
    unpriced = (kind == KIND_NEW) & (order_type < 64) & (UNPRICED_WORD >> (order_type & 63))
    everywhere = (kind == KIND_MASS_CANCEL) & (symbol == 0)
    return mask & ~(unpriced * PRICE_BITS | everywhere * BIT_SYMBOL)


@kernel
def wrong_kind(kind: int, aux: int, participant: int) -> bool:
    """Is the kind undeclared, or one that only the house may send, and somebody else did?"""
    of_the_house = (
        (kind == KIND_TIME) | (kind == KIND_PHASE) | ((kind == KIND_MASS_CANCEL) & (aux != 0))
    )
    return (kind == 0) | (kind > KIND_LAST) | (of_the_house & (participant != 0))


@kernel
def off_step(value: int, step: int) -> bool:
    """Is a positive value no multiple of its step?  Not asked of values that are not positive."""
    return step > 1 and value > 0 and value % step != 0


@kernel
def validate(order_addr: int, rules_addr: int) -> int:
    """The verdict on one order: a mask of ``ErrorBit`` bits, 0 if nothing is wrong.

    ``order_addr`` is the address of a 64-byte order record, ``rules_addr`` of a block made by
    :func:`make_rules`; neither is written.
    """
    price = load_i64(order_addr + PRICE_AT)
    qty = load_i64(order_addr + QTY_AT)
    symbol: int = load_i64(order_addr + SYMBOL_AT)
    kind: int = load_u8(order_addr + KIND_AT)
    side = load_u8(order_addr + SIDE_AT)
    order_type: int = load_u8(order_addr + ORDER_TYPE_AT)
    time_in_force = load_u8(order_addr + TIME_IN_FORCE_AT)
    aux = load_i64(order_addr + AUX_AT)
    participant = load_u16(order_addr + PARTICIPANT_AT)
    row = find_row(symbol, rules_addr)

    below_limit = qty < load_i64(row + ROW_MIN_QTY_AT)
    above_limit = qty > load_i64(row + ROW_MAX_QTY_AT)
    duration = time_in_force & ((1 << SELF_TRADE_SHIFT) - 1)
    wrong_time = (duration == 0) | (duration > TIME_IN_FORCE_LAST)
    wrong_self_trade = (time_in_force >> SELF_TRADE_SHIFT) > SELF_TRADE_LAST
    wrong_side = (side > SIDE_LAST) | ((side == 0) & (kind != KIND_MASS_CANCEL))
    code: int = (
        (price <= 0) * BIT_PRICE_NOT_POSITIVE
        | (price > load_i64(row + ROW_MAX_PRICE_AT)) * BIT_PRICE_ABOVE_LIMIT
        | off_step(price, load_i64(row + ROW_PRICE_STEP_AT)) * BIT_PRICE_STEP
        | (qty <= 0) * BIT_QTY_NOT_POSITIVE
        | ((qty > 0) & (below_limit | above_limit)) * BIT_QTY_OUT_OF_LIMITS
        | off_step(qty, load_i64(row + ROW_QTY_STEP_AT)) * BIT_QTY_STEP
        | wrong_side * BIT_SIDE
        | ((order_type == 0) | (order_type > ORDER_TYPE_LAST)) * BIT_ORDER_TYPE
        | (wrong_time | wrong_self_trade) * BIT_TIME_IN_FORCE
        | wrong_kind(kind, aux, participant) * BIT_KIND
    )
    mask = applicable_checks(kind, order_type, symbol, rules_addr)
    if load_i64(row) == 0:
        return ((code & ~ROW_BITS) | BIT_SYMBOL) & mask
    return code & mask


@kernel
def validate_batch(orders_addr: int, count: int, rules_addr: int) -> int:
    """Write the verdict into ``error_code`` of ``count`` order records; returns how many are
    rejected."""
    rejected = 0
    for index in range(count):
        order = orders_addr + index * RECORD_BYTES
        code = validate(order, rules_addr)
        store_u16(order + ERROR_CODE_AT, code)
        rejected += code != 0
    return rejected


def validate_orders(orders: npt.NDArray[Any], rules: npt.NDArray[np.int64]) -> int:
    """:func:`validate_batch` over an array: ``orders`` (contiguous ``ORDER_DTYPE``) gets its
    ``error_code`` written; returns how many are rejected."""
    if orders.dtype != ORDER_DTYPE or not orders.flags.c_contiguous or not orders.flags.writeable:
        raise ValueError("orders must be a contiguous, writeable array of ORDER_DTYPE")
    return int(validate_batch(orders.ctypes.data, len(orders), rules.ctypes.data))
