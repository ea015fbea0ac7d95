"""Each report is what its schema says, and says what the journal says."""

import csv
import io
import re
from decimal import Decimal

import numpy as np
import pytest

from openoutcry.journal import Journal
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.surveillance.audit.build import folder_of
from openoutcry.surveillance.audit.trail import Trail
from openoutcry.surveillance.reports import emergency, rts9, rts22, rts24, schema
from openoutcry.surveillance.reports.example import example_codes, example_isin, example_lei
from openoutcry.surveillance.reports.quotes import with_quotes
from openoutcry.surveillance.reports.reference_data import (
    isin_is_right,
    lei_is_right,
    read_codes,
)
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType
from openoutcry.wire.errors import AuditError
from tests.support.ledger import spot_venue
from tests.support.ledger.ledger_flow import config, write_journal
from tests.support.surveillance import audit_journals as journals
from tests.support.surveillance import reports as shared
from tests.support.surveillance.reports import SYMBOLS, days, order, read_back

codes = shared.codes
trail = shared.trail


def test_ratios_by_hand(tmp_path):
    from openoutcry.surveillance.audit.build import build

    home = journals.scripted(
        tmp_path / "journal",
        """NEW id=1 BUY 10@100 p3
        REPLACE id=1 8@99 p3
        REDUCE id=1 2 p3
        NEW id=2 BUY 5@98 p3
        CANCEL id=2 p3
        NEW id=3 SELL 6@99 IOC p4
        NEW id=4 SELL 1@99 FOK p4""",
    )
    build(home)
    (row, other) = rts9.ratios(Trail(folder_of(home)), "1970-01-01")
    # 1 entered, changed twice at 2 each, 1 entered, 1 cancelled; one trade.
    assert (row["orders"], row["transactions"], row["ratio_by_number"]) == ("7", "1", "6.0000")
    # 10, then 8 and 6 open behind the changes, 5; of 6 that traded.
    assert (row["order_lots"], row["ratio_by_volume"]) == ("29", "3.8333")
    assert (other["orders"], other["transaction_lots"]) == ("2", "6")
    mine = rts9.counts_of({"LIMIT": [3, 0, 0]})
    assert rts9.ratios(Trail(folder_of(home)), "1970-01-01", mine)[0]["orders"] == "6"
    with pytest.raises(AuditError, match=r"\[rts9\] LIMIT = \[1\]: write an order type"):
        rts9.counts_of({"LIMIT": [1]})


def test_an_emergency_has_its_begin_its_end_and_its_orders(tmp_path):
    commands = journals.orders(5, 900)
    at = {300: (Setting.HALT, 1, 0, "PLAIN"), 400: (Setting.KILL, 1, 7, ""),
          500: (Setting.HALT, 0, 0, "PLAIN"), 600: (Setting.KILL, 0, 7, ""),
          700: (Setting.MARKET_KILL, 1, 0, "")}  # fmt: skip
    for seq, (what, value, who, symbol) in at.items():
        kept = commands["rx_ts_ns"][seq - 1]
        commands[seq - 1] = setting(what, value, who, symbol.encode())[0]
        commands[seq - 1]["seq"], commands[seq - 1]["rx_ts_ns"] = seq, kept
    home = journals.write(tmp_path / "journal", commands, 9)
    stops = read_back(emergency.TABLE, emergency.stops(home))
    switched = [row for row in stops if row["what"] not in (emergency.PAUSED, emergency.HALT_PHASE)]
    assert [(r["what"], r["about"], r["from_seq"], r["until_seq"]) for r in switched] == [
        ("INSTRUMENT_HALTED", "PLAIN", "300", "500"),
        ("PARTICIPANT_KILLED", "participant 7", "400", "600"),
        ("MARKET_KILLED", "MARKET", "700", ""),
    ]
    halt, kill, market = switched
    _, events, _ = journals.read_all(home)
    refused = events[(events["kind"] == 6) & np.isin(events["reason"], (20, 32))]
    in_halt = refused[(refused["cause_seq"] > 300) & (refused["cause_seq"] < 500)]
    mine = in_halt[in_halt["instrument"] == SYMBOLS.index("PLAIN")]
    assert int(halt["orders_refused"]) == len(mine) > 0
    assert int(market["orders_refused"]) == np.count_nonzero(refused["cause_seq"] > 700) > 0
    gone = events[(events["kind"] == 3) & (events["cause_seq"] == 400)]
    assert int(kill["orders_cancelled"]) == len(gone)
    begin, end = (commands["rx_ts_ns"][seq - 1] for seq in (300, 500))
    assert Decimal(halt["duration_s"]) == (int(end) - int(begin)) // 1_000 / Decimal(10**6)
    assert emergency.stops(home, int(end)) == [
        row for row in stops if row["from_time"] >= schema.time_text(int(end))
    ]


