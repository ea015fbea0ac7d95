"""Each report is what its schema says, and says what the journal says."""

import json
from collections import Counter
from decimal import Decimal
from itertools import islice

from openoutcry.surveillance.reports import emergency, rts9, rts22, rts24, schema
from tests.support.surveillance import reports as shared
from tests.support.surveillance.reports import days, read_back, validator_of

codes = shared.codes
trail = shared.trail


def rows_of(trail, day):
    return [row for table in trail.day(day) for row in table.to_pylist()]


def test_order_records_follow_each_order_from_entry_to_end(trail, codes):
    assert len(rts24.TABLE.fields) == 51
    left, seen = {}, Counter()
    # Orders of the day before are open on the second.
    for day, most in zip(days(trail), (10_000, 2_000), strict=False):
        source = {str(row["event_seq"]): row for row in rows_of(trail, day)}
        for row in read_back(rts24.TABLE, islice(rts24.records(trail, day, codes), most)):
            trail_row, order = source[row["sequence_number"]], row["order_identification"]
            seen[row["event"]] += 1
            assert row["instrument"] == codes.instruments[trail_row["symbol"]].isin
            assert row["submitting_entity"] == codes.members[trail_row["participant"]].lei
            assert row["date_and_time"] == schema.time_text(trail_row["ts_ns"])
            assert row["priority_time"] <= row["date_and_time"]
            remaining, shown = (
                Decimal(row["remaining_quantity"]),
                Decimal(row["displayed_quantity"]),
            )
            assert shown <= remaining
            if row["event"] in ("PARF", "FILL"):
                traded = Decimal(row["traded_quantity"])
                assert traded == trail_row["qty_lots"]
                assert Decimal(row["transaction_price"]) * 100 == trail_row["price_ticks"]
                if order in left:
                    assert left[order] - traded == remaining, row
                assert (row["event"] == "FILL") == (remaining == 0)
            if row["event"] in ("CAME", "CAMO", "EXPI"):
                assert remaining == 0
            left[order] = remaining
    wanted = {"NEWO", "REME", "CAME", "CAMO", "REMO", "PARF", "FILL", "CHMO", "REMA"}
    assert wanted <= set(seen), seen


def test_transactions_are_two_of_each_trade_and_add_up(trail, codes):
    assert len(rts22.TABLE.fields) == 65
    for day in days(trail)[:2]:
        records = read_back(rts22.TABLE, rts22.transactions(trail, day, codes))
        trades = [row for row in rows_of(trail, day) if row["action"] == "TRADE"]
        assert len(records) == len(trades)
        source = {f"{trail.journal_id:016X}{row['event_seq']}": row for row in trades}
        assert len({row["transaction_reference"] for row in records}) == len(records)
        by_match = Counter(row["venue_transaction"] for row in records)
        assert set(by_match.values()) <= {2}
        for first, second in zip(records[::2], records[1::2], strict=True):
            for name in ("buyer", "seller", "quantity", "price", "trading_time", "instrument"):
                assert first[name] == second[name]
            assert {first["executing_entity"], second["executing_entity"]} == {
                first["buyer"],
                first["seller"],
            }
            for record in (first, second):
                own = source[record["transaction_reference"]]
                side = "buyer" if own["side"] == "BUY" else "seller"
                member = codes.members[own["participant"]].lei
                assert record[side] == record["executing_entity"] == member


def test_ratios_count_what_was_asked_and_what_traded(trail):
    for day in days(trail)[:1]:
        ratios = read_back(rts9.TABLE, rts9.ratios(trail, day))
        rows = rows_of(trail, day)
        for row in ratios:
            mine = [
                one
                for one in rows
                if str(one["participant"]) == row["participant"]
                and one["symbol"] == row["instrument"]
            ]
            trades = [one for one in mine if one["action"] == "TRADE"]
            assert int(row["transaction_lots"]) == sum(one["qty_lots"] for one in trades)
            assert int(row["transactions"]) == len({one["match"] for one in trades})
            news = [one for one in mine if one["action"] == "NEW"]
            assert int(row["orders"]) >= len(news)
            if trades:
                exact = Decimal(row["orders"]) / Decimal(row["transactions"]) - 1
                assert abs(exact - Decimal(row["ratio_by_number"])) <= Decimal("0.00005")
            else:
                assert row["ratio_by_number"] == row["ratio_by_volume"] == ""


def test_the_commands_write_what_their_schemas_say(outcry, audited, trail, tmp_path):
    day = days(trail)[0]
    codes, out = tmp_path / "codes.toml", tmp_path / "out.csv"
    assert outcry("audit", "report", "codes", audited, "--out", codes).returncode == 0
    for name, table, more in (
        ("rts24", rts24.TABLE, ["--day", day, "--codes", codes]),
        ("rts22", rts22.TABLE, ["--day", day, "--codes", codes]),
        ("rts9", rts9.TABLE, ["--day", day]),
        ("emergency", emergency.TABLE, []),
    ):
        done = outcry("audit", "report", name, audited, *more, "--out", out)
        assert done.returncode == 0, done.stderr
        rows = schema.read_csv(table, out.read_bytes())
        assert done.stdout == f"{out}: {len(rows):,} rows\n"
        json_schema = json.loads(outcry("audit", "report", "schema", name).stdout)
        validator = validator_of(json_schema)
        for row in rows[:50]:
            validator.validate(row)
    before = out.read_bytes()
    codes.write_text("[venue]\n")
    done = outcry("audit", "report", "rts24", audited, "--day", day, "--codes", codes, "--out", out)
    assert done.returncode == 1
    assert "[venue] mic" in done.stderr
    assert out.read_bytes() == before
