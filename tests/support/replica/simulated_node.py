"""A node of the simulator: what lies on its disk, and the machine that runs on it.

The machines are those of ``primary.py`` and ``standby.py``; this replaces a real node's
transport, its journal and its core.
"""

from typing import Any, Protocol

from openoutcry.replica.actions import (
    Action,
    Apply,
    Cut,
    Fetch,
    Promoted,
    Publish,
    ReadLease,
    Release,
    Stopped,
    Timing,
    WriteLease,
    holder_of,
)
from openoutcry.replica.chain import Tip
from openoutcry.replica.local import plan
from openoutcry.replica.message import GENESIS, Blocks, Check, Message
from openoutcry.replica.primary import Primary
from openoutcry.replica.standby import Role, Standby
from tests.support.replica.simulated_stream import SimulatedStream, simulated_check, simulated_seal

JOURNAL_ID = 7


class World(Protocol):
    """Services that a node needs of the simulator (``simulator.World``)."""

    now_ns: int
    window: int
    stream: SimulatedStream
    corrupt_nodes: set[int]

    def unpack(self, message: Message, position: int) -> Message | None:
        """The message as the node reads it; None: it is not whole."""

    def request(self, node: "Node", action: Action) -> None:
        """Carry out an action of the node's machine, later or never."""

    def stopped(self, node: "Node", action: Stopped) -> None:
        """The node has given up.  Raises :class:`Violation` if no other node led."""

    def durable_blocks(self, node: "Node") -> int:
        """Blocks of the node's journal that a crash must not take."""

    def released(self, node: "Node", seq: int, core: int) -> None:
        """The node has released a command.  Raises :class:`Violation` if another one is due."""

    def promoted(self, node: "Node", epoch: int) -> None:
        """The node leads.  Raises :class:`Violation` if the epoch has a leader."""

    def compared(self, node: "Node", check: Check) -> None:
        """The node has compared its core with a message.  Raises :class:`Violation` if it
        differs."""

    def corrupted(self, node: "Node") -> None:
        """The node's core was changed on purpose."""

    def chance(self, in_a_thousand: int) -> bool:
        """Whether something happens that happens ``in_a_thousand`` times."""


