"""A participant's own events: what became of its orders, and what its wallets hold."""

import json
import secrets
import string
import time
from collections.abc import Callable
from typing import Any

from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.trading.instruments import text_of
from openoutcry.portal.trading.mirror import Mirror, Moment
from openoutcry.portal.trading.orders import Report
from openoutcry.wire.enums import OrderType

LETTERS = string.ascii_letters + string.digits
KEY_LENGTH, LASTS_S, MAX_KEYS = 64, 3_600.0, 100_000
Deliver = Callable[[dict[str, Any]], None]


class UserData:
    """Events of participants to those that have subscribed in their name."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self._of: dict[int, list[Deliver]] = {}
        self._balances: dict[int, dict[str, tuple[int, int]]] = {}
        mirror.listeners.append(self._moment)

    def subscribe(self, participant: int, deliver: Deliver) -> None:
        self._of.setdefault(participant, []).append(deliver)
        self._balances.setdefault(participant, self.mirror.balances(participant))

    def unsubscribe(self, participant: int, deliver: Deliver) -> None:
        rows = self._of.get(participant, [])
        if deliver in rows:
            rows.remove(deliver)
        if not rows:
            self._of.pop(participant, None)
            self._balances.pop(participant, None)

    def _moment(self, moment: Moment) -> None:
        if not self._of:
            return
        reported = set()
        for report in moment.reports:
            participant = report.order.participant
            if participant in self._of:
                reported.add(participant)
                self._tell(participant, self.execution(report))
        for participant in moment.wallets & self._of.keys():
            self._wallets(participant, participant in reported)

    def _tell(self, participant: int, event: dict[str, Any]) -> None:
        for deliver in list(self._of[participant]):
            deliver(event)

    def _wallets(self, participant: int, is_reported: bool) -> None:
        """What changed of the balances; money in and out is a separate event."""
        new, old = self.mirror.balances(participant), self._balances[participant]
        changed = [name for name in new if new[name] != old.get(name)]
        if not changed:
            return
        self._balances[participant] = new
        decimals, at_ms = self.mirror.markets.assets, self.mirror.time_ns // 1_000_000
        rows = [
            {
                "a": name,
                "f": text_of(new[name][0], decimals[name]),
                "l": text_of(new[name][1], decimals[name]),
            }
            for name in changed
        ]
        head = {"E": at_ms, "u": at_ms}
        self._tell(participant, {"e": "outboundAccountPosition"} | head | {"B": rows})
        if is_reported:
            return
        for name in changed:
            moved = sum(new[name]) - sum(old.get(name, (0, 0)))
            if moved:
                text = text_of(moved, decimals[name])
                head = {"E": at_ms, "T": at_ms}
                self._tell(participant, {"e": "balanceUpdate", "a": name, "d": text} | head)

    def execution(self, report: Report) -> dict[str, Any]:
        """An executionReport."""
        order, fill = report.order, report.fill
        market = self.mirror.markets.by_index[order.instrument]
        is_cancel = report.execution == "CANCELED"
        at_ms = shapes.ms(report.time_ns)
        iceberg = order.aux if order.order_type == OrderType.ICEBERG else 0
        event: dict[str, Any] = {
            "e": "executionReport",
            "E": at_ms,
            "s": market.name,
            "c": order.cancel_id if is_cancel else order.client_id,
            "S": shapes.side_text(order.side),
            "o": shapes.type_text(order),
            "f": shapes.tif_text(order),
            "q": market.quantity(order.shown_lots),
            "p": market.price(shapes.shown_price(order)),
            "P": market.price(shapes.stop_ticks(order)),
            "F": market.quantity(iceberg),
            "g": -1,
            "C": order.client_id if is_cancel else "",
            "x": report.execution,
            "X": report.state,
            "r": "NONE" if report.execution != "REJECTED" else "INSUFFICIENT_BALANCE",
            "i": order.number,
            "l": market.quantity(fill.lots if fill else 0),
            "z": market.quantity(report.executed_lots),
            "L": market.price(fill.price_ticks if fill else 0),
            "n": shapes.fee_text(fill, market) if fill else "0",
            "N": fill.fee_asset if fill else None,
            "T": at_ms,
            "t": fill.number if fill else -1,
            "I": report.event_seq,
            "w": order.is_open and not order.is_waiting,
            "m": bool(fill and fill.is_maker),
            "M": bool(fill),
            "O": shapes.ms(order.created_ns),
            "Z": market.amount(report.executed_tick_lots),
            "Y": market.amount(fill.price_ticks * fill.lots if fill else 0),
            "Q": market.amount(order.aux if order.is_budget else 0),
            "W": shapes.ms(order.created_ns),
            "V": shapes.self_trade_text(order),
        }
        if order.prevented_lots:
            event["A"] = market.quantity(order.prevented_lots)
        return event


class ListenKeys:
    """Names of user streams: random, an hour long unless they are kept, their owner's alone.

    They live in this process: after a restart of the portal a client asks for another one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._keys: dict[str, tuple[int, float]] = {}

    def create(self, participant: int) -> str:
        """The present key of the participant, or another."""
        now_s = self.clock()
        for key, (owner, until_s) in list(self._keys.items()):
            if until_s < now_s:
                del self._keys[key]
            elif owner == participant:
                self.keep(participant, key)
                return key
        if len(self._keys) >= MAX_KEYS:
            raise ApiError(errors.TOO_MANY, "Too many listen keys.")
        key = "".join(secrets.choice(LETTERS) for _ in range(KEY_LENGTH))
        self._keys[key] = participant, now_s + LASTS_S
        return key

    def participant(self, key: str) -> int:
        """0: the key is unknown or has expired."""
        owner, until_s = self._keys.get(key, (0, 0.0))
        return owner if until_s >= self.clock() else 0

    def keep(self, participant: int, key: str) -> None:
        self._require(participant, key)
        self._keys[key] = participant, self.clock() + LASTS_S

    def end(self, participant: int, key: str) -> None:
        self._require(participant, key)
        del self._keys[key]

    def _require(self, participant: int, key: str) -> None:
        if not participant or self.participant(key) != participant:
            raise ApiError(errors.INVALID_LISTEN_KEY, "This listenKey does not exist.")


def as_text(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))
