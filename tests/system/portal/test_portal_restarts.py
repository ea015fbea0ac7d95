"""Programs that people have, whose portal is killed while they trade, and started again: they go on
by what their libraries do about it, and no order is lost or doubled.

Each has an order that rests, one whose answer never comes, and a stream or more.  A planned stop is
said before it: they go on after that one, too.
"""

import asyncio
import json
import signal
from collections import Counter
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.portal.clients import at_portal, settings
from tests.support.waiting import BOUND_S

USD, BTC = 10**6, 10**8
TERMS = {"symbol": "BTCUSD", "quantity": "0.1", "price": "60000", "timeInForce": "GTC"}
RESTS, LOST, BOTH = "rests-1", "lost-1", {"rests-1": 1, "lost-1": 1}
"""Names of the orders, and how often the venue has each."""


@pytest.fixture
def two(portal_venue):
    return [portal_venue.person(USD=10**6 * USD, BTC=10 * BTC) for _ in range(2)]


def names_of(venue, person):
    """How often each of a person's orders is there, by its name."""
    with venue.client(person) as client:
        return Counter(
            row["clientOrderId"] for row in client.get("/api/v3/allOrders", symbol="BTCUSD").json()
        )


async def after_losses(loss, watch, *args):
    """The next answer of ccxt.pro, as its users ask for one: again after each loss of the
    connection, and after a pause.

    ccxt handles a close frame twice, and the second time forgets the connection of the same address
    that there is then: one that a user asked for at once would be counted as subscribed for ever.
    """
    while True:
        try:
            return await watch(*args)
        except loss:
            await asyncio.sleep(0.01)


async def subscribed(exchange, *streams):
    """Wait until ccxt.pro has the answer to its subscription to the account's own events, without
    which an order has none, and has asked for the streams."""
    asked: set[str] = set()
    while not asked >= {"spot", *streams}:
        await asyncio.sleep(0.01)
        own = exchange.client(exchange.urls["api"]["ws"]["ws-api"]["spot"])
        if "authenticate:signature:spot" not in own.futures:
            asked = {name for client in exchange.clients.values() for name in client.subscriptions}


def bounded(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, BOUND_S))


def test_a_listen_key_outlives_the_portal_but_not_its_api_key(portal_venue, two):
    """nautilus-trader subscribes by the same listen key again."""
    person = two[0]
    with portal_venue.client(person) as client:
        client.http.headers["authorization"] = f"Bearer {person.token}"
        other = portal_venue.key(client.http, ("read",))
        keys = [
            client.http.post("/api/v3/userDataStream", headers={"x-mbx-apikey": key}).json()
            for key in (other["api_key"], person.api_key)
        ]
        gone, kept = (row["listenKey"] for row in keys)
        assert client.http.delete(f"/v1/api-keys/{other['id']}").is_success
        portal_venue.stop_portal(signal.SIGKILL)
        portal_venue.start_portal()
        address = portal_venue.url.replace("http", "ws") + f"/stream?streams={gone}/{kept}"
        with connect(address) as socket:
            assert client.order("BUY", "0.1", "100").status_code == 200
            event = json.loads(socket.recv(BOUND_S))
            assert (event["stream"], event["data"]["e"]) == (kept, "executionReport")
        again = client.http.post("/api/v3/userDataStream", headers={"x-mbx-apikey": person.api_key})
        assert again.json()["listenKey"] == kept


