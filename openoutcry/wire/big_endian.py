"""Loads and stores of protocol bytes: any alignment, big-endian (network order) or unchanged.

Values are int64: smaller ones are zero-extended on load and truncated on store; an unsigned 64-bit
value keeps its bits.
"""

from typing import Any

from llvmlite import ir
from numba import extending, types

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64 = ir.IntType(64)


def _load(bits: int, swapped: bool) -> Any:
    @intrinsic
    def load(typingctx: Any, addr: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            ptr = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            value = builder.load(ptr, align=1)
            value = builder.bswap(value) if swapped else value
            return value if bits == 64 else builder.zext(value, I64)

        return types.int64(types.int64), codegen

    return load


def _store(bits: int, swapped: bool) -> Any:
    @intrinsic
    def store(typingctx: Any, addr: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            ptr = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            value = args[1] if bits == 64 else builder.trunc(args[1], ir.IntType(bits))
            builder.store(builder.bswap(value) if swapped else value, ptr, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return store


load_be16, load_be32, load_be64 = _load(16, True), _load(32, True), _load(64, True)
store_be16, store_be32, store_be64 = _store(16, True), _store(32, True), _store(64, True)
load_any16, load_any32, load_any64 = _load(16, False), _load(32, False), _load(64, False)
"""In the host's byte order, at any address: to copy text."""
store_any32, store_any64 = _store(32, False), _store(64, False)
