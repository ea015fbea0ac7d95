"""One venue and its console for every test of this folder, in one worker."""

import pytest
from console_venue import ConsoleVenue


def pytest_collection_modifyitems(items):
    """All in one worker, so that there is one venue."""
    for item in items:
        if "tests/console/" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("console"))


venues: list[ConsoleVenue] = []


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """The venue ends with this folder's last test, not with the session: it would be seen by later
    ones, and take a part of a core."""
    if nextitem is None or "tests/console/" not in str(nextitem.path):
        while venues:
            venues.pop().stop()


@pytest.fixture(scope="session")
def floor(tmp_path_factory):
    made = ConsoleVenue(tmp_path_factory.mktemp("console"))
    venues.append(made)
    made.start()
    made.quote()
    made.trade(1_000)
    return made


@pytest.fixture
def anna(floor):
    with floor.client("anna") as client:
        yield client
