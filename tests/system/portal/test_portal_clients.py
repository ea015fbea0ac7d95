"""Programs that people have: ccxt, ccxt.pro, python-binance and Binance's SDK, with nothing changed
but the address."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.support.portal.clients import SPOT_ONLY, at_portal, settings
from tests.support.waiting import BOUND_S

USD, BTC, ETH = 10**6, 10**8, 10**8


def rsa_key():
    return rsa.generate_private_key(65_537, 2048)


@pytest.fixture
def ccxt():
    return pytest.importorskip("ccxt")


@pytest.fixture
def two(portal_venue):
    return [portal_venue.person(USD=10**6 * USD, BTC=100 * BTC, ETH=100 * ETH) for _ in range(2)]


def test_ccxt_trades(ccxt, portal_venue, two):
    one, other = (at_portal(ccxt.binance(settings(person)), portal_venue.url) for person in two)
    markets = one.load_markets()
    assert set(markets) == {"BTC/USD", "ETH/USD", "ETH/BTC"}
    precision = markets["BTC/USD"]["precision"]
    assert (precision["amount"], precision["price"]) == (0.0001, 0.01)
    assert one.fetch_status()["status"] == "ok"
    assert one.fetch_time() > 0
    assert one.fetch_balance()["USD"]["free"] == 10**6
    rest = one.create_order("BTC/USD", "limit", "sell", 0.5, 60000, {"clientOrderId": "ccxt-1"})
    assert (rest["status"], rest["clientOrderId"]) == ("open", "ccxt-1")
    assert one.fetch_balance()["BTC"] == {"free": 99.5, "used": 0.5, "total": 100}
    assert one.fetch_order_book("BTC/USD")["asks"][0][:2] == [60000, 0.5]
    taken = other.create_order("BTC/USD", "limit", "buy", 0.2, 60010)
    assert (taken["status"], taken["average"], taken["filled"]) == ("closed", 60000, 0.2)
    assert taken["fees"] == [{"currency": "BTC", "cost": 0.0002}]
    spent = other.create_market_buy_order_with_cost("BTC/USD", 600)
    assert (spent["status"], spent["cost"]) == ("closed", 600)
    assert other.create_order("BTC/USD", "market", "buy", 0.01)["status"] == "closed"
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        other.create_order("BTC/USD", "limit", "buy", 0.01, 60000, {"postOnly": True})
    with pytest.raises(ccxt.InsufficientFunds):
        other.create_order("BTC/USD", "limit", "buy", 100, 60000)
    ioc = other.create_order("BTC/USD", "limit", "buy", 0.01, 100, {"timeInForce": "IOC"})
    assert ioc["status"] == "expired"
    stop = other.create_order("BTC/USD", "limit", "sell", 0.01, 50000, {"stopLossPrice": 51000})
    assert stop["status"] == "open"
    ice = other.create_order("BTC/USD", "limit", "buy", 1, 30000, {"icebergQty": 0.1})
    assert {row["id"] for row in other.fetch_open_orders("BTC/USD")} == {stop["id"], ice["id"]}
    moved = other.edit_order(ice["id"], "BTC/USD", "limit", "buy", 0.5, 30001)
    assert (moved["price"], moved["amount"], moved["status"]) == (30001, 0.5, "open")
    assert other.fetch_order(ice["id"], "BTC/USD")["status"] == "canceled"
    assert other.create_order("BTC/USD", "limit", "buy", 1, 100, {"test": True}) is not None
    assert other.cancel_order(stop["id"], "BTC/USD")["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        other.cancel_order(stop["id"], "BTC/USD")
    assert len(other.cancel_all_orders("BTC/USD")) == 1
    assert one.cancel_order(None, "BTC/USD", {"clientOrderId": "ccxt-1"})["status"] == "canceled"
    trades = other.fetch_my_trades("BTC/USD")
    assert [row["amount"] for row in trades] == [0.2, 0.01, 0.01]
    assert [row["takerOrMaker"] for row in trades] == ["taker"] * 3
    assert other.fetch_trades("BTC/USD")[-1]["price"] == 60000
    assert other.fetch_ohlcv("BTC/USD", "1m")[-1][4] == 60000
    ticker = other.fetch_ticker("BTC/USD")
    assert (ticker["last"], ticker["symbol"]) == (60000, "BTC/USD")
    assert set(other.fetch_bids_asks()) == set(markets)
    assert len(other.fetch_closed_orders("BTC/USD")) >= 3
    assert other.fetch_trading_fee("BTC/USD")["taker"] == 0.001


def test_ccxt_needs_nothing_but_the_address(ccxt, portal_venue, two):
    """With keys it asks for coins, margin and contracts, too."""
    keys = {"apiKey": two[0].api_key, "secret": two[0].secret}
    exchange = at_portal(ccxt.binance(keys), portal_venue.url)
    assert set(exchange.load_markets()) == {"BTC/USD", "ETH/USD", "ETH/BTC"}
    assert {"BTC", "ETH", "USD"} <= set(exchange.currencies)
    order = exchange.create_order("BTC/USD", "limit", "buy", 0.01, 100)
    assert exchange.fetch_order(order["id"], "BTC/USD")["status"] == "open"
    assert exchange.cancel_order(order["id"], "BTC/USD")["status"] == "canceled"


@pytest.mark.parametrize("generate", [Ed25519PrivateKey.generate, rsa_key], ids=["ed25519", "rsa"])
def test_ccxt_signs_by_a_key_pair(ccxt, portal_venue, two, generate):
    private = generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with portal_venue.client(two[0]) as client:
        client.http.headers["authorization"] = f"Bearer {two[0].token}"
        permissions = ("read", "trade")
        made = portal_venue.key(client.http, permissions, public_key=public.decode())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    keys = {"apiKey": made["api_key"], "secret": pem, "options": dict(SPOT_ONLY)}
    exchange = at_portal(ccxt.binance(keys), portal_venue.url)
    order = exchange.create_order("BTC/USD", "limit", "buy", 0.01, 100)
    assert exchange.cancel_order(order["id"], "BTC/USD")["status"] == "canceled"
    keys["secret"] = generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys["secret"] = keys["secret"].decode()
    with pytest.raises(ccxt.AuthenticationError):
        at_portal(ccxt.binance(keys), portal_venue.url).fetch_balance()


def test_ccxt_pro_streams(portal_venue, two):
    pro = pytest.importorskip("ccxt.pro")

    async def run():
        one, other = (at_portal(pro.binance(settings(person)), portal_venue.url) for person in two)
        try:
            await one.load_markets()
            await other.load_markets()
            book = await one.watch_order_book("ETH/USD")
            orders = asyncio.create_task(other.watch_orders("ETH/USD"))
            trades = asyncio.create_task(one.watch_trades("ETH/USD"))
            candles = asyncio.create_task(one.watch_ohlcv("ETH/USD", "1m"))
            held = asyncio.create_task(other.watch_balance())
            await asyncio.sleep(0)
            await _subscribed(one, 2)
            await _subscribed(other, 1)
            placed = await one.create_order("ETH/USD", "limit", "sell", 1, 3000)
            while not book["asks"]:
                book = await one.watch_order_book("ETH/USD")
            assert book["asks"][0][:2] == [3000, 1]
            bought = await other.create_order_ws("ETH/USD", "limit", "buy", 0.4, 3000)
            assert bought["status"] == "closed"
            seen = (await orders)[-1]
            assert seen["symbol"] == "ETH/USD"
            while seen["status"] != "closed":
                seen = (await other.watch_orders("ETH/USD"))[-1]
            assert (seen["filled"], seen["average"]) == (0.4, 3000)
            assert (await trades)[-1]["amount"] == 0.4
            assert (await candles)[-1][4] == 3000
            assert (await held)["USD"]["total"] <= 10**6
            while book["asks"][0][1] != 0.6:
                book = await one.watch_order_book("ETH/USD")
            await one.cancel_order_ws(placed["id"], "ETH/USD")
            while book["asks"]:
                book = await one.watch_order_book("ETH/USD")
            best = await one.watch_ticker("ETH/USD")
            assert best["last"] == 3000
        finally:
            await one.close()
            await other.close()

    asyncio.run(asyncio.wait_for(run(), BOUND_S))


async def _subscribed(exchange, count):
    """Once the client's connections are open and its subscriptions are confirmed."""
    for _ in range(10_000):
        clients = [one for one in exchange.clients.values() if one.connection is not None]
        if len(clients) >= 1 and sum(len(one.subscriptions) for one in clients) >= count:
            await exchange.fetch_time()
            return
        await asyncio.sleep(0.001)
    raise AssertionError("no subscription was confirmed")


