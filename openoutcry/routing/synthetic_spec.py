"""``[[synthetic]]`` of a file: a book that is made of the file's instruments."""

from collections.abc import Callable
from dataclasses import dataclass

from openoutcry.routing.depth import Depth
from openoutcry.routing.instruments import Instrument
from openoutcry.routing.synthetic import Basket, Path, Synthetic
from openoutcry.wire.toml_tables import Key, Tables, integer, list_of, text

SYNTHETIC = {
    "symbol": Key(text(32)),
    "path": Key(list_of(text(32)), ()),
    "base": Key(text(16), ""),
    "quote": Key(text(16), ""),
    "weights": Key(list_of(integer(-1_000_000, 1_000_000)), ()),
    "divisor": Key(integer(1, 1_000_000_000), 1),
    "price_decimals": Key(integer(0, 12), 8),
    "quantity_decimals": Key(integer(0, 12), 8),
}


@dataclass(frozen=True)
class SyntheticBook:
    """A path with the assets at its ends, or weights."""

    symbol: str
    path: tuple[str, ...]
    base: str = ""
    quote: str = ""
    weights: tuple[int, ...] = ()
    divisor: int = 1
    price_decimals: int = 8
    quantity_decimals: int = 8

    def made(self, depth_of: Callable[[str], Depth]) -> Synthetic:
        """The book over the depths of its legs.  Raises :class:`RoutingError`."""
        depths = [depth_of(symbol) for symbol in self.path]
        decimals = self.price_decimals, self.quantity_decimals
        instrument = Instrument(self.symbol, self.base, self.quote, *decimals)
        if self.weights:
            return Basket(instrument, depths, self.weights, self.divisor)
        return Path(instrument, depths)


def read_synthetic(tables: Tables) -> tuple[SyntheticBook, ...]:
    """The file's tables."""
    return tuple(
        SyntheticBook(**row | {"path": tuple(row["path"])})
        for _, row in tables.rows("synthetic", SYNTHETIC)
        if row["symbol"] is not None
    )
