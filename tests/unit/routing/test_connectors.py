"""What a venue says becomes numbered events in the router's units."""

import contextlib
from types import SimpleNamespace

import pytest

from openoutcry.client.fix import FixNumbers, read_message, write_message
from openoutcry.client.ouch import Message
from openoutcry.client.waiting import SessionEnded
from openoutcry.order_entry.faults import Refusal
from openoutcry.order_entry.shm_layout import Reply
from openoutcry.routing import ccxt_venue, own_venue
from openoutcry.routing.calls import Waited
from openoutcry.routing.ccxt_venue import MAX_TRADES, CcxtVenue
from openoutcry.routing.connector import Order, VenueDown
from openoutcry.routing.depth import Depth
from openoutcry.routing.fix_venue import RESERVED, FixVenue
from openoutcry.routing.instruments import (
    BUY,
    MAX_QUANTITY,
    SELL,
    Listing,
    Market,
    RoutingError,
    Venue,
)
from openoutcry.routing.own_venue import RETRY_NS, OwnVenue
from openoutcry.routing.parents import ParentStore, Terms
from openoutcry.routing.settings import HEARTBEAT_S, read_settings
from openoutcry.routing.shm_venue import ShmVenue
from openoutcry.wire.enums import Reason, Side, TimeInForce
from openoutcry.wire.errors import FeedError
from tests.support.routing.markets import GOLD


class BaseError(Exception):
    """As CCXT names its errors; the connector knows them by that name."""


class NetworkError(BaseError):
    """CCXT's."""


class OrderNotFound(BaseError):
    """CCXT's."""


@pytest.fixture(autouse=True)
def waited(monkeypatch):
    """What a venue says is read here; ``test_hanging_venues`` has venues that say nothing."""
    for module in (own_venue, ccxt_venue):
        monkeypatch.setattr(module, "Call", Waited)


LISTING = Listing("A", GOLD, "GOLD", 4, 0, price_step=100)
ORDER = Order("TOKEN1", BUY, 500, 1_000_000, True)


class FakeOuch:
    """A session that gives what the test put in, and notes what is entered."""

    session = "D1"

    def __init__(self, messages=()):
        self.messages, self.entered = list(messages), []
        self.connection = SimpleNamespace(close=lambda: None)

    def next(self, timeout_s):
        if not self.messages:
            return None
        message = self.messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    def enter(self, side, symbol, quantity, price, *, ioc, name):
        self.entered.append((side, symbol, quantity, str(price), ioc, name))


def message(sequence, kind, **fields):
    return Message(sequence, kind, "", {"token": "TOKEN1", **fields})


def own(*sessions):
    waiting = list(sessions)
    return OwnVenue(LISTING, lambda: waiting.pop(0), SimpleNamespace)


def test_messages_of_ouch_become_events_in_the_router_s_units():
    session = FakeOuch(
        [
            message(1, "S", event="S"),
            message(2, "A", shares=5),
            message(3, "E", shares=2, price=999_900),
            message(4, "C", shares=3, reason="I"),
            message(5, "J", reason="Z"),
        ]
    )
    events = own(session).poll(0)
    assert [(e.stream, e.sequence, e.kind, e.quantity, e.price, e.reason) for e in events] == [
        ("D1", 2, "accepted", 0, 0, ""),
        ("D1", 3, "filled", 200, 999_900, ""),
        ("D1", 4, "cancelled", 0, 0, "immediate or cancel: the untraded remainder"),
        ("D1", 5, "rejected", 0, 0, "quantity"),
    ]


