"""Participants trade over OUCH 4.2 on real sockets with a pipeline in processes of its own.
What does not need processes is in tests/unit/order_entry."""

from tests.support.order_entry.sessions_venue import Venue

SESSIONS = [{"name": "ONE", "participant": 1}, {"name": "TWO", "participant": 2}]


def test_two_participants_log_in_over_tcp_and_trade(tmp_path):
    with Venue(SESSIONS, tmp_path / "journal") as venue:
        assert venue.client("ONE", password="wrong").answer == ("J", b"A")
        one, two = venue.client("ONE"), venue.client("two")
        one.enter("a1", "B", 100)
        assert one.message()[1]["token"] == "a1".ljust(14)
        two.enter("b1", "S", 40)
        assert [two.message()[0] for _ in range(2)] == ["A", "E"]
        assert one.message()[1]["shares"] == 40
        one.close()
        again = venue.client("ONE")
        assert [again.packet()[1] for _ in one.messages] == one.messages
        for client in (again, two):
            client.close()
        report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert report["replay"]["equal"] is True
