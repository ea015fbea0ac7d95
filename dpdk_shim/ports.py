"""Open ports, and say which ways into the machine this host has.

Before processes are forked, :func:`prepare` makes the ports that the operating system owns (bound
sockets), so that their queues outlive the processes.  The process that uses any other port opens
it.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from openoutcry.dpdk_shim import eal, native
from openoutcry.dpdk_shim.names import Device
from openoutcry.dpdk_shim.spec import PortError, PortSpec, endpoint
from openoutcry.wire.closing import Closing
from openoutcry.wire.receive_queue import widen_receive_queue

QUEUE_BYTES = 8 << 20
XDP_FRAMES = 4096
DPDK_FRAMES = 8191
"""A mempool's best size is a power of two less one."""
PACKET_BLOCK_BYTES, PACKET_BLOCKS = 1 << 18, 32
PACKET_RETIRE_MS = 1
"""A block that is not full is handed over after this; it bounds the delay of a lone packet."""

# From the kernel's headers; Python's socket module does not have them.
SO_BUSY_POLL, SO_RXQ_OVFL, SO_TIMESTAMPING, SO_ATTACH_FILTER = 46, 40, 37, 26
TIMESTAMPING_RX_HARDWARE, TIMESTAMPING_RX_SOFTWARE = 1 << 2, 1 << 3
TIMESTAMPING_SOFTWARE, TIMESTAMPING_RAW_HARDWARE = 1 << 4, 1 << 6
SOL_PACKET, PACKET_RX_RING, PACKET_VERSION, PACKET_TIMESTAMP = 263, 5, 10, 17
PACKET_IGNORE_OUTGOING, TPACKET_V3, ETH_P_ALL = 23, 2, 3
SIOCGIFFLAGS, SIOCGIFHWADDR = 0x8913, 0x8927
IFF_UP, IFF_RUNNING = 0x1, 0x40
LOOK_S = 0.25
"""An interface is asked for its state at this interval."""
IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE = 25, 77
CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN, CAP_BPF = 12, 13, 21, 39


@dataclass(frozen=True)
class Finding:
    """One way into the machine: whether it works here, why not, and the one command that helps."""

    name: str
    works: bool
    why: str
    command: str = ""


class Port(Closing):
    """An open port.  ``pointer`` is the C shim's; ``address`` the card's hardware address."""

    def __init__(
        self,
        spec: PortSpec,
        shim: Any,
        pointer: Any,
        close: list[Callable[[], None]],
        link: "Link | None" = None,
        *,
        is_inherited: bool = False,
    ) -> None:
        """``is_inherited``: the device is older than this port, and counts on from there."""
        self.spec, self.shim, self.pointer = spec, shim, pointer
        self._close, self.link = close, link
        self._seen: list[int] | None = None if is_inherited else [0] * len(Device)

    @property
    def hardware_address(self) -> bytes:
        """Return the MAC address of the port, six bytes."""
        buffer = self.shim.ffi.new("char[6]")
        self.shim.lib.oc_hardware_address(self.pointer, buffer)
        return bytes(self.shim.ffi.buffer(buffer))

    @property
    def packets_left(self) -> int:
        """Packets of a capture that were not read yet."""
        return int(self.shim.lib.oc_packets_left(self.pointer))

    def device_counters(self) -> dict[str, int]:
        """Return the losses of device or system, by the names of :class:`Device`."""
        counts = self.shim.ffi.new("int64_t[8]")
        self.shim.lib.oc_device_counters(self.pointer, counts)
        return {which.name.lower(): int(counts[which]) for which in Device}

    def new_losses(self, noted: list[int]) -> list[int]:
        """Return what was lost since the last call, in the order of :class:`Device`.
        ``noted``: what is noted so far; an inherited device's first call continues from there."""
        now = list(self.device_counters().values())
        seen = noted if self._seen is None else self._seen
        self._seen = now
        return [max(0, count - before) for count, before in zip(now, seen, strict=True)]

    def check(self, is_patient: bool = False) -> int:
        """Return 0, or the errno of what keeps packets away: ENETDOWN while the link is down.

        Raises :class:`PortError` if the device is gone; with ``is_patient`` that is returned, too,
        and the port continues once the device is back.
        """
        lib = self.shim.lib
        gone, down = int(lib.oc_failure(self.pointer)), int(lib.oc_down(self.pointer))
        if self.link is not None:
            found = self.link.look()
            # A socket's error is of the past, and the link's state is of now.
            gone, down = (found, 0) if found not in (0, errno.ENETDOWN) else (gone, found)
        if gone and not is_patient:
            raise PortError(f"port {self.spec.text}: the device is gone: {os.strerror(gone)}")
        if gone or down or self.link is not None:
            lib.oc_revive(self.pointer)
        return gone or down

    def close(self) -> None:
        """Close the device, and undo what was set up for it; a second call does nothing."""
        if self.pointer is not None:
            self.shim.lib.oc_close(self.pointer)
            self.pointer = None
            for step in self._close:
                step()


