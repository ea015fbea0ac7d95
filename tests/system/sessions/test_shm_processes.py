"""Participants over shared memory as processes of their own: killed in mid-write, stopped, dead
while a child of theirs lives; the venue's processes killed under them; and the client in C."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from openoutcry import PACKAGE
from openoutcry.client.shm import ShmClient
from openoutcry.order_entry.shm_layout import End, Reply
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import Reason, Side
from tests.support.order_entry.sessions_venue import KEY, Venue
from tests.support.order_entry.shm_storms import hostile, kills, row
from tests.support.pipeline import warm_outcry
from tests.support.waiting import BOUND_S, wait_until

SHM = int(Protocol.SHM)
C = PACKAGE / "client" / "c"
COMPILERS = {
    "c11": ["cc", "-std=c11"],
    "c++17": ["c++", "-std=c++17", "-x", "c++"],
}
CHILD = """
import os, sys, time
from openoutcry.client.shm import ShmClient
from openoutcry.wire.enums import Side
client = ShmClient(sys.argv[1], "ONE", bytes.fromhex(sys.argv[2]), first_reply=1)
client.enter(1, Side.BUY, "ACME", 1, 10_000)
assert client.next(900).id == 1
if not os.fork():
    print(os.getppid(), os.getpid(), flush=True)
    while True:
        time.sleep(60)  # it holds the socket, and both segments
while True:
    client.next(60)
"""


@pytest.mark.promise(
    "A session over shared memory is for processes of its user and group that know its key. "
    "It continues by number after the death of either side, and ends by name, harming no "
    "other, for what is written against the rules",
    group="venue",
)
@pytest.mark.parametrize("over_tcp", [False, True])
def test_participants_and_the_sessions_process_are_killed_and_no_order_is_lost_or_doubled(
    tmp_path, over_tcp
):
    kills(tmp_path, participants=5, stages=2, venues=1, over_tcp=over_tcp)


def test_hostile_writes_of_a_process_leave_the_others_session_as_it_is(tmp_path):
    report = hostile(tmp_path, writes=20_000, seed=5)
    # How often depends on how far the writes come before the venue looks.
    assert set(report["ends"]) - {"NONE"}, "no hostile write ended the session"


def test_a_dead_participants_orders_go_although_a_child_of_its_lives(tmp_path):
    path = str(tmp_path / "shm.socket")
    with Venue([row("ONE", 1), row("TWO", 2)], durability="none", shm=path) as venue:
        process = warm_outcry.Process(
            [sys.executable, "-c", CHILD, path, KEY.hex()], stdout=subprocess.PIPE, text=True
        )
        participant, child = map(int, process.stdout.readline().split())
        try:
            other = ShmClient(path, "TWO", KEY)
            os.kill(participant, signal.SIGKILL)
            process.wait()
            again = wait_until(lambda: logged_in(path, "ONE"), "the venue knows that it is dead")
            told = [again.next(BOUND_S) for _ in range(2)]
            assert [(m.kind, m.id) for m in told] == [(Reply.ACCEPTED, 1), (Reply.CANCELED, 1)]
            assert told[1].reason == Reason.DISCONNECTED
            other.enter(1, Side.SELL, "ACME", 1, 10_000)
            assert other.next(BOUND_S).kind == Reply.ACCEPTED
            other.logout()
            again.logout()
        finally:
            os.kill(child, signal.SIGKILL)
            process.stdout.close()
        assert venue.stop()["result"]["lost"] == 0


def logged_in(path, name):
    from openoutcry.client import ClientError

    try:
        return ShmClient(path, name, KEY, first_reply=1)
    except ClientError:
        return None


def test_a_stopped_participant_is_silent_and_delays_no_other(tmp_path):
    path = str(tmp_path / "shm.socket")
    # Long enough for a participant that has no core for a while before it is stopped.
    rows = [row("ONE", 1, timeout_ms=5_000), row("TWO", 2)]
    with Venue(rows, durability="none", shm=path) as venue:
        process = warm_outcry.Process(
            [sys.executable, "-c", CHILD, path, KEY.hex()], stdout=subprocess.PIPE, text=True
        )
        participant, child = map(int, process.stdout.readline().split())
        try:
            os.kill(participant, signal.SIGSTOP)
            with ShmClient(path, "TWO", KEY) as other:
                for number in range(1, 200):
                    other.enter(number, Side.SELL, "ACME", 1, 20_000)
                    assert other.next(BOUND_S).kind == Reply.ACCEPTED
            with wait_until(lambda: logged_in(path, "ONE"), "the silent session has ended") as one:
                told = [one.next(BOUND_S) for _ in range(2)]
                assert [m.kind for m in told[:1]] == [Reply.ACCEPTED]
        finally:
            for pid in (participant, child):
                os.kill(pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
        venue.stop()


@pytest.mark.smoke
@pytest.mark.parametrize("language", list(COMPILERS))
def test_the_example_in_c_trades_with_a_venue(tmp_path, language):
    compiler = COMPILERS[language]
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    program = tmp_path / "example"
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"]
    subprocess.run(
        [*compiler, *warnings, str(C / "example.c"), "-o", str(program)],
        check=True,
        timeout=BOUND_S,
    )
    path = str(tmp_path / "shm.socket")
    with Venue([row("ONE", 1)], durability="none", shm=path) as venue:
        done = subprocess.run(
            [str(program), path, "ONE", KEY.hex(), "ACME"],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
        )
        assert (done.returncode, done.stderr) == (0, "")
        # On a busy machine there are heartbeats among the requests.
        told = "\n".join(done.stdout.splitlines()[1:])
        assert re.sub(r" request=\d+", "", told).splitlines() == [
            "1 A id=1 leaves=100 reason=0",
            "2 N id=order-b",
            "3 U id=0 leaves=60 reason=0",
            "4 N id=order-b",
            "5 C id=0 leaves=0 reason=11",
        ]
        entered, replaced, cancelled = map(int, re.findall(r" request=(\d+)", told))
        assert 1 <= entered < replaced - 1 < cancelled - 2, "a name is a slot of its own"
        wrong = subprocess.run(
            [str(program), path, "ONE", "00" * 32, "ACME"],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
        )
        assert (wrong.returncode, wrong.stderr) == (1, "login failed: -4\n")
        with wait_until(
            lambda: logged_in(path, "ONE"), "the program's session has ended"
        ) as client:
            assert client.taken_before == cancelled, "the last that became a command"
            told = [client.next(BOUND_S) for _ in range(3)]
            assert [(message.kind, message.id, message.orig_id) for message in told] == [
                (Reply.ACCEPTED, 1, 0),
                (Reply.REPLACED, "order-b", 1),
                (Reply.CANCELED, "order-b", 0),
            ]
            assert client.end == End.NONE
        venue.stop()
