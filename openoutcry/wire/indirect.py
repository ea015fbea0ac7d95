"""Call a compiled kernel by its address, so that caller and callee are compiled by themselves.

A kernel that calls another one by name has it inlined, so the callee is compiled again with each
caller.  A kernel that is called by address is compiled once and may be chosen at run time.  An
indirect call costs 1 to 2 ns, so use it for what is called once a burst.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import extending, types
from numba.core import cgutils

from openoutcry.wire.kernel import compile_kernel

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic


@cache
def kernel_address(function: Callable[..., Any], argument_count: int) -> int:
    """Address of a kernel of ``argument_count`` int64 arguments, compiled if it was not yet.

    Valid in this process and in those forked from it, as long as the kernel is there.
    """
    compile_kernel(function, argument_count)
    overloads: dict[Any, Any] = function.overloads  # type: ignore[attr-defined]
    compiled = overloads[(types.int64,) * argument_count]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def _call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Use numba's own calling convention: an assertion that fails in the callee propagates to the
    caller's caller, as if the callee had been inlined."""
    conv = context.call_conv
    function_type = conv.get_function_type(sig.return_type, sig.args[1:])
    function = builder.inttoptr(args[0], function_type.as_pointer())
    result = cgutils.alloca_once(builder, function_type.args[0].pointee)
    error = cgutils.alloca_once(builder, function_type.args[1].pointee)
    builder.store(cgutils.get_null_value(error.type.pointee), error)
    code = builder.call(function, [result, error, *args[1:]])
    status = conv._get_return_status(builder, code, builder.load(error))
    with cgutils.if_unlikely(builder, status.is_error):
        conv.return_status_propagate(builder, status)
    return context.get_returned_value(builder, sig.return_type, builder.load(result))


@intrinsic
def call_step(typingctx: Any, address: Any, argument: Any) -> Any:
    """Call the kernel at ``address``: (int64) -> int64."""
    return types.int64(types.int64, types.int64), _call


@intrinsic
def call_batch_kernel(typingctx: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Call the kernel at ``address``: five int64 -> two."""
    return types.UniTuple(types.int64, 2)(*[types.int64] * 6), _call


@intrinsic
def call_before(typingctx: Any, address: Any, region: Any, order: Any) -> Any:
    """Call the kernel at ``address``: (int64, int64) -> int64."""
    return types.int64(*[types.int64] * 3), _call


@intrinsic
def call_after(
    typingctx: Any, address: Any, region: Any, order: Any, events: Any, count: Any
) -> Any:
    """Call the kernel at ``address``: (int64, int64, int64, int64) -> int64."""
    return types.int64(*[types.int64] * 5), _call


@intrinsic
def call_path(typingctx: Any, address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Call the kernel at ``address``: five int64 -> int64."""
    return types.int64(*[types.int64] * 6), _call
