"""A served venue with sessions, a feed, limits and operators, and its console beside it; run as a
script it stays up to be looked at."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import argon2
import httpx
import numpy as np
import pyotp
from websockets.exceptions import ConnectionClosed

from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.order_entry.sessions_venue import HASH
from tests.support.order_entry.sessions_venue import PASSWORD as SECRET
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import PORT, VENUE, ServedVenue
from tests.support.waiting import BOUND_S

PASSWORD = "correct-horse-7411"
OPERATORS_HASH = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1).hash(PASSWORD)
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LIMITS = "\nmin_price_ticks = 1\nmax_price_ticks = 4_000_000\nmax_qty_lots = 1_000_000\n"
LIMITS += "reference_price_ticks = 1_000\n"
OPERATORS = """
[[operator]]
name = "vera"
password = "HASH"
role = "viewer"
[[operator]]
name = "otto"
password = "HASH"
role = "operator"
[[operator]]
name = "anna"
password = "HASH"
[[operator]]
name = "bert"
password = "HASH"
[[operator]]
name = "cody"
password = "HASH"
totp = "TOTP"
"""
MORE = """
[[participant]]
number = 2
name = "two"
group = "alpha"
[[participant]]
number = 3
name = "three"
group = "alpha"
[[limits]]
max_qty_lots = 100
open_orders = 500
[[limits]]
participant = 1
opening_balance = 1_000_000
credit = 0
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:OUCH"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
[[session]]
name = "TWO"
protocol = "ouch-4.2"
participant = 2
password = "HASH"
[[session]]
name = "PAGE1"
protocol = "ouch-4.2"
participant = 1
password = "HASH"
grace_ms = 600_000
timeout_ms = 600_000
[[session]]
name = "PAGE3"
protocol = "ouch-4.2"
participant = 3
password = "HASH"
grace_ms = 600_000
timeout_ms = 600_000
[market_data]
interface = "127.0.0.1"
heartbeat_ms = 50
interval_ms = 20
idle_us = 2_000
"""


def order(order_id: int, side: Side, qty: int, price: int, who: int = 1) -> np.ndarray:
    rows = np.zeros(1, ORDER_DTYPE)
    rows["kind"], rows["order_id"], rows["side"], rows["symbol"] = 1, order_id, side, b"GOLD"
    rows["qty_lots"], rows["price_ticks"], rows["participant"] = qty, price, who
    rows["order_type"], rows["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    assert CommandKind.NEW == 1
    return rows


class ConsoleVenue:
    """The venue and `outcry venue console`."""

    def __init__(
        self, folder: Path, now: str = "2026-11-23T10:00", more: str = "", of_each: str = ""
    ) -> None:
        """``more``: tables of the venue file; ``of_each``: keys of each instrument."""
        self.ouch, self.folder, self.quotes = free_port(), folder, 0
        feed = f'a = "239.193.9.1:{free_port()}"\nstream = "127.0.0.1:{free_port()}"\n'
        text = VENUE
        for symbol in ("GOLD", "TIN"):
            text = text.replace(f'symbol = "{symbol}"', f'symbol = "{symbol}"{LIMITS}{of_each}')
        text += (
            OPERATORS.replace("HASH", OPERATORS_HASH) + MORE.replace("OUCH", str(self.ouch)) + feed
        )
        text = text.replace("HASH", HASH).replace("TOTP", TOTP) + more
        self.venue = ServedVenue(folder, now, PORT, text)
        self.file = folder / "venue.toml"
        self.console: subprocess.Popen[str] | None = None
        self.screen: subprocess.Popen[str] | None = None
        self.url = self.screen_url = ""

    def start(self) -> None:
        self.open()
        self.serve()

    def open(self) -> None:
        """The venue, until it trades; what receives packets sleeps once it has had one."""
        self.venue.start()
        self.venue.let_auctions_end()
        one = order(20_000_000 + self.venue.senders, Side.BUY, 1, 1, 3)
        one["time_in_force"] = TimeInForce.IOC
        self.venue.send(one)

    def is_quiet(self) -> bool:
        """Return whether all instruments trade continuously and no participant is killed."""
        status = self.venue.status()
        risk, phases = status.get("risk", {}), set(status["phases"].values())
        return phases == {"CONTINUOUS"} and not risk["halted"] and not risk["killed"]

    def serve(self, *words: str) -> None:
        """Start the console."""
        self.console, self.url = begin_page(self.file, ("venue", "console"), *words)

    def serve_screen(self, *words: str) -> None:
        """Start the participants' page."""
        self.screen, self.screen_url = begin_page(self.file, ("screen",), *words)

    def leave(self) -> str:
        """End the console; returns what else it said."""
        process, self.console = self.console, None
        return ended(process)

    def leave_screen(self) -> str:
        process, self.screen = self.screen, None
        return ended(process)

    def stop(self) -> None:
        try:
            if self.console is not None:
                self.leave()
            if self.screen is not None:
                self.leave_screen()
        finally:
            if self.venue.process is not None and self.venue.process.poll() is None:
                self.venue.stop()

    def client(self, name: str = "", **more: Any) -> "ApiClient":
        api_client = ApiClient(self.url, **more)
        if name:
            api_client.log_in(name)
        return api_client

    def trade(self, first_id: int, count: int = 20, price: int = 1_000) -> None:
        """Participants 2 and 3 trade around a price, and leave nothing open."""
        orders = []
        for k in range(count):
            at, lots = price + k * k % 7, 2 + k % 5
            orders.append(order(first_id + 2 * k, Side.SELL, lots, at, 2))
            orders.append(order(first_id + 2 * k + 1, Side.BUY, lots, at, 3))
        self.venue.send(np.concatenate(orders))

    def quote(self, levels: int = 12) -> None:
        """Participant 2 quotes a ladder, far from :meth:`trade`, by ids of its own each time."""
        self.quotes += 1
        first_id = 10_000_000 + 1_000 * self.quotes
        sides = [(Side.SELL, 1_021, 1), (Side.BUY, 979, -1)]
        orders = [
            order(first_id + 100 * place + k, side, 5 + 3 * (k % 4) + k, at + step * k, 2)
            for place, (side, at, step) in enumerate(sides)
            for k in range(levels)
        ]
        self.venue.send(np.concatenate(orders))


