"""A broker over FIX 4.4: one session of the venue file for each participant, opened on first use.

It is for a portal that does not reach the venue's shared memory (``shm_broker.py``).
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from openoutcry.client import ClientError
from openoutcry.client.fix import FixClient, FixMessage
from openoutcry.order_entry.spec import PortSpec, Protocol, SessionSpec
from openoutcry.portal.trading.broker import BrokerError, NewOrder, Refusal, Refused, logged_in
from openoutcry.portal.trading.instruments import text_of
from openoutcry.venue.file import VenueFile
from openoutcry.wire.enums import Side
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.words import ORDER_TYPES, SELF_TRADE, SIDES, TIMES

ANY_ADDRESS = ("0.0.0.0", "::", "")
HEARTBEAT_S, LOOK_S = 10, 2.0
KEPT_MESSAGES = 1_000
"""Messages that the venue may ask for again."""
DUPLICATE_ORDER = "6"
"""OrdRejReason (103) of a ClOrdID that was used before."""
IS_REFUSAL = b"\x01150=8\x01"
"""ExecType of a report that an order was rejected."""
log = logging.getLogger("outcry.portal")


class _Connection:
    """One participant's session, logged on."""

    def __init__(self, client: FixClient, ended: asyncio.Event) -> None:
        self.client, self.ended, self.is_due = client, ended, False
        """``is_due``: what has come is about to be read."""


