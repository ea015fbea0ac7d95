"""How a quiet participant fares beside one who sends ten times what the pipeline takes, and how
long a stop takes in the midst of it.

    python -m …overload [--rounds 12] [--participant-rate 100000] [--evidence F]

One run, over loopback: rounds that are quiet, rounds with the flood, and rounds in which the same
flood goes to a socket that nobody reads (what the sender's own core and kernel time cost others on
this machine) take turns, so that whatever else the machine does meets all; then it is stopped while
the flood goes on.
"""

import argparse
import json
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time
from contextlib import suppress
from multiprocessing import Process, Value
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.dpdk_shim import build_packets
from openoutcry.wire.enums import EventKind
from tests.support.adversary.disasters import add_evidence
from tests.support.dpdk_shim.udp_runs import limit_orders, listening, replied_events, started
from tests.support.processes import free_port

PAUSE_S = 0.001
SETTLED_S = 0.1
UNANSWERED_S = 2.0
QUIET, FLOOD, ELSEWHERE, ENDED = range(4)


def flood(port: int, on: Any, sent: Any) -> None:
    """Full packets of one participant, as fast as one core sends them, while ``on`` is FLOOD, to
    nobody while it is ELSEWHERE; until it is ENDED."""
    data = bytearray(build_packets(limit_orders(22), 9, 1, 0)[0])
    at = data.index(struct.pack("<q", 1), 0, 32)
    first = 1
    udp = (socket.AF_INET, socket.SOCK_DGRAM)
    with socket.socket(*udp) as client, socket.socket(*udp) as idle, socket.socket(*udp) as sink:
        client.connect(("127.0.0.1", port))
        sink.bind(("127.0.0.1", 0))
        idle.connect(sink.getsockname())
        while on.value != ENDED:
            if on.value == QUIET:
                time.sleep(0.001)
                continue
            flooding = on.value == FLOOD
            for _ in range(200):
                struct.pack_into("<q", data, at, first)
                with suppress(ConnectionRefusedError):
                    (client if flooding else idle).send(data)
                first += 22 * flooding
            sent.value = first - 1


class Quiet:
    """One order at a time, its reply, a pause."""

    def __init__(self, port: int) -> None:
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(("127.0.0.1", port))
        self.client.settimeout(UNANSWERED_S)
        self.order = limit_orders(1)
        self.order["participant"] = 2
        self.number = 0

    def round(self, seconds: float) -> list[int]:
        took_ns = []
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.number += 1
            self.order["order_id"] = 10**12 + self.number
            (data,) = build_packets(self.order, 8, self.number, 0)
            start_ns = time.monotonic_ns()
            self.client.send(data)
            try:
                (kind,) = replied_events(self.client.recv(4_096))["kind"]
                assert kind == EventKind.ACCEPTED, kind
            except TimeoutError:
                pass
            took_ns.append(time.monotonic_ns() - start_ns)
            time.sleep(PAUSE_S)
        return took_ns


def real_time(pid: int, priority: int) -> None:
    policy = os.SCHED_FIFO if priority else os.SCHED_OTHER
    os.sched_setscheduler(pid, policy, os.sched_param(priority))


def measure(rounds: int, seconds: float, *arguments: str) -> dict[str, Any]:
    port = free_port()
    folder = tempfile.TemporaryDirectory(dir="/var/tmp")
    latencies_ns: dict[int, list[list[int]]] = {QUIET: [], FLOOD: [], ELSEWHERE: []}
    with folder, listening(Path(folder.name), port, *arguments) as process:
        pipeline = started(process)
        for pid in {row["pid"] for row in pipeline.view(pipeline.positions(), 1)["stages"]}:
            real_time(pid, 2)
        on, sent = Value("q", 0), Value("q", 0)
        flooder = Process(target=flood, args=(port, on, sent), daemon=True)
        flooder.start()
        real_time(flooder.pid or 0, 1)
        # Another host's flood would not share the backlog of the quiet client's core.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(flooder.pid or 0, cores[-1:])
        os.sched_setaffinity(0, cores[:1])
        quiet = Quiet(port)
        real_time(0, 3)
        quiet.round(seconds)
        for number in range(len(latencies_ns) * rounds):
            on.value = number % len(latencies_ns)
            time.sleep(SETTLED_S)
            latencies_ns[on.value].append(quiet.round(seconds))
        real_time(0, 0)
        os.sched_setaffinity(0, cores)
        flood_s = rounds * (seconds + SETTLED_S)
        flood_per_s = int(sent.value / flood_s)
        real_time(flooder.pid or 0, 0)
        on.value = FLOOD
        result, stop = stopped_in(process)
        on.value = ENDED
        flooder.join()
    account = result["source"]["account"]
    p99 = {
        which: np.array([np.percentile(one, 99) for one in latencies_ns[which]])
        for which in latencies_ns
    }
    both = {
        name: {
            "orders": sum(map(len, latencies_ns[which])),
            "unanswered": sum(t >= UNANSWERED_S * 1e9 for one in latencies_ns[which] for t in one),
            "p50_ns": int(np.median([np.median(one) for one in latencies_ns[which]])),
            "p99_ns": int(np.median(p99[which])),
        }
        for name, which in (
            ("quiet", QUIET),
            ("beside_the_flood", FLOOD),
            ("flood_elsewhere", ELSEWHERE),
        )
    }
    return both | {
        "rounds": rounds,
        "seconds_a_round": seconds,
        "flood_per_s": flood_per_s,
        "p99_ratio": round(float(np.median(p99[FLOOD] / p99[QUIET])), 2),
        "p99_ratio_elsewhere": round(float(np.median(p99[ELSEWHERE] / p99[QUIET])), 2),
        "commands": result["commands"],
        "refused": account["rate_refused_records"],
        "dropped_packets": account.get("system_drops", account.get("device_dropped")),
        "stop": stop,
    }


def cpu_s(pid: int) -> float:
    """What a process has had of the processors."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def stopped_in(process: subprocess.Popen[str]) -> tuple[dict[str, Any], dict[str, float]]:
    """The result, and what the stop took: until all was drained and the journal closed, until the
    supervisor was gone (it replays the journal, if that is short), and of that on a processor."""
    began, before = time.monotonic(), cpu_s(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stdout is not None
    # A journal of more than half a million commands is not replayed: then the result is the end.
    descriptors = process.stderr.fileno(), process.stdout.fileno()
    while descriptors[1] not in select.select(descriptors, [], [])[0]:
        if b"replaying the journal" in os.read(descriptors[0], 1 << 16):
            break
    drained_s = time.monotonic() - began
    result = json.loads(process.stdout.readline())
    told_s, told_cpu_s = time.monotonic() - began, cpu_s(process.pid) - before
    process.wait()
    took = {
        "drained_s": drained_s,
        "told_s": told_s,
        "told_cpu_s": told_cpu_s,
        "gone_s": time.monotonic() - began,
    }
    return result, {name: round(value, 2) for name, value in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given, more = parser.parse_known_args()
    report = measure(given.rounds, given.seconds, *more)
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, "overload", report)


if __name__ == "__main__":
    main()
