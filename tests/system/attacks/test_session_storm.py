"""Sessions under attack: killed in mid-traffic, and fuzzed.  `session_storm.py` and
`session_fuzz.py` are the drivers, and say what they do; the long storms are run by hand
(docs/evidence/sessions_storms.json)."""

import random
from pathlib import Path

import numpy as np
import pytest

from openoutcry.wire.enums import CommandKind
from openoutcry.wire.records import ORDER_DTYPE
from tests.support.adversary import session_storm
from tests.support.adversary.session_storm_shared import run

WITHOUT_LOGIN = ("packets", "retransmission", "snapshots")


@pytest.mark.promise(
    "What a session received outlives SIGKILL of the venue, of its stages, of the acceptor "
    "and of clients. Nothing acknowledged is lost or doubled, and every stream comes again "
    "byte for byte, over OUCH 4.2 and 5.0, FIX and drop copies. The test's storm detects "
    "planted faults",
    group="sessions",
)
def test_sessions_streams_survive_kills(tmp_path: Path) -> None:
    report = run("session_storm.py", tmp_path, "--kills", "5", "--seed", "3")
    assert (report["kills"], len(report["by_kind"])) == (5, 5)
    assert report["orders_acknowledged"] > 50
    assert report["streams_read_again"] > 5


@pytest.mark.promise(
    "Bytes that are not a message end their connection, over OUCH and over FIX. None ends a "
    "process, leaks a descriptor or memory, or changes another session's answers",
    group="venue",
)
def test_no_port_is_hurt_by_what_comes_in(tmp_path: Path) -> None:
    report = run("session_fuzz.py", tmp_path, "--bytes", "10000", "--seed", "4")
    assert min(report["bytes"].values()) >= 10_000
    streams = [name for name in report["logins"] if name not in WITHOUT_LOGIN]
    assert len(streams) == 7
    assert all(report["logins"][name] for name in streams)
    assert min(report["participant_orders"], report["orders_by_packet"]) > 20


@pytest.mark.smoke
@pytest.mark.promise(
    "What a session received outlives SIGKILL of the venue, of its stages, of the acceptor "
    "and of clients. Nothing acknowledged is lost or doubled, and every stream comes again "
    "byte for byte, over OUCH 4.2 and 5.0, FIX and drop copies. The test's storm detects "
    "planted faults",
    group="sessions",
)
def test_the_storm_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledged order that the journal does not have, and one that it has twice."""
    storm = session_storm.Storm(tmp_path, random.Random(1), 1)
    orders = np.zeros(3, ORDER_DTYPE)
    orders["kind"], orders["participant"], orders["qty_lots"] = CommandKind.NEW, 1, (1, 2, 3)
    monkeypatch.setattr(storm, "commands", lambda: orders)
    monkeypatch.setattr(storm, "accepted", lambda name: {2} if name == "OUCH 4.2" else set())
    storm.check()
    monkeypatch.setattr(storm, "commands", lambda: orders[::2])
    with pytest.raises(session_storm.Violation, match=r"\[2\] were acknowledged and lost"):
        storm.check()
    monkeypatch.setattr(storm, "commands", lambda: orders[[0, 1, 1]])
    with pytest.raises(session_storm.Violation, match="in the journal twice"):
        storm.check()
