"""One user against another over every route of the portal: each route and method of the OpenAPI
document, each of the Binance-shaped API, each method of ``ws-api``, each channel of the stream and
each message of the door for quotes.  Eve asks with the names of anna's things.  She is refused, and
sees and changes nothing of anna's; then anna herself is answered the same requests."""

import hashlib
import hmac
import itertools
import json
import re
import time

import pytest

from openoutcry.client import ClientError
from openoutcry.portal.native.documents import OWN, REQUESTS
from openoutcry.portal.native.idempotency import STRANGERS
from openoutcry.portal.spot.rest import ROUTES, WITHDRAW
from openoutcry.portal.spot.sockets import METHODS
from tests.support.console.websockets_patient import connect
from tests.support.portal.clients import taken
from tests.support.portal.matrix import (
    DOCUMENT,
    PUBLIC_IDS,
    QUERY_IDS,
    Anna,
    by_token,
    fix_named,
    matrix,
    person_of,
    reading,
    spot_named,
    spot_parameters,
)
from tests.support.waiting import BOUND_S

OTHERWISE = (
    *("time", "instruments", "challenge", "history", "statements", "tax-report"),
    *("status", "status.rss"),
)
"""Operations of no user, with a requested period, or with the time at which they were made."""
MOVING = re.compile(r"(last_|_at$|time|seen|used|unread|^seq$)", re.IGNORECASE)
"""Fields that change by themselves."""
GROWING = "/v1/notifications", "/v1/audit"
"""Lists to which something may come by itself; what was there before stays as it was."""
BODY_IDS = {"until", "source", "target", "quote", "makers", "waits_number", "sub_account"}
COUNTS = {"depth", "limit", "from_ms", "until_ms", "lots", "seconds", "level", "tolerance_bps",
          "trailing_bps", "expires_ms", "accept", "firm", "last_look"}  # fmt: skip
"""Integers of queries and bodies that name nothing."""
SPOT_PLAIN = {
    "symbols", "symbolStatus", "permissions", "showPermissionSets", "limit", "startTime",
    "endTime", "timeZone", "windowSize", "quoteOrderQty", "newQty",
    "newClientOrderId", "strategyId",
    "strategyType", "stopPrice", "goodTillDate", "trailingDelta", "icebergQty", "newOrderRespType",
    "selfTradePreventionMode", "pegPriceType", "pegOffsetValue", "pegOffsetType",
    "cancelNewClientOrderId", "cancelRestrictions", "orderRateLimitExceededMode",
    "computeCommissionRates", "omitZeroBalances",
}  # fmt: skip
"""Parameters of the Binance-shaped API that name nothing which exists."""
OF_A_LEG = re.compile(r"(above|below|limit|stop|working|pending)[A-Z]")
"""Terms of an order within a new list."""
REFUSALS = {
    "AJ": ("8", 150, "8"),
    "AG": ("j", 372, "AG"),
    "AN": ("AO", 728, "3"),
    "S": ("b", 297, "5"),
    "Z": ("b", 297, "5"),
}
"""Of messages over FIX: kind, and a field with its value."""
REFUSED = (401, 403, 404, 429)
"""429: too many wrong tokens of operators came from this address before."""


@pytest.fixture(scope="module")
def anna(full):
    return Anna(full)


def sent(client, method, at, one, body, number):
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    headers = {"idempotency-key": f"m{number}-{time.time_ns()}"} if method != "GET" else {}
    return client.request(method, at, params=one.query, headers=headers, **content)


def everything(anna):
    """All that is hers, as she sees it, by route."""
    found = {}
    for (_, path), one, at in reading(anna):
        if path.split("/")[2] in OTHERWISE or one.by == "operator":
            continue
        found[at] = steady(anna.http.get(at).json())
    with anna.venue.client(anna.person) as client:
        found["key"] = steady(client.get("/api/v3/account").json())
        kept = client.http.put("/api/v3/userDataStream", params={"listenKey": anna.listen_key})
        found["listen key"] = kept.status_code
    assert found["key"]["balances"]
    assert found[f"/v1/orders/{anna.order}"]["state"] == "open"
    return found


def steady(document):
    """Without what changes by itself."""
    if isinstance(document, list):
        return [steady(one) for one in document]
    if isinstance(document, dict):
        return {k: steady(v) for k, v in document.items() if not MOVING.search(k)}
    return document


def changed(before, after):
    """What is another thing now, by route."""
    found = {at: (before[at], after[at]) for at in before if before[at] != after[at]}
    for at in set(found) & set(GROWING):
        old, new = (one["items"] if isinstance(one, dict) else one for one in found[at])
        if all(one in new for one in old):
            del found[at]
    return found


