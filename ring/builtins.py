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

from openoutcry.ring import handles
from openoutcry.ring.handles import ProducerHandle, ReaderHandle
from openoutcry.wire.kernel import c_callback
from openoutcry.wire.memory import intrinsic

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


# A C function's arguments are ``self``, which is a handle's address as a Python int, and NULL; its
# result is a new reference.


def _publish_again(self: int, nothing: int) -> int:
    return int(_new_int(handles.publish_again(ProducerHandle(_as_int(self)))))


def _next_batch(self: int, nothing: int) -> int:
    return int(_new_int(handles.next_batch(ReaderHandle(_as_int(self)))))


@functools.cache
def _method(function: Callable[[int, int], int]) -> tuple[Any, _MethodDef]:
    """Return its machine code and its description for Python; never freed, as builtins
    point there."""
    callback = c_callback(types.int64(types.int64, types.int64))(function)
    name = function.__name__.strip("_").encode()
    return callback, _MethodDef(name, callback.address, METH_NOARGS, None)


def publish_again(handle: int) -> Callable[[], int]:
    """:func:`handles.publish_again` of the handle at that address."""
    return _builtin(_publish_again, handle)


def next_batch(handle: int) -> Callable[[], int]:
    """:func:`handles.next_batch` of the handle at that address."""
    return _builtin(_next_batch, handle)


def _builtin(function: Callable[[int, int], int], handle: int) -> Callable[[], int]:
    builtin: Callable[[], int] = _new_function(ctypes.byref(_method(function)[1]), handle, None)
    return builtin
