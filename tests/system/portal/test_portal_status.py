"""Announcements: what an operator writes and what becomes of markets reaches the status page, its
feed, and the users who want to hear of it."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.venue.desk import ask
from tests.support import plain_http
from tests.support.console.console_browser import needs_chromium
from tests.support.portal.portal_browser import browsed
from tests.support.waiting import wait_until
from tests.system.portal.test_portal_sub_accounts import native_of

HOSTILE = '<b>&"\u202e]]> maintenance'


@pytest.fixture(scope="module")
def operator(portal_venue):
    with PortalClient(portal_venue.url, operator=portal_venue.operator("announcer")) as client:
        yield client


@pytest.fixture(scope="module")
def anybody(portal_venue):
    with PortalClient(portal_venue.url) as client:
        yield client


def told(client, event):
    return [one for one in client.notifications().items if one.event == event]


@pytest.mark.promise(
    "An announcement of an operator is on the status page and in its feed, and each user is "
    "notified once",
    group="portal",
)
def test_what_an_operator_announces_reaches_everybody_once(portal_venue, operator, anybody):
    person = portal_venue.person()
    with native_of(portal_venue, person) as native:
        begins = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        made = operator.announce(
            "maintenance", HOSTILE, "One hour.\nNothing is lost.", begins_at=begins.isoformat()
        )
        notice = wait_until(lambda: told(native, "news"), "a notice")[0]
        assert (notice.title, notice.data["kind"]) == (made.title, "maintenance")
        assert notice.data["begins_at"] == begins.isoformat()
        assert "\u202e" not in made.title
        row = anybody.venue_status().announcements[0]
        assert (row.id, row.title, row.begins_at) == (made.id, made.title, begins)
        feed = ElementTree.fromstring(anybody.status_feed())
        items = feed.findall("channel/item")
        assert (items[0].findtext("title"), items[0].findtext("category")) == (
            made.title,
            "maintenance",
        )
        ended = operator.end_announcement(made.id)
        assert ended.ends_at is not None
        with pytest.raises(PortalError, match="not_found"):
            operator.end_announcement(made.id)
        operator.announce("news", "A second one", "Everything is as before.")
        wait_until(lambda: len(told(native, "news")) == 2, "the second notice")
    actions = [row.action for row in operator.operator_log().items[:3]]
    assert actions == ["announced", "announcement ended", "announced"]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"kind": "market"}, "kind"),
        ({"title": ""}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"body": " "}, "body"),
        ({"begins_at": "tomorrow"}, "begins_at"),
        ({"ends_at": "2026-11-30T12:00:00"}, "ends_at"),
        ({"begins_at": "2026-11-30T12:00Z", "ends_at": "2026-11-30T12:00Z"}, "ends_at"),
    ],
)
def test_what_is_no_announcement_is_refused(operator, anybody, change, names):
    before = anybody.venue_status().announcements
    given = {"kind": "news", "title": "x", "body": "y"} | change
    with pytest.raises(PortalError, match=f"{names}:"):
        operator.announce(given.pop("kind"), given.pop("title"), given.pop("body"), **given)
    assert anybody.venue_status().announcements == before


def test_only_operators_announce(portal_venue, anybody):
    person = portal_venue.person()
    with native_of(portal_venue, person) as native:
        for client in (anybody, native):
            with pytest.raises(PortalError, match="not_logged_in"):
                client.announce("news", "mine", "all mine")


@pytest.mark.promise(
    "Pauses and states of markets are announced, to users who have chosen it, each once",
    group="portal",
)
def test_what_becomes_of_a_market_is_announced(portal_venue, anybody):
    """In the reader's language; users who have not chosen it get no notice."""
    listener, other = portal_venue.person(), portal_venue.person()
    with native_of(portal_venue, listener) as wants, native_of(portal_venue, other) as not_asked:
        settings = wants.notification_settings()
        assert settings.events["market"] == []
        settings.events["market"] = ["app"]
        wants.choose_notifications(**vars(settings))
        before = len(anybody.venue_status().announcements)
        for what in ("close-only", "resume"):  # after a suspension it opens with an auction
            request = {"do": f"instrument-{what}", "instrument": "ETH-USD"}
            ask(portal_venue.venue.journal, request)

        def states():
            return [one.data["state"] for one in told(wants, "market")]

        wait_until(lambda: {"close_only", "trading"} <= set(states()), "both notices")
        assert len(states()) == len(set(states()))
        assert told(not_asked, "market") == []
        rows = anybody.venue_status().announcements
        assert len(rows) - before >= 2
        named = {row.title for row in rows if row.kind == "market"}
        assert "ETH-USD is close-only" in named
        german = plain_http.get(
            f"{portal_venue.url}/v1/status", headers={"accept-language": "de"}
        ).json()
        assert "ETH-USD: nur noch Verkleinern" in {row["title"] for row in german["announcements"]}


@needs_chromium
@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (768, "en"), (390, "de")])
def test_the_page_shows_it_without_a_login(browser, portal_venue, operator, width, language):
    operator.announce("incident", HOSTILE, "We look into it.")
    with browsed(browser, portal_venue, width, language=language) as page:
        page.go("status")
        page.expect("#venue-state", has_text=page.word("status.open")).to_be_visible()
        page.expect(".news li b", has_text='<b>&"').not_to_have_count(0)
        assert page.width() <= 0
        assert page.defects() == []


@needs_chromium
def test_an_operator_announces_on_the_page(browser, portal_venue, anybody):
    token = portal_venue.operator("page-announcer")
    with browsed(browser, portal_venue) as page:
        page.go("operator")
        page.fill(operator_token=token)
        page.press(page.word("operator.enter"))
        page.page.click("#tab-announcements")
        page.fill(announce_title="By hand", announce_body="On the page.")
        page.press(page.word("announce.send"))
        page.says(page.word("announce.sent"))
        newest = anybody.venue_status().announcements[0]
        assert (newest.title, newest.ends_at) == ("By hand", None)
        page.page.get_by_label(f"{page.word('announce.end')}: By hand").click()
        wait_until(lambda: anybody.venue_status().announcements[0].ends_at, "its end")
        assert page.defects() == []