def by_hand(home, rows, blocks):
    """A journal of commands with risk, and what stopped its market: without the times' bounds."""
    table = np.concatenate(rows)
    table["seq"] = np.arange(1, len(table) + 1)
    table["rx_ts_ns"] = table["seq"] * 10**9
    groups = [{"set": "GROUP", "value": 1, "who": who} for who in (3, 4)]
    with Journal.create(
        home, config(limits=groups, groups=2), segment_bytes=1 << 18, direct=False
    ) as writer:
        for part in np.array_split(table, blocks):
            writer.append(int(part["seq"][0]), [part], len(part), 1)
    return [
        {name: text for name, text in row.items() if name != "bound_ns"}
        for row in read_back(emergency.TABLE, emergency.stops(home))
    ]


def operator(kind, who=0, symbol="", aux=0):
    row = np.zeros(1, ORDER_DTYPE)
    row["kind"], row["participant"], row["symbol"], row["aux"] = kind, who, symbol, aux
    return row


@pytest.mark.parametrize("blocks", [1, 2, 3, 25])
def test_stops_by_hand_have_every_order_they_cancelled_and_refused(tmp_path, blocks):
    """Wherever the blocks of the journal end; the market opens when a second operator says so."""
    everybodys = operator(CommandKind.MASS_CANCEL, aux=1)
    rows = [
        order(1, 3),
        order(2, 7),
        order(3, 7, "LIMITS"),
        # 4: of the halted instrument two orders go, one is refused, one elsewhere is not.
        setting(Setting.HALT, 1, 0, b"PLAIN"),
        operator(CommandKind.MASS_CANCEL, 0, "PLAIN", 1),
        order(4, 7),
        order(5, 3, "LIMITS"),
        setting(Setting.HALT, 0, 0, b"PLAIN"),
        order(6, 7),
        # 10: of the group 3 and 4 one order goes, and one is refused.
        setting(Setting.GROUP_KILL, 1, 1),
        operator(CommandKind.DISCONNECT, 3),
        operator(CommandKind.DISCONNECT, 4),
        order(7, 3),
        order(8, 7),
        setting(Setting.GROUP_KILL, 0, 1),
        order(9, 3),
        # 17: of the market four orders go; between the two operators it is still killed.
        setting(Setting.MARKET_KILL, 1, operator=5),
        everybodys,
        order(10, 3),
        setting(Setting.EMERGENCY, 1, operator=5),
        setting(Setting.MARKET_KILL, 0, operator=5),
        setting(Setting.MARKET_KILL, 0, operator=5),
        order(11, 3),
        setting(Setting.MARKET_KILL, 0, operator=6),
        order(12, 3),
    ]
    names = (
        "what",
        "about",
        "cause",
        "from_seq",
        "until_seq",
        "duration_s",
        "orders_cancelled",
        "orders_refused",
    )
    stops = by_hand(tmp_path / "journal", rows, blocks)
    assert [tuple(row[name] for name in names) for row in stops] == [
        ("INSTRUMENT_HALTED", "PLAIN", "", "4", "8", "4.000000", "2", "1"),
        ("GROUP_KILLED", "group 1", "", "10", "15", "5.000000", "1", "1"),
        ("MARKET_KILLED", "MARKET", "operator 5", "17", "24", "7.000000", "4", "2"),
        ("EMERGENCY_CLOSE", "MARKET", "step 1", "20", "24", "4.000000", "0", "1"),
    ]


