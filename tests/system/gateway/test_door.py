"""The software doors and the hardware door: the same rules, the same orders, the same counts."""

import json
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim.authentication import PacketSession, Sessions
from openoutcry.dpdk_shim.names import LEFT_OUT as LEFT_OUT_BY_THE_SHIM
from openoutcry.dpdk_shim.names import MAX_JUMP_RECORDS, RANGES_MAX, SENDERS_MAX, Count, Reject
from openoutcry.gateway_fpga.door_rules import DOOR_RULES, DoorRule
from openoutcry.wire.records import MAX_PACKET_RECORDS
from openoutcry.wire.registers import FRAME_OUTCOMES, LEFT_OUT
from tests.support.dpdk_shim.packet_door import PacketDoor
from tests.support.dpdk_shim.shim_wire import needs_shim, records_of, write_pcap
from tests.support.gateway_fpga.frames import (
    BARRED,
    SPOILERS,
    bar,
    door,
    ip_at,
    ordinary_orders,
    packet_of,
    random_orders,
    wrap,
)
from tests.support.gateway_fpga.simulate import simulate

Packets = list[bytes]
UDP_PAYLOAD_AT = 28


class SoftwareDoor:
    """The receiver on the loopback, and a client that sends to it."""

    def __init__(self, sessions: Sessions | None = None) -> None:
        self.receiver = PacketDoor(sessions)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(self.receiver.at)

    def __enter__(self) -> "SoftwareDoor":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.receiver.close()

    def give(self, packets: Packets) -> tuple[np.ndarray, dict[str, int]]:
        """The orders that it hands on of these datagrams, and by how much each counter moved."""
        before = self.receiver.counters()
        parts = []
        for data in packets:
            self.client.send(data)
            came = self.receiver.counters()["packets"]
            while self.receiver.counters()["packets"] == came:
                records = self.receiver.take()
            parts.append(records)
        after = self.receiver.counters()
        changed = {name: after[name] - before[name] for name in after}
        return np.concatenate(parts), {name: n for name, n in changed.items() if n}


def through_the_shim(folder: Path, frames: list[bytes]) -> tuple[np.ndarray, dict[str, Any]]:
    """The orders that the shim in C hands on of these frames, and its account."""
    return records_of(f"pcap:{write_pcap(folder / 'frames.pcap', frames)}")


def payload_of(frame: bytes) -> bytes:
    return frame[ip_at(frame) + UDP_PAYLOAD_AT :]


def good_packet(dice: random.Random, count: int | None = None) -> bytes:
    """The first packet of a sender of its own, none of whose records is left out."""
    return packet_of(dice, ordinary_orders(dice, count or dice.randint(1, MAX_PACKET_RECORDS)))


def mixed_packets(dice: random.Random, count: int) -> Packets:
    """First packets of senders of their own, many with records that are left out."""
    return [
        packet_of(dice, random_orders(dice, dice.choice([1, 2, 3, 22, dice.randint(1, 22)])))
        for _ in range(count)
    ]


def barred_packets(dice: random.Random, what: str) -> Packets:
    """A record that is left out at each place of a full packet, then packets with nothing left."""
    packets = []
    for place in range(MAX_PACKET_RECORDS):
        orders = ordinary_orders(dice, MAX_PACKET_RECORDS)
        bar(dice, orders[place], what)
        packets.append(packet_of(dice, orders))
    for count in (1, 2, MAX_PACKET_RECORDS):
        orders = ordinary_orders(dice, count)
        for order in orders:
            bar(dice, order, dice.choice((what, "both")) if what == "OPERATOR" else what)
        packets.append(packet_of(dice, orders))
    return packets


def spoiled_packets(dice: random.Random, reason: str) -> Packets:
    """Packets with one thing wrong, each behind a good one; the receiver's socket takes no more
    than the largest packet."""
    packets = []
    for _ in range(8):
        frame = wrap(dice, good_packet(dice, dice.choice([1, 2, 5])), False)
        packets += [good_packet(dice), payload_of(SPOILERS[reason](dice, bytearray(frame)))]
    return packets


def numbered(dice: random.Random, sender: bytes, first_seq: int) -> bytes:
    """A packet of one order with this number, of the sender of another packet."""
    data = bytearray(packet_of(dice, ordinary_orders(dice, 1), first_seq))
    data[24:28] = sender[24:28]
    return bytes(data)


def duplicates(dice: random.Random) -> Packets:
    data = good_packet(dice)
    return [data, data]


def stale(dice: random.Random) -> Packets:
    """A gap before each packet, one more than are remembered, then the very first number."""
    sender = good_packet(dice, 1)
    later = [numbered(dice, sender, 2 * n + 2) for n in range(RANGES_MAX + 1)]
    return [*later, numbered(dice, sender, 1)]


