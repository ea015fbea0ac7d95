"""Proof of reserves: what a wallet holds at a block, signed by its keys, checked without the venue.

The document has each output with its transaction and the proof that the transaction is in its
block.  Two keys of the hot wallet sign all of it; of the cold wallet, offline, the key of each
address.  They sign a challenge and the hash of the statement of what is owed, too.  Joined with
that statement the documents of all wallets show that they hold what the venue owes.  A document
proves nothing until an anchor of ``anchors.py`` says that its blocks are the chain's.  That an
output is still unspent only a node can say.
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
from openoutcry.custody.utxo.address import COIN_DECIMALS, hash160, network_of
from openoutcry.custody.utxo.blocks import HEADER_BYTES, double_sha256, parse_transaction
from openoutcry.custody.utxo.rpc import Rpc
from openoutcry.custody.utxo.wallet import Wallet

RESERVES, COLD = "reserves", "cold-reserves"
FORMAT = "openoutcry-reserves-3"
NEEDED, KEYS = 2, 3
KEY_BYTES = 33


class ReservesError(CustodyError):
    """A proof that does not hold."""


def prove(
    spec: ChainSpec,
    asset: str,
    store: Store,
    links: Links,
    node: Rpc,
    challenge: str,
    owed: str = "",
) -> dict[str, Any]:
    """Prove the reserves of the hot wallet, after the last block that the scanner has taken.

    ``owed``: the hash of the statement of what the venue owes; nothing: the proof shows only what
    is held."""
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
    names = RESERVES, spec.name, spec.network, asset
    header = str(node.call("getblockheader", top["hash"], False))
    document = _document(*names, (top["height"], top["hash"], header), challenge, owed, outputs)
    return document | {"signatures": links.reserves(spec.name, message_of(document))}


def prove_cold(
    public: dict[str, Any],
    chain: str,
    asset: str,
    node: Rpc,
    last: int,
    challenge: str,
    owed: str = "",
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
    names = COLD, chain, public["network"], asset
    header = str(node.call("getblockheader", tip, False))
    document = _document(*names, (height, tip, header), challenge, owed, outputs)
    return document | {"fingerprint": public["fingerprint"]}


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
    kind: str,
    chain: str,
    network: str,
    asset: str,
    top: tuple[int, str, str],
    challenge: str,
    owed: str,
    outputs: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": kind,
        "chain": chain,
        "network": network,
        "asset": asset,
        "decimals": COIN_DECIMALS,
        "owed": owed,
        "height": top[0],
        "block": top[1],
        "header": top[2],
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
    """The total, if every output is what it says and the keys of each signed.  It is worth nothing
    before an anchor has said that :func:`blocks_of` the document are in the chain.

    Raises :class:`ReservesError`."""
    require_terms(document, challenge)
    try:
        network = network_of(document["network"])
        if (document["asset"], document["decimals"]) != (network.coin, COIN_DECIMALS):
            raise ReservesError(
                f"{network.name} has {network.coin} with {COIN_DECIMALS} decimals, not "
                f"{document['asset']} with {document['decimals']}"
            )
        is_cold = {RESERVES: False, COLD: True}[document["kind"]]
        signers = signers_of(document, 0 if is_cold else NEEDED)
        total, seen = 0, set()
        for one in document["outputs"]:
            key = one["txid"], one["place"]
            if key in seen:
                raise ReservesError(f"output {key} occurs twice")
            seen.add(key)
            total += _check_output(one, _lock_of(one, signers, is_cold))
        if str(total) != document["total"]:
            raise ReservesError(f"the outputs have {total}, not {document['total']}")
        block = double_sha256(_header(document))[::-1].hex()
        if document["height"] < 0 or block != document["block"]:
            raise ReservesError("the proof names no block, or has another block's header")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ReservesError(f"the proof is incomplete: {type(error).__name__} {error}") from None
    return total


def require_terms(document: dict[str, Any], challenge: str) -> None:
    """Require the format and the challenge.  Raises :class:`ReservesError`."""
    if document.get("format") != FORMAT:
        raise ReservesError(f"the proof's format is not {FORMAT}")
    if document.get("challenge") != challenge:
        raise ReservesError("the proof has another challenge")


def time_s_of(document: dict[str, Any]) -> int:
    """Return when its block was made, as the header says, s since the epoch."""
    return int.from_bytes(_header(document)[68:72], "little")


def _header(document: dict[str, Any]) -> bytes:
    header = bytes.fromhex(document["header"])
    if len(header) != HEADER_BYTES:
        raise ReservesError(f"a block's header has {HEADER_BYTES} bytes, not {len(header)}")
    return header


def headers_in(document: dict[str, Any]) -> set[bytes]:
    """Return the headers of its outputs' blocks and of the one that it is of."""
    rows = document["outputs"]
    return {_header(document), *(bytes.fromhex(row["proof"])[:HEADER_BYTES] for row in rows)}


