"""Fees by schedule collect themselves: each day's once, whatever is cut off, no more than is owed,
and no more than there is."""

from pathlib import Path

import pytest

from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.venue.desk import UNAVAILABLE, DeskError
from openoutcry.venue.fee_collection import FEES_DUE, facts_at_end, reference_of
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import Side
from tests.support.venue.fee_days import collected, collecting, due, end_day
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.spot_floor import FLOOR, wallet
from tests.support.venue.venue_floor import order


@pytest.fixture
def floor(tmp_path):
    trading_floor = InlineFloor(tmp_path, collecting())
    yield trading_floor
    last = trading_floor.stop()
    assert (last["lost"], last["duplicated"]) == (0, 0)
    assert Reconciliation(trading_floor.journal_path, None).advance().difference is None


def test_who_cannot_pay_is_named_and_pays_later(floor):
    floor.send(order(1, Side.SELL, 10, 1_000, who=1), order(2, Side.BUY, 10, 1_000, who=3))
    end_day(floor, "2026-11-20")
    report = collected(floor)
    assert report["collected"] == {"1 USD": 7}
    assert report["left"] == ["participant 3 owes 0.25 USD in fees and has 0.00 USD available"]
    floor.ask("deposit", "3", "10010", "--asset", "USD")
    report = collected(floor)
    assert report["collected"] == {"3 USD": 10}
    assert report["left"] == ["participant 3 still owes 0.15 USD in fees"]
    assert due(floor.journal_path, 3) == 15
    assert collected(floor)["collected"] == {}, "the day's request is done"
    floor.ask("deposit", "3", "100", "--asset", "USD")
    end_day(floor, "2026-11-21")
    assert collected(floor)["collected"] == {"3 USD": 15}


def test_a_withdrawal_for_fees_is_no_more_than_is_owed(floor):
    """By hand, and between the ledger's word and the desk's: one check for both."""
    floor.send(order(1, Side.SELL, 10, 1_000, who=1), order(2, Side.BUY, 10, 1_000, who=3))
    words = ("withdraw", "1", "8", "--asset", "USD", "--purpose", "fees")
    assert "participant 1 owes 0.07 USD in fees, not 0.08 USD" in floor.outcry(*words).output
    known = facts_at_end(floor.journal_path, 1, "USD")
    assert known["owed"] == 7
    request = {"do": "deposit", "participant": 1, "asset": "USD", "purpose": "fees"}
    with pytest.raises(DeskError, match="name what is owed by the ledger"):
        floor.request(**request, amount=-7)
    floor.ask("withdraw", "1", "3", "--asset", "USD", "--purpose", "fees")
    with pytest.raises(DeskError, match="money of participant 1 has moved"):
        floor.request(**request, amount=-7, **known)
    end_day(floor, "2026-11-20")
    assert collected(floor)["collected"] == {"1 USD": 4}
    assert due(floor.journal_path, 1) == 0


def test_margin_accounts_beside_wallets_pay_of_their_own(tmp_path):
    """The wallet of the same asset neither owes nor pays; who owes is listed before and after."""
    floor = InlineFloor(tmp_path, FLOOR)
    floor.ask("deposit", "3", "1000", "--asset", "USD")
    floor.send(order(1, Side.SELL, 10, 1_000, who=1), order(2, Side.BUY, 10, 1_000, who=3))
    (row,) = floor.ask("fees", "due")["owed"]
    assert row == {"participant": 3, "asset": "USD-MARGIN", "units": 10}
    assert floor.outcry("fees", "due").output == "participant 3 owes 0.000010 USD-MARGIN\n"
    end_day(floor, "2026-11-20")
    assert collected(floor)["left"] == [
        "participant 3 owes 0.000010 USD in fees and has 0.000000 USD available"
    ]
    floor.request(do="set", limit="deposit", participant=3, value=10_010)
    assert collected(floor)["collected"] == {"3 USD": 10}
    assert wallet(floor, 3, "USD")[0] == 1_000
    assert floor.outcry("fees", "due").output == "no fee is owed\n"
    floor.stop()
    assert Reconciliation(floor.journal_path, None).advance().difference is None


def test_a_request_of_another_day_or_reference_takes_nothing(floor):
    floor.send(order(1, Side.SELL, 10, 1_000, who=1), order(2, Side.BUY, 10, 1_000, who=3))
    known = facts_at_end(floor.journal_path, 1, "USD")
    request = {"do": FEES_DUE, "participant": 1, "asset": "USD", "day": 20261120, **known}
    for reference in ("mine", reference_of(20261121, 1, "USD"), reference_of(20261120, 2, "USD")):
        with pytest.raises(DeskError, match="the reference of this request is 'fees 20261120 1 US"):
            floor.request(**request, reference=reference)
    assert due(floor.journal_path, 1) == 7


def test_a_collection_that_the_desk_does_not_answer_begins_again(floor):
    floor.send(order(1, Side.SELL, 10, 1_000, who=1), order(2, Side.BUY, 10, 1_000, who=3))
    end_day(floor, "2026-11-20")

    def closed(request):
        raise DeskError("the venue has closed", UNAVAILABLE)

    assert collected(floor, closed)["again"]
    assert collected(floor)["collected"] == {"1 USD": 7}


def test_the_setting_is_off_unless_the_file_says_so(tmp_path: Path):
    path = tmp_path / "venue.toml"
    for line, collects in (("", False), ("collect_fees = true\n", True)):
        path.write_text(VENUE.replace("[venue]\n", f"[venue]\n{line}"))
        assert read_venue(path).collect_fees is collects
