"""Lists of orders over FIX, by QuickFIX, an engine that others wrote, on a real socket with a
pipeline in processes of its own."""

import time

from openoutcry.client.fix import utc_text
from openoutcry.order_entry.spec import Protocol
from tests.support.documents.fix_dictionary import FILE
from tests.support.order_entry.fix_quickfix import quickfix_client
from tests.support.order_entry.sessions_clients import connect
from tests.support.order_entry.sessions_venue import PASSWORD, Venue
from tests.support.waiting import BOUND_S

SESSIONS = [
    {"name": name, "participant": number, "protocol": int(Protocol.FIX44)}
    for number, name in enumerate(("FIRM", "OTHER"), 1)
]


def wait_for(client, lists, reports):
    """Wait for so many ListStatus and ExecutionReports in all."""
    end = time.monotonic() + BOUND_S
    while (len(client.lists), len(client.reports)) < (lists, reports):
        assert client.faults == []
        assert time.monotonic() < end, (client.lists, client.reports)
        time.sleep(0.01)


def order(place, name, side, **more):
    fields = {11: name, 67: str(place), 55: "ACME", 54: side, 38: "5"}
    return fields | {int(tag[1:]): value for tag, value in more.items()}


def enter(client, name, contingency, *orders):
    head = {66: name, 394: "3", 1385: contingency, 68: str(len(orders))}
    client.send(head, "E", [(73, 11, orders)])


def statuses(client):
    """ListStatusType and ListOrderStatus of each ListStatus."""
    fields = (dict(part.split("=") for part in text.split("\x01")[:-1]) for text in client.lists)
    return [(one["66"], one["429"], one["431"]) for one in fields]


def test_quickfix_enters_a_bracket_and_lists_are_cancelled_and_asked_for(tmp_path):
    """Its fields come in the order of their numbers: some of the list come after its orders."""
    with Venue(SESSIONS, tmp_path / "journal") as venue:
        settings = {"password": PASSWORD, "dictionary": FILE, "more": "ResetOnLogon=Y\n"}
        port = venue.ports["FIX44"]
        with (
            quickfix_client(tmp_path, port, target="OUTCRY", **settings) as firm,
            connect(venue, "OTHER", prefix="X") as other,
        ):
            legs = (
                order(1, "IN", "1", t40="2", t44="1.00"),
                order(2, "OUT", "2", t40="2", t44="1.10"),
                order(3, "S", "2", t40="3", t99="0.90"),
            )
            enter(firm, "B", "100", *legs)
            wait_for(firm, 1, 4)
            other.sell("ACME", 5, "1.00")
            wait_for(firm, 1, 6)
            other.buy("ACME", 5, "1.10")
            wait_for(firm, 2, 8)
            assert firm.reports[-2:] == [("OUT", "2", "5"), ("S", "4", "5")]
            legs = (
                order(1, "A", "2", t40="2", t44="1.10"),
                order(2, "B2", "2", t40="3", t99="0.90"),
            )
            enter(firm, "O", "1", *legs)
            wait_for(firm, 3, 11)
            firm.send({66: "O"}, "M")
            wait_for(firm, 4, 11)
            firm.send({66: "O", 60: utc_text()}, "K")
            wait_for(firm, 5, 13)
            enter(firm, "O", "1", *legs)
            wait_for(firm, 6, 13)
            assert statuses(firm) == [
                ("B", "4", "3"),
                ("B", "5", "6"),
                ("O", "4", "3"),
                ("O", "2", "3"),
                ("O", "5", "6"),
                ("O", "2", "7"),
            ]
            assert firm.faults == []
