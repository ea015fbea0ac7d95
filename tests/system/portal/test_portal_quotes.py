"""Requests for quotes over the portal's API, with a real database and a venue that the test plays.

No maker sees another's quote, nothing trades without both consents, nothing is booked twice."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.native.callers import Asking
from openoutcry.portal.native.quote_routes import NativeQuotes, add_quotes
from openoutcry.portal.quotes import quotes as quotes_module
from openoutcry.venue.desk import UNAVAILABLE, DeskError
from tests.support.portal.quotes_portal import CLIENT, FIRST, MARKET, SECOND, exchange_of, portal_of

ASKED = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.5", "seconds": 600}


class Callers:
    """The participant is a header."""

    def parameter(self):
        async def asking(request: Request) -> Asking:
            return Asking(1, int(request.headers["who"]), True, False, "", False)

        return Annotated[Asking, Depends(asking)]


class Api:
    """Requests of one portal."""

    def __init__(self, quotes):
        self.quotes = quotes
        app = FastAPI()

        @app.exception_handler(AccountError)
        async def refused(request, error):
            return JSONResponse({"code": error.code}, error.status)

        native = NativeQuotes(Callers(), SimpleNamespace(market=lambda symbol: MARKET), quotes)
        add_quotes(app, native)
        transport = httpx.ASGITransport(app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://portal")

    async def ask(self, who, method, path, status=200, **body):
        more = {"json": body} if method == "POST" else {}
        headers = {"who": str(who)}
        answer = await self.http.request(method, f"/v1/quotes{path}", headers=headers, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def quote(self, who, number, **terms):
        """The quote's number."""
        row = await self.ask(who, "POST", f"/requests/{number}/quotes", 201, **terms)
        return row["quotes"][-1]["id"]


@pytest.fixture
def exchange(postgresql):
    """The portal's API, the venue's desk, and the URL of their database."""

    @asynccontextmanager
    async def begun():
        async with exchange_of(postgresql) as (quotes, desk):
            yield Api(quotes), desk, quotes.database.url

    return begun()


async def test_the_best_quote_trades_and_is_booked_once(exchange):
    api, desk, _ = exchange
    asked = await api.ask(CLIENT, "POST", "/requests", 201, **ASKED)
    path = f"/requests/{asked['id']}"
    await api.quote(FIRST, asked["id"], ask="50010")
    best = await api.quote(SECOND, asked["id"], ask="50005.5")
    seen = await api.ask(FIRST, "GET", path)
    assert [one["ask"] for one in seen["quotes"]] == ["50010.00"]
    assert (seen["role"], seen["makers"]) == ("maker", [FIRST])
    mine = await api.ask(CLIENT, "GET", path)
    assert [one["maker"] for one in mine["quotes"]] == [SECOND, FIRST]
    done = await api.ask(CLIENT, "POST", f"{path}/accept", quote=best, side="buy")
    assert (done["state"], done["trade"]["state"], done["trade"]["seq"]) == (
        "traded",
        "done",
        7,
    )
    again = await api.ask(CLIENT, "POST", f"{path}/accept", 409, quote=best, side="buy")
    assert again["code"] == "not_possible"
    ((reference, booked),) = desk.booked.items()
    assert reference.endswith(f" {asked['id']}")
    assert (booked["buyer"], booked["seller"], booked["asked_by"]) == (CLIENT, SECOND, "buyer")
    assert (booked["lots"], booked["price"]) == (5_000, 5_000_550)
    other = await api.ask(FIRST, "GET", path)
    assert (other["state"], other["trade"]) == ("passed", None)
    own = await api.ask(SECOND, "GET", path)
    assert (own["trade"]["side"], own["trade"]["price"]) == ("sell", "50005.50")


async def test_a_last_look_and_a_counter_wait_for_the_maker(exchange):
    api, desk, _ = exchange
    asked = await api.ask(CLIENT, "POST", "/requests", 201, **ASKED | {"side": "both"})
    path = f"/requests/{asked['id']}"
    looked = await api.quote(FIRST, asked["id"], bid="49900", ask="50100", last_look=True)
    firm = await api.quote(SECOND, asked["id"], bid="49800", ask="50200")
    waiting = await api.ask(CLIENT, "POST", f"{path}/accept", quote=looked, side="sell")
    assert (waiting["state"], waiting["waits_for"], desk.booked) == ("pending", looked, {})
    assert (await api.ask(FIRST, "GET", path))["waits_price"] == "49900.00"
    hidden = await api.ask(SECOND, "GET", path)
    assert (hidden["state"], hidden["waits_for"]) == ("open", None)
    yes, no = ({"accept": accept, "waits_number": 1} for accept in (True, False))
    await api.ask(SECOND, "POST", f"{path}/answer", 409, **yes)
    await api.ask(FIRST, "POST", f"{path}/answer", 422, accept=True)
    assert (await api.ask(FIRST, "POST", f"{path}/answer", **no))["state"] == "open"
    counter = {"quote": firm, "side": "buy", "price": "50150"}
    await api.ask(CLIENT, "POST", f"{path}/counter", **counter)
    assert (await api.ask(SECOND, "GET", path))["waits_number"] == 2
    await api.ask(SECOND, "POST", f"{path}/answer", 409, **yes)
    done = await api.ask(SECOND, "POST", f"{path}/answer", **yes | {"waits_number": 2})
    assert (done["trade"]["state"], done["trade"]["price"]) == ("done", "50150.00")
    looks = {one["participant"]: one for one in await api.ask(CLIENT, "GET", "/makers")}
    assert (looks[FIRST]["rejected"], looks[SECOND]["accepted"]) == (1, 1)


