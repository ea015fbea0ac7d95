"""Proof of reserves of a vault on an EVM chain: two owners sign what it holds at a block.

A node of the outsider's says whether it is so.  The contract's code is the wallet's, byte for byte,
those who signed are its owners, and it and its deposit addresses had as much at that block.  What
is at a deposit address can go to the vault only, whatever its factory is: the address is a hash of
code that says so.
"""

from collections.abc import Mapping
from typing import Any

from openoutcry.custody.ceremony import Keys
from openoutcry.custody.errors import NodeError, Refused
from openoutcry.custody.evm.cold import owner_addresses
from openoutcry.custody.evm.contracts import (
    COIN,
    COIN_DECIMALS,
    NEEDED,
    OWNER_AT,
    OWNERS,
    DepositAddresses,
    runtime_code,
)
from openoutcry.custody.evm.encoding import (
    address_at,
    address_from_text,
    address_of_public_key,
    address_text,
    from_hex,
    selector,
    to_hex,
    word,
)
from openoutcry.custody.evm.node import Node, quantity
from openoutcry.custody.evm.parts import deployment, tokens_of
from openoutcry.custody.evm.sweep import ASKED_AT_ONCE, balance_of, total
from openoutcry.custody.hsm import tagged, uncompressed
from openoutcry.custody.links import Links
from openoutcry.custody.reserves import (
    FORMAT,
    RESERVES,
    ReservesError,
    message_of,
    require_terms,
    signature_by,
    signers_of,
)
from openoutcry.custody.settings import ChainSpec, CustodyFile
from openoutcry.custody.store import Store

EVM, COLD = "evm-reserves", "evm-cold-reserves"
COINS = {1: "ETH", 10: "ETH", 8_453: "ETH", 42_161: "ETH", 11_155_111: "ETH", 31_337: "ETH"}
"""Coin of each chain that a proof may be of, by its number."""
DECIMALS = selector("decimals()")


def prove(
    spec: ChainSpec,
    file: CustodyFile,
    store: Store,
    links: Links,
    node: Node,
    challenge: str,
    owed: str = "",
) -> dict[str, Any]:
    """Prove the reserves of the hot vault and its deposit addresses, at the node's last block.

    ``owed``: the hash of the statement of what the venue owes."""
    made, tokens = deployment(spec), tokens_of(spec, file)
    query = (
        "select distinct a.place from addresses a join deposits d "
        "on d.chain = a.chain and d.address = a.address where a.chain = ? and a.branch = 0 "
        "order by a.place"
    )
    places = [int(row["place"]) for row in store.rows(query, spec.name)]
    terms = made.wallet, made.factory, places, tokens, challenge, owed
    document = _document(EVM, spec.name, node, *terms)
    return document | {"signatures": links.reserves(spec.name, message_of(document))}


def prove_cold(
    public: dict[str, Any],
    chain: str,
    node: Node,
    vault: str,
    tokens: Mapping[str, bytes],
    challenge: str,
    owed: str = "",
) -> dict[str, Any]:
    """Return the proof of a vault whose owners a ceremony created; it is signed offline."""
    terms = address_from_text(vault), COIN, list[int](), tokens, challenge, owed
    document = _document(COLD, chain, node, *terms)
    return document | {
        "network": public["network"],
        "fingerprint": public["fingerprint"],
        "owners": [address_text(owner_address) for owner_address in owner_addresses(public)],
    }


