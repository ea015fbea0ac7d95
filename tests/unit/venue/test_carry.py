"""A venue that is carried over to a journal with more instruments: what was open stays open, to the
order and the unit, and what does not fit is refused by name before anything is written."""

import errno
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.derivatives.margin_kernels import follow, margin_now
from openoutcry.derivatives.margin_layout import ContractWork, MarginTable, MarginWork, work_of
from openoutcry.journal import Journal
from openoutcry.journal.replay import replay
from openoutcry.ledger.ledger_state import at, save
from openoutcry.ledger.reconcile import differences
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.ledger.volumes import spot_volumes, traded_lots
from openoutcry.risk import layout as lay
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.errors import OutcryError
from tests.oracles.carried import money_of, orders_by_events, orders_of_begin
from tests.support.venue.carried import (
    SOL,
    carry_floor,
    carry_over,
    closed_floor,
    in_tin,
    spot_floor,
)
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.spot_floor import wallet
from tests.support.venue.venue_floor import kinds, order
from tests.unit.venue.test_adjustments import MORE as WITH_CALL


def test_orders_money_and_sessions_go_on(tmp_path):
    floor = spot_floor(tmp_path)
    one = floor.fix("ONE", target="TEST", prefix="A")
    one.buy("BTC-USD", 4, "40000.00")
    rests = one.buy("BTC-USD", 3, "40000.00")
    floor.send(
        order(11, Side.SELL, 6, 4_100_000, who=2, symbol=b"BTC-USD"),
        order(12, Side.SELL, 7, 4_100_000, who=3, symbol=b"BTC-USD"),
        order(13, Side.SELL, 5, 4_000_000, who=2, symbol=b"BTC-USD"),
    )
    floor.ask("withdraw", "request", "1", "300", "USD", "--reference", "wd 1")
    numbers = one.numbers
    floor.stop()
    ledger_before = at(floor.journal_path)
    save(ledger_before)
    before, before_seq = orders_by_events(floor.journal_path), ledger_before.seq
    old, result = carry_floor(floor, lambda text: text + SOL)
    assert result["instruments"] == ["SOL-USD"]
    assert result["seq"] == before_seq
    begin = orders_of_begin(floor.journal_path)
    assert {name: rows for name, rows in begin.items() if rows} == {
        name: rows for name, rows in before.items() if rows
    }
    assert money_of(old, before_seq) == money_of(floor.journal_path, before_seq)

    again = floor.fix("ONE", target="TEST", prefix="B", numbers=numbers)
    again.cancel(rests, "BTC-USD", "1")
    while (message := again.next(0)).get(150) != "4":
        assert message.get(150) != "8", message
    assert message.get(41) == rests
    floor.ask("withdraw", "approve", "wd 1")
    floor.ask("deposit", "3", "500000000", "--asset", "SOL")
    floor.send(
        order(21, Side.SELL, 5, 9_000, who=3, symbol=b"SOL-USD"),
        order(22, Side.BUY, 2, 9_000, who=1, symbol=b"SOL-USD"),
    )
    assert wallet(floor, 1, "SOL")[0] == 20_000 - 20
    floor.close()
    ledger = at(floor.journal_path)
    assert differences(ledger.books, ledger.point.engine) is None
    assert replay(floor.journal_path)["equal"]
    assert replay(old)["equal"]


