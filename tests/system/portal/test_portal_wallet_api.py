"""What clients of Binance's API call beside orders: none is answered with a bare 404, and wallets,
keys and accounts have Binance's shapes."""

import pytest

from openoutcry.portal.spot.not_offered import reason_of
from openoutcry.portal.spot.rest import ROUTES
from tests.support.portal.binance_paths import paths
from tests.support.portal.clients import at_portal, settings
from tests.support.waiting import wait_until

USD, BTC = 10**6, 10**8


@pytest.fixture
def person(portal_venue):
    return portal_venue.person(USD=1_000 * USD, BTC=2 * BTC)


def test_no_path_of_a_client_is_a_bare_404(portal_venue, person):
    with portal_venue.client(person) as client:
        for method, path, _ in paths():
            answer = client.http.request(method, path)
            where = f"{method} {path}: {answer.status_code} {answer.text[:200]}"
            assert answer.status_code not in (404, 405, 500), where
            if (method, path) not in ROUTES:
                assert (answer.status_code, answer.json()["code"]) == (400, -1020), where
                text = answer.json()["msg"]
                assert text.startswith("This operation is not supported. "), where
                assert reason_of(path)[1:] in text, where


def test_a_transfer_to_the_funding_wallet_is_shown_there(portal_venue, person):
    funding = ("POST", "/sapi/v1/asset/get-funding-asset")
    spot = ("POST", "/sapi/v3/asset/getUserAsset")
    with portal_venue.client(person) as client:
        assert client.request(*funding).json() == []
        terms = {"type": "MAIN_FUNDING", "asset": "USD", "amount": "250"}
        assert "tranId" in client.request("POST", "/sapi/v1/asset/transfer", **terms).json()
        wait_until(lambda: client.request(*funding).json(), "the transfer has arrived")
        rest = {"locked": "0.000000", "freeze": "0", "withdrawing": "0"}
        row = {"asset": "USD", "free": "250.000000", **rest, "btcValuation": "0.00000000"}
        assert client.request(*funding).json() == [row]
        assert client.request(*funding, asset="USD").json() == [row]
        assert client.request(*funding, asset="NO").json()["code"] == -1121
        (usd,) = client.request(*spot, asset="USD").json()
        assert usd == row | {"free": "750.000000", "ipoable": "0"}
        assert {one["asset"] for one in client.request(*spot).json()} == {"BTC", "USD"}


def test_wallets_are_valued_at_the_last_price(portal_venue, person):
    with portal_venue.client(person) as client:
        client.order("SELL", "0.01", "50000")
        other = portal_venue.person(USD=1_000 * USD)
        with portal_venue.client(other) as buyer:
            buyer.order("BUY", "0.01", "50000")
        path = "/sapi/v1/asset/wallet/balance"
        rows = {one["walletName"]: one for one in client.get(path).json()}
        account = client.get("/api/v3/account").json()["balances"]
        held = {row["asset"]: float(row["free"]) for row in account}
        # 1.99 BTC, and what 0.01 BTC brought.
        in_btc = held["BTC"] + held["USD"] / 50_000
        assert abs(float(rows["Spot"]["balance"]) - in_btc) < 2e-8
        assert (rows["Spot"]["activate"], rows["Funding"]["activate"]) == (True, False)
        (spot, *_) = client.get(path, quoteAsset="USD").json()
        assert abs(float(spot["balance"]) - in_btc * 50_000) < 1e-3
        terms = {"asset": "USD", "needBtcValuation": "true"}
        (usd,) = client.request("POST", "/sapi/v3/asset/getUserAsset", **terms).json()
        assert abs(float(usd["btcValuation"]) - held["USD"] / 50_000) < 2e-8


def test_a_key_and_its_account_say_what_they_may(portal_venue, person):
    reader = portal_venue.person(permissions=("read",))
    for one, trades in ((person, True), (reader, False)):
        with portal_venue.client(one) as client:
            shown = client.get("/sapi/v1/account/apiRestrictions").json()
            assert (shown["enableReading"], shown["ipRestrict"]) == (True, False)
            assert shown["enableSpotAndMarginTrading"] is trades
            assert shown["createTime"] > 1_700_000_000_000
            assert client.get("/sapi/v1/account/status").json() == {"data": "Normal"}
            status = client.get("/sapi/v1/account/apiTradingStatus").json()["data"]
            assert status["isLocked"] is False
            assert client.get("/sapi/v1/account/info").json()["isMarginEnabled"] is False
            details = client.get("/sapi/v1/asset/assetDetail").json()
            assert set(details["BTC"]) >= {"withdrawFee", "withdrawStatus", "depositStatus"}


def test_ccxt_and_python_binance_read_wallets_and_permissions(portal_venue, person, monkeypatch):
    import ccxt
    from binance.client import Client

    exchange = at_portal(ccxt.binance(settings(person)), portal_venue.url)
    exchange.transfer("USD", 100, "spot", "funding")
    wait_until(
        lambda: exchange.fetch_balance({"type": "funding"})["total"].get("USD") == 100,
        "ccxt sees the funding wallet",
    )
    monkeypatch.setattr(Client, "API_URL", f"{portal_venue.url}/api")
    monkeypatch.setattr(Client, "MARGIN_API_URL", f"{portal_venue.url}/sapi")
    client = Client(person.api_key, person.secret)
    assert client.get_account_status() == {"data": "Normal"}
    assert client.get_account_api_permissions()["enableReading"] is True
    assert client.get_account_api_trading_status()["data"]["isLocked"] is False
    assert [row["asset"] for row in client.funding_wallet()] == ["USD"]
    assert {row["asset"] for row in client.get_user_asset(recvWindow=60_000)} == {"BTC", "USD"}
    assert "BTC" in client.get_asset_details()
    assert client.get_dust_log()["total"] == 0
