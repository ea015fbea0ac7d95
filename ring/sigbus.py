"""Map shared memory so that losing a page of it is an error and no crash.

When a process truncates a segment that is in use, the next access beyond its new end raises SIGBUS,
which kills.  The handler here (compiled: no C compiler, no interpreter, no GIL) checks whether the
address lies in one of our mappings.  If so, it marks that mapping as damaged, replaces the lost
page with a private page of zeros and lets the access continue.  In a ring, zeros are slots in which
nothing has been published, so a kernel sees nothing more, and Python raises at its next check.  Any
other SIGBUS kills as before.

Forked children inherit the handler and its table; each has a separate copy of the marks.
"""

import ctypes
import functools
import mmap
import os
import platform
import signal
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types as numba_types
from numba.core import cgutils

from openoutcry.wire import OutcryError
from openoutcry.wire.kernel import c_callback
from openoutcry.wire.memory import intrinsic, load_i64, load_u32, store_i64, store_release

# numba's stubs do not know that a type called is a signature.
types: Any = numba_types

MAX_MAPPINGS = 4096
GUARDED = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
"""Elsewhere the layouts below are not known to hold, and a lost page kills."""

# One entry of the table; START is written last and cleared first.
START, END, PAGE, DAMAGED = 0, 8, 16, 24
ENTRY_BYTES = 32

# siginfo_t of 64-bit Linux (asm-generic/siginfo.h).
SI_CODE, SI_ADDR = 8, 16
# Codes from 1 to 4 are faults of an instruction, which is tried again when the handler returns.
# Returning would lose all others: a kill(2) by another process, a memory error found elsewhere.
BUS_ADRERR, LAST_FAULT = 2, 4
SIGBUS = int(signal.SIGBUS)
SIG_DFL = 0
SA_SIGINFO, SA_ONSTACK = 4, 0x08000000

PAGE_BYTES = mmap.PAGESIZE
ALIGN_BYTES = 1 << 21
"""Large mappings begin at a multiple of this: only there can the kernel use a huge page."""
PROT_NONE, PROT_READ, PROT_READ_WRITE = 0, 1, 3
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 1, 2, 0x10, 0x20
MAP_POPULATE = 0x8000
ZERO_PAGE = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS

# Callbacks are compiled and cached, so they find C functions by name.
_c_mmap = types.ExternalFunction(
    "mmap",
    types.int64(types.int64, types.int64, types.int32, types.int32, types.int32, types.int64),
)
_c_signal = types.ExternalFunction("signal", types.int64(types.int32, types.int64))
_c_raise = types.ExternalFunction("raise", types.int32(types.int32))

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.mlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

