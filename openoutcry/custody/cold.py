"""Payments of the cold wallet, and recoveries: built online, signed offline, carried as files.

The same three commands move cold funds and recover everything from two shares::

    outcry custody cold build public.json --node URL --to ADDRESS --out unsigned.json
    outcry custody cold sign unsigned.json --share share1.txt --share share2.txt --out signed.json
    outcry custody cold send signed.json --node URL
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from openoutcry.custody.ceremony import Keys
from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.refills import approval_of, check_approved
from openoutcry.custody.utxo.address import COIN_DECIMALS, address_of, network_of, script_of
from openoutcry.custody.utxo.blocks import parse_transaction
from openoutcry.custody.utxo.rpc import Rpc
from openoutcry.custody.utxo.wallet import Wallet
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.extras import need
from openoutcry.wire.named_once import named_once

COIN = 10**8
INPUT_BYTES = {"hot": 105, "cold": 68}
SEQUENCE = 0xFFFFFFFD
FEE_SHARE = 20
"""A fee above a twentieth of what is paid, without change, is refused."""


@dataclass(frozen=True)
class Found:
    """An output of one of the wallets."""

    txid: str
    place: int
    amount: int
    wallet: str
    branch: int
    index: int
    height: int = 0


def first_address(public: dict[str, Any]) -> str:
    """Return the first address of a ceremony's cold wallet."""
    return Wallet(public["cold"], network_of(public["network"])).address(0, 0)


def outputs_of(public: dict[str, Any], node: Rpc, wallets: Sequence[str], last: int) -> list[Found]:
    """Return the outputs that a node finds for the wallets' descriptors, up to index ``last`` of
    each branch."""
    network = network_of(public["network"])
    places: dict[str, tuple[str, int, int]] = {}
    rows = []
    for name in wallets:
        wallet = Wallet(public[name], network)
        for branch in wallet.branches:
            rows.append({"desc": wallet.branch_text(branch), "range": last})
            for index in range(last + 1):
                places[wallet.lock(branch, index).script.hex()] = (name, branch, index)
    found = node.call("scantxoutset", "start", rows)
    return [
        Found(
            row["txid"],
            int(row["vout"]),
            int(Decimal(row["amount"]) * COIN),
            *places[row["scriptPubKey"]],
            int(row["height"]),
        )
        for row in found["unspents"]
    ]


def build(
    public: dict[str, Any], found: Sequence[Found], address: str, amount: int, rate: int
) -> dict[str, Any]:
    """The document to sign.  ``amount`` 0: everything.  Change goes to the cold wallet's first
    change address.  Raises :class:`Refused`."""
    network = network_of(public["network"])
    chosen: list[Found] = []
    for one in sorted(found, key=lambda each: -each.amount):
        if amount and sum(each.amount for each in chosen) >= amount + _fee(chosen, rate):
            break
        chosen.append(one)
    total, fee = sum(one.amount for one in chosen), _fee(chosen, rate)
    paid = amount or total - fee
    if not chosen or paid <= 0 or total < paid + fee:
        raise Refused("insufficient_cold", f"the wallets have {total}, and a fee is {fee}")
    outputs: list[list[Any]] = [[address_of(script_of(address, network), network), paid]]
    change = total - paid - fee
    if change > 10_000:
        outputs.append([Wallet(public["cold"], network).address(1, 0), change])
    inputs = [
        [one.txid, one.place, one.amount, one.wallet, one.branch, one.index] for one in chosen
    ]
    return {
        "network": public["network"],
        "fingerprint": public["fingerprint"],
        "inputs": inputs,
        "outputs": outputs,
    }


def with_transactions(
    document: dict[str, Any], found: Sequence[Found], node: Rpc
) -> dict[str, Any]:
    """The document with the transactions that it spends from, whole: the offline machine reads the
    amounts in them."""
    heights = {one.txid: one.height for one in found}
    texts = {}
    for txid in {row[0] for row in document["inputs"]}:
        block = node.call("getblockhash", heights[txid])
        texts[txid] = str(node.call("getrawtransaction", txid, False, block))
    return document | {"transactions": texts}


def _fee(chosen: Sequence[Found], rate: int) -> int:
    return rate * (11 + 2 * 43 + sum(INPUT_BYTES[one.wallet] for one in chosen))


def shown(document: dict[str, Any]) -> list[str]:
    """Return the lines that a person compares before signing."""
    coin = network_of(document["network"]).coin

    def text(units: int) -> str:
        return f"{decimal_text(units, COIN_DECIMALS)} {coin}"

    rows = [f"pays {text(units)} to {address}" for address, units in document["outputs"]]
    return [*rows, f"fee {text(_fee_in(document))}, {len(document['inputs'])} inputs"]