def test_what_the_operator_cancels_is_not_the_members_cancel(tmp_path):
    """Field 21 of RTS 24, and RTS 9, whose ratio does not count what nobody asked for."""
    from openoutcry.surveillance.audit.build import build

    home = journals.scripted(
        tmp_path / "journal",
        """NEW id=1 BUY 5@100 p3
        MASS_CANCEL BUY p3
        NEW id=2 BUY 5@100 p3
        NEW id=3 BUY 5@100 p4
        MASS_CANCEL everywhere everybody""",
    )
    build(home)
    trail = Trail(folder_of(home))
    orders = {row["participant"]: row["orders"] for row in rts9.ratios(trail, "1970-01-01")}
    assert orders == {"3": "3", "4": "1"}
    path = tmp_path / "codes.toml"
    path.write_text(example_codes(home))
    records = rts24.records(trail, "1970-01-01", read_codes(path))
    assert [(row["sequence_number"], row["event"]) for row in records] == [
        ("1", "NEWO"),
        ("2", "CAME"),
        ("4", "NEWO"),
        ("5", "NEWO"),
        ("6", "CAMO"),
        ("7", "CAMO"),
    ]


def test_the_displayed_quantity_of_an_iceberg_is_what_its_slice_shows(tmp_path):
    """Less by each trade as a maker; a whole slice as a taker, after a refresh and an auction."""
    from openoutcry.surveillance.audit.build import build

    home = journals.scripted(
        tmp_path / "journal",
        """NEW id=1 SELL 2@100 p4
        NEW id=2 BUY 20@100 ICEBERG display=5 p3
        NEW id=3 SELL 3@100 IOC p4
        REPLACE id=2 15@100 display=4 p3
        NEW id=4 SELL 2@100 IOC p4
        NEW id=5 SELL 1@100 IOC p4
        PHASE CLOSING_AUCTION
        NEW id=6 SELL 4@100 p4
        PHASE CONTINUOUS""",
    )
    build(home)
    path = tmp_path / "codes.toml"
    path.write_text(example_codes(home))
    records = [
        row
        for row in rts24.records(Trail(folder_of(home)), "1970-01-01", read_codes(path))
        if row["order_type"] == "ICEBERG"
    ]
    said = [(row["event"], row["remaining_quantity"], row["displayed_quantity"]) for row in records]
    assert said == [
        ("NEWO", "20", "5"),
        ("PARF", "18", "5"),  # as a taker
        ("PARF", "15", "2"),
        ("REME", "15", "2"),  # the next slices have 4
        ("PARF", "13", "0"),
        ("CHMO", "13", "4"),  # refreshed
        ("PARF", "12", "3"),
        ("PARF", "8", "4"),  # the auction
    ]


def test_orders_that_no_record_can_be_made_of_are_left_out_and_reported(outcry, tmp_path):
    """An unknown instrument, and more lots than the field has digits: the day's others stand."""
    from openoutcry.surveillance.audit.build import build

    home, codes = tmp_path / "journal", tmp_path / "codes.toml"
    journals.scripted(
        home,
        """NEW id=1 BUY 5@100 p1
        NEW id=2 SELL 4000000000000000000@100 p2
        NEW id=3 SELL 5@100 p2 sym=NOPE
        NEW id=4 SELL 5@100 p2""",
    )
    build(home)
    codes.write_text(example_codes(home))
    words = ("rts24", home, "--day", "1970-01-01", "--codes", codes)
    done = outcry("audit", "report", *words)
    assert done.returncode == 0, done.stderr
    rows = schema.read_csv(rts24.TABLE, done.stdout.encode())
    assert [(row["sequence_number"], row["event"]) for row in rows] == [
        ("1", "NEWO"),
        ("3", "FILL"),
        ("6", "NEWO"),
    ]
    assert done.stderr.splitlines() == [
        f"left out: 2 events of orders {rts24.TOO_LARGE}",
        f"left out: 1 events of orders {rts24.NO_INSTRUMENT}",
    ]


