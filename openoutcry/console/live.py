"""The page's WebSocket: the venue's state, at the interval that each viewer has chosen.

Client to server: ``{"every_ms": 1000, "symbol": "GOLD"}`` (20 to 60,000 ms).  Server to client:
``now`` (rings, stages) each time, ``market`` with a symbol, and, once a second, everything else.
A slow viewer receives messages less often, and always the state at the time of sending.  So do all
the pages of one name that ask for more than its share (``gate.py``).
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openoutcry.console.accounts import Accounts, Session
from openoutcry.console.console import Console
from openoutcry.console.observe import FAST_S
from openoutcry.console.reading import PARTS, overview
from openoutcry.wire.load_limits import Budget, Rate
from openoutcry.wire.symbols import MAX_SYMBOL

EVERY_MS = (20, 60_000)
DEFAULT_MS = 1_000
SEND_S = 30.0
"""After this time without reading, a viewer is disconnected."""
SHARED_S = 1.0
WISHES = Rate(per_s=5, at_once=10)
"""Requests of a page that are answered at once, and then one in so long."""
ENDED = 4401
"""The close code of a session that has ended."""


@dataclass
class Viewer:
    """Subscriptions and state of one page."""

    every_s: float = DEFAULT_MS / 1e3
    symbol: str = ""
    second: int = -1
    line: int = 0
    trade: int = 0
    version: int = -1

    def wish(self, text: str) -> None:
        """Raises ``ValueError``."""
        wish = json.loads(text)
        if type(wish) is not dict:
            raise ValueError("a request must be a JSON object")
        every_ms, symbol = wish.get("every_ms", DEFAULT_MS), wish.get("symbol", self.symbol)
        if type(every_ms) is not int or not EVERY_MS[0] <= every_ms <= EVERY_MS[1]:
            raise ValueError(f"every_ms is {EVERY_MS[0]} to {EVERY_MS[1]}")
        if type(symbol) is not str or len(symbol) > MAX_SYMBOL:
            raise ValueError(f"symbol is a text of at most {MAX_SYMBOL} characters")
        self.every_s = every_ms / 1e3
        if symbol != self.symbol:
            self.symbol, self.trade = symbol, 0


class Texts:
    """Texts that viewers receive, as JSON: made once for all that receive the same."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._now: tuple[Any, str] = (None, "")
        self._slow: tuple[int, str] = (-1, "")
        self._log: tuple[Any, str, int] = (None, "", 0)
        self._market: dict[tuple[str, int], tuple[str, int]] = {}
        self._market_until_s = 0.0

    def now(self) -> str:
        """Return the figures that change several times a second."""
        view = self.console.observer.fast()
        if view is not self._now[0]:
            self._now = view, as_json(view)
        return self._now[1]

    def slow(self) -> str:
        """Everything that is read once a second, as members of an object."""
        observer = self.console.observer
        second = observer.second
        if second != self._slow[0]:
            members: dict[str, Any] = {"overview": overview(self.console, fast=False)}
            members |= {name: observer.slow[name] for name in PARTS if name != "status"}
            self._slow = second, as_json(members)[1:-1]
        return self._slow[1]

    def log(self, since: int) -> tuple[str, int]:
        """The lines after a number, and the last one's number; an empty text without new lines."""
        events = self.console.observer.events
        if (since, events.count) != self._log[0]:
            key, lines = (since, events.count), events.since(since)
            last = lines[-1]["number"] if lines else since
            self._log = key, as_json(lines) if lines else "", last
        return self._log[1:]

    def market(self, symbol: str, since: int) -> tuple[str, int]:
        """An instrument with its trades after a number, and the last one's; FAST_S old at most."""
        now_s = time.monotonic()
        if now_s >= self._market_until_s:
            self._market, self._market_until_s = {}, now_s + FAST_S
        key = symbol, since
        if key not in self._market:
            view = self.console.market.view(symbol, since)
            trades = view.get("trades") or ()
            self._market[key] = as_json(view), trades[-1]["number"] if trades else since
        return self._market[key]


def as_json(document: Any) -> str:
    """Return a document as compact JSON."""
    return json.dumps(document, separators=(",", ":"))


def message(texts: Texts, viewer: Viewer) -> str:
    """Return the message that this viewer receives now."""
    observer = texts.console.observer
    if observer.fast().get("emergency_step") or viewer.every_s < 1:
        observer.events.poll()  # the steps, as they are said
    parts = ['"type":"now"', f'"now":{texts.now()}']
    lines, viewer.line = texts.log(viewer.line)
    if lines:
        parts.append(f'"log":{lines}')
    if viewer.symbol:
        market, viewer.trade = texts.market(viewer.symbol, viewer.trade)
        parts.append(f'"market":{market}')
    if viewer.second != observer.second:
        viewer.second = observer.second
        parts.append(texts.slow())
    return "{" + ",".join(parts) + "}"


Message = Callable[[Viewer, Session], str]


def add_live(app: Any, accounts: Accounts, message_of: Message) -> None:
    """Add the route; ``message_of`` makes what a viewer receives, as JSON."""
    from fastapi import WebSocket

    @app.websocket("/ws")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        viewer, changed = Viewer(), asyncio.Event()
        listening = asyncio.create_task(_listen(socket, viewer, changed))
        listening.add_done_callback(lambda _: changed.set())
        try:
            await _tell(accounts, message_of, socket, viewer, changed, listening)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def next_due(due_s: float, every_s: float, now_s: float) -> float:
    """Return when a viewer receives its next message. The interval counts from when the last one
    was due, so it does not include the time of sending. Viewers with the same interval, a second or
    more, are served at the same moments. So one look and one text serve them all: measured with 20,
    a seventh of the processor time.

    Viewers with the same interval, a second or more, are served at the same moments.  So one look
    and one text serve them all: measured with 20, a seventh of the processor time."""
    if every_s < SHARED_S:
        return max(due_s + every_s, now_s)
    return (now_s // every_s + 1) * every_s


async def _listen(socket: Any, viewer: Viewer, changed: asyncio.Event) -> None:
    """Listen until the page disconnects, or sends what no page sends."""
    from fastapi import WebSocketDisconnect

    pace = Budget(WISHES)
    with contextlib.suppress(WebSocketDisconnect, ValueError, RecursionError, KeyError):
        while True:
            viewer.wish(await socket.receive_text())
            changed.set()
            await pace.rest()


async def _tell(
    accounts: Accounts,
    message_of: Message,
    socket: Any,
    viewer: Viewer,
    changed: asyncio.Event,
    listening: "asyncio.Task[None]",
) -> None:
    from fastapi import WebSocketDisconnect

    cookie, reads = (socket.scope["outcry"][name] for name in ("cookie", "reads"))
    with contextlib.suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
        due_s = time.monotonic()
        while not listening.done():
            await reads.rest()
            session = accounts.find(cookie)
            if session is None:
                await socket.close(ENDED)
                return
            changed.clear()  # later wishes are answered at once
            async with asyncio.timeout(SEND_S):
                await socket.send_text(message_of(viewer, session))
            due_s = next_due(due_s, viewer.every_s, time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_s - time.monotonic()):
                    await changed.wait()
                due_s = time.monotonic()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(1000)
