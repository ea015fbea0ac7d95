"""What the tests of fix clients in several tiers share."""

import time

import pytest

from openoutcry.order_entry import session as block
from tests.oracles.fix_acceptor import Acceptor, Connection, Server
from tests.oracles.order_entry import fix as reference
from tests.support.order_entry.fix_quickfix import quickfix_client
from tests.support.order_entry.fix_venue import Acknowledger, CuttingProxy, venue_session
from tests.support.waiting import wait_until


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Every kernel compiled: a client's own patience with a logon is ten seconds."""
    acceptor = Acceptor({("VENUE", "FIRM"): venue_session()}, Acknowledger())
    now_ns = time.monotonic_ns()
    connection, head = Connection(acceptor, now_ns), [(49, "FIRM"), (56, "VENUE")]
    sent = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
    order = [(11, "W1"), (55, "GOLD"), (54, "1"), (38, "5"), (40, "2"), (44, "1.25"), (60, sent)]
    bodies = [("A", [(98, "0"), (108, "30")]), ("D", order), ("2", [(7, "1"), (16, "0")])]
    answer = b""
    for number, (kind, fields) in enumerate(bodies, start=1):
        fields = [(35, kind), (34, str(number)), *head, (52, sent), *fields]
        answer += connection.receive(reference.message(fields), now_ns)
    kinds = [dict(reference.split(one))[b"35"] for one in answer.split(b"8=FIX.4.4\x01")[1:]]
    assert kinds == [b"A", b"8", b"4", b"8"], "a gap for the logon, and the report again"


def trade_through_cuts(tmp_path, count, cuts):
    """Orders sent by QuickFIX, in order, through a proxy that cuts; returns what each side saw."""
    one, application = venue_session(), Acknowledger()
    acceptor = Acceptor({("VENUE", "FIRM"): one}, application)
    with Server(acceptor) as server, CuttingProxy(server.port, cuts) as proxy:
        with quickfix_client(tmp_path, proxy.listen_port) as client:
            for number in range(count):
                client.send(
                    {
                        11: f"C{number}",
                        55: "GOLD",
                        54: "1",
                        38: str(number + 1),
                        40: "2",
                        44: "12.34",
                        60: "20260105-09:30:00.000",
                        21: "1",
                    }
                )
            wait_until(lambda: len(client.reports) >= count, "all reports have come")
            wait_until(
                lambda: client.numbers() == (one[block.OUT_SEQ], one[block.IN_SEQ]),
                "sequence numbers agree",
            )
        assert proxy.done == len(cuts)
    return application.orders, client


def check_trade(tmp_path, count, cuts):
    orders, client = trade_through_cuts(tmp_path, count, cuts)
    names = [f"C{number}" for number in range(count)]
    assert orders == names, "what the acceptor took"
    assert [name for name, _, _ in client.reports] == names, "what the client was told"
    assert {status for _, status, _ in client.reports} == {"0"}
    assert [int(qty) for _, _, qty in client.reports] == list(range(1, count + 1))
    assert client.faults == []
