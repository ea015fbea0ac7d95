"""The documents of the native API: OpenAPI 3.1 of its requests, AsyncAPI 3.1 of its stream.

``python -m openoutcry.portal.native.documents`` writes them to ``docs/``; the portal serves the
same at ``/v1/openapi.json`` and ``/v1/asyncapi.json``.
"""

import json
import re
from functools import cache
from typing import Any

from openoutcry import PACKAGE
from openoutcry.client import portal_models as models
from openoutcry.portal.native.idempotency import KEY_SHOWN, NO_KEY, STRANGERS
from openoutcry.portal.native.problems import EVERY_CODE

VERSION = "1.0.0"
CONTACT = {"name": "The operator of the venue"}
PUBLIC = ("book", "trades", "ticker", "statistics", "consolidated", "synthetic")
OWN = ("orders", "order_lists", "fills", "balances", "notifications", "quotes")
DOCS = PACKAGE.parent / "docs"
FILES = {"openapi": "portal-openapi.json", "asyncapi": "portal-asyncapi.json"}
ABOUT = (
    "Orders, fills, balances, deposits and withdrawals of one venue, and the accounts of its "
    "users. Refusals are problems of RFC 9457 with a stable code. docs/portal.md explains how to "
    "begin."
)
PROBLEM = {
    "description": "A refusal; its code says why.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
SCHEMES = {
    "person": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of POST /v1/login.",
    },
    "operator": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of `outcry portal operator`.",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "timestamp": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Timestamp",
        "description": "Milliseconds since 1970, within 30 seconds of the portal's.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Signature",
        "description": (
            "Signature over timestamp, method, path with query, Idempotency-Key (empty if there "
            "is none) "
            "and body, with a line feed after each of the first four: HMAC-SHA256 in hexadecimal, "
            "or Ed25519 or RSA (PKCS #1 v1.5, SHA-256) in base64."
        ),
    },
}
PERSON: list[dict[str, list[str]]] = [{"person": []}]
ANYONE = [*PERSON, {"key": [], "timestamp": [], "signature": []}]
OPERATOR: list[dict[str, list[str]]] = [{"operator": []}]
OF_PROGRAMS = ("orders", "money", "history", "portfolio", "notifications", "quotes")
"""Tags of requests that API keys may make."""
TAGS = [
    {"name": "account", "description": "Registration, logins, sessions, factors and API keys."},
    {"name": "markets", "description": "Public data; no login."},
    {"name": "orders", "description": "Orders and fills of the account."},
    {"name": "money", "description": "Balances, deposits and withdrawals of the account."},
    {"name": "history", "description": "The account's history, on all days."},
    {"name": "portfolio", "description": "Value, profit and statements, as the ledger has them."},
    {"name": "notifications", "description": "Notifications, and where they are sent."},
    {"name": "quotes", "description": "Requests for quotes, of clients and of makers."},
    {"name": "operators", "description": "An operator's actions on users."},
]


