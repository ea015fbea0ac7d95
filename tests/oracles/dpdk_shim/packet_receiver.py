"""Every rule by which the receiver of packets takes, refuses and answers, in plain Python.

It sees payloads and the addresses that they came from.  Windows are ranges in a list, sessions a
dictionary, tags are the BLAKE3 library's.
"""

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import blake3

from openoutcry.dpdk_shim.authentication import PacketSession
from openoutcry.dpdk_shim.packets import LAYOUT_TAG
from openoutcry.wire.enums import ErrorBit, EventKind, Reason
from openoutcry.wire.order_ids import VENUE_ORDER_IDS
from openoutcry.wire.records import EVENT, MAX_PACKET_RECORDS, ORDER, PACKET_MAGIC

HEADER = struct.Struct("<IIqqIHB")
HEADER_BYTES, RECORD_BYTES, TRAILER_BYTES = 32, 64, 24
RANGES_MAX, SENDERS_MAX, MAX_JUMP = 11, 3_072, 1 << 20
KIND_ORDERS = 1
NO_INSTRUMENT = 65_535
OVER_RATE = 1 << ErrorBit.RATE

Address = tuple[str, int]
Sender = tuple[int, object]
"""Its number, and the address or the epoch that its numbers belong to."""


@dataclass
class Window:
    """All numbers below ``next`` have come but those of the ``missing`` ranges."""

    next: int = 1
    floor: int = 1
    missing: list[tuple[int, int]] = field(default_factory=list)

    def take(self, first: int, count: int, counts: dict[str, int]) -> bool:
        last = first + count - 1
        if first >= self.next:
            if first - self.next > MAX_JUMP:
                counts["jump_packets"] += 1
                return False
            if first > self.next:
                counts["gap_records"] += first - self.next
                self._replace(len(self.missing), len(self.missing), [(self.next, first - 1)])
            self.next = last + 1
            return True
        for index, (begin, end) in enumerate(self.missing):
            if begin <= first and last <= end:
                counts["late_packets"] += 1
                counts["late_records"] += count
                parts = [(begin, first - 1), (last + 1, end)]
                self._replace(index, index + 1, [part for part in parts if part[0] <= part[1]])
                return True
        counts["stale_packets" if first < self.floor else "duplicate_packets"] += 1
        return False

    def _replace(self, begin: int, end: int, parts: list[tuple[int, int]]) -> None:
        self.missing[begin:end] = parts
        while len(self.missing) > RANGES_MAX:
            self.floor = max(self.floor, self.missing.pop(0)[1] + 1)


@dataclass
class Taken:
    """What one packet gives: orders with their senders and numbers, and refusals."""

    orders: list[bytes] = field(default_factory=list)
    origins: list[tuple[Sender, int]] = field(default_factory=list)
    refusals: list[bytes] = field(default_factory=list)


