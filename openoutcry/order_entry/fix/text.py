"""Read and write text as FIX has it: constants, numbers, prices, times, looked-for bytes.

All of it works on addresses.  Loads are of whole words: 64 bytes after a text must be readable,
and 8 bytes after what is written must be writable.

``at`` and ``to`` are where something is written, ``address`` and ``source`` where it is read.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import (
    I8,
    I64,
    add_wrapping,
    count_trailing_zeros,
    intrinsic,
    load_i64,
    load_u8,
    mul_wrapping,
    store_i64,
    store_u8,
)

SOH, EQUALS, DOT, MINUS, ZERO = 1, 61, 46, 45, 48
DAY_NS = 86_400_000_000_000
BAD, INEXACT, TOO_LARGE = -(2**63), -(2**63) + 1, -(2**63) + 2
"""No number at all; a number that has more decimals than are declared; one past +-2**62."""
FIRST_ERROR = -(2**63) + 3
"""Whatever is less is one of these three."""
LARGEST = 2**62
LAST_YEAR = 2261
"""Later times do not fit an int64 of ns."""
TENS = tuple(10**power for power in range(19))
ZEROS, ABOVE_NINE, HIGH_BITS = 0x3030303030303030, 0x7676767676767676, -0x7F7F7F7F7F7F7F80
"""A byte each: the digit 0; what makes the high bit of a byte above 9; that bit."""
PAIRS, FOURS = 0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF
DOTS, ONES = 0x2E2E2E2E2E2E2E2E, 0x0101010101010101
CLOCK, COLONS = int.from_bytes(b"00:00:00", "little"), 0x0000FF0000FF0000
MAX_BYTES = (1 << 56) - 1
LONG_MONTHS = sum(1 << month for month in (1, 3, 5, 7, 8, 10, 12))


def constant(text: bytes) -> Any:
    """An intrinsic that writes ``text`` at an address and returns the address after it."""

    @intrinsic
    def put(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            at = 0
            for size in (8, 4, 2, 1):
                while len(text) - at >= size:
                    kind = ir.IntType(8 * size)
                    part = ir.Constant(kind, int.from_bytes(text[at : at + size], "little"))
                    place = builder.add(args[0], ir.Constant(I64, at))
                    builder.store(part, builder.inttoptr(place, kind.as_pointer()), align=1)
                    at += size
            return builder.add(args[0], ir.Constant(I64, len(text)))

        return types.int64(types.int64), codegen

    return put


@intrinsic
def bytes_that_are(typingctx: Any, address: Any, byte: Any) -> Any:
    """Bit k is set where byte k of the 64 bytes at ``address`` is ``byte``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = ir.VectorType(I8, 64)
        loaded = builder.load(builder.inttoptr(args[0], vector.as_pointer()), align=1)
        wanted = _all64(builder, args[1])
        return builder.bitcast(builder.icmp_unsigned("==", loaded, wanted), I64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def copy16(typingctx: Any, to: Any, source: Any) -> Any:
    """Copy 16 bytes, wherever they are."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.VectorType(I64, 2).as_pointer()
        value = builder.load(builder.inttoptr(args[1], kind), align=1)
        builder.store(value, builder.inttoptr(args[0], kind), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def load_word(typingctx: Any, address: Any) -> Any:
    """The 8 bytes at any address, as a little-endian word."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], I64.as_pointer()), align=1)

    return types.int64(types.int64), codegen


@intrinsic
def store_word(typingctx: Any, address: Any, value: Any) -> Any:
    """Store 8 bytes at any address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], I64.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@kernel
def put_bytes(to: int, source: int, size: int) -> int:
    """Copy ``size`` bytes (up to 15 more are written); returns the address after them."""
    for offset in range(0, size, 16):
        copy16(to + offset, source + offset)
    return to + size


@kernel
def find_byte(address: int, size: int, byte: int) -> int:
    """Offset of the first such byte, or ``size``."""
    for offset in range(0, size, 64):
        mask = bytes_that_are(address + offset, byte)
        if mask != 0:
            return min(size, offset + count_trailing_zeros(mask))
    return size


@kernel
def same_text(one: int, one_size: int, other: int, other_size: int) -> bool:
    """Return whether two texts, address and bytes each, are equal."""
    offset = 0
    if one_size == other_size:
        while offset < one_size and load_u8(one + offset) == load_u8(other + offset):
            offset += 1
    return offset == other_size and offset == one_size


def _first_bytes(builder: Any, address: Any, count: Any) -> Any:
    """64 bytes, zeros from ``count`` on."""
    vector = ir.VectorType(I8, 64)
    loaded = builder.load(builder.inttoptr(address, vector.as_pointer()), align=1)
    taken = builder.icmp_unsigned("<", ir.Constant(vector, list(range(64))), _all64(builder, count))
    return builder.select(taken, loaded, ir.Constant(vector, None))


def _all64(builder: Any, byte: Any) -> Any:
    """The byte 64 times."""
    vector = ir.VectorType(I8, 64)
    one = builder.insert_element(
        ir.Constant(vector, ir.Undefined), builder.trunc(byte, I8), ir.IntType(32)(0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), None)
    return builder.shuffle_vector(one, one, zeros)


def padded_copy(room: int) -> Any:
    """An intrinsic that copies ``size`` bytes into ``room`` (at most 64, a multiple of 8), the rest
    zero."""

    @intrinsic
    def copy(typingctx: Any, to: Any, source: Any, size: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            words = builder.bitcast(_first_bytes(builder, args[1], args[2]), ir.VectorType(I64, 8))
            indices = ir.Constant(ir.VectorType(ir.IntType(32), room // 8), list(range(room // 8)))
            part = builder.shuffle_vector(words, words, indices)
            kind = ir.VectorType(I64, room // 8).as_pointer()
            builder.store(part, builder.inttoptr(args[0], kind), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), codegen

    return copy


@intrinsic
def sum_of_bytes(typingctx: Any, address: Any, count: Any) -> Any:
    """Sum modulo 256 of the first ``count`` (0 to 64) bytes at ``address``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = ir.VectorType(I8, 64)
        kept = _first_bytes(builder, args[0], args[1])
        kind = ir.FunctionType(I8, [vector])
        name = "llvm.vector.reduce.add.v64i8"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.zext(builder.call(function, [kept]), I64)

    return types.int64(types.int64, types.int64), codegen


@kernel
def byte_sum(address: int, size: int) -> int:
    """Sum of ``size`` bytes modulo 256 (the check sum of a message)."""
    total = 0
    for offset in range(0, size, 64):
        total += sum_of_bytes(address + offset, min(size - offset, 64))
    return total & 255


@kernel
def number_in(word: int, digits: int) -> int:
    """Parse the first 1 to 8 bytes of a word as digits; less than 0 if one is not a digit. (D.
    Lemire, "Parsing eight digits": three multiplications instead of a loop.)"""
    shift = 64 - 8 * digits
    value = (word ^ ZEROS) << shift
    if (add_wrapping(value, ABOVE_NINE) | value) & HIGH_BITS != 0:
        return BAD
    value = mul_wrapping(value, 10 * 256 + 1) >> 8 & PAIRS
    value = mul_wrapping(value, 100 * 65536 + 1) >> 16 & FOURS
    return mul_wrapping(value, (10_000 << 32) + 1) >> 32


@kernel
def read_number(address: int, size: int) -> int:
    """An unsigned number of 1 to 18 digits; BAD if it is something else."""
    if size < 1 or size > 18:
        return BAD
    if size <= 8:
        return number_in(load_word(address), size)
    value = number_in(load_word(address), 8)
    if size <= 16:
        low = number_in(load_word(address + 8), size - 8)
        return value * TENS[size - 8] + low if value >= 0 and low >= 0 else BAD
    middle = number_in(load_word(address + 8), 8)
    low = number_in(load_word(address + 16), size - 16)
    if value < 0 or middle < 0 or low < 0:
        return BAD
    return (value * 100_000_000 + middle) * TENS[size - 16] + low


@kernel
def read_decimal(address: int, size: int, decimals: int) -> int:
    """A FIX float times 10**decimals, exactly; BAD, INEXACT or TOO_LARGE.

    [-]digits[.digits], at least one digit, no plus sign, no exponent.
    """
    if size < 1 or size > 8 or decimals > 9:
        return read_long_decimal(address, size, decimals)
    word = load_word(address)
    # The lowest marked byte is a dot, whatever is marked above it.
    dots = word ^ DOTS
    dots = add_wrapping(dots, -ONES) & ~dots & HIGH_BITS
    dot = count_trailing_zeros(dots) >> 3 if dots != 0 else 8
    if dot >= size:
        value = number_in(word, size)
        return value * TENS[decimals] if value >= 0 else read_long_decimal(address, size, decimals)
    places = size - 1 - dot
    if places > decimals or size == 1:
        return read_long_decimal(address, size, decimals)
    below = (1 << (8 * dot)) - 1
    value = number_in(word & below | word >> 8 & ~below, size - 1)
    if value < 0:
        return read_long_decimal(address, size, decimals)
    return value * TENS[decimals - places]


@kernel_outlined
def read_long_decimal(address: int, size: int, decimals: int) -> int:
    """Like :func:`read_decimal`, one character after the other."""
    at, end = address, address + size
    negative = size > 0 and load_u8(at) == MINUS
    if negative:
        at += 1
    value, digits, places, inexact, large = 0, 0, -1, False, False
    while at < end:
        byte = load_u8(at)
        at += 1
        if byte == DOT and places < 0:
            places = 0
            continue
        digit = byte - ZERO
        if digit < 0 or digit > 9:
            return BAD
        digits += 1
        if places >= decimals:
            inexact |= digit != 0
            continue
        if places >= 0:
            places += 1
        if value > (LARGEST - digit) // 10:
            large = True
        else:
            value = value * 10 + digit
    if digits == 0:
        return BAD
    if inexact:
        return INEXACT
    for _ in range(max(places, 0), decimals):
        if value > LARGEST // 10:
            large = True
        else:
            value *= 10
    if large:
        return TOO_LARGE
    return -value if negative else value


@kernel
def pairs_of(digits: int) -> int:
    """Compute from eight digits (their values, a byte each, zeros allowed) in each byte ten times
    it plus the next one."""
    return add_wrapping(mul_wrapping(digits, 10), digits >> 8 & MAX_BYTES)


@kernel
def are_digits(values: int) -> bool:
    """Return whether each byte is 0 to 9."""
    return (add_wrapping(values, ABOVE_NINE) | values) & HIGH_BITS == 0


@kernel
def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, days_from_civil)."""
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    year_of_era = shifted - era * 400
    month_from_march = month - 3 if month > 2 else month + 9
    day_of_year = (153 * month_from_march + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


@kernel
def read_date(address: int) -> int:
    """Days since the epoch of YYYYMMDD; BAD if it is not a date."""
    values = load_word(address) ^ ZEROS
    if not are_digits(values):
        return BAD
    pairs = pairs_of(values)
    year = (pairs & 255) * 100 + (pairs >> 16 & 255)
    month, day = pairs >> 32 & 255, pairs >> 48 & 255
    if year > LAST_YEAR or year < 1970 or month < 1 or month > 12 or day < 1 or day > 31:
        return BAD
    if day > 28:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        last = 28 + leap if month == 2 else 30 + (LONG_MONTHS >> month & 1)
        if day > last:
            return BAD
    return days_of(year, month, day)


@kernel
def read_timestamp(address: int, size: int) -> int:
    """ns since the epoch of YYYYMMDD-HH:MM:SS, with 3, 6 or 9 decimals or none; BAD otherwise.

    A leap second (SS = 60) counts as the last ns of its minute.
    """
    if size != 17 and size != 21 and size != 24 and size != 27:
        return BAD
    days = read_date(address)
    values = load_word(address + 9) ^ CLOCK
    pairs = pairs_of(values)
    hour, minute, second = pairs & 255, pairs >> 24 & 255, pairs >> 48 & 255
    if (
        days == BAD
        or not are_digits(values)
        or values & COLONS != 0
        or hour > 23
        or minute > 59
        or second > 60
        or load_u8(address + 8) != MINUS
    ):
        return BAD
    fraction = 0
    if size > 17:
        if load_u8(address + 17) != DOT:
            return BAD
        fraction = read_number(address + 18, size - 18)
        if fraction == BAD:
            return BAD
        fraction *= TENS[27 - size]
    if second == 60:
        second, fraction = 59, 999_999_999
    return days * DAY_NS + ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + fraction


@kernel
def put_two(at: int, value: int) -> None:
    """Write ``value``, 0 to 99, as two digits."""
    store_u8(at, value // 10 + ZERO)
    store_u8(at + 1, value % 10 + ZERO)


@kernel
def digits_of(value: int) -> int:
    """Return how many decimal digits a number from 0 to 2**63 - 1 has."""
    digits, limit = 1, 10
    while digits < 19 and value >= limit:
        digits += 1
        if digits < 19:
            limit *= 10
    return digits


@kernel
def put_number(at: int, value: int) -> int:
    """Write a number from 0 to 2**63 - 1; returns the address after it."""
    end = at + digits_of(value)
    place = end
    while value >= 100:
        place -= 2
        put_two(place, value % 100)
        value //= 100
    if value >= 10:
        put_two(place - 2, value)
    else:
        store_u8(place - 1, value + ZERO)
    return end


@kernel
def put_decimal(at: int, value: int, decimals: int) -> int:
    """Write ``value`` / 10**decimals with as many decimals; returns the address after it."""
    if value < 0:
        store_u8(at, MINUS)
        at += 1
        value = -value
    scale = 1
    for _ in range(decimals):
        scale *= 10
    at = put_number(at, value // scale)
    if decimals == 0:
        return at
    store_u8(at, DOT)
    fraction = value % scale
    for place in range(decimals, 0, -1):
        store_u8(at + place, fraction % 10 + ZERO)
        fraction //= 10
    return at + decimals + 1


@kernel
def put_date(at: int, days: int) -> int:
    """Write the date that is ``days`` since the epoch as YYYYMMDD (H. Hinnant, civil_from_days)."""
    shifted = days + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    put_two(at, year // 100)
    put_two(at + 2, year % 100)
    put_two(at + 4, month)
    put_two(at + 6, day)
    return at + 8


@kernel
def put_timestamp(at: int, ns: int, cached_day: int) -> int:
    """Write ns since the epoch as YYYYMMDD-HH:MM:SS.sss.

    ``cached_day``: address of two words that are kept from call to call: the day, and its text.
    """
    days = ns // DAY_NS
    if load_i64(cached_day) != days:
        put_date(cached_day + 8, days)
        store_i64(cached_day, days)
    store_word(at, load_i64(cached_day + 8))
    milliseconds = (ns - days * DAY_NS) // 1_000_000
    seconds = milliseconds // 1000
    minutes = seconds // 60
    store_u8(at + 8, MINUS)
    put_two(at + 9, minutes // 60)
    store_u8(at + 11, 58)
    put_two(at + 12, minutes % 60)
    store_u8(at + 14, 58)
    put_two(at + 15, seconds % 60)
    store_u8(at + 17, DOT)
    left = milliseconds % 1000
    store_u8(at + 18, left // 100 + ZERO)
    put_two(at + 19, left % 100)
    return at + 21
