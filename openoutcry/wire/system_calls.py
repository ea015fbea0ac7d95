"""System calls for kernels: the clock of leases, a signal, and a sleep."""

from typing import Any

from numba import types

from openoutcry.wire.memory import _clock, _libc, intrinsic

boottime_ns = _clock(7)
"""CLOCK_BOOTTIME in ns: as CLOCK_MONOTONIC, and it also counts while the machine sleeps."""

_kill = _libc("kill", 32, 32, 32)
_usleep = _libc("usleep", 32, 32)


@intrinsic
def send_signal(typingctx: Any, pid: Any, number: Any) -> Any:
    """kill(2): send the signal ``number`` to the process."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _kill(builder, args)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def sleep_us(typingctx: Any, duration_us: Any) -> Any:
    """usleep(3): let others have the core for this long, and a little more."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _usleep(builder, args)

    return types.int64(types.int64), codegen
