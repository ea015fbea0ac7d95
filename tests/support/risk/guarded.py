"""Memory behind which a page faults: what reads or writes one byte too much ends with SIGSEGV."""

import ctypes
import mmap

import numpy as np

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
PROT_NONE = 0


class Guarded:
    """``size_bytes`` that end where nothing may be touched."""

    def __init__(self, size_bytes: int = 1 << 16) -> None:
        size = -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self._map = mmap.mmap(-1, size + mmap.PAGESIZE)
        self.bytes = np.frombuffer(self._map, np.uint8)[:size]
        self.end = int(self.bytes.ctypes.data) + size
        if _libc.mprotect(self.end, mmap.PAGESIZE, PROT_NONE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")

    def put(self, data: bytes, behind: bytes = b"") -> int:
        """Address of the data, which with what is ``behind`` it reach to the very end."""
        whole = data + behind
        self.bytes[len(self.bytes) - len(whole) :] = np.frombuffer(whole, np.uint8)
        return self.end - len(whole)

    def room(self, size_bytes: int) -> int:
        """Address of so many zeros at the very end."""
        self.bytes[len(self.bytes) - size_bytes :] = 0
        return self.end - size_bytes

    def read(self, size_bytes: int) -> bytes:
        """The last bytes."""
        return self.bytes[len(self.bytes) - size_bytes :].tobytes()
