"""A venue's own journal is settled, and what the settlement adds comes back into its ledger."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.settlement.holdings import holdings_before
from openoutcry.ledger.settlement.trades import read_trades
from openoutcry.wire.decimals import units_of
from openoutcry.wire.enums import Side
from tests.support.venue.floor import TICK_S, InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import MORE, order

TEXT = VENUE + MORE + '[[asset]]\nname = "USD"\ndecimals = 2\n'
PLACES = {"USD": 2}


def said(*words):
    result = CliRunner().invoke(main, ["settlement", *map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def asked(floor, *words):
    """A command that asks the desk, in a second thread."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(CliRunner().invoke, main, ["settlement", *map(str, words)])
        while not done.done():
            floor.step()
            if floor._desk.desk is not None and floor._desk.desk.clients:
                floor.clock.advance(TICK_S)
    return done.result()


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.promise(
    "A venue's trades are settled from its journal, and each penalty is posted once", group="venue"
)
def test_a_venues_trades_are_settled_and_penalties_posted(tmp_path):
    floor = InlineFloor(tmp_path, TEXT)
    for who in (2, 3):
        floor.ask("deposit", str(who), "1000000", "--asset", "USD")
    # 3 sells to 2 what it does not hold, 1 sells what it does (TIN, opened with 40 lots).
    floor.send(order(1, Side.SELL, 5, 10_000, who=3), order(2, Side.BUY, 5, 10_000, who=2))
    tin = [order(3, Side.SELL, 4, 500, who=1), order(4, Side.BUY, 4, 500, who=2)]
    for one in tin:
        one["symbol"] = b"TIN"
    floor.send(*tin)
    journal, trades, held = floor.journal_path, tmp_path / "trades.csv", tmp_path / "held.csv"
    assert said("trades", journal, "--market", "24/7", "--out", trades)["trades"] == 2
    said("balances", journal, trades, "--out", held)
    before = {
        (row["member"], row["asset"]): units_of(row["balance"], PLACES.get(row["asset"], 0))
        for row in rows(held)
    }
    assert before["1", "TIN"] == 40
    assert before["2", "USD"] == before["3", "USD"] == 1_000_000
    day1 = tmp_path / "day1"
    settled = said(
        "settle",
        trades,
        "--decimals",
        "USD=2",
        "--balances",
        held,
        "--day",
        "2026-11-23",
        "--out",
        day1,
        "--penalty-ppm",
        "1000",
    )
    assert (settled["settled"], settled["failed"]) == (1, 1)
    after = {
        (row["member"], row["asset"]): units_of(row["balance"], PLACES.get(row["asset"], 0))
        for row in rows(day1 / "balances.csv")
    }
    penalty = 5 * 10_000 // 1_000
    assert after["3", "USD"] == 1_000_000 - penalty
    for _ in range(2):
        posted = asked(floor, "post", day1, "--day", "2026-11-23", "--venue", floor.file)
        assert posted.exit_code == 0, posted.output
    assert "already done" in posted.output
    # All that is left open: the ledger has moved the trade that failed.
    read = read_trades(trades, scales=PLACES)
    left = holdings_before(at(journal).books, read)
    now = {(member, asset): units for member, asset, units in left}
    assert now["3", "USD"] == 1_000_000 - penalty
    assert now["2", "USD"] == 1_000_000 + penalty
    failed = {**after}
    failed["2", "USD"] -= 5 * 10_000
    failed["3", "USD"] += 5 * 10_000
    books = at(journal).books
    total = {}
    for place, value in books.nonzero_balances():
        if place.participant is not None:
            key = str(place.participant), books.assets[place.asset]
            total[key] = total.get(key, 0) + value
    assert {who: total[who, "USD"] for who in ("1", "2", "3")} == {
        who: failed[who, "USD"] for who in ("1", "2", "3")
    }
    assert not any(books.sums())
    floor.close()


def test_a_member_that_is_no_participant_is_refused(tmp_path):
    folder = tmp_path / "day"
    folder.mkdir()
    (folder / "transfers.csv").write_text(
        "phase,payer,payee,asset,units\npost,1,clearing,USD,9\npenalty,ann,2,USD,5\n"
    )
    file = tmp_path / "venue.toml"
    file.write_text(TEXT)
    done = CliRunner().invoke(
        main, ["settlement", "post", str(folder), "--day", "2026-11-23", "--venue", str(file)]
    )
    assert done.exit_code == 1 or done.exception is not None
    assert "is not the number of a participant" in (done.output + str(done.exception))