class Link:
    """The network interface under a port, by its index: a name may go to another one."""

    def __init__(self, name: str, index: int, rebind: Callable[[], None] | None = None) -> None:
        """``rebind``: begins to take packets from a new interface of this name; None: cannot."""
        self.name, self.index, self._rebind = name, index, rebind
        self._state, self._due_s = 0, 0.0

    def look(self) -> int:
        """Return 0, ENETDOWN while the interface or its cable is down, or ENODEV while it is not
        there.  Asks the system once in LOOK_S seconds."""
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + LOOK_S
            self._state = self._ask()
        return self._state

    def _ask(self) -> int:
        try:
            return _link_state(socket.if_indextoname(self.index))
        except OSError:
            pass  # deleted, or in another network namespace
        try:
            index = socket.if_nametoindex(self.name)
            if self._rebind is None:
                return errno.ENODEV
            self._rebind()
        except OSError:
            return errno.ENODEV
        self.index = index
        return _link_state(self.name)


def _link_state(name: str) -> int:
    """Return 0, or ENETDOWN of an interface that is down or has no carrier.  (/sys shows another
    network namespace's interfaces.)  Raises :class:`OSError` without one of that name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("256s", name.encode()))
    (flags,) = struct.unpack_from("H", answer, 16)
    return 0 if flags & IFF_UP and flags & IFF_RUNNING else errno.ENETDOWN


def prepare(spec: PortSpec, *, bound: bool = True) -> socket.socket | None:
    """Prepare what must exist before processes are forked: a UDP port's bound socket (with
    ``bound`` false the caller calls :func:`bind` later).

    Also refuses early what the opening process would refuse late: an interface that does not
    exist, a file that cannot be read.  Raises :class:`PortError` or ``NotBuilt``."""
    native.load(dpdk=spec.kind == "dpdk")
    if spec.kind == "udp":
        return _bound(spec) if bound else _udp_socket(spec)
    if spec.kind in ("packet", "xdp"):
        _interface(spec)
    if spec.kind == "pcap":
        _readable(spec)
    return None


def open_port(spec: PortSpec, bound: socket.socket | None = None) -> Port:
    """Open a port in this process; ``bound`` is what :func:`prepare` made, and stays the caller's.

    Raises :class:`PortError` naming the port and what is missing, ``NotBuilt`` without the shim.
    """
    shim = native.load(dpdk=spec.kind == "dpdk")
    opening = {
        "udp": _open_udp,
        "packet": _open_packet,
        "xdp": _open_xdp,
        "pcap": _open_capture,
        "dpdk": _open_dpdk,
    }
    close: list[Callable[[], None]] = []
    error = shim.ffi.new("char[256]")
    try:
        pointer, link = opening[spec.kind](spec, shim, error, close, bound)
    except BaseException:
        for step in close:
            step()
        raise
    if not pointer:
        for step in close:
            step()
        reason = shim.ffi.string(error).decode("utf-8", "replace")
        separator = ", " if spec.kind == "pcap" else ": "
        raise PortError(f"port {spec.text}{separator}{reason}")
    return Port(spec, shim, pointer, close, link, is_inherited=bound is not None)


def bind(spec: PortSpec, udp: socket.socket) -> None:
    """Let datagrams come.  Without SO_REUSEADDR: two receivers must not share a port unawares."""
    try:
        udp.bind(_addresses(spec)[0][4])
    except OSError as error:
        udp.close()
        reasons = {
            errno.EADDRINUSE: "the port is in use by another program",
            errno.EACCES: "no permission to listen there (ports below 1024 need a privilege)",
            errno.EADDRNOTAVAIL: "this host has no such address",
        }
        why = reasons.get(error.errno or 0, error.strerror)
        raise PortError(f"port {spec.text}: cannot listen there: {why}") from None


def _addresses(spec: PortSpec) -> list[Any]:
    """The addresses of the host's name, IPv4 first."""
    host, number = endpoint(spec.text, spec.target)
    try:
        found = socket.getaddrinfo(host, number, type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, socket.gaierror) else "not a valid name"
        raise PortError(f"port {spec.text}: no address for {host} ({why})") from None
    return sorted(found, key=lambda one: one[0] != socket.AF_INET)


