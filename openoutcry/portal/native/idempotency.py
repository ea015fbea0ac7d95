"""``Idempotency-Key`` and ``ETag`` of every request under ``/v1``.

An order is exactly once by its client order id, which the core checks.  A cancel of one order is so
by the order, and a withdrawal by its name in the database: their keys are those names.  Any other
request that changes something, a cancel of all orders among them, is written down before it is
done, with its answer when it is done.  The same key again has the same answer.  A portal that died
between the two leaves a request without one, and so does a venue that did not answer.  The key is
then refused, and is never done twice.

An answer is kept for its owner: a user, or an operator.  A request of ``STRANGERS`` has no owner
that could not be guessed, and its answer may have tokens, so it is not kept.  ``NO_KEY`` has all
whose key has no effect.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openoutcry.portal.accounts.errors import AccountError, InvalidRequest
from openoutcry.portal.accounts.more_routes import LARGE_BODY
from openoutcry.portal.accounts.operators import Operators
from openoutcry.portal.accounts.routes import caller_of
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import Database
from openoutcry.portal.native.callers import Callers
from openoutcry.portal.native.pages import MOST
from openoutcry.portal.native.problems import (
    UNKNOWN_OUTCOME,
    InProgress,
    KeyMissing,
    KeyReused,
    of_reject,
)
from openoutcry.portal.spot.errors import TIMEOUT, ApiError
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.spot.params import CLIENT_ID
from openoutcry.portal.trading.reject import Reject
from openoutcry.wire.named_once import TwiceError, once
from openoutcry.wire.text import printable

HEADER = "idempotency-key"
OF_A_CALLER = (HEADER, "authorization", "x-api-key", "x-timestamp", "x-signature")
MOST_NAME = 40
KEPT = timedelta(hours=24)
WHOLE = re.compile("[0-9]{1,5}")
BY_NAME = re.compile(
    r"POST /v1/(orders|order-lists|withdrawals|transfers)|DELETE /v1/(orders|order-lists)/[0-9]+"
)
"""Requests that count once by the key itself."""
MOST_KEPT, FORGET_EVERY = 10_000, 100
"""Answers of a user; and after how many requests the present one's old answers are forgotten."""
WEIGHTS = {
    "POST /v1/login/passkey/begin": 20,
    "POST /v1/login/provider/begin": 20,
    "POST /v1/identity/papers": 50,
    "GET /v1/margin": 8,
    "GET /v1/statements": 6,
    "GET /v1/tax-report": 4,
    "GET /v1/history/orders": 5,
    "GET /v1/orders": 5,
    "GET /v1/order-lists": 5,
    "POST /v1/withdrawal-addresses": 5,
    "POST /v1/withdrawals": 20,
    "POST /v1/transfers": 5,
    "POST /v1/webhook/test": 20,
    "GET /v1/notifications": 4,
    "GET /v1/withdrawal-addresses": 4,
    "GET /v1/price-alerts": 5,
    "GET /v1/audit": 5,
    "GET /v1/portfolio": 4,
    "POST /v1/portfolio/rebalance": 4,
    "GET /v1/proofs": 3,
    "GET /v1/status": 3,
    "GET /v1/status.rss": 4,
    "POST /v1/quotes/requests": 4,
    "POST /v1/quotes/requests/{number}/quotes": 4,
}
"""Weights by what a request costs: processor time, or data that it stores."""
PUBLIC_WEIGHT, OWN_WEIGHT, OPERATOR_WEIGHT = 1, 2, 5
"""Weights of the other requests: of market data and without a login, of a user, of an operator."""
ROWS_FREE, ROWS_A_WEIGHT = 100, 25
"""Rows that the weight of a request covers, and how many more of them weigh 1."""
ROWS_EACH = {"/v1/order-lists": 3}
"""What a row of a page counts that is made of several, by the page's path."""
PUBLIC = (
    "/v1/time",
    "/v1/instruments",
    "/v1/indices",
    "/v1/proofs",
    "/v1/status",
    "/v1/status.rss",
    "/v1/openapi.json",
    "/v1/asyncapi.json",
)
"""Paths of market data and documents."""
STRANGERS = (
    "/v1/register",
    "/v1/verify",
    "/v1/login",
    "/v1/refresh",
    "/v1/password/forget",
    "/v1/password/reset",
    "/v1/challenge",
    "/v1/login/passkey/begin",
    "/v1/login/passkey",
    "/v1/login/provider/begin",
    "/v1/login/provider",
    "/v1/undo",
)
"""Paths that need no login; a token that comes with a request of them may have ended."""
NOT_KEPT = (
    "An `Idempotency-Key` has no effect: the caller has not proved who it is, and a kept answer "
    "could hold tokens. A code, a ticket or a refresh token is valid once."
)
NO_KEY = dict.fromkeys(STRANGERS, NOT_KEPT) | {
    LARGE_BODY: "An `Idempotency-Key` has no effect: a paper that is there is not added again."
}
"""Paths at which a key has no effect, and why.  To know the request of a large body by its key it
would be read whole, before there is a place for it."""
KEY_SHOWN = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "The request's name; a repeated request with this name takes effect once. It has the same "
        "answer, which is kept for a day."
    ),
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9.:/_-]{1,36}$"},
}
KEY_NEEDED = KEY_SHOWN | {
    "required": True,
    "description": "The request's name; a repeated request with this name takes effect once.",
}
"""The header in the document of the API: of any request, and of one that is refused without it."""
OF_OPERATORS = "/v1/operator/"
"""Paths whose callers are operators."""
Handler = Callable[[Any], Awaitable[Any]]
CLAIM = """
    insert into {table} ({owner}, key, digest, begun_at)
    values (%(owner)s, %(key)s, %(digest)s, %(now)s)
    on conflict ({owner}, key) do update set
        digest = excluded.digest, begun_at = excluded.begun_at, status = null, body = null
        where {table}.begun_at < %(forget)s
    returning key
"""
KNOWN = "select digest, status, body from {table} where {owner} = %(owner)s and key = %(key)s"
DONE = """
    update {table} set status = %(status)s, body = %(body)s
    where {owner} = %(owner)s and key = %(key)s
"""
FORGET = """
    delete from {table} where {owner} = %(owner)s and (begun_at < %(forget)s or key not in
        (select key from {table} where {owner} = %(owner)s order by begun_at desc limit %(most)s))
"""
FAILED = "delete from {table} where {owner} = %(owner)s and key = %(key)s and status is null"