async def test_what_is_agreed_is_booked_by_the_next_process_after_a_death(exchange):
    """The venue does not answer, the process is gone; another one continues from the table."""
    api, desk, url = exchange
    api.quotes.mirror.is_open = False
    asked = await api.ask(CLIENT, "POST", "/requests", 201, **ASKED)
    quote = await api.quote(FIRST, asked["id"], ask="50000")
    desk.error = DeskError("closed", UNAVAILABLE)
    path = f"/requests/{asked['id']}"
    done = await api.ask(CLIENT, "POST", f"{path}/accept", quote=quote, side="buy")
    assert (done["state"], done["trade"]["state"]) == ("traded", "due")
    desk.error = None
    first, second = (portal_of(url, desk) for _ in range(2))
    await asyncio.gather(first._beat(), second._beat())
    await first._beat()
    for portal in (first, second):
        await portal.look()
        assert portal.one(CLIENT, asked["id"]).outcome.is_booked
        await portal.database.close()
    assert len(desk.booked) == 1


async def test_what_the_venue_refuses_and_what_one_may_not_is_said(exchange):
    api, desk, _ = exchange
    asked = await api.ask(CLIENT, "POST", "/requests", 201, **ASKED | {"makers": [FIRST]})
    path = f"/requests/{asked['id']}"
    assert (await api.ask(SECOND, "GET", path, 404))["code"] == "not_found"
    await api.ask(SECOND, "POST", f"{path}/quotes", 404, ask="1")
    await api.ask(FIRST, "POST", f"{path}/quotes", 409, bid="1")
    for wrong in (
        {"quantity": "0.00001"},
        {"quantity": "-1"},
        {"side": "up"},
        {"makers": [CLIENT]},
        {"makers": [9]},
        {"seconds": 0},
    ):
        await api.ask(CLIENT, "POST", "/requests", 422, **ASKED | wrong)
    quote = await api.quote(FIRST, asked["id"], ask="50000")
    await api.ask(CLIENT, "DELETE", f"{path}/quotes/{quote}", 409)
    desk.error = DeskError("refused by the limits of a side: balance")
    done = await api.ask(CLIENT, "POST", f"{path}/accept", quote=quote, side="buy")
    assert (done["trade"]["state"], "balance" in done["trade"]["why"]) == ("refused", True)
    desk.error = None
    await api.quotes._beat()
    assert desk.booked == {}
    assert (await api.ask(FIRST, "GET", path))["trade"]["state"] == "refused"


async def test_a_maker_sends_so_many_quotes_for_one_request_and_sees_its_own(exchange, monkeypatch):
    """All quotes of a request are shown with it.  What others ask is not looked through."""
    monkeypatch.setattr(quotes_module, "MOST_QUOTES", 3)
    api, _, _ = exchange
    asked = [await api.ask(CLIENT, "POST", "/requests", 201, **ASKED) for _ in range(3)]
    alone = await api.ask(SECOND, "POST", "/requests", 201, **ASKED | {"makers": [FIRST]})
    numbers = [one["id"] for one in asked]
    for _ in range(3):
        await api.quote(FIRST, numbers[0], ask="50010")
    more = await api.ask(FIRST, "POST", f"/requests/{numbers[0]}/quotes", 409, ask="50009")
    assert more["code"] == "not_possible"
    await api.quote(SECOND, numbers[0], ask="50010")
    await api.quote(FIRST, numbers[1], ask="50010")
    await api.ask(CLIENT, "DELETE", f"/requests/{numbers[1]}")

    async def seen(who, query):
        return [one["id"] for one in await api.ask(who, "GET", f"/requests?{query}")]

    assert await seen(CLIENT, "state=all") == numbers[::-1]
    assert await seen(CLIENT, "state=all&limit=2") == numbers[:0:-1]
    assert await seen(CLIENT, "state=open") == [numbers[2], numbers[0]]
    assert await seen(SECOND, "state=all") == [alone["id"], *numbers[::-1]]
    assert await seen(FIRST, "state=open&limit=1") == [alone["id"]]
