"""The software doors and the hardware door: the same rules, the same orders, the same counts."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim.names import LEFT_OUT as LEFT_OUT_BY_THE_SHIM
from openoutcry.dpdk_shim.names import Count, Reject
from openoutcry.dpdk_shim.receive_window import Counter
from openoutcry.gateway_fpga.door_rules import DOOR_RULES, SYSTEM
from openoutcry.wire.registers import FRAME_OUTCOMES, LEFT_OUT
from tests.support.dpdk_shim.shim_wire import needs_shim
from tests.support.gateway_fpga.door import (
    SOFTWARE_ONLY,
    SoftwareDoor,
    breaking,
    judged_packets,
    mixed_packets,
    same_orders,
    through_the_shim,
)
from tests.support.gateway_fpga.frames import BARRED, wrap
from tests.support.gateway_fpga.simulate import simulate

NO_RULES = {
    "packets", "bytes", "parsed", "records", "empty_polls", "gap_records", "late_packets",
    "late_records", "senders", "refusal_packets", "refusal_untold_events", "reply_packets",
    "reply_events", "no_peer_events", "send_failed_packets", "send_failed_events",
}  # fmt: skip
"""Counters of the software receiver that count nothing that is refused or left out: what came,
what is missing, and the replies."""
SHARED = [rule for rule in DOOR_RULES if rule.hardware and rule.udp.endswith(("_records",))]
SHARED += [rule for rule in DOOR_RULES if rule.hardware and rule.udp.startswith("error_")]


def test_every_rule_of_a_software_door_is_in_the_table() -> None:
    """Each counter of what a door refuses or leaves out, and each outcome of the parser, belongs to
    one rule."""
    of_udp = [rule.udp for rule in DOOR_RULES if rule.udp not in ("", SYSTEM, "system_drops")]
    assert sorted(of_udp) == sorted({counter.name.lower() for counter in Counter} - NO_RULES)
    of_shim = [rule.shim for rule in DOOR_RULES if rule.shim and rule.shim != "DEVICE_LOST"]
    by_record = (Count.OPERATOR_RECORDS, Count.RESERVED_ID_RECORDS, Count.RATE_REFUSED_RECORDS)
    counts = [count.name for count in (*LEFT_OUT_BY_THE_SHIM, *by_record)]
    assert sorted(of_shim) == sorted([*Reject.__members__, *counts])
    of_hardware = [rule.hardware for rule in DOOR_RULES if rule.hardware]
    assert sorted(of_hardware) == sorted([*FRAME_OUTCOMES[1:], *LEFT_OUT])


def test_what_the_hardware_door_does_not_check_has_a_reason() -> None:
    """And a rule that it has needs none."""
    assert all(bool(rule.hardware) != bool(rule.why) for rule in DOOR_RULES)
    missing = {rule.udp for rule in DOOR_RULES if rule.udp and not rule.hardware}
    assert missing == set(SOFTWARE_ONLY)


def test_the_benches_judge_as_the_software_receiver_does() -> None:
    """``frames.door``, by which every bench judges, and the receiver on the loopback: mixed packets
    and packets that break each rule, the same orders and the same counts."""
    dice = random.Random(1)
    names = {rule.hardware: rule.udp for rule in SHARED}
    packets = mixed_packets(dice, 300)
    for rule in SHARED:
        packets += breaking(rule.hardware, dice)
    with SoftwareDoor() as software:
        orders, counts = software.give(packets)
    wanted, judged = judged_packets(packets)
    assert same_orders(orders, wanted)
    assert {name: counts[names[name]] for name in names} == {name: judged[name] for name in names}
    assert counts["records"] == len(wanted)
    assert counts["parsed"] == judged["NONE"]


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
        assert counts[rule.udp] > 0
        refused = {name: n for name, n in counts.items() if name not in NO_RULES}
        assert set(refused) <= {other.udp for other in SHARED}
        moved = {other.hardware: refused[other.udp] for other in SHARED if other.udp in refused}
        cases.append(_case(packets, orders, {"NONE": counts["parsed"], **moved}))
    for counter, (prepare, make) in SOFTWARE_ONLY.items():
        packets = make(random.Random(counter))
        with SoftwareDoor(prepare) if prepare else SoftwareDoor() as software:
            orders, counts = software.give(packets)
        assert counts[counter] > 0
        wanted, judged = judged_packets(packets)
        assert len(orders) < len(wanted)
        cases.append(_case(packets, wanted, judged))
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(cases))
    run = tmp_path / "run"
    run.mkdir()
    simulate(
        "icarus", "outcry_udp_parser", "bench_door", run,
        parameters={"DEPTH_LOG2": 6, "COUNTER_WIDTH": 32},
        environment={"COUNTER_WIDTH": "32", "DOOR_CASES": str(path)},
        tests=["the_hardware_door"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("simulator", "depth_log2", "counter_width"),
    [
        ("icarus", 6, 32),
        ("icarus", 5, 3),
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
        simulator, "outcry_udp_parser", "bench_door", tmp_path,
        parameters={"DEPTH_LOG2": depth_log2, "COUNTER_WIDTH": counter_width},
        environment={"COUNTER_WIDTH": str(counter_width)},
    )  # fmt: skip
