"""Proof of reserves: what a wallet holds at a block, signed by its keys, checked without the venue.

The document has each output with its transaction and the proof that the transaction is in its
block.  Two keys of the wallet sign all of it together with a challenge.  Joined
with the proof of liabilities it shows that the wallets hold what the venue owes.  That an output is
still unspent only a node can say.
"""

import hashlib
import json
from typing import Any

from openoutcry.custody.errors import CustodyError, NodeError
from openoutcry.custody.hsm import signature_of, tagged, verify
from openoutcry.custody.links import Links
from openoutcry.custody.settings import ChainSpec
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import network_of
from openoutcry.custody.utxo.blocks import HEADER_BYTES, double_sha256, parse_transaction
from openoutcry.custody.utxo.rpc import Rpc
from openoutcry.custody.utxo.wallet import Wallet

RESERVES = "reserves"
NEEDED = 2


class ReservesError(CustodyError):
    """A proof that does not hold."""


def prove(
    spec: ChainSpec, asset: str, store: Store, links: Links, node: Rpc, challenge: str
) -> dict[str, Any]:
    """Of the hot wallet, after the last block that the scanner has taken."""
    query = "select height, hash from blocks where chain = ? order by height desc limit 1"
    top = store.row(query, spec.name)
    if top is None:
        raise CustodyError(f"{spec.name}: no block was scanned yet")
    wallet = Wallet(spec.hot, network_of(spec.network))
    query = (
        "select o.txid, o.place, o.amount, o.height, a.branch, a.place as at, b.hash "
        "from outputs o join addresses a on a.chain = o.chain and a.address = o.address "
        "join blocks b on b.chain = o.chain and b.height = o.height "
        "where o.chain = ? and o.height is not null and o.spent_height is null "
        "order by o.txid, o.place"
    )
    outputs = []
    for row in store.rows(query, spec.name):
        lock = wallet.lock(row["branch"], row["at"])
        outputs.append(
            {
                "txid": row["txid"],
                "place": row["place"],
                "amount": row["amount"],
                "witness_script": lock.witness_script.hex(),
                "raw": node.call("getrawtransaction", row["txid"]),
                "proof": node.call("gettxoutproof", [row["txid"]], row["hash"]),
            }
        )
    document = {
        "chain": spec.name,
        "asset": asset,
        "height": top["height"],
        "block": top["hash"],
        "challenge": challenge,
        "outputs": outputs,
        "total": str(sum(int(one["amount"]) for one in outputs)),
    }
    return document | {"signatures": links.reserves(spec.name, message_of(document))}


def message_of(document: dict[str, Any]) -> str:
    """What the keys sign: a hash of everything else in the document."""
    content = {name: value for name, value in document.items() if name != "signatures"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return f"{RESERVES} {document['chain']} {hashlib.sha256(text).hexdigest()}"


def check(document: dict[str, Any], challenge: str) -> int:
    """The total, if every output is what it says and the keys of each signed; no network needed.

    Raises :class:`ReservesError`."""
    if document.get("challenge") != challenge:
        raise ReservesError("the proof has another challenge")
    try:
        signers = _signers(document)
        total, seen = 0, set()
        for one in document["outputs"]:
            key = one["txid"], one["place"]
            if key in seen:
                raise ReservesError(f"output {key} is there twice")
            seen.add(key)
            total += _check_output(one, signers)
        if str(total) != document["total"]:
            raise ReservesError(f"the outputs have {total}, not {document['total']}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ReservesError(f"the proof is not whole: {type(error).__name__} {error}") from None
    return total


def _signers(document: dict[str, Any]) -> list[bytes]:
    digest = tagged(RESERVES, message_of(document).encode())
    found = []
    for one in document["signatures"]:
        key = bytes.fromhex(one["key"])
        if not verify(key, digest, signature_of(one["signature"])):
            raise ReservesError(f"the signature of {one['key'][:16]}… is wrong")
        found.append(key)
    if len(set(found)) < NEEDED:
        raise ReservesError(f"{NEEDED} keys must sign")
    return found


def _check_output(one: dict[str, Any], signers: list[bytes]) -> int:
    """Its amount.  The script names the keys, and its hash is in the transaction's output."""
    script = bytes.fromhex(one["witness_script"])
    if script[0] != 0x50 + NEEDED or sum(b"\x21" + key in script for key in signers) < NEEDED:
        raise ReservesError(f"{one['txid']}: those who signed cannot spend this output")
    transaction, _ = parse_transaction(bytes.fromhex(one["raw"]))
    amount, lock = transaction.outputs[one["place"]]
    if transaction.txid != one["txid"] or lock != b"\x00\x20" + hashlib.sha256(script).digest():
        raise ReservesError(f"{one['txid']}: the transaction pays to another script")
    if str(amount) != one["amount"]:
        raise ReservesError(f"{one['txid']}: the output has {amount}")
    if one["txid"] not in proven(bytes.fromhex(one["proof"]))[1]:
        raise ReservesError(f"{one['txid']} is not proven to be in a block")
    return amount


def proven(proof: bytes) -> tuple[str, list[str]]:
    """The block of a node's ``gettxoutproof``, and the transactions that it proves (BIP 37).

    Raises :class:`ReservesError`."""
    header, at = proof[:HEADER_BYTES], HEADER_BYTES
    count = int.from_bytes(proof[at : at + 4], "little")
    hashes_count, at = proof[at + 4], at + 5
    if hashes_count >= 0xFD or not 0 < count < 1 << 20:
        raise ReservesError("a proof of another shape")
    hashes = [proof[at + 32 * n : at + 32 * (n + 1)] for n in range(hashes_count)]
    at += 32 * hashes_count
    flags = proof[at + 1 : at + 1 + proof[at]]
    bits = [flags[n // 8] >> n % 8 & 1 for n in range(8 * len(flags))]
    matched: list[str] = []
    height = (count - 1).bit_length()

    def node(level: int, place: int) -> bytes:
        if not bits or not hashes:
            raise ReservesError("a proof that ends early")
        bit = bits.pop(0)
        if level == 0 or not bit:
            found = hashes.pop(0)
            if level == 0 and bit:
                matched.append(found[::-1].hex())
            return found
        left = node(level - 1, 2 * place)
        width = -(-count // (1 << (level - 1)))
        if 2 * place + 1 >= width:
            return double_sha256(left + left)
        right = node(level - 1, 2 * place + 1)
        if left == right:
            raise ReservesError("a proof that repeats a branch")
        return double_sha256(left + right)

    if node(height, 0) != header[36:68] or hashes:
        raise ReservesError("a proof that does not lead to its header")
    return double_sha256(header)[::-1].hex(), matched


def spent(document: dict[str, Any], node: Rpc) -> list[str]:
    """Outputs that a node does not have as unspent."""
    found = []
    for one in document["outputs"]:
        try:
            row = node.call("gettxout", one["txid"], one["place"])
        except NodeError:
            row = None
        if row is None:
            found.append(f"{one['txid']}:{one['place']}")
    return found
