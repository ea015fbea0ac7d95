"""The fixtures of this folder's tests."""

from contextlib import ExitStack
from typing import Any

import pytest

from openoutcry.portal.database import start_embedded
from tests.support.custody.chains import need_hsm, need_node
from tests.support.portal.full_venue import full_venue
from tests.support.portal.people import people_of
from tests.support.portal.portal_venue import PortalVenue, page_venue

kept: dict[str, Any] = {}
held = ExitStack()
"""What tests of several files use, and what ends it."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """It ends with this folder's last test, not with the session: it takes a part of a core."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        end_what_is_held()


def pytest_sessionfinish():
    """A run that stops at its first failure has further tests that never come."""
    end_what_is_held()


def end_what_is_held():
    kept.clear()
    held.close()


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    """The URL of a PostgreSQL of these tests."""
    if "postgresql" not in kept:
        folder = tmp_path_factory.mktemp("portal") / "postgresql"
        kept["postgresql"], server = start_embedded(folder)
        held.callback(server.cleanup)
    return kept["postgresql"]


@pytest.fixture
def people(postgresql, tmp_path):
    """The account API, asked by several people."""
    return people_of(postgresql, tmp_path)


@pytest.fixture(scope="module")
def portal_venue(tmp_path_factory):
    """A venue that trades, with its portal."""
    if "venue" not in kept:
        kept["venue"] = held.enter_context(page_venue(tmp_path_factory.mktemp("portal-venue")))
    return kept["venue"]


@pytest.fixture(scope="module")
def browser():
    from tests.support.console.console_browser import started  # few tests need Playwright

    with started() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A venue whose portal offers everything."""
    need_node()
    need_hsm()
    if "full" not in kept:
        kept["full"] = held.enter_context(full_venue(tmp_path_factory.mktemp("full-venue")))
    return kept["full"]


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    """The books are as before: an order that stays would trade with another test's."""
    if "portal_venue" not in request.fixturenames:
        yield
        return
    venue: PortalVenue = request.getfixturevalue("portal_venue")
    with venue.tidied():
        yield
