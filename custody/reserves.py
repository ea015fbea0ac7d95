"""Proof of reserves: what a wallet holds at a block, signed by its keys, checked without the venue.

The document has each output with its transaction and the proof that the transaction is in its
block.  Two keys of the hot wallet sign all of it together with a challenge; of the cold wallet,
offline, the key of each address.  Joined with the proof of liabilities the documents of all wallets
show that they hold what the venue owes.  That an output is still unspent only a node can say.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from openoutcry.custody.ceremony import Keys
from openoutcry.custody.cold import outputs_of
from openoutcry.custody.errors import CustodyError, NodeError, Refused
from openoutcry.custody.hsm import signature_of, signature_text, tagged, verify
from openoutcry.custody.links import Links
from openoutcry.custody.settings import ChainSpec
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import hash160, network_of
from openoutcry.custody.utxo.blocks import HEADER_BYTES, double_sha256, parse_transaction
from openoutcry.custody.utxo.rpc import Rpc
from openoutcry.custody.utxo.wallet import Wallet

RESERVES, COLD = "reserves", "cold-reserves"
NEEDED = 2


class ReservesError(CustodyError):
    """A proof that does not hold."""


def prove(
    spec: ChainSpec, asset: str, store: Store, links: Links, node: Rpc, challenge: str
) -> dict[str, Any]:
    """Prove the reserves of the hot wallet, after the last block that the scanner has taken."""
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
        script = {"witness_script": lock.witness_script.hex()}
        outputs.append(
            _output(node, row["txid"], row["place"], row["amount"], row["hash"]) | script
        )
    document = _document(spec.name, asset, (top["height"], top["hash"]), challenge, outputs)
    return document | {"signatures": links.reserves(spec.name, message_of(document))}


def prove_cold(
    public: dict[str, Any], chain: str, asset: str, node: Rpc, last: int, challenge: str
) -> dict[str, Any]:
    """Return the proof of the cold wallet of a ceremony's public document, found by a node's own
    search; it is signed offline."""
    wallet, outputs = Wallet(public["cold"], network_of(public["network"])), []
    tip = str(node.call("getbestblockhash"))
    height = int(node.call("getblockheader", tip)["height"])
    for one in outputs_of(public, node, ["cold"], last):
        ((key, _, _),) = wallet.lock(one.branch, one.index).origins
        where = {"public_key": key.hex(), "at": [one.branch, one.index]}
        block = str(node.call("getblockhash", one.height))
        outputs.append(_output(node, one.txid, one.place, str(one.amount), block) | where)
    document = _document(chain, asset, (height, tip), challenge, outputs)
    return document | {
        "kind": COLD,
        "network": public["network"],
        "fingerprint": public["fingerprint"],
    }


def sign_cold(document: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """Offline, by the key of each address.  Raises ``Refused`` for a key that is not this
    secret's."""
    digest = tagged(RESERVES, message_of(document).encode())
    signatures: dict[str, str] = {}
    for one in document["outputs"]:
        branch, index = one["at"]
        key = keys.cold_account().derive([branch, index]).key
        if key.get_public_key().sec().hex() != one["public_key"]:
            raise Refused("wrong_key", f"{one['txid']} does not belong to this secret")
        signatures[one["public_key"]] = signature_by(key, digest)
    rows = [{"key": key, "signature": text} for key, text in sorted(signatures.items())]
    return document | {"signatures": rows}


def signature_by(key: Any, digest: bytes) -> str:
    """Return the signature by a key in memory, converted from the library's DER."""
    der = key.sign(digest).serialize()
    end = 4 + der[3]
    return signature_text((int.from_bytes(der[4:end]), int.from_bytes(der[end + 2 :])))


def _output(node: Rpc, txid: str, place: int, amount: str, block: str) -> dict[str, Any]:
    return {
        "txid": txid,
        "place": place,
        "amount": amount,
        "raw": node.call("getrawtransaction", txid, False, block),
        "proof": node.call("gettxoutproof", [txid], block),
    }


def _document(
    chain: str, asset: str, top: tuple[int, str], challenge: str, outputs: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "chain": chain,
        "asset": asset,
        "height": top[0],
        "block": top[1],
        "challenge": challenge,
        "outputs": outputs,
        "total": str(sum(int(one["amount"]) for one in outputs)),
    }


