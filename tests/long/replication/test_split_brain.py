"""An old primary that sleeps until another leads releases nothing when it wakes; again and again,
with real processes over a real cluster.  The figures go to
docs/evidence/replication_split_brain.json."""

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openoutcry.replica.backup import Copier, restore
from openoutcry.replica.driver import now_ns
from tests.support.replica import replica_split_brain
from tests.support.waiting import BOUND_S

WAKINGS = 100
AWAKE_S = 0.3


class Peer:
    """A node's process, and what it has said."""

    def __init__(self, folder, cluster, name):
        self.process = subprocess.Popen(
            [
                sys.executable,
                replica_split_brain.__file__,
                str(folder),
                str(cluster.folder),
                "SPLIT",
                name,
            ],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        fd = self.process.stdout.fileno()
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
        self.rows, self.rest = [], b""

    def look(self):
        fd = self.process.stdout.fileno()
        while select.select([fd], [], [], 0)[0]:
            data = os.read(fd, 1 << 20)
            if not data:
                break
            self.rest += data
            whole = len(self.rest) - len(self.rest) % replica_split_brain.ROW.size
            self.rows += replica_split_brain.ROW.iter_unpack(self.rest[:whole])
            self.rest = self.rest[whole:]
        return self.rows

    def wait(self, true, what):
        deadline = time.monotonic() + BOUND_S
        while not true():
            assert self.process.poll() is None, what
            assert time.monotonic() < deadline, what
            time.sleep(0.005)

    def is_in(self, state):
        """What it said last of its own state."""
        return next((row[0] for row in reversed(self.look()) if row[0] < 0), 0) == state

    def releases(self, since):
        return any(row[0] > 0 for row in self.look()[since:])


def wakings(folder, cluster, count):
    """Returns the figures."""
    peers = [Peer(folder / "a", cluster, "first")]
    after, gaps_s = [], []
    try:
        peers[0].wait(lambda: peers[0].releases(0), "the first does not lead")
        peers.append(Peer(folder / "b", cluster, "second"))
        for _ in range(count):
            old, new = peers
            new.wait(
                lambda new=new: new.is_in(replica_split_brain.FOLLOWS), "the second does not follow"
            )
            time.sleep(AWAKE_S)
            since = len(new.look())
            old.process.send_signal(signal.SIGSTOP)
            stopped_ns = now_ns()
            new.wait(lambda new=new, since=since: new.releases(since), "nobody takes over")
            gaps_s.append((now_ns() - stopped_ns) / 1e9)
            woken_ns = now_ns()
            seen = len(old.look())
            old.process.send_signal(signal.SIGCONT)
            old.wait(
                lambda old=old: old.is_in(replica_split_brain.FOLLOWS), "the old primary continues"
            )
            # What it had found releasable before it was stopped is the new primary's as well.
            after += [row for row in old.look()[seen:] if row[0] > 0 and row[1] >= woken_ns]
            peers.reverse()
        for peer in peers:
            peer.process.kill()
            peer.process.wait()
        copier = Copier(cluster.access, "SPLIT", folder / "copy")
        copier.copy()
        copier.close()
        restore(folder / "copy", folder / "restored")
        ids = replica_split_brain.ids_of(folder / "restored")
        released = [row for peer in peers for row in peer.look() if row[0] > 0]
        other = sum(int(ids[row[0] - 1]) != row[3] for row in released if row[0] <= len(ids))
        return {
            "wakings": count,
            "released_by_woken": len(after),
            "released": len(released),
            "released_and_not_in_the_stream": sum(row[0] > len(ids) for row in released),
            "released_as_another_order": other,
            "released_twice": len(released) - len({row[0] for row in released}),
            "takeover_s_median": sorted(gaps_s)[len(gaps_s) // 2],
            "takeover_s_longest": max(gaps_s),
            "lease_ms": replica_split_brain.TIMING.lease_ns // 1_000_000,
        }
    finally:
        for peer in peers:
            peer.process.kill()
            peer.process.wait()
            peer.process.stdout.close()


def judge(figures):
    for what in (
        "released_by_woken",
        "released_and_not_in_the_stream",
        "released_as_another_order",
        "released_twice",
    ):
        assert figures[what] == 0, figures
    assert figures["released"] > 10 * figures["wakings"]


@pytest.mark.long
def test_a_hundred_old_primaries_wake_and_release_nothing(tmp_path: Path, cluster):
    from openoutcry.report.evidence import write_evidence

    figures = wakings(tmp_path, cluster, WAKINGS)
    judge(figures)
    command = "make test-long ARGS=tests/long/replication/test_split_brain.py"
    write_evidence("replication_split_brain", figures, command)
