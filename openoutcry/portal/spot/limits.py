"""Rate limits: request weight by network address, orders by account, as the API's headers say."""

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from math import ceil
from typing import Any

from openoutcry.portal.shared_table import LARGEST, Table
from openoutcry.portal.spot.errors import TOO_MANY, TOO_MANY_ORDERS, ApiError
from openoutcry.wire.peers import owner_of

MINUTE_S, TEN_S, DAY_S = 60, 10, 86_400
BAN_AFTER, BAN_S, BANNED = 300, 120, 418
"""Requests over the limit until an address is banned, for how long, and the status of a refusal.  A
WebSocket of an address that is banned ends: to read what it says costs more than to refuse it."""
NAMES_OF_ORDER, NO_LIMIT = 2, 1 << 62
"""An order takes a name, and so does its cancel."""
SUBJECTS = 1 << 17
"""Slots of the table of counts."""


class Window:
    """Counts of subjects within the present interval."""

    def __init__(self, table: Table, name: str, length_s: int) -> None:
        self.table, self.name, self.length_s = table, name, length_s

    def add(self, subject: Any, weight: int, now_s: float) -> int:
        """Add to a subject's count; what it is now.  The count ends with the interval."""
        until_s = (int(now_s) // self.length_s + 1) * self.length_s
        return self.table.add(f"{self.name} {subject}", weight, until_s, now_s)

    def count(self, subject: Any, now_s: float) -> int:
        """A subject's count in the interval of ``now_s`` (seconds since 1970)."""
        return self.table.number(f"{self.name} {subject}", now_s)

    def left_s(self, now_s: float) -> int:
        """Seconds until the present interval ends."""
        return self.length_s - int(now_s) % self.length_s


class Limits:
    """Counts of all processes of a portal."""

    def __init__(
        self,
        weight_a_minute: int = 6_000,
        orders_in_10_s: int = 100,
        orders_a_day: int = 200_000,
        clock: Callable[[], float] = time.time,
        weights: Mapping[str, int] | None = None,
        key_weight_a_minute: int = 12_000,
        table: Table | None = None,
        names: int = NO_LIMIT,
        session_of: Callable[[int], int] = lambda participant: 0,
    ) -> None:
        """``weights``: of single requests, as ``GET /api/v3/depth``; ``table``: the portal's;
        ``names``: of orders that the venue has for a day; ``session_of``: number of the session in
        which a participant's are."""
        self.weight_a_minute, self.clock = weight_a_minute, clock
        self.key_weight_a_minute, self.weights = key_weight_a_minute, dict(weights or {})
        self.orders_in_10_s, self.orders_a_day = orders_in_10_s, orders_a_day
        self._table = table or Table(SUBJECTS)
        self._weight = Window(self._table, "weight", MINUTE_S)
        self._key_weight = Window(self._table, "key", MINUTE_S)
        self._orders = Window(self._table, "orders", TEN_S)
        self._orders_day = Window(self._table, "orders a day", DAY_S)
        self._names = Window(self._table, "names a day", DAY_S)
        self.names, self.session_of = names, session_of
        self._banned: dict[str, float] = {}
        """Addresses that this process knows to be banned, and until when."""
        self._over: dict[int, tuple[float, str]] = {}
        """Participants over a limit on orders: until when, and the words."""

    def banned_s(self, address: str) -> float:
        """Seconds for which an address is still banned, as far as this process knows; 0: it is
        not."""
        if not self._banned:
            return 0.0
        address = owner_of(address)
        left_s = self._banned.get(address, 0.0) - self.clock()
        if left_s <= 0:
            self._banned.pop(address, None)
        return max(left_s, 0.0)

    def take(self, address: str, weight: int) -> dict[str, str]:
        """Count a request; headers of the answer.  Raises :class:`ApiError`."""
        now_s, address = self.clock(), owner_of(address)
        ban = f"banned {address}"
        with self._table.held():
            until_s = self._table.entry(ban, now_s)[1]
            used = 0 if until_s > now_s else self._weight.add(address, weight, now_s)
        if until_s > now_s:
            self._banned[address] = until_s
            raise banned(until_s, until_s - now_s)
        if used > self.weight_a_minute:
            if used > self.weight_a_minute + BAN_AFTER:
                self._table.add(ban, LARGEST, now_s + BAN_S, now_s)
            text = (
                f"Too much request weight used; current limit is {self.weight_a_minute} request "
                "weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid "
                "polling the API."
            )
            raise _error(TOO_MANY, text, 429, self._weight.left_s(now_s))
        return {"x-mbx-used-weight": str(used), "x-mbx-used-weight-1m": str(used)}

    def weight_of(self, method: str, path: str, weight: int) -> int:
        """Return the operator's weight, or else ``weight``."""
        return self.weights.get(f"{method} {path}", weight)

    def take_key(self, number: int, weight: int) -> None:
        """Count a request of an API key, wherever it comes from.  Raises :class:`ApiError`."""
        now_s = self.clock()
        if self._key_weight.add(number, weight, now_s) > self.key_weight_a_minute:
            text = (
                f"Too much request weight used; current limit of a key is "
                f"{self.key_weight_a_minute} request weight per 1 MINUTE."
            )
            raise _error(TOO_MANY, text, 429, self._key_weight.left_s(now_s))

    def take_order(self, participant: int, owner: int, count: int = 1) -> dict[str, str]:
        """Count new orders; ``owner``: the user of the main account.  Raises
        :class:`ApiError`."""
        self.require_room(participant)
        now_s = self.clock()
        with self._table.held():
            ten = self._orders.add(participant, count, now_s)
            day = self._orders_day.add(participant, count, now_s)
        if ten > self.orders_in_10_s or day > self.orders_a_day:
            window, limit = self._orders_day, f"{self.orders_a_day} orders per 1 DAY"
            if ten > self.orders_in_10_s:
                window, limit = self._orders, f"{self.orders_in_10_s} orders per 10 SECOND"
            text = f"Too many new orders; current limit is {limit}."
            self._over[participant] = int(now_s) + window.left_s(now_s), text
            raise _error(TOO_MANY_ORDERS, text, 429, window.left_s(now_s))
        self.take_names(participant, owner, NAMES_OF_ORDER * count)
        return _order_headers(ten, day)

    def take_names(self, participant: int, owner: int, count: int = 1) -> None:
        """Count names of orders.  The venue has so many a day, and gives a session, which many
        participants share, no more than are left for all.  An owner takes at most half of what that
        leaves its session, so some are left for others whoever takes as many as it can.  Raises
        :class:`ApiError`."""
        now_s, own, session = self.clock(), f"of {owner}", f"in {self.session_of(participant)}"
        with self._table.held():
            used = [self._names.count(subject, now_s) for subject in ("", session, own)]
            if used[2] + count > (self.names - used[0] - used[1]) // 2:
                text = "Too many new orders of this account and its sub-accounts today."
                raise _error(TOO_MANY_ORDERS, text, 429, self._names.left_s(now_s))
            for subject in ("", session, own):
                self._names.add(subject, count, now_s)

    def require_room(self, participant: int) -> None:
        """Refuse an order of a participant that this process knows to be over a limit; the order
        is not counted.  Raises :class:`ApiError`."""
        until_s, text = self._over.get(participant, (0.0, ""))
        left_s = until_s - self.clock()
        if left_s > 0:
            raise _error(TOO_MANY_ORDERS, text, 429, ceil(left_s))
        self._over.pop(participant, None)

    def order_headers(self, participant: int) -> dict[str, str]:
        """Headers with a participant's orders in 10 seconds and in a day; nothing is counted."""
        now_s = self.clock()
        ten, day = (one.count(participant, now_s) for one in (self._orders, self._orders_day))
        return _order_headers(ten, day)

    @cached_property
    def shown(self) -> list[dict[str, Any]]:
        """The limits for exchangeInfo."""

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


def banned(until_s: float, left_s: float) -> ApiError:
    """The refusal of an address that is banned for so long."""
    text = f"Way too much request weight used; IP banned until {int(until_s * 1000)}."
    return _error(TOO_MANY, text, BANNED, int(left_s) + 1)


def _error(code: int, text: str, status: int, retry_s: int) -> ApiError:
    error = ApiError(code, text, status)
    error.retry_after_s = retry_s
    return error


def _order_headers(ten: int, day: int) -> dict[str, str]:
    return {"x-mbx-order-count-10s": str(ten), "x-mbx-order-count-1d": str(day)}
