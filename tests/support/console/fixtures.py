"""One venue, its console and one browser for every test of this folder, which stays in one worker
(tests/conftest.py)."""

import time
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.console.console_venue import ConsoleVenue, ScreenClient
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S

shared: dict[str, Any] = {}
held = ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Venue and browser end with this folder's last test, not with the session: they would be seen
    by later ones, take a part of a core, and keep an event loop in the worker's thread."""
    if nextitem is None or "tests/system/console/" not in str(nextitem.path):
        shared.clear()
        held.close()


@pytest.fixture(scope="module")
def floor(tmp_path_factory, pytestconfig):
    """The venue and its console; another one if not everything trades continuously."""
    if not shared:
        pytestconfig.add_cleanup(held.close)  # where a failure ends the session
    if "floor" in shared and not shared["floor"].is_quiet():
        shared.pop("floor").stop()
    if "floor" not in shared:
        venue = ConsoleVenue(tmp_path_factory.mktemp("console"))
        held.callback(venue.stop)
        venue.start()
        venue.quote()
        venue.trade(1_000)
        shared["floor"] = venue
    return shared["floor"]


@pytest.fixture(scope="module")
def browser():
    """One for all pages."""
    from tests.support.console.console_browser import (
        started,  # here: without playwright the other tests still run
    )

    if "browser" not in shared:
        shared["browser"] = held.enter_context(started())
    return shared["browser"]


@pytest.fixture
def anna(floor):
    with floor.client("anna") as client:
        yield client


@pytest.fixture(scope="module")
def screen(floor):
    """The floor with its screen."""
    if floor.screen is None:
        floor.serve_screen("--webhook-host", "127.0.0.1:9", "--smtp", f"127.0.0.1:{free_port()}")
    return floor


@pytest.fixture
def traders(screen):
    """Participant 1's page and participant 3's, with nothing open."""
    with ScreenClient(screen.screen_url) as one, ScreenClient(screen.screen_url) as three:
        for client, name in ((one, "PAGE1"), (three, "PAGE3")):
            # The venue may not have read the logout before yet.
            until_s = time.monotonic() + BOUND_S
            while (answer := client.log_in(name)).status_code == 503:
                assert time.monotonic() < until_s, answer.text
                time.sleep(0.2)
            assert answer.status_code == 200, answer.text
            client.ready()
        yield one, three
        for client in (one, three):
            if client.get("/api/own").status_code == 200:
                client.look("/api/own", lambda own: own["link"]["state"] == "ready")
                client.do("/api/cancel-all")
                client.look(
                    "/api/own",
                    lambda own: (
                        not [row for row in own["orders"] if row["state"] in ("open", "sent")]
                    ),
                )
                client.do("/api/logout")
