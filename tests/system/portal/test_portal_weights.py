"""The weight of each request of the portal is what it costs: measured by the processor time of the
portal's process, relative to a request that is measured in the same process at the same time."""

import json
import time
from types import SimpleNamespace

import psycopg
import pytest

from openoutcry.portal.database import running_embedded
from openoutcry.portal.native.documents import OWN, PUBLIC
from openoutcry.portal.native.idempotency import ROWS_A_WEIGHT, STRANGERS, weight_of
from openoutcry.portal.native.pages import MOST
from openoutcry.portal.native.stream import (
    BOOK_WEIGHT,
    LOGIN_WEIGHT,
    REQUEST_WEIGHT,
    TRADES_SHOWN,
)
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import ROUTES
from tests.support.console.websockets_patient import connect
from tests.support.portal.clients import taken
from tests.support.portal.matrix import (
    DOCUMENT,
    ORDER,
    STOP,
    Anna,
    by_token,
    matrix,
    spot_parameters,
)
from tests.support.waiting import BOUND_S, wait_until

REFERENCE = "/v1/instruments"
"""A request of weight 1."""
MOST_APART = 3.0
"""A request takes at most this many times the processor time of its weight."""
SNAPSHOTS = 2
"""Messages after a subscription: that it is one, and what there is."""
SYMBOLS = {"synthetic": "ETH-USD by BTC", "statistics": "XAU-P"}
"""Of channels that a spot pair has not."""
REPEATS, LEAST_ROUNDS, MOST_ROUNDS = 2, 2, 60
HASHED = "password", "old"
"""Fields with a password: argon2id makes such a request dear, and turns and lockouts bound it
(portal/accounts/passwords.py, lockout.py)."""
DOCUMENTS = "/v1/openapi.json", "/v1/asyncapi.json"
UNPRICED = {*STRANGERS}
"""Each needs a proof of work, a mailed code or a token that is used once."""


@pytest.fixture(scope="module")
def anna(full):
    one = Anna(full)
    yield one
    one.http.delete("/v1/orders", params={"symbol": "BTC-USD"})


class Meter:
    """Processor time of the portal's process that serves."""

    def __init__(self, anna):
        self.clock = (~anna.venue.web() << 3) | 2
        """The clock of all its threads, as ``clock_getcpuclockid`` names it."""
        self.reference = lambda: anna.http.get(REFERENCE)

    def _took_ns(self, ask):
        begun_ns = time.clock_gettime_ns(self.clock)
        for _ in range(REPEATS):
            answer = ask()
            assert answer.status_code < 500, answer.text
        return time.clock_gettime_ns(self.clock) - begun_ns

    def ratio(self, ask, weight, rounds=MOST_ROUNDS, least=1 / MOST_APART):
        """The least that a request took, as a multiple of its weight; both it and the reference are
        measured in each round, and what other work adds never makes a request cheaper.  Further
        rounds follow while the two are too far apart."""
        reference_ns = least_ns = float("inf")
        for number in range(rounds):
            reference_ns = min(reference_ns, self._took_ns(self.reference))
            least_ns = min(least_ns, self._took_ns(ask))
            found = least_ns / reference_ns / weight
            if number + 1 >= LEAST_ROUNDS and least <= found <= MOST_APART:
                break
        return found


class Busy:
    """Somebody who has traded much: 1,000 fills, as many orders that are closed, and as many lists
    as may be open."""

    ROUNDS, ORDERS, LISTS = 10, 100, 60

    def __init__(self, full):
        self.venue, self.maker = full.portal, full.makers[2]
        self.person = self.venue.person(USD=10**6 * 10**6, BTC=10 * 10**8)
        self.http = by_token(self.venue, self.person.token)
        with self.venue.client(self.person) as client, self.venue.client(self.maker) as maker:
            for _ in range(self.ROUNDS):
                for number in range(self.ORDERS):
                    assert client.order("SELL", "0.0001", f"{61_000 + number}").is_success
                assert maker.order("BUY", f"{self.ORDERS * 0.0001:.4f}", "61200").is_success
        for number in range(self.LISTS):
            legs = [ORDER | {"side": "buy"}, ORDER | STOP, ORDER | STOP | {"stop_price": "3"}]
            headers = {"idempotency-key": f"busy-{number}"}
            body = {"contingency": "otoco", "orders": legs}
            assert self.http.post("/v1/order-lists", json=body, headers=headers).is_success
        wait_until(lambda: len(self.rows("fills")) == MOST, "the fills")

    def rows(self, what):
        return self.http.get(f"/v1/{what}", params={"limit": MOST}).json()["items"]

    def asked(self, request):
        """Asks a request of the stream again and again, by a connection that has logged in."""
        stream = self.venue.url.replace("http", "ws") + "/v1/stream"
        socket = connect(stream, max_size=None)
        socket.send(json.dumps({"op": "auth", "token": self.person.token, "id": 0}))
        assert json.loads(socket.recv(BOUND_S))["type"] == "authenticated"
        answers = SNAPSHOTS if request["op"] == "subscribe" else 1

        def ask():
            socket.send(json.dumps(request | {"id": 1}))
            kinds = [json.loads(socket.recv(BOUND_S))["type"] for _ in range(answers)]
            assert "error" not in kinds
            return SimpleNamespace(status_code=200, text="")

        return ask, socket


