"""Whatever the API is asked, it never answers with a 500, and what it takes is what it describes.
Last of this folder's tests: it kills and halts as it likes."""

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings

from openoutcry.console.gate import COOKIE
from openoutcry.console.server import make_app

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
LEAVES = ("/api/logout", "/api/login", "/api/confirm")
"""They end the session that asks, or make it wait."""
EXAMPLES = 25


def operations():
    """Every operation of the application's own description."""
    nothing = SimpleNamespace(accounts=None, file=None, observer=None, market=None)
    described = make_app(nothing).app.openapi()
    found = [one.ok() for one in schemathesis.openapi.from_dict(described).get_all_operations()]
    assert len(found) > 20
    return [one for one in found if one.path not in LEAVES]


@pytest.mark.parametrize("operation", operations(), ids=lambda one: f"{one.method} {one.path}")
def test_no_request_makes_it_fail(operation, floor, anna):
    ours = {"cookie": f"{COOKIE}={anna.cookies[COOKIE]}", "x-csrf-token": anna.csrf}
    statuses = set()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(operation.as_strategy())
    def asked(case):
        answer = case.call(base_url=floor.url, headers=ours)
        assert answer.status_code < 500, (answer.status_code, answer.text)
        statuses.add(answer.status_code)

    asked()
    assert not statuses & {401}, "nothing of this ends the session"