def message_of(document: dict[str, Any]) -> str:
    """Return the message that the keys sign: a hash of everything else in the document."""
    content = {name: value for name, value in document.items() if name != "signatures"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return f"{RESERVES} {document['chain']} {hashlib.sha256(text).hexdigest()}"


def check(document: dict[str, Any], challenge: str) -> int:
    """The total, if every output is what it says and the keys of each signed; no network needed.

    Raises :class:`ReservesError`."""
    if document.get("challenge") != challenge:
        raise ReservesError("the proof has another challenge")
    try:
        signers = signers_of(document, NEEDED if document.get("kind") != COLD else 0)
        total, seen = 0, set()
        for one in document["outputs"]:
            key = one["txid"], one["place"]
            if key in seen:
                raise ReservesError(f"output {key} occurs twice")
            seen.add(key)
            total += _check_output(one, signers)
        if str(total) != document["total"]:
            raise ReservesError(f"the outputs have {total}, not {document['total']}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ReservesError(f"the proof is incomplete: {type(error).__name__} {error}") from None
    return total


def signers_of(document: dict[str, Any], least: int) -> list[bytes]:
    """The keys that signed the document.  Raises :class:`ReservesError`: fewer than ``least``."""
    digest = tagged(RESERVES, message_of(document).encode())
    found = []
    for one in document["signatures"]:
        key = bytes.fromhex(one["key"])
        if not verify(key, digest, signature_of(one["signature"])):
            raise ReservesError(f"the signature of {one['key'][:16]}… is wrong")
        found.append(key)
    if len(set(found)) < least:
        raise ReservesError(f"{least} keys must sign")
    return found


def _check_output(one: dict[str, Any], signers: list[bytes]) -> int:
    """Its amount.  The keys who signed can spend it, and it is in a block."""
    transaction, _ = parse_transaction(bytes.fromhex(one["raw"]))
    amount, lock = transaction.outputs[one["place"]]
    if transaction.txid != one["txid"] or lock != _lock_of(one, signers):
        raise ReservesError(f"{one['txid']}: the transaction pays to another script")
    if str(amount) != one["amount"]:
        raise ReservesError(f"{one['txid']}: the output has {amount}")
    if one["txid"] not in proven(bytes.fromhex(one["proof"]))[1]:
        raise ReservesError(f"{one['txid']} is not proven to be in a block")
    return amount


def _lock_of(one: dict[str, Any], signers: list[bytes]) -> bytes:
    """Return the script that locks an output of the hot wallet, whose script names its keys, or of
    the cold one."""
    script, key = bytes.fromhex(one.get("witness_script", "")), one.get("public_key", "")
    if script:
        enough = sum(b"\x21" + each in script for each in signers) >= NEEDED
        lock = b"\x00\x20" + hashlib.sha256(script).digest()
    else:
        enough = bytes.fromhex(key) in signers
        lock = b"\x00\x14" + hash160(bytes.fromhex(key))
    if not enough or (script and script[0] != 0x50 + NEEDED):
        raise ReservesError(f"{one['txid']}: the keys that signed cannot spend this output")
    return lock


def require_distinct(documents: Sequence[dict[str, Any]]) -> None:
    """Require that no output and no vault is in two documents. Raises :class:`ReservesError`."""
    seen: set[tuple[Any, ...]] = set()
    for document in documents:
        rows = document.get("outputs", ())
        names: list[tuple[Any, ...]] = [
            (document["chain"], one["txid"], one["place"]) for one in rows
        ]
        names += [(document["chain_id"], document["vault"])] if "vault" in document else []
        for name in names:
            if name in seen:
                raise ReservesError(f"{name} is in two proofs")
            seen.add(name)


def proven(proof: bytes) -> tuple[str, list[str]]:
    """The block of a node's ``gettxoutproof``, and the transactions that it proves (BIP 37).

    Raises :class:`ReservesError`."""
    header, at = proof[:HEADER_BYTES], HEADER_BYTES
    count = int.from_bytes(proof[at : at + 4], "little")
    hashes_count, at = proof[at + 4], at + 5
    if hashes_count >= 0xFD or not 0 < count < 1 << 20:
        raise ReservesError("the proof lacks fields of a proof of reserves, or has others")
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
