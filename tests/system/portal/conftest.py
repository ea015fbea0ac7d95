"""The fixtures of this folder's tests."""

import pytest

from openoutcry.portal.database import start_embedded
from tests.support.portal.people import with_people
from tests.support.portal.portal_venue import PortalVenue, page_venue


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory):
    """The URL of a PostgreSQL of these tests."""
    url, server = start_embedded(tmp_path_factory.mktemp("portal") / "postgresql")
    yield url
    server.cleanup()


@pytest.fixture
def people(postgresql, tmp_path):
    """Runs a test of the account API: ``people(test)``."""
    return lambda test: with_people(postgresql, tmp_path, test)


@pytest.fixture(scope="session")
def portal_venue(tmp_path_factory):
    """A venue that trades, with its portal."""
    with page_venue(tmp_path_factory.mktemp("portal-venue")) as venue:
        yield venue


@pytest.fixture(autouse=True)
def nothing_is_left(request):
    """The books are as before: an order that stays would trade with another test's."""
    if "portal_venue" not in request.fixturenames:
        yield
        return
    venue: PortalVenue = request.getfixturevalue("portal_venue")
    with venue.tidied():
        yield
