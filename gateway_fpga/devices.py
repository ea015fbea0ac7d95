# SPDX-License-Identifier: Apache-2.0
"""Gateways as seen through the registers: the golden model, and a device mapped into memory."""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga.driver import BusError, DeviceError
from openoutcry.gateway_fpga.golden import PEOPLE_AT, SIGN, rules_of_rows, validate_orders
from openoutcry.gateway_fpga.settings import PARTICIPANTS, Settings
from openoutcry.wire.closing import Closing
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.records import MAX_VALUE
from openoutcry.wire.registers import (
    CONTROL_ARMED,
    CONTROL_CHECK_PARTICIPANTS,
    DECERR,
    GATEWAY_MAGIC,
    MAP_HASH,
    REGISTERS,
    ROW_FIELDS,
    SLOT_BITS,
    SLVERR,
    WAYS,
    WINDOW_BYTES,
    WORD_BYTES,
    slot_of,
)

ANSWERS = {SLVERR: "SLVERR (refused)", DECERR: "DECERR (nothing is there)"}
COUNTER_MAX = 2**32 - 1
CONTROL_MASK = 1 << CONTROL_CHECK_PARTICIPANTS | 1 << CONTROL_ARMED
REGISTERS_END = max(register.offset + WORD_BYTES * register.count for register in REGISTERS)


def bus_error(what: str, address: int, answer: int) -> BusError:
    """The error of an access that was answered with something other than OKAY."""
    return BusError(f"{what} register {address:#05x}: {ANSWERS.get(answer, f'answer {answer}')}")


