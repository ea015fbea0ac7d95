"""A venue's authenticated packets over every device: the same orders, events and hashes, whatever
is replayed, forged, restarted or killed meanwhile."""

import os
import signal
import struct
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim.authentication import seal
from openoutcry.dpdk_shim.ports import hardware_address_of
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of
from openoutcry.pipeline.top import RunningPipeline
from openoutcry.wire.enums import EventKind, Reason, TimeInForce
from openoutcry.wire.order_ids import SESSION_ORDER_IDS
from tests.support.dpdk_shim.shim_wire import UDP_PORT, checksum, in_namespace, ip, needs_shim
from tests.support.processes import published_pipeline
from tests.support.venue.frame_client import FrameClient
from tests.support.venue.served_venue import KEY, SEALED, ServedVenue, orders
from tests.support.waiting import wait_until

SECRET = bytes.fromhex(KEY)
KERNEL_SOCKET = f"udp:10.0.0.2:{UDP_PORT}"
DEVICES = {
    "packet": f"packet:vb,udp_port={UDP_PORT}",
    "xdp": f"xdp:vb:0,udp_port={UDP_PORT}",
    "dpdk-af-packet": f"dpdk:net_af_packet,iface=vb,blocksz=4096,framesz=2048,udp_port={UDP_PORT}",
    "dpdk-af-xdp": f"dpdk:net_af_xdp,iface=vb,busy_budget=0,udp_port={UDP_PORT}",
    "dpdk-pcap": f"dpdk:net_pcap,iface=vb,udp_port={UDP_PORT}",
}


def batch(first_id: int, count: int = 5) -> np.ndarray:
    """Bids in the name of another participant, each at its own price."""
    rows = orders(first_id, count, TimeInForce.GTC, 100 * first_id)
    rows["participant"] = 99
    return rows


def kill_receive(venue: ServedVenue) -> None:
    """SIGKILL the process that has the device; another one takes its place."""
    assert venue.process is not None
    pipeline = published_pipeline(venue.process.pid)
    assert pipeline is not None

    def receive(pipeline: RunningPipeline) -> dict[str, Any]:
        rows = pipeline.view(pipeline.positions(), 1)["stages"]
        return next(row for row in rows if row["name"] == "receive")

    pid = receive(pipeline)["pid"]
    os.kill(pid, signal.SIGKILL)

    def restarted() -> bool:
        row = receive(pipeline)
        return bool(row["alive"]) and row["pid"] != pid

    wait_until(restarted, "receive is restarted")


def forgeries(client: FrameClient) -> list[bytes]:
    """What only looks like the session's."""
    good = client.packet(batch(9_000, 1))
    client.next -= 1
    wrong_tag = good[:-1] + bytes([good[-1] ^ 1])
    plain = good[:-24]
    other_key, old = seal(bytes(32), plain, client.epoch), seal(SECRET, plain, client.epoch - 1)
    return [wrong_tag, plain, other_key, old, good[:-8], b"", plain[:40]]


IP_AT, UDP_AT = 14, 34


def changed(data: bytes, at: int, form: str, value: int) -> bytes:
    """The frame with one field of its headers changed, and the header's checksum right again."""
    out = bytearray(data)
    struct.pack_into(form, out, at, value)
    struct.pack_into(">H", out, IP_AT + 10, 0)
    struct.pack_into(">H", out, IP_AT + 10, checksum(bytes(out[IP_AT:UDP_AT])))
    return bytes(out)


def broken_frames(client: FrameClient) -> list[bytes]:
    """What no device may take, although what is in it is the session's next packet with the right
    seal: fragments, lengths that lie, other protocols, and frames that are cut."""
    inner = client.packet(batch(9_500, 1))
    client.next -= 1
    good = client.frame(inner)
    size = len(good) - IP_AT
    fields = [
        (IP_AT, ">B", 0x44), (IP_AT, ">B", 0x4F), (IP_AT, ">B", 0x65), (IP_AT, ">B", 0x05),
        (IP_AT + 2, ">H", size + 1), (IP_AT + 2, ">H", 0xFFFF), (IP_AT + 2, ">H", 27),
        (IP_AT + 2, ">H", 0), (IP_AT + 6, ">H", 0x2000), (IP_AT + 6, ">H", 0x0001),
        (IP_AT + 6, ">H", 0x1FFF), (IP_AT + 9, ">B", 6), (IP_AT + 9, ">B", 0),
        (UDP_AT + 2, ">H", UDP_PORT + 1), (UDP_AT + 4, ">H", 7), (UDP_AT + 4, ">H", 0xFFFF),
        (12, ">H", 0x86DD), (12, ">H", 0x0806), (12, ">H", 0x88A8), (12, ">H", 0x0600),
    ]  # fmt: skip
    cut = [good[:at] for at in (14, 15, 20, 33, 34, 41, 42, 60, len(good) - 1)]
    return [changed(good, *field) for field in fields] + cut


