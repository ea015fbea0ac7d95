"""The portal's page in a real Chromium: what every test that looks at it needs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from openoutcry.venue.desk import ask
from tests.support.console.console_browser import WAIT_MS, defects, playwright
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import Person, PortalVenue
from tests.support.waiting import wait_until

ANSWERS = r"the server responded with a status of 4"
"""Chromium writes each refusal on its console; every other line there is a defect."""
GO = """(to) => new Promise((done) => {
  const before = location.href;
  location.hash = to;
  if (location.href === before) done();
  else addEventListener("hashchange", () => done(), { once: true });
})"""
"""Ends when the page has begun to show what the address names."""
LOST = rf"net::ERR_|WebSocket connection to .* failed|{ANSWERS}|a status of 5"
"""What it says of a server that is gone."""


def address(venue: PortalVenue) -> str:
    """By name: a passkey is for a domain, and a number is none."""
    return f"http://localhost:{venue.port}/"


class Browsed:
    """A page of the portal, and what it does wrong."""

    def __init__(self, page: Any, venue: PortalVenue) -> None:
        self.page, self.venue, self.url = page, venue, address(venue)

    def go(self, view: str) -> None:
        """Show a view by its address, also where it is one more part of the view that is shown."""
        self.page.evaluate(GO, f"#/{view}")
        self.shown(view.partition("/")[0])

    def shown(self, view: str) -> None:
        """The view is there, with what it shows first."""
        self.expect("#main:not([aria-busy])").to_have_count(1)
        self.expect(f'.view[data-shown="{view}"]').to_be_visible()

    def expect(self, selector: str, **filters: Any) -> Any:
        return playwright.expect(self.page.locator(selector, **filters))

    def fill(self, **values: str) -> None:
        """Fields by their id, with hyphens for underscores."""
        for name, value in values.items():
            self.page.fill(f"#{name.replace('_', '-')}", value)

    def word(self, key: str, **values: str) -> str:
        """A text of the page in its language."""
        script = "async ([key, values]) => (await import('/page/words.js')).t(key, values)"
        return str(self.page.evaluate(script, [key, values]))

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def says(self, text: str) -> None:
        """A notice holds the text."""
        self.expect("#notice p", has_text=text).not_to_have_count(0)

    def log_in(self, mail: str, password: str = PASSWORD) -> None:
        self.go("login")
        self.page.fill("input[name=mail]", mail)
        self.page.fill("input[name=password]", password)
        self.page.press("input[name=password]", "Enter")
        self.expect("#bell").to_be_visible()
        self.expect(".view.login").to_have_count(0)

    def sign_up(self, mail: str) -> None:
        """As far as the passkey, which is offered then."""
        self.go("signup")
        self.page.fill("input[name=mail]", mail)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.press("input[name=password]", "Enter")
        self.expect("input[name=code]").to_be_visible()
        self.page.fill("input[name=code]", self.venue.code(mail))
        self.page.press("input[name=code]", "Enter")
        self.expect("#passkey-create").to_be_visible()

    def participant(self) -> int:
        """Once the venue has added it."""
        self.go("account")

        def number() -> int:
            found = re.search(r"(?:participant|Teilnehmer) (\d+)", self.page.inner_text("#main"))
            return int(found[1]) if found else 0

        return wait_until(number, "a participant")

    def width(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def defects(self) -> list[str]:
        """What axe-core finds."""
        return defects(self.page)


@contextmanager
def browsed(
    browser: Any,
    venue: PortalVenue,
    width: int = 1280,
    theme: str = "dark",
    language: str = "en",
    but: str = ANSWERS,
) -> Iterator[Browsed]:
    """A page in a window of its own.  It says nothing on its console but where ``but`` is found,
    and asks nobody else."""
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < 500 else 800},
        color_scheme=theme,
        locale="de-DE" if language == "de" else "en-GB",
        accept_downloads=True,
    )
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    lines: list[str] = []
    urls: list[str] = []
    page.on("console", lambda one: lines.append(one.text) if not re.search(but, one.text) else None)
    page.on("pageerror", lambda error: lines.append(error.stack or str(error)))
    page.on("request", lambda one: urls.append(one.url))
    url = address(venue)
    try:
        page.goto(url)
        page.wait_for_selector(".view")
        yield Browsed(page, venue)
    finally:
        context.close()
    assert lines == [], lines
    own = url, url.replace("http", "ws"), "data:", f"blob:{url}"
    assert [one for one in urls if not one.startswith(own)] == []


def with_authenticator(page: Any) -> None:
    """Give the page a device that makes passkeys and verifies its owner."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def deposit(venue: PortalVenue, participant: int, asset: str, units: int) -> None:
    request = {"do": "deposit", "participant": participant, "amount": units, "asset": asset}
    ask(venue.venue.journal, request)


def quote(venue: PortalVenue, person: Person, levels: int = 12) -> None:
    """A ladder of BTC-USD around 50,000."""
    with venue.client(person) as client:
        for level in range(levels):
            for side, price in (("SELL", 50_010 + 10 * level), ("BUY", 49_990 - 10 * level)):
                place(client, side, f"{0.1 + level / 10:.4f}", str(price))


def place(client: Any, side: str, quantity: str, price: str) -> None:
    """An order in BTC-USD; a session that a busy machine has not logged in yet is waited for."""

    def is_placed() -> bool:
        answer = client.order(side, quantity, price)
        assert answer.status_code == 200 or answer.json()["code"] == -1001, answer.text
        return bool(answer.status_code == 200)

    wait_until(is_placed, "an order is placed")
