"""The file of a router: venues, instruments and listings.  docs/routing.md explains each key."""

from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.client.fix import FixClient, FixNumbers
from openoutcry.client.ouch import OuchClient
from openoutcry.client.shm import ShmClient
from openoutcry.market_data.receiver import Receiver
from openoutcry.routing.ccxt_venue import CcxtVenue
from openoutcry.routing.connector import Connector
from openoutcry.routing.fix_venue import FixVenue
from openoutcry.routing.instruments import (
    MAX_DECIMALS,
    MAX_FEE_PPM,
    MAX_QUANTITY,
    MEASURED,
    PART,
    Instrument,
    Listing,
    Market,
    RoutingError,
    Venue,
    market_of,
)
from openoutcry.routing.own_venue import OwnVenue
from openoutcry.routing.shm_venue import ShmVenue
from openoutcry.routing.synthetic_spec import SyntheticBook, read_synthetic
from openoutcry.wire.extras import need
from openoutcry.wire.private_file import read_private
from openoutcry.wire.toml_tables import Key, Tables, address, integer, one_of, read_tables, text

NEEDED = {
    "own": ("orders", "session", "a"),
    "fix": ("orders", "session", "a"),
    "shm": ("socket", "session", "key_file", "a"),
    "ccxt": ("exchange",),
    "recorded": ("day",),
}
"""The keys that each kind of venue needs."""
LONG_NS = 10**13
HEARTBEAT_S = 5
"""Of FIX: a venue that heard nothing for 2.4 of them lets the session log on again."""


VENUE = {
    "name": Key(text(16)),
    "kind": Key(one_of({kind: kind for kind in NEEDED}), "own"),
    "maker_ppm": Key(integer(-MAX_FEE_PPM, MAX_FEE_PPM), 0),
    "taker_ppm": Key(integer(-MAX_FEE_PPM, MAX_FEE_PPM), 0),
    "order_fee": Key(integer(0, 1 << 40), 0),
    "latency_ns": Key(integer(0, LONG_NS), MEASURED),
    "stale_ns": Key(integer(1, LONG_NS), Venue.stale_ns),
    "timeout_ns": Key(integer(1, LONG_NS), Venue.timeout_ns),
    "shown_ppm": Key(integer(1, PART), PART),
    "orders": Key(address, None),
    "session": Key(text(), ""),
    "target": Key(text(32), ""),
    "password_file": Key(text(), ""),
    "socket": Key(text(), ""),
    "key_file": Key(text(), ""),
    "tick_decimals": Key(integer(0, MAX_DECIMALS), 0),
    "a": Key(address, None),
    "b": Key(address, None),
    "retransmission": Key(address, None),
    "snapshots": Key(address, None),
    "interface": Key(text(), ""),
    "exchange": Key(text(), ""),
    "day": Key(text(), ""),
    "latency": Key(text(), ""),
}
DECIMALS = Key(integer(0, MAX_DECIMALS))
INSTRUMENT = {
    "symbol": Key(text(32)),
    "base": Key(text(16)),
    "quote": Key(text(16)),
    "price_decimals": DECIMALS,
    "quantity_decimals": DECIMALS,
}
LISTING = {
    "venue": Key(text(16)),
    "instrument": Key(text(32)),
    "symbol": Key(text(32)),
    "price_decimals": DECIMALS,
    "quantity_decimals": DECIMALS,
    "price_step": Key(integer(1, 1 << 40), 1),
    "lot": Key(integer(1, 1 << 40), 1),
    "min_quantity": Key(integer(1, MAX_QUANTITY), 1),
    "min_notional": Key(integer(0, 1 << 60), 0),
    "max_quantity": Key(integer(1, MAX_QUANTITY), MAX_QUANTITY),
}


