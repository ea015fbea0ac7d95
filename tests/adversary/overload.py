"""How a quiet participant fares beside one who sends ten times what the pipeline takes.

    python tests/adversary/overload.py [--seconds 5] [--participant-rate 100000]

Each phase is a run of its own on this machine, over loopback: quiet alone, quiet beside the flood.
"""

import argparse
import json
import os
import socket
import struct
import sys
import tempfile
import time
from multiprocessing import Process, Value
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from processes import free_port
from udp_runs import limit_orders, listening, replied_events, started, stopped

from openoutcry.dpdk_shim import build_packets
from openoutcry.wire.enums import EventKind

PAUSE_S = 0.001
FIRST_SEQ_AT = 8


def flood(port: int, until_s: float, sent: Any) -> None:
    """Full packets of one participant, as fast as one core sends them."""
    data = bytearray(build_packets(limit_orders(22), 9, 1, 0)[0])
    (at,) = (data.index(struct.pack("<q", 1), 0, 32),)
    first = 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        while time.monotonic() < until_s:
            for _ in range(200):
                struct.pack_into("<q", data, at, first)
                client.send(data)
                first += 22
    sent.value = first - 1


def round_trips(port: int, seconds: float) -> list[int]:
    """One order at a time, its reply, a pause."""
    order = limit_orders(1)
    order["participant"] = 2
    took_ns, number = [], 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(2)
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            number += 1
            order["order_id"] = 10**12 + number
            (data,) = build_packets(order, 8, number, 0)
            start_ns = time.monotonic_ns()
            client.send(data)
            try:
                (kind,) = replied_events(client.recv(4_096))["kind"]
                assert kind == EventKind.ACCEPTED, kind
                took_ns.append(time.monotonic_ns() - start_ns)
            except TimeoutError:
                took_ns.append(2_000_000_000)
            time.sleep(PAUSE_S)
    return took_ns


def phase(seconds: float, with_flood: bool, *arguments: str) -> dict[str, Any]:
    port = free_port()
    folder = tempfile.TemporaryDirectory(dir="/var/tmp")
    with folder, listening(Path(folder.name), port, *arguments) as process:
        pipeline = started(process)
        for pid in {row["pid"] for row in pipeline.view(pipeline.positions(), 1)["stages"]}:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(2))
        sent = Value("q", 0)
        flooder = Process(target=flood, args=(port, time.monotonic() + seconds + 1, sent))
        if with_flood:
            flooder.start()
            os.sched_setscheduler(flooder.pid or 0, os.SCHED_FIFO, os.sched_param(1))
            time.sleep(0.5)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(3))
        took_ns = round_trips(port, seconds)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        if with_flood:
            flooder.join()
        result = stopped(process)
    account = result["source"]["account"]
    return {
        "orders": len(took_ns),
        "unanswered": sum(t >= 2_000_000_000 for t in took_ns),
        "p50_ns": int(np.percentile(took_ns, 50)),
        "p99_ns": int(np.percentile(took_ns, 99)),
        "max_ns": max(took_ns),
        "flood_per_s": int(sent.value / (seconds + 1)),
        "commands": result["commands"],
        "refused": account["rate_refused_records"],
        "dropped_packets": account.get("system_drops", account.get("device_dropped")),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    given, more = parser.parse_known_args()
    for name, with_flood, extra in (
        ("quiet", False, more),
        ("flood", True, more),
    ):
        print(name, json.dumps(phase(given.seconds, with_flood, *extra)), flush=True)


if __name__ == "__main__":
    main()
