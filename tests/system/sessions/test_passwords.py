"""Passwords' hashes, and the one that is nobody's."""

import pytest

from openoutcry.order_entry.passwords import dummy_hash, password_hasher

argon2 = pytest.importorskip("argon2", reason="passwords need argon2-cffi (openoutcry[venue])")


def test_the_dummy_hash_takes_as_long_as_any_other_and_matches_no_password() -> None:
    hasher = password_hasher()
    hashed = dummy_hash(hasher)
    assert argon2.extract_parameters(hashed) == argon2.extract_parameters(hasher.hash("word"))
    for password in ("", "word", hashed):
        with pytest.raises(argon2.exceptions.VerifyMismatchError):
            hasher.verify(hashed, password)
    assert dummy_hash(hasher) != hashed
