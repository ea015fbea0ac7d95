"""Arithmetic that never wraps: what does not fit int64 becomes its end.

Limits end at 2**62, so a result that is the end of int64 is beyond all of them.
"""

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64, I128 = ir.IntType(64), ir.IntType(128)
END = 2**63 - 1


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
