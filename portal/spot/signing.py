"""The sender of a request: the API key, the signature over exactly what was sent, and its time.

A request counts once: its signature is remembered for as long as its timestamp is accepted.
"""

import hashlib
import hmac
import time
from base64 import b64decode
from collections import OrderedDict

from openoutcry.portal.accounts.api_keys import HMAC, ApiKey, ApiKeys
from openoutcry.portal.spot.errors import (
    BAD_API_KEY,
    INVALID_SIGNATURE,
    INVALID_TIMESTAMP,
    REJECTED_KEY,
    ApiError,
    illegal,
    missing,
)
from openoutcry.portal.spot.params import Params

DEFAULT_WINDOW_MS, LONGEST_WINDOW_MS, AHEAD_MS = 5_000, 60_000, 1_000
MAX_REMEMBERED = 1_000_000
REJECTED = "Invalid API-key, IP, or permissions for action."
READ, TRADE, WITHDRAW = "read", "trade", "withdraw"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Replays:
    """Signatures that were accepted, until their requests are too old."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, int] = OrderedDict()

    def require_new(self, key: ApiKey, signature: str, until_ms: int, at_ms: int) -> None:
        """Raises :class:`ApiError` for one that was there before."""
        while self._until and next(iter(self._until.values())) < at_ms:
            self._until.popitem(last=False)
        mark = hashlib.blake2b(f"{key.number} {signature}".encode(), digest_size=16).digest()
        if self._until.get(mark, 0) >= at_ms:
            raise ApiError(INVALID_TIMESTAMP, "This request has been received before.")
        if len(self._until) >= MAX_REMEMBERED:
            raise ApiError(INVALID_TIMESTAMP, "Too many requests within recvWindow.", 429)
        self._until[mark] = until_ms


class Signing:
    """Checks keys and signatures."""

    def __init__(self, keys: ApiKeys) -> None:
        self.keys, self.replays = keys, Replays()

    async def key(self, api_key: str, address: str, permission: str) -> ApiKey:
        """The key, which may do this from there.  Raises :class:`ApiError`."""
        if not api_key:
            raise ApiError(BAD_API_KEY, "API-key format invalid.")
        found = await self.keys.find(api_key)
        if found is None or not found.may_come_from(address) or not found.participant:
            raise ApiError(REJECTED_KEY, REJECTED)
        allowed = {READ: True, TRADE: found.can_trade, WITHDRAW: found.can_withdraw}
        if not allowed[permission]:
            raise ApiError(REJECTED_KEY, REJECTED)
        return found

    def check(self, key: ApiKey, params: Params, payload: str, once: bool) -> None:
        """The signature over ``payload``, and the time; ``once``: the request changes something,
        and counts once.  Raises :class:`ApiError`."""
        signature = params.text("signature")
        if not signature:
            raise missing("signature")
        if not is_signed(key, payload, signature):
            raise ApiError(INVALID_SIGNATURE, "Signature for this request is not valid.")
        timestamp, at_ms = params.whole("timestamp"), now_ms()
        if timestamp > 10**14:
            timestamp //= 1_000  # microseconds
        window_text = params.decimal("recvWindow") or str(DEFAULT_WINDOW_MS)
        window_ms = int(window_text.partition(".")[0])
        if window_ms > LONGEST_WINDOW_MS:
            raise illegal("recvWindow")
        if timestamp >= at_ms + AHEAD_MS:
            text = "Timestamp for this request was 1000ms ahead of the server's time."
            raise ApiError(INVALID_TIMESTAMP, text)
        if at_ms - timestamp > window_ms:
            text = "Timestamp for this request is outside of the recvWindow."
            raise ApiError(INVALID_TIMESTAMP, text)
        if once:
            self.replays.require_new(key, signature, timestamp + window_ms + AHEAD_MS, at_ms)


def is_signed(key: ApiKey, payload: str, signature: str) -> bool:
    """HMAC-SHA256 in hexadecimal, or Ed25519 in base64."""
    if key.kind == HMAC:
        right = hmac.new(key.secret, payload.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(right.encode(), signature.lower().encode())
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(key.secret).verify(raw, payload.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
