"""A participant's own events: what became of its orders, and what its wallets hold."""

import asyncio
import hashlib
import hmac
import json
import secrets
import string
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from openoutcry.portal.accounts.api_keys import ApiKey
from openoutcry.portal.shared_table import Table
from openoutcry.portal.spot import errors, shapes, times
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.trading.instruments import Market, text_of
from openoutcry.portal.trading.mirror import Mirror, Moment
from openoutcry.portal.trading.orders import (
    NEW,
    OPEN_STATES,
    Order,
    OrderList,
    PreventedMatch,
    Report,
    is_balance_reject,
)
from openoutcry.wire.enums import OrderType, Reason
from openoutcry.wire.words import REASONS, SELF_TRADE

LETTERS = string.ascii_letters + string.digits
PLACES = {letter: place for place, letter in enumerate(LETTERS)}
KEY_LENGTH, LASTS_S, MAX_KEYS = 64, 3_600.0, 1 << 17
LISTEN, MAC_BYTES = struct.Struct(">QIQQ"), 18
"""Content of a listen key: API key, participant, when the API key ends, and its own number."""
Deliver = Callable[[list[str]], None]
Make = Callable[[], dict[str, Any]]
LAPSED_S = 1.0
"""Seconds between two looks for listen keys that have ended while a connection subscribes by
them."""
PENDING = "PENDING_NEW"
SEEN_S = 0.1
"""Seconds for which a listen key that was found good is not looked up again for each event."""


class Subscription(NamedTuple):
    """What a connection receives, and by which right."""

    key: Any
    """The listen key, or the API key's number."""
    is_in_force: Callable[[], bool]
    fine: bool
    lapsed: Callable[[], None] | None


