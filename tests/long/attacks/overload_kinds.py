"""How an honest session fares beside one that sends one kind of message as fast as its rate lets.

    python -m tests.long.attacks.overload_kinds [--rounds 6] [--seconds 2] [--rate 1000]

A venue of real processes over TCP in which a third session has OPEN open orders.  Quiet rounds and
rounds of each flood take turns; the honest session enters an IOC order at a time over OUCH 4.2 and
waits for its answer.  The figures, by kind: its p50 and p99 to those of the quiet round before, the
median over the rounds.  They go into docs/evidence/security.json beside the costs of messages.
"""

import argparse
import contextlib
import json
import os
import select
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing import Process, Value
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from openoutcry.client import FixClient
from openoutcry.order_entry import soupbin
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol
from openoutcry.report.evidence import EVIDENCE, write_evidence
from tests.long.attacks.overload_sessions import SIZES, Quiet
from tests.support.order_entry import message_costs
from tests.support.order_entry.sessions_venue import PASSWORD, Client, Venue, enter
from tests.support.waiting import BOUND_S, wait_until

COMMAND = "python -m tests.long.attacks.overload_kinds"
OPEN = 3_000
NOW = "20260102-10:00:00"
KINDS: dict[str, Callable[[int], tuple[str, tuple[tuple[int, str], ...]]]] = {
    "D, IOC": lambda n: (
        "D",
        (
            (11, f"d{n}"),
            (55, "ACME"),
            (54, "1"),
            (60, NOW),
            (38, "1"),
            (40, "2"),
            (44, "1"),
            (59, "3"),
        ),
    ),
    "q, mass cancel": lambda n: ("q", ((11, f"q{n}"), (530, "7"), (60, NOW))),
    "AF, mass status": lambda n: ("AF", ((584, f"a{n}"), (585, "7"))),
    "H, status": lambda n: ("H", ((11, "NONE"), (55, "ACME"), (54, "1"))),
    "1, test request": lambda n: ("1", ((112, f"t{n}"),)),
    "2, resend of all": lambda n: ("2", ((7, "1"), (16, "0"))),
    "0, heartbeat": lambda n: ("0", ()),
}
QUIET, FLOOD, ENDED = range(3)


def flood(kind: str, port: int, state: Any) -> None:
    """Send while ``state`` is FLOOD, and read, until it is ENDED."""
    client = FixClient("127.0.0.1", port, "FLOOD", PASSWORD, timeout_s=BOUND_S, heartbeat_s=600)
    connection, make = client.socket, KINDS[kind]
    connection.setblocking(True)

    def read() -> None:
        with contextlib.suppress(OSError):
            while connection.recv(1 << 18):
                pass

    threading.Thread(target=read, daemon=True).start()
    number, data = 0, b""
    while state.value != ENDED:
        if state.value == QUIET:
            time.sleep(0.001)
            continue
        if not select.select([], [connection], [], 0.01)[1]:
            continue
        if not data:
            parts = []
            for _ in range(50):
                number += 1
                name, fields = make(number)
                parts.append(client.pack(name, client.numbers.next_out, fields))
                client.numbers.next_out += 1
            data = b"".join(parts)
        data = data[connection.send(data[: 1 << 12]) :]
    connection.close()


def enter_open_orders(port: int) -> Client:
    """Of a session that goes on."""
    client = Client(port, "HOLDER")
    for start in range(0, OPEN, 500):
        numbers = range(start, start + 500)
        orders = (enter(f"h{n}", "B", 1, "ACME", 100 * (1 + n % 500)) for n in numbers)
        client.socket.sendall(b"".join(soupbin.packet("U", one) for one in orders))
        for _ in numbers:
            reply = client.message()
            assert reply[0] == "A", reply
    return client


def measure(kind: str, rounds: int, seconds: float, rate: int) -> dict[str, float]:
    """Ratios of the honest session's p50 and p99, and its quiet and flooded p99 in milliseconds."""
    none = int(CancelOnDisconnect.NONE)
    sessions = [
        {
            "name": "FLOOD",
            "participant": 1,
            "protocol": int(Protocol.FIX44),
            "throttle_per_s": rate,
            "throttle_burst": rate // 10,
            "queue_bytes": 1 << 28,
            "cancel_on_disconnect": none,
        },
        {"name": "QUIET", "participant": 2, "protocol": int(Protocol.OUCH42)},
        {"name": "HOLDER", "participant": 3, "protocol": int(Protocol.OUCH42)},
    ]
    took: dict[int, list[Any]] = {QUIET: [], FLOOD: []}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        journal = Path(folder) / "journal"
        with Venue(sessions, journal, durability="async", sizes=SIZES) as venue:
            quiet, state = Quiet("ouch", venue.ports["OUCH42"]), Value("q", QUIET)
            holder = enter_open_orders(venue.ports["OUCH42"])
            flooder = Process(target=flood, args=(kind, venue.ports["FIX44"], state), daemon=True)
            flooder.start()
            quiet.round(seconds)
            for _ in range(rounds):
                for value in (QUIET, FLOOD):
                    state.value = value
                    took[value].append(np.array(quiet.round(seconds)) / 1e6)
            state.value = ENDED
            wait_until(lambda: not flooder.is_alive(), "the flood to end")
            holder.close()
            quiet.client.close()
            venue.stop()
    rows = {
        name: [
            (np.percentile(f, at), np.percentile(q, at))
            for f, q in zip(took[FLOOD], took[QUIET], strict=True)
        ]
        for name, at in (("p50", 50), ("p99", 99))
    }
    return {
        "p50_ratio": round(median(f / q for f, q in rows["p50"]), 2),
        "p99_ratio": round(median(f / q for f, q in rows["p99"]), 2),
        "p50_ms": round(median(f for f, _ in rows["p50"]), 3),
        "p99_ms": round(median(f for f, _ in rows["p99"]), 3),
        "quiet_p99_ms": round(median(q for _, q in rows["p99"]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--no-evidence", action="store_true")
    given = parser.parse_args()
    floods = []
    for kind in given.kind or KINDS:
        row = {"kind": kind, **measure(kind, given.rounds, given.seconds, given.rate)}
        floods.append(row)
        print(json.dumps(row), flush=True)
    if not given.no_evidence:
        figures = json.loads((EVIDENCE / "security.json").read_text())["figures"]
        figures["floods"] = {
            "rate": given.rate,
            "open_orders": OPEN,
            "rows": floods,
            "command": COMMAND,
            "load": round(os.getloadavg()[0], 1),
        }
        write_evidence("security", figures, message_costs.COMMAND)


if __name__ == "__main__":
    main()
