"""The counter that time is interpolated with, and simultaneous readings of the system clocks.

x86-64: the time stamp counter, serialised (``lfence; rdtsc``, as in the Linux vDSO).  Elsewhere
CLOCK_MONOTONIC_RAW, one tick being 1 ns.
"""

import platform
import time
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import (
    I64,
    intrinsic,
    monotonic_raw_ns,
    realtime_ns,
    store_i64,
)

HAS_TSC = platform.machine() == "x86_64"
Q48 = 1 << 48

I128 = ir.IntType(128)


@intrinsic
def _read_tsc(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        for name, result in (("llvm.x86.sse2.lfence", ir.VoidType()), ("llvm.x86.rdtsc", I64)):
            kind = ir.FunctionType(result, [])
            value = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return value

    return types.int64(), codegen


read_ticks: Any = _read_tsc if HAS_TSC else monotonic_raw_ns
"""Read the counter."""


@intrinsic
def scale_q48(typingctx: Any, ticks: Any, mult_q48: Any) -> Any:
    """``ticks * mult_q48 >> 48``, the product in 128 bits: rounds towards minus infinity."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = builder.mul(*(builder.sext(value, I128) for value in args))
        return builder.trunc(builder.ashr(wide, ir.Constant(I128, 48)), I64)

    return types.int64(types.int64, types.int64), codegen


TRIES = 5
UNDISTURBED_NS = 50_000
ASLEEP_NS = 1_000_000
"""Suspensions shorter than this are measurement noise."""


@kernel
def _keep_narrower(out: int, before: int, now_ns: int, after: int, narrowest: int) -> int:
    """Store the bracket if it is narrower than ``narrowest``; returns the narrower width. ``out``:
    address of three words."""
    if after - before >= narrowest:
        return narrowest
    store_i64(out, before)
    Words(out)[1] = now_ns
    Words(out)[2] = after
    return after - before


@kernel
def bracket_realtime(out: int) -> None:
    """CLOCK_REALTIME between two readings of the counter: the narrowest of five attempts.

    ``out``: int64[3]: ticks before, ns since the epoch, ticks after.
    """
    narrowest = 2**62
    for _ in range(TRIES):
        before = read_ticks()
        now_ns = realtime_ns()
        after = read_ticks()
        narrowest = _keep_narrower(out, before, now_ns, after, narrowest)


@kernel
def bracket_raw(out: int) -> None:
    """CLOCK_MONOTONIC_RAW between two readings of the counter, as :func:`bracket_realtime`."""
    narrowest = 2**62
    for _ in range(TRIES):
        before = read_ticks()
        now_ns = monotonic_raw_ns()
        after = read_ticks()
        narrowest = _keep_narrower(out, before, now_ns, after, narrowest)


def asleep_ns() -> int:
    """Time suspended since boot: CLOCK_BOOTTIME minus CLOCK_MONOTONIC, from the least disturbed of
    five attempts; of more, if none took less than ASLEEP_NS.  On a busy machine each of five may be
    interrupted for milliseconds, and the difference of two such would be taken for a suspension."""
    narrowest_ns, result, tries = ASLEEP_NS, 0, 0
    while tries < TRIES or narrowest_ns >= ASLEEP_NS:
        before = time.monotonic_ns()
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        after = time.monotonic_ns()
        tries += 1
        if after - before < narrowest_ns:
            narrowest_ns, result = after - before, boot - (before + after) // 2
            if narrowest_ns < UNDISTURBED_NS:
                break
    return result


@kernel
def ticks_now() -> int:
    """:data:`read_ticks`, callable from Python."""
    return read_ticks()
