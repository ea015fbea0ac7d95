# SPDX-License-Identifier: Apache-2.0
"""Streams of records: orders in, orders with their verdicts out, one a beat."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from openoutcry.wire import ORDER_DTYPE

if TYPE_CHECKING:
    from numpy.typing import NDArray


class OrderSource:
    """Drives a stream of orders, one a beat.  ``idle`` is an iterator of bools: true is a cycle in
    which nothing is offered."""

    def __init__(
        self,
        dut: Any,
        prefix: str = "s_axis",
        *,
        clock: Any = None,
        reset: Any = None,
        idle: Iterator[bool] | None = None,
    ) -> None:
        from cocotbext.axi import AxiStreamBus, AxiStreamSource

        bus = AxiStreamBus.from_prefix(dut, prefix)
        self.stream = AxiStreamSource(bus, clock or dut.clk, reset or dut.rst)
        self.stream.set_pause_generator(idle)

    def send_nowait(self, orders: "NDArray[Any]") -> None:
        """Queue orders (``ORDER_DTYPE``) after those that wait."""
        from cocotbext.axi import AxiStreamFrame

        for order in orders:
            self.stream.send_nowait(AxiStreamFrame(order.tobytes()))

    async def send(self, orders: "NDArray[Any]") -> None:
        """Queue orders and wait until the last has been taken."""
        self.send_nowait(orders)
        await self.stream.wait()

    def forget(self) -> None:
        """Drop what has not been taken: after a reset."""
        self.stream.clear()


class VerdictSink:
    """Takes orders with their verdicts, one a beat.  ``hold`` is an iterator of bools: true is a
    cycle in which nothing is taken.

    A stream with ``tkeep`` or ``tlast`` must give each order as one whole packet; anything else is
    an ``AssertionError``.
    """

    def __init__(
        self,
        dut: Any,
        prefix: str = "m_axis",
        *,
        clock: Any = None,
        reset: Any = None,
        hold: Iterator[bool] | None = None,
    ) -> None:
        from cocotbext.axi import AxiStreamBus, AxiStreamSink

        bus = AxiStreamBus.from_prefix(dut, prefix)
        self.stream = AxiStreamSink(bus, clock or dut.clk, reset or dut.rst)
        self.stream.set_pause_generator(hold)

    def hold(self, held: bool) -> None:
        """Take nothing, until called with False."""
        self.stream.pause = held

    async def receive(self, count: int) -> "NDArray[Any]":
        """The next ``count`` orders, shape ``(count,)`` of ``ORDER_DTYPE``."""
        return _orders([await self.stream.recv() for _ in range(count)])[0]

    def taken(self) -> tuple["NDArray[Any]", "NDArray[Any]"]:
        """All that came and was not received yet: orders, and of each its ``tuser`` (a bit a port;
        0 of a stream that has none), int64."""
        beats = []
        while not self.stream.empty():
            beats.append(self.stream.recv_nowait())
        return _orders(beats)

    def empty(self) -> bool:
        """Return whether everything that came was received."""
        return bool(self.stream.empty())


def _orders(beats: list[Any]) -> tuple["NDArray[Any]", "NDArray[Any]"]:
    texts = [bytes(beat.tdata) for beat in beats]
    for text in texts:
        assert len(text) == ORDER_DTYPE.itemsize, f"a packet of {len(text)} bytes is no order"
    tags = [int(beat.tuser or 0) for beat in beats]
    return np.frombuffer(b"".join(texts), ORDER_DTYPE), np.array(tags, np.int64)