def test_what_a_venue_takes_off_an_order_is_no_end_of_it(tmp_path):
    """A trade with an order of the same participant was prevented: only a part may have gone."""
    session = FakeOuch([message(2, "D", shares=3, reason="Q", prevented=3)])
    over_fix = OverFix(tmp_path)
    over_fix.messages = [report(2, id="TOKEN1", exec="D", all="2")]
    shm = FakeShm(reply(2, Reply.CANCELED, reason=Reason.SELF_TRADE, qty_lots=3))
    events = [venue.poll(0) for venue in (own(session), over_fix.venue, over_shm(shm))]
    assert [[(e.kind, e.quantity) for e in one] for one in events] == [
        [("reduced", 300)],
        [("resized", 200)],
        [("reduced", 300)],
    ]


def test_what_was_taken_in_before_is_left_out():
    venue = own(FakeOuch([message(2, "A"), message(3, "E", shares=2, price=1)]))
    venue.resume("D1", 2)
    assert [event.sequence for event in venue.poll(0)] == [3]


def test_a_session_that_ends_is_logged_in_again_after_a_while():
    venue = own(FakeOuch([SessionEnded("over")]), FakeOuch())
    with pytest.raises(VenueDown):
        venue.poll(0)
    with pytest.raises(VenueDown, match="not connected"):
        venue.poll(RETRY_NS - 1)
    with pytest.raises(VenueDown):
        venue.send(ORDER)
    assert venue.poll(RETRY_NS) == []
    assert venue.generation == 2


@pytest.mark.parametrize(("side", "price"), [(BUY, "0.0100"), (SELL, "200.0000")])
def test_an_order_in_doubt_is_settled_by_a_harmless_one_of_its_token(side, price):
    session = FakeOuch()
    venue = own(session)
    venue.poll(0)
    venue.send(ORDER)
    venue.settle(ORDER._replace(side=side))
    letter = "B" if side == BUY else "S"
    assert session.entered == [
        ("B", "GOLD", 5, "100.0000", True, "TOKEN1"),
        (letter, "GOLD", 1, price, True, "TOKEN1"),
    ]


def test_what_settles_a_dear_order_is_no_market_order():
    """Twice 100,000.0000 is what OUCH has for an order at any price."""
    session = FakeOuch()
    venue = own(session)
    venue.poll(0)
    venue.settle(ORDER._replace(side=SELL, price=1_000_000_000))
    assert session.entered[0][3] == "199999.9900"


def test_what_settles_a_dear_order_is_above_it_where_prices_have_no_end(tmp_path):
    dear = SHM_ORDER._replace(side=SELL, price=3_000_000_000)
    session, over_fix = FakeShm(), OverFix(tmp_path)
    for venue in (over_shm(session), over_fix.venue):
        venue.poll(0)
        venue.settle(dear)
    assert session.entered[0][4] == 60_000_000, "600,000.00"
    assert over_fix.session.entered[0][3] == "600000"


def test_more_decimals_than_ouch_has_are_refused():
    fine = Listing("A", GOLD.__class__("G", "G", "U", 6, 0), "G", 6, 0)
    with pytest.raises(RoutingError, match="4 decimals"):
        OwnVenue(fine, FakeOuch, SimpleNamespace)


TOKEN = "AB12CD0000007"
SHM_ORDER = ORDER._replace(token=TOKEN)


class FakeShm:
    """A session over shared memory that gives what the test put in, and notes what is entered."""

    day, room = "2026-01-02", 8

    def __init__(self, *messages):
        self.messages, self.entered = list(messages), []

    def next(self, timeout_s):
        return self.messages.pop(0) if self.messages else None

    def enter(self, *terms, time_in_force):
        self.entered.append((*terms, time_in_force))

    def cancel(self, name):
        self.entered.append(("cancel", name))


def reply(seq, kind, name=int(TOKEN, 36), reason=0, **more):
    fields = {"price_ticks": 0, "qty_lots": 0, "reason_text": "", **more}
    return SimpleNamespace(seq=seq, kind=kind, id=name, reason=reason, **fields)


def over_shm(session):
    """Ticks are hundredths; the router counts in ten-thousandths."""
    return ShmVenue(LISTING, lambda: session, SimpleNamespace, 2)