def test_python_binance_trades(portal_venue, two, monkeypatch):
    binance = pytest.importorskip("binance")
    monkeypatch.setattr(binance.Client, "API_URL", f"{portal_venue.url}/api")
    monkeypatch.setattr(binance.Client, "MARGIN_API_URL", f"{portal_venue.url}/sapi")
    one, other = (binance.Client(person.api_key, person.secret) for person in two)
    info = one.get_symbol_info("BTCUSD")
    assert info["status"] == "TRADING"
    order = one.order_limit_sell(symbol="BTCUSD", quantity="0.5", price="61000")
    assert order["status"] == "NEW"
    assert one.get_order_book(symbol="BTCUSD")["asks"][0] == ["61000.00", "0.50000000"]
    taken = other.order_market_buy(symbol="BTCUSD", quoteOrderQty="610")
    assert (taken["status"], taken["executedQty"]) == ("FILLED", "0.01000000")
    assert other.get_asset_balance("BTC")["free"] == "100.00999000"
    assert one.get_order(symbol="BTCUSD", orderId=order["orderId"])["executedQty"] == "0.01000000"
    assert [row["orderId"] for row in one.get_open_orders(symbol="BTCUSD")] == [order["orderId"]]
    assert one.cancel_order(symbol="BTCUSD", orderId=order["orderId"])["status"] == "CANCELED"
    assert other.get_my_trades(symbol="BTCUSD")[-1]["price"] == "61000.00"
    assert one.get_klines(symbol="BTCUSD", interval="1m")[-1][4] == "61000.00"
    assert one.get_ticker(symbol="BTCUSD")["lastPrice"] == "61000.00"
    assert one.get_system_status()["msg"] == "normal"
    with pytest.raises(binance.exceptions.BinanceAPIException, match="insufficient balance"):
        one.order_limit_buy(symbol="BTCUSD", quantity="100", price="61000")


