"""Memory access for kernels: typed loads and stores by address, atomics, and a few calls.

Addresses are plain int64: arrays handed through nested helpers cost reference counting (measured:
75-109 ns a message against 8-13 with addresses).  Orderings are those of C11.  Small integers are
zero-extended to int64 on load and truncated on store.
"""

import platform
import time
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic

I64 = ir.IntType(64)
I32 = ir.IntType(32)
I8 = ir.IntType(8)


def _load(bits: int, ordering: str = "") -> Any:
    @intrinsic
    def load(typingctx: Any, addr: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            ptr = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            if ordering:
                return builder.load_atomic(ptr, ordering, bits // 8)
            value = builder.load(ptr, align=bits // 8)
            return value if bits == 64 else builder.zext(value, I64)

        return types.int64(types.int64), codegen

    return load


def _wrapping(operation: str) -> Any:
    @intrinsic
    def wrapping(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return getattr(builder, operation)(*args)

        return types.int64(types.int64, types.int64), codegen

    return wrapping


def _store(bits: int, ordering: str = "") -> Any:
    @intrinsic
    def store(typingctx: Any, addr: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            ptr = builder.inttoptr(args[0], ir.IntType(bits).as_pointer())
            value = args[1] if bits == 64 else builder.trunc(args[1], ir.IntType(bits))
            if ordering:
                builder.store_atomic(value, ptr, ordering, bits // 8)
            else:
                builder.store(value, ptr, align=bits // 8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return store


@intrinsic
def not_inlined(typingctx: Any) -> Any:
    """First line of a ``kernel_outlined`` that must stay a separate function."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


add_wrapping = _wrapping("add")
"""Sum modulo 2**64.  numba marks the overflow of int64 ``+ - *`` as undefined (``nsw``): hashes and
whatever else may leave int64 must not use the plain operators."""
mul_wrapping = _wrapping("mul")
"""Product modulo 2**64; see :data:`add_wrapping`."""
shift_right = _wrapping("lshr")
"""The word's bits shifted right by 0 to 63, zeros after them."""
load_i64 = _load(64)
load_u32 = _load(32)
load_u16 = _load(16)
load_u8 = _load(8)
store_i64 = _store(64)
store_u32 = _store(32)
store_u16 = _store(16)
store_u8 = _store(8)

load_acquire = _load(64, "acquire")
"""Nothing after this load moves before it."""
store_release = _store(64, "release")
"""Nothing before this store moves after it."""


@intrinsic
def compare_exchange(typingctx: Any, addr: Any, expected: Any, desired: Any) -> Any:
    """Store ``desired`` if the word is ``expected``; 1 if it was.  Sequentially consistent."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        ptr = builder.inttoptr(args[0], I64.as_pointer())
        pair = builder.cmpxchg(ptr, args[1], args[2], "seq_cst", "seq_cst")
        return builder.zext(builder.extract_value(pair, 1), I64)

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def fetch_add(typingctx: Any, addr: Any, amount: Any) -> Any:
    """Add to the word and return what it was.  Sequentially consistent."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        ptr = builder.inttoptr(args[0], I64.as_pointer())
        return builder.atomic_rmw("add", ptr, args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def full_fence(typingctx: Any) -> Any:
    """Stores before it are visible to others before loads after it are done."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def copy64(typingctx: Any, to: Any, source: Any) -> Any:
    """Copy the 64-byte record at ``source`` to ``to`` (both 8-byte aligned)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        line = ir.VectorType(I64, 8).as_pointer()
        value = builder.load(builder.inttoptr(args[1], line), align=8)
        builder.store(value, builder.inttoptr(args[0], line), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def copy56(typingctx: Any, to: Any, source: Any) -> Any:
    """Copy a record's first 56 bytes: all but its sequence number, whose store publishes it."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at = 0
        for words in (4, 2, 1):
            part = ir.VectorType(I64, words).as_pointer()
            source = builder.add(args[1], ir.Constant(I64, at))
            target = builder.add(args[0], ir.Constant(I64, at))
            value = builder.load(builder.inttoptr(source, part), align=8)
            builder.store(value, builder.inttoptr(target, part), align=8)
            at += 8 * words
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _bit_scan(name: str) -> Any:
    @intrinsic
    def scan(typingctx: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return getattr(builder, name)(args[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.int64), codegen

    return scan


count_trailing_zeros = _bit_scan("cttz")
"""Index of the lowest set bit; the word must not be zero."""
count_leading_zeros = _bit_scan("ctlz")
"""63 minus the index of the highest set bit; the word must not be zero."""


def _prefetch(is_write: int) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        ptr = builder.inttoptr(args[0], I8.as_pointer())
        builder.call(function, [ptr, I32(is_write), I32(3), I32(1)])
        return context.get_dummy_value()

    return codegen


@intrinsic
def prefetch(typingctx: Any, addr: Any) -> Any:
    """Ask for the cache line at ``addr``; any address is harmless."""
    return types.void(types.int64), _prefetch(is_write=0)


@intrinsic
def prefetch_to_write(typingctx: Any, addr: Any) -> Any:
    """Ask for the cache line at ``addr`` and take it from the other cores; any address is
    harmless."""
    return types.void(types.int64), _prefetch(is_write=1)


def _libc(name: str, result_bits: int, *argument_bits: int) -> Any:
    """An intrinsic that calls a libc symbol with integer arguments (addresses among them) and
    returns its result sign-extended.  The symbol is resolved when the code is loaded, so the
    compiled kernel can still be cached."""
    result = ir.IntType(result_bits)
    arguments = [ir.IntType(bits) for bits in argument_bits]

    def build(builder: Any, values: Any) -> Any:
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(result, arguments), name
        )
        narrowed = [
            value if kind.width == 64 else builder.trunc(value, kind)
            for value, kind in zip(values, arguments, strict=True)
        ]
        answer = builder.call(function, narrowed)
        return answer if result_bits == 64 else builder.sext(answer, I64)

    return build


_sched_yield = _libc("sched_yield", 32)
_clock_gettime = _libc("clock_gettime", 32, 32, 64)
_recvmmsg = _libc("recvmmsg", 32, 32, 64, 32, 32, 64)
_sendto = _libc("sendto", 64, 32, 64, 64, 32, 64, 32)


@intrinsic
def pause(typingctx: Any) -> Any:
    """Hint to the core that this is a spin loop (x86 ``pause``; elsewhere nothing)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if platform.machine() == "x86_64":
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(
                cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), []
            )
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def yield_cpu(typingctx: Any) -> Any:
    """Let another process have the core (sched_yield)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _sched_yield(builder, [])

    return types.int64(), codegen


def _clock(clock_id: int) -> Any:
    @intrinsic
    def clock_ns(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            spec = cgutils.alloca_once(builder, ir.ArrayType(I64, 2))
            address = builder.ptrtoint(spec, I64)
            _clock_gettime(builder, [ir.Constant(I64, clock_id), address])
            first = builder.bitcast(spec, I64.as_pointer())
            seconds = builder.load(first)
            nanos = builder.load(builder.gep(first, [I32(1)]))
            return builder.add(builder.mul(seconds, ir.Constant(I64, 1_000_000_000)), nanos)

        return types.int64(), codegen

    return clock_ns


realtime_ns = _clock(0)
"""CLOCK_REALTIME in ns since the epoch."""
monotonic_ns = _clock(1)
"""CLOCK_MONOTONIC in ns: 19 ns a call through the vDSO."""
monotonic_raw_ns = _clock(4)
"""CLOCK_MONOTONIC_RAW in ns: no daemon slews it."""


def epoch_offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC, in ns, of plain Python.

    The largest of several: what passes between a pair of readings makes it smaller.
    """
    return max(time.time_ns() - time.monotonic_ns() for _ in range(16))


# Numbers of the futex system call (linux/futex.h; not private: the word is in shared memory).
FUTEX_WAIT, FUTEX_WAKE = 0, 1
FUTEX_NUMBER = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 98)


def _futex(builder: Any, address: Any, operation: int, value: Any, timeout: Any) -> Any:
    """syscall(SYS_futex, address, operation, value, timeout)."""
    kind = ir.FunctionType(I64, [I64], var_arg=True)
    function = cgutils.get_or_insert_function(builder.module, kind, "syscall")
    number, what, zero = (ir.Constant(I64, n) for n in (FUTEX_NUMBER, operation, 0))
    return builder.call(function, [number, address, what, value, timeout, zero, zero])


@intrinsic
def futex_wait(typingctx: Any, addr: Any, expected: Any, timeout_ns: Any) -> Any:
    """futex(2): sleep while the 32-bit word is ``expected``, at most ``timeout_ns``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        spec = cgutils.alloca_once(builder, ir.ArrayType(I64, 2))
        first = builder.bitcast(spec, I64.as_pointer())
        second = ir.Constant(I64, 1_000_000_000)
        builder.store(builder.sdiv(args[2], second), first)
        builder.store(builder.srem(args[2], second), builder.gep(first, [I32(1)]))
        address = builder.ptrtoint(spec, I64)
        return _futex(builder, args[0], FUTEX_WAIT, args[1], address)

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def futex_wake(typingctx: Any, addr: Any) -> Any:
    """Wake all waiters on the word at ``addr``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        everybody = ir.Constant(I64, 2**31 - 1)
        return _futex(builder, args[0], FUTEX_WAKE, everybody, ir.Constant(I64, 0))

    return types.int64(types.int64), codegen


@intrinsic
def recvmmsg(typingctx: Any, fd: Any, messages: Any, count: Any, flags: Any) -> Any:
    """recvmmsg(2) without a timeout: how many datagrams came, or -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _recvmmsg(builder, [*args, ir.Constant(I64, 0)])

    return types.int64(*[types.int64] * 4), codegen


@intrinsic
def sendto(
    typingctx: Any, fd: Any, data: Any, size: Any, flags: Any, address: Any, address_size: Any
) -> Any:
    """sendto(2): bytes sent, or -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _sendto(builder, args)

    return types.int64(*[types.int64] * 6), codegen
