"""The kernels are the plain reference: every verdict, what it tells, and every word of the state,
around the real matcher, in flows with every order type, auctions, halts and changing limits; and
what is reserved is what the open orders need after every single command."""

import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import matcher_mixed
import numpy as np
import pytest
from risk_core import Operator, Pair, bits
from risk_flow import instruments, mixed_commands

from openoutcry.report.evidence import write_evidence
from openoutcry.risk.bits import CORPORATE_SETTINGS, NO_LIMIT, RiskBit
from openoutcry.risk.reference import APPLIED
from openoutcry.risk.reference_guard import PAUSED
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, Phase, Side


def pair(**more):
    return Pair(instruments(), leveraged=(4,), multipliers=[1, 1, 5, 1, 2, 1, 1, 1], **more)


def with_time(commands, both, symbols, seed):
    """Between the commands sequenced time goes on by seconds, prices move as they never do in the
    mixed flow, and instruments that pause, or have paused, are called and opened again."""
    rng, moved = np.random.default_rng([seed, 23]), 0
    for number, command in enumerate(commands):
        if number % 80 == 0:
            moved = int(np.clip(moved + 10 * rng.integers(-80, 81), -20_000, 20_000))
        if command["kind"] in (CommandKind.NEW, CommandKind.REPLACE) and command["price_ticks"]:
            command["price_ticks"] += moved
            row = both.reference.guard.rows[symbols.index(bytes(command["symbol"][0]))]
            if row.high != NO_LIMIT and rng.random() < 0.2:
                command["price_ticks"] = row.high if command["side"] == Side.BUY else row.low
        if number % 40 == 0:
            yield house(CommandKind.TIME, aux=both.reference.now + int(rng.integers(1, 8 * 10**9)))
        if number % 20 == 10:
            index = int(rng.integers(len(symbols)))
            row = both.reference.guard.rows[index]
            if row.state >= PAUSED or row.phase != Phase.CONTINUOUS:
                calls = row.phase == Phase.VOLATILITY_AUCTION
                phase = Phase.CONTINUOUS if calls else Phase.VOLATILITY_AUCTION
                phase = Phase.CLOSED if row.until == NO_LIMIT and row.state == PAUSED else phase
                yield house(CommandKind.PHASE, symbol=symbols[index], aux=phase)
        yield command


def house(kind, **fields):
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"] = kind
    for name, value in fields.items():
        record[name] = value
    return record


def run(both, commands, operator, share, seed, look_every):
    rng = np.random.default_rng([seed, 19])
    for number, command in enumerate(commands):
        while rng.random() < share:
            both.process(operator.draw())
        if operator.called() and rng.random() < 2 * share:
            both.process(operator.step())
        both.process(command.copy())
        if rng.random() < share and command["kind"] == CommandKind.NEW:
            again = command.copy()
            again["order_id"] += 1 << 40
            both.process(again)
        if number % look_every == 0:
            both.same()
    both.same()


def counted(verdicts):
    return Counter(name for verdict in verdicts if verdict & 0xFF for name in bits(verdict))


def test_ten_thousand_mixed_commands():
    """Every check but the two rarest refuses some (``test_risk_edges`` has each), and many pass."""
    both = pair()
    symbols = instruments()["symbol"].tolist()
    run(both, mixed_commands(10_000, 2), Operator(2, both, symbols), 0.06, 2, 500)
    refusals = counted(both.verdicts)
    passed = sum(verdict == 0 for verdict in both.verdicts)
    assert passed > 2_000
    bump = {"SPEED_BUMP_FULL", "WITHDRAWN"}
    assert {bit.name for bit in RiskBit} - set(refusals) - bump <= {"ARITHMETIC", "LOSS"}, refusals
    assert both.parts_traded > 0


@pytest.mark.parametrize(("seed", "protection", "places"), [(3, False, 64), (4, True, 96)])
def test_four_thousand_mixed_commands_with_a_speed_bump(seed, protection, places):
    """Who waits, who enters when, what is withdrawn, and for whom there was no room; among limits
    that change, kills, halts, pauses and liquidations, and other speed bumps."""
    both = pair(delayed=places, protection=protection)
    symbols = instruments()["symbol"].tolist()
    flow = mixed_commands(4_000, seed)
    if protection:
        flow = with_time(flow, both, symbols, seed)
    operator = Operator(seed, both, symbols, protecting=0.9 if protection else 0.0)
    run(both, flow, operator, 0.06, seed, 250)
    refusals = counted(both.verdicts)
    assert {"SPEED_BUMP_FULL", "WITHDRAWN"} <= set(refusals), refusals
    assert both.entered > 1_000


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_ten_thousand_mixed_commands_with_protection(seed):
    """Bands, limit states, pauses, calls and the breaker among everything else: every word and
    decision as in the plain reference, and each kind of decision happens."""
    both = pair(protection=True)
    symbols = instruments()["symbol"].tolist()
    commands = with_time(mixed_commands(10_000, seed), both, symbols, seed)
    run(both, commands, Operator(seed, both, symbols, protecting=0.99), 0.05, seed, 50)
    kinds = {kind for kind, *_ in both.reference.guard.log}
    assert kinds == set(range(1, 9)), kinds
    assert {why for kind, _, _, why in both.reference.guard.log if kind == 3} == set(range(1, 6))


