"""The native API's documents: written from the code, valid, and covered by the typed client."""

import ast
import inspect
import json
import keyword
import re
from pathlib import Path

import jsonschema_rs
import pytest

from openoutcry.client import portal as client
from openoutcry.client.portal import ENDPOINTS, PortalClient
from openoutcry.portal.native import stream
from openoutcry.portal.native.documents import (
    DOCS,
    FILES,
    asyncapi,
    document_app,
    openapi_of,
    texts,
)
from openoutcry.portal.native.idempotency import NO_KEY, STRANGERS
from tests.support.portal.described import mistakes_of, require_described, validator

OWN = ("self", "key")


@pytest.fixture(scope="module")
def openapi():
    return openapi_of(document_app())


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_published_files_are_those_of_the_code():
    for kind, text in texts().items():
        assert (DOCS / FILES[kind]).read_text(encoding="utf-8") == text, (
            "run python -m openoutcry.portal.native.documents"
        )


@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
def test_the_openapi_document_is_valid(openapi):
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(openapi)
    assert openapi["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere(openapi):
    for document in (openapi, asyncapi()):
        for name in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
            at = document
            for part in name.split("/"):
                assert part in at, name
                at = at[part]


def test_every_operation_says_what_a_client_needs(openapi):
    names = [operation["operationId"] for _, _, operation in operations(openapi)]
    assert len(names) == len(set(names))
    for method, path, operation in operations(openapi):
        where = f"{method} {path}"
        assert operation["tags"], where
        is_public = operation["tags"] == ["markets"] or path in STRANGERS
        assert bool(operation["security"]) != is_public, where
        answers = operation["responses"]
        good = next(answers[code] for code in ("200", "201", "202") if code in answers)
        schemas = [content["schema"] for content in good["content"].values()]
        of_files = ({"type": "object"}, {"type": "string", "format": "binary"})
        is_file = all(schema in of_files for schema in schemas)
        assert is_file or "$ref" in json.dumps(schemas), f"{where}: the answer has no type"
        assert "application/problem+json" in answers["4XX"]["content"]


def test_every_change_says_what_its_idempotency_key_does(openapi):
    """It has the header, or says why it has none; no reading request has it."""
    without = set()
    for method, path, operation in operations(openapi):
        names = [one["name"] for one in operation.get("parameters", [])]
        if method != "GET" and "Idempotency-Key" not in names:
            assert "`Idempotency-Key` has no effect" in operation["description"]
            without.add(path)
        assert names.count("Idempotency-Key") <= (method != "GET"), path
    assert without == set(NO_KEY) - {"/v1/challenge"}


def test_the_typed_client_has_every_endpoint_and_every_parameter(openapi):
    by_endpoint = {endpoint: name for name, endpoint in ENDPOINTS.items()}
    documented = {(method, path) for method, path, _ in operations(openapi)}
    assert documented == set(by_endpoint)
    for method, path, operation in operations(openapi):
        function = getattr(PortalClient, by_endpoint[method, path])
        names = [one["name"] for one in operation.get("parameters", [])]
        # ``from`` is a word of Python.
        parameters = [f"{name}_" if keyword.iskeyword(name) else name for name in names]
        wanted = {name for name in parameters if name != "Idempotency-Key"}
        body = operation.get("requestBody")
        if body is not None and "application/json" not in body["content"]:
            wanted.add("content")
        elif body is not None:
            name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            wanted |= set(openapi["components"]["schemas"][name]["properties"])
        taken = set(inspect.signature(function).parameters) - set(OWN)
        assert taken == wanted, f"{method} {path}"


def test_the_models_of_the_client_are_those_of_the_document(openapi):
    for name, schema in openapi["components"]["schemas"].items():
        kind = getattr(client.models, name, None)
        if kind is not None:
            assert set(schema["properties"]) == set(kind.__dataclass_fields__), name


@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
def test_the_asyncapi_document_is_valid():
    """By the schema of AsyncAPI, which also finds what is spoilt."""
    document = json.loads(json.dumps(asyncapi()))
    assert document["asyncapi"] == "3.1.0"
    assert mistakes_of(document) == []
    del document["info"]["version"]
    document["operations"]["ask"]["action"] = "shout"
    assert len(mistakes_of(document)) == 2


def test_every_schema_of_the_asyncapi_document_is_one():
    for name in asyncapi()["components"]["messages"]:
        assert validator(name).is_valid({"type": "no such message"}) is False, name


def test_messages_are_as_the_asyncapi_document_says():
    for one in ({"op": "ping", "id": 7}, {"op": "ping"}):
        validator("askPing").validate(one)
    pong = {"type": "pong", "id": 7, "seq": 1}
    require_described(pong)
    data = {"bids": [["1.00", "2"]], "asks": []}
    book = {"type": "update", "channel": "book", "symbol": "A", "seq": 2, "prev": 1, "data": data}
    require_described(book)
    for wrong in ({**book, "data": []}, {"type": "pong", "id": 7}, {**pong, "type": "bang"}):
        with pytest.raises(jsonschema_rs.ValidationError):
            require_described(wrong)
    for at in asyncapi()["channels"]["stream"]["messages"].values():
        assert at["$ref"].rpartition("/")[2] in asyncapi()["components"]["messages"]


def test_every_message_that_the_stream_sends_is_in_the_asyncapi_document():
    """Its types and channels, as ``stream.py`` names them."""
    tree = ast.parse(Path(stream.__file__).read_text(encoding="utf-8"))
    kinds = {
        value.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Dict)
        for name, value in zip(one.keys, one.values, strict=True)
        if isinstance(name, ast.Constant)
        and name.value == "type"
        and isinstance(value, ast.Constant)
    }
    made = {
        one.args[0].value
        for one in ast.walk(tree)
        if isinstance(one, ast.Call)
        and getattr(one.func, "id", "") == "message"
        and isinstance(one.args[0], ast.Constant)
    }
    messages = asyncapi()["components"]["messages"]
    assert kinds == set(messages["answer"]["payload"]["properties"]["type"]["enum"])
    for channel in (*stream.PUBLIC, *stream.OWN):
        payload = messages[channel]["payload"]["properties"]
        assert made == set(payload["type"]["enum"])
        assert payload["channel"] == {"const": channel}
    sent = {
        one["$ref"].rpartition("/")[2] for one in asyncapi()["operations"]["follow"]["messages"]
    }
    assert sent == {*stream.PUBLIC, *stream.OWN, "answer"}
