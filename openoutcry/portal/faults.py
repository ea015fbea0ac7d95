"""What goes wrong on purpose at the portal of a test venue (docs/test-venue.md).

A request is a message to the venue before it is processed, and its answer one to the client.  A
WebSocket's texts are messages in both directions.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from openoutcry.faults.script import (
    DESK,
    PORTAL,
    TO_CLIENT,
    TO_VENUE,
    Message,
    Rule,
    Script,
    delay_s,
    read_script,
)
from openoutcry.portal.native.problems import refused_at
from openoutcry.portal.spot.sockets import HEAR_NOW, SEND_NOW, TAKE_NOW
from openoutcry.venue.desk import ask
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError

API = ("/api/", "/sapi/", "/v1/", "/ws", "/stream")
"""Paths that rules see which name no message."""
MOMENT = re.compile(rb'"(serverTime|E)": ?([0-9]{13,16})\b')
US = 10**15
"""Times from here on are in microseconds."""
KEY_SHOWN = 8
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


def faults_of(file: VenueFile, path: Path | None, processes: int) -> "PortalFaults | None":
    """The faults of a file at a venue's portal; None without one.  Raises :class:`OutcryError`."""
    if path is None:
        return None
    if not file.is_test:
        raise OutcryError(f"{file.path}: not opened yet with `outcry serve --faults`")
    if processes > 1:
        raise OutcryError("--faults: the rules count in one process; use --processes 1")
    return PortalFaults(read_script(path), file.journal)