def _bound(spec: PortSpec) -> socket.socket:
    bound = _udp_socket(spec)
    bind(spec, bound)
    return bound


def shut(udp: socket.socket) -> None:
    """Have the system refuse what comes, until :func:`reopen`: a socket that is connected, here to
    itself, hears its peer alone."""
    host, port = udp.getsockname()[:2]
    # Without a way to itself it stays open, and what comes waits in its queue.
    with suppress(OSError):
        udp.connect(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port))


def reopen(udp: socket.socket) -> None:
    """Let a connected UDP socket receive from every address again."""
    no_peer = struct.pack("=H14x", socket.AF_UNSPEC)
    ctypes.CDLL(None).connect(udp.fileno(), no_peer, len(no_peer))


def _udp_socket(spec: PortSpec) -> socket.socket:
    """A socket with the options of a receiver."""
    bound = socket.socket(_addresses(spec)[0][0], socket.SOCK_DGRAM)
    widen_receive_queue(bound, QUEUE_BYTES)
    bound.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    # The system puts fragments together, and says so: a datagram that came in parts is refused.
    bound.setsockopt(socket.IPPROTO_IP, IP_RECVFRAGSIZE, 1)
    if bound.family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1)
    stamps = (
        TIMESTAMPING_RX_HARDWARE
        | TIMESTAMPING_RX_SOFTWARE
        | TIMESTAMPING_SOFTWARE
        | TIMESTAMPING_RAW_HARDWARE
    )
    bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, stamps)
    if spec.busy_poll_us:
        try:
            bound.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, spec.busy_poll_us)
        except PermissionError:
            bound.close()
            raise PortError(
                f"port {spec.text}: busy_poll needs CAP_NET_ADMIN: run as root, or "
                f"sudo sysctl net.core.busy_read={spec.busy_poll_us}"
            ) from None
    return bound


def _open_udp(
    spec: PortSpec, shim: Any, error: Any, close: list[Any], bound: socket.socket | None
) -> Any:
    if bound is None:
        bound = _bound(spec)
        close.append(bound.close)
    return shim.lib.oc_open_udp(bound.fileno(), error), None


def _interface(spec: PortSpec) -> int:
    try:
        index = socket.if_nametoindex(spec.target)
    except OSError:
        there = ", ".join(name for _, name in socket.if_nameindex())
        raise PortError(
            f"port {spec.text}: there is no interface {spec.target!r}, only {there}"
        ) from None
    return index


