"""A hot standby: the stream into its own journal and through its core, compared all the while.

It owns the journal (``local_journal.py``), the core (``journal/core.py``) and the connection
(``driver.py``).  When it may lead, and what it must have read and fenced before, is the machine's
(``standby.py``).
"""

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.journal import JournalReader
from openoutcry.journal.block import HEADER_BYTES as BLOCK_HEADER_BYTES
from openoutcry.journal.block import Block, BlockId, digest, unpack_header
from openoutcry.journal.checkpoint import save
from openoutcry.journal.core import Core
from openoutcry.journal.event_hash import START
from openoutcry.journal.events import STEP, Point, commands_of, events_of, starting_point
from openoutcry.replica.access import Access
from openoutcry.replica.actions import Action, Apply, Cut, Promoted, Stopped, Timing
from openoutcry.replica.chain import Tip
from openoutcry.replica.driver import Driver, now_ns
from openoutcry.replica.jetstream import JetStream
from openoutcry.replica.lease_holder import LeaseHolder
from openoutcry.replica.link import connect
from openoutcry.replica.local import plan
from openoutcry.replica.local_journal import LocalJournal
from openoutcry.replica.message import MASK, NO_STATE, Check, Message, sealed, split
from openoutcry.replica.place import read_place, write_place
from openoutcry.replica.primary import WINDOW, Primary
from openoutcry.replica.standby import Role, Standby, status
from openoutcry.wire.errors import ReplicaError, Unreachable

STATUS_FILE = "standby.json"
STATUS_S = 0.25
PLACE_S = 1.0
AGAIN_S = 0.5
TURN_S = 0.02
HURRY_S = 0.002
"""After a SEAL the lease is free in a moment."""
STARTER_NONCE = 1_000_000
STARTING_S = 60.0
"""A venue that has not begun by then lets its lease run out."""
STATE_SHARE = 5
"""At most one fifth of the time is spent on hashing states that were not asked for yet."""


class Lead(NamedTuple):
    """State that a promoted standby hands on: where the chain ends, and its lease."""

    tip: Tip
    lease_holder: LeaseHolder


def keep_lease(access: Access, venue: str, lead: Lead) -> None:
    """Renew the lease while the venue starts, in a separate process.

    It ends when the venue's publisher, which continues with the same lease, has written it, or when
    another node has it."""
    lease = lead.lease_holder.lease
    # Not to be taken for the publisher's own writes, whose answers it counts its time from.
    lease = lease._replace(nonce=lease.nonce + STARTER_NONCE)
    lease_holder = LeaseHolder(lease, lead.lease_holder.revision, lead.lease_holder.timing)
    machine = Primary(lead.tip, lease_holder, sealed)
    driver = Driver(access, venue, machine)
    deadline_s = time.monotonic() + STARTING_S
    driver.act(machine.begin(now_ns()))
    while time.monotonic() < deadline_s and not machine.stopped and not lease_holder.superseded:
        driver.turn(TURN_S)
    driver.close()


