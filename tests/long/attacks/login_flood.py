"""How a quiet session fares beside an address that tries 200 passwords a second.

    python -m tests.long.attacks.login_flood [--rounds 12] [--logins 200] [--evidence FILE]

Quiet rounds and rounds with the flood take turns, so that whatever else the machine does meets
both.  The flood comes from another address than the quiet session, names a session that is not
there (the test sessions' own passwords are hashed cheaply), and is refused each time; the quiet one
sends an order at a time and waits for its answer.
"""

import argparse
import json
import os
import selectors
import socket
import tempfile
import time
from contextlib import suppress
from multiprocessing import Process, Value
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.host.processes import named_children
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import Protocol
from tests.long.attacks.overload import ENDED, FLOOD, QUIET, SETTLED_S
from tests.long.attacks.overload_sessions import Quiet
from tests.support.adversary.disasters import add_evidence
from tests.support.order_entry.sessions_venue import Venue

ATTACKER = "127.0.0.2"
OPEN_S, QUIET_S = 12.0, 2.0
"""The venue closes a connection that has not logged in after ten seconds; after a wrong password it
checks none of the same address for a while."""


def flood(port: int, logins_per_s: int, on: Any, tried: Any, answered: Any) -> None:
    """Connect and log in with a wrong password so many times a second, while ``on`` is FLOOD; until
    it is ENDED."""
    packet = soupbin.login_packet(soupbin.LoginRequest("NOSUCH", "wrong", "", 1))
    selector, begun = selectors.DefaultSelector(), time.monotonic()
    due = begun
    while on.value != ENDED:
        for key, _ in selector.select(0.001):
            key.fileobj.setblocking(False)  # type: ignore[union-attr]
            with suppress(OSError):
                answered.value += bool(key.fileobj.recv(64))  # type: ignore[union-attr]
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
        now = time.monotonic()
        if on.value == QUIET:
            due = now
            continue
        if now < due:
            continue
        due += 1 / logins_per_s
        connection = socket.socket()
        with suppress(OSError):
            connection.bind((ATTACKER, 0))
            connection.connect(("127.0.0.1", port))
            connection.sendall(packet)
            selector.register(connection, selectors.EVENT_READ)
            tried.value += 1


def measure(rounds: int, seconds: float, logins_per_s: int) -> dict[str, Any]:
    sessions = [{"name": "QUIET", "participant": 1}]
    latencies_ns: dict[int, list[list[int]]] = {QUIET: [], FLOOD: []}
    spent_s = {QUIET: 0.0, FLOOD: 0.0}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        journal = Path(folder) / "journal"
        with Venue(sessions, journal, durability="durable") as venue:
            port = venue.ports[Protocol.OUCH42.name]
            quiet = Quiet("ouch", port)
            quiet.round(seconds)
            acceptor = dict(named_children(venue.process.pid))["acceptor"]
            on, tried, answered = Value("q", 0), Value("q", 0), Value("q", 0)
            attacker = Process(
                target=flood, args=(port, logins_per_s, on, tried, answered), daemon=True
            )
            attacker.start()
            for turn in range(2 * rounds):
                on.value = turn % 2
                settle(acceptor if on.value == QUIET else None)
                before_s = process_cpu_s(acceptor)
                latencies_ns[on.value].append(quiet.round(seconds))
                spent_s[on.value] += process_cpu_s(acceptor) - before_s
            on.value = ENDED
            attacker.join()
            account = venue.stop()
    p99 = {
        which: np.array([np.percentile(one, 99) for one in latencies_ns[which]])
        for which in latencies_ns
    }
    both = {
        name: {
            "orders": sum(map(len, latencies_ns[which])),
            "p50_ns": int(np.median([np.median(one) for one in latencies_ns[which]])),
            "p99_ns": int(np.median(p99[which])),
            "acceptor_cores": round(spent_s[which] / (rounds * seconds), 3),
        }
        for name, which in (("quiet", QUIET), ("beside_the_flood", FLOOD))
    }
    return both | {
        "case": f"{logins_per_s} logins a second",
        "rounds": rounds,
        "seconds_a_round": seconds,
        "tried_per_s": round(tried.value / (rounds * (seconds + SETTLED_S)), 1),
        "answered": answered.value,
        "p99_ratio": round(float(np.median(p99[FLOOD] / p99[QUIET])), 2),
        "load": os.getloadavg()[0],
        "restarts": len(account["restarts"]),
    }


def settle(acceptor: int | None) -> None:
    """Before a quiet round, until the acceptor has turned away all that wait."""
    until_s = time.monotonic() + OPEN_S
    while True:
        before_s = process_cpu_s(acceptor) if acceptor else 0.0
        time.sleep(SETTLED_S if acceptor is None else QUIET_S)
        if acceptor is None or process_cpu_s(acceptor) == before_s or time.monotonic() > until_s:
            return


def process_cpu_s(pid: int) -> float:
    """Return the processor time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round")
    parser.add_argument("--logins", type=int, default=200, help="a second")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    report = measure(given.rounds, given.seconds, given.logins)
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, "login_flood", report, by="case")


if __name__ == "__main__":
    main()