async def test_ccxt_goes_on_after_a_restart_of_the_portal(portal_venue, two):
    ccxt = pytest.importorskip("ccxt")
    one, other = (at_portal(ccxt.binance(settings(person)), portal_venue.url) for person in two)
    sell = "BTC/USD", "limit", "sell", 0.1, 60000
    one.load_markets()
    rests = one.create_order(*sell, {"clientOrderId": RESTS})
    lost = asyncio.to_thread(one.create_order, *sell, {"clientOrderId": LOST})
    error = await portal_venue.killed_during(lost)
    assert isinstance(error, ccxt.NetworkError), repr(error)
    for _ in range(2):
        with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
            one.create_order(*sell, {"clientOrderId": LOST})
    assert names_of(portal_venue, two[0]) == BOTH
    assert [row["clientOrderId"] for row in one.fetch_open_orders("BTC/USD")] == [RESTS, LOST]
    assert one.fetch_balance()["BTC"] == {"free": 9.8, "used": 0.2, "total": 10}
    assert one.fetch_order_book("BTC/USD")["asks"][0][:2] == [60000, 0.2]
    bought = other.create_order("BTC/USD", "limit", "buy", 0.1, 60000)
    assert (bought["status"], bought["average"]) == ("closed", 60000)
    assert one.fetch_order(rests["id"], "BTC/USD")["status"] == "closed"
    assert [row["amount"] for row in one.fetch_my_trades("BTC/USD")] == [0.1]
    (gone,) = one.cancel_all_orders("BTC/USD")
    assert (gone["info"]["origClientOrderId"], gone["status"]) == (LOST, "canceled")


def test_ccxt_pro_goes_on_after_a_restart_of_the_portal(portal_venue, two):
    pro = pytest.importorskip("ccxt.pro")
    sell = "BTC/USD", "limit", "sell", 0.1, 60000

    async def again(watch, *args):
        return await after_losses(pro.NetworkError, watch, *args)

    async def run():
        one, other = (at_portal(pro.binance(settings(person)), portal_venue.url) for person in two)
        try:
            await one.load_markets()
            await one.create_order_ws(*sell, {"newClientOrderId": RESTS})
            while not (await one.watch_order_book("BTC/USD"))["asks"]:
                continue
            watching = [
                asyncio.create_task(again(*asked))
                for asked in (
                    (one.watch_orders, "BTC/USD"),
                    (one.watch_balance,),
                    (one.watch_trades, "BTC/USD"),
                )
            ]
            # The answer comes over the connection that all of it uses.
            await one.fetch_balance_ws()
            await subscribed(one, "trade::BTC/USD")
            lost = one.create_order_ws(*sell, {"newClientOrderId": LOST})
            error = await portal_venue.killed_during(lost)
            assert isinstance(error, pro.NetworkError), repr(error)
            with pytest.raises(pro.ExchangeError, match="Duplicate"):
                await again(one.create_order_ws, *sell, {"newClientOrderId": LOST})
            assert names_of(portal_venue, two[0]) == BOTH
            book = await again(one.watch_order_book, "BTC/USD")
            while not book["asks"] or book["asks"][0][:2] != [60000, 0.2]:
                book = await again(one.watch_order_book, "BTC/USD")
            assert (await one.fetch_balance())["BTC"]["used"] == 0.2
            await subscribed(one, "trade::BTC/USD")
            orders, held, trades = watching
            placed = await other.create_order_ws("BTC/USD", "limit", "buy", 0.1, 60000)
            assert placed["status"] == "closed"
            done = await orders
            while (done[-1]["clientOrderId"], done[-1]["status"]) != (RESTS, "closed"):
                done = await again(one.watch_orders, "BTC/USD")
            balance = await held
            while balance["BTC"]["total"] != 9.9:
                balance = await again(one.watch_balance)
            assert (await trades)[-1]["amount"] == 0.1
            while book["asks"][0][:2] != [60000, 0.1]:
                book = await again(one.watch_order_book, "BTC/USD")
        finally:
            await one.close()
            await other.close()

    bounded(run())


def point_binance(binance, portal_venue, monkeypatch):
    """python-binance asks the portal."""
    sockets = portal_venue.url.replace("http", "ws")
    monkeypatch.setattr(binance.AsyncClient, "API_URL", f"{portal_venue.url}/api")
    monkeypatch.setattr(binance.AsyncClient, "WS_API_URL", f"{sockets}/ws-api/v3")
    monkeypatch.setattr(binance.BinanceSocketManager, "STREAM_URL", f"{sockets}/")