@pytest.mark.parametrize("protection", [False, True])
def test_three_thousand_mixed_commands_with_dividends_and_splits(protection):
    """Of instruments that are halted and not, with open orders and without, with ratios and prices
    that make sense and not: positions, what they need and are worth, the last price, the index."""
    both = pair(protection=protection)
    symbols = instruments()["symbol"].tolist()
    flow = mixed_commands(3_000, 6)
    if protection:
        flow = with_time(flow, both, symbols, 6)
    operator = Operator(6, both, symbols, 0.3 * protection, corporate=0.5)
    adjusted, process = Counter(), both.process

    def noted(order):
        answer = process(order)
        if order["kind"][0] == CommandKind.RISK and order["order_type"][0] in CORPORATE_SETTINGS:
            adjusted[int(order["order_type"][0]), answer[0] == APPLIED] += 1
            both.same()
        return answer

    both.process = noted
    run(both, flow, operator, 0.3, 6, 500)
    kinds = {(int(what), done) for what in CORPORATE_SETTINGS for done in (True, False)}
    assert set(adjusted) == kinds
    assert min(adjusted.values()) > 20, adjusted


@pytest.mark.parametrize("seed", range(12))
def test_swarms_with_extremes(seed):
    """The matcher's own random streams: malformed records, prices and quantities at the ends of
    int64, ids that meet again, all phases."""
    case = matcher_mixed.mixed(seed, 400)
    more = {"leveraged": (0,) if seed % 3 == 0 else (), "delayed": 64 if seed % 4 == 3 else 0}
    both = Pair(case.instruments, case.order_capacity, **more)
    commands = (case.orders[n : n + 1] for n in range(len(case.orders)))
    symbols = case.instruments["symbol"].tolist()
    run(both, commands, Operator(seed, both, symbols), 0.1 * (seed % 2), seed, 50)


def piece(seed):
    """20,000 commands and more, every second seed with protection, two of four with a speed bump:
    how many, decisions, and who waited."""
    guarded, bumped = seed % 2 == 0, seed % 4 >= 2
    both = pair(protection=guarded, delayed=(64, 96)[seed // 4 % 2] * bumped)
    symbols = instruments()["symbol"].tolist()
    flow = mixed_commands(20_000, seed)
    if guarded:
        flow = with_time(flow, both, symbols, seed)
    operator = Operator(seed, both, symbols, protecting=0.9 if guarded else 0.0)
    run(both, flow, operator, 0.03, seed, 1_000)
    return both.seq, len(both.reference.guard.log) if guarded else 0, both.entered


@pytest.mark.long
def test_ten_million_mixed_commands():
    """In pieces, OUTCRY_RISK_PROCESSES (1) at once; OUTCRY_RISK_SECONDS stops it sooner,
    OUTCRY_RISK_EVIDENCE=1 writes docs/evidence/risk_reference.json."""
    limit = int(os.environ.get("OUTCRY_RISK_SECONDS", 0))
    processes = int(os.environ.get("OUTCRY_RISK_PROCESSES", 1))
    started, commands, seed, decisions, entered = time.monotonic(), 0, 100, 0, 0
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        while commands < 10_000_000 and (not limit or time.monotonic() - started < limit):
            seeds = range(seed, seed + 2 * processes)
            for count, decided, waited in pool.map(piece, seeds):
                commands, decisions = commands + count, decisions + decided
                entered += waited
            seed = seeds.stop
    took_s = time.monotonic() - started
    figures = {
        "commands": commands, "differences": 0, "first_seed": 100, "last_seed": seed - 1,
        "protection_decisions": decisions, "entered_from_the_speed_bump": entered,
        "processes": processes, "seconds": round(took_s, 1),
        "commands_per_s": round(commands / took_s),
    }  # fmt: skip
    print(figures)
    if os.environ.get("OUTCRY_RISK_EVIDENCE"):
        given = f"OUTCRY_RISK_SECONDS={limit} OUTCRY_RISK_PROCESSES={processes}"
        command = "make test-long ARGS=tests/risk/test_risk_reference.py"
        write_evidence("risk_reference", figures, f"{given} {command}")


def test_the_state_goes_on_from_a_copy():
    """Snapshot in the middle: bytes copied, engine restored; the second half gives the same."""
    both, again = pair(), pair()
    commands = [one.copy() for one in mixed_commands(3_000, 9)]
    for command in commands[:1_500]:
        both.process(command.copy())
    again.kernels.engine = type(both.kernels.engine).restore(
        both.kernels.engine.snapshot(), order_capacity=5_000
    )
    again.kernels.region[:] = both.kernels.region
    for number, command in enumerate(commands[1_500:]):
        command["seq"] = 1_501 + number
        one, other = both.kernels.process(command), again.kernels.process(command)
        assert one[0] == other[0]
        assert np.array_equal(one[1], other[1])
    assert both.view.digest() == again.view.digest()
    assert bytes(both.kernels.region) == bytes(again.kernels.region)
