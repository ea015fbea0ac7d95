"""System calls for kernels: the clock of leases, and a signal."""

from typing import Any

from numba import types

from openoutcry.wire.memory import _clock, _libc, intrinsic

boottime_ns = _clock(7)
"""CLOCK_BOOTTIME in ns: as CLOCK_MONOTONIC, and it also counts while the machine sleeps."""

_kill = _libc("kill", 32, 32, 32)


@intrinsic
def send_signal(typingctx: Any, pid: Any, number: Any) -> Any:
    """kill(2): send the signal ``number`` to the process."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _kill(builder, args)

    return types.int64(types.int64, types.int64), codegen