# Plain memory that stays where it is until the process ends.
_table_memory = mmap.mmap(-1, MAX_MAPPINGS * ENTRY_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
_table: npt.NDArray[np.int64] = np.frombuffer(_table_memory, np.int64).reshape(MAX_MAPPINGS, -1)
# Taken and given back by single list operations: a lock could be held where a fork or the garbage
# collector finds it.
_free_entries = list(range(MAX_MAPPINGS - 1, -1, -1))


@intrinsic
def _table_word(typingctx: Any) -> Any:
    """Address of a word in the callback's own data: a signal handler is given no other memory of
    ours, and a constant would be frozen into the cached code."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = cgutils.add_global_variable(builder.module, ir.IntType(64), "outcry_sigbus_table")
        word.initializer = ir.Constant(ir.IntType(64), 0)
        word.linkage = "internal"
        return builder.ptrtoint(word, ir.IntType(64))

    return types.int64(), codegen


def _on_sigbus(number: int, info: int, context: int) -> None:
    """The handler; called as a plain function with ``number`` 0 it notes the table's address."""
    word = _table_word()
    if number == 0:
        store_i64(word, info)
        return
    code = load_u32(info + SI_CODE)
    if code == BUS_ADRERR:
        address = load_i64(info + SI_ADDR)
        table = load_i64(word)
        for entry in range(table, table + MAX_MAPPINGS * ENTRY_BYTES, ENTRY_BYTES):
            if load_i64(entry + START) <= address < load_i64(entry + END):
                # Marked first, so that a process that sees the zeros also finds the mark.
                store_release(entry + DAMAGED, 1)
                page = load_i64(entry + PAGE)
                lost = address & -page
                if _c_mmap(lost, page, PROT_READ_WRITE, ZERO_PAGE, -1, 0) == lost:
                    return
    _c_signal(SIGBUS, SIG_DFL)
    if code == 0 or code > LAST_FAULT:
        _c_raise(SIGBUS)


class _SigAction(ctypes.Structure):
    """struct sigaction of glibc and musl on 64-bit Linux."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_byte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


@functools.cache
def _callback() -> Any:
    callback = c_callback(types.void(types.int32, types.int64, types.int64))(_on_sigbus)
    callback.ctypes(0, _table.ctypes.data, 0)
    return callback


def set_handler() -> None:
    """Make the handler the process's; again, if other code has taken SIGBUS meanwhile."""
    if not GUARDED:
        return
    action = _SigAction(handler=_callback().address, flags=SA_SIGINFO | SA_ONSTACK)
    if _libc.sigaction(SIGBUS, ctypes.byref(action), None):
        raise OSError(ctypes.get_errno(), "sigaction(SIGBUS)")


@functools.cache
def install() -> None:
    """Install the handler, once a process; forked children have it already."""
    set_handler()


class Mapping:
    """A shared mapping of a file's first ``size_bytes``; unmapped when the last reference is gone.

    Its bytes (uint8) are ``np.asarray(mapping)``, which does not copy and keeps it alive.  The
    property ``damaged`` turns true when a page was lost.  Kernels may read the word at
    ``damage_address``: it is not zero once that has happened in this process.
    """

    def __init__(
        self,
        fd: int,
        size_bytes: int,
        page_bytes: int = PAGE_BYTES,
        writable: bool = True,
        populate: bool = True,
    ) -> None:
        """Raises ``OSError`` if the kernel refuses, ``OutcryError`` beyond ``MAX_MAPPINGS``."""
        self._entry, self._fd, self.address = -1, -1, 0
        install()
        self.size_bytes, self.writable = size_bytes, writable
        self._mapped_bytes = _round_up(size_bytes, page_bytes)
        self._fd = os.dup(fd)
        self.address = _map(fd, size_bytes, page_bytes, writable, populate)
        self._register(page_bytes)

    def _register(self, page_bytes: int) -> None:
        try:
            self._entry = _free_entries.pop()
        except IndexError:
            raise OutcryError(f"more than {MAX_MAPPINGS} segments mapped at once") from None
        entry = _table[self._entry]
        entry[DAMAGED // 8] = 0
        entry[PAGE // 8] = page_bytes
        entry[END // 8] = self.address + self._mapped_bytes
        entry[START // 8] = self.address

    @property
    def damage_address(self) -> int:
        """Address of the word that the handler sets; kernels read it."""
        return int(_table.ctypes.data) + self._entry * ENTRY_BYTES + DAMAGED

    @property
    def damaged(self) -> bool:
        """Return whether an access to the mapping raised SIGBUS."""
        return bool(_table[self._entry, DAMAGED // 8])

    def file_bytes(self) -> int:
        """Return how long the mapped file is now."""
        return os.fstat(self._fd).st_size

    def madvise(self, advice: int) -> None:
        """madvise(2) on all of it; raises ``OSError`` if the kernel does not do it."""
        if _libc.madvise(self.address, self._mapped_bytes, advice):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def lock(self) -> None:
        """Keep all of it in memory (mlock(2)); raises ``OSError`` if that is not allowed."""
        if _libc.mlock(self.address, self._mapped_bytes):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3,
            "typestr": "|u1",
            "shape": (self.size_bytes,),
            "data": (self.address, not self.writable),
        }

    def __del__(
        self,
        table: Any = _table,
        free: Any = _free_entries,
        libc: Any = _libc,
        close: Any = os.close,
    ) -> None:
        # Out of the table first: once unmapped, the address may be used again.  The names are bound
        # here because a module's own are gone when the interpreter ends.
        if self._entry >= 0:
            table[self._entry, START // 8] = 0
            table[self._entry, END // 8] = 0
            free.append(self._entry)
        if self.address:
            libc.munmap(self.address, self._mapped_bytes)
        if self._fd >= 0:
            close(self._fd)


def lock_memory(address: int, size_bytes: int) -> bool:
    """Keep this process's own memory from being swapped out or moved; False if that is not
    allowed."""
    return not _libc.mlock(address, size_bytes)


def _round_up(size_bytes: int, multiple: int) -> int:
    return -(-size_bytes // multiple) * multiple


def _map(fd: int, size_bytes: int, page_bytes: int, writable: bool, populate: bool) -> int:
    """Map the file; a large mapping at a multiple of ALIGN_BYTES (or of its huge pages)."""
    align = max(page_bytes, ALIGN_BYTES) if size_bytes >= ALIGN_BYTES else page_bytes
    length = _round_up(size_bytes, page_bytes)
    # Reserve addresses enough to hold an aligned mapping, put it there, give the rest back.
    reserved = _mmap(None, length + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
    start = _round_up(reserved, align)
    flags = MAP_SHARED | MAP_FIXED | (MAP_POPULATE if populate else 0)
    try:
        # Populated, so that no first touch of a page adds to any latency.
        _mmap(start, length, PROT_READ_WRITE if writable else PROT_READ, flags, fd)
    except OSError:
        _libc.munmap(reserved, length + align)
        raise
    if start > reserved:
        _libc.munmap(reserved, start - reserved)
    if reserved + align > start:
        _libc.munmap(start + length, reserved + align - start)
    return start


def _mmap(address: int | None, length: int, protection: int, flags: int, fd: int) -> int:
    got = _libc.mmap(address, length, protection, flags, fd, 0)
    if got is None or got == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(got)
