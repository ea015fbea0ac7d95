"""The page for people in a real Chromium: what holds of every view, text, sum and cookie."""

import random
import re
from decimal import ROUND_DOWN, Context, Decimal

import pytest

from openoutcry.client.portal import PortalClient
from tests.support import plain_http
from tests.support.console.console_browser import needs_chromium
from tests.support.console.page_attack import (
    attack,
    foreign_site,
    is_framed,
    watched_by_nobody,
)
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_browser import (
    Browsed,
    address,
    browsed,
    place,
    quote,
)
from tests.support.waiting import wait_until

pytestmark = needs_chromium
USD, BTC = 10**6, 10**8
PUBLIC = "markets", "trade/BTC-USD", "login", "signup", "recover", "operator"
OWN = (
    "trade/BTC-USD",
    "orders/open",
    "orders/history",
    "orders/trades",
    "portfolio/overview",
    "portfolio/rebalance",
    "portfolio/statements",
    "wallet/balances",
    "wallet/deposit",
    "wallet/withdraw",
    "wallet/movements",
    "notifications/list",
    "notifications/alerts",
    "notifications/settings",
    "account/security",
    "account/identity",
    "account/keys",
    "account/limits",
    "account/activity",
)


NOTHING = re.compile(r"\b(?:null|undefined|NaN)\b|\[object")
"""What a script writes where it has nothing to show."""
SCROLLED = """Math.max(0, ...[...document.querySelectorAll("#main .scroll")].map(
  (one) => one.scrollWidth - one.clientWidth))"""
"""Pixels of a table that are out of sight."""
CUT = """[...document.querySelectorAll("#main select")].filter((one) => {
  const alone = one.cloneNode(false);
  alone.removeAttribute("id");
  alone.append(one.selectedOptions[0]?.cloneNode(true) ?? "");
  one.after(alone);
  alone.style.cssText = "width: max-content; flex: none";
  const wanted = alone.getBoundingClientRect().width;
  alone.remove();
  return one.offsetParent !== null && wanted > one.getBoundingClientRect().width + 1;
}).map((one) => `${one.id || one.className} cuts ${one.selectedOptions[0].text}`)"""
"""Closed lists of choices that are narrower than what is chosen."""
CLIPPED = """() => {
  const over = (one) => {
    const style = getComputedStyle(one), room = one.closest("[role=tablist]");
    if (room) return one.getBoundingClientRect().right - room.getBoundingClientRect().right;
    return style.overflowX === "visible" ? 0 : one.scrollWidth - one.clientWidth;
  };
  return [...document.querySelectorAll("#main [aria-selected=true], #main td")]
    .filter((one) => one.offsetParent !== null && over(one) > 1)
    .map((one) => `${one.id || one.className} is cut: ${one.textContent}`);
}"""
"""Chosen tabs and cells whose text is cut."""
BOOK = ".ladder button"
"""The prices of a book, of which a press takes one into the ticket."""


@pytest.fixture(scope="module")
def venue(portal_venue):
    """The ladder of this module ends with it."""
    with portal_venue.tidied():
        yield portal_venue


@pytest.fixture(scope="module")
def maker(venue):
    """Somebody who quotes BTC-USD around 50,000."""
    person = venue.person(USD=10**7 * USD, BTC=1_000 * BTC)
    quote(venue, person)
    return person


@pytest.fixture(scope="module")
def trader(venue, maker):
    """Somebody with orders, fills and an open order."""
    person = venue.person(USD=100_000 * USD, BTC=2 * BTC)
    with venue.client(person) as client:
        place(client, "BUY", "0.05", "50010")
        place(client, "SELL", "0.02", "49990")
        place(client, "BUY", "0.01", "40000")
    return person


