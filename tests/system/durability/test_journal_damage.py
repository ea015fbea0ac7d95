"""Torn tails are recognised, damage is named, and never is a wrong record served."""

from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import JournalError
from openoutcry.wire.errors import OutcryError
from tests.support.journal import journal_damage as shared
from tests.support.journal.journal_damage import BATCHES, SECTOR, SEGMENT, STARTS, poke, read_all

running = shared.running


def check_flip(running: Path, path: Path, image: bytes, expected: bytes, bit: int) -> None:
    """Flip one bit: damage in a block that was acknowledged, a torn tail in one that was not and
    in the unused zeros."""
    at = bit // 8
    poke(path, at, bytes([image[at] ^ 1 << bit % 8]))
    start = at // SECTOR * SECTOR
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


def test_a_flipped_bit_is_found_wherever_it_is(running, orders):
    """One bit of every third byte of a 24 KiB segment, another bit each time: in what was
    acknowledged an error that names the file and the block's byte, behind it a torn tail."""
    path = running / SEGMENT
    image = path.read_bytes()
    expected = orders(1, sum(BATCHES)).tobytes()
    for at in range(0, len(image), 3):
        check_flip(running, path, image, expected, at * 8 + at // 3 % 8)
    assert read_all(running)[0].torn is None


@pytest.mark.parametrize("left", ["shorter", "zeros", "noise"])
def test_a_tail_torn_at_any_byte(running, orders, left):
    """Cut all over the last two blocks (every byte: test_journal_every_bit.py), by length, by
    zeros as in a prewritten segment, or by noise: what was acknowledged must be there or it is
    damage, the torn rest is reported."""
    path = running / SEGMENT
    image = path.read_bytes()
    expected = orders(1, sum(BATCHES)).tobytes()
    noise = np.random.default_rng(5).bytes(len(image))
    for cut in range(STARTS[-3], STARTS[-1], 5):
        rest = {"shorter": b"", "zeros": bytes(len(image) - cut), "noise": noise[cut:]}[left]
        torn = image[:cut] + rest
        path.write_bytes(torn)
        # Zeros cut off and put back as zeros are no loss.
        whole = max(n for n, end in enumerate(STARTS) if torn[:end] == image[:end])
        if whole < len(BATCHES) - 1:
            with pytest.raises(JournalError, match="acknowledged up to block 3"):
                read_all(running)
            continue
        reader, data = read_all(running)
        assert data == expected[: sum(BATCHES[:whole]) * 64]
        assert (reader.torn is None) == (left != "noise" and cut <= STARTS[whole])
