"""Requests for quotes over FIX 4.4, for clients and makers: a door of the portal's desk.

A program logs on with an API key: Username (553) is the key, Password (554) is ``TIME.SIGNATURE``.
The signature is that of a request of the API whose method is ``FIX`` and whose path is the
SenderCompID.  It then may do what the key may, until it is revoked.

Both sides begin at 1 with each connection, and the portal sends first what is open.  What happens
to a request is sent from its row of the API, however it was asked for.
"""

import asyncio
import contextlib
import hmac
import logging
import math
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from openoutcry.client import ClientError
from openoutcry.client import portal_models as models
from openoutcry.client.fix import FixMessage, read_message
from openoutcry.order_entry.fix.endpoint import Endpoint, compile_session
from openoutcry.order_entry.fix.logon import LogonError, logon_of
from openoutcry.order_entry.tls import server_context
from openoutcry.portal.accounts.errors import AccountError, InvalidRequest, NotFound
from openoutcry.portal.database import DatabaseError
from openoutcry.portal.native import quote_messages as said
from openoutcry.portal.native.callers import Asking, Callers, signed_text
from openoutcry.portal.native.margin_routes import Views
from openoutcry.portal.native.quote_routes import (
    ChosenQuote,
    CounterOffer,
    NativeQuotes,
    NewQuote,
    NewQuoteRequest,
    QuoteLeg,
    side_of,
)
from openoutcry.portal.quotes.quotes import MOST_SHOWN
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.trading.reject import Reject
from openoutcry.venue.position_messages import Positions
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.load_limits import Logins
from openoutcry.wire.peers import owner_of

MAX_LINES, MAX_OF_ONE, MAX_WAITING = 256, 8, 64
"""Connections that have logged on, those of one participant, and those without a Logon; of as many
the Logon is checked."""
LOGON_S, TICK_S, CHECK_S = 10.0, 0.5, 15.0
"""A Logon comes within LOGON_S.  Clocks of sessions are looked at every TICK_S, keys every
CHECK_S."""
MAX_UNSENT_BYTES, READ_BYTES, A_WEIGHT_BYTES = 1 << 20, 1 << 12, 512
"""A client that does not read is cut.  So much is read at once, and weighs 1 for each
A_WEIGHT_BYTES at least: a message of the session layer may ask for all that was sent."""
MAX_NAME = 36
MISSING_FIELD, UNSUPPORTED = 5, 3
"""BusinessRejectReason."""
log = logging.getLogger("outcry.portal")


def logon_password(sender: str, secret: str, at_ms: int) -> str:
    """Password (554) of a Logon by a key that signs with HMAC-SHA256."""
    text = signed_text(str(at_ms), "FIX", sender, "")
    return f"{at_ms}.{hmac.new(secret.encode(), text.encode(), sha256).hexdigest()}"


@dataclass
class Shown:
    """What a connection knows of a request."""

    name: str
    """As the other side calls it (131)."""
    state: str = "open"
    is_announced: bool = False
    live: set[int] = field(default_factory=set)
    """Quotes that the client was sent, and that were not cancelled."""
    own: dict[str, int] = field(default_factory=dict)
    """A maker's names of its quotes."""
    response: str = ""
    """QuoteRespID of the client's last acceptance or counter-offer."""
    asked: str = ""
    """QuoteRespID with which the maker was asked for its consent."""


