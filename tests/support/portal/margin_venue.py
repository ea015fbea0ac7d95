"""A venue whose users trade contracts under scenario margin through its portal."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.client.portal_models import OrderRow
from openoutcry.venue.desk import ask
from tests.support.portal import contract_tables as tables
from tests.support.portal.portal_venue import Person, PortalVenue
from tests.support.processes import OUTCRY

CENTS = 10**4
"""Units of USD, which has six decimals here."""
EXPIRY = "2026-12-18T16:00:00Z"
SYMBOLS = {"XAU-P": (1_000, 0), "XAU-F": (1_000, 2_500), "XAU-C": (50, 0), "EUR-I": (1_000, 1_500)}
"""Reference price and fee of each contract's instrument."""
MARGIN_FILE = tables.MARGIN.format(now="2026-11-23T00:00:00Z") + tables.GOLD + tables.EURO
MARGIN_FILE += tables.SMILE.format(expiry=EXPIRY)


def contracts(mark: str = "") -> str:
    """Return the four contracts; ``mark``: the line that a margin file has of all but the call."""
    gold = ("XAU-P", "perpetual", "", mark), ("XAU-F", "future", EXPIRY, mark)
    rows = *gold, ("XAU-C", "call", EXPIRY, "")
    return "".join(tables.contract(*row) for row in rows) + tables.inverse(mark)


def margin_venue(folder: Path) -> PortalVenue:
    """A venue in this folder, to be entered."""
    (folder / "margin.toml").write_text(MARGIN_FILE + contracts(tables.MARK))
    rows = "".join(tables.instrument(symbol, *row) for symbol, row in SYMBOLS.items())
    return PortalVenue(folder, more=rows + contracts() + tables.RULES)


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