def test_replies_of_shared_memory_become_events_in_the_router_s_units():
    """A refused cancel names no order, and a second order of a name says nothing new."""
    session = FakeShm(
        reply(1, Reply.ACCEPTED),
        reply(2, Reply.EXECUTED, price_ticks=9_999, qty_lots=2),
        reply(3, Reply.REJECTED, name=0),
        reply(4, Reply.REJECTED, reason=Refusal.DUPLICATE_TOKEN),
        reply(5, Reply.PRIORITY),
        reply(6, Reply.CANCELED, qty_lots=3),
        reply(7, Reply.REJECTED, name=7, reason=1, reason_text="unknown symbol"),
    )
    events = over_shm(session).poll(0)
    assert [(e.stream, e.sequence, e.token, e.kind, e.quantity, e.price) for e in events] == [
        ("2026-01-02", 1, TOKEN, "accepted", 0, 0),
        ("2026-01-02", 2, TOKEN, "filled", 200, 999_900),
        ("2026-01-02", 6, TOKEN, "cancelled", 0, 0),
        ("2026-01-02", 7, "0000000000007", "rejected", 0, 0),
    ]
    assert events[-1].reason == "unknown symbol"


def test_orders_over_shared_memory_have_their_token_s_number():
    session = FakeShm()
    venue = over_shm(session)
    venue.poll(0)
    venue.send(SHM_ORDER)
    venue.settle(SHM_ORDER)
    venue.cancel(SHM_ORDER)
    name = int(TOKEN, 36)
    assert session.entered == [
        (name, Side.BUY, "GOLD", 5, 10_000, TimeInForce.IOC),
        (name, Side.BUY, "GOLD", 1, 1, TimeInForce.IOC),
        ("cancel", name),
    ]
    session.room = 0
    with pytest.raises(VenueDown, match="earlier requests"):
        venue.send(SHM_ORDER)


class FakeFix:
    """A session of FIX that gives what the test put in, and notes what is entered."""

    def __init__(self, numbers, *messages):
        self.numbers, self.messages, self.entered = numbers, list(messages), []

    def next(self, timeout_s):
        if not self.messages:
            return None
        answer = self.messages.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def enter(self, *terms, ioc, name, **more):
        self.entered.append((*terms, ioc, name, more))
        self.numbers.sent[self.numbers.next_out] = "D", ((11, name),), ""
        self.numbers.next_out += 1

    def cancel(self, order, symbol, side, *, name):
        self.entered.append(("cancel", order, symbol, side, name))

    def close(self):
        self.entered.append("closed")


def report(sequence, **fields):
    tags = {"id": 11, "orig": 41, "exec": 150, "lots": 32, "price": 31, "text": 58, "ref": 45}
    tags["all"] = 38
    kind = fields.pop("kind", "8")
    own = [(tags[name], value) for name, value in fields.items()]
    data = write_message([(35, kind), (34, str(sequence)), *own])
    return read_message(data)


class OverFix:
    """A connector over FIX whose logons the test answers; ``logons``: their numbers."""

    def __init__(self, folder):
        self.file, self.logons, self.messages = folder / "x.fix", [], []
        self.venue = FixVenue(LISTING, self.log_on, SimpleNamespace, self.file)

    def log_on(self, numbers):
        self.logons.append(numbers and (numbers.next_out, numbers.next_in))
        self.session = FakeFix(numbers or FixNumbers(2, 2), *self.messages)
        return self.session


