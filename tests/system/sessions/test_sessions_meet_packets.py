"""Orders that came by packets stand in the same books as those of sessions: a session that trades
with one, or sweeps one of its own participant's away, is told of its own orders and of nothing
else, before and after everything was killed."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim.packets import HEADER_BYTES, build_packets
from openoutcry.pipeline.sealed_line import SealedLine
from openoutcry.pipeline.send import send_by_line
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.order_ids import SESSION_ORDER_IDS
from tests.support.order_entry.sessions_clients import Client50
from tests.support.order_entry.sessions_venue import HASH, Client
from tests.support.processes import free_port
from tests.support.venue.served_venue import KEY, SEALED, VENUE, ServedVenue, orders
from tests.support.waiting import BOUND_S

SESSION = """
[[port]]
protocol = "{protocol}"
address = "127.0.0.1:{port}"
[[session]]
name = "{name}"
protocol = "{protocol}"
participant = {participant}
password = "{password}"
cancel_on_disconnect = "{lost}"
timeout_ms = 600_000
"""
SECOND = '[[participant]]\nnumber = 2\nname = "two"\n'


def rest(venue: ServedVenue, first_id: int, price: int, epoch: int) -> None:
    """Three offers of 5 by packets, of participant 1, at 1.00 and the next ticks."""
    offers = orders(first_id, 3, TimeInForce.GTC, price)
    offers["side"] = Side.SELL
    with SealedLine(("127.0.0.1", venue.port), bytes.fromhex(KEY), epoch) as line:
        done = send_by_line([offers], line, rate=2_000, sender_id=1, timeout_s=BOUND_S)
    assert (done["acknowledged"], done["bad_replies"]) == (3, 0)


@pytest.mark.promise(
    "An order that came by packets and meets a session's, or is swept away by one's "
    "mass cancel, ends no process",
    group="sessions",
)
def test_sessions_trade_with_orders_of_packets_and_sweep_them_away(tmp_path: Path) -> None:
    ports = {"ouch-4.2": free_port(), "ouch-5.0": free_port()}
    text = "".join(
        SESSION.format(protocol=name, port=ports[name], password=HASH, **of_session)
        for name, of_session in {
            "ouch-4.2": {"name": "FOUR", "participant": 2, "lost": "none"},
            "ouch-5.0": {"name": "FIVE", "participant": 1, "lost": "all"},
        }.items()
    )
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", SEALED + text, VENUE + SECOND)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    rest(venue, 1, 100, epoch=5)
    four = Client(ports["ouch-4.2"], "FOUR")
    four.enter("buys", shares=7, symbol="GOLD", price=10_000)
    five = Client50(ports["ouch-5.0"], "FIVE", wait_s=BOUND_S)
    assert (four.answer[0], five.answer[0]) == ("A", "A")
    assert [four.message()[0] for _ in range(2)] == ["A", "E"]
    five.enter(1, "S", 2, 50_000, symbol="GOLD")
    assert five.message()[0] == "A"
    # What is lost is a session, not the line of its participant's packets.
    five.close()
    five = Client50(ports["ouch-5.0"], "FIVE", wait_s=BOUND_S)
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
    venue.kill()
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    for before, again in (
        (four, Client(ports["ouch-4.2"], "FOUR", wait_s=BOUND_S)),
        (five, Client50(ports["ouch-5.0"], "FIVE", wait_s=BOUND_S)),
    ):
        assert [again.packet()[1] for _ in before.messages] == before.messages
        again.close()
    last = venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"], last["restarts"]) == (0, 0, [])


@pytest.mark.smoke
@pytest.mark.promise(
    "No packet names an order id that the venue allocates (wire/order_ids.py): it is "
    "refused by `NOT_OWNER`, and a session's order is found only by events of its own"
    " participant",
    group="network",
)
def test_a_packet_cannot_name_a_sessions_order(tmp_path: Path) -> None:
    """Every command of an authenticated sender that names ids of a session's orders, given out
    and next, is refused by NOT_OWNER, and the session receives what concerns its own orders."""
    port = free_port()
    text = SESSION.format(
        protocol="ouch-4.2", port=port, password=HASH, name="FOUR", participant=2, lost="none"
    )
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", SEALED + text, VENUE + SECOND)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    four = Client(port, "FOUR")
    four.enter("first", shares=7, symbol="GOLD", price=10_000)
    assert four.message()[0] == "A"
    forged = orders(1, 8, TimeInForce.GTC, 90)
    forged["order_id"] = SESSION_ORDER_IDS + np.arange(1, 9)
    forged["kind"][[0, 6]] = CommandKind.CANCEL, CommandKind.REDUCE
    with SealedLine(("127.0.0.1", venue.port), bytes.fromhex(KEY), 5) as line:
        line.connect()
        for data in build_packets(forged, 1, 1, 0):
            line.send(data[:HEADER_BYTES], memoryview(data)[HEADER_BYTES:])
        while line.datagrams == 0:  # the refusals
            line.wait(1)
            with suppress(BlockingIOError):
                line.take()
    for name in ("second", "third"):
        four.enter(name, shares=1, symbol="GOLD", price=9_000)
        accepted = four.message()
        assert (accepted[0], accepted[1]["token"].strip()) == ("A", name)
    four.close()
    last = venue.stop()["last_run"]
    assert (last["lost"], last["duplicated"], last["restarts"]) == (0, 0, [])
