"""One session's connection to the venue: logged in as any client is, found again after a loss.

A thread reads and writes.  After each login it sends a request that the venue must refuse, an order
of no lots.  The refusal comes after all answers to earlier requests.  Until then nothing new is
sent; a request that has no answer by then never reached the venue.  So no order is entered twice or
late.
"""

import secrets
import socket
import ssl
import string
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import Any

from openoutcry.client import ClientError, LoginRejected, Message, OuchClient
from openoutcry.console.screen.orders import (
    LETTERS,
    OPEN,
    PROBE,
    SENT,
    Fill,
    Order,
    OwnOrders,
)
from openoutcry.order_entry.spec import PortSpec
from openoutcry.wire import OutcryError
from openoutcry.wire.readable import readable

CONNECTING, RECOVERING, READY, REFUSED, ENDED = (
    "connecting",
    "recovering",
    "ready",
    "refused",
    "ended",
)
FIRST_AGAIN_S, LAST_AGAIN_S = 0.1, 2.0
WAKE_S = 0.5
"""The thread checks its connection at least this often: heartbeats go out."""
SHORT_S, MAX_SHORT = 10.0, 3
"""A connection that was ready for less, this many times: another client takes the session over."""
MAX_UNANSWERED = 100
ANY = ("0.0.0.0", "::", "")
TOKEN = set(string.ascii_uppercase + string.digits)
MAX_TOKEN, MAX_LOTS = 14, 10**6
"""What a u32 of OUCH takes is more; the venue's own limits say what is too much."""


class TradeError(OutcryError):
    """The request is not possible; nothing was sent."""


class Conflict(TradeError):
    """The token is that of an order with other terms; nothing was sent."""


class Busy(TradeError):
    """The venue is not there, or answers slowly; nothing was sent."""


def connect(
    port: PortSpec,
    name: str,
    password: str,
    day: str,
    sequence: int,
    symbols: tuple[str, ...] = (),
) -> OuchClient:
    """Log in where the venue listens.  ``symbols``: of its instruments.

    Raises :class:`ClientError`."""
    host = "127.0.0.1" if port.host in ANY else port.host
    tls = _trusting(port.tls_cert) if port.tls_cert else None
    return OuchClient(
        host,
        port.port,
        name,
        password,
        session=day,
        sequence=sequence,
        tls=tls,
        symbols=symbols,
    )


