"""Mending costs what there is to read, not its square; what cannot be replayed is not sound."""

from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Journal
from openoutcry.journal.archive import retire
from openoutcry.journal.checkpoints import checkpoint_path, write_checkpoint
from openoutcry.journal.repair import repair
from openoutcry.journal.verify import verify
from tests.support.journal.journal_checkpoint import own_checkpoint
from tests.support.journal.journal_reads import counted_reads

BLOCK = 60
"""Orders that fill one sector with their header."""
SEGMENT_BYTES = 256 << 10


def write(places: list[Path], orders: Any, blocks: int) -> None:
    writer = Journal.create(places[0], {}, segment_bytes=SEGMENT_BYTES, copies=places[1:])
    for _ in range(blocks):
        first_seq = writer.written_seq + 1
        writer.append(first_seq, [orders(first_seq, BLOCK)], BLOCK, 1)
    writer.close()


@pytest.mark.promise(
    "`repair` never discards what was acknowledged, and costs with the journal and not with "
    "its square. A resume costs the same whatever the age of the journal",
    group="files",
)
@pytest.mark.parametrize("hurt", ["missing", "zeros", "scattered"])
def test_the_cost_of_a_repair_grows_with_the_journal_and_not_faster(tmp_path, orders, hurt):
    """A segment that is missing, emptied, or bad in each of its blocks: a journal of four times the
    size is mended with at most five times the reading, and few passes over it."""
    costs = []
    for segments in (4, 16):
        a, b = tmp_path / f"a{segments}", tmp_path / f"b{segments}"
        write([a, b], orders, segments * 60)
        expected = {path.name: path.read_bytes() for path in a.glob("segment-*")}
        bad = a / "segment-000001.ocj"
        data = bytearray(bad.read_bytes())
        if hurt == "missing":
            bad.unlink()
        elif hurt == "zeros":
            bad.write_bytes(bytes(len(data)))
        else:
            for at in range(2000, len(data), 4096):
                data[at] ^= 1
            bad.write_bytes(data)
        size_bytes = sum(map(len, expected.values()))
        with counted_reads() as sizes:
            (done, *more) = repair(a, b)
        assert "blocks" in done
        assert len(more) <= 1
        assert {path.name: path.read_bytes() for path in a.glob("segment-*")} == expected
        assert verify(a).sound
        costs.append(sum(sizes))
        assert sum(sizes) <= 12 * size_bytes
    assert costs[1] <= 5 * costs[0]


@pytest.mark.promise(
    "Flipped bits, a block changed with its checksum, changed event hashes and a cut end of "
    "the evidence are detected. A journal that cannot be replayed is not sound to `verify`",
    group="files",
)
def test_a_journal_that_cannot_be_replayed_is_not_sound(tmp_path, orders):
    """Its beginning is retired; with one checkpoint damaged the other stands for it, with both
    nothing does, and verify names what is missing."""
    write([tmp_path], orders, 300)
    for seq in (10_000, 16_000):
        write_checkpoint(tmp_path, own_checkpoint(tmp_path, seq))
    assert retire(tmp_path)
    assert verify(tmp_path).sound
    for seq in (16_000, 10_000):
        assert verify(tmp_path).sound
        path = checkpoint_path(tmp_path, seq)
        data = bytearray(path.read_bytes())
        data[-40] ^= 1
        path.write_bytes(data)
    report = verify(tmp_path)
    assert not report.sound
    assert "no good checkpoint replaces the commands before: it cannot be replayed" in report.flaw
    assert report.bad_file == str(checkpoint_path(tmp_path, 16_000))
