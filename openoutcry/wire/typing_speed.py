"""What numba does again and again while it types kernels, done once.

Measured on the matcher: of 58 s of compilation 4 went into reports of LLVM's lock, to which nobody
listens, and 6 into asking every rule for operators (those of strings, dates and arrays, too) what
two integers give.
"""

from contextlib import suppress
from typing import Any

from llvmlite.binding import ffi
from numba.core import types

numba_call_type = types.Function.get_call_type


def _call_type(function: Any, context: Any, args: tuple[Any, ...], kws: Any) -> Any:
    """Return the signature of a built-in function for these arguments; one of words is
    remembered."""
    if kws or not all(isinstance(one, types.Integer | types.Boolean) for one in args):
        return numba_call_type(function, context, args, kws)
    known = function.__dict__.setdefault("_of_words", {})
    if args not in known:
        known[args] = numba_call_type(function, context, args, kws)
    return known[args]


def type_faster() -> None:
    """Have numba remember what operators of words give, and report nothing at each call of LLVM."""
    types.Function.get_call_type = _call_type  # type: ignore[assignment,method-assign]
    with suppress(AttributeError):  # private to llvmlite
        ffi.lib._lock._cblist.clear()
