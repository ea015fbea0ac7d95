"""Whatever ``/v1`` is asked, its answers are those that its document describes."""

from functools import cache
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings

from openoutcry.portal.native.documents import document_app, openapi_of
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


@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_answers_are_those_that_the_document_describes(examples, portal_venue):
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
    person = portal_venue.person(USD=10**12, BTC=10**10)
    headers = {"authorization": f"Bearer {person.token}"}
    statuses = {}

    def asked(operation):
        @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
        @given(operation.as_strategy())
        def ask(case):
            answer = case.call(base_url=portal_venue.url, headers=headers, timeout=BOUND_S)
            if answer.status_code != 503:
                case.validate_response(answer, checks=checks)
            statuses.setdefault(operation.label, set()).add(answer.status_code)

        ask()

    for operation in described():
        asked(operation)
    assert len(statuses) > 60
    assert sum(200 in found for found in statuses.values()) > 20
