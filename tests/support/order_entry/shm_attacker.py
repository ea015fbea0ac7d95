"""A participant that owns its side of a session over shared memory and writes anything into it.

Everything is drawn from a seed: whole requests with wrong fields, jumping and repeated sequences,
cursors that run ahead or back, words of noise anywhere in the segment, slots changed after they
were published, rings filled and never read.  As a program it does so from a process:
``python -m tests.support.order_entry.shm_attacker PATH NAME KEY WRITES SEED``; without a path it
writes into private memory until it is killed.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np

from openoutcry.client import ClientError
from openoutcry.client.shm import ShmClient
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    REQUESTS_BYTES,
    End,
    Request,
    ShmRequest,
    ShmRequestName,
    ShmRequests,
)

EDGES = (0, 1, 2, -1, 63, 64, 255, 1 << 31, (1 << 63) - 1, -(1 << 63), 1 << 62, 1 << 40)
PATIENCE = 100
"""How many times as many writes there are until one connection has been ended."""
OTHERS = Request.LOGOUT, Request.NAME, Request.LIST, Request.TERMS
KINDS = [int(kind) for kind in Request if kind not in OTHERS]


class Attacker:
    """Writes through a client's mapping; ``write`` does one hostile thing."""

    def __init__(self, client: ShmClient, seed: int) -> None:
        self.client, self.random = client, random.Random(seed)
        self.bytes = client.connection.views[0]
        self.words = self.bytes.view(np.int64)
        self.header = ShmRequests(client.connection.requests)
        table = (
            (self.request, 60), (self.noise_request, 20), (self.sequence, 4), (self.cursor, 3),
            (self.noise, 6), (self.change_published, 20), (self.fill, 1), (self.read, 10),
            (self.named, 30), (self.ring, 1), (self.wait, 4), (self.listed, 10),
        )  # fmt: skip
        self.ways, weights = zip(*table, strict=True)
        self.weights = list(itertools.accumulate(weights))
        self.writes = 0
        """Requests, words and cursors that were written so far."""

    def write(self) -> str:
        """One of the ways, drawn; its name."""
        (way,) = self.random.choices(self.ways, cum_weights=self.weights)
        way()
        return str(way.__name__)

    def number(self) -> int:
        """Any word, an edge more often than others."""
        if self.random.random() < 0.5:
            return self.random.choice(EDGES)
        return self.random.getrandbits(64) - (1 << 63)

    def slot(self, seq: int) -> ShmRequest:
        return slot_of(self.client, seq)

    def request(self) -> None:
        """One that may be an order, of numbers that may be anything, properly published."""
        if self.client.room < 1:
            return
        self.writes += 1
        slot = self.fields()
        slot.names = self.random.choice((0, 0, 0, 0, 4))
        slot.seq = self.client.next_request
        self.client.next_request += 1

    def named(self) -> None:
        """One with names in text, in as many further slots as it says, or in fewer, or in slots
        with anything else; published last, first, or at all."""
        if self.client.room < 3:
            return
        self.writes += 1
        draw, client = self.random, self.client
        slot, seq = self.fields(), client.next_request
        slot.kind = draw.choice((Request.ENTER, Request.REPLACE, Request.CANCEL))
        slot.names = draw.choice((1, 2, 3, 3, 1, 7))
        slot.id = slot.id_high = 0
        if slot.kind != Request.ENTER:
            slot.orig_id = slot.orig_id_high = 0
        names = slot.names & (1 if slot.kind == Request.ENTER else 3)
        count = names.bit_count() - draw.choice((0,) * 20 + (1,))
        is_first = draw.random() < 0.05
        if is_first:
            slot.seq = seq
        for place in range(1, count + 1):
            further = ShmRequestName(int(self.slot(seq + place)))
            at = (int(further) - client.connection.requests) // 8
            self.words[at : at + 7] = 0
            further.kind = draw.choice((Request.NAME,) * 20 + (Request.ENTER, 0))
            text = draw.choice((b"a", b"b", b"c" * 36, b"", b"a b", b"\xff", b"d\0e"))
            data = np.frombuffer(text.ljust(40, b"\0"), np.int64)
            self.words[at + 1 : at + 6] = data
            if draw.random() < 0.05:
                self.words[at + draw.randrange(7)] = self.number()
            further.seq = seq + place
        if not is_first:
            slot.seq = seq
        client.next_request += 1 + max(count, 0)

    def listed(self) -> None:
        """A list of orders, of which one may be none, or that says another number of them."""
        if self.client.room < 9:
            return
        self.writes += 1
        draw, client = self.random, self.client
        first, legs = client.next_request, draw.choice((2, 2, 3, 8))
        for place in range(1, legs + 1):
            client.next_request = first + place
            leg = self.fields()
            leg.kind = draw.choice((Request.ENTER,) * 30 + (Request.CANCEL, Request.LIST))
            leg.names, leg.participant = draw.choice((0,) * 30 + (2,)), draw.choice((0,) * 9 + (2,))
            leg.symbol = int.from_bytes(draw.choice((b"ACME",) * 9 + (b"BOLT",)), "little")
            leg.seq = first + place
        client.next_request = first
        head = self.fields()
        head.kind, head.names, head.participant = Request.LIST, 0, 0
        head.side = head.time_in_force = head.id_high = 0
        head.id = draw.choice((0, draw.randrange(200)))
        head.orig_id = head.orig_id_high = head.price_ticks = 0
        head.order_type = draw.choice((1, 1, 1, 2, 3, 3, 4, 5, 0, 6))
        head.qty_lots = draw.choice((legs,) * 30 + (0, 1, 9, -1))
        head.seq = first
        client.next_request = first + 1 + legs

    def fields(self) -> ShmRequest:
        """The next slot with fields of an order, of numbers that may be anything."""
        draw, client = self.random, self.client
        slot = self.slot(client.next_request)
        slot.kind = draw.choice(KINDS)
        slot.side, slot.order_type = draw.choice((1, 2, 0, 3)), draw.choice((1, 1, 2, 10, 0, 99))
        slot.time_in_force = draw.choice((1, 2, 4, 0x21, 0xF1, 0))
        slot.participant = draw.choice((0, 0, 0, 1, 2, 65_535))
        slot.id, slot.id_high = draw.randrange(200), draw.choice((0, 0, 0, -1))
        slot.orig_id, slot.orig_id_high = draw.randrange(200), 0
        if slot.kind in (Request.ENTER, Request.MASS_CANCEL):
            symbols = (b"ACME", b"BOLT", b"\0", b"NONE", b"\xff" * 8)
            slot.symbol = int.from_bytes(
                draw.choice(symbols).ljust(8, b"\0"), "little", signed=True
            )
            slot.aux = self.number()
        slot.price_ticks = draw.choice((10_000, 10_100, 9_900, self.number()))
        slot.qty_lots = draw.choice((1, 5, 100, self.number()))
        return slot

    def noise_request(self) -> None:
        """Noise, properly published, of a kind that there is."""
        if self.client.room < 1:
            return
        self.writes += 1
        slot = self.slot(self.client.next_request)
        at = (int(slot) - self.client.connection.requests) // 8
        self.words[at : at + 7] = [self.number() for _ in range(7)]
        slot.kind = self.random.choice(KINDS)
        if self.random.random() < 0.9:
            slot.names &= ~3  # else further slots, which are not there, end most sessions
        slot.seq = self.client.next_request
        self.client.next_request += 1

    def sequence(self) -> None:
        """A sequence that is not the next one, in the slot of the next one or any."""
        self.writes += 1
        seq = self.client.next_request
        near = (seq + 1, seq - 1, seq + REQUEST_SLOTS, self.number())
        self.slot(self.random.choice((seq, seq + 1, seq + 7))).seq = self.random.choice(near)

    def cursor(self) -> None:
        self.writes += 1
        read = self.header.replies_read
        self.header.replies_read = self.random.choice((read + 5, read - 5, self.number()))

    def noise(self) -> None:
        """Words anywhere in the segment."""
        for _ in range(self.random.randrange(1, 9)):
            self.writes += 1
            self.words[self.random.randrange(REQUESTS_BYTES // 8)] = self.number()

    def change_published(self) -> None:
        """A field of what was published, while the venue may be reading it."""
        self.writes += 1
        seq = self.client.next_request - self.random.randrange(1, 9)
        at = (int(self.slot(max(seq, 1))) - self.client.connection.requests) // 8
        self.words[at + self.random.randrange(8)] = self.number()

    def ring(self) -> None:
        """Bytes by the socket of the login, which only a session that rings may send."""
        self.writes += 1
        with suppress(OSError):  # full, or at its end
            self.client.connection.socket.send(self.random.randbytes(self.random.randrange(1, 300)))

    def wait(self) -> None:
        """That it sleeps, as an honest client says it, or any number in its place."""
        self.writes += 1
        self.header.waits = self.random.choice((self.header.waits + 1, self.number()))

    def fill(self) -> None:
        """Every slot at once."""
        while self.client.room >= 1:
            self.request()

    def read(self) -> None:
        """Replies, as an honest client does."""
        self.client.poll_array()


def slot_of(client: ShmClient, seq: int) -> ShmRequest:
    """The slot of a request, in the participant's own memory."""
    at = HEADER_BYTES + REQUEST_BYTES * (seq - 1 & REQUEST_SLOTS - 1)
    return ShmRequest(client.connection.requests + at)


def attack(path: str, name: str, key: bytes, writes: int, seed: int) -> dict[str, int]:
    """Write until so many writes are done, in as many connections as that takes, and the venue has
    ended one, which on a busy machine may look late; how often it ended one, by its reason."""
    done, connections, ends = 0, 0, Counter[str]()

    def is_enough() -> bool:
        ended = ends.total() - ends[End.NONE.name] > 0
        return done >= (writes if ended else PATIENCE * writes)

    while not is_enough():
        try:
            client = ShmClient(path, name, key)
        except ClientError:
            time.sleep(0.001)  # the connection before has not ended yet
            continue
        connections += 1
        attacker = Attacker(client, seed + connections)
        while client.end == End.NONE and not is_enough():
            before = attacker.writes
            try:
                attacker.write()
            except ClientError:
                break
            finally:
                done += attacker.writes - before
        ends[client.end.name] += 1
        client.close()
    return dict(ends)


class Alone:
    """In a client's place: memory that no venue reads, which reading replies frees again."""

    def __init__(self) -> None:
        memory = np.zeros(REQUESTS_BYTES, np.uint8)
        socket = SimpleNamespace(send=lambda data: len(data))
        self.connection = SimpleNamespace(
            views=(memory,), requests=memory.ctypes.data, socket=socket
        )
        self.next_request = 1

    @property
    def room(self) -> int:
        return -self.next_request % REQUEST_SLOTS

    def poll_array(self) -> None:
        self.next_request += 1


def write_alone(seed: int) -> NoReturn:
    """Write as an attacker does, into private memory."""
    alone: Any = Alone()
    attacker = Attacker(alone, seed)
    while True:
        attacker.write()


if __name__ == "__main__":
    PATH, NAME, KEY, WRITES, SEED = sys.argv[1:]
    if not PATH:
        write_alone(int(SEED))
    print(json.dumps(attack(PATH, NAME, bytes.fromhex(KEY), int(WRITES), int(SEED))))
