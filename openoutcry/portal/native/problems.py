"""Refusals of the native API: stable codes, words for people, and nothing of its inside."""

from typing import Any

from openoutcry.portal.accounts.errors import AccountError, Declined
from openoutcry.portal.accounts.routes import problem
from openoutcry.portal.spot import errors
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.not_offered import reason_of
from openoutcry.portal.spot.rest import methods_at
from openoutcry.portal.trading.reject import REFUSALS, Code, Reject

CODES = {
    errors.TOO_MANY: (429, "too_many_requests"),
    errors.TOO_MANY_ORDERS: (429, "too_many_orders"),
    errors.REJECTED_KEY: (401, "not_logged_in"),
    errors.BAD_API_KEY: (401, "not_logged_in"),
}
UNKNOWN_OUTCOME = REFUSALS.say("/v1 code", Code.UNKNOWN_OUTCOME)
BINANCE_PATHS = ("/api/", "/sapi/", "/fapi/", "/dapi/", "/eapi/", "/papi/")
"""Where Binance's API has its requests.  Its clients read a number as the code of every refusal."""
BINANCE_CODES = {
    403: errors.UNAUTHORIZED,
    404: errors.UNSUPPORTED,
    405: errors.UNSUPPORTED,
    413: errors.TOO_MANY_PARAMETERS,
    418: errors.TOO_MANY,
    429: errors.TOO_MANY,
    503: errors.DISCONNECTED,
}
EVERY_CODE = sorted(
    {code for _, code in CODES.values()}
    | set(REFUSALS.column("/v1 code").values())
    | {
        "invalid_request",
        "order_rejected",
        "wrong_credentials",
        "totp_required",
        "not_logged_in",
        "not_found",
        "forbidden",
        "locked",
        "too_large",
        "internal",
        "idempotency_key_missing",
        "idempotency_key_reused",
        "request_in_progress",
        "not_withdrawable",
        "wrong_network",
        "bad_checksum",
        "bad_address",
        "tag_missing",
        "own_address",
        "below_dust",
        "unsupported",
        "sanctioned",
        "not_whitelisted",
        "address_locked",
        "too_many",
        "invalid_address",
        "too_small",
        "daily_limit",
        "same_account",
        "not_open",
        "refused",
        "not_unconfirmed",
        "challenge_required",
        "not_offered",
        "not_linked",
        "not_now",
        "not_possible",
        "unavailable",
        "method_not_allowed",
        "address_not_served",
        "frozen",
        "identity_changed",
        "suspended",
        "closed",
        "not_ready",
        "statement_disagrees",
    }
)


class KeyMissing(AccountError):
    """The header ``Idempotency-Key`` is missing or malformed."""

    status, code = 400, "idempotency_key_missing"


class KeyReused(AccountError):
    """Another request was sent with the same ``Idempotency-Key``."""

    status, code = 422, "idempotency_key_reused"


class InProgress(AccountError):
    """The first request with this ``Idempotency-Key`` has no answer yet."""

    status, code = 409, "request_in_progress"


def of_reject(reject: Reject) -> Declined:
    """Return the order service's refusal in this API's words."""
    code, text = REFUSALS.say("/v1 code", reject.code), REFUSALS.say("/v1", reject.code)
    said = ": ".join(part for part in (reject.field, text, reject.detail) if part)
    return Declined(code, said, int(REFUSALS.say("/v1 status", reject.code)))


def of_api_error(error: ApiError) -> tuple[int, str]:
    """Return status and code of a refusal by a limit or a key."""
    return CODES.get(error.code, (422, "invalid_request"))


def refused_at(
    scope: Any, status: int, code: str, text: str, headers: dict[str, str] | None = None
) -> Any:
    """The answer to a request that reached no route: a problem, or at the paths of Binance's API a
    refusal in its shape."""
    from fastapi.responses import JSONResponse

    if not scope["path"].startswith(BINANCE_PATHS):
        return problem(status, code, text, headers)
    if status in (404, 405) and (reason := reason_of(scope["path"])):
        error = ApiError(
            errors.UNSUPPORTED, f"{errors.NOT_SUPPORTED[1]} {reason[0].upper()}{reason[1:]}."
        )
        return JSONResponse(error.body, error.status)
    number = BINANCE_CODES.get(status, errors.UNKNOWN)
    said = errors.NOT_SUPPORTED[1] if number == errors.UNSUPPORTED else text
    return JSONResponse(ApiError(number, said).body, status, headers)


def add_problems(app: Any) -> None:
    """Refusals by limits and keys as problems."""

    @app.exception_handler(ApiError)
    async def refused(request: Any, error: ApiError) -> Any:
        status, code = of_api_error(error)
        retry = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else None
        return problem(status, code, error.text, retry)

    @app.exception_handler(404)
    async def nothing(request: Any, error: Any) -> Any:
        if methods := methods_at(request.scope["path"]):
            error.headers = {"allow": methods}
            return await no_method(request, error)
        return refused_at(request.scope, 404, "not_found", "there is nothing at this path")

    @app.exception_handler(405)
    async def no_method(request: Any, error: Any) -> Any:
        headers = dict(error.headers or {})
        text = "this path has no such method"
        return refused_at(request.scope, 405, "method_not_allowed", text, headers)
