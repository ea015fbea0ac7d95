# SPDX-License-Identifier: Apache-2.0
"""Where a card receives and how it numbers orders: the registers of ``outcry_local``.

They are the second 4 KiB of the card's register window::

    with MappedDevice.open("/dev/xdma0_user", WINDOW_BYTES) as window:
        LocalDriver(window, base=0).start(
            LocalEnd(first_seq=1, mac="02:00:00:00:00:01", address="10.0.0.2", vlan=0)
        )

They change only while the gateway is held in reset. :meth:`LocalDriver.start` holds it, writes all
of them and lets it run. The gateway's tables are empty afterwards, so make and load its
``GatewayDriver`` then. No card has been tried with it.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from openoutcry.gateway_fpga.driver import Bus, DeviceError
from openoutcry.wire.registers import WINDOW_BYTES, WORD_BYTES, Register

LOCAL_MAGIC = int.from_bytes(b"OCLO", "little")
LOCAL_REGISTERS = (
    Register("magic", 0x00, "RO", "the letters OCLO"),
    Register("control", 0x04, "RW", "bit 0: the gateway runs; 0 holds it in reset"),
    Register("status", 0x08, "RO", "bit 0: it runs, and the registers below are read-only"),
    Register("first_seq", 0x10, "RW", "number of the first order after the reset, low first", 2),
    Register("udp_port", 0x18, "RW", "16 bits"),
    Register(
        "check_local", 0x1C, "RW", "what is compared: bit 0 the MAC, 1 the IPv4 address, 2 the VLAN"
    ),
    Register("local_mac", 0x20, "RW", "48 bits, low word first", 2),
    Register("local_ip", 0x28, "RW", "32 bits"),
    Register("local_vlan", 0x2C, "RW", "12 bits; 0: no tag, or one that names no VLAN"),
)
"""A bit that a register does not have must be written as 0: otherwise SLVERR."""
OFFSET = {register.name: register.offset for register in LOCAL_REGISTERS}
CHECK_MAC, CHECK_ADDRESS, CHECK_VLAN = 1, 2, 4
SEQ_LIMIT = 2**62
HOLD_SECONDS_MAX = 2.0
"""How long the gateway may take to stop: a read of its registers is answered before."""
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


@dataclass(frozen=True, slots=True)
class LocalEnd:
    """One end of the line.  The card compares a field only if it has a value; a ``vlan`` of 0 is a
    frame without a tag or with one that names no VLAN.

    Raises ``ValueError`` for what no register holds.
    """

    first_seq: int = 1
    udp_port: int = 9_000
    mac: str | None = None
    address: str | None = None
    vlan: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.first_seq < SEQ_LIMIT:
            raise ValueError(f"first_seq is {self.first_seq}, not 1 to 2^62 - 1")
        if not 1 <= self.udp_port < 2**16:
            raise ValueError(f"udp_port is {self.udp_port}, not 1 to 65535")
        if self.vlan is not None and not 0 <= self.vlan < 2**12 - 1:
            raise ValueError(f"vlan is {self.vlan}, not 0 to 4094")
        if self.mac is not None and not MAC.fullmatch(self.mac):
            raise ValueError(f"mac is {self.mac!r}, not six bytes as 02:00:00:00:00:01")
        if self.address is not None:
            IPv4Address(self.address)  # a ValueError that names it

    def words(self) -> dict[str, int]:
        """The value of each register that the end decides."""
        mac, address, vlan = self.mac, self.address, self.vlan
        return {
            "first_seq": self.first_seq,
            "udp_port": self.udp_port,
            "check_local": (mac is not None) * CHECK_MAC
            | (address is not None) * CHECK_ADDRESS
            | (vlan is not None) * CHECK_VLAN,
            "local_mac": int(mac.replace(":", ""), 16) if mac else 0,
            "local_ip": int(IPv4Address(address)) if address else 0,
            "local_vlan": vlan or 0,
        }


class LocalDriver:
    """The registers of ``outcry_local`` at ``base`` of a bus; 0 if the bus begins with them.

    Raises :class:`DeviceError` if they are not there.
    """

    def __init__(
        self, bus: Bus, base: int = WINDOW_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.bus, self.base, self.clock = bus, base, clock
        magic = self._read("magic")
        if magic != LOCAL_MAGIC:
            raise DeviceError(f"the card has no registers of its end: their magic is {magic:08x}")

    @property
    def runs(self) -> bool:
        """Return whether the gateway runs, by its status."""
        return bool(self._read("status") & 1)

    def end(self) -> LocalEnd:
        """Return the content of the registers."""
        value = {name: self._read_all(name) for name in LocalEnd().words()}
        check, mac = value["check_local"], f"{value['local_mac']:012x}"
        return LocalEnd(
            value["first_seq"],
            value["udp_port"],
            ":".join(re.findall("..", mac)) if check & CHECK_MAC else None,
            str(IPv4Address(value["local_ip"])) if check & CHECK_ADDRESS else None,
            value["local_vlan"] if check & CHECK_VLAN else None,
        )

    def start(self, end: LocalEnd) -> None:
        """Hold the gateway, write the end and let it run.  Orders inside are lost: see to it that
        no frame is on its way. Raises :class:`DeviceError` if the card does not hold what was
        written."""
        self.stop()
        for name, value in end.words().items():
            for part in range(_count(name)):
                self.bus.write(self._address(name, part), value >> 32 * part & 0xFFFFFFFF)
            if self._read_all(name) != value:
                raise DeviceError(f"the card's {name} is {self._read_all(name):#x}, not {value:#x}")
        self._run(True)

    def stop(self) -> None:
        """Hold the gateway in reset; its tables are empty from then on."""
        self._run(False)

    def _run(self, runs: bool) -> None:
        self.bus.write(self._address("control"), int(runs))
        deadline = self.clock() + HOLD_SECONDS_MAX
        while self.runs != runs:
            if self.clock() > deadline:
                raise DeviceError(f"the gateway did not {'start' if runs else 'stop'}")

    def _address(self, name: str, part: int = 0) -> int:
        return self.base + OFFSET[name] + WORD_BYTES * part

    def _read(self, name: str, part: int = 0) -> int:
        return self.bus.read(self._address(name, part))

    def _read_all(self, name: str) -> int:
        return sum(self._read(name, part) << 32 * part for part in range(_count(name)))


def _count(name: str) -> int:
    return next(register.count for register in LOCAL_REGISTERS if register.name == name)
