"""All messages of a stream, to be given again by their numbers: a file and an index into it.

The file is made anew with the stream: the journal has everything that it is made of.
"""

import os
from array import array
from pathlib import Path

import numpy as np

from openoutcry.market_data.lines import skip
from openoutcry.market_data.mold import COUNT_SHIFT, fitting

STRIDE = 256
"""Every so many messages the index knows where one begins."""


class Store:
    """Messages from number 1 on, each behind its length."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._index = array("Q")
        self.count = 0
        self.size_bytes = 0

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
        """Message ``first`` and those behind it, at most ``most`` and as many as fit ``room``
        bytes: how many, and they; none where there is none of that number."""
        if not 1 <= first <= self.count or most < 1:
            return 0, b""
        most = min(most, self.count - first + 1)
        at = self._index[(first - 1) // STRIDE]
        # Of the messages before the first one each has 52 bytes at most, with its length.
        data = os.pread(self._file, 52 * STRIDE + room, at)
        view = np.frombuffer(data, np.uint8)
        begin = skip(view.ctypes.data, len(data), (first - 1) % STRIDE)
        found = fitting(view.ctypes.data + begin, len(data) - begin, room)
        count = min(found >> COUNT_SHIFT, most)
        end = skip(view.ctypes.data + begin, len(data) - begin, count)
        return count, data[begin : begin + end]

    def close(self) -> None:
        os.close(self._file)
        self.path.unlink(missing_ok=True)