def openapi_of(app: Any) -> dict[str, Any]:
    """The document of an application that has every route."""
    from fastapi.openapi.utils import get_openapi

    document = get_openapi(
        title="Open Outcry portal",
        version=VERSION,
        openapi_version="3.1.0",
        description=ABOUT,
        routes=app.routes,
        tags=TAGS,
        servers=[{"url": "/"}],
    )
    document["info"]["contact"] = CONTACT
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _schema_of(models.Problem)
    schemas["Problem"]["properties"]["code"]["enum"] = EVERY_CODE
    components["securitySchemes"] = SCHEMES
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add what the routes do not describe: security, problems, keys, tags of answers."""
    tag = operation["tags"][0]
    operation["security"] = ANYONE if tag in OF_PROGRAMS else PERSON
    if tag == "operators":
        operation["security"] = OPERATOR
    if tag == "markets" or path in STRANGERS:
        operation["security"] = []
    operation["responses"].pop("422", None)
    operation["responses"]["4XX"] = PROBLEM
    operation["responses"]["5XX"] = PROBLEM
    if method == "get":
        operation["responses"]["304"] = {
            "description": "Not modified since the version in If-None-Match."
        }
    operation.setdefault("description", operation["summary"] + ".")
    if method == "get":
        return
    if path in NO_KEY:
        operation["description"] += f" {NO_KEY[path]}"
        return
    parameters = operation.setdefault("parameters", [])
    if not any(parameter["name"] == KEY_SHOWN["name"] for parameter in parameters):
        parameters.append(KEY_SHOWN)


def _schema_of(kind: type) -> dict[str, Any]:
    from pydantic import TypeAdapter

    schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)  # where it refers to is the document's own place for them
    return schema


# AsyncAPI

REQUESTS: dict[str, dict[str, Any]] = {
    "ping": {"required": ["op"], "properties": {"op": {"const": "ping"}}},
    "authToken": {
        "required": ["op", "token"],
        "properties": {"op": {"const": "auth"}, "token": {"type": "string"}},
    },
    "authKey": {
        "required": ["op", "api_key", "timestamp", "signature"],
        "properties": {
            "op": {"const": "auth"},
            "api_key": {"type": "string"},
            "timestamp": {"type": "string", "description": "Milliseconds since 1970."},
            "signature": {
                "type": "string",
                "description": (
                    "Signature over the timestamp, GET, /v1/stream and an empty text, each with "
                    "a line feed after it."
                ),
            },
        },
    },
    "subscribe": {
        "required": ["op", "channel"],
        "properties": {
            "op": {"enum": ["subscribe", "unsubscribe"]},
            "channel": {"enum": [*PUBLIC, *OWN]},
            "symbol": {"type": "string", "description": "For public channels."},
            "after": {
                "type": "integer",
                "minimum": 0,
                "description": "Continue after this number; 0: begin with a snapshot.",
            },
        },
    },
}
SEQ = {"type": "integer", "description": "The venue's last command that this message contains."}
LEVELS = {
    "type": "array",
    "description": "Price and quantity; in an increment quantity 0 removes the price.",
    "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
}
SINGLE: dict[str, Any] = {"ticker": models.Ticker, "statistics": models.ContractStatistics}
ROWS: dict[str, Any] = {
    "trades": models.PublicTrade,
    "orders": models.OrderRow,
    "order_lists": models.OrderListRow,
    "fills": models.FillRow,
    "balances": models.Balance,
    "notifications": models.Notification,
    "quotes": models.QuoteRequest,
}


MADE = {
    "type": "array",
    "description": (
        "Price and quantity; of a consolidated book also the venue, and the price with its fee."
    ),
    "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4},
}


def _data_of(channel: str) -> dict[str, Any]:
    if channel in ("consolidated", "synthetic"):
        states = {"type": "object", "additionalProperties": {"type": "string"}}
        return {
            "type": "object",
            "description": "The whole book, each time it changes.",
            "required": ["bids", "asks", "venues"],
            "properties": {"bids": MADE, "asks": MADE, "venues": states},
        }
    if channel == "book":
        return {
            "type": "object",
            "required": ["bids", "asks"],
            "properties": {"bids": LEVELS, "asks": LEVELS},
        }
    if channel in SINGLE:
        return {"$ref": f"#/components/schemas/{SINGLE[channel].__name__}"}
    kind = ROWS[channel].__name__
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{kind}"}}


def _event(channel: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "type": {"enum": ["snapshot", "update"]},
        "channel": {"const": channel},
        "seq": SEQ,
        "prev": {
            "type": "integer",
            "description": "In an update: the preceding number in this channel.",
        },
        "data": _data_of(channel),
    }
    required = ["type", "channel", "seq", "data"]
    if channel in PUBLIC:
        properties["symbol"] = {"type": "string"}
        required.append("symbol")
    return {"type": "object", "required": required, "properties": properties}


def _answer() -> dict[str, Any]:
    kinds = ["pong", "authenticated", "subscribed", "unsubscribed", "error"]
    return {
        "type": "object",
        "required": ["type", "id", "seq"],
        "properties": {
            "type": {"enum": kinds},
            "id": {"type": ["string", "integer", "null"], "description": "The id of the request."},
            "seq": SEQ,
            "channel": {"type": "string"},
            "symbol": {"type": "string"},
            "code": {"enum": EVERY_CODE, "description": "The code of an error."},
            "detail": {"type": "string"},
        },
    }


def _messages() -> tuple[dict[str, Any], list[str]]:
    """Every message, and the names of those that a client sends."""
    identity = {"id": {"type": ["string", "integer"], "description": "Returned in the answer."}}
    messages: dict[str, Any] = {}
    for name, schema in REQUESTS.items():
        properties = schema["properties"] | identity
        payload = {"type": "object", **schema, "properties": properties}
        messages[f"ask{name[0].upper()}{name[1:]}"] = {"name": name, "payload": payload}
    asked = list(messages)
    for channel in (*PUBLIC, *OWN):
        messages[channel] = {"name": channel, "payload": _event(channel)}
    messages["answer"] = {"name": "answer", "payload": _answer()}
    for name, one in messages.items():
        one["title"] = name
        one["summary"] = f"{'A request' if name in asked else 'A message'}: {one['name']}."
        one["contentType"] = "application/json"
    return messages, asked


@cache
def asyncapi() -> dict[str, Any]:
    """The document of ``/v1/stream``."""
    messages, asked = _messages()
    sent = [name for name in messages if name not in asked]
    at = "#/channels/stream/messages/"
    kinds = [*SINGLE.values(), *ROWS.values()]
    schemas = {kind.__name__: _schema_of(kind) for kind in kinds}
    while missing := _named_in(schemas) - schemas.keys():
        schemas |= {name: _schema_of(getattr(models, name)) for name in sorted(missing)}
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Open Outcry portal: stream",
            "version": VERSION,
            "description": (
                "Snapshots and increments with sequence numbers. The same messages in MessagePack "
                "with ?format=msgpack; requests in either."
            ),
            "license": {"name": "Apache-2.0"},
            "contact": CONTACT,
            "tags": [{"name": "stream", "description": "The events of a venue, as they happen."}],
        },
        "servers": {
            "portal": {
                "host": "localhost:9480",
                "protocol": "ws",
                "description": "The portal of a venue.",
            }
        },
        "defaultContentType": "application/json",
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "description": "One WebSocket; each subscription is a channel of its messages.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            "ask": {
                "action": "send",
                "title": "Ask",
                "summary": "Messages from the client.",
                "description": "Subscriptions, their ends, logins and pings.",
                "channel": {"$ref": "#/channels/stream"},
                "messages": [{"$ref": at + name} for name in asked],
            },
            "follow": {
                "action": "receive",
                "title": "Follow",
                "summary": "Messages from the portal.",
                "description": "Answers, a snapshot of each subscription, and its changes.",
                "channel": {"$ref": "#/channels/stream"},
                "messages": [{"$ref": at + name} for name in sent],
            },
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
        },
    }


def _named_in(schemas: dict[str, Any]) -> set[str]:
    """The names of all schemas that these refer to."""
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas)))


def document_app() -> Any:
    """An application with the routes of ``/v1``, which answers nothing."""
    from fastapi import FastAPI

    from openoutcry.portal.accounts.more_routes import More, add_more
    from openoutcry.portal.accounts.routes import add_accounts
    from openoutcry.portal.native.callers import Callers
    from openoutcry.portal.native.history_routes import NativeHistory, add_history
    from openoutcry.portal.native.limit_routes import NativeLimits, add_limits
    from openoutcry.portal.native.margin_routes import NativeMargin, add_margin
    from openoutcry.portal.native.notice_routes import NativeNotices, add_notices
    from openoutcry.portal.native.operator_routes import NativeOperators, add_operators
    from openoutcry.portal.native.portfolio_routes import NativePortfolio, add_portfolio
    from openoutcry.portal.native.proof_routes import NativeProofs, add_proofs
    from openoutcry.portal.native.quote_routes import NativeQuotes, add_quotes
    from openoutcry.portal.native.routes import Native, add_native
    from openoutcry.portal.native.status_routes import NativeStatus, add_status
    from openoutcry.portal.native.sub_accounts import Subs, add_sub_accounts

    nothing: Any = None
    app = FastAPI(generate_unique_id_function=lambda route: route.name)
    callers = Callers(nothing, nothing, nothing)
    add_native(app, Native(callers, nothing, nothing, nothing, nothing, nothing))
    add_history(app, NativeHistory(callers, nothing, nothing))
    add_portfolio(app, NativePortfolio(callers, nothing, nothing, nothing))
    add_margin(app, NativeMargin(callers, nothing, nothing))
    add_proofs(app, NativeProofs(callers, nothing, nothing))
    add_limits(app, NativeLimits(callers, nothing, nothing))
    add_notices(app, NativeNotices(callers, nothing, nothing))
    add_quotes(app, NativeQuotes(callers, nothing, nothing))
    operators = NativeOperators(nothing, nothing, nothing, nothing, nothing, nothing)
    add_operators(app, operators)
    add_status(app, NativeStatus("", nothing, nothing, operators))
    add_accounts(app, nothing, nothing, nothing)
    add_more(app, More(nothing, nothing, nothing, nothing, nothing))
    add_sub_accounts(app, Subs(callers, nothing, nothing, nothing, nothing))
    return app


def texts() -> dict[str, str]:
    """Each document as its file has it."""
    made = {"openapi": openapi_of(document_app()), "asyncapi": asyncapi()}
    return {name: json.dumps(one, indent=1) + "\n" for name, one in made.items()}


def add_documents(app: Any) -> None:
    """Serve both documents, each of which is made once."""
    from fastapi import Response
    from fastapi.responses import JSONResponse

    openapi_bytes = cache(lambda: JSONResponse(openapi_of(app)).body)
    asyncapi_bytes = cache(lambda: JSONResponse(asyncapi()).body)

    @app.get("/v1/openapi.json", include_in_schema=False)
    async def openapi() -> Any:
        return Response(openapi_bytes(), media_type="application/json")

    @app.get("/v1/asyncapi.json", include_in_schema=False)
    async def stream_document() -> Any:
        return Response(asyncapi_bytes(), media_type="application/json")


if __name__ == "__main__":
    for kind, text in texts().items():
        (DOCS / FILES[kind]).write_text(text, encoding="utf-8")
