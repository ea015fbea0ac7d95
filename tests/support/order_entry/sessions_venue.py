"""A pipeline with sessions in a process of its own, and clients of it on real sockets."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import argon2
import psutil

from openoutcry.market_data.public_feed import with_feed
from openoutcry.market_data.spec import FeedSpec
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.sessions import with_sessions
from openoutcry.order_entry.spec import (
    CancelOnDisconnect,
    PortSpec,
    Protocol,
    SessionSpec,
    SessionsSpec,
    Takeover,
    ThrottlePolicy,
)
from openoutcry.pipeline.deaths import Death
from openoutcry.pipeline.run import Options, Watcher, run
from openoutcry.pipeline.stall import StallPolicy
from openoutcry.pipeline.top import running
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.wire import make_instruments
from openoutcry.wire.messages import OUCH42
from tests.support.pipeline import warm_outcry
from tests.support.processes import free_port
from tests.support.venue.naps import nap_longer
from tests.support.waiting import BOUND_S, wait_until

PASSWORD = "secret"
HASH = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1).hash(PASSWORD)
"""As cheap as a venue file may have it."""
OF_ROWS = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""For venues without a file, where hundreds of logins are one test."""
KEY = bytes(range(32))
DAY = "20260102"
KINDS = {
    "cancel_on_disconnect": CancelOnDisconnect,
    "takeover": Takeover,
    "throttle_policy": ThrottlePolicy,
}
SMALL = {
    "row_capacity": 1 << 12,
    "token_capacity": 1 << 14,
    "stream_entries": 1 << 18,
    "stream_bytes": 1 << 25,
}


class Nobody:
    """A source without commands."""

    name, count_hint, account = "nobody", 0, {}

    def __init__(self):
        self.instruments = make_instruments(["ACME", "BOLT"])

    def chunks(self):
        return iter(())


def session(name, participant, networks=(), protocol=int(Protocol.OUCH42), **more):
    more["networks"] = tuple(ip_network(text) for text in networks)
    # These clients send no heartbeats, and a busy machine makes them wait for each other.
    more.setdefault("timeout_ms", 600_000)
    for key, kind in KINDS.items():
        if key in more:
            more[key] = kind(more[key])
    if int(protocol) == Protocol.SHM:
        more.setdefault("key", KEY)
        more["acts_for"] = tuple(tuple(ends) for ends in more.get("acts_for", ()))
    return SessionSpec(name, participant, Protocol(protocol), OF_ROWS, **more)


def feed_of(document):
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
    return FeedSpec(**tuples)


def serve(document):
    """In the process: run what the document says until it is told to stop."""
    rows = [session(**row) for row in document["sessions"]]
    tls = [Path(path) for path in document.get("tls", ())]
    known = document["ports"]
    ports = [
        PortSpec(protocol, "127.0.0.1", known.get(protocol.name, 0), *tls)
        for protocol in sorted({row.protocol for row in rows})
        if protocol != Protocol.SHM or document.get("tcp")
    ]
    if "shm" in document:
        ports.append(PortSpec(Protocol.SHM, "", 0, path=Path(document["shm"])))
    sizes = SMALL | document.get("sizes", {})
    sessions = SessionsSpec(tuple(rows), tuple(ports), day=DAY, day_begin_ns=1, **sizes)
    journal = Path(document["journal"]) if document.get("journal") else None
    resume = journal is not None and bool(list(journal.glob("segment-*")))

    def note(text):
        print(json.dumps({"note": text}), flush=True)

    wiring = with_sessions(TOPOLOGY)
    if "feed" in document:
        wiring = with_feed(wiring)
    result = run(
        Options(
            source=Nobody(),
            wiring=wiring,
            sessions=sessions,
            journal=journal,
            durability=document.get("durability", "async" if journal else "none"),
            resume=resume,
            order_capacity=1 << 12,
            verify=journal is not None,
            housekeeping_cores=document.get("housekeeping_cores", 1),
            volatile_journal=True,
            topology=document.get("topology", "processes"),
            feed=feed_of(document["feed"]) if "feed" in document else None,
            checkpoint_every=document.get("checkpoint_every", 1_000_000),
            stall=StallPolicy(restart_s=600),  # a test stops a stage, and may itself be held up
            deaths=tuple(Death(*row) for row in document.get("deaths", ())),
        ),
        Watcher(note=note),
    )
    keys = ("commands", "events", "trades", "lost", "duplicated")
    print(
        json.dumps(
            {
                "result": {k: result[k] for k in keys},
                "replay": result.get("replay"),
                "restarts": result["restarts"],
            },
            default=str,
        ),
        flush=True,
    )


