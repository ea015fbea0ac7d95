"""A market's levels in a file, and one of its venues as a day again."""

import json
from random import Random

import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner
from itch.parser import MessageParser

from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.cli.main import main
from openoutcry.flow.levels import LevelsSource
from openoutcry.market_data.book import Book
from openoutcry.matcher import Engine
from openoutcry.routing.ccxt_venue import CcxtVenue
from openoutcry.routing.connector import Connector
from openoutcry.routing.depth import LIVE, LOST, Depth
from openoutcry.routing.instruments import Instrument, Market, RoutingError, Venue
from openoutcry.routing.level_files import Levels, write_levels
from openoutcry.routing.recording import Recording
from openoutcry.routing.settings import read_settings
from openoutcry.routing.synthetic import Path as Chain
from openoutcry.wire.enums import EventKind
from openoutcry.wire.errors import FlowError
from tests.support.routing.markets import GOLD, random_market, random_side
from tests.unit.routing.test_connectors import CCXT_LISTING, FILE, FakeExchange


def rows_of(path):
    return parquet.read_table(path).to_pylist()


def recorded(path, looks):
    """A file of a market of two venues in which random levels change at each look, and what each
    venue showed then: by time, venue and side."""
    rng, shown = Random(1), {}
    market = random_market(rng, 2)
    depth = Depth(market, 5)
    with Recording(path, market) as recording:
        for now_ns in range(1, looks + 1):
            for number, listing in enumerate(market.listings):
                if rng.random() < 0.1:
                    depth.set_status(number, LOST, now_ns)
                    sides = [], []
                else:
                    sides = [
                        random_side(rng, listing, side, rng.randint(0, 5), spread=2)
                        for side in (1, -1)
                    ]
                    is_crossed = all(sides) and sides[0][0][0] >= sides[1][0][0]
                    depth.set_status(number, LIVE, now_ns)
                    depth.set_levels(number, *sides, now_ns)
                    sides = ([], []) if is_crossed else sides
                shown[now_ns, listing.venue] = sides
            recording.take(depth, now_ns)
        recording.take(depth, looks + 1)
    return market, shown


def test_a_recorded_venue_is_a_day_with_the_same_levels_at_each_time(tmp_path):
    path = tmp_path / "levels.parquet"
    market, shown = recorded(path, 60)
    for listing in market.listings:
        text = f"levels:levels.parquet@{listing.venue}"
        day = prepare_day(open_recording(text, tmp_path), tmp_path / listing.venue)
        engine, records = Engine(day.instruments, day.order_capacity), day.records()
        seen = 0
        for now_ns in range(1, 61):
            part = records[records["rx_ts_ns"] == now_ns]
            if len(part):
                events = engine.process(part)
                assert not (events["kind"] == EventKind.REJECTED).any()
            depth = engine.depth(day.instruments["symbol"][0], 5)
            bids, asks = shown[now_ns, listing.venue]
            assert [row[:2] for row in depth["bids"]] == bids
            assert [row[:2] for row in depth["asks"]] == asks
            seen += len(bids)
        assert seen > 60


def test_a_venue_of_ccxt_is_recorded_and_is_a_day_again(tmp_path):
    exchange, path = FakeExchange(), tmp_path / "levels.parquet"
    venue = CcxtVenue(CCXT_LISTING, exchange, book_every_ns=0)
    market = Market(GOLD, (Venue("X"),), (CCXT_LISTING,))
    depth = Depth(market)
    books = [[[99.5, 1.0]], [[100.0, 2.0], [99.5, 1.0]], []]
    with Recording(path, market) as recording:
        for now_ns, bids in enumerate(books, start=1):
            exchange.book = {"bids": bids, "asks": [[100.5, 2.5]]}
            venue.follow(depth, 0, now_ns)
            recording.take(depth, now_ns)
    day = prepare_day(open_recording("levels:levels.parquet@X", tmp_path), tmp_path / "X")
    engine, records = Engine(day.instruments, day.order_capacity), day.records()
    for now_ns, bids in enumerate(books, start=1):
        engine.process(records[records["rx_ts_ns"] == now_ns])
        shown = engine.depth(day.instruments["symbol"][0], 5)
        assert [row[:2] for row in shown["bids"]] == [(p * 100, q * 100) for p, q in bids]


