"""The agents' packets and frames, against the shim's builder and scapy."""

import random

import numpy as np
import pytest

from openoutcry.dpdk_shim.packets import build_packets
from openoutcry.gateway_fpga.agents import Addresses, PacketSender, ethernet_frame
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from tests.support.gateway_fpga.frames import Frame, judged, ordinary_orders


def test_a_sender_numbers_its_records_as_the_shim_does() -> None:
    """Packets of any size, one after the other: byte for byte, and no number twice."""
    dice = random.Random(1)
    sender, first_seq = PacketSender(77, first_seq=5), 5
    for count, per_packet in ((1, 22), (22, 22), (23, 22), (10, 3), (0, 1)):
        orders = ordinary_orders(dice, count)
        built = build_packets(orders, 77, first_seq, 9, per_packet)
        assert sender.payloads(orders, per_packet, sent_ts_ns=9) == built
        first_seq += count


@pytest.mark.parametrize("vlan", [None, 0, 4_095])
@pytest.mark.parametrize("count", [1, 2, 21])
def test_a_frame_is_one_that_the_door_takes(vlan: int | None, count: int) -> None:
    """Lengths and both checksums are right for scapy, with a tag and without."""
    orders = ordinary_orders(random.Random(count), count)
    (frame,) = PacketSender(addresses=Addresses(vlan=vlan)).frames(orders)
    judgement = judged(Frame(frame, 0))
    assert (judgement.reason, len(judgement.orders)) == ("NONE", count)


def test_a_sum_of_nothing_is_sent_as_all_ones() -> None:
    """A UDP checksum of 0 says that there is none: one that comes out so is sent as FFFF."""
    fields = {}
    for low in range(2**16):
        payload = low.to_bytes(2)
        frame = ethernet_frame(payload, Addresses())
        fields[frame[40:42]] = payload
    assert b"\0\0" not in fields
    assert b"\xff\xff" in fields
    unchecked = ethernet_frame(b"payload", Addresses(), checksum=False)
    assert unchecked[40:42] == b"\0\0"


def test_events_are_no_orders() -> None:
    """A record of another kind, or a packet of too many, is refused before anything is numbered."""
    sender = PacketSender()
    with pytest.raises(ValueError, match="ORDER_DTYPE"):
        sender.payloads(np.zeros(1, EVENT_DTYPE))
    with pytest.raises(ValueError, match="1 to 22 records, not 23"):
        sender.payloads(np.zeros(1, ORDER_DTYPE), 23)
    assert sender.next_seq == 1
