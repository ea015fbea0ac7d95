# SPDX-License-Identifier: Apache-2.0
"""The receive side of a 10G MAC: 64 bits a cycle, no ``tready``, a separate clock for each port.

The ports of ``outcry_card`` are packed: port ``n`` has the ``n``-th piece of every signal, and one
:class:`Clocks` drives the vector of clocks for all of them.
"""

from collections.abc import Iterator
from typing import Any

WORD_BYTES = 8
LANES = {"tdata": 64, "tkeep": 8, "tlast": 1, "tuser": 1, "tvalid": 1}
"""Signals of the stream and their widths; of port ``n`` the ``n``-th piece is driven."""


class Clocks:
    """The bits of a vector of clocks, each with a separate period, and what the ports share."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.bits = 0
        self.pieces: dict[str, int] = {}

    def set(self, bit: int, value: int) -> None:
        """Drive one clock to 0 or 1; the others keep their value."""
        self.bits = self.bits & ~(1 << bit) | value << bit
        self.handle.value = self.bits

    def put(self, dut: Any, name: str, port: int, width: int, value: int) -> None:
        """Drive one port's piece of a signal; the pieces of the others stay."""
        mask = (2**width - 1) << port * width
        shared = self.pieces.get(name, 0) & ~mask | value << port * width
        self.pieces[name] = shared
        getattr(dut, name).value = shared


class Mac:
    """One port's receive side.

    Frames are sent at once, or with pauses: ``idle`` is an iterator of bools, true for a cycle
    without a word. The time that its clock shows is ``time_ns``, which advances by ``step_ns`` a
    cycle. As the first word of each frame is given, that time is added to ``stamps``.
    """

    def __init__(
        self,
        dut: Any,
        clocks: Clocks,
        port: int = 0,
        period_ps: int = 6_400,
        step_ns: int = 7,
        idle: Iterator[bool] | None = None,
    ) -> None:
        self.dut, self.clocks, self.port = dut, clocks, port
        self.period_ps, self.step_ns, self.idle = period_ps, step_ns, idle
        self.time_ns = 1_000 * (port + 1)
        self.words: list[tuple[int, int, bool, bool, bool]] = []
        self.stamps: list[int] = []
        self.stopped = False

    def send(self, data: bytes, bad: bool = False, keep: int | None = None) -> None:
        """Queue a frame without its check sequence. With ``bad``, the MAC says with the last word
        that the check sequence was wrong. If ``keep`` is given, it is tkeep of the first word in
        place of all ones."""
        for at in range(0, len(data), WORD_BYTES):
            part = data[at : at + WORD_BYTES]
            last = at + WORD_BYTES >= len(data)
            kept = 2 ** len(part) - 1 if at or keep is None else keep
            self.words.append((int.from_bytes(part, "little"), kept, last, last and bad, at == 0))

    def start(self) -> None:
        """Start the port's clock and stream as a task of cocotb."""
        import cocotb

        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        """Signals change with the falling edge; the module looks at the rising one."""
        from cocotb.triggers import Timer

        while True:
            self.clocks.set(self.port, 0)
            waits = self.idle is not None and next(self.idle)
            word = None if waits or not self.words or self.stopped else self.words.pop(0)
            self.time_ns += self.step_ns
            if word and word[4]:
                self.stamps.append(self.time_ns)
            self._drive(word)
            await Timer(self.period_ps // 2, unit="ps")
            self.clocks.set(self.port, 1)
            await Timer(self.period_ps - self.period_ps // 2, unit="ps")

    def _drive(self, word: tuple[int, int, bool, bool, bool] | None) -> None:
        tdata, tkeep, tlast, tuser, _ = word or (0, 0, False, False, False)
        values = {
            "tdata": tdata,
            "tkeep": tkeep,
            "tlast": int(tlast),
            "tuser": int(tuser),
            "tvalid": int(word is not None),
        }
        for name, width in LANES.items():
            self.clocks.put(self.dut, f"s_axis_{name}", self.port, width, values[name])
        self.clocks.put(self.dut, "rx_time_ns", self.port, 64, self.time_ns % 2**64)
