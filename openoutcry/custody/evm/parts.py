"""Makes the parts of one EVM chain of ``custody.toml``."""

import json
import time
from functools import partial
from pathlib import Path

from openoutcry.custody.errors import CustodyError
from openoutcry.custody.evm.broadcaster import Broadcaster, BroadcastSettings
from openoutcry.custody.evm.chain import EvmBook, EvmChain
from openoutcry.custody.evm.contracts import COIN, Domain
from openoutcry.custody.evm.deploy import Deployment
from openoutcry.custody.evm.encoding import AddressError, address_from_text, address_text
from openoutcry.custody.evm.node import Node
from openoutcry.custody.evm.own import OwnAddresses
from openoutcry.custody.evm.rail import EvmRail, EvmRailSettings
from openoutcry.custody.evm.reader import EvmReader
from openoutcry.custody.evm.sweep import Sweeper, SweepRule, SweepSettings
from openoutcry.custody.evm.transactions import DigestSigner, FeePolicy, HsmSigner, Signature
from openoutcry.custody.hsm import Hsm
from openoutcry.custody.settings import ChainSpec, CustodyFile
from openoutcry.custody.signing import WalletSpec
from openoutcry.custody.store import Store
from openoutcry.wire.private_file import require_private

GWEI = 10**9
GAS_LABEL = "gas"


def address(text: str, what: str) -> bytes:
    """Raises :class:`CustodyError` naming the setting."""
    try:
        return address_from_text(text)
    except AddressError as error:
        raise CustodyError(f"{what} = {text!r}: {error}") from None


class NoKey:
    """In a process that asks and sends nothing."""

    address = bytes(20)

    def sign(self, digest: bytes) -> Signature:
        """Raises :class:`CustodyError`."""
        raise CustodyError("this process has no key for gas")


def deployment(spec: ChainSpec) -> Deployment:
    """The contracts that the file names.  Raises :class:`CustodyError` for a wrong address."""
    wallet = address(spec.vault, f"chain {spec.name}: vault")
    return Deployment(spec.chain_id, wallet, address(spec.factory, f"chain {spec.name}: factory"))


def chain_of(spec: ChainSpec) -> EvmChain:
    """The chain as a scanner reads it, with a referee if the file names one."""
    node, referee = nodes_of(spec)
    return EvmChain(spec.name, node, deployment(spec).wallet, referee, spec.trace)


def nodes_of(spec: ChainSpec) -> tuple[Node, Node | None]:
    """Return the node and, if the file names one, the referee."""
    referee = Node(spec.referee, chain_id=spec.chain_id) if spec.referee else None
    return Node(spec.url, chain_id=spec.chain_id), referee


def book_of(spec: ChainSpec) -> EvmBook:
    """The addresses that others pay to."""
    return EvmBook(deployment(spec).addresses)


def tokens_of(spec: ChainSpec, file: CustodyFile) -> dict[str, bytes]:
    """Return the tokens by asset."""
    return {
        asset.name: address(asset.token, f"asset {asset.name}: token") if asset.token else COIN
        for asset in file.assets
        if asset.chain == spec.name
    }


