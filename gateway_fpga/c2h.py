# SPDX-License-Identifier: Apache-2.0
"""Read the orders that a card sends to its host: XDMA's card-to-host stream, 64 bytes an order.

The stream is a file whose reads give what the card has sent (``/dev/xdma0_c2h_0`` with Xilinx's
driver). Here it is a function of a byte count, so that the reader can be given anything.

**Never tried on a card**: the tests give it files that cut, pause, repeat and end as a driver may.

Each order bears the card's sequence number, consecutive from ``first_seq``.  A number that is
missing or comes twice is an error, not a gap to be passed over: an order would be lost or doubled.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.closing import Closing
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import ORDER_DTYPE, RECORD_BYTES

READ_ORDERS = 1_024
"""Orders that one read asks for: XDMA ends a read with the packet that fills it, or early."""


class StreamError(OutcryError):
    """The card's stream has another order than the next one."""


class OrderStream(Closing):
    """Orders in the card's own order, each once.

    ``read(count)`` gives up to ``count`` bytes, at least one, or none at the stream's end; it may
    raise ``InterruptedError``, after which it is called again.
    """

    def __init__(self, read: Callable[[int], bytes], first_seq: int = 1) -> None:
        self._read = read
        self._rest = b""
        self._close: Callable[[], None] = lambda: None
        self.next_seq = first_seq

    @classmethod
    def open(cls, path: str | Path, first_seq: int = 1) -> "OrderStream":
        """The stream of a device file.  Raises :class:`StreamError` naming it if it does not
        open."""
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise StreamError(f"{path}: cannot open the card's stream: {error.strerror}") from error
        stream = cls(lambda count: os.read(fd, count), first_seq)
        stream._close = lambda: os.close(fd)
        return stream

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Arrays of ``ORDER_DTYPE``, none empty, until the stream ends.

        Raises :class:`StreamError` for a number that is not the next, before any order from it on
        is given, and at an end within an order.
        """
        while chunk := self._some():
            text = self._rest + chunk
            whole = len(text) - len(text) % RECORD_BYTES
            self._rest = text[whole:]
            if whole:
                yield from self._checked(np.frombuffer(text[:whole], ORDER_DTYPE))
        if self._rest:
            raise StreamError(
                f"the card's stream ended {len(self._rest)} bytes into order {self.next_seq}"
            )

    def _some(self) -> bytes:
        while True:
            try:
                return self._read(READ_ORDERS * RECORD_BYTES - len(self._rest))
            except InterruptedError:
                continue

    def _checked(self, orders: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
        wanted = self.next_seq + np.arange(len(orders))
        wrong = np.flatnonzero(orders["seq"] != wanted)
        good = int(wrong[0]) if len(wrong) else len(orders)
        self.next_seq += good
        if good:
            yield orders[:good]
        if len(wrong):
            came = int(orders["seq"][good])
            what = "orders are missing" if came > self.next_seq else "an order came twice"
            raise StreamError(f"the card sent order {came}, not {self.next_seq}: {what}")

    def close(self) -> None:
        """Close the card's device; further calls do nothing."""
        self._close()
        self._close = lambda: None
