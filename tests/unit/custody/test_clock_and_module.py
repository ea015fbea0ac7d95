"""What custody does about a clock that is off, and a signer about a module that is away."""

import json

import pytest

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.clock import Steps
from openoutcry.custody.errors import Refused
from openoutcry.custody.hsm import HsmError
from openoutcry.custody.serve import ClockWatch
from openoutcry.custody.signer import Signer
from openoutcry.custody.signer_policy import Limit, Policy
from openoutcry.custody.signing import WHOLE
from openoutcry.custody.sockets import Server
from openoutcry.custody.statement import claim_document
from openoutcry.custody.store import Store
from tests.unit.custody.test_signer_policy import (  # noqa: F401
    CHAIN,
    KEY,
    claim,
    clock,
    policy,
    reading,
)

SECOND = 10**9
NOW = 10**18


class Clocks:
    def __init__(self):
        self.wall, self.boot = NOW, 5 * SECOND

    def go_on(self, seconds, jump=0):
        self.boot += seconds * SECOND
        self.wall += (seconds + jump) * SECOND


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        yield made


def watch(store, clocks):
    return ClockWatch(store, Breaker(store), Steps(lambda: clocks.wall, lambda: clocks.boot))


@pytest.mark.parametrize(
    ("jump", "why"),
    [(0, ""), (4, ""), (-4, ""), (7, "forward by 7 s"), (-70, "back by 70 s")],
)
def test_a_clock_that_jumps_stops_all_withdrawals(store, jump, why):
    clocks = Clocks()
    one = watch(store, clocks)
    for _ in range(3):
        clocks.go_on(1)
        one.look()
    assert Breaker(store).why() == ""
    clocks.go_on(1, jump)
    one.look()
    assert why in Breaker(store).why()
    assert bool(why) == bool(Breaker(store).why())


def test_a_long_turn_and_a_small_drift_are_no_jump(store):
    clocks = Clocks()
    one = watch(store, clocks)
    for _ in range(100):
        clocks.go_on(900, 1)
        one.look()
    assert Breaker(store).why() == ""


@pytest.mark.promise(
    "A clock that is set by more than 5 s in an hour, also in small steps, stops all withdrawals. "
    "A signer whose clock is set signs nothing until a person starts it again",
    group="custody",
)
@pytest.mark.parametrize(("jump", "why"), [(4, "forward by 8 s"), (-4, "back by 8 s")])
def test_many_small_steps_are_one_large_step(store, jump, why):
    clocks = Clocks()
    one = watch(store, clocks)
    for _ in range(2):
        clocks.go_on(1_700, jump)
        one.look()
    assert why in Breaker(store).why()


def test_a_signer_whose_clock_is_set_signs_nothing(tmp_path):
    """Each day that it goes forward, another day's limit could be paid."""
    limit = Limit("LTC", CHAIN, 10, 100, 100, 100, 20, 60)
    clocks, key = Clocks(), KEY.get_public_key().sec()
    terms = tmp_path / "signer.sqlite", "OUTCRY", key, [limit], 0
    with Policy(*terms, lambda: clocks.wall, lambda: clocks.boot) as one:
        first, second = claim(100), claim(100, salt="second")
        one.allow(1, CHAIN, reading([first]), [first])
        clocks.go_on(86_401, 4)
        one.allow(1, CHAIN, reading([first]), [first])
        clocks.go_on(1, 86_401)
        later = reading([second], "tx2", ("b:0",))
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                one.allow(2, CHAIN, later, [second])
            assert refused.value.code == "clock_set"
            assert one.refused(CHAIN, [], later)[WHOLE].startswith("clock_set")
    with Policy(*terms, lambda: clocks.wall, lambda: clocks.boot) as again:
        again.allow(2, CHAIN, later, [second])


def test_a_clock_that_went_back_while_custody_was_away_is_found_at_the_start(store):
    clocks = Clocks()
    watch(store, clocks).look()
    clocks.wall -= 60 * SECOND
    watch(store, clocks).look()
    assert "back by 60 s" in Breaker(store).why()


@pytest.mark.parametrize(("early_s", "stops"), [(7_200, False), (7_210, True)])
def test_a_block_from_the_future_stops_all_withdrawals(store, early_s, stops):
    store.run("insert into blocks values ('A', 1, 'x', '', ?)", NOW // SECOND + 10**6)
    store.run("insert into blocks values ('A', 2, 'y', 'x', ?)", NOW // SECOND + early_s)
    clocks = Clocks()
    one = watch(store, clocks)
    one.look()
    assert ("last block of A" in Breaker(store).why()) == stops
    clocks.go_on(1)
    one.look()
    assert len(Breaker(store).reasons()) == stops, "one reason, to which two people can agree"


class Module:
    """A token that is taken out, and put in again."""

    is_away = False
    signed = 0

    def sign(self, label, digest):
        if self.is_away:
            raise HsmError("token 'signer1': DeviceRemoved")
        self.signed += 1
        return 1, 1

    def public_key(self, label):
        return b"k" * 33


class Reader:
    chain, label = CHAIN, "utxo"

    def __init__(self, found):
        self.found = found

    def read(self, body):
        return self.found

    def answer(self, body, key, signatures):
        return {"signatures": len(signatures)}


def test_a_module_that_is_away_says_so_and_the_same_request_is_signed_when_it_is_back(
    policy,  # noqa: F811
    tmp_path,
):
    one, module = claim(50), Module()
    signer = Signer(module, policy, [Reader(reading([one]))])
    request = {"do": "sign", "number": 1, "chain": CHAIN, "claims": [claim_document(one)]}
    with Server(tmp_path / "s", signer.answer) as server:

        def ask(body):
            return json.loads(server.answered(json.dumps(request | {"body": body}).encode()))

        module.is_away = True
        for _ in range(2):
            assert ask({})["error"] == "token 'signer1': DeviceRemoved"
        module.is_away = False
        assert ask({}) == {"signatures": 1}
        assert module.signed == 1
        signer.readers[CHAIN].found = reading([one], "another", ("b:0",))
        request["number"] = 2
        assert ask({})["refused"] == "paid_twice", "also what was asked while it was away counts"
