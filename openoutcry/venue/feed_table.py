"""The table [market_data] of a venue file: where the public feed goes."""

from ipaddress import IPv4Address, ip_address
from typing import Any

import numpy.typing as npt

from openoutcry.market_data.feed import limits_broken
from openoutcry.market_data.itch_messages import MAX_LEVEL
from openoutcry.market_data.mold import MTU
from openoutcry.market_data.pages import websockets
from openoutcry.market_data.spec import FeedSpec
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import FeedError
from openoutcry.wire.toml_tables import Key, Tables


def udp_endpoint(value: Any) -> tuple[str, int]:
    """ADDRESS:PORT, a numeric address."""
    host, _, port = toml_tables.text()(value).rpartition(":")
    host = host.strip("[]")
    try:
        ip_address(host)
    except ValueError:
        raise ValueError(f"{value!r} is not ADDRESS:PORT with a numeric address") from None
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65_535:
        raise ValueError(f"{value!r} has no port from 1 to 65535")
    return host, int(port)


def group(value: Any) -> tuple[str, int]:
    """ADDRESS:PORT of a multicast group."""
    host, port = udp_endpoint(value)
    if not ip_address(host).is_multicast:
        raise ValueError(f"{host} is not a multicast group (239.0.0.0/8, ff00::/8)")
    return host, port


MARKET_DATA = {
    "a": Key(group),
    "b": Key(group, None),
    "interface": Key(toml_tables.text(), ""),
    "retransmission": Key(udp_endpoint, None),
    "snapshots": Key(udp_endpoint, None),
    "stream": Key(udp_endpoint, None),
    "depth": Key(group, None),
    "pages": Key(udp_endpoint, None),
    "fix": Key(udp_endpoint, None),
    "interval_ms": Key(toml_tables.integer(10, 60_000), 100),
    "shm": Key(toml_tables.boolean, False),
    "ttl": Key(toml_tables.integer(0, 255), 1),
    "mtu": Key(toml_tables.integer(256, 9_216), MTU),
    "heartbeat_ms": Key(toml_tables.integer(10, 60_000), 1_000),
    "idle_us": Key(toml_tables.integer(0, 100_000), 50),
    "requests_per_s": Key(toml_tables.integer(1, 1_000_000), 100),
}


def read_feed(
    tables: Tables, instruments: npt.NDArray[Any] | None, decimals: dict[str, int]
) -> FeedSpec | None:
    """Return the table's content, None if the file has no such table. Mistakes are noted, also of
    instruments whose limits the feed cannot carry."""
    if "market_data" not in tables.document:
        return None
    row = tables.table("market_data", MARKET_DATA)
    if instruments is not None:
        for index, field, words in limits_broken(instruments, decimals, list(decimals)):
            tables.wrong(("instrument", index, field), words)
        _check_index(tables, instruments, list(decimals))
    if row["a"] is not None:
        _check_interface(tables, row["interface"], ip_address(row["a"][0]).version)
    if tables.mistakes:
        return None
    try:
        if row["pages"] is not None:
            websockets()
        return FeedSpec(**row, symbols=tuple(decimals), price_decimals=decimals)
    except FeedError as error:
        tables.wrong(("market_data",), str(error))
        return None


def _check_interface(tables: Tables, name: str, version: int) -> None:
    """Note an interface that is not named as its lines want it: by its address over IPv4."""
    if not name or version == 6:
        return
    try:
        IPv4Address(name)
    except ValueError:
        tables.wrong(
            ("market_data", "interface"), f"{name!r} is not an IPv4 address of an interface"
        )


def _check_index(tables: Tables, instruments: npt.NDArray[Any], symbols: list[str]) -> None:
    """Note an index of the breaker whose levels the feed could not say."""
    weights = tables.given_table("breaker").get("index")
    if not isinstance(weights, dict):
        return
    highest = sum(
        weights.get(symbol, 0) * int(row["max_price_ticks"])
        for symbol, row in zip(symbols, instruments, strict=True)
        if type(weights.get(symbol, 0)) is int
    )
    if highest > MAX_LEVEL:
        tables.wrong(
            ("breaker", "index"),
            f"may be {highest}, but the feed can publish 0 to {MAX_LEVEL}; lower it or switch "
            "the feed off",
        )
