"""Callers: a person with an access token, or a program with an API key that signs its requests.

A program sends ``X-API-Key``, ``X-Timestamp`` (milliseconds) and ``X-Signature``: HMAC-SHA256 in
hexadecimal, or Ed25519 or RSA in base64.  What is signed is timestamp, method, path with query,
``Idempotency-Key`` ("" without one) and body, with a line feed after each of the first four.  So
no other method, path or key can be sent with a signature that was read on its way.  The same
key again has the same outcome, once; a change without one counts once, and so does a login to the
stream.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from openoutcry.portal.accounts.accounts import Accounts, Caller, Person
from openoutcry.portal.accounts.api_keys import ApiKey
from openoutcry.portal.accounts.errors import AccountError, NotLoggedIn
from openoutcry.portal.accounts.states import Action, State, require, state_of
from openoutcry.portal.settings import PortalFile
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.signing import READ, WINDOW_MS, Signing, is_signed, now_ms
from openoutcry.risk.bits import ParticipantStatus


class Forbidden(AccountError):
    """The caller is known, and this account or key may not do what it asks."""

    status, code = 403, "forbidden"


def signed_text(timestamp: str, method: str, target: str, key: str, body: str = "") -> str:
    """Return the text that a program signs; ``target``: path with query, as sent."""
    return f"{timestamp}\n{method}\n{target}\n{key}\n{body}"


@dataclass(frozen=True)
class Asking:
    """The account of a request, and what it may do."""

    user_id: int
    participant: int
    can_trade: bool
    can_withdraw: bool
    address: str
    is_person: bool
    state: State = State.ACTIVE
    is_support: bool = False
    """An operator who looks at the user's pages."""
    is_main: bool = True
    """Whether it is a main account, and no sub-account."""
    why: str = ""
    """What the operator tells the owner about a freeze."""
    owner: int = 0
    """The user of the main account."""

    def caller(self, request: Any) -> Caller:
        """Return the caller of a request for the audit record."""
        return Caller(self.address, request.headers.get("user-agent", ""))

    def require_participant(self) -> None:
        """Raises :class:`Forbidden` for an account that the venue has not added yet, or that is
        closed."""
        if not self.participant:
            raise Forbidden("the venue has not added this account yet: try again")

    def require_trade(self) -> None:
        """Raises :class:`Forbidden` if the caller may not place or cancel orders, :class:`Frozen`
        if the account may not."""
        self.require_participant()
        self.require_own(Action.TRADE)
        if not self.can_trade:
            raise Forbidden("this key or this level may not trade")

    def require_own(self, action: Action) -> None:
        """The user, and not an operator, whose account may do this."""
        if self.is_support:
            raise Forbidden("a support view is read-only")
        require(self.state, action, self.why)

    def require_settings(self, action: Action = Action.SETTINGS) -> None:
        """Raises :class:`Forbidden` for a key that only reads: what an account is told, and where,
        outlives the key.  :class:`Frozen` if the account may not do it."""
        self.require_own(action)
        if not (self.is_person or self.can_trade):
            raise Forbidden("this key reads, and changes nothing")

    def require_transfer(self) -> None:
        """Money of all accounts of a user is moved in the name of the main one."""
        self.require_trade()
        if not self.is_main:
            raise Forbidden("only the main account moves money between accounts")

    def require_withdraw(self) -> None:
        """Raises :class:`Forbidden` if the caller may not withdraw, :class:`Frozen` if the account
        may not."""
        self.require_participant()
        self.require_own(Action.WITHDRAW)
        if not self.can_withdraw:
            raise Forbidden("this key may not withdraw")


