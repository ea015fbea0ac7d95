"""Durable writes by io_uring, as a peer of the journal's one system call; x86-64 and aarch64 Linux.

Only what the comparison needs: writes with ``RWF_DSYNC``, one to ``depth`` of them in flight.  The
layouts are those of ``linux/io_uring.h``.
"""

import ctypes
import mmap
import os
import struct
from types import TracebackType

SETUP, ENTER = 425, 426
OFF_SQ_RING, OFF_CQ_RING, OFF_SQES = 0, 0x8000000, 0x10000000
OP_WRITE = 23
GETEVENTS = 1
SQE_BYTES, CQE = 64, struct.Struct("<QiI")
_SQE = struct.Struct("<BBHiQQIIQ")
_PARAMS_BYTES = 120
_WORD = struct.Struct("<I")

_libc = ctypes.CDLL(None, use_errno=True)


class Uring:
    """A ring of ``depth`` (a power of two) entries.  Raises ``OSError`` where the kernel gives
    none (before 5.6, or ``kernel.io_uring_disabled``)."""

    def __init__(self, depth: int) -> None:
        params = ctypes.create_string_buffer(_PARAMS_BYTES)
        self.fd = _call(SETUP, depth, params)
        entries, completions = struct.unpack_from("<2I", params)
        self._sq_head, self._sq_tail, _, _, _, _, array = struct.unpack_from("<7I", params, 40)
        self._cq_head, self._cq_tail, _, _, _, cqes = struct.unpack_from("<6I", params, 80)
        self._cqes, self._entries, self._completions = cqes, entries, completions
        self._sq = mmap.mmap(self.fd, array + 4 * entries, offset=OFF_SQ_RING)
        self._cq = mmap.mmap(self.fd, cqes + CQE.size * completions, offset=OFF_CQ_RING)
        self._sqes = mmap.mmap(self.fd, SQE_BYTES * entries, offset=OFF_SQES)
        for index in range(entries):
            _WORD.pack_into(self._sq, array + 4 * index, index)

    def __enter__(self) -> "Uring":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        for mapped in (self._sq, self._cq, self._sqes):
            mapped.close()
        os.close(self.fd)

    def write_durably(self, fd: int, address: int, size: int, offset: int, wait: int) -> int:
        """Put one write in flight and wait until ``wait`` more have ended; returns how many did.

        Raises ``OSError`` for one that failed or fell short."""
        tail = _WORD.unpack_from(self._sq, self._sq_tail)[0]
        _SQE.pack_into(
            self._sqes, SQE_BYTES * (tail & self._entries - 1),
            OP_WRITE, 0, 0, fd, offset, address, size, os.RWF_DSYNC, size,
        )  # fmt: skip
        _WORD.pack_into(self._sq, self._sq_tail, tail + 1 & 0xFFFFFFFF)
        return self._enter(1, wait)

    def wait(self, count: int) -> int:
        """Wait until ``count`` more have ended; returns how many did."""
        return self._enter(0, count)

    def _enter(self, submitted: int, wait: int) -> int:
        # The system call orders our stores before the kernel's reads, and its stores before ours.
        _call(ENTER, self.fd, submitted, wait, GETEVENTS, None, 0)
        head = _WORD.unpack_from(self._cq, self._cq_head)[0]
        tail = _WORD.unpack_from(self._cq, self._cq_tail)[0]
        count = (tail - head) & 0xFFFFFFFF
        for index in range(head, head + count):
            at = self._cqes + CQE.size * (index & self._completions - 1)
            size, result, _ = CQE.unpack_from(self._cq, at)
            if result != size:
                raise OSError(max(-result, 0), f"{result} of {size} bytes written")
        _WORD.pack_into(self._cq, self._cq_head, tail)
        return count


def _call(number: int, *arguments: object) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