def _trusting(certificate: Path) -> ssl.SSLContext:
    """The port's own certificate, and no other."""
    try:
        context = ssl.create_default_context(cafile=str(certificate))
    except (OSError, ssl.SSLError) as error:
        raise ClientError(f"{certificate}: {error}") from None
    context.check_hostname = False  # it is this very certificate
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class Trader:
    """A session that is logged in, for as long as :meth:`stop` is not asked for."""

    def __init__(
        self,
        port: PortSpec,
        name: str,
        password: str,
        participant: int,
        notify: "Callable[[Trader, str, Fill | None, bool], None]",
        symbols: tuple[str, ...] = (),
    ) -> None:
        """Logs in; raises :class:`ClientError` or :class:`LoginRejected`.  The thread calls
        ``notify`` for each message, with its text or the fill, and with whether it is bad news."""
        self.port, self.name, self.participant, self.notify = port, name, participant, notify
        self._password, self._symbols = password, symbols
        self.state, self.problem, self.day = RECOVERING, "", ""
        self.own = OwnOrders()
        self.reads = Condition()
        """A thread holds it to read or change orders; it is notified of every change."""
        self._queue: deque[Callable[[OuchClient], None]] = deque()
        self._probe, self._caught_up = "", False
        self._ours, self._theirs = socket.socketpair()
        self._over, self._short, self._ready_s = False, 0, 0.0
        self._client: OuchClient | None = self._log_in()
        self._thread = Thread(target=self._run, daemon=True, name=f"screen-{name}")
        self._thread.start()

    def stop(self) -> None:
        """Log out; orders stay, as after any logout."""
        self._over = True
        self._wake()
        self._thread.join(5)
        self._ours.close()
        self._theirs.close()
        self._password = ""

    # The thread

    def _run(self) -> None:
        again_s = FIRST_AGAIN_S
        while not self._over:
            try:
                if self._client is None:
                    self._client = self._log_in()
                again_s = FIRST_AGAIN_S
                self._trade(self._client)
            except LoginRejected as error:
                if error.reason != "S":  # its connection before may not be closed yet
                    self._end(REFUSED, "the venue no longer accepts this login; log in again")
                    break
                self._lost(str(error))
            except ClientError as error:
                self._lost(str(error))
            if self._short >= MAX_SHORT:
                self._end(REFUSED, "this session is also used elsewhere; log in again")
                break
            if not self._over:
                readable([self._theirs.fileno()], again_s)
                again_s = min(2 * again_s, LAST_AGAIN_S)
        if self._client is not None:
            self._client.logout()
        if self.state != REFUSED:
            self._end(ENDED, "logged out")

    def _end(self, state: str, problem: str) -> None:
        with self.reads:
            self.state, self.problem = state, problem
            self.reads.notify_all()
        self.notify(self, problem, None, state == REFUSED)

    def _lost(self, problem: str) -> None:
        if self._client is not None:
            self._client.connection.close()
            self._client = None
        with self.reads:
            first = self.state == READY
            self.state, self.problem = CONNECTING, problem
            self.own.version += 1
            self._queue.clear()
            self.reads.notify_all()
        if first:
            self._short = self._short + 1 if monotonic() - self._ready_s < SHORT_S else 0
            self.notify(self, f"no connection to the venue: {problem}", None, True)

    def _log_in(self) -> OuchClient:
        """Log in and ask for the first missing message; on another day, for its first."""
        with self.reads:
            day, sequence = self.day, self._sequence if self.day else 1
        try:
            client = connect(self.port, self.name, self._password, day, sequence, self._symbols)
        except LoginRejected as error:
            if error.reason != "S" or not day:
                raise
            client = connect(self.port, self.name, self._password, "", 1, self._symbols)
        if client.session == day and client.sequence != sequence:
            # It was busy for a moment; or it has lost what it did not keep on its disk.
            client.connection.close()
            self.day = ""
            raise ClientError("the venue sends the day's messages again")
        with self.reads:
            if client.session != day:
                self.own = OwnOrders(version=self.own.version + 1)
                self.day, self._caught_up, self._sequence = client.session, False, 1
            self.state, self.problem = RECOVERING, ""
            self._probe = PROBE + secrets.token_hex(4).upper()
        client.enter("B", "PROBE", 0, "1", name=self._probe)
        return client

    def _trade(self, client: OuchClient) -> None:
        """Trade until the connection is lost, or another thread stops this one."""
        while not self._over:
            while (message := client.next(0)) is not None:
                self._take(client, message)
            client.connection.keep_alive()
            with self.reads:
                waiting = list(self._queue)
                self._queue.clear()
            for send in waiting:
                send(client)
            if not waiting:
                theirs = self._theirs.fileno()
                if theirs in readable([client.connection.socket.fileno(), theirs], WAKE_S):
                    self._theirs.recv(1 << 12)

    def _take(self, client: OuchClient, message: Message) -> None:
        never: list[str] = []
        words = bad = ""
        with self.reads:
            self._sequence = client.sequence
            unasked = self.own.is_unasked(message)
            fill = self.own.take(message)
            is_new = self._caught_up
            if unasked and is_new:
                order = self.own.orders[message["token"]]
                bad = f"order {order.token} is {order.state}: {order.reason}"
            if message.fields.get("token") == self._probe:
                never, cancels = self.own.end_unanswered()
                for token in cancels:
                    client.cancel(token)
                words = "connected again" if self._caught_up else "connected"
                self.state, self.problem, self._caught_up = READY, "", True
                self._ready_s = monotonic()
            self.reads.notify_all()
        for token in never:
            text = f"order {token} never reached the venue and was not entered"
            self.notify(self, text, None, True)
        if words or bad:
            self.notify(self, words or bad, None, bool(bad))
        if is_new and fill is not None:
            self.notify(self, "", fill, False)

    _sequence = 1
    """Number of the next message that we do not have."""

    def _wake(self) -> None:
        self._ours.send(b"x")

    def _send(self, send: Callable[[OuchClient], None]) -> None:
        """Queue a message, which the thread sends in order."""
        self._queue.append(send)
        self._wake()

    # Requests: each returns at once, and the orders show what becomes of it

    def enter(self, order: Order, price: int | None) -> dict[str, Any]:
        """Enter an order; ``price`` in ten-thousandths, None: a market order.  A token that is
        known is not sent again: what became of it is the answer.  Raises :class:`TradeError`, of
        a known token with other terms :class:`Conflict`."""
        _check(order.token, order.qty_lots)
        order.price = price or 0
        with self.reads:
            known = self.own.orders.get(order.token)
            if known is not None:
                return self._same(known, order)
            self._ready()
            self.own.sent(order)
            shown = "market" if price is None else _text(price)
            letter, ioc = LETTERS[order.display][0], order.tif == "ioc"
            self._send(
                lambda client: _no_answer(
                    client.enter(
                        order.side,
                        order.symbol,
                        order.qty_lots,
                        shown,
                        ioc=ioc,
                        name=order.token,
                        display=letter,
                    )
                )
            )
            return asdict(order)

    def replace(self, token: str, new_token: str, open_lots: int, price: int) -> dict[str, Any]:
        """Give an open order a price and a number of open lots.  Raises :class:`TradeError`."""
        _check(new_token, open_lots)
        with self.reads:
            known = self.own.orders.get(new_token)
            if known is not None:
                again = Order(
                    new_token,
                    known.side,
                    known.symbol,
                    open_lots,
                    price,
                    known.tif,
                    known.display,
                    replaces=token,
                )
                return self._same(known, again)
            self._ready()
            order = self._open(token)
            if order.wanted:
                raise TradeError(f"order {token}: a {order.wanted} is pending")
            liable = open_lots + order.traded_lots
            letter = LETTERS.get(order.display, "Y")[0]
            new = Order(
                new_token,
                order.side,
                order.symbol,
                open_lots,
                price,
                order.tif,
                order.display,
                replaces=token,
            )
            self.own.sent(new)
            self._send(
                lambda client: _no_answer(
                    client.replace(token, liable, _text(price), name=new_token, display=letter)
                )
            )
            return asdict(new)

    def cancel(self, token: str) -> dict[str, Any]:
        """Take an open order out of the book; one that is gone stays as it is.  Raises
        :class:`TradeError`."""
        with self.reads:
            order = self._own(token)
            if order.state in (OPEN, SENT):
                self._ready(0)
                self._cancel(order)
            return asdict(order)

    def cancel_all(self) -> int:
        """Every open order of the session; how many there were.  Raises :class:`Busy`."""
        with self.reads:
            self._ready(0)
            orders = [order for order in self.own.orders.values() if order.state == OPEN]
            for order in orders:
                self._cancel(order)
            return len(orders)

    def _cancel(self, order: Order) -> None:
        order.wanted = "cancel"
        self.own.version += 1
        self._send(lambda client: client.cancel(order.token))

    def _same(self, known: Order, order: Order) -> dict[str, Any]:
        """Return the order with these terms, as far as it is known. Raises :class:`Conflict` if
        they are others."""
        if not self.own.has_terms(known, order):
            raise Conflict(f"token {order.token} belongs to another order")
        return asdict(known)

    def _own(self, token: str) -> Order:
        """Raises :class:`TradeError`; whose else an order may be is not said."""
        order = self.own.orders.get(token)
        if order is None:
            raise TradeError(f"there is no order {token!r}")
        return order

    def _open(self, token: str) -> Order:
        order = self._own(token)
        if order.state == SENT:
            raise TradeError(f"order {token}: the venue has not answered yet")
        if order.state != OPEN:
            raise TradeError(f"order {token} is {order.state}")
        return order

    def _ready(self, more: int = 1) -> None:
        if self.state != READY:
            raise Busy(f"{self.state}: {self.problem or 'messages of the day still arrive'}")
        if more and len(self.own.unanswered()) >= MAX_UNANSWERED:
            raise Busy(f"{MAX_UNANSWERED} orders wait for the venue's answer")


def _text(price: int) -> str:
    return f"{price // 10_000}.{price % 10_000:04}"


def _no_answer(name: object) -> None:
    """The answer comes in the stream."""


def _check(token: str, lots: int) -> None:
    if not (1 <= len(token) <= MAX_TOKEN and set(token) <= TOKEN) or token.startswith(PROBE):
        raise TradeError("a token must be 1 to 14 capital letters and digits")
    if not 1 <= lots <= MAX_LOTS:
        raise TradeError(f"a quantity is 1 to {MAX_LOTS:,} lots")
