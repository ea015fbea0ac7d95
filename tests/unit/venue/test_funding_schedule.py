"""Funding at stated times: the rate is that of the premium's mean, worked out again here from the
journal alone, and each time is funded once, over kills, a closed venue and the replay."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.venue.file import VenueFile, read_venue
from openoutcry.venue.funding_schedule import FundingSpec, premium_of
from openoutcry.venue.limits import check_structure, hook_settings
from openoutcry.venue.risk_tables import LimitsError
from openoutcry.wire.enums import CommandKind, Side
from tests import ROOT
from tests.oracles.margin_page import Page
from tests.support.margin_keys import PAGE
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order

EXAMPLE = ROOT / "docs" / "margin-example.toml"
SCHEDULE = '[[funding]]\ncontract = "TIN"\nevery_h = 2\n'
TEXT = CONTRACT_VENUE.replace("time_every_s = 600", "time_every_s = 60") + SCHEDULE
TIN, HOUR_NS = {"symbol": b"TIN"}, 3_600 * 10**9


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[InlineFloor]:
    assert TEXT != CONTRACT_VENUE + SCHEDULE
    made = InlineFloor(tmp_path, TEXT, "2026-11-23T10:10")
    yield made
    made.close()


def fundings(floor: InlineFloor) -> list[tuple[int, int]]:
    """Period and rate of each one that the journal has."""
    commands, _ = floor.journal()
    kind = (commands["kind"] == CommandKind.RISK) & (
        commands["order_type"] == Setting.CONTRACT_FUNDING
    )
    return [(int(row["price_ticks"]), int(row["aux"])) for row in commands[kind]]


def rates_again(floor: InlineFloor) -> list[tuple[int, int]]:
    """The same by docs/margin.md alone, from the marks and the time in the journal."""
    commands, _ = floor.journal()
    page, found = Page(PAGE.read_text(), EXAMPLE.read_text()), []
    now = since = 0
    price: tuple[int, int] | None = None
    prices: list[tuple[int, int, int]] = []

    def until(ts_ns: int) -> None:
        nonlocal since
        if price and ts_ns > since:
            prices.append(((ts_ns - since) // 10**6, *price))
        since = max(since, ts_ns)

    for command in commands:
        if command["kind"] == CommandKind.TIME:
            now = int(command["aux"])
        if command["kind"] != CommandKind.RISK or bytes(command["symbol"]).rstrip(b"\0") != b"TIN":
            continue
        if command["order_type"] == Setting.CONTRACT_MARK:
            until(now)
            price = int(command["aux"]), int(command["price_ticks"])
        if command["order_type"] == Setting.CONTRACT_FUNDING:
            period = int(command["price_ticks"])
            until(period * HOUR_NS)
            found.append((period, page.funding_rate({"contract": "TIN", "every_h": 2}, prices)))
            prices.clear()
            since = max(since, period * HOUR_NS)
    return found


def mark(floor: InlineFloor, price: int) -> None:
    floor.ask("contract", "mark", "TIN", str(price), "--index", "200000")


def test_a_perpetual_is_funded_by_itself_at_each_time_and_once(floor: InlineFloor) -> None:
    floor.send(
        order(1, Side.BUY, 1, 200_000, who=3, **TIN), order(2, Side.SELL, 1, 200_000, who=2, **TIN)
    )
    refused = floor.ask("contract", "fund", "TIN", "--rate", "5", status=1)["error"]
    assert "TIN has a schedule" in refused
    mark(floor, 200_800)  # 0.4 % above the index
    floor.at("2026-11-23T11:30")
    mark(floor, 199_800)  # 0.1 % below
    floor.at("2026-11-23T11:59:30")
    floor.again()
    assert fundings(floor) == []
    floor.at("2026-11-23T12:00")
    floor.wait_for(lambda s: s["risk"]["contracts"]["TIN"]["period"])
    for _ in range(3):
        floor.again()
        floor.at(f"2026-11-23T12:0{_ + 1}")
    (first,) = fundings(floor)
    # 80 minutes at 0.4 %, 30 at -0.1 %: 0.2636 %, and interest takes 0.05 % off.
    assert first == (1_763_899_200 // 3_600 + 365 * 24, 2_136_363)
    paid = 199_800 * 2_136_363 // 10**9
    view = floor.view
    assert view.of(3, lay.BALANCE) == 100_000 - 200 - paid
    assert any("TIN: period" in note for note in floor.notes)


def test_of_the_times_while_the_venue_is_closed_the_last_is_funded(floor: InlineFloor) -> None:
    mark(floor, 200_800)
    floor.at("2026-11-23T12:00")
    floor.wait_for(lambda s: s["risk"]["contracts"]["TIN"]["period"])
    (first,) = fundings(floor)
    floor.stop()
    floor.at("2026-11-24T09:00")
    floor.open()
    floor.wait_for(lambda s: s["risk"]["contracts"]["TIN"]["period"] > first[0])
    floor.again()
    floor.at("2026-11-24T09:30")
    assert [period - first[0] for period, _ in fundings(floor)] == [0, 20]
    assert fundings(floor) == rates_again(floor)


def test_random_marks_come_to_the_journal_s_rates(floor: InlineFloor) -> None:
    rng = Random(74)
    for step in range(11):
        mark(floor, 200_000 + rng.randint(-2_500, 2_500))
        minute = 10 * 60 + 10 + 25 * step
        floor.at(f"2026-11-23T{minute // 60:02d}:{minute % 60:02d}:{rng.randint(0, 59):02d}")
        if rng.random() < 0.2:
            floor.again()
        floor.status()
    found = fundings(floor)
    assert [period % 24 for period, _ in found] == [12, 14]
    assert found == rates_again(floor)


def test_without_an_index_nothing_is_funded(floor: InlineFloor) -> None:
    floor.ask("contract", "mark", "TIN", "200500")
    floor.at("2026-11-23T14:30")
    floor.status()
    assert fundings(floor) == []


@pytest.mark.parametrize(
    ("premium", "rate"),
    [
        (0, 100_000),
        (100_000, 100_000),
        (600_000, 100_000),
        (600_001, 100_001),
        (-400_000, 100_000),
        (-400_001, 99_999),
        (9_000_000, 7_500_000),
        (-9_000_000, -7_500_000),
    ],
)
def test_interest_changes_the_rate_within_the_clamp_and_the_cap_ends_it(
    premium: int, rate: int
) -> None:
    spec = FundingSpec("TIN", 8, 100_000, 500_000, 7_500_000)
    assert spec.rate(premium) == rate


def test_a_premium_is_cut_off_and_at_most_the_whole() -> None:
    prices = [(3, 9), (9, 3), (200, 201), (201, 200), (1, 2**40), (2**40, 1), (-5, 7)]
    wanted = [-666_666_666, 10**9, -4_975_124, 5_000_000, -999_999_999, 10**9, -(10**9)]
    assert [premium_of(*one) for one in prices] == wanted


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ('contract = "GOLD"', "'GOLD' is not a perpetual"),
        ('contract = "LEAD"', "'LEAD' is not a perpetual"),
        ('contract = "TIN"\nevery_h = 5', "every_h: must divide a day"),
        ('contract = "TIN"\nevery_h = 25', "every_h"),
        ('contract = "TIN"\ncap_ppb = -1', "cap_ppb"),
        ('contract = "TIN"\ninterest_ppb = 1_000_000_001', "interest_ppb"),
        ('contract = "TIN"\n[[funding]]\ncontract = "TIN"', "a schedule"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_by_name(tmp_path: Path, new: str, says: str) -> None:
    path = tmp_path / "venue.toml"
    path.write_text(CONTRACT_VENUE + "[[funding]]\n" + new + "\n")
    done = CliRunner().invoke(main, ["venue", "check", str(path)])
    assert done.exit_code == 1
    assert says in done.output, done.output


def test_which_contracts_have_a_schedule_is_the_journal_s_and_its_rates_are_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "venue.toml"

    def read(text: str) -> VenueFile:
        path.write_text(text)
        return read_venue(path)

    file = read(TEXT)
    hooks = hook_settings([1, 2, 3, 9], file.order_capacity, file.risk)
    other = read(TEXT.replace("every_h = 2", "every_h = 4\ncap_ppb = 9"))
    check_structure(hooks, other.risk, [1, 2, 3, 9])
    with pytest.raises(LimitsError, match="are fixed by the journal"):
        check_structure(hooks, read(TEXT.replace(SCHEDULE, "")).risk, [1, 2, 3, 9])
