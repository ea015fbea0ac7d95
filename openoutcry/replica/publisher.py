"""Publishes a journal as it is written, and says up to where its commands are replicated.

Like every node it begins as a standby.  It reads the stream to its end, checks that its journal has
all of it, asks for the lease, and fences the previous leader with an epoch message.  Then it is the
primary and offers block after block.  It publishes only blocks that the journal's directory has, so
the stream never has a block that a returning primary lacks.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from openoutcry.journal import JournalReader
from openoutcry.journal.block import Block, digest
from openoutcry.replica.access import Access
from openoutcry.replica.actions import (
    Action,
    Apply,
    Cut,
    Promoted,
    Release,
    Stopped,
    Timing,
    node_of,
)
from openoutcry.replica.chain import Tip
from openoutcry.replica.driver import LEASE_KEY, Driver, lease_of, now_ns
from openoutcry.replica.jetstream import (
    REPLICAS,
    WAIT_S,
    JetStream,
    Tail,
    retry_until_leader,
    stream_name,
)
from openoutcry.replica.lease_holder import LeaseHolder
from openoutcry.replica.link import reach
from openoutcry.replica.message import NO_CHECK, Blocks, Check, joined, sealed
from openoutcry.replica.place import read_place, write_place
from openoutcry.replica.primary import Primary
from openoutcry.replica.standby import Role, Standby
from openoutcry.wire.errors import Absent, ReplicaError, Unreachable

MESSAGE_BYTES = 128 << 10
"""A message holds whole blocks up to here; a larger block goes alone."""
SMALL_BYTES, FEW_IN_FLIGHT = 64 << 10, 1
"""With this many messages on their way, a smaller one waits for more blocks.  (Three nodes and the
stages on two cores, 100,000 commands/s, p50: 2.8 ms with one, 3.3 with two, 4.0 with three.)"""
PENDING_BYTES = 8 << 20
PLACE_S = 1.0
LEAD_S = 30.0
"""How long busy servers, and then another's lease, are waited for before this one gives up."""
SKEW_S = 1.0
TIMING = Timing()
T = TypeVar("T")


