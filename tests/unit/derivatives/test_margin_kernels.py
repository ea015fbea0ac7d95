"""The kernels give the reference's numbers, and a check's answer is the exact one."""

from random import Random

import pytest

from openoutcry.derivatives.margin import (
    MAX_TIERS,
    SCENARIOS,
    CommodityMargin,
    CommodityRisk,
    ContractRisk,
    Margin,
    Parameters,
    Refused,
    SpreadCharge,
    worst_margin,
)
from openoutcry.derivatives.margin_kernels import (
    ACCEPTED,
    REFUSED,
    TOO_LITTLE,
    add_order,
    add_position,
    bound_with,
    check_order,
)
from openoutcry.derivatives.margin_kernels import worst_margin as worst_margin_kernel
from openoutcry.derivatives.margin_layout import (
    MarginWork,
    Totals,
    rows_of,
    table_of,
    work_of,
)
from tests.support.portfolios import random_parameters, random_portfolio


def margin_in(work):
    """The results in a portfolio's work, as the reference gives them."""
    head = MarginWork(work.ctypes.data)
    parts = []
    for number in range(head.commodities):
        row = Totals(work.ctypes.data + head.totals_at + number * Totals.size_bytes)
        parts.append(
            CommodityMargin(
                losses=[row.sums[s] + row.worst[s] for s in range(SCENARIOS)],
                scan=row.scan,
                active=row.active,
                tiers=[row.tiers[tier] for tier in range(MAX_TIERS)],
                net_delta=row.net_delta,
                hedge_delta=row.hedge_delta,
                intra=row.intra,
                price_risk=row.price_risk,
                credit=row.credit,
                short_minimum=row.shorts,
                addon=row.addon,
                maintenance=row.maintenance,
                initial=row.initial,
            )
        )
    return Margin(parts, head.maintenance, head.initial)


def by_kernel(parameters, positions, orders, table=None, work=None):
    table = table_of(parameters) if table is None else table
    work = work_of(parameters) if work is None else work
    rows, opened = rows_of(positions), rows_of(orders)
    initial = worst_margin_kernel(
        table.ctypes.data,
        rows.ctypes.data,
        len(positions),
        opened.ctypes.data,
        len(orders),
        work.ctypes.data,
    )
    return REFUSED if initial == REFUSED else margin_in(work)


def by_reference(parameters, positions, orders):
    try:
        return worst_margin(parameters, positions, orders)
    except Refused:
        return REFUSED


@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_gives_the_reference_s_numbers(seed):
    """Every field of every commodity, with and without open orders, also where it is refused."""
    rng, refused = Random(seed), 0
    for _ in range(40):
        parameters = random_parameters(rng)
        table, work = table_of(parameters), work_of(parameters)
        for _ in range(8):
            positions, orders = random_portfolio(rng, parameters)
            theirs = by_reference(parameters, positions, orders)
            assert by_kernel(parameters, positions, orders, table, work) == theirs
            refused += theirs == REFUSED
    assert 0 < refused < 160


@pytest.mark.parametrize("seed", range(3))
def test_a_check_is_the_exact_one_whatever_the_path(seed):
    """A portfolio that is followed order by order: the bound is never below the exact margin, and
    the check answers as the reference would."""
    rng, paths = Random(seed), set()
    for _ in range(25):
        parameters = random_parameters(rng)
        table, work = table_of(parameters), work_of(parameters)
        positions, orders = random_portfolio(rng, parameters)
        if by_reference(parameters, positions, orders) == REFUSED:
            continue
        for contract, lots in positions.items():
            add_position(table.ctypes.data, work.ctypes.data, contract, 0, lots)
        for contract, lots in orders:
            add_order(table.ctypes.data, work.ctypes.data, contract, lots, 1)
        for _ in range(6):
            contract = rng.randrange(len(parameters.contracts))
            lots = rng.choice([-1, 1]) * rng.randint(1, 50)
            exact = by_reference(parameters, positions, [*orders, (contract, lots)])
            limit = 10**12 if exact == REFUSED else exact.initial
            bound = bound_with(table.ctypes.data, work.ctypes.data, contract, lots)
            for available in (limit - 1, limit, limit + 1, bound - 1, bound, 0):
                answer = check_order(table.ctypes.data, work.ctypes.data, contract, lots, available)
                if exact == REFUSED:
                    assert answer == REFUSED
                    continue
                assert bound >= exact.initial
                assert answer == (ACCEPTED if exact.initial <= available else TOO_LITTLE)
                paths.add((answer, bound <= available))
    assert {(ACCEPTED, True), (TOO_LITTLE, False)} <= paths


def test_what_the_bound_refuses_the_exact_path_may_accept():
    """The bound takes the dearest spread charge for all delta that can be opposite, and knows no
    credits; here the two months of the order have a cheap one."""
    spreads = SpreadCharge((0, 1), 10), SpreadCharge((0, 2), 1_000)
    rows = tuple(ContractRisk(0, tier, (0,) * 16, 1_000_000) for tier in range(3))
    parameters = Parameters(rows, (CommodityRisk(spreads),))
    table, work = table_of(parameters), work_of(parameters)
    add_position(table.ctypes.data, work.ctypes.data, 0, 0, 5)
    before = work.copy()

    def check(lots, available):
        return check_order(table.ctypes.data, work.ctypes.data, 1, lots, available)

    assert bound_with(table.ctypes.data, work.ctypes.data, 1, -5) > 5_000
    assert (check(-5, 49), check(-5, 50)) == (TOO_LITTLE, ACCEPTED)
    assert check(-5, 6_000) == ACCEPTED
    assert check(-parameters.contracts[1].most_lots - 1, 2**61) == REFUSED
    head = MarginWork.size_bytes // 8
    for number in (*range(2, head), *range(head + Totals.size_bytes // 8, len(work))):
        assert work[number] == before[number], "a check leaves nothing behind"


@pytest.mark.parametrize("seed", range(2))
def test_work_that_is_kept_is_that_of_the_same_portfolio_made_again(seed):
    """Fills, cancels and partial fills taken away and added leave nothing behind."""
    rng = Random(seed)
    parameters = random_parameters(rng, 3, 9)
    table, kept = table_of(parameters), work_of(parameters)
    positions, orders = {}, []
    for _ in range(300):
        contract = rng.randrange(len(parameters.contracts))
        if orders and rng.random() < 0.5:
            place = rng.randrange(len(orders))
            contract, lots = orders.pop(place)
            add_order(table.ctypes.data, kept.ctypes.data, contract, lots, -1)
            filled = rng.choice([0, lots, lots // 2])
            before = positions.get(contract, 0)
            positions[contract] = before + filled
            add_position(table.ctypes.data, kept.ctypes.data, contract, before, positions[contract])
            if filled not in (0, lots):
                orders.append((contract, lots - filled))
                add_order(table.ctypes.data, kept.ctypes.data, contract, lots - filled, 1)
        else:
            orders.append((contract, rng.randint(-9, 9) or 1))
            add_order(table.ctypes.data, kept.ctypes.data, *orders[-1], 1)
    made = work_of(parameters)
    for contract, lots in positions.items():
        add_position(table.ctypes.data, made.ctypes.data, contract, 0, lots)
    for contract, lots in orders:
        add_order(table.ctypes.data, made.ctypes.data, contract, lots, 1)
    assert (made == kept).all()
