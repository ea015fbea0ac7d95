"""Orders of packets and orders of sessions are in the same books, in a venue in one thread: a
session that trades with one, or sweeps one of its own participant's away, receives what concerns
its own orders and nothing else, before and after a restart.  The test's lane takes the place of the
packets' port."""

import pytest

from openoutcry.wire.enums import Side, TimeInForce
from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import SEALED, VENUE, orders

SECOND = '[[participant]]\nnumber = 2\nname = "two"\n'
PACKETS = SEALED.format(port=9)
SESSIONS = "".join(
    f"""
[[port]]
protocol = "{protocol}"
address = "127.0.0.1:{number}"
[[session]]
name = "{name}"
protocol = "{protocol}"
participant = {number}
password = "{HASH}"
cancel_on_disconnect = "{lost}"
timeout_ms = 600_000
"""
    for protocol, name, number, lost in (
        ("ouch-4.2", "FOUR", 2, "none"),
        ("ouch-5.0", "FIVE", 1, "all"),
    )
)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> InlineFloor:
    folder = tmp_path_factory.mktemp("packets")
    return InlineFloor(folder, VENUE + SECOND + PACKETS + SESSIONS)


@pytest.mark.promise(
    "An order from packets that trades with a session's order, or is removed by a "
    "session's mass cancel, ends no process",
    group="sessions",
)
def test_sessions_trade_with_orders_of_packets_and_sweep_them_away(floor: InlineFloor) -> None:
    offers = orders(1, 3, TimeInForce.GTC, 100)
    offers["side"] = Side.SELL
    floor.publish(offers)
    four = floor.client("FOUR")
    four.enter("buys", shares=7, symbol="GOLD", price=10_000)
    five = floor.five("FIVE")
    assert (four.answer[0], five.answer[0]) == ("A", "A")
    assert [four.message()[0] for _ in range(2)] == ["A", "E"]
    five.enter(1, "S", 2, 50_000, symbol="GOLD")
    assert five.message()[0] == "A"
    # What is lost is a session, not the line of its participant's packets.
    five.close()
    five = floor.five("FIVE")
    assert [five.message()[0] for _ in range(2)] == ["A", "C"]
    four.enter("again", shares=1, symbol="GOLD", price=10_100, time_in_force=0)
    assert [four.message()[0] for _ in range(2)] == ["A", "E"]
    five.say("C", user_ref=2, firm="FIRM", symbol="GOLD")
    assert five.message()[0] == "X"
    five.enter(3, "S", 2, 10_000, symbol="GOLD")
    assert [five.message()[0] for _ in range(2)] == ["A", "E"]
    assert four.message()[0] == "E"
    # Nothing is left of what came by packets.
    four.enter("more", shares=1, symbol="GOLD", price=20_000, time_in_force=0)
    assert [four.message()[0] for _ in range(2)] == ["A", "C"]
    four.close()
    five.close()
    floor.again()
    for before, again in (
        (four, floor.client("FOUR")),
        (five, floor.five("FIVE")),
    ):
        assert [again.packet()[1] for _ in before.messages] == before.messages
        again.close()
    floor.close()
