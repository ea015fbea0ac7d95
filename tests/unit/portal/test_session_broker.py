"""The portal's broker, at a venue in one thread: what it refuses is said as over
FIX, and what became of a request is known after each death."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import RLock
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.fix.refusals import text_of_reply
from openoutcry.order_entry.shm_layout import End
from openoutcry.order_entry.spec import CancelOnDisconnect, Protocol, Takeover
from openoutcry.portal.trading import session_broker
from openoutcry.portal.trading.broker import BrokerError, NewList, NewOrder, Refusal
from openoutcry.portal.trading.orders import ParticipantOrders
from openoutcry.portal.trading.peer_broker import PeerBroker
from openoutcry.portal.trading.reject import Code, Reject
from openoutcry.portal.trading.service import OrderService
from openoutcry.portal.trading.session_broker import SessionBroker, _Session
from openoutcry.wire.enums import CommandKind, Contingency, OrderType, Reason, Side, TimeInForce
from openoutcry.wire.words import CHECKS, names_in
from tests.support.order_entry.sessions_venue import session
from tests.support.venue.inline import InlineVenue

SHM = int(Protocol.SHM)
TEN, ELEVEN = 10, 11
LOCK = RLock()
"""Held by the thread in which the venue goes on."""


def rows():
    more = {"takeover": Takeover.TAKE_OVER, "rings": True}
    more |= {"cancel_on_disconnect": int(CancelOnDisconnect.NONE), "protocol": SHM}
    return [
        session("PORTAL-1", 9, acts_for=[(TEN, TEN)], **more),
        session("PORTAL-2", 9, acts_for=[(ELEVEN, 19)], **more),
        session("MAKER", 2, protocol=SHM),
    ]


def order(name, side=Side.BUY, lots=5, price=10_000, **more):
    kind = more.pop("order_type", OrderType.LIMIT)
    return NewOrder(name, "ACME", side, kind, TimeInForce.GTC, lots, price, **more)


class Inline(SessionBroker):
    """A broker that logs in to a venue of the same thread."""

    def __init__(self, venue):
        self.venue, specs = venue, venue.spec.sessions
        self.file = SimpleNamespace(
            calendar=SimpleNamespace(never_closes=False), sessions=SimpleNamespace(symbols=())
        )
        self.at, self.tls = "inline", None
        self.sessions = [_Session(row) for row in specs if row.acts_for]
        self._of = {TEN: 0} | dict.fromkeys(range(ELEVEN, 20), 1)
        self._tasks, self._is_closed, self.busy = set(), False, 0
        self.told, self.woken = [], []
        self.refused = lambda *said: self.told.append(said)
        self.heard = self.woken.append

    async def _log_in(self, session):
        self.busy += 1  # the venue goes on in the login's thread
        try:
            return await super()._log_in(session)
        finally:
            self.busy -= 1

    def _logged_in(self, session):
        def log_in(path, name, key, *, first_reply, day, timeout_s, tls):
            with LOCK:
                return self.venue.shm(name, first_reply=first_reply, day=day)

        with patch.object(session_broker, "ShmClient", log_in):
            return super()._logged_in(session)

    async def all(self):
        """Let venue and broker go on until neither has anything to do."""
        for _ in range(12):
            while self.busy:
                await asyncio.sleep(0)
            self.venue.step()
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def alone(work):
    """The same, while no login goes on: a connection that ends lets the venue go on, too."""

    def locked(*terms, **more):
        with LOCK:
            return work(*terms, **more)

    return locked


def apart(work):
    """What needs the venue's own event loop, while this one stands still."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture
def venue(tmp_path):
    with InlineVenue(rows(), tmp_path / "journal") as venue:
        venue.step, venue.clock.advance = alone(venue.step), alone(venue.clock.advance)
        yield venue


@pytest.fixture
def broker(venue):
    @asynccontextmanager
    async def begun():
        broker = Inline(venue)
        try:
            async with asyncio.timeout(60):
                yield broker
        finally:
            for task in broker._tasks:
                task.cancel()

    return begun()


async def test_orders_of_several_participants_come_by_their_sessions_and_each_is_heard_of(
    venue, broker
):
    for participant in (TEN, ELEVEN, 12):
        await broker.enter(participant, order("a", lots=participant))
    await broker.all()
    assert sorted(broker.woken) == [TEN, ELEVEN, 12]
    await broker.amend(TEN, "a", order("b", lots=20))
    await broker.cancel(12, "ACME", Side.BUY, "a", "c")
    await broker.all()
    assert (sorted(broker.woken[3:]), broker.told) == ([TEN, 12], [])
    commands = venue.commands()
    entered = commands[commands["kind"] == CommandKind.NEW]
    assert entered["participant"].tolist() == [TEN, ELEVEN, 12]
    assert entered["qty_lots"].tolist() == [TEN, ELEVEN, 12]
    assert [one.asked for one in broker.sessions] == [{}, {}]
    with pytest.raises(BrokerError, match="no session"):
        await broker.enter(77, order("a"))


