"""Which API key may do what: every changing request of ``/v1`` and every request of the
Binance-shaped API, by a key of each set of permissions."""

import hashlib
import hmac
import itertools
import json
import time
from urllib.parse import urlencode

import pytest

from openoutcry.portal.native.callers import signed_text
from openoutcry.portal.native.idempotency import STRANGERS
from openoutcry.portal.spot.rest import ROUTES, TRADE, WITHDRAW
from openoutcry.portal.spot.signing import REJECTED
from tests.support import plain_http
from tests.support.portal.clients import taken
from tests.support.portal.matrix import PNG, Anna, by_token, changes, person_of, spot_parameters
from tests.support.portal.portal_venue import Person

NAMES = "read", "trade", "withdraw"
SETS = [one for size in (1, 2, 3) for one in itertools.combinations(NAMES, size)]
BY_TRADE = (
    "/v1/orders", "/v1/order-lists", "/v1/quotes", "/v1/transfers", "/v1/notifications/read",
    "/v1/notification-settings", "/v1/price-alerts", "/v1/webhook", "/v1/push",
    "/v1/own-limits", "/v1/kill",
)  # fmt: skip
BY_WITHDRAW = ("/v1/withdrawals", "/v1/withdrawal-addresses")
BY_ANY = ("/v1/portfolio/rebalance",)
"""It works out orders, and sends none."""


@pytest.fixture(scope="module")
def anna(full):
    return Anna(full)


def needed(path):
    """The permission that a request needs: "", of any key; None: no key may."""
    for paths, permission in ((BY_TRADE, "trade"), (BY_WITHDRAW, "withdraw"), (BY_ANY, "")):
        if path.startswith(paths):
            return permission
    return None


def signed(key, method, target, content, name=""):
    now = str(time.time_ns() // 1_000_000)
    name = name or f"m{time.time_ns()}"
    text = signed_text(now, method, target, name, content.decode())
    digest = hmac.new(key["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
    proof = {"x-api-key": key["api_key"], "x-timestamp": now, "x-signature": digest}
    return proof | {"idempotency-key": name, "content-type": "application/json"}


@pytest.mark.promise(
    "V4.2.1 (access): a key does what its permissions say, over every changing request. One that "
    "reads changes nothing, also not which notices its owner gets, and where",
    group="portal",
)
def test_a_key_changes_what_its_permissions_say(full, anna):
    eve, wrong = person_of(full), []
    with by_token(full.portal, eve.token) as own, plain_http.client(full.portal.url) as http:
        keys = {one: full.portal.key(own, one, networks=["127.0.0.0/8"]) for one in SETS}
        for (permissions, key), (at, one) in itertools.product(keys.items(), changes(anna).items()):
            if at[1] in STRANGERS or one.body == PNG:
                continue
            body = one.guess if callable(one.body) else one.body
            content = b"" if body is None else json.dumps(body).encode()
            target = at[1].format(**one.ids)
            target += f"?{urlencode(one.query)}" if one.query else ""
            headers = signed(key, at[0], target, content)
            answer = http.request(at[0], target, content=content, headers=headers)
            wants = needed(at[1])
            if wants is None:
                is_right = answer.status_code == 401
            else:
                may = not wants or wants in permissions
                is_right = (answer.status_code in (401, 403)) != may
            if not is_right:
                wrong.append((permissions, at, answer.status_code, answer.text[:100]))
    assert not wrong


def test_a_key_has_no_answer_that_its_owner_had(full):
    """An answer is kept by the request's key, and may hold what the API key may not be shown."""
    eve, path = person_of(full), "/v1/webhook"
    content = json.dumps({"url": f"{full.host.url}/eve"}).encode()
    with by_token(full.portal, eve.token) as own, plain_http.client(full.portal.url) as http:
        key = full.portal.key(own, ("read",))
        named = {"idempotency-key": f"hook-{time.time_ns()}", "content-type": "application/json"}
        first, again = [own.put(path, content=content, headers=named) for _ in range(2)]
        assert first.json()["secret"] == again.json()["secret"]
        headers = signed(key, "PUT", path, content, named["idempotency-key"])
        answer = http.put(path, content=content, headers=headers)
        assert answer.status_code == 422
        assert first.json()["secret"] not in answer.text
        own.delete(path)


def test_a_key_has_the_routes_of_the_trading_api_that_its_permissions_say(full, anna):
    eve, wrong = person_of(full), []
    with by_token(full.portal, eve.token) as own:
        for permissions in SETS:
            key = full.portal.key(own, permissions, networks=["127.0.0.0/8"])
            person = Person(eve.mail, "", eve.participant, key["api_key"], key["secret"])
            with full.portal.client(person) as client:
                for at, route in ROUTES.items():
                    if route.security not in (TRADE, WITHDRAW):
                        assert (route.is_change, route.orders) == (False, 0), at
                        continue
                    answer = client.request(*at, **taken(at, spot_parameters(anna)[0]))
                    is_rejected = REJECTED in answer.text
                    if is_rejected == (route.security in permissions):
                        wrong.append((permissions, at, answer.text[:100]))
    assert not wrong
