"""One user against another over every route of the portal: each route and method of the OpenAPI
document, each of the Binance-shaped API and each method of ``ws-api``, asked by eve with whatever
names something of anna's.  Eve sees nothing of anna's, and nothing of anna's changes."""

import hashlib
import hmac
import itertools
import json
import re
import time

import pytest

from openoutcry.client.portal import PortalClient
from openoutcry.portal.spot.rest import ROUTES, WITHDRAW
from openoutcry.portal.spot.sockets import METHODS
from tests import ROOT
from tests.support import plain_http
from tests.support.console.websockets_patient import connect
from tests.support.portal.clients import taken
from tests.support.portal.people import PASSWORD
from tests.support.waiting import BOUND_S, wait_until

USD = 10**6
DOCUMENT = json.loads((ROOT / "docs" / "portal-openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
ENDS_EVES_OWN = (
    "/v1/logout", "/v1/password", "/v1/totp", "/v1/register", "/v1/verify", "/v1/login",
    "/v1/refresh", "/v1/mail",
)  # fmt: skip
"""They end eve's session, or make its account or address wait: left out, with what is below."""
OTHERWISE = "time", "instruments", "challenge", "history", "statements", "tax-report"
"""Operations of no user, with a requested period, or with the time at which they were made."""
SECRET_MARKS = "31338.12", "123.456789", "annas-order", "annas key", "annas-grid"
"""What anna chose, which no answer to eve has."""
MOVING = re.compile(r"(last_|_at$|time|seen|used|unread|^seq$)", re.IGNORECASE)
"""Fields that change by themselves."""


class Anna:
    """Somebody who has one of each thing that a user can have."""

    def __init__(self, venue):
        self.venue = venue
        self.person = venue.person(("read", "trade", "withdraw"), USD=10_000 * USD)
        self.native = PortalClient(venue.url)
        self.native.log_in(self.person.mail, PASSWORD)
        self.http = by_token(venue, self.person)
        native = self.native
        with venue.client(self.person) as client:
            terms = {"newClientOrderId": "annas-order"}
            self.order = client.order("BUY", "0.01", "31337.11", **terms).json()["orderId"]
            terms = {"coin": "USD", "amount": "123.456789", "network": "WIRE"}
            terms["address"] = "DE02120300000000202051"
            path = "/sapi/v1/capital/withdraw/apply"
            # A busy machine may not have logged the session in yet.
            asked = {"withdrawOrderId": "rent-a", **terms}
            wait_until(lambda: client.request("POST", path, **asked).is_success, "a withdrawal")
            stream = client.http.post("/api/v3/userDataStream")
            self.listen_key = stream.json()["listenKey"]
        self.withdrawal = native.list_withdrawals().items[0].id
        made = native.new_sub_account("annas-grid")
        wait_until(lambda: native.list_sub_accounts()[0].is_open, "the sub-account")
        self.sub = made.id
        self.sub_key = native.new_sub_account_key(made.id, "annas key", PASSWORD)
        self.transfer = native.transfer(0, made.id, "USD", "250", key="annas").id
        self.alert = self.ask(
            "POST", "/v1/price-alerts", symbol="BTC-USD", direction="above", price="31338.12"
        )["id"]
        self.key = native.list_keys()[0].id
        self.session = native.sessions()[0].id
        self.secrets = {
            *SECRET_MARKS, self.person.mail, self.person.api_key, self.sub_key.api_key, made.mail,
            self.listen_key, str(self.session),
        }  # fmt: skip

    def ask(self, method, path, **body):
        answer = self.http.request(method, path, json=body or None)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    @property
    def numbers(self):
        """Each number that names something of hers."""
        return sorted(
            {int(one) for one in (
                self.order, self.withdrawal, self.sub, self.transfer, self.alert, self.key,
                self.sub_key.id, self.person.participant,
            )}
        )  # fmt: skip

    def everything(self):
        """All that is hers, as she sees it, by route."""
        found = {}
        for path, methods in DOCUMENT["paths"].items():
            if "get" not in methods or "{" in path or "/operator/" in path:
                continue
            if path.split("/")[2] in OTHERWISE:
                continue
            found[path] = steady(self.http.get(path).json())
        for path, number in (
            ("orders", self.order), ("withdrawals", self.withdrawal), ("transfers", self.transfer),
            ("sub-accounts", f"{self.sub}/balances"), ("sub-accounts", f"{self.sub}/api-keys"),
        ):  # fmt: skip
            found[f"{path}/{number}"] = steady(self.http.get(f"/v1/{path}/{number}").json())
        with self.venue.client(self.person) as client:
            found["key"] = steady(client.get("/api/v3/account").json())
            kept = client.http.put("/api/v3/userDataStream", params={"listenKey": self.listen_key})
            found["listen key"] = kept.status_code
        assert found["key"]["balances"]
        assert found[f"orders/{self.order}"]["state"] == "open"
        return found


def by_token(venue, person):
    """A client with the person's login."""
    headers = {"authorization": f"Bearer {person.token}"}
    return plain_http.client(venue.url, headers=headers)


def steady(document):
    """Without what changes by itself."""
    if isinstance(document, list):
        return [steady(one) for one in document]
    if isinstance(document, dict):
        return {k: steady(v) for k, v in document.items() if not MOVING.search(k)}
    return document


def value_of(name, schema, anna, number):
    """For a field of a body: of anna's where there is such a thing, else what the schema takes."""
    known = {
        "symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.01", "price": "10",
        "asset": "USD", "amount": "20", "address": "DE02120300000000202051", "network": "WIRE",
        "direction": "above", "password": PASSWORD, "old": PASSWORD, "reason": "a reason",
        "mail": anna.person.mail, "code": "12345678", "source": anna.sub, "target": 0,
        "until": number, "permissions": ["read"], "networks": [], "currency": "USD",
        "quiet_from": "22:00", "quiet_until": "07:00", "time_zone": "UTC", "summary": "none",
        "summary_at": "08:00", "url": "https://example.com/x", "level": 1, "country": "DE",
        "born": "1990-01-01",
    }  # fmt: skip
    if name in known:
        return known[name]
    return {"integer": number, "object": {}, "array": [], "boolean": True}.get(
        schema.get("type"), "x"
    )


def native_requests(anna):
    """Method, path, query, body: every route of the document with each number of anna's."""
    for path, methods in DOCUMENT["paths"].items():
        if path.startswith(ENDS_EVES_OWN):
            continue
        for method, about in methods.items():
            names = re.findall(r"{(\w+)}", path)
            queries = [one["name"] for one in about.get("parameters", ()) if one["in"] == "query"]
            chosen = anna.numbers if names or {"order", "cursor", "before"} & set(queries) else [7]
            for number in chosen:
                filled = {"symbol": "BTC-USD", "view": "volume", "session_id": anna.session}
                filled = {name: filled.get(name, number) for name in names}
                query = {name: number for name in queries if name in ("order", "before", "cursor")}
                query |= {"symbol": "BTC-USD"} if "symbol" in queries else {}
                body = None
                content = about.get("requestBody", {}).get("content", {})
                if "application/json" in content:
                    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
                    rows = SCHEMAS[name].get("properties", {}).items()
                    wanted = SCHEMAS[name].get("required", [])
                    body = {k: value_of(k, v, anna, number) for k, v in rows if k in wanted}
                yield method.upper(), path.format(**filled), query, body


def spot_parameters(anna):
    """By which a request of the Binance-shaped API can name something."""
    common = {"symbol": "BTCUSD", "asset": "USD", "coin": "USD", "amount": "20", "side": "BUY",
              "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "10",
              "network": "WIRE", "address": "DE02120300000000202051", "interval": "1m",
              "cancelReplaceMode": "STOP_ON_FAILURE", "fromAccountType": "SPOT",
              "toAccountType": "SPOT", "subAccountString": "mine"}  # fmt: skip
    mail = next(one for one in anna.secrets if "@" in one and one != anna.person.mail)
    yield common | {"orderId": anna.order, "cancelOrderId": anna.order}
    named = {"origClientOrderId": "annas-order", "cancelOrigClientOrderId": "annas-order"}
    yield common | named | {"withdrawOrderId": "rent-a", "clientTranId": "annas"}
    yield common | {"email": mail, "fromEmail": mail, "listenKey": anna.listen_key}
    yield common | {"email": anna.person.mail, "toEmail": anna.person.mail, "fromId": 0}


class Eve:
    """Asks, and judges each answer."""

    def __init__(self, venue, anna):
        self.venue, self.anna, self.statuses = venue, anna, []
        self.person = venue.person(("read", "trade", "withdraw"), USD=1_000 * USD)
        self.http = by_token(venue, self.person)

    def judge(self, asked, status, text):
        self.statuses.append(status)
        assert status < 500, (asked, status, text)
        sent = str(asked)
        shown = [one for one in self.anna.secrets if one in text and one not in sent]
        assert not shown, (asked, shown, text)

    def by_token(self):
        for method, path, query, body in native_requests(self.anna):
            answer = self.http.request(
                method,
                path,
                params=query,
                json=body,
                headers={"idempotency-key": f"e{len(self.statuses)}"},
            )
            self.judge((method, path, query, body), answer.status_code, answer.text)
            if "/operator/" in path:
                # 429: too many wrong tokens of operators came from this address before.
                assert answer.status_code in (401, 403, 404, 429), path

    def by_key(self):
        with self.venue.client(self.person) as client:
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
                answer = client.request(*at, **taken(at, next(spot_parameters(self.anna))))
                assert answer.json()["code"] in (-1022, -2015), (at, answer.text)

    def by_socket(self):
        with self.venue.client(self.person) as client:
            url = self.venue.url.replace("http", "ws") + "/ws-api/v3"
            with connect(url) as socket:
                for method, given in itertools.product(METHODS, spot_parameters(self.anna)):
                    params = {k: str(v) for k, v in taken(METHODS[method], given).items()}
                    if method.startswith("userDataStream"):
                        params = {"listenKey": self.anna.listen_key}
                    params["apiKey"] = self.person.api_key
                    text = socket_request(client, method, params)
                    socket.send(text)
                    answer = socket.recv(BOUND_S)
                    self.judge(text, json.loads(answer)["status"], answer)


def socket_request(client, method, params):
    params = params | {"timestamp": str(time.time_ns() // 1_000_000)}
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    digest = hmac.new(client.person.secret.encode(), text.encode(), hashlib.sha256)
    return json.dumps(
        {"id": 1, "method": method, "params": params | {"signature": digest.hexdigest()}}
    )


@pytest.mark.promise(
    "V4.2.1 (access): no request, whatever numbers and names it gives, reads, changes, "
    "confirms or cancels what belongs to another user. A key without the permission withdraws"
    " nothing",
    group="portal",
)
def test_no_route_shows_or_changes_what_is_another_users(portal_venue):
    anna = Anna(portal_venue)
    eve = Eve(portal_venue, anna)
    before = anna.everything()
    for attack in (eve.by_token, eve.by_key, eve.by_socket):
        attack()
        after = anna.everything()
        changed = {at: (before[at], after[at]) for at in before if before[at] != after[at]}
        assert not changed, attack.__name__
    me = eve.http.get("/v1/me").json()
    assert me["participant"] == eve.person.participant, "eve was heard to the end"
    assert len(eve.statuses) > 400
    assert sum(status < 300 for status in eve.statuses) > 50
    assert sum(status in (403, 404) for status in eve.statuses) > 50
