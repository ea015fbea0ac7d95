"""Say that blocks of a proof of reserves are the chain's, by what the proof itself cannot make.

There are three anchors: a node of the person who verifies, a block hash that this person names,
and work.  Work is that of a chain of headers from a checkpoint of this release.
"""

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from openoutcry.custody.errors import CustodyError, NodeError
from openoutcry.custody.utxo.address import network_of
from openoutcry.custody.utxo.blocks import HEADER_BYTES, double_sha256
from openoutcry.custody.utxo.rpc import Rpc

SHARE = 2
"""The headers must have one part in ``SHARE`` of the work that the checkpoint's rate makes."""
LONGEST = 4
"""A period's target changes by this factor at most."""
AT_ONCE = 500
EASY_BITS = 0x207FFFFF
"""What each header of a regtest network has."""


class NotAnchored(CustodyError):
    """Nothing outside of the proof says that its blocks are blocks of the chain."""


@dataclass(frozen=True)
class Checkpoint:
    """A block that this release names, and the rules for the work of the blocks after it."""

    height: int
    hash: str
    time_s: int
    """Its time, or earlier."""
    work: int
    """Expected hashes of a block at that time, or fewer."""
    spacing_s: int
    limit: int
    """The easiest target."""
    scrypt: bool = False
    first_of: int = 0
    """Blocks before a period at which its measured time begins."""
    interval: int = 2_016
    buried: int = 6
    """Blocks that are on top of one that is believed."""


CHECKPOINTS = {
    # Bitcoin Core 27: assumed valid, and the time in its transaction statistics.
    "btc": Checkpoint(
        824_000,
        "000000000000000000026811d149d4d261995ec5b3f64f439a0a10e1a464af9a",
        1_704_194_835,
        3 * 10**23,
        600,
        0xFFFF << 208,
    ),
    # Litecoin Core 0.21.4: assumed valid; the time is some days before the block.
    "ltc": Checkpoint(
        2_772_730,
        "80cdb35c080484df5bf384b311fde3c4694d3405765bc0f596e9eb369ff286e5",
        1_728_000_000,
        10**17,
        150,
        0x0FFFFF << 216,
        scrypt=True,
        first_of=1,
        buried=24,
    ),
}


def require_node(network: str, height: int, block: str, blocks: Collection[str], node: Rpc) -> None:
    """Ask the verifier's own node.  Raises :class:`NotAnchored`."""
    try:
        genesis = str(node.call("getblockhash", 0))
        if genesis != network_of(network).genesis:
            raise NotAnchored(f"{node.where} follows another network than {network}")
        if str(node.call("getblockhash", height)) != block:
            raise NotAnchored(f"{node.where} has another block {height} than {block}")
        for one in sorted(blocks):
            if int(node.call("getblockheader", one)["confirmations"]) < 1:
                raise NotAnchored(f"{node.where} has block {one} on no best chain")
    except NodeError as error:
        raise NotAnchored(f"a block of the proof is not in the chain: {error}") from None


def require_own_work(network: str, headers: Collection[bytes]) -> None:
    """Require that headers have work as their network wants it, which a block of another coin does
    not have: who names a block may have meant another network's.  Raises :class:`NotAnchored`."""
    rules = CHECKPOINTS[network.partition("-")[0]]
    for header in headers:
        target, proof = target_of(_bits(header)), _proof_of(header, rules)
        is_easy = network.endswith("-regtest")
        is_own = _bits(header) == EASY_BITS if is_easy else target <= rules.limit
        if not is_own or int.from_bytes(proof, "little") > target:
            raise NotAnchored(f"block {hash_of(header)} has no proof of work of {network}")


def require_named(
    blocks: Collection[str], named: Collection[str], headers: Sequence[bytes]
) -> None:
    """Believe the blocks that the verifier names and, with the headers that lead to one, all before
    it.  Raises :class:`NotAnchored`."""
    known = {one.lower() for one in named}
    if headers:
        hashes = [hash_of(header) for header in headers]
        if hashes[-1] not in known:
            raise NotAnchored(f"the headers end with block {hashes[-1]}, which you did not name")
        known.update(hashes)
    missing = sorted(set(blocks) - known)
    if missing:
        raise NotAnchored(
            f"block {missing[0]} is not a block that you named, nor in headers that lead to one"
        )


