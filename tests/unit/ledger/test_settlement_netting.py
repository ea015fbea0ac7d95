"""Settlement dates, obligations and nets: to the unit, against the obvious way."""

from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pytest
from dateutil.easter import easter
from exchange_calendars import get_calendar
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.settlement import netting, tables
from openoutcry.ledger.settlement.cycle import (
    CYCLES,
    cycle_days,
    settlement_date,
)
from openoutcry.ledger.settlement.files import net_rows
from openoutcry.ledger.settlement.netting import gross_units, net
from openoutcry.ledger.settlement.systems import easter_sunday
from openoutcry.ledger.settlement.trades import CLEARING, Trades, obligations, read_trades
from openoutcry.wire.errors import SettlementError

HEADER = "trade_id,trade_date,market,buyer,seller,asset,quantity_units,cash_asset,cash_units\n"
NO_CALENDAR = ("ASEX", "XBSE", "XCYS", "XTAE")
"""Whose calendars the installed exchange-calendars cannot make for some year of a change."""
DAYS = (date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 27))


def trades_of(rows, members=5, assets=4):
    """Trades of (day, buyer, seller, asset, units, cash) with cash in the last asset."""
    columns = np.array(rows, np.int64).reshape(-1, 6).T
    names = tuple(f"m{at}" for at in range(members)), tuple(f"a{at}" for at in range(assets))
    n = columns.shape[1]
    return Trades(*names, DAYS, np.arange(n), *columns[:5], np.full(n, assets - 1), columns[5])


def oracle(trades):
    """Every obligation added up, one after the other, in a dictionary."""
    sums = defaultdict(int)
    for _, day, delivers, receives, asset, units in obligations(trades):
        sums[day, delivers, asset] -= units
        sums[day, receives, asset] += units
    return sums


LARGE = st.integers(1, 2**63 - 1)
TRADES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 4),
        st.integers(1, 4),
        st.integers(0, 2),
        LARGE | st.integers(1, 5),
        LARGE | st.integers(0, 5),
    ).map(lambda row: (row[0], row[1], (row[1] + row[2]) % 5, *row[3:])),
    max_size=30,
)


@given(TRADES, st.sampled_from([0, netting.DENSE_CELLS]))
def test_nets_are_the_sum_of_all_obligations(rows, dense_cells):
    """Also past 2^63, and in a table that holds only the cells there are."""
    trades = trades_of(rows)
    before, netting.DENSE_CELLS = netting.DENSE_CELLS, dense_cells
    try:
        nets = list(net_rows(trades, net(trades)))
    finally:
        netting.DENSE_CELLS = before
    sums = oracle(trades)
    assert all(units == 0 for (_, who, _), units in sums.items() if who == CLEARING)
    expected = {key: units for key, units in sums.items() if units and key[1] != CLEARING}
    assert {row[:3]: row[3] for row in nets} == expected
    assert nets == sorted(nets, key=lambda row: row[:3])
    moved = sum(one[-1] for one in obligations(trades))
    assert gross_units(trades) == moved


def test_a_million_trades_net_to_their_gross_to_the_unit():
    """200 members, 50 assets, one day: each asset's nets sum to 0, each member's are its gross."""
    rng = np.random.default_rng(20)
    n, members, assets = 1_000_000, 200, 50
    buyer = rng.integers(0, members, n)
    seller = (buyer + rng.integers(1, members, n)) % members
    asset, cash = rng.integers(0, 45, n), rng.integers(45, assets, n)
    units, paid = rng.integers(1, 2**40, n), rng.integers(1, 2**62, n)
    names = tuple(map(str, range(members))), tuple(map(str, range(assets)))
    trades = Trades(
        *names,
        DAYS[:1],
        np.arange(n),
        np.zeros(n, np.int64),
        buyer,
        seller,
        asset,
        units,
        cash,
        paid,
    )
    nets = net(trades)
    table = np.zeros((members, assets), object)
    table[nets.member, nets.asset] = nets.units
    assert not table.sum(axis=0).any()
    low, high = paid & 0xFFFF_FFFF, paid >> 32
    for member in (0, 77, 199):
        for kind in (45, 49):
            sums = [
                (
                    int(half[(seller == member) & (cash == kind)].sum())
                    - int(half[(buyer == member) & (cash == kind)].sum())
                )
                for half in (low, high)
            ]
            assert table[member, kind] == sums[0] + (sums[1] << 32)
        bought = int(units[(buyer == member) & (asset == 3)].sum())
        assert table[member, 3] == bought - int(units[(seller == member) & (asset == 3)].sum())