@pytest.mark.parametrize(
    ("width", "theme", "language"),
    [
        (1280, "dark", "en"),
        (390, "light", "de"),
        *(
            pytest.param(*row, marks=pytest.mark.long)
            for row in ((390, "dark", "en"), (1280, "light", "de"))
        ),
    ],
)
def test_every_view_is_clean_and_fits(browser, venue, trader, width, theme, language):
    """axe-core finds nothing, and nothing is wider than the window."""
    found = {}
    with browsed(browser, venue, width, theme, language) as page:
        assert page.page.evaluate("document.documentElement.lang") == language
        assert page.page.evaluate("document.documentElement.dataset.theme") == theme
        for view in PUBLIC:
            look(page, view, found)
        page.log_in(trader.mail)
        for view in OWN:
            look(page, view, found)
    assert found == {}


def look(page, view, found):
    page.go(view)
    page.expect("h1").not_to_have_count(0)
    if view.startswith("trade"):
        page.expect(".chart-box canvas").not_to_have_count(1)
        page.expect("body[data-link=live]").to_have_count(1)
        page.expect(f"{BOOK}:enabled").not_to_have_count(0)
    defects = [*page.defects(), *NOTHING.findall(page.page.inner_text("#main"))]
    defects += [*page.page.evaluate(CUT), *page.page.evaluate(CLIPPED)]
    wide = page.width() or page.page.evaluate(SCROLLED)
    if defects or wide > 0:
        found[view] = [*defects, *([f"{wide} px too wide"] if wide > 0 else [])]


def test_an_account_has_the_language_of_the_page(browser, venue):
    """From its first mail on, after a change on the page, and after a login on another one."""
    mail = "sprache@example.com"
    language = "async () => (await (await import('/page/api.js')).get('/v1/me')).language"

    def has(page, name):
        wait_until(lambda: page.page.evaluate(language) == name, f"an account in {name}")

    with browsed(browser, venue, language="de") as page:
        page.sign_up(mail)
        has(page, "de")
        page.page.select_option("#language", "en")
        has(page, "en")
        page.go("notifications/list")
        page.expect(".news li", has_text="Anmeldung bei Ihrem Konto").not_to_have_count(0)
    with browsed(browser, venue, 390, language="de") as page:
        page.log_in(mail)
        has(page, "de")


def test_a_login_after_failures_solves_its_proof_of_work_by_itself(browser, venue):
    person, sent = venue.person(), []
    with browsed(browser, venue) as page:

        def answered(answer):
            if answer.url.endswith("/v1/login"):
                body = answer.request.post_data_json
                sent.append((answer.status, bool(body.get("solution"))))

        page.page.on("response", answered)
        page.go("login")
        page.page.fill("input[name=mail]", person.mail)
        for count in range(1, 4):
            page.page.fill("input[name=password]", f"a wrong password {count}")
            with page.page.expect_response("**/v1/login"):
                page.page.press("input[name=password]", "Enter")
            page.expect(
                "form .error", has_text=page.word("error.wrong_credentials")
            ).to_be_visible()
            page.expect("form button[type=submit]").to_be_enabled()
        page.log_in(person.mail)
    assert sent == [(401, False)] * 3 + [(428, False), (200, True)]


def test_a_book_is_clean_before_it_has_come_and_where_a_side_has_few_prices(browser, venue, maker):
    """Each row of a book is a button, also one without a price."""
    with browsed(browser, venue) as page:
        page.page.route_web_socket("**/v1/stream*", lambda socket: None)
        page.page.reload()
        page.go("trade/ETH-USD")
        page.expect(BOOK).to_have_count(22)
        assert page.defects() == []
        page.expect(f"{BOOK}:enabled").to_have_count(0)
    with venue.client(maker) as client:
        placed = client.order("BUY", "0.1", "2000", symbol="ETHUSD")
        assert placed.status_code == 200
        with browsed(browser, venue) as page:
            page.go("trade/ETH-USD")
            page.expect(f"{BOOK}:enabled").to_have_count(1)
            assert page.defects() == []
        client.request("DELETE", "/api/v3/openOrders", symbol="ETHUSD")


