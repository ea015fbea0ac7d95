"""How long the supervisor waits between two samples, and what ends that earlier."""

import select
import socket
from types import SimpleNamespace

from openoutcry.pipeline.progress import QUIET_SAMPLE_S, SAMPLE_S, Watcher
from openoutcry.pipeline.supervisor import Supervisor
from openoutcry.venue.desk import MAX_CLIENTS, Desk


def test_a_request_ends_the_wait_of_a_quiet_time_and_the_next_one_is_short():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        asked = []

        def descriptors():
            asked.append(1)
            return [ours.fileno()]

        waiting = SimpleNamespace(
            poll=select.poll(),
            children={},
            watcher=Watcher(descriptors=descriptors),
            _measuring=lambda: False,
        )
        theirs.send(b"-")
        assert Supervisor._wait(waiting, QUIET_SAMPLE_S) == ([], True)
        assert Supervisor._wait(waiting, SAMPLE_S) == ([], False)
        assert len(asked) == 1, "a request that nothing comes of does not keep the supervisor awake"


def test_a_desk_names_what_it_waits_for(tmp_path):
    desk = Desk(tmp_path, lambda request: None)
    try:
        assert desk.descriptors() == [desk.listener.fileno()]
        ours, theirs = socket.socketpair()
        with ours, theirs:
            silent = SimpleNamespace(connection=ours, work=None)
            working = SimpleNamespace(connection=theirs, work=1)
            desk.clients = [silent, working]
            assert desk.descriptors() == [ours.fileno(), desk.listener.fileno()]
            desk.clients = [working] * MAX_CLIENTS
            assert desk.descriptors() == []
        desk.clients = []
    finally:
        desk.close()
