"""The portal's native API (``/v1``) from Python, typed: a method for each endpoint.

>>> portal = PortalClient("http://127.0.0.1:9480")
>>> portal.log_in("anna@example.com", "seven crooked ladders")
>>> order = portal.place("BTC-USD", "buy", "limit", quantity="0.5", price="50000")
>>> portal.cancel(order.id).state
'cancelled'

A program signs with an API key instead: ``PortalClient(url, api_key=…, secret=…)``.  Each request
that changes something has an ``Idempotency-Key``; give the same one again after an answer was lost.
"""

import base64
import dataclasses
import hashlib
import hmac
import http.client
import json
import ssl
import time
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from openoutcry.client import portal_models as models
from openoutcry.client.waiting import ClientError
from openoutcry.wire.closing import Closing

Made = TypeVar("Made")
ENDPOINTS: dict[str, tuple[str, str]] = {}
"""Method and path of each method of the client, by its name."""


class PortalError(ClientError):
    """A refusal of the portal: ``code`` is stable."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


def endpoint(method: str, path: str) -> Callable[[Any], Any]:
    """Names what a method asks, for the comparison with the portal's OpenAPI document."""

    def keep(function: Any) -> Any:
        ENDPOINTS[function.__name__] = method, path
        return function

    return keep


def _of_quotes(number: int) -> str:
    return f"/v1/quotes/requests/{int(number)}"