def require_work(
    network: str,
    blocks: Collection[str],
    headers: Sequence[bytes],
    now_s: float | None = None,
    checkpoints: dict[str, Checkpoint] = CHECKPOINTS,
) -> None:
    """Believe headers that contain the release's checkpoint and enough work after it.

    Each target follows from the times before it, as the network's nodes want it; a block that is
    believed has ``buried`` others on top.  Raises :class:`NotAnchored`."""
    rules = checkpoints.get(network)
    if rules is None:
        raise NotAnchored(f"this release has no checkpoint of {network}: give --node or --block")
    hashes = [hash_of(header) for header in headers]
    if rules.hash not in hashes:
        raise NotAnchored(f"the headers do not contain block {rules.height}, {rules.hash}")
    at = hashes.index(rules.hash)
    work = sum(
        _work_of(headers, place, rules, rules.height + place - at)
        for place in range(at + 1, len(headers))
    )
    since_s = (time.time() if now_s is None else now_s) - rules.time_s
    wanted = int(rules.work * since_s) // rules.spacing_s // SHARE
    if work < wanted:
        raise NotAnchored(f"the headers have {work:.3g} of the {wanted:.3g} hashes of work wanted")
    missing = sorted(set(blocks) - set(hashes[: max(0, len(hashes) - rules.buried)]))
    if missing:
        raise NotAnchored(f"the headers do not have block {missing[0]} with {rules.buried} on top")


def _work_of(headers: Sequence[bytes], place: int, rules: Checkpoint, height: int) -> int:
    header, bits = headers[place], _bits(headers[place])
    target = target_of(bits)
    if not 0 < target <= rules.limit:
        raise NotAnchored(f"header {height} has no target of this network")
    if int.from_bytes(_proof_of(header, rules), "little") > target:
        raise NotAnchored(f"header {height} has no proof of work")
    before = _bits(headers[place - 1])
    first = place - rules.interval - rules.first_of
    if height % rules.interval:
        is_right = bits == before
    elif first >= 0:
        span = _time(headers[place - 1]) - _time(headers[first])
        is_right = bits == next_bits(before, span, rules)
    else:
        is_right = target <= LONGEST * target_of(before)
    if not is_right:
        raise NotAnchored(f"header {height} has another target than the blocks before it make")
    return (1 << 256) // (target + 1)


def _proof_of(header: bytes, rules: Checkpoint) -> bytes:
    if rules.scrypt:
        return hashlib.scrypt(header, salt=header, n=1_024, r=1, p=1, dklen=32)
    return double_sha256(header)


def next_bits(before: int, span_s: int, rules: Checkpoint) -> int:
    """Target of the next period, as a header has it; ``span_s``: the last period's length."""
    wanted = rules.interval * rules.spacing_s
    span = min(max(span_s, wanted // LONGEST), wanted * LONGEST)
    return bits_of(min(target_of(before) * span // wanted, rules.limit))


def target_of(bits: int) -> int:
    """The highest hash that ``bits`` of a header allow; 0: none."""
    size, digits = bits >> 24, bits & 0xFFFFFF
    if digits & 0x800000:
        return 0
    return digits << 8 * (size - 3) if size > 3 else digits >> 8 * (3 - size)


def bits_of(target: int) -> int:
    """Return how a header writes a target."""
    size = (target.bit_length() + 7) // 8
    digits = target >> 8 * (size - 3) if size > 3 else target << 8 * (3 - size)
    if digits & 0x800000:
        digits, size = digits >> 8, size + 1
    return size << 24 | digits


def hash_of(header: bytes) -> str:
    """A block's name."""
    return double_sha256(header)[::-1].hex()


def headers_of(data: bytes) -> list[bytes]:
    """Headers of 80 bytes, each the next one's parent.  Raises :class:`NotAnchored`."""
    if not data or len(data) % HEADER_BYTES:
        raise NotAnchored(f"headers have {HEADER_BYTES} bytes each, and these are {len(data)}")
    found = [data[at : at + HEADER_BYTES] for at in range(0, len(data), HEADER_BYTES)]
    for place in range(1, len(found)):
        if found[place][4:36] != double_sha256(found[place - 1]):
            raise NotAnchored(f"header {place} of the file does not follow from the one before")
    return found


def fetch_headers(node: Rpc, first: int) -> bytes:
    """Read the headers from height ``first`` to a node's last block."""
    heights, found = range(first, int(node.call("getblockcount")) + 1), []
    for start in range(0, len(heights), AT_ONCE):
        some = heights[start : start + AT_ONCE]
        hashes = node.batch([("getblockhash", (one,)) for one in some])
        found += node.batch([("getblockheader", (hash_, False)) for hash_ in hashes])
    return bytes.fromhex("".join(found))


def _bits(header: bytes) -> int:
    return int.from_bytes(header[72:76], "little")


def _time(header: bytes) -> int:
    return int.from_bytes(header[68:72], "little")
