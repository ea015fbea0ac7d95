"""The file ``custody.toml``, read strictly.  ``docs/custody.md`` explains every key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openoutcry.custody.errors import Refused
from openoutcry.venue.session_keys import password_hash
from openoutcry.wire.decimals import decimal_text
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import (
    Key,
    Tables,
    boolean,
    integer,
    list_of,
    one_of,
    read_tables,
    text,
)

KINDS = {"utxo": "utxo", "evm": "evm"}
MANY = 10**30
WINDOW = 1_000
"""At least this many addresses beyond those that were given out are the venue's own."""
SIGNATURES = 2
"""Signatures of different signers that a transaction of the hot wallet needs."""


@dataclass(frozen=True)
class ChainSpec:
    """One chain: its nodes, and the wallets that custody has on it."""

    name: str
    kind: str
    url: str
    network: str = ""
    referee: str = ""
    hot: str = ""
    cold: str = ""
    final: int = 12
    """Confirmations after which nothing is undone."""
    gap: int = 100
    first_height: int = 0
    """The scanner begins there."""
    fee_rate: int = 10
    """Where the node has no estimate; in the smallest unit per virtual byte."""
    fee_rate_most: int = 500
    bump_after_s: int = 1_800
    chain_id: int = 0
    vault: str = ""
    factory: str = ""
    trace: bool = False
    """Look into calls between contracts, for coins that a contract sends."""
    valid_s: int = 3_600
    """Seconds for which a signed batch may be made."""
    stuck_blocks: int = 10
    """A transaction of the gas account that waits longer is replaced by a dearer one."""
    sweep_every_s: int = 3_600
    sweep_fee_most: int = 100
    """In gwei a unit of gas: sweeps wait while blocks are dearer."""
    gas_module: str = ""
    gas_token: str = ""
    gas_pin: str = ""
    """The HSM of the gas account's key, and the file of its PIN."""


@dataclass(frozen=True)
class AssetSpec:
    """An asset of the venue, and how it moves on a chain."""

    name: str
    chain: str
    decimals: int
    chain_decimals: int
    token: str = ""
    dust: int = 1
    """Deposits below it, in venue units, are recorded and not credited."""
    confirmations: tuple[tuple[int, int], ...] = ((0, 6),)
    """(amount up to, confirmations); amount 0: any."""
    automatic_up_to: int = 0
    """A withdrawal up to it, in venue units, needs no person."""
    batch_most: int = 100
    hot_most: int = 0
    """More than this, and a tenth, is moved to the cold wallet; 0: no limit."""
    sweep_from: int = 0
    """In venue units, at one deposit address; 0: nothing is swept."""
    sweep_at_once: int = 0
    """With so much at all of them together, a sweep does not wait for its schedule."""
    drain_an_hour: int = 0
    """More than this in an hour trips the breaker; 0: no limit."""
    hot_share: int = 0
    """Percent of what the venue owes that stays hot, as ``hot_most`` does; 0: no limit."""
    refill_a_day: int = 0
    """What may be asked for within 24 hours from the cold wallet; 0: nothing."""

    @property
    def scale(self) -> int:
        """Smallest units of the chain in a unit of the venue."""
        return 10 ** (self.chain_decimals - self.decimals)

    def text(self, units: int) -> str:
        """Return units of the venue as decimal text, with the asset's name."""
        return f"{decimal_text(units, self.decimals)} {self.name}"

    def text_on_chain(self, amount: int) -> str:
        """Return the chain's smallest units as decimal text, with the asset's name."""
        return f"{decimal_text(amount, self.chain_decimals)} {self.name}"

    @property
    def deepest(self) -> int:
        """Confirmations with which any amount is credited."""
        return max(count for _, count in self.confirmations)

    def needed(self, units: int) -> int:
        """Confirmations for an amount."""
        return next(count for most, count in self.confirmations if most == 0 or units <= most)


@dataclass(frozen=True)
class Person:
    """A person who approves or lifts the breaker; ``password``: its argon2 hash."""

    name: str
    password: str
    role: str


