"""What passes for a packet, and what is refused by which name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim import MAX_PACKET_BYTES, PacketError, build_packets, read_packet
from openoutcry.dpdk_shim.packets import PacketRejected
from openoutcry.wire import EVENT_DTYPE, LAYOUT_HASH, ORDER_DTYPE, PACKET_HEADER
from openoutcry.wire.enums import PacketKind
from openoutcry.wire.records import MAX_PACKET_RECORDS

AT = PACKET_HEADER.offsets


def random_records(count: int, dtype: np.dtype = ORDER_DTYPE) -> np.ndarray:
    return np.frombuffer(np.random.default_rng(count).bytes(64 * count), dtype).copy()


def packet(count: int = 3) -> bytes:
    (data,) = build_packets(random_records(count), sender=7, first_seq=5, sent_ts_ns=11)
    return data


def reason(data: bytes, kind: PacketKind = PacketKind.ORDERS) -> PacketError | None:
    try:
        read_packet(data, kind)
    except PacketRejected as refused:
        return refused.reason
    return None


def changed(data: bytes, field: str, value: int, size_bytes: int) -> bytes:
    at = AT[field]
    return data[:at] + value.to_bytes(size_bytes, "little") + data[at + size_bytes :]


@pytest.mark.parametrize("dtype", [ORDER_DTYPE, EVENT_DTYPE])
@pytest.mark.parametrize("per_packet", [1, 5, 22])
def test_records_come_back_as_they_went(dtype: np.dtype, per_packet: int) -> None:
    """Orders and events, in packets of any size, are read back byte for byte and numbered on."""
    records = random_records(50, dtype)
    kind = PacketKind.ORDERS if dtype == ORDER_DTYPE else PacketKind.EVENTS
    packets = build_packets(records, 2**32 - 1, first_seq=100, sent_ts_ns=42, per_packet=per_packet)
    read = [read_packet(data, kind) for data in packets]
    assert b"".join(part.tobytes() for _, part in read) == records.tobytes()
    assert [int(header["first_seq"]) for header, _ in read] == list(range(100, 150, per_packet))
    assert {int(header["sender"]) for header, _ in read} == {2**32 - 1}
    assert {int(header["sent_ts_ns"]) for header, _ in read} == {42}
    assert max(map(len, packets)) <= MAX_PACKET_BYTES <= 1500 - 28


@pytest.mark.parametrize("count", [1, 2, 22])
def test_a_packet_cut_at_any_byte_is_refused(count: int) -> None:
    """Below a header it is SHORT, with one it is SIZE: no cut passes for a smaller packet."""
    data = packet(count)
    assert reason(data) is None
    for size in range(len(data)):
        assert reason(data[:size]) == (PacketError.SHORT if size < 32 else PacketError.SIZE)
    assert reason(data + b"\0") == PacketError.SIZE
    assert reason(data + bytes(64)) == PacketError.SIZE


def test_each_wrong_field_has_its_own_name() -> None:
    """The reason names what is wrong, so that a wrong version is not taken for line noise."""
    data = packet()
    wrong_layout = (LAYOUT_HASH & 0xFFFFFFFF) ^ 1
    assert reason(changed(data, "magic", 0, 4)) == PacketError.MAGIC
    assert reason(changed(data, "layout_tag", wrong_layout, 4)) == PacketError.LAYOUT
    assert reason(changed(data, "kind", 0, 1)) == PacketError.KIND
    assert reason(data, PacketKind.EVENTS) == PacketError.KIND
    assert reason(changed(data, "count", 0, 2)) == PacketError.COUNT
    assert reason(changed(data, "count", MAX_PACKET_RECORDS + 1, 2)) == PacketError.COUNT
    assert reason(changed(data, "count", 65_535, 2)) == PacketError.COUNT
    assert reason(changed(data, "count", 2, 2)) == PacketError.SIZE
    for first_seq in (0, 2**62 + 1, 2**63, 2**64 - 1):
        assert reason(changed(data, "first_seq", first_seq, 8)) == PacketError.SEQUENCE


def test_a_packet_of_refusals_begins_with_no_number() -> None:
    """Its events have none: 0 is a packet of events, and below 0 is none."""
    events = np.zeros(1, EVENT_DTYPE)
    (data,) = build_packets(events, 0, 0, 0)
    assert reason(data, PacketKind.EVENTS) is None
    assert reason(changed(data, "first_seq", 2**64 - 1, 8), PacketKind.EVENTS) == (
        PacketError.SEQUENCE
    )


def test_a_header_without_records_is_refused() -> None:
    """Nothing to carry is no packet, whatever its size says."""
    data = changed(packet()[:32], "count", 0, 2)
    assert reason(data) == PacketError.COUNT


def test_more_records_than_a_frame_holds_are_refused() -> None:
    """A datagram of 23 records that is consistent in itself is still no packet."""
    data = changed(packet(22), "count", 23, 2) + bytes(64)
    assert reason(data) == PacketError.COUNT


@pytest.mark.promise(
    "Any bytes are parsed, or rejected and counted by reason; none crashes the receiver or is"
    " a memory error in C",
    group="network",
)
@given(st.binary(max_size=200), st.integers(0, 31), st.integers(0, 255))
def test_noise_is_refused_and_never_crashes(noise: bytes, at: int, value: int) -> None:
    """Foreign bytes, and a good packet with one header byte changed, get a verdict each."""
    assert reason(noise) is not None
    data = bytearray(packet())
    data[at] = value
    free = {"first_seq": 8, "sent_ts_ns": 8, "sender": 4, "reserved": 1}
    harmless = any(AT[name] <= at < AT[name] + size for name, size in free.items())
    verdict = reason(bytes(data))
    if bytes(data) == packet():
        assert verdict is None
    elif not harmless:
        assert verdict is not None


def test_foreign_arrays_and_sizes_are_not_built_into_packets() -> None:
    """Whoever builds packets cannot make one that no receiver would take."""
    with pytest.raises(ValueError, match="ORDER_DTYPE"):
        build_packets(np.zeros(3, np.int64), 1, 1, 0)
    for per_packet in (0, 23):
        with pytest.raises(ValueError, match="1 to 22"):
            build_packets(random_records(3), 1, 1, 0, per_packet)