def hardware_address_of(interface: str) -> bytes:
    """The interface's own address.  (/sys shows another network namespace's interfaces.)"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFHWADDR, struct.pack("256s", interface.encode()))
    return answer[18:24]


def _open_packet(
    spec: PortSpec, shim: Any, error: Any, close: list[Any], bound: socket.socket | None
) -> Any:
    index = _interface(spec)
    try:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    except PermissionError:
        raise PortError(
            f"port {spec.text}: a packet socket needs CAP_NET_RAW: run as root, or "
            f"sudo setcap cap_net_raw+ep {_interpreter()}"
        ) from None
    close.append(raw.close)
    raw.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
    raw.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    raw.setsockopt(SOL_PACKET, PACKET_TIMESTAMP, TIMESTAMPING_RAW_HARDWARE | TIMESTAMPING_SOFTWARE)
    frame_bytes = 2048
    request = struct.pack(
        "7I",
        PACKET_BLOCK_BYTES,
        PACKET_BLOCKS,
        frame_bytes,
        PACKET_BLOCK_BYTES * PACKET_BLOCKS // frame_bytes,
        PACKET_RETIRE_MS,
        0,
        0,
    )
    try:
        raw.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        ring = mmap.mmap(raw.fileno(), PACKET_BLOCK_BYTES * PACKET_BLOCKS)
    except OSError as failure:
        raise PortError(f"port {spec.text}: no receive ring: {failure.strerror}") from None
    address, release = _address_of(ring)
    close.insert(0, release)
    raw.bind((spec.target, ETH_P_ALL))
    if spec.udp_port:
        close.append(_hold_udp_port(spec).close)
    pointer = shim.ffi.cast("char *", address)
    link = Link(spec.target, index, partial(raw.bind, (spec.target, ETH_P_ALL)))
    sizes = PACKET_BLOCK_BYTES, PACKET_BLOCKS
    return shim.lib.oc_open_packet(raw.fileno(), pointer, *sizes, error), link


def _hold_udp_port(spec: PortSpec) -> socket.socket:
    """A socket on the UDP port that takes nothing in: the kernel sees every packet too, and would
    report to the sender that the port is closed."""
    held = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
    held.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxP", 1, ctypes.addressof(nothing))
    )
    try:
        held.bind(("::", spec.udp_port))
    except OSError as error:
        held.close()
        raise PortError(
            f"port {spec.text}: UDP port {spec.udp_port} is another program's: {error.strerror}"
        ) from None
    return held


def _address_of(mapped: mmap.mmap) -> tuple[int, Callable[[], None]]:
    """The place of a mapping, and how to release it."""
    view = ctypes.c_char.from_buffer(mapped)
    address = ctypes.addressof(view)
    held = [view]

    def release() -> None:
        held.clear()
        mapped.close()

    del view
    return address, release


def _open_xdp(
    spec: PortSpec, shim: Any, error: Any, close: list[Any], bound: socket.socket | None
) -> Any:
    index = _interface(spec)
    return shim.lib.oc_open_xdp(index, spec.queue, XDP_FRAMES, error), Link(spec.target, index)


def _readable(spec: PortSpec) -> None:
    try:
        with open(spec.target, "rb"):
            return
    except OSError as error:
        raise PortError(f"port {spec.text}: {spec.target}: {error.strerror}") from None


def _open_capture(
    spec: PortSpec, shim: Any, error: Any, close: list[Any], bound: socket.socket | None
) -> Any:
    _readable(spec)
    with open(spec.target, "rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes == 0:
            raise PortError(f"port {spec.text}, byte 0: the file is empty")
        try:
            # Private and writable only so that its address can be taken.
            mapped = mmap.mmap(file.fileno(), size_bytes, mmap.MAP_PRIVATE, prot=3)
        except (OSError, ValueError) as failure:
            raise PortError(f"port {spec.text}: cannot be mapped: {failure}") from None
    address, release = _address_of(mapped)
    close.append(release)
    pointer = shim.ffi.cast("char *", address)
    return shim.lib.oc_open_capture(pointer, size_bytes, int(spec.paced), error), None


def _open_dpdk(
    spec: PortSpec, shim: Any, error: Any, close: list[Any], bound: socket.socket | None
) -> Any:
    eal.start(shim, spec)
    device = eal.device_name(spec)
    return shim.lib.oc_open_dpdk(device.encode(), DPDK_FRAMES, error), None


def available() -> list[Finding]:
    """Every way into this machine: what works, what does not, and what would give it."""
    return [_shim_finding(), *(_with_shim(name, look) for name, look in _LOOKS), *_dpdk_findings()]


def _shim_finding() -> Finding:
    try:
        native.load()
    except native.NotBuilt as error:
        command = str(error).rpartition("sudo ")[2] if "sudo " in str(error) else ""
        return Finding("shim", False, str(error), f"sudo {command}" if command else "")
    return Finding("shim", True, "the C shim is built")


def _with_shim(name: str, look: Callable[[], Finding]) -> Finding:
    if not _shim_finding().works:
        return Finding(name, False, "the C shim is not built")
    return look()


def _look_udp() -> Finding:
    return Finding("udp", True, "kernel sockets, on every machine: --port udp:0.0.0.0:9000")


def _look_pcap() -> Finding:
    return Finding("pcap", True, "capture files: --port pcap:FILE")


def _look_packet() -> Finding:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError as error:
        command = f"sudo setcap cap_net_raw+ep {_interpreter()}"
        return Finding("packet", False, f"no packet socket: {error.strerror}", command)
    return Finding("packet", True, f"TPACKET_V3 on {', '.join(_interfaces())}")


def _look_xdp() -> Finding:
    try:
        socket.socket(44, socket.SOCK_RAW).close()
    except OSError as error:
        why = "this kernel has no AF_XDP" if error.errno == errno.EAFNOSUPPORT else error.strerror
        return Finding("xdp", False, f"no AF_XDP socket: {why}", _xdp_command())
    if not (_capable(CAP_SYS_ADMIN) or (_capable(CAP_BPF) and _capable(CAP_NET_ADMIN))):
        return Finding("xdp", False, "CAP_BPF and CAP_NET_ADMIN are missing", _xdp_command())
    return Finding("xdp", True, f"AF_XDP on {', '.join(_interfaces())}")


_LOOKS = (("udp", _look_udp), ("pcap", _look_pcap), ("packet", _look_packet), ("xdp", _look_xdp))


def _dpdk_findings() -> list[Finding]:
    try:
        native.load(dpdk=True)
    except native.NotBuilt as error:
        return [
            Finding("dpdk", False, str(error), "sudo apt-get install libdpdk-dev gcc pkg-config")
        ]
    virtual, others = eal.drivers()
    drivers = f"{', '.join(virtual)} and {others} of cards"
    pages = eal.huge_pages()
    if pages:
        why = f"{pages} huge pages free; drivers: {drivers}"
        findings = [Finding("dpdk", True, why)]
    else:
        findings = [
            Finding(
                "dpdk",
                True,
                f"slower, without huge pages; drivers: {drivers}",
                "sudo sysctl vm.nr_hugepages=128",
            )
        ]
    cards = eal.bound_cards()
    if cards:
        findings.append(Finding("dpdk card", True, f"bound to vfio-pci: {', '.join(cards)}"))
    else:
        devbind = shutil.which("dpdk-devbind.py") or "dpdk-devbind.py"
        findings.append(
            Finding(
                "dpdk card",
                False,
                "no card is bound to vfio-pci (docs/bring-your-nic.md)",
                f"sudo {devbind} --bind=vfio-pci ADDRESS",
            )
        )
    return findings


def _capable(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex() if name != "lo"] or ["lo"]


def _xdp_command() -> str:
    return f"sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock+ep {_interpreter()}"


def _interpreter() -> str:
    return os.path.realpath(sys.executable)