def key_of(request: Any) -> str:
    """Raises :class:`KeyMissing`."""
    key = str(request.headers.get(HEADER, ""))
    if not CLIENT_ID.fullmatch(key):
        raise KeyMissing(
            "Idempotency-Key: 1 to 36 letters, digits and . : / _ -, and a new one for each request"
        )
    return key


@dataclass(frozen=True)
class Owner:
    """The user or the operator of an answer: where its row is, and the row's name in its seal."""

    table: str
    column: str
    value: int | str
    sealed_as: str
    may: str = ""
    """What the caller's login or key may do: another one has no answer that this one had."""

    def query(self, text: str) -> str:
        """One of the queries above for this owner's table."""
        return text.format(table=self.table, owner=self.column)


class Once:
    """Requests with a key, and their answers."""

    def __init__(
        self, database: Database, secret: SecretKey, callers: Callers, operators: Operators
    ) -> None:
        self.database, self.secret = database, secret
        self.callers, self.operators = callers, operators
        self._claims = 0

    async def _owner_of(self, request: Any) -> Owner:
        """Raises :class:`NotLoggedIn`."""
        if request.scope["path"].startswith(OF_OPERATORS):
            _, _, token = request.headers.get("authorization", "").partition(" ")
            name = (await self.operators.of_token(token, caller_of(request))).name
            return Owner("operator_answers", "operator", name, f"operator answer {name}")
        asking = await self.callers.of_request(request)
        may = f"{asking.is_person} {asking.can_trade} {asking.can_withdraw}"
        return Owner("answers", "user_id", asking.user_id, f"answer {asking.user_id}", may)

    async def answer(self, request: Any, handler: Handler) -> Any:
        """The handler's answer, or the one that it gave before."""
        from fastapi import Response
        from fastapi.exceptions import RequestValidationError

        key = key_of(request)
        owner = await self._owner_of(request)
        rows, query = self.database.rows, owner.query
        target = f"{request.scope['path']}?".encode() + request.scope["query_string"]
        text = f"{request.method} ".encode() + target + f"\n{owner.may}\n".encode()
        digest = hashlib.sha256(text + await request.body()).digest()
        now = self.callers.accounts.now()
        values = {"owner": owner.value, "key": key, "digest": digest, "now": now}
        self._claims += 1
        if self._claims % FORGET_EVERY == 0:
            await rows(query(FORGET), owner=owner.value, forget=now - KEPT, most=MOST_KEPT)
        sealed_as = f"{owner.sealed_as} {key}"
        if not await rows(query(CLAIM), forget=now - KEPT, **values):
            known = await self.database.row(query(KNOWN), **values)
            if known is None or bytes(known["digest"]) != digest:
                raise KeyReused("this key belongs to another request")
            if known["status"] is None:
                raise InProgress("this request is in progress, or its outcome is unknown")
            body = self.secret.open(bytes(known["body"]), sealed_as)
            return Response(
                body, known["status"], {"idempotent-replay": "true"}, "application/json"
            )
        try:
            response = await handler(request)
        except (AccountError, ApiError, Reject, RequestValidationError) as error:
            if getattr(error, "code", None) not in (UNKNOWN_OUTCOME, TIMEOUT):
                # Nothing was done, so the key may be used again.
                await rows(query(FAILED), **values)
            raise
        sealed = self.secret.seal(bytes(response.body), sealed_as)
        await rows(query(DONE), status=response.status_code, body=sealed, **values)
        return response


