"""Arithmetic of int64 that never wraps: it saturates, reports the overflow or is 128-bit.

Limits end at 2**62, so a saturated result is beyond all of them.  Balances are 128-bit.
"""

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

from openoutcry.wire.kernel import kernel

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64, I128 = ir.IntType(64), ir.IntType(128)
END = 2**63 - 1
TOTAL_BITS = 61
"""Bits of the largest total of an asset, 2**61."""


def _saturating(name: str) -> Any:
    """LLVM's saturating sum or difference."""

    @intrinsic
    def saturating(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.FunctionType(I64, [I64, I64])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.i64")
            return builder.call(function, args)

        return types.int64(types.int64, types.int64), codegen

    return saturating


add = _saturating("sadd.sat")
sub = _saturating("ssub.sat")


@intrinsic
def mul(typingctx: Any, a: Any, b: Any) -> Any:
    """Product, or the end of int64 that is on its side."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pair = builder.smul_with_overflow(*args)
        sign = builder.ashr(builder.xor(*args), ir.Constant(I64, 63))
        end = builder.xor(sign, ir.Constant(I64, END))
        return builder.select(builder.extract_value(pair, 1), end, builder.extract_value(pair, 0))

    return types.int64(types.int64, types.int64), codegen


def _checked(name: str) -> Any:
    """Difference, sum or product as it comes, and 1 if it left int64: for callers that then go
    another way, in two instructions."""

    @intrinsic
    def checked(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pair = getattr(builder, f"s{name}_with_overflow")(*args)
            left = builder.zext(builder.extract_value(pair, 1), I64)
            return cgutils.pack_array(builder, [builder.extract_value(pair, 0), left])

        return types.UniTuple(types.int64, 2)(types.int64, types.int64), codegen

    return checked


add_checked, sub_checked, mul_checked = _checked("add"), _checked("sub"), _checked("mul")


@intrinsic
def size(typingctx: Any, value: Any) -> Any:
    """The value without its sign; of the lowest int64 itself."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(I64, 0)
        negative = builder.icmp_signed("<", args[0], zero)
        return builder.select(negative, builder.sub(zero, args[0]), args[0])

    return types.int64(types.int64), codegen


@intrinsic
def mul_shift(typingctx: Any, a: Any, b: Any, bits: Any) -> Any:
    """a * b / 2**bits, rounded down, or the end of int64 that is on its side."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b, bits = (builder.sext(arg, I128) for arg in args)
        whole = builder.ashr(builder.mul(a, b), bits)
        low, overflow = (builder.extract_value(_fits(builder, whole), place) for place in (0, 1))
        sign = builder.trunc(builder.ashr(whole, ir.Constant(I128, 127)), I64)
        end = builder.xor(sign, ir.Constant(I64, END))
        return builder.select(builder.icmp_signed("!=", overflow, ir.Constant(I64, 0)), end, low)

    return types.int64(*[types.int64] * 3), codegen


@intrinsic
def product_above(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """1 if a * b > c * d, exactly; else 0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b, c, d = (builder.sext(arg, I128) for arg in args)
        above = builder.icmp_signed(">", builder.mul(a, b), builder.mul(c, d))
        return builder.zext(above, I64)

    return types.int64(*[types.int64] * 4), codegen


@intrinsic
def further_than(typingctx: Any, price: Any, reference: Any, bps: Any) -> Any:
    """1 if a price is more than ``bps`` / 10,000 of the reference away from it, exactly."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        price, reference, bps = (builder.sext(arg, I128) for arg in args)

        def size(value: Any) -> Any:
            negative = builder.icmp_signed("<", value, ir.Constant(I128, 0))
            return builder.select(negative, builder.neg(value), value)

        away = builder.mul(size(builder.sub(price, reference)), ir.Constant(I128, 10_000))
        above = builder.icmp_signed(">", away, builder.mul(bps, size(reference)))
        return builder.zext(above, I64)

    return types.int64(*[types.int64] * 3), codegen


def _fits(builder: Any, wide: Any) -> Any:
    """The low half, and 1 if the value is not that."""
    low = builder.trunc(wide, I64)
    overflow = builder.icmp_signed("!=", builder.sext(low, I128), wide)
    return cgutils.pack_array(builder, [low, builder.zext(overflow, I64)])


@intrinsic
def product(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b * c, and 1 if a * b or the whole leaves int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.smul_with_overflow(args[0], args[1])
        both = builder.smul_with_overflow(builder.extract_value(first, 0), args[2])
        overflow = builder.or_(builder.extract_value(first, 1), builder.extract_value(both, 1))
        return cgutils.pack_array(
            builder, [builder.extract_value(both, 0), builder.zext(overflow, I64)]
        )

    return types.UniTuple(types.int64, 2)(*[types.int64] * 3), codegen


@intrinsic
def sum_of(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """a + b + c + d, and 1 if that leaves int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        total = builder.sext(args[0], I128)
        for arg in args[1:]:
            total = builder.add(total, builder.sext(arg, I128))
        return _fits(builder, total)

    return types.UniTuple(types.int64, 2)(*[types.int64] * 4), codegen


@intrinsic
def sums_to_zero(typingctx: Any, address: Any, count: Any) -> Any:
    """1 if the ``count`` (a literal) int64 at an address sum to exactly 0; else 0."""
    size = getattr(count, "literal_value", None)
    if size is None:
        return None

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.inttoptr(args[0], I64.as_pointer())
        total = ir.Constant(I128, 0)
        for index in range(size):
            place = builder.gep(first, [ir.Constant(I64, index)])
            total = builder.add(total, builder.sext(builder.load(place, align=8), I128))
        return builder.zext(builder.icmp_signed("==", total, ir.Constant(I128, 0)), I64)

    return types.int64(types.int64, count), codegen


@intrinsic
def add_to_wide(typingctx: Any, address: Any, amount: Any) -> Any:
    """Add int64 to the 128-bit integer at an address (two int64, the low half first)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], I128.as_pointer())
        total = builder.add(builder.load(place, align=8), builder.sext(args[1], I128))
        builder.store(total, place, align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@kernel
def part_of(units: int, amount: int, whole: int) -> int:
    """``units`` times ``amount`` / ``whole``, cut off, all of ``units`` at most: exact, bit by bit.
    None is above 2**61."""
    if amount >= whole:
        return units
    part = rest = 0
    for bit in range(TOTAL_BITS, -1, -1):
        rest = 2 * rest + amount * ((units >> bit) & 1)
        more = rest // whole
        part = 2 * part + more
        rest -= more * whole
    return part


@kernel
def half_even(amount: int, by: int) -> int:
    """Return the nearest whole number to ``amount`` (0 or more, 2**62 at most) / ``by``, of two the
    even one."""
    whole = amount // by
    rest = amount - whole * by
    above = rest > by - rest or (rest == by - rest and whole & 1 == 1)
    return whole + (1 if above else 0)
