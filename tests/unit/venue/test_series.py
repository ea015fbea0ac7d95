"""Series in a venue in one thread: contracts by rule are the journal's, take no order until they
are listed, and are listed while trading as time passes and the index moves."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.contract_layout import UNLISTED_HALT
from openoutcry.risk.region import setting
from openoutcry.venue.file import read_venue
from openoutcry.venue.limits import hook_settings
from openoutcry.wire.enums import ErrorBit, EventKind, Side
from openoutcry.wire.symbols import code_of
from tests import ROOT
from tests.support.risk.spot_page import HEAD, PEOPLE
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order

SERIES = """
[[series]]
root = "AU"
kind = "future"
underlying = "XAU"
asset = "USD"
multiplier = 10
weekly = 2
first = 2026-11-20
last = 2026-12-20
[series.template]
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 5_000
price_distance_bps = 100_000
margin_bps = 1_000
[[series]]
root = "AU"
kind = "option"
underlying = "XAU"
asset = "USD"
multiplier = 10
strike_multiplier = 10
weekly = 1
strike_interval_ticks = 100
strikes = 1
first = 2026-11-20
last = 2026-11-28
lowest_strike_ticks = 4_800
highest_strike_ticks = 5_200
[series.template]
min_price_ticks = 0
max_price_ticks = 100_000
reference_price_ticks = 50
price_distance_bps = 100_000
margin = 9_000
[[index]]
underlying = "XAU"
sources = ["east"]
every_ms = 500
stale_ms = 3_600_000
"""
TEXT = CONTRACT_VENUE + SERIES


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("series"), TEXT)
    yield trading_floor
    trading_floor.close()


def listed(floor: InlineFloor) -> set[str]:
    """The contracts of series that take orders."""
    view = floor.view
    file = read_venue(floor.file)
    own = {symbol for one in file.risk.series for symbol in one.symbols}
    halts = dict(zip(file.symbols, view.instruments[:, lay.HALT // 8].tolist(), strict=True))
    return {symbol for symbol in own if not halts[symbol] & UNLISTED_HALT}


def calls_and_puts(*strikes: int) -> set[str]:
    return {f"AU-27NOV26-{strike}-{letter}" for strike in strikes for letter in "CP"}


def test_a_journal_has_every_contract_that_the_rule_can_come_to(floor: InlineFloor) -> None:
    file = read_venue(floor.file)
    futures, options = (one.symbols for one in file.risk.series)
    days = ("20NOV26", "27NOV26", "04DEC26", "11DEC26", "18DEC26")
    assert futures == tuple(f"AU-{day}" for day in days)
    assert len(options) == 2 * 2 * 5
    settings = hook_settings([1], 64, file.risk)
    assert len(settings["unlisted"]) == len(futures) + len(options)


def test_the_rule_s_contracts_are_listed_and_no_other_takes_an_order(floor: InlineFloor) -> None:
    """The middle of the journal's strikes is 5,000, as long as no source has reported."""
    futures = {"AU-27NOV26", "AU-04DEC26"}
    floor.wait_for(lambda s: listed(floor) == futures | calls_and_puts(4_900, 5_000, 5_100))
    (accepted,) = floor.send(order(1, Side.BUY, 1, 5_000, who=1, symbol=code_of("AU-27NOV26")))
    assert accepted["kind"][0] == EventKind.ACCEPTED
    (refused,) = floor.send(order(2, Side.BUY, 1, 5_000, who=1, symbol=code_of("AU-11DEC26")))
    assert refused["kind"][0] == EventKind.REJECTED
    assert refused["contra_id"][0] == 1 << ErrorBit.HALTED, "by the gateway"


def test_strikes_are_added_as_the_index_moves_and_stay(floor: InlineFloor) -> None:
    floor.ask("contract", "report", "XAU", "east", "5120")
    floor.wait_for(lambda s: calls_and_puts(5_200) <= listed(floor))
    assert calls_and_puts(4_900, 5_000, 5_100) <= listed(floor)
    assert not calls_and_puts(4_800) & listed(floor)
    count = floor.settings().count(Setting.CONTRACT_LIST)
    floor.again()
    assert calls_and_puts(4_900, 5_000, 5_100, 5_200) <= listed(floor)
    assert floor.settings().count(Setting.CONTRACT_LIST) == count
    floor.ask("contract", "report", "XAU", "east", "5230")
    floor.wait_for(lambda s: any("5300-C is not listed" in note for note in floor.notes))
    history = CliRunner().invoke(main, ["venue", "limits", "history", "--venue", str(floor.file)])
    assert "listed at 50" in history.stdout


def test_a_listing_that_the_core_refuses_is_sent_ever_less_often(floor, monkeypatch) -> None:
    """The note comes once.  In ten seconds it is sent after 0, 1, 3 and 7, not twenty times."""
    with monkeypatch.context() as patch:
        too_high = lambda what, mark, *more: setting(what, 2**50, *more)  # noqa: E731
        patch.setattr("openoutcry.venue.series_timer.setting", too_high)
        count = floor.settings().count(Setting.CONTRACT_LIST)
        floor.clock.advance(1, 0.25)
        floor.ask("contract", "report", "XAU", "east", "4880")
        floor.clock.advance(10, 0.25)
    assert 2 * 3 <= floor.settings().count(Setting.CONTRACT_LIST) - count <= 2 * 5
    refused = [note for note in floor.notes if note.startswith("AU-27NOV26-4800-C")]
    assert refused == ["AU-27NOV26-4800-C is not listed: the core refused its first mark, 50 ticks"]
    floor.clock.advance(10, 0.25)
    assert calls_and_puts(4_800) <= listed(floor)
    assert "AU-27NOV26-4800-C is listed at 50 ticks" in floor.notes


def test_the_page_s_series_is_read(tmp_path: Path) -> None:
    """docs/derivatives.md: 18 Fridays, 21 strikes, calls and puts."""
    page = (ROOT / "docs" / "derivatives.md").read_text()
    tables = "".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[:2])
    path = tmp_path / "venue.toml"
    path.write_text(HEAD + PEOPLE + tables)
    (series,) = read_venue(path).risk.series
    assert "OIL-27NOV26-5000-C" in series.symbols
    assert len(series.symbols) == 18 * 21 * 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("last = 2026-11-28", "last = 2026-11-19", "comes to 0 contracts"),
        ("first = 2026-11-20", 'first = "2026"', "must be a date"),
        ("margin = 9_000\n[[index", "margin = 9_000\nsymbol = 1\n[[index", "without symbol"),
        ('root = "AU"\nkind = "option"', 'root = "AU"\nkind = "swap"', "kind"),
        ("strike_interval_ticks = 100", "strike_interval_ticks = 0", "strike_interval_ticks"),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_name(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "venue.toml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 1, done.output
    assert says in done.output
