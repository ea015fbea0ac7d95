"""The client of a session over shared memory, when the venue's queue of logins is full."""

import socket

import pytest

from openoutcry.client import ClientError
from openoutcry.client.shm import MAX_DIAL_NAP_S, ShmClient


class Patient(ShmClient):
    """Dials alone; what it waits is noted, and time may bring room."""

    def __init__(self, path, listener, room_after):
        self.naps, self.listener, self.room_after = [], listener, room_after
        self.taken = []
        self.line = self._dialled(path, 30.0)

    def _wait(self, nap_s):
        self.naps.append(nap_s)
        if len(self.naps) == self.room_after:
            self.taken.append(self.listener.accept()[0])


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


def test_a_full_queue_is_waited_for_less_and_less_often(full):
    path, listener = full
    client = Patient(path, listener, 20)
    assert len(client.naps) == 20
    assert client.naps == sorted(client.naps)
    assert client.naps[-1] == MAX_DIAL_NAP_S
    for one in (client.line, *client.taken):
        one.close()


def test_a_queue_that_stays_full_is_said_in_words(full):
    path, _ = full
    client = ShmClient.__new__(ShmClient)
    with pytest.raises(ClientError, match="queue of logins was full"):
        client._dialled(path, 0.001)


def test_a_path_without_a_venue_is_said_at_once(tmp_path):
    client = ShmClient.__new__(ShmClient)
    with pytest.raises(ClientError, match="No such file"):
        client._dialled(tmp_path / "none", 30.0)
