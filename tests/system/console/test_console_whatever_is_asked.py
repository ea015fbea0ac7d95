"""Whatever the APIs are asked, they never answer with a 500, and what they take is what they
describe.  Last of this folder's tests: it kills and halts as it likes."""

from functools import cache
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings

from openoutcry.console.gate import COOKIE
from openoutcry.console.screen import server as screen_server
from openoutcry.console.server import make_app
from tests.support.console.console_venue import ScreenClient
from tests.support.waiting import BOUND_S

# Imported by the tests alone: every worker reads this file, and it takes two seconds.
pytestmark = pytest.mark.skipif(
    find_spec("schemathesis") is None, reason="schemathesis is not installed"
)
LEAVES = ("/api/logout", "/api/login", "/api/confirm")
"""They end the session that asks, or make it wait."""
EXAMPLES = [3, pytest.param(100, marks=pytest.mark.long)]
"""Examples of each of 42 operations; one takes 10 ms."""


def operations(app, count):
    """Every operation of the application's own description, as "method path"."""
    paths = app.app.openapi()["paths"]
    names = [f"{method} {path}" for path, methods in paths.items() for method in methods]
    assert len(names) > count
    return [one for one in names if one.split()[1] not in LEAVES]


@cache
def described(app):
    from schemathesis import openapi

    descriptions = openapi.from_dict(app.app.openapi()).get_all_operations()
    return {f"{one.method} {one.path}": one for one in (each.ok() for each in descriptions)}


NOTHING = SimpleNamespace(accounts=None, file=None, observer=None, market=None, message=None)
CONSOLE, SCREEN = make_app(NOTHING), screen_server.make_screen(NOTHING)


def statuses_of(operation, url, headers, examples):
    """The statuses of what was asked of an operation."""
    statuses = set()

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def ask(case):
        answer = case.call(base_url=url, headers=headers, timeout=BOUND_S)
        assert answer.status_code < 500 or answer.status_code == 503, (
            answer.status_code,
            answer.text,
        )
        statuses.add(answer.status_code)

    ask()
    return statuses


@pytest.fixture(scope="module")
def trader(screen):
    """Headers of participant 3."""
    with ScreenClient(screen.screen_url) as client:
        assert client.log_in("PAGE3").status_code == 200
        client.ready()
        cookie = f"{screen_server.COOKIE}={client.cookies[screen_server.COOKIE]}"
        return {"cookie": cookie, "x-csrf-token": client.csrf}


@pytest.fixture(scope="module")
def supervisor(floor):
    """Headers of anna, who logs in once: passwords that are tried make her name wait."""
    with floor.client("anna") as client:
        cookie = f"{COOKIE}={client.cookies[COOKIE]}"
        return {"cookie": cookie, "x-csrf-token": client.csrf}


@pytest.mark.promise(
    "V5.1, V5.3, V13.1.3 (input): of a schema, with no other field; never a 500; "
    "impossible values are rejected before anything is sent to the venue",
    group="screen",
)
@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("operation", operations(SCREEN, 12))
def test_no_request_makes_the_screen_fail(operation, examples, screen, trader):
    statuses = statuses_of(described(SCREEN)[operation], screen.screen_url, trader, examples)
    assert not statuses & {401, 403, 503}, "nothing of this ends the session"


@pytest.mark.promise(
    "V5.1.1 to V5.5, V13.1.3, V13.2 (input): requests are of a schema, with no other field, "
    "method or size; never a 500. What a WebSocket says is JSON of a few fields; anything "
    "else ends that connection alone",
    group="console",
)
@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("operation", operations(CONSOLE, 20))
def test_no_request_makes_it_fail(operation, examples, floor, supervisor):
    statuses = statuses_of(described(CONSOLE)[operation], floor.url, supervisor, examples)
    assert not statuses & {401, 503}, "nothing of this ends the session"
