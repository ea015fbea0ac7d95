"""After a split or a dividend: prices and lots of before are not held against those after it.

What is kept: how often a pattern was seen, messages, legs of the hour, and what lots a participant
has.  Open orders are gone: the operator cancels them first, which is not a withdrawal.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    ClientOrder,
    ClientSide,
    DetectorBook,
    DetectorState,
    Leg,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined, store_i64

DIVIDEND, SPLIT, ADJUST = 55, 56, 109
"""``risk/bits.py``: Setting; the last of a contract, whose underlying was split."""


@kernel
def cleared(begin: int, words: int) -> None:
    """Set this many words to 0. ``begin``: address of the first."""
    for word in range(words):
        Words(begin)[word] = 0


@kernel_outlined
def adjusted(state: DetectorState, book: DetectorBook, instrument: int) -> None:
    """Everything in an instrument's prices or lots begins again."""
    not_inlined()
    cleared(book + lay.B_BUCKETS, lay.BUCKETS * lay.BUCKET_WORDS)
    cleared(book + lay.B_MINUTES, lay.MINUTES * 3)
    for number in range(lay.LEGS):
        Leg(book + lay.B_LEGS + number * lay.LEG_WORDS * lay.WORD).used = -1
    book.last = lay.NONE
    book.opened = lay.NONE
    book.mark = lay.NONE
    book.staged = lay.NONE
    book.halted_ns = 0
    book.call_ns = 0
    for word in (lay.B_TAKER, lay.B_VOLUME_ID, lay.B_VOLUME, lay.B_VOLUME_BEFORE):
        store_i64(book + word, 0)
    row = book.cell_head
    while row != 0:
        cell = tab.cell_at(state, row)
        row = cell.next_cell
        cell.position = 0
        cleared(cell + lay.C_CANDIDATES, 2 * lay.CANDIDATE_BYTES // lay.WORD)
        cleared(cell + lay.C_VOLUME, (lay.C_BUCKETS - lay.C_VOLUME) // lay.WORD)
        cleared(cell + lay.C_BUCKETS, lay.BUCKETS * lay.BUCKET_WORDS)
    table = state.sides
    for place in range(state.side_mask + 1):
        side = ClientSide(table + place * lay.SIDE_BYTES)
        key = side.key
        client = ClientOrder(state.clients + ((key - 1) >> 16) * lay.CLIENT_BYTES)
        if key != 0 and client.instrument == instrument:
            cleared(side + lay.S_AHEAD, lay.SIDE_BYTES // lay.WORD - 1)