async def test_a_reply_wakes_a_broker_that_sleeps_without_a_look(venue, broker):
    """By a byte of its socket; the maker trades with an order that has rested for long."""
    await broker.enter(TEN, order("a"))
    await broker.all()
    maker = apart(lambda: venue.shm("MAKER"))
    before = len(broker.woken)
    maker.enter(1, Side.SELL, "ACME", 1, 10_000)
    await broker.all()
    assert broker.woken[before:] == [TEN]


async def test_what_is_refused_is_said_as_over_fix(venue, broker):
    await broker.enter(TEN, order("a"))
    await broker.enter(TEN, order("a"))
    await broker.enter(TEN, order("odd", lots=-5))
    await broker.cancel(TEN, "ACME", Side.BUY, "none", "c")
    await broker.cancel(ELEVEN, "ACME", Side.BUY, "a", "c")
    await broker.amend(TEN, "a", order("b", lots=0))
    await broker.all()
    told = {name: refusal for who, name, refusal in broker.told if who == TEN}
    duplicate, odd, unknown, changed = (told.pop(name) for name in ("a", "odd", "c", "b"))
    assert not told
    assert duplicate == Refusal("ClOrdID (11) was used before", is_duplicate=True)
    assert odd == Refusal("OrderQty (38) must be above 0")
    assert unknown.text == "ClOrdID (11) or OrigClOrdID (41) names no order of this session"
    assert "OrderQty (38)" in changed.text
    (other,) = (one for who, _, one in broker.told if who == ELEVEN)
    assert other == unknown, "another participant's order is none of its own"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_a_reply_has_the_text_of_fix(reason):
    for bits in (0, 1, 1 << 20, 1 << 33):
        assert text_of_reply(reason, (bits, 1, 2, 3), True)
    figures = (1 << names_in(CHECKS).index("MAX_QTY"), 5, 4, 9)
    text = text_of_reply(Reason.RISK, figures, True)
    assert text == "OrderQty (38) is above the limit of one order: limit 5, now 4, asked 9"


# Deaths.


async def test_a_request_that_the_venue_did_not_take_is_known_to_have_had_no_effect(venue, broker):
    await broker.enter(TEN, order("first"))
    await broker.all()
    await broker.enter(TEN, order("lost"))
    apart(lambda: (venue.drop(), venue.open()))  # before it has looked
    await broker.all()
    ((participant, name, refusal),) = broker.told
    assert (participant, name, refusal.is_unsent) == (TEN, "lost", True)
    await broker.enter(TEN, order("lost"))
    await broker.enter(TEN, order("first"))
    await broker.all()
    assert [(name, one.is_duplicate) for _, name, one in broker.told[1:]] == [("first", True)]
    assert apart(venue.stop)["replay"]["equal"] is True


async def test_the_names_of_a_list_that_was_lost_are_forgotten_with_it(venue, broker):
    """A later request has its number, and an answer of its own."""
    await broker.enter(TEN, order("first"))
    await broker.all()
    legs = order("one", Side.SELL, price=10_001), order("two", Side.SELL, price=10_002)
    await broker.enter_list(TEN, NewList("lost", Contingency.OTO, legs))
    apart(lambda: (venue.drop(), venue.open()))  # before it has looked
    await broker.all()
    assert [(name, one.is_unsent) for _, name, one in broker.told] == [("one", True)]
    for _ in range(4):  # a list has several numbers
        await broker.enter(TEN, order("first"))
    await broker.all()
    said = [(name, one.is_duplicate, one.is_unsent) for _, name, one in broker.told[1:]]
    assert said == [("first", True, False)] * 4


async def test_what_the_venue_said_while_nobody_was_there_is_read_later(venue, broker):
    """A request was taken and refused; its answer was not read before the connection ended."""
    await broker.enter(TEN, order("first"))
    await broker.all()
    session = broker.sessions[0]
    await broker.enter(TEN, order("first"))
    await broker.enter(TEN, order("second"))
    venue.step()
    assert len(session.asked) == 2
    broker._end(session, session.client, BrokerError("lost"))
    await broker.all()
    ((_, name, refusal),) = broker.told
    assert (name, refusal.is_duplicate, refusal.is_unsent) == ("first", True, False)
    assert session.asked == {}
    assert broker.woken.count(TEN) >= 2