class HotStandby:
    """One standby of one venue, whose journal is in ``journal``."""

    def __init__(
        self,
        journal: Path,
        access: Access,
        venue: str,
        holder: str,
        timing: Timing,
        *,
        patience_ns: int = 0,
        trusted: int = 0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.venue = venue
        self.say = say
        self.local = LocalJournal(journal)
        if self.local.flaw:
            say(
                f"{self.local.flaw}; it was not known to be durable, as after a power cut: what "
                "follows is cut off and read from the stream again"
            )
        tip = self._known_tip(journal)
        self.machine = Standby(
            holder,
            tip,
            timing,
            sealed,
            self.local.journal_id,
            electable=False,
            patience_ns=patience_ns,
            trusted=trusted,
        )
        self.driver = Driver(access, venue, self.machine)
        self.point: Point | None = None
        self.applied_blocks = self.max_lag_blocks = 0
        self._in_core = 0
        self._check_seqs: set[int] = set()
        """Commands after which the primary has published its state's hash."""
        self._rebuild()
        self._follows = self._closed = False
        self.prepared = False
        """A run waits for it to lead; the run's preparation says so."""
        self.cuts = 0
        """How often the end of the journal was cut off: what was made of it before is void."""
        self._state_free_s = 0.0
        self._status_due_s = self._place_due_s = 0.0
        self._flaw = ""

    @property
    def is_level(self) -> bool:
        """The core has finished a command and has every block that was seen, and there are not many
        more."""
        point = self.point
        level = self.machine.applied_tip.next_block == self.local.next_block
        near = self.driver.behind <= WINDOW
        return (
            point is not None and point.seq > 0 and level and near and not self.machine.lag_blocks
        )

    def follow(self, stop: Callable[[], bool], must_lead: Callable[[], bool]) -> Lead | None:
        """Follow until this node leads, and return its lead; or until ``stop`` is true, and return
        None (it may be called again).  With ``must_lead`` it leads without waiting for the lease's
        end.

        Raises :class:`ReplicaError` when it must not continue: its core differs from the primary's,
        the stream is another journal's or was rewritten.
        """
        rest: list[Action] = []
        if not self._follows:
            last: int | None = None
            while not stop() and (last := self._stream_end()) is None:
                time.sleep(AGAIN_S)
            self.driver.subscribe()
            rest = self.driver.act(self.machine.begin(now_ns(), last or 0))
            self._follows = True
        while not stop():
            self._carry_out(rest)
            if self.machine.role == Role.LEADING:
                lease_holder = self.machine.lease_holder
                assert lease_holder is not None, "who leads has the lease"
                return Lead(self.machine.tip, lease_holder)
            # A venue that has never begun is begun by its primary.
            self.machine.electable = self.machine.tip.next_block > 0
            rest = self.driver.act(self.machine.promote(now_ns())) if must_lead() else []
            rest += self.driver.turn(HURRY_S if self.machine.tip.sealed else TURN_S)
            self._note()
        self._carry_out(rest)
        return None

    def _stream_end(self) -> int | None:
        """The last message of the stream, which is made if it is not there; None while the cluster
        does not answer.

        Raises :class:`ReplicaError` for a stream of another make, and for one that was wiped.
        """
        try:
            jetstream = JetStream(connect(self.driver.access), self.venue)
            try:
                jetstream.open()
                last = jetstream.tail_reaching(self.machine.tip.position).last
            finally:
                jetstream.link.close()
        except Unreachable as error:
            self._tell(str(error))
            return None
        if last < self.machine.tip.position:
            raise ReplicaError(
                f"{self.venue}: the stream ends at message {last}, and {self.local.directory} is "
                f"of one that had {self.machine.tip.position}: it was wiped, or is another's"
            )
        return last

    def close(self, checkpoint: bool = False, keep_lock: bool = False) -> None:
        """Let go of everything; with ``keep_lock`` of all but the journal's lock.  With a
        ``checkpoint`` a later run need not run the core over the journal again."""
        if self._closed:
            return
        self._closed = True
        self.driver.close()
        self._keep_place()
        self.local.close(keep_lock)
        if checkpoint:
            self.save_checkpoint()
        self.write_status("leading" if self.machine.role == Role.LEADING else "stopped")

    def save_checkpoint(self) -> None:
        """Write the core at the journal's end next to the journal."""
        point = self.point
        if point is not None and point.block is not None:
            save(self.local.directory, self.local.journal_id, point)

    def _carry_out(self, rest: list[Action]) -> None:
        while rest:
            if messages := _to_apply(rest):
                rest = rest[len(messages) :] + self.driver.act(self._apply(messages))
                continue
            action, *rest = rest
            if isinstance(action, Cut):
                self._cut(action.next_block)
            elif isinstance(action, Stopped):
                self.write_status("stopped")
                raise ReplicaError(f"{self.venue}: {action.reason}")
            else:
                assert isinstance(action, Promoted), action

    def _cut(self, at: int) -> None:
        """Blocks from there on go, if there are any."""
        count = self.local.next_block - at
        if count > 0:
            self.say(f"{count} blocks from {at} on that no quorum had are cut off this journal")
            self.local.cut(at)
            self.cuts += 1
            self._rebuild()

    def _apply(self, messages: list[Message]) -> list[Action]:
        """Write all that has come to the journal, durable by one sync, then run it through the
        core.

        With a sync each, a busy disk took longer over what was read at once than a server waits."""
        self.max_lag_blocks = max(self.max_lag_blocks, self.machine.lag_blocks)
        blocks = [split(message.blocks) for message in messages]
        local = self.local
        for message, parts in zip(messages, blocks, strict=True):
            hashes = [digest(part) for part in parts]
            todo = plan(local.next_block, local.hash_of, message, hashes)
            if todo.cut_at is not None:
                self._cut(todo.cut_at)
            for part in parts[todo.skip :]:
                local.append(part)
        local.sync()
        actions: list[Action] = []
        for message, parts in zip(messages, blocks, strict=True):
            actions += self._run_message(message, parts)
        return actions

    def _run_message(self, message: Message, parts: list[memoryview]) -> list[Action]:
        checks: list[Check] = []
        if message.check.state_hash != NO_STATE:
            self._check_seqs.add(message.check.seq)
        for part in parts:
            checks += self._run(part, message)
        if self.point is not None and self.point.seq <= message.blocks.last_seq:
            # Else it has run over a tail that may be cut off: no check of another's commands.
            checks.append(self._check(self._wants_state(message)))
        self.applied_blocks += len(parts)
        return self.machine.applied(now_ns(), message, [check for check in checks if check.seq])

    def _wants_state(self, message: Message) -> bool:
        """A state's hash costs what has changed since the last; not so much that we fall behind."""
        if message.check.seq or not len(message.blocks.data):
            return True
        return time.monotonic() >= self._state_free_s

    def _run(self, part: memoryview, message: Message) -> list[Check]:
        """Run the core over a block that it has not seen; its checks at the block's end, and where
        the primary took one."""
        header = unpack_header(part[:BLOCK_HEADER_BYTES])
        self.machine.told_by_block(message.position, Check(header.events_seq, header.events_hash))
        if header.block_index < self._in_core:
            return []
        if self.point is None:
            assert self.local.config is not None, "the first block is the configuration"
            self.point = Point(Core.of(self.local.config).fresh(), START)
        self._in_core = header.block_index + 1
        block, name = Block(0, header, part), BlockId(header.block_index, digest(part))
        commands, checks, at = commands_of(block), [], 0
        while at < len(commands):
            check_seq = min(self._check_seqs, default=0)
            until = check_seq - (header.first_seq + at) + 1
            size = min(STEP, len(commands) - at)
            size = min(size, until) if until > 0 else size
            self.point.feed(commands[at : at + size], block, name)
            at += size
            if self.point.seq == check_seq:
                checks.append(self._check(with_state=True))
            self._check_seqs = {seq for seq in self._check_seqs if seq > self.point.seq}
        checks.append(self._check(with_state=False))
        return checks

    def _check(self, with_state: bool) -> Check:
        point = self.point
        if point is None or not point.seq:
            return Check()
        state = NO_STATE
        if with_state:
            started_s = time.monotonic()
            state = bytes.fromhex(point.engine.state_hash())
            now_s = time.monotonic()
            self._state_free_s = now_s + STATE_SHARE * (now_s - started_s)
        return Check(point.seq, point.chain & MASK, state)

    def _rebuild(self) -> None:
        """The core at the end of this journal."""
        self.point, self._in_core = None, self.local.next_block
        if not self.local.next_block:
            return
        reader = JournalReader(self.local.directory)
        self.point = starting_point(reader)
        for _ in events_of(reader, self.point, from_seq=self.point.seq + 1):
            pass

    def _known_tip(self, journal: Path) -> Tip:
        """Return where the chain was when this journal was let go, if it still ends so or
        continues."""
        tip = read_place(journal, self.local.journal_id)
        block = tip.next_block - 1
        held = self.local.first_block <= block < self.local.next_block
        return tip if held and self.local.hash_of(block) == tip.block_hash else Tip()

    def _note(self) -> None:
        """Report changes.  Write the status a few times a second, and the place now and then, so
        that a restarted standby continues there."""
        self._tell(self.machine.flaw or self.driver.trouble)
        if time.monotonic() >= self._status_due_s:
            self._status_due_s = time.monotonic() + STATUS_S
            self.write_status(self.machine.role.name.lower())
        if time.monotonic() >= self._place_due_s:
            self._place_due_s = time.monotonic() + PLACE_S
            self._keep_place()

    def _keep_place(self) -> None:
        machine = self.machine
        if self.local.next_block and machine.applied_tip.journal_id and machine.tail_checked:
            write_place(self.local.directory, machine.applied_tip)

    def _tell(self, flaw: str) -> None:
        if flaw != self._flaw:
            self.say(flaw or "the stream can be read again")
            self._flaw = flaw

    def status(self) -> dict[str, Any]:
        """Return the status for JSON and pages."""
        point = self.point
        return status(self.machine) | {
            "venue": self.venue,
            "commands": point.seq if point else 0,
            "state_hash": point.engine.state_hash() if point else "",
            "event_hash": f"{point.chain & MASK:016x}" if point else "",
            "max_lag_blocks": self.max_lag_blocks,
            "lag_messages": self.driver.behind,
            "prepared": self.prepared,
            "trouble": self._flaw,
        }

    def write_status(self, state: str, **more: Any) -> None:
        """Write this node's state next to the journal."""
        document = self.status() | {"role": state, "pid": os.getpid()} | more
        path = self.local.directory / STATUS_FILE
        new = path.with_suffix(".new")
        with contextlib.suppress(OSError):
            new.write_text(json.dumps(document))
            new.replace(path)


def _to_apply(actions: list[Action]) -> list[Message]:
    """The messages of those first actions that are to be applied."""
    messages = []
    for action in actions:
        if not isinstance(action, Apply):
            break
        messages.append(action.message)
    return messages
