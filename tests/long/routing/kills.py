"""Kills of the router, of venues and of parts of them while orders go to two real venues.

::

    python -m tests.long.routing.kills --folder FOLDER [--kills 1000] [--seconds 600] [--evidence]

The folder keeps what was done: the same command continues after a stop.  Orders get to one venue of
each part by FIX, and to the other, by the part's number, by OUCH or by FIX.  Router and venues have
each their own network.  Each life of the router is a process with a seed, which strikes at a
certain call of a connector:

router   it kills itself
venue    a venue with all of its stages is killed
session  the process with a venue's sessions is killed
acceptor the process that takes a venue's logons is killed
feed     the process of a venue's feed is killed
silence  a venue is stopped until it has been given up
drop     all packets of a venue are dropped until it has been given up; no connection is reset
away     the namespace of a venue is killed with its link, and the venue after it
network  the namespace of the router is killed with its link, and the router after it

After each part, a router without kills ends what is open, and the file of parents is compared with
the venues' journals.  ``--evidence`` writes ``docs/evidence/routing_kills_fix.json``;
``routing_kills.json`` has 1,000 kills before a router spoke FIX.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from openoutcry.bench.drill_network import Network
from openoutcry.bench.namespaces import enter_network
from openoutcry.client.ouch import OuchClient
from openoutcry.client.waiting import ClientError
from openoutcry.host.processes import children_of, fork, named_children
from openoutcry.pipeline.top import attached, running_owners
from openoutcry.report.evidence import write_evidence
from openoutcry.routing import demo
from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import BUY, SELL
from openoutcry.routing.parents import ACTIVE, ENDED, ParentStore
from openoutcry.routing.router import Router
from openoutcry.routing.settings import read_settings
from openoutcry.wire.atomic_file import write_atomically
from tests.support.pipeline import warm_outcry
from tests.support.routing.comparison import compare
from tests.support.waiting import BOUND_S, wait_until

KINDS = {
    **{"router": 9, "venue": 2, "session": 2, "acceptor": 1, "feed": 1},
    **{"silence": 1, "drop": 2, "away": 1, "network": 1},
}
"""What is killed or stopped, and how often of 20."""
PARTS = {"session": "sessions", "acceptor": "acceptor", "feed": "feed"}
"""The stages of a venue that are killed alone."""
OF_NETWORK = ("drop", "away", "network")
SILENCES = ("silence", "drop", "away")
"""After these the router goes on until the venue has been given up, and has come back."""
CALLS = 400
"""A kill comes at one of so many calls of the connectors."""
PART = 20
"""Kills between two comparisons."""
LOGINS = 0.25
"""Share of the lives in which a kill may come before a router has logged in."""
NAP_S, LOOK_S = 0.002, 0.01
LIFE_S, SILENT_S = 600.0, 3.0
"""A router's life at most, and how long a venue is silent: longer than its ``timeout_ns``."""
NAMES = [spec.name for spec in demo.VENUES]


class Place:
    """A venue's process, its maker and what they did."""

    def __init__(
        self, folder: Path, spec: demo.Spec, port: int, network: Network | None = None
    ) -> None:
        self.folder, self.spec, self.port, self.network = folder, spec, port, network
        self.host = network.addresses[spec.name] if network else "127.0.0.1"
        self.process = self.start()
        self.stream, self.sequence = "", 1
        self.maker: demo.Maker | None = None
        self.open: dict[str, tuple[str, str]] = {}
        self.starts = 1

    def start(self) -> "subprocess.Popen[bytes]":
        return demo.start_venue(self.folder, self._popen)

    def _popen(self, command: list[str], **more: Any) -> "subprocess.Popen[bytes]":
        if self.network is None:
            return warm_outcry.Process(command, **more)
        inside = ["nsenter", f"--net={self.network.namespace(self.spec.name)}", *command]
        return subprocess.Popen(inside, **more)

    def step(self) -> None:
        """Start a venue again that has ended; let its maker quote."""
        if self.process.poll() is not None:
            self.process = self.start()
            self.starts += 1
            self.maker = None
        try:
            if self.maker is not None:
                self.maker.step()
            elif demo.is_trading(self.folder):
                self.maker = self._maker()
        except (ClientError, OSError):
            self.maker = None

    def _maker(self) -> demo.Maker:
        """Its earlier orders went with the connection before: it quotes everything."""
        word = (self.folder.parent / "maker.password").read_text()
        prefix = f"{time.time_ns():x}"[-9:]
        client = OuchClient(self.host, self.port, "MAKER", word, prefix=prefix)
        return demo.Maker(client, self.spec.levels)

    def pids(self) -> list[int]:
        return [self.process.pid, *(pid for _, pid in named_children(self.process.pid))]

    def part(self, name: str) -> int | None:
        """The pid of a part of the venue: of a stage that shares a process, that process."""
        if found := dict(named_children(self.process.pid)).get(name):
            return found
        for owner in running_owners(self.process.pid):
            one = attached(owner)
            if one is not None and name in one.table.index:
                pid = one.control.stage(one.table.index[name]).pid
                if any(own == pid for _, own in children_of(self.process.pid)):
                    return pid
        return None

    def signal(self, number: int) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        pids = self.pids()
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "stages ended")


