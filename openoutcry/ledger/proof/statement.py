"""What the venue publishes of its tree, signed, and how a member checks its proof against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openoutcry.ledger.proof.tree import (
    HASH_BYTES,
    MAX_DEPTH,
    Inclusion,
    Sums,
    SumTree,
    digest,
    name_bytes,
    packed,
    root_of,
)
from openoutcry.wire.errors import ProofError
from openoutcry.wire.extras import need

CHALLENGE_BYTES = 32
MAX_DECIMALS = 30


@dataclass(frozen=True)
class Statement:
    """The root of a tree and what it is of: the same for every member."""

    as_of_seq: int
    """The last sequence of the journal that the balances know."""
    assets: tuple[str, ...]
    member_count: int
    root_hash: bytes
    sums: Sums
    decimals: tuple[int, ...] = ()
    """Of each asset: 10 ** decimals units are one of it.  Empty: the statement does not say."""
    as_of_ns: int = 0
    """When this was owed, ns since the epoch.  0: the statement does not say."""

    def content(self, challenge: bytes) -> bytes:
        """Return the content to sign, with a member's challenge or with none (``b""``).

        Raises ``ProofError`` for what no tree can have, so that nothing else is ever signed."""
        if challenge and len(challenge) != CHALLENGE_BYTES:
            raise ProofError(f"a challenge has {CHALLENGE_BYTES} bytes, not {len(challenge)}")
        if not 1 <= self.member_count <= 1 << MAX_DEPTH or not 0 <= self.as_of_seq < 1 << 63:
            raise ProofError("no tree has this number of members or this sequence")
        if len(self.root_hash) != HASH_BYTES or len(self.sums) != len(self.assets):
            raise ProofError("the root's hash or its sums are not whole")
        if len(set(self.assets)) != len(self.assets) or not self.assets:
            raise ProofError("each asset is named once")
        if any(not 0 <= value < 1 << 127 for value in self.sums):
            raise ProofError("a sum is not in [0, 2^127)")
        has_decimals = bool(self.decimals)
        if has_decimals and (
            len(self.decimals) != len(self.assets)
            or any(not 0 <= decimal <= MAX_DECIMALS for decimal in self.decimals)
        ):
            raise ProofError(f"each asset has 0 to {MAX_DECIMALS} decimals")
        if self.as_of_ns and not (has_decimals and 0 < self.as_of_ns < 1 << 63):
            raise ProofError("a statement with a time has decimals too, and a time after 1970")
        names = b"".join(
            len(name).to_bytes(2, "little") + name for name in map(name_bytes, self.assets)
        )
        return digest(
            "statement" + " with decimals" * has_decimals + " and time" * bool(self.as_of_ns),
            self.as_of_seq.to_bytes(8, "little")
            + self.member_count.to_bytes(8, "little")
            + len(self.assets).to_bytes(2, "little")
            + names
            + bytes(self.decimals)
            + (self.as_of_ns.to_bytes(8, "little") if self.as_of_ns else b"")
            + self.root_hash
            + packed(self.sums)
            + challenge,
        )


def statement_of(
    tree: SumTree,
    as_of_seq: int,
    assets: tuple[str, ...],
    decimals: tuple[int, ...] = (),
    as_of_ns: int = 0,
) -> Statement:
    """Return what the venue signs about a tree."""
    root, count = tree.root, len(tree.members)
    return Statement(as_of_seq, assets, count, root.hash, root.sums, decimals, as_of_ns)


def check(statement: Statement, inclusion: Inclusion) -> None:
    """Raise ``ProofError`` unless the proof leads to the statement's root, hash and sums."""
    if len(inclusion.balances) != len(statement.assets):
        raise ProofError(
            f"the proof has {len(inclusion.balances)} assets, the statement {len(statement.assets)}"
        )
    root = root_of(inclusion, statement.member_count)
    if root.sums != statement.sums:
        raise ProofError("the proof's sums differ from the published ones")
    if root.hash != statement.root_hash:
        raise ProofError("the proof does not lead to the published root")


def check_own(
    statement: Statement, inclusion: Inclusion, member: str, balances: Mapping[str, int]
) -> None:
    """Like ``check``; also check that the proof names this member and the balances it expects.

    balances: units by asset; what is not named is not compared."""
    if inclusion.member != member:
        raise ProofError(f"the proof is for member {inclusion.member!r}, not for {member!r}")
    check(statement, inclusion)
    proven = dict(zip(statement.assets, inclusion.balances, strict=True))
    for asset, units in balances.items():
        if asset not in proven:
            raise ProofError(f"the statement does not list {asset}")
        if proven[asset] != units:
            raise ProofError(f"{asset}: {proven[asset]} are proven, {units} expected")


def signed(statement: Statement, private_key: bytes, challenge: bytes = b"") -> bytes:
    """The venue's signature (Ed25519, RFC 8032) of 64 bytes; private_key: 32 bytes."""
    key = _ed25519().Ed25519PrivateKey.from_private_bytes(private_key)
    signature: bytes = key.sign(statement.content(challenge))
    return signature


def public_key_of(private_key: bytes) -> bytes:
    """32 bytes, to be published."""
    key = _ed25519().Ed25519PrivateKey.from_private_bytes(private_key).public_key()
    raw: bytes = key.public_bytes_raw()
    return raw


def check_signature(
    statement: Statement, public_key: bytes, signature: bytes, challenge: bytes = b""
) -> None:
    """Raise ``ProofError`` unless the holder of the key signed this, with this challenge."""
    from cryptography.exceptions import InvalidSignature

    try:
        key = _ed25519().Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signature, statement.content(challenge))
    except ValueError as error:
        raise ProofError(f"not a public key: {error}") from None
    except InvalidSignature:
        content = "this challenge" if challenge else "this statement"
        raise ProofError(f"the venue's key did not sign {content}") from None


def _ed25519() -> Any:
    module = "cryptography.hazmat.primitives.asymmetric.ed25519"
    return need(module, "this needs cryptography", "ledger", ProofError)