@dataclass(frozen=True)
class Settings:
    """Content of the file."""

    path: Path
    store: Path
    venues: dict[str, Venue]
    doors: dict[str, dict[str, Any]]
    """By venue: its addresses and how to log in."""
    instruments: dict[str, Instrument]
    listings: list[Listing]
    synthetic: dict[str, SyntheticBook] = field(default_factory=dict)

    def market(self, symbol: str) -> Market:
        """The market of an instrument.  Raises :class:`RoutingError`."""
        if symbol not in self.instruments:
            raise RoutingError(f"{self.path}: no instrument {symbol}")
        return market_of(self.instruments[symbol], self.venues, self.listings)

    def connectors(self, market: Market) -> dict[str, Connector]:
        """Connectors of a market's venues, which connect when they are used.  Raises
        :class:`RoutingError`."""
        made: dict[str, Connector] = {}
        for listing in market.listings:
            door = self.doors[listing.venue]
            if door["kind"] == "recorded":
                raise RoutingError(f"{listing.venue} is recorded: outcry backtest runs over it")
            kinds = {"ccxt": self._ccxt, "shm": self._shm, "fix": self._fix, "own": self._own}
            made[listing.venue] = kinds[door["kind"]](listing, door)
        return made

    def _own(self, listing: Listing, door: dict[str, Any]) -> Connector:
        password = self._secret(door["password_file"])
        host, port = door["orders"]

        def connect() -> OuchClient:
            return OuchClient(
                host,
                port,
                door["session"],
                password,
                sequence=1,
                symbols=[listing.symbol],
            )

        return OwnVenue(listing, connect, partial(_listen, door))

    def _fix(self, listing: Listing, door: dict[str, Any]) -> Connector:
        password = self._secret(door["password_file"])
        host, port = door["orders"]

        def connect(numbers: FixNumbers | None) -> FixClient:
            target = door["target"] or listing.venue
            return FixClient(
                host,
                port,
                door["session"],
                password,
                target=target,
                numbers=numbers,
                heartbeat_s=HEARTBEAT_S,
            )

        file = self.store.with_name(f"{self.store.stem}-{listing.venue}.fix")
        return FixVenue(listing, connect, partial(_listen, door), file)

    def _shm(self, listing: Listing, door: dict[str, Any]) -> Connector:
        try:
            key = bytes.fromhex(self._secret(door["key_file"]))
        except ValueError:
            raise RoutingError(f"{door['key_file']}: no hexadecimal key") from None
        path = self.path.parent / door["socket"]

        def connect() -> ShmClient:
            return ShmClient(path, door["session"], key, first_reply=1)

        return ShmVenue(listing, connect, partial(_listen, door), door["tick_decimals"])

    def _secret(self, name: str) -> str:
        return read_private(self.path.parent / name, RoutingError)

    def _ccxt(self, listing: Listing, door: dict[str, Any]) -> Connector:
        ccxt = need("ccxt", f"{listing.venue}: CCXT is not installed", "clients", RoutingError)
        if not hasattr(ccxt, door["exchange"]):
            raise RoutingError(f"{self.path}: CCXT has no exchange {door['exchange']!r}")
        return CcxtVenue(listing, getattr(ccxt, door["exchange"])({"enableRateLimit": True}))


def _listen(door: dict[str, Any]) -> Receiver:
    """Join the feed of a venue of ours."""
    lines = [door[line] for line in ("a", "b") if door[line]]
    return Receiver(lines, door["retransmission"], door["interface"], snapshots=door["snapshots"])


def read_settings(path: Path) -> Settings:
    """Read the file.  Raises :class:`RoutingError` naming the first mistake with its line."""
    tables = read_tables(path, lambda mistakes: RoutingError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, ("store", "venue", "instrument", "listing", "synthetic"))
    venues, doors = _venues(tables)
    instruments = {
        values["symbol"]: Instrument(**values)
        for _, values in tables.rows("instrument", INSTRUMENT)
        if None not in values.values()
    }
    listings = []
    for at, values in tables.rows("listing", LISTING):
        if None in values.values():
            continue
        instrument, venue = instruments.get(values["instrument"]), values["venue"]
        if instrument is None:
            tables.wrong((*at, "instrument"), f"no instrument {values['instrument']}")
        if venue not in venues:
            tables.wrong((*at, "venue"), f"no venue {venue}")
        if instrument is None or venue not in venues:
            continue
        try:
            listings.append(Listing(**values | {"instrument": instrument}))
        except RoutingError as error:
            tables.wrong(at, str(error))
    synthetic = {one.symbol: one for one in read_synthetic(tables)}
    for symbol in sorted({leg for one in synthetic.values() for leg in one.path}):
        if symbol not in instruments:
            tables.wrong(("synthetic",), f"no instrument {symbol}")
    if tables.mistakes:
        raise RoutingError(f"{path}: {min(tables.mistakes)}")
    store = path.parent / str(tables.document.get("store", "parents.sqlite"))
    return Settings(path, store, venues, doors, instruments, listings, synthetic)


def _venues(tables: Tables) -> tuple[dict[str, Venue], dict[str, dict[str, Any]]]:
    venues, doors = {}, {}
    known = {field.name for field in fields(Venue)}
    for at, values in tables.rows("venue", VENUE):
        if values["name"] is None or values["kind"] is None:
            continue
        for key in NEEDED[values["kind"]]:
            if not values[key]:
                tables.wrong((*at, key), "is missing")
        if None in [values[key] for key in known]:
            continue
        venues[values["name"]] = Venue(**{key: values[key] for key in known})
        doors[values["name"]] = values
    return venues, doors