def test_transactions_of_before_are_found_in_the_old_folder(tmp_path):
    """Statements, fees and the volumes that fee tiers go by: all of both parts, from any command
    on, and none twice."""
    floor = spot_floor(tmp_path)
    floor.send(
        order(11, Side.SELL, 6, 4_100_000, who=2, symbol=b"BTC-USD"),
        order(12, Side.BUY, 2, 4_100_000, who=1, symbol=b"BTC-USD"),
    )
    mark = at(floor.journal_path).seq
    floor.send(order(13, Side.BUY, 3, 4_100_000, who=1, symbol=b"BTC-USD"))
    old, result = carry_floor(floor, lambda text: text + SOL)
    seq = result["seq"]
    floor.ask("deposit", "3", "500000000", "--asset", "SOL")
    floor.send(
        order(21, Side.SELL, 5, 9_000, who=3, symbol=b"SOL-USD"),
        order(22, Side.BUY, 2, 9_000, who=1, symbol=b"SOL-USD"),
        order(23, Side.BUY, 1, 4_100_000, who=1, symbol=b"BTC-USD"),
    )
    floor.close()
    journal, until = floor.journal_path, at(floor.journal_path)
    first, second = (joined(transactions(old, at(old))), joined(transactions(journal, until, seq)))
    assert len(first) > len(second) > 0
    whole = joined(transactions(journal, until))
    assert whole.tobytes() == first.tobytes() + second.tobytes()
    later = joined(transactions(journal, until, mark))
    assert later.tobytes() == whole[whole["cause_seq"] > mark].tobytes()
    early = joined(transactions(journal, at(journal, mark)))
    assert early.tobytes() == whole[whole["cause_seq"] <= mark].tobytes()
    lots = traded_lots(journal, mark, until.seq)
    assert (lots["BTC-USD"], lots["SOL-USD"]) == (4, 2)
    both = 2 * (4 * 4_100_000 + 2 * 9_000)
    assert sum(spot_volumes(journal, mark, until.seq, "USD").paid.values()) == both
    words = ["ledger", "statement", str(journal), "--participant", "1"]
    assert CliRunner().invoke(main, words).exit_code == 0


def test_states_of_instruments_go_on_and_a_new_one_may_be_announced(tmp_path):
    """A suspended instrument stays suspended; one that the file adds is listed by command."""
    floor = spot_floor(tmp_path)
    floor.ask("instrument", "suspend", "BTC-USD")
    floor.ask("instrument", "delist", "GOLD")
    floor.stop()
    announced = SOL.replace('symbol = "SOL-USD"', 'symbol = "SOL-USD"\nannounced = true')
    carry_floor(floor, lambda text: text + announced)
    states = {"BTC-USD": "suspended", "GOLD": "delisted", "SOL-USD": "announced"}
    assert floor.status()["risk"]["states"] == states
    floor.ask("deposit", "3", "500000000", "--asset", "SOL")
    sale = {"who": 3, "symbol": b"SOL-USD"}
    assert kinds(floor.send(order(21, Side.SELL, 5, 9_000, **sale))[0]) == [EventKind.REJECTED]
    floor.ask("instrument", "open", "SOL-USD", "--call-min", "1")
    assert kinds(floor.send(order(22, Side.SELL, 5, 9_000, **sale))[0]) == [EventKind.ACCEPTED]
    floor.close()


SILVER = """
[[instrument]]
symbol = "SILVER"
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 2_500
price_distance_bps = 100_000
[[contract]]
symbol = "SILVER"
kind = "perpetual"
underlying = "XAG"
asset = "USD"
multiplier = 10
"""
OF_MARGIN = """
[[underlying]]
name = "XAG"
price_ticks = 2_500
scan_ticks = 250
unit = 10
[[contract]]
symbol = "SILVER"
kind = "perpetual"
underlying = "XAG"
asset = "USD"
multiplier = 10
mark_ticks = 2_500
"""


def with_silver(text, by_scenarios):
    """The venue's file with a new perpetual."""
    own = "" if by_scenarios else "margin_bps = 1_000\n"
    return text.replace("margin.toml", "margin-2.toml") + SILVER.replace(
        "[[contract]]", own + "[[contract]]"
    )


