"""What a port counts and why it refuses a frame: declared here, generated into the shim's C."""

from enum import IntEnum

from openoutcry.dpdk_shim import authentication
from openoutcry.ring import layout


class Reject(IntEnum):
    """Why a frame is refused; checked in this order, the first that holds counts.

    From SHORT to SEQUENCE the checks are those of ``packets.PacketError``; before, with CUT and
    IPv6 left out, those of the hardware parser (gateway_fpga/rtl/outcry_udp_parser.v).
    """

    CUT = 1
    """A capture or a ring kept a part of the frame only."""
    RUNT = 2
    """Shorter than its Ethernet, IP and UDP headers."""
    ETHERTYPE = 3
    """Not IPv4 or IPv6, after two VLAN tags at most."""
    IP_HEADER = 4
    """Another version than the Ethernet type says, or IPv4 with options."""
    FRAGMENT = 5
    PROTOCOL = 6
    """Not UDP (or IPv6 with an extension header)."""
    PORT = 7
    """The UDP port is another one."""
    LENGTH = 8
    """Frame, IP and UDP do not say the same length."""
    IP_CHECKSUM = 9
    UDP_CHECKSUM = 10
    """Wrong, or left out where IPv6 demands one."""
    SHORT = 11
    """Payload shorter than a packet's header."""
    MAGIC = 12
    LAYOUT = 13
    KIND = 14
    COUNT = 15
    SIZE = 16
    SEQUENCE = 17
    UNAUTHENTICATED = 18
    """Only with sessions, and checked before SHORT: the tag is wrong, the epoch is over, no session
    matches, or the address is not the session's (authentication.py)."""


class Count(IntEnum):
    """Words of a port's counters.  ``PACKETS`` equals ``PUBLISHED`` plus all that was refused
    (``REJECTED`` + reason) or left out (duplicate, stale, heartbeat, over the limit)."""

    PACKETS = 0
    """Datagrams or frames taken from the device."""
    BYTES = 1
    PUBLISHED = 2
    """Packets whose records were handed on."""
    RECORDS = 3
    EMPTY_POLLS = 4
    NO_ROOM_POLLS = 5
    """The ring had no room for a packet: everything was left in the device."""
    GAPS = 6
    GAP_RECORDS = 7
    """Sequence numbers jumped over, ever; less ``LATE_RECORDS`` they are what is missing."""
    LATE_PACKETS = 8
    """Filled a gap, and were handed on."""
    LATE_RECORDS = 9
    DUPLICATE_PACKETS = 10
    """At least one record had come before."""
    STALE_PACKETS = 11
    """Older than all remembered gaps, so that it is unknown whether they came before."""
    HEARTBEAT_PACKETS = 12
    OVER_LIMIT_PACKETS = 13
    """Came after as many records as were asked for."""
    OVER_LIMIT_RECORDS = 14
    """Records of a packet of which only a part was handed on, for the same reason."""
    SENDERS = 15
    SENDER_REFUSED_PACKETS = 16
    """The sender table is full. No sender is ever forgotten, because its old packets would then
    count as new."""
    HARDWARE_TIMES = 17
    """Packets by what stamped them: the card, the kernel, the capture, or the shim, by the clock
    page or by the host's clock."""
    KERNEL_TIMES = 18
    CAPTURE_TIMES = 19
    HOST_TIMES = 20
    CLOCK_PAGE_TIMES = 21
    JUMP_PACKETS = 22
    """So far ahead of their sender's sequence that they are not credible."""
    OPERATOR_RECORDS = 23
    """Records of participant 0, the exchange operator, which uses no network; dropped one by one.
    """
    TX_PACKETS = 24
    TX_NO_ROOM = 25
    """The device or the system took no more: gone, and counted instead of waited for."""
    TX_ERRORS = 26
    REPLY_PACKETS = 27
    REPLY_EVENTS = 28
    NO_PEER_EVENTS = 29
    """Events for a participant that was never heard, or whose sender was forgotten."""
    SEND_FAILED_EVENTS = 30
    RATE_REFUSED_RECORDS = 31
    """Beyond their participant's rate: answered by a reject, left out one by one."""
    REFUSAL_UNTOLD_EVENTS = 33
    """Rejects that did not leave: too many of a burst, or the device did not take them."""
    RESERVED_ID_RECORDS = 34
    """With an order id that is the venue's or a session's (wire/order_ids.py): answered by a
    reject, left out one by one."""
    REFUSAL_PACKETS = 35
    """Packets that carry those rejects."""
    SEND_FAILED_PACKETS = 36
    """Packets of events that the device or the system did not accept."""
    DEVICE_LOST = 32
    """Losses of the device or the system, up to the last look of the process that has the
    port open, and in all processes before it."""
    REJECTED = 40
    """Base: the count of reason r is at REJECTED + r."""
    DEVICE_DROPPED = 60
    """DEVICE_LOST by what was lost, in the order of :class:`Device`."""
    DEVICE_MISSED = 61
    DEVICE_NO_BUFFER = 62
    DEVICE_ERRORS = 63


