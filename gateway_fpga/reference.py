"""The validator's rules once more, slow and obvious: what the golden model is tested against.

Written from the table in docs/gateway.md, field by field, without a look at the kernel.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from openoutcry.wire.enums import CommandKind, ErrorBit, OrderType, Side, TimeInForce


def reference_verdict(order: np.void, instruments: Mapping[bytes, np.void]) -> set[ErrorBit]:
    """Everything that is wrong with one ``ORDER_DTYPE`` record.

    ``instruments`` maps each symbol to its ``INSTRUMENT_DTYPE`` row.
    """
    wrong: set[ErrorBit] = set()
    row = instruments.get(bytes(order["symbol"]))
    if row is None:
        wrong.add(ErrorBit.SYMBOL)
    kind = int(order["kind"])
    if kind not in list(CommandKind):
        wrong.add(ErrorBit.KIND)
    elif kind == CommandKind.NEW:
        wrong |= _form(order)
        wrong |= _quantity(order, row)
        if int(order["order_type"]) != OrderType.MARKET:
            wrong |= _price(order, row)
    elif kind == CommandKind.REPLACE:
        wrong |= _quantity(order, row) | _price(order, row)
    elif kind == CommandKind.REDUCE:
        wrong |= _quantity(order, row) - {ErrorBit.QTY_OUT_OF_LIMITS}
    return wrong


def error_code(wrong: set[ErrorBit]) -> int:
    """The verdict as the bits that stand in the record."""
    return sum(1 << bit for bit in wrong)


def _form(order: np.void) -> set[ErrorBit]:
    wrong = set()
    if int(order["side"]) not in list(Side):
        wrong.add(ErrorBit.SIDE)
    if int(order["order_type"]) not in list(OrderType):
        wrong.add(ErrorBit.ORDER_TYPE)
    if int(order["time_in_force"]) not in list(TimeInForce):
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
    if price_ticks <= 0:
        return {ErrorBit.PRICE_NOT_POSITIVE}
    wrong = set()
    if row is not None:
        if price_ticks > int(row["max_price_ticks"]):
            wrong.add(ErrorBit.PRICE_ABOVE_LIMIT)
        if price_ticks % int(row["price_step_ticks"]) != 0:
            wrong.add(ErrorBit.PRICE_STEP)
    return wrong