def sign_cold(document: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """Offline, by two owners.  Raises ``Refused`` for a vault of another secret."""
    digest = tagged(RESERVES, message_of(document).encode())
    rows = []
    for number in range(1, NEEDED + 1):
        key = keys.evm(number)
        public = key.get_public_key().sec()
        if address_text(address_of_public_key(uncompressed(public))) not in document["owners"]:
            raise Refused("wrong_key", "the vault has other owners than this secret")
        rows.append({"key": public.hex(), "signature": signature_by(key, digest)})
    return document | {"signatures": rows}


def _document(
    kind: str,
    chain: str,
    node: Node,
    vault: bytes,
    factory: bytes,
    places: list[int],
    tokens: Mapping[str, bytes],
    challenge: str,
    owed: str,
) -> dict[str, Any]:
    top = node.call("eth_getBlockByNumber", "latest", False)
    height = quantity(top["number"])
    addresses = DepositAddresses(factory, vault)
    held = [
        place for place in places if _holds(node, addresses.address(place), tokens, hex(height))
    ]
    holders = [vault, *(addresses.address(one) for one in held)]
    return {
        "format": FORMAT,
        "kind": kind,
        "chain": chain,
        "chain_id": quantity(node.call("eth_chainId")),
        "vault": address_text(vault),
        "factory": address_text(factory),
        "deposit_addresses": held,
        "tokens": {name: to_hex(token) for name, token in tokens.items()},
        "decimals": {name: decimals_of(node, token, hex(height)) for name, token in tokens.items()},
        "owed": owed,
        "height": height,
        "block": str(top["hash"]),
        "challenge": challenge,
        "totals": {
            name: str(total(node, token, holders, hex(height))) for name, token in tokens.items()
        },
    }


def decimals_of(node: Node, token: bytes, block: str) -> int:
    """Decimals of the coin or, as its contract says, of a token."""
    if token == COIN:
        return COIN_DECIMALS
    call = {"to": to_hex(token), "data": to_hex(DECIMALS)}
    return quantity(node.call("eth_call", call, block))


def _holds(node: Node, address: bytes, tokens: Mapping[str, bytes], block: str) -> bool:
    calls = [balance_of(token, address, block) for token in tokens.values()]
    assert len(calls) <= ASKED_AT_ONCE
    return any(quantity(one) for one in node.batch(calls))


def check(
    document: dict[str, Any], challenge: str, node: Node, height: int | None = None
) -> dict[str, int]:
    """Return the vault's holdings, by asset, at block ``height``; None: at the proof's own block.

    The vaults of a chain are counted at one block: money that moved from one to another between
    their proofs is there once.  Raises :class:`ReservesError`."""
    require_terms(document, challenge)
    try:
        if document["kind"] not in (EVM, COLD):
            raise ReservesError(f"a vault has no proof of kind {document['kind']!r}")
        signers = signers_of(document, NEEDED)
        vault, block = address_from_text(document["vault"]), hex(int(document["height"]))
        if quantity(node.call("eth_chainId")) != document["chain_id"]:
            raise ReservesError("the node follows another chain")
        found = node.call("eth_getBlockByNumber", block, False)
        if found is None or found["hash"] != document["block"]:
            raise ReservesError(f"the node does not have block {document['block']}")
        _check_owners(node, vault, block, signers)
        addresses = DepositAddresses(from_hex(document["factory"]), vault)
        places = [int(one) for one in document["deposit_addresses"]]
        if len(set(places)) != len(places):
            raise ReservesError("a deposit address occurs twice")
        holders = [vault, *map(addresses.address, places)]
        tokens = {name: from_hex(text) for name, text in document["tokens"].items()}
        if len(set(tokens.values())) != len(tokens):
            raise ReservesError("a token occurs twice")
        coin = COINS.get(document["chain_id"])
        if any(token == COIN and name != coin for name, token in tokens.items()):
            raise ReservesError(f"the coin of chain {document['chain_id']} is {coin}")
        decimals = {name: decimals_of(node, token, block) for name, token in tokens.items()}
        if decimals != document["decimals"]:
            raise ReservesError(f"the node finds {decimals} decimals, not {document['decimals']}")
        held = {name: total(node, token, holders, block) for name, token in tokens.items()}
        if {name: str(one) for name, one in held.items()} != document["totals"]:
            raise ReservesError(f"the node finds {held}, not {document['totals']}")
        if height is not None and height != document["height"]:
            at = hex(height)
            held = {name: total(node, token, holders, at) for name, token in tokens.items()}
    except (KeyError, TypeError, ValueError, ArithmeticError, NodeError) as error:
        raise ReservesError(f"the proof is incomplete: {type(error).__name__} {error}") from None
    return held


def time_s_of(document: dict[str, Any], node: Node) -> int:
    """Return when its block was made, as the node says, s since the epoch."""
    return quantity(node.call("eth_getBlockByNumber", hex(document["height"]), False)["timestamp"])


def _check_owners(node: Node, vault: bytes, block: str, signers: list[bytes]) -> None:
    """The contract is the wallet of this project, and two of its owners have signed."""
    code = from_hex(node.call("eth_getCode", to_hex(vault), block))
    if code != runtime_code("wallet"):
        raise ReservesError("the vault has other code than this project's wallet")
    calls = [
        ("eth_call", [{"to": to_hex(vault), "data": to_hex(OWNER_AT + word(place))}, block])
        for place in range(OWNERS)
    ]
    owners = {address_at(from_hex(one), 0) for one in node.batch(calls)}
    signed = {address_of_public_key(uncompressed(signer)) for signer in signers}
    if len(owners & signed) < NEEDED:
        raise ReservesError(f"{NEEDED} owners of the vault must sign")