class Counted:
    """A connector whose calls are counted; ``at`` is called at the given one, before or after."""

    def __init__(self, connector, count) -> None:
        self._connector, self._count = connector, count

    def __getattr__(self, name):
        found = getattr(self._connector, name)
        if name not in ("poll", "send", "cancel", "settle", "follow"):
            return found

        def call(*given):
            self._count()
            answer = found(*given)
            self._count()
            return answer

        return call


def route(folder: Path, seed: int, calls: int, strike, more_s: float) -> None:
    """A router's life: the parents that are open, and new ones; ``strike`` at call ``calls``, then
    as many calls again, for so long at least."""
    rng = Random(seed)
    settings = read_settings(folder / "routes.toml")
    market = settings.market(demo.PAIR)
    left, until_s = calls, time.monotonic() + LIFE_S
    # Most lives are counted from when all venues are ready, the others from their first login on.
    is_counted = rng.random() < LOGINS

    def count() -> None:
        nonlocal left, until_s
        left -= is_counted
        if left == 0 and is_counted:
            strike()
            until_s = time.monotonic() + more_s

    with ExitStack() as stack:
        store = stack.enter_context(ParentStore(settings.store, is_durable=False))
        made = settings.connectors(market)
        connectors = {name: Counted(one, count) for name, one in made.items()}
        depth = Depth(market)
        router = Router(store, depth, connectors)
        while time.monotonic() < until_s or -CALLS < left <= 0:
            router.step(time.time_ns())
            is_counted |= router.is_ready(time.time_ns())
            live = any(depth.status(n, time.time_ns()) == "live" for n in range(len(NAMES)))
            if live and sum(p.state == ACTIVE for p in store.parents.values()) < 2:
                side = rng.choice([BUY, SELL])
                limit = rng.choice(
                    ["2002.00", "2003.00"] if side == BUY else ["1998.00", "1999.00"]
                )
                style = rng.choice(["take", "take", "post"])
                router.submit(
                    side,
                    rng.randint(1, 120),
                    market.instrument.price(limit),
                    time.time_ns(),
                    style=style,
                    post_ns=50_000_000,
                )
            time.sleep(NAP_S)


