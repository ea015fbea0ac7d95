"""What a client sees of each fault of a test venue's portal: requests, answers, WebSockets."""

import json
import time

import httpx
import pytest
import websockets.sync.client

from openoutcry.client.portal import PortalClient, PortalError
from tests.support.portal.portal_venue import CHOICES, GENEROUS, PortalVenue
from tests.support.waiting import BOUND_S

RULES = """
[faults]
seed = 3
[[fault]]
do = "status"
port = "portal"
direction = "to_venue"
message = "POST /api/v3/order"
symbol = "ETHUSD"
nth = 1
status = 429
retry_after_s = 7
[[fault]]
do = "status"
port = "portal"
direction = "to_client"
message = "POST /api/v3/order"
symbol = "ETHUSD"
nth = 2
status = 503
[[fault]]
do = "disconnect"
port = "portal"
direction = "to_client"
message = "POST /api/v3/order"
symbol = "ETHBTC"
nth = 1
[[fault]]
do = "delay"
port = "portal"
direction = "to_venue"
message = "GET /api/v3/ping"
delay_ms = 300
[[fault]]
do = "corrupt"
port = "portal"
direction = "to_client"
message = "GET /api/v3/exchangeInfo"
[[fault]]
do = "clock"
port = "portal"
direction = "to_client"
message = "GET /api/v3/time"
by_s = 3600
nth = 1
[[fault]]
do = "drop"
port = "portal"
direction = "to_client"
message = "GET /v1/time"
nth = 1
[[fault]]
do = "status"
port = "portal"
direction = "to_venue"
message = "GET /v1/instruments"
status = 500
nth = 1
"""


def socket_rule(do, nth):
    """A rule about answers at ``/ws-api/v3``, whose texts have no name."""
    return (
        f'[[fault]]\ndo = "{do}"\nport = "portal"\ndirection = "to_client"\nmessage = "ws:"\n'
        f"nth = {nth}\n"
    )


SOCKETS = ("duplicate", "drop", "reorder", "corrupt", "disconnect")
FAULTS = RULES + "".join(socket_rule(do, 1 + at) for at, do in enumerate(SOCKETS))


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """A test venue with its portal."""
    folder = tmp_path_factory.mktemp("v")
    (folder / "faults.toml").write_text(FAULTS)
    options = "--settings=generous.toml", "--faults=faults.toml"
    made = PortalVenue(folder, 24, *options)
    (folder / "generous.toml").write_text(CHOICES + GENEROUS)
    with made:
        yield made


@pytest.fixture(scope="module")
def person(venue):
    """Somebody with money."""
    return venue.person(USD=10**12, BTC=10**9, ETH=10**9)


def record(venue):
    """What was done."""
    return [json.loads(line) for line in (venue.folder / "faults.jsonl").read_text().splitlines()]


def orders(client, symbol):
    """The open orders in a market."""
    return client.get("/api/v3/openOrders", symbol=symbol).json()


def test_every_answer_and_the_page_say_that_it_is_a_test_venue(venue):
    for path in ("/", "/api/v3/depth", "/v1/challenge", "/nothing", "/page/page.js"):
        answer = httpx.get(venue.url + path)
        assert answer.headers["x-test-venue"] == "yes", path
    assert "OUTCRY (TEST VENUE)" in httpx.get(venue.url).text
    with websockets.sync.client.connect(venue.url.replace("http", "ws") + "/ws-api/v3") as socket:
        assert socket.response.headers["x-test-venue"] == "yes"


def test_too_many_requests_and_an_answer_that_is_lost_in_an_error(venue, person):
    with venue.client(person) as client:
        refused = client.order("BUY", "0.01", "1000", symbol="ETHUSD")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
        assert refused.json()["msg"] == "a fault of the test venue"
        assert orders(client, "ETHUSD") == [], "it was not processed"
        unknown = client.order("BUY", "0.01", "1000", symbol="ETHUSD")
        assert unknown.status_code == 503
        assert len(orders(client, "ETHUSD")) == 1, "it was, and its answer is lost"


def test_an_order_is_taken_and_the_connection_ends_without_an_answer(venue, person):
    with venue.client(person) as client:
        with pytest.raises(httpx.TransportError):
            client.order("BUY", "0.1", "0.01", symbol="ETHBTC")
        assert len(orders(client, "ETHBTC")) == 1, "the venue has it"


def test_answers_come_late_damaged_and_from_another_time(venue):
    since_s = time.monotonic()
    assert httpx.get(f"{venue.url}/api/v3/ping").status_code == 200
    assert time.monotonic() - since_s >= 0.3
    with pytest.raises(json.JSONDecodeError):
        httpx.get(f"{venue.url}/api/v3/exchangeInfo").json()
    times_ms = [httpx.get(f"{venue.url}/api/v3/time").json()["serverTime"] for _ in range(2)]
    assert 3_600 - BOUND_S < (times_ms[0] - times_ms[1]) / 1000 <= 3_600


def test_the_projects_client_sees_them(venue):
    with pytest.raises(PortalError) as refused:
        PortalClient(venue.url).instruments()
    assert (refused.value.status, refused.value.code) == (500, "test_venue")
    assert PortalClient(venue.url).instruments(), "once only"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{venue.url}/v1/time")
    assert httpx.get(f"{venue.url}/v1/time").status_code == 200


def test_texts_of_a_websocket(venue):
    url = venue.url.replace("http", "ws") + "/ws-api/v3"
    with websockets.sync.client.connect(url) as socket:

        def ask(number):
            socket.send(json.dumps({"id": number, "method": "ping"}))

        def heard():
            return json.loads(socket.recv(BOUND_S))["id"]

        ask(1)
        assert [heard(), heard()] == [1, 1], "twice"
        for number in (2, 3, 4):
            ask(number)
        with pytest.raises(json.JSONDecodeError):
            heard()  # the first is lost, the second held back, the third cut in half
        assert heard() in (2, 3, 4), "the second, after the third"
        ask(5)
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket.recv(BOUND_S)
    assert [row["do"] for row in record(venue) if row["kind"] == "ws:"] == list(SOCKETS)