class UserData:
    """Events of participants to those that have subscribed in their name."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self._of: dict[int, dict[Deliver, Subscription]] = {}
        self._balances: dict[int, dict[str, tuple[int, int]]] = {}
        mirror.listeners.append(self._moment)

    def _is_spot(self, instrument: int) -> bool:
        """Return whether it is a spot instrument: a contract has no shape in this API."""
        market = self.mirror.markets.by_index.get(instrument)
        return market is not None and market.contract is None

    def subscribe(
        self,
        participant: int,
        deliver: Deliver,
        key: Any,
        is_in_force: Callable[[], bool],
        fine: bool = False,
        lapsed: Callable[[], None] | None = None,
    ) -> None:
        """Call ``deliver`` with a participant's events, as texts, from now on: once with all that a
        moment brings.  Before that, ``is_in_force`` is asked once for all connections with the same
        ``key``.  ``fine``: moments are in microseconds.  ``lapsed`` is called once ``is_in_force``
        says no, with or without an event."""
        row = Subscription(key, is_in_force, fine, lapsed)
        self._of.setdefault(participant, {})[deliver] = row
        self._balances.setdefault(participant, self.mirror.balances(participant))

    def unsubscribe(self, participant: int, deliver: Deliver) -> None:
        """End a subscription; nothing happens without one."""
        rows = self._of.get(participant, {})
        rows.pop(deliver, None)
        if not rows:
            self._of.pop(participant, None)
            self._balances.pop(participant, None)

    async def run(self) -> None:
        """End subscriptions whose right has ended; until cancelled."""
        while True:
            await asyncio.sleep(LAPSED_S)
            self.end_lapsed()

    def end_lapsed(self) -> None:
        """Call ``lapsed`` of each subscription that has one and is no longer in force."""
        in_force: dict[Any, bool] = {}
        for row in [row for rows in self._of.values() for row in rows.values()]:
            if row.lapsed is None:
                continue
            if row.key not in in_force:
                in_force[row.key] = row.is_in_force()
            if not in_force[row.key]:
                row.lapsed()

    def _moment(self, moment: Moment) -> None:
        if not self._of:
            return
        events: dict[int, list[Make]] = {}
        for report in moment.reports:
            participant = report.order.participant
            if participant in self._of and self._is_spot(report.order.instrument):
                events.setdefault(participant, []).append(partial(self.execution, report))
        for of, is_open, time_ns in lists_changed(moment):
            if of.participant in self._of and self._is_spot(of.instrument):
                make = partial(self.list_status, of, is_open, time_ns)
                events.setdefault(of.participant, []).append(make)
        for participant in moment.wallets & self._of.keys():
            changes = self._wallets(participant, participant in events)
            if changes:
                events.setdefault(participant, []).extend(changes)
        for participant, makes in events.items():
            self._tell(participant, makes)

    def _tell(self, participant: int, makes: list[Make]) -> None:
        """Events, each made once for all connections whose moments have the same unit."""
        texts: dict[bool, list[str]] = {}
        in_force: dict[Any, bool] = {}
        for deliver, (key, is_in_force, fine, _) in list(self._of[participant].items()):
            if key not in in_force:
                in_force[key] = is_in_force()
            if not in_force[key]:
                continue
            if fine not in texts:
                with times.in_unit(fine):
                    texts[fine] = [as_text(make()) for make in makes]
            deliver(texts[fine])

    def _wallets(self, participant: int, is_reported: bool) -> list[Make]:
        """Events of what has changed of the balances; money in and out is a separate one."""
        new, old = self.mirror.balances(participant), self._balances[participant]
        changed = [name for name in new if new[name] != old.get(name)]
        if not changed:
            return []
        self._balances[participant] = new
        decimals, time_ns = self.mirror.markets.assets, self.mirror.time_ns
        rows = [
            {
                "a": name,
                "f": text_of(new[name][0], decimals[name]),
                "l": text_of(new[name][1], decimals[name]),
            }
            for name in changed
        ]

        def position() -> dict[str, Any]:
            at = times.of_ns(time_ns)
            return {"e": "outboundAccountPosition", "E": at, "u": at, "B": rows}

        moved = {name: sum(new[name]) - sum(old.get(name, (0, 0))) for name in changed}
        if is_reported:
            return [position]
        return [
            position,
            *(
                partial(update_of, name, text_of(by, decimals[name]), time_ns)
                for name, by in moved.items()
                if by
            ),
        ]

    def execution(self, report: Report) -> dict[str, Any]:
        """An executionReport."""
        order, fill = report.order, report.fill
        market = self.mirror.markets.by_index[order.instrument]
        is_cancel = report.execution == "CANCELED"
        at = times.of_ns(report.time_ns)
        iceberg = order.aux if order.order_type == OrderType.ICEBERG else 0
        event: dict[str, Any] = {
            "e": "executionReport",
            "E": at,
            "s": market.name,
            "c": order.cancel_id if is_cancel else order.client_id,
            "S": shapes.side_text(order.side),
            "o": shapes.type_text(order),
            "f": shapes.tif_text(order),
            "q": market.quantity(order.shown_lots),
            "p": market.price(order.limit_ticks),
            "P": market.price(order.trigger_ticks or order.activation_ticks),
            "F": market.quantity(iceberg),
            "g": shapes.list_number(order),
            "C": order.client_id if is_cancel else "",
            "x": report.execution,
            "X": PENDING if report.state == NEW and order.is_pending else report.state,
            "r": reject_reason(order) if report.execution == "REJECTED" else "NONE",
            "i": order.number,
            "l": market.quantity(fill.lots if fill else 0),
            "z": market.quantity(report.executed_lots),
            "L": market.price(fill.price_ticks if fill else 0),
            "n": market.fee(fill.fee_units, fill.fee_asset) if fill else "0",
            "N": fill.fee_asset if fill else None,
            "T": at,
            "t": fill.number if fill else -1,
            "I": report.event_seq,
            "w": order.is_open and not order.is_waiting,
            "m": bool(fill and fill.is_maker),
            "M": bool(fill),
            "O": times.of_ns(order.created_ns),
            "Z": market.amount(report.executed_tick_lots),
            "Y": market.amount(fill.price_ticks * fill.lots if fill else 0),
            "Q": market.amount(order.aux if order.is_budget else 0),
            "V": SELF_TRADE.say("Binance", order.self_trade),
        }
        if not order.is_waiting:
            event["W"] = times.of_ns(order.created_ns)
        if order.expires_ns:
            event["gtd"] = order.expires_ns // 1_000_000
        if report.execution == "EXPIRED":
            event["eR"] = shapes.expiry_reason(order)
        if order.trailing_bps:
            event["d"], event["D"] = order.trailing_bps, times.of_ns(order.created_ns)
        if report.execution == "TRADE_PREVENTION":
            event["A"] = market.quantity(order.prevented_lots)
        if report.amended is not None:
            event |= {"c": report.amended.new_id, "C": report.amended.old_id}
            event["q"] = market.quantity(report.amended.new_lots)
        if report.prevented is not None:
            event |= prevention(report.prevented, order, market)
        return event

    def list_status(self, of: OrderList, is_open: bool, time_ns: int) -> dict[str, Any]:
        """A listStatus: a list was placed, or all of it is done."""
        market, at = self.mirror.markets.by_index[of.instrument], times.of_ns(time_ns)
        shown = shapes.order_list(of, market)
        return {
            "e": "listStatus",
            "E": at,
            "s": market.name,
            "g": of.number,
            "c": shown["contingencyType"],
            "l": "EXEC_STARTED" if is_open else "ALL_DONE",
            "L": "EXECUTING" if is_open else "ALL_DONE",
            "r": "NONE",
            "C": of.client_id,
            "T": at,
            "O": [
                {"s": market.name, "i": order.number, "c": order.client_id} for order in of.orders
            ],
        }


def lists_changed(moment: Moment) -> list[tuple[OrderList, bool, int]]:
    """Return the lists that were placed in a moment (True), or done (False), and when."""
    changed: list[tuple[OrderList, bool, int]] = []
    ended: dict[int, tuple[OrderList, bool, int]] = {}
    for report in moment.changes:
        of = report.order.of
        if of is None or not of.is_whole:
            continue
        if report.execution == "NEW" and report.order is of.orders[-1]:
            changed.append((of, True, report.time_ns))
        if not of.is_open and report.state not in OPEN_STATES:
            ended[of.number] = of, False, report.time_ns
    return [*changed, *ended.values()]


def prevention(match: PreventedMatch, order: Order, market: Market) -> dict[str, Any]:
    """Return what an executionReport says of a trade with oneself that was prevented; ``u``: this
    venue has no groups of accounts that may not trade with each other."""
    return {
        "v": match.number,
        "B": market.quantity(match.lots_of(order)),
        "u": -1,
        "U": match.counter_of(order).number,
        "Cs": market.name,
        "pl": market.quantity(match.lots),
        "pL": market.price(match.price_ticks),
        "pY": market.amount(match.price_ticks * match.lots),
    }


def update_of(asset: str, text: str, time_ns: int) -> dict[str, Any]:
    """A balanceUpdate: what came or went of an asset."""
    at = times.of_ns(time_ns)
    return {"e": "balanceUpdate", "E": at, "T": at, "a": asset, "d": text}


def reject_reason(order: Order) -> str:
    """Return why an order was rejected, in the API's word; NONE for what it has no word for."""
    if is_balance_reject(order):
        return "INSUFFICIENT_BALANCES"
    return REASONS.say("Binance reject", Reason(order.reason))