def test_first_paint_and_first_use(browser, venue, maker, record_property):
    """Recorded, not asserted: the machine has other work."""
    with browsed(browser, venue) as page:
        figures = page.page.evaluate(
            """() => ({
              paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
              interactive: performance.getEntriesByName("interactive")[0].startTime,
            })"""
        )
    for name, value in figures.items():
        record_property(f"{name}_ms", round(value))
    assert figures["paint"] > 0
    assert figures["interactive"] > 0


def test_what_a_person_chooses_stays_and_a_plan_is_sent(browser, venue, maker):
    """A watchlist, an indicator and a drawn line outlive a reload, quiet hours a session; orders of
    a rebalancing are sent once they were looked at."""
    person = venue.person(USD=100_000 * USD, BTC=2 * BTC)
    with browsed(browser, venue) as page:
        page.log_in(person.mail)
        page.go("markets")
        page.page.get_by_label(page.word("markets.watch", symbol="BTC-USD")).click()
        page.go("trade/BTC-USD")
        page.expect(".chart-box canvas").not_to_have_count(1)
        page.page.click(".chart-tools summary")
        page.page.get_by_label(page.word("indicator.rsi")).check()
        page.page.select_option(".chart-tools select", "price")
        page.fill(line_price="50123")
        page.page.click("dialog button[type=submit]")
        page.expect("dialog").to_have_count(0)
        page.go("notifications/settings")
        page.fill(quiet_from="22:00", quiet_until="07:00")
        page.page.click("#settings-form button[type=submit]")
        page.says(page.word("saved"))
        page.page.reload()
        page.expect("#logout").to_be_visible()
        page.go("markets")
        page.press(page.word("markets.watched"))
        page.expect("#main tbody tr").to_have_count(1)
        kept = page.page.evaluate("JSON.parse(localStorage.getItem('outcry'))")
        assert "rsi" in kept["indicators"]
        assert kept["lines BTC-USD"] == [{"kind": "level", "price": 50123}]
        page.go("notifications/settings")
        assert page.page.input_value("#quiet-from") == "22:00"
        page.go("portfolio/rebalance")
        page.fill(weight_USD="70", weight_BTC="30", weight_ETH="0")
        page.press(page.word("rebalance.propose"))
        page.page.click("#rebalance-send")
        page.page.click("dialog button[type=submit]")
        page.says(page.word("rebalance.sent"))
        page.go("orders/history")
        page.expect("#main tbody tr").not_to_have_count(0)


def test_a_reader_is_told_in_the_own_language_why_a_withdrawal_was_refused(browser, venue):
    """The money was spent before the code came: the venue's words have a code, the page words."""
    person = venue.person(("read", "trade", "withdraw"), USD=1_000 * USD)
    with PortalClient(venue.url, person.api_key, person.secret) as client:
        row = client.withdraw("USD", "700", "DE02120300000000202051")
        client.place("BTC-USD", "buy", "limit", quantity="0.02", price="40000")
        client.confirm_withdrawal(row.id, venue.code(person.mail, person.registration))
        wait_until(lambda: client.withdrawal(row.id).state == "refused", "the venue's refusal")
        row = client.withdrawal(row.id)
    assert row.why_code == "insufficient_balance"
    assert "available" in row.why
    for width, language, words in (
        (1280, "en", "The balance was too small."),
        (390, "de", "Das Guthaben war zu klein."),
    ):
        with browsed(browser, venue, width, language=language) as page:
            page.log_in(person.mail)
            page.go("wallet/withdraw")
            page.expect("#main td", has_text=words).to_be_visible()
            assert (page.defects(), page.width()) == ([], 0)


