"""One venue and its console for every test of this folder, in one worker."""

import pytest
from console_venue import ConsoleVenue


def pytest_collection_modifyitems(items):
    """All in one worker, so that there is one venue."""
    for item in items:
        if "tests/console/" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("console"))


@pytest.fixture(scope="session")
def floor(tmp_path_factory):
    made = ConsoleVenue(tmp_path_factory.mktemp("console"))
    try:
        made.start()
        made.quote()
        made.trade(1_000)
        yield made
    finally:
        made.stop()


@pytest.fixture
def anna(floor):
    with floor.client("anna") as client:
        yield client
