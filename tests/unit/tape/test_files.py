"""Every source refuses what it cannot read, and says what and where."""

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import BitstampSource, FlowError, ItchSource, LobsterSource, RecordFile
from openoutcry.tape.files import Column, CsvFile

SOURCES: list[Callable[[Path], object]] = [BitstampSource, ItchSource, LobsterSource, RecordFile]
CSV_SOURCES = [BitstampSource, LobsterSource]

BITSTAMP_HEADER = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
BITSTAMP_ROW = "1,1430438404518,1430438404000,236.47,200000000,created,bid\n"
LOBSTER_ROW = "34200.1,1,7,100,5853300,1\n"


@pytest.mark.parametrize("source", SOURCES)
def test_missing_file_is_named(source: Callable[[Path], object], tmp_path: Path) -> None:
    """No such file."""
    with pytest.raises(FlowError, match=r"gone: No such file or directory"):
        source(tmp_path / "gone")


@pytest.mark.parametrize("source", SOURCES)
def test_empty_file_is_named(source: Callable[[Path], object], tmp_path: Path) -> None:
    """A file of no bytes is refused at once."""
    path = tmp_path / "nothing"
    path.touch()
    with pytest.raises(FlowError, match="nothing is empty"):
        source(path)


@pytest.mark.parametrize("source", SOURCES)
def test_directory_is_named(source: Callable[[Path], object], tmp_path: Path) -> None:
    """A directory is not a file."""
    with pytest.raises(FlowError, match="is a directory, not a file"):
        source(tmp_path)


@pytest.mark.parametrize("source", CSV_SOURCES)
def test_binary_file_is_no_csv(source: type, tmp_path: Path) -> None:
    """A binary file is refused in its first row, and not a megabyte of it is quoted."""
    path = tmp_path / "binary"
    path.write_bytes(bytes(range(256)) * 4_096)
    with pytest.raises(FlowError) as caught:
        list(source(path).chunks())
    assert "row 1" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("source", CSV_SOURCES)
def test_broken_xz_is_named(source: type, tmp_path: Path) -> None:
    """An .xz file cut short, and one damaged inside, are both refused as broken."""
    header = BITSTAMP_HEADER if source is BitstampSource else ""
    row = BITSTAMP_ROW if source is BitstampSource else LOBSTER_ROW
    text = header + row * 2_000
    packed = lzma.compress(text.encode())
    path = tmp_path / "orders.csv.xz"
    path.write_bytes(packed)
    assert sum(len(chunk) for chunk in source(path).chunks()) == 2_000
    for broken in (packed[:-10], packed[:40] + b"\xff" * 8 + packed[48:], packed[:6]):
        path.write_bytes(broken)
        with pytest.raises(FlowError, match=r"orders.csv.xz: its packed bytes are broken"):
            list(source(path).chunks())


