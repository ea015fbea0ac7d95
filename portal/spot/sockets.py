"""WebSockets: ``/ws`` and ``/stream`` for streams, ``/ws-api/v3`` for requests and own events."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.spot import errors
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.feeds import Feeds, Subscriber
from openoutcry.portal.spot.limits import BANNED
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import ROUTES, Spot
from openoutcry.portal.spot.signing import READ
from openoutcry.portal.spot.user_data import KEY_LENGTH, Deliver, UserData

SEND_S, SEND_NOW = 30.0, "outcry.send_now"
"""For a client that does not read; and what the server's protocol offers (``portal/server.py``)."""
MAX_AT_ONCE, MAX_OWN = 50, 10
"""Requests of one connection that are under way, and its subscriptions to own events."""
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
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "userDataStream.start": ("POST", "/api/v3/userDataStream"),
    "userDataStream.ping": ("PUT", "/api/v3/userDataStream"),
    "userDataStream.stop": ("DELETE", "/api/v3/userDataStream"),
}
SUBSCRIBE, UNSUBSCRIBE = "userDataStream.subscribe.signature", "userDataStream.unsubscribe"


class Streams:
    """One connection to ``/ws`` or ``/stream``."""

    def __init__(
        self, spot: Spot, feeds: Feeds, user_data: UserData, combined: bool, address: str
    ) -> None:
        self.spot, self.feeds, self.user_data, self.address = spot, feeds, user_data, address
        self.subscriber = Subscriber(combined)
        self._own: dict[str, tuple[int, Deliver]] = {}

    def take(self, names: list[Any]) -> None:
        """Count what a message costs.  Raises :class:`ApiError`."""
        weight = 1 + sum(DEPTH_WEIGHT if "@depth" in str(one) else STREAM_WEIGHT for one in names)
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

        def deliver(text: str) -> None:
            if self.spot.listen_keys.participant(listen_key) == participant:
                self.subscriber.put(listen_key, text)

        self._own[listen_key] = participant, deliver
        self.user_data.subscribe(participant, deliver)
        return True

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

    async def asked(self, text: str) -> None:
        """A request of the client, and its answer among the events."""
        number: Any = None
        is_banned = False
        try:
            request = json.loads(text)
            number = request.get("id")
            answer = {"result": self._answer(request), "id": number}
        except ApiError as error:
            is_banned = error.status == BANNED
            answer = {"error": error.body, "id": number if _is_id(number) else None}
        except errors.MALFORMED:
            wrong = {"code": 2, "msg": "Invalid request: it must be an object with known fields."}
            answer = {"error": wrong, "id": number if _is_id(number) else None}
        self.subscriber.put_text(json.dumps(answer))
        if is_banned:
            self.subscriber.cut()

    def _answer(self, request: dict[str, Any]) -> Any:
        method, names = request["method"], request.get("params", [])
        self.take(names if type(names) is list else [])
        if not _is_id(request.get("id")):
            raise ValueError
        if method == "LIST_SUBSCRIPTIONS":
            return sorted([*self.subscriber.streams, *self._own])
        if type(names) is not list:
            raise ValueError
        if method == "SET_PROPERTY" and names[:1] == ["combined"]:
            self.subscriber.combined = bool(names[1])
        elif method == "GET_PROPERTY" and names == ["combined"]:
            return self.subscriber.combined
        elif method == "SUBSCRIBE":
            for name in names:
                self.subscribe(str(name))
        elif method == "UNSUBSCRIBE":
            for name in names:
                self.unsubscribe(str(name))
        else:
            raise ValueError
        return None


