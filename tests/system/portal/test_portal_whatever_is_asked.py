"""Whatever ``/v1`` is asked, its answers are those that its document describes.

The portal offers everything, and the user who asks has one of each thing: every second request
names one of them, in the name of whom it belongs to."""

from functools import cache
from importlib.util import find_spec
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_by

from openoutcry.portal.native.documents import document_app, openapi_of
from tests.support.portal.matrix import Anna, matrix
from tests.support.waiting import BOUND_S

# Imported by the tests alone: every worker reads this file, and it takes two seconds.
pytestmark = pytest.mark.skipif(
    find_spec("schemathesis") is None, reason="schemathesis is not installed"
)
LEAVES = ("/v1/logout", "/v1/logout-everywhere")
"""They end the session that asks."""
EXAMPLES = [2, pytest.param(100, marks=pytest.mark.long)]
"""Examples of each operation; one takes 10 ms, or a hash of a password."""


@cache
def document():
    return openapi_of(document_app())


@cache
def described():
    from schemathesis import openapi

    found = (each.ok() for each in openapi.from_dict(document()).get_all_operations())
    return [one for one in found if one.path not in LEAVES]


def session_from(source):
    """Requests from an address of their own, which the wrong passwords among them lock."""
    from requests import Session
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *given, **more):
            super().init_poolmanager(*given, **more, source_address=(source, 0))

    session = Session()
    session.mount("http://", Adapter())
    return session


@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_answers_are_those_that_the_document_describes(examples, full):
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    anna, statuses, keys = Anna(full), {}, count()
    requests = {at: one for at, one, _ in matrix(anna)}
    session = session_from(anna.source)

    def asked(operation):
        one, found = requests[operation.method.upper(), operation.path], set()
        statuses[operation.label] = found
        given = count()

        @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
        @given_by(operation.as_strategy())
        def ask(case):
            # An operator who is given other numbers would freeze users of other tests.
            if one.by == "operator" or next(given) % 2:
                case.path_parameters |= one.ids
            client = anna.clients.get(one.by, anna.http)
            headers = {**client.headers, "idempotency-key": f"k{next(keys)}"}
            answer = case.call(full.portal.url, session, headers, timeout=BOUND_S)
            if answer.status_code != 503:
                case.validate_response(answer, checks=checks)
            found.add(answer.status_code)

        ask()

    for operation in described():
        asked(operation)
    assert len(statuses) == len(requests) - len(LEAVES)
    assert sum(min(found) < 300 for found in statuses.values()) > 60
