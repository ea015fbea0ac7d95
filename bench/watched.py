"""What being watched costs a venue: a real one with participants over OUCH, watched and not.

The venue's console has viewers, and its metrics are scraped. The same venue is measured while all
of these are stopped (SIGSTOP).

Both are measured in turns on one venue, so that what else the machine does meets both.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench import sessions_live as live
from openoutcry.bench.first_paint import WORD, running_command, until_open
from openoutcry.bench.scratch import scratch_folder
from openoutcry.wire import OutcryError, sockets
from openoutcry.wire.free_port import free_port
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import monotonic_ns

VIEWERS = 20
SCRAPE_S = 1.0
SESSIONS = 4
RATE = 20_000
SECONDS, QUICK_SECONDS = 3.0, 0.2
ORDERS_EACH, QUICK_ORDERS_EACH = 300_000, 2_000
PAIRS = 3
"""Stretches of each kind that are measured watched and unwatched, one after the other."""
SETTLE_S = 1.5
"""After a stop, until every process that continues has had its turn."""
ANSWERED = live.ACCEPTED_BYTES + live.CANCELED_BYTES
IMMEDIATE = 0
PRICE = 10_000
TOKENS = 1 << 24
VENUE = """
[venue]
name = "WATCHED"
journal = "journal"
durability = "async"
order_capacity = 65536
checkpoint_every = 0
[calendar]
time_zone = "Etc/UTC"
weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
[[schedule]]
name = "all day"
day = ["00:00 CONTINUOUS", "23:59:59 CLOSED"]
[[operator]]
name = "anna"
password = "{hash}"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:{port}"
"""


@kernel
def paced_round_trips(
    fd: int,
    packets: int,
    packet_bytes: int,
    answered: int,
    count: int,
    every_ns: int,
    buffer: int,
    times: int,
) -> int:
    """Send ``count`` packets, each ``every_ns`` after the one before, or as soon as that is
    answered. Writes the ns from when each was due to the last byte of its answer to ``times``.
    Returns 0, or -1 when the peer has gone or says nothing any more."""
    first = monotonic_ns()
    for index in range(count):
        due = first + index * every_ns
        while monotonic_ns() < due:
            pass
        if sockets.send(fd, packets + packet_bytes * index, packet_bytes) != packet_bytes:
            return -1
        if not live.answered_in_time(fd, answered, due, buffer):
            return -1
        Words(times)[index] = monotonic_ns() - due
    return 0


def venue_file(folder: Path, port: int, more: str = "", of_instrument: str = "") -> Path:
    """A venue file in the folder, with an OUCH port, ``more`` tables, and more rows of each
    instrument."""
    from openoutcry.order_entry.passwords import password_hasher

    text = VENUE.format(hash=password_hasher().hash(WORD), port=port) + more
    quick = live_hash()
    for symbol in live.SYMBOLS:
        text += f'[[instrument]]\nsymbol = "{symbol}"\n{of_instrument}'
    for number in range(1, SESSIONS + 1):
        text += f'[[participant]]\nnumber = {number}\nname = "P{number}"\n[[session]]\n'
        text += f'name = "S{number}"\nprotocol = "ouch-4.2"\nparticipant = {number}\n'
        text += f'password = "{quick}"\nqueue_bytes = {1 << 26}\n'
    path = folder / "venue.toml"
    path.write_text(text)
    return path


def live_hash() -> str:
    """Return the hash of the sessions' password, at the lowest cost."""
    from argon2 import PasswordHasher

    hasher = PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1)
    return str(hasher.hash(live.PASSWORD))


