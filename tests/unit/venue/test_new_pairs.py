"""A pair that no file has named is announced by command, opens and trades, and every copy is that
of a venue that had it from its beginning."""

import itertools

import numpy as np
import pytest

from openoutcry.client.shm import reason_name
from openoutcry.journal.core import Core
from openoutcry.journal.reader import JournalReader
from openoutcry.ledger.accounts import KINDS
from openoutcry.ledger.books import Books
from openoutcry.market_data.feed import Feed
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue.carry import CarryError
from openoutcry.venue.file import VenueFileError, read_venue
from openoutcry.venue.requests import BY
from openoutcry.wire.enums import EventKind, Reason, Side
from openoutcry.wire.feed_messages import ITCH50
from openoutcry.wire.rule_changes import RulesBlock
from tests.oracles.market_data_feed import ReferenceFeed
from tests.support.market_data.feed_support import unframed
from tests.support.venue.carried import carry_over
from tests.support.venue.cut_requests import cut_off, effects
from tests.support.venue.floor import InlineFloor
from tests.support.venue.pairs import KEYS, NAMED, SLOTS, pairs_text, sessions_text, symbols_in
from tests.support.venue.spot_floor import session_tables
from tests.support.venue.venue_floor import WORD, kinds, order

SOL, BTC = {"symbol": b"SOL-USD"}, {"symbol": b"BTC-USD"}


def announce(floor, symbol="SOL-USD", *words, keys=KEYS, **more):
    given = {one.partition("=")[0]: one for one in (*keys, *words)}
    return floor.ask("instrument", "announce", symbol, *given.values(), **more)


@pytest.fixture
def floor(tmp_path):
    trading_floor = InlineFloor(tmp_path, pairs_text())
    yield trading_floor
    trading_floor.close()


def trade(floor, ids=0):
    """Orders of two people in the new pair and another, some of which trade."""
    return floor.send(
        order(ids + 1, Side.BUY, 50, 2_000, 1, **SOL),
        order(ids + 2, Side.SELL, 30, 2_000, 2, **SOL),
        order(ids + 3, Side.SELL, 7, 5_000_000, 2, **BTC),
        order(ids + 4, Side.BUY, 7, 5_000_000, 3, **BTC),
        order(ids + 5, Side.SELL, 5, 2_500, 2, **SOL),
    )


def opened(floor):
    """The pair is open, in continuous trading."""
    floor.ask("instrument", "open", "SOL-USD", "--call-min", "1")
    floor.clock.advance(70, 1)
    floor.wait_for(lambda s: s["phases"]["SOL-USD"] == "CONTINUOUS")


def test_a_pair_is_announced_and_trades(floor):
    """It is refused as long as it is no instrument, and while it is announced; then it opens with
    an auction and trades, also over a restart."""
    (none,) = floor.send(order(1, Side.BUY, 5, 2_000, 1, **SOL))
    assert (kinds(none), none["reason"][0]) == ([EventKind.REJECTED], Reason.GATEWAY)
    assert floor.status()["risk"]["slots"] == 3
    assert list(floor.status()["phases"]) == ["BTC-USD"]
    assert announce(floor)["done"] == [
        "SOL-USD is announced: SOL paid in USD; it takes no order until `outcry venue instrument "
        "open SOL-USD`"
    ]
    status = floor.status()
    assert status["risk"]["slots"] == 2
    assert status["risk"]["states"] == {"SOL-USD": "announced"}
    assert list(status["phases"]) == ["BTC-USD", "SOL-USD"]
    (closed,) = floor.send(order(2, Side.BUY, 5, 2_000, 1, **SOL))
    assert kinds(closed) == [EventKind.REJECTED]
    opened(floor)
    bought, sold, *_ = trade(floor, 10)
    assert kinds(bought) == [EventKind.ACCEPTED]
    assert EventKind.FILLED in kinds(sold)
    floor.again()
    assert symbols_in(floor.view) == ["BTC-USD", "SOL-USD", "+2", "+3"]
    bought, sold, *_ = trade(floor, 20)
    assert EventKind.FILLED in kinds(sold)
    assert floor.status()["phases"]["SOL-USD"] == "CONTINUOUS"


