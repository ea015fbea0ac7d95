"""Fields of PostgreSQL's binary COPY as the history's kernels write them."""

import random

import numpy as np
import pytest

from openoutcry.ledger.copy_rows import HEADER, TRAILER
from openoutcry.portal.history import binary

WIDE = [0, 1, 9_999, 10_000, 10**8, 2**32 - 1, 2**32, 10**16, 2**63 - 1, 2**63, 10**19, 2**94]


def written(field, *values):
    """What a kernel writes."""
    out = np.zeros(256, np.uint8)
    end = field(out.ctypes.data, *values)
    return out[: end - out.ctypes.data].tobytes()


def number_of(data):
    """The whole number that a ``numeric`` is, by the manual of PostgreSQL's sources."""
    words = np.frombuffer(data[4:], ">i2").tolist()
    count, weight, sign, decimals, *digits = words
    assert int.from_bytes(data[:4]) == len(data) - 4 == 8 + 2 * count
    assert len(digits) == count
    assert decimals == 0
    assert all(0 <= digit < 10_000 for digit in digits)
    value = sum(digit * 10_000 ** (weight - place) for place, digit in enumerate(digits))
    return -value if sign else value


@pytest.mark.parametrize("seed", range(3))
def test_a_numeric_is_its_number(seed):
    rng = random.Random(seed)
    for value in [*WIDE, *(rng.randrange(2 ** rng.randrange(1, 95)) for _ in range(300))]:
        for is_negative in (False, True):
            data = written(binary.wide_numeric, value >> 32, value & binary.MASK, is_negative)
            assert number_of(data) == (-value if is_negative else value)
            assert len(data) <= binary.NUMERIC_BYTES
        if value < 2**63:
            assert number_of(written(binary.numeric, value)) == value
            assert number_of(written(binary.numeric, -value)) == -value


@pytest.mark.parametrize(
    "text", ["", "x", "a-1", "caf\xe9", "\xff" * 40, "".join(map(chr, range(200, 240)))]
)
def test_a_name_in_latin_1_becomes_utf_8(text):
    name = np.zeros(48, np.uint8)
    raw = text.encode("latin-1")
    name[0] = len(raw)
    name[1 : 1 + len(raw)] = np.frombuffer(raw, np.uint8)
    data = written(binary.latin, name.ctypes.data)
    assert data[4:].decode() == text
    assert int.from_bytes(data[:4]) == len(data) - 4


def test_rows_become_an_array_a_column():
    rows = [(b"\0\0\0\7", b"seven"), (b"\0\0\0\x08", b""), (b"\xff\xff\xff\xff", b"x" * 300)]
    field = lambda data: len(data).to_bytes(4) + data  # noqa: E731
    copied = b"".join(b"\0\2" + field(number) + field(text) for number, text in rows)
    for data, wanted in ((copied, rows), (b"", [])):
        arrays = binary.arrays_of(HEADER + data + TRAILER, [23, 25])
        for array, kind, column in zip(arrays, [23, 25], [0, 1], strict=True):
            head = [1, 0, kind, len(wanted), 1]
            assert array[:20] == b"".join(one.to_bytes(4) for one in head)
            assert array[20:] == b"".join(field(row[column]) for row in wanted)
