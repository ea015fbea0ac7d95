"""A pair that no file has named is announced while people trade: the API, the stream, the history
and their orders have it, and nothing starts again."""

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.venue.desk import DeskError, ask
from tests.support.portal.portal_venue import CHOICES, GENEROUS, PortalVenue, venue_text
from tests.support.waiting import wait_until
from tests.system.portal.test_portal_native import Follower

BTC, ETH = 10**8, 10**8
SLOTS = "[[instrument_slots]]\ncount = 2\n"
RULES = (
    "base=BTC quote=ETH lot_units=10000 tick_units=100 min_price_ticks=1 max_price_ticks=100000 "
    "max_qty_lots=1000000"
)


def info(venue):
    with venue.client() as client:
        rows = client.get("/api/v3/exchangeInfo").json()["symbols"]
    return {row["symbol"]: row for row in rows}


def request(venue, what, **more):
    return ask(venue.venue.journal, {"do": f"instrument-{what}", "instrument": "BTC-ETH"} | more)


def test_a_pair_is_announced_opens_and_trades_at_every_door(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v")
    made = PortalVenue(folder, text=venue_text() + SLOTS)
    (folder / "portal.toml").write_text(CHOICES + GENEROUS)
    with made as venue:
        clients = [
            PortalClient(venue.url, one.api_key, one.secret)
            for one in (venue.person(BTC=10 * BTC), venue.person(ETH=1_000 * ETH))
        ]
        seller, buyer = clients
        stream = Follower(venue.url)
        assert set(info(venue)) == {"BTCUSD", "ETHUSD", "ETHBTC"}
        assert not any("+" in one.symbol for one in seller.instruments())
        with pytest.raises(PortalError):
            seller.place("BTC-ETH", "sell", "limit", quantity="1", price="20")
        with pytest.raises(DeskError, match="there is no asset 'XRP'"):
            request(venue, "announce", rules=RULES.replace("BTC", "XRP"))
        request(venue, "announce", rules=RULES)
        wait_until(lambda: "BTCETH" in info(venue), "the API knows it")
        row = info(venue)["BTCETH"]
        assert (row["status"], row["baseAsset"], row["quoteAsset"]) == ("BREAK", "BTC", "ETH")
        announced = seller.instrument("BTC-ETH")
        assert (announced.state, announced.base, announced.quote) == ("announced", "BTC", "ETH")
        with pytest.raises(PortalError):
            seller.place("BTC-ETH", "sell", "limit", quantity="1", price="20")
        stream.ask(op="subscribe", channel="ticker", symbol="BTC-ETH", id=1)
        request(venue, "open", call_s=1)
        resting = seller.place("BTC-ETH", "sell", "limit", quantity="1.5", price="20.01")
        venue.venue.set_time("2026-11-26T12:02")
        wait_until(lambda: info(venue)["BTCETH"]["status"] == "TRADING", "it trades")
        taken = buyer.place("BTC-ETH", "buy", "limit", quantity="0.5", price="20.01")
        assert taken.state == "filled"
        held = {one.asset: one.available for one in buyer.balances()}
        assert held["BTC"] == "0.49950000"
        assert seller.order(resting.id).state == "open"
        shown = [stream.take().get("data", {}).get("last") for _ in range(20)]
        assert "20.01" in shown
        stream.socket.close()

        def seen(at):
            with at.client() as client:
                rows = client.get("/api/v3/trades", symbol="BTCETH").json()
                return [(one["price"], one["qty"]) for one in rows]

        assert seen(venue) == [("20.01", "0.50000000")]
        wait_until(lambda: buyer.past_fills(symbol="BTC-ETH").items, "the history has it")
        venue.stop_portal()
        venue.start_portal()
        assert seen(venue) == [("20.01", "0.50000000")]
        assert seller.order(resting.id).state == "open"
        assert "BTCETH" in info(venue)
        venue.venue.kill()
        venue.venue.start()
        venue.venue.wait_for_phase("CONTINUOUS")
        wait_until(lambda: info(venue)["BTCETH"]["status"] == "TRADING", "it trades again")
        again = buyer.place("BTC-ETH", "buy", "limit", quantity="1", price="20.01")
        assert again.state == "filled"
        for client in clients:
            client.close()