@pytest.mark.parametrize("by_scenarios", [False, True], ids=["a margin a lot", "scenarios"])
def test_positions_and_margin_go_on_beside_a_new_contract(tmp_path, by_scenarios):
    (tmp_path / "margin.toml").write_text(MARGIN_FILE)
    floor = InlineFloor(tmp_path, SCENARIO_VENUE if by_scenarios else CONTRACT_VENUE)
    floor.send(
        order(1, Side.BUY, 4, 5_000, who=1),
        order(2, Side.SELL, 4, 5_000, who=2),
        order(3, Side.SELL, 1, 200_000, who=1, symbol=b"TIN"),
        order(4, Side.BUY, 1, 200_000, who=2, symbol=b"TIN"),
        order(5, Side.BUY, 2, 4_000, who=1),
    )
    floor.ask("contract", "mark", "GOLD", "5030")
    before = margins(floor)
    (tmp_path / "margin-2.toml").write_text(with_tables(MARGIN_FILE, OF_MARGIN))
    old, result = carry_floor(floor, lambda text: with_silver(text, by_scenarios))
    assert money_of(old, result["seq"]) == money_of(floor.journal_path, result["seq"])
    assert margins(floor) == before
    floor.send(
        order(21, Side.BUY, 3, 2_500, who=1, symbol=b"SILVER"),
        order(22, Side.SELL, 3, 2_500, who=3, symbol=b"SILVER"),
    )
    view = floor._desk.view
    assert view.cell(1, 2, 0) == 3
    if by_scenarios:
        # As a core that has worked it out from nothing.
        for who in (1, 2, 3):
            assert view.portfolio.initial(who) == worked_out_again(view, who)
    floor.ask("contract", "mark", "SILVER", "2510")
    floor.close()
    assert replay(floor.journal_path)["equal"]


def with_tables(text, tables):
    """A margin file with further underlyings and contracts, before its offsets."""
    at_offset = text.index("[[offset]]")
    return text[:at_offset] + tables + text[at_offset:]


def margins(floor):
    """What every participant has, needs and is worth."""
    floor.step()
    view = floor._desk.view
    return {
        who: (view.equity(who), view.maintenance(who), view.of(who, lay.RESERVED))
        for who in (1, 2, 3, 9)
    }


def worked_out_again(view, who):
    """Initial margin, from an empty portfolio into which the positions and orders are entered."""
    table = MarginTable.of(view.portfolio.table.ctypes.data)
    words, mine = work_of(view.portfolio.parameters), view.portfolio.works[who].ctypes.data
    work, begin = MarginWork.of(words.ctypes.data), MarginWork(mine).contract_at
    for number in range(len(view.contracts.rows)):
        own = ContractWork(mine + begin + number * ContractWork.size_bytes)
        follow(table, work, number, own.position, own.buys, own.sells)
    with_orders = int(margin_now(table, work))
    for number in range(len(view.contracts.rows)):
        own = ContractWork(mine + begin + number * ContractWork.size_bytes)
        follow(table, work, number, own.position, 0, 0)
    return int(margin_now(table, work)), with_orders


def test_a_mount_is_refused_before_anything_is_written(stopped, monkeypatch):
    """The name of a mount cannot be exchanged, and the system says so when it is to be removed."""

    def busy(path: Path) -> None:
        assert path == stopped.journal_path
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "rmdir", busy)
    with pytest.raises(OutcryError, match=r"journal is a mount, whose name cannot be exchanged"):
        carry_over(stopped, lambda text: text + SOL)
    Journal.resume(stopped.journal_path).close()


