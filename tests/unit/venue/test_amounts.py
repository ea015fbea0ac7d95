"""What operators type and read about money at a running venue: decimals of the asset."""

import pytest

from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR
from tests.unit.venue.test_venue_spot import balance


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("amounts"), FLOOR)
    yield trading_floor
    trading_floor.close()


def said(floor, *words):
    done = floor.typed(*words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_operator_types_and_reads_decimal_amounts(floor):
    """USD has 6 decimals at this venue, BTC 8."""
    text = said(floor, "deposit", "1", "100000.00", "--asset", "USD")
    assert "participant 1 gets 100000.000000 USD from outside" in text
    assert balance(floor, 1, "USD") == (100_000_000_000, 0)
    said(floor, "deposit", "2", "7", "--asset", "USD", "--units")
    assert balance(floor, 2, "USD") == (7, 0)
    text = said(floor, "withdraw", "1", "99999.5", "--asset", "USD")
    assert "participant 1 gives 99999.500000 USD to outside" in text
    assert balance(floor, 1, "USD") == (500_000, 0)
    said(floor, "deposit", "seen", "1", "0.0003", "BTC", "--reference", "tx 1")
    said(floor, "deposit", "credit", "tx 1")
    assert balance(floor, 1, "BTC") == (30_000, 0)
    assert "0.00030000 BTC" in said(floor, "deposit", "list", "--state", "credited")
    assert "may owe 2.50000000 BTC" in said(floor, "assets", "credit", "2", "2.5", "BTC")
    shown = said(floor, "limits", "show", "--participant", "1")
    assert "0.500000 USD" in shown
    assert "0.00030000 BTC" in shown
    history = said(floor, "fees", "history")
    assert "participant 1 gets 100000.000000 USD from outside" in history
    assert "deposit 'tx 1': 0.00030000 BTC of participant 1 is credited" in history
    assert "of 0.000050 USD" in said(floor, "fees", "volume", "2", "50", "--units")


@pytest.mark.parametrize("text", ["1.1234567", "-5", "1e3", "1,000", "NaN", "ten"])
@pytest.mark.parametrize(
    "words",
    [
        ("deposit", "1", "AMOUNT", "--asset", "USD"),
        ("withdraw", "1", "AMOUNT", "--asset", "USD"),
        ("deposit", "seen", "1", "AMOUNT", "USD"),
        ("withdraw", "request", "1", "AMOUNT", "USD"),
        ("assets", "credit", "1", "AMOUNT", "USD"),
        ("fees", "volume", "1", "AMOUNT", "--asset", "USD"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_bad_amount_does_nothing(floor, words, text):
    before = len(floor.journal()[0]), balance(floor, 1, "USD")
    done = floor.typed(*(text if word == "AMOUNT" else word for word in words))
    assert done.exit_code == 1
    assert "USD, which has 6 decimals" in done.stderr
    assert text in done.stderr
    assert (len(floor.journal()[0]), balance(floor, 1, "USD")) == before


def test_units_are_whole(floor):
    done = floor.typed("deposit", "1", "1.5", "--asset", "USD", "--units")
    assert done.exit_code == 1
    assert "'1.5' is not a whole number of units" in done.stderr