class Line:
    """One connection that has logged on."""

    def __init__(
        self,
        native: NativeQuotes,
        asking: Asking,
        renew: Callable[[], Awaitable[Asking]],
        endpoint: Endpoint,
        send: Callable[[bytes], Any],
        positions: Positions | None,
        views: Views,
    ) -> None:
        """``renew``: what the client may do now; raises :class:`AccountError` once its key has
        ended.  ``positions``: answers requests for them."""
        self.native, self.asking, self._renew = native, asking, renew
        self.positions, self.views = positions, views
        self.endpoint, self._send = endpoint, send
        self.shown: dict[int, Shown] = {}
        self._numbers: dict[str, int] = {}
        """Requests by the client's own names."""
        self._used: set[str] = set()

    @property
    def participant(self) -> int:
        return self.asking.participant

    def begin(self) -> None:
        """Send what is open."""
        for one in reversed(self.native.quotes.of(self.participant, True, MOST_SHOWN)):
            self.changed(one.number)
        self.flush()

    def flush(self) -> None:
        """Send what there is."""
        data = self.endpoint.output()
        if data:
            self._send(data)

    # What happens to requests

    def changed(self, number: int) -> None:
        """Send what the other side does not know of a request."""
        quotes, by = self.native.quotes, str(self.participant)
        request = quotes.desk.requests.get(number)
        if request is None or (request.client != by and by not in request.makers):
            return
        row = self.native.row(self.participant, quotes.one(self.participant, number))
        is_open = row.state in ("open", "pending")
        shown = self.shown.get(number)
        if shown is None:
            if not is_open:
                return
            shown = self.shown[number] = Shown(str(number))
        if row.role == "maker":
            self._of_maker(row, shown)
        else:
            self._of_client(row, shown)
        shown.state = row.state
        is_settled = row.trade is None or row.trade.state != "due"
        if not is_open and is_settled:
            del self.shown[number]
            self._numbers.pop(shown.name, None)

    def _of_maker(self, row: models.QuoteRequest, shown: Shown) -> None:
        if not shown.is_announced:
            shown.is_announced = True
            self.endpoint.say(said.request_body(row))
        if row.state == "pending" and shown.state != "pending" and row.waits_for is not None:
            shown.asked = f"{row.id}.{row.waits_number}"
            name = _name_of(shown.own, row.waits_for)
            self.endpoint.say(said.consent_body(row, shown.asked, name))
        elif row.state != "pending":
            shown.asked = ""
        if row.trade is not None:
            if row.trade.state != "due":
                self.endpoint.say(said.trade_body(row, "", _now_ms()))
        elif row.state not in ("open", "pending"):
            self.endpoint.say(said.cancel_body(row.id, "*"))

    def _of_client(self, row: models.QuoteRequest, shown: Shown) -> None:
        if row.trade is not None:
            if row.trade.state != "due" or shown.state == "open":
                self.endpoint.say(said.trade_body(row, shown.response, _now_ms()))
            return
        if row.state not in ("open", "pending"):
            self.endpoint.say(said.reject_body(shown.name, row.symbol, said.NO_MATCH, row.state))
            return
        live = {one.id for one in row.quotes if one.is_live}
        for one in sorted(row.quotes, key=lambda quote: quote.id):
            if one.id in live - shown.live:
                self.endpoint.say(said.quote_body(row, shown.name, one))
            elif one.id in shown.live - live:
                self.endpoint.say(said.cancel_body(shown.name, one.id))
        shown.live = live
        if row.state == "pending" and shown.state != "pending":
            self._answer(row, shown.response, "A", "the maker is asked")
        elif row.state == "open" and shown.state == "pending":
            self._answer(row, shown.response, "8", "the maker has declined")

    def _answer(self, row: models.QuoteRequest, response: str, state: str, why: str) -> None:
        side = said.TAGS_OF_SIDES.get(row.waits_side or row.side, "")
        terms = response, row.id, row.symbol, side, state, why, _now_ms()
        self.endpoint.say(said.answer_body(*terms))

    # What the other side says

    async def require_key(self) -> bool:
        """Return whether the client may still be here; it is logged out once its key has ended."""
        try:
            self.asking = await self._renew()
            self.asking.require_participant()
        except AccountError:
            self.endpoint.end()
        return not self.endpoint.is_over

    async def take(self, message: FixMessage) -> None:
        """Carry out one message; what is refused is answered."""
        if not await self.require_key():
            return
        does: dict[str, tuple[Callable[[FixMessage], Awaitable[None]], Any]] = {
            "R": (self._request, self._refuse_request),
            "S": (self._quote, self._refuse_quote),
            "AG": (self._pass, self._refuse_other),
            "AJ": (self._response, self._refuse_response),
            "Z": (self._cancel, self._refuse_quote),
            "AN": (self._positions, self._refuse_other),
        }
        if message.kind not in does:
            text = "this port takes R, S, AG, AJ, Z and AN"
            self.endpoint.say(said.business_reject(message, UNSUPPORTED, text))
            return
        handle, refuse = does[message.kind]
        try:
            await handle(message)
        except KeyError as error:
            text = f"field {error.args[0]} is missing"
            self.endpoint.say(said.business_reject(message, MISSING_FIELD, text))
        except (AccountError, Reject) as error:
            refuse(message, str(error))
        except DatabaseError as error:
            log.error("%s", error)
            refuse(message, "the portal's database cannot be reached: ask again")

    async def _request(self, message: FixMessage) -> None:
        name, who = _text(message, 131), self._caller()
        if name in self._used:
            raise InvalidRequest("131: this connection has used that name")
        if message[146] != "1":
            raise InvalidRequest("146: one instrument is expected")
        until = message.get(62) or message.get(126)
        seconds = said.seconds_until(until, _now_ms()) if until else 30
        legs = [
            QuoteLeg(one[600], said.side_of(one[624]), one[687]) for one in said.legs_of(message)
        ]
        side, symbol = said.side_of(message.get(54)), "" if legs else message[55]
        terms = side, message[38], symbol, seconds, said.makers_of(message), legs
        self._used.add(name)
        row = await self.native.ask(who, NewQuoteRequest(*terms))
        shown = self.shown.setdefault(row.id, Shown(name))
        shown.name = name
        self._numbers[name] = row.id

    async def _quote(self, message: FixMessage) -> None:
        number, name, who = self._number(message), _text(message, 117), self._caller()
        kind = message.get(537, said.FIRM)
        if kind not in (said.INDICATIVE, said.FIRM, said.LAST_LOOK):
            raise InvalidRequest("537: 0, 1 or 2 is expected")
        bid, ask, sizes = message.get(132), message.get(133), {message.get(134), message.get(135)}
        sizes.discard("")
        if len(sizes) > 1:
            raise InvalidRequest("134 and 135: a quote has one quantity")
        until = message.get(62)
        seconds = said.seconds_until(until, _now_ms()) if until else 0
        legs = said.legs_of(message)
        if legs:
            bid = ask = ""
        body = NewQuote(
            bid,
            ask,
            [leg[681] for leg in legs if 681 in leg],
            [leg[684] for leg in legs if 684 in leg],
            quantity=sizes.pop() if sizes else "",
            firm=kind != said.INDICATIVE,
            last_look=kind == said.LAST_LOOK,
            seconds=seconds,
        )
        row = await self.native.quote(who, number, body)
        if (shown := self.shown.get(number)) is not None:
            shown.own[name] = max(quote.id for quote in row.quotes)
        self.endpoint.say(said.status_body(message[131], name, said.TAKEN))

    async def _positions(self, message: FixMessage) -> None:
        if self.positions is None:
            raise NotFound("this venue has no contracts")
        message[60]  # required
        request, own = dict(message.fields), self.participant
        take = partial(self.positions.taken, request, (own,))
        for body in await self.views.made(own, take):
            self.endpoint.say(body)

    async def _pass(self, message: FixMessage) -> None:
        await self.native.do("pass", self._caller(), self._number(message))

    async def _response(self, message: FixMessage) -> None:
        response, kind, who = _text(message, 693), message[694], self._caller()
        for number, shown in list(self.shown.items()):
            if shown.asked == response:
                if kind not in (said.ACCEPT, said.PASS):
                    raise InvalidRequest("694: 1 or 6 is expected")
                terms = {"accept": kind == said.ACCEPT, "question": int(response.split(".")[1])}
                await self.native.do("answer", who, number, **terms)
                return
        quote = _text(message, 117)
        number = next((n for n, one in self.shown.items() if _is_in(quote, one.live)), 0)
        if not number:
            raise NotFound("there is no such quote")
        if kind == said.PASS:
            await self.native.do("pass", who, number)
            return
        own = self.native.row(who, self.native.quotes.one(who, number)).side
        side = said.side_of(message.get(54))
        chosen, before = own if side == "both" else side, self.shown[number].response
        self.shown[number].response = response
        try:
            if kind == said.ACCEPT:
                body = ChosenQuote(int(quote), chosen)
                terms = {"quote": body.quote, "side": side_of(body.side)}
                await self.native.do("accept", who, number, **terms)
            elif kind == said.COUNTER:
                await self.native.counter(
                    who, number, CounterOffer(int(quote), chosen, message[44])
                )
            else:
                raise InvalidRequest("694: 1, 2 or 6 is expected")
        except AccountError:
            if number in self.shown:
                self.shown[number].response = before
            raise

    async def _cancel(self, message: FixMessage) -> None:
        name = _text(message, 131)
        number = self._numbers.get(name) or self._number(message)
        request = self.native.quotes.desk.requests.get(number)
        if request is not None and request.client == str(self.participant):
            await self.native.do("cancel", self._caller(), number)
            return
        own = _text(message, 117)
        quote = self.shown[number].own.get(own, 0) if number in self.shown else 0
        await self.native.do("withdraw", self._caller(), number, quote=quote)
        self.endpoint.say(said.status_body(name, own, said.WITHDRAWN))

    def _caller(self) -> int:
        """The participant; raises :class:`AccountError` if its key may not trade."""
        return self.native.require(self.asking)

    def _number(self, message: FixMessage) -> int:
        """The request that a maker names."""
        text = _text(message, 131)
        if not text.isdecimal() or len(text) > 18:
            raise NotFound("there is no such request")
        return int(text)

    # Refusals

    def _refuse_request(self, message: FixMessage, why: str) -> None:
        reason = said.UNKNOWN_SYMBOL if "symbol" in why else said.OTHER
        self.endpoint.say(said.reject_body(message[131], message.get(55), reason, why))

    def _refuse_quote(self, message: FixMessage, why: str) -> None:
        quote = message.get(117) or "0"
        self.endpoint.say(said.status_body(message[131], quote, said.REJECTED, why))

    def _refuse_response(self, message: FixMessage, why: str) -> None:
        terms = message[693], message.get(117) or "0", message.get(55), message.get(54)
        self.endpoint.say(said.answer_body(*terms, "8", why, _now_ms()))

    def _refuse_other(self, message: FixMessage, why: str) -> None:
        self.endpoint.say(said.business_reject(message, 0, why))