def test_reports_of_fix_become_events_in_the_router_s_units(tmp_path):
    """A cancel's report names the order as the original one; a status, or that an order waits at
    the speed bump, says nothing new."""
    made = OverFix(tmp_path)
    made.messages = [
        report(2, id="TOKEN1", exec="A"),
        report(3, id="TOKEN1", exec="0"),
        report(4, id="TOKEN1", exec="F", lots="2", price="99.99"),
        report(5, id="TOKEN1", exec="I", text="status"),
        report(6, id="TOKEN1-7", orig="TOKEN1", exec="4"),
        report(7, id="TOKEN2", exec="8", text="collar"),
        report(8, exec="F", lots="1", price="1"),
        report(9, kind="9", id="TOKEN1-8", orig="TOKEN1"),
    ]
    events = made.venue.poll(5)
    assert {event.stream for event in events} == {"FIX 5"}
    assert [(e.sequence, e.token, e.kind, e.quantity, e.price, e.reason) for e in events] == [
        (3, "TOKEN1", "accepted", 0, 0, ""),
        (4, "TOKEN1", "filled", 200, 999_900, ""),
        (6, "TOKEN1", "cancelled", 0, 0, ""),
        (7, "TOKEN2", "rejected", 0, 0, "collar"),
    ]


def test_orders_of_fix_have_plain_prices_and_one_in_doubt_may_have_been_sent(tmp_path):
    made = OverFix(tmp_path)
    made.venue.poll(0)
    made.venue.send(ORDER)
    made.venue.settle(ORDER._replace(side=SELL))
    made.venue.cancel(ORDER)
    assert made.session.entered == [
        ("1", "GOLD", 5, "100", True, "TOKEN1", {}),
        ("2", "GOLD", 1, "200", True, "TOKEN1", {"t97": "Y"}),
        ("cancel", "TOKEN1", "GOLD", "1", "TOKEN1-4"),
    ]
    # The session layer did not take the first one: it says which by its number.
    made.session.messages = [report(9, kind="3", ref="2", text="no"), report(10, kind="3", ref="1")]
    (event,) = made.venue.poll(1)
    assert (event.token, event.kind, event.reason) == ("TOKEN1", "rejected", "no")


def test_numbers_of_fix_go_on_above_all_that_a_killed_router_sent(tmp_path):
    """The venue's numbers begin after the last event that was kept."""
    made = OverFix(tmp_path)
    made.venue.poll(7)
    for _ in range(3 * RESERVED):
        made.venue.send(ORDER)
    last = made.session.numbers.next_out
    made.session.messages = [SessionEnded("over")]
    with pytest.raises(VenueDown):
        made.venue.poll(8)
    made.messages = []
    made.venue.poll(8 + RETRY_NS)
    assert made.logons == [None, (last, 2)]
    assert not made.session.numbers.sent, "what did not arrive is a gap"
    later = OverFix(tmp_path)
    later.venue.resume("FIX 7", 40)
    later.venue.poll(10**12)
    ((next_out, next_in),) = later.logons
    assert (next_out >= last, next_in) == (True, 41)
    other = OverFix(tmp_path)
    other.venue.resume("D1", 40)
    other.venue.poll(10**12)
    assert other.logons[0][1] == 1, "an event of another stream"


def test_numbers_of_fix_that_are_missing_are_named_and_not_begun_again(tmp_path):
    made = OverFix(tmp_path)
    made.venue.resume("FIX 7", 40)
    with pytest.raises(VenueDown, match="is missing"):
        made.venue.poll(0)
    assert "is missing" in made.venue.orders_trouble
    assert made.logons == []


class FakeFeed:
    """A feed of one instrument that fails or ends as the test says."""

    def __init__(self):
        self.lines = SimpleNamespace(missing=(0, 0), ended=False, session=b"D1")
        self.book = SimpleNamespace()
        self.error, self.closed = None, False

    def poll(self, timeout_s):
        if self.error:
            raise self.error
        return 0

    def close(self):
        self.closed = True


