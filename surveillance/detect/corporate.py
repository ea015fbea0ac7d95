# (intrinsics have no types that mypy could see)
"""Behind a split or a dividend: prices and lots of before are not held against those behind it.

What is kept: how often a pattern was seen, messages, legs of the hour, and what lots a participant
has.  Open orders are gone: the operator cancels them first, which is nobody's withdrawal.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import tables as tab
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64

DIVIDEND, SPLIT = 55, 56
"""``risk/bits.py``: Setting."""


@kernel
def cleared(begin: int, words: int) -> None:
    for word in range(words):
        store_i64(begin + 8 * word, 0)


@kernel_outlined
def adjusted(state: int, book: int, instrument: int) -> None:
    """Everything in an instrument's prices or lots begins anew."""
    not_inlined()
    cleared(book + lay.B_BUCKETS, lay.BUCKETS * lay.BUCKET_WORDS)
    cleared(book + lay.B_MINUTES, lay.MINUTES * 3)
    for number in range(lay.LEGS):
        store_i64(book + lay.B_LEGS + number * lay.LEG_WORDS * lay.WORD + lay.L_USED, -1)
    store_i64(book + lay.B_LAST, lay.NONE)
    store_i64(book + lay.B_OPENED, lay.NONE)
    for word in (lay.B_TAKER, lay.B_VOLUME_ID, lay.B_VOLUME, lay.B_VOLUME_BEFORE):
        store_i64(book + word, 0)
    row = load_i64(book + lay.B_CELL_HEAD)
    while row != 0:
        cell = tab.cell_at(state, row)
        row = load_i64(cell + lay.C_NEXT_CELL)
        cleared(cell + lay.C_CANDIDATES, 2 * lay.CANDIDATE_BYTES // lay.WORD)
        cleared(cell + lay.C_VOLUME, (lay.C_BUCKETS - lay.C_VOLUME) // lay.WORD)
        cleared(cell + lay.C_BUCKETS, lay.BUCKETS * lay.BUCKET_WORDS)
    table = load_i64(state + lay.SIDES)
    for place in range(load_i64(state + lay.SIDE_MASK) + 1):
        side = table + place * lay.SIDE_BYTES
        key = load_i64(side + lay.S_KEY)
        client = load_i64(state + lay.CLIENTS) + ((key - 1) >> 16) * lay.CLIENT_BYTES
        if key != 0 and load_i64(client + lay.T_INSTRUMENT) == instrument:
            cleared(side + lay.S_AHEAD, lay.SIDE_BYTES // lay.WORD - 1)
