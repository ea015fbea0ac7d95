"""A Merkle sum tree over members' balances, and the inclusion proofs of its leaves.

::

    leaf    H(leaf,  salt[32] | length of member u16 | member, UTF-8 | balances)
    padding H(empty, nothing), sums 0
    node    H(node,  left hash[32] | left sums | right hash[32] | right sums)

H is BLAKE3 in a separate mode for each kind (derive_key), so that no leaf is ever a node.
Balances and sums are one unsigned number of 16 bytes, little-endian, for each asset.  A balance is
at least 0 and below 2^63, a sum below 2^127: what 2^40 members have cannot overflow.  Leaves are
padded to a power of two.

A node commits to both sums: with only the total committed (Maxwell's original) a dishonest prover
may claim to each half that the other has less than it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blake3 import blake3

from openoutcry.wire.errors import ProofError

BALANCE_END = 1 << 63
SUM_END = 1 << 127
SUM_BYTES = 16
MAX_DEPTH = 40
NAME_BYTES = 64
"""Maximum length of the name of a member or an asset, in UTF-8."""
SALT_BYTES = HASH_BYTES = 32
CONTEXT = "Open Outcry 2026 proof of liabilities 1 "

Sums = tuple[int, ...]
"""A whole number of units for each asset, in the order of the statement."""


@dataclass(frozen=True)
class Node:
    """Commitment of a parent to a child."""

    hash: bytes
    sums: Sums


@dataclass(frozen=True)
class Inclusion:
    """The way from a member's leaf to the root: the siblings, from the leaf upwards."""

    member: str
    salt: bytes
    balances: Sums
    leaf_index: int
    siblings: tuple[Node, ...]


def digest(kind: str, content: bytes) -> bytes:
    """32 bytes of BLAKE3 that no other kind of content can have."""
    return blake3(content, derive_key_context=CONTEXT + kind).digest()


def packed(sums: Sequence[int]) -> bytes:
    """Return sums as a hash takes them: 16 bytes each, little-endian."""
    return b"".join(value.to_bytes(SUM_BYTES, "little") for value in sums)


def name_bytes(name: str) -> bytes:
    """A member's or an asset's name.  Raises ``ProofError`` where it is too long, or no text."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        encoded = b""
    if not 0 < len(encoded) <= NAME_BYTES:
        raise ProofError(f"{name!r}: a name has 1 to {NAME_BYTES} bytes of UTF-8")
    return encoded


def leaf(member: str, salt: bytes, balances: Sums) -> Node:
    """Raises ``ProofError`` for a balance, a salt or a name that no leaf may have."""
    name = name_bytes(member)
    if len(salt) != SALT_BYTES:
        raise ProofError(f"member {member}: a salt has {SALT_BYTES} bytes, not {len(salt)}")
    for at, balance in enumerate(balances):
        if not 0 <= balance < BALANCE_END:
            what = "negative" if balance < 0 else "2^63 or more"
            raise ProofError(f"member {member}, asset {at}: a balance of {balance} is {what}")
    content = salt + len(name).to_bytes(2, "little") + name + packed(balances)
    return Node(digest("leaf", content), balances)


def parent(left: Node, right: Node) -> Node:
    """Raises ``ProofError`` for a sum that is negative or overflows: the node would hide it."""
    for side in (left, right):
        if len(side.hash) != HASH_BYTES:
            raise ProofError(f"a hash has {HASH_BYTES} bytes, not {len(side.hash)}")
        for value in side.sums:
            if not 0 <= value < SUM_END:
                raise ProofError(f"a sum of {value} is not in [0, 2^127)")
    if len(left.sums) != len(right.sums):
        raise ProofError(
            f"one node has sums of {len(left.sums)} assets, the other of {len(right.sums)}"
        )
    sums = tuple(one + other for one, other in zip(left.sums, right.sums, strict=True))
    if any(value >= SUM_END for value in sums):
        raise ProofError("a sum is 2^127 or more")
    content = left.hash + packed(left.sums) + right.hash + packed(right.sums)
    return Node(digest("node", content), sums)


def depth_of(leaf_count: int) -> int:
    """Levels above the leaves."""
    return (leaf_count - 1).bit_length()


class SumTree:
    """The tree of all members; ``levels[0]`` are the leaves, the last is the root alone."""

    def __init__(self, key: bytes, as_of_seq: int, balances: Mapping[str, Sums]) -> None:
        """key: 32 secret bytes.  Salts and the order of the leaves follow from key, sequence and
        name: equal input gives an equal tree, and a balance cannot be guessed without the key.

        Raises ``ProofError`` without a member, and as ``leaf`` and ``parent``.
        """
        if not balances:
            raise ProofError("there are no members")
        if len(balances) > 1 << MAX_DEPTH:
            raise ProofError(f"more than 2^{MAX_DEPTH} members")
        self.balances = dict(balances)
        self.salts = {member: salt_of(key, as_of_seq, member) for member in balances}
        self.members = sorted(balances, key=lambda member: digest("order", self.salts[member]))
        self.leaf_index = {member: index for index, member in enumerate(self.members)}
        leaves = [leaf(member, self.salts[member], balances[member]) for member in self.members]
        empty = Node(digest("empty", b""), (0,) * len(leaves[0].sums))
        leaves += [empty] * ((1 << depth_of(len(leaves))) - len(leaves))
        self.levels = [leaves]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([parent(below[at], below[at + 1]) for at in range(0, len(below), 2)])

    @property
    def root(self) -> Node:
        """The root: hash and sums of all members."""
        return self.levels[-1][0]

    def inclusion(self, member: str) -> Inclusion:
        """The proof for one member.  Raises ``ProofError`` where it has no leaf."""
        if member not in self.leaf_index:
            raise ProofError(f"there is no member {member!r}")
        index = self.leaf_index[member]
        siblings = tuple(
            level[(index >> height) ^ 1] for height, level in enumerate(self.levels[:-1])
        )
        return Inclusion(member, self.salts[member], self.balances[member], index, siblings)


def salt_of(key: bytes, as_of_seq: int, member: str) -> bytes:
    """32 bytes that only the holder of the key can make."""
    if len(key) != SALT_BYTES:
        raise ProofError(f"a key has {SALT_BYTES} bytes, not {len(key)}")
    return blake3(as_of_seq.to_bytes(8, "little") + name_bytes(member), key=key).digest()


def root_of(inclusion: Inclusion, leaf_count: int) -> Node:
    """The root that a proof leads to: to be compared with the one that was published.

    Raises ``ProofError`` where the proof does not lead through a tree of ``leaf_count`` leaves.
    """
    depth = depth_of(leaf_count)
    if not 0 <= inclusion.leaf_index < leaf_count:
        raise ProofError(f"leaf {inclusion.leaf_index} is not in a tree of {leaf_count} leaves")
    if len(inclusion.siblings) != depth:
        raise ProofError(f"{len(inclusion.siblings)} siblings where the tree has {depth} levels")
    node = leaf(inclusion.member, inclusion.salt, inclusion.balances)
    for height, sibling in enumerate(inclusion.siblings):
        on_the_right = inclusion.leaf_index >> height & 1
        node = parent(sibling, node) if on_the_right else parent(node, sibling)
    return node
