"""The client of a session over shared memory, when the venue's queue of logins is full."""

import os
import socket
import threading
from pathlib import Path

import pytest

from openoutcry.client import ClientError
from openoutcry.client.shm import ShmClient
from tests.support.waiting import BOUND_S, wait_until


def sleeps(thread):
    """Whether a thread of this process waits in the kernel."""
    return Path(f"/proc/self/task/{thread}/stat").read_text().rpartition(") ")[2][0] == "S"


@pytest.fixture
def full(tmp_path):
    """A socket whose queue is full, and those that are in it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(tmp_path / "s"))
    listener.listen(0)
    queued = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    queued.connect(str(tmp_path / "s"))
    yield tmp_path / "s", listener
    for one in (queued, listener):
        one.close()


def test_room_in_a_full_queue_is_waited_for(full):
    path, listener = full
    client = ShmClient.__new__(ShmClient)
    lines, ids = [], []

    def dial():
        ids.append(threading.get_native_id())
        lines.append(client._dialled(path, BOUND_S))

    thread = threading.Thread(target=dial)
    thread.start()
    wait_until(lambda: ids and sleeps(ids[0]), "it waits in the kernel")
    assert not lines
    with listener.accept()[0], listener.accept()[0]:
        thread.join()
        os.close(lines.pop().detach())


def test_a_queue_that_stays_full_is_said_in_words(full):
    path, _ = full
    client = ShmClient.__new__(ShmClient)
    with pytest.raises(ClientError, match="queue of logins was full"):
        client._dialled(path, 0.001)


def test_a_path_without_a_venue_is_said_at_once(tmp_path):
    client = ShmClient.__new__(ShmClient)
    with pytest.raises(ClientError, match="No such file"):
        client._dialled(tmp_path / "none", 30.0)