def jump(dice: random.Random) -> Packets:
    sender = good_packet(dice, 1)
    return [sender, numbered(dice, sender, MAX_JUMP_RECORDS + 3)]


def senders(dice: random.Random) -> Packets:
    """A packet each of as many senders as are remembered, and one more."""
    data = bytearray(good_packet(dice, 1))
    packets = []
    for number in range(SENDERS_MAX + 1):
        data[24:28] = number.to_bytes(4, "little")
        packets.append(bytes(data))
    return packets


def one_participants(dice: random.Random) -> Packets:
    orders = ordinary_orders(dice, MAX_PACKET_RECORDS)
    orders["participant"] = 9
    return [packet_of(dice, orders)]


def first_packet(dice: random.Random) -> Packets:
    return [good_packet(dice)]


SOFTWARE_ONLY: dict[str, Callable[[random.Random], Packets]] = {
    "DUPLICATE_PACKETS": duplicates,
    "STALE_PACKETS": stale,
    "JUMP_PACKETS": jump,
    "SENDER_REFUSED_PACKETS": senders,
    "RATE_REFUSED_RECORDS": one_participants,
    "UNAUTHENTICATED": first_packet,
}
"""By the receiver's counter: packets that break the rule."""
OF_FRAMES = {"CUT", "HEARTBEAT_PACKETS", "OVER_LIMIT_PACKETS"}
"""What no kernel socket's packet of ours can break."""


def breaking(hardware: str, dice: random.Random) -> Packets:
    """Packets that break the rule with this counter in hardware."""
    if hardware in BARRED:
        return barred_packets(dice, hardware)
    return spoiled_packets(dice, hardware)


