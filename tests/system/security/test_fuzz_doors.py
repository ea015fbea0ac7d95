"""Every door under random and mutated input, briefly; tests/long/attacks/fuzz_doors.py is the same
with a million messages a door."""

import pytest

from openoutcry.order_entry.spec import Protocol
from tests.support.console.console_venue import ApiClient, ConsoleVenue, ended
from tests.support.security.fuzz_doors import DOORS, fuzz_logins, fuzz_page, fuzz_sessions

SEED = 4


@pytest.mark.promise(
    "No message of a session, and no first bytes of a connection, raise anything or write to "
    "standard error; each refused login is counted, and another session is answered as before",
    group="doors",
)
@pytest.mark.parametrize("protocol", DOORS, ids=lambda protocol: protocol.name)
def test_no_input_of_a_door_raises(protocol: Protocol, capfd: pytest.CaptureFixture[str]) -> None:
    done = fuzz_sessions(protocol, 4_000, SEED)
    assert (done["messages"], done["answers"]) == (4_000, 4)
    assert done["logins"] > 1
    assert fuzz_logins(protocol, 400, SEED) == {"messages": 400, "counted": 400}
    assert capfd.readouterr().err == ""


@pytest.mark.promise(
    "No request of a stranger makes a page fail or write to standard error", group="doors"
)
def test_no_request_of_a_stranger_makes_a_page_fail(tmp_path) -> None:
    floor = ConsoleVenue(tmp_path)
    try:
        floor.venue.start()
        floor.serve()
        floor.serve_screen()
        for process, url in ((floor.console, floor.url), (floor.screen, floor.screen_url)):
            host, _, port = url.split("/")[2].partition(":")
            done = fuzz_page((host, int(port)), 500, SEED, "127.0.0.3")
            assert done["failures"] == 0
            assert done["answers"] > 100
            with ApiClient(url) as one:
                assert one.get("/api/hello").status_code == 200
            assert ended(process) == ""
        floor.console = floor.screen = None
    finally:
        floor.stop()
