"""The broker: the portal's sessions of the venue file, each of which acts for the participants of
its ranges, over shared memory or over TCP from another host.

Names of orders are texts of 36 characters, which the venue keeps in its journal, once for each
participant.  Requests have numbers: after a connection has ended, the next one says up to which of
them the venue has taken, so the others are known to have had no effect.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from openoutcry.client import ClientError
from openoutcry.client.shm import REPLY_DTYPE, TEXTS, RequestsFull, ShmClient, ShmOrder, ShmRefused
from openoutcry.client.waiting import Unreachable
from openoutcry.order_entry.faults import Refusal as CommonRefusal
from openoutcry.order_entry.fix.refusals import text_of_reply
from openoutcry.order_entry.shm_layout import End, Reply
from openoutcry.order_entry.spec import Protocol, SessionSpec
from openoutcry.portal.trading.broker import BrokerError, NewList, NewOrder, Refusal, Refused
from openoutcry.portal.trading.terms import needs_expiry, needs_trigger
from openoutcry.venue.file import VenueFile
from openoutcry.wire.enums import OrderType, Reason, SelfTrade, Side, TimeInForce
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.order_types import ORDER_TYPES, Aux

LOOK_S = 1.0
"""Seconds between two heartbeats, and between two looks without a byte of the venue."""
LOGIN_S, ROOM_S, ASKED_S = 5.0, 1.0, 10.0
"""How long a login may take, how long room for a request is waited for, and how long a venue that
has gone is asked what became of requests."""
REOPENS_S, RETRY_S = 15.0, 0.1
"""How long a venue that never closes is waited for, and from one attempt to the next."""
ANY_ADDRESS = ("0.0.0.0", "::")
DUPLICATES = CommonRefusal.DUPLICATE_TOKEN, Reason.DUPLICATE_ID
KIND, REASON, PARTICIPANT, PRICE, QTY, LEAVES, MATCH, REQUEST = (
    (REPLY_DTYPE.names or ()).index(name)
    for name in (
        *("kind", "reason", "participant", "price_ticks", "qty_lots", "leaves_lots"),
        *("match", "request"),
    )
)
"""Places of a reply's fields."""
UNSENT = Refusal("the venue did not take the request", is_unsent=True)
log = logging.getLogger("outcry.portal")


class Asked(NamedTuple):
    """A request of a client."""

    participant: int
    name: str
    """The client's of it."""
    is_order: bool = False
    """It enters an order."""
    names: frozenset[int | str] = frozenset()
    """Of the orders of a list, of which the answer may name any; empty: there is one name."""


class _Session:
    """One session of the portal, and its connection while it has one."""

    def __init__(self, row: SessionSpec) -> None:
        self.row, self.turn = row, asyncio.Lock()
        self.client: ShmClient | None = None
        self.asked: dict[int, Asked] = {}
        """Requests by their numbers, until the first reply."""
        self.next_reply, self.day = 0, ""
        """Where the next connection continues; 0: with what is new."""
        self.ended_s = 0.0
        """When the last connection ended, ``time.monotonic()``."""


