# SPDX-License-Identifier: Apache-2.0
"""Speak the gateway's registers: to a simulator, the golden model or a memory-mapped device alike.

The driver needs nothing of a device but to read and write 32-bit words (:class:`Bus`). It keeps a
copy of the symbol table, finds a place for each symbol and changes rows while orders flow.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga.settings import Limits, Settings, make_rows, row_values, symbol_word
from openoutcry.wire.enums import ErrorBit
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout_hash import check_layout
from openoutcry.wire.registers import (
    ADDRESS,
    CONTROL_ARMED,
    CONTROL_CHECK_PARTICIPANTS,
    FRAME_OUTCOMES,
    FRAME_PORTS,
    GATEWAY_MAGIC,
    LEFT_OUT,
    MAP_HASH,
    ROW_BITS,
    WAYS,
    WORD_BYTES,
    row_image,
    slot_of,
)

COMMAND_SECONDS_MAX = 2.0
"""How long a command may take: it waits for at most three orders to leave."""


class Bus(Protocol):
    """Where the registers are.  Addresses are bytes from the window's start, words 32 bits."""

    def read(self, address: int) -> int:
        """The word there.  Raises :class:`BusError` on an error answer."""

    def write(self, address: int, value: int) -> None:
        """Write a word.  Raises :class:`BusError` on an error answer."""


class BusError(OutcryError):
    """A register access that the device answered with an error."""


class DeviceError(OutcryError):
    """The device that answers is no gateway of this build, or does not do what it was asked."""


