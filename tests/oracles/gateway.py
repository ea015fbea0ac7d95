"""The validator's rules once more, slow and obvious: what the golden model is tested against.

Written from the table in docs/gateway.md, field by field, without a look at the kernel.
"""

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from openoutcry.gateway_fpga.settings import Limits, Settings
from openoutcry.wire.enums import (
    REDUCE_ONLY,
    CommandKind,
    ErrorBit,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)

OPERATOR = 0
PARTICIPANTS = 1024


class ReferenceGateway:
    """A gateway's settings and what it remembers of the participants' rates."""

    def __init__(
        self, instruments: Mapping[bytes, np.void], settings: Settings | None = None
    ) -> None:
        """``instruments`` maps each symbol to its ``INSTRUMENT_DTYPE`` row."""
        self.instruments = instruments
        self.settings = settings or Settings()
        self.next_at_rate_ns: dict[int, int] = {}

    def verdict(self, order: np.void) -> set[ErrorBit]:
        """Everything that is wrong with one ``ORDER_DTYPE`` record."""
        row = self.instruments.get(bytes(order["symbol"]))
        kind = int(order["kind"])
        wrong: set[ErrorBit] = set()
        if row is None and _must_name_an_instrument(order):
            wrong.add(ErrorBit.SYMBOL)
        not_his = _is_operators(order) and order["participant"] != OPERATOR
        if kind not in list(CommandKind) or not_his:
            wrong.add(ErrorBit.KIND)
        if kind in (CommandKind.NEW, CommandKind.REPLACE, CommandKind.SET_EXPIRY):
            wrong |= self._entry(order)
        if kind == CommandKind.NEW:
            wrong |= _form(order) | _quantity(order, row)
            if int(order["order_type"]) not in (
                OrderType.MARKET,
                OrderType.MARKET_TO_LIMIT,
                OrderType.STOP,
                OrderType.TRAILING_STOP,
                OrderType.TRAILING_STOP_BPS,
                OrderType.MARKET_BUDGET,
                OrderType.TAKE_PROFIT,
            ):
                wrong |= _price(order, row) | self._worth(order, row)
        elif kind == CommandKind.REPLACE:
            wrong |= _quantity(order, row) | _price(order, row) | self._worth(order, row)
        elif kind == CommandKind.REDUCE:
            wrong |= _quantity(order, row) - {ErrorBit.QTY_OUT_OF_LIMITS}
        elif kind == CommandKind.MASS_CANCEL and int(order["side"]) not in (0, *Side):
            wrong.add(ErrorBit.SIDE)
        return wrong

    def _entry(self, order: np.void) -> set[ErrorBit]:
        participant = int(order["participant"])
        wrong = set()
        if self._limits(order).halted:
            wrong.add(ErrorBit.HALTED)
        if self.settings.check_participants and participant not in self.settings.participants_on:
            wrong.add(ErrorBit.PARTICIPANT)
        if self.settings.rate_interval_ns and self._over_rate(order, participant):
            wrong.add(ErrorBit.RATE)
        return wrong

    def _over_rate(self, order: np.void, participant: int) -> bool:
        if participant >= PARTICIPANTS:
            return True
        now = int(order["rx_ts_ns"]) % 2**62
        due = self.next_at_rate_ns.get(participant, 0)
        if due - now > self.settings.rate_burst_ns:
            return True
        self.next_at_rate_ns[participant] = max(due, now) + self.settings.rate_interval_ns
        return False

    def _worth(self, order: np.void, row: Any) -> set[ErrorBit]:
        price_ticks, qty_lots = int(order["price_ticks"]), int(order["qty_lots"])
        wrong: set[ErrorBit] = set()
        if row is None or price_ticks <= 0:
            return wrong
        limits = self._limits(order)
        reference = limits.reference_price_ticks
        if limits.collar_bps:
            distance = abs(price_ticks - reference)
            if distance > 1 and Fraction(distance, reference) > Fraction(limits.collar_bps, 10_000):
                wrong.add(ErrorBit.COLLAR)
        if order["kind"] == CommandKind.NEW:
            if order["side"] == Side.SELL and price_ticks < limits.lowest_sell_ticks:
                wrong.add(ErrorBit.COLLAR)
            if order["side"] == Side.BUY and price_ticks > limits.highest_buy_ticks:
                wrong.add(ErrorBit.COLLAR)
        if qty_lots > 0 and price_ticks * qty_lots > limits.notional_limit:
            wrong.add(ErrorBit.NOTIONAL)
        return wrong

    def _limits(self, order: np.void) -> Limits:
        return self.settings.limits.get(bytes(order["symbol"]), Limits())


def error_code(wrong: Iterable[ErrorBit]) -> int:
    """The verdict as the bits that stand in the record."""
    return sum(1 << bit for bit in wrong)


def _must_name_an_instrument(order: np.void) -> bool:
    if order["kind"] in (CommandKind.DISCONNECT, CommandKind.TIME):
        return False
    may_name_none = order["kind"] in (CommandKind.MASS_CANCEL, CommandKind.RISK)
    return not may_name_none or bytes(order["symbol"]) != b""


def _is_operators(order: np.void) -> bool:
    if order["kind"] == CommandKind.MASS_CANCEL:
        return int(order["aux"]) != 0
    return order["kind"] in (CommandKind.TIME, CommandKind.PHASE, CommandKind.RISK)


def _form(order: np.void) -> set[ErrorBit]:
    wrong = set()
    if int(order["side"]) not in list(Side):
        wrong.add(ErrorBit.SIDE)
    if int(order["order_type"]) not in list(OrderType):
        wrong.add(ErrorBit.ORDER_TYPE)
    self_trade, duration = divmod(int(order["time_in_force"]) % REDUCE_ONLY, 16)
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
        if qty_lots % checked_part(int(row["qty_step_lots"])) != 0:
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
        bands = [
            (int(row[f"band{k}_from_ticks"]), int(row[f"band{k}_step_ticks"]))
            for k in range(1, 11)
            if row[f"band{k}_step_ticks"]
        ]
        starts = [-(2**63), *(start for start, _ in bands)]
        ends = [*(start - 1 for start, _ in bands), 2**63 - 1]
        steps = [int(row["price_step_ticks"]), *(step for _, step in bands)]
        # Of the steps, those that hold somewhere among the positive prices.
        asked = [
            step
            for step, start, end in zip(steps, starts, ends, strict=True)
            if max(start, 1) <= end
        ]
        if price_ticks > 0 and price_ticks % checked_part(math.gcd(*asked)) != 0:
            wrong.add(ErrorBit.PRICE_STEP)
    return wrong


def checked_part(step: int) -> int:
    """The largest divisor of a step that is 2**a * 5**b with b not above 6."""
    return math.gcd(step, 2**62 * 5**6)