def test_a_feed_that_cannot_be_joined_or_ends_is_lost_and_joined_again():
    """A venue that is down keeps no order from the other ones."""
    first, second = FakeFeed(), FakeFeed()
    answers = [FeedError("no snapshot"), first, second]

    def listen():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    venue = OwnVenue(LISTING, FakeOuch, listen)
    depth = Depth(Market(GOLD, (Venue("A"),), (LISTING,)))
    venue.follow(depth, 0, 0)
    assert (depth.status(0, 0), venue.trouble) == ("lost", "no snapshot")
    venue.follow(depth, 0, RETRY_NS - 1)
    assert len(answers) == 2
    venue.follow(depth, 0, RETRY_NS)
    assert venue.trouble == ""
    first.lines.ended = True
    venue.follow(depth, 0, RETRY_NS + 1)
    assert (depth.status(0, 0), first.closed) == ("lost", True)
    venue.follow(depth, 0, 2 * RETRY_NS)
    assert answers == []
    second.error = FeedError("a line is gone")
    venue.follow(depth, 0, 2 * RETRY_NS + 1)
    assert (venue.trouble, second.closed) == ("a line is gone", True)


def test_a_feed_with_a_gap_is_lost_until_it_is_whole(monkeypatch):
    """What it shows meanwhile is not traded on, nor what it showed before."""
    feed, levels = FakeFeed(), [(1_000_000, 5, 1)]
    instrument = SimpleNamespace(symbol="GOLD", locate=1, volume=7, price_decimals=4, state="T")
    feed.book = SimpleNamespace(
        instrument=lambda locate: instrument, instruments=lambda: [instrument], time_ns=0
    )
    feed.poll = lambda timeout_s: 1
    venue = OwnVenue(LISTING, FakeOuch, lambda: feed)
    depth = Depth(Market(GOLD, (Venue("A"),), (LISTING,)))

    def follow(number, book, locate, now_ns):
        asks = [(price, lots) for price, lots, _ in levels]
        return depth.set_levels(number, [], asks, now_ns)

    monkeypatch.setattr(depth, "follow", follow)
    for missing, status, shown in (((0, 0), "live", 1), ((3, 9), "lost", 0), ((0, 0), "live", 1)):
        feed.lines.missing = missing
        venue.follow(depth, 0, 0)
        assert (depth.status(0, 0), len(depth.take_side(BUY, 0))) == (status, shown)
    instrument.state = "H"
    venue.follow(depth, 0, 0)
    assert (depth.status(0, 0), depth.take_side(BUY, 0)) == ("halted", [])
    instrument.state, instrument.price_decimals = "T", 2
    venue.follow(depth, 0, 0)
    assert (depth.status(0, 0), depth.take_side(BUY, 0)) == ("lost", [])
    assert venue.trouble == "GOLD: price_decimals is 4, the feed's 2", "other venues are followed"


class FakeExchange:
    """CCXT's unified calls, with what the test put in."""

    def __init__(self):
        self.book = {"bids": [[99.5, 1.0]], "asks": [[100.25, 0.004], [100.5, 2.5]], "nonce": 5}
        self.order, self.trades, self.made = None, [], []
        self.has, self.public, self.free = {"fetchTrades": True}, [], {"USD": 1e9, "GOLD": 1e9}

    def fetch_order_book(self, symbol, limit):
        if isinstance(self.book, Exception):
            raise self.book
        return self.book

    def fetch_balance(self):
        return {"free": self.free}

    def fetch_trades(self, symbol):
        return list(self.public)

    def amount_to_precision(self, symbol, amount):
        return amount

    price_to_precision = amount_to_precision

    def create_order(self, *terms):
        self.made.append(terms)
        return {"id": "7"}

    def fetch_order(self, number, symbol, terms):
        if self.order is None:
            raise OrderNotFound("none")
        return self.order

    def fetch_order_trades(self, number, symbol):
        return list(self.trades)


CCXT_LISTING = Listing("X", GOLD, "GOLD/USD", 2, 2)


def followed(exchange, venue=None, now_ns=0):
    venue = venue or CcxtVenue(CCXT_LISTING, exchange)
    depth = Depth(Market(GOLD, (Venue("X"),), (CCXT_LISTING,)))
    venue.follow(depth, 0, now_ns)
    return depth


