"""The driver's bus over cocotbext-axi, for every bench that has registers."""

import itertools

from cocotb.task import resume

from openoutcry.gateway_fpga.devices import bus_error
from openoutcry.wire.registers import OKAY


def patience():
    """A clock for the driver, a millisecond further each time it is looked at: how long it waits
    for a command does not hang on what else the machine does."""
    return itertools.count(0, 0.001).__next__


class SimulatedBus:
    """The driver's bus over cocotbext-axi: the driver runs in a separate thread."""

    def __init__(self, master):
        self.master = master

    @resume
    async def _read(self, address):
        answer = await self.master.read(address, 4)
        return int(answer.resp), int.from_bytes(answer.data, "little")

    @resume
    async def _write(self, address, value):
        answer = await self.master.write(address, value.to_bytes(4, "little"))
        return int(answer.resp)

    def read(self, address):
        answer, value = self._read(address)
        if answer != OKAY:
            raise bus_error("read", address, answer)
        return value

    def write(self, address, value):
        answer = self._write(address, value)
        if answer != OKAY:
            raise bus_error("write", address, answer)
