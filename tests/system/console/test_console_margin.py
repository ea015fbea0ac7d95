"""A venue under scenario margin with its screen and console: both pages show the same margin of a
participant, and answer what an order would need.  The console shows all participants'."""

import json
import os
import signal
import subprocess

import pytest

from openoutcry.host.processes import named_children
from openoutcry.venue.desk import ask
from openoutcry.venue.log import log_folder
from tests.support.console.console_browser import (
    console_defects,
    expect,
    go,
    needs_chromium,
    opened,
)
from tests.support.console.console_venue import ConsoleVenue, ScreenClient
from tests.support.processes import OUTCRY
from tests.support.waiting import wait_until

MARGIN = """
[[asset]]
name = "USD"
decimals = 2
[[contract]]
symbol = "GOLD"
kind = "perpetual"
underlying = "XAU"
asset = "USD"
multiplier = 10
[liquidation]
[margin]
file = "margin.toml"
[[limits]]
participant = 1
maintenance_bps = 10_000
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
unit = 10
initial = 1_500_000
[[contract]]
symbol = "GOLD"
kind = "perpetual"
underlying = "XAU"
asset = "USD"
multiplier = 10
mark_ticks = 1_000
"""


@pytest.fixture
def venue(tmp_path):
    (tmp_path / "margin.toml").write_text(MARGIN_FILE)
    made = ConsoleVenue(tmp_path, more=MARGIN, of_each="price_distance_bps = 100_000\n")
    try:
        made.start()
        made.serve_screen()
        yield made
    finally:
        made.stop()


def test_both_pages_show_a_participant_s_margin(venue):
    with ScreenClient(venue.screen_url) as one, ScreenClient(venue.screen_url) as three:
        traded(one, three)
        own = one.look("/api/margin", lambda document: document["maintenance"] != "0")
        # Ten lots lose 300 ticks of 10 units in the worst scenario.
        assert (own["maintenance"], own["initial"], own["equity"]) == ("30000", "45000", "1000000")
        assert own["commodities"]["XAU"]["scenarios"].count("30000") == 2
        assert own["positions"]["GOLD"]["lots"] == "10"
        assert own["liquidation"]["XAU"]["below"] is None, "it has enough for any fall"
        # 1,000,000 are enough for 222 lots at 4,500; an order has 100 at most.
        path = "/api/margin?symbol=GOLD&lots="
        asked = {lots: one.get(f"{path}{lots}").json()["what_if"] for lots in (212, 213)}
        assert [asked[lots]["accepted"] for lots in (212, 213)] == [True, False]
        assert one.get("/api/margin?symbol=LEAD&lots=1").status_code == 422
        assert not three.get("/api/margin").json()["is_limited"]
        with venue.client("anna") as anna:
            assert anna.get("/api/margin?participant=1").json() == own
            answer = anna.get("/api/margin?participant=1&symbol=TIN&lots=1")
            assert answer.status_code == 422
            assert answer.json()["detail"] == "TIN:1 is not lots of a contract"


def traded(one, three):
    """Participant 1 buys ten lots of participant 3."""
    for client, name in ((one, "PAGE1"), (three, "PAGE3")):
        client.log_in(name)
        client.ready()
    one.enter("A1", "buy", 10, "10.00", symbol="GOLD")
    three.enter("A1", "sell", 10, "10.00", symbol="GOLD")
    one.order("A1", "filled")