class SessionBroker:
    """Sessions of a venue file whose keys the portal has."""

    def __init__(
        self, file: VenueFile, keys: dict[str, str], address: tuple[str, int] | None = None
    ) -> None:
        """``address``: of the venue's port from this host; None: what the venue file has, shared
        memory first.  Raises :class:`OutcryError`."""
        self.file, rows = file, sessions_of(file, keys)
        self.at, self.tls = venue_port(file, address)
        if isinstance(self.at, tuple) and (kept := [row.name for row in rows if not row.networks]):
            raise OutcryError(
                f"{file.path}: session {kept[0]} of the portal may not log in over TCP: it needs "
                "networks with the portal's address"
            )
        self.sessions = [_Session(row) for row in rows]
        self._of = {
            participant: number
            for number, session in enumerate(self.sessions)
            for first, last in session.row.acts_for
            for participant in range(first, last + 1)
        }
        self.refused: Refused = lambda participant, name, refusal: None
        self.heard: Callable[[int], None] = lambda participant: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def participants(self) -> list[int]:
        return sorted(self._of)

    def serves(self, participant: int) -> bool:
        return participant in self._of

    def session_of(self, participant: int) -> int:
        return self._of.get(participant, 0)

    async def enter(self, participant: int, order: NewOrder) -> None:
        told = self._told(order)

        def send(client: ShmClient) -> int:
            if not (needs_expiry(order) or needs_trigger(order)):
                return client.enter_order(told, participant=participant)
            return client.enter_with(
                told,
                until_ns=order.expires_ns if needs_expiry(order) else 0,
                trigger_by=order.trigger_by,
                activation_ticks=order.activation_ticks or None,
                participant=participant,
            )

        await self._send(Asked(participant, order.client_id, True), send)

    async def enter_list(self, participant: int, orders: NewList) -> None:
        legs = [self._told(order) for order in orders.orders]
        names = frozenset(leg.id for leg in legs)
        await self._send(
            Asked(participant, orders.orders[0].client_id, True, names),
            lambda client: client.enter_list(
                orders.contingency, legs, id=orders.client_id, participant=participant
            ),
        )

    def _told(self, order: NewOrder) -> ShmOrder:
        """Return an order in the client's words."""
        return ShmOrder(
            order.client_id,
            order.side,
            self._code_of(order.symbol),
            order.lots,
            order.price_ticks,
            order.order_type,
            TimeInForce.GTC if needs_expiry(order) else order.time_in_force,
            aux_of(order),
            order.self_trade or SelfTrade.ALLOW,
            order.reduce_only,
        )

    async def amend(self, participant: int, client_id: str, order: NewOrder) -> None:
        await self._send(
            Asked(participant, order.client_id),
            lambda client: client.replace(
                client_id,
                order.client_id,
                order.lots,
                order.price_ticks,
                participant=participant,
                aux=order.shown_lots if order.order_type is OrderType.ICEBERG else None,
                self_trade=order.self_trade or SelfTrade.ALLOW,
            ),
        )

    async def cancel(
        self, participant: int, symbol: str, side: Side, client_id: str, request_id: str
    ) -> None:
        await self._send(
            Asked(participant, request_id),
            lambda client: client.cancel(client_id, id=request_id, participant=participant),
        )

    async def close(self) -> None:
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        for session in self.sessions:
            if (client := session.client) is not None:
                self._forget(session, client)
                with contextlib.suppress(ClientError, OSError):
                    await asyncio.to_thread(client.logout)

    def _code_of(self, symbol: str) -> str:
        """The code of a symbol, which records have."""
        symbols = self.file.sessions.symbols
        place = symbols.index(symbol) if symbol in symbols else -1
        return symbol if place < 0 else self.file.instruments[place]["symbol"].decode("ascii")

    # Connections

    async def _send(self, asked: Asked, send: Callable[[ShmClient], int]) -> None:
        """Send a request.  Raises :class:`BrokerError` if nothing was sent."""
        participant = asked.participant
        if participant not in self._of:
            raise BrokerError("this account has no session at the venue")
        session = self.sessions[self._of[participant]]
        client = session.client or await self._connected(session)
        until_s = time.monotonic() + ROOM_S
        while True:
            try:
                number = send(client)
                session.asked[number] = asked
                return
            except RequestsFull as full:
                if time.monotonic() > until_s:
                    raise BrokerError(f"the venue takes no orders now: {full}") from None
            except (ClientError, OSError) as error:
                self._end(session, client, error)
                raise BrokerError(f"the connection to the venue is lost: {error}") from None
            except ValueError as error:
                raise BrokerError(str(error)) from None
            await asyncio.sleep(0.001)

    async def _connected(self, session: _Session) -> ShmClient:
        """The session's client, logged in.  Raises :class:`BrokerError`."""
        async with session.turn:
            if session.client is not None:
                return session.client
            client = await self._log_in(session)
            self._settle(session, client)
            session.client = client
            loop = asyncio.get_running_loop()
            loop.add_reader(client.fileno(), self._readable, session, client)
            self._begin(self._keep_alive(session, client))
            self._readable(session, client)  # what came with the login
            return client

    async def _log_in(self, session: _Session) -> ShmClient:
        """Log in.  A venue that never closes opens its ports again within seconds, at a reset of
        its sessions or a restart, and is waited for.  Raises :class:`BrokerError`."""
        until_s = time.monotonic() + (REOPENS_S if self.file.calendar.never_closes else 0.0)
        while True:
            try:
                return await asyncio.to_thread(self._logged_in, session)
            except (ClientError, OSError) as error:
                if not isinstance(error, Unreachable) or time.monotonic() >= until_s:
                    raise BrokerError(f"the venue takes no orders now: {error}") from None
            await asyncio.sleep(RETRY_S)

    def _logged_in(self, session: _Session) -> ShmClient:
        def log_in(first_reply: int, day: str) -> ShmClient:
            return ShmClient(
                self.at,
                session.row.name,
                session.row.key,
                first_reply=first_reply,
                day=day,
                timeout_s=LOGIN_S,
                tls=self.tls,
            )

        if time.monotonic() - session.ended_s > ASKED_S:
            session.asked.clear()  # no client waits for an answer any more
        if session.asked:
            try:
                return log_in(session.next_reply, session.day)
            except ShmRefused as error:
                name = session.row.name
                log.warning("session %s: what was asked before is not known: %s", name, error)
                session.asked.clear()
        return log_in(0, "")

    def _settle(self, session: _Session, client: ShmClient) -> None:
        """Say of the requests that the venue has not taken that they had no effect.  It answers the
        others."""
        for number in [one for one in session.asked if one > client.taken_before]:
            asked = session.asked.pop(number)
            self.refused(asked.participant, asked.name, UNSENT)

    def _readable(self, session: _Session, client: ShmClient) -> None:
        """The venue has sent something, so there are replies, or it has closed the connection."""
        try:
            client.begin_wait()
            self._take(session, client)
        except ClientError as error:
            self._end(session, client, error)

    def _take(self, session: _Session, client: ShmClient) -> None:
        """Read all replies.  Reports of orders are the mirror's business: they say that there is
        something for it.  Raises :class:`ClientError` at the end of the connection."""
        heard: dict[int, None] = {}
        refused: list[tuple[int, str, Refusal]] = []
        try:
            while len(replies := client.poll_array()):
                for place, reply in enumerate(replies.tolist()):
                    if reply[KIND] == Reply.NAMES:
                        continue
                    heard[reply[PARTICIPANT]] = None
                    if reply[KIND] == Reply.DELAYED:
                        continue  # it waits at the speed bump, and is answered then
                    asked = session.asked.pop(reply[REQUEST], None)
                    if reply[KIND] == Reply.REJECTED and asked is not None:
                        who, name = named_in(replies[place - 1])
                        known = asked.names or {asked.name}
                        is_other = who != asked.participant or name not in known
                        refusal = UNSENT if is_other else refusal_of(reply, asked.is_order)
                        refused.append((asked.participant, asked.name, refusal))
        finally:
            session.next_reply, session.day = client.next_reply, client.day
            for participant in heard:
                self.heard(participant)
            for one in refused:
                self.refused(*one)

    async def _keep_alive(self, session: _Session, client: ShmClient) -> None:
        """Show the venue that we live, and look for what no byte has told."""
        while session.client is client:
            await asyncio.sleep(LOOK_S)
            if session.client is client:
                self._readable(session, client)

    def _end(self, session: _Session, client: ShmClient, error: Exception) -> None:
        """Forget a connection that brings nothing more.  What became of its requests the next one
        says, unless another process has the session now."""
        if session.client is not client:
            return
        log.warning("session %s: %s", session.row.name, error)
        self._forget(session, client)
        session.ended_s = time.monotonic()
        end = client.end
        client.close()
        if end is End.TAKEN_OVER:
            session.asked.clear()
        elif session.asked and not self._is_closed:
            self._begin(self._ask_again(session))

    async def _ask_again(self, session: _Session) -> None:
        """Log in as soon as the venue is there again, while clients wait for answers."""
        until_s = time.monotonic() + ASKED_S
        while session.asked and session.client is None and time.monotonic() < until_s:
            with contextlib.suppress(BrokerError):
                await self._connected(session)
                return
            await asyncio.sleep(RETRY_S)

    def _forget(self, session: _Session, client: ShmClient) -> None:
        session.client = None
        asyncio.get_running_loop().remove_reader(client.fileno())

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def sessions_of(file: VenueFile, keys: dict[str, str]) -> list[SessionSpec]:
    """Return the sessions that a venue file has for the portal.  Raises :class:`OutcryError` if
    there are some of an older portal, or none."""
    rows = [row for row in file.sessions.sessions if row.name in keys]
    for row in rows:
        if row.protocol is not Protocol.SHM:
            raise OutcryError(
                f"{file.path}: session {row.name} of the portal is over FIX, which a portal no "
                "longer uses: run `outcry portal init` once more for its participants"
            )
    if not rows:
        raise OutcryError(f"{file.path} has no session of the portal; run `outcry portal init`")
    return rows