class Eve:
    """Asks, and judges each answer."""

    def __init__(self, full, anna):
        self.venue, self.anna, self.person = full.portal, anna, person_of(full)
        self.statuses = []
        self.http = by_token(self.venue, self.person.token)

    def judge(self, asked, status, text):
        self.statuses.append(status)
        assert status < 500, (asked, status, text)
        own = str(asked)
        shown = [one for one in self.anna.secrets if one in text and one not in own]
        assert not shown, (asked, shown, text)

    def by_token(self):
        for number, (at, one, path) in enumerate(matrix(self.anna)):
            if at[1] in STRANGERS:
                continue
            body = one.guess if callable(one.body) else one.body
            answer = sent(self.http, at[0], path, one, body, number)
            self.judge((at, path, one, body), answer.status_code, answer.text)
            if set(one.ids) - PUBLIC_IDS or one.by == "operator":
                assert answer.status_code in REFUSED, (at, answer.text)
            elif one.names:
                assert 400 <= answer.status_code < 500, (at, answer.text)

    def by_key(self):
        with self.venue.client(self.person) as client:
            for at, given in spot_named(self.anna):
                answer = client.request(*at, **given)
                self.judge((at, given), answer.status_code, answer.text)
                assert 400 <= answer.status_code < 500, (at, given, answer.text)
            for (at, route), given in itertools.product(ROUTES.items(), spot_parameters(self.anna)):
                if at == ("DELETE", "/api/v3/userDataStream") and "listenKey" not in given:
                    continue
                if route.security == WITHDRAW:
                    given = given | {"withdrawOrderId": f"w{len(self.statuses)}"}
                answer = client.request(*at, **taken(at, given))
                self.judge((at, given), answer.status_code, answer.text)
            # Her key with this one's signature.
            for at in ROUTES:
                client.http.headers["x-mbx-apikey"] = self.anna.person.api_key
                if ROUTES[at].security in ("", "key"):
                    continue
                answer = client.request(*at, **taken(at, spot_parameters(self.anna)[0]))
                assert answer.json()["code"] in (-1022, -2015), (at, answer.text)

    def by_socket(self):
        named = spot_named(self.anna)
        with self.venue.client(self.person) as client, connect(self._url("/ws-api/v3")) as socket:
            for (method, at), given in itertools.product(
                METHODS.items(), [None, *spot_parameters(self.anna)]
            ):
                chosen = [one for where, one in named if where == at]
                for one in chosen if given is None else [taken(at, given)]:
                    status = self._asked(client, socket, method, one)
                    assert given is not None or 400 <= status < 500, (method, one)

    def _asked(self, client, socket, method, given):
        params = {k: str(v) for k, v in given.items()}
        if method.startswith("userDataStream"):
            params = {"listenKey": self.anna.listen_key}
        text = socket_request(client, method, params | {"apiKey": client.person.api_key})
        socket.send(text)
        answer = socket.recv(BOUND_S)
        status = json.loads(answer)["status"]
        self.judge(text, status, answer)
        return status

    def by_stream(self):
        """A snapshot of each channel of eve's own, from now and from a number of anna's time."""
        with connect(self._url("/v1/stream")) as socket:
            asked = {"op": "auth", "token": self.person.token, "id": 0}
            pairs = itertools.product(OWN, (0, 1, self.anna.order))
            for number, (channel, after) in enumerate(pairs, 1):
                socket.send(json.dumps(asked))
                asked = {"op": "subscribe", "channel": channel, "after": after, "id": number}
            socket.send(json.dumps(asked | {"op": "ping", "id": "end"}))
            while True:
                text = socket.recv(BOUND_S)
                self.judge("the stream", 200, text)
                if json.loads(text).get("id") == "end":
                    return

    def by_fix(self):
        """As a client and as a maker; then with a request of eve's own that has the same name."""
        full, number = self.anna.full, self.anna.quotes["fix"][0]
        with pytest.raises(ClientError):
            full.fix_client(self.person, self.anna.person.api_key)
        line = full.fix_client(self.person)
        for kind, fields in fix_named(self.anna):
            self._said(line, kind, fields)
        makers = (453, "1"), (448, full.makers[2].participant), (447, "D"), (452, "35")
        line.send(
            "R", ((131, number), (146, "1"), (55, "BTC-USD"), (54, "1"), (38, "0.001"), *makers)
        )
        for kind, fields in fix_named(self.anna):
            if kind != "Z":  # it is about her own
                self._said(line, kind, fields)
        line.close()

    def _said(self, line, kind, fields):
        """The answer to a message, which is refused."""
        line.send(kind, fields)
        expected, tag, value = REFUSALS[kind]
        message = None
        while message is None or message.kind != expected:
            message = line.next(BOUND_S)
            self.judge(fields, 403, str(message))
            is_annas = message.get(131) in {str(one) for one, _ in self.anna.quotes.values()}
            assert message.kind == expected or not is_annas, str(message)
        assert message[tag] == value, str(message)

    def _url(self, path):
        return self.venue.url.replace("http", "ws") + path


