"""The primary: publishes its journal's blocks, and says up to where events may be released.

Invariants, each of which the simulator breaks once to see that it is needed:

- What is released is in the stream: acknowledged by its quorum at its place in the chain.
- Nothing is released after the lease has run out by this node's clock.
- A refusal by number (10071) may mean our earlier attempt. So the message at that place is read,
  and only another node's live message means that another node leads.
- Messages after a lost one are sent again, under the next attempt if their place has changed.
"""

from collections import deque
from itertools import islice
from typing import Any

from openoutcry.replica.actions import Action, Fetch, Lease, Publish, Release, Stopped, Timing
from openoutcry.replica.chain import Tip, Verdict, extended, judge, passed
from openoutcry.replica.lease_holder import LeaseHolder
from openoutcry.replica.message import NO_CHECK, Blocks, Check, Kind, Message, Seal

WINDOW = 16
"""Messages on their way at most."""


class Primary:
    """Leads from ``tip`` on, whose epoch is its own, with the lease that ``lease_holder`` keeps."""

    def __init__(
        self, tip: Tip, lease_holder: LeaseHolder, seal: Seal, window: int = WINDOW
    ) -> None:
        assert tip.epoch == lease_holder.lease.epoch, (
            "the epoch message is the first one of an epoch"
        )
        self.tip = tip
        self.lease_holder = lease_holder
        self.timing: Timing = lease_holder.timing
        self.window = window
        self.stopped = ""
        self.attempt = tip.attempt
        self.in_flight: deque[Message] = deque()
        self._seal = seal
        self._acked: set[Any] = set()
        self._sent_ns = 0
        self._letting_go = False
        self._careful = False
        """Only the first one until it is acknowledged: a whole window sent again could take its own
        places again, and would fill a network that is slow already."""
        self._last = 0
        """The stream has at least this many messages."""
        self._missing = False
        """Something before a message that was refused has not arrived."""
        self._fetched_ns = -1
        self._last_release: Release | None = None

    @property
    def room(self) -> int:
        """Return how many more messages may be offered now."""
        return 0 if self.stopped or self.sealing else self.window - len(self.in_flight)

    @property
    def sealing(self) -> bool:
        """Return whether the stream is sealed, or a seal is on its way."""
        return self.tip.sealed or any(m.kind == Kind.SEAL for m in self.in_flight)

    @property
    def offered(self) -> Blocks:
        """Return where the journal continues after all that was offered: its next block goes out
        next."""
        if self.in_flight:
            return self.in_flight[-1].blocks
        tip = self.tip
        return Blocks.none(tip.next_block, tip.block_hash, tip.last_seq)

    def begin(self, now_ns: int) -> list[Action]:
        """The first actions."""
        return [*self.tick(now_ns), *self._release()]

    def offer(self, now_ns: int, blocks: Blocks, check: Check = NO_CHECK) -> list[Action]:
        """Publish the journal's next blocks, and what the core has come to; only if ``room``."""
        before = self.offered
        assert blocks.first_block == before.next_block, "blocks are offered in their order"
        kind = Kind.BLOCKS if blocks.next_block > blocks.first_block else Kind.CHECK
        return self._send(now_ns, kind, blocks, check, b"")

    def hand_over(self, now_ns: int, check: Check = NO_CHECK) -> list[Action]:
        """Send nothing more after this.  All blocks that there are have been offered; once
        ``tip.sealed`` says that this too is acknowledged, and every event has left, the driver
        calls :meth:`give_up`."""
        if not self.room:
            return []
        before = self.offered
        nothing = Blocks.none(before.next_block, before.block_after, before.last_seq)
        return self._send(now_ns, Kind.SEAL, nothing, check, b"")

    def give_up(self, now_ns: int) -> list[Action]:
        """Let the lease go, with nothing in flight: nothing is released from here on; this machine
        stops when the bucket has it.  After a SEAL another takes over at once; without one the
        venue is closed, and no node does before an operator orders it."""
        if self.stopped or self.in_flight or self.lease_holder.lease.given_up:
            return []
        self._letting_go = True
        return [Release(0, 0), *self.lease_holder.write(now_ns, self.tip.position, give_up=True)]

    def acknowledged(self, now_ns: int, message: Message) -> list[Action]:
        """The stream has taken it, at ``message.position``."""
        if self.stopped or not any(m.hash == message.hash for m in self.in_flight):
            return []  # of an attempt before: its place in the chain is lost
        self._acked.add(message.hash)
        return self._advance(now_ns)

    def refused(self, now_ns: int, message: Message, last: int) -> list[Action]:
        """The stream did not take it: its last message is not the one before, but ``last``."""
        if self.stopped or not any(m.hash == message.hash for m in self.in_flight):
            return []
        self._last = max(self._last, last)
        if last < message.position:
            self._missing = True
            return []
        return self._fetch(now_ns)

    def fetched(self, now_ns: int, position: int, message: Message | None) -> list[Action]:
        """Take in what the stream has at ``position``; None if nothing, or nothing whole, was
        given."""
        if self.stopped or message is None or position != self.tip.position + 1:
            return []
        self._fetched_ns = -1
        verdict = judge(self.tip, message)
        if self.in_flight and message.hash == self.in_flight[0].hash:
            self._acked.add(message.hash)
            return self._advance(now_ns)
        if verdict == Verdict.DEAD:
            return self._again(now_ns, position)
        if verdict == Verdict.LIVE:
            return self._stop(f"another node leads: message {position} is of epoch {message.epoch}")
        return self._stop(
            f"message {position} of the stream is not one that can be there "
            f"({verdict.name.lower()}): another journal's, or the stream was rewritten"
        )

    def lease_written(self, now_ns: int, lease: Lease, revision: int) -> list[Action]:
        self.lease_holder.written(lease, revision)
        return self._after_lease()

    def lease_refused(self, now_ns: int) -> list[Action]:
        return [] if self.stopped else list(self.lease_holder.refused())

    def lease_seen(self, now_ns: int, lease: Lease | None, revision: int) -> list[Action]:
        self.lease_holder.seen(now_ns, lease, revision)
        return self._after_lease()

    def tick(self, now_ns: int) -> list[Action]:
        """Time has passed: renew, ask again."""
        if self.stopped:
            return []
        actions = self.lease_holder.tick(now_ns, self.tip.position)
        waited_ns = now_ns - self._sent_ns
        again = waited_ns >= self.timing.retry_ns
        if self._missing and waited_ns >= self.timing.retry_ns // 16:
            again = True
        if self.in_flight and again:
            self._sent_ns, self._missing, self._careful = now_ns, False, True
            actions += self._publish()
        return actions

    def _send(
        self, now_ns: int, kind: Kind, blocks: Blocks, check: Check, text: bytes
    ) -> list[Action]:
        assert self.room, "the window is full"
        message = self._next(kind, blocks, check, text)
        self.in_flight.append(message)
        if len(self.in_flight) == 1:
            self._sent_ns = now_ns
        return [] if self._careful and len(self.in_flight) > 1 else [Publish(message)]

    def _publish(self) -> list[Action]:
        """Publish again what is in flight and not acknowledged; only the first while care is
        needed."""
        count = 1 if self._careful else len(self.in_flight)
        return [Publish(m) for m in islice(self.in_flight, count) if m.hash not in self._acked]

    def _next(self, kind: int, blocks: Blocks, check: Check, text: bytes) -> Message:
        """The message after those in flight."""
        tip = self.tip
        position, previous_position, previous = tip.position + 1, tip.live_position, tip.hash
        if self.in_flight:
            last = self.in_flight[-1]
            position, previous_position, previous = last.position + 1, last.position, last.hash
        return self._seal(
            Message(
                kind,
                tip.epoch,
                self.attempt,
                position,
                previous_position,
                previous,
                tip.journal_id,
                blocks,
                check,
                text,
                None,
            )
        )

    def _advance(self, now_ns: int) -> list[Action]:
        moved = False
        while self.in_flight and self.in_flight[0].hash in self._acked:
            message = self.in_flight.popleft()
            self._acked.discard(message.hash)
            self.tip = extended(self.tip, message)
            moved = True
        if not moved:
            return []
        self._sent_ns = now_ns
        if not self._careful:
            return self._release()
        self._careful = False
        return self._release() + self._publish()

    def _again(self, now_ns: int, position: int) -> list[Action]:
        """A dead message has taken the place of the first in flight: all move on by one."""
        self.tip = passed(self.tip, position)
        old, self.in_flight = self.in_flight, deque()
        self._acked.clear()
        self.attempt += 1
        for message in old:
            self.in_flight.append(
                self._next(message.kind, message.blocks, message.check, message.text)
            )
        self._sent_ns, self._careful = now_ns, True
        return self._fetch(now_ns) if self._last > position else self._publish()

    def _fetch(self, now_ns: int) -> list[Action]:
        asked_ns = self._fetched_ns
        if asked_ns >= 0 and now_ns - asked_ns < self.timing.retry_ns:
            return []
        self._fetched_ns = now_ns
        return [Fetch(self.tip.position + 1)]

    def _after_lease(self) -> list[Action]:
        if self.stopped:
            return []
        if self.lease_holder.lost:
            return self._stop(self.lease_holder.lost)
        if self.lease_holder.given_up:
            return self._stop("handed over")
        return self._release()

    def _release(self) -> list[Action]:
        release = Release(self.tip.last_seq, self.lease_holder.until_ns)
        if self.stopped or self._letting_go or release == self._last_release:
            return []
        self._last_release = release
        return [release]

    def _stop(self, reason: str) -> list[Action]:
        self.stopped = reason
        return [Release(0, 0), Stopped(reason)]
