"""Raw order records come back as they were written; other files are refused by byte."""

from pathlib import Path

import numpy as np
import pytest

from openoutcry.flow import FlowError, GeneratedFlow, RecordFile, write_records
from openoutcry.flow.source import CHUNK_ORDERS
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.records import ORDER_DTYPE


def test_written_records_come_back(tmp_path: Path) -> None:
    """Every byte survives, over more than one chunk, and the account and progress are whole."""
    path = tmp_path / "orders.bin"
    flow = GeneratedFlow("normal", CHUNK_ORDERS + 1_000, 1)
    assert write_records(path, flow.chunks()) == flow.orders
    seen: list[tuple[int, int]] = []
    source = RecordFile(path, progress=lambda done, total: seen.append((done, total)))
    chunks = list(source.chunks())
    expected = np.concatenate(list(flow.chunks()))
    assert np.concatenate(chunks).tobytes() == expected.tobytes()
    assert [len(chunk) for chunk in chunks] == [CHUNK_ORDERS, 1_000]
    assert source.count_hint == flow.orders == sum(source.account.values())
    assert source.instruments["symbol"].tolist() == [b"OUTCRY"]
    assert seen[-1] == (flow.orders * 64, flow.orders * 64)


def test_fields_that_the_pipeline_writes_are_cleared(tmp_path: Path) -> None:
    """A file of sequenced records can be sent again."""
    orders = next(GeneratedFlow("static", 10, 1).chunks())
    for name in ("seq", "rx_ts_ns", "error_code"):
        orders[name] = 7
    write_records(tmp_path / "orders.bin", [orders])
    (back,) = RecordFile(tmp_path / "orders.bin").chunks()
    assert not any(back[name].any() for name in ("seq", "rx_ts_ns", "error_code"))


def test_instruments_are_the_symbols_of_the_file(tmp_path: Path) -> None:
    """Each symbol once, in the order of its first command."""
    orders = next(GeneratedFlow("static", 4, 1).chunks())
    orders["symbol"] = [b"ZZZ", b"AAA", b"ZZZ", b"MMMMMMMM"]
    write_records(tmp_path / "orders.bin", [orders])
    symbols = RecordFile(tmp_path / "orders.bin").instruments["symbol"].tolist()
    assert symbols == [b"ZZZ", b"AAA", b"MMMMMMMM"]


def test_cut_file_names_the_byte(tmp_path: Path) -> None:
    """A file that is no whole number of records is refused."""
    path = tmp_path / "orders.bin"
    write_records(path, GeneratedFlow("static", 10, 1).chunks())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FlowError, match=r"orders.bin: 639 bytes .* cut at byte 639"):
        RecordFile(path)


def test_what_is_said_to_all_instruments_needs_no_symbol(tmp_path: Path) -> None:
    """A TIME command's symbol of zeros is no instrument and no mistake; a new order's is one."""
    orders = next(GeneratedFlow("static", 10, 1).chunks())
    orders["kind"][3], orders["symbol"][3] = CommandKind.TIME, b""
    write_records(tmp_path / "orders.bin", [orders])
    assert RecordFile(tmp_path / "orders.bin").instruments["symbol"].tolist() == [b"OUTCRY"]
    orders["kind"][3] = CommandKind.NEW
    write_records(tmp_path / "orders.bin", [orders])
    with pytest.raises(FlowError, match="byte 192 has the symbol b''"):
        RecordFile(tmp_path / "orders.bin")


@pytest.mark.promise(
    "A damaged record file or market recording is rejected with the row, field or byte. Any "
    "CSV file of settlement, corporate actions and proofs is read as it says, or refused by "
    "its row",
    group="text",
)
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", 99, "byte 192 has the kind 99"),
        ("symbol", b"a b", "byte 192 has the symbol b'a b'"),
    ],
)
def test_foreign_record_names_the_byte(
    tmp_path: Path, field: str, value: object, message: str
) -> None:
    """64-byte records that are no orders are refused before anything is sent."""
    orders = next(GeneratedFlow("static", 10, 1).chunks())
    orders[field][3] = value
    write_records(tmp_path / "orders.bin", [orders])
    with pytest.raises(FlowError, match=message):
        RecordFile(tmp_path / "orders.bin")


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    """An array of something else stops the writing, and no half-written file remains."""
    orders = next(GeneratedFlow("static", 10, 1).chunks())
    with pytest.raises(FlowError, match="not an array of orders"):
        write_records(tmp_path / "orders.bin", [orders, np.zeros(3)])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FlowError, match="No such file or directory"):
        write_records(tmp_path / "missing" / "orders.bin", [orders])


def test_empty_array_of_chunks_writes_an_empty_file_that_is_refused(tmp_path: Path) -> None:
    """A file without records is no source."""
    assert write_records(tmp_path / "orders.bin", [np.zeros(0, dtype=ORDER_DTYPE)]) == 0
    with pytest.raises(FlowError, match="is empty"):
        RecordFile(tmp_path / "orders.bin")
