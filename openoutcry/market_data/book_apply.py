"""Messages of ITCH 5.0 become a book: order by order, level by level.

Whatever comes from a network is checked before anything is changed; a message that cannot be is an
error, and neither it nor anything after it is taken in.

``place`` is the address of an order's place in the table of orders
(:func:`book_state.order_place`), ``message`` that of a message, ``size`` bytes without their
length.
"""

import openoutcry.market_data.book_levels as levels
import openoutcry.market_data.book_state as book_state
from openoutcry.market_data.book_state import (
    BookDirectory,
    BookHeader,
    BookInstrument,
    BookLevel,
    BookOrder,
    TapeRow,
)
from openoutcry.wire.big_endian import load_any64, load_be16, load_be32, load_be64
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50, SYMBOL_BYTES
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import (
    add_wrapping,
    load_u32,
    mul_wrapping,
    prefetch,
    store_i64,
    store_u32,
)

_OUT = {message.kind: message for message in ITCH50.server}
_S, _R, _H, _A, _E, _C = (_OUT[kind].at for kind in "SRHAEC")
_X, _U, _P, _Q, _I = (_OUT[kind].at for kind in "XUPQI")
_J, _STOP, _V, _W, _BOOK = (_OUT[kind].at for kind in "JhVWo")
_KS, _KR, _KH, _KA, _KF, _KE, _KC = (ord(kind) for kind in "SRHAFEC")
_KX, _KD, _KU, _KP, _KQ, _KI = (ord(kind) for kind in "XDUPQI")
_KJ, _K_STOP, _KV, _KW, _K_BOOK = (ord(kind) for kind in "JhVWo")
_ZS, _ZR, _ZH, _ZA, _ZF, _ZE, _ZC = (_OUT[kind].size_bytes for kind in "SRHAFEC")
_ZX, _ZD, _ZU, _ZP, _ZQ, _ZI = (_OUT[kind].size_bytes for kind in "XDUPQI")
_ZJ, _Z_STOP, _ZV, _ZW, _Z_BOOK = (_OUT[kind].size_bytes for kind in "JhVWo")
_MIN_BYTES = min(message.size_bytes for message in ITCH50.server)
_BUY, _SELL, _YES, _BEGIN = ord("B"), ord("S"), ord("Y"), ord("O")


@kernel
def fail(state: BookHeader, error: int) -> int:
    """Note the error of a message; returns 0, which ends the batch."""
    state.error = error
    return 0


@kernel
def enter(state: BookHeader, ref: int, locate: int, is_buy: int, price: int, shares: int) -> int:
    """A new order at the back of its price; 1, or 0 after an error."""
    if ref == 0 or shares == 0 or locate == 0:
        return fail(state, book_state.BAD_MESSAGE)
    place = book_state.order_place(state, ref)
    if load_u32(place) != 0:
        return fail(state, book_state.TWICE)
    key = book_state.key_of(locate, is_buy, price)
    level_place = book_state.level_place(state, key)
    level = load_u32(level_place)
    if state.open == state.order_capacity:
        return fail(state, book_state.FULL)
    if level == 0:
        if not levels.have_room(state):
            return fail(state, book_state.FULL)
        level = levels.new_level(state, key, level_place)
    number = state.order_free
    if number != 0:
        state.order_free = book_state.order_row(state, number).behind
    else:
        number = state.orders_used + 1
        state.orders_used = number
    store_u32(place, number)
    row, at = book_state.order_row(state, number), book_state.level_row(state, level)
    last = at.last
    row.ref = ref
    store_i64(row + book_state.SHARES, shares | level << 32)
    store_i64(row + book_state.BEHIND, last << 32)  # and BEFORE
    row.price = price
    # An address instead of a branch: no predictor foresees how full a level is.
    store_u32(
        book_state.order_row(state, last) + book_state.BEHIND
        if last != 0
        else at + book_state.FIRST,
        number,
    )
    at.last = number
    at.total += shares
    at.count += 1
    state.open += 1
    if VERIFY:
        assert state.open <= state.orders_used, "a row for each order"
        assert (last == 0) == (at.count == 1), "the first of a queue is alone"
        assert at.total >= shares, "a level's total has its orders' in it"
    return 1


@kernel
def find(state: BookHeader, ref: int) -> int:
    """Address of an order's place in the table, 0 after an error."""
    place = book_state.order_place(state, ref)
    if ref == 0 or load_u32(place) == 0:
        return fail(state, book_state.UNKNOWN_ORDER)
    return place


