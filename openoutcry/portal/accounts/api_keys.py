"""API keys: made by their users, shown once, and looked up for every signed request."""

import asyncio
import math
import re
import secrets
import string
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any

from openoutcry.portal.accounts.accounts import Accounts, Caller, Person, audit
from openoutcry.portal.accounts.changes import Change
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.accounts.states import ALLOWED, Action, State, state_of
from openoutcry.portal.database import DatabaseError, rows_of
from openoutcry.wire.text import printable

HMAC, ED25519, RSA = "HMAC", "ED25519", "RSA"
RSA_BITS = (2048, 3072, 4096)
"""Lengths of RSA keys that may sign; a longer one would make each check slow."""
SMALL_FACTORS = math.factorial(1_000)
"""An RSA modulus that has a factor in common with it is no product of two large primes."""
SMALL_ORDER = frozenset(
    bytes.fromhex(y).ljust(32, b"\0")
    for y in (
        "",
        "01",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""Public keys of Ed25519 (without the sign) for which anyone finds signatures: points of order 1,
2, 4 and 8, in each of their encodings."""
PERMISSIONS = ("read", "trade", "withdraw")
WIDEST = {4: 8, 6: 16}
"""The shortest prefixes of networks from which a key may withdraw, by version of IP."""
IPV4_IN_IPV6 = ip_network("::ffff:0:0/96")
LETTERS = string.ascii_letters + string.digits
KEY_LENGTH, MAX_KEYS, MAX_NETWORKS = 64, 30, 30
CACHED_S, MAX_CACHED = 1.0, 10_000
"""Another portal's revocation counts after so long."""
LAST_YEAR = 9_000
KEY = re.compile(rf"[A-Za-z0-9]{{{KEY_LENGTH}}}")


@dataclass(frozen=True)
class ApiKey:
    """A key that is in force.  ``secret``: of HMAC the secret, of Ed25519 the public key,
    of RSA it in DER."""

    number: int
    user_id: int
    participant: int
    """0: the user has none yet."""
    kind: str
    secret: bytes
    can_trade: bool
    can_withdraw: bool
    networks: tuple[IPv4Network | IPv6Network, ...]
    expires_at: datetime | None
    level: int = 0
    """Level of its owner."""
    state: State = State.ACTIVE
    """State of its owner's account, when the key was looked up."""
    is_sub: bool = False
    """Whether its owner is a sub-account."""
    why: str = ""
    """What the operator tells the owner about the freeze."""
    owner: int = 0
    """The user of the main account."""

    def may(self, action: Action) -> bool:
        """Return whether key and account let this be done; the owner's level is not asked."""
        permitted = {Action.TRADE: self.can_trade, Action.WITHDRAW: self.can_withdraw}
        return permitted.get(action, True) and action in ALLOWED[self.state]

    def may_come_from(self, address: str) -> bool:
        """Return whether the list of networks has the address; without a list any may."""
        if not self.networks:
            return True
        try:
            given = ip_address(address)
        except ValueError:
            return False
        return any(given in network for network in self.networks)


COUNT_KEYS = "select count(*) from api_keys where user_id = %(user)s and revoked_at is null"
ADD_KEY = """
    insert into api_keys (user_id, api_key, kind, secret, label, can_trade, can_withdraw, networks,
        expires_at)
    values (%(user)s, %(key)s, %(kind)s, %(secret)s, %(label)s, %(trade)s, %(withdraw)s,
        %(networks)s, %(until)s) returning id
"""


class ApiKeys:
    """Keys in the database, with a cache of those in use."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts, self.database = accounts, accounts.database
        self._cache: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._revoked: set[int] = set()
        """Numbers of keys that were revoked while this process runs."""

    async def create(
        self,
        person: Person,
        label: str,
        permissions: Sequence[str],
        networks: Sequence[str],
        expires_at: datetime | None,
        public_key: str,
        totp: str,
        password: str,
        caller: Caller,
        owner_id: int = 0,
    ) -> dict[str, Any]:
        """The key, and of HMAC its secret, which is shown here and never again; ``owner_id``: of a
        sub-account of the person's, 0: the person's own."""
        user = await self.accounts.proved(person, password, totp, caller)
        unknown = set(permissions) - set(PERMISSIONS)
        if unknown:
            raise InvalidRequest(f"permissions: there is no {min(unknown)!r}")
        if not permissions:
            raise InvalidRequest(f"permissions: name at least one of {', '.join(PERMISSIONS)}")
        if "withdraw" in permissions:
            require_own(networks_of(networks))
        allowed = [str(one) for one in networks_of(networks)]
        kind, secret = public_key_of(public_key) if public_key else (HMAC, new_secret())
        if expires_at is not None and not 2000 <= expires_at.year <= LAST_YEAR:
            raise InvalidRequest(f"expires_at: a time until the year {LAST_YEAR}")
        api_key = "".join(secrets.choice(LETTERS) for _ in range(KEY_LENGTH))
        values = {
            "user": owner_id or person.user_id,
            "key": api_key,
            "kind": kind,
            "secret": self.accounts.key.seal(secret, f"api key {api_key}"),
            "label": printable(label)[:100],
            "trade": "trade" in permissions,
            "withdraw": "withdraw" in permissions,
            "networks": allowed,
            "until": expires_at,
        }
        async with self.database.transaction() as connection:
            await self.accounts.require(connection, Action.KEY, owner_id or person.user_id)
            await self.accounts.require_unchanged(connection, user)
            if values["withdraw"]:
                await self.accounts.require_settled(connection, person.user_id)
            if (await rows_of(connection, COUNT_KEYS, values))[0]["count"] >= MAX_KEYS:
                raise InvalidRequest(f"an account has {MAX_KEYS} keys at most: revoke one")
            number = (await rows_of(connection, ADD_KEY, values))[0]["id"]
            detail = f"key {number}: {', '.join(permissions)}"
            link = None
            if values["withdraw"]:
                shown = "", detail
                link = await self.accounts.changed(
                    connection, person.user_id, Change.KEY, caller, shown, detail
                )
            else:
                await audit(connection, person.user_id, Change.KEY, caller, detail)
        if link is not None:
            self.accounts.mail_change(user, Change.KEY, link)
        made = {"id": number, "api_key": api_key, "kind": kind}
        return made | ({"secret": secret.decode()} if kind == HMAC else {})

    async def list(self, user_id: int) -> list[dict[str, Any]]:
        """Return the keys in force, without secrets."""
        query = """
            select id, api_key, kind, label, can_trade, can_withdraw, networks, expires_at,
                created_at
            from api_keys where user_id = %(user)s and revoked_at is null order by id
        """
        return await self.database.rows(query, user=user_id)

    async def created_ms(self, number: int) -> int:
        """Return when a key was made, in milliseconds since 1970."""
        row = await self.database.row(
            "select created_at from api_keys where id = %(id)s", id=number
        )
        assert row is not None
        return int(row["created_at"].timestamp() * 1000)

    async def revoke(self, person: Person, number: int, caller: Caller, owner_id: int = 0) -> None:
        """Raises :class:`NotFound` also for a key of another user."""
        async with self.revoking(owner_id or person.user_id, number) as connection:
            await audit(connection, person.user_id, "API key revoked", caller, f"key {number}")

    @asynccontextmanager
    async def revoking(self, user_id: int, number: int) -> AsyncIterator[Any]:
        """A transaction that revokes a key, with whatever else is written in it.  Raises
        :class:`NotFound` also for a key of another user."""
        query = """
            update api_keys set revoked_at = now()
            where id = %(id)s and user_id = %(user)s and revoked_at is null returning api_key
        """
        async with self.database.transaction() as connection:
            rows = await rows_of(connection, query, {"id": number, "user": user_id})
            if not rows:
                raise NotFound("there is no such key")
            yield connection
        self._revoked.add(number)
        self._cache.pop(rows[0]["api_key"], None)

    def is_in_force(self, key: ApiKey) -> bool:
        """Return whether a key that was found before is so still: what it has begun ends with
        it."""
        ended = key.expires_at is not None and key.expires_at <= self.accounts.now()
        return not ended and key.number not in self._revoked

    async def learn(self) -> None:
        """Learn what other portals, or this one before its start, have revoked since a listen key
        that still lasts can have been made.  Raises :class:`DatabaseError`."""
        query = "select id from api_keys where revoked_at > now() - interval '61 minutes'"
        self._revoked.update(row["id"] for row in await self.database.rows(query))

    async def follow(self) -> None:
        """Learn it again and again; until cancelled."""
        while True:
            try:
                await self.learn()
            except DatabaseError:
                await asyncio.sleep(CACHED_S)
            await asyncio.sleep(CACHED_S)

    def forget(self) -> None:
        """Read every key again: an owner's account has changed.  Other processes of the portal do
        so within CACHED_S."""
        self._cache.clear()

    def known(self, api_key: str) -> ApiKey | None:
        """The key, if it was found within CACHED_S."""
        until_s, found = self._cache.get(api_key, (0.0, None))
        return found if time.monotonic() <= until_s else None

    async def find(self, api_key: str) -> ApiKey | None:
        """The key, if it is in force."""
        if not KEY.fullmatch(api_key):
            return None
        now_s = time.monotonic()
        cached = self._cache.get(api_key)
        if cached is None or cached[0] < now_s:
            cached = now_s + CACHED_S, await self._load(api_key)
            self._cache[api_key] = cached
            self._cache.move_to_end(api_key)
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        found = cached[1]
        # It may have been revoked while it was read.
        return found if found is not None and self.is_in_force(found) else None

    async def _load(self, api_key: str) -> ApiKey | None:
        query = """
            select api_keys.*, users.participant, users.is_open, users.level,
                coalesce(users.frozen_at, parents.frozen_at) as frozen_at,
                case when users.frozen_at is null then parents.frozen_told
                    else users.frozen_told end as why,
                users.parent_id is not null as is_sub, coalesce(parents.id, users.id) as owner
            from api_keys join users on users.id = user_id
            left join users as parents on parents.id = users.parent_id
            where api_key = %(key)s and revoked_at is null and users.is_verified
        """
        row = await self.database.row(query, key=api_key)
        if row is None:
            return None
        status = self.accounts.status_of(row["participant"] or 0)
        return ApiKey(
            row["id"],
            row["user_id"],
            row["participant"] if row["is_open"] else 0,
            row["kind"],
            self.accounts.key.open(bytes(row["secret"]), f"api key {api_key}"),
            row["can_trade"],
            row["can_withdraw"],
            networks_of(row["networks"]),
            row["expires_at"],
            row["level"],
            state_of(row["frozen_at"] is not None, status),
            row["is_sub"],
            row["why"] or "",
            row["owner"],
        )


def new_secret() -> bytes:
    """A random secret of an API key that signs with HMAC-SHA256: letters and digits as ASCII."""
    return "".join(secrets.choice(LETTERS) for _ in range(KEY_LENGTH)).encode()


def networks_of(texts: Sequence[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Raises :class:`InvalidRequest`."""
    if len(texts) > MAX_NETWORKS:
        raise InvalidRequest(f"networks: at most {MAX_NETWORKS}")
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise InvalidRequest(f"networks: {error}") from None


def require_own(networks: Sequence[IPv4Network | IPv6Network]) -> None:
    """Raise :class:`InvalidRequest` where a key that may withdraw has no list of networks, or one
    that is so wide, in one entry or by several side by side, that it limits nothing."""
    if not networks:
        raise InvalidRequest("networks: a key that may withdraw needs a list of networks")
    four = [network for network in networks if isinstance(network, IPv4Network)]
    six = [network for network in networks if isinstance(network, IPv6Network)]
    joined: list[IPv4Network | IPv6Network] = [*collapse_addresses(four), *collapse_addresses(six)]
    for one in joined:
        is_mapped = isinstance(one, IPv6Network) and one.overlaps(IPV4_IN_IPV6)
        if one.prefixlen < (96 + WIDEST[4] if is_mapped else WIDEST[one.version]):
            raise InvalidRequest(
                f"networks: {one} is too wide for a key that may withdraw: at most /{WIDEST[4]} of "
                f"IPv4 and /{WIDEST[6]} of IPv6"
            )


def public_key_of(text: str) -> tuple[str, bytes]:
    """Return the kind of a public key and what is stored of it: the 32 bytes of Ed25519, given in
    PEM or base64, or RSA in DER, given in PEM.  Raises :class:`InvalidRequest`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    try:
        if "-----BEGIN" in text:
            key: Any = load_pem_public_key(text.encode())
        else:
            key = Ed25519PublicKey.from_public_bytes(b64decode(text, validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, Ed25519PublicKey):
        raw = key.public_bytes_raw()
        if bytes([*raw[:31], raw[31] & 0x7F]) in SMALL_ORDER:
            raise InvalidRequest("public_key: anyone could sign for this one; make another key")
        return ED25519, raw
    if not isinstance(key, RSAPublicKey):
        raise InvalidRequest("public_key: no public key of Ed25519 (PEM or base64) or RSA (PEM)")
    if key.key_size not in RSA_BITS:
        lengths = ", ".join(map(str, RSA_BITS))
        raise InvalidRequest(f"public_key: an RSA key has one of {lengths} bits")
    if key.public_numbers().e != 65_537:
        raise InvalidRequest("public_key: an RSA key has the exponent 65537")
    if math.gcd(key.public_numbers().n, SMALL_FACTORS) != 1:
        raise InvalidRequest("public_key: anyone could sign for this one; make another key")
    return RSA, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
