"""The page's WebSocket: what stands, at the interval that each viewer has chosen.

Client to server: ``{"every_ms": 1000, "symbol": "GOLD"}`` (20 to 60,000 ms).  Server to client:
``now`` (rings, stages) each time, ``market`` with a symbol, and, once a second, everything else.
Who is slow is told less often, and always what stands when he can take it.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

from openoutcry.console.console import Console
from openoutcry.console.reading import PARTS, overview

EVERY_MS = (20, 60_000)
DEFAULT_MS = 1_000
SEND_S = 30.0
"""A viewer who takes nothing for so long is left."""
ENDED = 4401
"""The close code of a session that has ended."""


@dataclass
class Viewer:
    """What one page wants and knows."""

    every_s: float = DEFAULT_MS / 1e3
    symbol: str = ""
    second: int = -1
    line: int = 0
    trade: int = 0

    def wish(self, text: str) -> None:
        """Raises ``ValueError``."""
        wish = json.loads(text)
        if type(wish) is not dict:
            raise ValueError("a wish is a JSON object")
        every_ms, symbol = wish.get("every_ms", DEFAULT_MS), wish.get("symbol", self.symbol)
        if type(every_ms) is not int or not EVERY_MS[0] <= every_ms <= EVERY_MS[1]:
            raise ValueError(f"every_ms is {EVERY_MS[0]} to {EVERY_MS[1]}")
        if type(symbol) is not str or len(symbol) > 8:
            raise ValueError("symbol is a text of at most 8 characters")
        self.every_s = every_ms / 1e3
        if symbol != self.symbol:
            self.symbol, self.trade = symbol, 0


def message(console: Console, viewer: Viewer) -> dict[str, Any]:
    """What this viewer is told now."""
    observer = console.observer
    told: dict[str, Any] = {"type": "now", "now": observer.fast()}
    if told["now"].get("emergency_step") or viewer.every_s < 1:
        observer.events.look()  # the steps, as they are said
    lines = observer.events.since(viewer.line)
    if lines:
        viewer.line = lines[-1]["number"]
        told["log"] = lines
    if viewer.symbol:
        market = told["market"] = console.market.view(viewer.symbol, viewer.trade)
        if market.get("trades"):
            viewer.trade = market["trades"][-1]["number"]
    if viewer.second != observer.second:
        viewer.second = observer.second
        told["overview"] = {k: v for k, v in overview(console).items() if k != "now"}
        told |= {name: observer.slow[name] for name in PARTS if name != "status"}
    return told


def add_live(app: Any, console: Console) -> None:
    """Add the route."""
    from fastapi import WebSocket

    @app.websocket("/ws")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        viewer, changed = Viewer(), asyncio.Event()
        listening = asyncio.create_task(_listen(socket, viewer, changed))
        listening.add_done_callback(lambda _: changed.set())
        try:
            await _tell(console, socket, viewer, changed, listening)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _listen(socket: Any, viewer: Viewer, changed: asyncio.Event) -> None:
    """Until the page goes, or says what no page says."""
    from fastapi import WebSocketDisconnect

    with contextlib.suppress(WebSocketDisconnect, ValueError, RecursionError, KeyError):
        while True:
            viewer.wish(await socket.receive_text())
            changed.set()


async def _tell(
    console: Console,
    socket: Any,
    viewer: Viewer,
    changed: asyncio.Event,
    listening: "asyncio.Task[None]",
) -> None:
    from fastapi import WebSocketDisconnect

    cookie = socket.scope["outcry"]["cookie"]
    with contextlib.suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
        while not listening.done():
            if console.accounts.find(cookie) is None:
                await socket.close(ENDED)
                return
            changed.clear()  # what is wished from here on is told at once
            text = json.dumps(message(console, viewer), separators=(",", ":"))
            await asyncio.wait_for(socket.send_text(text), SEND_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), viewer.every_s)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(1000)