@pytest.mark.parametrize(("language", "words"), [("en", "25 hours late"), ("de", "25 Stunden im")])
def test_pages_of_a_history_that_is_late_say_so(browser, venue, trader, language, words):
    """A day behind: for as long as it is, and then they show what has come."""
    late = {"seq": 5, "time_ms": 1, "venue_seq": 9, "behind": 4, "behind_ms": 90_000_000}
    with browsed(browser, venue, 390, "dark", language) as page:
        page.log_in(trader.mail)
        page.page.route("**/v1/history", lambda route: route.fulfill(json=late))
        views = "orders/history", "orders/trades", "portfolio/overview", "wallet/movements"
        for view in (*views, "notifications/list"):
            page.go(view)
            page.expect("#main [role=status].warning", has_text=words).to_be_visible()
            assert page.defects() == []
        page.go("orders/history")
        page.page.unroute("**/v1/history")
        page.expect("#main [role=status].warning").to_be_empty()


def test_operators_find_freeze_limit_and_look(browser, venue, maker):
    """With reasons, which are in their log; a look changes nothing."""
    person = venue.person(USD=5_000 * USD)
    with browsed(browser, venue) as page:
        page.go("operator/users")
        page.fill(operator_token="op_wrong")
        page.press(page.word("operator.enter"))
        page.expect("#main .error").not_to_be_empty()
        page.fill(operator_token=venue.operator("page"))
        page.press(page.word("operator.enter"))

        def find():
            page.fill(operator_search=person.mail)
            page.page.press("#operator-search", "Enter")
            page.expect("#main table[aria-label='Users'] tbody tr").to_have_count(1)
            page.page.get_by_label(page.word("operator.details", mail=person.mail)).click()

        def do(what, reason):
            page.page.click(f"#operator-{what}")
            page.fill(operator_reason=reason)
            page.page.click("dialog button[type=submit]")
            page.expect("dialog").to_have_count(0)

        find()
        page.expect("#operator-user td", has_text="5000").not_to_have_count(0)
        assert page.defects() == []
        do("freeze", "ticket 1")
        page.expect("#operator-user dd", has_text="ticket 1").not_to_have_count(0)
        do("unfreeze", "ticket 2")
        page.expect("#operator-freeze").to_be_visible()
        page.page.click("#operator-relevel")
        page.page.select_option("#operator-new-level", "2")
        page.fill(operator_reason="ticket 3")
        page.page.click("dialog button[type=submit]")
        page.expect("#operator-user td", has_text="250000").not_to_have_count(0)
        page.page.locator("#operator-user button.small.danger").click()
        page.fill(operator_reason="ticket 4")
        assert page.defects() == []
        page.page.click("dialog button[type=submit]")
        page.expect("#operator-user button.small.danger").to_have_count(0)
        page.go("operator/figures")
        page.expect("#figures .scroll").to_be_visible()
        assert page.defects() == []
        page.go("operator/log")
        for reason in ("ticket 1", "ticket 2", "level 2: ticket 3", ": ticket 4"):
            page.expect("#main td", has_text=reason).not_to_have_count(0)
        page.go("operator/users")
        find()
        do("view", "ticket 5")
        page.expect("#looking", has_text=person.mail).to_be_visible()
        page.go("wallet/balances")
        page.expect("#main td", has_text="USD").not_to_have_count(0)
        assert page.defects() == []
        page.page.click("#logout")
        page.expect("#looking").to_be_empty()


@pytest.mark.parametrize(("width", "language"), [(390, "de"), (820, "en"), (1280, "en")])
def test_a_person_limits_and_stops_the_own_trading(browser, venue, width, language):
    """A lower limit is in force at once, a wider one asks for its code, and the kill switch is
    shown until it ends."""
    with browsed(browser, venue, width, "dark", language) as page:
        person = venue.person(USD=9_000 * 10**6)
        page.log_in(person.mail)
        page.go("account/limits")
        set_limit(page, "50")
        page.expect("td", has_text="50").not_to_have_count(0)
        set_limit(page, "60")
        code = venue.code(person.mail, person.registration)
        page.fill(limit_code=code)
        page.page.click("dialog button.primary")
        page.says(page.word("limit.confirmed"))
        page.page.click("#kill")
        page.page.click("dialog button.danger")
        page.expect("td", has_text=page.word("limit_name.killed")).not_to_have_count(0)
        with venue.client(person) as client:
            assert client.order("BUY", "0.01", "100.00").status_code == 400
        assert page.width() <= 0
        assert page.defects() == []


