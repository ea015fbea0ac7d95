"""How a kernel leaves its core for a while."""

from typing import Any

from numba import types

from openoutcry.wire.memory import _libc, intrinsic

_usleep = _libc("usleep", 32, 32)


@intrinsic
def sleep_us(typingctx: Any, duration_us: Any) -> Any:
    """usleep(3): let others have the core for this long, and a little more."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _usleep(builder, args)

    return types.int64(types.int64), codegen