def test_rows_have_the_venue_s_units_and_the_price_after_fees(tmp_path):
    rng = Random(2)
    market = random_market(rng, 1)
    listing, venue = market.listings[0], market.venues[0]
    depth, path = Depth(market), tmp_path / "x.parquet"
    price = 100 * 10**listing.price_decimals
    with Recording(path, market) as recording:
        depth.set_status(0, LIVE, 1)
        depth.set_levels(0, [], [(price, 7)], 1)
        recording.take(depth, 1)
        recording.take(depth, 2)
        depth.set_status(0, LOST, 3)
        recording.take(depth, 3)
    after_fee = price * listing.price_factor * (10**6 + venue.taker_ppm)
    row = {"ts_ns": 1, "venue": "V0", "side": "ask", "price": price, "quantity": 7}
    row["after_fee"] = after_fee
    assert rows_of(path) == [row, row | {"ts_ns": 3, "quantity": 0}]
    facts = json.loads(parquet.read_schema(path).metadata[b"outcry"])
    assert facts["decimals"] == {"V0": [listing.price_decimals, listing.quantity_decimals]}
    assert recording.count == 2


def test_a_synthetic_book_is_recorded_after_fees(tmp_path):
    market = random_market(Random(3), 1)
    depth, path = Depth(market), tmp_path / "x.parquet"
    book = Chain(Instrument("GOLD/USD 2", "GOLD", "USD", 2, 0), [depth])
    unit = 10 ** market.listings[0].price_decimals
    depth.set_status(0, LIVE, 1)
    depth.set_levels(0, [(99 * unit, 500)], [(101 * unit, 500)], 1)
    with Recording(path, book.instrument) as recording:
        recording.take_synthetic(book, 1)
        best = book.take_side(1, 1)[0]
        depth.set_status(0, LOST, 2)
        recording.take_synthetic(book, 2)
    assert {row["side"] for row in rows_of(path)} == {"bid", "ask"}
    asks = [row for row in rows_of(path) if row["side"] == "ask"]
    assert [(row["ts_ns"], row["venue"], row["price"], row["quantity"]) for row in asks] == [
        (1, "", best.price, best.quantity),
        (2, "", best.price, 0),
    ]
    (first, _), shown = Levels(path).parts(), Book()
    shown.apply(first.messages)
    assert [one.symbol for one in shown.instruments()] == ["GOLD/USD 2"]
    assert shown.levels(1, "S")[0][:2] == (best.price * 100, best.quantity)
    write_levels(path, tmp_path / "x.dbn", "dbn")
    decoder = pytest.importorskip("databento_dbn", reason="no databento-dbn").DBNDecoder()
    decoder.write((tmp_path / "x.dbn").read_bytes())
    metadata, *records = decoder.decode()
    assert metadata.symbols == ["GOLD/USD 2"]
    assert {(one.price, one.size) for one in records if one.side == "A"} == {
        (best.price * 10**7, best.quantity)
    }


def test_a_recording_is_the_same_book_as_itch_and_as_dbn(tmp_path):
    """After each look: by our own book, by a parser of ITCH and by Databento's decoder."""
    path = tmp_path / "levels.parquet"
    market, shown = recorded(path, 40)
    book, venues = Book(), [listing.venue for listing in market.listings]
    times, sequence = [], 1
    for part in Levels(path).parts():
        assert part.first_sequence == sequence
        book.apply(part.messages)
        sequence, _ = book.messages + 1, times.append(part.ts_ns)
        for locate, venue in enumerate(venues, start=1):
            for side, rows in zip("BS", shown.get((part.ts_ns, venue), ([], [])), strict=True):
                scale = 10 ** (4 - market.listings[locate - 1].price_decimals)
                rows = [(price * scale, quantity) for price, quantity in rows]
                assert [row[:2] for row in book.levels(locate, side)] == rows
    assert [one.symbol for one in book.instruments()] == venues
    write_levels(path, tmp_path / "x.itch", "itch")
    assert _by_itch(tmp_path / "x.itch") == _by_dbn(tmp_path, path, market) != {}


def _shown(orders):
    """What is shown now: by locate, side and price."""
    totals = {}
    for locate, side, price, shares in orders.values():
        totals[locate, side, price] = totals.get((locate, side, price), 0) + shares
    return totals


