"""A venue under scenario margin with its screen and console: both pages show the same margin of a
participant, and answer what an order would need."""

import pytest

from tests.support.console.console_venue import ConsoleVenue, ScreenClient

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
    made = ConsoleVenue(tmp_path, more=MARGIN)
    try:
        made.start()
        made.serve_screen()
        yield made
    finally:
        made.stop()


def test_both_pages_show_a_participant_s_margin(venue):
    with ScreenClient(venue.screen_url) as one, ScreenClient(venue.screen_url) as three:
        one.log_in("PAGE1")
        three.log_in("PAGE3")
        one.ready()
        three.ready()
        one.enter("A1", "buy", 10, "10.00", symbol="GOLD")
        three.enter("A1", "sell", 10, "10.00", symbol="GOLD")
        one.order("A1", "filled")
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