@dataclass(frozen=True)
class CustodyFile:
    """All of it, checked."""

    path: Path
    journal: Path
    folder: Path
    chains: tuple[ChainSpec, ...]
    assets: tuple[AssetSpec, ...]
    signers: tuple[Path, ...]
    attestor: Path
    attestor_key: bytes
    persons: tuple[Person, ...]
    whitelist_wait_s: int = 86_400
    rules: Path | None = None
    sanctions: Path | None = None
    travel_rule: dict[str, int] = field(default_factory=dict)
    door: Path = Path("door.sock")
    """The socket at which the portal asks."""
    refill_wait_s: int = 3_600
    """From the second approval of a refill until it can be built."""

    def chain(self, name: str) -> ChainSpec:
        """The chain of this name.  Raises :class:`OutcryError` if there is no such chain."""
        for one in self.chains:
            if one.name == name:
                return one
        raise OutcryError(f"{self.path}: there is no chain {name!r}")

    def asset(self, name: str) -> AssetSpec | None:
        """The asset of this name, None if there is no such asset."""
        return next((one for one in self.assets if one.name == name), None)

    def known_asset(self, name: str) -> AssetSpec:
        """The asset of this name.  Raises :class:`Refused`."""
        asset = self.asset(name)
        if asset is None:
            raise Refused("unknown_asset", f"custody has no asset {name!r}")
        return asset

    def text(self, name: str, units: int) -> str:
        """Return units of an asset, of the venue, as decimal text with the asset's name."""
        asset = self.asset(name)
        return f"{units} units of {name}" if asset is None else asset.text(units)

    def asset_of(self, chain: str, token: str) -> AssetSpec | None:
        """The asset of a token on a chain; an empty token is the chain's own coin."""
        found = (asset for asset in self.assets if (asset.chain, asset.token) == (chain, token))
        return next(found, None)


def steps(value: Any) -> tuple[tuple[int, int], ...]:
    """``[[100, 1], [0, 6]]``: the last one is for any amount."""
    rows = list_of(list_of(integer(0, MANY)))(value)
    if not rows or any(len(row) != 2 or not 1 <= row[1] <= 10_000 for row in rows):
        raise ValueError("is a list of [amount up to, confirmations]")
    found = tuple((row[0], row[1]) for row in rows)
    amounts = [most for most, _ in found]
    if amounts[-1] != 0 or 0 in amounts[:-1] or amounts[:-1] != sorted(set(amounts[:-1])):
        raise ValueError("needs growing amounts, and 0 (any amount) last")
    return found


def address_key(value: Any) -> bytes:
    """A compressed public key of 33 bytes.  Raises :class:`ValueError`."""
    found = bytes.fromhex(text(66)(value))
    if len(found) != 33:
        raise ValueError("is not a public key of 33 bytes in hexadecimal")
    return found


def amounts(value: Any) -> dict[str, int]:
    """A table of whole numbers by asset.  Raises :class:`ValueError`."""
    if not isinstance(value, dict):
        raise ValueError("must be a table")
    return {str(name): integer(0, MANY)(one) for name, one in value.items()}


