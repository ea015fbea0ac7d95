"""Rules of instruments change by command while the venue trades: once for each reference, by two
people, over kills, and every copy and every replay has the same rules."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.cli.main import main
from openoutcry.journal.core import Core
from openoutcry.journal.reader import JournalReader
from openoutcry.ledger.books import Books
from openoutcry.ledger.layout import WORST_BUY, WORST_SELL
from openoutcry.market_data.feed import Feed
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.surveillance.detect.layout import B_STEP
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.venue.carry import CarryError
from openoutcry.venue.liquidation import Liquidator
from openoutcry.wire.enums import EventKind, Reason, Side
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.feed_messages import ITCH50
from tests.support.venue.carried import carry_floor, carry_over
from tests.support.venue.contract_floor import PEOPLE
from tests.support.venue.cut_requests import cut_off, effects
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import WORD, kinds, order

APPLY = Setting.INSTRUMENT_APPLY
LIMITED = VENUE.replace(
    'symbol = "TIN"', 'symbol = "TIN"\nmin_price_ticks = 1\nmax_price_ticks = 100_000'
)
TIN = {"symbol": b"TIN"}


def change(floor, *words, **more):
    return floor.ask("instrument", "change", *words, **more)


def rules_of(floor, symbol="TIN"):
    index = floor.venue.file.symbols.index(symbol)
    return floor.view.rules.table[index]


@pytest.fixture
def floor(tmp_path):
    trading_floor = InlineFloor(tmp_path, LIMITED + PEOPLE)
    yield trading_floor
    trading_floor.close()


def replays(floor):
    """The journal from its beginning, and from the state after each of its commands, gives the same
    rules and hash."""
    commands, events = floor.journal()
    reader = JournalReader(floor.journal_path)
    core = Core.of(reader.config)
    whole = core.fresh()
    kept = []
    for at in range(len(commands)):
        kept.append((whole.snapshot(), whole.instruments.copy()))
        whole.process(np.ascontiguousarray(commands[at : at + 1]))
    for at, (snapshot, table) in enumerate(kept):
        part = core.restored(snapshot)
        assert part.instruments.tolist() == table.tolist()
        part.process(np.ascontiguousarray(commands[at:]))
        assert part.state_hash() == whole.state_hash()
        assert part.instruments.tolist() == whole.instruments.tolist()
    return whole.instruments, commands, events


def test_a_tick_changes_while_orders_rest(floor):
    """It is refused with how many are in the way; then they are cancelled by name, and what is on
    the new grid stays, also over a restart."""
    floor.send(
        order(1, Side.BUY, 5, 500, **TIN),
        order(2, Side.BUY, 5, 503, **TIN),
        order(3, Side.SELL, 5, 611, **TIN),
        order(4, Side.SELL, 7, 610, **TIN),
    )
    text = change(floor, "TIN", "price_step_ticks=10", status=1)["error"]
    assert text == (
        "TIN: 2 open orders are off the new rules, so nothing has changed; --cancel-off-grid "
        "cancels them"
    )
    assert rules_of(floor)["price_step_ticks"] == 1
    assert not len(effects(floor, APPLY)[effects(floor, APPLY)["qty_lots"] == 1])
    words = ("TIN", "price_step_ticks=10", "max_qty_lots=50", "--cancel-off-grid")
    assert change(floor, *words)["done"] == [
        "TIN: price_step_ticks is 10 (was 1), max_qty_lots is 50 (was 4611686018427387904); open "
        "orders off its new rules are cancelled"
    ]
    _, events = floor.journal()
    gone = events[events["reason"] == Reason.RULES_CHANGED]
    gone = gone[gone["kind"] == EventKind.CANCELLED]
    assert sorted(gone["order_id"].tolist()) == [2, 3]
    done = events[events["cause_seq"] == gone["cause_seq"][0]]
    assert done["kind"].tolist() == [EventKind.CANCELLED] * 2 + [EventKind.COMPLETED]
    for again in (False, True):
        if again:
            floor.again()
        off, large, on = floor.send(
            order(10 + again, Side.BUY, 5, 505, **TIN),
            order(20 + again, Side.BUY, 51, 510, **TIN),
            order(30 + again, Side.BUY, 5, 510, **TIN),
        )
        assert (kinds(off), off["reason"][0]) == ([EventKind.REJECTED], Reason.GATEWAY)
        assert (kinds(large), large["reason"][0]) == ([EventKind.REJECTED], Reason.GATEWAY)
        assert kinds(on) == [EventKind.ACCEPTED]
    assert floor.status()["risk"]["rules"] == {
        "TIN": {"price_step_ticks": "10", "max_qty_lots": "50"}
    }
    table, _, _ = replays(floor)
    assert table["price_step_ticks"].tolist() == [1, 10]


@pytest.mark.parametrize("capacity", ["", "participant_capacity = 2_000\n"], ids=["few", "many"])
def test_the_gateway_lets_through_what_a_finer_tick_permits(tmp_path, capacity):
    """Before the change it refuses it itself; also with more participants than it has bits for."""
    text = LIMITED.replace('symbol = "TIN"', 'symbol = "TIN"\nprice_step_ticks = 10')
    text = text.replace("order_capacity", f"{capacity}order_capacity")
    floor = InlineFloor(tmp_path, text + PEOPLE)
    (refused,) = floor.send(order(1, Side.BUY, 5, 505, **TIN))
    assert refused["reason"][0] == Reason.GATEWAY
    for number, again in enumerate((False, True)):
        if again:
            floor.again()
        else:
            change(floor, "TIN", "price_step_ticks=5")
        (taken,) = floor.send(order(10 + number, Side.BUY, 5, 505, **TIN))
        assert kinds(taken) == [EventKind.ACCEPTED]
    floor.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("price_step_ticks=0.5",), "price_step_ticks: '0.5' is not a whole number of ticks"),
        (("qty_step_lots=x",), "qty_step_lots: 'x' is not a whole number of lots"),
        (("price_step_ticks=0",), "TIN: price_step_ticks is 0, not 1 to 4611686018427387904"),
        (("price_step_ticks=1",), "TIN has these rules already"),
        (("price_step_ticks=2", "price_step_ticks=3"), "price_step_ticks is named twice"),
        (("decimals=3",), "decimals: no key with which TIN is changed while it trades; there are"),
        (("min_qty_lots=9", "max_qty_lots=8"), "TIN: min_qty_lots is above max_qty_lots"),
        (("tick_table=1000:7",), "TIN: band1_from_ticks is 1000"),
        (("tick_table=1000",), "tick_table: '1000' is not FROM:STEP,…"),
        (("max_price_ticks=499",), "TIN: its last price 500 would be outside the limits 1 to 499"),
    ],
)
def test_what_cannot_be_is_refused_by_name(floor, words, said):
    """Before anything is on the lane."""
    floor.send(order(1, Side.BUY, 5, 500, **TIN), order(2, Side.SELL, 5, 500, who=2, **TIN))
    before = len(floor.journal()[0])
    assert change(floor, "TIN", *words, status=1)["error"].startswith(said)
    floor.step()
    assert len(floor.journal()[0]) == before
    assert change(floor, "LEAD", "price_step_ticks=2", status=1)["error"] == (
        "there is no instrument 'LEAD'"
    )


def test_no_rule_changes_in_a_call_or_after_the_end(tmp_path):
    floor = InlineFloor(tmp_path, LIMITED + PEOPLE, "2026-11-23T08:30")
    floor.wait_for(lambda s: s["phases"]["TIN"] == "PRE_OPEN" and s["phases_sequenced"])
    text = change(floor, "TIN", "price_step_ticks=5", status=1)["error"]
    assert text == "TIN is in a call: ask again after its auction"
    floor.at("2026-11-23T09:00")
    floor.wait_for_phase("CONTINUOUS")
    change(floor, "TIN", "price_step_ticks=5")
    floor.ask("instrument", "delist", "TIN")
    text = change(floor, "TIN", "price_step_ticks=1", status=1)["error"]
    assert text == "TIN is delisted: its rules stay"
    floor.close()


@pytest.mark.parametrize("after", [1, 3, 5, 6, 7])
def test_a_change_that_is_cut_off_is_done_once(tmp_path, after):
    """Killed between its words and what puts them in force: nothing is half in force, and the same
    reference finishes it; another change does not meet its words."""
    floor = InlineFloor(tmp_path, LIMITED + PEOPLE)
    floor.send(order(1, Side.BUY, 5, 503, **TIN), order(2, Side.BUY, 6, 500, **TIN))
    rules = "max_qty_lots=70 min_qty_lots=2 price_step_ticks=10"
    request = {"do": "instrument-change", "instrument": "TIN", "rules": rules}
    request |= {"cancel_off_grid": True, "reference": "notice 21"}
    cut_off(floor, request, after)
    row = rules_of(floor)
    in_force = [int(row[key]) for key in ("max_qty_lots", "min_qty_lots", "price_step_ticks")]
    is_done = after > 6
    assert in_force == ([70, 2, 10] if is_done else [2**62, 1, 1])
    if after == 5:  # another one before it is finished
        change(floor, "GOLD", "price_step_ticks=2")
    for _ in range(2):
        words = ("TIN", *rules.split(), "--cancel-off-grid", "--reference", "notice 21")
        change(floor, *words)
    row = rules_of(floor)
    assert [int(row[key]) for key in ("max_qty_lots", "min_qty_lots", "price_step_ticks")] == [
        70,
        2,
        10,
    ]
    assert rules_of(floor, "GOLD")["price_step_ticks"] == (2 if after == 5 else 1)
    own = effects(floor, APPLY)
    assert len(own[own["symbol"] == b"TIN"]) == 1
    text = change(floor, "TIN", "price_step_ticks=5", "--reference", "notice 21", status=1)["error"]
    assert text == "reference 'notice 21' belongs to a different request; nothing was done"
    _, events = floor.journal()
    gone = events[(events["reason"] == Reason.RULES_CHANGED)]
    assert gone["order_id"].tolist() == [1]
    floor.close()


def test_two_supervisors_consent(floor):
    """Each with a password, to the same rules."""
    words = ("TIN", "price_step_ticks=5", "--operator")
    assert change(floor, *words, "anna", password=WORD)["waits"]
    other = change(floor, "TIN", "price_step_ticks=2", "--operator", "bert", password=WORD)
    assert other["waits"], "other rules are another wish"
    assert rules_of(floor)["price_step_ticks"] == 1
    change(floor, *words, "bert", password=WORD)
    assert rules_of(floor)["price_step_ticks"] == 5
    (command,) = effects(floor, APPLY)
    assert command["order_id"] == 2


def test_the_feed_says_a_new_lot(floor):
    """R with the new lot, at once and at the begin of the next session; a checkpoint of the feed
    goes on with it."""
    change(floor, "TIN", "qty_step_lots=10", "auction_band_ticks=7")
    floor.send(order(1, Side.BUY, 20, 500, **TIN))
    commands, events = floor.journal()
    times = np.ascontiguousarray(commands["rx_ts_ns"]), int(commands["seq"][0])
    feed = Feed(floor.venue.file.instruments, order_capacity=4_096)
    data, lots, at = feed.encode(events, *times), [], 0
    layout = ITCH50.from_server("R")
    while at < len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        message = data[at + 2 : at + 2 + size]
        if message[:1] == b"R":
            fields = layout.unpack(message)
            lots.append((fields["locate"], fields["round_lot"], fields["round_lots_only"]))
            now = layout.unpack(feed.in_force(message))
            assert now["round_lot"] == (10 if fields["locate"] == 2 else 1)
        at += 2 + size
    assert lots == [(1, 1, "N"), (2, 1, "N"), (2, 10, "Y")]
    again = Feed(floor.venue.file.instruments, order_capacity=4_096)
    again.restore(feed.saved())
    assert again.saved()["instruments"].tolist() == feed.saved()["instruments"].tolist()


def test_the_ledger_reserves_by_the_limits_in_force(floor):
    """A market order's worst price is the new one, in the core and in the books."""
    change(floor, "TIN", "max_price_ticks=900", "market_band_ticks=50")
    commands, events = floor.journal()
    books = Books(JournalReader(floor.journal_path).config)
    books.post(commands, events)
    for mine, core in ((WORST_BUY, lay.WORST_BUY), (WORST_SELL, lay.WORST_SELL)):
        assert books.instruments[1, mine // 8] == floor.view.instruments[1, core // 8]


def test_surveillance_and_liquidation_follow(floor):
    """Near is so many steps as they are now; a part is of whole lots as they are now."""
    liquidator = Liquidator(None, floor.venue.file.instruments, ["GOLD", "TIN"], print, int)
    change(floor, "TIN", "price_step_ticks=10", "qty_step_lots=5")
    commands, events = floor.journal()
    detectors = Detectors(JournalReader(floor.journal_path).config)
    detectors.watch(commands, events)
    assert detectors.books[:, B_STEP // 8].tolist() == [1, 10]
    liquidator._follow_rules(floor.view)
    assert [rules.qty_step for rules in liquidator.rules] == [1, 5]


def test_a_backtest_refuses_a_day_with_two_sets_of_rules(floor, tmp_path):
    """It names the command; the day of another instrument is as it was."""
    floor.send(order(1, Side.BUY, 5, 500, **TIN), order(2, Side.BUY, 5, 500))
    change(floor, "TIN", "max_qty_lots=50")
    floor.again()
    seq = int(effects(floor, APPLY)["seq"][0])
    recording = open_recording(f"journal:{floor.journal_path}@TIN")
    with pytest.raises(BacktestError, match=f"command {seq} changes the rules of TIN"):
        prepare_day(recording, tmp_path / "tin")
    prepare_day(open_recording(f"journal:{floor.journal_path}@GOLD"), tmp_path / "gold")


def test_a_journal_that_is_carried_over_keeps_what_is_in_force(floor):
    """A file that would take it back is refused by name; one that says it goes on."""
    floor.send(order(1, Side.BUY, 5, 500, **TIN))
    change(floor, "TIN", "price_step_ticks=10")
    floor.stop()
    floor.run = None
    with pytest.raises(CarryError, match="TIN: price_step_ticks is 10 by command, and the file"):
        carry_over(floor, lambda text: text)
    said = 'symbol = "TIN"\nprice_step_ticks = 10'
    carry_floor(floor, lambda text: text.replace('symbol = "TIN"', said))
    assert rules_of(floor)["price_step_ticks"] == 10
    (taken,) = floor.send(order(2, Side.BUY, 5, 510, **TIN))
    assert kinds(taken) == [EventKind.ACCEPTED]


def test_what_people_read(floor):
    change(floor, "TIN", "price_step_ticks=5", "tick_table=1000:10,5000:50")
    floor.status()
    file = str(floor.file)
    shown = CliRunner().invoke(main, ["venue", "instrument", "list", "--venue", file]).stdout
    assert "price_step_ticks=5, by command" in shown
    assert "tick_table=1000:10,5000:50, by command" in shown
    history = CliRunner().invoke(main, ["venue", "limits", "history", "--venue", file, "--json"])
    assert [(row["what"], row["did"]) for row in json.loads(history.stdout)] == [
        (
            "TIN",
            "price_step_ticks 5, tick_table band 1 10 from 1000 on, tick_table band 2 50 "
            "from 5000 on",
        )
    ]
