"""Open orders get other terms on the page, in a real Chromium: what the core has then, what is
refused and said, and what is never sent."""

import pytest

from openoutcry.client.portal import PortalClient
from tests.support.console.console_browser import needs_chromium
from tests.support.portal.portal_browser import browsed, quote

pytestmark = needs_chromium
USD, BTC = 10**6, 10**8
ALERT = "dialog .error"
FOCUSED = "document.activeElement.dataset.amend ?? document.activeElement.id"


@pytest.fixture(scope="module")
def venue(portal_venue):
    with portal_venue.tidied():
        quote(portal_venue, portal_venue.person(USD=10**7 * USD, BTC=1_000 * BTC))
        yield portal_venue


@pytest.fixture
def trader(venue):
    """Somebody and a client of the portal with the person's key."""
    person = venue.person(USD=10**6 * USD, BTC=2 * BTC)
    with PortalClient(venue.url, person.api_key, person.secret) as client:
        yield person, client
        client.cancel_all()


def opened(page, order):
    """The form of an order, by the keyboard."""
    button = page.page.locator(f'[data-amend="{order.id}"]')
    button.focus()
    button.press("Enter")
    page.expect("dialog #amend-quantity").to_be_visible()


def sent(page, **fields):
    page.fill(**{f"amend_{name}": text for name, text in fields.items()})
    page.page.press("#amend-quantity", "Enter")


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "de")])
@pytest.mark.parametrize("view", ["orders/open", "trade/BTC-USD"])
def test_an_open_order_gets_another_price_and_quantity(
    browser, venue, trader, width, language, view
):
    """The core has them; what was not changed stays, and the focus returns to the order."""
    person, client = trader
    order = client.place("BTC-USD", "buy", "limit", quantity="0.5", price="40000")
    with browsed(browser, venue, width, language=language) as page:
        page.log_in(person.mail)
        page.go(view)
        opened(page, order)
        assert (page.page.evaluate(FOCUSED), page.defects()) == ("amend-price", [])
        assert page.width() <= 0
        values = [page.page.input_value(f"#amend-{name}") for name in ("price", "quantity")]
        assert values == ["40000", "0.5"]
        sent(page, price="40100.5")
        page.says(page.word("amend.done", symbol="BTC-USD"))
        page.expect("dialog").to_have_count(0)
        now = client.order(order.id)
        assert (now.price, now.quantity, now.state) == ("40100.50", "0.50000000", "open")
        shown = page.page.locator(f'[data-amend="{order.id}"]')
        page.expect(f'[data-amend="{order.id}"][aria-label*="40\u202f100.50"]').to_have_count(1)
        assert page.page.evaluate(FOCUSED) == str(order.id)
        shown.click()
        sent(page, quantity="0.25", price="40100.50")
        page.expect("dialog").to_have_count(0)
        now = client.order(order.id)
        assert (now.price, now.quantity) == ("40100.50", "0.25000000")
        assert page.page.locator("#main table.cards").first.is_visible()
        assert page.defects() == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_what_the_venue_refuses_is_said_and_changes_nothing(browser, venue, trader, language):
    person, client = trader
    post = client.place("BTC-USD", "buy", "post_only", quantity="0.1", price="40000")
    gone = client.place("BTC-USD", "buy", "limit", quantity="0.1", price="40000")
    with browsed(browser, venue, 390, language=language) as page:
        page.log_in(person.mail)
        page.go("orders/open")
        opened(page, post)
        sent(page, price="50020")
        page.expect(ALERT, has_text=page.word("amend.crosses")).to_be_visible()
        assert page.defects() == []
        assert client.order(post.id) == post
        page.page.keyboard.press("Escape")
        page.expect("dialog").to_have_count(0)
        opened(page, gone)
        client.cancel(gone.id)
        sent(page, price="40001")
        page.expect(ALERT, has_text=page.word("error.not_cancellable")).to_be_visible()
        page.press(page.word("cancel"))
        page.expect(f'[data-amend="{gone.id}"]').to_have_count(0)


def test_nothing_is_sent_of_what_is_wrong_or_the_same(browser, venue, trader):
    person, client = trader
    order = client.place("BTC-USD", "buy", "limit", quantity="0.1", price="40000")
    methods = []
    with browsed(browser, venue) as page:
        page.page.on("request", lambda one: methods.append(one.method))
        page.log_in(person.mail)
        page.go("orders/open")
        opened(page, order)
        label = {"field": "Price (USD)"}
        for price, words in (
            ("40,5", page.word("ticket.comma", **label)),
            ("", page.word("form.missing", **label)),
            ("0", page.word("ticket.more.than", **label)),
            ("40000.001", page.word("ticket.step", **label, step="0.01")),
            ("40000.00", page.word("amend.same")),
        ):
            sent(page, price=price)
            page.expect(ALERT, has_text=words).to_be_visible()
        assert "PATCH" not in methods
        assert client.order(order.id) == order


def test_a_lost_answer_changes_an_order_once(browser, venue, trader):
    """The page asks again with the same key."""
    person, client = trader
    order = client.place("BTC-USD", "buy", "limit", quantity="0.1", price="40000")
    keys = []

    def lose(route):
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    with browsed(browser, venue, but=r"status of 4|net::ERR_FAILED") as page:
        page.log_in(person.mail)
        page.go("orders/open")
        opened(page, order)
        page.page.route(f"**/v1/orders/{order.id}", lose)
        sent(page, price="40001")
        page.expect("dialog").to_have_count(0)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    now = client.order(order.id)
    assert (now.price, now.client_order_id) == ("40001.00", keys[0])


def test_the_form_has_the_terms_that_the_order_has(browser, venue, trader):
    """An iceberg has a shown quantity; a stop has no price, and so no form."""
    person, client = trader
    stop = client.place("BTC-USD", "buy", "stop", quantity="0.1", stop_price="60000")
    shown = {"quantity": "0.5", "price": "40000", "shown_quantity": "0.1"}
    ice = client.place("BTC-USD", "buy", "limit", **shown)
    with browsed(browser, venue) as page:
        page.log_in(person.mail)
        page.go("orders/open")
        page.expect("#main tbody tr").to_have_count(2)
        page.expect(f'[data-amend="{stop.id}"]').to_have_count(0)
        opened(page, ice)
        page.expect("dialog input").to_have_count(3)
        sent(page, shown_quantity="0.2")
        page.expect("dialog").to_have_count(0)
    now = client.order(ice.id)
    assert (now.shown_quantity, now.quantity) == ("0.20000000", "0.50000000")
