"""The tables of docs/custody.md: every key of the settings files, with its default and meaning.

``python -m tests.support.custody.settings_keys`` writes them; a test compares.  The defaults are
those of the readers of the files; a key without words here, or words without a key, is an error.
"""

from typing import Any

from openoutcry.custody import attestor, settings, signer
from openoutcry.report.documents import fill, table
from openoutcry.wire.toml_tables import REQUIRED
from tests import ROOT

PAGE, WHAT = ROOT / "docs" / "custody.md", "custody"
TABLES: dict[str, dict[str, Any]] = {
    "custody": settings.CUSTODY,
    "chain": settings.CHAIN,
    "asset": settings.ASSET,
    "signers": settings.SIGNER,
    "attestor": settings.ATTESTOR,
    "person": settings.PERSON,
    "signer-file": signer.SIGNER,
    "wallet": signer.WALLET,
    "limit": signer.LIMIT,
    "attestor-file": attestor.KEYS,
}
MODULE = {
    "socket": "the Unix socket on which it listens",
    "module": "library of the PKCS#11 module",
    "token": "label of the token that holds its key",
    "venue": "name of the venue in statements and requests",
}
EVM = {
    "chain_id": "EVM: the chain's number; a node with another one is refused",
    "vault": "EVM: address of the contract that pays",
    "factory": "EVM: address of the contract that makes deposit addresses",
}
WORDS: dict[str, dict[str, str]] = {
    "custody": {
        "journal": "folder of the venue's journal, where its desk listens",
        "folder": "folder of custody's store",
        "door": "socket at which the portal asks",
        "whitelist_wait_s": "seconds until a new address in the whitelist is usable",
        "rules": "file of the points that make people decide a withdrawal; empty: the defaults",
        "sanctions": "file of addresses, one a line, to which nothing is paid, in any spelling; "
        "read at the start",
        "travel_rule": "amounts by asset, in venue units, from which a withdrawal is a case",
        "refill_wait_s": "seconds between two approvals and the signing of a refill",
    },
    "chain": {
        "name": "name of the chain, which assets name",
        "kind": "`utxo` (Bitcoin's family) or `evm`",
        "url": "the node's RPC, with user and password if it has them",
        "network": "UTXO: the network of addresses, as `btc`, `ltc`, `ltc-regtest`",
        "referee": "a second node; what it does not have, or says otherwise, waits",
        "hot": "UTXO: descriptor of the hot wallet, from `public.json`",
        "cold": "UTXO: descriptor of the cold wallet; EVM: its address",
        "final": "confirmations after which nothing is undone",
        "gap": "addresses that are watched beyond those given out",
        "first_height": "block at which the scanner begins",
        "fee_rate": "fee for a virtual byte where the node has no estimate, in smallest units",
        "fee_rate_most": "the most that is paid for a virtual byte",
        "bump_after_s": "seconds until a waiting transaction is replaced by a dearer one",
        **EVM,
        "trace": "EVM: find coins that contracts send, by traces of calls",
        "valid_s": "EVM: seconds for which a signed batch is valid",
        "stuck_blocks": "EVM: blocks until a transaction of the gas account is replaced",
        "sweep_every_s": "EVM: seconds between two sweeps of deposit addresses",
        "sweep_fee_most": "EVM: gwei a unit of gas above which sweeps wait",
        "gas_module": "EVM: library of the module with the gas account's key",
        "gas_token": "EVM: label of its token",
        "gas_pin": "EVM: file of its PIN",
    },
    "asset": {
        "name": "name of the asset in the venue's file",
        "chain": "name of its chain",
        "decimals": "decimals of a venue unit, as in the venue's file",
        "chain_decimals": "decimals of the smallest unit on the chain",
        "token": "EVM: address of the token's contract; empty: the chain's coin",
        "dust": "smallest deposit that is credited, in venue units",
        "confirmations": "`[amount up to, confirmations]`, growing; amount 0 is any amount",
        "automatic_up_to": "largest withdrawal that needs no person, in venue units",
        "batch_most": "withdrawals in one transaction",
        "hot_most": "what stays in the hot wallet, in venue units; 0: no limit",
        "sweep_from": "EVM: least amount at an address that is swept; 0: nothing is",
        "sweep_at_once": "EVM: amount at all addresses that is swept before its time; 0: always",
        "drain_an_hour": "withdrawals in an hour above which the breaker stops all; 0: no limit",
        "hot_share": "percent of what the venue owes that stays hot; 0: no limit",
        "refill_a_day": "what may come back from the cold wallet in 24 hours; 0: nothing",
    },
    "signers": {"socket": "socket of a signer, or of the tunnel to it; two are needed"},
    "attestor": {
        "socket": "socket of the attestor",
        "key": "its public key in hexadecimal, which `outcry custody key` prints",
    },
    "person": {
        "name": "name of a person who approves",
        "password": "its argon2id hash, by `outcry venue password`",
        "role": "`operator`, or `supervisor`, who also lifts the breaker",
    },
    "signer-file": {
        **MODULE,
        "store": "file of the signer's records",
        "attestor": "public key of the attestor whose statements it believes",
        "destination_wait_s": "seconds from an address's announcement until it is paid",
    },
    "wallet": {
        "chain": "name of the chain",
        "kind": "`utxo` or `evm`",
        "asset": "the chain's coin",
        "network": "UTXO: the network of addresses",
        "hot": "UTXO: descriptor of the hot wallet, from `public.json`",
        "cold": "UTXO: descriptor of the cold wallet; EVM: its address",
        "label": "label of the key in the token",
        **EVM,
        "tokens": "EVM: a table of assets and their contracts",
    },
    "limit": {
        "asset": "asset that the limit is for",
        "chain": "chain that it moves on",
        "scale": "smallest units of the chain in a venue unit",
        "a_payment": "most of one payment, in venue units",
        "an_hour": "most of an hour",
        "a_day": "most of a day",
        "fee": "most of a transaction's fee",
        "fees_a_day": "most of a day's fees",
        "to_cold_a_day": "most that goes to the cold wallet in a day",
    },
    "attestor-file": {**MODULE, "journal": "folder of the venue's journal"},
}


def _default(value: Any) -> str:
    if value is REQUIRED:
        return "required"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"`{value}`" if isinstance(value, str) and value else "none"


def keys_of(name: str) -> str:
    """Return the table of the keys of a table of a file."""
    keys, words = TABLES[name], WORDS[name]
    assert set(keys) == set(words), f"{name}: {set(keys) ^ set(words)}"
    defaults = {key: _default(one.default) for key, one in keys.items()}
    if "confirmations" in keys:
        defaults["confirmations"] = "`[[0, 6]]`"
    lines = [(f"`{key}`", defaults[key], words[key]) for key in keys]
    return table("| key | default | meaning |", lines)


def filled(text: str) -> str:
    """Return the page with its tables."""
    return fill(text, WHAT, keys_of)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
