"""Trades off the book far from it: value goes from one account to the other.

Each leg is compared with the book as it was before the command: a price beyond the best one, and
farther from the mid than a bound.  Takeovers are no such trades, and what an owner trades with its
own accounts moves nothing.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import DetectorBook, DetectorState, WatchedOrder
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import not_inlined

OFF_BOOK = 110
"""``risk/bits.py``: Setting."""
BPS = offset("off_book_bps")
BUY, MAX_LOTS = 1, 1 << 20


@kernel_outlined
def traded(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    maker: WatchedOrder,
    taker: WatchedOrder,
    price: int,
    lots: int,
) -> None:
    """Judge one leg."""
    not_inlined()
    middle = tab.middle_of(book)
    if middle == lay.NONE or book.bid <= price <= book.ask:
        return
    if tab.owner_of(state, maker.who) == tab.owner_of(state, taker.who):
        return
    more = tab.limited(2 * price - middle)
    if abs(more) < 2 * tab.share_bps(price, tab.parameter(state, BPS)):
        return
    pays = maker if (maker.side == BUY) == (more > 0) else taker
    gets = taker if pays == maker else maker
    hit = tab.begin_hit(state, constants.OFF_BOOK_PRICE, instrument, 60, state.now, state.cause)
    tab.add_member(hit, pays.who)
    tab.add_member(hit, gets.who)
    tab.measures(hit, lots, more, abs(more) * min(lots, MAX_LOTS), 1)
    tab.evidence(hit, 0, state.cause)
