"""hftbacktest's events: by numpy alone, there and back; the library replays them in tests/long."""

import random

import numpy as np
import pytest

from openoutcry.tape.convert import convert, info, open_tape, write_tape
from openoutcry.tape.npz import LAYOUT
from openoutcry.wire.errors import FlowError
from tests.support.tape.market import MemoryTape, drawn, header, read, records_of

BOTH, BUY, SELL = 3 << 30, 1 << 29, 1 << 28


def events(seed, kinds, count=1_000):
    """Random events of these kinds."""
    draw = np.random.default_rng(seed)
    data = np.zeros(count, LAYOUT)
    data["ev"] = BOTH | draw.choice(kinds, count) | draw.choice([0, BUY, SELL], count)
    data["exch_ts"] = 1_700_000_000 * 10**9 + np.cumsum(draw.integers(0, 10**6, count))
    data["local_ts"] = data["exch_ts"] + draw.integers(1, 10**6, count)
    data["px"] = draw.integers(1, 10**7, count) / 100
    data["qty"] = draw.integers(1, 10**6, count) / 1_000
    if 10 in kinds:
        data["order_id"] = draw.integers(1, 2**62, count)
    return data


@pytest.mark.parametrize("kinds", [[2], [1, 2, 4], [1, 2, 3, 4], [2, 10, 12, 13]])
@pytest.mark.parametrize("packed", [True, False])
def test_there_and_back_through_parquet_are_the_same_events(kinds, packed, tmp_path):
    data = events(3, kinds)
    (np.savez_compressed if packed else np.savez)(tmp_path / "a.npz", data=data)
    assert convert(tmp_path / "a.npz", tmp_path / "a.parquet")["losses"] == []
    done = convert(tmp_path / "a.parquet", tmp_path / "b.npz")
    assert done["losses"] == []
    with np.load(tmp_path / "b.npz") as archive:
        assert archive["data"].tobytes() == data.tobytes()


@pytest.mark.parametrize("seed", range(3))
def test_a_random_market_leaves_the_same_book(seed, tmp_path):
    """Read as the library reads it: a cancel is of the whole, a change says what is left."""
    ops, orders = drawn(seed, 1_000, instruments=1)
    tape = MemoryTape(header(instruments=1), records_of(ops), [300, 301])
    done = write_tape(tape, tmp_path / "a.npz", allowed=["all"])
    book, traded = {}, 0.0
    with np.load(tmp_path / "a.npz") as archive:
        for ev, _, _, px, qty, order, _, _ in archive["data"].tolist():
            kind, side = ev & 0xFF, "B" if ev & BUY else "A" if ev & SELL else "N"
            if kind == 10:
                book[order] = [1, side, round(px * 10_000), qty]
            elif kind == 11:
                del book[order]
            elif kind == 12:
                book[order][3] = qty
            elif kind == 2:
                traded += qty
    assert book == orders
    assert traded == sum(op.qty for op in ops if op.what in ("execution", "hidden"))
    names = {loss["name"]: loss["count"] for loss in done["losses"]}
    assert names["no rx_ts_ns"] == len(records_of(ops))
    assert "partial cancel" in names


def test_flipped_bytes_and_truncations_are_found(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", data=events(4, [2, 10, 12], 60))
    data = (tmp_path / "a.npz").read_bytes()
    draw, path, found = random.Random(5), tmp_path / "bad.npz", 0
    for _ in range(80):
        at = draw.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :])
        found += "bad.npz" in fault(path)
    assert found > 50
    for end in range(0, len(data), 5):
        path.write_bytes(data[:end])
        assert "bad.npz" in fault(path)


def fault(path):
    """What is wrong with a file; "" if it can be read."""
    try:
        info(open_tape(path))
    except FlowError as error:
        return str(error)
    return ""


def test_wrong_arrays_are_named(tmp_path):
    data = events(6, [2], 10)
    data["px"][4] = np.nan
    np.savez(tmp_path / "nan.npz", data=data)
    assert "nan.npz: record 5: px is nan" in fault(tmp_path / "nan.npz")
    data = events(6, [2, 77], 10)
    np.savez(tmp_path / "kind.npz", data=data)
    assert "events of the type 77" in fault(tmp_path / "kind.npz")
    np.savez(tmp_path / "other.npz", data=np.zeros(3))
    assert "no events of hftbacktest" in fault(tmp_path / "other.npz")
    np.savez(tmp_path / "name.npz", rows=np.zeros(3))
    assert "no events of hftbacktest" in fault(tmp_path / "name.npz")


def test_floats_that_are_no_decimals_are_a_loss(tmp_path):
    data = events(7, [2], 10)
    data["px"][3] = 1 / 3
    np.savez(tmp_path / "a.npz", data=data)
    done = convert(tmp_path / "a.npz", tmp_path / "a.parquet", allowed=["px"])
    assert [(one["name"], one["count"]) for one in done["losses"]] == [("px", 1)]
    assert read(open_tape(tmp_path / "a.parquet"))["price"][3] == 333_333_333
