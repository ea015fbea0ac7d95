"""The processor's time stamp counter, for what is too short for a clock."""

import platform
import time
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import I32, I64, intrinsic, monotonic_ns, store_i64

HAS_TSC = platform.machine() == "x86_64"
CALIBRATE_NS = 200_000_000
EMPTY_READS = 20_000


@intrinsic
def read_tsc(typingctx: Any) -> Any:
    """The counter, read when everything before is done and before anything after begins
    (``rdtscp`` and ``lfence``).  x86-64 only."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pair = ir.LiteralStructType([I64, I32])
        read = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(pair, []), "llvm.x86.rdtscp"
        )
        fence = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.lfence"
        )
        value = builder.extract_value(builder.call(read, []), 0)
        builder.call(fence, [])
        return value

    return types.int64(), codegen


@kernel
def _both(out: int) -> None:
    """The counter and CLOCK_MONOTONIC (ns), to two words at ``out``."""
    store_i64(out, read_tsc())
    Words(out)[1] = monotonic_ns()


@kernel
def _empty(out: int, count: int) -> None:
    """Return the differences of two reads with nothing between them, ``count`` times. ``out``:
    address of ``count`` words."""
    for index in range(count):
        before = read_tsc()
        Words(out)[index] = read_tsc() - before


def ticks_per_ns() -> float:
    """The counter's frequency, against CLOCK_MONOTONIC over a fifth of a second."""
    pair = np.zeros(2, np.int64)
    _both(pair.ctypes.data)
    first = pair.copy()
    time.sleep(CALIBRATE_NS * 1e-9)
    _both(pair.ctypes.data)
    ticks, took_ns = (pair - first).tolist()
    return float(ticks / took_ns)


def timer_ticks() -> float:
    """Return what reading the counter itself adds to an interval: the median of empty ones."""
    out = np.zeros(EMPTY_READS, np.int64)
    for _ in range(2):
        _empty(out.ctypes.data, EMPTY_READS)
    return float(np.median(out))