def made(kind: Any, value: Any) -> Any:
    """A value of JSON as the type says."""
    origin = typing.get_origin(kind)
    if origin is list:
        return [made(typing.get_args(kind)[0], one) for one in value]
    if origin is types.UnionType:
        inner = [one for one in typing.get_args(kind) if one is not type(None)]
        return None if value is None else made(inner[0], value)
    if kind in (date, datetime):
        return kind.fromisoformat(value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = {name: made(hint, value[name]) for name, hint in hints.items() if name in value}
        return typing.cast(Any, kind)(**known)
    return value


def solved(challenge: dict[str, Any]) -> str:
    """The solution of a challenge of ``GET /v1/challenge`` (ALTCHA): the first counter whose key
    begins as the challenge says.  Raises :class:`ClientError` for another scheme."""
    try:
        given = challenge["parameters"]
        name = str(given["algorithm"]).rpartition("/")[2].replace("-", "").lower()
        nonce, terms = bytes.fromhex(given["nonce"]), (bytes.fromhex(given["salt"]), given["cost"])
        for counter in range(1 << 32):
            password = nonce + counter.to_bytes(4, "big")
            key = hashlib.pbkdf2_hmac(name, password, *terms, given["keyLength"]).hex()
            if key.startswith(given["keyPrefix"]):
                solution = {"counter": counter, "derivedKey": key}
                text = json.dumps({"challenge": challenge, "solution": solution})
                return base64.b64encode(text.encode()).decode()
    except (LookupError, TypeError, ValueError) as error:
        raise ClientError(f"the challenge is of another scheme: {error!r}") from None
    raise ClientError("the challenge has no solution")


class PortalClient(Closing):
    """One account's requests, over one connection; not for several threads at once.

    Every method that asks the portal raises :class:`PortalError` when the portal refuses, and
    :class:`ClientError` without an answer.  ``key`` is the request's ``Idempotency-Key``.  Amounts
    and prices are decimal text.  A ``cursor`` is that of the page before (:meth:`pages`).
    Where the portal asks for a proof of work the client solves the challenge; one that you have
    solved is a ``solution``."""

    def __init__(
        self,
        url: str,
        api_key: str = "",
        secret: str = "",
        timeout_s: float = 30.0,
        operator: str = "",
    ) -> None:
        """``operator``: a token of ``outcry portal operator``."""
        parts = urlsplit(url)
        if parts.hostname is None:
            raise ValueError(f"{url!r} is not the address of a portal")
        self.url, self.api_key, self.secret = url.rstrip("/"), api_key, secret
        self.operator = operator
        self.tokens: models.TokenPair | None = None
        address = parts.hostname, parts.port
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                *address, timeout=timeout_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(*address, timeout=timeout_s)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    # Requests

    def ask(
        self,
        method: str,
        path: str,
        kind: type[Made],
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | bytes | None = None,
        key: str | None = None,
    ) -> Made:
        """One request.  Raises :class:`PortalError`, or :class:`ClientError` without an answer."""
        chosen = {name: value for name, value in (query or {}).items() if value not in ("", 0)}
        target = path + (f"?{urlencode(chosen)}" if chosen else "")
        content = body if isinstance(body, bytes) else b""
        headers = {"accept": "application/json"}
        if isinstance(body, dict):
            given = {name: value for name, value in body.items() if value is not None}
            content = json.dumps(given).encode()
            headers["content-type"] = "application/json"
        if method != "GET":
            headers["idempotency-key"] = key = key or str(uuid4())
        headers |= self.proof(method, target, content, key or "")
        status, received = self._answered(method, target, content, headers)
        if kind is bytes and status < 400:
            return typing.cast(Made, received)
        where = f"{method} {path}: status {status}"
        try:
            value = json.loads(received)
        except ValueError:
            raise ClientError(f"{where} without JSON") from None
        if status >= 400:
            if not isinstance(value, dict):
                raise ClientError(f"{where} without a problem")
            raise PortalError(status, str(value.get("code")), str(value.get("detail")))
        try:
            return typing.cast(Made, made(kind, value))
        except (TypeError, ValueError, AttributeError) as error:
            raise ClientError(f"{where} with another answer: {error}") from None

    def _answered(
        self, method: str, target: str, content: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Status and body.  A connection that was kept open may have ended since: the request goes
        over another one then, with the same key.  Raises :class:`ClientError`."""
        was_open = self._connection.sock is not None
        try:
            self._connection.request(method, target, content or None, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if was_open and not isinstance(error, TimeoutError):
                return self._answered(method, target, content, headers)
            path = target.partition("?")[0]
            raise ClientError(f"{method} {path}: no answer: {error!r}") from None

    def proof(
        self, method: str, target: str, content: bytes = b"", key: str = ""
    ) -> dict[str, str]:
        """The headers that name the caller: the token, or the API key and its signature, which
        covers the request's ``Idempotency-Key``, too."""
        if self.operator:
            return {"authorization": f"Bearer {self.operator}"}
        if self.api_key:
            at = str(time.time_ns() // 1_000_000)
            signed = f"{at}\n{method}\n{target}\n{key}\n".encode() + content
            digest = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
            return {"x-api-key": self.api_key, "x-timestamp": at, "x-signature": digest}
        if self.tokens is not None:
            return {"authorization": f"Bearer {self.tokens.access_token}"}
        return {}

    def _worked(
        self, path: str, kind: type[Made], body: dict[str, Any], key: str | None = None
    ) -> Made:
        """A request without a login; where it costs a proof of work, again with one."""
        try:
            return self.ask("POST", path, kind, None, body, key=key)
        except PortalError as error:
            if error.code != "challenge_required" or body["solution"]:
                raise
        body["solution"] = solved(self.challenge().challenge)
        return self.ask("POST", path, kind, None, body, key=key)

    def pages(self, ask: Callable[..., Any], **chosen: Any) -> Iterator[Any]:
        """Every row of a list that has pages: ``client.pages(client.fills, symbol="BTC-USD")``."""
        cursor: str | None = ""
        while cursor is not None:
            page = ask(cursor=cursor, **chosen)
            yield from page.items
            cursor = page.next

    # Endpoints
    @endpoint("POST", "/v1/register")
    def register(
        self, mail: str, password: str, *, solution: str = "", key: str | None = None
    ) -> models.Status:
        """Have a code mailed to a new address; :meth:`verify` completes the registration.

        The answer never shows whether the address has an account."""
        body: dict[str, Any] = {"mail": mail, "password": password, "solution": solution}
        return self._worked("/v1/register", models.Status, body, key)

    @endpoint("POST", "/v1/verify")
    def verify(
        self, mail: str, password: str, code: str, *, solution: str = "", key: str | None = None
    ) -> models.Status:
        """Complete a registration with the mailed code."""
        body: dict[str, Any] = {"mail": mail, "password": password, "code": code}
        body["solution"] = solution
        return self._worked("/v1/verify", models.Status, body, key)

    @endpoint("POST", "/v1/login")
    def log_in(
        self,
        mail: str,
        password: str,
        *,
        totp: str = "",
        solution: str = "",
        key: str | None = None,
    ) -> models.TokenPair:
        """Begin a session; later requests carry its token."""
        body: dict[str, Any] = {"mail": mail, "password": password, "totp": totp}
        body["solution"] = solution
        self.tokens = tokens = self._worked("/v1/login", models.TokenPair, body, key)
        return tokens

    @endpoint("POST", "/v1/refresh")
    def refresh(self, refresh_token: str, *, key: str | None = None) -> models.TokenPair:
        """Get a new pair of tokens, which later requests carry."""
        body: dict[str, Any] = {"refresh_token": refresh_token}
        self.tokens = tokens = self.ask(
            "POST", "/v1/refresh", models.TokenPair, None, body, key=key
        )
        return tokens

    @endpoint("POST", "/v1/password/forget")
    def forget(self, mail: str, *, solution: str = "", key: str | None = None) -> models.Status:
        """Have a code mailed with which :meth:`reset` sets another password."""
        body: dict[str, Any] = {"mail": mail, "solution": solution}
        return self._worked("/v1/password/forget", models.Status, body, key)

    @endpoint("POST", "/v1/password/reset")
    def reset(
        self,
        mail: str,
        code: str,
        password: str,
        *,
        totp: str = "",
        solution: str = "",
        key: str | None = None,
    ) -> models.Status:
        """Set another password with the mailed code; every session of the account ends."""
        body: dict[str, Any] = {"mail": mail, "code": code, "password": password, "totp": totp}
        body["solution"] = solution
        return self._worked("/v1/password/reset", models.Status, body, key)

    @endpoint("GET", "/v1/me")
    def me(self) -> models.Me:
        """The account: its address, participant and level, and whether it has an authenticator."""
        return self.ask("GET", "/v1/me", models.Me)

    @endpoint("PUT", "/v1/language")
    def choose_language(self, language: str, *, key: str | None = None) -> models.Status:
        """Choose the language of notifications, mails and statements: en or de."""
        body: dict[str, Any] = {"language": language}
        return self.ask("PUT", "/v1/language", models.Status, None, body, key=key)

    @endpoint("POST", "/v1/logout")
    def log_out(self, *, key: str | None = None) -> models.Status:
        """End this session."""
        body: dict[str, Any] = {}
        return self.ask("POST", "/v1/logout", models.Status, None, body, key=key)

    @endpoint("POST", "/v1/logout-everywhere")
    def log_out_everywhere(self, *, key: str | None = None) -> models.Status:
        """End every session of the account, this one too."""
        body: dict[str, Any] = {}
        return self.ask("POST", "/v1/logout-everywhere", models.Status, None, body, key=key)

    @endpoint("GET", "/v1/sessions")
    def sessions(self) -> list[models.SessionRow]:
        """Sessions that have not ended, the last used first."""
        return self.ask("GET", "/v1/sessions", list[models.SessionRow])

    @endpoint("DELETE", "/v1/sessions/{session_id}")
    def end_session(self, session_id: str, *, key: str | None = None) -> models.Status:
        """End one session of the account, by the id of :meth:`sessions`."""
        return self.ask(
            "DELETE", f"/v1/sessions/{quote(str(session_id), safe='')}", models.Status, key=key
        )

    @endpoint("GET", "/v1/audit")
    def audit(self, *, before: int = 0) -> list[models.AuditRow]:
        """Return the actions on the account, the newest first; ``before``: only rows with a smaller
        id."""
        query = {"before": before}
        return self.ask("GET", "/v1/audit", list[models.AuditRow], query)

    @endpoint("POST", "/v1/password")
    def change(
        self, old: str, new: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Change the password; every session ends, this one too."""
        body: dict[str, Any] = {"old": old, "new": new, "totp": totp}
        return self.ask("POST", "/v1/password", models.Status, None, body, key=key)

    @endpoint("POST", "/v1/totp")
    def new_totp(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.TotpSecret:
        """The secret of an authenticator; it is in force once :meth:`confirm_totp` has had a code
        of it."""
        body: dict[str, Any] = {"password": password, "totp": totp}
        return self.ask("POST", "/v1/totp", models.TotpSecret, None, body, key=key)

    @endpoint("POST", "/v1/totp/confirm")
    def confirm_totp(self, code: str, *, key: str | None = None) -> models.RecoveryCodes:
        """Require the new authenticator from now on."""
        body: dict[str, Any] = {"code": code}
        return self.ask("POST", "/v1/totp/confirm", models.RecoveryCodes, None, body, key=key)

    @endpoint("POST", "/v1/totp/recovery-codes")
    def new_recovery_codes(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.RecoveryCodes:
        """Ten new recovery codes of an account with an authenticator; earlier ones end."""
        body: dict[str, Any] = {"password": password, "totp": totp}
        path = "/v1/totp/recovery-codes"
        return self.ask("POST", path, models.RecoveryCodes, None, body, key=key)

    @endpoint("POST", "/v1/totp/remove")
    def remove_totp(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Remove the authenticator; ``totp``: its last code."""
        body: dict[str, Any] = {"password": password, "totp": totp}
        return self.ask("POST", "/v1/totp/remove", models.Status, None, body, key=key)

    @endpoint("GET", "/v1/api-keys")
    def list_keys(self) -> list[models.ApiKeyRow]:
        """The API keys, without their secrets."""
        return self.ask("GET", "/v1/api-keys", list[models.ApiKeyRow])

    @endpoint("POST", "/v1/api-keys")
    def new_key(
        self,
        label: str,
        password: str,
        *,
        permissions: list[str] | None = None,
        networks: list[str] | None = None,
        expires_at: str | None = None,
        public_key: str = "",
        totp: str = "",
        key: str | None = None,
    ) -> models.CreatedKey:
        """Make an API key; only this answer has its secret.

        ``permissions``: of read, trade and withdraw, else read alone.  Networks are in CIDR
        notation, else any; withdraw needs some.  ``expires_at``: ISO 8601, else never;
        ``public_key``: Ed25519 in PEM or base64, or RSA in PEM, else HMAC."""
        body: dict[str, Any] = {
            "label": label,
            "password": password,
            "permissions": permissions,
            "networks": networks,
            "expires_at": expires_at,
            "public_key": public_key,
            "totp": totp,
        }
        return self.ask("POST", "/v1/api-keys", models.CreatedKey, None, body, key=key)

    @endpoint("DELETE", "/v1/api-keys/{number}")
    def revoke_key(self, number: int, *, key: str | None = None) -> models.Status:
        """End an API key at once."""
        return self.ask(
            "DELETE", f"/v1/api-keys/{quote(str(number), safe='')}", models.Status, key=key
        )

    @endpoint("GET", "/v1/time")
    def now(self) -> models.Now:
        """The portal's time in milliseconds, and the last command that its answers show."""
        return self.ask("GET", "/v1/time", models.Now)

    @endpoint("GET", "/v1/instruments")
    def instruments(self) -> list[models.Instrument]:
        """Every instrument, with its steps and bounds."""
        return self.ask("GET", "/v1/instruments", list[models.Instrument])

    @endpoint("GET", "/v1/instruments/{symbol}")
    def instrument(self, symbol: str) -> models.Instrument:
        """One instrument, with its steps and bounds."""
        return self.ask("GET", f"/v1/instruments/{quote(str(symbol), safe='')}", models.Instrument)

    @endpoint("GET", "/v1/instruments/{symbol}/book")
    def book(self, symbol: str, *, depth: int = 100) -> models.Book:
        """Return at most ``depth`` levels of each side, best first."""
        query = {"depth": depth}
        return self.ask(
            "GET", f"/v1/instruments/{quote(str(symbol), safe='')}/book", models.Book, query
        )

    @endpoint("GET", "/v1/instruments/{symbol}/ticker")
    def ticker(self, symbol: str) -> models.Ticker:
        """The last 24 hours and the best prices."""
        return self.ask(
            "GET", f"/v1/instruments/{quote(str(symbol), safe='')}/ticker", models.Ticker
        )

    @endpoint("GET", "/v1/instruments/{symbol}/trades")
    def trades(self, symbol: str, *, limit: int = 100) -> list[models.PublicTrade]:
        """The last public trades, the newest first."""
        query = {"limit": limit}
        return self.ask(
            "GET",
            f"/v1/instruments/{quote(str(symbol), safe='')}/trades",
            list[models.PublicTrade],
            query,
        )

    @endpoint("GET", "/v1/instruments/{symbol}/candles")
    def candles(
        self,
        symbol: str,
        *,
        interval: str = "1m",
        limit: int = 100,
        from_ms: int = 0,
        until_ms: int = 0,
    ) -> list[models.CandleRow]:
        """Return candles from ``from_ms`` on, or the last up to ``until_ms``."""
        query = {"interval": interval, "limit": limit, "from_ms": from_ms, "until_ms": until_ms}
        return self.ask(
            "GET",
            f"/v1/instruments/{quote(str(symbol), safe='')}/candles",
            list[models.CandleRow],
            query,
        )

    @endpoint("POST", "/v1/orders")
    def place(
        self,
        symbol: str,
        side: str,
        type: str,
        *,
        quantity: str = "",
        price: str = "",
        stop_price: str = "",
        amount: str = "",
        shown_quantity: str = "",
        min_quantity: str = "",
        trailing_bps: int = 0,
        trailing_distance: str = "",
        offset: str = "",
        time_in_force: str = "",
        expires_ms: int = 0,
        self_trade: str = "",
        reduce_only: bool = False,
        key: str | None = None,
    ) -> models.OrderRow:
        """Enter an order; amounts and prices are decimal text."""
        body: dict[str, Any] = {
            "symbol": symbol,
            "side": side,
            "type": type,
            "quantity": quantity,
            "price": price,
            "stop_price": stop_price,
            "amount": amount,
            "shown_quantity": shown_quantity,
            "min_quantity": min_quantity,
            "trailing_bps": trailing_bps,
            "trailing_distance": trailing_distance,
            "offset": offset,
            "time_in_force": time_in_force,
            "expires_ms": expires_ms,
            "self_trade": self_trade,
            "reduce_only": reduce_only,
        }
        return self.ask("POST", "/v1/orders", models.OrderRow, None, body, key=key)

    @endpoint("GET", "/v1/orders")
    def list_orders(
        self, *, symbol: str = "", state: str = "all", cursor: str = "", limit: int = 100
    ) -> models.OrderPage:
        """Orders in the portal's memory, the newest first; ``state``: open, closed or all.

        :meth:`past_orders` has those of all days."""
        query = {"symbol": symbol, "state": state, "cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/orders", models.OrderPage, query)

    @endpoint("GET", "/v1/orders/{number}")
    def order(self, number: int) -> models.OrderRow:
        """One order, by its number."""
        return self.ask("GET", f"/v1/orders/{quote(str(number), safe='')}", models.OrderRow)

    @endpoint("PATCH", "/v1/orders/{number}")
    def amend(
        self,
        number: int,
        *,
        quantity: str = "",
        price: str = "",
        shown_quantity: str = "",
        key: str | None = None,
    ) -> models.OrderRow:
        """Give an open order another price or quantity, which includes what was executed; the
        answer shows it afterwards, with the key as its client order id."""
        body = {"quantity": quantity, "price": price, "shown_quantity": shown_quantity}
        path = f"/v1/orders/{quote(str(number), safe='')}"
        return self.ask("PATCH", path, models.OrderRow, None, body, key=key)

    @endpoint("DELETE", "/v1/orders/{number}")
    def cancel(self, number: int, *, key: str | None = None) -> models.OrderRow:
        """Cancel an order; the answer shows it afterwards."""
        return self.ask(
            "DELETE", f"/v1/orders/{quote(str(number), safe='')}", models.OrderRow, key=key
        )

    @endpoint("DELETE", "/v1/orders")
    def cancel_all(self, *, symbol: str = "", key: str | None = None) -> list[models.OrderRow]:
        """Cancel every open order, or those of one instrument; the answer has those that were
        cancelled."""
        query = {"symbol": symbol}
        return self.ask("DELETE", "/v1/orders", list[models.OrderRow], query, key=key)

    @endpoint("GET", "/v1/quotes/makers")
    def quote_makers(self) -> list[models.QuoteMaker]:
        """The makers that may be asked for quotes, with how they have answered so far."""
        return self.ask("GET", "/v1/quotes/makers", list[models.QuoteMaker])

    @endpoint("GET", "/v1/quotes/requests")
    def quote_requests(self, *, state: str = "open", limit: int = 100) -> list[models.QuoteRequest]:
        """Requests for quotes of this account, as client or maker, newest first; ``state``:
        ``open`` or another one."""
        query = {"state": state, "limit": limit}
        return self.ask("GET", "/v1/quotes/requests", list[models.QuoteRequest], query)

    @endpoint("GET", "/v1/quotes/requests/{number}")
    def quote_request(self, number: int) -> models.QuoteRequest:
        """One request for quotes, by its number."""
        return self.ask("GET", _of_quotes(number), models.QuoteRequest)

    @endpoint("POST", "/v1/quotes/requests")
    def request_quotes(
        self,
        symbol: str,
        side: str,
        quantity: str,
        *,
        seconds: int = 30,
        makers: list[int] | None = None,
        legs: Sequence[models.QuoteLeg] = (),
        key: str | None = None,
    ) -> models.QuoteRequest:
        """Ask makers, all of them without ``makers``; ``side``: ``buy``, ``sell`` or ``both``.
        With ``legs`` the ``symbol`` is empty, and ``quantity`` a number of packages."""
        body: dict[str, Any] = {
            "symbol": symbol,
            "side": side,
            "quantity": quantity,
            "seconds": seconds,
            "makers": makers or [],
            "legs": [dataclasses.asdict(leg) for leg in legs],
        }
        path = "/v1/quotes/requests"
        return self.ask("POST", path, models.QuoteRequest, None, body, key=key)

    @endpoint("POST", "/v1/quotes/requests/{number}/quotes")
    def send_quote(
        self,
        number: int,
        *,
        bid: str = "",
        ask: str = "",
        quantity: str = "",
        firm: bool = True,
        last_look: bool = False,
        seconds: int = 0,
        bids: Sequence[str] = (),
        asks: Sequence[str] = (),
        key: str | None = None,
    ) -> models.QuoteRequest:
        """Answer a request as its maker: a price to buy (``bid``), to sell (``ask``) or both, for
        ``quantity`` (default: all), good for ``seconds`` (0: the request's).  Of several legs give
        the price of each (``bids``, ``asks``).  A quote that is not ``firm``, or has a
        ``last_look``, is confirmed by its maker before it trades."""
        body: dict[str, Any] = {
            "bid": bid,
            "ask": ask,
            "bids": list(bids),
            "asks": list(asks),
            "quantity": quantity,
            "firm": firm,
            "last_look": last_look,
            "seconds": seconds,
        }
        path = f"{_of_quotes(number)}/quotes"
        return self.ask("POST", path, models.QuoteRequest, None, body, key=key)

    @endpoint("DELETE", "/v1/quotes/requests/{number}/quotes/{quote}")
    def withdraw_quote(
        self, number: int, quote: int, *, key: str | None = None
    ) -> models.QuoteRequest:
        """Take an own quote back."""
        path = f"{_of_quotes(number)}/quotes/{int(quote)}"
        return self.ask("DELETE", path, models.QuoteRequest, key=key)

    @endpoint("POST", "/v1/quotes/requests/{number}/accept")
    def accept_quote(
        self, number: int, quote: int, side: str, *, key: str | None = None
    ) -> models.QuoteRequest:
        """Trade with a quote; if its maker has a last look, it is asked first."""
        body: dict[str, Any] = {"quote": quote, "side": side}
        path = f"{_of_quotes(number)}/accept"
        return self.ask("POST", path, models.QuoteRequest, None, body, key=key)

    @endpoint("POST", "/v1/quotes/requests/{number}/counter")
    def counter_quote(
        self, number: int, quote: int, side: str, price: str, *, key: str | None = None
    ) -> models.QuoteRequest:
        """Propose another price to a quote's maker; ``side``: what the client would do."""
        body: dict[str, Any] = {"quote": quote, "side": side, "price": price}
        path = f"{_of_quotes(number)}/counter"
        return self.ask("POST", path, models.QuoteRequest, None, body, key=key)

    @endpoint("POST", "/v1/quotes/requests/{number}/answer")
    def answer_client(
        self, number: int, waits_number: int, accept: bool, *, key: str | None = None
    ) -> models.QuoteRequest:
        """As a maker whose consent is asked for, by the ``waits_number`` of the request."""
        path = f"{_of_quotes(number)}/answer"
        body: dict[str, Any] = {"accept": accept, "waits_number": waits_number}
        return self.ask("POST", path, models.QuoteRequest, None, body, key=key)

    @endpoint("POST", "/v1/quotes/requests/{number}/pass")
    def pass_quotes(self, number: int, *, key: str | None = None) -> models.QuoteRequest:
        """Decline, as a client, all quotes; as a maker, to quote."""
        return self.ask("POST", f"{_of_quotes(number)}/pass", models.QuoteRequest, key=key)

    @endpoint("DELETE", "/v1/quotes/requests/{number}")
    def cancel_quote_request(self, number: int, *, key: str | None = None) -> models.QuoteRequest:
        """End an own request for quotes; its quotes end with it."""
        return self.ask("DELETE", _of_quotes(number), models.QuoteRequest, key=key)

    @endpoint("GET", "/v1/fills")
    def fills(
        self, *, symbol: str = "", order: int = 0, cursor: str = "", limit: int = 100
    ) -> models.FillPage:
        """Fills in the portal's memory, the newest first; ``order``: of one order, 0: of all.

        :meth:`past_fills` has those of all days."""
        query = {"symbol": symbol, "order": order, "cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/fills", models.FillPage, query)

    @endpoint("GET", "/v1/fee-rates")
    def fee_rates(self, *, symbol: str = "") -> list[models.FeeRate]:
        """Return what the account pays for its fills in an instrument, or in each."""
        return self.ask("GET", "/v1/fee-rates", list[models.FeeRate], {"symbol": symbol})

    @endpoint("GET", "/v1/balances")
    def balances(self) -> list[models.Balance]:
        """Return the free and the reserved amount of every asset."""
        return self.ask("GET", "/v1/balances", list[models.Balance])

    @endpoint("GET", "/v1/deposit-addresses")
    def deposit_addresses(self, *, asset: str = "") -> list[models.DepositAddress]:
        """Where deposits go, with the tag that names the account where an address is shared."""
        query = {"asset": asset}
        return self.ask("GET", "/v1/deposit-addresses", list[models.DepositAddress], query)

    @endpoint("GET", "/v1/deposits")
    def deposits(self, *, cursor: str = "", limit: int = 100) -> models.DepositPage:
        """Deposits that the venue knows, the newest first."""
        query = {"cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/deposits", models.DepositPage, query)

    @endpoint("GET", "/v1/chain-deposits")
    def chain_deposits(self) -> list[models.ChainDeposit]:
        """Deposits that wait for blocks of their chain and are not credited yet."""
        return self.ask("GET", "/v1/chain-deposits", list[models.ChainDeposit])

    @endpoint("GET", "/v1/withdrawal-limits")
    def withdrawal_limits(self) -> list[models.NetworkLimit]:
        """Return what the account may withdraw by each network, and what of it is left today."""
        return self.ask("GET", "/v1/withdrawal-limits", list[models.NetworkLimit])

    @endpoint("GET", "/v1/own-limits")
    def own_limits(self, sub_account: int = 0) -> list[models.OwnLimitRow]:
        """The limits that were set by the owner; ``sub_account``: 0 is one's own account."""
        terms = {"sub_account": sub_account}
        return self.ask("GET", "/v1/own-limits", list[models.OwnLimitRow], terms)

    @endpoint("PUT", "/v1/own-limits")
    def set_own_limit(
        self,
        limit: str,
        value: str,
        *,
        symbol: str = "",
        sub_account: int = 0,
        key: str | None = None,
    ) -> models.OwnLimitRow:
        """Set an own limit: a lower one is in force at once, a wider one is confirmed and waits."""
        body: dict[str, Any] = {"limit": limit, "value": value}
        body |= {"symbol": symbol, "sub_account": sub_account}
        return self.ask("PUT", "/v1/own-limits", models.OwnLimitRow, None, body, key=key)

    @endpoint("POST", "/v1/own-limits/{number}/confirm")
    def confirm_own_limit(
        self, number: int, code: str, *, totp: str = "", key: str | None = None
    ) -> models.OwnLimitRow:
        """Confirm a wider limit with the mailed code."""
        path = f"/v1/own-limits/{quote(str(number), safe='')}/confirm"
        body: dict[str, Any] = {"code": code, "totp": totp}
        return self.ask("POST", path, models.OwnLimitRow, None, body, key=key)

    @endpoint("DELETE", "/v1/own-limits/{number}")
    def cancel_own_limit(self, number: int, *, key: str | None = None) -> models.OwnLimitRow:
        """Take a wider limit back that waits."""
        path = f"/v1/own-limits/{quote(str(number), safe='')}"
        return self.ask("DELETE", path, models.OwnLimitRow, key=key)

    @endpoint("POST", "/v1/kill")
    def kill(self, *, sub_account: int = 0, key: str | None = None) -> models.OwnLimitRow:
        """Cancel all open orders of the account and refuse new ones at every door; the limit
        ``killed`` ends it."""
        body: dict[str, Any] = {"sub_account": sub_account}
        return self.ask("POST", "/v1/kill", models.OwnLimitRow, None, body, key=key)

    @endpoint("GET", "/v1/withdrawal-addresses")
    def withdrawal_addresses(self) -> list[models.WithdrawalAddress]:
        """The addresses that withdrawals may go to, and those that are not usable yet."""
        return self.ask("GET", "/v1/withdrawal-addresses", list[models.WithdrawalAddress])

    @endpoint("POST", "/v1/withdrawal-addresses")
    def add_withdrawal_address(
        self,
        asset: str,
        address: str,
        *,
        network: str = "",
        label: str = "",
        key: str | None = None,
    ) -> models.WithdrawalAddress:
        """Add an address; a code is mailed, and a wait begins once it is confirmed.

        ``network``: empty: the asset's first."""
        body: dict[str, Any] = {
            "asset": asset,
            "address": address,
            "network": network,
            "label": label,
        }
        path, model = "/v1/withdrawal-addresses", models.WithdrawalAddress
        return self.ask("POST", path, model, None, body, key=key)

    @endpoint("POST", "/v1/withdrawal-addresses/{number}/confirm")
    def confirm_withdrawal_address(
        self, number: int, code: str, *, totp: str = "", key: str | None = None
    ) -> models.WithdrawalAddress:
        """Confirm an address with the mailed code."""
        path = f"/v1/withdrawal-addresses/{quote(str(number), safe='')}/confirm"
        body: dict[str, Any] = {"code": code, "totp": totp}
        return self.ask("POST", path, models.WithdrawalAddress, None, body, key=key)

    @endpoint("DELETE", "/v1/withdrawal-addresses/{number}")
    def remove_withdrawal_address(
        self, number: int, *, key: str | None = None
    ) -> models.WithdrawalAddress:
        """Remove an address from the list."""
        path = f"/v1/withdrawal-addresses/{quote(str(number), safe='')}"
        return self.ask("DELETE", path, models.WithdrawalAddress, key=key)

    @endpoint("POST", "/v1/withdrawals")
    def withdraw(
        self,
        asset: str,
        amount: str,
        address: str,
        *,
        network: str = "",
        tag: str = "",
        key: str | None = None,
    ) -> models.WithdrawalRow:
        """Ask for a withdrawal; a code is mailed, and nothing leaves before it is confirmed.

        ``amount``: decimal text; ``network``: empty: the asset's first; ``tag``: of the receiver,
        if it needs one."""
        body: dict[str, Any] = {
            "asset": asset,
            "amount": amount,
            "address": address,
            "network": network,
            "tag": tag,
        }
        return self.ask("POST", "/v1/withdrawals", models.WithdrawalRow, None, body, key=key)

    @endpoint("GET", "/v1/withdrawals")
    def list_withdrawals(self, *, cursor: str = "", limit: int = 100) -> models.WithdrawalPage:
        """Withdrawals, the newest first."""
        query = {"cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/withdrawals", models.WithdrawalPage, query)

    @endpoint("GET", "/v1/withdrawals/{number}")
    def withdrawal(self, number: int) -> models.WithdrawalRow:
        """One withdrawal, by its number."""
        return self.ask(
            "GET", f"/v1/withdrawals/{quote(str(number), safe='')}", models.WithdrawalRow
        )

    @endpoint("POST", "/v1/withdrawals/{number}/confirm")
    def confirm_withdrawal(
        self, number: int, code: str, *, totp: str = "", key: str | None = None
    ) -> models.WithdrawalRow:
        """Confirm a withdrawal with the mailed code."""
        body: dict[str, Any] = {"code": code, "totp": totp}
        return self.ask(
            "POST",
            f"/v1/withdrawals/{quote(str(number), safe='')}/confirm",
            models.WithdrawalRow,
            None,
            body,
            key=key,
        )

    @endpoint("DELETE", "/v1/withdrawals/{number}")
    def cancel_withdrawal(self, number: int, *, key: str | None = None) -> models.WithdrawalRow:
        """Cancel a withdrawal that was not sent; the amount is free again."""
        return self.ask(
            "DELETE",
            f"/v1/withdrawals/{quote(str(number), safe='')}",
            models.WithdrawalRow,
            key=key,
        )

    @endpoint("GET", "/v1/sub-accounts")
    def list_sub_accounts(self) -> list[models.SubAccountRow]:
        """The sub-accounts, in the order in which they were created."""
        return self.ask("GET", "/v1/sub-accounts", list[models.SubAccountRow])

    @endpoint("POST", "/v1/sub-accounts")
    def new_sub_account(self, label: str, *, key: str | None = None) -> models.SubAccountRow:
        """Create a sub-account; a label that exists gives the same one."""
        body: dict[str, Any] = {"label": label}
        return self.ask("POST", "/v1/sub-accounts", models.SubAccountRow, None, body, key=key)

    @endpoint("GET", "/v1/sub-accounts/{number}/balances")
    def sub_account_balances(self, number: int) -> list[models.Balance]:
        """Return the free and the reserved amount of every asset of a sub-account."""
        path = f"/v1/sub-accounts/{quote(str(number), safe='')}/balances"
        return self.ask("GET", path, list[models.Balance])

    @endpoint("GET", "/v1/sub-accounts/{number}/api-keys")
    def list_sub_account_keys(self, number: int) -> list[models.ApiKeyRow]:
        """The API keys of a sub-account, without their secrets."""
        path = f"/v1/sub-accounts/{quote(str(number), safe='')}/api-keys"
        return self.ask("GET", path, list[models.ApiKeyRow])

    @endpoint("POST", "/v1/sub-accounts/{number}/api-keys")
    def new_sub_account_key(
        self,
        number: int,
        label: str,
        password: str,
        *,
        permissions: list[str] | None = None,
        networks: list[str] | None = None,
        expires_at: str | None = None,
        public_key: str = "",
        totp: str = "",
        key: str | None = None,
    ) -> models.CreatedKey:
        """Make an API key of a sub-account, as :meth:`new_key` does; ``password``: the main
        account's."""
        path = f"/v1/sub-accounts/{quote(str(number), safe='')}/api-keys"
        body: dict[str, Any] = {
            "label": label,
            "password": password,
            "permissions": permissions,
            "networks": networks,
            "expires_at": expires_at,
            "public_key": public_key,
            "totp": totp,
        }
        return self.ask("POST", path, models.CreatedKey, None, body, key=key)

    @endpoint("DELETE", "/v1/sub-accounts/{number}/api-keys/{key_number}")
    def revoke_sub_account_key(
        self, number: int, key_number: int, *, key: str | None = None
    ) -> models.Status:
        """End an API key of a sub-account at once."""
        ends = (quote(str(one), safe="") for one in (number, key_number))
        path = "/v1/sub-accounts/{}/api-keys/{}".format(*ends)
        return self.ask("DELETE", path, models.Status, key=key)

    @endpoint("POST", "/v1/transfers")
    def transfer(
        self, source: int, target: int, asset: str, amount: str, *, key: str | None = None
    ) -> models.TransferRow:
        """Move an amount (decimal text) between two accounts of the user; 0: the main account."""
        body: dict[str, Any] = {
            "source": source,
            "target": target,
            "asset": asset,
            "amount": amount,
        }
        return self.ask("POST", "/v1/transfers", models.TransferRow, None, body, key=key)

    @endpoint("GET", "/v1/transfers")
    def list_transfers(self, *, cursor: str = "", limit: int = 100) -> models.TransferPage:
        """Transfers between the user's accounts, the newest first."""
        query = {"cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/transfers", models.TransferPage, query)

    @endpoint("GET", "/v1/transfers/{number}")
    def one_transfer(self, number: int) -> models.TransferRow:
        """One transfer, by its number."""
        path = f"/v1/transfers/{quote(str(number), safe='')}"
        return self.ask("GET", path, models.TransferRow)

    @endpoint("GET", "/v1/challenge")
    def challenge(self) -> models.Challenge:
        """A challenge whose solution :meth:`register`, :meth:`log_in` and the like take."""
        return self.ask("GET", "/v1/challenge", models.Challenge)

    @endpoint("POST", "/v1/mail")
    def change_mail(
        self, mail: str, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Have codes mailed to the new address and the old one; :meth:`confirm_mail` takes both."""
        body: dict[str, Any] = {"mail": mail, "password": password, "totp": totp}
        return self.ask("POST", "/v1/mail", models.Status, None, body, key=key)

    @endpoint("POST", "/v1/mail/confirm")
    def confirm_mail(
        self, mail: str, code: str, old_code: str, *, key: str | None = None
    ) -> models.Status:
        """Change the account's address with the code mailed to it and the one mailed to the old
        address."""
        body: dict[str, Any] = {"mail": mail, "code": code, "old_code": old_code}
        return self.ask("POST", "/v1/mail/confirm", models.Status, None, body, key=key)

    @endpoint("PUT", "/v1/mail-word")
    def choose_mail_word(
        self, word: str, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Choose the word that each mail to the user has from now on; "": none."""
        body: dict[str, Any] = {"word": word, "password": password, "totp": totp}
        return self.ask("PUT", "/v1/mail-word", models.Status, None, body, key=key)

    @endpoint("POST", "/v1/undo")
    def undo(self, token: str, *, key: str | None = None) -> models.Status:
        """Undo changes of identity with the token of a link that was mailed to the address which
        the account had before; the account is frozen then.  It needs no login."""
        body: dict[str, Any] = {"token": token}
        return self.ask("POST", "/v1/undo", models.Status, None, body, key=key)

    @endpoint("GET", "/v1/passkeys")
    def list_passkeys(self) -> list[models.PasskeyRow]:
        """The passkeys, in the order of their registration."""
        return self.ask("GET", "/v1/passkeys", list[models.PasskeyRow])

    @endpoint("POST", "/v1/passkeys/begin")
    def begin_passkey(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.PasskeyRequest:
        """Options for a browser to make a passkey; :meth:`add_passkey` takes what it returns."""
        body: dict[str, Any] = {"password": password, "totp": totp}
        return self.ask("POST", "/v1/passkeys/begin", models.PasskeyRequest, None, body, key=key)

    @endpoint("POST", "/v1/passkeys")
    def add_passkey(
        self, ticket: str, label: str, credential: dict[str, Any], *, key: str | None = None
    ) -> models.Status:
        """Register a passkey; ``credential``: as the browser gives it (``toJSON()``)."""
        body: dict[str, Any] = {"ticket": ticket, "label": label, "credential": credential}
        return self.ask("POST", "/v1/passkeys", models.Status, None, body, key=key)

    @endpoint("POST", "/v1/passkeys/{number}/remove")
    def remove_passkey(
        self, number: int, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Remove a passkey."""
        body: dict[str, Any] = {"password": password, "totp": totp}
        return self.ask(
            "POST",
            f"/v1/passkeys/{quote(str(number), safe='')}/remove",
            models.Status,
            None,
            body,
            key=key,
        )

    @endpoint("POST", "/v1/login/passkey/begin")
    def begin_passkey_login(self, *, key: str | None = None) -> models.PasskeyRequest:
        """Options for a browser to log in by a passkey."""
        body: dict[str, Any] = {}
        return self.ask(
            "POST", "/v1/login/passkey/begin", models.PasskeyRequest, None, body, key=key
        )

    @endpoint("POST", "/v1/login/passkey")
    def log_in_by_passkey(
        self, ticket: str, credential: dict[str, Any], *, key: str | None = None
    ) -> models.TokenPair:
        """Begin a session by a passkey; later requests carry its token."""
        body: dict[str, Any] = {"ticket": ticket, "credential": credential}
        self.tokens = tokens = self.ask(
            "POST", "/v1/login/passkey", models.TokenPair, None, body, key=key
        )
        return tokens

    @endpoint("POST", "/v1/login/provider/begin")
    def begin_provider_login(self, *, key: str | None = None) -> models.ProviderRequest:
        """Where to send the browser for a login by the other provider."""
        body: dict[str, Any] = {}
        return self.ask(
            "POST", "/v1/login/provider/begin", models.ProviderRequest, None, body, key=key
        )

    @endpoint("POST", "/v1/login/provider")
    def log_in_by_provider(
        self, state: str, code: str, *, totp: str = "", key: str | None = None
    ) -> models.TokenPair:
        """Begin a session with ``state`` and ``code`` of the provider's redirect; later requests
        carry its token."""
        body: dict[str, Any] = {"state": state, "code": code, "totp": totp}
        self.tokens = tokens = self.ask(
            "POST", "/v1/login/provider", models.TokenPair, None, body, key=key
        )
        return tokens

    @endpoint("POST", "/v1/provider/link")
    def link_provider(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.ProviderRequest:
        """Where to send the browser to link the account with one of the other provider."""
        body: dict[str, Any] = {"password": password, "totp": totp}
        return self.ask("POST", "/v1/provider/link", models.ProviderRequest, None, body, key=key)

    @endpoint("GET", "/v1/identity")
    def identity(self) -> models.IdentityShown:
        """The account's level, and the state of its last request for one."""
        return self.ask("GET", "/v1/identity", models.IdentityShown)

    @endpoint("POST", "/v1/identity")
    def submit_identity(
        self,
        level: int,
        name: str,
        born: str,
        country: str,
        address: str,
        *,
        key: str | None = None,
    ) -> models.Status:
        """Ask for a level; ``born``: ISO 8601; ``country``: two letters of ISO 3166."""
        body: dict[str, Any] = {
            "level": level,
            "name": name,
            "born": born,
            "country": country,
            "address": address,
        }
        return self.ask("POST", "/v1/identity", models.Status, None, body, key=key)

    @endpoint("POST", "/v1/identity/papers")
    def upload_paper(self, kind: str, content: bytes, *, key: str | None = None) -> models.Status:
        """A paper of the identity: PDF, JPEG or PNG."""
        path = "/v1/identity/papers"
        return self.ask("POST", path, models.Status, {"kind": kind}, content, key=key)

    @endpoint("GET", "/v1/history")
    def history_state(self) -> models.HistoryState:
        """How far the history is behind the venue."""
        return self.ask("GET", "/v1/history", models.HistoryState)

    @endpoint("GET", "/v1/history/orders")
    def past_orders(
        self,
        *,
        symbol: str = "",
        state: str = "all",
        search: str = "",
        from_ms: int = 0,
        until_ms: int = 0,
        cursor: str = "",
        limit: int = 100,
    ) -> models.OrderPage:
        """Orders of all days, the newest first.

        ``search``: an order's number, or a part of its client's name; times in milliseconds since
        1970, both included, 0: no such end."""
        query = {
            "symbol": symbol,
            "state": state,
            "search": search,
            "from_ms": from_ms,
            "until_ms": until_ms,
            "cursor": cursor,
            "limit": limit,
        }
        return self.ask("GET", "/v1/history/orders", models.OrderPage, query)

    @endpoint("GET", "/v1/history/orders/{number}")
    def order_changes(self, number: int) -> list[models.OrderChange]:
        """Return an order's changes, in order."""
        return self.ask(
            "GET", f"/v1/history/orders/{quote(str(number), safe='')}", list[models.OrderChange]
        )

    @endpoint("GET", "/v1/history/fills")
    def past_fills(
        self,
        *,
        symbol: str = "",
        order: int = 0,
        from_ms: int = 0,
        until_ms: int = 0,
        cursor: str = "",
        limit: int = 100,
    ) -> models.FillPage:
        """Fills of all days, the newest first.

        Times in milliseconds since 1970, both included, 0: no such end."""
        query = {
            "symbol": symbol,
            "order": order,
            "from_ms": from_ms,
            "until_ms": until_ms,
            "cursor": cursor,
            "limit": limit,
        }
        return self.ask("GET", "/v1/history/fills", models.FillPage, query)

    @endpoint("GET", "/v1/history/movements")
    def movements(
        self, *, asset: str = "", kind: str = "", cursor: str = "", limit: int = 100
    ) -> models.MovementPage:
        """Steps of deposits, withdrawals and transfers, the newest first."""
        query = {"asset": asset, "kind": kind, "cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/history/movements", models.MovementPage, query)

    @endpoint("GET", "/v1/history/balances")
    def day_balances(self, *, from_: str = "", until: str = "") -> list[models.DayBalance]:
        """Balances at the ends of days on which they changed; dates in ISO 8601, both included."""
        query = {"from": from_, "until": until}
        return self.ask("GET", "/v1/history/balances", list[models.DayBalance], query)

    @endpoint("GET", "/v1/history/fees")
    def day_fees(self, *, from_: str = "", until: str = "") -> list[models.DayFee]:
        """Fees by day and instrument; dates in ISO 8601, both included."""
        query = {"from": from_, "until": until}
        return self.ask("GET", "/v1/history/fees", list[models.DayFee], query)

    @endpoint("GET", "/v1/margin")
    def margin(self, *, symbol: str = "", lots: int = 0, price: str = "") -> models.Margin:
        """Scenario margin now; with a symbol also what an order would need (``lots`` below 0: a
        sale; without a price: at the mark)."""
        query = {"symbol": symbol, "lots": lots, "price": price}
        return self.ask("GET", "/v1/margin", models.Margin, query)

    @endpoint("GET", "/v1/margin/funding")
    def funding(self) -> list[models.FundingRow]:
        """Return what positions in perpetuals were paid, the newest first."""
        return self.ask("GET", "/v1/margin/funding", list[models.FundingRow])

    @endpoint("GET", "/v1/portfolio")
    def portfolio(self, *, currency: str = "", method: str = "fifo") -> models.Portfolio:
        """Holdings and profits, valued in ``currency`` (empty: the first instrument's quote
        asset)."""
        query = {"currency": currency, "method": method}
        return self.ask("GET", "/v1/portfolio", models.Portfolio, query)

    @endpoint("GET", "/v1/portfolio/performance")
    def performance(
        self, *, currency: str = "", from_: str = "", until: str = ""
    ) -> models.Performance:
        """Value, investment and gain by day; dates in ISO 8601, both included."""
        query = {"currency": currency, "from": from_, "until": until}
        return self.ask("GET", "/v1/portfolio/performance", models.Performance, query)

    @endpoint("POST", "/v1/portfolio/rebalance")
    def rebalance(
        self,
        currency: str,
        *,
        weights: dict[str, str] | None = None,
        tolerance_bps: int = 50,
        key: str | None = None,
    ) -> models.Rebalance:
        """Orders that bring the holdings to these weights; nothing is sent.

        ``weights``: decimal text by asset, 1 together."""
        body: dict[str, Any] = {
            "currency": currency,
            "weights": weights,
            "tolerance_bps": tolerance_bps,
        }
        return self.ask("POST", "/v1/portfolio/rebalance", models.Rebalance, None, body, key=key)

    @endpoint("GET", "/v1/statements")
    def statement(self, *, from_: str = "", until: str = "", format: str = "pdf") -> bytes:
        """A statement of these days as a file; dates in ISO 8601, both included."""
        query = {"from": from_, "until": until, "format": format}
        return self.ask("GET", "/v1/statements", bytes, query)

    @endpoint("GET", "/v1/tax-report")
    def tax_report(self, *, from_: str = "", until: str = "", format: str = "pdf") -> bytes:
        """A tax report of these days as a file; dates in ISO 8601, both included."""
        query = {"from": from_, "until": until, "format": format}
        return self.ask("GET", "/v1/tax-report", bytes, query)

    @endpoint("GET", "/v1/status")
    def venue_status(self) -> models.VenueStatus:
        """Whether the venue and each instrument trade, and what was announced."""
        return self.ask("GET", "/v1/status", models.VenueStatus)

    @endpoint("GET", "/v1/status.rss")
    def status_feed(self) -> bytes:
        """The announcements as RSS."""
        return self.ask("GET", "/v1/status.rss", bytes)

    @endpoint("POST", "/v1/operator/announcements")
    def announce(
        self, kind: str, title: str, body: str, *, begins_at: str = "", ends_at: str = ""
    ) -> models.Announcement:
        """Announce something to all users, as an operator."""
        sent = {"kind": kind, "title": title, "body": body}
        sent |= {"begins_at": begins_at, "ends_at": ends_at}
        return self.ask("POST", "/v1/operator/announcements", models.Announcement, body=sent)

    @endpoint("POST", "/v1/operator/announcements/{number}/end")
    def end_announcement(self, number: int) -> models.Announcement:
        """Say that what was announced is over."""
        path = f"/v1/operator/announcements/{int(number)}/end"
        return self.ask("POST", path, models.Announcement)

    @endpoint("GET", "/v1/proofs")
    def proofs(self, *, cursor: str = "", limit: int = 100) -> models.ProofPage:
        """Return what the venue has stated that it owes, the newest first."""
        query = {"cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/proofs", models.ProofPage, query)

    @endpoint("GET", "/v1/proofs/{name}")
    def proof_statement(self, name: str) -> bytes:
        """The signed statement as a file."""
        return self.ask("GET", f"/v1/proofs/{name}", bytes)

    @endpoint("GET", "/v1/proofs/{name}/reserves/{chain}")
    def proof_of_reserves(self, name: str, chain: str) -> bytes:
        """A proof of reserves as a file."""
        return self.ask("GET", f"/v1/proofs/{name}/reserves/{chain}", bytes)

    @endpoint("GET", "/v1/proofs/{name}/leaf")
    def proof_leaf(self, name: str, *, sub_account: int = 0) -> bytes:
        """The account's own proof in a statement as a file, or that of a sub-account."""
        query = {"sub_account": sub_account}
        return self.ask("GET", f"/v1/proofs/{name}/leaf", bytes, query)

    @endpoint("GET", "/v1/notifications")
    def notifications(
        self, *, unread: bool = False, cursor: str = "", limit: int = 100
    ) -> models.NotificationPage:
        """Notifications, the newest first."""
        query = {"unread": unread, "cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/notifications", models.NotificationPage, query)

    @endpoint("POST", "/v1/notifications/read")
    def read_notifications(self, until: int, *, key: str | None = None) -> models.Status:
        """Mark notifications up to the number ``until`` as read."""
        body: dict[str, Any] = {"until": until}
        return self.ask("POST", "/v1/notifications/read", models.Status, None, body, key=key)

    @endpoint("GET", "/v1/notification-settings")
    def notification_settings(self) -> models.NotificationSettings:
        """The channels of each event, quiet hours and summaries."""
        return self.ask("GET", "/v1/notification-settings", models.NotificationSettings)

    @endpoint("PUT", "/v1/notification-settings")
    def choose_notifications(
        self,
        events: dict[str, list[str]],
        quiet_from: str,
        quiet_until: str,
        time_zone: str,
        summary: str,
        summary_at: str,
        currency: str,
        *,
        key: str | None = None,
    ) -> models.NotificationSettings:
        """Set all of them; ``events``: channels by event; times of day are ``HH:MM`` in
        ``time_zone``."""
        body: dict[str, Any] = {
            "events": events,
            "quiet_from": quiet_from,
            "quiet_until": quiet_until,
            "time_zone": time_zone,
            "summary": summary,
            "summary_at": summary_at,
            "currency": currency,
        }
        return self.ask(
            "PUT", "/v1/notification-settings", models.NotificationSettings, None, body, key=key
        )

    @endpoint("GET", "/v1/price-alerts")
    def price_alerts(self) -> list[models.PriceAlert]:
        """The price alerts, the newest first, those that have fired too."""
        return self.ask("GET", "/v1/price-alerts", list[models.PriceAlert])

    @endpoint("POST", "/v1/price-alerts")
    def new_price_alert(
        self, symbol: str, direction: str, price: str, *, key: str | None = None
    ) -> models.PriceAlert:
        """Notify once a trade is above or below a price (decimal text)."""
        body: dict[str, Any] = {"symbol": symbol, "direction": direction, "price": price}
        return self.ask("POST", "/v1/price-alerts", models.PriceAlert, None, body, key=key)

    @endpoint("DELETE", "/v1/price-alerts/{number}")
    def delete_price_alert(self, number: int, *, key: str | None = None) -> models.Status:
        """Delete a price alert."""
        return self.ask(
            "DELETE", f"/v1/price-alerts/{quote(str(number), safe='')}", models.Status, key=key
        )

    @endpoint("GET", "/v1/webhook")
    def webhook(self) -> models.Webhook:
        """The webhook's URL and state, without its secret."""
        return self.ask("GET", "/v1/webhook", models.Webhook)

    @endpoint("PUT", "/v1/webhook")
    def set_webhook(self, url: str, *, key: str | None = None) -> models.Webhook:
        """Post notifications to a URL; only this answer has the secret that signs them."""
        body: dict[str, Any] = {"url": url}
        return self.ask("PUT", "/v1/webhook", models.Webhook, None, body, key=key)

    @endpoint("DELETE", "/v1/webhook")
    def delete_webhook(self, *, key: str | None = None) -> models.Status:
        """Delete the webhook."""
        return self.ask("DELETE", "/v1/webhook", models.Status, key=key)

    @endpoint("POST", "/v1/webhook/test")
    def test_webhook(self, *, key: str | None = None) -> models.Status:
        """Post a test to the webhook."""
        return self.ask("POST", "/v1/webhook/test", models.Status, key=key)

    @endpoint("GET", "/v1/push/key")
    def push_key(self) -> models.PushKey:
        """The key that a browser subscribes to web push with."""
        return self.ask("GET", "/v1/push/key", models.PushKey)

    @endpoint("GET", "/v1/push/subscriptions")
    def push_subscriptions(self) -> list[models.PushSubscription]:
        """Browsers that get web push."""
        return self.ask("GET", "/v1/push/subscriptions", list[models.PushSubscription])

    @endpoint("POST", "/v1/push/subscriptions")
    def subscribe_push(
        self, endpoint: str, p256dh: str, auth: str, *, label: str = "", key: str | None = None
    ) -> models.PushSubscription:
        """Send web push to a browser; the values are those of its ``PushSubscription``."""
        body: dict[str, Any] = {
            "endpoint": endpoint,
            "p256dh": p256dh,
            "auth": auth,
            "label": label,
        }
        return self.ask(
            "POST", "/v1/push/subscriptions", models.PushSubscription, None, body, key=key
        )

    @endpoint("DELETE", "/v1/push/subscriptions/{number}")
    def unsubscribe_push(self, number: int, *, key: str | None = None) -> models.Status:
        """Send no more web push to a browser."""
        return self.ask(
            "DELETE",
            f"/v1/push/subscriptions/{quote(str(number), safe='')}",
            models.Status,
            key=key,
        )

    @endpoint("GET", "/v1/operator/users")
    def users(self, *, search: str = "", cursor: str = "", limit: int = 100) -> models.UserPage:
        """For operators: return users, the newest first; ``search``: a part of an address, or a
        participant."""
        query = {"search": search, "cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/operator/users", models.UserPage, query)

    @endpoint("GET", "/v1/operator/users/{user_id}")
    def user_detail(self, user_id: int) -> models.UserDetail:
        """For operators: return one user with its balances, limits, keys and audit trail, and
        the number of its sessions."""
        return self.ask(
            "GET", f"/v1/operator/users/{quote(str(user_id), safe='')}", models.UserDetail
        )

    def _of_user(
        self, user_id: int, what: str, kind: type[Made], body: dict[str, Any], key: str | None
    ) -> Made:
        """Return what an operator does to a user."""
        path = f"/v1/operator/users/{quote(str(user_id), safe='')}/{what}"
        return self.ask("POST", path, kind, None, body, key=key)

    @endpoint("POST", "/v1/operator/users/{user_id}/freeze")
    def freeze(
        self,
        user_id: int,
        reason: str,
        told: str = "",
        orders: str = "cancel",
        *,
        key: str | None = None,
    ) -> models.UserRow:
        """For operators: freeze the account and its sub-accounts, which then can change nothing
        until :meth:`unfreeze`.  ``told``: the reason for its owner; ``orders``: "cancel" or "keep"
        the open ones."""
        body = {"reason": reason, "told": told, "orders": orders}
        return self._of_user(user_id, "freeze", models.UserRow, body, key)

    @endpoint("POST", "/v1/operator/users/{user_id}/unfreeze")
    def unfreeze(
        self, user_id: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.UserRow:
        """For operators: let the account do what its level allows again."""
        body = {"reason": reason, "told": told}
        return self._of_user(user_id, "unfreeze", models.UserRow, body, key)

    @endpoint("POST", "/v1/operator/users/{user_id}/level")
    def set_level(
        self, user_id: int, level: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.UserRow:
        """For operators: change the level of the user and its sub-accounts, which says what they
        may withdraw in a day and whether they trade."""
        body = {"level": level, "reason": reason, "told": told}
        return self._of_user(user_id, "level", models.UserRow, body, key)

    @endpoint("POST", "/v1/operator/users/{user_id}/keys/{number}/revoke")
    def revoke_user_key(
        self, user_id: int, number: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.Status:
        """For operators: revoke an API key of the user."""
        what = f"keys/{quote(str(number), safe='')}/revoke"
        body = {"reason": reason, "told": told}
        return self._of_user(user_id, what, models.Status, body, key)

    @endpoint("POST", "/v1/operator/users/{user_id}/view")
    def support_view(
        self, user_id: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.SupportView:
        """For operators: return a token that shows the user's pages and is read-only."""
        body = {"reason": reason, "told": told}
        return self._of_user(user_id, "view", models.SupportView, body, key)

    @endpoint("GET", "/v1/operator/withdrawals")
    def withdrawals_to_approve(self) -> list[models.WithdrawalToApprove]:
        """For operators: return the withdrawals that are confirmed and not sent, the oldest first,
        with what their owners' accounts have changed lately."""
        kind = list[models.WithdrawalToApprove]
        return self.ask("GET", "/v1/operator/withdrawals", kind)

    @endpoint("GET", "/v1/operator/log")
    def operator_log(self, *, cursor: str = "", limit: int = 100) -> models.OperatorPage:
        """For operators: return the actions of operators, the newest first."""
        query = {"cursor": cursor, "limit": limit}
        return self.ask("GET", "/v1/operator/log", models.OperatorPage, query)

    @endpoint("GET", "/v1/operator/analytics/{view}")
    def analytics(self, view: str, *, from_: str = "", until: str = "") -> models.AnalyticsPage:
        """For operators: return a view by day, or by week for cohorts; dates in ISO 8601, both
        included."""
        query = {"from": from_, "until": until}
        return self.ask(
            "GET",
            f"/v1/operator/analytics/{quote(str(view), safe='')}",
            models.AnalyticsPage,
            query,
        )
