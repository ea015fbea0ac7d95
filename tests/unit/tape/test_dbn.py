"""DBN against Databento's own library, and through Parquet and back: the same bytes."""

import random

import numpy as np
import pyarrow.parquet
import pytest

from openoutcry.tape.convert import convert, info, open_tape
from openoutcry.tape.dbn import SCHEMAS, encode_metadata
from openoutcry.wire.errors import FlowError

dbn = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed")

CLASSES = [
    ("mbo", 3, "MBOMsg"),
    ("mbo", 1, "MBOMsg"),
    ("trades", 3, "TradeMsg"),
    ("mbp-1", 2, "MBP1Msg"),
    ("mbp-10", 3, "MBP10Msg"),
    ("definition", 1, "InstrumentDefMsgV1"),
    ("definition", 2, "InstrumentDefMsgV2"),
    ("definition", 3, "InstrumentDefMsg"),
    ("status", 3, "StatusMsg"),
    ("statistics", 2, "StatMsgV1"),
    ("statistics", 3, "StatMsg"),
]
START_NS = 1_700_000_000 * 10**9
DROPPED = (
    "trading_reference_price",
    "trading_reference_date",
    "md_security_trading_status",
    "settl_price_type",
)
"""Fields that only definitions of earlier versions have."""


def schema(name):
    return next(one for one in SCHEMAS if one.name == name)


def file_of(name, version, records, **more):
    """The bytes of a file, its metadata by the library if that writes the version."""
    if version == 3:
        head = dbn.Metadata(
            "XNAS.ITCH",
            START_NS,
            dbn.SType.RAW_SYMBOL,
            dbn.SType.INSTRUMENT_ID,
            dbn.Schema.from_str(name),
            ["AAPL", "MSFT"],
            ["PART"],
            ["GONE"],
            [],
            end=START_NS + 10**12,
            limit=7,
        ).encode()
    else:
        meta = {
            "version": version,
            "dataset": "XNAS.ITCH",
            "schema": schema(name).number,
            "start": START_NS,
            "end": 2**64 - 1,
            "limit": 0,
            "stype_in": 1,
            "stype_out": 0,
            "ts_out": 0,
            "width": 22 if version == 1 else 71,
            "symbols": ["AAPL", "MSFT"],
            "partial": [],
            "not_found": [],
            "mappings": [["AAPL", [[20231114, 20231115, "1"]]]],
        }
        head = encode_metadata(meta | more)
    return head + records.tobytes()


def fault(path):
    """What is wrong with a file; "" if it can be read."""
    try:
        info(open_tape(path))
    except FlowError as error:
        return str(error)
    return ""


def drawn(name, version, count, seed):
    """Random records of a schema, each field over its whole range."""
    draw = np.random.default_rng(seed)
    layout = schema(name).layout(version)
    records = np.frombuffer(draw.bytes(layout.itemsize * count), layout).copy()
    for field in layout.names:
        if field.startswith("_reserved") or field in DROPPED:
            records[field] = np.zeros((), layout[field])
        elif layout[field].kind == "S":
            size = layout[field].itemsize
            texts = [
                "".join(draw.choice(list("ABCXYZ0189"), draw.integers(0, size)))
                for _ in range(count)
            ]
            records[field] = np.array(texts, layout[field])
    records["length"], records["rtype"] = layout.itemsize // 4, schema(name).rtype
    records["instrument_id"] = draw.integers(1, 3, count)
    records["ts_event"] = START_NS + np.cumsum(draw.integers(0, 10**6, count))
    records["ts_recv"] = records["ts_event"] + draw.integers(1, 10**6, count).astype("u8")
    if "action" in layout.names and layout["action"].kind == "S":
        letters = [b"T"] if name == "trades" else [b"A", b"C", b"M", b"R", b"T", b"F", b"N"]
        records["action"] = draw.choice(letters, count)
        records["side"] = draw.choice([b"A", b"B", b"N"], count)
    return records


@pytest.mark.parametrize(("name", "version", "message"), CLASSES)
def test_a_layout_is_the_librarys(name, version, message):
    kind = getattr(dbn, message)
    theirs, ours = np.dtype(kind._dtypes), schema(name).layout(version)
    assert ours.itemsize == theirs.itemsize
    flat = {field: ours.fields[field][:2] for field in ours.names if not field.startswith("_")}
    levels = flat.pop("levels", None)
    for field, place in flat.items():
        assert theirs.fields[field][:2] == place
    if levels:
        base, begin = levels[0].base, levels[1]
        for at in range(levels[0].shape[0]):
            for ours_name, theirs_name in zip(
                base.names,
                ("bid_px", "ask_px", "bid_sz", "ask_sz", "bid_ct", "ask_ct"),
                strict=True,
            ):
                place = base.fields[ours_name]
                other = theirs.fields[f"{theirs_name}_{at:02}"]
                assert other[0] == place[0]
                assert other[1] == begin + at * base.itemsize + place[1]


