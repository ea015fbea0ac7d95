"""A client of a session over shared memory: on the venue's host, without a system call an order; or
the same over TCP from another host.

>>> from openoutcry.client.shm import ShmClient
>>> with ShmClient("shm.socket", "ALICE", bytes.fromhex(KEY)) as client:
...     client.enter(1, Side.BUY, "OUTCRY", 100, 12_500)
...     print(client.next(timeout_s=1))

Prices are ticks and quantities lots, as in the records.  An order's name is a number of up to 128
bits, or a text of up to 36 characters.  A broker's session names the participant of each request.
The client's process must be a user's that the venue's file names, or at an address that it names.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from openoutcry.client.logged_in import LoggedIn
from openoutcry.client.shm_feed import ShmFeed
from openoutcry.client.waiting import ClientError, SessionEnded, Unreachable, connected
from openoutcry.order_entry import faults, risk_reasons, shm_login
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.shm_frames import (
    MAX_REPLIES,
    MAX_REQUESTS,
    NEWS_BYTES,
    PIECE_BYTES,
    FrameError,
    Frames,
)
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    ID_TEXT,
    ORIG_TEXT,
    REPLIES_BYTES,
    REPLY_BYTES,
    REPLY_SLOTS,
    REQUEST_BYTES,
    REQUEST_SLOTS,
    REQUESTS_BYTES,
    TEXT_BYTES,
    End,
    Reply,
    Request,
    ShmNames,
    ShmReplies,
    ShmReply,
    ShmRequest,
    ShmRequestName,
    ShmRequests,
    State,
)
from openoutcry.order_entry.shm_out import FIRST_COMMON, FIRST_REFUSAL
from openoutcry.order_entry.shm_segments import (
    BATCH,
    HEARTBEAT_S,
    Segments,
    begin_wait,
    must_ring,
    put_request,
    request_room,
    state_of,
    take_replies,
)
from openoutcry.wire.enums import (
    AUX_HALVES,
    MAX_LEGS,
    MIN_LEGS,
    REDUCE_ONLY,
    Contingency,
    EventFlag,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.sealed_memory import is_sealed
from openoutcry.wire.unix_socket import connect

REPLY_DTYPE = ShmReply.dtype(symbol="S8")
"""A reply as numpy sees it; arrays of it are what :meth:`ShmClient.poll_array` returns."""
LETTERS = {"A": "not authorised", "S": "session not available"}
MIN_NAP_S, MAX_NAP_S = 0.00005, 0.001
SILENCE_S = 15.0
"""A venue over TCP that says nothing for longer has gone."""
LITTLE_ROOM = 2 + 2 * MAX_LEGS
"""Slots of the longest request."""
MAX_QUOTES = 100
"""Quotes that :meth:`ShmClient.mass_quote` takes."""
SPINS = 50
"""Looks for a reply before the client naps."""
WORD = (1 << 64) - 1
TEXTS = [
    (ShmNames.fields[name].offset, ShmNames.fields[name].offset + TEXT_BYTES)
    for name in ("id", "orig_id")
]
"""Where the two names in text of a NAMES are."""


class ShmRefused(ClientError):
    """The venue refused the login; ``letter`` says how."""

    def __init__(self, letter: str) -> None:
        self.letter = letter
        super().__init__(f"login refused: {LETTERS.get(letter, letter)}")


class RequestsFull(ClientError):
    """The venue has not taken the requests before yet."""


@dataclass(frozen=True)
class ShmMessage:
    """A message of the venue."""

    seq: int
    kind: Reply
    id: int | str
    """The order's name: both words as one number, or its text."""
    orig_id: int | str
    participant: int
    symbol: str
    side: Side | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    reason: int
    flags: EventFlag
    price_ticks: int
    qty_lots: int
    leaves_lots: int
    cum_lots: int
    cum_value: int
    order_number: int
    match: int
    rx_ts_ns: int
    request: int
    """Number of our request that caused it; 0: none did."""
    fee_units: int = 0
    """Cost of an execution in a spot instrument, units of an asset; below 0: a rebate."""
    fee_is_of_base: bool = False
    """They are of the base asset; if not, of the quote asset."""

    @property
    def is_maker(self) -> bool:
        """An execution of an order that rested in the book."""
        return bool(self.flags & EventFlag.MAKER)

    @property
    def reason_text(self) -> str:
        """Why, in words; of a limit with its figures."""
        if self.reason == Reason.RISK:
            return risk_reasons.text(self.match, self.price_ticks, self.leaves_lots, self.qty_lots)
        return reason_name(self.reason)

    def __str__(self) -> str:
        names = (
            "id", "orig_id", "participant", "symbol", "price_ticks", "qty_lots", "leaves_lots",
            "fee_units",
        )  # fmt: skip
        words = " ".join(f"{n}={getattr(self, n)}" for n in names if getattr(self, n))
        why = f" ({self.reason_text})" if self.reason else ""
        return f"{self.seq} {self.kind.name.lower()} {words}{why}"


