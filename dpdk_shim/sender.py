"""Send packets through a port: the headers are made once, lengths and checksums for each packet."""

import ipaddress
import socket
import struct

import numpy as np

from openoutcry.dpdk_shim.names import COUNTER_WORDS, Count
from openoutcry.dpdk_shim.ports import Port, hardware_address_of
from openoutcry.dpdk_shim.spec import PortError, PortSpec, address_of, endpoint

PORTS_OF_PROGRAMS = 49152
"""First of the UDP ports that are never registered (RFC 6335); the source where none is given."""
TIME_TO_LIVE = 64
UDP_PROTOCOL = 17


class PortSender:
    """The way from a port to one address; ``counts`` are the port's own words of :class:`Count`.

    ``to`` is host and UDP port.  On ports that send frames addresses are numeric, ``to_mac`` is the
    next hop's, and ``source`` is ours (an interface's own address when it is not given).
    """

    def __init__(self, port: Port, to: tuple[str, int] | None = None) -> None:
        self.port = port
        self.counts = np.zeros(COUNTER_WORDS, np.int64)
        self._native = port.shim
        ffi = self._native.ffi
        self._native.lib.oc_start_port(port.pointer, ffi.cast("int64_t *", self.counts.ctypes.data))
        self.way = ffi.new("struct oc_way *")
        spec = port.spec
        if spec.kind == "udp":
            header, ip_at = sockaddr(to or endpoint(spec.text, spec.target)), 0
        else:
            header, ip_at = frame_header(port, to or spec.to), 14
        ffi.buffer(self.way.header)[: len(header)] = header
        self.way.header_bytes, self.way.ip_at, self.way.usable = len(header), ip_at, 1
        if ip_at:
            self._native.lib.oc_sum_way(self.way)

    def send(self, payload: bytes) -> bool:
        """Put one packet in the queue; False when the device has no room (and it is counted)."""
        lib = self._native.lib
        return int(lib.oc_transmit(self.port.pointer, self.way, payload, len(payload))) == 0

    def flush(self) -> int:
        """Hand the queue to the device, without waiting; returns how many packets it took."""
        return int(self._native.lib.oc_flush(self.port.pointer))

    @property
    def not_sent(self) -> int:
        """Packets that the device had no room for or refused."""
        return int(self.counts[Count.TX_NO_ROOM] + self.counts[Count.TX_ERRORS])


def sockaddr(to: tuple[str, int]) -> bytes:
    """The C library's socket address of a host and port."""
    try:
        family, _, _, _, address = socket.getaddrinfo(*to, type=socket.SOCK_DGRAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise PortError(f"{to[0]}:{to[1]}: no address for this host ({error})") from None
    host = socket.inet_pton(family, str(address[0]))
    if family == socket.AF_INET:
        return struct.pack("=H", family) + struct.pack(">H", to[1]) + host + bytes(8)
    scope = address[3] if len(address) == 4 else 0
    return (
        struct.pack("=H", family) + struct.pack(">HI", to[1], 0) + host + struct.pack("=I", scope)
    )


def frame_header(port: Port, to: tuple[str, int] | None) -> bytes:
    """Ethernet, IP and UDP headers with lengths and checksums 0."""
    spec = port.spec
    if to is None:
        raise PortError(f"port {spec.text}: add where to send: …,to=10.0.0.2:9000")
    destination = address_of(spec.text, to[0])
    source_host, source_port = spec.source or (_own_address(spec, destination), PORTS_OF_PROGRAMS)
    source = address_of(spec.text, source_host)
    if source.version != destination.version:
        raise PortError(f"port {spec.text}: {source} and {destination} are of different versions")
    mac = bytes.fromhex(spec.to_mac.replace(":", ""))
    own_mac = port.hardware_address if spec.kind == "dpdk" else hardware_address_of(spec.target)
    if destination.version == 4:
        ether_type = 0x0800
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 0, 0, 0x4000, TIME_TO_LIVE, UDP_PROTOCOL, 0)
    else:
        ether_type = 0x86DD
        ip = struct.pack(">IHBB", 6 << 28, 0, UDP_PROTOCOL, TIME_TO_LIVE)
    ip += source.packed + destination.packed
    udp = struct.pack(">HHHH", source_port, to[1], 0, 0)
    return mac + own_mac + struct.pack(">H", ether_type) + ip + udp


def _own_address(spec: PortSpec, destination: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The address that the kernel would send from; ports it does not know must say theirs."""
    if spec.kind == "dpdk":
        raise PortError(f"port {spec.text}: add the address to send from: …,source=10.0.0.1:49152")
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((str(destination), 9))
        except OSError as error:
            raise PortError(
                f"port {spec.text}: no way to {destination} ({error.strerror}): add "
                "source=ADDRESS:PORT"
            ) from None
        return str(asking.getsockname()[0])