@pytest.mark.parametrize(("name", "version", "_message"), CLASSES)
@pytest.mark.parametrize("suffix", [".dbn", ".dbn.zst"])
def test_there_and_back_through_parquet_is_the_same_file(name, version, _message, suffix, tmp_path):
    data = file_of(name, version, drawn(name, version, 1_000, version))
    (tmp_path / "a.dbn").write_bytes(data)
    done = convert(tmp_path / "a.dbn", tmp_path / "a.parquet")
    assert (done["records"], done["losses"]) == (1_000, [])
    back = convert(tmp_path / "a.parquet", tmp_path / f"b{suffix}", to_name=f"dbn-{name}")
    assert (back["records"], back["losses"]) == (1_000, [])
    if suffix == ".dbn":
        assert (tmp_path / "b.dbn").read_bytes() == data
    else:
        convert(tmp_path / f"b{suffix}", tmp_path / "c.dbn", to_name=f"dbn-{name}")
        assert (tmp_path / "c.dbn").read_bytes() == data
    rows = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert set(rows["symbol"].to_pylist()) <= {"AAPL", "MSFT", "2"}


def test_the_library_reads_what_is_written_for_it(tmp_path):
    """A file of another origin: its metadata are new, with the mappings of its instruments."""
    records = drawn("mbo", 3, 500, 5)
    (tmp_path / "a.dbn").write_bytes(file_of("mbo", 3, records))
    done = convert(
        tmp_path / "a.dbn", tmp_path / "t.dbn", to_name="dbn-trades", allowed=["all"], symbol="MSFT"
    )
    decoder = dbn.DBNDecoder()
    decoder.write((tmp_path / "t.dbn").read_bytes())
    metadata, *trades = decoder.decode()
    expected = records[(records["action"] == b"T") & (records["instrument_id"] == 2)]
    assert metadata.schema == dbn.Schema.TRADES
    assert metadata.mappings["MSFT"][0]["symbol"] == "2"
    assert len(trades) == len(expected) == done["records"] > 10
    for one, row in zip(trades, expected, strict=True):
        assert (one.ts_event, one.ts_recv, one.price) == tuple(
            int(row[name]) for name in ("ts_event", "ts_recv", "price")
        )
        assert (one.size, one.sequence) == (row["size"], row["sequence"])
    names = {loss["name"] for loss in done["losses"]}
    assert {"action A", "action C", "order_id", "channel"} <= names


def test_a_loss_that_is_not_allowed_leaves_no_file(tmp_path):
    (tmp_path / "a.dbn").write_bytes(file_of("mbo", 3, drawn("mbo", 3, 100, 5)))
    out = tmp_path / "t.dbn"
    done = convert(tmp_path / "a.dbn", out, to_name="dbn-trades", allowed=["action A", "order_id"])
    assert "action C" in done["refused"]
    assert "action A" not in done["refused"]
    assert [one.name for one in tmp_path.iterdir()] == ["a.dbn"]


@pytest.mark.parametrize(("name", "step"), [("mbo", 1), ("definition", 13)])
def test_every_truncation_is_named(name, step, tmp_path):
    data = file_of(name, 3, drawn(name, 3, 4, 6))
    (tmp_path / "whole.dbn").write_bytes(data)
    size = schema(name).layout(3).itemsize
    begin = len(data) - 4 * size
    path, out = tmp_path / "cut.dbn", tmp_path / "cut.parquet"
    for end in range(0, len(data), step):
        if end >= begin and (end - begin) % size == 0:
            continue  # whole records
        path.write_bytes(data[:end])
        with pytest.raises(FlowError, match=r"cut\.dbn"):
            convert(path, out)
        assert not out.exists()


def test_flipped_bytes_of_the_structure_are_named(tmp_path):
    """Length, type, letters and every byte of the lists of the metadata."""
    records = drawn("mbo", 3, 50, 7)
    data = file_of("mbo", 3, records)
    layout, begin = records.dtype, len(data) - records.nbytes
    path, draw = tmp_path / "bad.dbn", random.Random(8)
    for field in ("length", "rtype", "action", "side"):
        row = draw.randrange(50)
        at = begin + row * layout.itemsize + layout.fields[field][1]
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])
        with pytest.raises(FlowError, match=rf"bad\.dbn: byte {at - (at - begin) % 56}|byte {at}"):
            info(open_tape(path))
    for at in range(begin):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        assert "bad.dbn" in (fault(path) or "bad.dbn")


def test_flipped_bytes_of_a_packed_or_parquet_file_are_found(tmp_path):
    (tmp_path / "a.dbn").write_bytes(file_of("mbo", 3, drawn("mbo", 3, 200, 9)))
    convert(tmp_path / "a.dbn", tmp_path / "a.dbn.zst", to_name="dbn-mbo")
    convert(tmp_path / "a.dbn", tmp_path / "a.parquet")
    draw = random.Random(10)
    for name in ("a.dbn.zst", "a.parquet"):
        data, found = (tmp_path / name).read_bytes(), 0
        path = tmp_path / f"bad-{name}"
        for _ in range(60):
            at = draw.randrange(len(data))
            path.write_bytes(
                data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
            )
            found += bool(fault(path))
        assert found >= 30
