"""Payments of the vault, and changes of its owners, by carried files: built online, signed offline.

The secret of a ceremony makes all three owners' keys, so two shares move everything even when each
online machine is lost.  The transaction that brings the batch is signed offline, too: owner 1's
address pays its gas, and needs some coins for that.  Nothing in the document is believed but what
the person at the offline machine has read aloud: see :func:`shown`."""

from collections.abc import Sequence
from typing import Any

from openoutcry.custody.ceremony import Keys
from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.evm.contracts import (
    COIN,
    COIN_DECIMALS,
    NEEDED,
    NUMBER,
    Batch,
    Domain,
    OwnerReplacement,
    Payment,
)
from openoutcry.custody.evm.encoding import (
    address_from_text,
    address_of_public_key,
    address_text,
    to_hex,
)
from openoutcry.custody.evm.node import Node, RpcError, quantity
from openoutcry.custody.evm.reader import batch_body, batch_of
from openoutcry.custody.evm.sweep import total
from openoutcry.custody.evm.transactions import (
    DigestSigner,
    FeePolicy,
    Signature,
    Transaction,
    normalised,
)
from openoutcry.custody.hsm import uncompressed
from openoutcry.custody.refills import check_approved
from openoutcry.wire.decimals import decimal_text

KIND = "evm"
GAS_A_BATCH, GAS_A_PAYMENT, GAS_OF_A_CHANGE = 400_000, 90_000, 200_000
FEES = FeePolicy(max_fee_cap=1_000 * 10**9)
FEE_MOST = 10**17
"""In wei: more is refused offline."""


def owner_addresses(public: dict[str, Any]) -> list[bytes]:
    """Return the owners' addresses from a ceremony's public document."""
    return [address_of_public_key(uncompressed(bytes.fromhex(one))) for one in public["evm_owners"]]


def build(
    public: dict[str, Any], node: Node, vault: str, payments: Sequence[Payment], valid_s: int
) -> dict[str, Any]:
    """The document to sign.  A payment of amount 0 is everything of its token."""
    wallet = address_from_text(vault)
    paid = tuple(
        Payment(payment.token, payment.to, payment.amount or total(node, payment.token, [wallet]))
        for payment in payments
    )
    batch = Batch(_number(node, wallet), _now(node) + valid_s, paid)
    gas = GAS_A_BATCH + GAS_A_PAYMENT * len(paid)
    return _document(public, node, vault, gas) | {"batch": batch_body(batch)}


def build_change(
    public: dict[str, Any], node: Node, vault: str, old: bytes, new: bytes, valid_s: int
) -> dict[str, Any]:
    """The document that gives an owner's place to another key: after one was stolen or lost."""
    change = {
        "number": str(_number(node, address_from_text(vault))),
        "deadline": _now(node) + valid_s,
        "old": address_text(old),
        "new": address_text(new),
    }
    return _document(public, node, vault, GAS_OF_A_CHANGE) | {"change": change}


def _document(public: dict[str, Any], node: Node, vault: str, gas: int) -> dict[str, Any]:
    payer = owner_addresses(public)[0]
    base_fee = quantity(node.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"])
    tip, fee = FEES.first(base_fee)
    return {
        "kind": KIND,
        "network": public["network"],
        "fingerprint": public["fingerprint"],
        "chain_id": quantity(node.call("eth_chainId")),
        "vault": vault,
        "transaction": {
            "nonce": quantity(node.call("eth_getTransactionCount", to_hex(payer), "pending")),
            "max_tip": tip,
            "max_fee": fee,
            "gas": gas,
        },
    }


def _number(node: Node, wallet: bytes) -> int:
    call = {"to": to_hex(wallet), "data": to_hex(NUMBER)}
    return quantity(node.call("eth_call", call, "latest"))


def _now(node: Node) -> int:
    return quantity(node.call("eth_getBlockByNumber", "latest", False)["timestamp"])


def shown(document: dict[str, Any]) -> list[str]:
    """Return the lines that a person compares before signing."""
    rows = [f"chain {document['chain_id']}, vault {document['vault']}"]
    if "batch" in document:
        for payment in batch_of(document["batch"]).payments:
            what = f"{payment.amount} units of token {address_text(payment.token)}"
            if payment.token == COIN:
                what = f"{decimal_text(payment.amount, COIN_DECIMALS)} coins"
            rows.append(f"pays {what} to {address_text(payment.to)}")
    else:
        change = _change_of(document)
        rows.append(f"owner {address_text(change.old)} becomes {address_text(change.new)}")
    return [*rows, f"fee at most {_most(document)} wei"]


def check_refill(document: dict[str, Any], now: int | None = None) -> list[str]:
    """The lines that people compare.  Raises ``Refused`` unless the document is an approved refill:
    that its address is custody's vault, these people know."""
    batch = document.get("batch")
    paid = [] if batch is None else batch_of(batch).payments
    return check_approved(document, [(address_text(one.to), one.amount) for one in paid], now)


def _most(document: dict[str, Any]) -> int:
    row = document["transaction"]
    return int(row["gas"]) * int(row["max_fee"])


def _change_of(document: dict[str, Any]) -> OwnerReplacement:
    row = document["change"]
    old, new = address_from_text(row["old"]), address_from_text(row["new"])
    return OwnerReplacement(int(row["number"]), int(row["deadline"]), old, new)


class _Recovered(DigestSigner):
    """An owner's key, on the offline machine only."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self._address = address_of_public_key(uncompressed(key.get_public_key().sec()))

    @property
    def address(self) -> bytes:
        return self._address

    def sign(self, digest: bytes) -> Signature:
        """Return the signature, converted from the library's DER."""
        der = self._key.sign(digest).serialize()
        r_end = 4 + der[3]
        r, s = int.from_bytes(der[4:r_end]), int.from_bytes(der[r_end + 2 :])
        return normalised(digest, r, s, self._address)


def sign(document: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """Sign by two owners of the secret, and the transaction by the first of all. Raises
    ``Refused``."""
    if _most(document) > FEE_MOST:
        raise Refused("fee_too_high", f"a fee of {_most(document)} wei")
    domain = Domain(int(document["chain_id"]), address_from_text(document["vault"]))
    asked = batch_of(document["batch"]) if "batch" in document else _change_of(document)
    digest = asked.digest(domain)
    owners = [_Recovered(keys.evm(number)) for number in (1, 2, 3)]
    call = asked.call([owner.sign(digest) for owner in owners[:NEEDED]], digest)
    row = document["transaction"]
    fees = int(row["max_tip"]), int(row["max_fee"])
    terms = domain.chain_id, int(row["nonce"]), *fees, int(row["gas"]), domain.wallet, 0, call
    signed = Transaction(*terms).signed(owners[0])
    return {"kind": KIND, "raw": signed.raw.hex(), "txid": to_hex(signed.hash)}


def send(document: dict[str, Any], node: Node) -> str:
    """The transaction's hash.  The same again is no error."""
    try:
        return str(node.call("eth_sendRawTransaction", "0x" + document["raw"]))
    except RpcError as error:
        if node.call("eth_getTransactionByHash", document["txid"]) is not None:
            return str(document["txid"])
        raise CustodyError(f"the node refuses it: {error.message}") from None