class Node:
    """A node; ``blocks`` (each a tuple of commands) and ``hashes`` are its durable journal."""

    def __init__(self, world: World, index: int, timing: Timing) -> None:
        self.world = world
        self.index = index
        self.name = f"n{index}"
        self.timing = timing
        self.rate_ppm = 0
        self.offset_ns = 0
        self.blocks: list[tuple[int, ...]] = []
        self.hashes: list[Any] = []
        self.place: tuple[Tip, int] = (Tip(), 0)
        """The tip that was noted on the disk, and how many blocks the journal had then."""
        self.incarnation = 0
        self.up = False
        self.cut_off = False
        self.paused_until_ns = 0
        self.corrupt = False
        self.trusted = 0
        self.standby: Standby | None = None
        self.primary: Primary | None = None
        self.core, self.seq, self.in_core = 0, 0, 0
        self.seen: set[int] = set()
        self.next_read = 1
        self.release: Release | None = None
        self.released = 0
        self.cores: dict[int, int] = {}

    def now_ns(self) -> int:
        """The time by the node's own clock."""
        return self.world.now_ns + self.world.now_ns * self.rate_ppm // 1_000_000 + self.offset_ns

    def start(self) -> None:
        """Start as a process does, with what the disk has."""
        self.incarnation += 1
        self.world.corrupt_nodes.discard(self.index)
        self.up, self.primary, self.release, self.released = True, None, None, 0
        self._rebuild(0)
        tip, held = self.place
        if len(self.blocks) < held:
            tip = Tip()  # the journal is shorter than it was noted: all is read again
        self._rebuild(tip.next_block)
        holder = holder_of(self.name, str(self.incarnation))
        self.standby = Standby(
            holder,
            tip,
            self.timing,
            simulated_seal,
            JOURNAL_ID,
            patience_ns=self.index * self.timing.retry_ns,
            trusted=self.trusted,
        )
        self.next_read = tip.position + 1
        self.do(self.standby.begin(self.now_ns(), len(self.world.stream.log)))

    def crash(self, torn: bool) -> None:
        """The process is gone; ``torn``: the block that it was just writing as well."""
        self.up = False
        self.standby = self.primary = None
        if torn and len(self.blocks) > self.world.durable_blocks(self):
            self.blocks.pop()
            self.hashes.pop()

    @property
    def machine(self) -> Primary | Standby | None:
        """The protocol that the node runs; None: it is down."""
        return self.primary or self.standby

    def do(self, actions: list[Action]) -> None:
        """Carry out what a machine asks."""
        for action in actions:
            kind = type(action)
            if kind is Publish or kind is WriteLease or kind is ReadLease or kind is Fetch:
                self.world.request(self, action)
            elif kind is Apply:
                self._apply(action)  # type: ignore[arg-type]
            elif kind is Cut:
                self._cut(action.next_block)  # type: ignore[union-attr]
            elif kind is Release:
                self.release = action  # type: ignore[assignment]
                self.let_out()
            elif kind is Promoted:
                self._lead()
                return
            elif kind is Stopped:
                self.world.stopped(self, action)  # type: ignore[arg-type]

    def tick(self) -> None:
        machine = self.machine
        if machine is None:
            return
        self.do(machine.tick(self.now_ns()))
        if self.primary is not None:
            primary = self.primary
            self._offer()
            if primary.tip.sealed and not primary.stopped and self.released == primary.tip.last_seq:
                self.do(primary.give_up(self.now_ns()))
        self.let_out()

    def read_on(self) -> None:
        """The subscription gives its next message."""
        if self.standby is None or self.next_read > len(self.world.stream.log):
            return
        position, message = self.world.stream.read(self.next_read, self.world.unpack)
        self.next_read += 1
        if message is not None:
            self.do(self.standby.message(self.now_ns(), message))
        else:
            self.do(self.standby.missing(self.now_ns(), position, "damaged"))

    def command(self, command: int) -> None:
        """A client's command; one that the journal has is not taken twice."""
        primary = self.primary
        if primary is None or primary.stopped or primary.sealing or command in self.seen:
            return
        self._append((command,))
        self._run()
        self._offer()

    def let_out(self) -> None:
        """The gate: events leave while the lease lasts by this node's clock."""
        release = self.release
        if release is None or release.seq <= self.released or self.now_ns() >= release.until_ns:
            return
        while self.released < release.seq:
            self.released += 1
            self.world.released(self, self.released, self.cores[self.released])

    def _lead(self) -> None:
        assert self.standby is not None, "a standby is promoted"
        standby, self.standby = self.standby, None
        assert standby.lease_holder is not None, "who leads has the lease"
        self.primary = Primary(standby.tip, standby.lease_holder, simulated_seal, self.world.window)
        self.world.promoted(self, standby.tip.epoch)
        self._run()  # what this journal has beyond the chain
        self.do(self.primary.begin(self.now_ns()))
        self._offer()

    def _offer(self) -> None:
        primary = self.primary
        while primary is not None and primary.room > 0:
            at = primary.offered.next_block
            if at >= len(self.blocks):
                return
            before = self.hashes[at - 1] if at else GENESIS
            block = self.blocks[at]
            seq = primary.offered.last_seq + len(block)
            blocks = Blocks(at, at + 1, before, self.hashes[at], seq, block)
            self.do(primary.offer(self.now_ns(), blocks, simulated_check(seq, self.cores[seq])))

    def _apply(self, action: Apply) -> None:
        message, standby = action.message, self.standby
        assert standby is not None, "who applies follows"
        blocks = message.blocks
        count = blocks.next_block - blocks.first_block
        hashes = [blocks.block_after] if count else []
        todo = plan(len(self.blocks), self.hashes.__getitem__, message, hashes)
        if todo.cut_at is not None:
            self._cut(todo.cut_at)
        if count and len(self.blocks) < blocks.next_block:
            self._append(blocks.data)
        checks: list[Check] = []
        if count:
            self._run(blocks.next_block)
            checks = [simulated_check(self.seq, self.core)]
        elif self.seq == blocks.last_seq and self.seq:
            checks = [simulated_check(self.seq, self.core)]
        self.do(standby.applied(self.now_ns(), message, checks))
        if standby.role < Role.LEADING and message.position > self.trusted:
            self.world.compared(self, message.check)
        if standby.role < Role.LEADING and self.world.chance(300) and standby.tail_checked:
            self.place = (standby.applied_tip, len(self.blocks))

    def _cut(self, at: int) -> None:
        del self.blocks[at:], self.hashes[at:]
        if self.in_core > at:
            self._rebuild(at)

    def _append(self, block: tuple[int, ...]) -> None:
        before = self.hashes[-1] if self.hashes else GENESIS
        self.blocks.append(block)
        self.hashes.append(hash((before, block)))

    def _rebuild(self, until_block: int) -> None:
        self.core, self.seq, self.in_core = 0, 0, 0
        self.seen, self.cores = set(), {}
        self._run(until_block)

    def _run(self, until_block: int | None = None) -> None:
        """Run the core over the journal's blocks up to there."""
        until = len(self.blocks) if until_block is None else until_block
        while self.in_core < until:
            for command in self.blocks[self.in_core]:
                self.seq += 1
                self.core = hash((self.core, command))
                self.cores[self.seq] = self.core
                self.seen.add(command)
            self.in_core += 1
        if self.corrupt and self.seq:
            self.corrupt = False
            self.core ^= 1  # one lot changed
            self.cores[self.seq] = self.core
            self.world.corrupted(self)
