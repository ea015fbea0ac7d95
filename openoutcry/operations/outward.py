"""POST to an address that a user has named, from inside the operator's network.

The name is resolved once, and every address that it has must be one of the internet.  The
connection goes to the address that was checked: a name that changes its address in between reaches
nothing.
Redirects are not followed, and an answer is waited for TOTAL_S at most, however slowly it comes.
Networks that the operator names are reached, too, and only there is plain HTTP spoken.
"""

import contextlib
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from openoutcry.wire.errors import OutcryError

CONNECT_S, TOTAL_S = 5.0, 10.0
MOST_BYTES = 1 << 16
"""Most bytes read of an answer."""
MOST_URL = 2_000
EMBEDDING = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""Networks whose addresses lead to the IPv4 address in their last bits."""
Address = IPv4Address | IPv6Address
NetworkList = tuple[IPv4Network | IPv6Network, ...]


class OutwardError(OutcryError):
    """It was not delivered; ``status`` is that of the answer, 0: no answer came."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Outward:
    """Hosts that the operator allows. ``hosts``: patterns, none: all; ``networks``: reached
    although they are not the internet."""

    hosts: Sequence[str] = ()
    networks: NetworkList = ()
    authorities: str | None = None
    """A file of certificates that are trusted in addition to the system's."""

    def check(self, url: str) -> tuple[str, str, int, str]:
        """Scheme, host, port and target of a URL.  Raises :class:`OutwardError`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise OutwardError("the URL is malformed") from None
        host = (parts.hostname or "").rstrip(".").lower()
        if parts.scheme not in ("https", "http") or not host:
            raise OutwardError("the URL begins with https://")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise OutwardError("the URL has neither user, password nor fragment")
        if len(url) > MOST_URL or not url.isascii() or any(one.isspace() for one in url):
            raise OutwardError(
                f"the URL must have at most {MOST_URL} ASCII characters and no space"
            )
        if self.hosts and not any(fnmatchcase(host, one.lower()) for one in self.hosts):
            raise OutwardError("the operator does not allow this host")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = port or (443 if parts.scheme == "https" else 80)
        literal = _literal(host)
        if literal is not None:
            self._require(literal, parts.scheme, port)
        return parts.scheme, host, port, target

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def _require(self, address: Address, scheme: str, port: int) -> None:
        """Raises :class:`OutwardError` for an address that is not reached that way."""
        if self._is_allowed(address) or self._is_allowed(inner(address)):
            return
        if not is_of_internet(address):
            raise OutwardError("the host is not on the internet")
        if scheme != "https":
            raise OutwardError("on the internet the URL begins with https://")
        if port != 443 and port < 1024:
            raise OutwardError(f"port {port} is not reached")

    def addresses(self, scheme: str, host: str, port: int) -> list[Address]:
        """Return a host's addresses: if one of them is not allowed, none is.  Raises
        :class:`OutwardError`."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise OutwardError("the host has no address") from None
        made = list(dict.fromkeys(ip_address(str(row[4][0]).partition("%")[0]) for row in found))
        for address in made:
            self._require(address, scheme, port)
        if not made:
            raise OutwardError("the host has no address")
        return made

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer, 200 to 299.  Raises :class:`OutwardError`."""
        scheme, host, port, target = self.check(url)
        address = self.addresses(scheme, host, port)[0]
        raw: socket.socket | None = None
        is_late = threading.Event()

        def cut() -> None:
            is_late.set()
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(TOTAL_S, cut)
        timer.daemon = True
        timer.start()
        try:
            raw = socket.create_connection((str(address), port), CONNECT_S)
            connection = self._connection(scheme, host, port, raw)
            raw = connection.sock
            if is_late.is_set():  # the handshake has another socket, which was not cut
                raise TimeoutError
            shown = f"[{host}]" if ":" in host else host
            if port != (443 if scheme == "https" else 80):
                shown = f"{shown}:{port}"
            connection.request("POST", target, body, {"Host": shown, **headers})
            answer = connection.getresponse()
            answer.read(MOST_BYTES)
            status = answer.status
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            raise OutwardError(words or type(error).__name__) from None
        finally:
            timer.cancel()
            if raw is not None:
                raw.close()
        if not 200 <= status < 300:
            raise OutwardError(f"the host has answered {status}", status)
        return status

    def _connection(
        self, scheme: str, host: str, port: int, raw: socket.socket
    ) -> http.client.HTTPConnection:
        """Over the connection that was made: the name is not resolved again."""
        connection = http.client.HTTPConnection(host, port, timeout=TOTAL_S)
        if scheme == "https":
            context = ssl.create_default_context()
            if self.authorities:
                context.load_verify_locations(self.authorities)
            connection.sock = context.wrap_socket(raw, server_hostname=host)
        else:
            connection.sock = raw
        return connection


def signed(secret: bytes, body: bytes, agent: str) -> dict[str, str]:
    """Return the headers of a webhook's request.  ``X-Outcry-Signature`` is HMAC-SHA256 of the
    timestamp, a dot and the body."""
    at = str(int(time.time()))
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": agent,
        "X-Outcry-Timestamp": at,
        "X-Outcry-Signature": f"v1={digest}",
    }


def inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to; otherwise the address itself."""
    if not isinstance(address, IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in EMBEDDING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 == 0:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_of_internet(address: Address) -> bool:
    """Return whether it is neither loopback, private, link-local, reserved nor multicast, and
    leads to no such address."""
    return all(
        one.is_global and not one.is_multicast and not one.is_reserved
        for one in (address, inner(address))
    )


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