def test_a_book_of_ccxt_is_exact_and_less_than_a_unit_is_left_out():
    depth = followed(FakeExchange())
    assert depth.status(0, 0) == "live"
    assert [(one.price, one.quantity) for one in depth.take_side(BUY, 0)] == [(1_005_000, 250)]
    assert [(one.price, one.quantity) for one in depth.take_side(SELL, 0)] == [(995_000, 100)]


def test_no_more_is_sent_than_the_balances_pay_for_with_the_fee():
    exchange = FakeExchange()
    venue = CcxtVenue(CCXT_LISTING, exchange, may_trade=True, fee_ppm=10_000)
    exchange.free = {"USD": 1_010.0, "GOLD": None}
    assert venue.affordable(BUY, 1_000_000) == MAX_QUANTITY, "not known yet"
    venue.poll(0)
    assert venue.affordable(BUY, 1_000_000) == 1_000, "10 at 100.00 and one per cent"
    assert venue.affordable(SELL, 1_000_000) == 0
    exchange.free = "nothing"
    venue.poll(10**10)
    assert venue.affordable(BUY, 2_000_000) == 500, "an answer that cannot be read changes nothing"


def test_the_volume_is_what_traded_since_the_first_look():
    exchange = FakeExchange()
    venue = CcxtVenue(CCXT_LISTING, exchange, book_every_ns=0)
    for number in range(1, 4):
        exchange.public = [{"id": n, "amount": 2.0} for n in range(number + 1)]
        followed(exchange, venue, number)
    assert venue.volume == 400
    exchange.public = [{"id": 9, "amount": "x"}]
    followed(exchange, venue, 9)
    assert venue.volume == 400


def test_the_offset_of_the_clocks_is_that_of_the_quickest_answer():
    exchange, ms = FakeExchange(), 1_000_000
    venue = CcxtVenue(CCXT_LISTING, exchange, book_every_ns=0)
    followed(exchange, venue)
    assert venue.clock_ns is None
    for sent_ms, now_ms in ((1_000, 1_030), (2_000, 2_012), (3_000, 3_050)):
        exchange.book["timestamp"] = sent_ms
        followed(exchange, venue, now_ms * ms)
    assert venue.clock_ns == 12 * ms


@pytest.mark.parametrize(
    "book",
    [
        NetworkError("down"),
        {"bids": [], "asks": [[100.255, 1.0]]},
        {"bids": [[100, 1]], "asks": [[99, 1]]},
    ],
)
def test_a_book_that_is_not_right_is_not_traded_on(book):
    exchange = FakeExchange()
    exchange.book = book
    assert followed(exchange).take_side(BUY, 0) == []


def test_a_fault_of_ours_is_no_fault_of_the_venue():
    exchange = FakeExchange()
    exchange.book = KeyError("bids")
    with pytest.raises(KeyError):
        followed(exchange)


def test_a_trade_that_is_listed_late_is_counted_once_and_so_are_the_others(tmp_path):
    """It is older than one that was known already."""
    exchange = FakeExchange()
    venue = CcxtVenue(CCXT_LISTING, exchange, may_trade=True, order_every_ns=0)
    with ParentStore(tmp_path / "x", is_durable=False) as store:
        parent = store.add(Terms(GOLD.symbol, BUY, 500, 1_000_000, 0))
        (child,) = store.add_children(parent, [("A", 500, 1_000_000, True)], 0)
        venue.send(child.order)
        late, known = ({"timestamp": at, "id": str(at), "amount": at, "price": 1} for at in (1, 2))
        for trades, filled in (([known], 200), ([late, known], 300), ([late, known], 300)):
            exchange.order = {"id": "7", "status": "open", "filled": 3}
            exchange.trades = list(trades)
            store.apply(venue.poll(1), 1)
            assert parent.filled == filled