def test_codes_that_are_wrong_or_missing_are_named(tmp_path, trail, codes):
    assert lei_is_right("5493000IBP32UQZ0KL24")
    assert not lei_is_right("5493000IBP32UQZ0KL25")
    assert isin_is_right("US0378331005")
    assert not isin_is_right("US0378331006")
    assert all(lei_is_right(example_lei(n)) and isin_is_right(example_isin(n)) for n in range(200))
    path = tmp_path / "codes.toml"
    text = codes.path.read_text()
    for old, new, says in (
        ('mic = "XOUT"', 'mic = "xout"', "[venue] mic"),
        (example_lei(1), example_lei(1)[:-1] + "0", "[participants.1] lei"),
        (example_isin(0), "XX0000000001", "[instruments.PLAIN] isin"),
        ('capacity = "DEAL"', 'capacity = "SELF"', "capacity = 'SELF' is not one of DEAL"),
        ("mifid_firm = true", 'mifid_firm = "yes"', "mifid_firm"),
        ("[venue]", "[market]", "market: unknown key"),
        (
            'mic = "XOUT"',
            'mic = "XOUT"\nmoc = 1',
            "line 5: [venue] moc = 1 is not known; is mic meant?",
        ),
        ("[venue]", "[venue", "codes.toml: "),
        ("[venue]", "rts9 = 3\n[venue]", "rts9 = 3 is not a table"),
        ("[participants.1]", "[participants.1]\nclient = 4711", "[participants.1] client = 4711"),
        ('name = "PLAIN"', "name = 5", "[instruments.PLAIN] name = 5 is not a text"),
        ("[participants.2]", "[participants.01]", "[participants] = '01' is given twice"),
        ("[participants.1]", '[participants."\u00b2"]', "is not a participant's number"),
    ):
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(AuditError) as error:
            read_codes(path)
        assert says in str(error.value)
    for name in ("instruments", "participants"):
        path.write_text(f"{name} = 5\n" + text.split("[instruments")[0])
        with pytest.raises(AuditError, match=f"{name} = 5 is not a table"):
            read_codes(path)
    path.write_text(text.split("[instruments.PRORATA]")[0])
    with pytest.raises(AuditError, match=r"\[participants\.\d+\] is missing|PRORATA\] is missing"):
        list(rts24.records(trail, days(trail)[0], read_codes(path)))
    with pytest.raises(AuditError, match="has no day 1999-01-01"):
        list(rts24.records(trail, "1999-01-01", codes))


def test_a_row_that_is_not_as_the_schema_says_is_never_written(codes):
    row = schema.blank(rts9.TABLE.names) | {"day": "2026-13-01"}
    with pytest.raises(AuditError, match=r"row 1: field 1 day = '2026-13-01' is not"):
        rts9.TABLE.as_csv([row])
    with pytest.raises(AuditError, match="lacks the fields of the schema"):
        rts9.TABLE.as_csv([{"day": "2026-11-22"}])


def quoted(tmp_path, *more):
    """A journal that declares money, quotes PLAIN and DAY, and trades a little."""

    def named(text):
        return int(np.array([text.encode()], "S8").view(np.int64)[0])

    said = [
        setting(Setting.LEDGER_ASSET, 2, 0, b"USD"),
        setting(Setting.LEDGER_ASSET, 2, 0, b"GBP"),
        setting(Setting.LEDGER_ASSET, 0, 0, b"BTCX"),
        setting(Setting.LEDGER_QUOTE, 2, 0, b"PLAIN", named("GBP")),
        setting(Setting.LEDGER_QUOTE, 0, 0, b"DAY", named("BTCX")),
        *(setting(Setting.LEDGER_QUOTE, 2, 0, symbol, named(name)) for symbol, name in more),
    ]
    orders = np.concatenate([*said, journals.orders(3, 400)])
    orders["seq"] = np.arange(1, len(orders) + 1)
    return write_journal(tmp_path / "journal", orders)