class Publisher:
    """One journal into one stream.  ``safe_seq`` is the last command that is replicated, until
    ``until_ns`` (CLOCK_BOOTTIME); ``stopped`` says why it leads no more."""

    def __init__(
        self,
        journal: Path,
        access: Access,
        venue: str,
        holder: str,
        *,
        timing: Timing = TIMING,
        replicas: int = REPLICAS,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.journal = journal
        self.access = access
        self.venue = venue
        self.holder = holder
        self.timing = timing
        self.replicas = replicas
        self.say = say
        self.reader = JournalReader(journal)
        self.driver: Driver
        self.machine: Primary
        self.safe_seq = 0
        self.until_ns = 0
        self.epoch = 0
        self.stopped = ""
        self.pending: deque[Block] = deque()
        self.pending_bytes = 0
        self._blocks: Iterator[Block] | None = None
        self._before: tuple[int, bytes] = (-1, b"")
        """The block before those that are pending: its index and hash."""
        self._place_due_s = 0.0
        self._cut_off = False
        self._checked_seq = 0
        """The last command after which the standbys received the state's hash."""

    # To the lead

    def go_on(self, tip: Tip, lease_holder: LeaseHolder) -> None:
        """Lead on from where a standby over this very journal was promoted; raises
        :class:`ReplicaError` if the journal does not end there."""
        self.driver = Driver(self.access, self.venue, None)
        self._require_ours(tip)
        self._lead(tip, lease_holder)

    def _lead(self, tip: Tip, lease_holder: LeaseHolder) -> None:
        self.machine = Primary(tip, lease_holder, sealed)
        self.driver.machine = self.machine
        self.epoch = tip.epoch
        self._take(self.driver.act(self.machine.begin(now_ns())))

    def begin(self, wait_s: float = LEAD_S, alive: Callable[[], None] = lambda: None) -> None:
        """Become the primary.  ``wait_s``: for servers that are busy, and then for the lease.

        Raises :class:`ReplicaError` if this node cannot or must not be the primary.  There is no
        answer, another node leads, the stream is of another journal, or the stream has more than
        this one.  Calls ``alive`` repeatedly meanwhile.
        """
        tip = read_place(self.journal, self.reader.journal_id)
        tail = self._look(tip, wait_s)
        standby = Standby(
            self.holder, tip, self.timing, sealed, self.reader.journal_id, electable=False
        )
        first = next(self.reader.follow(0))
        if first.header.block_index > tip.next_block:
            raise ReplicaError(
                f"{self.journal} begins with block {first.header.block_index}, and the stream has "
                f"none from {tip.next_block} on: what was before is retired"
            )
        self.reader = JournalReader(self.journal)
        self.driver = Driver(self.access, self.venue, standby)
        self.driver.subscribe()
        rest = self.driver.act(standby.begin(now_ns(), tail.last))
        deadline_s = time.monotonic() + wait_s
        while not _leads(standby):
            alive()
            rest = self._follow(standby, rest)
            if not standby.electable and standby.applied_tip.position >= tail.last:
                self._require_ours(standby.applied_tip)
                standby.electable = True
                if self._lease_is_free():
                    rest = self._follow(standby, self.driver.act(standby.promote(now_ns())))
            if time.monotonic() > deadline_s:
                raise self._no_lead(standby)
            if not _leads(standby):
                rest = self.driver.turn(0.02)
        self.driver.unsubscribe()
        self._require_ours(standby.tip)
        assert standby.lease_holder is not None, "who leads has the lease"
        self._lead(standby.tip, standby.lease_holder)

    def _look(self, tip: Tip, wait_s: float) -> Tail:
        """See that there is a stream (or make one) and that it goes as far as it once did."""

        def ask(jetstream: JetStream) -> tuple[Tail, float]:
            jetstream.open(self.replicas)
            return jetstream.tail_reaching(tip.position), jetstream.skew_s()

        tail, skew_s = self._ask(ask, wait_s)
        if tail.last < tip.position:
            raise ReplicaError(
                f"{stream_name(self.venue)}: the stream ends at message {tail.last}, and message "
                f"{tip.position} had been acknowledged: it was wiped, or is another cluster's"
            )
        if abs(skew_s) > SKEW_S:
            self.say(
                f"the clock of the cluster's leader is {skew_s:+.1f} s from this machine's: leases "
                "do not depend on it, but logs will not agree"
            )
        return tail

    def _ask(self, ask: Callable[[JetStream], T], wait_s: float) -> T:
        """Return what ``ask`` gets over a separate connection. One that is lost meanwhile, because
        its server is busy or has gone, is made again, for ``wait_s``: the others may answer."""
        deadline_s = time.monotonic() + wait_s
        first = 0
        while True:
            try:
                with closing(reach(self.access, first)) as link:
                    return ask(JetStream(link, self.venue))
            except Absent:
                raise
            except Unreachable:
                if time.monotonic() > deadline_s:
                    raise
                first += 1
                time.sleep(0.2)

    def _follow(self, standby: Standby, rest: list[Action]) -> list[Action]:
        """Answer what a beginning node asks; what the stream has, this journal has already."""
        while rest:
            action, *rest = rest
            if isinstance(action, Apply):
                rest += self.driver.act(standby.applied(now_ns(), action.message, ()))
            elif isinstance(action, Stopped):
                raise ReplicaError(
                    f"{self.venue}: {action.reason}; two journals need two names of streams"
                )
            else:
                assert isinstance(action, Cut | Promoted | Release), action
        return rest

    def _lease_is_free(self) -> bool:
        """Return whether no process holds the lease, or an earlier process over this very
        journal, which is locked now."""
        entry = retry_until_leader(
            lambda: self._ask(lambda jetstream: jetstream.get(LEASE_KEY), WAIT_S)
        )
        if entry is None:
            return True
        lease = lease_of(entry.value)
        self._leader = lease.holder
        return node_of(lease.holder) == node_of(self.holder) or lease.given_up

    _leader = ""

    def _no_lead(self, standby: Standby) -> ReplicaError:
        if self.driver.trouble:
            return Unreachable(f"{self.venue}: no quorum: {self.driver.trouble}")
        if self.driver.damage:
            return ReplicaError(f"{self.venue}: {self.driver.damage}")
        if self._leader and node_of(self._leader) != node_of(self.holder):
            return ReplicaError(f"{self.venue} is led by {self._leader}: two cannot lead")
        return Unreachable(
            f"{self.venue}: the cluster gives no lease ({standby.role.name.lower()})"
        )

    def _require_ours(self, tip: Tip) -> None:
        """This journal has every block that the stream has; continue after them."""
        index, own_hash = self._before
        while index < tip.next_block - 1:
            if not self.pending and not self.read(tip.last_seq):
                raise ReplicaError(
                    f"{self.venue}: the stream has blocks up to {tip.next_block - 1} (command "
                    f"{tip.last_seq:,}), {self.journal} only up to {index}. Another node has led "
                    "since, or the end of this journal was lost; `outcry cluster backup restore` "
                    "makes a journal of the stream"
                )
            block = self.pending.popleft()
            self.pending_bytes -= block.header.block_bytes
            index, own_hash = self._before = block.header.block_index, digest(block.whole)
        if index == tip.next_block - 1 and tip.next_block and own_hash != tip.block_hash:
            raise self._parted(tip)

    def _parted(self, tip: Tip) -> ReplicaError:
        return ReplicaError(
            f"{self.venue}: block {tip.next_block - 1} of the stream is not the one in "
            f"{self.journal}: the two have parted, and this one must not lead"
        )

    # The place, kept so that a start does not read the whole stream

    def keep_place(self) -> None:
        """Note how far the stream is known: read again by the next start."""
        write_place(self.journal, self.machine.tip)

    # Leading

    def read(self, from_seq: int = 0) -> int:
        """Take what the journal has got since, as far as there is room for it; returns how many
        blocks.  ``from_seq``: of the first call, from where on it is read."""
        count = 0
        while self.pending_bytes < PENDING_BYTES:
            if self._blocks is None:
                self._blocks = self.reader.follow(from_seq)
            block = next(self._blocks, None)
            if block is None:
                self._blocks = None
                break
            self.pending.append(block)
            self.pending_bytes += block.header.block_bytes
            count += 1
        return count

    @property
    def read_all(self) -> bool:
        """The last :meth:`read` came to the journal's end."""
        return self._blocks is None

    def turn(self, timeout_s: float = 0.0, check: Check = NO_CHECK) -> int:
        """Offer what may be offered, wait up to ``timeout_s`` for answers; returns how many
        messages were offered or acknowledged.

        Raises :class:`ReplicaError` for what no waiting mends.
        """
        before = self.machine.tip.position
        offered = self._offer(check)
        self._take(self.driver.turn(timeout_s))
        done = self.machine.tip.position - before
        if done:
            now_s = time.monotonic()
            if now_s > self._place_due_s:
                self._place_due_s = now_s + PLACE_S
                self.keep_place()
        self._watch()
        return done + offered

    def _offer(self, check: Check) -> int:
        offered = 0
        machine = self.machine
        while self.pending and machine.room:
            if self.pending_bytes < SMALL_BYTES and len(machine.in_flight) >= FEW_IN_FLIGHT:
                break
            # One for a command that is on its way already came too late.
            sent_check = check if check.seq > machine.offered.last_seq else NO_CHECK
            self._take(self.driver.act(machine.offer(now_ns(), self._gathered(), sent_check)))
            self._checked_seq = max(self._checked_seq, sent_check.seq)
            offered += 1
        quiet = not self.pending and not machine.in_flight and machine.room
        behind = machine.offered
        if quiet and self._checked_seq < check.seq == behind.last_seq:
            self._checked_seq = check.seq
            nothing = Blocks.none(behind.next_block, behind.block_after, behind.last_seq)
            self._take(self.driver.act(machine.offer(now_ns(), nothing, check)))
            offered += 1
        return offered

    def _gathered(self) -> Blocks:
        """The next pending blocks, as many as a message holds."""
        parts = [self.pending.popleft().whole]
        size = len(parts[0])
        while self.pending and size + self.pending[0].header.block_bytes <= MESSAGE_BYTES:
            parts.append(self.pending.popleft().whole)
            size += len(parts[-1])
        self.pending_bytes -= size
        return joined(parts, self.machine.offered.block_after)

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Release):
                self.safe_seq = max(self.safe_seq, action.seq)
                self.until_ns = action.until_ns
            elif isinstance(action, Stopped):
                self.stopped = action.reason
                self.until_ns = 0

    def _watch(self) -> None:
        """Say once when releases stop for want of the lease, and when they continue."""
        cut_off = not self.stopped and now_ns() >= self.until_ns
        if cut_off and not self._cut_off:
            why = self.driver.trouble or "the cluster does not answer"
            self.say(
                f"cut off from the quorum: {why}; nothing is released after command "
                f"{self.safe_seq:,} until it answers again"
            )
        elif self._cut_off and not cut_off and not self.stopped:
            self.say(f"the quorum answers again (epoch {self.epoch})")
        self._cut_off = cut_off

    @property
    def cut_off(self) -> bool:
        """The lease is over: nothing may be released."""
        return now_ns() >= self.until_ns

    @property
    def unacknowledged_bytes(self) -> int:
        """Read from the journal, and not yet in the stream."""
        in_flight = sum(len(message.blocks.data) for message in self.machine.in_flight)
        return in_flight + self.pending_bytes

    @property
    def idle(self) -> bool:
        """Return whether nothing is pending or in flight."""
        return not self.pending and not self.machine.in_flight

    def leave(self, hand_over: bool, wait_s: float) -> bool:
        """Give the lease up after everything that was published; returns whether that was granted
        within ``wait_s``.  With ``hand_over`` a standby takes over at once.  Otherwise the venue is
        closed in order, and no standby takes over."""
        deadline_s = time.monotonic() + wait_s
        if hand_over:
            self._take(self.driver.act(self.machine.hand_over(now_ns())))
        while not self.stopped and time.monotonic() < deadline_s:
            if self.machine.tip.sealed or (self.idle and not hand_over):
                self._take(self.driver.act(self.machine.give_up(now_ns())))
            self._take(self.driver.turn(0.01))
        return bool(self.stopped)

    def status(self) -> dict[str, Any]:
        """Return the status for results and pages."""
        tip = self.machine.tip
        return {
            "venue": self.venue,
            "holder": self.holder,
            "epoch": self.epoch,
            "position": tip.position,
            "replicated_seq": self.safe_seq,
            "bytes_sent": self.driver.bytes_sent,
            "in_flight": len(self.machine.in_flight),
            "pending_bytes": self.pending_bytes,
            "stopped": self.stopped,
        }

    def close(self) -> None:
        """Note the place in the stream and close the connection."""
        if hasattr(self, "machine"):
            self.keep_place()
        if hasattr(self, "driver"):
            self.driver.close()


def _leads(standby: Standby) -> bool:
    return standby.role == Role.LEADING
