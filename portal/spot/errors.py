"""The API's errors: codes and words as its clients know them."""

from collections.abc import Mapping

from openoutcry.portal.accounts.errors import AccountError
from openoutcry.wire.errors import OutcryError

UNKNOWN, DISCONNECTED, UNAUTHORIZED, TOO_MANY, TIMEOUT = -1000, -1001, -1002, -1003, -1007
TOO_MANY_ORDERS, INVALID_TIMESTAMP, INVALID_SIGNATURE = -1015, -1021, -1022
ILLEGAL_CHARS, TOO_MANY_PARAMETERS, MANDATORY, UNKNOWN_PARAM = -1100, -1101, -1102, -1103
UNREAD, BAD_PRECISION, NOT_REQUIRED, INVALID_TIF = -1104, -1111, -1106, -1115
INVALID_TYPE, INVALID_SIDE, INVALID_INTERVAL, BAD_SYMBOL = -1116, -1117, -1120, -1121
INVALID_LISTEN_KEY, BAD_COMBINATION, FILTER = -1125, -1128, -1013
NEW_ORDER_REJECTED, CANCEL_REJECTED, NO_SUCH_ORDER = -2010, -2011, -2013
BAD_API_KEY, REJECTED_KEY, CANCEL_REPLACE_FAILED, CANCEL_REPLACE_PARTIAL = (
    -2014,
    -2015,
    -2022,
    -2021,
)
MALFORMED = (
    ValueError,
    RecursionError,
    AttributeError,
    TypeError,
    LookupError,
    ArithmeticError,
)
"""What a text that is no request causes where it is read."""
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

    @property
    def body(self) -> dict[str, object]:
        """The answer's body: ``code``, ``msg``, and ``data`` where there is any."""
        body: dict[str, object] = {"code": self.code, "msg": self.text}
        return body if self.data is None else body | {"data": self.data}


def missing(name: str) -> ApiError:
    """The refusal of a request without a mandatory parameter, or with an empty one."""
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return ApiError(MANDATORY, text)


def illegal(name: str) -> ApiError:
    """The refusal of a parameter that has an impossible value."""
    return ApiError(ILLEGAL_CHARS, f"Illegal characters found in parameter '{name}'.")


def refusal(error: AccountError, codes: Mapping[str, tuple[int, str]]) -> ApiError:
    """What an account refuses, by its code and with this API's words if it has some.  A refusal
    without a code of this API keeps its own words and status: it is the client's, and no failure
    of the portal."""
    code, words = codes.get(error.code, (UNKNOWN, ""))
    status = error.status if code == UNKNOWN else 0
    answer = ApiError(code, words or str(error), status)
    answer.retry_after_s = error.retry_after_s
    return answer
