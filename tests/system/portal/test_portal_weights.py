"""The weight of each request of the portal is what it costs: measured by the processor time of the
portal's process, relative to a request that is measured in the same process at the same time."""

import time

import pytest

from openoutcry.portal.native.idempotency import STRANGERS, weight_of
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import ROUTES
from tests.support.portal.clients import taken
from tests.support.portal.matrix import Anna, matrix, spot_parameters

REFERENCE = "/v1/instruments"
"""A request of weight 1."""
MOST_APART = 3.0
"""A request takes at most this many times the processor time of its weight."""
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
    """Processor time of the portal's process."""

    def __init__(self, anna):
        self.clock = (~anna.venue.portal.pid << 3) | 2
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