def test_python_binance_goes_on_after_a_restart_of_the_portal(portal_venue, two, monkeypatch):
    binance = pytest.importorskip("binance")
    import aiohttp

    point_binance(binance, portal_venue, monkeypatch)
    terms = TERMS | {"side": "SELL", "type": "LIMIT"}

    async def event_of(socket, kind, **wanted):
        """The next event of a kind with these fields."""
        while True:
            event = await socket.recv()
            if event.get("e") == kind and wanted.items() <= event.items():
                return event
            if event.get("type") == "BinanceWebsocketClosed" and kind == "executionReport":
                # The client connects again, and leaves it to its user to subscribe again.
                await socket._client.ws_api._wait_for_reconnect()
                await socket.connect()

    async def is_following(client, *sockets):
        """Whether the client's connections are there again, and its own events."""
        if not all(one.ws_state.name == "STREAMING" for one in (client.ws_api, *sockets)):
            return False
        return (await client._ws_api_request("session.status", False, {}))["userDataStream"]

    async def run():
        one = await binance.AsyncClient.create(two[0].api_key, two[0].secret)
        other = await binance.AsyncClient.create(two[1].api_key, two[1].secret)
        manager = binance.BinanceSocketManager(one)
        try:
            async with (
                manager.depth_socket("BTCUSD") as depth,
                manager.trade_socket("BTCUSD") as trades,
                manager.user_socket() as own,
            ):
                await one.ws_create_order(**terms, newClientOrderId=RESTS)
                await event_of(own, "executionReport", c=RESTS, X="NEW")
                await event_of(depth, "depthUpdate")
                lost = one.create_order(**terms, newClientOrderId=LOST)
                error = await portal_venue.killed_during(lost)
                assert isinstance(error, aiohttp.ClientConnectionError), repr(error)
                for _ in range(2):
                    with pytest.raises(binance.exceptions.BinanceAPIException, match="Duplicate"):
                        await one.create_order(**terms, newClientOrderId=LOST)
                assert names_of(portal_venue, two[0]) == BOTH
                filled = asyncio.create_task(event_of(own, "executionReport", c=RESTS, X="FILLED"))
                while not await is_following(one, depth, trades):
                    await asyncio.sleep(0.01)
                await other.create_order(**terms | {"side": "BUY"})
                await filled
                await event_of(depth, "depthUpdate", a=[["60000.00", "0.10000000"]])
                await event_of(trades, "trade", p="60000.00")
                held = await one.get_asset_balance("BTC")
                assert (held["free"], held["locked"]) == ("9.80000000", "0.10000000")
                book = await one.get_order_book(symbol="BTCUSD")
                assert book["asks"][0] == ["60000.00", "0.10000000"]
                gone = await one.ws_cancel_order(symbol="BTCUSD", origClientOrderId=LOST)
                assert gone["status"] == "CANCELED"
                await event_of(own, "executionReport", C=LOST, X="CANCELED")
        finally:
            await one.close_connection()
            await other.close_connection()

    bounded(run())


@pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning")
def test_the_sdk_of_binance_goes_on_after_a_restart_of_the_portal(portal_venue, two):
    pytest.importorskip("binance_sdk_spot")
    from binance_common.configuration import (
        ConfigurationRestAPI,
        ConfigurationWebSocketAPI,
        ConfigurationWebSocketStreams,
    )
    from binance_common.errors import NetworkError
    from binance_sdk_spot.spot import Spot

    def client(person):
        keys = {"api_key": person.api_key, "api_secret": person.secret}
        sockets = portal_venue.url.replace("http", "ws")
        return Spot(
            ConfigurationRestAPI(base_path=portal_venue.url, timeout=int(BOUND_S * 1000), **keys),
            ConfigurationWebSocketAPI(stream_url=f"{sockets}/ws-api/v3", **keys),
            ConfigurationWebSocketStreams(stream_url=sockets),
        )

    terms = {
        "symbol": "BTCUSD",
        "type": "LIMIT",
        "time_in_force": "GTC",
        "quantity": 0.1,
        "price": 60000,
    }

    async def run():
        one, other = client(two[0]), client(two[1])
        requests, streams = one.websocket_api, one.websocket_streams
        events, ends = asyncio.Queue(), asyncio.Queue()

        async def connect():
            """Its users do this again when it reports the end of a connection."""
            for sockets in (requests, streams):
                await sockets.create_connection()
                sockets.on_connection("close", lambda: ends.put_nowait(None))
            own = (await requests.user_data_stream_subscribe_signature()).stream
            for stream in (
                own,
                await streams.trade("btcusd"),
                await streams.diff_book_depth("btcusd"),
            ):
                stream.on("message", lambda event: events.put_nowait(event.to_dict()))
            assert len((await streams.list_subscribe())["result"]) == 2

        async def until(*wanted):
            """Until events with these fields have come, in any order."""
            left = list(wanted)
            while left:
                event = await events.get()
                left = [one for one in left if not one.items() <= event.items()]

        try:
            await connect()
            made = await requests.order_place(side="SELL", new_client_order_id=RESTS, **terms)
            assert made.data().result.status == "NEW"
            await until({"c": RESTS, "X": "NEW"}, {"e": "depthUpdate"})
            lost = asyncio.to_thread(
                one.rest_api.new_order, side="SELL", new_client_order_id=LOST, **terms
            )
            error = await portal_venue.killed_during(lost)
            assert isinstance(error, NetworkError), repr(error)
            await ends.get()
            await ends.get()
            await connect()
            for _ in range(2):
                again = await requests.order_place(side="SELL", new_client_order_id=LOST, **terms)
                assert again.data()["error"]["msg"] == "Duplicate order sent."
            assert names_of(portal_venue, two[0]) == BOTH
            other.rest_api.new_order(side="BUY", **terms)
            await until(
                {"c": RESTS, "X": "FILLED"},
                {"e": "trade", "p": "60000.00"},
                {"e": "depthUpdate", "a": [["60000.00", "0.10000000"]]},
            )
            held = (await requests.account_status()).data().result.balances
            (row,) = [row for row in held if row.asset == "BTC"]
            assert (row.free, row.locked) == ("9.80000000", "0.10000000")
            assert one.rest_api.depth("BTCUSD").data().asks == [["60000.00", "0.10000000"]]
            gone = await requests.order_cancel("BTCUSD", orig_client_order_id=LOST)
            assert gone.data().result.status == "CANCELED"
            await until({"C": LOST, "X": "CANCELED"})
        finally:
            await requests.close_connection()
            await streams.close_connection()

    bounded(run())


STOPPING = {"e": "serverShutdown"}


def stopped_and_started(venue):
    """As it is planned.  Nothing of the clients runs meanwhile: they come back afterwards."""
    venue.stop_portal()
    venue.start_portal()


def test_a_planned_stop_is_said_on_every_connection_before_its_end(portal_venue):
    sockets = portal_venue.url.replace("http", "ws")
    paths = "/ws/btcusd@trade", "/stream?streams=btcusd@trade", "/ws-api/v3"
    said = []
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(f"{sockets}{path}")) for path in paths]
        stopped_and_started(portal_venue)
        for socket in opened:
            said.append(json.loads(socket.recv(BOUND_S)))
            with pytest.raises(ConnectionClosed) as end:
                socket.recv(BOUND_S)
            assert end.value.rcvd.code == 1012, "the service restarts"
    for event in (said[0], said[1]["data"], said[2]["event"]):
        assert event.pop("E") > 0
    assert said == [STOPPING, {"stream": "!serverShutdown", "data": STOPPING}, {"event": STOPPING}]