def tagged(request: Any, response: Any) -> Any:
    """The answer to a GET with its ETag, or that nothing has changed."""
    from fastapi import Response

    body = getattr(response, "body", None)
    if response.status_code != 200 or body is None:
        return response
    tag = f'"{hashlib.blake2b(bytes(body), digest_size=12).hexdigest()}"'
    known = [
        one.strip().removeprefix("W/")
        for one in request.headers.get("if-none-match", "").split(",")
    ]
    if tag in known or "*" in known:
        return Response(status_code=304, headers={"etag": tag})
    response.headers["etag"] = tag
    return response


def require_once(request: Any, body: bytes) -> None:
    """Require a request in which no parameter, field of JSON or header of a caller occurs twice:
    what stands between a client and the portal may read the other one.  Raises
    :class:`InvalidRequest`."""
    asked = [name for name, _ in request.query_params.multi_items()]
    asked += [name for name in request.headers if name in OF_A_CALLER]
    twice = next((name for name in asked if asked.count(name) > 1), "")
    try:
        if body and not twice:
            json.loads(body, object_pairs_hook=once)
    except TwiceError as error:
        twice = error.name
    except (ValueError, RecursionError):
        return  # what is wrong with it is said where it is read
    if twice:
        raise InvalidRequest(f"{printable(twice)[:MOST_NAME]}: this occurs twice")


def rows_asked(query: Mapping[str, str]) -> int:
    """Return how many rows a request asks for; 0: it does not say, or is refused."""
    texts = [query.get(name, "") for name in ("limit", "depth")]
    return max(
        int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0 for text in texts
    )


def weight_of(method: str, path: str, rows: int = 0) -> int:
    """Return the weight of a request under ``/v1``, by the path of its route and how many rows it
    asks for."""
    if path in STRANGERS or path in PUBLIC or path.startswith("/v1/instruments/"):
        usual = PUBLIC_WEIGHT
    else:
        usual = OPERATOR_WEIGHT if path.startswith(OF_OPERATORS) else OWN_WEIGHT
    rows = min(rows, MOST) * ROWS_EACH.get(path, 1)
    more = max(0, rows - ROWS_FREE) // ROWS_A_WEIGHT
    return WEIGHTS.get(f"{method} {path}", usual) + more


def route_class(once: Once, limits: Limits) -> Any:
    """The class of routes under ``/v1``: each is weighed, tagged, and done once for its key."""
    from fastapi.routing import APIRoute

    class NativeRoute(APIRoute):
        def get_route_handler(self) -> Any:
            original, path = super().get_route_handler(), self.path

            async def handle(request: Any) -> Any:
                try:
                    return await handled(request)
                except Reject as reject:  # what is released cannot be read for a moment
                    raise of_reject(reject) from None

            async def handled(request: Any) -> Any:
                if not path.startswith("/v1/"):
                    return await original(request)
                address = request.client.host if request.client else ""
                weight = weight_of(request.method, path, rows_asked(request.query_params))
                limits.take(address, limits.weight_of(request.method, path, weight))
                has_body = request.method != "GET" and path != LARGE_BODY
                require_once(request, await request.body() if has_body else b"")
                if request.method == "GET":
                    return tagged(request, await original(request))
                by_name = BY_NAME.fullmatch(f"{request.method} {request.scope['path']}") is not None
                if HEADER not in request.headers or by_name or path in NO_KEY:
                    return await original(request)
                return await once.answer(request, original)

            return handle

    return NativeRoute