def _fee_in(document: dict[str, Any]) -> int:
    """Return what miners get: no field of the document says it."""
    came = sum(amount for _, _, amount, *_ in document["inputs"])
    return int(came - sum(units for _, units in document["outputs"]))


def sign(document: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """Sign with keys of the secret. Raises :class:`Refused` if an input belongs to another secret,
    or the fee is too high: nothing in the document is trusted."""
    tx, script = need("embit.transaction", _WHY, "custody"), need("embit.script", _WHY, "custody")
    network = network_of(document["network"])
    if network != keys.network:
        raise Refused("wrong_network", f"these keys are of {keys.network.name}")
    wallets = {"hot": Wallet(keys.hot(), network), "cold": Wallet(keys.cold(), network)}
    rows = document["inputs"]
    inputs = [tx.TransactionInput(bytes.fromhex(row[0]), row[1], sequence=SEQUENCE) for row in rows]
    outputs = [
        tx.TransactionOutput(units, script.Script(script_of(address, network)))
        for address, units in document["outputs"]
    ]
    change, fee = wallets["cold"].address(1, 0), _fee_in(document)
    paid = sum(units for address, units in document["outputs"] if address != change)
    if not 0 < fee <= max(paid // FEE_SHARE, 100_000):
        raise Refused("fee_too_high", f"a fee of {fee} for {paid}")
    made = tx.Transaction(version=2, vin=inputs, vout=outputs, locktime=0)
    for place, (_, _, amount, name, branch, index) in enumerate(rows):
        lock = wallets[name].lock(branch, index)
        private = _privates(keys, name, branch, index)
        code = lock.witness_script or b"\x76\xa9\x14" + lock.script[2:] + b"\x88\xac"
        digest = made.sighash_segwit(place, script.Script(code), amount)
        signed = [
            (one.get_public_key().sec(), one.sign(digest).serialize() + b"\x01") for one in private
        ]
        if lock.witness_script:
            signed.sort(key=lambda pair: lock.witness_script.index(pair[0]))
            witness = [b"", *(raw for _, raw in signed), lock.witness_script]
        else:
            witness = [signed[0][1], signed[0][0]]
        made.vin[place].witness = script.Witness(witness)
    raw = made.serialize()
    return {"raw": raw.hex(), "txid": made.txid().hex(), "size": len(raw)}


def check_refill(document: dict[str, Any], keys: Keys, now: int | None = None) -> list[str]:
    """The lines that people compare.  Raises :class:`Refused` unless the document is an approved
    refill, which pays to the hot wallet of these keys and leaves the rest in the cold one."""
    change = Wallet(keys.cold(), keys.network).address(1, 0)
    paid = [(address, units) for address, units in document["outputs"] if address != change]
    said = check_approved(document, paid, now)
    approval = approval_of(document)
    assert approval is not None
    if approval.address != Wallet(keys.hot(), keys.network).address(0, approval.place):
        raise Refused("other_refill", f"{approval.address} does not belong to the hot wallet")
    _check_amounts(document)
    return said


def _check_amounts(document: dict[str, Any]) -> None:
    """Require that each input has the amount that its transaction says.  A signature of an input
    covers its own amount alone: of two documents that each lie about another one, the true halves
    would be a payment whose fee is what both lies hid."""
    try:
        for txid, place, amount, *_ in document["inputs"]:
            one, _ = parse_transaction(bytes.fromhex(document["transactions"][txid]))
            if one.txid != txid or one.outputs[place][0] != amount:
                raise Refused("other_amount", f"{txid}:{place} has not {amount}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        text = f"the transactions that it spends from are not whole: {type(error).__name__} {error}"
        raise Refused("bad_request", text) from None


_WHY = "cold payments need embit"


def _privates(keys: Keys, name: str, branch: int, index: int) -> list[Any]:
    if name == "cold":
        return [keys.cold_account().derive([branch, index]).key]
    return [keys.signer(1), keys.signer(2)]


def send(document: dict[str, Any], node: Rpc) -> str:
    """Send a signed payment; the transaction's id.  Raises :class:`NodeError` if the node
    refuses."""
    return str(node.call("sendrawtransaction", document["raw"]))


def read_document(path: Path) -> dict[str, Any]:
    """A payment or a proof in JSON, at any stage.  Raises :class:`CustodyError` if the file cannot
    be read, or names a field twice."""
    try:
        text = path.read_text(encoding="utf-8")
        return dict(json.loads(text, object_pairs_hook=named_once))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CustodyError(f"{path}: {error}") from None
