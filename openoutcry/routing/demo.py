"""Two venues on this host to route over, with different fees, delays and books.

EAST costs nothing and delays every order by half a millisecond; WEST charges 10 basis points and
does not. A maker quotes at both, and enters again what was taken.
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from openoutcry.client.ouch import Message, OuchClient
from openoutcry.order_entry.passwords import make_password, password_hasher
from openoutcry.routing.instruments import RoutingError
from openoutcry.venue.demo_parts import is_trading
from openoutcry.wire.closing import Closing
from openoutcry.wire.free_port import free_port

SYMBOL, PAIR = "GOLD", "GOLD/USD"
DELAY_US = 500
VENUE = """
[venue]
name = "{name}"
journal = "journal"
volatile_journal = true
order_capacity = 4_096
speed_bump_us = {delay_us}
speed_bump_window_us = 0
[calendar]
time_zone = "{zone}"
weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
time_every_s = 60
[[schedule]]
name = "never closed"
day = ["00:00 CONTINUOUS"]
[[asset]]
name = "USD"
decimals = 2
[[fee_schedule]]
name = "all"
maker_bps = 0
taker_bps = {taker_bps}
[[fees]]
schedule = "all"
[[instrument]]
symbol = "GOLD"
decimals = 2
min_price_ticks = 1
max_price_ticks = 1_000_000
max_qty_lots = 1_000_000
[[participant]]
number = 1
name = "Router"
[[participant]]
number = 2
name = "Maker"
[[session]]
name = "ROUTER"
protocol = "{protocol}"
participant = 1
password = "{router}"
[[session]]
name = "MAKER"
protocol = "ouch-4.2"
participant = 2
password = "{maker}"
[[port]]
protocol = "ouch-4.2"
address = "{host}:{port}"
[[port]]
protocol = "fix-4.4"
address = "{host}:{fix}"
[market_data]
a = "{group}:{line}"
interface = "{host}"
retransmission = "{host}:{requests}"
snapshots = "{host}:{snapshots}"
"""
INSTRUMENT = """store = "parents.sqlite"

[[instrument]]
symbol = "GOLD/USD"
base = "GOLD"
quote = "USD"
price_decimals = 4
quantity_decimals = 0
"""
ROUTE = """
[[venue]]
name = "{name}"
kind = "{kind}"
taker_ppm = {taker_ppm}
latency_ns = {latency_ns}
orders = "{host}:{orders}"
session = "ROUTER"
password_file = "router.password"
a = "{group}:{line}"
interface = "{router_host}"
retransmission = "{host}:{requests}"
snapshots = "{host}:{snapshots}"

[[listing]]
venue = "{name}"
instrument = "GOLD/USD"
symbol = "GOLD"
price_decimals = 4
quantity_decimals = 0
price_step = 100
"""


@dataclass(frozen=True)
class Spec:
    """A venue of the demonstration."""

    name: str
    number: int
    taker_bps: int
    delay_us: int
    levels: tuple[tuple[str, int, str], ...]
    """Side, lots and price of what its maker quotes."""
    kind: str = "own"
    """How the router's orders get there: ``own`` is OUCH, ``fix`` FIX."""


VENUES = (
    Spec(
        "EAST",
        1,
        taker_bps=0,
        delay_us=DELAY_US,
        levels=(
            ("S", 20, "2001.50"), ("S", 40, "2003.00"), ("S", 200, "2006.00"),
            ("B", 30, "1999.00"), ("B", 60, "1997.50"), ("B", 200, "1994.00"),
        ),
    ),
    Spec(
        "WEST",
        2,
        taker_bps=10,
        delay_us=0,
        levels=(
            ("S", 30, "2000.50"), ("S", 50, "2001.00"), ("S", 200, "2005.00"),
            ("B", 20, "1999.50"), ("B", 50, "1998.00"), ("B", 200, "1993.00"),
        ),
    ),
)  # fmt: skip


class Maker(Closing):
    """Quotes the levels of a venue, and enters again what was taken of them."""

    def __init__(self, client: OuchClient, levels: Sequence[tuple[str, int, str]]) -> None:
        self.client = client
        self.open: dict[str, tuple[str, str]] = {}
        """Side and price by token."""
        for side, lots, price in levels:
            self._quote(side, lots, price)

    def _quote(self, side: str, lots: int, price: str) -> None:
        self.open[str(self.client.enter(side, SYMBOL, lots, price))] = side, price

    def step(self) -> None:
        """Read what came.  Raises :class:`RoutingError` for an order that the venue rejected."""
        while (message := self.client.next(timeout_s=0.0)) is not None:
            self._take(message)

    def _take(self, message: Message) -> None:
        if message.name == "rejected":
            raise RoutingError(f"the maker's order was rejected: {message}")
        if message.name == "executed":
            side, price = self.open[message["token"]]
            self._quote(side, int(message["shares"]), price)

    def close(self) -> None:
        with suppress(OSError):
            self.client.connection.close()