BTC = '[[asset]]\nname = "BTC"'
REFUSED = {
    "no instrument is missing": (
        lambda text: text.replace('symbol = "ETH-BTC"', 'symbol = "ETH-XXX"'),
        "ETH-BTC is not in it",
    ),
    "none comes before another": (
        lambda text: text.replace(
            "[[instrument]]\n",
            '[[instrument]]\nsymbol = "ZINC"\namount_decimals = 6\n[[instrument]]\n',
            1,
        ),
        "GOLD is instrument 2 there, and 1 in the journal",
    ),
    "orders off the new step": (
        in_tin("price_step_ticks = 5"),
        "1 open orders do not fit .*: TIN: order 12: price_ticks 403 is not permitted",
    ),
    "orders off the new lot": (
        in_tin("qty_step_lots = 4"),
        "order 12: qty_lots 7 is no multiple of 4",
    ),
    "orders beyond the new limits": (
        in_tin("max_price_ticks = 404"),
        "order 13: price_ticks 405 is not permitted",
    ),
    "another multiplier": (in_tin("multiplier = 7"), "TIN: multiplier was 1, not 7"),
    "another lot of spot": (
        lambda text: text.replace("lot_units = 10_000 ", "lot_units = 20_000 ", 1).replace(
            "tick_units = 1 ", "tick_units = 2 ", 1
        ),
        "BTC-USD: .*",
    ),
    "assets in another order": (
        lambda text: text.replace(BTC, '[[asset]]\nname = "EUR"\ndecimals = 2\n' + BTC, 1),
        "assets keep their places: they are USD, BTC",
    ),
    "another name": (lambda text: text.replace('name = "TEST"', 'name = "OTHER"'), "name is OTHER"),
    "sessions that were there": (
        lambda text: text.replace('name = "ONE"', 'name = "UNO"'),
        "session 1 was ONE",
    ),
    "fewer orders": (
        lambda text: text.replace("order_capacity = 4096", "order_capacity = 2"),
        ".*",
    ),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    return closed_floor(tmp_path_factory.mktemp("v"))


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_written(stopped, case):
    change, said = REFUSED[case]
    journal, text = stopped.journal_path, stopped.file.read_text()
    before = contents(journal.parent)
    with pytest.raises(OutcryError, match=said):
        carry_over(stopped, change)
    stopped.file.write_text(text)
    assert contents(journal.parent) == before


def contents(folder):
    """Every file below a folder but locks, which name who holds them, and the venue's file."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in paths
        if path.name not in ("lock", "venue.toml")
    }


def test_a_part_that_was_carried_over_is_not_served_again(tmp_path):
    floor = closed_floor(tmp_path)
    old, _ = carry_floor(floor)
    floor.close()
    with pytest.raises(OutcryError, match=r"was carried over to .*/journal, which continues it"):
        Journal.resume(old)


OTHER_TERMS = {
    "strike": ("strike_ticks = 5_001", "strike_ticks = 5_101", "strike was 5001, not 5101"),
    "units": ("multiplier = 10\n", "multiplier = 20\n", "GOLD: multiplier was 10, not 20"),
    "expiry": ("23T16:00:00Z\n", "24T16:00:00Z\n", "GOLD: expiry_ns was"),
}


def test_a_contract_that_was_adjusted_keeps_what_it_is_worth(tmp_path):
    """A split has changed its multiplier and strike since the file; both go on as they are, and the
    file still has those that it began with."""
    floor = InlineFloor(tmp_path, CONTRACT_VENUE + WITH_CALL)
    floor.send(
        order(1, Side.BUY, 5, 5_001, who=1, symbol=b"GOLD"),
        order(2, Side.SELL, 5, 5_001, who=2, symbol=b"GOLD"),
    )
    for symbol in ("GOLD", "GOLD-C"):
        floor.ask("halt", symbol)
    floor.ask("contract", "adjust", "XAU", "3")
    terms = {name: dict(row) for name, row in floor.status()["risk"]["contracts"].items()}
    assert (terms["GOLD"]["multiplier"], terms["GOLD-C"]["strike"]) == (30, 1_667)
    begin = margins(floor)
    floor.stop()
    text = floor.file.read_text()
    for before, after, said in OTHER_TERMS.values():
        with pytest.raises(OutcryError, match=said):
            carry_over(floor, lambda text, one=(before, after): text.replace(*one, 1))
        floor.file.write_text(text)
    carry_floor(floor, lambda text: with_silver(text, by_scenarios=False))
    assert margins(floor) == begin
    now = floor.status()["risk"]["contracts"]
    for name in ("GOLD", "GOLD-C"):
        assert {key: now[name][key] for key in KEPT} == {key: terms[name][key] for key in KEPT}
    floor.ask("resume", "instrument", "GOLD")
    floor.send(
        order(3, Side.BUY, 2, 1_667, who=2, symbol=b"GOLD"),
        order(4, Side.SELL, 2, 1_667, who=1, symbol=b"GOLD"),
    )
    assert [floor.view.of(who, lay.OPEN) for who in (1, 2)] == [1, 1]  # in the call after a halt
    floor.close()


KEPT = "mark", "multiplier", "strike", "strike_multiplier"
