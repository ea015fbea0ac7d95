"""A passkey's authenticator in software: keys of P-256, and what a browser sends for them."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 1, 4, 64


def text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One device with one passkey."""

    def __init__(self, origin: str, domain: str) -> None:
        self.origin, self.domain = origin, domain
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential = secrets.token_bytes(16)
        self.count = 0
        self.verifies = True
        """Whether it asks for its owner's finger."""

    def _flags(self) -> int:
        return PRESENT | (VERIFIED if self.verifies else 0)

    def _client(self, kind: str, challenge: str) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(data).encode()

    def _head(self, flags: int) -> bytes:
        digest = hashlib.sha256(self.domain.encode()).digest()
        return digest + bytes([flags]) + self.count.to_bytes(4)

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to a registration's options."""
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        size = len(self.credential).to_bytes(2)
        data = self._head(self._flags() | ATTESTED) + bytes(16) + size + self.credential
        data += cbor2.dumps(public)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        response = {"attestationObject": text_of(attestation), "clientDataJSON": text_of(client)}
        return self._shown(response)

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to a login's options."""
        self.count += 1
        head = self._head(self._flags())
        client = self._client("webauthn.get", options["challenge"])
        signed = head + hashlib.sha256(client).digest()
        signature = self.key.sign(signed, ec.ECDSA(SHA256()))
        return self._shown(
            {
                "authenticatorData": text_of(head),
                "clientDataJSON": text_of(client),
                "signature": text_of(signature),
            }
        )

    def _shown(self, response: dict[str, str]) -> dict[str, Any]:
        name = text_of(self.credential)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        }
