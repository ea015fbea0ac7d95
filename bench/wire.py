"""``outcry bench wire``: from an order's datagram to the venue's answer, over a veth pair.

The sender is in another network namespace than the venue.  It has one authenticated order in
flight, and spins until the answer comes.  ``wire_DEVICE_pX`` is the time between its two system
calls.  DEVICE is the venue's port: a kernel socket (``udp``), a packet socket (``packet``) or
AF_XDP (``xdp``).  All checks of risk are set; nothing waits for the disk.  The peer ``bare_echo``
is a loop on the venue's core that answers as many bytes over a kernel socket.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.bench.wire_live import ECHO, PERCENTILES, PORTS

ORDERS, QUICK_ORDERS = 20_000, 1_000


def bench_wire(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    gathered = Rounds(rounds, progress)
    orders = QUICK_ORDERS if quick else ORDERS

    def one(number: int, add: Add) -> None:
        measured = {
            way: figures
            for way in rotated([ECHO, *PORTS], number)
            if (figures := round_trips(way, orders, gathered)) is not None
        }
        echo = measured.pop(ECHO, {})
        for way, figures in measured.items():
            for rank, value in figures.items():
                add(f"wire_{way}_{rank}", "ns", "lower", value)
                if echo:
                    add(f"wire_{way}_{rank}", "ns", "lower", echo[rank], "bare_echo")

    gathered.run(one)
    return gathered.document("wire", command, {"orders": orders})


def round_trips(way: str, orders: int, gathered: Rounds) -> dict[str, float] | None:
    """Percentiles by name; None if it cannot be measured here, which is noted."""
    module = [sys.executable, "-m", "openoutcry.bench.wire_live", way, str(orders)]
    ended = subprocess.run(module, capture_output=True, text=True)
    if ended.returncode == 0:
        return dict(json.loads(ended.stdout))
    why = (ended.stderr.strip().splitlines() or [f"it ended with {ended.returncode}"])[-1]
    for rank in PERCENTILES:
        gathered.miss("bare_echo" if way == ECHO else f"wire_{way}_{rank}", why)
    return None
