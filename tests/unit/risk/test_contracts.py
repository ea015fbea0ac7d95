"""Contracts in the core: the kernels are the plain reference in every word, no unit is made or lost
by any command, no solvent participant is liquidated, and no deficit is dropped."""

from itertools import pairwise

import numpy as np
import pytest

from openoutcry.derivatives import contracts as plain
from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RiskBit, Setting
from openoutcry.risk.contract_layout import CALL, FUTURE, PERPETUAL, PUT, RATE_UNIT, SETTLED
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.risk.words import refusal_text
from openoutcry.wire.enums import CommandKind, Side
from tests import ROOT
from tests.oracles.margin_page import Page
from tests.support.margin_keys import PAGE as MARGIN_PAGE
from tests.support.risk.contract_page import ALL, EXAMPLES, TABLES, ContractMarket
from tests.support.risk.contracts import (
    CONTRACTS,
    EXPIRY_NS,
    LEVERAGED,
    MULTIPLIERS,
    ConservedPair,
    contract_instruments,
    contract_pair,
    funded,
    run_contracts,
)
from tests.support.risk.risk_core import PARTICIPANTS, bits
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_reference import operator_command

MARGIN_EXAMPLE = (ROOT / "docs" / "margin-example.toml").read_text()


@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_reference_are_the_same_after_every_command(seed):
    """Every word of the state, with other instruments next to contracts."""
    both = funded(contract_pair())
    run_contracts(both, seed, 250)
    plain_rows = both.reference.contracts.rows.values()
    assert {one.settled for one in plain_rows if one.expiry} == {True}
    assert {int(v >> 8 == 1 << RiskBit.EXPIRED) for v in both.verdicts} <= {0, 1}


@pytest.mark.parametrize("seed", range(10, 13))
def test_no_unit_is_made_or_lost_by_any_command(seed):
    both = funded(ConservedPair(), 3 * 10**7)
    run_contracts(both, seed, 250)
    assert both.paid_in > 0
    both.check()


def test_a_snapshot_continues_with_the_same_contracts():
    """Restored from bytes at any point, also between the exercises of an expiry, the core gives the
    same events and state; its hash has the contracts."""
    table = contract_instruments()
    settings = {
        "participants": PARTICIPANTS,
        "order_capacity": 5_000,
        "multipliers": MULTIPLIERS,
        "leveraged": LEVERAGED,
        "contracts": [[index, *terms] for index, terms in CONTRACTS.items()],
    }
    hooks = risk_hooks(settings, table)
    one = Engine(table, 5_000, hooks=hooks)
    symbol = bytes(table["symbol"][0])
    commands = [row.copy() for row in mixed_commands(600, 5)]
    for number in range(100, 600, 50):
        commands.insert(number, setting(Setting.CONTRACT_MARK, 100_000 + number, 0, symbol))
        commands.insert(number, setting(Setting.CONTRACT_FUNDING, number, 0, symbol, number))
    for ns in (EXPIRY_NS, EXPIRY_NS + 1, EXPIRY_NS + 2):
        commands.append(operator_command(CommandKind.TIME, aux=ns))
        for index in CONTRACTS:
            at = bytes(table["symbol"][index])
            commands.append(operator_command(CommandKind.MASS_CANCEL, symbol=at, aux=1))
            commands.append(setting(Setting.CONTRACT_EXPIRE, 120_000, 0, at))
    orders = np.concatenate(commands)
    orders["seq"] = np.arange(1, len(orders) + 1)
    one.process(orders[:300])
    others = []
    for begin, end in pairwise([300, 500, *range(len(orders) - 36, len(orders) + 1, 9)]):
        others.append(Engine.restore(one.snapshot(), 5_000, hooks=hooks))
        told = one.process(orders[begin:end])
        for other in others:
            assert np.array_equal(told, other.process(orders[begin:end]))
            assert one.state_hash() == other.state_hash()
    before, contracts = one.state_hash(), View(one.region).contracts
    ended = [contracts.of(index, "state") for index, terms in CONTRACTS.items() if terms[3]]
    assert ended == [SETTLED] * 4
    assert contracts.of(0, "marks") == 10
    assert contracts.of(0, "period") == 550
    contracts.rows[0, -1] += 1
    assert one.state_hash() != before


