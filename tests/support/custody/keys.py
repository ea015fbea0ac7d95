"""Keys in memory, for tests that are not about an HSM."""

import hashlib

from coincurve import PrivateKey

from openoutcry.custody.evm.encoding import address_of_public_key
from openoutcry.custody.evm.transactions import ORDER, Signature


class LocalKey:
    """Made from a name, so that every run has the same."""

    def __init__(self, name: str) -> None:
        self._key = PrivateKey(hashlib.sha256(name.encode()).digest())
        self._address = address_of_public_key(self._key.public_key.format(compressed=False))

    @property
    def address(self) -> bytes:
        return self._address

    @property
    def public_key(self) -> bytes:
        """33 bytes."""
        return self._key.public_key.format()

    @property
    def secret(self) -> bytes:
        return self._key.secret

    def sign(self, digest: bytes) -> Signature:
        raw = self._key.sign_recoverable(digest, hasher=None)
        return Signature(
            raw[64], int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
        )


def sorted_keys(*names: str) -> list[LocalKey]:
    """Ascending by address, as owners are."""
    return sorted((LocalKey(name) for name in names), key=lambda key: key.address)


def high_s(signature: Signature) -> Signature:
    """The other writing of the same signature."""
    return Signature(1 - signature.parity, signature.r, ORDER - signature.s)