def test_ccxt_pro_goes_on_after_a_planned_stop_of_the_portal(portal_venue, two):
    pro = pytest.importorskip("ccxt.pro")
    import aiohttp

    terms = "BTC/USD", "limit", "sell", 0.1, 60000

    async def run():
        one = at_portal(pro.binance(settings(two[0])), portal_venue.url)

        async def again(watch, *args):
            # It may send on a connection of which it has not read the end yet.
            losses = pro.NetworkError, aiohttp.ClientConnectionError
            return await after_losses(losses, watch, *args)

        try:
            await one.load_markets()
            await one.create_order_ws(*terms, {"newClientOrderId": RESTS})
            while not (await one.watch_order_book("BTC/USD"))["asks"]:
                continue
            orders = asyncio.create_task(again(one.watch_orders, "BTC/USD"))
            await one.fetch_balance_ws()
            await subscribed(one)
            stopped_and_started(portal_venue)
            # Once it knows that its connections have ended.
            book = await again(one.watch_order_book, "BTC/USD")
            await again(one.fetch_balance_ws)
            # An order's event goes only to a subscription that the portal has confirmed.
            await subscribed(one)
            await one.create_order_ws(*terms, {"newClientOrderId": LOST})
            while book["asks"][0][:2] != [60000, 0.2]:
                book = await again(one.watch_order_book, "BTC/USD")
            done = await orders
            while done[-1]["clientOrderId"] != LOST:
                done = await again(one.watch_orders, "BTC/USD")
        finally:
            await one.close()

    bounded(run())


def test_python_binance_goes_on_after_a_planned_stop(portal_venue, two, monkeypatch):
    binance = pytest.importorskip("binance")
    point_binance(binance, portal_venue, monkeypatch)
    terms = TERMS | {"side": "SELL", "type": "LIMIT"}

    async def run():
        one = await binance.AsyncClient.create(two[0].api_key, two[0].secret)
        try:
            async with binance.BinanceSocketManager(one).depth_socket("BTCUSD") as depth:
                await one.ws_create_order(**terms, newClientOrderId=RESTS)
                assert (await depth.recv())["e"] == "depthUpdate"
                stopped_and_started(portal_venue)
                kinds = [(await depth.recv())["e"] for _ in range(2)]
                assert kinds == ["serverShutdown", "error"], "the error is the connection's end"
                while not all(row.ws_state.name == "STREAMING" for row in (one.ws_api, depth)):
                    await asyncio.sleep(0.01)
                await one.ws_create_order(**terms, newClientOrderId=LOST)
                assert (await depth.recv())["a"] == [["60000.00", "0.20000000"]]
        finally:
            await one.close_connection()

    bounded(run())


@pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning")
def test_the_sdk_of_binance_comes_back_by_itself_after_a_planned_stop(portal_venue, two):
    """It does so for its requests and own events; of a connection that is killed it tells its
    user."""
    pytest.importorskip("binance_sdk_spot")
    from binance_common.configuration import ConfigurationWebSocketAPI
    from binance_sdk_spot.spot import Spot

    address = portal_venue.url.replace("http", "ws") + "/ws-api/v3"
    keys = {"api_key": two[0].api_key, "api_secret": two[0].secret}

    async def run():
        socket = ConfigurationWebSocketAPI(stream_url=address, reconnect_delay=10, **keys)
        requests, events = Spot(None, socket).websocket_api, asyncio.Queue()
        try:
            await requests.create_connection()
            before = list(requests.connections)
            own = (await requests.user_data_stream_subscribe_signature()).stream
            own.on("message", lambda event: events.put_nowait(event.to_dict()))
            stopped_and_started(portal_venue)
            # It waits five seconds, and until then asks by the connection that has ended.
            while len(requests.connections) != 1 or requests.connections == before:
                await asyncio.sleep(0.01)
            terms = {"symbol": "BTCUSD", "type": "LIMIT", "time_in_force": "GTC", "price": 60000}
            made = await requests.order_place(
                side="SELL", quantity=0.1, new_client_order_id=RESTS, **terms
            )
            assert made.data().result.status == "NEW"
            while not {"c": RESTS, "X": "NEW"}.items() <= (await events.get()).items():
                continue
        finally:
            await requests.close_connection()

    bounded(run())
