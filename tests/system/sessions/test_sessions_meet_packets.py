"""No packet names an order of a session.  How packets and sessions trade is in tests/unit/venue."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim.packets import HEADER_BYTES, build_packets
from openoutcry.pipeline.sealed_line import SealedLine
from openoutcry.wire.enums import CommandKind, TimeInForce
from openoutcry.wire.order_ids import SESSION_ORDER_IDS
from tests.support.order_entry.sessions_venue import HASH, Client
from tests.support.processes import free_port
from tests.support.venue.served_venue import KEY, SEALED, VENUE, ServedVenue, orders

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


@pytest.mark.smoke
@pytest.mark.promise(
    "No network speaks as the exchange operator (participant 0): such records are left out "
    "and counted. One that names an order id allocated by the venue is rejected with "
    "`NOT_OWNER`",
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
