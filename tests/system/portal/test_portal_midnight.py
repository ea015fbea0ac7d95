"""A portal of a venue that never closes: its users' orders pass while the trading day changes and
while the venue's sessions begin again, and no market is ever said to be closed."""

import pytest

from openoutcry.venue import days
from tests.support.portal.portal_venue import CHOICES, GENEROUS, Person, PortalVenue, venue_text
from tests.support.venue.served_venue import ServedVenue, never_closes
from tests.support.venue.trader import Trader
from tests.support.waiting import wait_until

USD, BTC = 10**6, 10**8
UNKNOWN_OUTCOME, NOT_SENT = '"code":-1007', '"code":-1001'


class RestTrader(Trader):
    """Enters orders over REST, and notes every market's status, too."""

    def __init__(self, venue: PortalVenue, person: Person, **terms: str) -> None:
        self.venue, self.person = venue, person
        self.terms = {"symbol": "BTCUSD", "type": "LIMIT", "quantity": "0.001", "price": "40000"}
        self.terms |= terms
        self.statuses: set[str] = set()
        super().__init__([])

    def run(self) -> None:
        with self.venue.client(self.person) as self.client:
            super().run()

    def step(self) -> None:
        answer = self.client.request("POST", "/api/v3/order", **self.terms)
        self.answers.append((answer.status_code, answer.text))
        rows = self.client.get("/api/v3/exchangeInfo").json()["symbols"]
        self.statuses |= {row["status"] for row in rows}


def test_orders_over_rest_while_days_change_and_sessions_begin_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tmp_path = tmp_path_factory.mktemp("v")
    portal = PortalVenue(tmp_path, 4, text=never_closes(venue_text()))
    (tmp_path / "portal.toml").write_text(CHOICES + GENEROUS)
    with portal:
        venue: ServedVenue = portal.venue
        people = [portal.person(USD=10**7 * USD, BTC=100 * BTC) for _ in range(2)]
        traders = [
            RestTrader(portal, people[0], side="BUY", timeInForce="GTC"),
            RestTrader(portal, people[1], side="SELL", timeInForce="IOC"),
        ]

        def move(now: str) -> None:
            venue.set_time(now)
            venue.wait_for(lambda s: s["state"] == "open" and s["time"].startswith(now))
            for trader in traders:
                trader.pass_more(5)

        move("2026-11-26T23:59:59")
        move("2026-11-27T00:00:00")
        move("2026-11-28T23:59:59")
        wait_until(lambda: len(days.finished_days(venue.journal)) == 2, "both days are noted")
        for trader in traders:
            assert [text for status, text in trader.answers if status != 200] == []
        move("2026-11-29T00:00:01")  # Sunday: the venue's sessions begin again
        for trader in traders:
            trader.stop()
            refused = [text for status, text in trader.answers if status != 200]
            # The venue may have ended a session before it read the order that was sent last, or
            # while it was sent.
            assert len(refused) <= 1
            assert all(UNKNOWN_OUTCOME in text or NOT_SENT in text for text in refused), refused
            assert trader.statuses == {"TRADING"}
        noted = [row["day"] for row in days.finished_days(venue.journal)]
        assert noted == ["2026-11-26", "2026-11-27", "2026-11-28"]
        with portal.client(people[0]) as client:
            bought = client.get("/api/v3/myTrades", symbol="BTCUSD", limit="1000").json()
        with portal.client(people[1]) as client:
            sold = client.get("/api/v3/myTrades", symbol="BTCUSD", limit="1000").json()
        assert [row["id"] for row in bought] == [row["id"] for row in sold]
        assert bought, "they traded with each other"
