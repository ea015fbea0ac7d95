"""Rate limits: request weight by network address, orders by account, as the API's headers say."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openoutcry.portal.spot.errors import TOO_MANY, TOO_MANY_ORDERS, ApiError

MINUTE_S, TEN_S, DAY_S = 60, 10, 86_400
BAN_AFTER, BAN_S = 300, 120
"""Requests over the limit until an address is banned, and for how long."""
MAX_SUBJECTS = 200_000


@dataclass
class Window:
    """A count of a subject within the present interval."""

    length_s: int
    counts: dict[Any, int] = field(default_factory=dict)
    number: int = 0

    def add(self, subject: Any, weight: int, now_s: float) -> int:
        number = int(now_s) // self.length_s
        if number != self.number or len(self.counts) > MAX_SUBJECTS:
            self.number, self.counts = number, {}
        count = self.counts.get(subject, 0) + weight
        self.counts[subject] = count
        return count

    def count(self, subject: Any, now_s: float) -> int:
        return self.counts.get(subject, 0) if int(now_s) // self.length_s == self.number else 0

    def left_s(self, now_s: float) -> int:
        return self.length_s - int(now_s) % self.length_s


class Limits:
    """Counts in this process."""

    def __init__(
        self,
        weight_a_minute: int = 6_000,
        orders_in_10_s: int = 100,
        orders_a_day: int = 200_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.weight_a_minute, self.clock = weight_a_minute, clock
        self.orders_in_10_s, self.orders_a_day = orders_in_10_s, orders_a_day
        self._weight = Window(MINUTE_S)
        self._orders, self._orders_day = Window(TEN_S), Window(DAY_S)
        self._banned: dict[str, float] = {}

    def take(self, address: str, weight: int) -> dict[str, str]:
        """Count a request; headers of the answer.  Raises :class:`ApiError`."""
        now_s = self.clock()
        until_s = self._banned.get(address, 0)
        if until_s > now_s:
            text = f"Way too much request weight used; IP banned until {int(until_s * 1000)}."
            raise self._error(TOO_MANY, text, 418, int(until_s - now_s) + 1)
        self._banned.pop(address, None)
        used = self._weight.add(address, weight, now_s)
        if used > self.weight_a_minute:
            if used > self.weight_a_minute + BAN_AFTER:
                self._banned[address] = now_s + BAN_S
            text = (
                f"Too much request weight used; current limit is {self.weight_a_minute} request "
                "weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid "
                "polling the API."
            )
            raise self._error(TOO_MANY, text, 429, self._weight.left_s(now_s))
        return {"x-mbx-used-weight": str(used), "x-mbx-used-weight-1m": str(used)}

    def take_order(self, participant: int) -> dict[str, str]:
        """Count a new order.  Raises :class:`ApiError`."""
        now_s = self.clock()
        ten = self._orders.add(participant, 1, now_s)
        day = self._orders_day.add(participant, 1, now_s)
        if ten > self.orders_in_10_s or day > self.orders_a_day:
            window = self._orders if ten > self.orders_in_10_s else self._orders_day
            text = "Too many new orders; current limit is "
            text += f"{self.orders_in_10_s} orders per 10 SECOND."
            raise self._error(TOO_MANY_ORDERS, text, 429, window.left_s(now_s))
        return self.order_headers(participant)

    def order_headers(self, participant: int) -> dict[str, str]:
        now_s = self.clock()
        return {
            "x-mbx-order-count-10s": str(self._orders.count(participant, now_s)),
            "x-mbx-order-count-1d": str(self._orders_day.count(participant, now_s)),
        }

    def _error(self, code: int, text: str, status: int, retry_s: int) -> ApiError:
        error = ApiError(code, text, status)
        error.retry_after_s = retry_s
        return error

    @property
    def shown(self) -> list[dict[str, Any]]:
        """For exchangeInfo."""

        def row(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
            return {
                "rateLimitType": kind,
                "interval": interval,
                "intervalNum": number,
                "limit": limit,
            }

        return [
            row("REQUEST_WEIGHT", "MINUTE", 1, self.weight_a_minute),
            row("ORDERS", "SECOND", 10, self.orders_in_10_s),
            row("ORDERS", "DAY", 1, self.orders_a_day),
        ]