class Callers:
    """Checks tokens and signatures."""

    def __init__(self, accounts: Accounts, signing: Signing, file: PortalFile) -> None:
        self.accounts, self.signing, self.file = accounts, signing, file
        self.status_of: Callable[[int], ParticipantStatus] = lambda number: ParticipantStatus.FILED
        """Status of a participant in the core."""
        self.see: Callable[[], None] = lambda: None
        """Called with each caller: brings the mirror to what is released."""

    async def of_token(self, token: str, address: str) -> Asking:
        """The caller with an access token, or an operator with a token for support.

        Raises :class:`NotLoggedIn` for a token that is wrong or has ended."""
        is_support = self.accounts.is_support(token)
        if is_support:
            person = Person(await self.accounts.supported(token), "")
        else:
            person = await self.accounts.person(token)
        user = await self.accounts.user(person)
        participant = int(user["participant"] or 0) if user["is_open"] else 0
        level = self.file.level(user["level"])
        trades = level is None or level.trades
        state = state_of(user["frozen_at"] is not None, self.status_of(participant))
        terms = trades and not is_support, not is_support, address, not is_support
        user_id, why = person.user_id, user.get("frozen_told", "")
        return Asking(user_id, participant, *terms, state, is_support, why=why, owner=user_id)

    async def of_key(
        self, api_key: str, timestamp: str, signature: str, text: str, address: str, once: bool
    ) -> Asking:
        """``text``: what was signed (:func:`signed_text`); ``once``: it counts once.  Raises
        :class:`NotLoggedIn`."""
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16):
            raise NotLoggedIn("X-Timestamp: milliseconds since 1970 are expected")
        if abs(now_ms() - int(timestamp)) > WINDOW_MS:
            raise NotLoggedIn("X-Timestamp: too far from the portal's time")
        try:
            key = await self.signing.key(api_key, address, READ)
        except ApiError as error:
            raise NotLoggedIn(error.text) from None
        if not is_signed(key, text, signature):
            raise NotLoggedIn("X-Signature: it does not sign this request")
        if once:
            at_ms = now_ms()
            try:
                self.signing.replays.require_new(key, text, int(timestamp) + WINDOW_MS, at_ms)
            except ApiError as error:
                raise NotLoggedIn(error.text) from None
        return self._asking(key, address)

    async def of_known_key(self, api_key: str, address: str) -> Asking:
        """Return what the caller that has shown this key before may do now.  Raises
        :class:`NotLoggedIn` once it has ended."""
        try:
            return self._asking(await self.signing.key(api_key, address, READ), address)
        except ApiError as error:
            raise NotLoggedIn(error.text) from None

    def _asking(self, key: ApiKey, address: str) -> Asking:
        trades = key.can_trade and self.signing.may_trade(key)
        withdraws = key.can_withdraw and not key.is_sub
        terms = key.user_id, key.participant, trades, withdraws, address, False, key.state
        is_main = not key.is_sub
        return Asking(*terms, is_main=is_main, why=key.why, owner=key.owner)

    async def of_request(self, request: Any) -> Asking:
        """Raises :class:`NotLoggedIn`."""
        found = getattr(request.state, "asking", None)
        if found is None:
            found = request.state.asking = await self._of_request(request)
            self.see()
        assert isinstance(found, Asking)
        if found.is_support and request.method != "GET":
            raise Forbidden("a support view is read-only")
        return found

    async def _of_request(self, request: Any) -> Asking:
        headers = request.headers
        address = request.client.host if request.client else ""
        if "x-api-key" in headers:
            try:
                body = (await request.body()).decode("utf-8")
            except UnicodeDecodeError:
                raise NotLoggedIn("the body of a signed request must be UTF-8") from None
            # Of the request alone: a URL is made with the Host, which is not signed.
            query = request.scope["query_string"].decode("latin-1")
            path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
            at, signature = headers.get("x-timestamp", ""), headers.get("x-signature", "")
            target = path.partition("?")[0] + (f"?{query}" if query else "")
            key = headers.get("idempotency-key", "")
            text = signed_text(at, request.method, target, key, body)
            # With a key the same again has the same outcome, and may be sent again.
            once = request.method not in ("GET", "HEAD") and not key
            return await self.of_key(headers["x-api-key"], at, signature, text, address, once)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotLoggedIn("log in, or sign with an API key")
        return await self.of_token(token, address)

    def parameter(self) -> Any:
        """The type of a parameter of an endpoint that needs to know its caller."""
        from fastapi import Depends, Request

        async def asking(request: Request) -> Asking:
            return await self.of_request(request)

        return Annotated[Asking, Depends(asking)]