def test_the_core_and_the_ledger_are_those_of_a_venue_that_had_it(tmp_path):
    """Wallets, fees, orders and books of the same orders, whether a file or a command named it."""
    floors = []
    for name, more in (("named", NAMED), ("announced", SLOTS)):
        folder = tmp_path / name
        folder.mkdir()
        floor = InlineFloor(folder, pairs_text(more))
        if more is SLOTS:
            announce(floor)
        opened(floor)
        trade(floor, 10)
        floors.append(floor)
    views = [floor.view for floor in floors]
    assert views[0].wallets.rows.tolist() == views[1].wallets.rows.tolist()
    assert views[0].wallets.assets.tolist() == views[1].wallets.assets.tolist()
    assert views[0].open_orders() == views[1].open_orders()
    assert views[0].instruments[1, :19].tolist() == views[1].instruments[1, :19].tolist()
    books = []
    for floor in floors:
        made = Books(JournalReader(floor.journal_path).config)
        made.post(*floor.journal())
        books.append(made)
    assert books[0].symbols[:2] == books[1].symbols[:2] == ["BTC-USD", "SOL-USD"]
    assert books[0].spot[1] == books[1].spot[1]
    money = [made.balances.reshape(-1, made.asset_count, KINDS, 2) for made in books]
    assert money[0][:5, :14].tolist() == money[1][:5, :14].tolist()
    assert money[0][1:4, 8:12].any()
    for floor in floors:
        floor.close()


def test_every_replay_has_the_symbols_of_each_command(floor):
    """From the journal's beginning, and from the state after each of its commands."""
    announce(floor)
    announce(
        floor, "ETH-BTC", "base=ETH", "quote=BTC", "lot_units=10000", "tick_units=1", "decimals=4"
    )
    opened(floor)
    trade(floor, 10)
    commands, _ = floor.journal()
    core = Core.of(JournalReader(floor.journal_path).config)
    whole, kept = core.fresh(), {}
    about = (commands["kind"] == RISK_KIND) & np.isin(commands["order_type"], (117, 118))
    chosen = set(np.flatnonzero(about)[::5].tolist()) | {0, len(commands) - 1}
    for at in range(len(commands)):
        if at in chosen:
            kept[at] = whole.snapshot()
        whole.process(np.ascontiguousarray(commands[at : at + 1]))
    for at, snapshot in kept.items():
        part = core.restored(snapshot)
        part.process(np.ascontiguousarray(commands[at:]))
        assert part.state_hash() == whole.state_hash()
    _, events = floor.journal()
    applied = events[(events["kind"] == EventKind.COMPLETED) & (events["contra_id"] == 118)]
    assert sorted(set(applied["instrument"].tolist())) == [1, 3]
    assert whole.instruments["symbol"].tolist() == [b"BTC-USD", b"SOL-USD", b"+2", b"ETH-BTC"]


def messages_of(feed, floor):
    """What a feed of the journal publishes, without lengths."""
    _, events = floor.journal()
    times = np.full(int(events["cause_seq"].max()) + 1, 10**18, np.int64)
    return unframed(feed.encode(np.ascontiguousarray(events), times, 0))


def without_numbers(message):
    """A message's fields, without numbers of events, which are others where more is sequenced."""
    kind = chr(message[0])
    numbers = "timestamp", "reference", "new_reference", "match"
    fields = ITCH50.from_server(kind).unpack(message)
    return {"type": kind} | {name: one for name, one in fields.items() if name not in numbers}


def test_the_feed_announces_the_pair_and_then_says_what_it_would_have_said(tmp_path):
    """Nothing of a slot; R and H as it is announced, R to whoever comes later, and the messages
    about its orders are those of a venue that had it."""
    said, feeds = [], []
    for name, more in (("named", NAMED), ("announced", SLOTS)):
        folder = tmp_path / name
        folder.mkdir()
        floor = InlineFloor(folder, pairs_text(more))
        decimals = dict(floor.venue.file.sessions.price_decimals)
        table = floor.venue.file.instruments
        feed = Feed(table, 4_096, decimals, symbols=list(floor.venue.file.symbols))
        if more is SLOTS:
            announce(floor)
            announce(
                floor,
                "ETH-BTC",
                "base=ETH",
                "quote=BTC",
                "lot_units=10000",
                "tick_units=1",
                "decimals=4",
            )
        opened(floor)
        trade(floor, 10)
        messages = messages_of(feed, floor)
        _, events = floor.journal()
        times = dict.fromkeys(range(int(events["cause_seq"].max()) + 1), 10**18)
        reference = ReferenceFeed(table, decimals, list(floor.venue.file.symbols))
        assert messages == reference.encode(events, times)
        said.append([one for one in messages if one[1:3] == b"\0\2"])
        feeds.append((feed, messages, table, decimals))
        floor.close()
    named, new = (list(map(without_numbers, rows)) for rows in said)
    assert [one["type"] for one in new[:2]] == ["R", "H"]
    assert named[0] == new[0]
    assert named[1:] == new[1:]
    assert len(new) > 6
    feed, messages, table, decimals = feeds[1]
    assert not any(b"+" in one[11:19] for one in messages)
    later = feed.directory_now(messages[:2])
    stocks = [ITCH50.from_server("R").unpack(one)["stock"].strip() for one in later[1:]]
    assert stocks == ["BTC-USD", "SOL-USD", "ETH-BTC"]
    again = Feed(table, 4_096, decimals, symbols=[*decimals])
    again.restore(feed.saved())
    assert again.saved()["instruments"].tolist() == feed.saved()["instruments"].tolist()