class PortalFaults:
    """The rules of a faults file for the port ``portal``."""

    def __init__(self, script: Script, journal: Path) -> None:
        self.script, self.journal = script, journal
        script.began_s = time.monotonic()

    def around(self, application: Any) -> Any:
        """Return the application with faults; those of the trading API, whose requests come past
        it, are put around each of its endpoints."""
        requests = application.requests
        for at, endpoint in requests.endpoints.items():
            requests.endpoints[at] = Endpoint(self, b" ".join(at).decode(), endpoint)

        async def faulty(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await self._http(application, scope, receive, send)
            elif scope["type"] == "websocket":
                await application(*Socket(self, scope, receive, send).parts())
            else:
                await application(scope, receive, send)

        return faulty

    async def answer(
        self, kind: str, symbol: str, client: str, call: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """The answer to a request.  Raises :class:`ConnectionAbortedError`: the connection ends
        without one."""
        answer: Answer | None = None
        for direction in (TO_VENUE, TO_CLIENT):
            if direction == TO_CLIENT:
                answer = answer or await call()
            path = kind.partition(" ")[2]
            message = Message(PORTAL, direction, "", kind, symbol, path.startswith(API))
            for rule, place in self.script.hits(message):
                wait_s = delay_s(rule, place.random) if rule.do == "delay" else 0.0
                if rule.do in ("duplicate", "reorder") or (
                    rule.do == "corrupt" and direction == TO_VENUE
                ):
                    continue  # HTTP has one answer to a request, in its turn
                await self.noted(rule, message, place.seen, client, wait_s)
                if rule.do in ("drop", "disconnect"):
                    raise ConnectionAbortedError
                if rule.do == "status":
                    answer = refusal(rule, path)
                elif answer is not None:
                    status, headers, body = answer
                    answer = status, headers, changed(rule, body)
        assert answer is not None
        return answer

    async def noted(
        self, rule: Rule, message: Message, seen: int, client: str, wait_s: float = 0.0
    ) -> None:
        """Write what is done, do what the desk is asked for, and wait."""
        more: dict[str, Any] = {"client": client}
        if rule.do in DESK:
            request = {"do": rule.do, "instrument": rule["instrument"], "why": "a faults file"}
            try:
                more["done"] = (await asyncio.to_thread(ask, self.journal, request))["done"]
            except OutcryError as error:
                more["error"] = str(error)
        elif wait_s:
            more["delay_ms"] = round(wait_s * 1000)
        self.script.note(rule, message, seen, **more)
        await asyncio.sleep(wait_s)

    async def _http(self, application: Any, scope: Any, receive: Any, send: Any) -> None:
        sent: list[Any] = []

        async def call() -> Answer:
            async def keep(message: Any) -> None:
                sent.append(message)

            await application(scope, receive, keep)
            body = b"".join(part.get("body", b"") for part in sent[1:])
            return sent[0]["status"], {}, body

        headers = dict(scope["headers"])
        client = client_of(headers, (scope.get("client") or ("",))[0])
        symbol = symbol_of(scope["query_string"])
        try:
            kind = f"{scope['method']} {scope['path']}"
            status, more, body = await self.answer(kind, symbol, client, call)
        except ConnectionAbortedError:
            # An answer that is not whole: the server ends the connection.
            start = {"type": "http.response.start", "status": 200}
            await send(start | {"headers": [(b"content-length", b"1")]})
            return
        is_own = bool(sent) and not more
        kept = sent[0]["headers"] if is_own else application.headers_of(scope["scheme"])
        named = [pair for pair in kept if pair[0].lower() != b"content-length"]
        named += [(name.encode(), value.encode()) for name, value in more.items()]
        if scope["method"] != "HEAD":
            named.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": named})
        await send({"type": "http.response.body", "body": body})


class Endpoint:
    """An endpoint of the trading API, with faults."""

    def __init__(self, faults: PortalFaults, kind: str, endpoint: Any) -> None:
        self.faults, self.kind, self.endpoint = faults, kind, endpoint
        self.route = endpoint.route

    async def answer(
        self, query: bytes, body: bytes, headers: dict[bytes, bytes], address: str
    ) -> Answer:
        """As the endpoint's own."""

        async def call() -> Answer:
            answer: Answer = await self.endpoint.answer(query, body, headers, address)
            return answer

        symbol = symbol_of(query) or symbol_of(body)
        client = client_of(headers, address)
        status, more, shown = await self.faults.answer(self.kind, symbol, client, call)
        return status, {name: more[name] for name in more if name != "content-type"}, shown


class Socket:
    """A WebSocket with faults."""

    def __init__(self, faults: PortalFaults, scope: Any, receive: Any, send: Any) -> None:
        # Every text comes by ``receive`` and goes by ``send``.
        given = scope.get("extensions") or {}
        at_once = (SEND_NOW, TAKE_NOW, HEAR_NOW)
        kept = {name: one for name, one in given.items() if name not in at_once}
        self.scope, self.faults = scope | {"extensions": kept}, faults
        self._receive, self._send = receive, send
        self._client = client_of(dict(scope["headers"]), (scope.get("client") or ("",))[0])
        self._held: dict[str, list[Any]] = {TO_VENUE: [], TO_CLIENT: []}
        self._came: list[Any] = []
        self._is_over = False

    def parts(self) -> tuple[Any, Any, Any]:
        """Scope, receive and send for the application."""
        return self.scope, self.receive, self.send

    async def receive(self) -> Any:
        """The next event of the client's."""
        while not self._came:
            event = await self._receive()
            if event["type"] != "websocket.receive":
                return event
            self._came += await self._passed(event, TO_VENUE)
            if self._is_over:
                return {"type": "websocket.disconnect", "code": 1011}
        return self._came.pop(0)

    async def send(self, event: Any) -> None:
        """Send an event of the application's."""
        if self._is_over:
            return
        events = [event]
        if event["type"] == "websocket.send":
            events = await self._passed(event, TO_CLIENT)
        for one in events:
            await self._send(one)

    async def _passed(self, event: Any, direction: str) -> list[Any]:
        text = event.get("text") or ""
        message = Message(PORTAL, direction, "", *told(text))
        held, self._held[direction] = self._held[direction], []
        sent = [event]
        for rule, place in self.faults.script.hits(message):
            wait_s = delay_s(rule, place.random) if rule.do == "delay" else 0.0
            if rule.do == "status":
                continue
            await self.faults.noted(rule, message, place.seen, self._client, wait_s)
            if rule.do == "disconnect":
                self._is_over = True
                await self._send({"type": "websocket.close", "code": 1011})
                return []
            if rule.do == "reorder":
                self._held[direction] += sent
            if rule.do in ("drop", "reorder"):
                sent = []
            elif rule.do == "duplicate":
                sent = sent * 2
            elif rule.do in ("corrupt", "clock"):
                sent = [one | {"text": changed(rule, text.encode()).decode()} for one in sent]
        return sent + held


def told(text: str) -> tuple[str, str]:
    """Kind and symbol of a text of a WebSocket."""
    try:
        content = json.loads(text)
    except ValueError:
        return "ws", ""
    inner = content.get("data", content) if isinstance(content, dict) else {}
    if not isinstance(inner, dict):
        return "ws", ""
    kind = next((inner[name] for name in ("e", "method", "type", "op") if name in inner), "")
    return f"ws:{kind}", str(inner.get("s") or inner.get("symbol") or "")


def changed(rule: Rule, body: bytes) -> bytes:
    """A body or text after a rule that changes it."""
    if rule.do == "corrupt":
        return body[: len(body) // 2]
    if rule.do != "clock":
        return body

    def moved(found: re.Match[bytes]) -> bytes:
        moment, by = int(found[2]), int(rule["by_s"]) * 1_000
        return b'"%b":%d' % (found[1], moment + (by * 1_000 if moment >= US else by))

    return MOMENT.sub(moved, body)


def refusal(rule: Rule, path: str) -> Answer:
    """The answer of a status, as the portal refuses requests at this path."""
    retry_s = rule["retry_after_s"]
    more = {"retry-after": str(retry_s)} if retry_s else {}
    scope = {"path": path}
    made = refused_at(scope, rule["status"], "test_venue", rule["text"], more)
    return rule["status"], more | {"content-type": made.media_type}, bytes(made.body)


def client_of(headers: dict[bytes, bytes], address: str) -> str:
    """Who asks: the address, and the begin of the key."""
    key = headers.get(b"x-mbx-apikey", b"").decode("latin-1")[:KEY_SHOWN]
    return f"{address} {key}".rstrip()


def symbol_of(query: bytes) -> str:
    """The symbol that a query names."""
    return parse_qs(query.decode("latin-1")).get("symbol", [""])[0]
