"""When a sweep is made: by schedule, at once above a threshold, and not while blocks are dear."""

import pytest

pytest.importorskip("embit", reason="custody's libraries are not installed")

from openoutcry.custody.evm.contracts import COIN, DepositAddresses, sweep_call
from openoutcry.custody.evm.encoding import address_text, to_hex
from openoutcry.custody.evm.sweep import Sweeper, SweepRule, SweepSettings
from openoutcry.custody.store import Store

HOUR, LEAST, AT_ONCE, DEAR = 3_600, 10, 100, 50


class Sent:
    def __init__(self, reference):
        self.reference = reference


class Broadcaster:
    def __init__(self):
        self.calls, self.is_final = [], True

    def open(self):
        return [] if self.is_final else [Sent(self.calls[-1][0])]

    def count(self, begun):
        return sum(reference.startswith(begun) for reference, _ in self.calls)

    def submit(self, reference, target, data):
        self.calls.append((reference, data))


class Node:
    base_fee = 7

    def __init__(self):
        self.held = {}

    def call(self, method, *params):
        assert method == "eth_getBlockByNumber"
        return {"baseFeePerGas": hex(self.base_fee)}

    def batch(self, calls):
        return [hex(self.held.get(params[0], 0)) for _, params in calls]


class Floor:
    """Three addresses at which coins arrived and were credited, and one where they were not."""

    def __init__(self, store):
        self.store, self.node, self.sent = store, Node(), Broadcaster()
        self.clock = 10**9
        made = DepositAddresses(b"f" * 20, b"w" * 20)
        self.places = [made.address(place) for place in range(4)]
        for place, state in enumerate(("final", "credited", "final", "seen")):
            text = address_text(self.places[place])
            store.run("insert into addresses values ('E', 0, ?, ?, 1, 'deposit', 1)", place, text)
            store.run(
                "insert into deposits values (?, 'E', ?, 0, 0, '', 'ETH', 1, ?, '1', 1, ?, 1, 'b',"
                " '', '', '', 1)",
                f"dp{place}",
                f"tx{place}",
                text,
                state,
            )
        settings = SweepSettings(HOUR, DEAR, (SweepRule(COIN, LEAST, AT_ONCE),))
        terms = self.node, self.sent, made, settings, lambda: self.clock
        self.sweeper = Sweeper("E", store, *terms)

    def hold(self, *amounts):
        texts = [to_hex(one) for one in self.places]
        self.node.held = dict(zip(texts, amounts, strict=True))


@pytest.fixture
def floor(tmp_path):
    with Store(tmp_path) as store:
        yield Floor(store)


def test_what_is_worth_it_waits_for_the_schedule(floor):
    floor.hold(LEAST, LEAST - 1, LEAST, 10**6)
    assert floor.sweeper.step() == 0
    floor.clock += HOUR - 1
    assert floor.sweeper.step() == 0
    floor.clock += 1
    assert floor.sweeper.step() == 2
    assert floor.sent.calls == [(f"sweep {COIN.hex()} 0", sweep_call(COIN, [0, 2]))]
    assert floor.sweeper.step() == 0, "the schedule begins again"
    floor.clock += HOUR
    floor.sent.is_final = False
    assert floor.sweeper.step() == 0, "the one before is not final"
    floor.sent.is_final = True
    assert floor.sweeper.step() == 2
    assert floor.sent.calls[-1][0] == f"sweep {COIN.hex()} 1"


def test_much_is_swept_at_once(floor):
    floor.hold(AT_ONCE - LEAST - 1, 0, LEAST, 0)
    assert floor.sweeper.step() == 0
    floor.hold(AT_ONCE - LEAST, 0, LEAST, 0)
    assert floor.sweeper.step() == 2


def test_sweeps_wait_while_blocks_are_dear_and_say_so(floor):
    floor.hold(AT_ONCE, 0, 0, 0)
    floor.node.base_fee = DEAR + 1
    assert floor.sweeper.step() == 0
    assert floor.sweeper.why == f"the base fee is {DEAR + 1} wei, and sweeps wait above {DEAR}"
    floor.node.base_fee = DEAR
    assert floor.sweeper.step() == 1
    assert floor.sweeper.why == ""
