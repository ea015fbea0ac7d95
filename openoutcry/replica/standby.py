"""The standby: reads the chain, applies it, compares its core with the primary's, may take over.

Invariants, each of which the simulator breaks once to see that it is needed:

- Only what extends the chain is applied, and each block once.
- It leads only after its own epoch message is stored in the stream, right after all that it has
  applied. An older primary's message after that place is void.
- It asks for the lease only when the lease that it has seen is over by its own clock, or given
  up. And it must have read as far as that lease's holder had acknowledgements.
- A core that differs from the primary's never leads.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from openoutcry.replica.actions import (
    Action,
    Apply,
    Cut,
    Fetch,
    Lease,
    Promoted,
    Publish,
    ReadLease,
    Stopped,
    Timing,
    node_of,
)
from openoutcry.replica.chain import Tip, Verdict, extended, judge, passed
from openoutcry.replica.lease_holder import LeaseHolder
from openoutcry.replica.message import NO_CHECK, NO_STATE, Blocks, Check, Kind, Message, Seal

SEALED_LOOKS = 32
"""So much more often than else the lease is looked for after a SEAL."""
MAX_CHECKS = 4096
"""This node's, until the primary's come."""


class Role(IntEnum):
    """Role of a standby."""

    FOLLOWING = 1
    CLAIMING = 2
    """It has asked for the lease."""
    FENCING = 3
    """It has the lease, and its epoch message is on its way."""
    LEADING = 4
    STOPPED = 5


class Standby:
    """Follows from ``tip`` on.  ``electable``: may lead; ``patience_ns`` more than others'."""

    def __init__(
        self,
        holder: str,
        tip: Tip,
        timing: Timing,
        seal: Seal,
        journal_id: int = 0,
        *,
        electable: bool = True,
        patience_ns: int = 0,
        trusted: int = 0,
    ) -> None:
        """The node's journal is ``journal_id``; 0 if it has none yet.  Checks of messages up to the
        position ``trusted`` are not compared.  An operator has found which core was wrong, and what
        that core published stays in the stream."""
        self.holder = holder
        self.tip = tip if tip.journal_id else tip._replace(journal_id=journal_id)
        self.applied_tip = self.tip
        self.timing = timing
        self.electable = electable
        self.patience_ns = patience_ns
        self.trusted = trusted
        self.role = Role.FOLLOWING
        self.reason = ""
        self.must_lead = False
        """To lead without waiting for the lease's end."""
        self.verified_seq = 0
        """Up to here both cores came to the same."""
        self.verified_checks = self.verified_states = 0
        """How many comparisons were made, and how many of them of the whole state."""
        self.times_ns: dict[str, int] = {}
        """When it asked for the lease that it has, had it, and led."""
        self.lease_holder: LeaseHolder | None = None
        self.flaw = ""
        """Fault of the last message that could not be read; the next whole message removes it."""
        self._known = 0
        """The stream has at least this many messages."""
        self._began_at = 0
        """How many it had when this standby began."""
        self.tail_checked = True
        """False: another node has led, and the journal may have blocks that are not in the chain.
        No tip is noted then: a start after that epoch would not know of it."""
        self._seal = seal
        self._lease: Lease | None = None
        self._revision = 0
        self._seen_ns = -1
        self._read_due_ns = 0
        self._fetched_ns = -1
        self._epoch_message: Message | None = None
        self._epoch_sent_ns = 0
        self._own: dict[int, Check] = {}
        self._theirs: list[Check] = []

    @property
    def lag_blocks(self) -> int:
        """Blocks seen and not yet applied."""
        return self.tip.next_block - self.applied_tip.next_block

    def begin(self, now_ns: int, last: int) -> list[Action]:
        """The first actions; the stream has ``last`` messages.  Up to there the journal may have
        blocks of later messages than the one that is read: it was read before."""
        self._began_at = last
        return [ReadLease(), Fetch(self.tip.position + 1)]

    def message(self, now_ns: int, message: Message) -> list[Action]:
        """A message of the stream, from a subscription or a Fetch, in any order."""
        if self.role >= Role.LEADING:
            return []
        verdict = judge(self.tip, message)
        if verdict == Verdict.OLD:
            return []
        self._known = max(self._known, message.position)
        if verdict == Verdict.AHEAD:
            return self._fetch(now_ns)
        self._fetched_ns, self.flaw = -1, ""
        if verdict == Verdict.DEAD:
            behind = self.tip.position == self.applied_tip.position
            self.tip = passed(self.tip, message.position)
            if behind:
                self.applied_tip = self.tip
            return self._cut_tail() + self._fence(now_ns) + self._read_on(now_ns)
        if verdict != Verdict.LIVE:
            return self.stop(
                f"message {message.position} of the stream does not belong there "
                f"({verdict.name.lower()}): another journal's, or the stream was rewritten"
            )
        mine = self._epoch_message
        if message.kind == Kind.EPOCH and (mine is None or mine.hash != message.hash):
            self._withdraw()
        leader = message.text.decode(errors="replace")
        if message.kind == Kind.EPOCH and leader != self.holder:
            self.tail_checked = node_of(leader) == node_of(self.holder)
        self.tip = extended(self.tip, message)
        # After a SEAL the lease is given up in a moment: looked for at once, and often.
        if message.kind == Kind.SEAL:
            self._read_due_ns = now_ns
        return [*self._cut_tail(), Apply(message), *self._read_on(now_ns)]

    def fetched(self, now_ns: int, position: int, message: Message | None) -> list[Action]:
        """Take in what the stream has at ``position``; None if nothing, or nothing whole, was
        given."""
        return [] if message is None else self.message(now_ns, message)

    def missing(self, now_ns: int, position: int, why: str) -> list[Action]:
        """The subscription's message at ``position`` could not be used (``unpack`` raised).  It is
        requested again; until it is whole, this standby does not continue and does not lead."""
        self.flaw = why
        self._known = max(self._known, position)
        return self._fetch(now_ns)

    def applied(self, now_ns: int, message: Message, checks: Sequence[Check]) -> list[Action]:
        """The blocks are in the local journal, durable, and in the core, which came to ``checks``
        at the ends of its blocks."""
        if self.role >= Role.LEADING:
            return []
        assert message.position > self.applied_tip.position, "messages are applied in their order"
        self.applied_tip = extended(self.applied_tip, message)._replace(
            position=self.tip.position if message.hash == self.tip.hash else message.position
        )
        for check in checks:
            self._own[check.seq] = check
        if message.check != NO_CHECK and message.position > self.trusted:
            self._theirs.append(message.check)
        if different := self._compare():
            return self.stop(different)
        if self._epoch_message is not None and message.hash == self._epoch_message.hash:
            return self._lead(now_ns)
        return self._fence(now_ns)

    def told_by_block(self, position: int, check: Check) -> None:
        """Take in the check of the primary's core from the header of a journal block, before the
        message at ``position`` that has it is ``applied``."""
        if check.seq and position > self.trusted:
            self._theirs.append(check)

    def lease_seen(self, now_ns: int, lease: Lease | None, revision: int) -> list[Action]:
        """Take in what the bucket holds, or held a while ago."""
        if self.lease_holder is not None:
            self.lease_holder.seen(now_ns, lease, revision)
            if self.lease_holder.lost:
                self._withdraw()
            elif self.role == Role.CLAIMING and self.lease_holder.until_ns:
                return self._has_lease(now_ns)
        if self._seen_ns < 0 or revision > self._revision:
            self._seen_ns, self._lease, self._revision = now_ns, lease, revision
            self._known = max(self._known, lease.position if lease is not None else 0)
        return self._claim(now_ns) + self._read_on(now_ns)

    def lease_written(self, now_ns: int, lease: Lease, revision: int) -> list[Action]:
        if self.lease_holder is None or not self.lease_holder.written(lease, revision):
            return []
        return self._has_lease(now_ns) if self.role == Role.CLAIMING else []

    def lease_refused(self, now_ns: int) -> list[Action]:
        return [ReadLease()] if self.lease_holder is not None else []

    def acknowledged(self, now_ns: int, message: Message) -> list[Action]:
        """The stream has taken the epoch message: it is the next one of the chain."""
        return self.message(now_ns, message)

    def refused(self, now_ns: int, message: Message, last: int) -> list[Action]:
        """Note that another message, or an earlier attempt of this one, is in its place: continue
        to read."""
        self._known = max(self._known, last)
        return self._read_on(now_ns)

    def promote(self, now_ns: int) -> list[Action]:
        """An operator orders it to lead, even if another holds the lease."""
        self.must_lead = True
        return self._claim(now_ns)

    def tick(self, now_ns: int) -> list[Action]:
        """Time has passed: look for the lease, ask again."""
        if self.role >= Role.LEADING:
            return []
        actions: list[Action] = []
        if now_ns >= self._read_due_ns:
            hurry = SEALED_LOOKS if self.tip.sealed else 1
            self._read_due_ns = now_ns + self.timing.look_ns // hurry
            actions += [ReadLease()]
        if self.lease_holder is not None:
            if self.lease_holder.until_ns and now_ns >= self.lease_holder.until_ns:
                self._withdraw()
            else:
                actions += self.lease_holder.tick(now_ns, self.tip.position)
        actions += self._read_on(now_ns)
        if self.role == Role.FENCING and now_ns - self._epoch_sent_ns >= self.timing.retry_ns:
            self._epoch_sent_ns = now_ns
            if self._epoch_message is not None:
                actions += [Publish(self._epoch_message)]
        return actions + self._claim(now_ns)

    def stop(self, reason: str) -> list[Action]:
        """Never lead: this node's state is not to be trusted."""
        self.role, self.reason = Role.STOPPED, reason
        return [Stopped(reason)]

    def _read_on(self, now_ns: int) -> list[Action]:
        """Ask for the next message, if it is known to be there."""
        return self._fetch(now_ns) if self._known > self.tip.position else []

    def _cut_tail(self) -> list[Action]:
        """Cut off what the journal has beyond the chain's end, once that end is known."""
        if self.tail_checked or self.tip.position < self._began_at:
            return []
        self.tail_checked = True
        return [Cut(self.tip.next_block)]

    def _fetch(self, now_ns: int) -> list[Action]:
        if self._fetched_ns >= 0 and now_ns - self._fetched_ns < self.timing.retry_ns:
            return []
        self._fetched_ns = now_ns
        return [Fetch(self.tip.position + 1)]

    def _free(self, now_ns: int) -> bool:
        """Return whether the lease may be asked for."""
        lease = self._lease
        if self._seen_ns < 0 or (lease is not None and lease.position > self.tip.position):
            return False
        if self.must_lead or (lease is None and not self.tip.epoch):
            return True
        if lease is not None and lease.given_up:
            # Without a SEAL the venue was closed in order: no node takes it over by itself.
            return self.tip.sealed and now_ns - self._seen_ns >= self.patience_ns
        waited_ns = now_ns - self._seen_ns
        return waited_ns >= self.timing.lease_ns + self.timing.margin_ns + self.patience_ns

    def _claim(self, now_ns: int) -> list[Action]:
        if self.role != Role.FOLLOWING or not self.electable or not self._free(now_ns):
            return []
        if self.applied_tip.position != self.tip.position:
            return []
        before = self._lease.epoch if self._lease is not None else 0
        lease = Lease(self.holder, max(before, self.tip.epoch) + 1, 0)
        self.lease_holder = LeaseHolder(lease, self._revision, self.timing)
        self.role = Role.CLAIMING
        self.times_ns = {"claimed": now_ns}
        return self.lease_holder.write(now_ns, self.tip.position)

    def _has_lease(self, now_ns: int) -> list[Action]:
        self.role = Role.FENCING
        self.times_ns["leased"] = now_ns
        return self._fence(now_ns)

    def _fence(self, now_ns: int) -> list[Action]:
        """Publish the epoch message after all that is applied, if it is not on its way."""
        if self.role != Role.FENCING or self.applied_tip.position != self.tip.position:
            return []
        assert self.lease_holder is not None, "who fences has the lease"
        tip, mine = self.tip, self._epoch_message
        if mine is not None and mine.position == tip.position + 1:
            return []
        nothing = Blocks.none(tip.next_block, tip.block_hash, tip.last_seq)
        message = self._epoch_message = self._seal(
            Message(
                Kind.EPOCH,
                self.lease_holder.lease.epoch,
                0,
                tip.position + 1,
                tip.live_position,
                tip.hash,
                tip.journal_id,
                nothing,
                self._newest(),
                self.holder.encode(),
                None,
            )
        )
        self._epoch_sent_ns = now_ns
        return [Publish(message)]

    def _newest(self) -> Check:
        """Return the result of this core at its end: a follower compares from the first
        message on."""
        return self._own.get(self.tip.last_seq, NO_CHECK)

    def _lead(self, now_ns: int) -> list[Action]:
        assert self.lease_holder is not None, "who fences has the lease"
        assert self.tip.epoch == self.lease_holder.lease.epoch, "the chain has its epoch"
        self.role = Role.LEADING
        self.times_ns["led"] = now_ns
        return [Promoted(self.tip.epoch)]

    def _withdraw(self) -> None:
        """The lease is another's, or was not had in time."""
        self.role, self.lease_holder, self._epoch_message = Role.FOLLOWING, None, None
        self._seen_ns, self.must_lead = -1, False

    def _compare(self) -> str:
        """Return in words where the cores differ; empty if they do not."""
        theirs, self._theirs = self._theirs, []
        for check in sorted(theirs):
            seq, own = check.seq, self._own.get(check.seq)
            if seq > self.applied_tip.last_seq:
                self._theirs.append(check)
            elif own is not None:
                if (wrong := _difference(own, check)) != "":
                    return (
                        f"after command {seq} the {wrong} of this core is not the primary's; they "
                        f"were the same after command {self.verified_seq}"
                    )
                self.verified_seq = max(self.verified_seq, seq)
                self.verified_states += NO_STATE not in (own.state_hash, check.state_hash)
                self.verified_checks += 1
        if self.verified_checks:
            done = self.verified_seq
            self._own = {at: check for at, check in self._own.items() if at >= done}
        while len(self._own) > MAX_CHECKS:
            del self._own[min(self._own)]
        return ""


def _difference(own: Check, theirs: Check) -> str:
    if NO_STATE not in (own.state_hash, theirs.state_hash) and own.state_hash != theirs.state_hash:
        return "state"
    if 0 not in (own.events_hash, theirs.events_hash) and own.events_hash != theirs.events_hash:
        return "event hash"
    return ""


def status(standby: Standby) -> dict[str, Any]:
    """Return a standby's status, for pages and JSON."""
    tip = standby.applied_tip
    return {
        "holder": standby.holder,
        "role": standby.role.name.lower(),
        "reason": standby.reason,
        "epoch": tip.epoch,
        "position": tip.position,
        "last_block": tip.next_block - 1,
        "last_seq": tip.last_seq,
        "lag_blocks": standby.lag_blocks,
        "verified_seq": standby.verified_seq,
        "verified_checks": standby.verified_checks,
        "verified_states": standby.verified_states,
    }
