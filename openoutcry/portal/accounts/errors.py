"""What the account API answers when it refuses a request."""

from openoutcry.wire.errors import OutcryError


class AccountError(OutcryError):
    """A refusal: a status of HTTP, a stable code, and words for people."""

    status, code = 400, "bad_request"

    def __init__(self, text: str, *, retry_after_s: int = 0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Declined(AccountError):
    """A request that is well formed and refused all the same; ``code`` says why."""

    def __init__(self, code: str, text: str, status: int = 422) -> None:
        super().__init__(text)
        self.code, self.status = code, status


class InvalidRequest(AccountError):
    """A field is missing or malformed."""

    status, code = 422, "invalid_request"


class WrongCredentials(AccountError):
    """The same words whatever was wrong: mail, password, code, or whether there is an account."""

    status, code = 401, "wrong_credentials"


class CodeRequired(AccountError):
    """The password was right, and the account has a second factor."""

    status, code = 401, "totp_required"


class NotLoggedIn(AccountError):
    """There is no valid token or signature, or its session has ended."""

    status, code = 401, "not_logged_in"


class NotFound(AccountError):
    """The object does not exist, or belongs to another user."""

    status, code = 404, "not_found"


class Locked(AccountError):
    """Too many attempts; ``retry_after_s`` says in how many seconds the next one is checked."""

    status, code = 429, "locked"


class TooMany(AccountError):
    """Too much of one account waits; ``retry_after_s`` says when it is worth another try."""

    status, code = 429, "too_many_requests"


class Unavailable(AccountError):
    """A service that the portal depends on, such as custody or a login provider, does not
    answer."""

    status, code = 503, "unavailable"