def blocks_of(document: dict[str, Any]) -> set[str]:
    """The blocks of its outputs and the one that it is of, as it says."""
    rows = document["outputs"]
    return {document["block"], *(proven(bytes.fromhex(row["proof"]))[0] for row in rows)}


def signers_of(document: dict[str, Any], least: int) -> list[bytes]:
    """The keys that signed the document.  Raises :class:`ReservesError`: fewer than ``least``."""
    digest = tagged(RESERVES, message_of(document).encode())
    found = []
    for one in document["signatures"]:
        key = bytes.fromhex(one["key"])
        if not verify(key, digest, signature_of(one["signature"])):
            raise ReservesError(f"the signature of {one['key'][:16]}… is wrong")
        found.append(key)
    if len(set(found)) != len(found):
        raise ReservesError("a key has signed twice")
    if len(found) < least:
        raise ReservesError(f"{least} keys must sign")
    return found


def _check_output(one: dict[str, Any], lock: bytes) -> int:
    """Its amount, if it is in a block and ``lock`` is what it is locked by."""
    raw = bytes.fromhex(one["raw"])
    transaction, end = parse_transaction(raw)
    if type(one["place"]) is not int or one["place"] < 0 or end != len(raw):
        raise ReservesError(f"{one['txid']}: the transaction has other bytes after it")
    amount, found = transaction.outputs[one["place"]]
    if transaction.txid != one["txid"] or found != lock:
        raise ReservesError(f"{one['txid']}: the transaction pays to another script")
    if str(amount) != one["amount"]:
        raise ReservesError(f"{one['txid']}: the output has {amount}")
    if one["txid"] not in proven(bytes.fromhex(one["proof"]))[1]:
        raise ReservesError(f"{one['txid']} is not proven to be in a block")
    return amount


def _lock_of(one: dict[str, Any], signers: list[bytes], is_cold: bool) -> bytes:
    """Return the script that locks an output of the cold wallet, or of the hot one: two of three
    keys, and nothing else.  The keys who signed can spend it, and no others without one of them.

    Raises :class:`ReservesError`."""
    if is_cold:
        key = bytes.fromhex(one["public_key"])
        keys, needed, lock = [key], 1, b"\x00\x14" + hash160(key)
    else:
        script = bytes.fromhex(one["witness_script"])
        keys, needed = keys_of(script), NEEDED
        lock = b"\x00\x20" + hashlib.sha256(script).digest()
    if len(set(keys) & set(signers)) < needed:
        raise ReservesError(f"{one['txid']}: the keys that signed cannot spend this output")
    return lock


def keys_of(script: bytes) -> list[bytes]:
    """The three keys of a script of the hot wallet: it is the one template, byte for byte.

    Raises :class:`ReservesError`."""
    keys = [script[at : at + KEY_BYTES] for at in range(2, 2 + KEYS * (KEY_BYTES + 1), 34)]
    pushes = b"".join(bytes([KEY_BYTES]) + key for key in keys)
    template = bytes([0x50 + NEEDED]) + pushes + bytes([0x50 + KEYS]) + b"\xae"
    if script != template or len(set(keys)) != KEYS or keys != sorted(keys):
        raise ReservesError("an output's script is not that of 2 of 3 sorted keys")
    return keys


def require_distinct(documents: Sequence[dict[str, Any]]) -> None:
    """Require that no output and no vault is in two documents. Raises :class:`ReservesError`."""
    seen: set[tuple[Any, ...]] = set()
    for document in documents:
        rows = document.get("outputs", ())
        names: list[tuple[Any, ...]] = [
            (document["network"], row["txid"], row["place"]) for row in rows
        ]
        if "vault" in document:
            names.append((document["chain_id"], document["vault"].lower()))
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
