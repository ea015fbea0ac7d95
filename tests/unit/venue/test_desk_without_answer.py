"""A venue that dies while it is asked: the caller learns that the request is to be asked again, as
it may be done, and never takes that for a refusal."""

import socket
from threading import Thread
from types import SimpleNamespace

import pytest

from openoutcry.custody.venue import VenueDesk, VenueError
from openoutcry.venue import desk
from openoutcry.venue.desk import NAME, UNAVAILABLE, DeskError, ask
from openoutcry.venue.desk_queue import DeskQueue


def dies(listener, has_read, sends):
    """Take one request and close, as the kernel does for a killed process."""
    connection, _ = listener.accept()
    if has_read:
        connection.recv(1 << 16)
    connection.sendall(sends)
    connection.close()


@pytest.mark.parametrize(
    ("has_read", "sends"),
    [(True, b""), (False, b""), (True, b'{"done": [')],
    ids=["read", "unread", "half an answer"],
)
def test_a_venue_that_dies_unanswered_has_not_refused(tmp_path, has_read, sends):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / NAME))
        listener.listen()
        for asks in range(2):
            thread = Thread(target=dies, args=(listener, has_read, sends))
            thread.start()
            if asks:
                with pytest.raises(VenueError) as failed:
                    VenueDesk(tmp_path).step("deposit-credit", "d 1")
                assert failed.value.is_passing
            else:
                with pytest.raises(DeskError, match="without an answer") as caught:
                    ask(tmp_path, {"do": "status"})
                assert caught.value.code == UNAVAILABLE
            thread.join()


def test_a_desk_with_too_many_requests_has_not_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(desk, "ANSWER_S", 0.01)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waits:
        listener.bind(str(tmp_path / NAME))
        listener.listen(0)
        waits.connect(str(tmp_path / NAME))
        with pytest.raises(DeskError, match="too many requests") as caught:
            ask(tmp_path, {"do": "status"})
        assert caught.value.code == UNAVAILABLE


def test_between_two_days_nothing_is_refused_that_may_be_asked_again(tmp_path):
    queue = DeskQueue(SimpleNamespace(journal=tmp_path))
    with pytest.raises(DeskError, match="between two trading days") as closed:
        queue.work_of({"do": "withdrawal-request", "reference": "wd 1"})
    assert closed.value.code == UNAVAILABLE