def day(device: str) -> Callable[[], dict[str, Any]]:
    """A venue's day on one end of a cable, a session's client on the other."""

    def work() -> dict[str, Any]:
        # So that the kernel's own socket can answer as well.
        ip("addr add 10.0.0.2/24 dev vb")
        ip(f"neigh add 10.0.0.1 lladdr {hardware_address_of('va').hex(':')} dev vb")
        with tempfile.TemporaryDirectory() as folder:
            return trading_day(Path(folder), device)

    return work


def trading_day(folder: Path, device: str) -> dict[str, Any]:
    text = SEALED.replace('address = "127.0.0.1:{port}"', f'device = "{device}"')
    venue = ServedVenue(folder, "2026-11-23T10:00", text)
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    first = FrameClient(SECRET, epoch=5)
    reserved = batch(40, 2)
    reserved["order_id"][1] = SESSION_ORDER_IDS + 7
    heard = [first.trade(batch(1)), first.trade(batch(10, 22)), first.trade(reserved)]
    for data in [*first.sent, *forgeries(first), *first.sent]:
        first.put(data)
    for data in broken_frames(first):
        first.put_raw(data)
    heard.append(first.trade(batch(50)))
    kill_receive(venue)
    heard.append(first.trade(batch(60)))
    for data in [*first.sent, *forgeries(first)]:
        first.put(data)
    heard.append(first.trade(batch(70)))
    venue.kill()
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    for data in first.sent:
        first.put(data)
    # The client too is started again, elsewhere, and counts from 1.
    second = FrameClient(SECRET, epoch=6, port=5_001)
    heard.append(second.trade(batch(80)))
    for data in [*first.sent, *second.sent, *forgeries(first)]:
        second.put(data)
    heard.append(second.trade(batch(90)))
    last = venue.stop()["last_run"]
    first.close()
    second.close()
    answers = np.concatenate(heard)
    batches = list(events_of(JournalReader(venue.journal)))
    commands = np.concatenate([np.array(one.commands) for one in batches])
    commands["rx_ts_ns"] = 0
    events = b"".join(np.array(one.events).tobytes() for one in batches)
    account = last["packets"]
    return {
        "ids": commands["order_id"][commands["participant"] == 1].tolist(),
        "participants": sorted(set(commands["participant"].tolist())),
        "commands": sha256(commands.tobytes()).hexdigest(),
        "events": sha256(events).hexdigest(),
        "answers": [[int(row[name]) for name in ("order_id", "kind", "reason")] for row in answers],
        "state_hash": last["state_hash"],
        "lost": [last["lost"], last["duplicated"]],
        "counts": {
            name: account[name]
            for name in (
                "records",
                "records_uncounted",
                "records_not_sequenced",
                "rejected_unauthenticated",
                "unaccounted",
            )
        },
    }


@pytest.fixture(scope="module")
def kernel_socket() -> dict[str, Any]:
    """What a kernel socket gives."""
    needs_shim()
    return dict(in_namespace(day(KERNEL_SOCKET)))


def test_a_kernel_socket_takes_what_is_the_sessions_once(kernel_socket: dict[str, Any]) -> None:
    ids = [
        *range(1, 6),
        *range(10, 32),
        40,
        *range(50, 55),
        *range(60, 65),
        *range(70, 75),
        *range(80, 85),
        *range(90, 95),
    ]
    assert kernel_socket["ids"] == ids
    assert set(kernel_socket["participants"]) == {0, 1}
    answers = kernel_socket["answers"]
    assert [row[0] for row in answers if row[1] == EventKind.ACCEPTED] == ids
    refused = [row for row in answers if row[1] == EventKind.REJECTED]
    assert refused == [[SESSION_ORDER_IDS + 7, EventKind.REJECTED, Reason.NOT_OWNER]]
    assert kernel_socket["lost"] == [0, 0]
    counts = kernel_socket["counts"]
    # The operator's commands of that day are no records of the port's.
    assert counts["records_uncounted"] == counts["records_not_sequenced"] == 0
    assert counts["unaccounted"] == 0
    assert counts["records"] == 10
    # What came before the client began its second life is the session's own, but twice.
    assert counts["rejected_unauthenticated"] == 7 + 6


@pytest.mark.promise(
    "Authenticated packets of a venue: no bit can be changed, and only a holder of the key trades"
    " and reads replies. None is accepted twice or from an earlier epoch, also after a crash",
    group="network",
)
@pytest.mark.parametrize(
    "device",
    [
        pytest.param(name, marks=() if name in ("packet", "dpdk-af-packet") else pytest.mark.long)
        for name in DEVICES
    ],
)
def test_every_device_gives_the_same(device: str, kernel_socket: dict[str, Any]) -> None:
    needs_shim(dpdk=device.startswith("dpdk"))
    assert dict(in_namespace(day(DEVICES[device]))) == kernel_socket
