"""Every packet is accounted for: gaps, late comers, doubles, two lines of one feed, a full ring."""

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.names import LEFT_OUT
from openoutcry.dpdk_shim.ports import open_port
from openoutcry.dpdk_shim.shim import Shim, make_state, restore_senders, sender_key
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.gateway_fpga.settings import Limits, Settings
from openoutcry.ptp.page import ClockPage, Line, PageWriter
from openoutcry.ptp.ticks import ticks_now
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import ClockSource, ClockState
from openoutcry.wire.order_ids import SESSION_ORDER_IDS, VENUE_ORDER_IDS
from tests.support.dpdk_shim import shim_sequence as shared
from tests.support.dpdk_shim.shim_sequence import RANGES, numbered, through
from tests.support.dpdk_shim.shim_wire import (
    build_mold,
    drain,
    expected_records,
    frame,
    make_ring,
    packets_of,
    pcapng_block,
    random_orders,
    records_of,
    without_time,
    write_pcap,
)
from tests.support.waiting import BOUND_S

_built = shared._built


def test_more_gaps_than_are_remembered_make_stale_packets(tmp_path: Path) -> None:
    """The oldest gap is forgotten first: what would fill it is stale, what fills another is not."""
    packets = [numbered(2 * n, 1) for n in range(1, RANGES + 3)]
    ids, account = through(tmp_path, [*packets, numbered(1, 1), numbered(5, 1), numbered(2, 1)])
    assert ids == [*range(2, 2 * RANGES + 6, 2), 5][: RANGES + 3]
    assert account["stale_packets"] == 2
    assert account["late_packets"] == 1


@pytest.mark.parametrize("first", [2, 4, 7])
def test_what_filled_a_part_of_a_gap_is_a_double_when_it_comes_again(
    first: int, tmp_path: Path
) -> None:
    """At the gap's begin, in its middle and at its end: each record is published once."""
    packets = [numbered(1, 1), numbered(10, 1), numbered(first, 3)]
    again = [numbered(first + at, 1) for at in range(3)]
    ids, account = through(tmp_path, [*packets, *again])
    assert ids == [1, 10, *range(first, first + 3)]
    assert (account["late_packets"], account["duplicate_packets"]) == (1, 3)


def test_senders_are_distinguished(tmp_path: Path) -> None:
    """The same numbers from another sender, another address or another port are no doubles."""
    one = numbered(1, 2)
    frames = [frame(one), frame(numbered(1, 2, sender=8)), frame(one, ports=(5001, 9000))]
    frames += [frame(one, ip6=True), frame(one)]
    path = write_pcap(tmp_path / "in.pcap", frames)
    records, account = records_of(f"pcap:{path}")
    assert len(records) == 8
    assert account["senders"] == 4
    assert account["duplicate_packets"] == 1


def test_senders_that_differ_in_one_place_keep_their_own_sequence(tmp_path: Path) -> None:
    """By turns, each with the numbers that come next: whatever tells two senders apart, neither is
    taken for the other; one who answers from another card is the same."""
    makers: list[Callable[[bytes], bytes]] = [
        frame,
        partial(frame, ports=(5001, 9000)),
        lambda data: frame(data).replace(socket.inet_aton("10.0.0.1"), b"\0\1\x0a\0"),  # same sum
        partial(frame, macs=(b"\x02\0\0\0\0\x03", b"\x02\0\0\0\0\x02")),
    ]
    for number, maker in enumerate(makers):
        frames = []
        for first in (1, 2, 3, 4):
            frames += [frame(numbered(first, 1)), maker(numbered(first, 1))]
        frames += [frame(numbered(5, 1)), frame(numbered(6, 1)), maker(numbered(5, 1))]
        path = write_pcap(tmp_path / f"{number}.pcap", frames)
        records, account = records_of(f"pcap:{path}")
        same = number in (0, 3)
        assert account["senders"] == (1 if same else 2)
        assert records["order_id"].tolist() == (
            [1, 2, 3, 4, 5, 6] if same else [1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 5]
        )
        assert account["duplicate_packets"] == (5 if same else 0)
        assert account["unaccounted"] == 0


