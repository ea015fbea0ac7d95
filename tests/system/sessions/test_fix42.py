"""FIX 4.2 with a pipeline in processes of its own: what is told is 4.2 to QuickFIX's engine.  What
does not need processes is in tests/unit/order_entry."""

import pytest

from openoutcry.client.fix import utc_text
from openoutcry.order_entry.spec import Protocol
from tests.support.order_entry.fix_quickfix import quickfix_client
from tests.support.order_entry.sessions_venue import PASSWORD, Venue
from tests.support.waiting import wait_until

SESSIONS = [{"name": "ENGINE", "participant": 3, "protocol": int(Protocol.FIX42)}]


@pytest.mark.long
def test_quickfix_trades_over_4_2(tmp_path):
    with Venue(SESSIONS, tmp_path / "journal") as venue:
        trade(venue, tmp_path)


def trade(venue, tmp_path):
    client = quickfix_client(
        tmp_path, venue.ports["FIX42"], "ENGINE", "OUTCRY", PASSWORD, version="4.2"
    )
    with client as engine:
        for number in range(20):
            engine.send(
                {
                    11: f"C{number}",
                    55: "ACME",
                    54: "1",
                    38: str(number + 1),
                    40: "2",
                    44: "12.34",
                    59: "3",
                    60: utc_text(),
                    21: "1",
                }
            )
        wait_until(lambda: len(engine.reports) >= 40, "all reports have come")
        assert engine.faults == []
        names = [f"C{number}" for number in range(20)]
        for status in "04":
            assert [name for name, was, _ in engine.reports if was == status] == names