@pytest.mark.parametrize(("who", "name"), [(12, "bad"), (ELEVEN, "bad")])
async def test_an_answer_about_another_request_of_the_same_number_is_not_taken_for_ours(
    venue, broker, who, name
):
    """The venue died before it took ours; another process was first at the next one."""
    await broker.enter(ELEVEN, order("first"))
    await broker.all()
    session = broker.sessions[1]
    await broker.enter(ELEVEN, order("lost"))
    broker._is_closed = True  # as if it were slow
    apart(lambda: (venue.drop(), venue.open()))
    broker._end(session, session.client, BrokerError("lost"))
    other = Inline(venue)
    await other.enter(who, order(name, lots=-5))
    await other.all()
    broker._is_closed = False
    await broker.enter(ELEVEN, order("next"))
    await broker.all()
    ((_, _, refused),) = other.told
    assert refused == Refusal("OrderQty (38) must be above 0")
    ((participant, told, unsent),) = broker.told
    assert (participant, told, unsent.is_unsent) == (ELEVEN, "lost", True)
    for task in other._tasks:
        task.cancel()


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_venue_that_has_forgotten_the_replies_is_asked_for_a_while_and_then_logged_in_to(
    venue, broker, is_late
):
    """A venue whose journal is gone has fewer replies than the portal has read."""
    await broker.enter(TEN, order("a"))
    await broker.all()
    session = broker.sessions[0]
    session.next_reply = 99
    session.asked[7] = session_broker.Asked(TEN, "lost", True)
    broker._is_closed = True
    broker._end(session, session.client, BrokerError("lost"))
    broker._is_closed = False
    if not is_late:
        with pytest.raises(BrokerError, match="number"):
            await broker.enter(TEN, order("b"))
        return
    session.ended_s -= session_broker.ASKED_S
    await broker.enter(TEN, order("b"))
    await broker.all()
    assert (broker.told, session.asked) == ([], {})


async def test_a_session_that_another_process_took_over_is_not_taken_back_without_need(
    venue, broker
):
    await broker.enter(TEN, order("a"))
    await broker.all()
    other = Inline(venue)
    await other.enter(TEN, order("b"))
    await broker.all()
    await other.all()
    assert broker.sessions[0].client is None
    assert (broker.told, other.told) == ([], [])
    await broker.cancel(TEN, "ACME", Side.BUY, "b", "c")
    await broker.all()
    await other.all()
    assert other.sessions[0].client is None, "one process has it at a time"
    assert broker.told == [], "an order of the other process is the session's, too"
    block = venue.run.work.sessions.region.block(1)
    assert block[session_block.OPEN_ORDERS // 8] == 1
    for task in other._tasks:
        task.cancel()


async def test_what_a_session_says_last_is_heard_before_it_ends(venue, broker):
    await broker.enter(TEN, order("a"))
    await broker.all()
    broker.woken.clear()
    session, client = broker.sessions[0], broker.sessions[0].client
    asyncio.get_running_loop().remove_reader(client.fileno())  # it has no core for a while
    await broker.enter(TEN, order("a"))
    venue.step()
    block = venue.run.work.sessions.region.block(1)
    block[session_block.SWITCH // 8] = session_block.SWITCH_OFF
    venue.clock.advance(0.01)
    broker._readable(session, client)
    assert (broker.woken, session.client) == ([TEN], None)
    assert [(name, one.is_duplicate) for _, name, one in broker.told] == [("a", True)]


async def test_a_venue_that_is_gone_is_said_to_take_no_orders(venue, broker):
    await broker.enter(TEN, order("a"))
    await broker.all()
    client = broker.sessions[0].client
    block = venue.run.work.sessions.region.block(1)
    block[session_block.SWITCH // 8] = session_block.SWITCH_OFF
    venue.clock.advance(0.01)
    assert client.end is End.SWITCHED_OFF
    with pytest.raises(BrokerError, match="the connection to the venue is lost"):
        await broker.enter(TEN, order("b"))
    with pytest.raises(BrokerError):
        await broker.enter(TEN, order("b"))


# Its place in the portal.


class Sender:
    """A broker that refuses everything in one way."""

    def __init__(self, refusal):
        self.refused, self.heard, self.refusal = None, None, refusal

    def session_of(self, participant):
        return participant // 100

    async def enter(self, participant, order):
        self.refused(participant, order.client_id, self.refusal)

    async def amend(self, participant, client_id, order):
        self.refused(participant, order.client_id, self.refusal)

    async def cancel(self, participant, symbol, side, client_id, request_id):
        self.refused(participant, request_id, self.refusal)


async def test_a_request_that_was_lost_is_answered_that_nothing_was_sent():
    orders = SimpleNamespace(participant=lambda number: ParticipantOrders())
    mirror = SimpleNamespace(listeners=[], orders=orders, require_ready=int)
    broker = Sender(Refusal("the venue did not take the request", is_unsent=True))
    service = OrderService(mirror, broker, lambda: None)
    market = SimpleNamespace(symbol="ACME")
    held = SimpleNamespace(number=1, side=1, client_id="a", is_open=True, state="NEW", cancel_id="")
    for asked in (
        service.enter(TEN, order("a")),
        service.cancel(TEN, market, held, "c"),
        service.amend(TEN, held, order("b")),
    ):
        with pytest.raises(Reject) as refused:
            await asyncio.wait_for(asked, 5)
        assert refused.value.code is Code.UNAVAILABLE
        assert refused.value.detail == "the venue did not take the request"


def test_a_session_has_one_owner_among_the_processes(tmp_path):
    peers = [PeerBroker(Sender(None), index, 2, tmp_path) for index in range(2)]
    for participant in (0, 99, 100, 150, 250, 399):
        assert {peer.owner_of(participant) for peer in peers} == {participant // 100 % 2}
