"""What a signer needs of a chain: to read an unsigned transaction by its own means."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

WHOLE = ""
"""In the place of a payment's reference: the whole transaction."""


@dataclass(frozen=True)
class Outgoing:
    """A payment of a transaction to an address outside the signer's own wallets."""

    asset: str
    address: str
    amount: int


@dataclass(frozen=True)
class Reading:
    """Content that a signer has found in an unsigned transaction."""

    identity: str
    conflicts: tuple[str, ...]
    """Two transactions that share one of these exclude each other."""
    pays: tuple[Outgoing, ...]
    """Without change and without what goes to the cold wallet."""
    to_cold: int
    fee: int
    fee_asset: str
    digests: tuple[bytes, ...]
    """Digests that the signer's key signs, 32 bytes each."""

    @property
    def digests_text(self) -> str:
        """One name of all digests: with them it covers the amount of every input."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()


class Reader(Protocol):
    """One chain's transactions, as a signer reads them."""

    chain: str
    label: str
    """Label of the key in the signer's token."""

    def read(self, body: dict[str, Any]) -> Reading:
        """Raises ``Refused`` for anything that it does not understand whole."""

    def answer(
        self, body: dict[str, Any], public_key: bytes, signatures: list[tuple[int, int]]
    ) -> dict[str, Any]:
        """Return an answer for the rail's ``combine``; ``signatures``: (r, s), low s, of each
        digest."""


@dataclass(frozen=True)
class WalletSpec:
    """A wallet that this signer has a key of, on one chain."""

    chain: str
    kind: str
    asset: str
    network: str = ""
    hot: str = ""
    cold: str = ""
    label: str = "utxo"
    chain_id: int = 0
    vault: str = ""
    factory: str = ""
    tokens: tuple[tuple[str, str], ...] = ()
