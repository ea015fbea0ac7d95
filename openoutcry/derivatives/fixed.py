"""Exponential, logarithm and the normal distribution in whole numbers, the same on every machine.

A fixed-point number is an ``int``: 2^96 is one.  The results are precise to about 2^-88, so what is
rounded to ticks afterwards is right but for values within that of a half.
"""

from math import isqrt

BITS = 96
ONE = 1 << BITS
LN_2 = 0xB17217F7D1CF79ABC9E3B398
"""The logarithm of two, 96 bits after the point."""
PI = 0x3243F6A8885A308D313198A2E
"""Pi, 96 bits after the point."""
FAR = 12 * ONE
"""Beyond this many deviations the distribution is 0 or 1 within 2^-88."""


def from_ratio(numerator: int, denominator: int) -> int:
    """The fixed-point number nearest below a fraction."""
    return (numerator << BITS) // denominator


def times(one: int, other: int) -> int:
    """The product of two fixed-point numbers, rounded down."""
    return one * other >> BITS


def over(one: int, other: int) -> int:
    """The quotient of two fixed-point numbers, rounded down; ``other`` is not 0."""
    return (one << BITS) // other


def root(value: int) -> int:
    """The square root of a fixed-point number that is not negative."""
    return isqrt(value << BITS)


def exponential(value: int) -> int:
    """e to the power of a fixed-point number, which is at most 2^12."""
    doublings, rest = divmod(value, LN_2)
    term = total = ONE
    number = 0
    while term:
        number += 1
        term = times(term, rest) // number
        total += term
    return total << doublings if doublings >= 0 else total >> -doublings


def logarithm(value: int) -> int:
    """The natural logarithm of a fixed-point number above 0."""
    if value <= 0:
        raise ValueError("only numbers above 0 have a logarithm")
    shift = value.bit_length() - 1 - BITS
    scaled = value >> shift if shift >= 0 else value << -shift
    # 1 <= scaled < 2, and ln scaled = 2 artanh((scaled - 1) / (scaled + 1)).
    ratio = over(scaled - ONE, scaled + ONE)
    square, power, total, number = times(ratio, ratio), ratio, 0, 1
    while power:
        total += power // number
        power, number = times(power, square), number + 2
    return 2 * total + shift * LN_2


def cumulative(value: int) -> int:
    """The normal distribution at a fixed-point number."""
    if value < 0:
        return ONE - cumulative(-value)
    if value >= FAR:
        return ONE
    term = total = value
    number, square = 1, times(value, value)
    while term:
        number += 2
        term = times(term, square) // number
        total += term
    # Divided by e^(x^2 / 2), which is precise where its inverse would be next to nothing.
    return ONE // 2 + over(total, times(exponential(square // 2), root(2 * PI)))
