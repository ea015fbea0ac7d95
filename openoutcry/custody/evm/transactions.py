"""Transactions of the account that pays for gas (EIP-1559), and signatures on secp256k1."""

from dataclasses import dataclass
from typing import Protocol

from openoutcry.custody.errors import CustodyError
from openoutcry.custody.evm.encoding import address_of_public_key, keccak, rlp
from openoutcry.custody.hsm import Hsm, uncompressed

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The order of the group of secp256k1."""
HALF_ORDER = ORDER // 2
DYNAMIC_FEE = b"\x02"
"""The type of such a transaction, before its RLP."""


class SignatureError(CustodyError):
    """A signature that is not by the key that it should be by."""


@dataclass(frozen=True)
class Signature:
    """``parity``: of the y of the signature's point, with which the signer can be recovered."""

    parity: int
    r: int
    s: int

    @property
    def v(self) -> int:
        """Return v in the form for contracts."""
        return 27 + self.parity

    def bytes65(self) -> bytes:
        """r, s and v, as contracts read a signature."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big") + bytes([self.v])

    @classmethod
    def from_bytes65(cls, data: bytes) -> "Signature":
        """Raises :class:`SignatureError` unless it is one that the wallet's contract takes."""
        if len(data) != 65 or data[64] not in (27, 28):
            raise SignatureError("a signature has 65 bytes and ends with 27 or 28")
        found = cls(
            data[64] - 27, int.from_bytes(data[:32], "big"), int.from_bytes(data[32:64], "big")
        )
        if not (0 < found.r < ORDER and 0 < found.s <= HALF_ORDER):
            raise SignatureError("r or s of the signature is out of its range")
        return found


def recover(digest: bytes, signature: Signature) -> bytes:
    """The address of the key that signed.  Raises :class:`SignatureError` if there is no such
    key."""
    written = (
        signature.r.to_bytes(32, "big")
        + signature.s.to_bytes(32, "big")
        + bytes([signature.parity])
    )
    try:
        from coincurve import PublicKey

        key = PublicKey.from_signature_and_message(written, digest, hasher=None)
    except Exception as error:  # coincurve raises Exception itself
        raise SignatureError(f"no key can be recovered: {error}") from None
    return address_of_public_key(key.format(compressed=False))


def normalised(digest: bytes, r: int, s: int, address: bytes) -> Signature:
    """Return an HSM's signature with the smaller s, and the parity by which ``address`` is
    recovered.

    Raises :class:`SignatureError` when the signature is not by that key."""
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise SignatureError("r or s of the signature is out of its range")
    low = min(s, ORDER - s)
    for parity in (0, 1):
        signature = Signature(parity, r, low)
        try:
            if recover(digest, signature) == address:
                return signature
        except SignatureError:
            continue
    raise SignatureError("the HSM signed with another key than expected")


class DigestSigner(Protocol):
    """A key that signs 32 bytes, wherever it is."""

    @property
    def address(self) -> bytes:
        """The 20 bytes of the key's account."""

    def sign(self, digest: bytes) -> Signature:
        """A signature with the low s.  Raises an error of the key's holder."""


class HsmSigner:
    """A key of an HSM."""

    def __init__(self, hsm: Hsm, label: str) -> None:
        self.hsm, self.label = hsm, label
        self._address = address_of_public_key(uncompressed(hsm.public_key(label)))

    @property
    def address(self) -> bytes:
        return self._address

    def sign(self, digest: bytes) -> Signature:
        """Raises ``HsmError``."""
        return normalised(digest, *self.hsm.sign(self.label, digest), self._address)


@dataclass(frozen=True)
class Transaction:
    """One that has not been signed.  Fees are wei a unit of gas."""

    chain_id: int
    nonce: int
    max_tip: int
    max_fee: int
    gas: int
    to: bytes
    """Empty: makes a contract of ``data``."""
    value: int
    data: bytes

    def digest(self) -> bytes:
        """Return the digest that its sender signs: 32 bytes."""
        return keccak(DYNAMIC_FEE + rlp(self._fields()))

    def signed(self, key: DigestSigner) -> "SignedTransaction":
        """The transaction with its sender's signature.  Raises :class:`SignatureError` if it is by
        another key."""
        signature = key.sign(self.digest())
        if recover(self.digest(), signature) != key.address:
            raise SignatureError("the transaction's signature is not by its sender")
        fields = [*self._fields(), signature.parity, signature.r, signature.s]
        raw = DYNAMIC_FEE + rlp(fields)
        return SignedTransaction(self, raw, keccak(raw))

    def _fields(self) -> list[bytes | int | list[bytes]]:
        return [
            self.chain_id,
            self.nonce,
            self.max_tip,
            self.max_fee,
            self.gas,
            self.to,
            self.value,
            self.data,
            [],
        ]


@dataclass(frozen=True)
class SignedTransaction:
    """``raw``: the bytes that are sent, however often; ``hash``: its name on the chain."""

    transaction: Transaction
    raw: bytes
    hash: bytes


# Fees


class FeeError(CustodyError):
    """A fee above its cap; says what is missing."""


@dataclass(frozen=True)
class FeePolicy:
    """Highest payments for a unit of gas, in wei."""

    max_fee_cap: int
    """Above it a transaction waits."""
    tip: int = 1_000_000_000
    tip_cap: int = 20_000_000_000
    headroom_percent: int = 200
    """Headroom on the base fee: after six full blocks in a row the transaction would be too cheap.
    """
    bump_percent: int = 10
    """By how much both fees must rise at least in a replacement (geth's price bump)."""

    def first(self, base_fee: int, suggested_tip: int | None = None) -> tuple[int, int]:
        """Tip and fee of a new transaction.  Raises :class:`FeeError` when even the base fee is
        above the cap."""
        tip = min(self.tip if suggested_tip is None else suggested_tip, self.tip_cap)
        if base_fee + tip > self.max_fee_cap:
            raise FeeError(
                f"the base fee and tip are {base_fee + tip} wei, and the cap is {self.max_fee_cap}"
            )
        return tip, min(base_fee * self.headroom_percent // 100 + tip, self.max_fee_cap)

    def raised(
        self, old: tuple[int, int], base_fee: int, suggested_tip: int | None = None
    ) -> tuple[int, int]:
        """Tip and fee of a replacement: what the market asks, and at least ``bump_percent`` more
        than the old of both.  Raises :class:`FeeError` when the caps do not permit that."""
        least_tip, least_fee = (self._bumped(one) for one in old)
        tip, fee = self.first(base_fee, suggested_tip)
        tip, fee = max(tip, least_tip), max(fee, least_fee)
        fee = max(fee, tip)
        if tip > self.tip_cap or fee > self.max_fee_cap:
            raise FeeError(
                f"a replacement must pay {fee} wei and a tip of {tip}; "
                f"the caps are {self.max_fee_cap} and {self.tip_cap}"
            )
        return tip, fee

    def _bumped(self, old: int) -> int:
        return (old * (100 + self.bump_percent) + 99) // 100

    def replaces(self, old: tuple[int, int], new: tuple[int, int]) -> bool:
        """Return whether geth would take the new one in the old one's place."""
        return all(after >= self._bumped(before) for before, after in zip(old, new, strict=True))
