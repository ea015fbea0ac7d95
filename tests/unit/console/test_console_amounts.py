"""Amounts of the operators' console: decimals of their asset on the page and in its requests."""

import re

import pytest

from openoutcry import PACKAGE
from openoutcry.console.participants import money_of
from openoutcry.venue.amounts import LIMITS, asset_of, in_units
from openoutcry.venue.fee_tables import MoneySpec
from openoutcry.venue.file import read_venue
from openoutcry.wire.decimals import AmountError
from tests.support.venue.served_venue import VENUE

STATIC = PACKAGE / "console" / "static"
NUMBER = re.compile(r"\b(?:whole|short)\(\w+\.(\w+)")
COUNTS = re.findall(
    r"\w+",
    "acknowledged_seq after_seq age_s block bought_lots commands commands_per_s count covers "
    "durable_lag durable_seq epoch height hits lag lag_blocks lag_commands last_seq length lots "
    "lots_ahead messages open_lots open_orders order_capacity orders_ahead per_s period position "
    "qty_lots refused seq sequenced shares silent_s slow sold_lots takeover_of takeover_place "
    "takeovers taken_over throttled traded_lots trades verified_checks verified_seq "
    "verified_states volume",
)
"""Numbers of the pages' documents that count something."""
PRICES = re.findall(r"\w+", "at final funding_period funding_rate index mark price rate settlement")
"""Numbers in ticks or billionths, as the page's heading says."""


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_a_number_that_a_page_shows_is_an_amount_or_listed(path):
    """A new field of money that is shown as a whole number fails here: ``amount`` shows it."""
    assert set(NUMBER.findall(path.read_text())) - {*COUNTS, *PRICES} == set()


def test_one_function_of_the_pages_makes_amounts():
    """Only ``amount`` in link.js turns units into decimals; prices have their own decimals."""
    users = [
        path.name for path in STATIC.glob("*.js") if re.search(r"\bdecimal\(", path.read_text())
    ]
    assert sorted(users) == ["kit.js", "link.js"]
    assert (STATIC / "link.js").read_text().count("decimal(") == 1


def test_a_page_knows_the_decimals_of_every_asset(tmp_path):
    path = tmp_path / "venue.toml"
    path.write_text(VENUE + '[[asset]]\nname = "USD"\ndecimals = 2\n')
    assert money_of(read_venue(path)) == {
        "asset": "USD",
        "decimals": {"USD": 2},
        "limits": [*LIMITS],
    }
    path.write_text(VENUE)
    assert money_of(read_venue(path)) == {"asset": "", "decimals": {}, "limits": [*LIMITS]}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_in_the_asset_of_margin_accounts(limit):
    """Also where another asset is named first in the file."""
    money = MoneySpec(assets={"BTC": 8, "USD": 2}, quotes={"GOLD": "USD"})
    for request in (
        {"do": "set", "limit": limit},
        {"do": "set", "limit": limit, "instrument": "GOLD"},
    ):
        assert asset_of(request, "value", money) == "USD"
        assert in_units(request | {"value": "5000.00"}, money, money.assets)["value"] == 500_000
        with pytest.raises(AmountError, match="USD, which has 2 decimals"):
            in_units(request | {"value": "5000.001"}, money, money.assets)
    assert asset_of({"do": "deposit"}, "amount", money) == "BTC"
    assert (money.margin_text(150), money.margin_text(150, "BTC")) == ("1.50 USD", "0.00000150 BTC")