def packers() -> dict[str, Any]:
    """What packs a file, by the end of its name."""
    zstandard = pytest.importorskip("zstandard")
    return {"gz": gzip.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("end", ["gz", "xz", "zst"])
def test_packed_files_are_read_directly(end: str, tmp_path: Path) -> None:
    """ITCH and LOBSTER, whatever they are called; cut short they are named as broken."""
    itch = struct.pack(">H", 36) + b"A" + bytes(10) + struct.pack(">QcI8sI", 1, b"B", 5, b"A", 7)
    itch = itch.replace(b"A" + bytes(7), b"A       ")
    for source, data in ((ItchSource, itch * 3_000), (LobsterSource, LOBSTER_ROW.encode() * 3_000)):
        plain, path = tmp_path / "plain", tmp_path / f"packed.{end}"
        plain.write_bytes(data)
        packed = packers()[end](data)
        path.write_bytes(packed)
        rows = [b"".join(c.tobytes() for c in source(name).chunks()) for name in (plain, path)]
        assert rows[0] == rows[1] != b""
        path.write_bytes(packed[: len(packed) // 2])
        with pytest.raises(FlowError, match=r"broken|truncated"):
            list(source(path).chunks())


@pytest.mark.parametrize("source", [ItchSource, LobsterSource])
@pytest.mark.parametrize(
    ("begin", "what"),
    [
        (b"PK\x03\x04", "zip"),
        (b"BZh9", "bzip2"),
        (b"\xd4\xc3\xb2\xa1", "pcap"),
        (b"PAR1", "Parquet"),
    ],
)
def test_foreign_files_are_named_for_what_they_are(
    source: type, begin: bytes, what: str, tmp_path: Path
) -> None:
    """By their first bytes."""
    path = tmp_path / "day"
    path.write_bytes(begin + bytes(100))
    with pytest.raises(FlowError, match=what):
        source(path)


@pytest.mark.parametrize("source", [ItchSource, LobsterSource])
@pytest.mark.parametrize("end", ["gz", "xz", "zst"])
def test_what_is_packed_is_looked_at_as_well(source: type, end: str, tmp_path: Path) -> None:
    """Packed twice, another kind of file, nothing at all: named for what it is."""
    path, pack = tmp_path / "day", packers()[end]
    for inside, message in (
        (packers()["gz"](LOBSTER_ROW.encode()), "packed twice, with gzip and"),
        (pack(LOBSTER_ROW.encode()), "packed twice"),
        (b"\xa1\xb2\x3c\x4d" + bytes(100), r"packed with \w+, a packet capture \(pcap\)"),
        (b"", "is empty"),
    ):
        path.write_bytes(pack(inside))
        with pytest.raises(FlowError, match=message):
            list(source(path).chunks())


@pytest.mark.parametrize("end", ["gz", "xz", "zst"])
def test_no_frame_of_a_packed_file_is_passed_over(end: str, tmp_path: Path) -> None:
    """If two packed files are in one, the second is read; with its begin damaged, it is not missing
    without a word."""
    path, pack = tmp_path / f"orders.csv.{end}", packers()[end]
    first, second = (pack(LOBSTER_ROW.encode() * n) for n in (3, 4))
    path.write_bytes(first + second)
    assert sum(len(chunk) for chunk in LobsterSource(path).chunks()) == 7
    path.write_bytes(first + b"??" + second[2:])
    with pytest.raises(FlowError, match="packed bytes are broken"):
        list(LobsterSource(path).chunks())


def test_frames_without_data_and_padding_are_no_damage(tmp_path: Path) -> None:
    """pzstd begins with such a frame; xz pads its streams to whole blocks of a device."""
    path = tmp_path / "orders.csv"
    skipped = struct.pack("<II", 0x184D2A50, 4) + bytes(4)
    frame, stream = (packers()[end](LOBSTER_ROW.encode()) for end in ("zst", "xz"))
    for packed in (skipped + frame + skipped + frame, stream + bytes(8) + stream + bytes(4)):
        path.write_bytes(packed)
        assert sum(len(chunk) for chunk in LobsterSource(path).chunks()) == 2


def test_text_file_is_no_itch(tmp_path: Path) -> None:
    """A CSV file given as ITCH is refused at its third byte."""
    path = tmp_path / "orders.csv"
    path.write_text(BITSTAMP_HEADER + BITSTAMP_ROW)
    with pytest.raises(FlowError, match="byte 2: unknown message type b','"):
        ItchSource(path)


def test_progress_reaches_the_whole_size(tmp_path: Path) -> None:
    """The callback sees growing numbers of bytes and ends with all of them."""
    path = tmp_path / "rows.csv"
    path.write_text("1\n" * 50_000)
    seen: list[tuple[int, int]] = []
    file = CsvFile(path, (Column("n", "[0-9]", "a digit"),), "a file of digits")
    assert sum(1 for _ in file.rows(lambda done, total: seen.append((done, total)))) == 50_000
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert seen[-1] == (100_000, 100_000)
