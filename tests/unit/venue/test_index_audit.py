"""Indices and marks from a journal alone: an audit comes to the same ones, whatever sources do and
wherever the venue is killed, and names what is not what the sources come to."""

import json

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.derivatives.marking import document_of, rules_in
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import at_once, setting
from openoutcry.venue import index_timer
from openoutcry.venue.index_audit import audit_indices
from openoutcry.wire.enums import Side
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order
from tests.unit.venue.test_index_timer import INDEX, SPOT, report, trade

OF_TIN = """
[[index]]
underlying = "SN"
sources = ["east"]
every_ms = 500
stale_ms = 3_000
"""
PROTECTED = """
[[protection]]
instruments = ["GOLD"]
static_bps = 5_000
"""
TEXT = CONTRACT_VENUE + SPOT + INDEX + OF_TIN


@pytest.fixture
def floor(tmp_path):
    """Sources in agreement, and a look at them."""
    trading_floor = InlineFloor(tmp_path, TEXT)
    trade(trading_floor, 1, 5_000)
    trading_floor.clock.advance(1, 0.1)
    trade(trading_floor, 3, 5_010)
    report(trading_floor, east=5_030, west=5_030)
    trading_floor.clock.advance(1, 0.1)
    yield trading_floor
    trading_floor.close()


def audited(floor):
    """The audit of the journal so far, by the command."""
    done = CliRunner().invoke(main, ["margin", "index", str(floor.journal_path), "--json"])
    document = json.loads(done.stdout)
    assert (done.exit_code == 1) == bool(document["differences"])
    return {one["underlying"]: one for one in document["indices"]}, document["named"]


def test_what_sources_report_is_in_the_journal_with_what_becomes_of_it(floor):
    indices, named = audited(floor)
    assert named == []
    gold = indices["XAU"]
    assert (gold["price"], gold["protected"]) == (5_020, False)
    assert {
        name: (one["price"], one["weight"], one["state"]) for name, one in gold["sources"].items()
    } == {
        "XAU-USD": (5_010, 2, "used"),
        "east": (5_030, 1, "used"),
        "west": (5_030, 1, "used"),
    }
    assert gold["compared"] >= 2


def test_a_source_that_lies_and_one_that_stops_are_by_the_journal_what_they_were(floor):
    report(floor, west=9_000)
    floor.clock.advance(1, 0.1)
    indices, named = audited(floor)
    assert indices["XAU"]["sources"]["west"]["state"] == "outlier"
    floor.clock.advance(5, 0.5)
    indices, stale = audited(floor)
    gold = indices["XAU"]
    assert gold["protected"]
    assert {one["state"] for one in gold["sources"].values()} == {"stale"}
    report(floor, east=5_040, west=5_060)
    floor.clock.advance(1, 0.1)
    indices, back = audited(floor)
    assert (indices["XAU"]["price"], indices["XAU"]["protected"]) == (5_050, False)
    assert named == stale == back == []


def test_a_venue_killed_within_a_look_leaves_a_journal_that_agrees(floor, monkeypatch):
    """Its sources report again, by the rules of the new run."""
    with monkeypatch.context() as patch:
        patch.setattr(index_timer, "value_record", lambda *given: setting(Setting.MARK, 0)[:0])
        report(floor, east=5_090, west=5_090)
        floor.clock.advance(1, 0.1)
    floor.again()
    assert floor.settings().count(Setting.INDEX_RULES) % 2 == 0
    report(floor, east=5_100, west=5_100)
    floor.clock.advance(1, 0.1)
    indices, named = audited(floor)
    assert named == []
    assert (indices["XAU"]["price"], indices["XAU"]["sources"]["XAU-USD"]["state"]) == (
        5_100,
        "silent",
    )


def test_a_look_without_anything_new_has_no_command(floor):
    floor.clock.advance(6, 0.5)
    count = floor.settings().count(Setting.INDEX_VALUE)
    floor.clock.advance(5, 0.5)
    assert floor.settings().count(Setting.INDEX_VALUE) == count


