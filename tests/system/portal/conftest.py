"""The fixtures of this folder's tests."""

import pytest

from openoutcry.portal.database import start_embedded
from tests.support.portal.people import with_people
from tests.support.portal.portal_venue import PortalVenue


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
    with PortalVenue(tmp_path_factory.mktemp("portal-venue")) as venue:
        yield venue
