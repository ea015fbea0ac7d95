"""Commands that the ledger goes by: what the core lets through, and what then changes."""

import numpy as np

from openoutcry.ledger import layout as lay
from openoutcry.risk.before import APPLIED, before
from openoutcry.risk.bits import LEDGER_SETTINGS, Setting
from openoutcry.risk.region import View, make_region, setting
from openoutcry.venue.fee_tables import MoneySpec, deposit
from tests.oracles.ledger_trades import booked, trade_on
from tests.oracles.risk.reference import Reference
from tests.support.ledger import ledger_flow as flow

EDGES = [
    0,
    1,
    -1,
    15,
    16,
    255,
    256,
    4_095,
    4_096,
    18,
    19,
    10**6,
    -(10**6),
    10**6 + 1,
    1 << 32,
    (10**6 + 1) << 32,
    2**62,
    2**62 + 1,
    2**63 - 1,
    -(2**63),
    65_535,
    65_536,
]


def named(text):
    return int(np.array([text.encode()], "S8").view(np.int64)[0])


def test_the_core_lets_through_what_its_reference_does_and_changes_nothing():
    rng, region = np.random.default_rng(5), make_region(flow.TABLE, 9)
    reference, was, taken = Reference(flow.TABLE, 9), View(region).digest(), 0
    for _ in range(4_000):
        what = Setting(int(rng.choice([int(s) for s in LEDGER_SETTINGS])))
        value, who, second = (int(rng.choice(EDGES)) for _ in range(3))
        symbol = bytes(rng.choice([b"", b"PLAIN", b"USD"]))
        record = setting(what, value, who, symbol, second)
        verdict = before(region.ctypes.data, record.ctypes.data)
        assert verdict == reference.before(record[0]), record
        taken += verdict == APPLIED
    assert 400 < taken < 3_600
    assert View(region).digest() == was


def test_money_and_quotes_are_declared_and_contradictions_are_remarked():
    usd, eur = (
        setting(Setting.LEDGER_ASSET, 2, 0, b"USD"),
        setting(Setting.LEDGER_ASSET, 3, 0, b"EUR"),
    )
    quoted = [
        setting(Setting.LEDGER_QUOTE, 3, 0, b"PLAIN", named("EUR")),
        setting(Setting.LEDGER_QUOTE, 2, 0, b"DAY", named("EUR")),
        setting(Setting.LEDGER_QUOTE, 2, 0, b"DAY", named("GBP")),
    ]
    again = setting(Setting.LEDGER_ASSET, 4, 0, b"USD")
    deposit = setting(Setting.DEPOSIT, 500, 3, b"EUR")
    books, rows = booked(flow.config(), [usd, eur, *quoted, again, deposit])
    assert books.monies == [("USD", 2), ("EUR", 3)]
    assert [remark.text for remark in books.remarks] == [
        "LEDGER_QUOTE: scale mismatch: amounts of DAY have 2 decimals, EUR has 3",
        "LEDGER_QUOTE: DAY: there is no money 'GBP'; there are: USD, EUR",
        "LEDGER_ASSET: scale mismatch: USD has 2 decimals, not 4",
    ]
    assert [remark.event_seq for remark in books.remarks] == [4, 5, 6]
    assert books.instruments[0, lay.QUOTE // 8] == 1
    assert rows["asset"].tolist() == [1]
    assert books.balance(4, 1, 0) == 500


def test_a_deposit_in_money_that_is_invalid_is_in_suspense():
    usd = setting(Setting.LEDGER_ASSET, 2, 0, b"USD")
    lost = setting(Setting.DEPOSIT, 500, 3, b"CHF")
    books, rows = booked(flow.config(), [usd, lost])
    assert books.remarks == [
        (
            2,
            "DEPOSIT of 500 to participant 3: there is no money 'CHF'; "
            "there are: USD; it is booked in USD against suspense",
            3,
        )
    ]
    assert (rows["available"].tolist(), rows["suspense"].tolist()) == ([500], [-500])


def test_money_is_named_by_a_number_where_a_gateway_knows_instruments_alone():
    spec = MoneySpec({"USD": 2, "EUR": 2}, {"PLAIN": "EUR"})
    moves = [deposit(3, 500, "EUR", 2, 0), deposit(3, 70, "", 1, 0), deposit(3, 9, "CHF", 0, 0)]
    assert not any(one["symbol"][0] for one in [*spec.records(False)[:2], *moves])
    books, rows = booked(flow.config(), [*spec.records(False), *moves])
    assert books.monies == [("USD", 2), ("EUR", 2)]
    assert [remark.text for remark in books.remarks] == [
        "DEPOSIT of 9 to participant 3: there is no money 'CHF'; there are: USD, EUR; it is "
        "booked in USD against suspense"
    ]
    assert rows["asset"].tolist() == [1, 0, 0]
    columns = ("clearing", "fees_due", "suspense")
    assert [[int(row[name]) for name in columns] for row in rows] == [
        [-500, 0, 0],
        [0, -70, 0],
        [0, 0, -9],
    ]


def test_fees_of_all_without_a_schedule_apply_to_no_one_and_a_tier_without_begin_is_unused():
    """What a venue file begins with: nothing that was said of fees before counts."""
    never = 2**63 - 1
    commands = [
        setting(Setting.LEDGER_TIER, flow.rates(0, 10_000), 0),
        setting(Setting.LEDGER_FEES, 0, 1),
        setting(Setting.LEDGER_FEES, 0, -1),
        setting(Setting.LEDGER_FEES, 0, 1, b"PLAIN"),
        setting(Setting.LEDGER_FEES, 0, -1, b"PLAIN"),
    ]
    clear = setting(Setting.LEDGER_FEES, -1, -1)
    trades = [trade_on(1, number, 10, 100) for number in (1, 3, 5)]
    again = [
        setting(Setting.LEDGER_FEES, 0, 1),
        setting(Setting.LEDGER_TIER, flow.rates(0, 10_000), 0, b"", never),
    ]
    _, rows = booked(flow.config(), [*commands, *trades[0], clear, *trades[1], *again, *trades[2]])
    due = rows["fees_due"][(rows["kind"] == lay.Kind.POSTED) & (rows["participant"] == 1)]
    assert due.tolist() == [-10, 0, 0]


def test_a_tier_counts_from_thirty_days_of_volume_on():
    """100 lots at 10 on day 1 are 1,000; they count from day 2 to day 31."""
    commands = [
        setting(Setting.LEDGER_TIER, flow.rates(0, 10_000), 0),
        setting(Setting.LEDGER_TIER, flow.rates(0, 1_000), 1, b"", 1_000),
        setting(Setting.LEDGER_FEES, 0, 1),
    ]
    days = (1, 1, 2, 31, 61, 62, 63)
    for number, day in enumerate(days):
        commands += trade_on(day, 2 * number + 1, 10, 100)
    _, rows = booked(flow.config(), commands)
    due = rows["fees_due"][(rows["kind"] == lay.Kind.POSTED) & (rows["participant"] == 1)]
    # 1 % of 1,000 is 10, 0.1 % is 1; on day 63 the last 30 days (33 to 62) hold days 61 and 62.
    assert due.tolist() == [-10, -10, -1, -1, -1, -1, -1]
    only = commands[:3] + trade_on(1, 1, 10, 100) + trade_on(32, 3, 10, 100)
    _, rows = booked(flow.config(), only)
    assert rows["fees_due"][rows["participant"] == 1].min() == -10
