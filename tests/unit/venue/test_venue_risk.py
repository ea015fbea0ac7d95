"""Risk in a venue, in one thread: limits of the file and of the operator, kill switches, halts and
the emergency close, over restarts from the journal, which has all of it.  What is killed or halted
the gateway refuses already."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import (
    CommandKind,
    EventKind,
    Reason,
    Side,
)
from tests import ROOT
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import PORT, VENUE
from tests.support.venue.venue_floor import (
    WORD,
    gateway_refusal,
    kinds,
    order,
    risk_refusal,
    without_references,
)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("floor"))
    yield trading_floor
    trading_floor.close()


def test_limits_of_the_file_count_once_and_those_of_the_operator_outlive_a_restart(floor) -> None:
    refused, passed = floor.send(order(1, Side.BUY, 101, 10), order(2, Side.BUY, 100, 10))
    first = floor.settings()  # on disk now: what was answered was sequenced behind them
    assert first[-1] is Setting.FILE
    assert first.count(Setting.MAX_QTY) == 6
    assert first.count(Setting.DEPOSIT) == first.count(Setting.POSITION) == 1
    assert risk_refusal(refused) == ({"MAX_QTY"}, 100, 0, 101)
    assert kinds(passed) == [EventKind.ACCEPTED]
    done = floor.ask(
        "limits", "set", "max_qty_lots", "50", "--participant", "1", "--instrument", "GOLD"
    )
    assert (done["before"], done["commands"]) == (100, 1)
    floor.again()
    assert floor.settings() == [*first, Setting.MAX_QTY]
    (refused,) = floor.send(order(3, Side.BUY, 51, 10))
    assert risk_refusal(refused) == ({"MAX_QTY"}, 50, 0, 51)
    # 1,000,000 at the beginning, of which 1,000 are reserved.
    (refused,) = floor.send(order(4, Side.BUY, 50, 20_000))
    assert risk_refusal(refused) == ({"CAPITAL"}, 1_000_000, 1_000, 1_001_000)


def test_sql_and_the_commands_name_the_limit_that_refused(floor) -> None:
    sql = "select verdict from audit where order_id = 3"
    shown = CliRunner().invoke(main, ["journal", "sql", str(floor.journal_path), sql, "--csv"])
    assert "REJECTED MAX_QTY: limit 50, now 0, asked 51" in shown.stdout
    page = ROOT / "docs" / "venue.md"
    (sql,) = re.findall(r'outcry journal sql journal "(.+?)"', page.read_text())
    shown = CliRunner().invoke(main, ["journal", "sql", str(floor.journal_path), sql, "--csv"])
    assert "REJECTED CAPITAL: limit 1000000, now 1000, asked 1001000" in shown.stdout
    sql = "select distinct order_type from orders where action = 'RISK' and aux = 50"
    shown = CliRunner().invoke(main, ["journal", "sql", str(floor.journal_path), sql, "--csv"])
    assert "MAX_QTY" in shown.stdout
    rows = CliRunner().invoke(
        main, ["venue", "limits", "show", "--venue", str(floor.file), "--json"]
    )
    limits = {(row["of"], row["what"]): row["value"] for row in json.loads(rows.stdout)}
    assert limits["participant 1 GOLD", "max_qty_lots"] == 50
    assert limits["participant 1 TIN", "position"] == 40
    assert limits["group alpha", "group_gross_position"] == 1_000


def test_a_kill_blocks_cancels_and_stays_until_it_is_taken_back(floor) -> None:
    (accepted,) = floor.send(order(10, Side.BUY, 5, 10))
    assert kinds(accepted) == [EventKind.ACCEPTED]
    assert floor.ask("kill", "participant", "1")["commands"] == 2
    commands, events = floor.journal()
    commands = without_references(commands)
    assert [int(kind) for kind in commands["kind"][-2:]] == [
        CommandKind.RISK,
        CommandKind.DISCONNECT,
    ]
    gone = events[events["cause_seq"] == commands["seq"][-1]]
    assert set(kinds(gone)) == {EventKind.CANCELLED, EventKind.COMPLETED}
    floor.again()
    assert floor.status()["risk"]["killed"] == [1]
    (refused,) = floor.send(order(11, Side.BUY, 5, 10))
    assert gateway_refusal(refused) == {"PARTICIPANT"}
    floor.ask("resume", "participant", "1")
    assert floor.ask("kill", "group", "alpha")["commands"] == 3
    refused, passed = floor.send(order(12, Side.BUY, 5, 10, who=2), order(13, Side.BUY, 5, 10))
    assert gateway_refusal(refused) == {"PARTICIPANT"}
    assert kinds(passed) == [EventKind.ACCEPTED]
    floor.ask("resume", "group", "alpha")


def test_a_loss_kills_and_its_orders_are_cancelled_by_the_operators_lane(floor) -> None:
    floor.ask("limits", "set", "loss", "100", "--participant", "3")
    floor.send(
        order(20, Side.BUY, 10, 100, who=3),
        order(21, Side.SELL, 10, 100, who=2),
        order(22, Side.BUY, 5, 60, who=3),
        order(23, Side.BUY, 5, 80, who=2),
    )
    floor.send(order(24, Side.SELL, 5, 80, who=3))
    floor.wait_for(lambda s: 3 in s["risk"]["killed"])
    commands, events = floor.journal()
    assert ((commands["kind"] == CommandKind.DISCONNECT) & (commands["participant"] == 3)).any()
    (gone,) = events[(events["order_id"] == 22) & (events["kind"] == EventKind.CANCELLED)]
    assert gone["reason"] == Reason.DISCONNECTED
    rows = CliRunner().invoke(
        main, ["venue", "limits", "show", "--venue", str(floor.file), "--json"]
    )
    limits = {(row["of"], row["what"]): row["value"] for row in json.loads(rows.stdout)}
    assert limits["participant 3", "killed_by"] == "its losses"
    floor.ask("limits", "set", "loss", "none", "--participant", "3")
    floor.ask("resume", "participant", "3")


def test_a_halt_takes_cancels_and_ends_with_an_auction(floor) -> None:
    floor.send(order(30, Side.BUY, 5, 10))
    floor.ask("halt", "GOLD")
    # Who has been answered reads it in the status.
    status = floor.status()
    assert status["phases"] == {"GOLD": "HALT", "TIN": "CONTINUOUS"}
    assert status["risk"]["halted"] == ["GOLD"]
    floor.again()
    floor.wait_for(lambda s: s["phases"]["GOLD"] == "HALT")
    cancel = order(30, Side.BUY, 5, 10, kind=CommandKind.CANCEL)
    refused, cancelled = floor.send(order(31, Side.BUY, 5, 10), cancel)
    assert gateway_refusal(refused) == {"HALTED"}
    assert kinds(cancelled) == [EventKind.CANCELLED]
    done = floor.ask("resume", "instrument", "GOLD")
    assert done["done"] == ["GOLD continues with VOLATILITY_AUCTION"]
    floor.at("2026-11-23T10:02")
    floor.wait_for_phase("CONTINUOUS")
    floor.send(cancel)  # what is before it is on disk then
    assert floor.phases_of("GOLD")[-3:] == ["HALT", "VOLATILITY_AUCTION", "CONTINUOUS"]
    floor.ask("resume", "instrument", "GOLD", status=1)


def test_all_instruments_are_halted_at_once_and_resumed_each(floor) -> None:
    assert floor.ask("halt", "--all")["done"] == [
        "every instrument is halted; cancels are accepted"
    ]
    commands, _ = floor.journal()
    halts = (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == Setting.HALT)
    assert commands["symbol"][halts][-2:].tolist() == [b"GOLD", b"TIN"]
    floor.wait_for(lambda s: s["risk"]["halted"] == ["GOLD", "TIN"])
    assert CliRunner().invoke(main, ["venue", "halt", "--venue", str(floor.file)]).exit_code == 2
    for symbol in ("GOLD", "TIN"):
        floor.ask("resume", "instrument", symbol)
    floor.at("2026-11-23T10:04")
    floor.wait_for_phase("CONTINUOUS")


@pytest.mark.promise(
    "Reopening a killed market, and a trade off the book that a named operator asks for, take"
    " two people",
    group="venue",
)
def test_the_market_is_opened_by_two(floor) -> None:
    floor.ask("kill", "market")
    (refused,) = floor.send(order(40, Side.BUY, 5, 10))
    assert gateway_refusal(refused) == {"PARTICIPANT"}
    market = ("resume", "market", "--operator")
    assert "name, password" in floor.ask(*market, "anna", password="wrong", status=1)["error"]
    assert "an operator's name" in floor.ask("resume", "market", status=1)["error"]
    assert floor.ask(*market, "anna", password=WORD)["open"] is False
    assert "a second operator" in floor.ask(*market, "anna", password=WORD, status=1)["error"]
    floor.again()
    assert floor.ask(*market, "bert", password=WORD)["open"] is True
    (passed,) = floor.send(order(41, Side.BUY, 5, 10))
    assert kinds(passed) == [EventKind.ACCEPTED]


def test_an_emergency_close_is_six_steps_in_the_journal(floor) -> None:
    done = floor.ask("emergency-close")
    assert [line.split(":")[0] for line in done["done"]] == [f"step {n}" for n in range(1, 7)]
    commands, _ = floor.journal()
    marks = (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == Setting.EMERGENCY)
    assert commands["aux"][marks].tolist() == [1, 2, 3, 4, 5, 6]
    first, second = np.flatnonzero(marks)[:2]
    assert commands["order_type"][first - 1] == Setting.MARKET_KILL
    assert commands["kind"][second - 1] == CommandKind.MASS_CANCEL
    state = json.loads(Path(done["state"]).read_text())
    assert sum(row["open_orders"] for row in state["participants"]) == 0
    assert [row["participant"] for row in state["participants"]] == [1, 2, 3]
    floor.wait_for(lambda s: s["risk"]["emergency_step"] == 6)
    shown = CliRunner().invoke(main, ["venue", "status", str(floor.file)]).stdout.splitlines()
    assert {
        "the market is killed",
        "emergency close: step 6 of 6 is done",
        "GOLD is halted",
        "participant 3 is killed",
    } <= set(shown)
    (refused,) = floor.send(order(50, Side.BUY, 5, 10))
    assert gateway_refusal(refused) == {"PARTICIPANT", "HALTED"}
    assert "is done" in floor.ask("emergency-close", status=1)["error"]


@pytest.mark.parametrize("what", ["limits", "fees"])
def test_what_was_never_opened_has_no_history(what: str, tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(VENUE + PORT.format(port=9))
    done = CliRunner().invoke(main, ["venue", what, "history", "--venue", str(file)])
    assert done.exit_code == 1
    assert done.output == f"outcry: {tmp_path / 'journal'}: this venue was never opened\n"
    done = CliRunner().invoke(main, ["venue", "actions", str(file)])
    assert (done.exit_code, done.output) == (1, f"outcry: {file}: this venue was never opened\n")


def test_the_history_names_the_stopped_participants_and_the_operators(floor) -> None:
    shown = (
        CliRunner().invoke(main, ["venue", "limits", "history", "--venue", str(floor.file)]).stdout
    )
    lines = [re.sub(r"^\S+Z | \(command [\d,]+\)$", "", line) for line in shown.splitlines()]
    wanted = [
        "participant 1: killed", "participant 1: may trade again", "group alpha: killed",
        "group alpha: may trade again", "participant 3: killed by its losses",
        "participant 3: may trade again", "GOLD: halted",
        "GOLD: may trade again", "the market: killed", "the market: requested to be opened by anna",
        "the market: requested to be opened by bert",
        "the market: emergency close: step 1 of 6: reject all",
        "the market: emergency close: step 6 of 6: notify",
    ]  # fmt: skip
    places = [lines.index(line) for line in wanted]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("kill", "participant", "70000"), "there is no participant 70000"),
        (("kill", "group", "beta"), "there is no group 'beta'; there are: alpha"),
        (("halt", "LEAD"), "there is no instrument 'LEAD'"),
        (("limits", "set", "max_qty", "1", "--participant", "1"), "there is no limit 'max_qty'"),
        (("limits", "set", "credit", "x", "--participant", "1"), "'x' is not a whole number"),
        (("limits", "set", "fee", "1"), "fee needs an instrument"),
        (
            ("limits", "set", "orders_per_s", "9", "--participant", "1", "--burst", "-3"),
            "orders_per_s: burst is -3, not 1 to 1,000,000,000",
        ),
        (
            ("limits", "set", "credit", "9", "--participant", "1", "--burst", "2"),
            "credit: burst applies only to orders_per_s",
        ),
    ],
)
def test_what_cannot_be_is_reported(floor, words: tuple[str, ...], says: str) -> None:
    assert says in floor.ask(*words, status=1)["error"]