def test_trades_of_an_order_have_the_same_numbers_at_every_look():
    exchange = FakeExchange()
    venue = CcxtVenue(CCXT_LISTING, exchange, may_trade=True, order_every_ns=0)
    venue.send(ORDER)
    assert exchange.made[0][5] == {"clientOrderId": "TOKEN1", "timeInForce": "IOC"}
    exchange.order = {"id": "7", "status": "open", "filled": 2.0}
    exchange.trades = [{"timestamp": 1, "id": "a", "amount": 2.0, "price": 99.99}]
    first = venue.poll(1)
    assert [(e.sequence, e.kind, e.quantity, e.price) for e in first] == [
        (0, "accepted", 0, 0),
        (1, "filled", 200, 999_900),
    ]
    exchange.order = {"id": "7", "status": "canceled", "filled": 3.0}
    assert venue.poll(2) == first, "the second trade is not listed yet: no end"
    exchange.trades.append({"timestamp": 2, "id": "b", "amount": 1.0, "price": 100.0})
    assert [(e.stream, e.sequence) for e in venue.poll(3)] == [
        ("TOKEN1", 0),
        ("TOKEN1 a", 1),
        ("TOKEN1 b", 1),
        ("TOKEN1", MAX_TRADES),
    ]
    assert venue.poll(4) == []


def test_an_order_that_is_not_known_may_come_until_its_window_is_over():
    exchange = FakeExchange()
    venue = CcxtVenue(CCXT_LISTING, exchange, may_trade=True, order_every_ns=0, window_ns=10)
    venue.settle(ORDER)
    assert venue.poll(10) == []
    assert [(e.kind, e.reason) for e in venue.poll(11)] == [("cancelled", "never arrived")]


HOSTILE = (
    None, [], {}, "x", float("nan"), float("inf"), -1.0, 1e308, "1e999999999", 10**400, True, [[]],
    9e15, [[1]], [["x", "y"]], [[100.0, -5.0]], [[float("nan"), 1.0]], [[100.0, float("inf")]],
)  # fmt: skip


@pytest.mark.promise(
    "Whatever a venue of CCXT answers, no router ends: its book is lost, and it counts as down",
    group="doors",
)
def test_a_venue_that_answers_anything_ends_no_router():
    """Its book is lost, and its orders have an unknown fate."""
    for anything in HOSTILE:
        exchange = FakeExchange()
        for key in ("bids", "asks", "nonce", "timestamp"):
            exchange.book = {"bids": [], "asks": [], "nonce": 5, key: anything}
            assert followed(exchange).status(0, 0) in ("lost", "live")
        exchange.book, exchange.public = anything, anything
        assert followed(exchange).status(0, 0) == "lost"
        exchange.free = {"USD": anything} if anything != {} else anything
        trading = CcxtVenue(CCXT_LISTING, exchange, may_trade=True)
        trading.poll(0)
        assert 0 <= trading.affordable(BUY, 1) <= MAX_QUANTITY
        good = {"timestamp": 1, "id": "t", "amount": 1.0, "price": 99.5}
        answers = [anything] + [
            {"id": "7", "status": "open", "filled": 1.0, key: anything}
            for key in ("id", "status", "filled")
        ]
        for answer in answers:
            for trades in ([good], [good | {"amount": anything}], [good | {"price": anything}]):
                exchange.order, exchange.trades = answer, trades
                venue = CcxtVenue(CCXT_LISTING, exchange, may_trade=True, order_every_ns=0)
                venue.settle(ORDER)
                with contextlib.suppress(VenueDown):
                    events = venue.poll(0)
                    assert all(0 <= one.quantity < 1 << 60 for one in events)
                    assert all(0 <= one.price < 1 << 60 for one in events)


def test_without_a_client_no_order_leaves():
    with pytest.raises(RoutingError, match="may trade"):
        CcxtVenue(CCXT_LISTING, FakeExchange()).send(ORDER)