def test_sessions_trade_the_pair_at_once_and_after_a_restart(tmp_path):
    """OUCH and FIX, which were connected before it was announced; what they are sent is made again
    from the journal, byte for byte."""
    doors = {"OUCH": "ouch-4.2", "FIX": "fix-4.4"}
    floor = InlineFloor(tmp_path, pairs_text() + sessions_text(**doors))
    ouch, fix = floor.client("OUCH"), floor.fix("FIX", target="PAIRS")
    ouch.enter("a1", "B", 5, "SOL-USD", 200_000)
    assert ouch.message()[0] == "J"
    fix.enter("2", "SOL-USD", 5, "20.00")
    assert fix.next()[39] == "8"
    announce(floor)
    opened(floor)
    ouch.enter("a2", "B", 5, "SOL-USD", 200_000)
    kind, accepted = ouch.message()
    assert (kind, accepted["symbol"].strip()) == ("A", "SOL-USD")
    fix.enter("2", "SOL-USD", 3, "20.00")
    report = fix.next()
    assert (report[39], report[55]) == ("0", "SOL-USD")
    fill = fix.next()
    assert (fill[39], fill[31], fill[479]) == ("2", "20.00", "USD")
    kind, executed = ouch.message()
    assert (kind, executed["price"]) == ("E", 200_000)
    fix.enter("1", "SOL-USD", 3, "19.99")
    assert fix.next()[39] == "0"
    ouch.replace("a2", "a3", 4, 199_900)
    assert ouch.message()[0] == "U"
    before = list(ouch.messages)
    ouch.close()
    floor.again()
    again = floor.client("OUCH")
    for _ in before:
        again.message()
    assert again.messages == before
    again.enter("a4", "S", 3, "SOL-USD", 199_900)
    assert again.message()[0] == "A"
    assert again.message()[0] == "E"
    again.close()
    floor.close()


WRONG = {
    "SOL-USD base=XRP": "SOL-USD: base: there is no asset 'XRP'; there are: USD, BTC, ETH, SOL",
    "SOL-USD quote=SOL": "SOL-USD: SOL is also the base asset",
    "SOL-USD lot_units=1": "SOL-USD: a tick of a lot would be 1/10000 units of USD, and amounts "
    "would round: give a lot more units, or prices fewer decimals",
    "SOL-USD tick_units=99": "SOL-USD: tick_units is 99, but a tick of a lot is 100 units of USD "
    "(lot_units of SOL with 8 decimals, prices with 2, USD with 6)",
    "BTC-USD ": "there is an instrument 'BTC-USD' already",
    **{
        f"{one} ": f"{one!r} is 'BTC-USD' but for case and punctuation: programs that leave these "
        "out would take one for the other"
        for one in ("BTC.USD", "BTCUSD", "btc-usd", "B-TCUSD.")
    },
    "SOL ": "'SOL' is also an asset's name",
    "+4 ": "'+4': + begins the symbol of a slot",
    "SOLANA-USD ": "'SOLANA-USD' has 10 characters: a pair that is announced while trading has 8 "
    "at most; a longer symbol needs the venue file and `outcry venue carry`",
    "SOL-USD decimals=3": "SOL-USD: no slot whose prices have 3 decimals is left; there are slots "
    "with 2, 4",
    "SOL-USD min_price_ticks=0": "SOL-USD: prices of spot are 1 to 1125899906842624 ticks, not 0 "
    "to 100000",
    "SOL-USD max_price_ticks=many": "max_price_ticks: 'many' is not a whole number of ticks",
    "SOL-USD price_step_ticks=0": "SOL-USD: price_step_ticks is 0, not 1 to 4611686018427387904",
    "SOL-USD colour=3": "colour: no key with which SOL-USD is announced while it trades; there are "
    "base, quote, lot_units, tick_units, decimals, price_step_ticks, qty_step_lots, min_qty_lots, "
    "max_qty_lots, min_price_ticks, max_price_ticks, market_band_ticks, auction_band_ticks, "
    "tick_table",
}