@pytest.mark.parametrize(
    ("market", "trade_date", "days", "due"),
    [
        ("XNYS", date(2017, 9, 1), 3, date(2017, 9, 7)),
        ("XNYS", date(2017, 9, 5), 2, date(2017, 9, 7)),
        ("XNYS", date(2024, 5, 24), 2, date(2024, 5, 29)),
        ("XNYS", date(2024, 5, 28), 1, date(2024, 5, 29)),
        ("XNYS", date(2026, 11, 25), 1, date(2026, 11, 27)),
        ("XTSE", date(2024, 5, 24), 2, date(2024, 5, 28)),
        ("XTSE", date(2024, 5, 27), 1, date(2024, 5, 28)),
        ("XLON", date(2027, 10, 8), 2, date(2027, 10, 12)),
        ("XETR", date(2027, 10, 11), 1, date(2027, 10, 12)),
        ("XSWX", date(2027, 10, 11), 1, date(2027, 10, 12)),
        ("XTKS", date(2026, 12, 30), 2, date(2027, 1, 5)),
        ("24/7", date(2026, 12, 25), 0, date(2026, 12, 25)),
        ("XLON", date(2026, 12, 25), 2, date(2026, 12, 31)),
        # No session: the cycle is that of the session that the trade counts for.
        ("XNYS", date(2024, 5, 27), 1, date(2024, 5, 29)),
        ("XNYS", date(2017, 9, 4), 2, date(2017, 9, 7)),
        ("XTSE", date(2024, 5, 26), 1, date(2024, 5, 28)),
        ("XLON", date(2027, 10, 9), 1, date(2027, 10, 12)),
        # Sources of each are in docs/settlement.md.
        ("XBOM", date(2023, 1, 25), 2, date(2023, 1, 30)),
        ("XBOM", date(2023, 1, 26), 1, date(2023, 1, 30)),
        ("XBOM", date(2026, 3, 4), 1, date(2026, 3, 5)),
        ("XBUE", date(2024, 5, 27), 1, date(2024, 5, 28)),
        ("XJSE", date(2016, 7, 11), 3, date(2016, 7, 14)),
        ("XTKS", date(2019, 7, 12), 3, date(2019, 7, 18)),
        ("XTKS", date(2019, 7, 16), 2, date(2019, 7, 18)),
        ("XLON", date(2014, 10, 3), 3, date(2014, 10, 8)),
        ("XLON", date(2014, 10, 6), 2, date(2014, 10, 8)),
    ],
)
def test_a_trade_is_due_by_market_and_date(market, trade_date, days, due):
    """Over holidays, over the days on which cycles change, over the end of a year."""
    assert cycle_days(market, trade_date) == days
    assert settlement_date(market, trade_date) == due


@pytest.mark.parametrize(
    "market",
    [
        market
        if market in ("XNYS", "XLON", "XTSE", "XTKS")
        else pytest.param(market, marks=pytest.mark.long)
        for market, changes in CYCLES.items()
        if len(changes) > 1
    ],
)
def test_a_trade_of_a_day_off_before_a_change_is_due_as_those_of_the_session_after(market):
    """All days off in the fortnight before each change of a cycle, in every market of the table
    whose calendar reaches so far."""
    for begin, _ in CYCLES[market][1:]:
        try:
            settlement_date(market, begin)
        except SettlementError:
            assert market in NO_CALENDAR
            continue
        sessions = [
            day.date()
            for day in get_calendar(
                market, start=str(begin - timedelta(20)), end=str(begin + timedelta(9))
            ).sessions
        ]
        for back in range(1, 15):
            day = begin - timedelta(days=back)
            first = min(one for one in sessions if one >= day)
            assert cycle_days(market, day) == cycle_days(market, first)
            assert settlement_date(market, day) == settlement_date(market, first)


