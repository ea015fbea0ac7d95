"""WebSockets: ``/ws`` and ``/stream`` for streams, ``/ws-api/v3`` for requests and own events."""

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from openoutcry.portal.accounts.api_keys import ED25519, HMAC, ApiKey
from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.spot import errors, times
from openoutcry.portal.spot.api import REFUSED_WEIGHT, Spot
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.feeds import Feeds, Subscriber
from openoutcry.portal.spot.limits import BANNED
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import ROUTES, as_json
from openoutcry.portal.spot.signing import READ
from openoutcry.portal.spot.user_data import KEY_LENGTH, Deliver, UserData, as_text
from openoutcry.portal.trading.reject import Reject
from openoutcry.wire.named_once import once

SEND_S, SEND_NOW, TAKE_NOW, HEAR_NOW = (
    30.0,
    "outcry.send_now",
    "outcry.take_now",
    "outcry.hear_now",
)
"""Seconds for a client that does not read; and what the server's protocol offers
(``portal/server.py``)."""
MAX_A_SECOND = 5
"""Messages, pings and pongs of a connection to ``/ws`` or ``/stream`` in any second."""
MAX_AT_ONCE, MAX_OWN = 50, 1_000
"""Requests of one connection that are under way, and its subscriptions to own events."""
USED = ("x-mbx-used-weight-1m", "x-mbx-order-count-10s", "x-mbx-order-count-1d")
"""Headers that say what is used of each limit."""
CONNECT_WEIGHT, STREAM_WEIGHT, DEPTH_WEIGHT = 2, 1, 10
"""Weights of a connection, of each stream that a message names, and of a book of all levels."""
METHODS = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "trades.recent": ("GET", "/api/v3/trades"),
    "trades.historical": ("GET", "/api/v3/historicalTrades"),
    "trades.aggregate": ("GET", "/api/v3/aggTrades"),
    "klines": ("GET", "/api/v3/klines"),
    "uiKlines": ("GET", "/api/v3/uiKlines"),
    "avgPrice": ("GET", "/api/v3/avgPrice"),
    "executionRules": ("GET", "/api/v3/executionRules"),
    "referencePrice": ("GET", "/api/v3/referencePrice"),
    "referencePrice.calculation": ("GET", "/api/v3/referencePrice/calculation"),
    "ticker": ("GET", "/api/v3/ticker"),
    "ticker.tradingDay": ("GET", "/api/v3/ticker/tradingDay"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    "order.place": ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
    "myFilters": ("GET", "/api/v3/myFilters"),
    "myAllocations": ("GET", "/api/v3/myAllocations"),
    "myPreventedMatches": ("GET", "/api/v3/myPreventedMatches"),
    "order.amendments": ("GET", "/api/v3/order/amendments"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
    "orderList.place": ("POST", "/api/v3/order/oco"),
    "orderList.place.oco": ("POST", "/api/v3/orderList/oco"),
    "orderList.place.oto": ("POST", "/api/v3/orderList/oto"),
    "orderList.place.otoco": ("POST", "/api/v3/orderList/otoco"),
    "orderList.place.opo": ("POST", "/api/v3/orderList/opo"),
    "orderList.place.opoco": ("POST", "/api/v3/orderList/opoco"),
    "orderList.cancel": ("DELETE", "/api/v3/orderList"),
    "orderList.status": ("GET", "/api/v3/orderList"),
    "openOrderLists.status": ("GET", "/api/v3/openOrderList"),
    "allOrderLists": ("GET", "/api/v3/allOrderList"),
    "sor.order.place": ("POST", "/api/v3/sor/order"),
    "sor.order.test": ("POST", "/api/v3/sor/order/test"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "userDataStream.start": ("POST", "/api/v3/userDataStream"),
    "userDataStream.ping": ("PUT", "/api/v3/userDataStream"),
    "userDataStream.stop": ("DELETE", "/api/v3/userDataStream"),
}
STREAM_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
LOGON, LOGOUT, STATUS = "session.logon", "session.logout", "session.status"
SUBSCRIBE, SUBSCRIBE_SIGNED = "userDataStream.subscribe", "userDataStream.subscribe.signature"
UNSUBSCRIBE, SUBSCRIPTIONS = "userDataStream.unsubscribe", "session.subscriptions"
SHUTDOWN = "serverShutdown"
"""The event before a planned stop; in a combined stream its name begins with ``!``."""
OF_CONNECTION = (LOGON, LOGOUT, STATUS, SUBSCRIBE, SUBSCRIBE_SIGNED, UNSUBSCRIBE, SUBSCRIPTIONS)
"""Methods about the connection itself."""
log = logging.getLogger("outcry.portal")


class Wrong(Exception):
    """A message to ``/ws`` or ``/stream`` that is no request; with its code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.body = {"code": code, "msg": text}


class Streams:
    """One connection to ``/ws`` or ``/stream``."""

    def __init__(
        self,
        spot: Spot,
        feeds: Feeds,
        user_data: UserData,
        combined: bool,
        address: str,
        fine: bool = False,
    ) -> None:
        """``fine``: moments are in microseconds."""
        self.spot, self.feeds, self.user_data, self.address = spot, feeds, user_data, address
        self.subscriber = Subscriber(combined, fine)
        self._own: dict[str, tuple[int, Deliver]] = {}
        self._heard_s: deque[float] = deque(maxlen=MAX_A_SECOND)

    def heard(self) -> None:
        """Count a message, a ping or a pong; a connection with too many in a second is cut."""
        now_s, heard_s = time.monotonic(), self._heard_s
        if len(heard_s) == MAX_A_SECOND and now_s - heard_s[0] < 1.0:
            self.subscriber.cut()
        heard_s.append(now_s)

    def take(self, names: list[Any]) -> None:
        """Count what a message costs.  Raises :class:`ApiError`."""
        weight = 1 + sum(DEPTH_WEIGHT if "@depth" in str(name) else STREAM_WEIGHT for name in names)
        self.spot.limits.take(self.address, weight)

    def subscribe(self, name: str) -> bool:
        """Subscribe to a stream, or by a listen key to the user's own; False: there is no such
        stream."""
        if len(name) == KEY_LENGTH and name.isalnum():
            return self._subscribe_own(name)
        return self.feeds.subscribe(self.subscriber, name)

    def _subscribe_own(self, listen_key: str) -> bool:
        participant = self.spot.listen_keys.participant(listen_key)
        if not participant or listen_key in self._own:
            return bool(participant)

        def is_in_force() -> bool:
            return bool(self.spot.listen_keys.participant(listen_key) == participant)

        deliver = partial(self.subscriber.put_events, listen_key)
        self._own[listen_key] = participant, deliver
        fine = self.subscriber.fine
        lapsed = partial(self._end_own, listen_key)
        self.user_data.subscribe(participant, deliver, listen_key, is_in_force, fine, lapsed)
        return True

    def _end_own(self, listen_key: str) -> None:
        """Say that a listen key has ended, and end its stream: a connection without another one
        closes."""
        with times.in_unit(self.subscriber.fine):
            event = {"e": "listenKeyExpired", "E": times.now(), "listenKey": listen_key}
        self.subscriber.put_events(listen_key, [as_text(event)])
        self.unsubscribe(listen_key)
        if not (self._own or self.subscriber.streams):
            self.subscriber.queue.put_nowait(None)

    def unsubscribe(self, name: str) -> None:
        """End a subscription; nothing happens without one."""
        own = self._own.pop(name, None)
        if own is not None:
            self.user_data.unsubscribe(*own)
        self.feeds.unsubscribe(self.subscriber, name)

    def close(self) -> None:
        """End every subscription of the connection."""
        for name in list(self._own):
            self.unsubscribe(name)
        self.feeds.leave(self.subscriber)

    def say_end(self) -> None:
        """Say at once that the portal is about to end."""
        self.subscriber.put_events(f"!{SHUTDOWN}", [_shutdown(self.subscriber.fine)], now=True)

    async def asked(self, text: str) -> None:
        """A request of the client, and its answer among the events."""
        self.heard()
        if self.subscriber.is_cut:
            return
        number: Any = None
        is_banned = False
        try:
            try:
                request = json.loads(text, object_pairs_hook=once)
            except (ValueError, RecursionError):
                self.take([])
                raise Wrong(3, "Invalid JSON: expected value at line 1 column 1") from None
            number = request.get("id") if type(request) is dict else None
            answer = {"result": self._answer(request), "id": number}
        except ApiError as error:
            is_banned = error.status == BANNED
            answer = {"error": error.body, "id": number if _is_id(number) else None}
        except Wrong as wrong:
            answer = {"error": wrong.body, "id": number if _is_id(number) else None} | wrong.body
        self.subscriber.put_text(json.dumps(answer))
        if is_banned:
            self.subscriber.cut()

    def _answer(self, request: Any) -> Any:
        """Raises :class:`Wrong` and :class:`ApiError`."""
        given = request if type(request) is dict else {}
        method, names = given.get("method"), given.get("params", [])
        self.take(names if type(names) is list else [])
        if given is not request:
            raise Wrong(2, "Invalid request: expected an object")
        if "method" not in given:
            raise Wrong(2, "Invalid request: missing field `method` at line 1 column 1")
        if method not in STREAM_METHODS:
            known = ", ".join(f"`{stream_method}`" for stream_method in STREAM_METHODS)
            name = method[:40] if type(method) is str else type(method).__name__
            raise Wrong(2, f"Invalid request: unknown variant {name}, expected one of {known}")
        if not _is_id(given.get("id")):
            raise Wrong(2, "Invalid request: request ID must be an unsigned integer")
        if given.keys() - {"id", "method", "params"}:
            raise Wrong(2, "Invalid request: too many parameters")
        if method == "LIST_SUBSCRIPTIONS":
            return sorted([*self.subscriber.streams, *self._own])
        if type(names) is not list:
            raise Wrong(2, "Invalid request: params must be a list")
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(names, method == "SET_PROPERTY")
        if not all(type(name) is str for name in names):
            raise Wrong(2, "Invalid request: a stream's name must be a string")
        for name in names:
            self.subscribe(name) if method == "SUBSCRIBE" else self.unsubscribe(name)
        return None

    def _property(self, given: list[Any], is_set: bool) -> Any:
        if not given or type(given[0]) is not str:
            raise Wrong(2, "Invalid request: property name must be a string")
        if given[0] != "combined":
            raise Wrong(0, "Unknown property")
        if len(given) > 1 + is_set:
            raise Wrong(2, "Invalid request: too many parameters")
        if not is_set:
            return self.subscriber.combined
        if len(given) < 2 or type(given[1]) is not bool:
            raise Wrong(1, "Invalid value type: expected Boolean")
        self.subscriber.combined = given[1]
        return None


@dataclass
class Own:
    """A subscription to a participant's own events."""

    participant: int
    deliver: Deliver
    of_session: bool
    """It ends with the session's logout."""


class Requests:
    """One connection to ``/ws-api/v3``."""

    def __init__(
        self,
        spot: Spot,
        user_data: UserData,
        address: str,
        fine: bool = False,
        shows_limits: bool = True,
    ) -> None:
        """``fine``: moments are in microseconds; ``shows_limits``: answers say what is used of the
        limits."""
        self.spot, self.user_data, self.address = spot, user_data, address
        self.subscriber = Subscriber(False, fine)
        self.shows_limits, self.began_ns = shows_limits, time.time_ns()
        self._own: dict[int, Own] = {}
        self._next = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: tuple[str, ApiKey, int] | None = None
        """The API key that has logged on, and when."""

    def close(self) -> None:
        """Stop what is under way and end the subscriptions."""
        for task in self._tasks:
            task.cancel()
        for own in self._own.values():
            self.user_data.unsubscribe(own.participant, own.deliver)
        self._own = {}

    def say_end(self) -> None:
        """Say at once that the portal is about to end."""
        text = f'{{"event":{_shutdown(self.subscriber.fine)}}}'
        self.subscriber.put_text(text, now=True)

    async def asked(self, text: str) -> None:
        """Begin a request once there is room."""
        while not self.take(text):
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    def take(self, text: str) -> bool:
        """Begin a request; False: too many are under way.  Each is a task: a slow answer holds up
        no other.  A connection that is cut has no more answers."""
        if self.subscriber.is_cut:
            return True
        if len(self._tasks) >= MAX_AT_ONCE:
            return False
        task = asyncio.create_task(self._ask(text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _ask(self, text: str) -> None:
        number: Any = None
        headers: dict[str, str] = {}
        shows = self.shows_limits
        times.FINE.set(self.subscriber.fine)
        try:
            request = json.loads(text, object_pairs_hook=once)
            number, method, given = request.get("id"), request["method"], request.get("params", {})
            if not _is_id(number) or type(given) is not dict:
                raise ValueError
            wanted = given.get("returnRateLimits", shows)
            shows = wanted if type(wanted) is bool else shows
            result, headers = await self._result(str(method), given)
            answer = {"id": number, "status": 200, "result": result}
        except (ApiError, Reject) as refused:
            error = errors.of_reject(refused)
            answer, headers = _refused(number, error), error.headers
        except AccountError as error:
            answer = _refused(number, errors.refusal(error, {}))
        except errors.MALFORMED:
            answer = self._malformed()
        except DatabaseError:
            wrong = ApiError(errors.DISCONNECTED, "Internal error; unable to process.")
            answer = _refused(number, wrong)
        if shows and headers:
            answer["rateLimits"] = self._used(headers)
        self.subscriber.put_text(as_json(answer), now=True)
        if answer.get("status") == BANNED:
            self.subscriber.cut()

    def _used(self, headers: dict[str, str]) -> list[dict[str, Any]]:
        """Return how much is used of the limits that the request counts towards."""
        rows = self.spot.limits.shown
        counts = [headers.get(name) for name in USED]
        return [
            row | {"count": int(count)}
            for row, count in zip(rows, counts, strict=True)
            if count is not None
        ]

    def _malformed(self) -> dict[str, Any]:
        """The answer to what is no request; it is counted as one."""
        wrong = ApiError(errors.INVALID_JSON, "Invalid JSON Request")
        try:
            self.spot.limits.take(self.address, REFUSED_WEIGHT)
        except ApiError as over:
            wrong = over
        return _refused(None, wrong)

    def _read(self, given: dict[str, Any]) -> tuple[Params, str, str]:
        """Parameters, the text that was signed, and the API key.  Raises :class:`ApiError`."""
        if type(given.get("returnRateLimits", True)) is not bool:
            raise errors.illegal("returnRateLimits", "^(true|false)$")
        values = {name: _text(value) for name, value in given.items()}
        # What is signed is one text: no name or value may read as more than one parameter.
        names = "".join(values)
        if "&" in names or "=" in names or "&" in "".join(values.values()):
            raise ApiError(errors.ILLEGAL_CHARS, "Illegal characters found in a parameter.")
        signed = {"apiKey": ""} | values
        payload = "&".join(
            f"{name}={signed[name]}" for name in sorted(signed) if name != "signature"
        )
        api_key = values.pop("apiKey", "")
        values.pop("returnRateLimits", None)
        return Params(values.items(), self.spot.markets), payload, api_key

    async def _result(self, method: str, given: dict[str, Any]) -> tuple[Any, dict[str, str]]:
        try:
            params, payload, api_key = self._read(given)
        except ApiError:
            self.spot.limits.take(self.address, REFUSED_WEIGHT)
            raise
        if method in OF_CONNECTION:
            headers = self.spot.limits.take(self.address, 2)
            return await self._of_connection(method, params, payload, api_key), headers
        if method not in METHODS:
            self.spot.limits.take(self.address, REFUSED_WEIGHT)
            raise ApiError(errors.ILLEGAL_CHARS, "Invalid method.")
        route = ROUTES[METHODS[method]]
        uses_session = bool(
            self._session and route.security and not api_key and not params.given("signature")
        )
        if self._session is not None and uses_session:
            api_key = self._session[0]
        try:
            return await self.spot.answer(
                route, lambda: (params, payload), api_key, self.address, uses_session
            )
        except ApiError as error:
            if uses_session and error.code == errors.REJECTED_KEY:
                self._end_session()
            raise

    async def _of_connection(self, method: str, params: Params, payload: str, api_key: str) -> Any:
        if method == LOGON:
            key = await self._shown(params, payload, api_key)
            if key.kind != ED25519:
                name = "HMAC_SHA256" if key.kind == HMAC else key.kind
                raise ApiError(errors.NO_HMAC, f"{name} API key is not supported.")
            self._session = api_key, key, time.time_ns()
        elif method == LOGOUT:
            self._end_session()
        elif method == SUBSCRIBE:
            if self._session is None:
                raise ApiError(
                    errors.UNAUTHORIZED, "You are not authorized to execute this request."
                )
            key = await self.spot.signing.key(self._session[0], self.address, READ)
            return self._subscribe(key, True)
        elif method == SUBSCRIBE_SIGNED:
            return self._subscribe(await self._shown(params, payload, api_key), False)
        elif method == UNSUBSCRIBE:
            number = params.whole_or_none("subscriptionId")
            for one in [number] if number is not None else list(self._own):
                self._unsubscribe(one)
            return {}
        elif method == SUBSCRIPTIONS:
            return [{"subscriptionId": number} for number in self._own]
        return self._status()

    async def _shown(self, params: Params, payload: str, api_key: str) -> ApiKey:
        """The key of a signed request that changes nothing.  Raises :class:`ApiError`."""
        key = await self.spot.signing.key(api_key, self.address, READ)
        self.spot.signing.check(key, params, payload, False)
        return key

    def _status(self) -> dict[str, Any]:
        session = self._session
        return {
            "apiKey": session[0] if session else None,
            "authorizedSince": times.of_ns(session[2]) if session else None,
            "connectedSince": times.of_ns(self.began_ns),
            "returnRateLimits": self.shows_limits,
            "serverTime": times.now(),
            "userDataStream": bool(self._own),
        }

    def _end_session(self) -> None:
        """Forget the key that has logged on, and end its subscription."""
        self._session = None
        for number in [number for number, own in self._own.items() if own.of_session]:
            self._unsubscribe(number)

    def _subscribe(self, key: ApiKey, of_session: bool) -> dict[str, int]:
        if any(own.participant == key.participant for own in self._own.values()):
            text = "User Data Stream subscription already active."
            raise ApiError(errors.SUBSCRIPTION_ACTIVE, text)
        if len(self._own) >= MAX_OWN:
            text = f"Too many subscriptions. Connection may create up to '{MAX_OWN}'"
            raise ApiError(errors.TOO_MANY_SUBSCRIPTIONS, f"{text} subscriptions at a time.")
        number = self._next
        self._next += 1

        def deliver(texts: list[str]) -> None:
            begin = f'{{"subscriptionId":{number},"event":'
            self.subscriber.put_texts([f"{begin}{text}}}" for text in texts])

        self._own[number] = Own(key.participant, deliver, of_session)
        is_in_force = partial(self.spot.signing.keys.is_in_force, key)
        whose = key.participant, deliver, key.number, is_in_force
        self.user_data.subscribe(*whose, self.subscriber.fine)
        return {"subscriptionId": number}

    def _unsubscribe(self, number: int) -> None:
        """End a subscription, and say so among its events; nothing happens without one."""
        own = self._own.pop(number, None)
        if own is not None:
            self.user_data.unsubscribe(own.participant, own.deliver)
            event = {"e": "eventStreamTerminated", "E": times.now()}
            self.subscriber.put_text(as_text({"subscriptionId": number, "event": event}))


def _shutdown(fine: bool) -> str:
    """The event before a planned stop."""
    with times.in_unit(fine):
        return as_text({"e": SHUTDOWN, "E": times.now()})


class Connections:
    """Connections that are open."""

    def __init__(self) -> None:
        self.open: set[Streams | Requests] = set()

    def say_end(self) -> None:
        """Say to each that the portal is about to end.  One that fails keeps no other from it."""
        for one in tuple(self.open):
            try:
                one.say_end()
            except Exception:
                log.exception("a connection does not hear of the end")


def _refused(number: Any, error: ApiError) -> dict[str, Any]:
    body = error.body
    if error.retry_after_s:
        at_ms = time.time_ns() // 1_000_000
        body["data"] = {"serverTime": at_ms, "retryAfter": at_ms + error.retry_after_s * 1_000}
    return {"id": number, "status": error.status, "error": body}


def _is_id(value: Any) -> bool:
    return value is None or (isinstance(value, str | int) and len(str(value)) <= 36)


def _text(value: Any) -> str:
    """A value as it is signed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("a parameter is a text, a number or a list")


Handler = Callable[[Any], Awaitable[None]]


def sockets_of(
    spot: Spot, feeds: Feeds, user_data: UserData, connections: Connections
) -> Callable[[str], Handler | None]:
    """Return the handlers of the three kinds of WebSocket, by path; None: it is of another kind.
    ``connections``: has each while it is open."""
    from fastapi import WebSocket

    async def streams(socket: WebSocket, combined: bool, names: list[str]) -> None:
        try:
            fine = times.is_fine(socket.query_params.get("timeUnit", ""))
            connection = Streams(spot, feeds, user_data, combined, address_of(socket), fine)
            connection.take(["", *filter(None, names)])
        except ApiError:
            await socket.close(1008)
            return
        await socket.accept()
        socket.scope.get("extensions", {}).get(HEAR_NOW, lambda heard: None)(connection.heard)
        for name in names:
            connection.subscribe(name)
        await _serve(socket, connection, connections)

    async def raw(socket: WebSocket) -> None:
        await streams(socket, False, socket.scope["path"].split("/")[2:])

    async def combined(socket: WebSocket) -> None:
        await streams(socket, True, socket.query_params.get("streams", "").split("/"))

    async def requests(socket: WebSocket) -> None:
        address = address_of(socket)
        try:
            fine = times.is_fine(socket.query_params.get("timeUnit", ""))
            spot.limits.take(address, CONNECT_WEIGHT)
        except ApiError:
            await socket.close(1008)
            return
        await socket.accept()
        shows_limits = socket.query_params.get("returnRateLimits", "true").lower() != "false"
        connection = Requests(spot, user_data, address, fine, shows_limits)
        take_now = socket.scope.get("extensions", {}).get(TAKE_NOW, lambda take: None)
        take_now(connection.take)
        await _serve(socket, connection, connections)

    def address_of(socket: WebSocket) -> str:
        return socket.client.host if socket.client else ""

    kinds = {"ws": raw, "stream": combined}

    def handler_of(path: str) -> Handler | None:
        if path == "/ws-api/v3":
            return requests
        return kinds.get(path.split("/", 2)[1])

    return handler_of


async def _serve(socket: Any, connection: Streams | Requests, connections: Connections) -> None:
    """Send what is queued and read what is asked, until either side ends."""
    from fastapi import WebSocketDisconnect

    subscriber = connection.subscriber

    async def read() -> None:
        try:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, KeyError):
                while not subscriber.is_cut:
                    await connection.asked(await socket.receive_text())
        finally:
            subscriber.queue.put_nowait(None)

    reading, queue = asyncio.create_task(read()), subscriber.queue
    queue.send = socket.scope.get("extensions", {}).get(SEND_NOW)
    connections.open.add(connection)
    try:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            is_over = False
            while not is_over:
                texts = await queue.all()
                is_over = None in texts
                told = [text for text in texts if text is not None]
                if not told or (queue.send is not None and queue.send(told)):
                    continue
                for text in told:
                    async with asyncio.timeout(SEND_S):  # wait_for would make a task each time
                        await socket.send_text(text)
            await socket.close(1008 if subscriber.is_cut else 1000)
    finally:
        connections.open.discard(connection)
        reading.cancel()
        connection.close()
