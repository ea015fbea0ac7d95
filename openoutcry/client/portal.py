"""The portal's native API (``/v1``) from Python, typed: a method for each endpoint.

>>> portal = PortalClient("http://127.0.0.1:9480")
>>> portal.log_in("anna@example.com", "seven crooked ladders")
>>> order = portal.place("BTC-USD", "buy", "limit", quantity="0.5", price="50000")
>>> portal.cancel(order.id).state
'cancelled'

A program signs with an API key instead: ``PortalClient(url, api_key=…, secret=…)``.  Each request
that changes something has an ``Idempotency-Key``; give the same one again after an answer was lost.
"""

# mypy: disable-error-code=empty-body
# A method with the decorator ``endpoint`` has no body of its own: its signature says the request.

import base64
import dataclasses
import functools
import hashlib
import hmac
import http.client
import inspect
import json
import ssl
import string
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
Asked = TypeVar("Asked", bound=Callable[..., Any])
ENDPOINTS: dict[str, tuple[str, str]] = {}
"""Method and path of each method of the client, by its name."""


class PortalError(ClientError):
    """A refusal of the portal: ``code`` is stable."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


def endpoint(method: str, path: str) -> Callable[[Asked], Asked]:
    """Make a method ask the portal for what its signature says, and nothing else.

    Arguments that the path names go there, ``key`` is the request's ``Idempotency-Key``, and all
    others are the JSON of the body.  With a GET, a DELETE or a file (``content``) they are the
    query.  The ``_`` at the end of a name is only Python's.  The answer has the return type."""

    def make(function: Asked) -> Asked:
        ENDPOINTS[function.__name__] = method, path
        signature = inspect.signature(function)
        in_path = [name for _, name, _, _ in string.Formatter().parse(path) if name]

        @functools.wraps(function)
        def ask(client: "PortalClient", *given: Any, **named: Any) -> Any:
            bound = signature.bind(client, *given, **named)
            bound.apply_defaults()
            _, *rest = bound.arguments.items()
            terms = {name.rstrip("_"): value for name, value in rest}
            key = terms.pop("key", None)
            target = path.format(**{n: quote(str(terms.pop(n)), safe="") for n in in_path})
            kind = signature.return_annotation
            if "solution" in terms:
                answer = client.ask_with_work(method, target, kind, terms, key)
            elif "content" in terms or method in ("GET", "DELETE"):
                answer = client.ask(method, target, kind, terms, terms.pop("content", None), key)
            else:
                answer = client.ask(method, target, kind, None, terms or None, key)
            if kind is models.TokenPair:
                client.tokens = answer
            return answer

        return typing.cast(Asked, ask)

    return make


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
            content = json.dumps(given, default=dataclasses.asdict).encode()
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

    def ask_with_work(
        self, method: str, path: str, kind: type[Made], body: dict[str, Any], key: str | None
    ) -> Made:
        """A request without a login; where it costs a proof of work, again with one."""
        try:
            return self.ask(method, path, kind, None, body, key)
        except PortalError as error:
            if error.code != "challenge_required" or body["solution"]:
                raise
        body["solution"] = solved(self.challenge().challenge)
        return self.ask(method, path, kind, None, body, key)

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

    @endpoint("POST", "/v1/verify")
    def verify(
        self, mail: str, password: str, code: str, *, solution: str = "", key: str | None = None
    ) -> models.Status:
        """Complete a registration with the mailed code."""

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

    @endpoint("POST", "/v1/refresh")
    def refresh(self, refresh_token: str, *, key: str | None = None) -> models.TokenPair:
        """Get a new pair of tokens, which later requests carry."""

    @endpoint("POST", "/v1/password/forget")
    def forget(self, mail: str, *, solution: str = "", key: str | None = None) -> models.Status:
        """Have a code mailed with which :meth:`reset` sets another password."""

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

    @endpoint("GET", "/v1/me")
    def me(self) -> models.Me:
        """The account: its address, participant and level, and whether it has an authenticator."""

    @endpoint("PUT", "/v1/language")
    def choose_language(self, language: str, *, key: str | None = None) -> models.Status:
        """Choose the language of notifications, mails and statements: en or de."""

    @endpoint("POST", "/v1/logout")
    def log_out(self, *, key: str | None = None) -> models.Status:
        """End this session."""

    @endpoint("POST", "/v1/logout-everywhere")
    def log_out_everywhere(self, *, key: str | None = None) -> models.Status:
        """End every session of the account, this one too."""

    @endpoint("GET", "/v1/sessions")
    def sessions(self) -> list[models.SessionRow]:
        """Sessions that have not ended, the last used first."""

    @endpoint("DELETE", "/v1/sessions/{session_id}")
    def end_session(self, session_id: str, *, key: str | None = None) -> models.Status:
        """End one session of the account, by the id of :meth:`sessions`."""

    @endpoint("GET", "/v1/audit")
    def audit(self, *, before: int = 0) -> list[models.AuditRow]:
        """Return the actions on the account, the newest first; ``before``: only rows with a smaller
        id."""

    @endpoint("POST", "/v1/password")
    def change(
        self, old: str, new: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Change the password; every session ends, this one too."""

    @endpoint("POST", "/v1/totp")
    def new_totp(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.TotpSecret:
        """The secret of an authenticator; it is in force once :meth:`confirm_totp` has had a code
        of it."""

    @endpoint("POST", "/v1/totp/confirm")
    def confirm_totp(self, code: str, *, key: str | None = None) -> models.RecoveryCodes:
        """Require the new authenticator from now on."""

    @endpoint("POST", "/v1/totp/recovery-codes")
    def new_recovery_codes(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.RecoveryCodes:
        """Ten new recovery codes of an account with an authenticator; earlier ones end."""

    @endpoint("POST", "/v1/totp/remove")
    def remove_totp(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Remove the authenticator; ``totp``: its last code."""

    @endpoint("GET", "/v1/api-keys")
    def list_keys(self) -> list[models.ApiKeyRow]:
        """The API keys, without their secrets."""

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

    @endpoint("DELETE", "/v1/api-keys/{number}")
    def revoke_key(self, number: int, *, key: str | None = None) -> models.Status:
        """End an API key at once."""

    @endpoint("GET", "/v1/time")
    def now(self) -> models.Now:
        """The portal's time in milliseconds, and the last command that its answers show."""

    @endpoint("GET", "/v1/instruments")
    def instruments(self) -> list[models.Instrument]:
        """Every instrument, with its steps and bounds."""

    @endpoint("GET", "/v1/instruments/{symbol}")
    def instrument(self, symbol: str) -> models.Instrument:
        """One instrument, with its steps and bounds."""

    @endpoint("GET", "/v1/instruments/{symbol}/book")
    def book(self, symbol: str, *, depth: int = 100) -> models.Book:
        """Return at most ``depth`` levels of each side, best first."""

    @endpoint("GET", "/v1/instruments/{symbol}/ticker")
    def ticker(self, symbol: str) -> models.Ticker:
        """The last 24 hours and the best prices."""

    @endpoint("GET", "/v1/instruments/{symbol}/statistics")
    def statistics(self, symbol: str) -> models.ContractStatistics:
        """Return mark, index, settlement price, open interest and funding of a contract."""

    @endpoint("GET", "/v1/instruments/{symbol}/funding-rates")
    def funding_rates(
        self, symbol: str, *, limit: int = 100, from_ms: int = 0, until_ms: int = 0
    ) -> list[models.FundingRate]:
        """Return the rates of a perpetual from ``from_ms`` on, or the last up to ``until_ms``."""

    @endpoint("GET", "/v1/indices")
    def indices(self) -> list[models.IndexRow]:
        """Return each index of contracts, and which of its sources are used."""

    @endpoint("GET", "/v1/instruments/{symbol}/trades")
    def trades(self, symbol: str, *, limit: int = 100) -> list[models.PublicTrade]:
        """The last public trades, the newest first."""

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
        trigger_by: str = "",
        activation_price: str = "",
        key: str | None = None,
    ) -> models.OrderRow:
        """Enter an order; amounts and prices are decimal text."""

    @endpoint("GET", "/v1/orders")
    def list_orders(
        self, *, symbol: str = "", state: str = "all", cursor: str = "", limit: int = 100
    ) -> models.OrderPage:
        """Orders in the portal's memory, the newest first; ``state``: open, closed or all.

        :meth:`past_orders` has those of all days."""

    @endpoint("GET", "/v1/orders/{number}")
    def order(self, number: int) -> models.OrderRow:
        """One order, by its number."""

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

    @endpoint("DELETE", "/v1/orders/{number}")
    def cancel(self, number: int, *, key: str | None = None) -> models.OrderRow:
        """Cancel an order; the answer shows it afterwards."""

    @endpoint("DELETE", "/v1/orders")
    def cancel_all(self, *, symbol: str = "", key: str | None = None) -> list[models.OrderRow]:
        """Cancel every open order, or those of one instrument; the answer has those that were
        cancelled."""

    @endpoint("POST", "/v1/order-lists")
    def place_list(
        self, contingency: str, orders: list[dict[str, Any]], *, key: str | None = None
    ) -> models.OrderListRow:
        """Enter orders that act on each other, which the venue takes all or none of.

        ``contingency``: oco, ouo, oto, otoco or otouo; ``orders``: each with the terms of
        :meth:`place`."""

    @endpoint("GET", "/v1/order-lists")
    def order_lists(
        self, *, symbol: str = "", state: str = "all", cursor: str = "", limit: int = 30
    ) -> models.OrderListPage:
        """Lists of orders in the portal's memory, the newest first; ``state``: open, closed or
        all."""

    @endpoint("GET", "/v1/order-lists/{number}")
    def order_list(self, number: int) -> models.OrderListRow:
        """One list of orders, by its number."""

    @endpoint("DELETE", "/v1/order-lists/{number}")
    def cancel_list(self, number: int, *, key: str | None = None) -> models.OrderListRow:
        """Cancel every order of a list at once; the answer shows it afterwards."""

    @endpoint("GET", "/v1/quotes/makers")
    def quote_makers(self) -> list[models.QuoteMaker]:
        """The makers that may be asked for quotes, with how they have answered so far."""

    @endpoint("GET", "/v1/quotes/requests")
    def quote_requests(self, *, state: str = "open", limit: int = 100) -> list[models.QuoteRequest]:
        """Requests for quotes of this account, as client or maker, newest first; ``state``:
        ``open`` or another one."""

    @endpoint("GET", "/v1/quotes/requests/{number}")
    def quote_request(self, number: int) -> models.QuoteRequest:
        """One request for quotes, by its number."""

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

    @endpoint("DELETE", "/v1/quotes/requests/{number}/quotes/{quote}")
    def withdraw_quote(
        self, number: int, quote: int, *, key: str | None = None
    ) -> models.QuoteRequest:
        """Take an own quote back."""

    @endpoint("POST", "/v1/quotes/requests/{number}/accept")
    def accept_quote(
        self, number: int, quote: int, side: str, *, key: str | None = None
    ) -> models.QuoteRequest:
        """Trade with a quote; if its maker has a last look, it is asked first."""

    @endpoint("POST", "/v1/quotes/requests/{number}/counter")
    def counter_quote(
        self, number: int, quote: int, side: str, price: str, *, key: str | None = None
    ) -> models.QuoteRequest:
        """Propose another price to a quote's maker; ``side``: what the client would do."""

    @endpoint("POST", "/v1/quotes/requests/{number}/answer")
    def answer_client(
        self, number: int, waits_number: int, accept: bool, *, key: str | None = None
    ) -> models.QuoteRequest:
        """As a maker whose consent is asked for, by the ``waits_number`` of the request."""

    @endpoint("POST", "/v1/quotes/requests/{number}/pass")
    def pass_quotes(self, number: int, *, key: str | None = None) -> models.QuoteRequest:
        """Decline, as a client, all quotes; as a maker, to quote."""

    @endpoint("DELETE", "/v1/quotes/requests/{number}")
    def cancel_quote_request(self, number: int, *, key: str | None = None) -> models.QuoteRequest:
        """End an own request for quotes; its quotes end with it."""

    @endpoint("GET", "/v1/fills")
    def fills(
        self, *, symbol: str = "", order: int = 0, cursor: str = "", limit: int = 100
    ) -> models.FillPage:
        """Fills in the portal's memory, the newest first; ``order``: of one order, 0: of all.

        :meth:`past_fills` has those of all days."""

    @endpoint("GET", "/v1/fee-rates")
    def fee_rates(self, *, symbol: str = "") -> list[models.FeeRate]:
        """Return what the account pays for its fills in an instrument, or in each."""

    @endpoint("GET", "/v1/balances")
    def balances(self) -> list[models.Balance]:
        """Return the free and the reserved amount of every asset."""

    @endpoint("GET", "/v1/deposit-addresses")
    def deposit_addresses(self, *, asset: str = "") -> list[models.DepositAddress]:
        """Where deposits go, with the tag that names the account where an address is shared."""

    @endpoint("GET", "/v1/deposits")
    def deposits(self, *, cursor: str = "", limit: int = 100) -> models.DepositPage:
        """Deposits that the venue knows, the newest first."""

    @endpoint("GET", "/v1/chain-deposits")
    def chain_deposits(self) -> list[models.ChainDeposit]:
        """Deposits that wait for blocks of their chain and are not credited yet."""

    @endpoint("GET", "/v1/withdrawal-limits")
    def withdrawal_limits(self) -> list[models.NetworkLimit]:
        """Return what the account may withdraw by each network, and what of it is left today."""

    @endpoint("GET", "/v1/own-limits")
    def own_limits(self, sub_account: int = 0) -> list[models.OwnLimitRow]:
        """The limits that were set by the owner; ``sub_account``: 0 is one's own account."""

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

    @endpoint("POST", "/v1/own-limits/{number}/confirm")
    def confirm_own_limit(
        self, number: int, code: str, *, totp: str = "", key: str | None = None
    ) -> models.OwnLimitRow:
        """Confirm a wider limit with the mailed code."""

    @endpoint("DELETE", "/v1/own-limits/{number}")
    def cancel_own_limit(self, number: int, *, key: str | None = None) -> models.OwnLimitRow:
        """Take a wider limit back that waits."""

    @endpoint("POST", "/v1/kill")
    def kill(self, *, sub_account: int = 0, key: str | None = None) -> models.OwnLimitRow:
        """Cancel all open orders of the account and refuse new ones at every door; the limit
        ``killed`` ends it."""

    @endpoint("GET", "/v1/withdrawal-addresses")
    def withdrawal_addresses(self) -> list[models.WithdrawalAddress]:
        """The addresses that withdrawals may go to, and those that are not usable yet."""

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

    @endpoint("POST", "/v1/withdrawal-addresses/{number}/confirm")
    def confirm_withdrawal_address(
        self, number: int, code: str, *, totp: str = "", key: str | None = None
    ) -> models.WithdrawalAddress:
        """Confirm an address with the mailed code."""

    @endpoint("DELETE", "/v1/withdrawal-addresses/{number}")
    def remove_withdrawal_address(
        self, number: int, *, key: str | None = None
    ) -> models.WithdrawalAddress:
        """Remove an address from the list."""

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

    @endpoint("GET", "/v1/withdrawals")
    def list_withdrawals(self, *, cursor: str = "", limit: int = 100) -> models.WithdrawalPage:
        """Withdrawals, the newest first."""

    @endpoint("GET", "/v1/withdrawals/{number}")
    def withdrawal(self, number: int) -> models.WithdrawalRow:
        """One withdrawal, by its number."""

    @endpoint("POST", "/v1/withdrawals/{number}/confirm")
    def confirm_withdrawal(
        self, number: int, code: str, *, totp: str = "", key: str | None = None
    ) -> models.WithdrawalRow:
        """Confirm a withdrawal with the mailed code."""

    @endpoint("DELETE", "/v1/withdrawals/{number}")
    def cancel_withdrawal(self, number: int, *, key: str | None = None) -> models.WithdrawalRow:
        """Cancel a withdrawal that was not sent; the amount is free again."""

    @endpoint("GET", "/v1/sub-accounts")
    def list_sub_accounts(self) -> list[models.SubAccountRow]:
        """The sub-accounts, in the order in which they were created."""

    @endpoint("POST", "/v1/sub-accounts")
    def new_sub_account(self, label: str, *, key: str | None = None) -> models.SubAccountRow:
        """Create a sub-account; a label that exists gives the same one."""

    @endpoint("GET", "/v1/sub-accounts/{number}/balances")
    def sub_account_balances(self, number: int) -> list[models.Balance]:
        """Return the free and the reserved amount of every asset of a sub-account."""

    @endpoint("GET", "/v1/sub-accounts/{number}/api-keys")
    def list_sub_account_keys(self, number: int) -> list[models.ApiKeyRow]:
        """The API keys of a sub-account, without their secrets."""

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

    @endpoint("DELETE", "/v1/sub-accounts/{number}/api-keys/{key_number}")
    def revoke_sub_account_key(
        self, number: int, key_number: int, *, key: str | None = None
    ) -> models.Status:
        """End an API key of a sub-account at once."""

    @endpoint("POST", "/v1/transfers")
    def transfer(
        self, source: int, target: int, asset: str, amount: str, *, key: str | None = None
    ) -> models.TransferRow:
        """Move an amount (decimal text) between two accounts of the user; 0: the main account."""

    @endpoint("GET", "/v1/transfers")
    def list_transfers(self, *, cursor: str = "", limit: int = 100) -> models.TransferPage:
        """Transfers between the user's accounts, the newest first."""

    @endpoint("GET", "/v1/transfers/{number}")
    def one_transfer(self, number: int) -> models.TransferRow:
        """One transfer, by its number."""

    @endpoint("GET", "/v1/challenge")
    def challenge(self) -> models.Challenge:
        """A challenge whose solution :meth:`register`, :meth:`log_in` and the like take."""

    @endpoint("POST", "/v1/mail")
    def change_mail(
        self, mail: str, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Have codes mailed to the new address and the old one; :meth:`confirm_mail` takes both."""

    @endpoint("POST", "/v1/mail/confirm")
    def confirm_mail(
        self, mail: str, code: str, old_code: str, *, key: str | None = None
    ) -> models.Status:
        """Change the account's address with the code mailed to it and the one mailed to the old
        address."""

    @endpoint("PUT", "/v1/mail-word")
    def choose_mail_word(
        self, word: str, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Choose the word that each mail to the user has from now on; "": none."""

    @endpoint("POST", "/v1/undo")
    def undo(self, token: str, *, key: str | None = None) -> models.Status:
        """Undo changes of identity with the token of a link that was mailed to the address which
        the account had before; the account is frozen then.  It needs no login."""

    @endpoint("GET", "/v1/passkeys")
    def list_passkeys(self) -> list[models.PasskeyRow]:
        """The passkeys, in the order of their registration."""

    @endpoint("POST", "/v1/passkeys/begin")
    def begin_passkey(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.PasskeyRequest:
        """Options for a browser to make a passkey; :meth:`add_passkey` takes what it returns."""

    @endpoint("POST", "/v1/passkeys")
    def add_passkey(
        self, ticket: str, label: str, credential: dict[str, Any], *, key: str | None = None
    ) -> models.Status:
        """Register a passkey; ``credential``: as the browser gives it (``toJSON()``)."""

    @endpoint("POST", "/v1/passkeys/{number}/remove")
    def remove_passkey(
        self, number: int, password: str, *, totp: str = "", key: str | None = None
    ) -> models.Status:
        """Remove a passkey."""

    @endpoint("POST", "/v1/login/passkey/begin")
    def begin_passkey_login(self, *, key: str | None = None) -> models.PasskeyRequest:
        """Options for a browser to log in by a passkey."""

    @endpoint("POST", "/v1/login/passkey")
    def log_in_by_passkey(
        self, ticket: str, credential: dict[str, Any], *, key: str | None = None
    ) -> models.TokenPair:
        """Begin a session by a passkey; later requests carry its token."""

    @endpoint("POST", "/v1/login/provider/begin")
    def begin_provider_login(self, *, key: str | None = None) -> models.ProviderRequest:
        """Where to send the browser for a login by the other provider."""

    @endpoint("POST", "/v1/login/provider")
    def log_in_by_provider(
        self, state: str, code: str, *, totp: str = "", key: str | None = None
    ) -> models.TokenPair:
        """Begin a session with ``state`` and ``code`` of the provider's redirect; later requests
        carry its token."""

    @endpoint("POST", "/v1/provider/link")
    def link_provider(
        self, password: str, *, totp: str = "", key: str | None = None
    ) -> models.ProviderRequest:
        """Where to send the browser to link the account with one of the other provider."""

    @endpoint("GET", "/v1/identity")
    def identity(self) -> models.IdentityShown:
        """The account's level, and the state of its last request for one."""

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

    @endpoint("POST", "/v1/identity/papers")
    def upload_paper(self, kind: str, content: bytes, *, key: str | None = None) -> models.Status:
        """A paper of the identity: PDF, JPEG or PNG."""

    @endpoint("GET", "/v1/history")
    def history_state(self) -> models.HistoryState:
        """How far the history is behind the venue."""

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

    @endpoint("GET", "/v1/history/orders/{number}")
    def order_changes(self, number: int) -> list[models.OrderChange]:
        """Return an order's changes, in order."""

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

    @endpoint("GET", "/v1/history/movements")
    def movements(
        self, *, asset: str = "", kind: str = "", cursor: str = "", limit: int = 100
    ) -> models.MovementPage:
        """Steps of deposits, withdrawals and transfers, the newest first."""

    @endpoint("GET", "/v1/history/balances")
    def day_balances(self, *, from_: str = "", until: str = "") -> list[models.DayBalance]:
        """Balances at the ends of days on which they changed; dates in ISO 8601, both included."""

    @endpoint("GET", "/v1/history/fees")
    def day_fees(self, *, from_: str = "", until: str = "") -> list[models.DayFee]:
        """Fees by day and instrument; dates in ISO 8601, both included."""

    @endpoint("GET", "/v1/margin")
    def margin(self, *, symbol: str = "", lots: int = 0, price: str = "") -> models.Margin:
        """Scenario margin now; with a symbol also what an order would need (``lots`` below 0: a
        sale; without a price: at the mark)."""

    @endpoint("GET", "/v1/margin/funding")
    def funding(self) -> list[models.FundingRow]:
        """Return what positions in perpetuals were paid, the newest first."""

    @endpoint("GET", "/v1/portfolio")
    def portfolio(self, *, currency: str = "", method: str = "fifo") -> models.Portfolio:
        """Holdings and profits, valued in ``currency`` (empty: the first instrument's quote
        asset)."""

    @endpoint("GET", "/v1/portfolio/performance")
    def performance(
        self, *, currency: str = "", from_: str = "", until: str = ""
    ) -> models.Performance:
        """Value, investment and gain by day; dates in ISO 8601, both included."""

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

    @endpoint("GET", "/v1/statements")
    def statement(self, *, from_: str = "", until: str = "", format: str = "pdf") -> bytes:
        """A statement of these days as a file; dates in ISO 8601, both included."""

    @endpoint("GET", "/v1/tax-report")
    def tax_report(self, *, from_: str = "", until: str = "", format: str = "pdf") -> bytes:
        """A tax report of these days as a file; dates in ISO 8601, both included."""

    @endpoint("GET", "/v1/status")
    def venue_status(self) -> models.VenueStatus:
        """Whether the venue and each instrument trade, and what was announced."""

    @endpoint("GET", "/v1/status.rss")
    def status_feed(self) -> bytes:
        """The announcements as RSS."""

    @endpoint("POST", "/v1/operator/announcements")
    def announce(
        self, kind: str, title: str, body: str, *, begins_at: str = "", ends_at: str = ""
    ) -> models.Announcement:
        """Announce something to all users, as an operator."""

    @endpoint("POST", "/v1/operator/announcements/{number}/end")
    def end_announcement(self, number: int) -> models.Announcement:
        """Say that what was announced is over."""

    @endpoint("GET", "/v1/proofs")
    def proofs(self, *, cursor: str = "", limit: int = 100) -> models.ProofPage:
        """Return what the venue has stated that it owes, the newest first."""

    @endpoint("GET", "/v1/proofs/{name}")
    def proof_statement(self, name: str) -> bytes:
        """The signed statement as a file."""

    @endpoint("GET", "/v1/proofs/{name}/reserves/{chain}")
    def proof_of_reserves(self, name: str, chain: str) -> bytes:
        """A proof of reserves as a file."""

    @endpoint("GET", "/v1/proofs/{name}/leaf")
    def proof_leaf(self, name: str, *, sub_account: int = 0) -> bytes:
        """The account's own proof in a statement as a file, or that of a sub-account."""

    @endpoint("GET", "/v1/notifications")
    def notifications(
        self, *, unread: bool = False, cursor: str = "", limit: int = 100
    ) -> models.NotificationPage:
        """Notifications, the newest first."""

    @endpoint("POST", "/v1/notifications/read")
    def read_notifications(self, until: int, *, key: str | None = None) -> models.Status:
        """Mark notifications up to the number ``until`` as read."""

    @endpoint("GET", "/v1/notification-settings")
    def notification_settings(self) -> models.NotificationSettings:
        """The channels of each event, quiet hours and summaries."""

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
        margin_levels: list[int] | None = None,
        *,
        key: str | None = None,
    ) -> models.NotificationSettings:
        """Set all of them; ``events``: channels by event; times of day are ``HH:MM`` in
        ``time_zone``; ``margin_levels``: percent at which to warn, None: as they are."""

    @endpoint("GET", "/v1/price-alerts")
    def price_alerts(self) -> list[models.PriceAlert]:
        """The price alerts, the newest first, those that have fired too."""

    @endpoint("POST", "/v1/price-alerts")
    def new_price_alert(
        self, symbol: str, direction: str, price: str, *, key: str | None = None
    ) -> models.PriceAlert:
        """Notify once a trade is above or below a price (decimal text)."""

    @endpoint("DELETE", "/v1/price-alerts/{number}")
    def delete_price_alert(self, number: int, *, key: str | None = None) -> models.Status:
        """Delete a price alert."""

    @endpoint("GET", "/v1/webhook")
    def webhook(self) -> models.Webhook:
        """The webhook's URL and state, without its secret."""

    @endpoint("PUT", "/v1/webhook")
    def set_webhook(self, url: str, *, key: str | None = None) -> models.Webhook:
        """Post notifications to a URL; only this answer has the secret that signs them."""

    @endpoint("DELETE", "/v1/webhook")
    def delete_webhook(self, *, key: str | None = None) -> models.Status:
        """Delete the webhook."""

    @endpoint("POST", "/v1/webhook/test")
    def test_webhook(self, *, key: str | None = None) -> models.Status:
        """Post a test to the webhook."""

    @endpoint("GET", "/v1/push/key")
    def push_key(self) -> models.PushKey:
        """The key that a browser subscribes to web push with."""

    @endpoint("GET", "/v1/push/subscriptions")
    def push_subscriptions(self) -> list[models.PushSubscription]:
        """Browsers that get web push."""

    @endpoint("POST", "/v1/push/subscriptions")
    def subscribe_push(
        self, endpoint: str, p256dh: str, auth: str, *, label: str = "", key: str | None = None
    ) -> models.PushSubscription:
        """Send web push to a browser; the values are those of its ``PushSubscription``."""

    @endpoint("DELETE", "/v1/push/subscriptions/{number}")
    def unsubscribe_push(self, number: int, *, key: str | None = None) -> models.Status:
        """Send no more web push to a browser."""

    @endpoint("GET", "/v1/operator/users")
    def users(self, *, search: str = "", cursor: str = "", limit: int = 100) -> models.UserPage:
        """For operators: return users, the newest first; ``search``: a part of an address, or a
        participant."""

    @endpoint("GET", "/v1/operator/users/{user_id}")
    def user_detail(self, user_id: int) -> models.UserDetail:
        """For operators: return one user with its balances, limits, keys and audit trail, and
        the number of its sessions."""

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

    @endpoint("POST", "/v1/operator/users/{user_id}/unfreeze")
    def unfreeze(
        self, user_id: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.UserRow:
        """For operators: let the account do what its level allows again."""

    @endpoint("POST", "/v1/operator/users/{user_id}/level")
    def set_level(
        self, user_id: int, level: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.UserRow:
        """For operators: change the level of the user and its sub-accounts, which says what they
        may withdraw in a day and whether they trade."""

    @endpoint("POST", "/v1/operator/users/{user_id}/keys/{number}/revoke")
    def revoke_user_key(
        self, user_id: int, number: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.Status:
        """For operators: revoke an API key of the user."""

    @endpoint("POST", "/v1/operator/users/{user_id}/view")
    def support_view(
        self, user_id: int, reason: str, told: str = "", *, key: str | None = None
    ) -> models.SupportView:
        """For operators: return a token that shows the user's pages and is read-only."""

    @endpoint("GET", "/v1/operator/withdrawals")
    def withdrawals_to_approve(self) -> list[models.WithdrawalToApprove]:
        """For operators: return the withdrawals that are confirmed and not sent, the oldest first,
        with what their owners' accounts have changed lately."""

    @endpoint("GET", "/v1/operator/log")
    def operator_log(self, *, cursor: str = "", limit: int = 100) -> models.OperatorPage:
        """For operators: return the actions of operators, the newest first."""

    @endpoint("GET", "/v1/operator/analytics/{view}")
    def analytics(self, view: str, *, from_: str = "", until: str = "") -> models.AnalyticsPage:
        """For operators: return a view by day, or by week for cohorts; dates in ISO 8601, both
        included."""
