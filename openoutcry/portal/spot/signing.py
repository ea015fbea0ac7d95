"""The sender of a request: the API key, the signature over exactly what was sent, and its time.

A request counts once: what was signed is remembered for as long as its timestamp is accepted. A
signature can be written in several ways (its letters' case, unused bits of base64), so it is not
what is remembered.
"""

import hmac
import time
from base64 import b64decode
from functools import lru_cache
from typing import Any

from openoutcry.portal.accounts.api_keys import HMAC, KEY, RSA, ApiKey, ApiKeys
from openoutcry.portal.accounts.states import Action
from openoutcry.portal.settings import PortalFile
from openoutcry.portal.shared_table import Table
from openoutcry.portal.spot.errors import (
    BAD_API_KEY,
    BAD_PRECISION,
    BAD_RECV_WINDOW,
    INVALID_SIGNATURE,
    INVALID_TIMESTAMP,
    REJECTED_KEY,
    ApiError,
    missing,
)
from openoutcry.portal.spot.limits import SUBJECTS
from openoutcry.portal.spot.params import Params

DEFAULT_WINDOW_MS, LONGEST_WINDOW_MS, AHEAD_MS = 5_000, 60_000, 1_000
WINDOW_MS = 30_000
"""Window of the native API, to either side."""
REMEMBERED, SHARE_OF_A_KEY = 1 << 20, 20_000
"""Places for requests, and those that one key may have on average over a minute."""
MINUTE_MS = 60_000
REJECTED = "Invalid API-key, IP, or permissions for action."
READ, TRADE, WITHDRAW = "read", "trade", "withdraw"
ACTIONS = {READ: Action.READ, TRADE: Action.TRADE, WITHDRAW: Action.WITHDRAW}


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Replays:
    """Requests that any process of the portal has accepted, until they are too old; of each key a
    share of the places."""

    def __init__(self, table: Table | None = None, counts: Table | None = None) -> None:
        self.table, self.counts = table or Table(REMEMBERED), counts or Table(SUBJECTS)

    def require_new(self, key: ApiKey, signed: str, until_ms: int, at_ms: int) -> None:
        """Raises :class:`ApiError` for one that was there before."""
        # An entry costs as many parts of the share as it stays seconds.
        cost = max(1, (until_ms - at_ms + 999) // 1_000)
        minute_ends = (at_ms // MINUTE_MS + 1) * MINUTE_MS
        used = self.counts.add(f"share {key.number}", cost, minute_ends, at_ms)
        is_new = None
        if used <= SHARE_OF_A_KEY * 60:
            # The last millisecond in which its time is accepted counts, too.
            is_new = self.table.take(f"signed {key.number} {signed}", until_ms + 1, at_ms)
        if is_new is None:
            raise ApiError(INVALID_TIMESTAMP, "Too many requests within recvWindow.", 429)
        if not is_new:
            raise ApiError(INVALID_TIMESTAMP, "This request has been received before.")


class Signing:
    """Checks keys and signatures."""

    def __init__(
        self, keys: ApiKeys, file: PortalFile | None = None, replays: Replays | None = None
    ) -> None:
        self.keys, self.file = keys, file or PortalFile()
        self.replays = replays or Replays()

    def may_trade(self, key: ApiKey) -> bool:
        """Return whether the owner's level trades."""
        level = self.file.level(key.level)
        return level is None or level.trades

    def known(self, api_key: str) -> ApiKey | None:
        """The key, if it was looked up a moment ago.  What it may do is not asked here."""
        return self.keys.known(api_key)

    async def key(self, api_key: str, address: str, permission: str) -> ApiKey:
        """The key, which may do this from there.  Raises :class:`ApiError`."""
        if not KEY.fullmatch(api_key):
            raise ApiError(BAD_API_KEY, "API-key format invalid.")
        found = await self.keys.find(api_key)
        if found is None or not found.may_come_from(address) or not found.participant:
            raise ApiError(REJECTED_KEY, REJECTED)
        if not found.may(ACTIONS[permission]) or (
            permission == TRADE and not self.may_trade(found)
        ):
            raise ApiError(REJECTED_KEY, REJECTED)
        return found

    def check(
        self, key: ApiKey, params: Params, payload: str, once: bool, signed: bool = True
    ) -> None:
        """The signature over ``payload``, and the time; ``once``: the request changes something,
        and counts once; ``signed``: it needs a signature.  Raises :class:`ApiError`."""
        if signed:
            signature = params.needed("signature")
            if not is_signed(key, payload, signature):
                raise ApiError(INVALID_SIGNATURE, "Signature for this request is not valid.")
        if not params.given("timestamp"):
            raise missing("timestamp")
        timestamp, at_ms = params.moment_ms("timestamp"), now_ms()
        assert timestamp is not None
        window_ms = _window_ms(params)
        if timestamp >= at_ms + AHEAD_MS:
            text = "Timestamp for this request was 1000ms ahead of the server's time."
            raise ApiError(INVALID_TIMESTAMP, text)
        if at_ms - timestamp > window_ms:
            text = "Timestamp for this request is outside of the recvWindow."
            raise ApiError(INVALID_TIMESTAMP, text)
        if once:
            self.replays.require_new(key, payload, timestamp + window_ms + AHEAD_MS, at_ms)


def _window_ms(params: Params) -> int:
    """Return how long the request counts, in whole milliseconds; a fraction is dropped."""
    text = params.decimal("recvWindow") or str(DEFAULT_WINDOW_MS)
    whole, _, parts = text.partition(".")
    if len(parts) > 3:
        raise ApiError(BAD_PRECISION, "Parameter 'recvWindow' has too much precision.")
    if int(whole) > LONGEST_WINDOW_MS or (int(whole) == LONGEST_WINDOW_MS and parts.strip("0")):
        raise ApiError(BAD_RECV_WINDOW, f"'recvWindow' must be less than {LONGEST_WINDOW_MS}.")
    return int(whole)


def is_signed(key: ApiKey, payload: str, signature: str) -> bool:
    """HMAC-SHA256 in hexadecimal; Ed25519, or RSASSA-PKCS1-v1_5 with SHA-256, in base64."""
    if key.kind == HMAC:
        right = hmac.digest(key.secret, payload.encode(), "sha256").hex()
        return hmac.compare_digest(right.encode(), signature.lower().encode())
    from cryptography.exceptions import InvalidSignature

    try:
        raw = b64decode(signature, validate=True)
        if key.kind == RSA:
            rsa, *scheme = _rsa_scheme(key.secret)
            rsa.verify(raw, payload.encode(), *scheme)
        else:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            Ed25519PublicKey.from_public_bytes(key.secret).verify(raw, payload.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=1_000)
def _rsa_scheme(der: bytes) -> tuple[Any, Any, Any]:
    """Return an RSA key, its padding and its hash; reading a key takes longer than a check."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(der), PKCS1v15(), SHA256()
