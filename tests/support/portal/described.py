"""Whether messages of ``/v1/stream`` are as the AsyncAPI document says, and the document itself as
AsyncAPI 3.1 says (``vendor/asyncapi-3.1.0.json``, of the package ``@asyncapi/specs``)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from openoutcry.portal.native.documents import asyncapi

ASYNCAPI = Path(__file__).parent / "vendor" / "asyncapi-3.1.0.json"


@cache
def validator(name: str) -> Any:
    """Of a message of the document."""
    components = asyncapi()["components"]
    payload, schemas = components["messages"][name]["payload"], components["schemas"]
    text = json.dumps(payload | {"$defs": schemas}).replace("#/components/schemas/", "#/$defs/")
    return jsonschema_rs.Draft202012Validator(json.loads(text))


def name_of(message: dict[str, Any]) -> str:
    """The document's name of a message that the portal has sent."""
    return message["channel"] if message["type"] in ("snapshot", "update") else "answer"


def require_described(message: dict[str, Any]) -> None:
    """Raises :class:`jsonschema_rs.ValidationError`."""
    validator(name_of(message)).validate(message)


def mistakes_of(document: dict[str, Any]) -> list[str]:
    """What AsyncAPI does not allow of a document."""
    rules = jsonschema_rs.Draft7Validator(json.loads(ASYNCAPI.read_text(encoding="utf-8")))
    return [f"{list(one.instance_path)}: {one.message}" for one in rules.iter_errors(document)]