def venue_port(
    file: VenueFile, address: tuple[str, int] | None
) -> tuple[Path | tuple[str, int], ssl.SSLContext | None]:
    """Return where the venue takes the portal's sessions, and its TLS.  Raises
    :class:`OutcryError`."""
    ports = [port for port in file.sessions.ports if port.protocol is Protocol.SHM]
    paths = [port.path for port in ports if port.path is not None]
    if paths and address is None:
        return paths[0], None
    over_tcp = [port for port in ports if port.path is None]
    if not over_tcp:
        what = "a [[port]] of shm" if address is None else "a [[port]] of shm with an address"
        raise OutcryError(f"{file.path}: the portal needs {what}")
    port, context = over_tcp[0], None
    if port.tls_cert is not None:  # the port's own certificate, and no other
        context = ssl.create_default_context(cafile=str(port.tls_cert))
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    host = "localhost" if port.host in ANY_ADDRESS else port.host
    return address or (host, port.port), context


def aux_of(order: NewOrder) -> int:
    """Return the second value of an order, which its type gives a meaning."""
    meaning = ORDER_TYPES[order.order_type].aux
    if meaning is Aux.FREE:
        return order.expires_ns if order.time_in_force is TimeInForce.GTD else 0
    return {
        Aux.TRIGGER: order.trigger_ticks,
        Aux.DISTANCE_TICKS: order.trailing_ticks,
        Aux.DISTANCE_BPS: order.trailing_bps,
        Aux.DISPLAY: order.shown_lots,
        Aux.OFFSET: order.offset_ticks if order.side is Side.BUY else -order.offset_ticks,
        Aux.MINIMUM: order.min_lots,
        Aux.BUDGET: order.budget_tick_lots,
    }[meaning]


def named_in(names: Any) -> tuple[int, str]:
    """Return participant and name of a request that the venue rejects, by the NAMES before the
    reply.  They are another's if the venue died and another process, which logged in first, sent a
    request of the same number: so ours was not taken."""
    begin, end = TEXTS[0]
    return int(names["participant"]), names.tobytes()[begin:end].rstrip(b"\0").decode("latin-1")


def refusal_of(reply: tuple[Any, ...], is_order: bool) -> Refusal:
    """Return what a reply that rejects a request says; ``is_order``: the request enters one."""
    figures = reply[MATCH], reply[PRICE], reply[LEAVES], reply[QTY]
    text = text_of_reply(reply[REASON], figures, is_order)
    return Refusal(text, is_order and reply[REASON] in DUPLICATES)
