"""The venue dies while an order of the portal waits in its memory: the client is told that nothing
was sent where that is known, and the order's name is free; over shared memory and over TCP."""

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


@pytest.fixture(scope="module", params=[False, True], ids=["memory", "tcp"])
def portal(tmp_path_factory, request):
    with PortalVenue(tmp_path_factory.mktemp("broker"), 8, is_far=request.param) as venue:
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
        # The one that lets sessions in goes on: over TCP it puts the order into the memory.
        stopped([pid for pid in portal.venue.children() if pid != portal.acceptor()])
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


def test_the_portal_and_the_venues_acceptor_are_killed_in_turns(portal):
    """Orders are there once, whichever answer their client had, and their session cancels them."""
    person = portal.person(USD=10**6 * USD)
    with portal.client(person) as client:
        for turn in range(4):
            if turn % 2:
                portal.stop_portal(signal.SIGKILL)
                portal.start_portal()
            else:
                os.kill(portal.acceptor(), signal.SIGKILL)
            name = f"turn-{turn}"

            def is_there(name=name):
                said = client.order("BUY", "0.1", "100", newClientOrderId=name).json()
                return said.get("status") == "NEW" or said["code"] == -2010

            wait_until(is_there, "the venue takes orders")
            assert entered(client, name) == ["NEW"]
        open_ones = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
        assert sorted(row["clientOrderId"] for row in open_ones) == [f"turn-{n}" for n in range(4)]
        gone = client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD").json()
        assert {row["status"] for row in gone} == {"CANCELED"}
