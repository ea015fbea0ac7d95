# SPDX-License-Identifier: Apache-2.0
"""Whole Ethernet frames on a 512-bit stream, one beat a cycle when nothing holds it back."""

from collections.abc import Iterator
from typing import Any

BEAT_BYTES = 64


class FrameSource:
    """The ports of ``outcry_top`` (packed: port ``n`` has the ``n``-th piece of every signal), or
    the one port of ``outcry_udp_parser``.

    Frames are without their check sequence. In ``idle[port]`` is an iterator of bools, true for a
    cycle in which the port offers nothing new. A beat that is offered stays until it is taken.

    ``stamps[port]`` has the time at which the first beat of each frame was offered. Where the
    module has such a port, ``time_ns`` is driven and advances by ``step_ns`` a cycle.
    """

    def __init__(
        self, dut: Any, *, clock: Any = None, start_ns: int = 5_000, step_ns: int = 4
    ) -> None:
        self.dut, self.clock = dut, clock or dut.clk
        self.now_ns, self.step_ns = start_ns, step_ns
        self.count = len(dut.s_axis_tvalid)
        self.idle: list[Iterator[bool] | None] = [None] * self.count
        self.clear()

    def clear(self) -> None:
        """Forget what has not been taken yet: after a reset."""
        self.beats: list[list[tuple[int, int, bool]]] = [[] for _ in range(self.count)]
        self.stamps: list[list[int]] = [[] for _ in range(self.count)]
        self.offered, self.inside = [False] * self.count, [False] * self.count

    def send(self, port: int, data: bytes, hole: int = 0) -> None:
        """Queue a frame.  ``hole``: lanes of the first beat that carry nothing, one bit a lane."""
        for at in range(0, len(data), BEAT_BYTES):
            part = data[at : at + BEAT_BYTES]
            keep = 2 ** len(part) - 1 & ~(0 if at else hole)
            self.beats[port].append(
                (int.from_bytes(part, "little"), keep, at + BEAT_BYTES >= len(data))
            )

    def start(self) -> None:
        """Start :meth:`drive` as a task of cocotb."""
        import cocotb

        cocotb.start_soon(self.drive())

    async def wait(self) -> None:
        """Wait until every beat has been taken."""
        from cocotb.triggers import RisingEdge

        while any(self.beats):
            await RisingEdge(self.clock)

    async def drive(self) -> None:
        """Drive the module's stream cycle by cycle, without an end."""
        from cocotb.triggers import ReadOnly, RisingEdge

        while True:
            valid = self._offer()
            await ReadOnly()
            taken = int(self.dut.s_axis_tready.value) & valid
            await RisingEdge(self.clock)
            self.now_ns = (self.now_ns + self.step_ns) % 2**64
            for port in range(self.count):
                if taken >> port & 1 and self.beats[port]:
                    self.offered[port] = False
                    self.inside[port] = not self.beats[port].pop(0)[2]

    def _offer(self) -> int:
        """Drive one cycle; the bits of the ports that offer a beat."""
        data = keep = last = valid = 0
        if hasattr(self.dut, "time_ns"):
            self.dut.time_ns.value = self.now_ns
        for port, beats in enumerate(self.beats):
            idle = self.idle[port]
            held = idle is not None and next(idle)
            self.offered[port] = bool(beats) and (self.offered[port] or not held)
            if self.offered[port]:
                if not self.inside[port]:
                    self.stamps[port].append(self.now_ns)
                    self.inside[port] = True
                data |= beats[0][0] << 512 * port
                keep |= beats[0][1] << 64 * port
                last |= int(beats[0][2]) << port
                valid |= 1 << port
        self.dut.s_axis_tdata.value = data
        self.dut.s_axis_tkeep.value = keep
        self.dut.s_axis_tlast.value = last
        self.dut.s_axis_tvalid.value = valid
        return valid
