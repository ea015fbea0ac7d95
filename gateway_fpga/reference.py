"""The validator's rules once more, slow and obvious: what the golden model is tested against.

Written from the table in docs/gateway.md, field by field, without a look at the kernel.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from openoutcry.wire.enums import (
    CommandKind,
    ErrorBit,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)

HOUSE = 0


def reference_verdict(order: np.void, instruments: Mapping[bytes, np.void]) -> set[ErrorBit]:
    """Everything that is wrong with one ``ORDER_DTYPE`` record.

    ``instruments`` maps each symbol to its ``INSTRUMENT_DTYPE`` row.
    """
    row = instruments.get(bytes(order["symbol"]))
    kind = int(order["kind"])
    wrong: set[ErrorBit] = set()
    if row is None and _must_name_an_instrument(order):
        wrong.add(ErrorBit.SYMBOL)
    if kind not in list(CommandKind) or (_is_the_houses(order) and order["participant"] != HOUSE):
        wrong.add(ErrorBit.KIND)
    if kind == CommandKind.NEW:
        wrong |= _form(order) | _quantity(order, row)
        if int(order["order_type"]) not in (
            OrderType.MARKET,
            OrderType.MARKET_TO_LIMIT,
            OrderType.STOP,
            OrderType.TRAILING_STOP,
            OrderType.TRAILING_STOP_BPS,
        ):
            wrong |= _price(order, row)
    elif kind == CommandKind.REPLACE:
        wrong |= _quantity(order, row) | _price(order, row)
    elif kind == CommandKind.REDUCE:
        wrong |= _quantity(order, row) - {ErrorBit.QTY_OUT_OF_LIMITS}
    elif kind == CommandKind.MASS_CANCEL and int(order["side"]) not in (0, *Side):
        wrong.add(ErrorBit.SIDE)
    return wrong


def error_code(wrong: set[ErrorBit]) -> int:
    """The verdict as the bits that stand in the record."""
    return sum(1 << bit for bit in wrong)


def _must_name_an_instrument(order: np.void) -> bool:
    if order["kind"] in (CommandKind.DISCONNECT, CommandKind.TIME):
        return False
    return order["kind"] != CommandKind.MASS_CANCEL or bytes(order["symbol"]) != b""


def _is_the_houses(order: np.void) -> bool:
    if order["kind"] == CommandKind.MASS_CANCEL:
        return int(order["aux"]) != 0
    return order["kind"] in (CommandKind.TIME, CommandKind.PHASE)


def _form(order: np.void) -> set[ErrorBit]:
    wrong = set()
    if int(order["side"]) not in list(Side):
        wrong.add(ErrorBit.SIDE)
    if int(order["order_type"]) not in list(OrderType):
        wrong.add(ErrorBit.ORDER_TYPE)
    self_trade, duration = divmod(int(order["time_in_force"]), 16)
    if duration not in list(TimeInForce) or self_trade not in list(SelfTrade):
        wrong.add(ErrorBit.TIME_IN_FORCE)
    return wrong


def _quantity(order: np.void, row: Any) -> set[ErrorBit]:
    qty_lots = int(order["qty_lots"])
    if qty_lots <= 0:
        return {ErrorBit.QTY_NOT_POSITIVE}
    wrong = set()
    if row is not None:
        if not int(row["min_qty_lots"]) <= qty_lots <= int(row["max_qty_lots"]):
            wrong.add(ErrorBit.QTY_OUT_OF_LIMITS)
        if qty_lots % int(row["qty_step_lots"]) != 0:
            wrong.add(ErrorBit.QTY_STEP)
    return wrong


def _price(order: np.void, row: Any) -> set[ErrorBit]:
    price_ticks = int(order["price_ticks"])
    wrong = set()
    if price_ticks <= 0:
        wrong.add(ErrorBit.PRICE_NOT_POSITIVE)
    if row is not None:
        if price_ticks > int(row["max_price_ticks"]):
            wrong.add(ErrorBit.PRICE_ABOVE_LIMIT)
        steps = [int(row["price_step_ticks"])]
        steps += [int(row[f"band{k}_step_ticks"]) for k in range(1, 11)]
        if price_ticks > 0 and price_ticks % math.gcd(*steps) != 0:
            wrong.add(ErrorBit.PRICE_STEP)
    return wrong
