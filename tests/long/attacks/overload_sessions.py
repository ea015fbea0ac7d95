"""How a quiet session fares beside one that sends as much as a core can, over TCP: OUCH 4.2 or FIX.

    python -m tests.long.attacks.overload_sessions [--protocol ouch] [--rounds 12]
        [--rate 20000] [--over-limit reject] [--evidence FILE]

Quiet rounds and rounds with the flood take turns.  The one that floods has a throttle (``--rate``
messages a second; what is beyond is rejected by name, or waits) and reads what it is told; the
quiet one sends an order at a time and waits for its answer.  The journal is durable.
"""

import argparse
import json
import os
import socket
import tempfile
import threading
import time
from collections import Counter
from multiprocessing import Process, Queue, Value
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.client import FixClient
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import Protocol, ThrottlePolicy
from openoutcry.pipeline.top import running
from tests.long.attacks.overload import ENDED, FLOOD, PAUSE_S, QUIET, SETTLED_S
from tests.oracles.order_entry import fix as reference
from tests.support.adversary.disasters import add_evidence
from tests.support.order_entry.sessions_venue import PASSWORD, Client, Venue, enter
from tests.support.waiting import BOUND_S

PREPARED = 800_000
"""Messages of the flood, over FIX more than it gets rid of; OUCH's are sent again and again."""
CHUNK = 1 << 14
SIZES = {
    "row_capacity": 1 << 14,
    "token_capacity": 1 << 21,
    "stream_entries": 1 << 22,
    "stream_bytes": 1 << 29,
}


