"""One venue and its console for every test of this folder, in one worker."""

import pytest
from console_venue import ConsoleVenue, ScreenClient
from processes import free_port


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


@pytest.fixture(scope="session")
def browser():
    """One for all pages."""
    from console_browser import started  # here: without playwright the other tests still run

    with started() as made:
        yield made


@pytest.fixture
def anna(floor):
    with floor.client("anna") as client:
        yield client


@pytest.fixture(scope="session")
def screen(floor):
    """The floor with its screen; begun again if not everything trades continuously."""
    found = floor.venue.status()
    quiet = not found["risk"]["halted"] and not found["risk"]["killed"]
    if set(found["phases"].values()) != {"CONTINUOUS"} or not quiet:
        floor.venue.stop()
        floor.open()
    floor.serve_screen("--webhook-host", "127.0.0.1", "--smtp", f"127.0.0.1:{free_port()}")
    return floor


@pytest.fixture
def traders(screen):
    """Participant 1's page and participant 3's, with nothing open."""
    with ScreenClient(screen.screen_url) as one, ScreenClient(screen.screen_url) as three:
        for client, name in ((one, "PAGE1"), (three, "PAGE3")):
            assert client.log_in(name).status_code == 200
            client.ready()
        yield one, three
        for client in (one, three):
            if client.get("/api/own").status_code == 200:
                client.look("/api/own", lambda own: own["link"]["state"] == "ready")
                client.do("/api/cancel-all")
                client.look("/api/own", lambda own: not [
                    row for row in own["orders"] if row["state"] in ("open", "sent")
                ])  # fmt: skip
                client.do("/api/logout")
