"""The portal's own secret: one file, from which every key that the portal needs is derived."""

import hmac
import secrets
from pathlib import Path

from openoutcry.wire.atomic_file import create_atomically
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import need
from openoutcry.wire.private_file import require_private

KEY_BYTES, NONCE_BYTES = 32, 12


class SecretKey:
    """Derives keys, and seals what must be read back: secrets of API keys and of one-time codes."""

    def __init__(self, path: Path) -> None:
        """Reads the file, or makes it.  Raises :class:`OutcryError` if others may read it."""
        self.path = path
        if not path.exists():
            create_atomically(path, secrets.token_bytes(KEY_BYTES))
        require_private(path)
        self._master = path.read_bytes()
        if len(self._master) != KEY_BYTES:
            raise OutcryError(f"{path} holds {len(self._master)} bytes, not {KEY_BYTES}")
        ciphers = need("cryptography.hazmat.primitives.ciphers.aead", "the portal", "portal")
        self._cipher = ciphers.AESGCM(self.derived("sealed secrets"))

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose (HKDF with SHA-256)."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), KEY_BYTES, None, purpose.encode()).derive(self._master)

    def reference(self, *parts: object) -> str:
        """24 characters that only this portal makes of these parts, also after a restart with a
        database from a backup."""
        text = " ".join(map(str, parts)).encode()
        return hmac.digest(self.derived("references"), text, "sha256").hex()[:24]

    def seal(self, secret: bytes, owner: str) -> bytes:
        """Encrypt a secret; it opens for the same owner only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Raises :class:`OutcryError` if the portal's key file is another one."""
        from cryptography.exceptions import InvalidTag

        try:
            nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            return self._cipher.decrypt(nonce, text, owner.encode())
        except InvalidTag:
            raise OutcryError(f"{self.path} is not the key that sealed this secret") from None
