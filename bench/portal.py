"""The portal: what an order takes over REST and over the WebSocket API, and what two processes take
in a second.  How fast own events come, and what idle WebSockets cost.

``rest_order_*`` and ``ws_order_*`` are from the last byte of a request to the last of its answer:
one connection, loopback, a venue that waits for its disk.  The order is a limit order that ends at
once (IOC).  Their peer ``bare_echo`` is an application that gives back what it is sent, on the same
web server, over the same kind of connection, in turns with ours.  REST has two more peers.
The peer ``venue`` is the venue's own answer over a session as the portal has.  The peer ``commit``
is a bare durable write of 4 KiB, for which the venue waits.  No answer of the portal comes before
echo and venue.

``rest_orders`` are orders a second over REST through two processes.

``event_*`` are from the release of an order by the venue to its event at the clients.  There are
SUBSCRIBERS connections of several people; each has an equal share of them, and one trades.

``attacked_by_*`` is the p99 of an honest user's orders under attack from another address.  The
attacker holds ATTACKERS connections and asks over all of them, or enters orders with a valid key at
ten times its limit.  Peer ``quiet`` is the same without an attacker, in turns.

``idle_socket_bytes`` is the memory that a process takes for each idle WebSocket.  ``idle_share`` is
the share of one core that it uses with all of them.
"""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np

from openoutcry.bench import portal_live as live
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.bench.scratch import scratch_folder
from openoutcry.portal.trading.venue_watch import VenueWatch
from openoutcry.venue.file import read_venue
from openoutcry.wire.free_port import free_port

ORDERS, QUICK_ORDERS, BLOCKS = 2_000, 100, 5
"""Orders of a figure, in blocks, of which the first is the warm-up."""
CONNECTIONS, SECONDS, QUICK_SECONDS = 16, 10.0, 2.0
PEOPLE = 8
SUBSCRIBERS, QUICK_SUBSCRIBERS, EVENTS, QUICK_EVENTS = 1_000, 80, 100, 10
IDLE, QUICK_IDLE = 5_000, 200
ATTACKERS, ASKS_A_SECOND, ORDERS_A_SECOND = 1_000, 1_000, 400
HONEST, HONEST_ADDRESS = 25.0, "127.0.0.2"
"""Orders a second of the honest user, whose limit is 40."""
TURNS, TURN_S, QUICK_TURN_S = 3, 5.0, 1.0


class Setup:
    """Setup that all rounds have in common."""

    def __init__(self, venue: live.Venue, people: list[live.Person], echo: int, quick: bool):
        """``echo``: the port of the peer."""
        self.venue, self.people, self.echo, self.quick = venue, people, echo, quick


