"""Choose the code for a kind of chain: the only module that knows both kinds."""

from typing import Any

from openoutcry.custody.chain import Book, Chain
from openoutcry.custody.errors import CustodyError
from openoutcry.custody.rail import Rail
from openoutcry.custody.settings import ChainSpec, CustodyFile
from openoutcry.custody.signing import Reader
from openoutcry.custody.store import Store


def chain_of(spec: ChainSpec, file: CustodyFile) -> Chain:
    """Return the chain that the scanner follows."""
    if spec.kind == "utxo":
        from openoutcry.custody.utxo.address import network_of
        from openoutcry.custody.utxo.chain import UtxoChain
        from openoutcry.custody.utxo.rpc import nodes_of

        return UtxoChain(spec.name, network_of(spec.network), *nodes_of(spec))
    if spec.kind == "evm":
        from openoutcry.custody.evm import parts

        return parts.chain_of(spec)
    raise CustodyError(f"chain {spec.name!r}: there is no kind {spec.kind!r}")


def book_of(spec: ChainSpec) -> Book:
    """Return where others pay to."""
    if spec.kind == "utxo":
        from openoutcry.custody.utxo.address import network_of
        from openoutcry.custody.utxo.wallet import Wallet

        return Wallet(spec.hot, network_of(spec.network))
    if spec.kind == "evm":
        from openoutcry.custody.evm import parts

        return parts.book_of(spec)
    raise CustodyError(f"chain {spec.name!r}: there is no kind {spec.kind!r}")


def rail_of(spec: ChainSpec, file: CustodyFile, store: Store, *, sends: bool = True) -> Rail:
    """Return the rail that pays; ``sends``: it has the key of the account that pays for gas, if
    there is one."""
    if spec.kind == "utxo":
        from openoutcry.custody.utxo.rail import UtxoRail

        return UtxoRail(spec, file, store)
    if spec.kind == "evm":
        from openoutcry.custody.evm import parts

        return parts.rail_of(spec, file, store, None if sends else parts.NoKey())
    raise CustodyError(f"chain {spec.name!r}: there is no kind {spec.kind!r}")


def reader_of(wallet: Any) -> Reader:
    """Return the reader with which a signer reads transactions; ``wallet``: of the
    signer's file."""
    if wallet.kind == "utxo":
        from openoutcry.custody.utxo.reader import UtxoReader

        return UtxoReader(wallet)
    if wallet.kind == "evm":
        from openoutcry.custody.evm import parts

        return parts.reader_of(wallet)
    raise CustodyError(f"chain {wallet.chain!r}: there is no kind {wallet.kind!r}")
