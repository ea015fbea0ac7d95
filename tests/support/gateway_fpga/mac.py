"""A 10G MAC that cannot wait, with a clock of its own, for the benches: 64 bits a cycle."""

import cocotb
from cocotb.triggers import Timer

WORD_BYTES = 8
LANES = {"tdata": 64, "tkeep": 8, "tlast": 1, "tuser": 1, "tvalid": 1}
"""Signals of the stream and their widths; of port ``n`` the ``n``-th piece is driven."""


class Clocks:
    """The bits of a vector of clocks, each with its own period."""

    def __init__(self, handle, count=1):
        self.handle = handle
        self.count = count
        self.bits = 0

    def set(self, bit, value):
        self.bits = self.bits & ~(1 << bit) | value << bit
        self.handle.value = self.bits


class Mac:
    """One port's receive side.  Frames are sent at once, or with pauses; ``time_ns`` is what its
    clock shows, ``stamps`` what it showed as the first word of each frame was given."""

    def __init__(self, dut, clocks, port=0, period_ps=6_400, step_ns=7, idle=None):
        self.dut, self.clocks, self.port = dut, clocks, port
        self.period_ps, self.step_ns, self.idle = period_ps, step_ns, idle
        self.time_ns = 1_000 * (port + 1)
        self.words = []
        self.stamps = []
        self.stopped = False

    def send(self, data, bad=False, keep=None):
        """``keep`` is tkeep of the first word in place of all ones."""
        for at in range(0, len(data), WORD_BYTES):
            part = data[at : at + WORD_BYTES]
            last = at + WORD_BYTES >= len(data)
            kept = 2 ** len(part) - 1 if at or keep is None else keep
            self.words.append((int.from_bytes(part, "little"), kept, last, last and bad, at == 0))

    def start(self):
        cocotb.start_soon(self._run())

    async def _run(self):
        """Signals change with the falling edge; the module looks at the rising one."""
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

    def _drive(self, word):
        tdata, tkeep, tlast, tuser, _ = word or (0, 0, 0, 0, False)
        values = {"tdata": tdata, "tkeep": tkeep, "tlast": int(tlast), "tuser": int(tuser),
                  "tvalid": int(word is not None)}  # fmt: skip
        for name, width in LANES.items():
            self._put(f"s_axis_{name}", width, values[name])
        self._put("rx_time_ns", 64, self.time_ns % 2**64)

    def _put(self, name, width, value):
        """This port's piece of a signal that all ports share."""
        shared = vars(self.clocks).setdefault(name, 0)
        mask = (2**width - 1) << self.port * width
        shared = shared & ~mask | value << self.port * width
        vars(self.clocks)[name] = shared
        getattr(self.dut, name).value = shared
