"""Call the C shim from a kernel, by the addresses that :class:`~openoutcry.dpdk_shim.shim.Shim`
gives."""

from typing import Any

from llvmlite import ir
from numba import extending, types

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64 = ir.IntType(64)


def _call(builder: Any, args: Any) -> Any:
    kind = ir.FunctionType(I64, [I64] * (len(args) - 1))
    return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])


@intrinsic
def call_poll(typingctx: Any, function: Any, shim: Any, most: Any) -> Any:
    """``oc_poll``: a burst from each port into the ring; how many records, or -1 at the end of all
    captures, or -2 when a device is gone."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, args)

    return types.int64(*[types.int64] * 3), codegen


@intrinsic
def call_reply(typingctx: Any, function: Any, shim: Any, events_addr: Any, count: Any) -> Any:
    """``oc_reply``: send contiguous events to their participants; return the number of packets."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, args)

    return types.int64(*[types.int64] * 4), codegen
