"""The simulator's stream and key-value bucket: JetStream's guarantees, and its known faults.

A stored message stays, at its place, in one order.  A publish is refused (10071) unless the
stream's last sequence is the expected one.  The bucket's entry changes only in place of the
revision that was seen.  But answers are lost, a deposed leader refuses by an old count and shows an
old entry, and a damaged follower that leads serves holes, another message, or flipped bits.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from openoutcry.replica.actions import Lease
from openoutcry.replica.message import Blocks, Check, Message

Served = tuple[int, Message | None]


class Faults(NamedTuple):
    """How often, in a thousand, or how strong; drawn for each history."""

    lost: int = 0
    doubled: int = 0
    read_damage: int = 0
    stale: int = 0
    crash: int = 0
    pause: int = 0
    partition: int = 0
    outage: int = 0
    clock_jump: int = 0
    torn: int = 0
    corrupt_core: int = 0
    promoted: int = 0
    planned: int = 0

    @property
    def injected(self) -> int:
        """In a thousand steps, of those that befall a node or the stream, not a message."""
        return (
            self.crash
            + self.pause
            + self.partition
            + self.outage
            + self.clock_jump
            + self.corrupt_core
            + self.promoted
            + self.planned
        )


def simulated_hash(message: Message) -> int:
    """Return a hash in place of BLAKE3."""
    b, c = message.blocks, message.check
    return hash(
        (
            message.kind,
            message.epoch,
            message.attempt,
            message.position,
            message.previous_position,
            message.previous,
            message.journal_id,
            b.first_block,
            b.next_block,
            b.block_before,
            b.block_after,
            b.last_seq,
            b.data,
            c.seq,
            c.events_hash,
            int.from_bytes(message.text, "little"),
        )
    )


def simulated_seal(message: Message) -> Message:
    """Like ``message.sealed``."""
    return Message(*message[:-1], simulated_hash(message))


def simulated_unpack(message: Message, position: int) -> Message | None:
    """Like ``message.unpack``; None where that raises."""
    if message.position != position or message.hash != simulated_hash(message):
        return None
    return message


class SimulatedStream:
    """The stream that the three servers hold together."""

    def __init__(self, rng: Random, faults: Faults) -> None:
        self.log: list[Message] = []
        self.lease: Lease | None = None
        self.revision = 0
        self.leases: list[Lease] = []
        self.rng = rng
        self.faults = faults
        self._lease_before: tuple[Lease | None, int] = (None, 0)

    def publish(self, message: Message, expected: int) -> int:
        """-1 if it was taken, else the last sequence that the refusal names."""
        last = len(self.log)
        if expected != last:
            if self.faults.stale and self.rng.random() * 1000 < self.faults.stale and last:
                return last - 1
            return last
        self.log.append(message)
        return -1

    def write_lease(self, lease: Lease, revision: int) -> int:
        """The new revision, 0 if it was refused."""
        if revision != self.revision:
            return 0
        self._lease_before = (self.lease, self.revision)
        self.lease = lease
        self.leases.append(lease)
        self.revision += 1
        return self.revision

    def read_lease(self) -> tuple[Lease | None, int]:
        if self.faults.stale and self.rng.random() * 1000 < self.faults.stale:
            return self._lease_before
        return self.lease, self.revision

    def read(self, position: int, unpack: Callable[[Message, int], Message | None]) -> Served:
        """Return what is served at ``position``, as a reader interprets it."""
        log, faults = self.log, self.faults
        if not 0 < position <= len(log):
            return position, None
        served: Message | None = log[position - 1]
        if faults.read_damage and self.rng.random() * 1000 < faults.read_damage:
            served = self._damaged(log[position - 1])
        return position, None if served is None else unpack(served, position)

    def _damaged(self, message: Message) -> Message | None:
        kind = int(self.rng.random() * 3)
        if kind == 0:
            return None
        if kind == 1:
            return self.log[int(self.rng.random() * len(self.log))]
        blocks = message.blocks
        return message._replace(blocks=blocks._replace(data=_flipped(blocks)))


def _flipped(blocks: Blocks) -> tuple[int, ...]:
    data = tuple(blocks.data) or (0,)
    return (data[0] ^ 1, *data[1:])


def simulated_check(seq: int, core: int) -> Check:
    """Return a core's check."""
    return Check(seq, core)