def test_a_state_without_contracts_is_what_it_was():
    table = instruments()
    given = {"multipliers": [1] * 8, "leveraged": (4,)}
    region = make_region(table, 9, **given)
    assert np.array_equal(region, make_region(table, 9, contracts={}, **given))
    assert View(region).contracts is None
    assert not View(region).instruments[:, lay.CONTRACT_AT // 8].any()


def test_amounts_are_those_of_the_plain_contracts():
    """For each kind of contract: marks, funding and final payments, by derivatives/contracts.py."""
    rng = np.random.default_rng(56)
    kinds = {FUTURE: "future", PERPETUAL: "perpetual", CALL: "call", PUT: "put"}
    for index, (kind, inverse, multiplier, expiry, strike, units, _) in CONTRACTS.items():
        assert kinds[kind] in plain.KINDS
        contract = plain.Contract(
            "X", "I", kind, "USD", multiplier, bool(inverse), expiry, strike, units
        )
        both = contract_pair()
        symbol, at = both.reference.instruments[index].symbol, 100_000
        both.kernels.view.cells[1, index, 0] = 7
        both.kernels.view.cells[2, index, 0] = -7
        carry, balance = 0, 0
        for period in range(1, 30):
            price = int(rng.integers(1, 200_000))
            assert send(both, Setting.CONTRACT_MARK, price, symbol)
            balance += 0 if contract.is_option else plain.variation(contract, 7, at, price)
            at = price
            if kind == PERPETUAL:
                rate = int(rng.integers(-RATE_UNIT // 100, RATE_UNIT // 100))
                assert send(both, Setting.CONTRACT_FUNDING, rate, symbol, period)
                due, carry = plain.funding(contract, at, rate, carry)
                balance -= 7 * due
            assert both.view.of(1, lay.BALANCE) == balance == -both.view.of(2, lay.BALANCE)
        if expiry:
            time = operator_command(CommandKind.TIME, aux=expiry)
            both.kernels.process(time)
            price = int(rng.integers(1, 200_000))
            assert send(both, Setting.CONTRACT_EXPIRE, price, symbol)
            balance += 7 * plain.settlement(contract, at, price)
            assert both.view.of(1, lay.BALANCE) == balance == -both.view.of(2, lay.BALANCE)
            assert both.view.cell(1, index, lay.POSITION) == 0


def send(both, what, value, symbol, second=0, who=0):
    """Whether the kernels did it, without the reference."""
    return both.kernels.process(setting(what, value, who, symbol, second))[0] == 1 << 8


@pytest.mark.parametrize(("tables", "example"), ALL)
def test_an_example_of_the_page(tables, example, tmp_path):
    ContractMarket(tmp_path, tables).run(example)


def test_a_liquidation_pays_the_fund_a_fee_but_no_more_than_is_owned(tmp_path):
    """1.37 % of what each fill closes out, upwards; a participant with less pays what it has."""
    tables = TABLES.replace("[liquidation]", "[liquidation]\nfee_bps = 137")
    assert tables != TABLES
    # 6 of 10 lots at 4,603 are worth 276,180, and 4 at 4,605 are 184,200: 3,784 and 2,524.
    for number, (deposit, paid) in enumerate(((60_000, 6_308), (41_000, 1_380))):
        (tmp_path / str(number)).mkdir()
        market = ContractMarket(tmp_path / str(number), tables)
        market.run(f"""
DEPOSIT 60000 p1
DEPOSIT 200000 p2
DEPOSIT 200000 p3
DEPOSIT 1000 p9
NEW SELL 10@5000 OIL-Z p2 -> passes
NEW BUY 10@5000 OIL-Z p1 -> passes
DEPOSIT {deposit - 60_000} p1
MARK 4605 OIL-Z
DISCONNECT p1
NEXT p1 -> nothing
NEW BUY 4@4605 OIL-Z p3 -> passes
NEW BUY 6@4603 OIL-Z p3 -> passes
PART SELL 10@4603 OIL-Z p1 -> passes
PART SELL 1@4603 OIL-Z p1 -> makes no sense
NEXT p1 -> participant 1 pays the insurance fund {paid} for its liquidation
NEXT p1 -> nothing
BALANCE p1 -> {deposit - 39_500 - 120 - paid}
BALANCE p9 -> {1_000 + paid}
KILLED p9 -> no
""")
        page = Page(MARGIN_PAGE.read_text(), MARGIN_EXAMPLE)
        contract = {"kind": "future", "multiplier": 10}
        fills = [(contract, 4, 4_605), (contract, 6, 4_603)]
        assert page.liquidation_fee({"fee_bps": 137}, fills, deposit - 39_620) == paid
        block = market.contracts
        assert [block.word(name) for name in ("fees", "fee_due")] == [paid, 0]


def test_an_isolated_account_loses_what_it_has_and_no_other_of_its_owner_is_asked(tmp_path):
    """docs/margin.md: participant 1 is the owner's main account, 3 an isolated one."""
    market = ContractMarket(tmp_path, TABLES)
    market.run("""
DEPOSIT 500000 p1
DEPOSIT 60000 p3
DEPOSIT 500000 p2
DEPOSIT 1000000 p9
NEW SELL 10@5000 OIL-Z p2 -> passes
NEW BUY 10@5000 OIL-Z p3 -> passes
NEW SELL 2@200000 GOLD-P p2 -> passes
NEW BUY 2@200000 GOLD-P p1 -> passes
NEW BUY 1@190000 GOLD-P p1 -> passes
MARK 4100 OIL-Z
KILLED p3 -> yes
KILLED p1 -> no
DISCONNECT p3
NEW BUY 10@4100 OIL-Z p2 -> passes
PART SELL 10@4100 OIL-Z p3 -> passes
NEXT p3 -> the insurance fund pays 30000 of participant 3's deficit of 30000
NEXT p3 -> nothing
BALANCE p3 -> 0
BALANCE p9 -> 970000
BALANCE p1 -> 500000
POSITION p1 GOLD-P -> 2
KILLED p1 -> no
""")
    assert market.of(1, lay.OPEN) == 1, "its orders stay"


def test_the_page_has_an_example_of_each_command():
    text = "".join(EXAMPLES)
    for word in ("MARK", "SETTLE", "FUNDING", "EXPIRE", "PAUSE", "PART", "NEXT"):
        assert f"{word} " in text, word


def test_past_the_expiry_orders_are_refused_by_a_word_of_their_own():
    both = contract_pair()
    symbol = both.reference.instruments[3].symbol
    both.process(operator_command(CommandKind.TIME, aux=EXPIRY_NS - 1))
    order = operator_command(
        CommandKind.NEW,
        participant=1,
        symbol=symbol,
        side=Side.BUY,
        qty_lots=100,
        price_ticks=100_000,
        order_id=1,
        order_type=1,
        time_in_force=1,
    )
    assert both.process(order.copy())[0] == 0
    both.process(operator_command(CommandKind.TIME, aux=EXPIRY_NS))
    replace = order.copy()
    replace["kind"] = CommandKind.REPLACE
    for late in (order, replace):
        verdict, events = both.process(late.copy())
        assert bits(verdict) == ["EXPIRED"]
        row = events[0]
        figures = [int(row[name]) for name in ("price_ticks", "leaves_lots", "qty_lots")]
        assert refusal_text(int(row["contra_id"]), *figures) == "EXPIRED"
    assert both.process(setting(Setting.CONTRACT_EXPIRE, 100_000, 0, symbol))[0] == 0
    assert both.process(
        operator_command(CommandKind.CANCEL, participant=1, symbol=symbol, order_id=1)
    )
    assert both.process(setting(Setting.CONTRACT_EXPIRE, 100_000, 0, symbol))[0] == 1 << 8
    assert both.process(setting(Setting.CONTRACT_MARK, 100_000, 0, symbol))[0] == 0


@pytest.mark.parametrize(
    ("terms", "more", "says"),
    [
        ((9, 0, 5, 1, 0, 0, 0), {}, "kind 9"),
        ((FUTURE, 0, 5, 0, 0, 0, 0), {}, "has no expiry"),
        ((PERPETUAL, 0, 5, 1, 0, 0, 0), {}, "has no expiry"),
        ((PERPETUAL, 0, 4, 0, 0, 0, 0), {}, "that of its instrument"),
        ((PERPETUAL, 1, 5, 0, 0, 0, 0), {}, "count lots times ticks"),
        ((PERPETUAL, 0, 5, 0, 0, 0, 10_001), {}, "margin_bps"),
        ((PERPETUAL, 0, 5, 0, 7, 1, 0), {}, "an option has a strike"),
        ((CALL, 0, 5, 1, 7, 1, 0), {}, "options and spot are not"),
        ((PERPETUAL, 0, 5, 0, 0, 0, 0), {"leveraged": ()}, "are leveraged"),
        ((PERPETUAL, 0, 5, 0, 0, 0, 0), {"fund": 9}, "the insurance fund"),
    ],
)
def test_a_contract_that_cannot_be_is_refused_by_name(terms, more, says):
    given = {"multipliers": MULTIPLIERS, "leveraged": LEVERAGED, "contracts": {0: terms}}
    with pytest.raises(RiskError, match=says):
        make_region(contract_instruments(), 9, **given | more)
