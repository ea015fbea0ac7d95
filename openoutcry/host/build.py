"""Which build this program is of, and that it is not replaced while its processes begin.

A build is what decides about an order: the sources of the rooms that stages run, and what compiles
and carries them out.  In 2012 one of eight servers of a broker ran the old program while seven ran
the new one.  It cost 460 million dollars in 45 minutes (SEC release 34-70694).
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from openoutcry import PACKAGE, __version__
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.layout_hash import LAYOUT_HASH

ROOMS = (
    "wire", "ring", "matcher", "risk", "flow", "gateway_fpga", "dpdk_shim", "ptp", "journal",
    "host", "runtime", "order_entry", "market_data", "replica", "report", "pipeline",
    "derivatives", "tape", "ledger", "venue",
)  # fmt: skip
"""``venue/`` and what it may import: a test compares them."""
SUFFIXES = (".py", ".c", ".h", ".v", ".vh")
LIBRARIES = ("numba", "llvmlite", "numpy", "cffi", "posix-ipc", "crc32c", "blake3")
SWITCHES = ("OUTCRY_VERIFY", "OUTCRY_STRIPPED")
"""Variables that change what is compiled."""
SHOWN = 5


class BuildError(OutcryError):
    """Processes of different builds would run together."""


@dataclass(frozen=True)
class Build:
    """``number``: 63 bits of a hash over everything below, never 0."""

    number: int
    version: str
    stamp: tuple[tuple[str, int, int], ...]
    """Path, size and time of change (ns) of each source: checked before anything is read."""
    digests: dict[str, bytes]
    """Digest of each source, by path."""

    @property
    def text(self) -> str:
        """The build's number as :func:`build_text` writes it."""
        return build_text(self.number)


def build_text(number: int) -> str:
    """Return the build as text: 16 hexadecimal digits, or the meaning of 0."""
    return f"{number:016x}" if number else "unknown"


def _stamp(package: Path) -> tuple[tuple[str, int, int], ...]:
    stamps = []
    for room in ROOMS:
        for folder, folders, names in os.walk(package / room):
            folders[:] = sorted(one for one in folders if one != "__pycache__")
            for name in sorted(names):
                if name.endswith(SUFFIXES):
                    path = os.path.join(folder, name)
                    status = os.stat(path)
                    shown = os.path.relpath(path, package)
                    stamps.append((shown, status.st_size, status.st_mtime_ns))
    return tuple(stamps)


def _unchanged(build: Build, package: Path) -> bool:
    """Return whether each source of a build still has its size and time."""
    try:
        for path, size, changed_ns in build.stamp:
            status = os.stat(f"{package}/{path}")
            if status.st_size != size or status.st_mtime_ns != changed_ns:
                return False
    except FileNotFoundError:
        return False
    return True


def _read(package: Path) -> dict[str, bytes]:
    return {
        path: blake2b((package / path).read_bytes(), digest_size=16).digest()
        for path, _, _ in _stamp(package)
    }


def _around() -> list[str]:
    """Return what else decides: the interpreter, libraries, the layout, switches."""
    lines = [platform.python_version(), platform.machine(), f"{LAYOUT_HASH:016x}"]
    for name in LIBRARIES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"no {name}")
    return [*lines, *(f"{name}={os.environ.get(name, '')}" for name in SWITCHES)]


def read_build(package: Path = PACKAGE) -> Build:
    """The build whose sources are there now."""
    stamp, digests = _stamp(package), _read(package)
    hashed = blake2b(digest_size=8)
    for line in _around():
        hashed.update(line.encode() + b"\0")
    for path, digest in digests.items():
        hashed.update(path.encode() + b"\0" + digest)
    number = int.from_bytes(hashed.digest()) >> 1 or 1
    return Build(number, __version__, stamp, digests)


@cache
def this_build() -> Build:
    """The build of this process, as it was when this was first asked: ask early."""
    return read_build()


_held: Build | None = None


@contextmanager
def holding() -> Iterator[Build]:
    """While this lasts, no process that is forked runs if a source has been replaced.

    What it has not imported yet, or finds in the cache of kernels, would be of another build."""
    global _held
    before, _held = _held, this_build()
    try:
        require_same()
        yield _held
    finally:
        _held = before


def require_same(package: Path = PACKAGE) -> None:
    """Raises :class:`BuildError` naming the sources that were replaced since :func:`holding`."""
    held = _held
    if held is None or _unchanged(held, package):
        return
    now = _read(package)
    paths = sorted(held.digests.keys() | now.keys())
    changed = [path for path in paths if held.digests.get(path) != now.get(path)]
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise BuildError(
            f"of another build: {', '.join(changed[:SHOWN])}{more} changed since this run "
            f"began (build {held.text}): no process of this run starts with the new code"
        )