def set_limit(page, value):
    page.page.select_option("#limit-name", "open_orders")
    page.fill(limit_value=value)
    page.page.click("#limit-form button[type=submit]")


@pytest.mark.promise(
    "V5.3, V14.4 (page): text of a user is shown as text. A script that has got into a page "
    "runs no text as code and reaches no other origin; no other site shows the page in a "
    "frame (Chromium)",
    group="portal",
)
def test_text_of_a_user_never_becomes_markup(browser, venue, maker):
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&lt;"
    with browsed(browser, venue) as page:
        page.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        person = venue.person()
        page.log_in(person.mail)
        page.go("account/keys")
        page.fill(key_label=evil, proof_password=PASSWORD)
        page.page.click("#key-form button[type=submit]")
        page.expect("dialog code").not_to_have_count(0)
        page.page.click("dialog button.primary")
        page.expect("td", has_text=evil).not_to_have_count(0)
        page.go("account/identity")
        page.fill(
            identity_name=evil,
            identity_address=evil,
            identity_country="DE",
            identity_born="1990-01-02",
        )
        page.page.get_by_role("button", name="Submit").click()
        # The list of activities is read once: not before this is in it.
        page.says("Submitted")
        page.go("account/activity")
        page.expect("td", has_text="identity submitted").not_to_have_count(0)
        assert page.page.locator("#main img, #main script").count() == 0
        # And a link that somebody sends.
        page.go(f"trade/{evil}")
        assert page.page.locator("#main img, #main script").count() == 0


@pytest.mark.promise(
    "V5.3, V14.4 (page): text of a user is shown as text. A script that has got into a page "
    "runs no text as code and reaches no other origin; no other site shows the page in a "
    "frame (Chromium)",
    group="portal",
)
def test_what_gets_into_the_page_reaches_nothing(browser, venue):
    person = venue.person()
    with foreign_site() as site:
        with watched_by_nobody(browser, address(venue)) as page:
            Browsed(page, venue).log_in(person.mail)
            attack(page, site, "require-trusted-types-for")
        assert not is_framed(browser, site, address(venue))


def test_decimals_are_exact(browser, venue):
    """The page's own arithmetic, against Python's decimals."""
    rng = random.Random(7)
    pairs = [
        [f"{rng.randrange(10 ** rng.randrange(1, 25))}.{rng.randrange(10**8):08}" for _ in "ab"]
        for _ in range(200)
    ]
    with browsed(browser, venue) as page:
        made = page.page.evaluate(
            """async (pairs) => {
              const exact = await import("/page/exact.js");
              return pairs.map(([a, b]) => [exact.add(a, b), exact.subtract(a, b),
                exact.multiply(a, b), exact.divide(a, b, 8), exact.floor(a, "0.25"),
                exact.compare(a, b), exact.show(a, 2)]);
            }""",
            pairs,
        )
    with_room = Context(prec=90)
    for (first, second), row in zip(pairs, made, strict=True):
        a, b = Decimal(first), Decimal(second)
        assert Decimal(row[0]) == with_room.add(a, b)
        assert Decimal(row[1]) == with_room.subtract(a, b)
        assert Decimal(row[2]) == with_room.multiply(a, b)
        if b:
            quotient = with_room.divide(a, b).quantize(Decimal("1e-8"), ROUND_DOWN, with_room)
            assert Decimal(row[3]) == quotient
        assert Decimal(row[4]) == with_room.subtract(a, with_room.remainder(a, Decimal("0.25")))
        assert row[5] == (a > b) - (a < b)
        assert Decimal(row[6].replace("\u202f", "")) == a


