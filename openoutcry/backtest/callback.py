"""Call a strategy's kernel by its address, so that the driver is compiled once for all of them."""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils

from openoutcry.backtest.checked import checked_kernel
from openoutcry.wire.indirect import intrinsic

WORDS = types.Array(types.int64, 1, "C")
SIGNATURE = (WORDS, WORDS, WORDS)
"""``(view, state, desk)``."""


def callback_address(function: Callable[..., Any]) -> int:
    """Address of a kernel of :data:`SIGNATURE`, compiled if it was not yet with its bounds checked.

    An index beyond an array's end raises IndexError.  Valid as long as the process."""
    checked = checked_kernel(function)
    checked.compile(SIGNATURE)
    compiled = checked.overloads[SIGNATURE]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def _call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """numba's own calling convention, arrays taken apart as it does; what the callback answers is
    left where it is."""
    conv = context.call_conv
    function_type = conv.get_function_type(types.int64, sig.args[1:])
    function = builder.inttoptr(args[0], function_type.as_pointer())
    result = cgutils.alloca_once(builder, function_type.args[0].pointee)
    error = cgutils.alloca_once(builder, function_type.args[1].pointee)
    builder.store(cgutils.get_null_value(error.type.pointee), error)
    parts = context.get_arg_packer(sig.args[1:]).as_arguments(builder, args[1:])
    code = builder.call(function, [result, error, *parts])
    status = conv._get_return_status(builder, code, builder.load(error))
    with cgutils.if_unlikely(builder, status.is_error):
        conv.return_status_propagate(builder, status)
    return context.get_constant(types.int64, 0)


@intrinsic
def call_callback(typingctx: Any, address: Any, view: Any, state: Any, desk: Any) -> Any:
    """Call the kernel at ``address`` with three arrays of int64."""
    return types.int64(types.int64, *SIGNATURE), _call
