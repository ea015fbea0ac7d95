"""host/processes.py: a forked process ends as its function does, and never outlives its parent."""

import os
import signal
import time

import pytest

from openoutcry.host.processes import (
    STOP_SIGNALS,
    PeerError,
    fork,
    fork_reporting,
    handling,
    outcome,
    run_processes,
)
from openoutcry.wire import OutcryError
from tests.support.waiting import BOUND_S


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fail() -> int:
    raise ValueError("a bad day")


@pytest.mark.parametrize(("function", "status"), [(lambda: None, 0), (lambda: 7, 7), (fail, 1)])
def test_the_status_is_the_functions(function, status):
    assert ended(fork(function)) == status


def test_an_exception_is_printed(capfd):
    """Nobody has to guess why a child ended with 1."""
    assert ended(fork(fail)) == 1
    assert "ValueError: a bad day" in capfd.readouterr().err


def test_a_child_is_killed_with_its_parent():
    """The grandchild writes who it is and sleeps; its parent is killed, and its pidfd says the
    grandchild's end."""
    reading, writing = os.pipe()

    def child() -> None:
        def grandchild() -> None:
            os.write(writing, str(os.getpid()).encode())
            time.sleep(600)

        os.waitpid(fork(grandchild), 0)

    parent = fork(child)
    grandchild = int(os.read(reading, 20))
    pidfd = os.pidfd_open(grandchild)
    os.kill(parent, signal.SIGKILL)
    assert ended(parent) == -signal.SIGKILL
    deadline = time.monotonic() + BOUND_S
    while True:
        try:
            signal.pidfd_send_signal(pidfd, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for fd in (reading, writing, pidfd):
        os.close(fd)


def test_signals_that_the_parent_answers_are_ignored_from_the_first_moment():
    """The child sends them to itself as its first act, and its parent's handlers do not run."""
    came = []

    def child() -> int:
        for number in STOP_SIGNALS:
            os.kill(os.getpid(), number)
        return len(came)

    with handling(lambda number, _: came.append(number), *STOP_SIGNALS):
        assert ended(fork(child, STOP_SIGNALS)) == 0
    assert came == []


@pytest.mark.parametrize(
    ("function", "document", "status"),
    [
        (lambda: {"a": 1}, {"a": 1}, 0),
        (lambda: {}["x"], "KeyError: 'x'", 1),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), {}, -signal.SIGKILL),
    ],
    ids=["returns", "fails", "is killed"],
)
def test_an_outcome_is_the_document_the_error_or_nothing(function, document, status):
    pid, fd = fork_reporting(function)
    assert ended(pid) == status
    reported = outcome(fd)
    os.close(fd)
    assert document in reported["error"] if isinstance(document, str) else reported == document


def test_an_error_of_ours_is_its_sentence_without_a_trace():
    def refuse():
        raise OutcryError("the disk is full")

    pid, fd = fork_reporting(refuse)
    ended(pid)
    assert outcome(fd) == {"error": "the disk is full"}
    os.close(fd)


def test_several_processes_give_their_results_in_order_and_one_that_fails_ends_all():
    assert run_processes("sum", [(None, lambda: 1), (None, lambda: [2, "b"])]) == [1, [2, "b"]]
    with pytest.raises(PeerError, match=r"(?s)sum: .*a bad day"):
        run_processes("sum", [(None, fail), (None, lambda: time.sleep(600))])
