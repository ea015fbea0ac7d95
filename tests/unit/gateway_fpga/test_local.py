"""The registers of a card's end: the map that Verilog and Python share, and the driver's rules."""

import re

import pytest

from openoutcry.gateway_fpga.driver import BusError, DeviceError
from openoutcry.gateway_fpga.local import (
    LOCAL_MAGIC,
    LOCAL_REGISTERS,
    OFFSET,
    LocalDriver,
    LocalEnd,
)
from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.wire.registers import WINDOW_BYTES, WORD_BYTES

END = LocalEnd(2**40 + 5, 9_001, "02:00:0a:ff:00:01", "10.0.0.2", 7)


class Registers:
    """As ``outcry_local`` behaves; ``stuck`` is a register that keeps its value."""

    def __init__(self, stuck: str = "", base: int = WINDOW_BYTES) -> None:
        self.words = {base + OFFSET["magic"]: LOCAL_MAGIC, base + OFFSET["status"]: 1}
        self.stuck, self.base = stuck, base

    def read(self, address: int) -> int:
        return self.words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        control, status = self.base + OFFSET["control"], self.base + OFFSET["status"]
        if address == control:
            if self.stuck != "control":
                self.words[status] = value
        elif self.words[status]:
            raise BusError(f"write register {address:#05x}: SLVERR (refused)")
        elif not self.stuck or address != self.base + OFFSET[self.stuck]:
            self.words[address] = value


def test_the_map_is_that_of_the_verilog() -> None:
    """Each word has its number there, its high half the next one; and so has the magic."""
    source = (ROOT / "gateway_fpga" / "card" / "outcry_local.v").read_text()
    numbers = dict(re.findall(r"\[9:0\] (\w+)_WORD = 10'd(\d+);", source))
    wanted = {}
    for register in LOCAL_REGISTERS:
        for part in range(register.count):
            name = register.name.upper() + "_HIGH" * part
            wanted[name] = str(register.offset // WORD_BYTES + part)
    assert numbers == wanted
    assert int(re.findall(r"MAGIC = 32'h([0-9A-F]+);", source)[0], 16) == LOCAL_MAGIC


@pytest.mark.parametrize("end", [END, LocalEnd(), LocalEnd(vlan=0), LocalEnd(2**62 - 1, 65_535)])
@pytest.mark.parametrize("base", [0, WINDOW_BYTES])
def test_an_end_is_written_while_the_gateway_is_held(end: LocalEnd, base: int) -> None:
    """And read back as it was; the gateway runs afterwards, and stops when it is asked to."""
    driver = LocalDriver(Registers(base=base), base)
    driver.start(end)
    assert driver.runs
    assert driver.end() == end
    driver.stop()
    assert not driver.runs


def test_a_card_that_does_not_do_it_is_named() -> None:
    """One without the registers, one that does not stop, one that does not keep an address."""
    with pytest.raises(DeviceError, match="no registers of its end: their magic is 00000000"):
        LocalDriver(Registers(), base=0)
    ticks = iter(range(100))
    with pytest.raises(DeviceError, match="the gateway did not stop"):
        LocalDriver(Registers("control"), clock=lambda: next(ticks)).start(END)
    with pytest.raises(DeviceError, match="local_ip is 0x0, not 0xa000002"):
        LocalDriver(Registers("local_ip")).start(END)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"first_seq": 0}, "first_seq is 0"),
        ({"first_seq": 2**62}, "first_seq is 4611686018427387904"),
        ({"udp_port": 0}, "udp_port is 0"),
        ({"udp_port": 65_536}, "udp_port is 65536"),
        ({"vlan": 4_095}, "vlan is 4095"),
        ({"vlan": -1}, "vlan is -1"),
        ({"mac": "02:00:00:00:00"}, "mac is '02:00:00:00:00'"),
        ({"address": "10.0.0.256"}, "10.0.0.256"),
    ],
)
def test_what_no_register_holds_is_refused(wrong: dict[str, object], sentence: str) -> None:
    """Before anything is written."""
    with pytest.raises(ValueError, match=sentence):
        LocalEnd(**wrong)  # type: ignore[arg-type]
