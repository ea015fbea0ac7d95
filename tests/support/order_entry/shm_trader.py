"""A participant over shared memory, or over TCP, that is killed in mid-write, again and again, and
that always continues by number: ``python -m tests.support.order_entry.shm_trader JSON``.

Each life is a forked process that knows nothing of those before but what the venue says and the
file of replies that they have read.  It prints what has become of all its orders.
"""

import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.client import ClientError
from openoutcry.client.shm import REPLY_DTYPE, ShmClient, TcpConnection
from openoutcry.order_entry.shm_layout import Reply, Request, ShmRequest
from openoutcry.wire.enums import OrderType, Side, TimeInForce
from tests.support.order_entry.shm_attacker import slot_of
from tests.support.waiting import BOUND_S

AHEAD = 20
"""Requests that wait for their replies at once."""
WAYS = 3
"""Ways of dying: after a part of a request, after all but its sequence, after that."""


class Life:
    """One process of the participant."""

    def __init__(self, asked: dict[str, Any], die_at: int, way: int) -> None:
        """``die_at``: number of the request at which it dies, 0: it lives."""
        at, self.name = asked["at"], asked["name"]
        self.at = tuple(at) if isinstance(at, list) else at
        self.key = bytes.fromhex(asked["key"])
        self.orders, self.told_path = asked["orders"], Path(asked["told"])
        self.die_at, self.way = die_at, way
        self.told = self.told_path.read_bytes()
        """Every reply that some life has read."""

    def connect(self) -> ShmClient:
        until_s = time.monotonic() + BOUND_S
        while True:
            try:
                return ShmClient(self.at, self.name, self.key, first_reply=1)
            except ClientError:
                # The venue is down, or does not know yet that the life before has ended.
                if time.monotonic() > until_s:
                    raise
                os.sched_yield()

    def run(self) -> None:
        while not self.is_done():
            client = self.connect()
            try:
                self.trade(client)
            except ClientError:
                client.close()
                continue
            client.logout()

    def is_done(self) -> bool:
        return len(self.accepted()) >= self.orders

    def accepted(self) -> list[int]:
        """Names of the orders, in the order in which they were accepted."""
        replies = frombuffer(self.told)
        return replies["id"][replies["kind"] == Reply.ACCEPTED].tolist()

    def trade(self, client: ShmClient) -> None:
        """Until every order was accepted or the connection ends."""
        data, at = b"", 0
        taken, name = client.taken_before, 0
        until_s = time.monotonic() + BOUND_S
        while True:
            came = client.poll_array().tobytes()
            if came:
                until_s = time.monotonic() + BOUND_S
            assert came or time.monotonic() < until_s, "the venue answers"
            data += came
            known = min(len(data), len(self.told))
            assert data[at:known] == self.told[at:known], "what was said is said again the same"
            at = known
            if len(data) > len(self.told):
                with self.told_path.open("ab") as file:
                    file.write(data[len(self.told) :])
                self.told = data
            replies = frombuffer(data)
            # Answers to all that the venue had taken before show which orders it knows.
            if name == 0 and (not taken or (replies["request"] == taken).any()):
                name = max(self.accepted(), default=0)
            if name == 0 and taken:
                continue
            answered = len(self.accepted())
            if answered >= self.orders:
                return
            while name < self.orders and name - answered < AHEAD:
                name += 1
                if client.next_request == self.die_at:
                    self.die(client, name)
                client.enter(name, Side.BUY, "ACME", 1, 10_000, time_in_force=TimeInForce.IOC)

    def die(self, client: ShmClient, name: int) -> None:
        """In the middle of a request."""
        slot: ShmRequest = slot_of(client, client.next_request)
        slot.kind, slot.side = Request.ENTER, Side.BUY
        if self.way > 0:
            slot.order_type, slot.time_in_force = OrderType.LIMIT, TimeInForce.IOC
            slot.participant = slot.names = 0
            slot.id, slot.id_high = name, 0
            slot.symbol, slot.aux = int.from_bytes(b"ACME", "little"), 0
            slot.price_ticks, slot.qty_lots = 10_000, 1
        if self.way > 1:
            slot.seq = client.next_request
            client.connection.published(client.next_request, 1)
        elif isinstance(client.connection, TcpConnection):
            with suppress(OSError):  # the venue may have died before it
                client.connection.socket.send(b"\x40\0\0\0" + bytes(40))
        os.kill(os.getpid(), signal.SIGKILL)


def frombuffer(data: bytes) -> Any:
    return np.frombuffer(data, REPLY_DTYPE)


def lives(asked: dict[str, Any]) -> int:
    """Live and die until every order was accepted; how often it died."""
    died = 0
    for number, die_at in enumerate([*asked["deaths"], 0]):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                Life(asked, die_at, number % WAYS).run()
                code = 0
            except Exception:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status) and status:
            raise SystemExit(f"life {number} ended with {status}")
        died += os.WIFSIGNALED(status)
    return died


if __name__ == "__main__":
    ASKED = json.loads(sys.argv[1])
    Path(ASKED["told"]).touch()
    DIED = lives(ASKED)
    print(json.dumps({"died": DIED, "accepted": Life(ASKED, 0, 0).accepted()}))
