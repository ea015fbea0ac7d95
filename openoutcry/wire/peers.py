"""The owner of a connection, for shares and locks: its host, or with IPv6 the network of its
customer."""

from ipaddress import IPv6Address, ip_address
from typing import Any

HERE = ("127.0.0.1", "::1", "::ffff:127.0.0.1", "")
"""This host's own addresses."""


def address_of(peer: Any) -> str:
    """The owner of a socket's name: for IPv6 a customer's network, the first 64 bits."""
    return owner_of(str(peer[0]) if peer else "")


def owner_of(host: str) -> str:
    """Like :func:`address_of`, for a host's address."""
    if ":" not in host or host in HERE or host.startswith("::ffff:"):
        return host
    try:
        return str(IPv6Address(int(IPv6Address(host.partition("%")[0])) >> 64 << 64))
    except ValueError:
        return host


def is_loopback(host: str) -> bool:
    """Return whether an address is one of this host alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