def bench_portal(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    gathered = Rounds(rounds, progress)
    with scratch_folder("portal") as folder:
        venue = live.Venue(folder, PEOPLE)
        progress("starting a venue and its portal")
        with venue.serving(), echoing() as echo:
            with venue.portal(1):
                people = [venue.person(number) for number in range(PEOPLE)]
            setup = Setup(venue, people, echo, quick)

            def one(number: int, add: Add) -> None:
                with venue.portal(1) as process:
                    open_sessions(setup)
                    for measure in rotated([over_rest, over_sockets], number):
                        measure(setup, number, add)
                    progress("  own events")
                    events(setup, add)
                    progress("  idle WebSockets")
                    idle(setup, process, add)
                progress("  two processes")
                throughput(setup, add)
                progress("  attackers")
                attacks(setup, number, add)

            gathered.run(one)
    details = {"connections": CONNECTIONS, "subscribers": SUBSCRIBERS, "idle": IDLE}
    return gathered.document("portal", command, details)


@contextmanager
def echoing() -> Iterator[int]:
    """The port of the peer."""
    port = free_port()
    command = [sys.executable, "-m", "openoutcry.bench.peers.echo_app", str(port)]
    process = subprocess.Popen(command)
    try:
        live.wait_for(lambda: _answers(port), "the bare echo")
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    client = live.Client(port)
    client.close()
    return True


def over_rest(setup: Setup, number: int, add: Add) -> None:
    """Latencies of an order over REST until its answer, and those of its parts alone."""
    person = setup.people[0]
    ours, bare = live.Client(setup.venue.port), live.Client(setup.echo)
    session = setup.venue.session()
    commits = live.Commits(setup.venue.folder / "commits")

    def asked(client: live.Client) -> int:
        request = live.rest_order(person)
        begun_ns = time.perf_counter_ns()
        status, body = client.http(request)
        took_ns = time.perf_counter_ns() - begun_ns
        if status != 200:
            raise live.BenchError(f"an order was answered with {status}: {body[:200]!r}")
        return took_ns

    def answered() -> int:
        name, begun_ns = f"v-{time.monotonic_ns()}", time.perf_counter_ns()
        session.enter("1", "BTC-USD", 1, "0.01", ioc=True, name=name)
        session.next(live.START_S)
        took_ns = time.perf_counter_ns() - begun_ns
        session.next(live.START_S)  # the order's end
        return took_ns

    def committed() -> int:
        begun_ns = time.perf_counter_ns()
        commits.commit()
        return time.perf_counter_ns() - begun_ns

    ways = [("ours", lambda: asked(ours)), ("bare_echo", lambda: asked(bare))]
    ways += [("venue", answered), ("commit", committed)]
    _latencies(setup, number, add, "rest_order", ways)
    session.logout()
    for one in (ours, bare, commits):
        one.close()
    open_sessions(setup)


def over_sockets(setup: Setup, number: int, add: Add) -> None:
    """The same over a WebSocket."""
    person = setup.people[1]
    ours = live.Client(setup.venue.port, "/ws-api/v3")
    bare = live.Client(setup.echo, "/")

    def asked(client: live.Client) -> int:
        request = live.socket_order(person, 1)
        begun_ns = time.perf_counter_ns()
        client.socket.sendall(request)
        answer = client.frame()
        took_ns = time.perf_counter_ns() - begun_ns
        if b'"error"' in answer:
            raise live.BenchError(f"an order was answered with {answer[:200]!r}")
        return took_ns

    ways = [("ours", lambda: asked(ours)), ("bare_echo", lambda: asked(bare))]
    _latencies(setup, number, add, "ws_order", ways)
    ours.close()
    bare.close()


def _latencies(
    setup: Setup, number: int, add: Add, name: str, ways: list[tuple[str, Callable[[], int]]]
) -> None:
    """Measure latencies in blocks, in turns; the first block is the warm-up."""
    count = (QUICK_ORDERS if setup.quick else ORDERS) // BLOCKS
    times: dict[str, list[int]] = {who: [] for who, _ in ways}
    for block in range(BLOCKS + 1):
        for who, ask in rotated(ways, number + block):
            took = [ask() for _ in range(count)]
            if block:
                times[who] += took
    for who, rows in times.items():
        for rank in (50, 99):
            add(f"{name}_p{rank}", "ns", "lower", float(np.percentile(rows, rank)), who)


def open_sessions(setup: Setup) -> None:
    """Every user's session at the venue is open before anything is measured."""
    client = live.Client(setup.venue.port)

    def trades(person: live.Person) -> bool:
        request = live.rest_order(person)
        return client.http(request)[0] == 200

    for person in setup.people:
        live.wait_for(partial(trades, person), "a session at the venue")
    client.close()


def throughput(setup: Setup, add: Add) -> None:
    """Two processes, several connections, each of which waits for its answers."""
    seconds = QUICK_SECONDS if setup.quick else SECONDS
    counts: list[int] = [0] * CONNECTIONS
    failures: list[bytes] = []
    with setup.venue.portal(2):
        open_sessions(setup)

        def trade(place: int) -> None:
            person, client = setup.people[place % PEOPLE], live.Client(setup.venue.port)
            while time.monotonic() < until_s:
                status, body = client.http(live.rest_order(person))
                if status != 200:
                    failures.append(body)
                    break
                counts[place] += 1
            client.close()

        threads = [threading.Thread(target=trade, args=(n,)) for n in range(CONNECTIONS)]
        begun_s = time.monotonic()
        until_s = begun_s + seconds
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.monotonic() - begun_s
    if failures:
        raise live.BenchError(f"an order was refused: {failures[0][:200]!r}")
    add("rest_orders", "1/s", "higher", sum(counts) / took_s)


def events(setup: Setup, add: Add) -> None:
    """Measure from the release, which a mirror of the venue's words sees, to the clients."""
    many = QUICK_SUBSCRIBERS if setup.quick else SUBSCRIBERS
    count = QUICK_EVENTS if setup.quick else EVENTS
    keys = [_listen_key(setup, person) for person in setup.people]
    paths = [f"/ws/{keys[n % PEOPLE]}" for n in range(many)]
    venue = read_venue(setup.venue.folder / "venue.toml")
    released = VenueWatch(venue)
    released.look()
    subscribers, client = live.Subscribers(setup.venue.port, paths), live.Client(setup.venue.port)
    took: list[int] = []
    try:
        for number in range(count):
            person = setup.people[number % PEOPLE]
            before = released.released_seq()
            client.socket.sendall(live.rest_order(person))
            while released.released_seq() == before:
                pass
            at_ns = time.monotonic_ns()
            came = subscribers.arrivals(many // PEOPLE, time.monotonic() + 5)
            if len(came) < many // PEOPLE:
                raise live.BenchError(f"{len(came)} of {many // PEOPLE} events came")
            took += [one - at_ns for one in came]
            client.http(b"")
            subscribers.drain()
    finally:
        subscribers.close()
        client.close()
    for rank in (50, 99):
        add(f"event_p{rank}", "ns", "lower", max(0.0, float(np.percentile(took, rank))))


def attacks(setup: Setup, number: int, add: Add) -> None:
    """An honest user's p99 without an attacker, and with each of the two."""
    venue, (honest, evil, *_) = setup.venue, setup.people
    with venue.portal(1, "strict.toml"), ExitStack() as stack:
        open_sessions(setup)
        attackers = {
            "attacked_by_connections": [str(ASKS_A_SECOND), str(ATTACKERS)],
            "attacked_by_orders": [str(ORDERS_A_SECOND), evil.api_key, evil.secret],
        }
        running = {
            name: stack.enter_context(_attacker(venue.port, name.rpartition("_")[2], more))
            for name, more in attackers.items()
        }
        client = live.Client(venue.port, address=HONEST_ADDRESS)
        times: dict[str, list[int]] = {name: [] for name in ("quiet", *running)}
        for turn in range(TURNS):
            for name in rotated(list(times), number + turn):
                if name in running:
                    running[name].send_signal(signal.SIGCONT)
                times[name] += _paced(client, honest, QUICK_TURN_S if setup.quick else TURN_S)
                if name in running:
                    running[name].send_signal(signal.SIGSTOP)
        client.close()
    quiet = float(np.percentile(times.pop("quiet"), 99))
    for name, rows in times.items():
        add(f"{name}_p99", "ns", "lower", float(np.percentile(rows, 99)), "ours")
        add(f"{name}_p99", "ns", "lower", quiet, "quiet")


@contextmanager
def _attacker(port: int, kind: str, more: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """One that is stopped, until it is let continue.  Raises :class:`live.BenchError` if it did not
    attack."""
    command = [sys.executable, "-m", "openoutcry.bench.peers.portal_attacker", str(port), kind]
    process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        said, _ = process.communicate()
    statuses = json.loads(said or "{}")
    if not any(status in statuses for status in ("200", "429", "418")):
        raise live.BenchError(f"the attack by {kind} was not answered: {statuses}")


def _paced(client: live.Client, person: live.Person, seconds: float) -> list[int]:
    """Times of orders at the honest user's pace, ns."""
    rows, until_s = [], time.monotonic() + seconds
    while time.monotonic() < until_s:
        request = live.rest_order(person)
        begun_ns = time.perf_counter_ns()
        status, body = client.http(request)
        rows.append(time.perf_counter_ns() - begun_ns)
        if status != 200:
            raise live.BenchError(f"an order was answered with {status}: {body[:200]!r}")
        time.sleep(max(0.0, 1 / HONEST - rows[-1] / 1e9))
    return rows


def _listen_key(setup: Setup, person: live.Person) -> str:
    client = live.Client(setup.venue.port)
    head = f"POST /api/v3/userDataStream HTTP/1.1\r\nhost: p\r\nx-mbx-apikey: {person.api_key}\r\n"
    _, body = client.http(f"{head}content-length: 0\r\n\r\n".encode())
    client.close()
    return body.decode().split('"')[3]


def idle(setup: Setup, process: Any, add: Add) -> None:
    """WebSockets that are subscribed to a book on which nothing happens."""
    count, seconds = (QUICK_IDLE, 2.0) if setup.quick else (IDLE, 10.0)
    before = process.memory_info().rss
    sockets = live.Subscribers(setup.venue.port, ["/ws/ethbtc@depth"] * count)
    try:
        sockets.drain()
        more = process.memory_info().rss - before
        process.cpu_percent()
        time.sleep(seconds)
        share = process.cpu_percent() / 100
    finally:
        sockets.close()
    add("idle_socket_bytes", "B", "lower", max(0.0, more / count))
    add("idle_share", "ppb", "lower", share * 1e9)
