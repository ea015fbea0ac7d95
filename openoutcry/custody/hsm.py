"""Keys in a hardware security module, through PKCS#11: they sign and are never read.

Every module has the same interface, so the path of its library is all that changes between SoftHSM
and a real one.  A process has one session and one lock: a module's login is per process, and the
Python binding crashes with a session for each thread.
"""

import hashlib
import os
import threading
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import CustodyError
from openoutcry.wire.closing import Closing
from openoutcry.wire.extras import need

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
FIELD = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F
SECP256K1 = bytes.fromhex("06052b8104000a")
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
MAX_PIN = 256


class HsmError(CustodyError):
    """The module, its token or its key is not there, or the PIN is wrong."""


def read_pin(descriptor: int) -> str:
    """Read the PIN from a file descriptor that the parent has opened: it is in neither arguments
    nor environment, and can be read once."""
    try:
        with os.fdopen(descriptor, "rb") as source:
            pin = source.read(MAX_PIN).rstrip(b"\n").decode()
    except (OSError, UnicodeDecodeError) as error:
        raise HsmError(f"the PIN on descriptor {descriptor}: {error}") from None
    if not pin:
        raise HsmError(f"descriptor {descriptor} has no PIN")
    return pin


class Hsm(Closing):
    """A token, logged in."""

    def __init__(self, module: Path, token: str, pin: str) -> None:
        self._pkcs11 = need("pkcs11", "keys in a module need python-pkcs11", "custody", HsmError)
        self.token, self._lock = token, threading.Lock()
        self._keys: dict[str, tuple[Any, bytes]] = {}
        errors = self._pkcs11.exceptions
        try:
            library = self._pkcs11.lib(str(module))
            self._session: Any = library.get_token(token_label=token).open(rw=True, user_pin=pin)
        except errors.PinIncorrect:
            raise HsmError(f"token {token!r}: the PIN is wrong") from None
        except errors.PinLocked:
            raise HsmError(f"token {token!r} is locked: too many wrong PINs") from None
        except errors.NoSuchToken:
            raise HsmError(f"{module}: there is no token {token!r}") from None
        except (errors.PKCS11Error, RuntimeError) as error:
            raise HsmError(f"{module}, token {token!r}: {_named(error)}") from None

    def close(self) -> None:
        """Log out of the token; closing twice is no error."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def make_key(self, label: str) -> bytes:
        """Generate a key in the module, not extractable; its public key.  The same label again is
        an error."""
        self._require_new(label)
        pkcs11 = self._pkcs11
        with self._lock:
            parameters = self._session.create_domain_parameters(
                pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: SECP256K1}, local=True
            )
            parameters.generate_keypair(store=True, label=label, id=label.encode())
        return self.public_key(label)

    def import_key(self, label: str, secret: bytes, public: bytes) -> bytes:
        """Put a key that a ceremony made into the module: from then on it is not extractable.
        ``public``: 65 bytes, not compressed."""
        self._require_new(label)
        attribute, kinds = self._pkcs11.Attribute, self._pkcs11.ObjectClass
        common = {
            attribute.KEY_TYPE: self._pkcs11.KeyType.EC,
            attribute.EC_PARAMS: SECP256K1,
            attribute.LABEL: label,
            attribute.ID: label.encode(),
            attribute.TOKEN: True,
        }
        private = {
            attribute.CLASS: kinds.PRIVATE_KEY,
            attribute.VALUE: secret,
            attribute.SENSITIVE: True,
            attribute.EXTRACTABLE: False,
            attribute.PRIVATE: True,
            attribute.SIGN: True,
        }
        point = {
            attribute.CLASS: kinds.PUBLIC_KEY,
            attribute.EC_POINT: b"\x04\x41" + public,
            attribute.VERIFY: True,
        }
        with self._lock:
            self._session.create_object(common | private)
            self._session.create_object(common | point)
        return self.public_key(label)

    def _require_new(self, label: str) -> None:
        try:
            self.public_key(label)
        except HsmError:
            return
        raise HsmError(f"token {self.token!r} already has a key {label!r}")

    def public_key(self, label: str) -> bytes:
        """33 bytes."""
        return self._key(label)[1]

    def attributes(self, label: str) -> dict[str, bool]:
        """Return what the module says about the export of the private key."""
        key, attribute = self._key(label)[0], self._pkcs11.Attribute
        names = ("SENSITIVE", "EXTRACTABLE", "NEVER_EXTRACTABLE", "LOCAL")
        with self._lock:
            return {name.lower(): bool(key[getattr(attribute, name)]) for name in names}

    def sign(self, label: str, digest: bytes) -> tuple[int, int]:
        """r and s of 32 bytes; s is in the lower half, as every chain wants it."""
        if len(digest) != 32:
            raise HsmError("a digest has 32 bytes")
        key = self._key(label)[0]
        try:
            with self._lock:
                raw = bytes(key.sign(digest, mechanism=self._pkcs11.Mechanism.ECDSA))
        except self._pkcs11.exceptions.PKCS11Error as error:
            raise HsmError(f"token {self.token!r}: {_named(error)}") from None
        r, s = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
        return r, min(s, ORDER - s)

    def _key(self, label: str) -> tuple[Any, bytes]:
        if label in self._keys:
            return self._keys[label]
        kinds, errors = self._pkcs11.ObjectClass, self._pkcs11.exceptions
        try:
            with self._lock:
                if self._session is None:
                    raise HsmError(f"token {self.token!r}: the session is closed")
                key = self._session.get_key(object_class=kinds.PRIVATE_KEY, label=label)
                point = self._session.get_key(object_class=kinds.PUBLIC_KEY, label=label)
                raw = bytes(point[self._pkcs11.Attribute.EC_POINT])
        except errors.NoSuchKey:
            raise HsmError(f"token {self.token!r} has no key {label!r}") from None
        except errors.PKCS11Error as error:
            raise HsmError(f"token {self.token!r}: {_named(error)}") from None
        self._keys[label] = key, compressed(raw[-65:])
        return self._keys[label]


def _named(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()


def compressed(point: bytes) -> bytes:
    """Compress a public key of 65 bytes to 33."""
    if len(point) != 65 or point[0] != 4:
        raise HsmError("the module gave no public point of secp256k1")
    return bytes([2 + point[64] % 2]) + point[1:33]


def uncompressed(public: bytes) -> bytes:
    """Expand a public key of 33 bytes to 65."""
    x = int.from_bytes(public[1:])
    square = (pow(x, 3, FIELD) + 7) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)
    if y * y % FIELD != square or len(public) != 33 or public[0] not in (2, 3):
        raise HsmError("this is not a public key of secp256k1")
    y = y if y % 2 == public[0] % 2 else FIELD - y
    return b"\x04" + public[1:] + y.to_bytes(32)


def verify(public: bytes, digest: bytes, signature: tuple[int, int]) -> bool:
    """Return whether the owner of ``public`` (33 bytes) signed a digest.  A high s is no
    signature."""
    made = _made_by(public, signature)
    return made is not None and made[0].verify(made[1], digest)


def _made_by(public: bytes, signature: tuple[int, int]) -> tuple[Any, Any] | None:
    module = need("embit.ec", "signatures need embit", "custody", HsmError)
    r, s = signature
    if not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        return None
    try:
        return module.PublicKey.parse(public), module.Signature.parse(der(r, s))
    except Exception:
        return None


def der(r: int, s: int) -> bytes:
    """A signature as scripts have it."""
    body = b"".join(
        b"\x02" + bytes([len(part)]) + part
        for part in (number.to_bytes(number.bit_length() // 8 + 1) for number in (r, s))
    )
    return b"\x30" + bytes([len(body)]) + body


def signature_text(signature: tuple[int, int]) -> str:
    """A signature (r, s) as 128 hexadecimal digits; :func:`signature_of` reads it."""
    return (signature[0].to_bytes(32) + signature[1].to_bytes(32)).hex()


def signature_of(text: str) -> tuple[int, int]:
    """Raises ``ValueError``."""
    raw = bytes.fromhex(text)
    if len(raw) != 64:
        raise ValueError("a signature has 64 bytes")
    return int.from_bytes(raw[:32]), int.from_bytes(raw[32:])


def tagged(kind: str, text: bytes) -> bytes:
    """A digest that nothing of another kind has, and no transaction."""
    tag = hashlib.sha256(f"Open Outcry custody 1 {kind}".encode()).digest()
    return hashlib.sha256(tag + tag + text).digest()