@kernel
def leave(state: BookHeader, place: int) -> None:
    """An order is no longer there."""
    number = load_u32(place)
    row = book_state.order_row(state, number)
    level = row.level
    at = book_state.level_row(state, level)
    before, behind = row.before, row.behind
    store_u32(
        book_state.order_row(state, before) + book_state.BEHIND
        if before != 0
        else at + book_state.FIRST,
        behind,
    )
    store_u32(
        book_state.order_row(state, behind) + book_state.BEFORE
        if behind != 0
        else at + book_state.LAST,
        before,
    )
    at.total -= row.shares
    count = at.count - 1
    at.count = count
    if VERIFY:
        assert state.open > 0, "an order that leaves was counted"
        assert (count == 0) == (at.first == 0), "no orders, no queue"
        assert (count == 0) == (at.total == 0), "no orders, no shares"
    book_state.take_out(
        state.order_table, state.order_mask, state.orders, book_state.ORDER_BYTES, place
    )
    if count == 0:
        levels.drop(state, level)
    row.behind = state.order_free
    state.order_free = number
    state.open -= 1


@kernel
def take_off(state: BookHeader, place: int, shares: int) -> int:
    """Fewer shares of an order; 0 after an error."""
    row = book_state.order_row(state, load_u32(place))
    left = row.shares - shares
    if left < 0 or shares == 0:
        return fail(state, book_state.TOO_MUCH)
    if left == 0:
        leave(state, place)
        return 1
    row.shares = left
    at = book_state.level_row(state, row.level)
    at.total -= shares
    if VERIFY:
        assert at.total >= left, "a level's total has its orders' in it"
    return 1


@kernel
def time_of(message: int) -> int:
    """A message's time, ns since midnight."""
    at = message + _S.timestamp
    return load_be16(at) << 32 | load_be32(at + 2)


@kernel
def traded(
    state: BookHeader, message: int, locate: int, price: int, shares: int, match_at: int
) -> None:
    """Note a trade in the instrument's open, high, low and last prices, and on the tape.
    ``match_at``: where the message has its number."""
    if state.tape != 0:
        kept = TapeRow(
            state.tape + book_state.TAPE_ROW_BYTES * (state.tape_count & state.tape_mask)
        )
        kept.locate = locate
        kept.price = price
        kept.shares = shares
        kept.match = load_be64(message + match_at)
        kept.time_ns = time_of(message)
        state.tape_count += 1
    row = book_state.instrument_row(state, locate)
    if row.trades == 0:
        row.open_price = price
        row.low = price
    row.high = max(row.high, price)
    row.low = min(row.low, price)
    row.last_price = price
    row.last_shares = shares
    row.volume = add_wrapping(row.volume, shares)
    row.trades += 1
    turnover = add_wrapping(row.turnover, mul_wrapping(price, shares))
    row.turnover = turnover


@kernel
def executed(state: BookHeader, message: int, size: int, locate: int) -> int:
    """E and C."""
    is_c = Bytes(message)[0] == _KC
    if size != (_ZC if is_c else _ZE):
        return fail(state, book_state.BAD_MESSAGE)
    place = find(state, load_be64(message + _E.reference))
    if place == 0:
        return 0
    price = book_state.order_row(state, load_u32(place)).price
    shares = load_be32(message + _E.shares)
    if take_off(state, place, shares) == 0:
        return 0
    if not is_c:
        traded(state, message, locate, price, shares, _E.match)
    elif Bytes(message)[_C.printable] == _YES:
        price = load_be32(message + _C.price)
        traded(state, message, locate, price, shares, _C.match)
    return 1


@kernel_outlined
def replaced(state: BookHeader, message: int, size: int, locate: int) -> int:
    """Apply a ``U`` message; returns 0 if it contradicts the book."""
    place = find(state, load_be64(message + _U.reference)) if size == _ZU else 0
    if place == 0:
        return fail(state, book_state.BAD_MESSAGE if size != _ZU else book_state.UNKNOWN_ORDER)
    shares, ref = load_be32(message + _U.shares), load_be64(message + _U.new_reference)
    if shares == 0 or ref == 0 or load_u32(book_state.order_place(state, ref)) != 0:
        return fail(state, book_state.TWICE if ref != 0 and shares != 0 else book_state.BAD_MESSAGE)
    if locate == 0:
        return fail(state, book_state.BAD_MESSAGE)
    if not levels.have_room(state):
        return fail(state, book_state.FULL)
    level = book_state.level_row(state, book_state.order_row(state, load_u32(place)).level)
    is_buy = level.key & book_state.SIDE_BIT
    leave(state, place)
    return enter(state, ref, locate, is_buy, load_be32(message + _U.price), shares)