def reason_name(reason: int) -> str:
    """The reason of a reply, by name: the core's or, from 128 on, the session layer's."""
    if reason >= FIRST_COMMON:
        return faults.Refusal(reason).name.lower().replace("_", " ")
    if reason >= FIRST_REFUSAL:
        return Refusal(reason - FIRST_REFUSAL).name.lower().replace("_", " ")
    return Reason(reason).name.lower().replace("_", " ") if reason else ""


def read_reply(record: Any, names: bytes = b"") -> ShmMessage:
    """A reply, by its numpy record (REPLY_DTYPE); ``names``: bytes of the NAMES before it."""
    values = {name: record[name].item() for name in REPLY_DTYPE.names or ()}
    side, order_type, tif = values["side"], values["order_type"], values["time_in_force"] & 15
    fee, of_base = 0, 0
    if values["kind"] in (Reply.EXECUTED, Reply.OFF_BOOK, Reply.BROKEN):
        fee, of_base = values["orig_id"], values["orig_id_high"]
        values["orig_id"] = values["orig_id_high"] = 0
    texts = [names[begin:end].rstrip(b"\0").decode("ascii") for begin, end in TEXTS]
    return ShmMessage(
        seq=values["seq"],
        kind=Reply(values["kind"]),
        id=texts[0] or _name(values["id"], values["id_high"]),
        orig_id=texts[1] or _name(values["orig_id"], values["orig_id_high"]),
        symbol=values["symbol"].decode("latin-1"),
        side=Side(side) if side else None,
        order_type=OrderType(order_type) if order_type else None,
        time_in_force=TimeInForce(tif) if tif else None,
        flags=EventFlag(values["flags"]),
        fee_units=fee,
        fee_is_of_base=bool(of_base),
        **{
            name: values[name]
            for name in (
                "participant", "reason", "price_ticks", "qty_lots", "leaves_lots", "cum_lots",
                "cum_value", "order_number", "match", "rx_ts_ns", "request",
            )
        },
    )  # fmt: skip


def _name(low: int, high: int) -> int:
    return (high & WORD) << 64 | low & WORD


def _words(name: int) -> tuple[int, int]:
    """A name's two words, as signed numbers.  Raises ``ValueError`` for one that has no place."""
    if not 0 <= name < 1 << 128:
        raise ValueError(f"name {name} is not a number of 128 bits")
    low, high = name & WORD, name >> 64
    return tuple(word - (1 << 64) if word >> 63 else word for word in (low, high))  # type: ignore


def _text(name: str) -> bytes:
    """A further slot with a name.  Raises ``ValueError`` for one that has no place."""
    is_name = name.isascii() and name.isprintable() and " " not in name
    if not (is_name and 1 <= len(name) <= TEXT_BYTES):
        raise ValueError(
            f"name {name!r} has not 1 to {TEXT_BYTES} printable ASCII characters without spaces"
        )
    at = ShmRequestName.offset("text")
    return bytes([Request.NAME]).ljust(at, b"\0") + name.encode().ljust(64 - at, b"\0")


