"""cocotb agents for whoever has the gateway in a bench of his own: orders in, verdicts out, and
the registers.

They speak the project's records and its driver, over cocotbext-axi's streams, and know nothing of
any bench.  Needs the ``fpga`` extra, and runs inside a simulator:

    source, sink, bus = OrderSource(dut), VerdictSink(dut), RegisterBus(dut)
    await bus.with_driver(lambda driver: driver.load(instruments, settings))
    await source.send(orders)
    judged = await sink.receive(len(orders))

A module's clock is ``clk`` and its reset ``rst``, high in reset, unless told otherwise.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from openoutcry.gateway_fpga.devices import bus_error
from openoutcry.gateway_fpga.driver import GatewayDriver
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.registers import OKAY, WORD_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


class OrderSource:
    """Drives a stream of orders, one a beat.  ``idle`` is an iterator of bools: true is a cycle in
    which nothing is offered."""

    def __init__(
        self, dut: Any, prefix: str = "s_axis", *, clock: Any = None, reset: Any = None,
        idle: Iterator[bool] | None = None,
    ) -> None:  # fmt: skip
        from cocotbext.axi import AxiStreamBus, AxiStreamSource

        bus = AxiStreamBus.from_prefix(dut, prefix)
        self.stream = AxiStreamSource(bus, clock or dut.clk, reset or dut.rst)
        self.stream.set_pause_generator(idle)

    def send_nowait(self, orders: "NDArray[Any]") -> None:
        """Queue orders (``ORDER_DTYPE``) behind those that wait."""
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

    A stream with ``tkeep`` or ``tlast`` must give each order as a whole packet of its own; what
    does not is an ``AssertionError``.
    """

    def __init__(
        self, dut: Any, prefix: str = "m_axis", *, clock: Any = None, reset: Any = None,
        hold: Iterator[bool] | None = None,
    ) -> None:  # fmt: skip
        from cocotbext.axi import AxiStreamBus, AxiStreamSink

        bus = AxiStreamBus.from_prefix(dut, prefix)
        self.stream = AxiStreamSink(bus, clock or dut.clk, reset or dut.rst)
        self.stream.set_pause_generator(hold)

    def hold(self, held: bool) -> None:
        """Take nothing until told otherwise."""
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
        return bool(self.stream.empty())


def _orders(beats: list[Any]) -> tuple["NDArray[Any]", "NDArray[Any]"]:
    texts = [bytes(beat.tdata) for beat in beats]
    for text in texts:
        assert len(text) == ORDER_DTYPE.itemsize, f"a packet of {len(text)} bytes is no order"
    tags = [int(beat.tuser or 0) for beat in beats]
    return np.frombuffer(b"".join(texts), ORDER_DTYPE), np.array(tags, np.int64)


class RegisterBus:
    """The registers over AXI-Lite.  ``read`` and ``write`` are coroutines; :meth:`with_driver` runs
    what needs :class:`GatewayDriver`, which knows no coroutine, in a thread of its own."""

    def __init__(
        self, dut: Any, prefix: str = "s_axil", *, clock: Any = None, reset: Any = None
    ) -> None:
        from cocotbext.axi import AxiLiteBus, AxiLiteMaster

        bus = AxiLiteBus.from_prefix(dut, prefix)
        self.master = AxiLiteMaster(bus, clock or dut.clk, reset or dut.rst)
        self._driver: GatewayDriver | None = None

    async def read(self, address: int) -> int:
        """A word; ``BusError`` names the register and why it was refused."""
        answer = await self.master.read(address, WORD_BYTES)
        if int(answer.resp) != OKAY:
            raise bus_error("read", address, int(answer.resp))
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int) -> None:
        """A word; ``BusError`` as :meth:`read`."""
        answer = await self.master.write(address, value.to_bytes(WORD_BYTES, "little"))
        if int(answer.resp) != OKAY:
            raise bus_error("write", address, int(answer.resp))

    async def with_driver(self, what: Callable[[GatewayDriver], T]) -> T:
        """``what`` of the driver, the same one each time; :meth:`forget_driver` begins anew."""
        from cocotb.task import bridge

        def run() -> T:
            if self._driver is None:
                self._driver = GatewayDriver(ThreadBus(self), clock=patience())
            return what(self._driver)

        done: T = await bridge(run)()
        return done

    def forget_driver(self) -> None:
        """The next driver finds out by itself what stands in the device: after a reset."""
        self._driver = None


def patience() -> Callable[[], float]:
    """A clock for the driver, a millisecond further each time it is looked at: how long it waits
    for a command does not hang on what else the machine does."""
    return itertools.count(0, 0.001).__next__


class ThreadBus:
    """The bus as the driver wants it: ordinary functions, called in a thread of ``bridge``."""

    def __init__(self, bus: RegisterBus) -> None:
        from cocotb.task import resume

        self._read = resume(bus.read)
        self._write = resume(bus.write)

    def read(self, address: int) -> int:
        return int(self._read(address))

    def write(self, address: int, value: int) -> None:
        self._write(address, value)