@kernel_outlined
def of_the_market(state: BookHeader, message: int, size: int, locate: int) -> int:
    """Apply a message that concerns no displayed order; what a book does not keep is
    passed over."""
    kind, row = Bytes(message)[0], book_state.instrument_row(state, locate)
    wanted = 0
    if kind == _KS:
        wanted = _ZS
        begins = size == _ZS and Bytes(message)[_S.event] == _BEGIN
        if begins and state.messages != 0:
            return fail(state, book_state.BEGINS)
    elif kind == _KR:
        wanted = _ZR
        if size == _ZR:
            row.symbol = load_any64(message + _R.stock)
    elif kind == _KH:
        wanted = _ZH
        if size == _ZH:
            row.state = Bytes(message)[_H.state]
            row.reason = load_be32(message + _H.reason)
            row.collar_reference = 0
            row.collar_upper = 0
            row.collar_lower = 0
            row.extension = 0
    elif kind == _KP:
        wanted = _ZP
        if size == _ZP and load_be64(message + _P.reference) == 0:
            shares = load_be32(message + _P.shares)
            price = load_be32(message + _P.price)
            traded(state, message, locate, price, shares, _P.match)
    elif kind == _KQ:
        wanted = _ZQ
        shares = load_be64(message + _Q.shares) if size == _ZQ else 0
        if shares != 0:
            price = load_be32(message + _Q.price)
            traded(state, message, locate, price, shares, _Q.match)
    elif kind == _KI:
        wanted = _ZI
        if size == _ZI:
            row.paired = load_be64(message + _I.paired)
            row.imbalance = load_be64(message + _I.imbalance)
            row.direction = Bytes(message)[_I.direction]
            row.near_price = load_be32(message + _I.near_price)
    else:
        wanted = of_protection(state, kind, message, size, row)
    if wanted != 0 and size != wanted:
        return fail(state, book_state.BAD_MESSAGE)
    return 1


@kernel
def of_protection(
    state: BookHeader, kind: int, message: int, size: int, row: BookInstrument
) -> int:
    """J, h, V, W and o; returns the size that it should have, 0 of another kind."""
    if kind == _KJ:
        if size == _ZJ:
            row.collar_reference = load_be32(message + _J.reference_price)
            row.collar_upper = load_be32(message + _J.upper)
            row.collar_lower = load_be32(message + _J.lower)
            row.extension = load_be32(message + _J.extension)
        return _ZJ
    if kind == _K_STOP:
        if size == _Z_STOP:
            row.stopped = Bytes(message)[_STOP.action]
        return _Z_STOP
    if kind == _KV:
        if size == _ZV:
            state.level_1 = load_be64(message + _V.level1)
            state.level_2 = load_be64(message + _V.level2)
            state.level_3 = load_be64(message + _V.level3)
            state.breached = 0
        return _ZV
    if kind == _KW:
        if size == _ZW:
            state.breached = Bytes(message)[_W.level]
        return _ZW
    if kind == _K_BOOK:
        if size == _Z_BOOK:
            at = state.directory + book_state.DIRECTORY_BYTES * load_be16(message + _S.locate)
            named = BookDirectory(at)
            named.price_decimals = load_be16(message + _BOOK.price_decimals) + 1
            symbol = Bytes(named + book_state.DIRECTORY_SYMBOL)
            for place in range(SYMBOL_BYTES):
                symbol[place] = Bytes(message + _BOOK.symbol)[place]
        return _Z_BOOK
    return 0


