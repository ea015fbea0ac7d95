"""What the shim makes of frames, against scapy and against the rules of the hardware parser."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.names import Reject
from tests.support.dpdk_shim.shim_wire import (
    build_mold,
    frame,
    needs_shim,
    packets_of,
    random_orders,
)
from tests.support.gateway_fpga import frames as hardware

SHARED = [name for name in hardware.REASONS if name in Reject.__members__]


@pytest.fixture(autouse=True)
def _built() -> None:
    needs_shim()


def classify(data: bytes, udp_port: int = 9000, framing: int = 0, sum_good: bool = False) -> str:
    """The name of the reason why the shim refuses a frame, NONE if it takes it."""
    lib = native.load().lib
    code = lib.oc_classify(data, len(data), 1, framing, udp_port, int(sum_good))
    return Reject(code).name if code else "NONE"


def good(**layout: object) -> bytes:
    return frame(packets_of(random_orders(3))[0], **layout)


@pytest.mark.parametrize("ip6", [False, True])
@pytest.mark.parametrize("tags", [(), (5,), (5, 7)])
def test_a_good_frame_is_taken_and_cut_at_any_byte_it_is_not(ip6: bool, tags: tuple) -> None:
    """Untagged, VLAN and QinQ, IPv4 and IPv6: whole it is good; no beginning of it is."""
    data = good(ip6=ip6, tags=tags)
    assert classify(data) == "NONE"
    headers = 14 + 4 * len(tags) + (40 if ip6 else 20) + 8
    for size in range(len(data)):
        assert classify(data[:size]) == ("RUNT" if size < headers else "LENGTH")
    assert classify(data + b"\0") == "LENGTH"


@pytest.mark.parametrize("reason", SHARED)
def test_what_the_hardware_refuses_the_shim_refuses_by_the_same_name(reason: str) -> None:
    """Frames with one thing wrong, and with two: the reason is that of the hardware's model, which
    scapy takes apart."""
    dice = random.Random(reason)
    for number in range(150):
        second = dice.choice(SHARED)
        spoilers = [name for name in (reason, second) if name in hardware.SPOILERS]
        bad_frame = hardware.spoiled(dice, *(spoilers if number % 2 else spoilers[:1]))
        expected, _ = hardware.expected(hardware.Frame(bad_frame.data[:1536], 0))
        assert classify(bad_frame.data[:1536], hardware.UDP_PORT) == expected, bad_frame.data.hex()


def test_good_frames_of_the_hardware_are_good() -> None:
    """One VLAN tag at most, IPv4: whatever the parser in hardware takes, the shim takes."""
    dice = random.Random(1)
    for _ in range(200):
        assert classify(hardware.good_frame(dice), hardware.UDP_PORT) == "NONE"


@pytest.mark.parametrize("ip6", [False, True])
def test_every_flipped_bit_of_the_payload_fails_the_checksum(ip6: bool) -> None:
    """A changed bit anywhere in addresses, ports or payload is seen, unless the device vouches."""
    data = bytearray(good(ip6=ip6))
    start = 14 + (8 if ip6 else 12)
    for at in range(start, len(data)):
        for bit in (0, 5):
            data[at] ^= 1 << bit
            assert classify(bytes(data), 0) != "NONE"
            data[at] ^= 1 << bit
    data[-1] ^= 1
    assert classify(bytes(data)) == "UDP_CHECKSUM"
    assert classify(bytes(data), sum_good=True) == "NONE"


def test_ipv6_refusals_have_their_names() -> None:
    """Fragment and extension headers, no checksum, another version."""
    data = good(ip6=True)
    for at, value, name in (
        (20, 44, "FRAGMENT"),
        (20, 0, "PROTOCOL"),
        (20, 6, "PROTOCOL"),
        (14, 0x45, "IP_HEADER"),
    ):
        assert classify(data[:at] + bytes([value]) + data[at + 1 :]) == name
    assert classify(data[:60] + b"\0\0" + data[62:]) == "UDP_CHECKSUM"


def test_three_tags_and_foreign_protocols_are_no_frames_of_ours() -> None:
    """A third VLAN tag, ARP, and another UDP port."""
    assert classify(good(tags=(1, 2, 3))) == "ETHERTYPE"
    assert classify(good()[:12] + b"\x08\x06" + bytes(46)) == "ETHERTYPE"
    assert classify(good(ports=(1, 9001))) == "PORT"
    assert classify(good(ports=(1, 9001)), udp_port=0) == "NONE"


def mold(count: int = 3) -> bytes:
    (datagram,) = build_mold(random_orders(count), b"SESSION", 5)
    return datagram


def test_mold_packets_cut_at_any_byte_are_refused() -> None:
    """MoldUDP64: SHORT within its header, SIZE behind; a heartbeat and an end of session pass."""
    data = mold()
    assert classify(frame(data), framing=1) == "NONE"
    for size in range(len(data)):
        name = "SHORT" if size < 20 else "SIZE"
        assert classify(frame(data[:size]), framing=1) == name
    for count in (b"\0\0", b"\xff\xff"):
        assert classify(frame(data[:18] + count), framing=1) == "NONE"


def test_wrong_fields_of_mold_have_their_names() -> None:
    """Too many messages, a message of another length, sequence numbers out of range."""
    data = mold()
    assert classify(frame(data[:18] + b"\0\x17" + data[20:]), framing=1) == "COUNT"
    assert classify(frame(data[:18] + b"\0\xff" + data[20:]), framing=1) == "COUNT"
    assert classify(frame(data[:20] + b"\0\x41" + data[22:]), framing=1) == "SIZE"
    for first in (0, 2**62 + 1, 2**64 - 1):
        changed = data[:10] + first.to_bytes(8, "big") + data[18:]
        assert classify(frame(changed), framing=1) == "SEQUENCE"


@given(st.binary(max_size=300), st.data())
def test_noise_gets_a_reason_and_never_crashes(noise: bytes, data: st.DataObject) -> None:
    """Random bytes, and a good frame with a byte changed, are refused or harmless."""
    assert classify(noise) != "NONE"
    held = bytearray(good(tags=(1,), ip6=bool(len(noise) % 2)))
    at = data.draw(st.integers(0, len(held) - 1))
    held[at] = data.draw(st.integers(0, 255))
    assert classify(bytes(held)) in {"NONE", *Reject.__members__}


def test_random_lengths_are_summed_as_scapy_sums_them() -> None:
    """Payloads of every length modulo 32 pass their own checksum and fail another."""
    rng = np.random.default_rng(3)
    for size in range(0, 200):
        data = bytearray(frame(rng.bytes(size)))
        assert classify(bytes(data)) in {"SHORT", "MAGIC"}
        data[40] ^= 1
        # A sum of 0 says that there is none.
        assert classify(bytes(data)) == ("SHORT" if data[40:42] == b"\0\0" else "UDP_CHECKSUM")


@pytest.mark.parametrize(("count", "bytes_"), [(0, 32), (23, 32 + 23 * 64), (255, 32 + 255 * 64)])
def test_no_orders_and_more_than_a_frame_holds(count: int, bytes_: int) -> None:
    """A header alone, one order too many, and a jumbo frame of 255 that is right in itself."""
    header = packets_of(random_orders(1))[0][:32]
    payload = header[:28] + count.to_bytes(2, "little") + header[30:] + bytes(bytes_ - 32)
    assert classify(frame(payload)) == "COUNT"


def test_a_jumbo_frame_of_somebody_else_is_foreign() -> None:
    """Nine thousand bytes to our port that are no packet of ours."""
    assert classify(frame(bytes(9_000))) == "MAGIC"