def start_venue(folder: Path, popen: Callable[..., Any] = subprocess.Popen) -> Any:
    """Start ``outcry serve`` of the venue file in a folder; its output goes to ``log`` there.
    ``popen`` has the interface of ``subprocess.Popen``."""
    command = [sys.executable, "-m", "openoutcry", "serve", "venue.toml"]
    with (folder / "log").open("ab") as log:
        return popen(command, cwd=folder, stdout=log, stderr=log)


@contextmanager
def served(folder: Path, popen: Callable[..., Any] = subprocess.Popen) -> Iterator[Any]:
    """The process of :func:`start_venue`, until the context ends."""
    process = start_venue(folder, popen)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def zone_at_noon(now: datetime) -> str:
    """A time zone in which ``now`` is in the hour after noon, so that no day ends soon."""
    return f"Etc/GMT{now.astimezone(UTC).hour - 12:+d}"


def write_files(
    folder: Path,
    zone: str,
    hosts: Mapping[str, str] = MappingProxyType({}),
    router_host: str = "127.0.0.1",
    specs: Sequence[Spec] | None = None,
) -> dict[str, int]:
    """Write a folder for each venue and ``routes.toml``; returns the venues' ports of OUCH by name.
    ``hosts``: by venue its address, if it is not the local one.  The router gets their feeds at its
    own."""
    routes, ports = INSTRUMENT, {}
    words = {"router": make_password(), "maker": make_password()}
    hasher = password_hasher()
    for spec in specs or VENUES:
        ports[spec.name] = free_port()
        values: dict[str, Any] = {name: hasher.hash(word) for name, word in words.items()}
        values |= {"name": spec.name, "port": ports[spec.name], "zone": zone}
        values |= {"fix": free_port(), "kind": spec.kind}
        is_fix = spec.kind == "fix"
        values["protocol"] = "fix-4.4" if is_fix else "ouch-4.2"
        values["orders"] = values["fix" if is_fix else "port"]
        values |= {"group": f"239.193.58.{spec.number}", "line": free_port(socket.SOCK_DGRAM)}
        values |= {"requests": free_port(socket.SOCK_DGRAM), "snapshots": free_port()}
        values |= {"taker_bps": spec.taker_bps, "taker_ppm": spec.taker_bps * 100}
        values |= {"host": hosts.get(spec.name, "127.0.0.1"), "router_host": router_host}
        values |= {"delay_us": spec.delay_us, "latency_ns": spec.delay_us * 1_000}
        (folder / spec.name).mkdir()
        _write(folder / spec.name / "venue.toml", VENUE.format(**values))
        routes += ROUTE.format(**values)
    for name, word in words.items():
        _write(folder / f"{name}.password", word)
    _write(folder / "routes.toml", routes)
    return ports


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


Start = Callable[[Path], Any]


def run(
    folder: Path,
    say: Callable[[str], None],
    keep_on: Callable[[], bool],
    wait: Callable[[], None],
    start: Start = served,
) -> None:
    """Serve both venues from a new ``folder`` while ``keep_on()``, and call ``wait`` between looks.

    ``start`` serves the venue of a folder, as a context.  Raises :class:`RoutingError` if a venue
    ends or the folder cannot be made."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise RoutingError(f"{folder}: {error.strerror}") from None
    ports = write_files(folder, zone_at_noon(datetime.now(UTC)))
    with ExitStack() as stack:
        processes = {spec.name: stack.enter_context(start(folder / spec.name)) for spec in VENUES}
        makers = []
        for spec in VENUES:
            while not is_trading(folder / spec.name):
                if not _go_on(folder, processes, keep_on):
                    return
                wait()
            word = (folder / "maker.password").read_text()
            client = OuchClient("127.0.0.1", ports[spec.name], "MAKER", word)
            makers.append(stack.enter_context(Maker(client, spec.levels)))
            say(
                f"{spec.name} is open: a taker pays {spec.taker_bps} basis points, "
                f"and an order waits {spec.delay_us} µs"
            )
        file = folder / "routes.toml"
        say(
            "Route orders over them from another terminal:\n"
            f"  outcry route book {file} {PAIR}\n"
            f"  outcry route order {file} buy 100 {PAIR} --limit 2003.00\n"
            f"  outcry route report {file} 1"
        )
        while _go_on(folder, processes, keep_on):
            for maker in makers:
                maker.step()
            wait()


def _go_on(folder: Path, processes: dict[str, Any], keep_on: Callable[[], bool]) -> bool:
    """``keep_on()``.  Raises :class:`RoutingError` for a venue that has ended."""
    if not keep_on():
        return False
    for name, process in processes.items():
        if process.poll() is not None:
            raise RoutingError(f"{name} has ended; its messages are in {folder / name / 'log'}")
    return True