def test_the_sdk_of_binance_trades(portal_venue, two):
    pytest.importorskip("binance_sdk_spot")
    from binance_common.configuration import ConfigurationRestAPI
    from binance_sdk_spot.rest_api.models import enums
    from binance_sdk_spot.spot import Spot

    one, other = (
        Spot(
            config_rest_api=ConfigurationRestAPI(
                api_key=person.api_key,
                api_secret=person.secret,
                base_path=portal_venue.url,
                timeout=int(BOUND_S * 1000),
            )
        ).rest_api
        for person in two
    )
    sides, kinds, tifs = (
        enums.NewOrderSideEnum,
        enums.NewOrderTypeEnum,
        enums.NewOrderTimeInForceEnum,
    )
    assert one.exchange_info(symbol="ETHBTC").data().symbols[0].status == "TRADING"
    terms = {"symbol": "ETHBTC", "quantity": 1.0, "price": 0.06, "time_in_force": tifs["GTC"].value}
    rest = one.new_order(side=sides["SELL"].value, type=kinds["LIMIT"].value, **terms).data()
    assert rest.status == "NEW"
    taken = other.new_order(
        symbol="ETHBTC", side=sides["BUY"].value, type=kinds["MARKET"].value, quote_order_qty=0.024
    ).data()
    assert (taken.status, taken.executed_qty) == ("FILLED", "0.40000000")
    shown = one.get_order(symbol="ETHBTC", order_id=rest.order_id).data()
    assert shown.executed_qty == "0.40000000"
    assert one.depth(symbol="ETHBTC").data().asks[0] == ["0.06000", "0.60000000"]
    assert other.my_trades(symbol="ETHBTC").data()[-1].price == "0.06000"
    held = {row.asset: row.free for row in other.get_account().data().balances}
    assert held["ETH"] == "100.39960000"
    gone = one.delete_order(symbol="ETHBTC", order_id=rest.order_id).data()
    assert gone.status == "CANCELED"
