"""A served venue with sessions, a feed, limits and operators, and its console beside it; run as a
script it stays up to be looked at."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import argon2
import httpx
import numpy as np
import pyotp
from feed_days import free_udp_port
from processes import OUTCRY, free_port
from served_venue import PORT, VENUE, WAIT_S, ServedVenue
from sessions_venue import HASH

from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce

PASSWORD = "correct-horse-7411"
OPERATORS_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
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
[market_data]
interface = "127.0.0.1"
heartbeat_ms = 50
interval_ms = 20
"""


def order(order_id: int, side: Side, qty: int, price: int, who: int = 1) -> np.ndarray:
    made = np.zeros(1, ORDER_DTYPE)
    made["kind"], made["order_id"], made["side"], made["symbol"] = 1, order_id, side, b"GOLD"
    made["qty_lots"], made["price_ticks"], made["participant"] = qty, price, who
    made["order_type"], made["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    assert CommandKind.NEW == 1
    return made


class ConsoleVenue:
    """The venue and `outcry console`."""

    def __init__(self, folder: Path, now: str = "2026-11-23T10:00") -> None:
        self.ouch, self.folder, self.quotes = free_port(), folder, 0
        feed = f'a = "239.193.9.1:{free_udp_port()}"\nstream = "127.0.0.1:{free_port()}"\n'
        text = VENUE
        for symbol in ("GOLD", "TIN"):
            text = text.replace(f'symbol = "{symbol}"', f'symbol = "{symbol}"{LIMITS}')
        text += (
            OPERATORS.replace("HASH", OPERATORS_HASH) + MORE.replace("OUCH", str(self.ouch)) + feed
        )
        text = text.replace("HASH", HASH).replace("TOTP", TOTP)
        self.venue = ServedVenue(folder, now, PORT, text)
        self.file = folder / "venue.toml"
        self.console: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        self.venue.start()
        self.venue.wait_for_phase("CONTINUOUS")
        self.serve()

    def serve(self, *words: str) -> None:
        """Start the console."""
        port = f"127.0.0.1:{free_port()}"
        command = [*OUTCRY, "console", str(self.file), "--address", port, *words]
        self.console = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.console.stderr is not None
        self.url = self.console.stderr.readline().strip()
        assert self.url.startswith("http"), self.url + self.console.stderr.read()

    def leave(self) -> str:
        """End the console; returns what else it said."""
        assert self.console is not None
        self.console.terminate()
        _, err = self.console.communicate(timeout=WAIT_S)
        assert self.console.returncode == 0, err
        self.console = None
        return err

    def stop(self) -> None:
        try:
            if self.console is not None:
                self.leave()
        finally:
            if self.venue.process is not None and self.venue.process.poll() is None:
                self.venue.stop()

    def client(self, name: str = "", **more: Any) -> "ApiClient":
        made = ApiClient(self.url, **more)
        if name:
            made.log_in(name)
        return made

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


class ApiClient(httpx.Client):
    """Of the console's API: keeps the cookie and the token."""

    def __init__(self, url: str, **more: Any) -> None:
        super().__init__(base_url=url, timeout=WAIT_S, **more)
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
        answer = self.post(path, json={"why": "a test", **body},
                           headers={"x-csrf-token": self.csrf})  # fmt: skip
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return dict(answer.json())

    def look(self, path: str, true: Any) -> Any:
        """What the API says, once that is so."""
        until = time.monotonic() + WAIT_S
        while not true(found := self.get(path).json()):
            assert time.monotonic() < until, found
            time.sleep(0.05)
        return found


if __name__ == "__main__":
    made = ConsoleVenue(Path(sys.argv[1]))
    made.start()
    print(made.url, PASSWORD, flush=True)
    made.quote()
    first, price = 1_000, 1_000
    while True:
        price += int(np.random.default_rng(first).integers(-3, 4))
        price = min(1_010, max(985, price))
        made.trade(first, 8, price)
        first += 1_000
        time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0.5)