@pytest.mark.parametrize(
    ("market", "trade_date", "due"),
    [
        # T2S settles on 24 and 31 December, on which Frankfurt and Milan do not trade.
        ("XETR", date(2024, 12, 30), date(2025, 1, 2)),
        ("XETR", date(2024, 12, 20), date(2024, 12, 24)),
        ("XMIL", date(2024, 12, 30), date(2025, 1, 2)),
        ("XETR", date(2016, 12, 29), date(2017, 1, 2)),
        ("XHEL", date(2024, 12, 5), date(2024, 12, 9)),
        # Good Friday, Easter Monday, 1 May.
        ("XPAR", date(2026, 4, 1), date(2026, 4, 7)),
        ("XWBO", date(2026, 4, 29), date(2026, 5, 4)),
        # Columbus Day, Veterans Day; on a Sunday banks close on the Monday, on a Saturday not.
        ("XNYS", date(2026, 10, 9), date(2026, 10, 13)),
        ("XNYS", date(2026, 10, 12), date(2026, 10, 13)),
        ("XNYS", date(2024, 11, 8), date(2024, 11, 12)),
        ("XNYS", date(2024, 11, 11), date(2024, 11, 12)),
        ("XNYS", date(2018, 11, 8), date(2018, 11, 13)),
        ("XNYS", date(2023, 11, 9), date(2023, 11, 13)),
    ],
)
def test_settlement_has_a_separate_calendar(market, trade_date, due):
    assert settlement_date(market, trade_date) == due


def test_veterans_day_is_as_nasd_s_notice_88_82_has_it():
    """T+5 in November 1988: trade days and the days on which they were due."""
    notice = {
        3: 10,
        4: 14,
        7: 15,
        8: 16,
        9: 17,
        10: 18,
        11: 18,
        14: 21,
        15: 22,
        16: 23,
        17: 25,
        18: 28,
        21: 29,
        22: 30,
    }
    for day, due in notice.items():
        assert settlement_date("XNYS", date(1988, 11, day), 5) == date(1988, 11, due)


def test_easter_is_that_of_dateutil():
    for year in range(1990, 2100):
        assert easter_sunday(year) == easter(year)


def test_days_can_be_given_and_holidays_added_or_taken_out():
    columbus = frozenset([date(2026, 10, 12)])
    assert settlement_date("XNYS", date(2026, 10, 9), None, (), columbus) == date(2026, 10, 12)
    assert settlement_date("XNYS", date(2026, 10, 9), None, columbus, columbus) == date(
        2026, 10, 13
    )
    saturday = frozenset([date(2026, 10, 10)])
    assert settlement_date("XLON", date(2026, 10, 9), None, (), saturday) == date(2026, 10, 12)
    assert settlement_date("XNYS", date(2026, 10, 9), 0) == date(2026, 10, 9)
    assert settlement_date("XNYS", date(2026, 10, 12), 0) == date(2026, 10, 13)
    for market, day, days in (
        ("NOWHERE", DAYS[0], None),
        ("XHKG", date(1930, 1, 2), None),
        ("XNYS", DAYS[0], 31),
        ("24/7", date.max, None),
    ):
        with pytest.raises(SettlementError):
            settlement_date(market, day, days)


