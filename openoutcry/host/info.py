"""Say what machine a figure was taken on."""

import os
import platform
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

CPU = "sys/devices/system/cpu"
CACHES = {
    "l1d": ("1", "Data"),
    "l1i": ("1", "Instruction"),
    "l2": ("2", "Unified"),
    "l3": ("3", "Unified"),
}
CLOCK = "sys/devices/system/clocksource/clocksource0/current_clocksource"


def host_info(root: str | os.PathLike[str] = "/") -> dict[str, Any]:
    """The machine, in values that JSON can hold; unreadable values are null.  Never raises.

    The folders ``proc`` and ``sys`` are looked for in ``root``.  The highest clock that the kernel
    allows is ``cpu_mhz``; where it does not govern the clock (a virtual machine), it is the one
    that /proc/cpuinfo names.  The first core's caches are ``l1d_cache_bytes`` and so on.

    This process may run on ``cores_usable`` cores.  The kernel's list of cores kept from the
    scheduler is ``cores_isolated`` (an empty text without such cores).  All memory is
    ``memory_bytes``.  Whether the processor reports a hypervisor is ``hypervisor``, and its own
    name ``virtualisation``.
    """
    base = Path(root)
    facts: dict[str, Callable[[], Any]] = {
        "cpu_model": lambda: _cpu_field(base, "model name") or platform.processor() or None,
        "cpu_family": lambda: _cpu_number(base, "cpu family"),
        "cpu_model_number": lambda: _cpu_number(base, "model"),
        "cpu_stepping": lambda: _cpu_number(base, "stepping"),
        "cpu_mhz": lambda: _cpu_mhz(base),
        **{f"{name}_cache_bytes": partial(_cache_bytes, base, name) for name in CACHES},
        "architecture": platform.machine,
        "cores_online": os.cpu_count,
        "cores_physical": lambda: psutil.cpu_count(logical=False),
        "cores_usable": lambda: len(os.sched_getaffinity(0)),
        "cores_isolated": lambda: _text(base / CPU / "isolated"),
        "governor": lambda: _text(base / CPU / "cpu0/cpufreq/scaling_governor"),
        "clock_source": lambda: _text(base / CLOCK),
        "memory_bytes": lambda: psutil.virtual_memory().total,
        "hypervisor": lambda: "hypervisor" in _cpu_flags(base),
        "virtualisation": lambda: _virtualisation(base),
        "kernel": platform.release,
        "os": lambda: platform.freedesktop_os_release()["PRETTY_NAME"],
        "python": platform.python_version,
        "numba": lambda: version("numba"),
        "root": lambda: os.geteuid() == 0,
    }
    return {name: _attempt(read) for name, read in facts.items()}


def processor(host: Mapping[str, Any]) -> str:
    """The processor of a :func:`host_info`, in one line; says what an older one did not record."""
    missing = []
    numbers = [host.get(key) for key in ("cpu_family", "cpu_model_number", "cpu_stepping")]
    text = str(host.get("cpu_model") or "unknown processor")
    if None in numbers:
        missing.append("family and model")
    else:
        text += " (family {}, model {}, stepping {})".format(*numbers)
    if host.get("cpu_mhz"):
        text += f", {host['cpu_mhz'] / 1e3:.2f} GHz"
    else:
        missing.append("clock")
    sizes = {name: host.get(f"{name}_cache_bytes") for name in CACHES}
    caches = [f"{name[:2].upper()}{name[2:]} {_size(size)}" for name, size in sizes.items() if size]
    if caches:
        text += ", " + ", ".join(caches)
    else:
        missing.append("caches")
    return text + (f" ({', '.join(missing)} not recorded)" if missing else "")


def _size(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB" if size_bytes % (1 << 20) == 0 else f"{size_bytes >> 10} KiB"


def _attempt(read: Callable[[], Any]) -> Any:
    """None for what this host does not show: a host sheet must not stop a run."""
    try:
        return read()
    except Exception:
        return None


def isolated_cores(base: Path = Path("/")) -> set[int]:
    """The cores on which the scheduler puts nothing by itself (isolcpus), none where it does not
    say.  The list's form: https://docs.kernel.org/admin-guide/cputopology.html."""
    cores: set[int] = set()
    try:
        text = _text(base / CPU / "isolated")
    except OSError:
        return cores
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cores |= set(range(int(first), int(last or first) + 1))
    return cores


def _text(path: Path) -> str:
    return path.read_text(errors="replace").strip()


def _cpu_field(base: Path, name: str) -> str | None:
    """The first core's field of that name in /proc/cpuinfo."""
    with open(base / "proc/cpuinfo", errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return None


def _cpu_number(base: Path, name: str) -> int | None:
    text = _cpu_field(base, name)
    return None if text is None else int(text)


def _cpu_mhz(base: Path) -> float:
    try:
        return int(_text(base / CPU / "cpu0/cpufreq/cpuinfo_max_freq")) / 1e3
    except OSError:
        return float(_cpu_field(base, "cpu MHz") or "")


def _cache_bytes(base: Path, name: str) -> int | None:
    """The first core's cache of that level and type; what several cores share counts whole."""
    level, kind = CACHES[name]
    for index in sorted((base / CPU / "cpu0/cache").glob("index*")):
        if (_text(index / "level"), _text(index / "type")) == (level, kind):
            size = _text(index / "size")
            return int(size[:-1]) << {"K": 10, "M": 20, "G": 30}[size[-1]]
    return None


def _cpu_flags(base: Path) -> list[str]:
    flags = _cpu_field(base, "flags")
    if flags is None:
        raise LookupError("this architecture's /proc/cpuinfo has no flags")
    return flags.split()


def _virtualisation(base: Path) -> str | None:
    """Maker of the machine, if it is a virtual one."""
    if "hypervisor" not in _cpu_flags(base):
        return None
    names = (base / "sys/class/dmi/id/sys_vendor", base / "sys/class/dmi/id/product_name")
    return " ".join(_text(path) for path in names)