class GatewayDriver:
    """One gateway's settings and symbol table.

    Refuses a device whose magic, register map or record layout is not this build's
    (:class:`DeviceError`, :class:`~openoutcry.wire.layout_hash.LayoutMismatch`).
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self.bus = bus
        self.clock = clock
        magic, map_hash = self._read("magic"), self._read("map_hash")
        if magic != GATEWAY_MAGIC:
            raise DeviceError(f"no gateway answers: register magic is {magic:08x}")
        if map_hash != MAP_HASH:
            raise DeviceError(
                f"the device has register map {map_hash:08x}, this program {MAP_HASH:08x}: "
                "use the bitstream that was built with it"
            )
        check_layout(self._read_wide("layout_hash"), "the gateway device")
        self.slots = self._read("slots")
        self.participants = self._read("participants")
        if self._read("ways") != WAYS:
            raise DeviceError(f"the device has {self._read('ways')} ways, not {WAYS}")
        self._rows: dict[int, dict[str, int]] = {}
        self._index_of: dict[int, int] = {}
        self._instruments: dict[bytes, np.void] = {}
        self._limits: dict[bytes, Limits] = {}

    # The table ------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Empty every row of the table: of a device that may know symbols from before."""
        self._write_shadow(0)
        for index in range(WAYS * self.slots):
            self._swap(index)
        self._rows.clear()
        self._index_of.clear()
        self._instruments.clear()
        self._limits.clear()

    def load(self, instruments: npt.NDArray[Any], settings: Settings | None = None) -> None:
        """Bring an instrument table and all settings into the device, and arm it.

        Until all of them are there it is not armed: no participant may enter orders."""
        settings = settings or Settings()
        make_rows(instruments, settings)  # everything is refused before anything is written
        self.arm(False)
        for instrument in instruments:
            symbol = bytes(instrument["symbol"])
            self.set_symbol(instrument, settings.limits.get(symbol, Limits()))
        self.check_participants(settings.check_participants)
        for participant in sorted(settings.participants_on):
            self.set_participant(participant, True)
        self.set_rate(settings.rate_interval_ns, settings.rate_burst_ns)
        self.arm(True)

    def set_symbol(self, instrument: np.void, limits: Limits | None = None) -> None:
        """Enter a symbol, or give it a new row: the next order sees it.

        ``instrument`` is an ``INSTRUMENT_DTYPE`` row.  Others may move to make room, which no order
        can notice.  Raises :class:`DeviceError` when the table has no place for it.
        """
        symbol = bytes(instrument["symbol"])
        limits = limits or Limits()
        row = row_values(instrument, limits)
        if row["symbol"] in self._index_of:
            self._put(self._index_of[row["symbol"]], row)
        else:
            self._enter(row)
        self._instruments[symbol] = instrument
        self._limits[symbol] = limits

    def set_limits(self, symbol: bytes, limits: Limits) -> None:
        """New reference, collar, notional limit and halt bit of a symbol, all at once."""
        self.set_symbol(self._known(symbol), limits)

    def halt(self, symbol: bytes, halted: bool = True) -> None:
        """Set or clear a symbol's halt bit."""
        self.set_limits(symbol, replace(self._limits_of(symbol), halted=halted))

    def remove_symbol(self, symbol: bytes) -> None:
        """Take a symbol out: from the next order on it is unknown."""
        self._known(symbol)
        index = self._index_of.pop(symbol_word(symbol))
        del self._rows[index], self._instruments[symbol], self._limits[symbol]
        self._write_shadow(0)
        self._swap(index)

    def place_of(self, symbol: bytes) -> tuple[int, int]:
        """Return where a symbol's row is, and its bits: for a program that writes it past the
        driver."""
        self._known(symbol)
        index = self._index_of[symbol_word(symbol)]
        return index, row_image(self._rows[index])

    def _known(self, symbol: bytes) -> np.void:
        if symbol not in self._instruments:
            raise DeviceError(f"the gateway's table has no symbol {symbol!r}")
        return self._instruments[symbol]

    def _limits_of(self, symbol: bytes) -> Limits:
        self._known(symbol)
        return self._limits[symbol]

    def _places(self, word: int) -> list[int]:
        bits = self.slots.bit_length() - 1
        return [way * self.slots + slot_of(word, way, bits) for way in range(WAYS)]

    def _enter(self, row: dict[str, int]) -> None:
        """Breadth first: the fewest moves that free one of the symbol's places.  Each that moves is
        at its new place before its old one is overwritten, so none is ever missing."""
        word = row["symbol"]
        came_from: dict[int, int] = {}
        queue = deque(self._places(word))
        seen = set(queue)
        while queue:
            index = queue.popleft()
            if index not in self._rows:
                break
            for other in self._places(self._rows[index]["symbol"]):
                if other not in seen:
                    seen.add(other)
                    came_from[other] = index
                    queue.append(other)
        else:
            raise DeviceError(
                f"the gateway's table has no place for another symbol ({len(self._rows)} of "
                f"{WAYS * self.slots} rows taken)"
            )
        while index in came_from:
            self._put(index, self._rows[came_from[index]])
            index = came_from[index]
        self._put(index, row)

    def _put(self, index: int, row: dict[str, int]) -> None:
        self._write_shadow(row_image(row))
        self._swap(index)
        self._rows[index] = row
        self._index_of[row["symbol"]] = index

    def _write_shadow(self, image: int) -> None:
        for word in range(ROW_BITS // 32):
            value = image >> 32 * word & 0xFFFFFFFF
            self.bus.write(ADDRESS["row_shadow"] + WORD_BYTES * word, value)

    def _swap(self, index: int) -> None:
        self._write("row_index", index)
        self._write("row_swap", 1)
        self._wait()

    # Participants and rates -----------------------------------------------------------------------

    def check_participants(self, on: bool) -> None:
        """Whether participants' bits are looked at."""
        self._control(CONTROL_CHECK_PARTICIPANTS, on)

    def arm(self, on: bool) -> None:
        """Whether orders may enter at all: a reset disarms the device."""
        self._control(CONTROL_ARMED, on)

    def armed(self) -> bool:
        """Return whether orders may enter."""
        return bool(self._read("control") >> CONTROL_ARMED & 1)

    def _control(self, bit: int, on: bool) -> None:
        self._write("control", self._read("control") & ~(1 << bit) | int(on) << bit)

    def set_participant(self, participant: int, on: bool) -> None:
        """Switch a participant on or off (the kill switch); the bucket becomes full."""
        if not 0 <= participant < self.participants:
            raise DeviceError(f"participant {participant} is not 0 to {self.participants - 1}")
        self._write("participant_set", participant | int(on) << 31)
        self._wait()

    def set_rate(self, interval_ns: int, burst_ns: int) -> None:
        """One order a participant each ``interval_ns`` (0: no limit), ahead by ``burst_ns``."""
        Settings(rate_interval_ns=interval_ns, rate_burst_ns=burst_ns)
        self._write("rate_burst_ns", burst_ns)
        self._write("rate_interval_ns", interval_ns)

    # Counters -------------------------------------------------------------------------------------

    def reasons(self) -> dict[ErrorBit, int]:
        """Orders that left with each bit of the verdict; a counter stops at its highest value."""
        first = ADDRESS["reason_count"]
        return {bit: self.bus.read(first + WORD_BYTES * bit) for bit in ErrorBit}

    def orders(self) -> int:
        """Orders that left."""
        return self._read_wide("order_count")

    def bad_accesses(self) -> int:
        """Register accesses that were answered with an error."""
        return self._read("bad_access_count")

    def frames(self, port: int) -> dict[str, int]:
        """Frames of one Ethernet port by outcome (``FRAME_OUTCOMES``): taken whole, or why not."""
        return self._of_port("frame_count", FRAME_OUTCOMES, port)

    def left_out(self, port: int) -> dict[str, int]:
        """Records left out of packets that one Ethernet port took, by the rule (``LEFT_OUT``)."""
        return self._of_port("left_out_count", LEFT_OUT, port)

    def _of_port(self, register: str, names: Sequence[str], port: int) -> dict[str, int]:
        if not 0 <= port < FRAME_PORTS:
            raise DeviceError(f"port {port} is not 0 to {FRAME_PORTS - 1}")
        first = ADDRESS[register] + WORD_BYTES * len(names) * port
        return {name: self.bus.read(first + WORD_BYTES * n) for n, name in enumerate(names)}

    # The bus --------------------------------------------------------------------------------------

    def _read(self, name: str) -> int:
        return self.bus.read(ADDRESS[name])

    def _read_wide(self, name: str) -> int:
        low = self._read(name)
        return low | self.bus.read(ADDRESS[name] + WORD_BYTES) << 32

    def _write(self, name: str, value: int) -> None:
        self.bus.write(ADDRESS[name], value)

    def _wait(self) -> None:
        deadline = self.clock() + COMMAND_SECONDS_MAX
        while self._read("status") & 1:
            if self.clock() > deadline:
                raise DeviceError(
                    f"the gateway did not carry out a command in {COMMAND_SECONDS_MAX:g} s: "
                    "does its sink take orders?"
                )
