"""What the scanner needs of a chain.

An implementation checks what a node says as far as the chain lets it: a block's content must belong
to the hash that was asked for.  It keeps nothing between calls but connections.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Header:
    """Identity of a block; ``time_s``: seconds since 1970, by its miner."""

    height: int
    hash: str
    parent: str
    time_s: int


@dataclass(frozen=True)
class Receipt:
    """A payment by a transaction to a watched address."""

    txid: str
    place: int
    """Number of the output, or of the log."""
    address: str
    token: str
    """The asset, as the chain names it: "" is the chain's own coin, else a contract's address."""
    amount: int
    """In the chain's smallest unit."""


@dataclass(frozen=True)
class Spend:
    """An output that is watched is used up (chains with outputs only)."""

    txid: str
    place: int
    by: str
    """The transaction that spends it."""


@dataclass(frozen=True)
class Content:
    """Content of a block, or of the pool of waiting transactions, for this wallet."""

    receipts: tuple[Receipt, ...] = ()
    spends: tuple[Spend, ...] = ()
    confirmed: frozenset[str] = field(default_factory=frozenset)
    """The transactions asked about that are in it."""
    transactions: int = 0
    untraced: frozenset[str] = field(default_factory=frozenset)
    """Transactions whose calls the node does not show within the bounds of a trace."""


class Watched(Protocol):
    """Addresses and contracts that the scanner looks for."""

    @property
    def addresses(self) -> Mapping[str, object]:
        """Return the watched addresses."""

    @property
    def outputs(self) -> Mapping[tuple[str, int], object]:
        """Outputs that are ours and not known as spent, by transaction and place."""

    @property
    def sent(self) -> frozenset[str]:
        """Transactions of ours that are not final."""


class Chain(Protocol):
    """One chain, by one node (and a referee, if there is one).  All calls raise ``NodeError``."""

    name: str

    def close(self) -> None:
        """Close its connections."""

    def tip(self) -> Header:
        """The best block."""

    def header(self, block: str) -> Header:
        """Return the header with a hash."""

    def hash_at(self, height: int) -> str | None:
        """Return the hash of the best chain's block at a height; None if the chain is shorter."""

    def content(self, header: Header, watched: Watched) -> Content:
        """Return what a block contains for the watched addresses."""

    def pool(self, watched: Watched) -> Content:
        """Return what waits for a block, for the watched addresses."""


class Book(Protocol):
    """The addresses of a hot wallet, without any secret."""

    def address(self, branch: int, index: int) -> str:
        """Branch 0: others pay to it; 1: change, on chains that have any."""

    @property
    def branches(self) -> tuple[int, ...]:
        """Return the branches that the chain uses."""

    @property
    def vault(self) -> str:
        """The one address to which the venue's own money comes; nothing: to any of branch 0."""