def test_a_currency_is_that_of_the_journal(tmp_path):
    home = quoted(tmp_path)
    path = tmp_path / "codes.toml"
    text = example_codes(home)
    path.write_text(text)
    own = with_quotes(read_codes(path), home)
    others = {symbol for symbol in own.instruments if symbol not in ("PLAIN", "DAY")}
    assert own.instruments["PLAIN"].currency == "GBP"
    assert {own.instruments[symbol].currency for symbol in others} == {"USD"}
    # An instrument in money without a code of its own takes the one that its table names.
    assert own.instruments["DAY"].currency == "EUR"
    # Without the instruments' own the venue's EUR does not count.
    path.write_text(re.sub(r'(isin = .*\n)currency = "(USD|GBP)"\n', r"\1", text))
    assert read_codes(path).instruments["PLAIN"].currency == "EUR"
    assert with_quotes(read_codes(path), home).instruments["PLAIN"].currency == "GBP"
    no_euros = re.sub(r'(isin = .*\n)currency = "EUR"\n', r"\1", text)
    for wrong, words in (
        (text.replace('"GBP"', '"EUR"'), r"PLAIN\] currency = 'EUR', but the journal .* in GBP"),
        (no_euros, r"DAY\] currency is missing: .*BTCX"),
    ):
        path.write_text(wrong)
        with pytest.raises(AuditError, match=words):
            with_quotes(read_codes(path), home)


def test_a_currency_that_changed_has_to_be_named(tmp_path):
    home = quoted(tmp_path, (b"PLAIN", "USD"))
    path = tmp_path / "codes.toml"
    text = example_codes(home)
    path.write_text(re.sub(r'(PLAIN\]\nisin = .*\n)currency = "\w+"\n', r"\1", text))
    with pytest.raises(AuditError, match=r"PLAIN\] currency is missing: .* in GBP, USD"):
        with_quotes(read_codes(path), home)


def test_the_records_have_the_journal_s_currency_and_the_annex_s_order_types(tmp_path, outcry):
    home = quoted(tmp_path)
    assert outcry("audit", "build", home).returncode == 0
    day = days(Trail(folder_of(home), SYMBOLS))[-1]
    path = tmp_path / "codes.toml"
    path.write_text(re.sub(r'(isin = .*\n)currency = "(USD|GBP)"\n', r"\1", example_codes(home)))
    for report in ("rts24", "rts22"):
        done = outcry("audit", "report", report, home, "--day", day, "--codes", path)
        assert done.returncode == 0, done.stderr
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        isins = {row.isin: symbol for symbol, row in read_codes(path).instruments.items()}
        found = {isins[row["instrument"]]: row["price_currency"] for row in rows}
        assert found["PLAIN"] == "GBP"
        assert {"GBP", "USD"} <= set(found.values()) <= {"GBP", "USD", "EUR"}
        if report == "rts24":
            kinds = {row["order_type"]: row["order_type_classification"] for row in rows}
            assert kinds["LIMIT"] == kinds["ICEBERG"] == "LMTO"
            assert kinds["STOP_LIMIT"] == "STOP"
    assert [f.number for f in rts24.TABLE.fields if f.name.startswith("order_type")] == [22, 23]


def test_every_order_type_counts_for_rts_9():
    """An order of a type without a row could not be reported."""
    types = {"IMMEDIATE", *(order_type.name for order_type in OrderType)}
    assert set(rts9.COUNTS) == types


def test_a_trade_that_is_taken_back_is_reported_and_cancelled(tmp_path):
    """By the references of its own two reports, and no other trade is."""
    from openoutcry.surveillance.audit.build import build

    floor = spot_venue.traded_day(tmp_path)
    (match,) = spot_venue.take_back(floor, 9001)
    floor.close()
    build(floor.journal_path)
    path = tmp_path / "codes.toml"
    path.write_text(example_codes(floor.journal_path))
    trail = Trail(folder_of(floor.journal_path))
    records = read_back(rts22.TABLE, rts22.transactions(trail, days(trail)[0], read_codes(path)))
    new, gone = (
        [row for row in records if row["report_status"] == status] for status in ("NEWT", "CANC")
    )
    assert len(new) > len(gone) == 2
    of_it = [row for row in new if row["venue_transaction"] == str(match)]
    changed = {"report_status", "trading_time"}
    for before, after in zip(sorted_by_reference(of_it), sorted_by_reference(gone), strict=True):
        assert {name for name in before if before[name] != after[name]} == changed


def sorted_by_reference(rows):
    return sorted(rows, key=lambda row: row["transaction_reference"])