@kernel
def one(state: BookHeader, message: int, size: int) -> int:
    """Take one message in; 0 after an error."""
    if size < _MIN_BYTES:
        return fail(state, book_state.BAD_MESSAGE)
    kind, locate = Bytes(message)[0], load_be16(message + _S.locate)
    if kind in (_KA, _KF):
        side = Bytes(message)[_A.side]
        if size != (_ZA if kind == _KA else _ZF) or (side not in (_BUY, _SELL)):
            return fail(state, book_state.BAD_MESSAGE)
        ref, shares = load_be64(message + _A.reference), load_be32(message + _A.shares)
        return enter(state, ref, locate, side == _BUY, load_be32(message + _A.price), shares)
    if kind == _KD:
        place = find(state, load_be64(message + _E.reference)) if size == _ZD else 0
        if place == 0:
            return fail(state, book_state.BAD_MESSAGE if size != _ZD else book_state.UNKNOWN_ORDER)
        leave(state, place)
        return 1
    if kind in (_KE, _KC):
        return executed(state, message, size, locate)
    if kind == _KX:
        place = find(state, load_be64(message + _X.reference)) if size == _ZX else 0
        if place == 0:
            return fail(state, book_state.BAD_MESSAGE if size != _ZX else book_state.UNKNOWN_ORDER)
        return take_off(state, place, load_be32(message + _X.shares))
    if kind == _KU:
        return replaced(state, message, size, locate)
    return of_the_market(state, message, size, locate)


@kernel
def apply(state: BookHeader, messages: int, length: int) -> int:
    """Take in messages, each after its length; returns how many bytes were.  After an error the
    header has its kind, and the message at which it happened was not taken in."""
    at = 0
    orders, mask = state.order_table, state.order_mask
    while at + FRAME_BYTES <= length:
        size = load_be16(messages + at)
        if at + FRAME_BYTES + size > length:
            fail(state, book_state.BAD_MESSAGE)
            break
        message = messages + at + FRAME_BYTES
        # The next message's order, if it has one: its place was prefetched by now.
        ahead = at + 2 * FRAME_BYTES + size + _E.reference + 8
        if ahead <= length:
            ref = load_be64(messages + ahead - 8)
            prefetch(orders + book_state.PLACE_BYTES * book_state.home_of(ref, mask))
        if one(state, message, size) == 0:
            break
        at += FRAME_BYTES + size
        state.messages += 1
        state.now = time_of(message)
    if at != length and state.error == 0:
        fail(state, book_state.BAD_MESSAGE)
    return at


@kernel
def rehash(state: BookHeader) -> None:
    """Enter all rows into empty tables; of those that are free SHARES or COUNT is 0."""
    for number in range(1, state.orders_used + 1):
        row = BookLevel(book_state.order_row(state, number))
        if BookOrder(row).shares != 0:
            store_u32(book_state.order_place(state, BookOrder(row).ref), number)
    for number in range(1, state.levels_used + 1):
        row = book_state.level_row(state, number)
        if row.count != 0:
            store_u32(book_state.level_place(state, row.key), number)
            levels.note(state, row.key)


@kernel
def list_orders(state: BookHeader, locate: int, is_buy: int, out: int, room: int) -> int:
    """(price, shares, number) of a side's orders, int64 each, best price first, then in their
    queue; returns how many there are. They are written to ``out``, ``room`` at most."""
    level = (
        book_state.instrument_row(state, locate).best_bid
        if is_buy
        else book_state.instrument_row(state, locate).best_ask
    )
    count = 0
    while level != 0:
        at = book_state.level_row(state, level)
        number = at.first
        while number != 0:
            row = book_state.order_row(state, number)
            if count < room:
                store_i64(out + 24 * count, row.price)
                Words(out + 24 * count)[1] = row.shares
                Words(out + 24 * count)[2] = row.ref
            count += 1
            number = row.behind
        level = at.worse
    return count


@kernel
def count_ahead(state: BookHeader, ref: int, out: int) -> bool:
    """Orders and shares (int64 each) before a displayed order in its queue; False if it is not
    displayed. They are written to ``out``."""
    number = load_u32(book_state.order_place(state, ref))
    if ref == 0 or number == 0:
        return False
    orders = shares = 0
    number = book_state.order_row(state, number).before
    while number != 0:
        row = book_state.order_row(state, number)
        orders, shares = orders + 1, shares + row.shares
        number = row.before
    store_i64(out, orders)
    Words(out)[1] = shares
    return True


@kernel
def list_levels(state: BookHeader, locate: int, is_buy: int, out: int, room: int) -> int:
    """(price, shares, orders) of a side's best levels, int64 each; returns how many are listed.
    They are written to ``out``, ``room`` at most."""
    level = (
        book_state.instrument_row(state, locate).best_bid
        if is_buy
        else book_state.instrument_row(state, locate).best_ask
    )
    count = 0
    while level != 0 and count < room:
        at = book_state.level_row(state, level)
        store_i64(out + 24 * count, book_state.price_of(at.key))
        Words(out + 24 * count)[1] = at.total
        Words(out + 24 * count)[2] = at.count
        count += 1
        level = at.worse
    return count
