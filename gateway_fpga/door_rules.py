# SPDX-License-Identifier: Apache-2.0
"""Every rule by which a door refuses a frame, a packet or a record, and where each door counts it.

A packet of orders comes to the venue by the packet shim (dpdk_shim/shim.py) or by the parser in
hardware (outcry_udp_parser). For a kernel socket, the operating system applies the rules of frames.
A rule that the hardware door does not have says why. The page docs/fpga.md is filled from here. A
test (tests/system/gateway/test_door.py) breaks the rules of packets and records at the software
door and at the hardware door.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DoorRule:
    """``shim`` is a ``names.Reject`` or ``names.Count``; ``hardware`` an outcome of a frame or a
    rule by which records are left out (``wire/registers.py``).  Empty: that door does not have the
    rule; of the hardware door ``why`` says what follows."""

    name: str
    shim: str = ""
    hardware: str = ""
    why: str = ""


def _framing(sentence: str, name: str, shim: bool = True) -> DoorRule:
    return DoorRule(sentence, name if shim else "", name)


def _packet(sentence: str, name: str) -> DoorRule:
    return DoorRule(sentence, name, name)


DOOR_RULES = (
    _framing("a frame with a hole in its bytes", "KEEP", shim=False),
    _framing("a frame longer than the largest packet's", "OVERSIZED", shim=False),
    _framing("a frame shorter than its headers", "RUNT"),
    _framing("a frame that is not IPv4", "ETHERTYPE"),
    _framing("an IP header with options, or of another version", "IP_HEADER"),
    _framing("a piece of a datagram", "FRAGMENT"),
    _framing("a protocol other than UDP", "PROTOCOL"),
    _framing("another UDP port", "PORT"),
    _framing("lengths that differ", "LENGTH"),
    _framing("a wrong IPv4 checksum", "IP_CHECKSUM"),
    _framing("a wrong UDP checksum", "UDP_CHECKSUM"),
    _framing("a frame that the MAC calls bad", "BAD_FRAME", shim=False),
    _packet("a payload shorter than a packet's header", "SHORT"),
    _packet("another magic", "MAGIC"),
    _packet("another record layout", "LAYOUT"),
    _packet("a packet of anything but orders", "KIND"),
    _packet("no record, or more than 22", "COUNT"),
    _packet("another size than the count says", "SIZE"),
    _packet("a first number out of range", "SEQUENCE"),
    DoorRule("a frame that finds no room", "DEVICE_LOST", "NO_ROOM"),
    DoorRule(
        "a record of participant 0, the exchange operator",
        "OPERATOR_RECORDS",
        "OPERATOR",
    ),
    DoorRule(
        "a record with an order id that only the venue allocates",
        "RESERVED_ID_RECORDS",
        "RESERVED_ID",
    ),
    DoorRule(
        "a packet with a record that has come before",
        "DUPLICATE_PACKETS",
        why="it keeps no window of senders: a packet that the network doubles is taken twice",
    ),
    DoorRule(
        "a packet older than all gaps that are remembered",
        "STALE_PACKETS",
        why="it keeps no window of senders: an old packet that is sent again is taken again",
    ),
    DoorRule(
        "a packet more than 2^20 numbers ahead of its sender",
        "JUMP_PACKETS",
        why="it keeps no window of senders: any number from 1 to 2^62 is taken",
    ),
    DoorRule(
        "a packet of a sender beyond the 3,072 that are remembered",
        "SENDER_REFUSED_PACKETS",
        why="it remembers no sender",
    ),
    DoorRule(
        "a record beyond its participant's rate",
        "RATE_REFUSED_RECORDS",
        why="the validator after it has the rate: the order continues, with `RATE` in its verdict",
    ),
    DoorRule(
        "a packet without a session's key, tag and epoch",
        "UNAUTHENTICATED",
        why="it knows no session: it takes the participant that the record names, and refuses a "
        "packet with a trailer as `SIZE`",
    ),
    DoorRule(
        "a frame that a capture or a ring has kept a part of",
        shim="CUT",
        why="no capture and no ring is before it",
    ),
    DoorRule(
        "a MoldUDP64 packet without messages",
        shim="HEARTBEAT_PACKETS",
        why="it knows no MoldUDP64: such a packet is refused as `SHORT`",
    ),
    DoorRule(
        "a packet after as many records as were asked for",
        shim="OVER_LIMIT_PACKETS",
        why="it is never asked for a number of records",
    ),
)


def door_table() -> list[tuple[str, str, str]]:
    """Rows for docs/fpga.md: the rule, and the counter of each door or why it has none."""
    return [
        (
            rule.name,
            _code(rule.shim),
            _code(rule.hardware) if rule.hardware else f"**not checked**: {rule.why}",
        )
        for rule in DOOR_RULES
    ]


def _code(name: str) -> str:
    return f"`{name}`" if name else "–"
