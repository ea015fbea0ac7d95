"""The venue dies while an order of the portal waits in its memory: the client is told that nothing
was sent where that is known, and the order's name is free."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.portal.portal_venue import PortalVenue
from tests.support.replica.replica_cluster import thread_states
from tests.support.waiting import wait_until

USD = 10**6
UNSENT = {"code": -1001, "msg": "Internal error; the venue did not take the request"}
UNKNOWN = -1007


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    with PortalVenue(tmp_path_factory.mktemp("broker"), 8) as venue:
        yield venue


def stopped(pids):
    """The processes have stopped, all their threads."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        wait_until(lambda pid=pid: thread_states(pid) == {"T"}, f"{pid} is stopped")


def waiting_order(portal, pool, client, name):
    """The answer to an order, which is in the venue's memory when this returns."""
    before = portal.last_requests()
    assert before, "the portal is logged in"
    asked = pool.submit(lambda: client.order("BUY", "0.1", "100", newClientOrderId=name))
    wait_until(lambda: portal.last_requests() != before, "the order is in memory")
    assert not asked.done()
    return asked


def entered(client, name):
    rows = client.get("/api/v3/allOrders", symbol="BTCUSD").json()
    return [row["status"] for row in rows if row["clientOrderId"] == name]


@pytest.mark.promise(
    "A death of the venue in the middle of a portal's order doubles and loses nothing. The "
    "client's answer is that nothing was sent, where that is known, and else that the outcome is "
    "unknown",
    group="portal",
)
def test_the_sessions_die_with_an_order_that_they_have_not_taken(portal):
    person = portal.person(USD=10**6 * USD)
    with portal.client(person) as client, ThreadPoolExecutor(1) as pool:
        assert client.order("BUY", "0.1", "100", newClientOrderId="first").status_code == 200
        pid = portal.sessions_process()
        stopped([pid])
        asked = waiting_order(portal, pool, client, "lost")
        os.kill(pid, signal.SIGKILL)
        answer = asked.result()
        assert (answer.status_code, answer.json()) == (503, UNSENT)
        assert entered(client, "lost") == []
        assert client.order("BUY", "0.1", "100", newClientOrderId="lost").status_code == 200
        twice = client.order("BUY", "0.1", "100", newClientOrderId="first")
        assert twice.json()["code"] == -2010
        assert (entered(client, "first"), entered(client, "lost")) == (["NEW"], ["NEW"])
        for one in ("first", "lost"):
            gone = client.request("DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId=one)
            assert gone.json()["status"] == "CANCELED"


def test_the_venue_dies_with_an_order_that_it_has_not_taken(portal):
    """How soon it is there again says which answer the client gets.  The kernel lets stopped stages
    go on for a moment when the venue dies, so one may take the order: then it is unknown."""
    person = portal.person(USD=10**6 * USD)
    with portal.client(person) as client, ThreadPoolExecutor(1) as pool:
        assert client.order("BUY", "0.1", "100", newClientOrderId="first").status_code == 200
        stopped(portal.venue.children())
        asked = waiting_order(portal, pool, client, "lost")
        portal.venue.kill()
        portal.venue.start()
        portal.venue.wait_for_phase("CONTINUOUS")
        answer = asked.result()
        assert answer.json() == UNSENT or answer.json()["code"] == UNKNOWN
        again = {"code": -2010, "msg": "Duplicate order sent."}

        def is_there():
            said = client.order("BUY", "0.1", "100", newClientOrderId="lost").json()
            return said if said.get("status") == "NEW" or said == again else None

        placed = wait_until(is_there, "the venue takes orders")
        assert placed != again or answer.json()["code"] == UNKNOWN
        assert (entered(client, "first"), entered(client, "lost")) == (["NEW"], ["NEW"])
