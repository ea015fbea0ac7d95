"""Non-blocking socket calls for kernels, and maps of the memory whose descriptors come by them.

Each returns what the system call returns; after -1 :func:`last_errno` says why.
"""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from openoutcry.wire.memory import I64, _libc, intrinsic

# Numbers of system calls (x86_64; the generic table, of aarch64 and younger).
_X86 = platform.machine() == "x86_64"
_SENDTO, _RECVFROM, _EPOLL_PWAIT = (44, 45, 281) if _X86 else (206, 207, 22)
_MMAP, _MUNMAP = (9, 11) if _X86 else (222, 215)

MSG_DONTWAIT, MSG_NOSIGNAL, MSG_CMSG_CLOEXEC = 0x40, 0x4000, 0x40000000
PROT_READ, PROT_READ_WRITE = 1, 3
_MAP_SHARED, _MAP_POPULATE = 0x01, 0x8000
EPOLLIN = 0x001
EPOLL_CTL_ADD = 1
EVENT_BYTES, EVENT_DATA = (12, 4) if platform.machine() == "x86_64" else (16, 8)
"""struct epoll_event: its size, and where its 64 bits of data are."""
EINTR, EAGAIN, ECONNREFUSED = 4, 11, 111
_recvmsg = _libc("recvmsg", 64, 32, 64, 32)
_close = _libc("close", 32, 32)
_epoll_ctl = _libc("epoll_ctl", 32, 32, 32, 32, 64)
_errno = _libc("__errno_location", 64)


def _system_call(builder: Any, number: int, values: list[Any]) -> Any:
    """syscall(2) of six arguments, which sets errno as the function of libc's does.

    Those functions can be cancelled: once a process has had a second thread, as numpy makes, they
    say so to it before and after each call.  Measured: a twentieth of the sessions stage's time."""
    kind = ir.FunctionType(I64, [I64], var_arg=True)
    function = cgutils.get_or_insert_function(builder.module, kind, "syscall")
    zeros = [I64(0)] * (6 - len(values))
    return builder.call(function, [I64(number), *values, *zeros])


@intrinsic
def last_errno(typingctx: Any) -> Any:
    """errno of this thread."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = builder.inttoptr(_errno(builder, []), ir.IntType(32).as_pointer())
        return builder.sext(builder.load(word), I64)

    return types.int64(), codegen


@intrinsic
def recv(typingctx: Any, fd: Any, data: Any, size: Any) -> Any:
    """recv(2): bytes received, 0 at the end of the stream, or -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _system_call(builder, _RECVFROM, [*args, I64(MSG_DONTWAIT)])

    return types.int64(*[types.int64] * 3), codegen


@intrinsic
def send(typingctx: Any, fd: Any, data: Any, size: Any) -> Any:
    """send(2): bytes sent, or -1; no SIGPIPE."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _system_call(builder, _SENDTO, [*args, I64(MSG_DONTWAIT | MSG_NOSIGNAL)])

    return types.int64(*[types.int64] * 3), codegen


@intrinsic
def recvmsg(typingctx: Any, fd: Any, message: Any) -> Any:
    """recvmsg(2) into a ``struct msghdr``: bytes received, or -1; descriptors that come with it are
    closed on exec."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _recvmsg(builder, [*args, I64(MSG_DONTWAIT | MSG_CMSG_CLOEXEC)])

    return types.int64(*[types.int64] * 2), codegen


@intrinsic
def close(typingctx: Any, fd: Any) -> Any:
    """close(2)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _close(builder, args)

    return types.int64(types.int64), codegen


@intrinsic
def epoll_poll(typingctx: Any, epoll: Any, events: Any, most: Any) -> Any:
    """epoll_wait(2) that does not wait: how many events, or -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _system_call(builder, _EPOLL_PWAIT, [*args, I64(0)])

    return types.int64(*[types.int64] * 3), codegen


@intrinsic
def epoll_wait(typingctx: Any, epoll: Any, events: Any, most: Any, timeout_ms: Any) -> Any:
    """epoll_wait(2), for so long at most: how many events, or -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _system_call(builder, _EPOLL_PWAIT, list(args))

    return types.int64(*[types.int64] * 4), codegen


@intrinsic
def epoll_ctl(typingctx: Any, epoll: Any, operation: Any, fd: Any, event: Any) -> Any:
    """epoll_ctl(2): 0 or -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _epoll_ctl(builder, args)

    return types.int64(*[types.int64] * 4), codegen


@intrinsic
def map_shared(typingctx: Any, fd: Any, size: Any, protection: Any) -> Any:
    """mmap(2) of a descriptor's first ``size`` bytes, shared, its pages there: the address, or
    -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        fd_word, size_word, prot = args
        flags = I64(_MAP_SHARED | _MAP_POPULATE)
        return _system_call(builder, _MMAP, [I64(0), size_word, prot, flags, fd_word, I64(0)])

    return types.int64(*[types.int64] * 3), codegen


@intrinsic
def unmap(typingctx: Any, address: Any, size: Any) -> Any:
    """munmap(2): 0 or -1."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _system_call(builder, _MUNMAP, args)

    return types.int64(*[types.int64] * 2), codegen
