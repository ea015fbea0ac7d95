"""Say what machine a figure was taken on."""

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0/current_clocksource"


def host_info(root: str | os.PathLike[str] = "/") -> dict[str, Any]:
    """The machine, in values that JSON can hold; what cannot be read is None.  Never raises.

    ``root`` is where ``proc`` and ``sys`` are looked for.  ``cores_usable`` counts the cores this
    process may run on, ``cores_isolated`` is the kernel's list of cores kept from the scheduler
    (an empty text when there are none), ``memory_bytes`` is all of it, ``hypervisor`` says
    whether the processor reports one, ``virtualisation`` what it calls itself.
    """
    base = Path(root)
    found: dict[str, Callable[[], Any]] = {
        "cpu_model": lambda: _cpu_field(base, "model name") or platform.processor() or None,
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
    return {name: _attempt(read) for name, read in found.items()}


def _attempt(read: Callable[[], Any]) -> Any:
    """None for whatever this host does not tell: a host sheet must not stop a run."""
    try:
        return read()
    except Exception:
        return None


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


def _cpu_flags(base: Path) -> list[str]:
    flags = _cpu_field(base, "flags")
    if flags is None:
        raise LookupError("this architecture's /proc/cpuinfo has no flags")
    return flags.split()


def _virtualisation(base: Path) -> str | None:
    """Who made the machine, if it is a virtual one."""
    if "hypervisor" not in _cpu_flags(base):
        return None
    names = (base / "sys/class/dmi/id/sys_vendor", base / "sys/class/dmi/id/product_name")
    return " ".join(_text(path) for path in names)
