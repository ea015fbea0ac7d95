"""Sums and products beyond 64 bits: balances are 128-bit, and what leaves int64 is seen."""

from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64, I128 = ir.IntType(64), ir.IntType(128)


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