class Device(IntEnum):
    """Losses of the device or the operating system before the shim saw the packets."""

    DROPPED = 0
    """A socket's queue or ring was full (SO_RXQ_OVFL, PACKET_STATISTICS, XDP rx_dropped)."""
    MISSED = 1
    """The card had no descriptor, the XDP ring no place."""
    NO_BUFFER = 2
    ERRORS = 3


LEFT_OUT = (
    Count.DUPLICATE_PACKETS,
    Count.STALE_PACKETS,
    Count.SENDER_REFUSED_PACKETS,
    Count.JUMP_PACKETS,
    Count.HEARTBEAT_PACKETS,
    Count.OVER_LIMIT_PACKETS,
)
COUNTER_WORDS = 64
SENDERS_MAX = 3_072
"""A sender beyond these is refused: forgetting one would make its old packets new."""
assert authentication.SESSIONS_MAX <= SENDERS_MAX
RANGES_MAX = 11
"""Missing ranges of numbers remembered for each sender."""
MAX_JUMP_RECORDS = 1 << 20
"""Records that a sender may jump over at once; a sender that lost more starts as another sender."""
REFUSALS_MAX = 88
"""Refusals that are sent of one burst: more would cost others the time that the rate saves them."""
LIMIT_NAMES = {
    "SENDERS_MAX": SENDERS_MAX,
    "RANGES_MAX": RANGES_MAX,
    "MAX_JUMP": MAX_JUMP_RECORDS,
    "REFUSALS_MAX": REFUSALS_MAX,
}
SESSION_NAMES = {
    "ROWS_AT": authentication.ROWS_AT,
    "ROW_BYTES": authentication.ROW_BYTES,
    "NETWORKS": authentication.NETWORKS_MAX,
}
RING_NAMES = (
    "CONSUMER_COUNT",
    "CONSUMERS",
    "CONSUMER_BYTES",
    "DETACHED",
    "FLAGS",
    "BLOCKING",
    "WAITING",
    "WAKE",
    "PUBLISHED",
    "SLOTS",
    "SLOT_SHIFT",
    "SEQ",
    "FREE",
)


def c_names() -> str:
    """The C header with these numbers and the ring's layout."""
    lines = ["/* generated by openoutcry.dpdk_shim.names; do not edit */"]
    for prefix, enum in (("REJECT", Reject), ("COUNT", Count), ("DEVICE", Device)):
        lines += [f"#define OC_{prefix}_{member.name} {int(member)}" for member in enum]
    lines += [f"#define RING_{name} INT64_C({getattr(layout, name)})" for name in RING_NAMES]
    lines += [f"#define OC_{name} INT64_C({value})" for name, value in LIMIT_NAMES.items()]
    lines += [f"#define OC_SESSION_{name} {value}" for name, value in SESSION_NAMES.items()]
    return "\n".join(lines) + "\n"