def favour(pid: int, nice: int) -> None:
    """Before other work on the machine, all threads; needs root.  Not in real time: stages that
    poll on every core would be stopped for a twentieth of each second, and measure that."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        os.setpriority(os.PRIO_PROCESS, int(task.name), nice)


def digits(count: int, width: int, first: int = 1) -> Any:
    """uint8[count, width]: the numbers from ``first`` on, with zeros in front."""
    numbers = np.arange(first, first + count)[:, None]
    return (numbers // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")).astype(np.uint8)


def ouch_flood() -> bytes:
    """IOC orders, each with a token of its own."""
    packet = soupbin.packet("U", enter("F0000000", "B", 1, "ACME", 10_000, time_in_force=0))
    data = np.tile(np.frombuffer(packet, np.uint8), (PREPARED, 1))
    at = packet.index(b"F0000000") + 1
    data[:, at : at + 7] = digits(PREPARED, 7)
    return data.tobytes()


def fix_flood(now: str) -> bytes:
    """The same as FIX, from MsgSeqNum 2 on."""
    message = reference.message(
        [
            (35, "D"),
            (34, "0000000"),
            (49, "FLOOD"),
            (52, now),
            (56, "OUTCRY"),
            (11, "F0000000"),
            (55, "ACME"),
            (54, "1"),
            (38, "1"),
            (40, "2"),
            (44, "1"),
            (59, "3"),
            (60, now),
        ]
    )
    data = np.tile(np.frombuffer(message, np.uint8), (PREPARED, 1))
    for before, first in ((b"34=", 2), (b"11=F", 1)):
        at = message.index(b"\x01" + before) + 1 + len(before)
        data[:, at : at + 7] = digits(PREPARED, 7, first)
    data[:, -4:-1] = 0
    sums = data[:, :-7].sum(axis=1, dtype=np.int64) % 256
    data[:, -4:-1] = sums[:, None] // [100, 10, 1] % 10 + ord("0")
    return data.tobytes()


def flood(
    protocol: str, port: int, on: Any, sent: Any, reply_counts: "Queue[dict[str, int]]"
) -> None:
    """Send while ``on`` is FLOOD, and read; until it is ENDED."""
    if protocol == "ouch":
        connection = Client(port, "FLOOD").socket
        data = memoryview(ouch_flood())
    else:
        now = time.strftime("%Y%m%d-%H:%M:%S.000", time.gmtime())
        connection = socket.create_connection(("127.0.0.1", port))
        logon = [
            (35, "A"),
            (34, "1"),
            (49, "FLOOD"),
            (52, now),
            (56, "OUTCRY"),
            (98, "0"),
            (108, "60"),
            (553, "FLOOD"),
            (554, PASSWORD),
        ]
        connection.sendall(reference.message(logon))
        data = memoryview(fix_flood(now))
    size = len(data) // PREPARED
    received = bytearray()

    def read() -> None:
        while more := connection.recv(1 << 18):
            if len(received) < 1 << 22:
                received.extend(more)

    threading.Thread(target=read, daemon=True).start()
    at = before = 0
    while on.value != ENDED:
        if protocol == "ouch" and at == len(data):
            at, before = 0, before + len(data)
        if on.value == QUIET or at == len(data):
            time.sleep(0.001)
            continue
        at += connection.send(data[at : at + CHUNK])
        sent.value = (before + at) // size
    reply_counts.put(dict(reasons(protocol, bytes(received))))
    connection.close()


def reasons(protocol: str, data: bytes) -> Counter[str]:
    """What the flood was told at its beginning, by kind."""
    if protocol == "fix":
        rows = [
            dict(part.partition(b"=")[::2] for part in message.split(b"\x01"))
            for message in data.split(b"8=FIX")[1:-1]
        ]
        return Counter(
            b" ".join((row.get(b"35", b""), row.get(b"150", b""), row.get(b"58", b""))).decode()
            for row in rows
        )
    counts: Counter[str] = Counter()
    while len(data) >= 3 and len(data) >= 2 + int.from_bytes(data[:2], "big"):
        size = 2 + int.from_bytes(data[:2], "big")
        body = data[3:size]
        counts[body[:1].decode() + (body[-1:].decode() if body[:1] == b"J" else "")] += 1
        data = data[size:]
    return counts


class Quiet:
    """One IOC order at a time, all its answers, a pause."""

    def __init__(self, protocol: str, port: int) -> None:
        self.protocol, self.number = protocol, 0
        self.client: Any = (
            Client(port, "QUIET")
            if protocol == "ouch"
            else FixClient("127.0.0.1", port, "QUIET", PASSWORD, timeout_s=BOUND_S)
        )

    def order(self) -> None:
        self.number += 1
        token = f"Q{self.number}"
        if self.protocol == "ouch":
            self.client.enter(token, "B", 1, "ACME", 10_000, time_in_force=0)
            assert self.client.message()[0] == "A"
        else:
            self.client.buy("ACME", 1, "1", ioc=True)
            assert self.client.next(300.0)[150] == "0"

    def rest(self) -> None:
        """What else the order comes to: it is cancelled."""
        if self.protocol == "ouch":
            self.client.message()
        else:
            self.client.next(300.0)

    def round(self, seconds: float) -> list[int]:
        took_ns, until_s = [], time.monotonic() + seconds
        while time.monotonic() < until_s:
            start_ns = time.monotonic_ns()
            self.order()
            took_ns.append(time.monotonic_ns() - start_ns)
            self.rest()
            time.sleep(PAUSE_S)
        return took_ns


def measure(
    protocol: str, rounds: int, seconds: float, rate: int, policy: ThrottlePolicy
) -> dict[str, Any]:
    number = int(Protocol.OUCH42 if protocol == "ouch" else Protocol.FIX44)
    sessions = [
        {
            "name": "FLOOD",
            "participant": 1,
            "throttle_per_s": rate,
            "throttle_burst": rate // 10,
            "throttle_policy": int(policy),
            "queue_bytes": 1 << 28,
        },  # or it is disconnected, being slow to read what it is told
        {"name": "QUIET", "participant": 2},
    ]
    for row in sessions:
        row["protocol"] = number
    latencies_ns: dict[int, list[list[int]]] = {QUIET: [], FLOOD: []}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        journal = Path(folder) / "journal"
        with Venue(sessions, journal, durability="durable", sizes=SIZES) as venue:
            (port,) = venue.ports.values()
            (pipeline,) = (one for one in running() if one.owner.pid == venue.process.pid)
            quiet = Quiet(protocol, port)
            quiet.round(seconds)  # by now every stage has its process
            for pid in {row["pid"] for row in pipeline.view(pipeline.positions(), 1)["stages"]}:
                favour(pid, -15)
            on, sent = Value("q", 0), Value("q", 0)
            reply_counts: Queue[dict[str, int]] = Queue()
            flooder = Process(
                target=flood, args=(protocol, port, on, sent, reply_counts), daemon=True
            )
            flooder.start()
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(flooder.pid or 0, cores[-1:])
            os.sched_setaffinity(0, cores[:1])
            favour(os.getpid(), -18)
            quiet.round(seconds)
            favour(flooder.pid or 0, -15)
            for turn in range(2 * rounds):
                on.value = turn % 2
                time.sleep(SETTLED_S)
                latencies_ns[on.value].append(quiet.round(seconds))
            os.sched_setaffinity(0, cores)
            on.value = ENDED
            first_replies = reply_counts.get(timeout=BOUND_S)
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
        }
        for name, which in (("quiet", QUIET), ("beside_the_flood", FLOOD))
    }
    return both | {
        "protocol": protocol,
        "throttle_per_s": rate,
        "over_limit": policy.name.lower(),
        "case": f"{protocol} {policy.name.lower()}",
        "rounds": rounds,
        "seconds_a_round": seconds,
        "flood_per_s": int(sent.value / (rounds * (seconds + SETTLED_S))),
        "flood_was_told_at_first": first_replies,
        "p99_ratio": round(float(np.median(p99[FLOOD] / p99[QUIET])), 2),
        "commands": account["result"]["commands"],
        "restarts": len(account["restarts"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", choices=["ouch", "fix"], default="ouch")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round")
    parser.add_argument("--rate", type=int, default=20_000, help="of the throttle")
    parser.add_argument("--over-limit", choices=["reject", "queue"], default="reject")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    report = measure(
        given.protocol,
        given.rounds,
        given.seconds,
        given.rate,
        ThrottlePolicy[given.over_limit.upper()],
    )
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, "overload_sessions", report, by="case")


if __name__ == "__main__":
    main()