@pytest.fixture(scope="module")
def busy(full):
    one = Busy(full)
    yield one
    one.venue.cancel_all(one.person)


def spot_requests(anna, client):
    """Every route of the Binance-shaped API, and what it weighs."""
    for at, route in ROUTES.items():
        if at[1].endswith("virtualSubAccount"):
            continue  # each makes a participant
        given = taken(at, spot_parameters(anna)[0])
        weight, params = route.weight, Params([(k, str(v)) for k, v in given.items()], None)
        yield (
            at,
            lambda at=at, given=given: client.request(*at, **given),
            weight if isinstance(weight, int) else weight(params),
        )


def native_requests(anna):
    """Every request under ``/v1`` that checks no password, and what it weighs."""
    for path in DOCUMENTS:
        yield ("GET", path), lambda path=path: anna.http.get(path), weight_of("GET", path)
    for at, one, path in matrix(anna):
        body = {} if one.body is None else one.body
        if at[1] in UNPRICED or one.by == "again" or callable(body):
            continue
        if isinstance(body, dict) and set(HASHED) & set(body):
            continue
        client = anna.client(one.by)
        content = {"content": body} if isinstance(body, bytes) else {"json": one.body}

        def ask(at=at, one=one, path=path, client=client, content=content):
            return client.request(at[0], path, params=one.query, **content)

        yield at, ask, weight_of(*at)


@pytest.mark.promise(
    "The weight of each request of the portal is at least a third of its processor time, relative "
    "to a plain request. Turns bound the checks of passwords",
    group="portal",
)
def test_no_request_costs_three_times_its_weight(anna):
    meter, apart, asked = Meter(anna), {}, set()
    with anna.venue.client(anna.person) as client:
        for at, ask, weight in [*spot_requests(anna, client), *native_requests(anna)]:
            asked.add(at)
            is_reading = at[0] == "GET" and at[1].startswith("/v1/")
            least = 1 / MOST_APART if is_reading else 0.0  # weights of Binance, and of stored data
            found = meter.ratio(ask, weight, least=least)
            if not least <= found <= MOST_APART:
                apart[at] = f"weighs {weight}, costs {found * weight:.1f}"
        assert not apart
        password = {"json": {"label": "a key", "password": "wrong crooked ladders"}}
        hashed = meter.ratio(lambda: anna.http.post("/v1/api-keys", **password), 1, LEAST_ROUNDS)
        assert hashed > MOST_APART, "a request that is too cheap by its weight is found"
    assert asked >= {at for at in ROUTES if not at[1].endswith("virtualSubAccount")}
    assert len(asked) > len(ROUTES) + 90


@pytest.mark.promise(
    "The weight of each request of the portal is at least a third of its processor time, relative "
    "to a plain request. Turns bound the checks of passwords",
    group="portal",
)
def test_a_page_weighs_by_its_rows(anna, busy):
    """The largest page of each list, of an account and an instrument that have much."""
    meter, apart, asked = Meter(anna), {}, 0
    for path, methods in DOCUMENT["paths"].items():
        rows = {one["name"] for one in methods.get("get", {}).get("parameters", ())}
        name = next(iter(rows & {"limit", "depth"}), "")
        if not name or "/operator/" in path:
            continue
        at, asked = path.replace("{symbol}", "BTC-USD"), asked + 1

        def ask(at=at, name=name):
            answer = busy.http.get(at, params={name: MOST})
            assert answer.status_code == 200, answer.text
            return answer

        weight = weight_of("GET", path, MOST)
        found = meter.ratio(ask, weight, least=0.0)
        if found > MOST_APART:
            apart[path] = f"weighs {weight}, costs {found * weight:.1f}"
    assert not apart
    assert asked > 5


