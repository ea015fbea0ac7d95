"""The one ``@kernel`` decorator: numba's policy and its cache key stand here and nowhere else.

``cache=True`` alone ignores changes in other files and freezes globals, so an edited constant in a
callee's module would go on returning the old answer.  The cache directory is therefore keyed by a
hash of every source file of the package, of numba's version, of VERIFY and of STRIPPED.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

VERIFY = os.environ.get("OUTCRY_VERIFY", "0") == "1"
"""True compiles the kernels' assertions in; False leaves no trace of them in the machine code."""

STRIPPED = os.environ.get("OUTCRY_STRIPPED", "0") == "1"
"""True compiles the matcher's rarer order types out, to measure what they cost the others."""

F = TypeVar("F", bound=Callable[..., Any])


def _source_hash() -> str:
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{numba.__version__} {VERIFY} {STRIPPED}".encode())
    rooms = ("wire", "ring", "matcher", "gateway_fpga", "dpdk_shim", "flow", "pipeline", "journal")
    for room in rooms:
        for path in sorted((package / room).glob("*.py")):
            digest.update(f"{room}/{path.name}".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _cache_dir() -> Path:
    """First of OUTCRY_CACHE_DIR, XDG_CACHE_HOME, ~/.cache and the temporary folder that we can
    write to."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    shared = os.environ.get("OUTCRY_CACHE_DIR")
    candidates = [shared] if shared else []
    candidates += [os.path.join(home, "openoutcry"), _private_temporary_dir()]
    for candidate in candidates:
        path = Path(candidate) / f"kernels-{_source_hash()}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK):
            return path
    raise OSError(f"no folder to keep compiled kernels in: tried {', '.join(candidates)}")


def _private_temporary_dir() -> str:
    return os.path.join(tempfile.gettempdir(), f"openoutcry-{os.getuid()}")


CACHE_DIR = _cache_dir()
numba.config.CACHE_DIR = str(CACHE_DIR)  # type: ignore[attr-defined]


def kernel(function: F) -> F:
    """Compile ``function``: no GIL, cached on disk, numpy's error model, no fast-math, inlined into
    the kernels that call it.

    Kernels are pure: no I/O of their own, no clock unless it is passed, no allocation, no
    exceptions; they take integers, addresses among them.  Measured: LLVM by itself left 18 of the
    matcher's helpers out of line, 28.2-29.3 ns a command; forced inline 23.6-24.2.
    """
    return numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)(function)  # type: ignore[return-value]


def kernel_outlined(function: F) -> F:
    """Compile as :func:`kernel`, but leave it to the compiler whether to inline: for what is rare.

    A path that few messages take costs the others code size and registers when it is inlined,
    and compile time by the number of its callers.  (Left unsaid, ``forceinline`` is the caller's.)
    """
    return numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=False)(function)  # type: ignore[return-value]


def c_callback(signature: Any) -> Callable[[F], Any]:
    """Compile a function for C to call, by the kernels' policy: it takes no GIL and raises nothing.

    Compiled (or read from the cache) when decorated.  The result's ``address`` is what C is given;
    whoever gives it away keeps the result, because the machine code goes with it.
    """
    return numba.cfunc(signature, cache=True, error_model="numpy")


def compile_kernel(function: Callable[..., Any], argument_count: int) -> None:
    """Compile a kernel of ``argument_count`` int64 arguments now rather than at its first call."""
    function.compile((numba.types.int64,) * argument_count)  # type: ignore[attr-defined]