def begin_page(file: Path, page: tuple[str, ...], *words: str) -> tuple[subprocess.Popen[str], str]:
    """Start a command that serves a venue file, at a free port if ``words`` name none; return its
    process and URL."""
    port = f"127.0.0.1:{free_port()}"
    command = [*OUTCRY, *page, str(file), "--address", port, *words]
    process = warm_outcry.Process(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    url = process.stderr.readline().strip()
    assert url.startswith("http"), url + process.stderr.read()
    return process, url


def ended(process: subprocess.Popen[str] | None) -> str:
    """End a page's process; returns what else it said."""
    assert process is not None
    process.terminate()
    _, err = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0, err
    return err


def until_closed(page: Any) -> int:
    """The code with which the console closes a page's connection."""
    try:
        while True:
            page.recv(timeout=BOUND_S)
    except ConnectionClosed as closed:
        return int(closed.rcvd.code)


def written(path: Path) -> bytes:
    """What was written of a file that may be full of holes; nothing of one that is gone."""
    parts, at = [], 0
    with suppress(OSError), path.open("rb", buffering=0) as file:  # behind the last of it: ENXIO
        while True:
            at = file.seek(at, os.SEEK_DATA)
            end = file.seek(at, os.SEEK_HOLE)
            file.seek(at)
            parts.append(file.read(end - at).rstrip(b"\0"))
            at = end
    return b"".join(parts)


class ApiClient(httpx.Client):
    """A client of the console's API: keeps the cookie and the token."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(base_url=url, timeout=BOUND_S, **({"verify": False} | more))
        self.csrf = ""

    def __enter__(self) -> "ApiClient":
        return self  # it was opened by its log-in

    def log_in(self, name: str, password: str = PASSWORD, code: str = "") -> httpx.Response:
        if name == "cody" and not code:
            code = pyotp.TOTP(TOTP).now()
        body = {"name": name, "password": password, "code": code}
        answer = self.post("/api/login", json=body)
        if answer.status_code == 200:
            self.csrf = answer.json()["me"]["csrf"]
        return answer

    def act(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = self.post(
            path, json={"why": "a test", **body}, headers={"x-csrf-token": self.csrf}
        )
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return dict(answer.json())

    def look(self, path: str, true: Any) -> Any:
        """What the API says, once that is so."""
        until = time.monotonic() + BOUND_S
        while not true(document := self.get(path).json()):
            assert time.monotonic() < until, document
            time.sleep(0.05)
        return document


class ScreenClient(ApiClient):
    """A client of the screen's API."""

    def log_in(self, name: str, password: str = SECRET, code: str = "") -> httpx.Response:
        answer = self.post("/api/login", json={"name": name, "password": password})
        if answer.status_code == 200:
            self.csrf = answer.json()["me"]["csrf"]
        return answer

    def do(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = self.post(path, json=body, headers={"x-csrf-token": self.csrf})
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return dict(answer.json())

    def ready(self) -> None:
        self.look("/api/own", lambda document: document["link"]["state"] == "ready")

    def enter(
        self,
        token: str,
        side: str,
        lots: int,
        price: str | None,
        status: int = 200,
        symbol: str = "TIN",
        **more: Any,
    ) -> dict[str, Any]:
        return self.do(
            "/api/orders",
            status,
            token=token,
            side=side,
            symbol=symbol,
            qty_lots=lots,
            price=price,
            **more,
        )

    def order(self, token: str, state: str) -> dict[str, Any]:
        """The order, once it is so."""
        document = self.look(
            "/api/own",
            lambda own: any(
                (row["token"], row["state"]) == (token, state) for row in own.get("orders", ())
            ),
        )
        return next(row for row in document["orders"] if row["token"] == token)

    def notice(self, text: str, since: int = 0) -> dict[str, Any]:
        """The first notice that holds this, once there is one."""
        path = f"/api/notices?since={since}"
        notices = self.look(path, lambda rows: any(text in row["text"] for row in rows))
        return next(row for row in notices if text in row["text"])


if __name__ == "__main__":
    venue = ConsoleVenue(Path(sys.argv[1]))
    venue.start()
    venue.serve_screen()
    print(venue.url, PASSWORD, venue.screen_url, SECRET, flush=True)
    venue.quote()
    first, price = 1_000, 1_000
    while True:
        price += int(np.random.default_rng(first).integers(-3, 4))
        price = min(1_010, max(985, price))
        venue.trade(first, 8, price)
        first += 1_000
        time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0.5)
