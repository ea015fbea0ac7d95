"""The replicas as a stage: publishes the journal's blocks, and says up to where a majority of the
replicas has them, and until when that holds.

It reads the segments that the journal's stage writes, up to the word that gives the end.  No ring
waits for it, and what it publishes is already on this machine's disk.
"""

import os
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any

from openoutcry.replica.access import access_of
from openoutcry.replica.actions import Timing, holder_of
from openoutcry.replica.place import HAND_OVER_FILE
from openoutcry.replica.publisher import Publisher
from openoutcry.replica.state_check import read_state
from openoutcry.ring.kernels import release
from openoutcry.runtime.histogram import record_spans
from openoutcry.runtime.prefork import Replication
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.work import PipelineError, Work
from openoutcry.wire.layout import SharedWord, Words

NAME = "replica"
LOOK_S = 0.05
"""Blocks without commands are looked for this often."""
TURN_S = 0.004
"""With nothing to send and no answer to wait for, the protocol's clocks are checked this often."""
ANSWER_S = 200e-6
"""An answer is waited for this long at a time: it wakes this stage.  (Looking for it again and
again took 40 % of a core at 200 orders a second.)"""
GIVE_UP_S = 2.0
"""For the cluster to take the lease back; after that it runs out."""
LEAVE_S = 10.0
"""A run that was asked to stop waits this long for a quorum that does not answer."""


class ReplicaStage:
    """Publishes the journal of a run."""

    def __init__(self, shared: Shared, publisher: Publisher) -> None:
        self.shared = shared
        self.publisher = publisher
        self.index = shared.table.index[NAME]
        self.before = shared.table.index["journal"]
        self.gate = shared.table.index[shared.table.gate.name]
        self.histogram = shared.histogram(NAME).ctypes.data
        self.finished = False
        self._read_seq = -1
        self._look_s = 0.0
        self._turn_s = 0.0
        self._leave_s = 0.0
        self._all_said = False
        """All that there is is replicated, and the gate knows."""
        self._recorded = max(publisher.safe_seq, shared.control.block.resumed_seq)
        self._say()

    def step(self) -> int:
        """Read, publish, take acknowledgements; returns how many messages that were."""
        control, publisher = self.shared.control, self.publisher
        now_ns = time.monotonic_ns()
        control.stage(self.index).heartbeat_ns = now_ns
        done = control.stage(self.before).done
        written, now_s = control.block.written_seq, now_ns / 1e9
        if written == self._read_seq and publisher.idle and not done and now_s < self._turn_s:
            return 0
        self._turn_s = now_s + TURN_S
        # A look opens a file and reads a header: at every step, while blocks wait for answers, it
        # took most of this stage's time.
        if written != self._read_seq or now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            publisher.read()
            self._say_published()
            if publisher.read_all:
                self._read_seq = written
        answers = written == self._read_seq and len(publisher.machine.in_flight) > 0
        moved = publisher.turn(ANSWER_S if answers else 0.0, read_state(control))
        self._say()
        if publisher.stopped:
            raise PipelineError(
                f"no longer the primary of {publisher.venue}: {publisher.stopped}; nothing after "
                f"command {publisher.safe_seq:,} was released"
            )
        if done and not self.finished:
            self._end(done - 1, now_s)
        return moved

    def outcome(self) -> dict[str, Any]:
        """Leave the cluster, hand the lead over if that was asked for, and report the state at the
        end."""
        publisher = self.publisher
        hand_over_file = publisher.journal / HAND_OVER_FILE
        hand_over = hand_over_file.exists()
        handed_over = publisher.leave(hand_over, GIVE_UP_S)
        hand_over_file.unlink(missing_ok=True)
        if hand_over:
            _say_aloud(
                "handed over" if handed_over else "not handed over: the cluster did not answer"
            )
        document = {NAME: publisher.status()}
        publisher.close()
        return document

    def _end(self, last_seq: int, now_s: float) -> None:
        publisher, control = self.publisher, self.shared.control
        if self._all_said:
            # The lease is kept until the gate has let out the last event.
            self.finished = control.stage(self.gate).done > 0
            return
        if publisher.idle and publisher.safe_seq >= last_seq and not publisher.read():
            self._say()
            release(
                SharedWord.of(control.stage(self.index).address_of("done")),
                last_seq + 1,
            )
            self._all_said = True
            return
        # No stage waits for a quorum without end: what is not replicated was not released.
        self._leave_s = self._leave_s or now_s + LEAVE_S
        if publisher.driver.trouble or publisher.cut_off:
            if now_s > self._leave_s:
                raise PipelineError(
                    f"stopped without a quorum: commands {publisher.safe_seq + 1:,} to "
                    f"{last_seq:,} are in the journal and not replicated, and nothing of them was "
                    "released; the next start publishes them"
                )
        else:
            self._leave_s = now_s + LEAVE_S

    def _say_published(self) -> None:
        """Report what was published to observers; nothing waits for it."""
        sent = self.publisher.machine.offered
        self.shared.control.stage(self.index).published_seq = sent.last_seq
        self.shared.control.stage(self.index).published_block = sent.next_block - 1

    def _say(self) -> None:
        """Publish how far the replicas are, and until when that counts."""
        control, publisher = self.shared.control, self.publisher
        until = control.stage(self.index).address_of("safe_until_ns")
        release(SharedWord.of(until), publisher.until_ns)
        safe = min(publisher.safe_seq, control.block.written_seq)
        release(SharedWord.of(control.stage(self.index).address_of("safe_seq")), safe)
        control.stage(self.index).lag_bytes = publisher.unacknowledged_bytes
        count = safe - self._recorded
        if count > 0:
            now_ns = time.monotonic_ns()
            stamps, mask = self.shared.stamp_address("sequenced"), self.shared.geometry.stamps - 1
            record_spans(
                Words.of(self.histogram),
                Words.of(stamps),
                Words.of(0),
                mask,
                self._recorded + 1,
                count,
                now_ns,
            )
            self._recorded = safe


def make_publisher(journal: Path, replication: Replication) -> Publisher:
    """The publisher of a journal that this process holds."""
    return Publisher(
        journal,
        access_of(replication.nats),
        replication.venue,
        holder_at(journal),
        timing=timing_of(replication),
        say=_say_aloud,
    )


def holder_at(journal: Path) -> str:
    """Return the name of this process for leases: a node is a journal on a host."""
    return holder_of(f"{socket.gethostname()}:{journal.resolve()}", secrets.token_hex(8))


def timing_of(replication: Replication) -> Timing:
    """Return how long things are waited for, by the lease's length."""
    lease_ns = replication.lease_ms * 1_000_000
    return Timing(lease_ns, lease_ns // 6, min(lease_ns // 6, 500_000_000), lease_ns // 15)


def _say_aloud(text: str) -> None:
    print(f"outcry: replication: {text}", file=sys.stderr, flush=True)


def make_stage(work: Work) -> ReplicaStage:
    """The replicas as a stage of this process: leads before it is ready."""
    assert work.journal is not None
    assert work.replication is not None
    publisher = make_publisher(work.journal, work.replication)
    parent = os.getppid()

    def alive() -> None:
        if os.getppid() != parent:
            os._exit(1)

    lead = work.replication.lead
    restarts = work.shared.control.stage(work.table.index[NAME]).restarts
    if lead is not None and not restarts:
        publisher.go_on(*lead)
    else:
        publisher.begin(alive=alive)
    return ReplicaStage(work.shared, publisher)
