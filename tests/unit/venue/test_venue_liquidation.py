"""A participant under its maintenance margin, in a venue in one thread: the core kills it, and the
operator's lane closes it out in parts, over restarts from the journal."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import CommandKind, EventKind, Reason, Side
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import MORE, kinds, order, risk_refusal

RULES = """
[liquidation]
mark_every_ms = 5
every_ms = 20
part_bps = 3_000
band_bps = 1_000
[[participant]]
number = 4
name = "four"
[[participant]]
number = 5
name = "five"
[[limits]]
participant = 4
opening_balance = 1_000
credit = 0
maintenance_bps = 5_000
"""
LIMITS = "\nmin_price_ticks = 1\nmax_price_ticks = 100_000\nmargin = 20\n"
TEXT = (
    VENUE.replace('symbol = "GOLD"', 'symbol = "GOLD"' + LIMITS)
    + MORE.replace("max_qty_lots = 100", "max_qty_lots = 1_000")
    + RULES
)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("liquidation"), TEXT)
    yield trading_floor
    trading_floor.close()


def parts(floor: InlineFloor) -> tuple[np.ndarray, np.ndarray]:
    """The orders of liquidations, and all events of the journal."""
    commands, events = floor.journal()
    ours = (commands["kind"] == CommandKind.NEW) & (commands["order_id"] > lay.PART_IDS)
    return commands[ours], events


def shown(floor: InlineFloor, *words: str) -> list[str]:
    done = CliRunner().invoke(main, ["venue", "limits", *words, "--venue", str(floor.file)])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_it_is_closed_out_in_parts_over_kills_until_the_margin_is_enough(
    floor: InlineFloor,
) -> None:
    """40 short at 100: 800 of initial margin, 400 of maintenance, 1,000 of its own."""
    floor.send(
        order(1, Side.BUY, 40, 100, who=1),
        order(2, Side.SELL, 40, 100, who=4),
        order(3, Side.SELL, 1, 200, who=4),
    )
    assert floor.status()["risk"]["liquidated"] == []
    # At 116 it has 360: of nothing to be bought at 127 or less nothing is bought.
    floor.send(order(4, Side.SELL, 1, 116, who=2), order(5, Side.BUY, 1, 116, who=5))
    floor.wait_for(lambda s: s["risk"]["liquidated"] == [4])
    (refused,) = floor.send(order(6, Side.BUY, 1, 90, who=4))
    assert risk_refusal(refused)[0] == {"KILLED"}
    while len(parts(floor)[0]) < 3:
        floor.clock.advance(0.01)
        floor.wait_for(lambda s: s["risk"]["liquidated"] == [4])
    _, events = parts(floor)
    (gone,) = events[(events["order_id"] == 3) & (events["kind"] == EventKind.CANCELLED)]
    assert gone["reason"] == Reason.DISCONNECTED
    floor.again()
    floor.wait_for(lambda s: s["risk"]["liquidated"] == [4])
    floor.send(order(7, Side.SELL, 5, 120, who=2))
    floor.again()
    # At 120 it has 200, and 35 short need 350; at 116 it has 340, and 25 short need 250.
    floor.send(order(8, Side.SELL, 10, 116, who=2))
    floor.wait_for(lambda s: s["risk"]["liquidated"] == [] and 4 in s["risk"]["killed"])
    ours, events = parts(floor)
    assert set(ours["participant"].tolist()) == {4}
    assert set(ours["side"].tolist()) == {int(Side.BUY)}
    assert ours["price_ticks"].max() <= 132
    fills = events[(events["participant"] == 4) & (events["kind"] == EventKind.FILLED)]
    bought = fills["qty_lots"][fills["side"] == Side.BUY].sum()
    assert bought == 15
    assert np.isin(fills["order_id"][fills["side"] == Side.BUY], ours["order_id"]).all()
    assert len(set(ours["order_id"].tolist())) == len(ours)
    rows = shown(floor, "show", "--participant", "4")
    assert any(re.fullmatch(r"participant 4 GOLD +position +-25", row) for row in rows), rows
    assert any(row.endswith("killed_by              its maintenance margin") for row in rows)
    assert any(re.fullmatch(r"participant 4 +maintenance_margin +250", row) for row in rows)


def test_each_part_is_a_command_of_the_operators_lane_and_its_order(floor: InlineFloor) -> None:
    commands, events = floor.journal()
    liquidations = commands[
        (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == Setting.LIQUIDATE)
    ]
    ours = commands[(commands["kind"] == CommandKind.NEW) & (commands["order_id"] > lay.PART_IDS)]
    completed = np.isin(
        liquidations["seq"], events["cause_seq"][events["kind"] == EventKind.COMPLETED]
    )
    assert completed.sum() >= len(ours)
    for one in ours:
        (before,) = liquidations[
            liquidations["seq"] == liquidations["seq"][liquidations["seq"] < one["seq"]].max()
        ]
        same = ("aux", "qty_lots"), ("price_ticks", "price_ticks")
        assert all(before[a] == one[b] for a, b in same)
        assert before["qty_lots"] == 4
        accepted = events[events["cause_seq"] == one["seq"]]
        assert kinds(accepted)[0] is EventKind.ACCEPTED


def test_who_is_let_trade_again_trades(floor: InlineFloor) -> None:
    floor.ask("resume", "participant", "4")
    (passed,) = floor.send(order(20, Side.BUY, 1, 90, who=4))
    assert kinds(passed) == [EventKind.ACCEPTED]
    floor.ask("limits", "set", "maintenance_bps", "10000", "--participant", "4")
    floor.wait_for(lambda s: s["risk"]["liquidated"] == [4])
    assert (
        "under its maintenance margin" in floor.ask("resume", "participant", "4", status=1)["error"]
    )
    floor.ask("limits", "set", "maintenance_bps", "5000", "--participant", "4")
    floor.wait_for(lambda s: s["risk"]["liquidated"] == [])
    floor.ask("resume", "participant", "4")


def test_the_history_has_the_call_and_each_part(floor: InlineFloor) -> None:
    rows = [re.sub(r"^\S+Z | \(command [\d,]+\)$", "", row) for row in shown(floor, "history")]
    ours = [row for row in rows if row.startswith("participant 4")]
    called = "participant 4: under its maintenance margin: killed, and liquidated"
    assert ours[0] == called
    assert ours.count(called) == 3  # twice more by the higher share, and by `resume` under it
    assert any(
        re.fullmatch(
            r"participant 4: liquidation: buys 1[0-2] GOLD at 12\d or better: "
            r"5 traded",
            row,
        )
        for row in ours
    ), ours
    assert any(row.endswith(": 10 traded") for row in ours), ours
    assert ours[-1] == "participant 4: may trade again"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("maintenance_bps", "5000", "--participant", "2"), "has no credit limit"),
        (("maintenance_bps", "10001", "--participant", "4"), "10001 is not 0 to 10000"),
    ],
)
def test_what_cannot_be_is_reported(floor: InlineFloor, words: tuple[str, ...], says: str) -> None:
    assert says in floor.ask("limits", "set", *words, status=1)["error"]


def test_a_file_that_cannot_close_out_is_reported(tmp_path: Path) -> None:
    text = TEXT.replace(
        "[liquidation]\nmark_every_ms = 5\nevery_ms = 20\npart_bps = 3_000\nband_bps = 1_000\n", ""
    ).replace("credit = 0\nmaint", "maint")
    (tmp_path / "venue.toml").write_text(text)
    done = CliRunner().invoke(main, ["venue", "check", str(tmp_path / "venue.toml")])
    assert done.exit_code == 1
    assert "limits[5].maintenance_bps: needs a table [liquidation]" in done.output
    assert "participant 4 has no credit limit" in done.output
    (tmp_path / "venue.toml").write_text(TEXT.replace("part_bps = 3_000", "part_bps = 0"))
    done = CliRunner().invoke(main, ["venue", "check", str(tmp_path / "venue.toml")])
    assert "liquidation.part_bps: 0 is not 1 to 10000" in done.output