def test_slots_are_looked_at_once_for_each_change_of_rules(tmp_path):
    """Requests with unknown symbols cost the same however many slots there are; a pair is known to
    sessions as soon as it is announced."""
    text = pairs_text() + session_tables({"SHM": ("shm", "participant = 1", "key")})
    floor = InlineFloor(tmp_path, text)
    client, names = floor.shm("SHM"), itertools.count(1)

    def is_known(symbol):
        client.enter(next(names), Side.BUY, symbol, 5, 2_000)
        (reply,) = client.told()
        return reason_name(reply.reason) != "unknown symbol"

    for symbol, tick_units in (("SOL-USD", 100), ("SOL-BTC", 10_000)):
        assert not is_known(symbol)
        base, quote = symbol.split("-")
        terms = f"base={base}", f"quote={quote}", f"tick_units={tick_units}"
        announce(floor, symbol, *terms)
        assert is_known(symbol)
        assert not is_known("NOPE")
    rules = floor.view.rules
    (slot,) = [at for at, one in enumerate(symbols_in(floor.view)) if one.startswith("+")]
    rules.table["symbol"][slot] = b"POKED"
    assert not is_known("POKED"), "it was not looked at again"
    rules.header[RulesBlock.offset("changed_seq") // 8] += 1
    assert is_known("POKED")
    floor.drop()


def test_what_cannot_be_is_refused_by_name_before_anything_is_staged(floor):
    for words, text in WRONG.items():
        symbol, word = words.split(" ")
        more = [word] if word else []
        assert announce(floor, symbol, *more, status=1)["error"] == text
    missing = announce(floor, keys=KEYS[1:], status=1)["error"]
    assert missing.startswith("SOL-USD: base is missing; a pair needs base, quote, lot_units")
    assert Setting.INSTRUMENT_RULE not in floor.settings()
    assert floor.status()["risk"]["slots"] == 3


def test_a_journal_with_a_new_pair_is_not_carried_over(floor):
    announce(floor)
    floor.stop()
    floor.run = None
    with pytest.raises(CarryError, match="SOL-USD: announced while trading; a journal with such"):
        carry_over(floor, lambda text: text)
    floor.open()


@pytest.mark.parametrize("after", [3, 5, 9, 13])
def test_a_request_that_is_cut_off_has_no_effect_and_is_finished_once(floor, after):
    """Between any two words nothing is half in force; the same reference finishes it."""
    request = {
        "do": "instrument-announce",
        "instrument": "SOL-USD",
        "rules": " ".join(sorted(KEYS)),
    }
    cut_off(floor, request | {"reference": "n1", "operator": "", BY: 0}, after)
    done = symbols_in(floor.view)[1] == "SOL-USD"
    assert floor.status()["risk"]["slots"] == 3 - done
    (none,) = floor.send(order(1, Side.BUY, 5, 2_000, 1, **SOL))
    assert kinds(none) == [EventKind.REJECTED]
    announce(floor, "SOL-USD", "--reference", "n1")
    announce(floor, "SOL-USD", "--reference", "n1")
    assert symbols_in(floor.view) == ["BTC-USD", "SOL-USD", "+2", "+3"]
    assert len(effects(floor, Setting.INSTRUMENT_APPLY)) == 1
    opened(floor)
    _, sold, *_ = trade(floor, 10)
    assert EventKind.FILLED in kinds(sold)


def test_no_slot_is_left(floor):
    for symbol in ("A-USD", "B-USD"):
        announce(floor, symbol)
    assert (
        "no slot whose prices have 2" in announce(floor, "C-USD", "decimals=2", status=1)["error"]
    )
    announce(floor, "C-USD", "tick_units=1", "lot_units=1000000")
    text = "D-USD: no slot is left for it; `outcry venue carry` goes on with a file that has more"
    assert announce(floor, "D-USD", status=1)["error"].startswith(text)


def test_a_slot_takes_no_order_and_no_state(floor):
    announce(floor)
    for number, symbol in enumerate((b"+1", b"+2", b"+3")):
        (taken,) = floor.send(order(1 + number, Side.BUY, 1, 1, 1, symbol=symbol))
        assert kinds(taken) == [EventKind.REJECTED]
    for what in ("open", "delist", "suspend"):
        for slot in ("+1", "+2"):
            assert "error" in floor.ask("instrument", what, slot, status=1)


def test_two_people_ask_and_one_reference_does_it_once(floor):
    first = announce(floor, "SOL-USD", "--operator", "anna", "--reference", "n1", password=WORD)
    assert "waits" in str(first)
    again = announce(floor, "SOL-USD", "--operator", "bert", "--reference", "n2", password=WORD)
    assert again["done"][-1].startswith("SOL-USD is announced")
    announce(floor, "SOL-USD", "--operator", "anna", "--reference", "n1", password=WORD)
    assert len(effects(floor, Setting.INSTRUMENT_APPLY)) == 1


def test_a_file_that_has_no_room_for_them_is_refused_by_name(tmp_path):
    path = tmp_path / "venue.toml"
    for text, what in (
        (pairs_text().replace("order_capacity", 'gateway = "rtl"\norder_capacity'), "gateway"),
        (pairs_text().replace('"BTC-USD"', '"+BTC"'), "begins that of a slot"),
        (pairs_text().replace("count = 2", "count = 0"), "count"),
    ):
        path.write_text(text)
        with pytest.raises(VenueFileError, match=what):
            read_venue(path)