def socket_request(client, method, params):
    params = params | {"timestamp": str(time.time_ns() // 1_000_000)}
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    digest = hmac.new(client.person.secret.encode(), text.encode(), hashlib.sha256)
    return json.dumps(
        {"id": 1, "method": method, "params": params | {"signature": digest.hexdigest()}}
    )


def integers(schema):
    """Whether it takes an integer, or a list of them."""
    return schema.get("type") == "integer" or schema.get("items", {}).get("type") == "integer"


def test_every_request_that_names_something_is_in_the_matrix(anna):
    """A new request, name in a path, integer of a query or body, parameter of the Binance-shaped
    API or field of the stream is to be added."""
    documented = {(m.upper(), p) for p, methods in DOCUMENT["paths"].items() for m in methods}
    assert {at for at, _, _ in matrix(anna)} == documented
    for (method, path), one, _ in matrix(anna):
        operation = DOCUMENT["paths"][path][method.lower()]
        rows = [row for row in operation.get("parameters", ()) if row["in"] == "query"]
        found = {row["name"] for row in rows if integers(row["schema"])}
        found |= {row["name"] for row in rows} & QUERY_IDS
        assert found <= QUERY_IDS | COUNTS, path
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            name = content["schema"]["$ref"].rpartition("/")[2]
            fields = DOCUMENT["components"]["schemas"][name]["properties"].items()
            found = {field for field, schema in fields if integers(schema)}
            assert found <= BODY_IDS | COUNTS, path
            if found & BODY_IDS:
                assert found & set(one.body), f"{path} is asked without its id"
    spot = {name for route in ROUTES.values() if route.takes for name in route.takes.split()}
    spot = {name for name in spot if not OF_A_LEG.match(name)}
    assert spot <= SPOT_PLAIN.union(*spot_parameters(anna)), "parameters of the spot API"
    assert set(METHODS.values()) <= set(ROUTES)
    fields = {name for one in REQUESTS.values() for name in one["properties"]}
    known = {"op", "token", "api_key", "timestamp", "signature", "channel", "symbol", "after"}
    assert fields == known, "fields of the stream"


@pytest.mark.promise(
    "V4.2.1 (access): no request, whatever numbers and names it gives, reads, changes, "
    "confirms or cancels what belongs to another user. A key without the permission withdraws"
    " nothing",
    group="portal",
)
def test_no_route_shows_or_changes_what_is_another_users(full, anna):
    eve = Eve(full, anna)
    before = everything(anna)
    for attack in (eve.by_stream, eve.by_key, eve.by_socket, eve.by_fix, eve.by_token):
        attack()
        assert not changed(before, everything(anna)), attack.__name__
    assert len(eve.statuses) > 400
    assert sum(status < 300 for status in eve.statuses) > 50
    assert sum(status in (403, 404) for status in eve.statuses) > 35
    text = json.dumps(before)
    assert all(one in text for one in anna.marks), "they are shown to anna"


@pytest.mark.promise(
    "V4.2.1 (access): no request, whatever numbers and names it gives, reads, changes, "
    "confirms or cancels what belongs to another user. A key without the permission withdraws"
    " nothing",
    group="portal",
)
def test_the_owner_is_answered_what_another_user_is_refused(anna):
    """Else the matrix would pass where everything is refused."""
    owner_over_fix(anna)
    with anna.venue.client(anna.person) as client:
        for at, given in spot_named(anna):
            answer = client.request(*at, **given)
            assert answer.status_code == 200, (at, given, answer.text)
    for number, (at, one, path) in enumerate(matrix(anna)):
        body = one.body() if callable(one.body) else one.body
        answer = sent(anna.client(one.by), at[0], path, one, body, number)
        assert answer.is_success, (at, one, answer.text)
        if "application/json" in answer.headers["content-type"]:
            anna.answers[at] = answer.json()


def owner_over_fix(anna):
    """She sees her quotes, accepts one and cancels a request; its maker is told."""
    client, maker = (anna.full.fix_client(one) for one in (anna.person, anna.maker))
    (cancelled, _), (number, quote) = anna.quotes["fix"], anna.quotes["over fix"]

    def until(line, kind, **wanted):
        while True:
            message = line.next(BOUND_S)
            fields = {name: message.get(int(name[1:])) for name in wanted}
            if (message.kind, fields) == (kind, wanted):
                return message

    shown = until(client, "S", t117=str(quote))
    assert shown[133] in anna.marks
    until(maker, "R", t131=str(number))
    fields = (693, "yes"), (117, quote), (694, "1"), (55, "BTC-USD"), (54, "1")
    client.send("AJ", fields)
    until(client, "8", t693="yes", t150="F")
    until(maker, "8", t37=f"rfq {number}", t150="F")
    client.send("Z", ((131, cancelled), (117, "*"), (298, "4")))
    until(client, "AG", t131=str(cancelled))
    until(maker, "Z", t131=str(cancelled))
    for line in (client, maker):
        line.close()