STORED = """
    insert into withdrawals (user_id, participant, reference, client_id, asset, network, address,
        given, chain, salt, device, tag, amount, state, created_at, changed_at)
    select {me}, participant, 'wd many '||g, 'many '||g, 'USD', 'WIRE', 'DE02', 'DE02', '', '', '',
        '', 10000000, 'cancelled', now(), now() from users, generate_series(1, 3000) g
        where id = {me};
    insert into users (mail, password_hash, is_verified, parent_id, label, level, language)
        values ('funding.many@sub.invalid', '', false, {me}, 'funding', 0, 'en');
    insert into transfers (user_id, source_id, target_id, source, target, reference, client_id,
        asset, amount, state, created_at, changed_at)
    select {me}, {me}, s.id, u.participant, 1, 'tr many '||g, 'many '||g, 'USD', 1, 'done', now(),
        now() from users u, users s, generate_series(1, 600) g
        where u.id = {me} and s.parent_id = {me};
    insert into price_alerts (user_id, instrument, symbol, direction, price_ticks, created_seq,
        created_at, fired_at)
    select {me}, 0, 'BTC-USD', 'above', 100, 1, now(), case when g > 200 then now() end
        from generate_series(1, 400) g;
    insert into withdrawal_addresses (user_id, participant, asset, network, chain, address, label,
        state, created_at, changed_at, usable_at)
    select {me}, 1, 'BTC', 'BTC', 'BTC', 'many '||g, 'a label', 'listed', now(), now(), now()
        from generate_series(1, 100) g;
    insert into audit (user_id, action, address, detail, for_operators)
    select {me}, 'login', '192.0.2.1', 'a detail', '' from generate_series(1, 300) g;
"""
"""As much as an account may have, and of what is over more than a request shows."""
LISTS = (
    ("/sapi/v1/capital/withdraw/history", {}),
    ("/sapi/v1/capital/withdraw/history", {"limit": 1}),
    ("/sapi/v1/capital/withdraw/history", {"status": 6, "offset": 2_000}),
    ("/sapi/v1/capital/withdraw/address/list", {}),
    ("/sapi/v1/sub-account/universalTransfer", {}),
    ("/sapi/v1/asset/transfer", {"type": "MAIN_FUNDING"}),
)
NATIVE_LISTS = "/v1/price-alerts", "/v1/audit", "/v1/withdrawal-addresses"


@pytest.mark.promise(
    "The weight of each request of the portal is at least a third of its processor time, relative "
    "to a plain request. Turns bound the checks of passwords",
    group="portal",
)
def test_a_list_of_an_account_that_has_done_much_weighs_what_it_costs(anna, busy):
    person, meter, apart = busy.person, Meter(anna), {}
    folder = busy.venue.folder / "journal-portal"
    with psycopg.connect(running_embedded(folder / "postgresql"), autocommit=True) as database:
        query = "select id from users where mail = %s"
        (me,) = database.execute(query, (person.mail,)).fetchone()
        database.execute(STORED.format(me=me))
    with busy.venue.client(person) as client:
        for path, given in LISTS:
            weight = ROUTES["GET", path].weight
            if not isinstance(weight, int):
                weight = weight(Params([(k, str(v)) for k, v in given.items()], None))

            def ask(path=path, given=given):
                answer = client.get(path, **given)
                assert answer.status_code == 200, answer.text
                return answer

            apart[path, str(given)] = meter.ratio(ask, weight, least=0.0)
        for path in NATIVE_LISTS:
            weight = weight_of("GET", path)
            apart[path] = meter.ratio(lambda path=path: busy.http.get(path), weight, least=0.0)
    assert {at: found for at, found in apart.items() if found > MOST_APART} == {}


@pytest.mark.promise(
    "The weight of each request of the portal is at least a third of its processor time, relative "
    "to a plain request. Turns bound the checks of passwords",
    group="portal",
)
def test_what_the_stream_is_asked_weighs_what_it_costs(anna, busy):
    meter, apart = Meter(anna), {}
    weights = {"ping": REQUEST_WEIGHT, "auth": LOGIN_WEIGHT}
    requests = {name: {"op": name, "token": busy.person.token} for name in weights}
    for channel in (*PUBLIC, *OWN):
        if channel in ("consolidated", "notifications"):
            continue  # none here; read by another task
        symbol = {"symbol": SYMBOLS.get(channel, "BTC-USD")}
        name = f"subscribe {channel}"
        requests[name] = {"op": "subscribe", "channel": channel} | (
            symbol if channel in PUBLIC else {}
        )
        weights[name] = BOOK_WEIGHT if channel in ("book", "synthetic") else REQUEST_WEIGHT
    for channel in ("orders", "order_lists"):
        weights[f"subscribe {channel}"] += 3 * Busy.LISTS // ROWS_A_WEIGHT
    weights["subscribe trades"] += TRADES_SHOWN // ROWS_A_WEIGHT
    requests["trades after"] = requests["subscribe trades"] | {"after": 1}
    weights["trades after"] = REQUEST_WEIGHT + Busy.ROUNDS * Busy.ORDERS // ROWS_A_WEIGHT
    for name, request in requests.items():
        ask, socket = busy.asked(request)
        found = meter.ratio(ask, weights[name], least=0.0)
        socket.close()
        if found > MOST_APART:
            apart[name] = f"weighs {weights[name]}, costs {found * weights[name]:.1f}"
    assert not apart
