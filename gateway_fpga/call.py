# SPDX-License-Identifier: Apache-2.0
"""Call the Verilated gateway from a kernel, by the addresses of its functions."""

from typing import Any

from llvmlite import ir
from numba import extending, types

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64 = ir.IntType(64)
THREE = ir.FunctionType(I64, [I64, I64, I64])


def _call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.call(builder.inttoptr(args[0], THREE.as_pointer()), args[1:])


@intrinsic
def call_batch(typingctx: Any, function: Any, handle: Any, orders_addr: Any, count: Any) -> Any:
    """``outcry_live_batch``: write the verdicts into ``count`` records at ``orders_addr``.

    ``function`` and ``handle`` are :class:`LiveGateway`'s; returns how many are rejected.
    """
    return types.int64(*[types.int64] * 4), _call


@intrinsic
def call_set(typingctx: Any, function: Any, handle: Any, address: Any, value: Any) -> Any:
    """``outcry_live_set``: write a register; what it commands has been carried out on return.

    ``function`` and ``handle`` are :class:`LiveGateway`'s ``set_function`` and ``handle``.
    """
    return types.int64(*[types.int64] * 4), _call