@dataclass(frozen=True)
class Owner:
    """The API key of a listen key, as far as the listen key says it."""

    number: int
    participant: int
    expires_at: datetime | None


class ListenKeys:
    """Names of user streams: random, an hour long unless they are kept, and of one API key, with
    which they end.

    A listen key says whose it is, under the portal's seal, so every process of the portal knows it.
    Until when it lasts is in the table that they share.  A restart of the portal finds that again,
    because clients that have lost their connection subscribe by the same key.
    """

    def __init__(
        self,
        is_in_force: Callable[[Any], bool] = lambda key: True,
        clock: Callable[[], float] = time.monotonic,
        table: Table | None = None,
        seal: bytes = b"",
    ) -> None:
        """``seal``: a secret of the portal's."""
        self.is_in_force, self.clock = is_in_force, clock
        self.table, self._seal = table or Table(MAX_KEYS), seal or secrets.token_bytes(32)
        self._read: dict[str, tuple[Owner, int]] = {}
        """Content that was read from keys."""
        self._seen: dict[str, float] = {}
        """Until when keys that were found good are not looked up again."""

    def create(self, owner: ApiKey) -> str:
        """The present key of the API key, or another."""
        now_s, subject = self.clock(), f"{owner.number}"
        nonce = self.table.number(subject, now_s) or secrets.randbits(62) + 1
        if not self.table.set(subject, nonce, now_s + LASTS_S, now_s):
            raise ApiError(errors.TOO_MANY, "Too many listen keys.")
        return self._written(owner, nonce)

    def participant(self, key: str) -> int:
        """0: the key is unknown or has expired, or its API key has ended."""
        owner, nonce = self._owner(key)
        if owner is None or not self.is_in_force(owner):
            return 0
        now_s = self.clock()
        if now_s >= self._seen.get(key, 0.0):
            if self.table.number(f"{owner.number}", now_s) != nonce:
                self._seen.pop(key, None)
                return 0
            self._seen[key] = now_s + SEEN_S
        return owner.participant

    def keep(self, participant: int, key: str) -> None:
        """The key lasts another hour.  Raises :class:`ApiError` if it is not the participant's."""
        self._lasts(participant, key, LASTS_S)

    def end(self, participant: int, key: str) -> None:
        """End the key.  Raises :class:`ApiError` if it is not the participant's."""
        self._lasts(participant, key, -1.0)

    def _lasts(self, participant: int, key: str, more_s: float) -> None:
        owner, nonce = self._owner(key)
        self._seen.pop(key, None)  # another process may have ended it a moment ago
        if owner is None or not participant or self.participant(key) != participant:
            raise ApiError(errors.INVALID_LISTEN_KEY, "This listenKey does not exist.")
        now_s = self.clock()
        self.table.set(f"{owner.number}", nonce, now_s + more_s, now_s)
        self._seen.pop(key, None)

    def _written(self, owner: ApiKey, nonce: int) -> str:
        ends = int(owner.expires_at.timestamp()) + 1 if owner.expires_at is not None else 0
        said = LISTEN.pack(owner.number, owner.participant, ends, nonce)
        number = int.from_bytes(said + self._mac(said), "big")
        letters = []
        while number:
            number, place = divmod(number, len(LETTERS))
            letters.append(LETTERS[place])
        return "".join(letters).ljust(KEY_LENGTH, LETTERS[0])

    def _mac(self, said: bytes) -> bytes:
        return hashlib.blake2b(said, digest_size=MAC_BYTES, key=self._seal).digest()

    def _owner(self, key: str) -> tuple[Owner | None, int]:
        """Return the owner that a listen key names; nothing if this portal has not made it."""
        known = self._read.get(key)
        if known is not None:
            return known
        number = 0
        for letter in reversed(key if len(key) == KEY_LENGTH and key.isascii() else ""):
            place = PLACES.get(letter)
            if place is None:
                return None, 0
            number = number * len(LETTERS) + place
        raw = number.to_bytes(KEY_LENGTH, "big")
        said, mac = raw[-LISTEN.size - MAC_BYTES : -MAC_BYTES], raw[-MAC_BYTES:]
        is_longer = any(raw[: -LISTEN.size - MAC_BYTES])
        if is_longer or not hmac.compare_digest(mac, self._mac(said)):
            return None, 0
        row, participant, ends, nonce = LISTEN.unpack(said)
        until = datetime.fromtimestamp(ends, UTC) if ends else None
        if len(self._read) >= MAX_KEYS:
            self._read.clear()
            self._seen.clear()
        self._read[key] = Owner(row, participant, until), nonce
        return self._read[key]


def as_text(event: dict[str, Any]) -> str:
    """Compact JSON."""
    return json.dumps(event, separators=(",", ":"))
