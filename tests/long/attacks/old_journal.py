"""From the SIGKILL of the journal stage to the next release, with a young journal and with one that
is hours old: made in one go, with as many commands as so long a time would have brought.

    python -m …old_journal [--hours 1] [--rate 60000] [--kills 9] [--evidence F]

A client sends an order each millisecond by UDP and hears of it; the gap around the kill, from the
signal to the first event that comes after the stage has been replaced, is what it cost.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.dpdk_shim import build_packets
from openoutcry.journal import Journal
from openoutcry.journal.checkpoint import recover, save
from openoutcry.journal.checkpoints import newest_checkpoint
from openoutcry.journal.lock import held
from openoutcry.pipeline.top import RunningPipeline
from openoutcry.wire.enums import CommandKind
from tests.support.adversary.disasters import add_evidence
from tests.support.dpdk_shim.udp_runs import limit_orders, listening, started, stopped
from tests.support.processes import free_port

BLOCK = 8_192
PATIENCE_S = 300.0
SETTLED_S = 1.0


class Client:
    """An order at a time; knows when it last heard."""

    def __init__(self, port: int, participant: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.order = limit_orders(1)
        self.order["participant"] = participant
        self.participant, self.sent = participant, 0

    def send(self) -> None:
        self.sent += 1
        # In and out again: the book stays as it is.
        self.order["kind"] = CommandKind.NEW if self.sent % 2 else CommandKind.CANCEL
        self.order["order_id"] = 10**12 + (self.sent + 1) // 2
        (data,) = build_packets(self.order, self.participant, self.sent, 0)
        with suppress(OSError):
            self.socket.send(data)

    def heard(self) -> bool:
        came = False
        while True:
            try:
                came |= bool(self.socket.recv(4_096))
            except OSError:
                return came

    def until_heard(self, seconds: float = PATIENCE_S) -> None:
        until = time.monotonic() + seconds
        while not self.heard():
            assert time.monotonic() < until, "nothing is released"
            self.send()
            time.sleep(0.001)

    def trade(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.send()
            self.heard()
            time.sleep(0.001)


def journal_pid(pipeline: RunningPipeline) -> int:
    rows = pipeline.view(pipeline.positions(), 1)["stages"]
    (row,) = (row for row in rows if row["name"] == "journal")
    return int(row["pid"])


def killed_s(pipeline: RunningPipeline, client: Client) -> float:
    """What one kill of the journal stage cost."""
    client.until_heard()
    pid = journal_pid(pipeline)
    client.heard()
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    while journal_pid(pipeline) == pid:  # what was released before it died does not count
        client.heard()
        time.sleep(0.0005)
        assert time.monotonic() - began < PATIENCE_S, "it was not replaced"
    client.until_heard()
    return time.monotonic() - began


def grow(journal: Path, commands: int) -> None:
    """Append commands that a day could have brought: orders that are in use already, refused."""
    orders = limit_orders(BLOCK)
    orders["participant"], orders["order_id"] = 3, 7
    with Journal.resume(journal) as writer:
        last = writer.written_seq + commands
        while writer.written_seq < last:
            first = writer.written_seq + 1
            count = min(BLOCK, last - first + 1)
            orders["seq"] = np.arange(first, first + BLOCK)
            writer.append(first, [orders[:count]], count, time.time_ns())
            if writer.blocks % 64 == 0:
                writer.sync()
        writer.sync()
        journal_id = writer.journal_id
    save(journal, journal_id, recover(journal))
    assert newest_checkpoint(journal, journal_id, last) is not None


def kills(folder: Path, port: int, count: int, participant: int, *more: str) -> list[float]:
    with listening(folder, port, *more) as process:
        pipeline = started(process)
        client = Client(port, participant)
        took_s = []
        for _ in range(count):
            client.trade(SETTLED_S)
            took_s.append(killed_s(pipeline, client))
        stopped(process)
    until = time.monotonic() + PATIENCE_S
    while held(folder / "j") and time.monotonic() < until:
        time.sleep(0.01)
    return took_s


def measure(folder: Path, hours: float, rate: int, count: int) -> dict[str, Any]:
    port = free_port()
    young = kills(folder, port, count, 1)
    began = time.monotonic()
    grow(folder / "j", int(hours * 3_600 * rate))
    grown_s = time.monotonic() - began
    size_bytes = sum(path.stat().st_size for path in (folder / "j").glob("segment-*"))
    old = kills(folder, port, count, 2, "--resume")
    return {
        "hours": hours,
        "commands_a_second": rate,
        "kills": count,
        "journal_gib": round(size_bytes / 2**30, 2),
        "made_in_s": round(grown_s, 1),
        "young_median_s": round(float(np.median(young)), 3),
        "young_worst_s": round(max(young), 3),
        "old_median_s": round(float(np.median(old)), 3),
        "old_worst_s": round(max(old), 3),
        "how": "the old journal was made in one go, with a checkpoint at its end",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--rate", type=int, default=60_000)
    parser.add_argument("--kills", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a disk")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        report = measure(folder, given.hours, given.rate, given.kills)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, "old_journal", report)


if __name__ == "__main__":
    main()