class Requests:
    """One connection to ``/ws-api/v3``."""

    def __init__(self, spot: Spot, user_data: UserData, address: str) -> None:
        self.spot, self.user_data, self.address = spot, user_data, address
        self.subscriber = Subscriber(False)
        self._own: dict[int, tuple[int, Deliver]] = {}
        self._next = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Stop what is under way and end the subscriptions."""
        for task in self._tasks:
            task.cancel()
        for own in self._own.values():
            self.user_data.unsubscribe(*own)
        self._own = {}

    async def asked(self, text: str) -> None:
        """Each request is a task: a slow answer holds up no other."""
        while len(self._tasks) >= MAX_AT_ONCE:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._ask(text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, text: str) -> None:
        number: Any = None
        try:
            request = json.loads(text)
            number, method, given = request.get("id"), request["method"], request.get("params", {})
            if not _is_id(number) or type(given) is not dict:
                raise ValueError
            result, headers = await self._result(str(method), given)
            answer = {"id": number, "status": 200, "result": result}
        except ApiError as error:
            answer, headers = _refused(number, error), {}
        except AccountError as error:
            answer, headers = _refused(number, errors.refusal(error, {})), {}
        except errors.MALFORMED:
            answer, headers = self._malformed(), {}
        except DatabaseError:
            wrong = ApiError(errors.DISCONNECTED, "Internal error; unable to process.")
            answer, headers = _refused(number, wrong), {}
        if (used := headers.get("x-mbx-used-weight-1m")) is not None:
            row = self.spot.limits.shown[0] | {"count": int(used)}
            answer["rateLimits"] = [row]
        self.subscriber.put_text(json.dumps(answer, separators=(",", ":")))
        if answer.get("status") == BANNED:
            self.subscriber.cut()

    def _malformed(self) -> dict[str, Any]:
        """The answer to what is no request; it is counted as one."""
        wrong = ApiError(errors.ILLEGAL_CHARS, "Invalid request.")
        try:
            self.spot.limits.take(self.address, 1)
        except ApiError as over:
            wrong = over
        return _refused(None, wrong)

    async def _result(self, method: str, given: dict[str, Any]) -> tuple[Any, dict[str, str]]:
        values = {name: _text(value) for name, value in given.items()}
        # What is signed is one text: no name or value may read as more than one parameter.
        if any(set(name) & {"&", "="} for name in values) or "&" in "".join(values.values()):
            raise ApiError(errors.ILLEGAL_CHARS, "Illegal characters found in a parameter.")
        api_key = values.pop("apiKey", "")
        params = Params(values.items(), self.spot.markets)
        signed = values | {"apiKey": api_key}
        payload = "&".join(
            f"{name}={signed[name]}" for name in sorted(signed) if name != "signature"
        )
        if method in (SUBSCRIBE, UNSUBSCRIBE):
            headers = self.spot.limits.take(self.address, 2)
            return await self._stream(method, params, payload, api_key), headers
        if method not in METHODS:
            self.spot.limits.take(self.address, 1)
            raise ApiError(errors.ILLEGAL_CHARS, "Invalid method.")
        route = ROUTES[METHODS[method]]
        return await self.spot.answer(route, params, payload, api_key, self.address)

    async def _stream(self, method: str, params: Params, payload: str, api_key: str) -> Any:
        if method == UNSUBSCRIBE:
            number = params.whole_or_none("subscriptionId")
            for one in [number] if number is not None else list(self._own):
                own = self._own.pop(one, None)
                if own is not None:
                    self.user_data.unsubscribe(*own)
            return {}
        key = await self.spot.signing.key(api_key, self.address, READ)
        self.spot.signing.check(key, params, payload, False)
        if len(self._own) >= MAX_OWN:
            raise ApiError(errors.TOO_MANY, "Too many subscriptions of this connection.")
        number = self._next
        self._next += 1

        def deliver(text: str) -> None:
            if self.spot.signing.keys.is_in_force(key):
                self.subscriber.put_text(f'{{"subscriptionId":{number},"event":{text}}}')

        self._own[number] = key.participant, deliver
        self.user_data.subscribe(key.participant, deliver)
        return {"subscriptionId": number}


def _refused(number: Any, error: ApiError) -> dict[str, Any]:
    return {"id": number, "status": error.status, "error": error.body}


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


def sockets_of(spot: Spot, feeds: Feeds, user_data: UserData) -> Callable[[str], Handler | None]:
    """What serves a WebSocket of the three kinds, by its path; None: it is of another kind."""
    from fastapi import WebSocket

    async def streams(socket: WebSocket, combined: bool, names: list[str]) -> None:
        connection = Streams(spot, feeds, user_data, combined, address_of(socket))
        try:
            connection.take(["", *filter(None, names)])
        except ApiError:
            await socket.close(1008)
            return
        await socket.accept()
        for name in names:
            connection.subscribe(name)
        await _serve(socket, connection.subscriber, connection.asked, connection.close)

    async def raw(socket: WebSocket) -> None:
        await streams(socket, False, socket.scope["path"].split("/")[2:])

    async def combined(socket: WebSocket) -> None:
        await streams(socket, True, socket.query_params.get("streams", "").split("/"))

    async def requests(socket: WebSocket) -> None:
        address = address_of(socket)
        try:
            spot.limits.take(address, CONNECT_WEIGHT)
        except ApiError:
            await socket.close(1008)
            return
        await socket.accept()
        connection = Requests(spot, user_data, address)
        await _serve(socket, connection.subscriber, connection.asked, connection.close)

    def address_of(socket: WebSocket) -> str:
        return socket.client.host if socket.client else ""

    kinds = {"ws": raw, "stream": combined}

    def handler_of(path: str) -> Handler | None:
        if path == "/ws-api/v3":
            return requests
        return kinds.get(path.split("/", 2)[1])

    return handler_of


async def _serve(
    socket: Any,
    subscriber: Subscriber,
    asked: Callable[[str], Awaitable[None]],
    close: Callable[[], None],
) -> None:
    """Send what is queued and read what is asked, until either side ends."""
    from fastapi import WebSocketDisconnect

    async def read() -> None:
        try:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, KeyError):
                while not subscriber.is_cut:
                    await asked(await socket.receive_text())
        finally:
            subscriber.queue.put_nowait(None)

    reading, queue = asyncio.create_task(read()), subscriber.queue
    send_now = socket.scope.get("extensions", {}).get(SEND_NOW, lambda texts: False)
    try:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            is_over = False
            while not is_over:
                texts = await queue.all()
                is_over = None in texts
                told = [text for text in texts if text is not None]
                if not told or send_now(told):
                    continue
                for text in told:
                    async with asyncio.timeout(SEND_S):  # wait_for would make a task each time
                        await socket.send_text(text)
            await socket.close(1008 if subscriber.is_cut else 1000)
    finally:
        reading.cancel()
        close()
