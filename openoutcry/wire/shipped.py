"""Kernels that an installed package has with it, compiled ahead of time for x86-64-v3.

``scripts/wheel_kernels.py`` puts them into a wheel, as numba's cache files, below :data:`FOLDER`.
They have the same keys as kernels that are compiled locally (``wire/kernel.py``): the sources that
a module can reach, the versions of numba, llvmlite and Python, VERIFY and STRIPPED.  A kernel whose
key does not match is not found, and is compiled.  The index of a cache is a pickle, which may
execute code when it is loaded.  These files lie inside the package, so they are as trusted as the
``.py`` files next to them.
"""

import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite import binding
from numba.core import config
from numba.core.caching import IndexDataCacheFile

FOLDER = "wire/compiled"
"""In the package."""
CPU_NAME = "x86-64-v3"
"""Name of the processor in LLVM: Intel from Haswell (2013), AMD from Excavator and Zen on."""
REQUIRED = (
    "avx",
    "avx2",
    "bmi",
    "bmi2",
    "cmov",
    "cx16",
    "cx8",
    "f16c",
    "fma",
    "fxsr",
    "lzcnt",
    "mmx",
    "movbe",
    "popcnt",
    "sahf",
    "sse",
    "sse2",
    "sse3",
    "sse4.1",
    "sse4.2",
    "ssse3",
    "xsave",
)
"""Features of a processor of that level, by LLVM's names (x86-64 psABI, table of levels)."""
FEATURES = ",".join(f"+{name}" for name in REQUIRED)


def compiler_variables() -> dict[str, str]:
    """The environment in which numba compiles for every processor of the level."""
    return {"NUMBA_CPU_NAME": CPU_NAME, "NUMBA_CPU_FEATURES": FEATURES}


@cache
def usable() -> bool:
    """Return whether this processor can run them and the user has not asked for others.  With
    numba's processor settings, or with ``OUTCRY_SHIPPED=0``, everything is compiled here."""
    settings: Any = config
    if os.environ.get("OUTCRY_SHIPPED", "1") == "0" or not settings.ENABLE_AVX:
        return False
    overridden = settings.CPU_NAME is not None or settings.CPU_FEATURES is not None
    if overridden or platform.machine() != "x86_64":
        return False
    has = binding.get_host_cpu_features()
    return all(has.get(name, False) for name in REQUIRED)


def index_of(folder: Path, ours: IndexDataCacheFile) -> IndexDataCacheFile | None:
    """The index in the package's ``folder`` of the kernel whose own is ``ours``, if it is there and
    can be used."""
    if not (folder / ours._index_name).is_file() or not usable():
        return None
    base = ours._index_name.removesuffix(".nbi")
    return IndexDataCacheFile(str(folder), base, ours._source_stamp)


def key(ours: Any) -> Any:
    """Return the key by which the entry is found whose key here is ``ours``:
    another processor's."""
    signature, (triple, _, _), code = ours
    return signature, (triple, CPU_NAME, FEATURES), code
