"""Requests for quotes over FIX 4.4: clients and makers with sockets of their own, a real database
and a venue that the test plays.  Each message is one of the standard's."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from openoutcry.client import ClientError, SessionEnded
from openoutcry.client.fix import FixClient
from openoutcry.portal.accounts.errors import NotLoggedIn
from openoutcry.portal.native.callers import Asking
from openoutcry.portal.native.quote_door import QuoteDoor, logon_password
from openoutcry.portal.native.quote_messages import time_text
from openoutcry.portal.native.quote_routes import NativeQuotes
from openoutcry.portal.spot.signing import is_signed
from openoutcry.venue.desk import DeskError
from tests.oracles.fix_dictionary import Dictionary
from tests.support.portal.quotes_portal import (
    CLIENT,
    ETHER,
    FIRST,
    MARKET,
    SECOND,
    exchange_of,
)
from tests.support.waiting import BOUND_S

SECRET = "a secret of sixty-four letters"
KEY = SimpleNamespace(kind="HMAC", secret=SECRET.encode())


class Keys:
    """What knows API keys: here a participant's number."""

    def __init__(self):
        self.ended = set()

    async def of_key(self, api_key, timestamp, signature, text, address, once):
        assert once, "a Logon counts once"
        if not is_signed(KEY, text, signature):
            raise NotLoggedIn("it does not sign this request")
        return await self.of_known_key(api_key, address)

    async def of_known_key(self, api_key, address):
        if api_key in self.ended:
            raise NotLoggedIn("it has ended")
        return Asking(1, int(api_key), True, False, address, False)