class Storm:
    """Venues, makers, and one router after the other."""

    def __init__(self, folder: Path, number: int, network: Network | None) -> None:
        """Without a ``network`` none is killed."""
        self.rng, self.folder, self.kills = Random(number), folder, Counter()
        self.network = network
        hosts = network.addresses if network is not None else {}
        self.kinds = {
            kind: often
            for kind, often in KINDS.items()
            if network is not None or kind not in OF_NETWORK
        }
        folder.mkdir(mode=0o700)
        kinds = ["fix", Random(f"{number} kinds").choice(("own", "fix"))]
        Random(f"{number} order").shuffle(kinds)
        specs = [replace(spec, kind=kind) for spec, kind in zip(demo.VENUES, kinds, strict=True)]
        zone = demo.zone_at_noon(datetime.now(UTC))
        router_host = hosts.get("router", "127.0.0.1")
        ports = demo.write_files(folder, zone, hosts, router_host, specs=specs)
        self.places = [Place(folder / spec.name, spec, ports[spec.name], network) for spec in specs]
        print({spec.name: spec.kind for spec in specs}, flush=True)
        self.silent: dict[int, float] = {}
        """When each venue that says nothing is to be heard again."""

    def look(self) -> None:
        """What happens besides routing."""
        for number, place in enumerate(self.places):
            if number not in self.silent:
                place.step()
            elif time.monotonic() > self.silent[number]:
                del self.silent[number]
                place.signal(signal.SIGCONT)
                if self.network is not None:
                    self.network.mend(place.spec.name)
        time.sleep(LOOK_S)

    def silence(self, number: int, kind: str) -> None:
        """What this process does when a router has struck a venue so that it says nothing."""
        place = self.places[number]
        self.silent[number] = time.monotonic() + SILENT_S
        if kind == "silence":
            return
        assert self.network is not None
        if kind == "drop":
            self.network.cut(place.spec.name)
            return
        self.network.kill(place.spec.name)
        # It goes on in its network for a moment, where no packet reaches it; then it starts again
        # in another one.
        time.sleep(self.rng.random() / 10)
        place.kill()

    def part_of(self, place: Place, name: str) -> int:
        """The pid of a stage of a venue, which has started by then."""

        def pid() -> int | None:
            self.look()
            return place.part(name)

        return wait_until(pid, f"the {name} of {place.spec.name}") or 0

    def life(self) -> None:
        """A router that strikes once, and ends."""
        kind = self.rng.choices(list(self.kinds), list(self.kinds.values()))[0]
        target = self.rng.randrange(len(self.places))
        place, calls = self.places[target], self.rng.randint(1, CALLS)
        self.look()  # starts a venue that an earlier life has killed
        struck_part = self.part_of(place, PARTS[kind]) if kind in PARTS else 0
        pids, seed = place.pids(), self.rng.getrandbits(32)
        struck_r, struck_w = os.pipe()

        def strike() -> None:
            os.write(struck_w, b"x")
            if kind == "router":
                os.kill(os.getpid(), signal.SIGKILL)
            elif kind == "venue":
                os.kill(place.process.pid, signal.SIGKILL)
            elif kind in PARTS:
                os.kill(struck_part, signal.SIGKILL)
            elif kind == "silence":
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)

        def live() -> None:
            if self.network is not None:
                enter_network(self.network.namespace("router"))
            # Without a network it lives until it is killed.
            more_s = LIFE_S if kind == "network" else 2 * SILENT_S if kind in SILENCES else 0.0
            route(self.folder, seed, calls, strike, more_s)

        pid = fork(live)
        os.close(struck_w)
        os.set_blocking(struck_r, False)
        struck = False
        while True:
            if not struck:
                with suppress(BlockingIOError):
                    struck = os.read(struck_r, 1) == b"x"
                if struck and kind in SILENCES:
                    self.silence(target, kind)
                if struck and kind == "network":
                    assert self.network is not None
                    self.network.kill("router")
                    # It sends into nothing for a moment.
                    time.sleep(self.rng.random() / 10)
                    os.kill(pid, signal.SIGKILL)
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            self.look()
        os.close(struck_r)
        died = os.WIFSIGNALED(status)
        is_of_router = struck and kind in ("router", "network")
        assert died == is_of_router, f"the router ended with {status}"
        self.kills[kind] += struck
        print(f"{self.kills.total()}: {kind if struck else 'none'}", flush=True)

    def calm(self) -> None:
        """Until both venues trade and quote."""

        def all_quote() -> bool:
            self.look()
            return not self.silent and all(place.maker is not None for place in self.places)

        wait_until(all_quote, "both venues trade")

    def close(self) -> None:
        for place in self.places:
            with suppress(ProcessLookupError):
                place.signal(signal.SIGCONT)
            place.process.terminate()
            place.process.wait(BOUND_S)


def settle(storm: Storm) -> None:
    """End every parent, and wait until nothing is out, in a process in the router's network."""

    def live() -> None:
        if storm.network is not None:
            enter_network(storm.network.namespace("router"))
        settings = read_settings(storm.folder / "routes.toml")
        market = settings.market(demo.PAIR)
        with ExitStack() as stack:
            store = stack.enter_context(ParentStore(settings.store, is_durable=False))
            connectors = settings.connectors(market)
            for connector in connectors.values():
                stack.callback(connector.close)
            router = Router(store, Depth(market), connectors)
            for parent in store.parents.values():
                if parent.state != ENDED:
                    router.change(parent, time.time_ns(), state=ENDED)
            wait_until(lambda: not router.step(time.time_ns()), "all parents are over")

    pid = fork(live)
    while (done := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        storm.look()
    assert done[1] == 0, f"the last router ended with {done[1]}"


def part(folder: Path, number: int, wanted: int, network: Network | None = None) -> Counter:
    """So many kills on fresh venues, then the comparison; the counts."""
    shutil.rmtree(folder / f"part-{number}", ignore_errors=True)  # of a run that was stopped
    storm = Storm(folder / f"part-{number}", number, network)
    try:
        storm.calm()
        while storm.kills.total() < wanted:
            storm.life()
        storm.calm()
        settle(storm)
        found = compare(storm.folder)
    finally:
        storm.close()
    return storm.kills + found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--evidence", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the venues end as well
    given.folder.mkdir(exist_ok=True)
    path, until_s = given.folder / "counts.json", time.monotonic() + given.seconds
    counts = Counter(json.loads(path.read_text())) if path.exists() else Counter()
    network = Network(["router", *NAMES])
    while sum(counts[kind] for kind in KINDS) < given.kills and time.monotonic() < until_s:
        counts += part(given.folder, counts["parts"], PART, network)
        counts["parts"] += 1
        write_atomically(path, json.dumps(counts))
        print(json.dumps(counts), flush=True)
    if given.evidence:
        command = f"python -m tests.long.routing.kills --kills {given.kills} --folder FOLDER"
        figures = dict.fromkeys(KINDS, 0) | counts
        print(write_evidence("routing_kills_fix", figures, command))


if __name__ == "__main__":
    main()