class PacketReceiver:
    """``sessions``: the only ones that may send, if there are any; ``tokens``: orders of one
    participant that are within his rate, and no more come back."""

    def __init__(self, sessions: tuple[PacketSession, ...] = (), tokens: int | None = None) -> None:
        self.sessions = {session.participant: session for session in sessions}
        self.epochs = dict.fromkeys(self.sessions, 0)
        self.tokens = tokens
        self.taken_of: dict[int, int] = {}
        self.windows: dict[Sender, Window] = {}
        self.peers: dict[int, Address] = {}
        self.counts = dict.fromkeys(COUNTS, 0)

    def take(self, data: bytes, address: Address) -> Taken:
        self.counts["packets"] += 1
        number = 0
        if self.sessions:
            number, data = self._unsealed(data, address)
            if not number:
                self.counts["rejected_unauthenticated"] += 1
                return Taken()
        reason = refused(data)
        if reason:
            self.counts[f"rejected_{reason}"] += 1
            return Taken()
        _, _, first, _, sender_number, count, _ = HEADER.unpack_from(data)
        sender: Sender = (number, self.epochs[number]) if number else (sender_number, address)
        if sender not in self.windows:
            # A session's newest epoch has the place of the one before.
            before = [known for known in self.windows if number and known[0] == number]
            if not before and len(self.windows) == SENDERS_MAX:
                self.counts["sender_refused_packets"] += 1
                return Taken()
            for known in before:
                del self.windows[known]
            self.windows[sender] = Window()
            self.counts["senders"] += not before
        if not self.windows[sender].take(first, count, self.counts):
            return Taken()
        taken = Taken()
        for index in range(count):
            begin = HEADER_BYTES + RECORD_BYTES * index
            self._order(
                data[begin : begin + RECORD_BYTES], number, sender, first + index, address, taken
            )
        self.counts["records"] += len(taken.orders)
        return taken

    def _unsealed(self, data: bytes, address: Address) -> tuple[int, bytes]:
        """Whose packet it is (0: of no session), and the packet without its trailer."""
        most = HEADER_BYTES + MAX_PACKET_RECORDS * RECORD_BYTES
        packet, epoch, tag = data[:-TRAILER_BYTES], data[-TRAILER_BYTES:-16], data[-16:]
        if not HEADER_BYTES <= len(packet) <= most or len(packet) % 8:
            return 0, b""
        number = struct.unpack_from("<I", packet, 24)[0]
        session = self.sessions.get(number)
        if session is None:
            return 0, b""
        if blake3.blake3(packet + epoch, key=session.key).digest(16) != tag:
            return 0, b""
        here = IPv4Address(address[0])
        if session.networks and not any(here in network for network in session.networks):
            return 0, b""
        begun = struct.unpack("<q", epoch)[0]
        if begun < self.epochs[number]:
            return 0, b""
        self.epochs[number] = begun
        return number, packet

    def _order(
        self, record: bytes, number: int, sender: Sender, seq: int, address: Address, taken: Taken
    ) -> None:
        if number:
            record = put(record, "participant", "<H", number)
        participant = get(record, "participant", "<H")
        if participant == 0:
            self.counts["operator_records"] += 1
            return
        self.peers[participant] = address
        if self.tokens is not None:
            if self.taken_of.get(participant, 0) == self.tokens:
                self.counts["rate_refused_records"] += 1
                taken.refusals.append(refusal(record, Reason.GATEWAY, OVER_RATE))
                return
            self.taken_of[participant] = self.taken_of.get(participant, 0) + 1
        if get(record, "order_id", "<q") >= VENUE_ORDER_IDS:
            self.counts["reserved_id_records"] += 1
            taken.refusals.append(refusal(record, Reason.NOT_OWNER, 0))
            return
        taken.orders.append(put(record, "error_code", "<H", 0))
        taken.origins.append((sender, seq))


COUNTS = (
    "packets", "records", "senders", "sender_refused_packets", "gap_records", "late_packets",
    "late_records", "duplicate_packets", "stale_packets", "jump_packets", "operator_records",
    "rate_refused_records", "reserved_id_records", "rejected_unauthenticated", "rejected_short",
    "rejected_magic", "rejected_layout", "rejected_kind", "rejected_count", "rejected_size",
    "rejected_sequence",
)  # fmt: skip


def refused(data: bytes) -> str:
    """Why this is no packet of orders; nothing if it is one."""
    if len(data) < HEADER_BYTES:
        return "short"
    magic, layout, first, _, _, count, kind = HEADER.unpack_from(data)
    checks = (
        ("magic", magic == PACKET_MAGIC),
        ("layout", layout == LAYOUT_TAG),
        ("kind", kind == KIND_ORDERS),
        ("count", 1 <= count <= MAX_PACKET_RECORDS),
        ("size", len(data) == HEADER_BYTES + RECORD_BYTES * count),
        ("sequence", 1 <= first <= 2**62),
    )
    return next((name for name, holds in checks if not holds), "")


def get(record: bytes, field_name: str, form: str) -> int:
    return int(struct.unpack_from(form, record, ORDER.offsets[field_name])[0])


def put(record: bytes, field_name: str, form: str, value: int) -> bytes:
    changed = bytearray(record)
    struct.pack_into(form, changed, ORDER.offsets[field_name], value)
    return bytes(changed)


def refusal(record: bytes, reason: Reason, contra_id: int) -> bytes:
    """The event that says why an order never became a command."""
    event = bytearray(RECORD_BYTES)
    for name, form, value in (
        ("order_id", "<q", get(record, "order_id", "<q")),
        ("contra_id", "<q", contra_id),
        ("price_ticks", "<q", get(record, "price_ticks", "<q")),
        ("qty_lots", "<q", get(record, "qty_lots", "<q")),
        ("participant", "<H", get(record, "participant", "<H")),
        ("instrument", "<H", NO_INSTRUMENT),
        ("kind", "<B", EventKind.REJECTED),
        ("reason", "<B", reason),
        ("side", "<B", get(record, "side", "<B")),
    ):
        struct.pack_into(form, event, EVENT.offsets[name], value)
    return bytes(event)