FILE = """
store = "orders.sqlite"
[[venue]]
name = "A"
taker_ppm = 300
orders = "127.0.0.1:9001"
session = "ROUTER"
password_file = "word"
a = "239.1.1.1:2000"
[[venue]]
name = "X"
kind = "ccxt"
exchange = "binance"
[[instrument]]
symbol = "GOLD/USD"
base = "GOLD"
quote = "USD"
price_decimals = 4
quantity_decimals = 2
[[listing]]
venue = "A"
instrument = "GOLD/USD"
symbol = "GOLD"
price_decimals = 4
quantity_decimals = 0
[[listing]]
venue = "X"
instrument = "GOLD/USD"
symbol = "GOLD/USD"
price_decimals = 2
quantity_decimals = 2
"""


def test_a_session_of_fix_has_short_heartbeats(tmp_path, monkeypatch):
    """A venue that loses the router without an end of the connection soon lets it log on again."""
    path, word = tmp_path / "routes.toml", tmp_path / "word"
    path.write_text(FILE.replace('name = "A"', 'name = "A"\nkind = "fix"'))
    word.touch(0o600)
    word.write_text("secret")
    settings, given = read_settings(path), []
    made = "openoutcry.routing.settings.FixClient"
    monkeypatch.setattr(made, lambda *words, **more: given.append(more))
    door, (listing, _) = settings.doors["A"], settings.market("GOLD/USD").listings
    settings._fix(listing, door)._open(None)
    assert given == [{"target": "A", "numbers": None, "heartbeat_s": HEARTBEAT_S}]


def test_a_file_names_venues_instruments_and_listings(tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text(FILE)
    settings = read_settings(path)
    market = settings.market("GOLD/USD")
    assert [venue.taker_ppm for venue in market.venues] == [300, 0]
    assert (market.instrument, settings.store) == (GOLD, tmp_path / "orders.sqlite")
    with pytest.raises(RoutingError, match="no instrument TIN"):
        settings.market("TIN")


def test_a_venue_of_ccxt_is_asked_at_its_own_rate(tmp_path, monkeypatch):
    """CCXT keeps the venue's limit, and the router asks twice a second at most."""
    exchange, made, asked = FakeExchange(), [], []
    fetch = exchange.fetch_order_book
    exchange.fetch_order_book = lambda *given: asked.append(given) or fetch(*given)
    ccxt = SimpleNamespace(binance=lambda options: made.append(options) or exchange)
    monkeypatch.setattr("openoutcry.routing.settings.need", lambda *words: ccxt)
    path, word = tmp_path / "routes.toml", tmp_path / "word"
    path.write_text(FILE)
    word.touch(mode=0o600)
    settings = read_settings(path)
    market = settings.market("GOLD/USD")
    venue = settings.connectors(market)["X"]
    depth = Depth(market)
    for now_ns in range(0, 10**9, 10**7):
        venue.follow(depth, market.number("X"), now_ns)
    assert (made, len(asked)) == ([{"enableRateLimit": True}], 2)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "taker_ppm",
            "taker_pmm",
            "line 5: venue\\[1\\].taker_pmm: unknown key; is taker_ppm meant",
        ),
        ('venue = "X"', 'venue = "Y"', "no venue Y"),
        ('exchange = "binance"', "", "exchange: is missing"),
        ('"127.0.0.1:9001"', '"here"', "'here' is not HOST:PORT"),
        ("price_decimals = 2", "price_decimals = 5", "price_decimals 5 must be 0 to 4"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path, old, new, text):
    path = tmp_path / "routes.toml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(RoutingError, match=text):
        read_settings(path)


def test_a_password_that_other_users_may_read_is_refused(tmp_path):
    path, word = tmp_path / "routes.toml", tmp_path / "word"
    path.write_text(FILE)
    word.write_text("secret")
    word.chmod(0o644)
    settings = read_settings(path)
    with pytest.raises(RoutingError, match=r"word: other users may read it; run chmod 600"):
        settings.connectors(settings.market("GOLD/USD"))
