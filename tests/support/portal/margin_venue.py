"""A venue whose users trade contracts under scenario margin through its portal."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.client.portal_models import OrderRow
from openoutcry.venue.desk import ask
from tests.support.portal.portal_venue import Person, PortalVenue
from tests.support.processes import OUTCRY

CENTS = 10**4
"""Units of USD, which has six decimals here."""
MORE = """
[[instrument]]
symbol = "XAU-P"
decimals = 2
amount_decimals = 6
min_price_ticks = 1
max_price_ticks = 4_000_000
reference_price_ticks = 1_000
price_distance_bps = 1_000_000
[[instrument]]
symbol = "XAU-F"
decimals = 2
amount_decimals = 6
min_price_ticks = 1
max_price_ticks = 4_000_000
reference_price_ticks = 1_000
price_distance_bps = 1_000_000
fee = 2_500
[[instrument]]
symbol = "XAU-C"
decimals = 2
amount_decimals = 6
min_price_ticks = 1
max_price_ticks = 4_000_000
reference_price_ticks = 50
price_distance_bps = 1_000_000
[[instrument]]
symbol = "EUR-I"
decimals = 2
amount_decimals = 6
min_price_ticks = 1
max_price_ticks = 4_000_000
reference_price_ticks = 1_000
price_distance_bps = 1_000_000
fee = 1_500
{contracts}
[liquidation]
[[limits]]
credit = 0
maintenance_bps = 10_000
[margin]
file = "margin.toml"
"""
CONTRACTS = """
[[contract]]
symbol = "XAU-P"
kind = "perpetual"
underlying = "XAU"
asset = "USD"
multiplier = 10_000
{perpetual}
[[contract]]
symbol = "XAU-F"
kind = "future"
underlying = "XAU"
asset = "USD"
multiplier = 10_000
expiry = 2026-12-18T16:00:00Z
{future}
[[contract]]
symbol = "XAU-C"
kind = "call"
underlying = "XAU"
asset = "USD"
multiplier = 10_000
expiry = 2026-12-18T16:00:00Z
strike_ticks = 1_000
strike_multiplier = 10_000
[[contract]]
symbol = "EUR-I"
kind = "perpetual"
inverse = true
underlying = "EUR"
asset = "USD"
multiplier = 10_000_000_000
{perpetual}
"""
MARGIN_FILE = """
[margin]
asset = "USD"
now = 2026-11-23T00:00:00Z
[[asset]]
name = "USD"
[[underlying]]
name = "XAU"
price_ticks = 1_000
scan_ticks = 300
unit = 10_000
initial = 1_500_000
[[underlying]]
name = "EUR"
price_ticks = 1_000
scan_ticks = 300
unit = 10_000
[[smile]]
underlying = "XAU"
expiry = 2026-12-18T16:00:00Z
ratios = [800_000, 1_000_000, 1_200_000]
volatilities = [400_000, 400_000, 400_000]
"""
MARKS = {"perpetual": "mark_ticks = 1_000", "future": "mark_ticks = 1_000"}
NONE = dict.fromkeys(MARKS, "")


def margin_venue(folder: Path) -> PortalVenue:
    """A venue in this folder, to be entered."""
    (folder / "margin.toml").write_text(MARGIN_FILE + CONTRACTS.format(**MARKS))
    return PortalVenue(folder, more=MORE.format(contracts=CONTRACTS.format(**NONE)))


def funded(venue: PortalVenue, *cents: int) -> list[Person]:
    """As many people who have signed up, with this money in their margin accounts."""
    made = [venue.person(USD=10**6) for _ in cents]
    for person, amount in zip(made, cents, strict=True):
        request = {"do": "deposit", "participant": person.participant, "amount": amount * CENTS}
        ask(venue.venue.journal, request)
    return made


def sold(venue: PortalVenue, people: list[Person], symbol: str, lots: str, price: str) -> OrderRow:
    """The first buys from the second, by orders at the portal; the buyer's order."""
    clients = [PortalClient(venue.url, one.api_key, one.secret) for one in people]
    with clients[0] as buyer, clients[1] as seller:
        assert seller.place(symbol, "sell", "limit", quantity=lots, price=price).state == "open"
        bought = buyer.place(symbol, "buy", "limit", quantity=lots, price=price)
        assert bought.state == "filled"
        return bought


def has_funding(client: PortalClient) -> bool:
    """Whether the history has come so far."""
    try:
        return bool(client.funding())
    except PortalError as error:
        if error.code != "not_ready":
            raise
        return False


def printed(*words: object) -> Any:
    """What a command prints as JSON."""
    return json.loads(subprocess.check_output([*OUTCRY, *map(str, words)]))


def units(text: str) -> int:
    """An amount of USD."""
    return int(Decimal(text) * 10**6)
