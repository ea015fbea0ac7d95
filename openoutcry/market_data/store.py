"""All messages of a stream, to be given again by their numbers: a file and an index into it.

The file is created with the stream, or continued from where a checkpoint knows it whole.
"""

import mmap
import os
from array import array
from pathlib import Path

import numpy as np

from openoutcry.market_data.lines import skip
from openoutcry.market_data.mold import COUNT_SHIFT, fitting
from openoutcry.wire.errors import FeedError

STRIDE = 256
"""The index has the place of every STRIDE-th message."""


class Store:
    """Messages from number 1 on, each after its length.

    ``count`` and ``size_bytes``: this much of the present file is kept; the rest is cut off.
    Raises :class:`FeedError` if it does not have them.
    """

    def __init__(self, path: Path, count: int = 0, size_bytes: int = 0) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._index = array("Q")
        self.count = self.size_bytes = 0
        try:
            if os.fstat(self._file).st_size < size_bytes:
                raise FeedError(f"{path} is shorter than its {count:,} messages")
            os.ftruncate(self._file, size_bytes)
            if count:
                self._find(count, size_bytes)
        except (FeedError, OSError):
            os.close(self._file)
            raise

    def _find(self, count: int, size_bytes: int) -> None:
        """Index the messages that are there."""
        with mmap.mmap(self._file, size_bytes, prot=mmap.PROT_READ) as data:
            view = np.frombuffer(data, np.uint8)
            at, begin = 0, view.ctypes.data
            for first in range(0, count, STRIDE):
                self._index.append(at)
                at += skip(begin + at, size_bytes - at, min(STRIDE, count - first))
            last = self._index[-1]
            fit = fitting(begin + last, size_bytes - last, size_bytes - last)
            del view
        behind = (count - 1) % STRIDE + 1
        if at != size_bytes or fit != behind << COUNT_SHIFT | size_bytes - last:
            raise FeedError(f"{self.path} does not have {count:,} messages in {size_bytes:,} bytes")
        self.count, self.size_bytes = count, size_bytes

    def sync(self) -> None:
        """Sync: what was kept survives a power cut."""
        os.fsync(self._file)

    def append(self, messages: bytes, count: int) -> None:
        """Keep the next ``count`` messages."""
        view = np.frombuffer(messages, np.uint8)
        number, at = self.count, 0
        while number < self.count + count:
            if number % STRIDE == 0:
                self._index.append(self.size_bytes + at)
            step = min(STRIDE - number % STRIDE, self.count + count - number)
            at += skip(view.ctypes.data + at, len(messages) - at, step)
            number += step
        assert at == len(messages)
        self.count += count
        self.size_bytes += len(messages)
        while messages:
            messages = messages[os.write(self._file, messages) :]

    def read(self, first: int, most: int, room: int) -> tuple[int, bytes]:
        """Message ``first`` and the next ones, at most ``most`` and as many as fit ``room`` bytes.
        Returns (how many, the messages); 0 if there is no message with that number."""
        if not 1 <= first <= self.count or most < 1:
            return 0, b""
        most = min(most, self.count - first + 1)
        at = self._index[(first - 1) // STRIDE]
        # Of the messages before the first one each has 52 bytes at most, with its length.
        data = os.pread(self._file, 52 * STRIDE + room, at)
        view = np.frombuffer(data, np.uint8)
        begin = skip(view.ctypes.data, len(data), (first - 1) % STRIDE)
        fit = fitting(view.ctypes.data + begin, len(data) - begin, room)
        count = min(fit >> COUNT_SHIFT, most)
        end = skip(view.ctypes.data + begin, len(data) - begin, count)
        return count, data[begin : begin + end]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
