"""What a participant's own connection leaves in the trail: his name of the order, and whence he
came."""

from openoutcry.surveillance.audit.build import build, folder_of
from openoutcry.surveillance.audit.trail import Trail
from tests.support.order_entry.sessions_venue import Client, Venue

SESSIONS = [{"name": "ONE", "participant": 1}, {"name": "TWO", "participant": 2}]


def test_an_order_over_a_session_has_its_token_and_its_source_address(tmp_path):
    home = tmp_path / "journal"
    with Venue(SESSIONS, home, topology="inline") as venue:
        one = Client(venue.port, "ONE", source="127.0.0.7")
        two = Client(venue.port, "TWO")
        ports = {"ONE": one.socket.getsockname(), "TWO": two.socket.getsockname()}
        one.enter("mine", "B", 100)
        assert one.message()[0] == "A"
        two.enter("his", "S", 40)
        assert [two.message()[0] for _ in range(2)] == ["A", "E"]
        assert one.message()[0] == "E"
        one.replace("mine", "again", 90, 1_010_000)
        assert one.message()[0] == "U"
        one.close()
        two.close()
    build(home)
    trail = Trail(folder_of(home))
    rows = trail.participant(1).to_pylist()
    assert [row["action"] for row in rows][:4] == ["LOGIN", "NEW", "TRADE", "REPLACE"]
    host, port = ports["ONE"]
    assert {row["source_address"] for row in rows[:4]} == {f"{host}:{port}"}
    assert host == "127.0.0.7"
    assert {row["session"] for row in rows} == {"ONE"}
    assert [row["client_order_id"] for row in rows[1:4]] == ["mine", "mine", "again"]
    assert rows[1]["latency_ns"] > 0
    theirs = trail.participant(2).to_pylist()
    new = next(row for row in theirs if row["action"] == "NEW")
    assert (new["client_order_id"], new["session"]) == ("his", "TWO")
    assert new["source_address"] == "{}:{}".format(*ports["TWO"])
