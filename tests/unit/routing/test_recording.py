"""A market's levels in a file, and one of its venues as a day again."""

import json
from random import Random

import pyarrow.parquet as parquet
import pytest

from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.flow.levels import LevelsSource
from openoutcry.matcher import Engine
from openoutcry.routing.depth import LIVE, LOST, Depth
from openoutcry.routing.instruments import Instrument
from openoutcry.routing.recording import Recording
from openoutcry.routing.synthetic import Path as Chain
from openoutcry.wire.enums import EventKind
from openoutcry.wire.errors import FlowError
from tests.support.routing.markets import random_market, random_side


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
        recording.take_synthetic(book, 2)
    assert {row["side"] for row in rows_of(path)} == {"bid", "ask"}
    best = book.take_side(1, 1)[0]
    asks = [row for row in rows_of(path) if row["side"] == "ask"]
    assert [(row["ts_ns"], row["venue"], row["price"], row["quantity"]) for row in asks] == [
        (1, "", best.price, best.quantity),
        (2, "", best.price, 0),
    ]


def test_a_file_that_has_no_levels_is_named(tmp_path):
    (tmp_path / "x").write_bytes(b"no table")
    with pytest.raises(FlowError, match="x: "):
        LevelsSource(tmp_path / "x", "A")
