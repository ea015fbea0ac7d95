"""The API's errors: codes and words as its clients know them."""

from collections.abc import Mapping

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.portal.accounts.states import Frozen
from openoutcry.portal.trading.reject import REFUSALS, Code, Reject
from openoutcry.wire.errors import OutcryError

UNKNOWN, DISCONNECTED, UNAUTHORIZED, TOO_MANY, TIMEOUT = -1000, -1001, -1002, -1003, -1007
TOO_MANY_ORDERS, INVALID_TIMESTAMP, INVALID_SIGNATURE = -1015, -1021, -1022
ILLEGAL_CHARS, TOO_MANY_PARAMETERS, MANDATORY, UNKNOWN_PARAM = -1100, -1101, -1102, -1103
UNREAD, EMPTY, BAD_PRECISION, NOT_REQUIRED, INVALID_TIF = -1104, -1105, -1111, -1106, -1115
BAD_RECV_WINDOW = -1131
INVALID_TYPE, INVALID_SIDE, INVALID_INTERVAL, BAD_SYMBOL = -1116, -1117, -1120, -1121
INVALID_LISTEN_KEY, BAD_COMBINATION, FILTER = -1125, -1128, -1013
NEW_ORDER_REJECTED, CANCEL_REJECTED, NO_SUCH_ORDER = -2010, -2011, -2013
UNSUPPORTED, UNKNOWN_COMPOSITION, MORE_THAN_HOURS, INVALID_JSON = -1020, -1014, -1127, -1135
BAD_STRATEGY_TYPE, INVALID_TICKER_TYPE, INVALID_RESTRICTIONS = -1134, -1139, -1145
INVALID_STATUS, DUPLICATE_SYMBOLS, TOO_MANY_SUBSCRIPTIONS = -1122, -1151, -1191
SBE_DISABLED = -1155
INVALID_TIME_UNIT, OTHER_STATUS, SUBSCRIPTION_ACTIVE = -1194, -1220, -2035
AMEND_REJECTED, OTHER_CLIENT_ID, NO_REFERENCE_PRICE, NO_HMAC = -2038, -2039, -2043, -4056
BAD_API_KEY, REJECTED_KEY, CANCEL_REPLACE_FAILED, CANCEL_REPLACE_PARTIAL = (
    -2014,
    -2015,
    -2022,
    -2021,
)
NOT_SUPPORTED = UNSUPPORTED, "This operation is not supported."
MALFORMED = (
    ValueError,
    RecursionError,
    AttributeError,
    TypeError,
    LookupError,
    ArithmeticError,
)
"""Errors that a text that is not a request causes where it is read."""
STATUS = {
    TOO_MANY: 429,
    TOO_MANY_ORDERS: 429,
    UNAUTHORIZED: 401,
    BAD_API_KEY: 401,
    REJECTED_KEY: 401,
    DISCONNECTED: 503,
    TIMEOUT: 408,
    UNKNOWN: 500,
}


class ApiError(OutcryError):
    """A refusal; ``code`` and text are what clients act on."""

    def __init__(self, code: int, text: str, status: int = 0, data: object = None) -> None:
        super().__init__(text)
        self.code, self.text, self.data, self.retry_after_s = code, text, data, 0
        self.status = status or STATUS.get(code, 400)
        self.headers: dict[str, str] = {}
        """Headers of the answer: what was counted before the refusal."""

    @property
    def body(self) -> dict[str, object]:
        """The answer's body: ``code``, ``msg``, and ``data`` where there is any."""
        body: dict[str, object] = {"code": self.code, "msg": self.text}
        return body if self.data is None else body | {"data": self.data}


def missing(name: str) -> ApiError:
    """The refusal of a request without a mandatory parameter, or with an empty one."""
    return of_reject(Reject(Code.MISSING, name))


def empty(name: str) -> ApiError:
    """The refusal of a parameter that need not be sent, and was sent empty."""
    return ApiError(EMPTY, f"Parameter '{name}' was empty.")


def illegal(name: str, legal: str = "") -> ApiError:
    """The refusal of a parameter that has an impossible value; ``legal``: what is possible."""
    more = f"; legal range is '{legal}'" if legal else ""
    return ApiError(ILLEGAL_CHARS, f"Illegal characters found in parameter '{name}'{more}.")


def not_required(name: str) -> ApiError:
    """The refusal of a parameter that an order of this type has not."""
    return of_reject(Reject(Code.NOT_REQUIRED, name))


def bad_combination() -> ApiError:
    """The refusal of parameters that exclude each other."""
    return ApiError(BAD_COMBINATION, "Combination of optional parameters invalid.")


def of_reject(error: ApiError | Reject) -> ApiError:
    """Return a refusal in this API's words."""
    if isinstance(error, ApiError):
        return error
    code, text = (REFUSALS.say(column, error.code) for column in ("Binance code", "Binance"))
    return ApiError(int(code), text.format(field=error.field, detail=error.detail))


def refusal(error: AccountError, codes: Mapping[str, tuple[int, str]]) -> ApiError:
    """Return an account's refusal, by its code and in this API's words if it has some. A refusal
    without a code of this API keeps its own words and status: it is the client's, and no failure of
    the portal."""
    known = (REJECTED_KEY, "") if isinstance(error, Frozen) else (UNKNOWN, "")
    code, words = codes.get(error.code, known)
    status = error.status if code == UNKNOWN else 0
    answer = ApiError(code, words or str(error), status)
    answer.retry_after_s = error.retry_after_s
    return answer