@pytest.mark.parametrize(("day", "due"), [(5, 8), (6, 12), (7, 13), (8, 14), (11, 14), (12, 15)])
def test_a_trade_of_a_bank_holiday_is_due_with_those_of_the_session_before(day, due):
    """T+3 in October 1999, as NASD's Notice to Members 99-83 has it: the 11th is Columbus Day."""
    closed = frozenset([date(1999, 10, 11)])
    assert settlement_date("XNYS", date(1999, 10, day), 3, closed) == date(1999, 10, due)


def test_a_file_of_trades_becomes_obligations(tmp_path):
    path = tmp_path / "trades.csv"
    path.write_text(
        HEADER + "7,2026-11-25,XNYS,ann,bob,ACME,10,USD,500\n"
        "8,2026-11-25,24/7,bob,ann,COIN,1,USD,0\n"
    )
    assert list(obligations(read_trades(path))) == [
        (7, date(2026, 11, 27), "bob", CLEARING, "ACME", 10),
        (7, date(2026, 11, 27), CLEARING, "ann", "ACME", 10),
        (7, date(2026, 11, 27), "ann", CLEARING, "USD", 500),
        (7, date(2026, 11, 27), CLEARING, "bob", "USD", 500),
        (8, date(2026, 11, 25), "ann", CLEARING, "COIN", 1),
        (8, date(2026, 11, 25), CLEARING, "bob", "COIN", 1),
    ]
    path.write_text(HEADER)
    assert net(read_trades(path)).units == []
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + GOOD).replace("\n", "\r\n").encode())
    assert len(read_trades(path)) == 1  # as a spreadsheet writes it


def test_a_file_is_not_written_where_none_can_be(tmp_path):
    with pytest.raises(SettlementError, match=r"nowhere/nets.csv: No such file"):
        tables.write(tmp_path / "nowhere" / "nets.csv", ["a"], [])
    with pytest.raises(SettlementError, match="it is a folder"):
        tables.write_all([(tmp_path / "one.csv", ["a"], []), (tmp_path, ["a"], [])])
    assert list(tmp_path.iterdir()) == []


GOOD = "7,2026-11-25,XNYS,ann,bob,ACME,10,USD,500\n"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "row 1 must be trade_id,"),
        ("trade_id\n", "row 1 must be trade_id,"),
        (HEADER + "7,2026-11-25\n", "row 2: 2 fields, but 9 are expected"),
        (HEADER + GOOD + GOOD, "row 3, trade_id: 7 occurs twice"),
        (HEADER + GOOD.replace("7,", "x,", 1), "row 2, trade_id: 'x' is not a whole number"),
        (HEADER + GOOD.replace("11-25", "11-31"), "row 2, trade_date: '2026-11-31' is not a day"),
        (HEADER + GOOD.replace("XNYS", "MOON"), "row 2, market: 'MOON' is not a market"),
        (HEADER + GOOD.replace("ann", ""), "row 2, buyer: '' is not a name"),
        (HEADER + GOOD.replace("ann", "bob"), "row 2, seller: bob trades with itself"),
        (HEADER + GOOD.replace("ann", CLEARING), "row 2, buyer: clearing is not a member"),
        (HEADER + GOOD.replace("USD", "ACME"), "row 2, cash_asset: ACME is paid with itself"),
        (HEADER + GOOD.replace(",10,", ",0,"), "row 2, quantity_units: 0 is not positive"),
        (HEADER + GOOD.replace(",10,", ",1.5,"), "row 2, quantity_units: '1.5' is not a whole"),
        (HEADER + GOOD.replace(",500", ",-1"), "row 2, cash_units: -1 is negative"),
        (HEADER + GOOD.replace(",500", ",9223372036854775808"), "row 2, cash_units"),
        (HEADER + '7,"2026\n', "row 2: "),
    ],
)
def test_what_is_wrong_in_a_file_is_named_by_row_and_field(text, word, tmp_path):
    path = tmp_path / "trades.csv"
    path.write_text(text)
    with pytest.raises(SettlementError) as caught:
        read_trades(path)
    assert f"{path}: {word}" in str(caught.value)
