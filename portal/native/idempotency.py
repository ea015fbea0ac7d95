"""``Idempotency-Key`` and ``ETag`` of every request under ``/v1``.

An order is exactly once by its client order id, which the core checks.  A cancel of one order is so
by the order, and a withdrawal by its name in the database: their keys are those names.  Any other
request that changes something, a cancel of all orders among them, is written down before it is
done, with its answer when it is done.  The same key again has the same answer.  A portal that died
between the two leaves a request without one, and so does a venue that did not answer.  The key is
then refused, and is never done twice.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import Database
from openoutcry.portal.native.callers import Callers
from openoutcry.portal.native.problems import InProgress, KeyMissing, KeyReused
from openoutcry.portal.spot.errors import TIMEOUT, ApiError
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.spot.params import CLIENT_ID

HEADER = "idempotency-key"
KEPT = timedelta(hours=24)
BY_NAME = re.compile(
    r"POST /v1/orders|DELETE /v1/orders/[0-9]+|POST /v1/withdrawals|POST /v1/transfers"
)
"""Requests that count once by the key itself."""
MOST_KEPT, FORGET_EVERY = 10_000, 100
"""Answers of a user; and after how many requests the present one's old answers are forgotten."""
WEIGHTS = {
    "POST /v1/login/passkey/begin": 20,
    "POST /v1/login/provider/begin": 20,
    "POST /v1/identity/papers": 50,
}
"""Weights of the requests by which a stranger or a user stores data; any other request weighs 1."""
OF_OPERATORS = "/v1/operator/"
"""Paths whose requests change nothing more when they come again, and whose callers are no users."""
Handler = Callable[[Any], Awaitable[Any]]
CLAIM = """
    insert into answers (user_id, key, digest, begun_at)
    values (%(user)s, %(key)s, %(digest)s, %(now)s)
    on conflict (user_id, key) do update set
        digest = excluded.digest, begun_at = excluded.begun_at, status = null, body = null
        where answers.begun_at < %(forget)s
    returning user_id
"""
KNOWN = "select digest, status, body from answers where user_id = %(user)s and key = %(key)s"
DONE = """
    update answers set status = %(status)s, body = %(body)s
    where user_id = %(user)s and key = %(key)s
"""
FORGET = """
    delete from answers where user_id = %(user)s and (begun_at < %(forget)s or key not in
        (select key from answers where user_id = %(user)s order by begun_at desc limit %(most)s))
"""
FAILED = "delete from answers where user_id = %(user)s and key = %(key)s and status is null"


def key_of(request: Any) -> str:
    """Raises :class:`KeyMissing`."""
    key = str(request.headers.get(HEADER, ""))
    if not CLIENT_ID.fullmatch(key):
        raise KeyMissing(
            "Idempotency-Key: 1 to 36 letters, digits and . : / _ -, and a new one for each request"
        )
    return key


class Once:
    """Requests with a key, and their answers."""

    def __init__(self, database: Database, secret: SecretKey, callers: Callers) -> None:
        self.database, self.secret, self.callers = database, secret, callers
        self._claims = 0

    async def answer(self, request: Any, handler: Handler) -> Any:
        """The handler's answer, or the one that it gave before."""
        from fastapi import Response
        from fastapi.exceptions import RequestValidationError

        key = key_of(request)
        asking = await self.callers.of_request(request)
        text = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
        digest = hashlib.sha256(text + await request.body()).digest()
        now = self.callers.accounts.now()
        values = {"user": asking.user_id, "key": key, "digest": digest, "now": now}
        self._claims += 1
        if self._claims % FORGET_EVERY == 0:
            await self.database.rows(FORGET, user=asking.user_id, forget=now - KEPT, most=MOST_KEPT)
        if not await self.database.rows(CLAIM, forget=now - KEPT, **values):
            known = await self.database.row(KNOWN, **values)
            if known is None or bytes(known["digest"]) != digest:
                raise KeyReused("this key belongs to another request")
            if known["status"] is None:
                raise InProgress("this request is in progress, or its outcome is unknown")
            owner = f"answer {asking.user_id} {key}"
            body = self.secret.open(bytes(known["body"]), owner)
            return Response(
                body, known["status"], {"idempotent-replay": "true"}, "application/json"
            )
        try:
            response = await handler(request)
        except (AccountError, ApiError, RequestValidationError) as error:
            if getattr(error, "code", None) != TIMEOUT:
                # Nothing was done, so the key may be used again.
                await self.database.rows(FAILED, **values)
            raise
        sealed = self.secret.seal(bytes(response.body), f"answer {asking.user_id} {key}")
        await self.database.rows(DONE, status=response.status_code, body=sealed, **values)
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


def route_class(once: Once, limits: Limits) -> Any:
    """The class of routes under ``/v1``: each is weighed, tagged, and done once for its key."""
    from fastapi.routing import APIRoute

    class NativeRoute(APIRoute):
        def get_route_handler(self) -> Any:
            original, path = super().get_route_handler(), self.path

            async def handle(request: Any) -> Any:
                if not path.startswith("/v1/"):
                    return await original(request)
                address = request.client.host if request.client else ""
                weight = WEIGHTS.get(f"{request.method} {path}", 1)
                limits.take(address, limits.weight_of(request.method, path, weight))
                if request.method == "GET":
                    return tagged(request, await original(request))
                named = BY_NAME.fullmatch(f"{request.method} {request.url.path}")
                by_name = named is not None or path.startswith(OF_OPERATORS)
                is_known = "authorization" in request.headers or "x-api-key" in request.headers
                if HEADER in request.headers and is_known and not by_name:
                    return await once.answer(request, original)
                return await original(request)

            return handle

    return NativeRoute