def _text(message: FixMessage, tag: int) -> str:
    """Raises :class:`KeyError` without the field, :class:`InvalidRequest` for a wrong name."""
    text = message[tag]
    if not (len(text) <= MAX_NAME and text.isascii() and text.isprintable()):
        raise InvalidRequest(f"{tag}: up to {MAX_NAME} printable ASCII characters")
    return text


def _is_in(quote: str, live: set[int]) -> bool:
    return quote.isdecimal() and len(quote) <= 18 and int(quote) in live


def _name_of(own: dict[str, int], number: int) -> str:
    """A maker's name of its quote; the portal's number of one that came another way."""
    return next((name for name, one in own.items() if one == number), str(number))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class QuoteDoor:
    """Listens, and has a :class:`Line` for each connection."""

    def __init__(
        self,
        native: NativeQuotes,
        callers: Callers,
        name: str,
        address: tuple[str, int],
        serves: Callable[[str], bool] = lambda address: True,
        count: Callable[[str, int], None] = lambda address, weight: None,
        positions: Positions | None = None,
        views: Views | None = None,
    ) -> None:
        """``name``: TargetCompID of the Logons; ``serves``: whether an address is served;
        ``count``: counts the weight of a Logon or of messages of an address, and raises
        :class:`ApiError` for too many."""
        self.native, self.callers, self.name = native, callers, name
        self.positions, self._views = positions, views or Views()
        self.address, self._serves, self._count = address, serves, count
        self._tls: ssl.SSLContext | None = None
        self.lines: set[Line] = set()
        self._waiting: Logins[asyncio.StreamWriter] = Logins(MAX_WAITING)
        native.quotes.listeners.append(self._changed)

    def secure(self, tls: tuple[Path, Path] | None) -> None:
        """Serve with the portal's certificate and key.  Raises :class:`OutcryError` if it has none
        and the address is not this host's own."""
        if tls is not None:
            self._tls = server_context(*tls)
        elif not ip_address(self.address[0]).is_loopback:
            raise OutcryError(
                f"[quotes] fix: {self.address[0]} is not this host alone; serve with --certificate"
            )

    async def run(self) -> None:
        """Listen until cancelled."""
        await asyncio.to_thread(compile_session)
        server = await asyncio.start_server(self._guarded, *self.address, ssl=self._tls)
        self.address = server.sockets[0].getsockname()[:2]
        async with server:
            await server.serve_forever()

    def _changed(self, touched: set[int]) -> None:
        for line in tuple(self.lines):
            for number in sorted(touched):
                line.changed(number)
            line.flush()

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("peername")[0]
        if (oldest := self._waiting.came(owner_of(address), writer)) is not None:
            oldest.transport.abort()
        try:
            if self._serves(address):
                self._count(address, 1)
                await self._serve(reader, writer, address)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            pass
        except (AccountError, ApiError, LogonError, ClientError, DatabaseError) as error:
            log.info("quotes over FIX, from %s: %s", address, error)
        finally:
            self._waiting.leave(writer)
            with contextlib.suppress(ConnectionError):
                writer.close()
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # the client does not read: nothing is kept for it

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> None:
        async with asyncio.timeout(LOGON_S):
            logon, data = await logon_of(reader, self.name)
        if (oldest := self._waiting.begun(writer)) is not None:
            oldest.transport.abort()
        at, _, signature = logon.password.partition(".")
        text = signed_text(at, "FIX", logon.sender, "")
        asking = await self.callers.of_key(logon.username, at, signature, text, address, once=True)
        self.native.require(asking, changes=False)
        self._waiting.leave(writer)
        if len(self.lines) >= MAX_LINES:
            raise LogonError(f"there are {MAX_LINES} connections")
        mine = [one for one in self.lines if one.participant == asking.participant]
        if len(mine) >= MAX_OF_ONE:
            raise LogonError(f"participant {asking.participant} has {MAX_OF_ONE} connections")

        async def renew() -> Asking:
            return await self.callers.of_known_key(logon.username, address)

        endpoint = Endpoint(self.name, logon.sender)
        parts = self.positions, self._views
        line = Line(self.native, asking, renew, endpoint, writer.write, *parts)
        try:
            await self._talk(line, data, reader, writer, address)
        finally:
            self.lines.discard(line)
            with contextlib.suppress(ConnectionError, TimeoutError):
                line.flush()
                async with asyncio.timeout(TICK_S):
                    await writer.drain()

    async def _talk(
        self,
        line: Line,
        data: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
    ) -> None:
        endpoint, check_s = line.endpoint, time.monotonic() + CHECK_S
        while not endpoint.is_over:
            taken = endpoint.take(data)
            if data:
                self._count(address, max(len(taken), math.ceil(len(data) / A_WEIGHT_BYTES)))
            for raw in taken:
                await line.take(read_message(raw))
            if endpoint.is_on and line not in self.lines:
                await self.native.quotes.look()
                self.lines.add(line)
                line.begin()
            endpoint.tick()
            line.flush()
            if writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                return
            if time.monotonic() > check_s:
                check_s = time.monotonic() + CHECK_S
                await line.require_key()
            data = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    data = await reader.read(READ_BYTES)
                if not data:
                    return
