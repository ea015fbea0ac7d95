# SPDX-License-Identifier: Apache-2.0
"""The registers over AXI-Lite, as coroutines and as what the driver needs."""

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

from openoutcry.gateway_fpga.devices import bus_error
from openoutcry.gateway_fpga.driver import GatewayDriver
from openoutcry.wire.registers import OKAY, WORD_BYTES

T = TypeVar("T")


class RegisterBus:
    """The registers over AXI-Lite.  ``read`` and ``write`` are coroutines; :meth:`with_driver` runs
    what needs :class:`GatewayDriver`, which knows no coroutine, in a separate thread."""

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
        """``what`` of the driver, which is the same one each time until :meth:`forget_driver`."""
        from cocotb.task import bridge

        def run() -> T:
            if self._driver is None:
                self._driver = GatewayDriver(ThreadBus(self), clock=patience())
            return what(self._driver)

        done: T = await bridge(run)()
        return done

    def forget_driver(self) -> None:
        """Forget the driver after a reset; the next one reads by itself what the device holds."""
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
        """A register's word; ``BusError`` as :meth:`RegisterBus.read`."""
        return int(self._read(address))

    def write(self, address: int, value: int) -> None:
        """Write a register's word; ``BusError`` as :meth:`RegisterBus.write`."""
        self._write(address, value)