def rail_of(
    spec: ChainSpec, file: CustodyFile, store: Store, gas_key: DigestSigner | None = None
) -> EvmRail:
    """``gas_key``: of the account that pays for gas; None: the HSM key that the file names."""
    (node, referee), made = nodes_of(spec), deployment(spec)
    tokens = tokens_of(spec, file)
    broadcaster = Broadcaster(
        file.folder / f"gas {spec.name}.sqlite",
        node,
        gas_key or _gas_key(spec, file),
        FeePolicy(max_fee_cap=spec.fee_rate_most * GWEI),
        BroadcastSettings(spec.chain_id, stuck=spec.stuck_blocks, final=spec.final),
        referee,
    )
    assets = [asset for asset in file.assets if asset.chain == spec.name]
    rules = tuple(
        SweepRule(
            tokens[asset.name], asset.sweep_from * asset.scale, asset.sweep_at_once * asset.scale
        )
        for asset in assets
        if asset.sweep_from
    )

    def now() -> int:
        return int(time.time())

    def deposit_addresses() -> list[bytes]:
        query = "select distinct address from deposits where chain = ?"
        found = (address_from_text(row["address"]) for row in store.rows(query, spec.name))
        return [one for one in found if one != made.wallet]

    sweeps = SweepSettings(spec.sweep_every_s, spec.sweep_fee_most * GWEI, rules)
    sweeper = Sweeper(spec.name, store, node, broadcaster, made.addresses, sweeps, now)
    least = {asset.name: asset.dust * asset.scale for asset in assets}
    settings = EvmRailSettings(
        tokens,
        least,
        valid_s=spec.valid_s,
        final=spec.final,
        first_block=spec.first_height,
        cold=address(spec.cold, f"chain {spec.name}: cold") if spec.cold else b"",
    )
    if broadcaster.key.address != NoKey.address:
        store.set_word(f"gas {spec.name}", address_text(broadcaster.key.address))
    terms = node, made, broadcaster, settings, now, deposit_addresses, sweeper
    own = own_addresses(file, store)
    return EvmRail(spec.name, *terms, own, referee, partial(leaving, store, spec.name))


def leaving(store: Store, chain: str) -> dict[str, int]:
    """Return, by asset, what batches that are in no block yet will pay."""
    query = (
        "select notes from drafts where chain = ? and height is null "
        "and state in ('drafted', 'signed', 'broadcast')"
    )
    found: dict[str, int] = {}
    for row in store.rows(query, chain):
        for asset, amounts in json.loads(row["notes"])["leaves"].items():
            found[asset] = found.get(asset, 0) + sum(amounts.values())
    return found


def own_addresses(file: CustodyFile, store: Store) -> OwnAddresses:
    """The venue's own addresses on every EVM chain of the file."""
    specs = [one for one in file.chains if one.kind == "evm"]

    def given(chain: str) -> int:
        query = "select max(place) as last from addresses where chain = ? and branch = 0"
        row = store.row(query, chain)
        return 0 if row is None or row["last"] is None else int(row["last"]) + 1

    def gas(chain: str) -> bytes:
        """Known to a process that has no key by what one with the key has stored."""
        text = store.word(f"gas {chain}")
        return address_from_text(text) if text else NoKey.address

    always = {NoKey.address}
    for one in specs:
        always |= {address(one.vault, "vault"), address(one.factory, "factory")}
        always |= {address(one.cold, "cold")} if one.cold else set()
        always |= set(tokens_of(one, file).values())
    books = [(deployment(spec).addresses, partial(given, spec.name)) for spec in specs]
    return OwnAddresses(books, lambda: always | {gas(spec.name) for spec in specs})


def reader_of(wallet: WalletSpec) -> EvmReader:
    """A signer's: by its own file."""
    domain = Domain(wallet.chain_id, address(wallet.vault, f"wallet {wallet.chain}: vault"))
    tokens = {
        name: address(text, f"wallet {wallet.chain}: tokens.{name}") for name, text in wallet.tokens
    }
    cold = [address(wallet.cold, f"wallet {wallet.chain}: cold")] if wallet.cold else []
    return EvmReader(
        wallet.chain, domain, {wallet.asset: COIN} | tokens, frozenset(cold), wallet.label
    )


def _gas_key(spec: ChainSpec, file: CustodyFile) -> HsmSigner:
    """Return the key for gas. Its PIN is in a file that only its owner can read: it guards no
    customer's coins."""
    pin_file = file.path.parent / spec.gas_pin
    try:
        require_private(pin_file, CustodyError)
        pin = pin_file.read_text().strip()
    except OSError as error:
        raise CustodyError(f"chain {spec.name}: gas_pin: {error}") from None
    return HsmSigner(Hsm(Path(spec.gas_module), spec.gas_token, pin), GAS_LABEL)
