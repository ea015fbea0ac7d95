"""A person's day at the page in a real Chromium, from the sign-up to the end of a session."""

import json
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.venue.desk import ask
from openoutcry.venue.movement_desk import deposit_seen, step
from tests.support.console.console_browser import needs_chromium
from tests.support.portal.portal_browser import browsed, quote, with_authenticator
from tests.support.portal.portal_venue import NOW

pytestmark = needs_chromium
USD, BTC = 10**6, 10**8
FUNDS = 20_000
ALARM, FILLED, STOP = "50005", "50010", "49000"
"""Prices: of the alert, of the best offer, and of the stop."""
SIZES = ((1280, 800), (390, 844))


@pytest.fixture(scope="module")
def venue(portal_venue):
    """Somebody quotes BTC-USD around 50,000 there."""
    with portal_venue.tidied():
        quote(portal_venue, portal_venue.person(USD=10**7 * USD, BTC=1_000 * BTC))
        yield portal_venue


class Day:
    """A person at the page."""

    def __init__(self, page, venue, folder, language):
        self.page, self.venue, self.folder = page, venue, folder
        self.mail, self.participant = f"day-{language}@example.com", 0

    def says(self, key):
        self.page.says(self.page.word(key))

    def sees(self, text, cell="#main td"):
        self.page.expect(cell, has_text=text).not_to_have_count(0)

    def looks_right(self, name):
        """Clean and no wider than the window, at each size; a picture is kept of each."""
        for width, height in SIZES:
            self.page.page.set_viewport_size({"width": width, "height": height})
            self.page.page.evaluate("scrollTo(0, 0)")
            path = self.folder / f"{name}-{width}.png"
            self.page.page.screenshot(path=str(path), full_page=True)
            assert self.page.defects() == [], name
            assert self.page.width() <= 0, name
        width, height = SIZES[0]
        self.page.page.set_viewport_size({"width": width, "height": height})

    # The day, in order

    def sign_up(self):
        self.page.sign_up(self.mail)
        self.looks_right("passkey")
        self.page.page.click("#passkey-create")
        self.says("passkey.added")
        self.participant = self.page.participant()

    def log_in_by_passkey(self):
        self.page.page.click("#logout")
        self.page.shown("login")
        self.page.page.click("#passkey-login")
        self.page.expect("#bell").to_be_visible()

    def fund(self):
        """By what the page shows: the operator knows the owner by the tag alone."""
        self.page.go("wallet/deposit")
        panel = self.page.page.locator("section.panel", has_text="WIRE")
        tag = panel.locator(".copy code").nth(1).inner_text()
        assert int(tag[:-1]) == self.participant
        journal, name = self.venue.venue.journal, f"wire {self.participant}"
        ask(journal, deposit_seen(int(tag[:-1]), "USD", FUNDS * USD, name))
        self.sees(self.page.word("deposit.seen"))
        ask(journal, step("deposit-credit", name, f"credit {self.participant}"))
        self.sees(self.page.word("deposit.credited"))
        self.looks_right("funded")
        self.page.go("wallet/balances")
        self.sees("20\u202f000")

    def set_an_alert(self):
        self.page.go("notifications/alerts")
        self.page.page.select_option("#alert-symbol", "BTC-USD")
        self.page.fill(alert_price=ALARM)
        self.page.page.click("#alert-form button[type=submit]")
        self.sees(self.page.word("alert.waits"))

    def order(self, kind, side, **values):
        self.page.page.check(f"#side-{side}", force=True)
        self.page.page.select_option("#type", kind)
        if "amount" in values:
            self.page.page.select_option("#by", "amount")
        self.page.fill(**values)
        self.page.page.click("#ticket button[type=submit]")
        self.page.page.click("dialog button[type=submit]")
        self.page.expect("dialog").to_have_count(0)

    def trade(self):
        self.page.go("trade/BTC-USD")
        self.page.expect(".ladder button:enabled").not_to_have_count(0)
        self.order("limit", "buy", price=FILLED, quantity="0.05")
        self.page.expect("#notice p.good", has_text="0.05").not_to_have_count(0)
        self.order("market", "buy", amount="1000")
        self.order("limit", "sell", price="49990", quantity="0.02")
        self.order("stop_limit", "sell", stop_price=STOP, price="48990", quantity="0.01")
        self.sees("49\u202f000")
        self.looks_right("traded")

    def see_fills(self):
        self.page.go("orders/trades")
        self.page.expect("#main tbody tr").to_have_count(3)
        self.looks_right("fills")

    def see_the_alert(self):
        self.page.expect("#unread").not_to_be_empty()
        self.page.go("notifications/alerts")
        self.sees("50\u202f010", "#main td.good")
        self.page.go("notifications/list")
        self.sees("BTC-USD", ".news li")
        self.looks_right("notifications")

    def see_profits(self):
        """What the page shows is what ``outcry ledger`` says of the same command."""
        at = "/v1/portfolio?"
        with self.page.page.expect_response(lambda one: at in one.url and one.ok) as answered:
            self.page.go("portfolio/overview")
        seq = str(answered.value.json()["seq"])
        own = ("--participant", str(self.participant), "--as-of", seq)
        held = {row["asset"]: row for row in self.ledger("holdings", *own, "--in", "USD")}
        for asset, decimals in (("USD", 6), ("BTC", 8)):
            total = Decimal(held[asset]["total"]).scaleb(-decimals)
            assert self.number(f"td:text-is('{asset}') + td") == total
        value = Decimal(sum(row["value"] or 0 for row in held.values())).scaleb(-6)
        assert abs(self.number("#portfolio-value") - value) < Decimal("0.01")
        rows = self.ledger("pnl", *own, "--method", "fifo")
        (gain,) = [row for row in rows if (row["instrument"], row["asset"]) == ("BTC-USD", "USD")]
        assert gain["realised"] < 0, "bought at the offer, sold at the bid"
        cells = self.page.page.locator("td", has_text="BTC-USD").locator("xpath=../td")
        wanted = [Decimal(gain[name]).scaleb(-6) for name in ("realised", "unrealised")]
        assert [self.read(cells.nth(place).inner_text()) for place in (5, 6)] == wanted
        self.looks_right("portfolio")

    def ledger(self, question, *words):
        command = ["ledger", question, str(self.venue.venue.journal), *words, "--format", "json"]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["rows"]

    def number(self, selector):
        return self.read(self.page.page.locator(selector).first.inner_text())

    def read(self, text):
        return Decimal(text.replace("\u202f", "").replace("\u2212", "-").replace("+", ""))

    def take_statements(self):
        self.page.go("portfolio/statements")
        self.page.fill(statement_from=NOW[:10])
        for button, begin in (("button.primary", b"%PDF-"), ("#statement-csv", b"event,")):
            with self.page.page.expect_download() as loaded:
                self.page.page.click(f"#statement-form {button}")
            data = Path(loaded.value.path()).read_bytes()
            assert data.startswith(begin), data[:80]
        assert b"BTC-USD" in data
        self.looks_right("statements")

    def end_the_session_of(self, other):
        self.page.go("account/security")
        self.page.expect("#sessions tbody tr").to_have_count(2)
        self.looks_right("security")
        self.page.page.click("#sessions button.danger")
        self.page.expect("#sessions tbody tr").to_have_count(1)
        # Not ``go``: the page that was asked for may be gone before it is looked for.
        other.page.evaluate("location.hash = '#/orders/history'")
        other.shown("login")


@contextmanager
def day(browser, venue, folder, language):
    with browsed(browser, venue, language=language) as page:
        with_authenticator(page.page)
        yield Day(page, venue, folder, language)


@pytest.mark.promise(
    "At the page a person signs up with a passkey, pays in, sets a price alert, and trades three "
    "types of orders. Fills and profits there are the ledger's; a person takes a statement, and "
    "ends the session of another device",
    group="portal",
)
@pytest.mark.parametrize("language", ["en", pytest.param("de", marks=pytest.mark.long)])
def test_a_day_of_a_person(browser, venue, tmp_path, language):
    with day(browser, venue, tmp_path, language) as person:
        person.sign_up()
        person.log_in_by_passkey()
        person.fund()
        person.set_an_alert()
        person.trade()
        person.see_fills()
        person.see_the_alert()
        person.see_profits()
        person.take_statements()
        with browsed(browser, venue, 390, "light", language) as phone:
            phone.log_in(person.mail)
            person.end_the_session_of(phone)
