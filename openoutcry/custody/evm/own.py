"""The venue's own addresses on EVM chains, known by derivation: also those without a contract."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from openoutcry.custody.evm.contracts import DepositAddresses
from openoutcry.custody.settings import WINDOW


@dataclass
class OwnAddresses:
    """Of all EVM chains: an address is the same on each.  ``books``: deposit addresses, and how
    many were given out; ``fixed``: vaults, factories, gas accounts and tokens."""

    books: Sequence[tuple[DepositAddresses, Callable[[], int]]]
    fixed: Callable[[], Iterable[bytes]]
    _known: set[bytes] = field(default_factory=set)
    _derived: dict[DepositAddresses, int] = field(default_factory=dict)

    def __contains__(self, address: bytes) -> bool:
        for book, given in self.books:
            first, until = self._derived.get(book, 0), given() + WINDOW
            self._known.update(book.address(place) for place in range(first, until))
            self._derived[book] = max(first, until)
        return address in self._known or address in self.fixed()
