"""One node of a replicated journal as a process: follows, leads when it may, appends and releases
until it has been superseded, and follows again.  What it releases it writes to standard output.

It is the protocol with its driver, journal and core, over a real cluster; what is left out of a
venue are its stages, so that a hundred takeovers take minutes.
"""

import os
import struct
import sys
import time
from pathlib import Path

import numpy as np

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.lock import JournalLock
from openoutcry.journal.replay import instruments_to_json
from openoutcry.replica.access import access_of
from openoutcry.replica.actions import MS, Timing, holder_of
from openoutcry.replica.driver import now_ns
from openoutcry.replica.hot_standby import HotStandby
from openoutcry.replica.publisher import Publisher

TIMING = Timing(600 * MS, 100 * MS, 100 * MS, 40 * MS)
ORDERS, BLOCK, CAPACITY = 2_000_000, 10, 1 << 16
EVERY_S = 0.005
ROW = struct.Struct("<qqqq")
"""seq, when it was found releasable, until when that held (CLOCK_BOOTTIME), order id."""
FOLLOWS, LEADS, SUPERSEDED = -1, -2, -3
"""In place of seq: what the node is now."""


def say(*row: int) -> None:
    os.write(1, ROW.pack(*row))


class Node:
    def __init__(self, folder: Path, nats: str, venue: str, name: str) -> None:
        self.folder, self.venue, self.name = folder, venue, name
        self.access = access_of(nats)
        self.generation = 0
        self.flow = GeneratedFlow("normal", ORDERS, 22)
        self.orders = np.concatenate(list(self.flow.chunks()))
        self.orders["seq"] = np.arange(1, len(self.orders) + 1)
        self.parent = os.getppid()

    def orphaned(self) -> bool:
        return os.getppid() != self.parent

    @property
    def holder(self) -> str:
        return holder_of(self.name, f"{self.generation}")

    def begin(self) -> None:
        """The first one leads with a journal that it makes."""
        lock = JournalLock(self.folder)
        config = {
            "instruments": instruments_to_json(self.flow.instruments),
            "order_capacity": CAPACITY,
        }
        writer = Journal.create(self.folder, config)
        publisher = self.publisher()
        publisher.begin(300)
        self.lead(writer, publisher)
        lock.release()

    def publisher(self) -> Publisher:
        return Publisher(self.folder, self.access, self.venue, self.holder, timing=TIMING)

    def follow(self) -> None:
        self.generation += 1
        standby = HotStandby(self.folder, self.access, self.venue, self.holder, TIMING)
        say(FOLLOWS, now_ns(), 0, 0)
        lead = standby.follow(self.orphaned, lambda: False)
        standby.close(keep_lock=True)
        if lead is None:
            sys.exit()
        local = standby.local
        handover = local.hand_over()
        if handover is None:
            writer = Journal.resume(self.folder)
        else:
            writer = Journal.take_over(self.folder, local.journal_id, local.document, handover)
        publisher = self.publisher()
        publisher.go_on(*lead)
        self.lead(writer, publisher)
        local.lock.release()

    def lead(self, writer: Journal, publisher: Publisher) -> None:
        """Until another does."""
        say(LEADS, now_ns(), publisher.epoch, 0)
        released, due_s = writer.written_seq, 0.0
        while not publisher.stopped and not self.orphaned():
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + EVERY_S
                first = writer.written_seq + 1
                # Each generation's orders are its own: what was cut off is not what comes again.
                orders = self.orders[first - 1 : first - 1 + BLOCK].copy()
                orders["order_id"] += (os.getpid() << 40) + (self.generation << 32)
                writer.append(first, [orders], BLOCK, time.time_ns(), durable=True)
            publisher.read()
            publisher.turn(0.001)
            while released < publisher.safe_seq:
                at_ns = now_ns()  # event by event, as the gate's kernel does
                if at_ns >= publisher.until_ns:
                    break
                released += 1
                order_id = self.order_id(released)
                say(released, at_ns, publisher.until_ns, order_id)
        publisher.close()
        writer.abandon()
        say(SUPERSEDED, now_ns(), 0, 0)

    def order_id(self, seq: int) -> int:
        return int(self.orders[seq - 1]["order_id"]) + (os.getpid() << 40) + (self.generation << 32)


def ids_of(journal: Path) -> np.ndarray:
    """Order ids of a journal, by sequence from 1."""
    return np.concatenate([orders["order_id"] for _, orders in JournalReader(journal).chunks()])


def main(folder: str, nats: str, venue: str, name: str) -> None:
    node = Node(Path(folder), nats, venue, name)
    if name == "first":
        node.begin()
    while not node.orphaned():
        node.follow()


if __name__ == "__main__":
    main(*sys.argv[1:])
