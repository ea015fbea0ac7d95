"""Build the peers' programs into a cache folder and run them: one figure a run."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from openoutcry import PACKAGE
from openoutcry.host.processes import TIMEOUT_S, PeerError, die_with_parent
from openoutcry.wire.kernel import CACHE_ROOT
from openoutcry.wire.private_folder import private_folder

SOURCES = Path(__file__).resolve().parent
SETUP = SOURCES / "setup.sh"
WIRE = PACKAGE / "wire"
DISRUPTOR_JAR = Path("/usr/share/java/disruptor.jar")
BOOST_HEADER = Path("/usr/include/boost/lockfree/spsc_queue.hpp")
# Heap that a run's garbage never fills, no parallel collector's threads on the measured cores.
JAVA_FLAGS = ("-XX:+UseSerialGC", "-Xms256m", "-Xmx256m", "-XX:+AlwaysPreTouch")


class PeerMissing(Exception):
    """A peer cannot be built or run here; the text says why and what gives it."""


@dataclass(frozen=True)
class Program:
    """How one peer is built.  ``backoff``: its consumer waits as ours does when it has caught up;
    otherwise it pauses once when there is nothing."""

    source: str
    defines: tuple[str, ...] = ()
    backoff: bool = False
    libraries: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


# Measured: our algorithm in C is a tenth slower with gcc's vectors of three stores a message; boost
# and rte_ring are faster with them.
SCALAR = ("-fno-tree-vectorize", "-fno-tree-slp-vectorize")
RTE = ("-lrte_ring", "-lrte_eal")
PROGRAMS = {
    "bounce": Program("bounce.c"),
    "bounce_pause": Program("bounce.c", ("BOUNCE_WAIT=spin_pause()",)),
    "c": Program("ring_c.c", backoff=True, flags=SCALAR),
    "c_far": Program("ring_c.c", ("AHEAD=48", "PATIENT=8"), backoff=True, flags=SCALAR),
    "boost": Program("ring_boost.cpp"),
    "boost_backoff": Program("ring_boost.cpp", backoff=True),
    "rte_ring": Program("ring_rte.c", ("ZERO_COPY=1",), libraries=RTE),
    "rte_ring_copy": Program("ring_rte.c", ("ZERO_COPY=0",), libraries=RTE),
    "rte_ring_backoff": Program("ring_rte.c", ("ZERO_COPY=1",), True, RTE),
    "tcp_echo": Program("tcp_echo.c"),
    "book_liquibook": Program("book_cpp.cpp", ("LIQUIBOOK",)),
    "book_limit_order_book": Program("book_cpp.cpp", ("LIMIT_ORDER_BOOK",)),
    "risk": Program("risk_c.c", flags=("-shared", "-fPIC")),
    "send_datagram": Program("send_datagram.c", flags=("-pthread",)),
    "disruptor": Program("RingDisruptor.java"),
    "disruptor_backoff": Program("RingDisruptor.java", backoff=True),
}


@dataclass(frozen=True)
class Geometry:
    """Geometry that all peers share: messages in a ring, and the wait of those with ``backoff``."""

    capacity: int
    few: int
    pauses: int
    release_every: int


def build(name: str, geometry: Geometry) -> Callable[[str, tuple[int, int], int], float]:
    """Compile the peer unless it was compiled before; returns ``run(mode, cores, count)``.

    Raises :class:`PeerMissing` naming what is not there and the command that gives it.
    """
    program = PROGRAMS[name]
    if program.source.endswith(".java"):
        return _build_java(name, program, geometry)
    command = _compile_command(program)
    few, pauses = (geometry.few, geometry.pauses) if program.backoff else (1, 1)
    defines = (
        *program.defines,
        f"CAPACITY={geometry.capacity}",
        f"FEW={few}",
        f"PAUSES={pauses}",
        f"RELEASE_EVERY={geometry.release_every}",
    )
    command += [f"-D{define}" for define in defines]
    source = str(SOURCES / program.source)
    binary = _built(name, program, [*command, source, *program.libraries], "-o")

    def run(mode: str, cores: tuple[int, int], count: int) -> float:
        return _figure(name, [str(binary), mode, *map(str, cores), str(count)])

    return run


def binary(name: str, includes: Iterable[Path] = ()) -> Path:
    """A program that is not a ring, compiled with these folders of headers.  Raises
    :class:`PeerMissing` as :func:`build`."""
    program = PROGRAMS[name]
    folders = [f"-isystem{folder}" for folder in includes]
    defines = [f"-D{define}" for define in program.defines]
    command = [*_compile_command(program), *defines, *folders]
    return _built(name, program, [*command, str(SOURCES / program.source)], "-o")


def library(name: str, defines: Iterable[str]) -> ctypes.CDLL:
    """A program that is a library, compiled with these and loaded.  Raises as :func:`build`."""
    program = PROGRAMS[name]
    command = [*_compile_command(program), f"-I{WIRE}", *(f"-D{define}" for define in defines)]
    return ctypes.CDLL(str(_built(name, program, [*command, str(SOURCES / program.source)], "-o")))


def _compile_command(program: Program) -> list[str]:
    compiler = "g++" if program.source.endswith(".cpp") else "gcc"
    _need(shutil.which(compiler), f"no {compiler}", "g++")
    command = [compiler, "-O3", "-Wall", "-Wextra", *program.flags]
    if "boost" in program.source:
        _need(BOOST_HEADER.exists(), f"no {BOOST_HEADER}", "libboost-dev")
    if "rte" in program.source:
        _need(shutil.which("pkg-config"), "no pkg-config", "pkg-config")
        flags = _output(["pkg-config", "--cflags", "libdpdk"])
        _need(flags, "pkg-config knows no libdpdk", "libdpdk-dev")
        # Its -march is the oldest machine that the distribution runs on; every program gets native.
        command += [flag for flag in flags.split() if not flag.startswith("-march")]
    return [*command, "-march=native", f"-I{SOURCES}"]


def _build_java(
    name: str, program: Program, geometry: Geometry
) -> Callable[[str, tuple[int, int], int], float]:
    _need(shutil.which("javac") and shutil.which("java"), "no javac", "default-jdk-headless")
    _need(DISRUPTOR_JAR.exists(), f"no {DISRUPTOR_JAR}", "libdisruptor-java")
    command = ["javac", "-cp", str(DISRUPTOR_JAR), str(SOURCES / program.source)]
    classes = _built("disruptor", program, command, "-d")
    few, pauses = (geometry.few, geometry.pauses) if program.backoff else (1, 1)
    java = [
        "java",
        *JAVA_FLAGS,
        "-cp",
        f"{classes}:{DISRUPTOR_JAR}",
        f"-Dcapacity={geometry.capacity}",
        f"-Dfew={few}",
        f"-Dpauses={pauses}",
        "RingDisruptor",
    ]

    def run(mode: str, cores: tuple[int, int], count: int) -> float:
        return _figure(name, [*java, mode, str(count)], cores)

    return run


def _need(there: object, what: str, package: str) -> None:
    if not there:
        raise PeerMissing(f"{what}: sudo apt-get install {package}, or outcry bench ring --setup")


def need_module(module: str, setup: str) -> None:
    """Raise :class:`PeerMissing` unless the Python module is installed; ``setup``: the command of
    ours that installs it among others."""
    if find_spec(module) is None:
        raise PeerMissing(
            f"no Python module {module}: {sys.executable} -m pip install {module}, or {setup}"
        )


def _built(name: str, program: Program, command: list[str], out_flag: str) -> Path:
    """The compiled program, made now if this source, command and compiler have made none yet."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (*command, _output([command[0], "--version"])):
        digest.update(part.encode() + b"\0")
    for path in (SOURCES / program.source, SOURCES / "peer.h"):
        digest.update(path.read_bytes())
    folder = private_folder(CACHE_ROOT / "ring-peers")
    built = folder / f"{name}-{digest.hexdigest()}"
    if built.exists():
        return built
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        compiled = Path(scratch) / name
        if out_flag == "-d":
            compiled.mkdir()
        done = subprocess.run(
            [*command, out_flag, str(compiled)], capture_output=True, text=True, timeout=TIMEOUT_S
        )
        if done.returncode:
            raise PeerMissing(f"{command[0]} failed: {done.stderr.strip()[:500]}")
        try:
            os.rename(compiled, built)
        except OSError:
            # Another process was faster.
            if not built.exists():
                raise
    return built


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _figure(name: str, command: list[str], cores: tuple[int, int] | None = None) -> float:
    """Run a peer and read its figure; with ``cores``, pin its two named threads first."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )
    try:
        if cores is not None:
            assert process.stdout is not None
            process.stdout.readline()
            _pin_threads(process.pid, cores)
        out, err = process.communicate("\n", timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise PeerError(f"{name}: no end after {TIMEOUT_S} s: {' '.join(command)}") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise PeerError(f"{name}: {' '.join(command)} ended with {process.returncode}: {err[:500]}")
    return float(out)


def _pin_threads(pid: int, cores: tuple[int, int]) -> None:
    """Java cannot pin its threads; their names can be read from outside."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        thread = (task / "comm").read_text().strip()
        if thread in ("peer-a", "peer-b"):
            os.sched_setaffinity(int(task.name), {cores[thread == "peer-b"]})
