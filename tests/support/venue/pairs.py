"""A spot venue with room for pairs that its file does not name, and one that has such a pair from
its beginning."""

from openoutcry.risk.region import View
from tests.support.order_entry.sessions_venue import HASH

SLOTS = """
[[instrument_slots]]
count = 2
decimals = 2
[[instrument_slots]]
count = 1
decimals = 4
"""
MARKETS = """
[venue]
name = "PAIRS"
journal = "journal"
order_capacity = 4096
[calendar]
time_zone = "UTC"
[[schedule]]
name = "day"
day = ["09:00 CONTINUOUS", "17:00 CLOSED"]
[[asset]]
name = "USD"
decimals = 6
[[asset]]
name = "BTC"
decimals = 8
[[asset]]
name = "ETH"
decimals = 8
[[fee_schedule]]
name = "all"
maker_bps = 10
taker_bps = 20
[[fees]]
schedule = "all"
[[instrument]]
symbol = "BTC-USD"
settlement = "spot"
base = "BTC"
quote = "USD"
lot_units = 10_000
tick_units = 1
decimals = 2
min_price_ticks = 1
max_price_ticks = 10_000_000
max_qty_lots = 1_000_000
"""
SOL = """
[[asset]]
name = "SOL"
decimals = 8
"""
PEOPLE = "".join(f'[[participant]]\nnumber = {n}\nname = "p{n}"\n' for n in (1, 2, 3))
FUNDS = "".join(
    f'[[limits]]\nparticipant = {who}\nasset = "{asset}"\nopening_balance = {units}\n'
    for who in (1, 2, 3)
    for asset, units in (("USD", 10**12), ("BTC", 10**10), ("ETH", 10**11), ("SOL", 10**11))
)
KEYS = (
    "base=SOL",
    "quote=USD",
    "lot_units=1000000",
    "tick_units=100",
    "min_price_ticks=1",
    "max_price_ticks=100000",
    "max_qty_lots=100000",
)
"""What an operator types for SOL-USD."""
NAMED = """
[[instrument]]
symbol = "SOL-USD"
settlement = "spot"
base = "SOL"
quote = "USD"
lot_units = 1_000_000
tick_units = 100
decimals = 2
min_price_ticks = 1
max_price_ticks = 100_000
max_qty_lots = 100_000
announced = true
"""
"""The same in a file."""


def pairs_text(more: str = SLOTS) -> str:
    """Return the file of such a venue."""
    return MARKETS + SOL + PEOPLE + FUNDS + more


def sessions_text(**protocols: str) -> str:
    """Return sessions of participants 1, 2, … by name and protocol, with a port for each."""
    rows = [
        f'[[session]]\nname = "{name}"\nprotocol = "{protocol}"\nparticipant = {number}\n'
        f'password = "{HASH}"\ntimeout_ms = 600_000\ncancel_on_disconnect = "none"\n'
        for number, (name, protocol) in enumerate(protocols.items(), start=1)
    ]
    ports = [
        f'[[port]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{9_100 + number}"\n'
        for number, protocol in enumerate(dict.fromkeys(protocols.values()))
    ]
    return "".join([*rows, *ports])


def symbols_in(view: View) -> list[str]:
    """Return the symbols that the core has."""
    assert view.rules is not None
    return [bytes(one).decode() for one in view.rules.table["symbol"]]