def _by_itch(path):
    """The books after each look, as a parser of others reads the file."""
    orders, books = {}, {}
    for one in MessageParser().parse_file(path.open("rb")):
        kind = one.message_type.decode()
        if kind == "A":
            side = one.buy_sell_indicator.decode()
            orders[one.order_reference_number] = [
                one.stock_locate, side, one.price, one.shares,
            ]  # fmt: skip
        elif kind == "X":
            orders[one.order_reference_number][3] -= one.cancelled_shares
        elif kind == "D":
            del orders[one.order_reference_number]
        elif kind == "U":
            row = orders.pop(one.order_reference_number)
            orders[one.new_order_reference_number] = [*row[:2], one.price, one.shares]
        if kind in "AXDU":
            books[one.timestamp] = _shown(orders)
    return books


def _by_dbn(folder, path, market):
    """The same from Databento's decoder; prices as ITCH has them."""
    dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")
    write_levels(path, folder / "x.dbn", "dbn")
    decoder = dbn.DBNDecoder()
    decoder.write((folder / "x.dbn").read_bytes())
    metadata, *records = decoder.decode()
    assert metadata.symbols == [f"GOLD/USD@{one.venue}" for one in market.listings]
    orders, books, sides = {}, {}, {dbn.Side.BID: "B", dbn.Side.ASK: "S"}
    for one in records:
        if one.action == dbn.Action.ADD:
            price = one.price // 10**5
            orders[one.order_id] = [one.instrument_id, sides[one.side], price, one.size]
        else:
            assert one.action == dbn.Action.CANCEL
            orders[one.order_id][3] -= one.size
            if not orders[one.order_id][3]:
                del orders[one.order_id]
        books[one.ts_event] = _shown(orders)
    return books


def test_what_itch_cannot_carry_is_refused_and_leaves_no_file(tmp_path):
    market = random_market(Random(1), 1)
    depth, path, out = Depth(market), tmp_path / "x.parquet", tmp_path / "x.itch"
    depth.set_status(0, LIVE, 1)
    depth.set_levels(0, [], [(market.listings[0].price_step, 1 << 32)], 1)
    with Recording(path, market) as recording:
        recording.take(depth, 1)
    with pytest.raises(RoutingError, match="shares"):
        write_levels(path, out, "itch")
    assert not out.exists()
    out.write_bytes(b"no table")
    with pytest.raises(RoutingError, match="no recording"):
        write_levels(out, out, "itch")


DOUBLE = """
[[synthetic]]
symbol = "GOLD twice"
quote = "USD"
path = ["GOLD/USD"]
weights = [2]
price_decimals = 2
quantity_decimals = 0
"""


class Shown(Connector):
    """A venue that shows one offer at each look; the router's calls alone are needed."""

    poll = resume = send = cancel = settle = reconnect = close = None

    def __init__(self, name):
        self.name = name

    def follow(self, depth, number, now_ns):
        depth.set_status(number, LIVE, now_ns)
        depth.set_levels(number, [], [(10_000 if self.name == "X" else 1_000_000, 4)], now_ns)


def test_a_synthetic_book_of_the_file_is_recorded_by_the_command(tmp_path, monkeypatch):
    """Twice 100.00 and its fee, of two offers: of 4 and of 0.04."""
    path, out = tmp_path / "routes.toml", tmp_path / "x.itch"
    path.write_text(FILE + DOUBLE)
    monkeypatch.setattr(Shown, "close", lambda self: None)
    made = {name: Shown(name) for name in "AX"}
    monkeypatch.setattr("openoutcry.routing.settings.Settings.connectors", lambda *given: made)
    words = ["route", "record", str(path), "GOLD twice", str(out), "--seconds", "0.01"]
    done = CliRunner().invoke(main, [*words, "--format", "itch"])
    assert done.exit_code == 0, done.output
    first = rows_of(tmp_path / "x.itch.parquet")[0]
    assert (first["side"], first["price"], first["quantity"]) == ("ask", 20_006, 2)
    (shown := Book()).apply(out.read_bytes())
    assert [one.symbol for one in shown.instruments()] == ["GOLD twice"]
    path.write_text(FILE + DOUBLE.replace("GOLD/USD", "TIN"))
    with pytest.raises(RoutingError, match="no instrument TIN"):
        read_settings(path)


def test_a_file_that_has_no_levels_is_named(tmp_path):
    (tmp_path / "x").write_bytes(b"no table")
    with pytest.raises(FlowError, match="x: "):
        LevelsSource(tmp_path / "x", "A")
