"""Who traded before a halt, a funding, a listing, a liquidation or a time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.cli.surveillance import surveillance
from openoutcry.risk.bits import Setting
from openoutcry.surveillance.before import MOMENTS, RISK, before
from openoutcry.surveillance.detect.settings import Related, Settings
from openoutcry.wire.enums import CommandKind, EventKind, Phase, Side
from openoutcry.wire.errors import SurveillanceError
from tests.support.ledger.ledger_flow import write_journal
from tests.support.surveillance.foreign_markets import PERPETUAL, SECOND, SYMBOL
from tests.support.surveillance.foreign_products import ProductMarket

AHEAD, PARTNER = 71, 72
MINUTE_NS = 60 * SECOND


class Desk(ProductMarket):
    """Half an hour of honest trading; one takes 120 lots of the perpetual, its partner 30 of the
    spot, and a minute later comes the moment; then the price is another one."""

    def __init__(self, moment: dict[str, Any]) -> None:
        super().__init__(900, 0.0, 0.0)
        self.moment, self.moment_ns = moment, 0

    def steps(self) -> Any:
        yield 1_500.0
        for _ in range(4):
            self.take(AHEAD, Side.BUY, 30, 8, PERPETUAL)
            yield 5.0
        self.take(PARTNER, Side.BUY, 30, 8)
        yield 60.0
        self.moment_ns = self.now_ns
        self.send([self.moment])
        self.value += 40
        if self.moment is HALT:
            yield 30.0
            self.send([HALT | {"aux": Phase.CONTINUOUS}])

    def written(self, home: Path) -> Path:
        """Write the journal of it."""
        self.day(1_800, [*self.honest(), self.script(self.steps)])
        orders = np.concatenate([part for part, _ in self.batches])
        return write_journal(home, orders, self.config)


def risk(what: Setting) -> dict[str, Any]:
    return {"kind": CommandKind.RISK, "order_type": what, "symbol": PERPETUAL, "aux": 1_000}


HALT = {"kind": CommandKind.PHASE, "aux": Phase.HALT, "symbol": PERPETUAL}


@pytest.mark.parametrize(
    ("what", "moment"), [("halt", HALT), *((what, risk(by[0])) for what, by in RISK.items())]
)
def test_who_took_ahead_is_first(tmp_path: Path, what: str, moment: dict[str, Any]) -> None:
    desk = Desk(moment)
    home = desk.written(tmp_path / "day")
    answer = before(home, Settings(), what)
    assert answer.ts_ns == desk.moment_ns
    first = answer.rows[0]
    assert (first.participants, first.symbol) == ([AHEAD], PERPETUAL.decode())
    assert first.bought_lots == first.took_lots == first.net_lots > 60
    assert (first.sold_lots, first.common_lots) == (0, 0.0)
    assert first.gain_ticks > 0
    assert {row.symbol for row in answer.rows} == {SYMBOL.decode(), PERPETUAL.decode()}
    was, _, later = answer.prices[PERPETUAL.decode()]
    assert was is not None
    assert later is not None
    paid = [
        (event["price_ticks"] * event["qty_lots"])
        for _, events in desk.batches
        for event in events
        if event["participant"] == AHEAD and event["kind"] == EventKind.FILLED
    ]
    assert first.gain_ticks == first.net_lots * later - sum(map(int, paid))


def test_related_owners_are_one_and_a_time_needs_no_command(tmp_path: Path) -> None:
    desk = Desk(HALT)
    home = desk.written(tmp_path / "day")
    settings = Settings((Related((AHEAD, PARTNER)),))
    answer = before(home, settings, "time", SYMBOL.decode(), desk.moment_ns)
    rows = [row for row in answer.rows if set(row.participants) & {AHEAD, PARTNER}]
    assert {row.symbol for row in rows} == {SYMBOL.decode(), PERPETUAL.decode()}
    one = before(home, settings, "halt", SYMBOL.decode())
    assert one.rows == answer.rows
    earlier = before(home, settings, "time", "", desk.moment_ns - 3 * MINUTE_NS)
    assert not {AHEAD, PARTNER} & {who for row in earlier.rows for who in row.participants}


def test_the_command_says_it_in_rows_and_in_json(tmp_path: Path) -> None:
    home = Desk(HALT).written(tmp_path / "day")
    shown = CliRunner().invoke(surveillance, ["before", str(home), "halt"])
    assert shown.exit_code == 0, shown.output
    assert "halt at 2026-" in shown.output
    assert str(AHEAD) in shown.output
    told = CliRunner().invoke(surveillance, ["before", str(home), "halt", "--json"])
    assert json.loads(told.output)["rows"][0]["participants"] == [AHEAD]
    for what in MOMENTS:
        assert what in CliRunner().invoke(surveillance, ["before", "--help"]).output


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("funding",), "there was no funding"),
        (("halt", "NONE"), "no instrument 'NONE'"),
        (("halt", "", 1), "there was no halt of these until then"),
        (("time",), "a time is needed"),
        (("time", "", 2**62), "ends before that time"),
    ],
)
def test_what_was_not_is_said(tmp_path: Path, asked: Any, words: str) -> None:
    home = Desk(HALT).written(tmp_path / "day")
    with pytest.raises(SurveillanceError, match=words):
        before(home, Settings(), *asked)
