"""Call the Verilated gateway from a kernel, by the address of its batch function."""

from typing import Any

from llvmlite import ir
from numba import extending, types

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64 = ir.IntType(64)


@intrinsic
def call_batch(typingctx: Any, function: Any, handle: Any, orders_addr: Any, count: Any) -> Any:
    """``outcry_live_batch``: write the verdicts into ``count`` records at ``orders_addr``.

    ``function`` and ``handle`` are :class:`LiveGateway`'s; returns how many are rejected.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(I64, [I64, I64, I64])
        pointer = builder.inttoptr(args[0], kind.as_pointer())
        return builder.call(pointer, args[1:])

    return types.int64(*[types.int64] * 4), codegen