class Place:
    """A portal's door."""

    def __init__(self, quotes):
        self.keys, self.seen, self.clients = Keys(), [], []
        orders = SimpleNamespace(market={"BTC-USD": MARKET, "ETH-USD": ETHER}.__getitem__)
        native = NativeQuotes(self.keys, orders, quotes)
        self.door = QuoteDoor(native, self.keys, "PORTAL", ("127.0.0.1", 0))

    async def log_on(self, who, secret=SECRET):
        name = f"P{who}"
        password = logon_password(name, secret, time.time_ns() // 10**6)
        client = await asyncio.to_thread(
            FixClient, *self.door.address, name, password, target="PORTAL", username=str(who)
        )
        self.clients.append(client)
        return client

    async def next(self, client, kind):
        message = await asyncio.to_thread(client.next, BOUND_S)
        assert message is not None, f"no {kind} came"
        assert message.kind == kind, str(message)
        self.seen.append(message)
        return message


@pytest.fixture
def traded(postgresql):
    """A portal's door, the venue's desk, and the desk of quotes."""

    @asynccontextmanager
    async def begun():
        async with exchange_of(postgresql) as (quotes, desk):
            place = Place(quotes)
            task = asyncio.create_task(place.door.run())
            while place.door.address[1] == 0:
                assert not task.done(), task.exception()
                await asyncio.sleep(0.001)
            try:
                yield place, desk, quotes
            finally:
                for client in place.clients:
                    client.close()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        check = Dictionary()
        assert [one.raw for one in place.seen if check.fault(one.raw) is not None] == []

    return begun()


def ask(client, name, **more):
    terms = {131: name, 146: "1", 55: "BTC-USD", 54: "1", 38: "0.5"}
    terms |= {62: time_text(time.time_ns() // 10**6 + 600_000)} | more.pop("terms", {})
    client.send("R", tuple((tag, value) for tag, value in terms.items() if value))


def quote(client, number, name, **terms):
    fields = {131: number, 117: name, 55: "BTC-USD"}
    fields |= {int(tag[1:]): value for tag, value in terms.items()}
    client.send("S", tuple(fields.items()))


def respond(client, response, quote, kind, **terms):
    fields = {693: response, 117: quote, 694: kind, 55: "BTC-USD"}
    fields |= {int(tag[1:]): value for tag, value in terms.items()}
    client.send("AJ", tuple(fields.items()))


def told(message, *tags):
    return [message.get(tag) for tag in tags]


async def test_a_client_and_two_makers_trade_over_fix(traded):
    place, desk, _ = traded
    client, first = await place.log_on(CLIENT), await place.log_on(FIRST)
    second = await place.log_on(SECOND)
    ask(client, "mine")
    asked = await place.next(first, "R")
    number = (await place.next(second, "R"))[131]
    assert told(asked, 131, 55, 54, 38) == [number, "BTC-USD", "1", "0.50000000"]
    quote(first, number, "a", t133="50010")
    assert told(await place.next(first, "b"), 131, 117, 297) == [number, "a", "0"]
    worse = await place.next(client, "S")
    assert told(worse, 131, 133, 132, 537, 448) == ["mine", "50010.00", "", "1", str(FIRST)]
    quote(second, number, "b", t133="50005.5")
    await place.next(second, "b")
    best = await place.next(client, "S")
    respond(client, "yes", best[117], "1", t54="1")
    assert told(await place.next(client, "8"), 693, 150, 39) == ["yes", "A", "A"]
    done = await place.next(client, "8")
    assert told(done, 693, 150, 39, 54, 32, 31, 151) == [
        "yes", "F", "2", "1", "0.50000000", "50005.50", "0",
    ]  # fmt: skip
    sold = await place.next(second, "8")
    assert told(sold, 150, 54, 32, 31, 17) == ["F", "2", "0.50000000", "50005.50", done[17]]
    # The other maker learns that it is over, and nothing else.
    assert told(await place.next(first, "Z"), 131, 117) == [number, "*"]
    (booked,) = desk.booked.values()
    assert (booked["buyer"], booked["seller"], booked["price"]) == (CLIENT, SECOND, 5_000_550)
    respond(client, "again", best[117], "1", t54="1")
    assert told(await place.next(client, "8"), 693, 150) == ["again", "8"]
    assert len(desk.booked) == 1


async def test_a_last_look_and_a_counter_wait_for_the_maker(traded):
    place, desk, _ = traded
    client, first = await place.log_on(CLIENT), await place.log_on(FIRST)
    second = await place.log_on(SECOND)
    ask(client, "two-sided", terms={54: ""})
    number = (await place.next(first, "R"))[131]
    assert (await place.next(second, "R")).get(54) == ""
    quote(first, number, "look", t132="49900", t133="50100", t537="2")
    await place.next(first, "b")
    looked = await place.next(client, "S")
    assert told(looked, 132, 133, 537) == ["49900.00", "50100.00", "2"]
    quote(second, number, "firm", t132="49800", t133="50200")
    await place.next(second, "b")
    firm = await place.next(client, "S")
    respond(client, "sell", looked[117], "1", t54="2")
    assert told(await place.next(client, "8"), 693, 150) == ["sell", "A"]
    consent = await place.next(first, "AJ")
    assert told(consent, 117, 694, 54, 44) == ["look", "1", "2", "49900.00"]
    assert desk.booked == {}
    respond(first, consent[693], "look", "6")
    assert (await place.next(client, "Z"))[117] == looked[117]
    assert told(await place.next(client, "8"), 693, 150) == ["sell", "8"]
    respond(client, "lower", firm[117], "2", t54="1", t44="50150")
    assert (await place.next(client, "8"))[150] == "A"
    consent = await place.next(second, "AJ")
    assert told(consent, 117, 694, 54, 44) == ["firm", "2", "1", "50150.00"]
    desk.error = DeskError("refused by the limits of a side: balance")
    respond(second, consent[693], "firm", "1")
    for side in (client, second):
        refused = await place.next(side, "8")
        assert told(refused, 150, 39) == ["8", "8"]
        assert "balance" in refused[58]


async def test_either_side_may_leave_it(traded):
    place, _, quotes = traded
    client, maker = await place.log_on(CLIENT), await place.log_on(FIRST)
    only = {453: "1", 448: str(FIRST), 447: "D", 452: "35"}
    ask(client, "one", terms=only)
    number = (await place.next(maker, "R"))[131]
    quote(maker, number, "q", t133="50010")
    await place.next(maker, "b")
    shown = (await place.next(client, "S"))[117]
    maker.send("Z", ((131, number), (117, "q"), (298, "1")))
    assert told(await place.next(maker, "b"), 117, 297) == ["q", "1"]
    assert told(await place.next(client, "Z"), 131, 117) == ["one", shown]
    respond(client, "late", shown, "1", t54="1")
    assert told(await place.next(client, "8"), 150, 58) == ["8", "there is no such quote"]
    maker.send("AG", ((131, number), (658, "10"), (146, "1"), (55, "BTC-USD")))
    client.send("Z", ((131, "one"), (117, "*"), (298, "4")))
    assert told(await place.next(client, "AG"), 131, 658, 58) == ["one", "7", "cancelled"]
    assert (await place.next(maker, "Z"))[117] == "*"
    assert str(FIRST) in quotes.desk.requests[int(number)].passed
    ask(client, "two", terms=only)
    number = (await place.next(maker, "R"))[131]
    quote(maker, number, "q", t133="50010")
    await place.next(maker, "b")
    respond(client, "none", (await place.next(client, "S"))[117], "6")
    assert (await place.next(client, "AG"))[58] == "passed"
    # One that was not asked has heard nothing: the next it hears is its own request's end.
    ask(await place.log_on(SECOND), "wrong", terms=only | {38: "-1"})
    assert told(await place.next(place.clients[-1], "AG"), 131, 658) == ["wrong", "99"]


async def test_what_is_open_comes_first_and_what_is_wrong_is_answered(traded):
    place, _, quotes = traded
    client = await place.log_on(CLIENT)
    ask(client, "before")
    ask(client, "before")
    refused = await place.next(client, "AG")
    assert "131" in refused[58]
    maker = await place.log_on(FIRST)
    number = (await place.next(maker, "R"))[131]
    quote(maker, number, "bid", t132="1")
    assert told(await place.next(maker, "b"), 117, 297) == ["bid", "5"]
    quote(maker, number, "q", t133="50010", t134="0.1", t135="0.2")
    assert "134" in (await place.next(maker, "b"))[58]
    maker.send("D", ((11, "X"), (55, "BTC-USD"), (54, "1"), (38, "1"), (40, "1")))
    assert told(await place.next(maker, "j"), 372, 380) == ["D", "3"]
    maker.send("S", ((131, number),))
    assert told(await place.next(maker, "j"), 372, 58) == ["S", "field 117 is missing"]
    maker.send("Z", ((131, "unknown"),))
    assert told(await place.next(maker, "b"), 131, 117, 297) == ["unknown", "0", "5"]
    quote(maker, number, "q", t133="50010")
    await place.next(maker, "b")
    client.logout()
    back = await place.log_on(CLIENT)
    # Another connection: the request has the portal's number.
    assert told(await place.next(back, "S"), 131, 133) == [number, "50010.00"]
    back.ask_again(2)
    assert told(await place.next(back, "S"), 43, 131) == ["Y", number]
    with pytest.raises(ClientError):
        await place.log_on(CLIENT, secret="another")
    place.keys.ended.add(str(FIRST))
    quote(maker, number, "late", t133="50009")
    with pytest.raises(SessionEnded):
        await asyncio.to_thread(maker.next, BOUND_S)
    assert [one.ask for one in quotes.desk.requests[int(number)].quotes.values()] == [5_001_000]


async def test_several_legs_have_one_price_and_trade_together(traded):
    place, desk, _ = traded
    client, maker = await place.log_on(CLIENT), await place.log_on(FIRST)
    terms = ((131, "spread"), (146, "1"), (55, "[N/A]"), (54, "1"), (38, "3"), (555, "2"))
    legs = (("BTC-USD", "1", "0.01"), ("ETH-USD", "2", "0.2"))
    rows = tuple(zip((600, 624, 687), leg, strict=True) for leg in legs)
    client.send("R", (*terms, *(pair for row in rows for pair in row)))
    asked = await place.next(maker, "R")
    assert told(asked, 55, 38, 555) == ["[N/A]", "3", "2"]
    assert [value for tag, value in asked.fields if tag in (600, 624, 687)] == [
        "BTC-USD", "1", "0.01000000", "ETH-USD", "2", "0.20000000",
    ]  # fmt: skip
    prices = ((600, "BTC-USD"), (684, "50010")), ((600, "ETH-USD"), (684, "2999"))
    fields = ((131, asked[131]), (117, "q"), (55, "[N/A]"), (555, "2"))
    maker.send("S", (*fields, *prices[0]))
    assert "555" in (await place.next(maker, "b"))[58]
    maker.send("S", (*fields, *prices[0], *prices[1]))
    assert (await place.next(maker, "b"))[297] == "0"
    shown = await place.next(client, "S")
    # 0.01 of 50,010.00 bought, and 0.2 of 2,999.00 sold.
    assert told(shown, 133, 135) == ["-99.700000", "3"]
    respond(client, "yes", shown[117], "2", t54="1", t44="-100")
    assert "several legs" in (await place.next(client, "8"))[58]
    respond(client, "yes", shown[117], "1", t54="1")
    assert (await place.next(client, "8"))[150] == "A"
    done = await place.next(client, "8")
    assert told(done, 150, 32, 31, 442) == ["F", "3", "-99.700000", "3"]
    assert [value for tag, value in done.fields if tag == 637] == ["50010.00", "2999.00"]
    assert told(await place.next(maker, "8"), 150, 54) == ["F", "2"]
    (booked,) = desk.booked.values()
    assert (booked["asker"], booked["asked"]) == (CLIENT, FIRST)
    assert [tuple(one.values()) for one in json.loads(booked["legs"])] == [
        ("BTC-USD", "buyer", 300, 5_001_000), ("ETH-USD", "seller", 600, 299_900),
    ]  # fmt: skip


@pytest.mark.promise(
    "Under slow, fast, empty, fragmented, pipelined and unread attacks from 50 addresses, each "
    "listener of the table answers an honest client, in bounded memory, and keeps no connection",
    group="doors",
)
async def test_a_client_that_asks_for_all_again_and_reads_nothing_is_cut(traded):
    """Messages of the session layer weigh by their bytes, and nothing is kept for such a client."""
    place, _, _ = traded
    weights, writers, came = [], [], place.door._waiting.came
    place.door._count = lambda address, weight: weights.append(weight)
    place.door._waiting.came = lambda owner, writer: writers.append(writer) or came(owner, writer)
    client = await place.log_on(CLIENT)
    for number in range(600):
        client.send("R", ((131, f"no symbol {number}"), (58, "x" * 100)))
    for _ in range(600):
        await place.next(client, "j")
    assert sum(weights) >= 600
    before = sum(weights)

    async def ask_again():
        for _ in range(100_000):
            await asyncio.to_thread(client.send, "2", ((7, "1"), (16, "0")))

    with pytest.raises((ConnectionError, ClientError, SessionEnded)):
        await ask_again()
    (writer,) = writers
    async with asyncio.timeout(BOUND_S):
        while not writer.transport.is_closing() or writer.transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
    assert not place.door.lines
    assert sum(weights) > before + 1
