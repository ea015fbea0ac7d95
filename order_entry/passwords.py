"""Passwords of sessions: how one is made, hashed and verified."""

import secrets
import string
from typing import Any

from openoutcry.wire.errors import OutcryError

PASSWORD_LENGTH = 10
"""The longest that a login over SoupBinTCP holds."""


def password_hasher() -> Any:
    """An ``argon2.PasswordHasher``; raises :class:`OutcryError` where argon2-cffi is not there."""
    try:
        from argon2 import PasswordHasher
    except ImportError:
        raise OutcryError("passwords need argon2-cffi: pip install 'openoutcry[venue]'") from None
    return PasswordHasher()


def make_password() -> str:
    """A random one."""
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(PASSWORD_LENGTH))