@pytest.mark.promise(
    "A login by another provider holds for its own state, nonce, signature and tab. It makes "
    "an account only for an address that the provider has verified, and never takes over an "
    "account",
    group="portal",
)
def test_a_login_by_the_provider_that_this_tab_did_not_begin_is_not_finished(browser, venue):
    """A link with an attacker's code would log its reader in to the attacker's account."""
    with browsed(browser, venue) as page:
        asked = []
        page.page.route("**/v1/login/provider", lambda one: (asked.append(1), one.continue_()))
        for begun, count in (("", 0), ("another", 0), ("state", 1), ("", 1)):
            if begun:
                page.page.evaluate(f"sessionStorage.setItem('provider', '{begun}')")
            page.page.goto(f"{page.url}?code=code&state=state")
            page.expect("#main:not([aria-busy]) .view").to_be_visible()
            assert page.page.url.partition("#")[0] == page.url
            assert len(asked) == count


@pytest.mark.promise(
    "V3.3 to V3.5, V4.2.2, V13.2.3 (sessions, cookie, forgery): a refresh token is used once,"
    " its second use ends the session. A session's cookie is HttpOnly and SameSite=Strict, "
    "for one path; no request of another site counts. Logouts and a new password end access "
    "tokens at once",
    group="portal",
)
def test_the_cookie_of_a_session_is_for_its_own_page_alone(browser, venue):
    person = venue.person()
    with browsed(browser, venue) as page:
        page.log_in(person.mail)
        (cookie,) = page.page.context.cookies(f"{page.url}page/session")
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Strict"
        assert page.page.evaluate("document.cookie") == ""
        kept = page.page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
        assert cookie["value"][1:] not in kept
        page.page.reload()
        page.expect("#logout").to_be_visible()
    jar = {"outcry_session": cookie["value"]}
    headers = {"x-outcry-page": "1", "origin": "http://evil.example"}
    url = f"{venue.url}/page/session/refresh"
    assert plain_http.post(url, cookies=jar, headers=headers).status_code == 403
    assert plain_http.post(url, cookies=jar).status_code == 403
    assert plain_http.request("DELETE", f"{venue.url}/page/session", cookies=jar).status_code == 403


COVERED = """() => {
  const box = document.querySelector("#ticket button[type=submit]").getBoundingClientRect();
  const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return found?.closest("#notice") !== null;
}"""


NOTICES_STAY = """() => {
  const later = window.setTimeout;
  window.setTimeout = (work, ms, ...rest) => ms === 8000 ? 0 : later(work, ms, ...rest);
}"""


def test_notices_cover_no_button_and_orders_of_programs_share_one(browser, venue, maker):
    """Refusals are red and have their reason.  At 1280 by 800 the button that buys stays free."""
    person = venue.person(USD=100_000 * USD, BTC=2 * BTC)
    with browsed(browser, venue) as page, venue.client(person) as program:
        page.log_in(person.mail)
        page.go("trade/BTC-USD")
        page.expect("#ticket button[type=submit]").to_be_visible()
        page.page.evaluate(NOTICES_STAY)
        for _ in range(6):
            program.order("BUY", "0.001", "50010")
        counted = page.word("notice.orders", count="6", last="").split("6")[1].strip(" ;")
        page.expect("#notice p", has_text=counted.partition(";")[0]).to_have_count(1)
        page.expect("#notice p").to_have_count(1)
        for _ in range(4):
            page.page.evaluate("import('/page/kit.js').then((kit) => kit.notice('x'.repeat(300)))")
        page.expect("#notice p").to_have_count(4)
        page.page.evaluate("document.querySelector('#ticket button[type=submit]').scrollIntoView()")
        assert not page.page.evaluate(COVERED)
        page.page.evaluate("document.querySelector('#notice').replaceChildren()")
        program.order("BUY", "0.001", "60000", type="LIMIT_MAKER", timeInForce="")
        page.expect("#notice p.bad", has_text="it may only rest").to_have_count(1)
        page.expect("#notice p:not(.bad)").to_have_count(0)