class ShmConnection:
    """A logged-in connection: the two segments, mapped, and the socket of the login."""

    magic = shm_login.CHALLENGE_MAGIC
    feed: ShmFeed | None = None

    def __init__(
        self, end: Any, name: str, key: bytes, first_reply: int = 0, day: str = ""
    ) -> None:
        """Log in over a connected socket.

        Raises :class:`ClientError`, or :class:`ShmRefused` if the venue refuses.
        """
        self.socket, self.is_closed = end, False
        try:
            asked = self._read(shm_login.CHALLENGE.size)
            if not asked:
                self._refuse_silence()
            shm_login.read_challenge(asked, self.magic)
            nonce = secrets.token_bytes(shm_login.NONCE_BYTES)
            sent = shm_login.login(key, asked, name, nonce, first_reply, day)
            end.sendall(sent)
            self.segments = self._begin(key, asked, sent)
            end.setblocking(False)
        except (OSError, ValueError) as error:
            end.close()
            raise ClientError(f"login: {error}") from None
        except ClientError:
            end.close()
            raise
        self.views, self.header = self.segments.views, self.segments.header
        self.requests, self.replies = self.segments.requests, self.segments.replies

    def _read(self, size: int) -> bytes:
        """Return the venue's next message, or nothing at the end."""
        data: bytes = self.socket.recv(size)
        return data

    def _refuse_silence(self) -> NoReturn:
        raise ClientError("the venue does not accept processes of this user")

    def _begin(self, key: bytes, asked: bytes, sent: bytes) -> Segments:
        """Read the answer to the login that was sent; returns the segments."""
        data, descriptors, _, _ = socket.recv_fds(self.socket, shm_login.ANSWER.size, 3)
        with contextlib.ExitStack() as held:
            for fd in descriptors:
                held.callback(os.close, fd)
            feed_bytes = self._answered(key, sent, data)
            for fd, size in zip(descriptors, (REQUESTS_BYTES, REPLIES_BYTES), strict=False):
                if not is_sealed(fd, size):
                    raise shm_login.ShmLoginError(
                        "the venue's segments are not sealed against a change of size"
                    )
            if feed_bytes:
                self.feed = ShmFeed(descriptors[2])
            return Segments.mapped(*descriptors[:2])

    def _answered(self, key: bytes, sent: bytes, data: bytes) -> int:
        """Take the day from the answer to the login; returns the bytes of the feed."""
        letter, self.day, feed_bytes = shm_login.read_answer(key, sent, data)
        if letter:
            raise ShmRefused(letter)
        return feed_bytes

    def look(self) -> None:
        """Bring the segments up to date, which the venue writes itself."""

    def published(self, seq: int, count: int) -> None:
        """Show the venue the ``count`` slots of a request from number ``seq`` on, which may sleep
        until a byte comes by the socket."""
        if self.header.rings and must_ring(ShmReplies.of(self.replies), seq):
            self.ring()

    def ring(self) -> None:
        """Wake the venue."""
        with contextlib.suppress(OSError):  # full of bytes, or at its end
            self.socket.send(b"r")

    def begin_wait(self) -> None:
        """Take the bytes that have come by the socket, and ask for one with the next reply."""
        try:
            while not self.is_closed:
                self.is_closed = self.socket.recv(64) == b""
        except BlockingIOError:
            pass
        except OSError:
            self.is_closed = True
        begin_wait(ShmRequests.of(self.requests))

    def has_closed(self) -> bool:
        """The venue has closed its end of the socket: nothing more comes."""
        try:
            return self.is_closed or self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close the socket, by which the venue sees that the client has gone."""
        self.socket.close()


class TcpConnection(ShmConnection):
    """The same over TCP: the segments are this process's own, and frames carry what is new in them
    (order_entry/shm_frames.py)."""

    magic = shm_login.TCP_MAGIC

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self.socket.recv(size - len(data))):
            data += more
        return data

    def _refuse_silence(self) -> NoReturn:
        raise Unreachable("the venue closed the connection before the login")

    def _begin(self, key: bytes, asked: bytes, sent: bytes) -> Segments:
        told = self._read(shm_login.ANSWER.size)
        self._answered(key, sent, told)
        ours, theirs = shm_login.frame_keys(key, asked, sent, told)
        self._sent, self._taken = Frames(ours, MAX_REQUESTS), Frames(theirs, MAX_REPLIES)
        self._unsent, self._data, self._body = bytearray(), bytearray(), b""
        self._heard_s = time.monotonic()
        segments = Segments(bytearray(REQUESTS_BYTES), bytearray(REPLIES_BYTES))
        self._slots = [
            view[HEADER_BYTES:].reshape(-1, size)
            for view, size in zip(segments.views, (REQUEST_BYTES, REPLY_BYTES), strict=True)
        ]
        return segments

    def published(self, seq: int, count: int) -> None:
        slots = self._slots[0][np.arange(seq - 1, seq - 1 + count) % REQUEST_SLOTS]
        self._unsent += self._sent.sealed(slots.tobytes())
        self._send()

    def begin_wait(self) -> None:
        """Do nothing: each reply makes the socket readable."""

    def has_closed(self) -> bool:
        return self.is_closed

    def look(self) -> None:
        """Take frames as far as their replies have room.  Raises :class:`SessionEnded` for bytes
        that are none of the venue's."""
        self._send()
        try:
            while self._take_frame():
                pass
        except FrameError as error:
            self.is_closed = True
            raise SessionEnded(f"what came is not from the venue: {error}") from None

    def _send(self) -> None:
        """Send what the connection takes; the rest goes later."""
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self._unsent.clear()  # the venue has closed: what it has taken the next login says

    def _take_frame(self) -> bool:
        """Take one frame, if it has come and has room; returns whether it was."""
        while not self._body:
            body = self._taken.taken(self._data)
            if body is not None:
                self._body = body
            elif not self._receive():
                return False
        news, replies = self._body[:NEWS_BYTES], self._body[NEWS_BYTES:]
        count, rest = divmod(len(replies), REPLY_BYTES)
        if len(news) < NEWS_BYTES or rest:
            raise FrameError("a frame that is not made of slots")
        header, own = self.header, ShmRequests(self.requests)
        view = self.views[1]
        if header.state == State.OPENING:
            view[8:NEWS_BYTES] = np.frombuffer(news[8:], np.uint8)
            own.replies_read = header.next_reply - 1
            header.written = header.next_reply - 1
        if header.written + count > own.replies_read + REPLY_SLOTS:
            return False
        places = np.arange(header.written, header.written + count) % REPLY_SLOTS
        self._slots[1][places] = np.frombuffer(replies, np.uint8).reshape(-1, REPLY_BYTES)
        header.written += count
        view[:NEWS_BYTES] = np.frombuffer(news, np.uint8)
        self._body = b""
        return True

    def _receive(self) -> bool:
        """Take the bytes that have come; returns whether there were any."""
        try:
            data = self.socket.recv(PIECE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.is_closed |= time.monotonic() - self._heard_s > SILENCE_S
            return False
        except OSError:
            data = b""
        self._heard_s = time.monotonic()
        self._data += data
        self.is_closed |= not data
        return bool(data)


@dataclass(frozen=True)
class ShmOrder:
    """An order, as :meth:`ShmClient.enter` takes it: a leg of :meth:`ShmClient.enter_list`."""

    id: int | str
    side: Side
    symbol: str
    qty_lots: int
    price_ticks: int = 0
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    aux: int = 0
    self_trade: SelfTrade = SelfTrade.ALLOW
    reduce_only: bool = False

    def fields(self) -> dict[str, int]:
        """Return the fields of its request, without names and participant."""
        tif = int(self.time_in_force) | int(self.self_trade) << 4 | REDUCE_ONLY * self.reduce_only
        return {
            "side": int(self.side),
            "order_type": int(self.order_type),
            "time_in_force": tif,
            "symbol": _symbol(self.symbol),
            "aux": self.aux,
            "price_ticks": self.price_ticks,
            "qty_lots": self.qty_lots,
        }


@dataclass(frozen=True)
class ShmQuote:
    """A quote of one instrument, as :meth:`ShmClient.mass_quote` takes it: a side without lots has
    no order, and no price."""

    id: int
    symbol: str
    bid_lots: int = 0
    bid_ticks: int = 0
    offer_lots: int = 0
    offer_ticks: int = 0
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    self_trade: SelfTrade = SelfTrade.ALLOW


class ShmClient(LoggedIn):
    """A session of a venue.  Not for several threads at once."""

    def __init__(
        self,
        at: str | Path | tuple[str, int],
        name: str,
        key: bytes,
        *,
        first_reply: int = 0,
        day: str = "",
        timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``at``: path of the venue's Unix socket, or host and port of another host's; ``tls``: for
        a port with a certificate.

        ``first_reply``: number of the first reply wanted, 1 for all of the day, 0 for only what is
        new.  ``day``: of the stream, "" for today's.

        Raises :class:`ClientError`, :class:`ShmRefused` or :class:`SessionEnded`.
        """
        if isinstance(at, tuple):
            end: Any = connected(*at, timeout_s, tls)
            self.connection: ShmConnection = TcpConnection(end, name, key, first_reply, day)
        else:
            end = self._dialled(at, timeout_s)
            self.connection = ShmConnection(end, name, key, first_reply, day)
        self._begin(time.monotonic() + timeout_s)

    def _dialled(self, path: str | Path, timeout_s: float) -> Any:
        """A connected Unix socket; room in the venue's queue of logins is waited for, ``timeout_s``
        at most.  Raises :class:`Unreachable`."""
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connect(end, Path(path), timeout_s)
        except OSError as error:
            end.close()
            why = error.strerror or str(error)
            if isinstance(error, BlockingIOError):
                why = f"the venue's queue of logins was full for {timeout_s:g} s"
            raise Unreachable(f"{path}: {why}") from None
        return end

    def _begin(self, until_s: float) -> None:
        header, replies = self.connection.header, ShmReplies.of(self.connection.replies)
        while state_of(replies) == State.OPENING:
            self.connection.look()
            if self.connection.has_closed() and state_of(replies) == State.OPENING:
                raise SessionEnded("the venue closed the connection during the login")
            if time.monotonic() > until_s:
                raise ClientError("the venue does not begin the session")
            self._wait(MIN_NAP_S)
        if state_of(replies) == State.ENDED:
            self.connection.close()
            raise SessionEnded(end_text(header.end))
        self.next_request = header.next_request
        """Number of our next request."""
        self.next_reply = header.next_reply
        """Number of the next reply: with it a later login continues where this one stopped."""
        self.taken_before = self.next_request - 1
        """Number of the last request of the day, of any connection, that the venue has taken:
        what was sent with a higher number before has had no effect."""
        self.day = self.connection.day
        self.has_ended = False
        ShmRequests(self.connection.requests).replies_read = self.next_reply - 1
        self._request = np.zeros(64, np.uint8)
        self._words = ShmRequest(self._request.ctypes.data)
        self._taken = np.zeros(BATCH, REPLY_DTYPE)
        self._kept: list[ShmMessage] = []
        self._names = b""
        """The NAMES before the next reply."""
        self._asked = 0
        self._sent_s = time.monotonic()

    def _wait(self, nap_s: float) -> None:
        """Let time pass."""
        time.sleep(nap_s)

    # Requests.

    def enter(
        self,
        id: int | str,
        side: Side,
        symbol: str,
        qty_lots: int,
        price_ticks: int = 0,
        *,
        participant: int = 0,
        order_type: OrderType = OrderType.LIMIT,
        time_in_force: TimeInForce = TimeInForce.DAY,
        aux: int = 0,
        self_trade: SelfTrade = SelfTrade.ALLOW,
        reduce_only: bool = False,
    ) -> int:
        """Enter an order with a name of the client's own that the participant has not used today,
        a number of up to 128 bits or a text of up to 36 characters; returns the request's number.

        An order whose name was used is rejected with DUPLICATE_TOKEN and has no effect: so a
        request whose fate is unknown may be sent again.  Raises :class:`RequestsFull`,
        :class:`SessionEnded` or ``ValueError``.
        """
        terms = symbol, qty_lots, price_ticks, order_type, time_in_force, aux, self_trade
        return self.enter_order(ShmOrder(id, side, *terms, reduce_only), participant=participant)

    def enter_order(self, order: ShmOrder, *, participant: int = 0) -> int:
        """Enter an order, as :meth:`enter` does."""
        return self._put(Request.ENTER, order.id, participant=participant, **order.fields())

    def enter_with(
        self,
        order: ShmOrder,
        *,
        until_ns: int = 0,
        trigger_by: TriggerBy | None = None,
        activation_ticks: int | None = None,
        participant: int = 0,
    ) -> int:
        """Enter an order with a term (docs/matcher.md); returns the request's number.

        A GTC order of any type is good until ``until_ns``, ns since the epoch.  Or a stop is
        elected by the price ``trigger_by``, and a trailing one begins to trail when that reaches
        ``activation_ticks``.  Raises as :meth:`enter`.
        """
        text = _text(order.id) if isinstance(order.id, str) else b""
        slots = 2 + bool(text)
        self._require_room(slots)
        self._fill(Request.ENTER, order.id, 0, participant=participant, **order.fields())
        put_request(self.connection.requests, self._request.ctypes.data, self.next_request + 1)
        if text:
            self._put_text(text, 2)
        self._fill(
            Request.TERMS,
            0,
            0,
            participant=participant,
            order_type=int(trigger_by or 0),
            time_in_force=int(activation_ticks is not None),
            price_ticks=activation_ticks or 0,
            aux=until_ns,
        )
        return self.put(self._request.ctypes.data, slots)

    def enter_list(
        self,
        contingency: Contingency,
        legs: Sequence[ShmOrder],
        *,
        id: int | str = 0,
        participant: int = 0,
    ) -> int:
        """Enter a list of 2 to 8 orders, linked as docs/matcher.md says; returns the request's
        number.  ``id``: a name of the list, which is another one of its first order.

        The venue takes all of them or none.  If it takes none, one reply of this number names an
        order and says why.  What the core refuses later has a reply an order.  Raises as
        :meth:`enter`.
        """
        names = [id, *(leg.id for leg in legs)]
        texts = [_text(name) if isinstance(name, str) else b"" for name in names]
        slots = 1 + len(legs) + sum(map(bool, texts))
        if not MIN_LEGS <= len(legs) <= MAX_LEGS:
            raise ValueError(f"a list of {len(legs)} orders: it has {MIN_LEGS} to {MAX_LEGS}")
        self._require_room(slots)
        place = 1
        if texts[0]:
            self._put_text(texts[0], place)
            place += 1
        for leg, text in zip(legs, texts[1:], strict=True):
            self._fill(Request.ENTER, leg.id, 0, participant=participant, **leg.fields())
            put_request(
                self.connection.requests, self._request.ctypes.data, self.next_request + place
            )
            place += 1
            if text:
                self._put_text(text, place)
                place += 1
        self._fill(
            Request.LIST,
            id,
            0,
            participant=participant,
            order_type=int(contingency),
            qty_lots=len(legs),
        )
        return self.put(self._request.ctypes.data, slots)

    def replace(
        self,
        orig_id: int | str,
        id: int | str,
        qty_lots: int,
        price_ticks: int,
        *,
        participant: int = 0,
        aux: int | None = None,
        self_trade: SelfTrade = SelfTrade.ALLOW,
    ) -> int:
        """Give an open order a new name, a price and a whole quantity, executed lots included.

        ``aux``: a new trigger, distance, display or offset, which otherwise stays; 0 keeps all but
        an offset.  With it the quantity is a number of 32 bits.  Raises as :meth:`enter`.
        """
        if aux is not None:
            if not (0 <= qty_lots < 1 << 32 and -(1 << 31) <= aux < 1 << 31):
                raise ValueError(f"quantity {qty_lots} with aux {aux}: more than 32 bits")
            qty_lots |= aux << 32
        return self._put(
            Request.REPLACE,
            id,
            orig_id,
            participant=participant,
            time_in_force=int(self_trade) << 4 | (AUX_HALVES if aux is not None else 0),
            price_ticks=price_ticks,
            qty_lots=qty_lots,
        )

    def cancel(self, orig_id: int | str, *, id: int | str = 0, participant: int = 0) -> int:
        """Cancel an open order; ``id``: a name of the request's own, 0: it has none."""
        return self._put(Request.CANCEL, id, orig_id, participant=participant)

    def mass_cancel(
        self, symbol: str = "", *, side: Side | None = None, participant: int = 0
    ) -> int:
        """Cancel every order of the participant, also those of its other sessions."""
        return self._put(
            Request.MASS_CANCEL,
            participant=participant,
            side=int(side or 0),
            symbol=_symbol(symbol),
        )

    def quote(self, quote: ShmQuote, *, participant: int = 0) -> int:
        """Replace both sides of an instrument in one command; returns the request's number.

        What this session has open of the participant's quote in the instrument is replaced, and
        what is not open enters; a side without lots goes.  A quote that cannot be done whole is
        rejected and changes nothing.  ``id``: a name, which need not be new, and by which replies
        about both sides go from then on.  Raises as :meth:`enter`.
        """
        return self._put(
            Request.QUOTE,
            quote.id,
            participant=participant,
            order_type=int(quote.order_type),
            time_in_force=int(quote.time_in_force) | int(quote.self_trade) << 4,
            symbol=_symbol(quote.symbol),
            price_ticks=quote.bid_ticks,
            qty_lots=quote.bid_lots,
            offer_ticks=quote.offer_ticks,
            offer_lots=quote.offer_lots,
        )

    def mass_quote(self, quotes: Sequence[ShmQuote], *, participant: int = 0) -> range:
        """Quote up to 100 instruments, each by itself (:meth:`quote`); returns the requests'
        numbers.  Raises as :meth:`quote`, and then has sent none."""
        if not 1 <= len(quotes) <= MAX_QUOTES:
            raise ValueError(f"{len(quotes)} quotes at once: from 1 to {MAX_QUOTES}")
        self._require_room(len(quotes))
        for one in quotes:
            _words(one.id)
            _symbol(one.symbol)
        first = self.next_request
        for one in quotes:
            self.quote(one, participant=participant)
        return range(first, self.next_request)

    def cancel_quotes(self, symbol: str = "", *, participant: int = 0) -> int:
        """Cancel the participant's quote in an instrument, or ("") all that this session has of
        it; returns the request's number."""
        return self._put(Request.QUOTE_CANCEL, participant=participant, symbol=_symbol(symbol))

    def heartbeat(self) -> int:
        """Show the venue that we live; :meth:`poll` and what waits do so by themselves."""
        return self._put(Request.HEARTBEAT)

    @property
    def feed(self) -> ShmFeed:
        """The venue's feed in shared memory.  Raises :class:`ClientError` if it has none."""
        if self.connection.feed is None:
            raise ClientError("the venue has no feed in shared memory ([market_data] shm)")
        return self.connection.feed

    @property
    def room(self) -> int:
        """Requests that may be sent now."""
        room = request_room(ShmReplies.of(self.connection.replies), self.next_request)
        if room < LITTLE_ROOM:
            self.connection.look()
            room = request_room(ShmReplies.of(self.connection.replies), self.next_request)
        return int(room)

    def _put(self, kind: Request, id: int | str = 0, orig_id: int | str = 0, **fields: int) -> int:
        texts = [_text(name) for name in (id, orig_id) if isinstance(name, str)]
        self._require_room(1 + len(texts))
        self._fill(kind, id, orig_id, **fields)
        for place, text in enumerate(texts, start=1):
            self._put_text(text, place)
        return self.put(self._request.ctypes.data, 1 + len(texts))

    def _require_room(self, slots: int) -> None:
        self._require_open()
        if self.room < slots:
            raise RequestsFull("the venue has not taken the earlier requests yet")

    def _put_text(self, text: bytes, place: int) -> None:
        """Publish a name in text, ``place`` slots after the next request's."""
        slot = np.frombuffer(text, np.uint8)
        put_request(self.connection.requests, slot.ctypes.data, self.next_request + place)

    def _fill(self, kind: Request, id: int | str, orig_id: int | str, **fields: int) -> None:
        """Write a request's own slot, which is not published yet."""
        self._request[:] = 0
        request = self._words
        request.kind = int(kind)
        if isinstance(id, str):
            request.names |= ID_TEXT
        else:
            request.id, request.id_high = _words(id)
        if isinstance(orig_id, str):
            request.names |= ORIG_TEXT
        else:
            request.orig_id, request.orig_id_high = _words(orig_id)
        for name, value in fields.items():
            setattr(request, name, value)

    def put(self, request: int, slots: int = 1) -> int:
        """Publish a request, by the address of its 64 bytes; there is room for it, and its further
        slots are there.  Returns its number."""
        seq = self.next_request
        put_request(self.connection.requests, request, seq)
        self.connection.published(seq, slots)
        self.next_request = seq + slots
        self._sent_s = time.monotonic()
        return seq + slots - 1

    # Replies.

    def begin_wait(self) -> None:
        """Ask the venue, in a session that rings, to send a byte by the socket (:meth:`fileno`)
        with its next reply.  Poll once more, and then sleep until the socket is readable."""
        self.connection.begin_wait()

    def poll_array(self) -> Any:
        """Replies that have come, as an array (REPLY_DTYPE) that is valid until the next call.

        It never waits.  Raises :class:`SessionEnded` when nothing more can come."""
        count = self._take()
        if not count and self._has_closed():
            # What was written before the end may have come since.
            count = self._take()
            if not count:
                self.has_ended = True
                raise SessionEnded(end_text(self.connection.header.end))
        self.keep_alive()
        return self._taken[:count]

    def poll(self) -> list[ShmMessage]:
        """Replies that have come; as :meth:`poll_array`."""
        kept, self._kept = self._kept, []
        return kept or self._read(self.poll_array())

    def _read(self, records: Any) -> list[ShmMessage]:
        messages = []
        for record in records:
            if record["kind"] == Reply.NAMES:
                self._names = record.tobytes()
                continue
            messages.append(read_reply(record, self._names))
            self._names = b""
        return messages

    def next(self, timeout_s: float | None = None) -> ShmMessage | None:
        """The next reply; None after ``timeout_s`` without one (None: no limit)."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        turn = 0
        while not self._kept:
            self._kept = self.poll()
            if self._kept:
                break
            if until_s is not None and time.monotonic() >= until_s:
                return None
            turn += 1
            if turn > SPINS:
                self._wait(min(MAX_NAP_S, MIN_NAP_S * (turn - SPINS)))
        return self._kept.pop(0)

    def messages(self, timeout_s: float | None = None) -> Iterator[ShmMessage]:
        """Replies until ``timeout_s`` passes without one."""
        while (message := self.next(timeout_s)) is not None:
            yield message

    async def replies(self) -> AsyncIterator[ShmMessage]:
        """Replies as they come, for asyncio: looks between other tasks, and naps when nothing
        comes.  Raises :class:`SessionEnded`."""
        turn = 0
        while True:
            came = self.poll()
            for message in came:
                yield message
            turn = 0 if came else turn + 1
            nap_s = 0.0 if turn < SPINS else min(MAX_NAP_S, MIN_NAP_S * (turn - SPINS))
            await asyncio.sleep(nap_s)

    def keep_alive(self) -> None:
        """Show the venue that we live, if it was not shown for a second."""
        if time.monotonic() - self._sent_s < HEARTBEAT_S or self.room < 1:
            return
        if not self.has_ended and not self._is_over():
            self._put(Request.HEARTBEAT)

    # The end.

    def _has_closed(self) -> bool:
        """The venue has ended the connection; the socket, which shows its death, is checked each
        64th time, because that takes a system call."""
        self._asked += 1
        if self._is_over() or self.connection.is_closed:
            return True
        return self._asked & 63 == 0 and self.connection.has_closed()

    def _is_over(self) -> bool:
        return bool(state_of(ShmReplies.of(self.connection.replies)) == State.ENDED)

    def _take(self) -> int:
        """Copy replies that have come; how many."""
        connection = self.connection
        connection.look()
        count = int(
            take_replies(
                connection.requests,
                connection.replies,
                self.next_reply,
                self._taken.ctypes.data,
                BATCH,
            )
        )
        self.next_reply += count
        return count

    def _require_open(self) -> None:
        if self.has_ended or self._is_over():
            raise SessionEnded(end_text(self.connection.header.end))

    @property
    def end(self) -> End:
        """Return why the venue ended the connection; NONE while it has not."""
        return End(self.connection.header.end)

    def fileno(self) -> int:
        """The login's socket: readable once the venue has closed the connection, and after
        :meth:`begin_wait` when there are replies."""
        return self.connection.socket.fileno()

    def logout(self) -> None:
        """Log out, and close; replies to what was sent before are in the stream."""
        with contextlib.suppress(ClientError):
            self._put(Request.LOGOUT)
            until_s = time.monotonic() + 1.0
            while not self._is_over() and time.monotonic() < until_s:
                self._take()
                if self.connection.has_closed():
                    break
                self._wait(MIN_NAP_S)
        self.close()

    def close(self) -> None:
        """End the connection without a logout: the session counts as lost."""
        self.has_ended = True
        self.connection.close()


def end_text(end: int) -> str:
    """Return why a connection ended, in words."""
    if end == End.NONE:
        return "the venue closed the connection"
    return f"the venue ended the session: {End(end).name.lower().replace('_', ' ')}"


def _symbol(symbol: str) -> int:
    """A symbol as a word.  Raises ``ValueError``."""
    data = symbol.encode("ascii")
    if len(data) > 8:
        raise ValueError(f"symbol {symbol!r} has more than 8 characters")
    return int.from_bytes(data.ljust(8, b"\0"), "little")
