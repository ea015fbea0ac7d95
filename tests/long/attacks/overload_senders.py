"""What is taken of orders by UDP, and of whom, when 65 senders send more than is taken.

    python -m tests.long.attacks.overload_senders [--records 22] [--mixed] [--heavy 1]
        [--seconds 5] [--rounds 3] [--tree OTHER] [--evidence FILE]

Each round is a durable `outcry run` with replies over loopback, and one process that sends for all
senders in turn, as fast as one core does: each sender is a socket and a participant of its own, and
a packet has new orders and then their cancellations.  The first sender sends ``--heavy`` packets
where each other sends one.  Replies are not read: the system drops them at the senders' sockets.
With ``--tree`` each round is run with that tree's package too, in turns.
"""

import argparse
import ctypes
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from multiprocessing import Array, Process
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.packets import FIRST_SEQ_AT
from openoutcry.dpdk_shim.udp import MESSAGE_BYTES, MESSAGE_VECTOR_AT
from openoutcry.journal.reader import read_commands
from openoutcry.wire.enums import CommandKind
from tests import ROOT
from tests.support.adversary.disasters import add_evidence
from tests.support.dpdk_shim.udp_runs import limit_orders
from tests.support.processes import OUTCRY, free_port

SENDERS = 65
IDS = 1_000
"""Order ids of a sender."""
BATCH = 8
"""Packets of a sender's turn."""


def packet_of(sender: int, records: int, mixed: bool) -> bytearray:
    """Orders, and the cancellations of as many of them; of one record, an order.  ``mixed``: each
    order and its cancellation are another participant's than the next's."""
    orders = limit_orders(records)
    orders["participant"] = sender
    orders["order_id"] += sender * IDS
    half = records // 2
    orders["order_id"][records - half :] = orders["order_id"][:half]
    orders["kind"][records - half :] = CommandKind.CANCEL
    if mixed:
        orders["participant"] = 1 + (sender + orders["order_id"]) % SENDERS
    return bytearray(build_packets(orders, sender, 1, 0)[0])


class Sender:
    """A socket and its next packets, which leave by one sendmmsg."""

    def __init__(self, port: int, sender: int, records: int, mixed: bool) -> None:
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.client.connect(("127.0.0.1", port))
        self.records, self.sent = records, 0
        packet = np.frombuffer(packet_of(sender, records, mixed), np.int64)
        self.packets = np.tile(packet, (BATCH, 1))
        self.seqs = self.packets[:, FIRST_SEQ_AT // 8]
        each = np.arange(BATCH, dtype=np.int64)
        self.vectors = np.zeros((BATCH, 2), np.int64)
        self.vectors[:, 0] = self.packets.ctypes.data + each * packet.nbytes
        self.vectors[:, 1] = packet.nbytes
        self.messages = np.zeros((BATCH, MESSAGE_BYTES // 8), np.int64)
        self.messages[:, MESSAGE_VECTOR_AT // 8] = self.vectors.ctypes.data + each * 16
        self.messages[:, MESSAGE_VECTOR_AT // 8 + 1] = 1
        self.arguments = (self.client.fileno(), ctypes.c_void_p(self.messages.ctypes.data))

    def send(self, libc: ctypes.CDLL) -> None:
        self.seqs[:] = 1 + self.records * np.arange(self.sent, self.sent + BATCH)
        self.sent += max(libc.sendmmsg(*self.arguments, BATCH, 0), 0)


def flood(port: int, records: int, mixed: bool, heavy: int, seconds: float, sent: Any) -> None:
    libc = ctypes.CDLL(None)
    senders = [Sender(port, number + 1, records, mixed) for number in range(SENDERS)]
    turn = senders[:1] * heavy + senders[1:]
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        for sender in turn:
            sender.send(libc)
    sent[:] = [sender.sent for sender in senders]


def above_others(supervisor: int, flooder: int) -> None:
    """Stages and flood at real-time priority, the flood on one core, below the stages."""
    os.sched_setaffinity(flooder, sorted(os.sched_getaffinity(0))[:1])
    stages = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    for pid, priority in [(flooder, 1), *((int(stage), 2) for stage in stages)]:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(priority))


def measure(
    tree: Path, records: int, mixed: bool, heavy: int, seconds: float, real_time: bool, *more: str
) -> dict[str, Any]:
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    command = [
        *OUTCRY,
        "run",
        "--udp",
        f"127.0.0.1:{port}",
        "--topology",
        "processes",
        "--durability",
        "durable",
        "--journal",
        "j",
        "--json",
        *more,
    ]
    sent = Array("q", SENDERS)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=(stderr := open(Path(folder) / "said", "w")),
        ) as process:
            while "running" not in (Path(folder) / "said").read_text():
                assert process.poll() is None, (Path(folder) / "said").read_text()
                time.sleep(0.1)
            time.sleep(1)
            flooder = Process(target=flood, args=(port, records, mixed, heavy, seconds, sent))
            flooder.start()
            if real_time:
                above_others(process.pid, flooder.pid or 0)
            flooder.join()
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate()
        stderr.close()
        output = (Path(folder) / "said").read_text()
        result = json.loads(out)
        taken = np.zeros(SENDERS + 1, np.int64)
        for chunk in read_commands(Path(folder) / "j", 1, result["commands"]):
            taken += np.bincount(chunk["order_id"] // IDS, minlength=SENDERS + 1)[: SENDERS + 1]
    account, offered = result["source"]["account"], np.array(sent[:])
    share = taken[1:] / (offered * records)
    return {
        "taken_per_s": int(result["commands"] / seconds),
        "offered_per_s": int(offered.sum() * records / seconds),
        "dropped": round(account["system_drops"] / int(offered.sum()), 3),
        "events_a_reply": round(account["reply_events"] / max(account["reply_packets"], 1), 1),
        "send_failed_events": account["send_failed_events"],
        "taken_of_the_first": round(float(share[0]), 3),
        "taken_of_others_least": round(float(share[1:].min()), 3),
        "taken_of_others_most": round(float(share[1:].max()), 3),
        "told": output.count("overload:"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--records", type=int, default=22, help="in a packet")
    parser.add_argument("--mixed", action="store_true", help="a packet is of many participants")
    parser.add_argument("--real-time", action="store_true", help="above all else on the machine")
    parser.add_argument("--heavy", type=int, default=1, help="packets of the first sender")
    parser.add_argument("--tree", type=Path, help="another tree, measured in the same rounds")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given, more = parser.parse_known_args()
    trees = {"before": given.tree} if given.tree else {}
    trees["now"] = ROOT
    rows: list[dict[str, Any]] = []
    for number in range(given.rounds):
        for name, tree in trees.items():
            how = (given.records, given.mixed, given.heavy, given.seconds, given.real_time)
            row = measure(tree, *how, *more)
            case = {"records": given.records, "mixed": given.mixed, "heavy": given.heavy}
            rows.append({"round": number, "of": name} | case | row)
            print(json.dumps(rows[-1]), flush=True)
    if given.evidence:
        add_evidence(given.evidence, "overload_senders", {"rounds": rows})


if __name__ == "__main__":
    main()
