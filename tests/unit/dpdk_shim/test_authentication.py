"""An authenticated packet is taken from him who has the session's key, from where the session may
be used, once, and never from an older life of the client; its records become the session's."""

from ipaddress import IPv4Network

import blake3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim import authentication as auth
from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.packets import build_packets
from openoutcry.dpdk_shim.sender import sockaddr
from openoutcry.wire import ORDER_DTYPE, OutcryError
from tests.support.dpdk_shim import shim_sequence as shared

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


_built = shared._built


def loopback(last: int = 1) -> bytes:
    """The sockaddr_in of 127.0.0.``last``, port 9000."""
    return sockaddr((f"127.0.0.{last}", 9_000))


def packet(count: int = 2, sender: int = 7, first: int = 1) -> bytes:
    orders = np.zeros(count, ORDER_DTYPE)
    orders["participant"], orders["order_id"] = 99, np.arange(count)
    (datagram,) = build_packets(orders, sender, first, 0)
    return datagram


def opened(sessions: auth.Sessions, data: bytes, name: bytes | None = None) -> int:
    """How many bytes of a packet the receiver takes for packet, or why it refuses it."""
    shim = native.load()
    at = shim.ffi.cast("char *", sessions.address)
    return int(shim.lib.oc_unseal(at, data, len(data), name or loopback()))


@given(size=st.integers(1, 2_048), seed=st.integers(0, 2**32 - 1))
def test_the_receivers_hash_is_blake3(size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    key, data = random.bytes(32), random.bytes(size)
    shim = native.load()
    out = shim.ffi.new("char[32]")
    shim.lib.oc_keyed_hash(key, data, size, out)
    assert bytes(shim.ffi.buffer(out)) == blake3.blake3(data, key=key).digest()


@pytest.mark.parametrize("count", [1, 2, 15, 16, 22])
def test_a_packet_of_any_size_is_opened(count: int) -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY)])
    plain = packet(count)
    assert opened(sessions, auth.seal(KEY, plain, 5)) == len(plain)


@pytest.mark.promise(
    "Authenticated packets of a venue: no bit can be changed, and only a holder of the key trades"
    " and reads replies. None is accepted twice or from an earlier epoch, also after a crash",
    group="network",
)
@given(at=st.integers(0, 32 + 64 + 24 - 1), bit=st.integers(0, 7))
def test_no_bit_can_be_changed(at: int, bit: int) -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY), auth.PacketSession(6, OTHER)])
    data = bytearray(auth.seal(KEY, packet(1), 5))
    data[at] ^= 1 << bit
    assert opened(sessions, bytes(data)) in (auth.FORGED, auth.UNKNOWN)


def test_what_is_no_authenticated_packet_of_a_session_is_refused() -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY), auth.PacketSession(8, OTHER)])
    assert opened(sessions, packet()) == auth.FORGED
    assert opened(sessions, auth.seal(OTHER, packet(), 5)) == auth.FORGED
    assert opened(sessions, auth.seal(KEY, packet(sender=9), 5)) == auth.UNKNOWN
    assert opened(sessions, auth.seal(KEY, packet(sender=0), 5)) == auth.UNKNOWN
    assert opened(sessions, auth.seal(KEY, packet(sender=70_000), 5)) == auth.UNKNOWN
    for size in range(0, 60):
        assert opened(sessions, bytes(size)) in (auth.UNKNOWN, auth.FORGED)


def test_an_epoch_that_is_over_is_refused_also_after_a_recovery() -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY)])
    assert opened(sessions, auth.seal(KEY, packet(), 5)) > 0
    assert opened(sessions, auth.seal(KEY, packet(), 6)) > 0
    assert opened(sessions, auth.seal(KEY, packet(first=3), 5)) == auth.OLD
    assert opened(sessions, auth.seal(KEY, packet(first=3), 6)) > 0
    again = auth.Sessions([auth.PacketSession(7, KEY)])
    old, new, foreign = ((name | 1 << 32, epoch, 0, 0) for name, epoch in ((7, 4), (7, 6), (9, 6)))
    assert list(again.restore({new: (1, 1, []), old: (1, 1, []), foreign: (1, 1, [])})) == [new]
    assert opened(again, auth.seal(KEY, packet(first=3), 5)) == auth.OLD
    assert opened(again, auth.seal(KEY, packet(first=3), 6)) > 0


def test_a_session_is_used_from_its_own_networks_only() -> None:
    here = IPv4Network("127.0.0.0/30"), IPv4Network("10.1.2.3/32")
    sessions = auth.Sessions([auth.PacketSession(7, KEY, here)])
    data = auth.seal(KEY, packet(), 5)
    assert opened(sessions, data, loopback(3)) > 0
    assert opened(sessions, data, loopback(4)) == auth.ELSEWHERE


def test_a_reply_is_sealed_as_the_client_checks_it() -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY)])
    opened(sessions, auth.seal(KEY, packet(), 5))
    plain, shim = packet(3), native.load()
    buffer = shim.ffi.new("char[2048]", plain)
    table = shim.ffi.cast("char *", sessions.address)
    size = shim.lib.oc_seal(table, buffer, len(plain), 7)
    sealed = bytes(shim.ffi.buffer(buffer, size))
    assert sealed == auth.seal(KEY, plain, 5)
    assert auth.is_sealed(KEY, sealed)
    assert not auth.is_sealed(OTHER, sealed)
    assert shim.lib.oc_seal(table, buffer, len(plain), 8) == 0


def test_a_session_of_a_network_is_used_over_both_versions_of_ip() -> None:
    """A socket of both shows IPv4 as ::ffff:a.b.c.d; an address of IPv6 is in no network."""
    here = (IPv4Network("127.0.0.0/30"),)
    sessions = auth.Sessions([auth.PacketSession(7, KEY, here), auth.PacketSession(8, OTHER)])
    data = auth.seal(KEY, packet(), 5)
    for host, allowed in (
        ("::ffff:127.0.0.3", True),
        ("::ffff:127.0.0.4", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("1::ffff:127.0.0.1", False),
    ):
        size = opened(sessions, data, sockaddr((host, 9_000)))
        assert size > 0 if allowed else size == auth.ELSEWHERE, host
    assert opened(sessions, auth.seal(OTHER, packet(sender=8), 5), sockaddr(("::1", 9_000))) > 0


def test_a_table_that_cannot_be_is_refused() -> None:
    one = auth.PacketSession(7, KEY)
    with pytest.raises(OutcryError, match="participant 7 has two sessions"):
        auth.Sessions([one, one])
    with pytest.raises(OutcryError, match="a key has 32 bytes"):
        auth.Sessions([auth.PacketSession(7, b"short")])
