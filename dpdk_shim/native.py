"""Build the C shim once a source state, by cffi in API mode, and load it.

``python -m openoutcry.dpdk_shim.native`` builds what can be built here and says what cannot, and
why: `make` does that when it installs.  After an install by pip alone it is done at the first use
(about three seconds).  There are two builds of one source, with and without DPDK, because linking
to DPDK costs every start a tenth of a second and its libraries.
"""

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from cffi import FFI
from cffi.recompiler import make_c_source

from openoutcry import PACKAGE
from openoutcry.dpdk_shim.names import c_names
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import CACHE_ROOT
from openoutcry.wire.private_folder import private_folder

SOURCES = Path(__file__).resolve().parent / "c"
INCLUDED = (
    PACKAGE / "wire" / "outcry_wire.h",
    PACKAGE / "gateway_fpga" / "outcry_verdict.h",
    PACKAGE / "ptp" / "outcry_clock.h",
)
"""C that other rooms give away: the records, the gateway's rules, how to read the clock page."""
FLAGS = ("-O3", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fPIC")
OPAQUE = "struct oc_state;\nstruct oc_port;\nstruct oc_sender;\nstruct oc_outbound;\n"
BUILD_SECONDS_MAX = 120
PLAIN, DPDK = "outcry_shim", "outcry_shim_dpdk"


class NotBuilt(OutcryError):
    """The C shim could not be built on this machine; the message says why and what gives it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the packet shim is not built, because {why}")


def load(dpdk: bool = False) -> Any:
    """The cffi module, with ``ffi`` and ``lib``; built now if these sources have not been.

    Raises :class:`NotBuilt`.
    """
    return _load(dpdk)


@cache
def _load(dpdk: bool) -> Any:
    name = DPDK if dpdk else PLAIN
    return _imported(name, build(name, _dpdk_flags() if dpdk else ((), ())))


def _imported(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise NotBuilt(f"it cannot be loaded: {error}") from error
    return module


def _dpdk_flags() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compiler and linker flags of libdpdk."""
    if shutil.which("pkg-config") is None:
        raise NotBuilt("there is no pkg-config: sudo apt-get install pkg-config libdpdk-dev")
    flags = []
    for what in ("--cflags", "--libs"):
        done = subprocess.run(["pkg-config", what, "libdpdk"], capture_output=True, text=True)
        if done.returncode:
            raise NotBuilt("DPDK is not installed: sudo apt-get install libdpdk-dev")
        flags.append(done.stdout)
    # Its -march is the oldest machine that the distribution runs on.
    compiling = [flag for flag in shlex.split(flags[0]) if not flag.startswith("-march")]
    return ("-DOC_DPDK=1", "-DALLOW_EXPERIMENTAL_API", *compiling), tuple(shlex.split(flags[1]))


def build(name: str, extra: tuple[tuple[str, ...], tuple[str, ...]]) -> Path:
    """The shared object of these sources, compiled now if it is not there yet."""
    compiler = os.environ.get("CC") or "cc"
    if shutil.which(compiler) is None:
        raise NotBuilt(f"there is no C compiler ({compiler}): sudo apt-get install gcc libc6-dev")
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").exists():
        raise NotBuilt(f"{include}/Python.h is missing: sudo apt-get install python3-dev")
    native = ("-march=native",) if platform.machine() == "x86_64" else ()
    compiling, linking = extra
    command = [compiler, *FLAGS, *native, *compiling, "-shared", f"-I{include}"]
    folder = CACHE_ROOT / "shim"
    try:
        private_folder(folder)
    except OSError as error:
        raise NotBuilt(f"{error.filename or folder}: {error.strerror}") from error
    built = folder / f"{name}-{_key(command)}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            work = Path(temporary)
            write_sources(work, name)
            compiled = work / "made.so"
            _compile(
                [*command, f"-I{work}", str(work / f"{name}.c"), "-o", str(compiled), *linking]
            )
            compiled.rename(built)
    return built


def write_sources(work: Path, name: str) -> None:
    """Put everything the compiler reads into a folder: the shim, what is generated, cffi's part."""
    for path in (*sorted(SOURCES.glob("*.[ch]")), *INCLUDED):
        shutil.copy(path, work / path.name)
    (work / "shim_names.h").write_text(c_names())
    ffi = FFI()
    ffi.cdef(OPAQUE + declarations())
    make_c_source(ffi, name, '#include "shim.c"', str(work / f"{name}.c"))


def declarations() -> str:
    """The part of shim.h that Python reads."""
    text = (SOURCES / "shim.h").read_text()
    return text.partition("/* cdef begin */")[2].partition("/* cdef end */")[0]


def _key(command: list[str]) -> str:
    digest = hashlib.blake2b(digest_size=10)
    version = subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout
    digest.update(repr((command, version, c_names(), platform.python_version())).encode())
    for path in (*sorted(SOURCES.glob("*.[ch]")), *INCLUDED):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _compile(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(f"{command[0]} could not be run: {error}") from error
    if done.returncode:
        raise NotBuilt(f"{command[0]} failed:\n{done.stderr[:2000]}")


def main() -> None:
    """Build both, and say of each whether it is there."""
    for what, dpdk in (("packet shim", False), ("packet shim with DPDK", True)):
        try:
            load(dpdk)
            print(f"{what}: built")
        except NotBuilt as error:
            print(f"{what}: {error}")


if __name__ == "__main__":
    main()
