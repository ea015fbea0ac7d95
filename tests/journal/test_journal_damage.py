"""Torn tails are recognised, damage is named, and never is a wrong record served."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal import Journal, JournalError, JournalReader, JournalWriter, block
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout import LayoutMismatch

SEGMENT = "segment-000000.ocj"
BATCHES = [8, 20, 3, 5]
CONFIG_BYTES = 128
STARTS = [CONFIG_BYTES + 64 * (sum(BATCHES[:n]) + n) for n in range(len(BATCHES) + 1)]
"""Where each block of orders begins, and where the next would."""


@pytest.fixture
def running(tmp_path: Path, orders: Any) -> Path:
    """A journal of four blocks in one prewritten segment of 4 KiB, its writer gone."""
    writer = Journal.create(tmp_path / "j", {"seed": 1}, segment_bytes=4096)
    fill(writer, orders, BATCHES)
    writer.sync()
    assert writer.bytes == STARTS[-1]
    return tmp_path / "j"


def fill(writer: JournalWriter, orders: Any, batches: list[int]) -> None:
    for count in batches:
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, count)], count, 1)


def read_all(directory: Path) -> tuple[JournalReader, bytes]:
    reader = JournalReader(directory)
    return reader, b"".join(chunk.tobytes() for _, chunk in reader.chunks())


def poke(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_every_flipped_bit_is_found(running, orders):
    """Each single bit of a 4 KiB segment: in a block with others behind it, or in the
    configuration, an error that names the file and the block's byte; in the last block or in
    the unused zeros, a torn tail behind all the whole blocks."""
    path = running / SEGMENT
    image = path.read_bytes()
    expected = orders(1, sum(BATCHES)).tobytes()
    for bit in range(len(image) * 8):
        at = bit // 8
        poke(path, at, bytes([image[at] ^ 1 << bit % 8]))
        start = max((s for s in [0, *STARTS] if s <= at), default=0)
        if start < STARTS[-2]:
            with pytest.raises(OutcryError) as caught:
                read_all(running)
            assert str(path) in str(caught.value)
            if start:
                assert f"byte {start}: " in str(caught.value)
                assert "damaged here" in str(caught.value)
        else:
            whole = sum(BATCHES[:-1]) if start == STARTS[-2] else sum(BATCHES)
            reader, data = read_all(running)
            assert data == expected[: whole * 64]
            assert reader.torn is not None
            assert f"{path}: byte {start}: " in reader.torn
        poke(path, at, image[at : at + 1])
    assert read_all(running)[0].torn is None


@pytest.mark.parametrize("zeroed", [False, True], ids=["shorter", "zeros"])
def test_a_tail_torn_at_any_byte(running, orders, zeroed):
    """Cut at every byte of the last two blocks, by length or by zeros as in a prewritten
    segment: the whole blocks are served, the torn one is reported, and only then."""
    path = running / SEGMENT
    image = path.read_bytes()
    expected = orders(1, sum(BATCHES)).tobytes()
    for cut in range(STARTS[-3], STARTS[-1]):
        torn = image[:cut] + bytes(len(image) - cut if zeroed else 0)
        path.write_bytes(torn)
        # Zeros cut off and put back as zeros are no loss.
        whole = max(n for n, end in enumerate(STARTS) if torn[:end] == image[:end])
        reader, data = read_all(running)
        assert data == expected[: sum(BATCHES[:whole]) * 64]
        assert (reader.torn is None) == (cut <= STARTS[whole])


def test_resume_drops_the_torn_tail_and_goes_on(running, orders):
    """Resumed at many cuts, with other orders appended, the journal is whole again; no byte of
    the torn block is left behind the new end."""
    path = running / SEGMENT
    image = path.read_bytes()
    for cut in range(STARTS[1] + 1, STARTS[-1], 41):
        path.write_bytes(image[:cut] + b"\xa5" * 7 + image[cut + 7 :])
        poke(path, STARTS[-1] - 64, b"\x5a")
        if cut < STARTS[2]:  # the whole blocks behind it would make this damage
            poke(path, STARTS[2], b"\xff" * 8)
            poke(path, STARTS[3], b"\xff" * 8)
        elif cut < STARTS[3]:
            poke(path, STARTS[3], b"\xff" * 8)
        whole = max(n for n, start in enumerate(STARTS) if start <= cut)
        writer = JournalWriter.resume(running)
        assert writer.written_seq == writer.durable_seq == sum(BATCHES[:whole])
        assert writer.blocks == 1 + whole
        assert path.read_bytes() == image[: STARTS[whole]] + bytes(4096 - STARTS[whole])
        fill(writer, orders, [1])
        reader, data = read_all(running)
        assert reader.torn is None
        assert data == orders(1, sum(BATCHES[:whole]) + 1).tobytes()
        writer.close()


def test_a_torn_first_block_of_a_segment(tmp_path, orders):
    """A segment whose very first block is torn ends the journal there; resume goes on in it."""
    writer = Journal.create(tmp_path, {}, segment_bytes=1024)
    fill(writer, orders, [13, 14])
    poke(tmp_path / "segment-000001.ocj", 500, b"\xff")
    reader, data = read_all(tmp_path)
    assert data == orders(1, 13).tobytes()
    assert reader.torn is not None
    assert "segment-000001.ocj: byte 0: " in reader.torn
    writer = JournalWriter.resume(tmp_path)
    fill(writer, orders, [14, 14])
    writer.close()
    assert read_all(tmp_path)[1] == orders(1, 41).tobytes()


def test_old_bytes_in_a_torn_tail_are_no_later_block(running, orders):
    """A copy of an earlier whole block behind the end does not turn a torn tail into damage."""
    path = running / SEGMENT
    image = path.read_bytes()
    poke(path, STARTS[-1], image[STARTS[3] : STARTS[3] + 64] + image[STARTS[0] : STARTS[1]])
    reader, data = read_all(running)
    assert data == orders(1, sum(BATCHES)).tobytes()
    assert reader.torn is not None
    assert f"{path}: byte {STARTS[-1]}: the checksum" in reader.torn


def segments(directory: Path, orders: Any) -> list[Path]:
    """A closed journal of five segments of one block each (the first with the configuration)."""
    with Journal.create(directory, {}, segment_bytes=1024) as writer:
        fill(writer, orders, [13] * 5)
    paths = sorted(directory.glob("segment-*"))
    assert len(paths) == 5
    return paths


def test_damage_before_the_last_segment_is_an_error(tmp_path, orders):
    """The last block of a segment may be torn only if no later segment holds data; the reader
    stops with file and byte, and resume refuses to touch anything."""
    paths = segments(tmp_path, orders)
    poke(paths[2], 700, b"\xff")
    for read in (read_all, JournalWriter.resume):
        with pytest.raises(JournalError, match=rf"{paths[2]}: byte 0: .*checksum.*damaged here"):
            read(tmp_path)


def test_a_cut_before_the_last_segment_is_an_error(tmp_path, orders):
    """Shortened inside a block, or to nothing, a middle segment cannot pass for an end."""
    paths = segments(tmp_path, orders)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:500])
    with pytest.raises(JournalError, match=rf"{paths[1]}: byte 0: the file ends inside a block"):
        read_all(tmp_path)
    paths[1].write_bytes(b"")
    with pytest.raises(JournalError, match=rf"{paths[2]}: byte 0: block 3 where 2 belongs"):
        read_all(tmp_path)
    paths[1].write_bytes(bytes(1024))
    with pytest.raises(JournalError, match=rf"{paths[1]}: byte 0: zeros .*segment-000002"):
        read_all(tmp_path)


def test_a_missing_segment_is_an_error(tmp_path, orders):
    """Which one is missing is said."""
    paths = segments(tmp_path, orders)
    paths[3].unlink()
    with pytest.raises(JournalError, match=f"{paths[3]} is missing"):
        read_all(tmp_path)
    paths[0].unlink()
    with pytest.raises(JournalError, match=f"{paths[0]} is missing"):
        read_all(tmp_path)


def test_a_segment_in_the_wrong_place_is_an_error(tmp_path, orders):
    """Whole blocks of the same journal in the wrong order are found by their index."""
    paths = segments(tmp_path, orders)
    shutil.copy(paths[3], paths[2])
    with pytest.raises(JournalError, match=rf"{paths[2]}: byte 0: block 4 where 3 belongs"):
        read_all(tmp_path)


def forge(path: Path, offset: int, records: Any, index: int, first_seq: int, count: int) -> None:
    """A block whose checksum is right and whose content may not be."""
    header = bytearray(64)
    block.pack_header(
        header, BlockKind.COMMANDS, index, 1, [records], records.nbytes,
        first_seq=first_seq, record_count=count,
    )  # fmt: skip
    poke(path, offset, bytes(header) + records.tobytes())


def test_a_right_checksum_does_not_excuse_wrong_sequence(running, orders):
    """Sequence of block and records is checked too, and the record is named."""
    path = running / SEGMENT
    records = orders(37, 4)
    records["seq"][2] = 38
    forge(path, STARTS[-1], records, 5, 37, 4)
    with pytest.raises(JournalError, match=f"byte {STARTS[-1]}: record 2 .* 38 where 39 belongs"):
        read_all(running)
    forge(path, STARTS[-1], orders(38, 4), 5, 38, 4)
    with pytest.raises(JournalError, match="sequence 38 where 37 belongs"):
        read_all(running)
    forge(path, STARTS[-1], orders(37, 4), 6, 37, 4)
    with pytest.raises(JournalError, match="block 6 where 5 belongs"):
        read_all(running)
    forge(path, STARTS[-1], orders(37, 4), 5, 37, 4)
    assert read_all(running)[1] == orders(1, 40).tobytes()


def test_another_layout_is_refused(running, orders, monkeypatch):
    """A journal of another layout, or one block of it, says so; nothing is served from it."""
    path = running / SEGMENT
    monkeypatch.setattr(block, "LAYOUT_HASH", 0x1122334455667788)
    forge(path, STARTS[-1], orders(37, 4), 5, 37, 4)
    Journal.create(running.parent / "other", {}).close()
    monkeypatch.undo()
    with pytest.raises(LayoutMismatch, match=rf"{path}: byte {STARTS[-1]} was written with layout"):
        read_all(running)
    for refuse in (JournalReader, JournalWriter.resume):
        with pytest.raises(LayoutMismatch, match=rf"other/{SEGMENT} was .*1122334455667788"):
            refuse(running.parent / "other")


def test_random_overwrites_never_serve_a_wrong_record(running, orders):
    """Runs of random bytes over random places: an error, or a prefix of what was written."""
    path = running / SEGMENT
    image = path.read_bytes()
    expected = orders(1, sum(BATCHES)).tobytes()
    rng = np.random.default_rng(20240229)
    outcomes = set()
    for _ in range(2000):
        at, size = int(rng.integers(0, 4096)), int(rng.integers(1, 300))
        path.write_bytes((image[:at] + rng.bytes(size) + image[at + size :])[:4096])
        try:
            reader, data = read_all(running)
        except OutcryError:
            outcomes.add("error")
            continue
        assert reader.torn is not None
        assert data == expected[: len(data)]
        outcomes.add(len(data) // 64)
    assert outcomes == {"error", *np.cumsum([0, *BATCHES]).tolist()[1:]}
