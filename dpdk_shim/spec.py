"""The name of a port: one URL-like word, as ``--port`` takes it.

::

    udp:0.0.0.0:9000          a kernel socket            udp:[::]:9000,busy_poll=50
    packet:eth0               TPACKET_V3                 packet:eth0,udp_port=9000
    xdp:eth0:0                AF_XDP, queue 0            xdp:eth0:0,udp_port=9000
    pcap:day.pcapng           a capture, at full speed   pcap:day.pcapng,pace=capture
    dpdk:net_ring0            any DPDK device            dpdk:net_pcap,rx_pcap=day.pcap
    dpdk:0000:03:00.0         a card by its address
"""

import ipaddress
import re
from dataclasses import dataclass, field

from openoutcry.wire.errors import OutcryError

KINDS = ("udp", "packet", "xdp", "pcap", "dpdk")
FRAMINGS = ("outcry", "mold")
OPTIONS = {
    "framing": ("udp", "packet", "xdp", "pcap", "dpdk"),
    "udp_port": ("packet", "xdp", "pcap", "dpdk"),
    "busy_poll": ("udp",),
    "pace": ("pcap",),
    "to": ("packet", "xdp", "dpdk"),
    "to_mac": ("packet", "xdp", "dpdk"),
    "source": ("packet", "xdp", "dpdk"),
}
"""Options of ours, and the ports that have them; the others of a DPDK device are DPDK's."""
PCI_ADDRESS = re.compile(r"(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
MAC_ADDRESS = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


class PortError(OutcryError):
    """A port cannot be understood, opened or used; the message names it."""


@dataclass(frozen=True)
class PortSpec:
    """One port: ``target`` is the address, interface, file or device after the colon."""

    text: str
    kind: str
    target: str
    queue: int = 0
    framing: int = 0
    """Index in :data:`FRAMINGS`."""
    udp_port: int = 0
    """Frames for other UDP ports are refused; 0 takes any."""
    busy_poll_us: int = 0
    paced: bool = False
    to: tuple[str, int] | None = None
    """Where `outcry send` sends frames to."""
    to_mac: str = "ff:ff:ff:ff:ff:ff"
    source: tuple[str, int] | None = None
    device: str = field(default="")
    """DPDK: the device with its arguments, as the EAL takes it."""

    @property
    def is_pci(self) -> bool:
        """Return whether the target is a PCI address, as of a card that DPDK drives."""
        return PCI_ADDRESS.fullmatch(self.target) is not None


def parse_port(text: str) -> PortSpec:
    """The port that ``text`` names; raises :class:`PortError` saying what is wrong with it."""
    kind, colon, rest = text.partition(":")
    if kind not in KINDS or not colon:
        raise PortError(f"port {text!r} does not begin with {', '.join(k + ':' for k in KINDS)}")
    target, ours, others = _split(kind, rest)
    if not target:
        raise PortError(f"port {text!r}: give an address after {kind}:")
    values: dict[str, object] = {}
    for name, value in ours.items():
        if kind not in OPTIONS[name]:
            raise PortError(f"port {text!r}: {kind} has no option {name}")
        values |= _option(text, name, value)
    if others and kind != "dpdk":
        raise PortError(f"port {text!r}: unknown option {others[0]!r}")
    if kind == "xdp":
        target, values["queue"] = _queue(text, target)
    if kind == "dpdk":
        values["device"] = ",".join([target, *others])
    if kind == "udp":
        endpoint(text, target)
    return PortSpec(text, kind, target, **values)  # type: ignore[arg-type]


def _split(kind: str, rest: str) -> tuple[str, dict[str, str], list[str]]:
    """Target, our options and what else follows after commas; a file's name may have commas."""
    parts = rest.split(",")
    ours: dict[str, str] = {}
    others: list[str] = []
    for at in range(len(parts) - 1, 0, -1):
        name, equals, value = parts[at].partition("=")
        if equals and name in OPTIONS:
            ours[name] = value
        elif kind == "pcap":
            return ",".join(parts[: at + 1]), ours, others
        else:
            others.insert(0, parts[at])
    return parts[0], ours, others


def _option(text: str, name: str, value: str) -> dict[str, object]:
    if name == "framing":
        if value not in FRAMINGS:
            raise PortError(f"port {text!r}: framing is {' or '.join(FRAMINGS)}, not {value!r}")
        return {"framing": FRAMINGS.index(value)}
    if name == "pace":
        if value not in ("full", "capture"):
            raise PortError(f"port {text!r}: pace is full or capture, not {value!r}")
        return {"paced": value == "capture"}
    if name == "udp_port":
        return {"udp_port": _number(text, name, value, 1, 65_535)}
    if name == "busy_poll":
        return {"busy_poll_us": _number(text, name, value, 0, 1_000_000)}
    if name == "to_mac":
        if not MAC_ADDRESS.fullmatch(value):
            raise PortError(
                f"port {text!r}: to_mac {value!r} is not an address like 02:00:00:00:00:01"
            )
        return {"to_mac": value}
    return {name: endpoint(text, value)}


def _number(text: str, name: str, value: str, low: int, high: int) -> int:
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise PortError(f"port {text!r}: {name} is {value!r}, not {low} to {high}")
    return int(value)


def _queue(text: str, target: str) -> tuple[str, int]:
    name, colon, queue = target.rpartition(":")
    if not colon:
        return target, 0
    return name, _number(text, "queue", queue, 0, 4095)


def endpoint(text: str, value: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPv6]:PORT``, of the port named ``text``."""
    host, colon, number = value.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise PortError(f"port {text!r}: write an IPv6 address in brackets, [::]:9000")
    if not colon or not host:
        raise PortError(f"port {text!r}: {value!r} is not HOST:PORT")
    return host, _number(text, "the UDP port", number, 0, 65_535)


def address_of(text: str, host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The numeric address in a frame's header."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise PortError(f"port {text!r}: {host!r} is not an IP address") from None


__all__ = ["PortError", "PortSpec", "address_of", "endpoint", "parse_port"]
