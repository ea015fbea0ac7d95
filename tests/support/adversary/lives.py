"""One life of a pipeline that meets a disaster, and its client."""

import os
import random
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from openoutcry.dpdk_shim import build_packets
from openoutcry.pipeline.top import running
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import EVENT_DTYPE
from tests.support.dpdk_shim.udp_runs import limit_orders
from tests.support.waiting import BOUND_S, wait_until


class Violation(Exception):
    """Something acknowledged was lost, doubled or changed, or a promise about errors is broken."""


class Client:
    """Sends orders, and remembers every packet and every event."""

    def __init__(self, port: int, rng: random.Random, first_id: int) -> None:
        self.rng = rng
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.to = ("127.0.0.1", port)
        self.packets: list[bytes] = []
        self.events: dict[int, bytes] = {}
        self.next_id, self.next_seq = first_id, 1

    def send(self, orders: int) -> None:
        batch = limit_orders(orders)
        batch["order_id"] = np.arange(self.next_id, self.next_id + orders)
        batch["side"] = [self.rng.choice((Side.BUY, Side.SELL)) for _ in range(orders)]
        (data,) = build_packets(batch, 9, self.next_seq, 0, 22)
        self.next_id += orders
        self.next_seq += orders
        self.packets.append(data)
        self._send(data)

    def send_all_again(self) -> None:
        """All there ever was, some of it doubled, in any order."""
        again = self.packets + self.rng.sample(self.packets, len(self.packets) // 2)
        self.rng.shuffle(again)
        for data in again:
            self._send(data)

    def _send(self, data: bytes) -> None:
        with suppress(ConnectionRefusedError):
            self.socket.sendto(data, self.to)

    def listen(self, seconds: float) -> int:
        """Take events for that long, or what there is; returns how many came."""
        came, until = 0, time.monotonic() + seconds
        while select.select([self.socket], [], [], max(0.0, until - time.monotonic()))[0]:
            with suppress(ConnectionRefusedError):
                events = np.frombuffer(self.socket.recv(4_096)[32:], EVENT_DTYPE)
                for event in events:
                    seq = int(event["seq"])
                    if self.events.setdefault(seq, event.tobytes()) != event.tobytes():
                        raise Violation(f"event {seq} was told twice, and not the same")
                came += len(events)
        return came


class Life:
    """One run of the pipeline (what ``work`` does), in a process group of its own."""

    def __init__(self, folder: Path, work: Callable[[], object]) -> None:
        self.output_path = folder / "said"
        self.pid = os.fork()
        if self.pid == 0:
            status = 2
            try:
                os.setpgid(0, 0)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                fd = os.open(self.output_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.dup2(fd, 1)
                os.dup2(fd, 2)
                work()
                status = 0
            except OutcryError as error:
                print(f"outcry: {error}", file=sys.stderr, flush=True)
                status = 1
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(status)
        with suppress(OSError):
            os.setpgid(self.pid, self.pid)
        self.status: int | None = None

    def ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def wait(self, client: Client, feed: bool = False) -> int:
        """Until it ends by itself; ``feed``: with orders to choke on."""
        until = time.monotonic() + BOUND_S
        while not self.ended():
            if time.monotonic() > until:
                raise Violation(f"it did not end: {self.output_path.read_text()}")
            if feed:
                client.send(2)
            client.listen(0.01)
        assert self.status is not None
        return self.status

    def kill(self) -> None:
        if not self.ended():
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = -signal.SIGKILL

        def all_gone() -> bool:
            return not any(_in_group(stat, self.pid) for stat in Path("/proc").glob("[0-9]*/stat"))

        wait_until(all_gone, "every stage has gone with its supervisor")

    def restarts(self, stages: Iterable[str]) -> int:
        """How often the processes of these stages were restarted; each stage counts."""
        for pipeline in running():
            if pipeline.owner.pid == self.pid:
                rows = pipeline.view(pipeline.positions(), 1)["stages"]
                return sum(row["restarts"] for row in rows if row["name"] in stages)
        return 0


def _in_group(stat: Path, group: int) -> bool:
    """Whether a process lives and belongs to the group.  One whose first thread has ended is a
    zombie that keeps its files, and their locks, for as long as another one has not."""
    try:
        state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        gone = state in "ZX" and len(os.listdir(stat.parent / "task")) <= 1
    except OSError:
        return False
    return int(process_group) == group and not gone
