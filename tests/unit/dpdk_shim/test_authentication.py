"""An authenticated packet is taken from him who has the session's key, from where the session may
be used, once, and never from an older life of the client; its records become the session's."""

from ipaddress import IPv4Network

import blake3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim import authentication as auth
from openoutcry.dpdk_shim.packets import HEADER_BYTES, build_packets
from openoutcry.wire import ORDER_DTYPE, OutcryError

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SCRATCH = np.zeros(auth.SCRATCH_WORDS, np.int64)


def loopback(last: int = 1) -> int:
    """The first word of a sockaddr_in of 127.0.0.``last``, port 9000."""
    data = (2).to_bytes(2, "little") + (9000).to_bytes(2, "big") + bytes([127, 0, 0, last])
    return int.from_bytes(data, "little")


def packet(count: int = 2, sender: int = 7, first: int = 1) -> bytes:
    orders = np.zeros(count, ORDER_DTYPE)
    orders["participant"], orders["order_id"] = 99, np.arange(count)
    (datagram,) = build_packets(orders, sender, first, 0)
    return datagram


def opened(sessions: auth.Sessions, data: bytes, peer: int | None = None) -> tuple[int, np.ndarray]:
    memory = np.zeros(256, np.int64)
    memory.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
    status = auth.open_packet(
        sessions.address, SCRATCH.ctypes.data, memory.ctypes.data, len(data), peer or loopback()
    )
    return int(status), memory.view(np.uint8)


@given(words=st.integers(1, 256), seed=st.integers(0, 2**32 - 1))
def test_the_kernels_hash_is_blake3(words: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    key, data = random.bytes(32), random.bytes(8 * words)
    held = np.frombuffer(key + data, np.int64).copy()
    at = auth.keyed_hash(held.ctypes.data, held.ctypes.data + 32, len(data), SCRATCH.ctypes.data)
    begin = at - SCRATCH.ctypes.data
    assert SCRATCH.tobytes()[begin : begin + 32] == blake3.blake3(data, key=key).digest()


@pytest.mark.parametrize("count", [1, 2, 15, 16, 22])
def test_records_become_the_sessions(count: int) -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY)])
    plain = packet(count)
    size, memory = opened(sessions, auth.seal(KEY, plain, 5))
    assert size == len(plain)
    orders = memory[HEADER_BYTES:size].view(ORDER_DTYPE)
    assert set(orders["participant"].tolist()) == {7}
    assert orders["order_id"].tolist() == list(range(count))


@pytest.mark.promise(
    "A venue's authenticated packets: no bit of one can be changed, nobody without "
    "the key trades or hears a reply, none is taken twice or from an older life of "
    "its client, also after a crash",
    group="network",
)
@given(at=st.integers(0, 32 + 64 + 24 - 1), bit=st.integers(0, 7))
def test_no_bit_can_be_changed(at: int, bit: int) -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY), auth.PacketSession(6, OTHER)])
    data = bytearray(auth.seal(KEY, packet(1), 5))
    data[at] ^= 1 << bit
    status, memory = opened(sessions, bytes(data))
    assert status in (auth.FORGED, auth.UNKNOWN)
    assert bytes(memory[: len(data)]) == bytes(data)


def test_what_is_no_authenticated_packet_of_a_session_is_refused() -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY), auth.PacketSession(8, OTHER)])
    assert opened(sessions, packet())[0] == auth.FORGED
    assert opened(sessions, auth.seal(OTHER, packet(), 5))[0] == auth.FORGED
    assert opened(sessions, auth.seal(KEY, packet(sender=9), 5))[0] == auth.UNKNOWN
    assert opened(sessions, auth.seal(KEY, packet(sender=0), 5))[0] == auth.UNKNOWN
    assert opened(sessions, auth.seal(KEY, packet(sender=70_000), 5))[0] == auth.UNKNOWN
    for size in range(0, 60):
        assert opened(sessions, bytes(size))[0] in (auth.UNKNOWN, auth.FORGED)


def test_an_epoch_that_is_over_is_refused_also_after_a_recovery() -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY)])
    assert opened(sessions, auth.seal(KEY, packet(), 5))[0] > 0
    assert opened(sessions, auth.seal(KEY, packet(), 6))[0] > 0
    assert opened(sessions, auth.seal(KEY, packet(first=3), 5))[0] == auth.OLD
    assert opened(sessions, auth.seal(KEY, packet(first=3), 6))[0] > 0
    again = auth.Sessions([auth.PacketSession(7, KEY)])
    old, new, foreign = ((name | 1 << 32, epoch, 0, 0) for name, epoch in ((7, 4), (7, 6), (9, 6)))
    assert list(again.restore({new: (1, 1, []), old: (1, 1, []), foreign: (1, 1, [])})) == [new]
    assert opened(again, auth.seal(KEY, packet(first=3), 5))[0] == auth.OLD
    assert opened(again, auth.seal(KEY, packet(first=3), 6))[0] > 0


def test_a_session_is_used_from_its_own_networks_only() -> None:
    here = IPv4Network("127.0.0.0/30"), IPv4Network("10.1.2.3/32")
    sessions = auth.Sessions([auth.PacketSession(7, KEY, here)])
    data = auth.seal(KEY, packet(), 5)
    assert opened(sessions, data, loopback(3))[0] > 0
    assert opened(sessions, data, loopback(4))[0] == auth.ELSEWHERE


def test_a_reply_is_sealed_as_the_client_checks_it() -> None:
    sessions = auth.Sessions([auth.PacketSession(7, KEY)])
    opened(sessions, auth.seal(KEY, packet(), 5))
    plain = packet(3)
    memory = np.zeros(256, np.int64)
    memory.view(np.uint8)[: len(plain)] = np.frombuffer(plain, np.uint8)
    given_ = sessions.address, SCRATCH.ctypes.data, memory.ctypes.data, len(plain)
    size = auth.seal_packet(*given_, 7)
    sealed = memory.tobytes()[:size]
    assert sealed == auth.seal(KEY, plain, 5)
    assert auth.is_sealed(KEY, sealed)
    assert not auth.is_sealed(OTHER, sealed)
    assert auth.seal_packet(*given_, 8) == 0


def test_a_table_that_cannot_be_is_refused() -> None:
    one = auth.PacketSession(7, KEY)
    with pytest.raises(OutcryError, match="participant 7 has two sessions"):
        auth.Sessions([one, one])
    with pytest.raises(OutcryError, match="a key has 32 bytes"):
        auth.Sessions([auth.PacketSession(7, b"short")])