def test_a_port_forgets_what_it_saw_in_another_shim(tmp_path: Path) -> None:
    """One open port, two shims one after the other: the second counts in its own state."""
    path = write_pcap(tmp_path / "in.pcap", [frame(numbered(n, 1)) for n in range(1, 201)])
    with open_port(parse_port(f"pcap:{path}")) as port, make_ring() as ring:
        for published in (64, 128):
            with Shim([port], ring) as shim:
                assert shim.poll() == 64
                assert shim.account()["senders"] == 1
                assert ring.published == published


def test_the_way_back_is_that_of_the_last_packet_taken(tmp_path: Path) -> None:
    """A double from another card does not change where replies go; a packet that is taken does."""
    cards = [b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x03"]
    ours = b"\x02\0\0\0\0\x02"
    came = [(0, 1), (1, 1), (1, 2), (0, 2)]
    frames = [frame(numbered(number, 1), macs=(cards[card], ours)) for card, number in came]
    for count, card in enumerate((0, 0, 1, 1), start=1):
        path = write_pcap(tmp_path / f"{count}.pcap", frames[:count])
        state = make_state()
        with make_ring() as ring, Shim([parse_port(f"pcap:{path}")], ring, state=state) as shim:
            shim.run(timeout_s=BOUND_S)
        # Headers are kept turned round: to the card, from us.
        kept = state.tobytes()
        assert cards[card] + ours in kept
        assert cards[1 - card] + ours not in kept


@pytest.mark.promise(
    "A jump of more than 2^20 sequence numbers is rejected; no sender is forgotten: with "
    "3,072 known, further ones are rejected. Epochs of one session take no other session's "
    "place",
    group="network",
)
def test_no_flood_of_senders_makes_old_packets_new(tmp_path: Path) -> None:
    """Four thousand senders in a table of 3,072: those are heard, the others refused, and nobody is
    forgotten for them."""
    packets = [numbered(1, 1, sender=n) for n in range(4_000)]
    _, account = through(tmp_path, [*packets, *packets[:3], numbered(2, 1, sender=0)])
    assert account["senders"] == 3_072
    assert account["sender_refused_packets"] == 4_000 - 3_072
    assert account["records"] == 3_072 + 1
    assert account["duplicate_packets"] == 3
    assert account["gap_records"] == account["unaccounted"] == 0


def test_mold_is_read_with_its_heartbeats(tmp_path: Path) -> None:
    """MoldUDP64: records arrive, a heartbeat shows a gap at the end, sessions are senders."""
    orders = random_orders(50)
    packets = build_mold(orders, b"SESSION-A", 1, 7)
    heartbeat = b"SESSION-A ".ljust(10) + (60).to_bytes(8, "big") + b"\0\0"
    other = build_mold(orders[:3], b"SESSION-B", 1)
    path = write_pcap(tmp_path / "in.pcap", [frame(p) for p in [*packets, heartbeat, *other]])
    records, account = records_of(f"pcap:{path},framing=mold")
    expected = expected_records(np.concatenate([orders, orders[:3]]))
    assert without_time(records) == expected.tobytes()
    assert account["heartbeat_packets"] == 1
    assert account["gap_records"] == 60 - 51
    assert account["senders"] == 2
    assert account["unaccounted"] == 0


def test_two_lines_of_a_feed_fill_each_others_gaps(tmp_path: Path) -> None:
    """A/B: each line loses other packets and has its own addresses; every order arrives once."""
    packets = packets_of(random_orders(400), per_packet=4)
    rng = np.random.default_rng(2)
    lost_a = set(rng.choice(len(packets), 12, replace=False).tolist())
    lost_b = set(rng.choice(len(packets), 30, replace=False).tolist()) - lost_a
    lines = []
    for name, lost, ports in (("a", lost_a, (1, 9000)), ("b", lost_b, (2, 9000))):
        kept = [frame(p, ports=ports) for n, p in enumerate(packets) if n not in lost]
        lines.append(parse_port(f"pcap:{write_pcap(tmp_path / name, kept)}"))
    with make_ring() as ring, Shim(lines, ring, arbitrate=True) as shim:
        shim.run(timeout_s=BOUND_S)
        records, account = drain(ring), shim.account()
    seen = [bytes(record) for record in records["order_id"].reshape(-1, 1)]
    assert len(seen) == len(set(seen)) == 400
    assert account["records"] == 400
    assert account["gap_records"] == account["late_records"]
    doubles = 2 * len(packets) - len(lost_a) - len(lost_b) - len(packets)
    assert account["duplicate_packets"] == doubles
    assert account["unaccounted"] == 0


@pytest.mark.promise(
    "The verdicts of the C and Python gateways are the same",
    group="network",
)
def test_the_verdict_is_the_golden_models(tmp_path: Path) -> None:
    """With a rules block the records carry the verdict that the golden model gives them, rate and
    collar among it; whatever the sender wrote there is gone."""
    rng = np.random.default_rng(7)
    instruments = make_instruments(["ACME", {"symbol": "STEP", "price_step_ticks": 5}])
    settings_ = Settings(
        limits={b"ACME": Limits(1_000, 500, 10**9)},
        rate_interval_ns=1_000,
        rate_burst_ns=20_000,
        check_participants=True,
        participants_on=frozenset(range(0, 1024, 3)),
    )
    orders = random_orders(2_000, 5)
    orders["symbol"] = rng.choice([b"ACME", b"STEP", b"NONE"], 2_000)
    for name, high in (("kind", 11), ("side", 4), ("order_type", 18), ("time_in_force", 9)):
        orders[name] = rng.integers(0, high, 2_000)
    orders["price_ticks"] = rng.integers(-5, 1_200, 2_000)
    orders["qty_lots"] = rng.integers(-5, 10**7, 2_000)
    orders["participant"] = rng.integers(1, 30, 2_000)
    path = write_pcap(tmp_path / "in.pcap", [frame(p) for p in packets_of(orders)])
    rules = make_rules(instruments, settings_)
    with make_ring() as ring, Shim([parse_port(f"pcap:{path}")], ring, rules=rules) as shim:
        shim.run(timeout_s=BOUND_S)
        records = drain(ring)
    expected = records.copy()
    expected["error_code"] = 0xFFFF
    validate_orders(expected, make_rules(instruments, settings_))
    assert records["error_code"].tolist() == expected["error_code"].tolist()
    assert 0 < (records["error_code"] == 0).sum() < 2_000


def test_a_full_ring_leaves_packets_in_the_device(tmp_path: Path) -> None:
    """Without a reader the shim stops at the ring's end, takes no packet half, and goes on when
    there is room."""
    orders = random_orders(500)
    path = write_pcap(tmp_path / "in.pcap", [frame(p) for p in packets_of(orders)])
    with make_ring(64) as ring, Shim([parse_port(f"pcap:{path}")], ring) as shim:
        got: list[np.ndarray] = []
        while sum(map(len, got)) < 500:
            shim.run(timeout_s=0.01)
            assert ring.published - int(ring.cursors["reader"][0]) <= 64
            got.append(drain(ring))
        account = shim.account()
    assert without_time(np.concatenate(got)) == expected_records(orders).tobytes()
    assert account["no_room_polls"] > 0
    assert account["unaccounted"] == 0


def test_what_comes_after_the_limit_is_counted(tmp_path: Path) -> None:
    """Asked for 7 records, 7 are published: of a packet of 5 two, the rest is counted; the packets
    behind are left in the device."""
    orders = random_orders(50)
    path = write_pcap(tmp_path / "in.pcap", [frame(p) for p in packets_of(orders)])
    with make_ring() as ring, Shim([parse_port(f"pcap:{path}")], ring) as shim:
        assert (shim.poll(7), shim.poll(2)) == (5, 2)
        assert without_time(drain(ring)) == expected_records(orders[:7]).tobytes()
        account = shim.account()
    assert account["over_limit_records"] == 3
    assert account["packets"] == 2
    assert account["unaccounted"] == 0


def test_the_sum_is_the_sum() -> None:
    """Every way not to publish a packet is in the identity, and no other counter."""
    state = make_state()
    for count in LEFT_OUT:
        state[count] = 1
    state[40 + 3] = 2
    state[0] = len(LEFT_OUT) + 2 + 7
    state[2] = 6
    from openoutcry.dpdk_shim.shim import total_counters, unaccounted

    assert unaccounted(total_counters(state)) == 1


def unstamped(path: Path, frames: list[bytes]) -> Path:
    """A pcapng of simple packet blocks, which have no time."""
    section = pcapng_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    parts = [section, pcapng_block(1, struct.pack("<HHI", 1, 0, 0))]
    parts += [pcapng_block(3, struct.pack("<I", len(data)) + data) for data in frames]
    path.write_bytes(b"".join(parts))
    return path


def test_a_packet_without_a_stamp_is_stamped_by_the_clock_page(tmp_path: Path) -> None:
    """By the page's interval while its daemon lives, by the host's clock afterwards; both are
    counted."""
    orders = random_orders(10)
    port = parse_port(f"pcap:{unstamped(tmp_path / 'x', [frame(p) for p in packets_of(orders)])}")
    year_2100_ns, one_ns_a_tick = 4_102_444_800_000_000_000, 1 << 48
    line = Line(
        ticks_now(),
        year_2100_ns,
        one_ns_a_tick,
        1_000,
        0,
        600_000,
        37,
        ClockState.LOCKED,
        ClockSource.LINUXPTP,
    )
    with make_ring() as ring:
        writer = PageWriter()
        try:
            writer.publish(line)
            page = ClockPage.open(writer.name)
            with Shim([port], ring, clock_page=page.address) as shim:
                shim.run(timeout_s=BOUND_S)
                assert shim.account()["clock_page_times"] == 2
            apart_ns = drain(ring)["rx_ts_ns"] - (year_2100_ns - 37_000_000_000)
            assert (apart_ns >= 0).all()
            assert (apart_ns < 600_000_000_000).all()
        finally:
            writer.close()
        with Shim([port], ring, clock_page=page.address) as shim:
            shim.run(timeout_s=BOUND_S)
            assert shim.account()["host_times"] == 2
        assert (abs(drain(ring)["rx_ts_ns"] - time.time_ns()) < 600_000_000_000).all()


@pytest.mark.promise(
    "No network speaks as the exchange operator (participant 0): such records are left out "
    "and counted. One that names an order id allocated by the venue is rejected with "
    "`NOT_OWNER`",
    group="network",
)
def test_the_exchange_operator_speaks_by_no_network(tmp_path: Path) -> None:
    """A record of participant 0 is left out and counted, in a frame alike the one before too; the
    others of its packet are handed on."""
    orders = np.zeros(12, ORDER_DTYPE)
    orders["order_id"] = np.arange(1, 13)
    orders["participant"] = [1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0]
    ids, account = through(tmp_path, build_packets(orders, 9, 1, 0, 2))
    assert ids == [1, 2, 3, 4, 5, 8, 9]
    assert account["operator_records"] == 5
    assert account["records"] == 7
    assert account["published"] == account["packets"] == 6
    assert account["unaccounted"] == 0


@pytest.mark.promise(
    "No network speaks as the exchange operator (participant 0): such records are left out "
    "and counted. One that names an order id allocated by the venue is rejected with "
    "`NOT_OWNER`",
    group="network",
)
def test_ids_that_the_venue_allocates_are_refused(tmp_path: Path) -> None:
    """A record with an id of the venue's or of a session's is left out and counted, in a frame
    alike the one before too; the others of its packet are handed on."""
    orders = np.zeros(12, ORDER_DTYPE)
    orders["participant"] = 1
    orders["order_id"] = np.arange(1, 13)
    orders["order_id"][[5, 6, 9, 11]] = (
        VENUE_ORDER_IDS,
        SESSION_ORDER_IDS - 1,
        SESSION_ORDER_IDS,
        2**63 - 1,
    )
    orders["order_id"][[10, 8]] = -1, VENUE_ORDER_IDS - 1
    ids, account = through(tmp_path, build_packets(orders, 9, 1, 0, 2))
    assert ids == [1, 2, 3, 4, 5, 8, VENUE_ORDER_IDS - 1, -1]
    assert account["reserved_id_records"] == 4
    assert account["records"] == 8
    assert account["published"] == account["packets"] == 6
    assert account["unaccounted"] == 0


def test_a_jump_beyond_the_bound_changes_nothing(tmp_path: Path) -> None:
    """A forged sequence number far ahead is refused, and its sender heard as before."""
    far = [numbered(2**61, 1), numbered(2**20 + 10, 1)]
    ids, account = through(tmp_path, [*far, numbered(1, 1), *far, numbered(2, 1)])
    assert ids == [1, 2]
    assert account["jump_packets"] == 4
    assert account["gap_records"] == account["unaccounted"] == 0


def known_senders(state: np.ndarray) -> list[tuple[int, int, int, int]]:
    senders = []
    for index in range(4_096):
        with suppress(ValueError):
            senders.append(sender_key(state, index))
    return senders


def test_what_a_journal_knows_of_a_sender_is_given_back(tmp_path: Path) -> None:
    """A fresh state, told what an earlier run has taken: only what was missing is handed on."""
    packets = [frame(numbered(n, 1)) for n in range(1, 11)]
    first = write_pcap(tmp_path / "first.pcap", packets[:1])
    every = write_pcap(tmp_path / "all.pcap", packets)
    state = make_state()
    with make_ring() as ring, Shim([parse_port(f"pcap:{first}")], ring, state=state) as shim:
        shim.run(timeout_s=BOUND_S)
    (key,) = known_senders(state)
    again = make_state()
    restore_senders(again, {key: (7, 3, [(4, 5)])})
    with make_ring() as ring, Shim([parse_port(f"pcap:{every}")], ring, state=again) as shim:
        shim.run(timeout_s=BOUND_S)
        account = shim.account()
        (published,) = ring.views(1, ring.published)
        assert published["order_id"].tolist() == [4, 5, 7, 8, 9, 10]
    assert account["stale_packets"] == 2
    assert account["duplicate_packets"] == 2
    assert account["late_packets"] == 2


def test_the_sender_of_each_command_is_stored_with_it(tmp_path: Path) -> None:
    """By the ring's sequence: sender and his own number, by the fast way and by the whole parse."""
    parts = [numbered(1, 2), numbered(3, 2), numbered(5, 2), numbered(1, 1, sender=8)]
    path = write_pcap(tmp_path / "in.pcap", [frame(data) for data in parts])
    stamps, origins = np.zeros((2, 64), np.int64), np.zeros((2, 64), np.int64)
    state = make_state()
    with (
        make_ring() as ring,
        Shim(
            [parse_port(f"pcap:{path}")],
            ring,
            state=state,
            stamps=(stamps[0].ctypes.data, stamps[1].ctypes.data, 63),
            origins=(origins[0].ctypes.data, origins[1].ctypes.data, 63),
        ) as shim,
    ):
        shim.run(timeout_s=BOUND_S)
    assert origins[1][1:8].tolist() == [1, 2, 3, 4, 5, 6, 1]
    senders = [sender_key(state, int(index) - 1) for index in origins[0][1:8]]
    assert len(set(senders[:6])) == 1
    assert senders[6][0] & 0xFFFFFFFF == 8
    assert senders[0][0] & 0xFFFFFFFF == 9
