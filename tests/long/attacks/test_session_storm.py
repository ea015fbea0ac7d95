"""Sessions under attack: killed in mid-traffic, and fuzzed.  `session_storm.py` and
`session_fuzz.py` are the drivers, and say what they do; the long storms are run by hand
(docs/evidence/sessions_storms.json)."""

from pathlib import Path

import pytest

from tests.support.adversary.session_storm_shared import run


@pytest.mark.promise(
    "What a session received outlives SIGKILL of the venue, of its stages, of the acceptor "
    "and of clients. Nothing acknowledged is lost or doubled, and every stream comes again "
    "byte for byte, over OUCH 4.2 and 5.0, FIX and drop copies. The test's storm detects "
    "planted faults",
    group="sessions",
)
@pytest.mark.long
def test_sessions_streams_survive_a_thousand_kills(tmp_path: Path) -> None:
    assert run("session_storm.py", tmp_path, "--kills", "1000", "--seed", "17")["kills"] == 1000


@pytest.mark.promise(
    "Bytes that are not a message end their connection, over OUCH and over FIX. None ends a "
    "process, leaks a descriptor or memory, or changes another session's answers",
    group="venue",
)
@pytest.mark.long
def test_no_port_is_hurt_by_ten_million_bytes(tmp_path: Path) -> None:
    report = run("session_fuzz.py", tmp_path, "--bytes", "10000000", "--seed", "17")
    assert min(report["bytes"].values()) >= 10_000_000