def same_orders(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal but for the ingress time and the sequence number, which each door writes itself."""
    plain = [orders.copy() for orders in (one, other)]
    for orders in plain:
        orders["rx_ts_ns"] = orders["seq"] = 0
    return plain[0].tobytes() == plain[1].tobytes()


def judged_packets(packets: Packets) -> tuple[np.ndarray, dict[str, int]]:
    """What ``frames.door`` says of these packets: the orders, and every count that moved."""
    judgements = [door(data) for data in packets]
    counts: dict[str, int] = {}
    for reason, _, left_out in judgements:
        for name, more in {reason: 1, **left_out}.items():
            counts[name] = counts.get(name, 0) + more
    orders = np.concatenate([judgement.orders for judgement in judgements])
    return orders, {name: count for name, count in counts.items() if count}


SHARED = [rule for rule in DOOR_RULES if rule.hardware and rule.shim.endswith("_RECORDS")]
SHARED += [
    rule
    for rule in DOOR_RULES
    if rule.hardware and Reject.__members__.get(rule.shim, 0) >= Reject.SHORT
]


def counter_of(rule: DoorRule) -> str:
    """The receiver's counter of what breaks it."""
    name = rule.shim.lower()
    return f"rejected_{name}" if rule.shim in Reject.__members__ else name


REFUSED = {counter_of(rule) for rule in DOOR_RULES if rule.shim}


def test_every_rule_of_a_software_door_is_in_the_table() -> None:
    """Each counter of what a door refuses or leaves out, and each outcome of the parser, belongs to
    one rule."""
    of_shim = [rule.shim for rule in DOOR_RULES if rule.shim and rule.shim != "DEVICE_LOST"]
    by_record = (Count.OPERATOR_RECORDS, Count.RESERVED_ID_RECORDS, Count.RATE_REFUSED_RECORDS)
    counts = [count.name for count in (*LEFT_OUT_BY_THE_SHIM, *by_record)]
    assert sorted(of_shim) == sorted([*Reject.__members__, *counts])
    of_hardware = [rule.hardware for rule in DOOR_RULES if rule.hardware]
    assert sorted(of_hardware) == sorted([*FRAME_OUTCOMES[1:], *LEFT_OUT])


def test_what_the_hardware_door_does_not_check_has_a_reason() -> None:
    """And a rule that it has needs none."""
    assert all(bool(rule.hardware) != bool(rule.why) for rule in DOOR_RULES)
    missing = {rule.shim for rule in DOOR_RULES if not rule.hardware}
    assert missing == set(SOFTWARE_ONLY) | OF_FRAMES


def test_the_benches_judge_as_the_software_receiver_does() -> None:
    """``frames.door``, by which every bench judges, and the receiver on the loopback: mixed packets
    and packets that break each rule, the same orders and the same counts."""
    dice = random.Random(1)
    names = {rule.hardware: counter_of(rule) for rule in SHARED}
    packets = mixed_packets(dice, 300)
    for rule in SHARED:
        packets += breaking(rule.hardware, dice)
    with SoftwareDoor() as software:
        orders, counts = software.give(packets)
    wanted, judged = judged_packets(packets)
    assert same_orders(orders, wanted)
    assert {name: counts[names[name]] for name in names} == {name: judged[name] for name in names}
    assert counts["records"] == len(wanted)
    assert counts["published"] == judged["NONE"]


def test_the_benches_judge_as_the_shim_does(tmp_path: Path) -> None:
    """The same of the shim in C, from frames with and without a VLAN tag."""
    needs_shim()
    dice = random.Random(2)
    packets = mixed_packets(dice, 300)
    for what in BARRED:
        packets += breaking(what, dice)
    dice.shuffle(packets)
    frames = [wrap(dice, data, dice.random() < 0.5) for data in packets]
    orders, account = through_the_shim(tmp_path, frames)
    wanted, judged = judged_packets(packets)
    assert same_orders(orders, wanted)
    assert account["operator_records"] == judged["OPERATOR"]
    assert account["reserved_id_records"] == judged["RESERVED_ID"]


def _case(
    packets: list[bytes], orders: np.ndarray, counts: dict[str, int]
) -> dict[str, list[str] | dict[str, int]]:
    orders = orders.copy()
    orders["rx_ts_ns"] = 0
    return {
        "packets": [data.hex() for data in packets],
        "orders": [order.tobytes().hex() for order in orders],
        "counts": counts,
    }


def test_both_doors_refuse_and_count_alike(tmp_path: Path) -> None:
    """Packets that break each rule that both doors have: the receiver on the loopback moves the
    counter of that rule, and the RTL hands on the same orders and moves its own by as much.  What
    the hardware door does not check it takes, as the table says."""
    cases = []
    for rule in SHARED:
        packets = breaking(rule.hardware, random.Random(rule.hardware))
        with SoftwareDoor() as software:
            orders, counts = software.give(packets)
        wanted, _ = judged_packets(packets)
        assert same_orders(orders, wanted)
        assert counts[counter_of(rule)] > 0
        refused = {name: n for name, n in counts.items() if name in REFUSED}
        assert set(refused) <= {counter_of(other) for other in SHARED}
        moved = {
            other.hardware: refused[counter_of(other)]
            for other in SHARED
            if counter_of(other) in refused
        }
        cases.append(_case(packets, wanted, {"NONE": counts["published"], **moved}))
    for name, make in SOFTWARE_ONLY.items():
        (rule,) = (one for one in DOOR_RULES if one.shim == name)
        packets = make(random.Random(name))
        sessions = Sessions([PacketSession(7, bytes(32))]) if name == "UNAUTHENTICATED" else None
        with SoftwareDoor(sessions) as software:
            if name == "RATE_REFUSED_RECORDS":
                software.receiver.allow(1)
            orders, counts = software.give(packets)
        assert counts[counter_of(rule)] > 0
        assert len(orders) < len(judged_packets(packets)[0])
        # Most senders are there only to fill the software door's table.
        shown = packets[-RANGES_MAX - 2 :]
        cases.append(_case(shown, *judged_packets(shown)))
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(cases))
    run = tmp_path / "run"
    run.mkdir()
    simulate(
        "icarus",
        "outcry_udp_parser",
        "bench_door",
        run,
        parameters={"DEPTH_LOG2": 6, "COUNTER_WIDTH": 32},
        environment={"COUNTER_WIDTH": "32", "DOOR_CASES": str(path)},
        tests=["the_hardware_door"],
    )


@pytest.mark.parametrize(
    ("simulator", "depth_log2", "counter_width"),
    [
        pytest.param("icarus", 6, 32, marks=[pytest.mark.long, pytest.mark.fpga]),
        pytest.param("icarus", 5, 3, marks=pytest.mark.long),
        pytest.param("verilator", 5, 7, marks=[pytest.mark.long, pytest.mark.fpga]),
        pytest.param("icarus", 12, 1, marks=pytest.mark.long),
    ],
)
def test_the_parser_leaves_out_what_the_software_door_leaves_out(
    simulator: str, depth_log2: int, counter_width: int, tmp_path: Path
) -> None:
    """Records of participant 0 and with reserved ids, at every place, with and without a tag; small
    counters stop at their largest value."""
    simulate(
        simulator,
        "outcry_udp_parser",
        "bench_door",
        tmp_path,
        parameters={"DEPTH_LOG2": depth_log2, "COUNTER_WIDTH": counter_width},
        environment={"COUNTER_WIDTH": str(counter_width)},
    )
