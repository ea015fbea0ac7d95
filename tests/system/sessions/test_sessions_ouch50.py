"""OUCH 5.0 with a pipeline in processes of its own, all of which are killed.  What does not need
processes is in tests/unit/order_entry."""

from tests.support.order_entry.sessions_clients import five
from tests.support.order_entry.sessions_ouch50 import KEEP, OUCH50_PORT
from tests.support.order_entry.sessions_venue import Venue

SESSIONS = [{"name": "FIVE", "participant": 1, "protocol": OUCH50_PORT, **KEEP}]


def test_orders_and_numbers_outlive_a_kill(tmp_path):
    with Venue(SESSIONS, tmp_path / "journal", durability="durable") as venue:
        one = five(venue)
        one.enter(1)
        one.say("U", orig_user_ref=1, user_ref=2, quantity=70, price=1_000_000)
        assert [one.message()[0] for _ in range(2)] == ["A", "U"]
        venue.kill()
        for stream in (tmp_path / "journal" / "sessions").glob("*.stream"):
            stream.unlink()
        venue.start()
        again = five(venue)
        assert [again.packet()[1] for _ in one.messages] == one.messages
        again.say("X", user_ref=2, quantity=0)
        kind, gone = again.message()
        assert (kind, gone["quantity"]) == ("C", 70)
        again.close()