class FixBroker:
    """Sessions of a venue file whose passwords the portal has."""

    def __init__(self, file: VenueFile, passwords: dict[str, str]) -> None:
        ports = [port for port in file.sessions.ports if port.protocol is Protocol.FIX44]
        if not ports:
            raise OutcryError(f"{file.path}: the portal needs a [[port]] with fix-4.4")
        self.file, self.port, self.passwords = file, ports[0], passwords
        self.sessions: dict[int, SessionSpec] = {
            session.participant: session
            for session in file.sessions.sessions
            if session.protocol is Protocol.FIX44 and session.name in passwords
        }
        self.refused: Refused = lambda participant, name, refusal: None
        self.heard: Callable[[int], None] = lambda participant: None
        self._connections: dict[int, _Connection] = {}
        self._turns: dict[int, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def participants(self) -> list[int]:
        return sorted(self.sessions)

    def serves(self, participant: int) -> bool:
        return participant in self.sessions

    def session_of(self, participant: int) -> int:
        return participant

    async def enter(self, participant: int, order: NewOrder) -> None:
        connection = await self._connection(participant)
        price, tags = self._terms(order)
        self._send(
            participant,
            connection,
            lambda client: client.enter(
                SIDES.say("FIX", order.side),
                order.symbol,
                order.lots,
                price,
                name=order.client_id,
                **tags,
            ),
        )

    async def amend(self, participant: int, client_id: str, order: NewOrder) -> None:
        connection = await self._connection(participant)
        price, tags = self._terms(order)
        del tags["t59"]  # what is not named stays
        self._send(
            participant,
            connection,
            lambda client: client.replace(
                client_id,
                order.symbol,
                SIDES.say("FIX", order.side),
                order.lots,
                price,
                name=order.client_id,
                **tags,
            ),
        )

    def _terms(self, order: NewOrder) -> tuple[str | Decimal, dict[str, Any]]:
        """The price, and all other fields of an order's terms."""
        decimals = self.file.sessions.price_decimals.get(order.symbol, 4)
        tags: dict[str, Any] = _tags(order, decimals)
        return "market" if "t44" not in tags else Decimal(tags.pop("t44")), tags

    async def cancel(
        self, participant: int, symbol: str, side: Side, client_id: str, request_id: str
    ) -> None:
        connection = await self._connection(participant)
        text = SIDES.say("FIX", side)
        self._send(
            participant,
            connection,
            lambda client: client.cancel(client_id, symbol, text, name=request_id),
        )

    async def close(self) -> None:
        for participant, connection in list(self._connections.items()):
            self._drop(participant, connection)
            with contextlib.suppress(ClientError, OSError):
                await asyncio.to_thread(connection.client.logout)
        for task in self._tasks:
            task.cancel()

    # Connections

    async def _connection(self, participant: int) -> _Connection:
        """The participant's, logged on.  Raises :class:`BrokerError`."""
        connection = self._connections.get(participant)
        if connection is not None:
            return connection
        turn = self._turns.setdefault(participant, asyncio.Lock())
        async with turn:
            connection = self._connections.get(participant)
            if connection is not None:
                return connection
            session = self.sessions.get(participant)
            if session is None:
                raise BrokerError("this account has no session at the venue")
            client = await logged_in(lambda: self._logged_on(session), self.file)
            connection = _Connection(client, asyncio.Event())
            self._connections[participant] = connection
            loop = asyncio.get_running_loop()
            loop.add_reader(client.socket, self._readable, participant, connection)
            task = loop.create_task(self._keep_alive(participant, connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._readable(participant, connection)  # what came with the logon
            return connection

    def _logged_on(self, session: SessionSpec) -> FixClient:
        host = "127.0.0.1" if self.port.host in ANY_ADDRESS else self.port.host
        return FixClient(
            host,
            self.port.port,
            session.name,
            self.passwords[session.name],
            target=session.target or self.file.name,
            heartbeat_s=HEARTBEAT_S,
            tls=_trusting(self.port),
            timeout_s=5.0,
        )

    def _send(
        self, participant: int, connection: _Connection, send: Callable[[FixClient], Any]
    ) -> None:
        client = connection.client
        try:
            send(client)
        except (ClientError, OSError) as error:
            self._drop(participant, connection)
            client.close()
            raise BrokerError(f"the connection to the venue is lost: {error}") from None
        sent = client.numbers.sent
        while len(sent) > KEPT_MESSAGES:
            del sent[next(iter(sent))]

    def _readable(self, participant: int, connection: _Connection) -> None:
        """Something has come.  Reports of orders are the mirror's business: they say that there is
        something for it.  Who waits for that is answered first, and then what has come is read."""
        error: Exception | None = None
        try:
            connection.client.receive()  # or else the event loop calls again at once
        except (ClientError, OSError) as ended:
            error = ended
        self.heard(participant)
        if error is not None:
            self._read(participant, connection)
            self._end(participant, connection, error)
        elif not connection.is_due:
            connection.is_due = True
            asyncio.get_running_loop().call_soon(self._read, participant, connection)

    def _read(self, participant: int, connection: _Connection) -> None:
        connection.is_due = False
        if connection.ended.is_set():
            return
        try:
            for message in connection.client.arrived():
                self._take(participant, message)
        except (ClientError, OSError) as error:
            self._end(participant, connection, error)

    def _end(self, participant: int, connection: _Connection, error: Exception) -> None:
        """Forget a connection that brings nothing more."""
        if connection.ended.is_set():
            return
        log.warning("session of participant %d: %s", participant, error)
        self._drop(participant, connection)
        connection.client.close()

    def _take(self, participant: int, message: FixMessage) -> None:
        is_order = message.kind == "8" and IS_REFUSAL in message.raw
        if message.kind == "9" or is_order:
            name, text = message.get(11), message.get(58)
            is_duplicate = is_order and message.get(103) == DUPLICATE_ORDER
            refusal = Refusal(text or f"reason {message.get(102, '-')}", is_duplicate)
            self.refused(participant, name, refusal)
        elif message.kind in ("3", "j"):
            log.error("session of participant %d: the venue rejected %s", participant, message)

    async def _keep_alive(self, participant: int, connection: _Connection) -> None:
        while not connection.ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await connection.ended.wait()
                return
            try:
                connection.client.keep_alive()
            except (ClientError, OSError):
                self._drop(participant, connection)
                connection.client.close()

    def _drop(self, participant: int, connection: _Connection) -> None:
        if self._connections.get(participant) is connection:
            del self._connections[participant]
        if not connection.ended.is_set():
            connection.ended.set()
            asyncio.get_running_loop().remove_reader(connection.client.socket)


def _trusting(port: PortSpec) -> ssl.SSLContext | None:
    """The port's own certificate, and no other."""
    if port.tls_cert is None:
        return None
    context = ssl.create_default_context(cafile=str(port.tls_cert))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _tags(order: NewOrder, decimals: int) -> dict[str, str]:
    """OrdType, prices and terms as fields of a NewOrderSingle."""
    words = ORDER_TYPES.say("FIX D", order.order_type).split()
    tags = {"t59": TIMES.say("FIX", order.time_in_force)}
    tags |= {f"t{tag}": text for tag, _, text in (word.partition("=") for word in words) if text}
    prices = {
        "t44": order.price_ticks,
        "t99": order.trigger_ticks,
        "t152": order.budget_tick_lots,
        "t211": order.trailing_ticks or order.offset_ticks,
    }
    tags |= {name: text_of(ticks, decimals) for name, ticks in prices.items() if ticks}
    numbers = {"t111": order.shown_lots, "t110": order.min_lots, "t211": order.trailing_bps}
    tags |= {name: str(number) for name, number in numbers.items() if number}
    if order.expires_ns:
        moment = datetime.fromtimestamp(order.expires_ns // 10**9, UTC)
        milliseconds = order.expires_ns // 10**6 % 1000
        tags["t126"] = f"{moment:%Y%m%d-%H:%M:%S}.{milliseconds:03d}"
    if order.self_trade is not None:
        tags["t2964"] = SELF_TRADE.say("FIX", order.self_trade)
    return tags