def test_an_operator_s_mark_is_no_difference_and_ends_with_the_next_look(floor):
    floor.ask("contract", "mark", "GOLD", "5100")
    report(floor, east=5_030, west=5_030)
    floor.clock.advance(1, 0.1)
    assert audited(floor)[1] == []


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("mark", "GOLD is marked at {} (index {}), by the index of XAU it is"),
        ("omitted", "GOLD is marked at 5020 (index 5020), by the index of XAU it is"),
        ("index", "the index of XAU is 4000, by its sources it is"),
        ("report", "no price, or older than its last"),
        ("paused", "GOLD trades, but the index of XAU has too few sources"),
    ],
)
def test_what_is_not_what_the_sources_come_to_is_named(floor, monkeypatch, fault, says):
    """Each fault is of a venue whose commands are not those of its sources."""
    real_setting, real_value, real_report = (
        index_timer.setting,
        index_timer.value_record,
        index_timer.report_record,
    )

    def other_setting(what, value, *given):
        if what is Setting.CONTRACT_MARK and fault == "mark":
            value += 7
        record = real_setting(what, value, *given)
        is_left_out = what is Setting.CONTRACT_PAUSE and fault == "paused"
        return record[:0] if is_left_out else record

    monkeypatch.setattr(index_timer, "setting", other_setting)
    if fault == "omitted":
        monkeypatch.setattr(index_timer, "at_once", lambda *given: at_once(*given)[:0])
    if fault == "index":
        monkeypatch.setattr(
            index_timer, "value_record", lambda n, price, *rest: real_value(n, 4_000, *rest)
        )
    if fault == "report":
        monkeypatch.setattr(
            index_timer, "report_record", lambda n, s, price, at: real_report(n, s, price, 1)
        )
    report(floor, east=5_060, west=5_070)
    floor.clock.advance(1, 0.1)
    if fault == "paused":
        floor.clock.advance(5, 0.5)
    named = audited(floor)[1]
    assert any(says.split("{")[0] in line for line in named), named
    assert len([line for line in named if says.split("{")[0] in line]) <= 5


def test_rules_are_the_same_after_the_journal(floor):
    rules = [one.marking.rules for one in floor._desk.indices.running.values()]
    assert rules_in(document_of(rules, 5)) == (rules, 5)


def test_a_document_that_is_none_is_named(floor):
    with pytest.raises(ValueError, match="no document of the rules"):
        rules_in('{"indices": [{}], "begun_ns": 1}')


def test_a_moment_s_index_is_found_by_its_command(floor):
    until = floor.journal()[0]["seq"][-1]
    report(floor, east=5_090, west=5_090)
    floor.clock.advance(1, 0.1)
    assert audit_indices(floor.journal_path, int(until)).indices["XAU"].value.price_ticks == 5_020


def test_a_journal_without_an_index_is_not_called_in_order(tmp_path):
    floor = InlineFloor(tmp_path, CONTRACT_VENUE)
    done = CliRunner().invoke(main, ["margin", "index", str(floor.journal_path)])
    assert (done.exit_code, done.stdout) == (0, "0 differences: the journal has no index\n")
    floor.close()


def test_a_basis_is_made_again_of_the_books_in_the_journal(tmp_path):
    """A future trades above its index.  With market protection its book moves its mark."""
    floor = InlineFloor(tmp_path, TEXT + PROTECTED)
    report(floor, east=5_000, west=5_000)
    gold = {"symbol": b"GOLD"}
    floor.send(
        order(1, Side.BUY, 1, 5_015, who=1, **gold), order(2, Side.SELL, 1, 5_025, who=2, **gold)
    )
    floor.clock.advance(1, 0.1)
    floor.send(order(3, Side.BUY, 1, 5_019, who=1, **gold))
    report(floor, east=5_001, west=5_001)
    floor.clock.advance(1, 0.1)
    assert Setting.INDEX_SAMPLE in floor.settings()
    view = floor._desk.view
    assert view.contracts.of(0, "mark") > view.contracts.of(0, "index") + 10
    assert audited(floor)[1] == []
    floor.close()