class Venue:
    """The process, from its first port to its end; ``shm``: path of the Unix socket, where a
    session is over shared memory; ``tcp``: True, where one is over TCP."""

    def __init__(self, sessions, journal=None, **more):
        self.document = {"sessions": sessions, "journal": journal and str(journal), **more}
        spoken = {Protocol(row.get("protocol", Protocol.OUCH42)).name for row in sessions}
        self.ports = self.document["ports"] = {name: free_port() for name in sorted(spoken)}
        self.notes = []

    def __enter__(self):
        self.start()
        return self

    def start(self):
        command = [sys.executable, __file__, json.dumps(self.document)]
        wanted = len({row.get("protocol", Protocol.OUCH42) for row in self.document["sessions"]})
        wanted += "shm" in self.document and bool(self.document.get("tcp"))
        self.process = warm_outcry.Process(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        open_ports = set()
        for line in self.process.stdout:
            notice = json.loads(line)
            self.notes.append(notice.get("note", ""))
            address = re.fullmatch(r"(\w+) on .*:(\d+)", self.notes[-1])
            if address:
                self.ports[address[1]] = int(address[2])
                open_ports.add(address[1])
            elif self.notes[-1].startswith("SHM at "):
                open_ports.add("shm")
            if len(open_ports) == wanted:
                self.port = self.ports.get("OUCH42", 0)
                return
        raise AssertionError(f"the venue ended with {self.process.wait()}: {self.notes}")

    def kill(self):
        """SIGKILL of everything at once; one of them has the journal, another the ports."""
        stages = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _, left = psutil.wait_procs(stages, timeout=BOUND_S)
        assert not left
        self.process.stdout.close()

    def stop(self):
        """In order; returns the account."""
        self.process.send_signal(signal.SIGTERM)
        account = {}
        for line in self.process.stdout:
            document = json.loads(line)
            account |= document
            self.notes.append(document.get("note", ""))
        assert self.process.wait(BOUND_S) == 0
        return account

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.kill() if error[0] else self.stop()
        self.process.stdout.close()

    def client(self, name, **login):
        return Client(self.port, name, **login)


class Client:
    """A SoupBinTCP client; ``number`` is that of the next sequenced message."""

    def __init__(
        self,
        port,
        name,
        password=PASSWORD,
        sequence=1,
        session="",
        wait_s=BOUND_S,
        tls=None,
        source="",
    ):
        """``source``: the address that it comes from."""
        until = time.monotonic() + wait_s
        while True:
            self.socket = socket.create_connection(
                ("127.0.0.1", port), timeout=BOUND_S, source_address=(source, 0) if source else None
            )
            login = soupbin.LoginRequest(name, password, session, sequence)
            self.data = b""
            try:
                if tls:
                    self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
                self.socket.sendall(soupbin.login_packet(login))
                kind, body = self.packet()
            except (ConnectionError, ssl.SSLEOFError):
                kind, body = "", b""
            again = (kind, body) in (("J", b"S"), ("", b""))
            if not again or time.monotonic() > until:
                break
            # The connection before is not closed yet, or the sessions died with this one.
            self.socket.close()
            time.sleep(0.02)
        self.answer = kind, body
        self.number = int(body[10:]) if kind == "A" else 0
        self.messages = []

    def packet(self):
        """The next packet but heartbeats: type and data; ("", b"") when the peer has closed."""
        while True:
            while len(self.data) < 3 or len(self.data) < 2 + int.from_bytes(self.data[:2], "big"):
                try:
                    more = self.socket.recv(1 << 16)
                except ConnectionResetError:
                    more = b""
                if not more:
                    return "", b""
                self.data += more
            size = 2 + int.from_bytes(self.data[:2], "big")
            packet, self.data = self.data[2:size], self.data[size:]
            if packet[:1] != b"H":
                return packet[:1].decode(), packet[1:]

    def message(self):
        """The next sequenced message: its letter and fields."""
        kind, body = self.packet()
        assert kind == "S", (kind, body)
        self.messages.append(body)
        self.number += 1
        return body[:1].decode(), OUCH42.from_server(body[:1].decode()).unpack(body)

    @contextmanager
    def kept_alive(self):
        """Heartbeats meanwhile: a venue leaves who is silent for soupbin.SILENCE_MS, and a step of
        a test takes longer than that on a busy machine."""
        over = threading.Event()

        def beat():
            with suppress(OSError):  # the venue has closed the connection
                while not over.wait(1):
                    self.socket.sendall(soupbin.CLIENT_HEARTBEAT)

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()

    def send(self, data):
        self.socket.sendall(soupbin.packet("U", data))

    def enter(self, token, side="B", shares=100, symbol="ACME", price=1_000_000, **more):
        self.send(enter(token, side, shares, symbol, price, **more))

    def cancel(self, token, shares=0):
        self.send(OUCH42.from_client("X").pack(token=token, shares=shares))

    def replace(self, token, new_token, shares, price):
        self.send(
            OUCH42.from_client("U").pack(
                token=token,
                new_token=new_token,
                shares=shares,
                price=price,
                time_in_force=99999,
                display="Y",
                iso="N",
                min_qty=0,
            )
        )

    def close(self):
        self.socket.close()


def enter(token, side, shares, symbol, price, **more):
    fields = {
        "time_in_force": 99999,
        "firm": "FIRM",
        "display": "Y",
        "capacity": "P",
        "iso": "N",
        "min_qty": 0,
        "cross": "N",
        "customer": "N",
    } | more
    return OUCH42.from_client("O").pack(
        token=token, side=side, shares=shares, symbol=symbol, price=price, **fields
    )


def stage_row(venue):
    """What the pipeline says of the stage that has the sessions."""
    (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)
    rows = pipeline.view(pipeline.positions(), 1)["stages"]
    return next(row for row in rows if row["name"] == "sessions")


def stage_pid(venue):
    """Return the pid of the process that has the sessions."""
    return stage_row(venue)["pid"]


def kill_stage(venue):
    """SIGKILL of the process that has the sessions."""

    def killed():
        # The process before may not be replaced yet.
        with suppress(ProcessLookupError):
            os.kill(stage_pid(venue), signal.SIGKILL)
            return True

    wait_until(killed, "the sessions' process is killed")


if __name__ == "__main__":
    nap_longer()
    serve(json.loads(sys.argv[1]))


@contextmanager
def trading_before_and_after(venue):
    """The session CALM enters an order and is answered, before and after the block and by each call
    of what is given to the block."""
    client = venue.client("CALM", sequence=0)

    def trade():
        client.enter(f"c{client.number}", price=10_000, time_in_force=0)
        assert [client.message()[0] for _ in range(2)] == ["A", "C"]

    trade()
    yield trade
    trade()
    client.close()
