"""How a chain pays: what the payer needs of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from openoutcry.custody.store import Store

UNDER_WAY = ("drafted", "signed", "broadcast", "replaced", "confirmed")
"""States of a draft that may still be confirmed, or is and is not final."""
NEVER = "never"
"""Code of a refusal to bump: what excludes it is final."""
Top = tuple[int, str]
"""Height and hash of a block."""


@dataclass(frozen=True)
class Payment:
    """One withdrawal, as it goes out."""

    reference: str
    asset: str
    address: str
    amount: int
    """In the chain's smallest unit."""


@dataclass(frozen=True)
class Draft:
    """A transaction before it is signed.  The payer keeps it before any signer sees it."""

    chain: str
    identity: str
    """Identity that no other transaction has: the id without signatures."""
    body: dict[str, Any]
    """Body for the signers, and :meth:`Rail.combine`; plain JSON."""
    fee: int
    conflicts: tuple[str, ...]
    """Two transactions that share one of these exclude each other: outputs, or a nonce."""
    payments: tuple[Payment, ...] = ()
    replaces: str = ""
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Signed:
    """A transaction or a call with all its signatures."""

    txid: str
    raw: str
    """Hexadecimal, ready to send."""


@dataclass(frozen=True)
class Found:
    """Where a transaction is.  ``height`` 0: it waits for a block."""

    txid: str
    height: int


def taken(store: Store, chain: str) -> frozenset[str]:
    """Return the conflict keys of a chain's drafts that are not final."""
    marks = ", ".join("?" * len(UNDER_WAY))
    query = f"select conflicts from drafts where chain = ? and state in ({marks})"
    rows = store.rows(query, chain, *UNDER_WAY)
    return frozenset(key for row in rows for key in json.loads(row["conflicts"]))


class Rail(Protocol):
    """Pays from the hot wallet of one chain."""

    chain: str
    signatures_needed: int
    most_payments: int
    """Of one transaction."""
    signs_transactions: bool
    """Whether signers sign the chain's transaction; else a call, which any transaction
    may bring."""

    def close(self) -> None:
        """Close its connections."""

    def check_address(self, address: str, asset: str, amount: int) -> str:
        """The address in its normal form.  Raises ``Refused``: wrong_network, bad_checksum,
        bad_address, own_address, below_dust …"""

    def look_after(self, sends: bool) -> list[str]:
        """Do the rail's own work, with each turn of the payer; ``sends``: nothing is sent while
        withdrawals are stopped. Returns alarms."""

    def build(self, payments: Sequence[Payment], taken: frozenset[str]) -> Draft:
        """``taken``: conflict keys of drafts that are under way, which this one must not use.
        Raises ``Refused``: insufficient_hot, fee_too_high."""

    def bump(self, draft: Draft) -> Draft:
        """The same payments for a higher fee, in conflict with ``draft``.  Raises ``Refused``."""

    def again(self, draft: Draft, earlier: Sequence[Sequence[str]]) -> Draft:
        """The same payments by what can be spent now, in conflict with a draft that the node
        rejects and with each that it replaces; ``earlier``: their conflict keys.  Raises
        ``Refused``: not_needed, nothing_spendable."""

    def without(self, draft: Draft, payments: Sequence[Payment]) -> Draft:
        """Some of the payments of a draft that was never sent, in conflict with it: a signer may
        have signed it."""

    def consolidate(self, taken: frozenset[str]) -> Draft | None:
        """Many small outputs into one, while fees are low; None: there is no need."""

    def in_wallet(self) -> int:
        """Return how much of the chain's coin, confirmed, may leave the hot wallet itself."""

    def build_to_cold(self, amount: int, taken: frozenset[str]) -> Draft:
        """``amount`` of the chain's coin to the cold wallet.  Raises ``Refused``: no_cold."""

    def child(self, draft: Draft, signed: Signed) -> Draft | None:
        """Return a transaction that pays for one that waits, where its node does not accept a
        replacement; None: every node does."""

    def combine(self, draft: Draft, answers: Sequence[dict[str, Any]]) -> Signed:
        """Combine the signers' answers into a signed transaction."""

    def find(self, signed: Signed) -> Found | None:
        """Return whether the chain or its pool has it."""

    def transaction(self, signed: Signed) -> str:
        """The id by which explorers of the chain know it; nothing: it was not sent yet."""

    def refused_payments(self, draft: Draft, signed: Signed) -> frozenset[str] | None:
        """References of payments that their receivers refused: the amounts are in the wallet still.
        None: it is in no block."""

    def send(self, signed: Signed) -> None:
        """Raises ``NodeError``.  Sending what the chain already has is no error."""

    def holdings(self, top: Top | None = None) -> dict[str, int] | None:
        """Return confirmed holdings by asset, without custody's own records: what the node finds at
        block ``top``, or at its tip. None: the node has another tip than ``top``."""