@dataclass
class Watched:
    """A venue that is open, and its watchers, stopped or not."""

    port: int
    watchers: "list[subprocess.Popen[bytes]]"
    tokens: int = 1

    def watch(self, on: bool) -> None:
        """Let the watchers continue, or stop them, and wait until that is felt."""
        for process in self.watchers:
            process.send_signal(signal.SIGCONT if on else signal.SIGSTOP)
        time.sleep(SETTLE_S)

    def p99_ns(self, seconds: float) -> float:
        """Return the 99th percentile of orders at RATE, from when each was due to the end of its
        answer."""
        count = int(seconds * RATE)
        packets = live.order_packets(self.tokens, count, IMMEDIATE, PRICE)
        self.tokens += count
        times, buffer = np.zeros(count, np.int64), np.zeros(live.ANSWER_ROOM, np.uint8)
        with live.log_in(self.port, "S1", 0) as client:
            code = paced_round_trips(
                client.fileno(),
                packets.ctypes.data,
                packets.shape[1],
                ANSWERED,
                count,
                1_000_000_000 // RATE,
                buffer.ctypes.data,
                times.ctypes.data,
            )
        if code:
            raise OutcryError("bench operations: an order was not answered")
        return float(np.percentile(times, 99))

    def orders_per_s(self, each: int) -> float:
        """Return the orders a second of all sessions together, as fast as the venue takes them."""
        packets = [live.order_packets(self.tokens, each, IMMEDIATE, PRICE) for _ in range(SESSIONS)]
        self.tokens += each
        clients = np.zeros((SESSIONS, live.CLIENT_BYTES // 8), np.int64)
        buffer = np.zeros(live.ANSWER_ROOM, np.uint8)
        with contextlib.ExitStack() as stack:
            for index, mine in enumerate(packets):
                connection = stack.enter_context(live.log_in(self.port, f"S{index + 1}", 0))
                at = mine.ctypes.data
                clients[index, :6] = (
                    connection.fileno(),
                    at,
                    at,
                    at + mine.size,
                    0,
                    ANSWERED * each,
                )
            took = live.pump(
                clients.ctypes.data,
                SESSIONS,
                ANSWERED,
                buffer.ctypes.data,
                len(buffer),
                int(live.shares_core()),
            )
        if took < 0:
            raise OutcryError("bench operations: an order was not answered")
        return SESSIONS * each * 1e9 / took


@contextlib.contextmanager
def watched_venue() -> Iterator[Watched]:
    """The venue, its console, its metrics, the viewers; ends them all, and raises
    :class:`OutcryError` if no viewer received anything."""
    outcry = [sys.executable, "-m", "openoutcry"]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder("operations"))
        port = free_port()
        file = venue_file(folder, port)
        venue = stack.enter_context(
            running_command([sys.executable, "-m", __name__, "venue", str(file)])
        )
        until_open(folder / "journal", venue)
        loopback = ["--address", "127.0.0.1:0"]
        console = stack.enter_context(
            running_command([*outcry, "venue", "console", str(file), *loopback])
        )
        metrics = stack.enter_context(
            running_command([*outcry, "venue", "metrics", str(file), *loopback])
        )
        urls = [first_line(process) for process in (console, metrics)]
        counts_file = folder / "told.json"
        viewers = stack.enter_context(
            running_command([sys.executable, "-m", __name__, "viewers", *urls, str(counts_file)])
        )
        watched = Watched(port, [viewers, console, metrics])
        _until(counts_file.exists, viewers)
        try:
            yield watched
        finally:
            for process in watched.watchers:
                process.send_signal(signal.SIGCONT)
            viewers.send_signal(signal.SIGTERM)
            viewers.wait(live.SILENCE_NS / 1e9)
        counts = json.loads(counts_file.read_text())
        if min(counts["messages"]) < PAIRS or counts["scrapes"] < PAIRS:
            raise OutcryError(f"bench operations: the venue was not watched: {counts}")


def first_line(process: "subprocess.Popen[bytes]") -> str:
    """The address that a console or metrics prints.  Raises :class:`OutcryError`."""
    assert process.stderr is not None
    line = process.stderr.readline().decode().strip()
    if not line.startswith("http"):
        raise OutcryError(f"bench operations: {line}")
    return line


def _until(true: Any, process: "subprocess.Popen[bytes]") -> None:
    until_s = time.monotonic() + 60
    while not true():
        if process.poll() is not None or time.monotonic() > until_s:
            raise OutcryError("bench operations: no watcher connected to the venue")
        time.sleep(0.02)


# The viewers' process.


async def _view(console: str, cookie: str, symbol: str, number: int, counts: list[int]) -> None:
    from websockets.asyncio.client import connect

    wish = json.dumps({"every_ms": 1_000, "symbol": symbol})
    url = console.replace("http", "ws", 1) + "ws"
    origin: Any = console.rstrip("/")
    headers = {"Cookie": cookie}
    async with connect(
        url, additional_headers=headers, origin=origin, max_size=None, ping_interval=None
    ) as socket:
        await socket.send(wish)
        async for _ in socket:
            counts[number] += 1


async def _scrape(metrics: str, counts: list[int]) -> None:
    def read() -> None:
        with urllib.request.urlopen(metrics, timeout=60) as answer:
            answer.read()

    while True:
        await asyncio.to_thread(read)
        counts[0] += 1
        await asyncio.sleep(SCRAPE_S)


async def _look(console: str, metrics: str, counts_file: Path) -> None:
    body = json.dumps({"name": "anna", "password": WORD}).encode()
    request = urllib.request.Request(
        f"{console}api/login", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        cookie = answer.headers["set-cookie"].partition(";")[0]
    messages, scrapes = [0] * VIEWERS, [0]
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    symbols = [live.SYMBOLS[0] if number % 2 else "" for number in range(VIEWERS)]
    tasks = [
        asyncio.create_task(_view(console, cookie, symbol, number, messages))
        for number, symbol in enumerate(symbols)
    ]
    tasks.append(asyncio.create_task(_scrape(metrics, scrapes)))
    while not over.is_set() and not any(task.done() for task in tasks):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await over.wait()
        if min(messages) and scrapes[0]:
            counts_file.with_suffix(".new").write_text(
                json.dumps({"messages": messages, "scrapes": scrapes[0]})
            )
            counts_file.with_suffix(".new").replace(counts_file)
    for task in tasks:
        task.cancel()


def _viewers(console: str, metrics: str, counts_file: str) -> None:
    """Start the viewers. They stand for another host's: they get the processor time that the
    console and the metrics leave."""
    from openoutcry.operations.aside import Aside
    from openoutcry.pipeline.top import running

    aside = Aside()
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # as far as one host allows that
    aside.keep_off(frozenset().union(*(one.spun_cores for one in running())))
    asyncio.run(_look(console, metrics, Path(counts_file)))


def _serve(file: str) -> None:
    from openoutcry.venue.file import read_venue
    from openoutcry.venue.serve import Venue

    venue = read_venue(Path(file))
    sessions = replace(venue.sessions, token_capacity=TOKENS)
    Venue(replace(venue, sessions=sessions)).serve()


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "venue":
        _serve(*words)
    else:
        _viewers(*words)
