"""Passwords of sessions: how one is made, hashed and verified."""

import secrets
import string
from base64 import b64encode
from typing import Any

from openoutcry.wire.extras import need

PASSWORD_LENGTH = 10
"""The longest that a login over SoupBinTCP holds."""


def password_hasher() -> Any:
    """An ``argon2.PasswordHasher``; raises :class:`OutcryError` where argon2-cffi is not there."""
    return need("argon2", "passwords need argon2-cffi", "venue").PasswordHasher()


def dummy_hash(hasher: Any) -> str:
    """Return a random hash in the hasher's form, to which no password is known.

    The acceptor checks a password against it where a name does not exist: the check fails and
    takes as long as any other.
    """
    salt, drawn = (
        b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (hasher.salt_len, hasher.hash_len)
    )
    work = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${work}${salt}${drawn}"


def soupbin_fault(word: str) -> str:
    """Return why no login over SoupBinTCP can carry a password; nothing: it can."""
    if len(word) > PASSWORD_LENGTH:
        return f"has {len(word)} characters: a SoupBinTCP login has at most {PASSWORD_LENGTH}"
    if not (word.isascii() and word.isprintable()) or word != word.strip(" "):
        return "must be printable ASCII without a space at either end, as SoupBinTCP logins require"
    return ""


def make_password() -> str:
    """A random one."""
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(PASSWORD_LENGTH))