@needs_chromium
def test_the_console_shows_all_margins_as_explain_does(venue, browser):
    with ScreenClient(venue.screen_url) as one, ScreenClient(venue.screen_url) as three:
        traded(one, three)
        one.look("/api/margin", lambda document: document["maintenance"] != "0")
    journal = str(venue.venue.journal)
    words = [*OUTCRY, "margin", "explain", str(venue.folder / "margin.toml"), "1", "--json"]
    told = subprocess.run(
        [*words, "--journal", journal], capture_output=True, text=True, check=True
    )
    core = json.loads(told.stdout)["core"]
    with venue.client("vera") as vera:
        document = vera.get("/api/margins").json()
        mine = next(row for row in document["participants"] if row["number"] == "1")
        for figure in ("equity", "maintenance", "initial", "with_orders"):
            assert mine[figure] == str(core[figure]), figure
        assert int(mine["excess"]) == core["equity"] - core["maintenance"]
        assert document["contracts"]["GOLD"]["ranks"] == {"long": ["1"], "short": ["3"]}
        vera.get("/api/margin?participant=1")
        vera.get("/api/margin?participant=1")
    lines = (log_folder(venue.venue.journal) / "console.jsonl").read_text()
    assert lines.count("vera read the margin of participant 1") == 1
    for width, theme in ((1280, "dark"), (390, "light")):
        with opened(browser, venue, "vera", width, theme) as page:
            go(page, "margins")
            row = "#margins tbody tr:has(td:text-is('1'))"
            expect(page, f"{row} td >> nth=3").to_have_text("10,000.00")
            expect(page, f"{row} td >> nth=4").to_have_text("300.00")
            page.get_by_role("button", name="Margin of participant 1").click()
            expect(page, "#margin-scenarios tbody tr").to_have_count(16)
            expect(page, "#margin-scenarios td.warning").to_have_text("300.00")
            expect(page, "#margin-parts tbody tr").to_have_count(1)
            expect(page, "#margin-contracts td >> nth=1").to_have_text("trades")
            assert console_defects(page) == []
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@needs_chromium
def test_an_operator_reads_and_types_decimal_amounts(venue, browser):
    """A limit in money is typed as a decimal of its asset, which the venue checks; every page shows
    amounts with all decimals."""
    for width, typed in ((1920, "9000.50"), (1280, "8000.50"), (390, "7000.50")):
        with opened(browser, venue, "anna", width, "dark") as page:
            go(page, "participants")
            row = "#participants tbody tr:has(td:text-is('one'))"
            expect(page, f"{row} td >> nth=4").to_have_text("10,000.00")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            page.locator(row).get_by_role("button", name="Set a limit of one").click()
            page.select_option("#ask-limit", "open_orders")
            expect(page, "#ask-value-text").to_have_text("Value (a whole number, or none)")
            page.select_option("#ask-limit", "loss")
            expect(page, "#ask-value-text").to_have_text("Amount in USD, as 5000.00, or none")
            page.fill("#ask-why", "a test")
            page.fill("#ask-value", "5000.001")
            page.click("#ask-go")
            expect(page, "#ask-error").to_contain_text("USD, which has 2 decimals")
            page.fill("#ask-value", typed)
            page.click("#ask-go")
            expect(page, f"{row} td >> nth=9").to_contain_text(f"loss {typed[0]},{typed[1:]}")
            go(page, "journal")
            expect(page, f"#actions tbody tr:has-text('{typed}')").to_have_count(1)
            assert console_defects(page) == []
    with venue.client("vera") as vera:
        rows = vera.get("/api/participants").json()
        loss = next(one for one in rows[0]["limits"] if one["limit"] == "loss")
        assert loss["value"] == "700050", "programs read units"


@needs_chromium
def test_the_console_shows_what_positions_were_paid_in_funding(venue, browser):
    """A page of fifty, and what it all comes to: also after the process that works it out was
    killed."""
    journal, periods = venue.venue.journal, 53
    with ScreenClient(venue.screen_url) as one, ScreenClient(venue.screen_url) as three:
        traded(one, three)
        one.look("/api/margin", lambda document: document["maintenance"] != "0")
    fund(journal, periods - 1)
    with venue.client("vera") as vera:
        first = wait_until(lambda: funding_of(vera, periods - 1), "the history has the funding")
        kill_follower(venue)
        fund(journal, 1)
        page = wait_until(lambda: funding_of(vera, periods), "another one has gone on")
        assert page["payments"][1:] == first["payments"][:-1]
        older = vera.get(f"/api/funding?participant=1&before={page['next']}").json()
        assert (len(older["payments"]), older["next"]) == (periods - 50, None)
        rows = page["payments"] + older["payments"]
        assert [row["period"] for row in rows] == [str(n) for n in range(periods, 0, -1)]
        # A thousandth of ten lots at 1,000 ticks of ten units.
        assert {row["paid"] for row in rows} == {"-100"}
        assert page["totals"] == {"GOLD": str(-100 * periods)}
        assert (page["missing"], page["since"]) == ([], "")
        assert funding_of(vera, periods, 3)["totals"] == {"GOLD": str(100 * periods)}
        assert vera.get("/api/funding?participant=2").json()["payments"] == []
        assert vera.get("/api/funding?participant=0").status_code == 422
        words = [*OUTCRY, "margin", "funding", str(journal), "--participant", "1", "--json"]
        ledger = json.loads(subprocess.check_output(words))
        assert [int(row["paid"]) for row in rows[::-1]] == [row["paid"] for row in ledger]
    for width, theme in ((1280, "light"), (390, "dark")):
        with opened(browser, venue, "vera", width, theme) as page:
            go(page, "margins")
            page.get_by_role("button", name="Margin of participant 1").click()
            expect(page, "#margin-funding tbody tr").to_have_count(50)
            expect(page, "#margin-funding-text").to_contain_text("In all: GOLD -53.00.")
            page.get_by_role("button", name="Older").click()
            expect(page, "#margin-funding tbody tr").to_have_count(periods - 50)
            expect(page, "#margin-funding-older").to_be_disabled()
            assert console_defects(page) == []
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            page.get_by_role("button", name="Newest").click()
            expect(page, "#margin-funding tbody tr").to_have_count(50)


def fund(journal, times):
    for _ in range(times):
        ask(journal, {"do": "contract-fund", "instrument": "GOLD", "rate": 1_000_000})


def funding_of(client, periods, who=1):
    """The first page, once it has this period."""
    document = client.get(f"/api/funding?participant={who}").json()
    rows = document["payments"]
    return document if rows and rows[0]["period"] == str(periods) else None


def kill_follower(venue):
    (pid,) = [pid for name, pid in named_children(venue.venue.process.pid) if name == "funding"]
    os.kill(pid, signal.SIGKILL)