class GoldenDevice:
    """The golden model with the hardware's registers: the same map, answers and counters.

    Where two rows of one symbol contradict each other, which the driver never writes, hardware ORs
    their verdicts and this takes one of them.
    """

    def __init__(self, slot_bits: int = SLOT_BITS) -> None:
        """``slot_bits``: of a device built with a smaller table."""
        self._slots = 2**slot_bits
        self._slot_bits = slot_bits
        self._words = {
            register.offset + WORD_BYTES * n: register
            for register in REGISTERS
            for n in range(register.count)
        }
        self._shadow = 0
        self._row_index = 0
        self._images: dict[int, int] = {}
        self._settings = {"control": 0, "rate_interval_ns": 0, "rate_burst_ns": 0}
        self._on = np.zeros(PARTICIPANTS, bool)
        self._buckets = np.zeros(PARTICIPANTS, np.int64)
        self._rules: npt.NDArray[np.int64] | None = None
        self._reasons = [0] * 16
        self._orders = 0
        self._orders_high = 0
        self._bad = 0

    def validate(self, orders: npt.NDArray[Any]) -> int:
        """Write the verdicts into an array of ``ORDER_DTYPE``; returns how many are rejected."""
        if self._rules is None:
            self._rules = self._make_rules()
        rejected = validate_orders(orders, self._rules)
        self._orders += len(orders)
        for bit in range(16):
            count = int(np.count_nonzero(orders["error_code"] >> bit & 1))
            self._reasons[bit] = min(COUNTER_MAX, self._reasons[bit] + count)
        return rejected

    def _make_rules(self) -> npt.NDArray[np.int64]:
        rows = {}
        for index, image in self._images.items():
            row = _row_of(image)
            way, slot = divmod(index, self._slots)
            if row["symbol"] and slot_of(row["symbol"], way, self._slot_bits) == slot:
                rows[row["symbol"]] = row
        control = self._settings["control"]
        armed = bool(control >> CONTROL_ARMED & 1)
        chosen = Settings(
            # Not armed: as if no participant's bit were on.
            check_participants=bool(control >> CONTROL_CHECK_PARTICIPANTS & 1) or not armed,
            rate_interval_ns=self._settings["rate_interval_ns"],
            rate_burst_ns=self._settings["rate_burst_ns"],
        )
        rules = rules_of_rows(list(rows.values()), chosen)
        people = rules[int(rules[PEOPLE_AT // 8]) // 8 :]
        people[:] = self._buckets & MAX_VALUE
        people[self._on & armed] |= SIGN
        self._buckets = people
        return rules

    def read(self, address: int) -> int:
        """Read a register, by its offset in bytes. Raises the error with which the bus would
        answer."""
        register = self._words.get(address)
        if register is None:
            raise self._refused("read", address, DECERR)
        if register.access == "WO":
            raise self._refused("read", address, SLVERR)
        part = (address - register.offset) // WORD_BYTES
        return int(self._value(register.name, part)) & 0xFFFFFFFF

    def _value(self, name: str, part: int) -> int:
        if name in self._settings:
            return self._settings[name]
        if name == "order_count":
            if part == 0:
                self._orders_high = self._orders >> 32
            return self._orders if part == 0 else self._orders_high
        values: dict[str, Any] = {
            "magic": GATEWAY_MAGIC,
            "map_hash": MAP_HASH,
            "layout_hash": LAYOUT_HASH >> 32 * part,
            "ways": WAYS,
            "slots": self._slots,
            "participants": PARTICIPANTS,
            "status": 0,
            "bad_access_count": self._bad,
            "row_index": self._row_index,
            "reason_count": self._reasons[part] if part < 16 else 0,
            "frame_count": 0,
            "left_out_count": 0,
            "row_shadow": self._shadow >> 32 * part,
        }
        return int(values[name])

    def write(self, address: int, value: int) -> None:
        """Write a register, by its offset in bytes. Raises the error with which the bus would
        answer."""
        register = self._words.get(address)
        if register is None:
            raise self._refused("write", address, DECERR)
        name = register.name
        if (
            register.access == "RO"
            or (name == "row_index" and value >= WAYS * self._slots)
            or (name == "participant_set" and value & 0xFFFF >= PARTICIPANTS)
        ):
            raise self._refused("write", address, SLVERR)
        if name == "row_index":
            self._row_index = value
            return
        if name == "row_shadow":
            low = 8 * (address - register.offset)
            self._shadow = self._shadow & ~(0xFFFFFFFF << low) | value << low
            return
        if name == "participant_set":
            self._on[value & 0xFFFF] = bool(value >> 31)
            self._buckets[value & 0xFFFF] = 0
        elif name == "row_swap":
            self._images[self._row_index] = self._shadow
        else:
            self._settings[name] = value & CONTROL_MASK if name == "control" else value
        self._rules = None

    def _refused(self, what: str, address: int, answer: int) -> BusError:
        self._bad = min(COUNTER_MAX, self._bad + 1)
        return bus_error(what, address, answer)


def _row_of(image: int) -> dict[str, int]:
    """The fields of a row's image."""
    row = {}
    for field in ROW_FIELDS:
        value = image >> field.low & 2**field.bits - 1
        if field.name.endswith(("_ticks", "_lots")) and value >> 63:
            value -= 2**64
        row[field.name] = value
    return row


class MappedDevice(Closing):
    """Registers mapped into memory: a UIO or PCIe resource file, or any memory given as words.

    Every access is one 32-bit load or store.  A bus that answers with an error kills the process or
    reads as all ones; the driver's checks of magic and hashes find the latter.
    """

    def __init__(self, words: npt.NDArray[np.uint32]) -> None:
        if words.dtype != np.uint32 or words.nbytes < REGISTERS_END:
            raise DeviceError("a mapped gateway is an array of uint32 as long as its registers")
        self._words = words
        self._mapping: mmap.mmap | None = None

    @classmethod
    def open(cls, path: str | Path, offset_bytes: int = 0) -> "MappedDevice":
        """Map the window at ``offset_bytes`` (a multiple of the page size) of a device file.

        Raises :class:`DeviceError` naming the file when it cannot be mapped.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_SYNC)
            try:
                mapping = mmap.mmap(fd, WINDOW_BYTES, offset=offset_bytes)
            finally:
                os.close(fd)
        except (OSError, ValueError) as error:
            raise DeviceError(f"{path}: cannot map the gateway's registers: {error}") from error
        device = cls(np.frombuffer(mapping, np.uint32))
        device._mapping = mapping
        return device

    def read(self, address: int) -> int:
        """Read a register, by its offset in bytes."""
        return int(self._words[address // WORD_BYTES])

    def write(self, address: int, value: int) -> None:
        """Write a register, by its offset in bytes."""
        self._words[address // WORD_BYTES] = value

    def close(self) -> None:
        """Give the mapping back."""
        self._words = np.zeros(0, np.uint32)
        if self._mapping is not None:
            self._mapping.close()
            self._mapping = None
