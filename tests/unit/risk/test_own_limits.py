"""Limits that the owner of an account sets: the checks read the stricter of theirs and the
operator's, and neither lifts the other's."""

import numpy as np
import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, RiskBit, Setting
from openoutcry.risk.own_limits import MAX_OWN
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.risk.settings import operators_setting, setting_in_force
from openoutcry.wire.enums import CommandKind, Side
from tests.oracles.risk.operator_commands import OF_OWNERS
from tests.support.risk.risk_core import Operator
from tests.support.risk.risk_desk import A, B, Desk
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_reference import pair, run

SWITCHES = Setting.RESTRICTED, Setting.SHORT_SALE


@pytest.mark.parametrize("seed", range(4))
def test_mixed_flows_are_the_plain_reference(seed):
    """Every second drawn limit is an owner's.  In some, more are asked for than have room."""
    both = pair(own_limits=10 if seed % 2 else 400, delayed=64 * (seed == 3))
    symbols = instruments()["symbol"].tolist()
    run(both, mixed_commands(500, seed), Operator(seed, both, symbols), 0.4, seed, 50)
    count = len(both.view.own.used)
    assert count == 10 if seed % 2 else count > 40


@pytest.mark.parametrize("seed", range(6))
def test_any_sequence_leaves_the_stricter_in_force(seed):
    """A model of two dictionaries, over random commands of both; a copy goes on like it."""
    rng, desk = np.random.default_rng([seed, 7]), Desk(own_limits=200)
    model = {"owner": {}, "operator": {}}
    for _ in range(400):
        whose = ("owner", "operator")[rng.integers(2)]
        what, who = OF_OWNERS[rng.integers(len(OF_OWNERS))], int(rng.integers(1, 4))
        index = int(rng.integers(2)) if what >= Setting.POSITION_LONG else -1
        no_limit = 0 if what in (*SWITCHES, Setting.RATE) else NO_LIMIT
        value = (
            no_limit if rng.random() < 0.3 else int(rng.integers(0, 2 if what in SWITCHES else 50))
        )
        burst = int(rng.integers(1, 9)) if what is Setting.RATE else 0
        assert put(desk, what, value, who, (A, B)[index], burst, whose == "owner")
        model[whose][who, what, index] = value, burst
        key = who, what, index
        expected = stricter(what, *(model[one].get(key) for one in ("owner", "operator")))
        assert setting_in_force(desk.view, what, who, index) == expected
        of_operator = model["operator"].get(key, (no_limit, 1 if what is Setting.RATE else 0))
        assert operators_setting(desk.view, what, who, index) == of_operator
    again = View(desk.view.region.copy())
    assert again.digest() == desk.view.digest()
    assert again.own.of(2) == desk.view.own.of(2)


def put(desk, what, value, who=1, symbol=A, second=0, own=True):
    record = setting(what, value, who, symbol, second)
    record["time_in_force"] = own
    verdict, _ = desk.core.process(record)
    return verdict != 0 and verdict & 0xFF == 0


def stricter(what, owner, operator):
    """None: never set."""
    both = [one for one in (owner, operator) if one is not None]
    if what in SWITCHES:
        return max(value for value, _ in both), 0
    if what is Setting.RATE:
        limiting = [one for one in both if one[0]]
        if not limiting:
            return operator or (0, 1)
        return max(ns for ns, _ in limiting), min(burst for _, burst in limiting)
    return min(value for value, _ in both), 0


def test_an_order_is_refused_by_the_owner_s_limit_and_by_the_operator_s():
    desk = Desk(own_limits=4)
    assert put(desk, Setting.MAX_QTY, 10)
    assert refuses(desk, 11) == RiskBit.MAX_QTY
    assert desk.set(Setting.MAX_QTY, 1_000)  # the operator's, later and wider
    assert refuses(desk, 11) == RiskBit.MAX_QTY
    assert put(desk, Setting.MAX_QTY, NO_LIMIT)
    assert refuses(desk, 11) is None
    assert refuses(desk, 1_001) == RiskBit.MAX_QTY
    assert desk.set(Setting.MAX_QTY, 5)
    assert put(desk, Setting.MAX_QTY, 2_000)
    assert refuses(desk, 6) == RiskBit.MAX_QTY
    assert refuses(desk, 6, who=2) is None


def refuses(desk, qty, who=1):
    verdict = desk.new(Side.BUY, qty, 5, who)
    return RiskBit((verdict >> 8 & -(verdict >> 8)).bit_length() - 1) if verdict else None


def test_each_ends_only_their_own_kill():
    desk = Desk(own_limits=4)
    for first, second in ((True, False), (False, True)):
        assert put(desk, Setting.KILL, 1, own=first)
        assert put(desk, Setting.KILL, 1, own=second)
        assert put(desk, Setting.KILL, 0, own=first)
        assert refuses(desk, 1) == RiskBit.KILLED
        assert operators_setting(desk.view, Setting.KILL, 1) == (int(not second), 0)
        assert put(desk, Setting.KILL, 0, own=second)
        assert refuses(desk, 1) is None
    assert desk.view.of(1, lay.KILLS) == 4
    assert not put(desk, Setting.KILL, 2)


def test_what_makes_no_sense_changes_nothing():
    desk, without = Desk(own_limits=1), Desk()
    for wrong in (-1, 2**62 + 1):
        assert not put(desk, Setting.MAX_QTY, wrong)
    assert not put(desk, Setting.RESTRICTED, 2)
    assert not put(desk, Setting.RATE, 5, second=0)
    assert not put(desk, Setting.MAX_QTY, 5, symbol=b"NONE")
    assert not put(desk, Setting.MAX_QTY, 5, who=99)
    assert len(desk.view.own.used) == 0
    assert put(desk, Setting.OPEN_ORDERS, 3)
    before = desk.view.digest()
    assert not put(desk, Setting.GROSS_POSITION, 3)  # there is no room
    assert desk.view.digest() == before
    assert setting_in_force(desk.view, Setting.GROSS_POSITION, 1) == (NO_LIMIT, 0)
    for what in (Setting.MAX_QTY, Setting.OPEN_ORDERS, Setting.KILL):
        assert not put(without, what, 1)
        assert without.set(what, 1)
    assert without.view.own is None
    with pytest.raises(RiskError, match="own limits: from 1 to"):
        make_region(instruments(), 9, own_limits=MAX_OWN + 1)


def test_an_owner_s_kill_lets_cancels_through():
    desk = Desk(own_limits=1)
    assert desk.new(Side.BUY, 3, 5) == 0
    assert put(desk, Setting.KILL, 1)
    desk.send(kind=CommandKind.DISCONNECT, participant=1)
    assert desk.view.of(1, lay.OPEN) == 0
