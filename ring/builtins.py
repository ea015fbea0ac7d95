"""Kernels as builtin functions of Python, for the calls that are made once a message.

Through numba's dispatcher a call takes 150 ns, as a builtin 35: no types to look up, no arguments
to unpack, no GIL to give away.  The last is why only what takes microseconds is called so.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from openoutcry.ring import kernels
from openoutcry.wire.kernel import c_callback
from openoutcry.wire.memory import intrinsic, load_i64

METH_NOARGS = 4  # CPython's methodobject.h


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_new_function: Any = ctypes.pythonapi.PyCFunction_NewEx
_new_function.restype = ctypes.py_object
_new_function.argtypes = (ctypes.POINTER(_MethodDef), ctypes.py_object, ctypes.py_object)


def _python_api(name: str) -> Any:
    """An intrinsic that calls a function of Python's C API with one 64-bit argument."""

    @intrinsic
    def call(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            word = ir.IntType(64)
            kind = ir.FunctionType(word, [word])
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, args)

        return types.int64(types.int64), codegen

    return call


_as_int = _python_api("PyLong_AsLongLong")
_new_int = _python_api("PyLong_FromLongLong")


@intrinsic
def _prefetch_for_writing(typingctx: Any, address: Any) -> Any:
    """Ask for the cache line, taking it from other cores; any address is harmless."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        narrow, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, narrow, narrow, narrow])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        where = builder.inttoptr(args[0], pointer)
        builder.call(function, [where, narrow(1), narrow(3), narrow(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


# A C function's arguments are ``self``, which is a handle's address as a Python int, and NULL; its
# result is a new reference.


def _publish_again(self: int, nothing: int) -> int:
    handle = _as_int(self)
    done = kernels.publish_again(handle)
    # Python will be busy for a while: the next slot can be ours by then.
    _prefetch_for_writing(
        kernels.slot_at(
            load_i64(handle + kernels.HANDLE_RING),
            load_i64(handle + kernels.HANDLE_MASK),
            load_i64(handle + kernels.HANDLE_SHIFT),
            load_i64(handle + kernels.HANDLE_NEXT),
        )
    )
    return int(_new_int(done))


def _next_batch(self: int, nothing: int) -> int:
    return int(_new_int(kernels.next_batch(_as_int(self))))


@functools.cache
def _method(function: Callable[[int, int], int]) -> tuple[Any, _MethodDef]:
    """Its machine code and what describes it to Python: kept for ever, as builtins point there."""
    callback = c_callback(types.int64(types.int64, types.int64))(function)
    name = function.__name__.strip("_").encode()
    return callback, _MethodDef(name, callback.address, METH_NOARGS, None)


def publish_again(handle: int) -> Callable[[], int]:
    """:func:`kernels.publish_again` of the handle at that address."""
    return _builtin(_publish_again, handle)


def next_batch(handle: int) -> Callable[[], int]:
    """:func:`kernels.next_batch` of the handle at that address."""
    return _builtin(_next_batch, handle)


def _builtin(function: Callable[[int, int], int], handle: int) -> Callable[[], int]:
    made: Callable[[], int] = _new_function(ctypes.byref(_method(function)[1]), handle, None)
    return made