CUSTODY = {
    "journal": Key(text(4_096)),
    "folder": Key(text(4_096), "custody"),
    "door": Key(text(100), "door.sock"),
    "whitelist_wait_s": Key(integer(0, 10**8), 86_400),
    "rules": Key(text(4_096), ""),
    "sanctions": Key(text(4_096), ""),
    "travel_rule": Key(amounts, {}),
    "refill_wait_s": Key(integer(0, 10**8), 3_600),
}
CHAIN = {
    "name": Key(text(20)),
    "kind": Key(one_of(KINDS)),
    "url": Key(text(300)),
    "network": Key(text(20), ""),
    "referee": Key(text(300), ""),
    "hot": Key(text(1_000), ""),
    "cold": Key(text(1_000), ""),
    "final": Key(integer(1, 100_000), 12),
    "gap": Key(integer(1, 10_000), 100),
    "first_height": Key(integer(0, 10**9), 0),
    "fee_rate": Key(integer(1, 10_000), 10),
    "fee_rate_most": Key(integer(1, 10_000), 500),
    "bump_after_s": Key(integer(1, 10**6), 1_800),
    "chain_id": Key(integer(0, 10**12), 0),
    "vault": Key(text(42), ""),
    "factory": Key(text(42), ""),
    "trace": Key(boolean, False),
    "valid_s": Key(integer(60, 86_400), 3_600),
    "stuck_blocks": Key(integer(1, 10_000), 10),
    "sweep_every_s": Key(integer(1, 10**7), 3_600),
    "sweep_fee_most": Key(integer(1, 10_000), 100),
    "gas_module": Key(text(4_096), ""),
    "gas_token": Key(text(32), ""),
    "gas_pin": Key(text(4_096), ""),
}
ASSET = {
    "name": Key(text(8)),
    "chain": Key(text(20)),
    "decimals": Key(integer(0, 18)),
    "chain_decimals": Key(integer(0, 30)),
    "token": Key(text(42), ""),
    "dust": Key(integer(1, MANY), 1),
    "confirmations": Key(steps, ((0, 6),)),
    "automatic_up_to": Key(integer(0, MANY), 0),
    "batch_most": Key(integer(1, 1_000), 100),
    "hot_most": Key(integer(0, MANY), 0),
    "sweep_from": Key(integer(0, MANY), 0),
    "sweep_at_once": Key(integer(0, MANY), 0),
    "drain_an_hour": Key(integer(0, MANY), 0),
    "hot_share": Key(integer(0, 100), 0),
    "refill_a_day": Key(integer(0, MANY), 0),
}
SIGNER = {"socket": Key(text(100))}
ATTESTOR = {"socket": Key(text(100), ""), "key": Key(address_key, b"")}
PERSON = {
    "name": Key(text(40)),
    "password": Key(password_hash),
    "role": Key(one_of({"operator": "operator", "supervisor": "supervisor"})),
}
KNOWN = ("custody", "chain", "asset", "signer", "attestor", "person")


def read_custody_file(path: Path) -> CustodyFile:
    """Raises :class:`OutcryError` naming the first mistake, with its line."""
    tables = read_tables(path, lambda mistakes: OutcryError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, KNOWN)
    top, attestor = tables.table("custody", CUSTODY), tables.table("attestor", ATTESTOR)
    chains = _made(tables, "chain", CHAIN, ChainSpec)
    assets = _made(tables, "asset", ASSET, AssetSpec)
    persons = _made(tables, "person", PERSON, Person)
    for place, one in enumerate(assets):
        if one.chain not in [chain.name for chain in chains]:
            tables.wrong(("asset", place, "chain"), f"there is no chain {one.chain!r}")
        if (one.chain_decimals or 0) < (one.decimals or 0):
            tables.wrong(("asset", place, "decimals"), "are more than the chain has")
    for place, chain in enumerate(chains):
        if (chain.fee_rate or 0) > (chain.fee_rate_most or 0):
            tables.wrong(("chain", place, "fee_rate"), "is more than fee_rate_most")
    for name in ("chain", "asset", "person"):
        rows = [((name, place, "name"), one.get("name")) for (_, place), one in _rows(tables, name)]
        tables.distinct(rows, name)
    beside = path.parent
    signers = tables.rows("signer", SIGNER)
    tables.distinct([((*at, "socket"), row["socket"]) for at, row in signers], "socket")
    if len(signers) < SIGNATURES:
        few = f"are {len(signers)}, and a payment needs {SIGNATURES}: no payment could be made"
        tables.wrong(("signer",), few)
    sockets = [beside / str(row["socket"]) for _, row in signers]
    if tables.mistakes:
        raise OutcryError(f"{path}: {min(tables.mistakes)}")
    return CustodyFile(
        path,
        beside / top["journal"],
        beside / top["folder"],
        tuple(chains),
        tuple(assets),
        tuple(sockets),
        beside / attestor["socket"],
        attestor["key"],
        tuple(persons),
        top["whitelist_wait_s"],
        beside / top["rules"] if top["rules"] else None,
        beside / top["sanctions"] if top["sanctions"] else None,
        top["travel_rule"],
        beside / top["door"],
        top["refill_wait_s"],
    )


def _made(tables: Tables, name: str, keys: dict[str, Key], kind: Callable[..., Any]) -> list[Any]:
    return [kind(**row) for _, row in tables.rows(name, keys)]


def _rows(tables: Tables, name: str) -> list[tuple[Any, dict[str, Any]]]:
    return [(path, row) for path, row in tables.given_rows(name)]
