"""The same packets through every way into the machine give the same bytes in the ring."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.dpdk_shim import eal
from openoutcry.dpdk_shim.native import NotBuilt
from openoutcry.dpdk_shim.ports import (
    SO_TIMESTAMPING,
    TIMESTAMPING_RX_SOFTWARE,
    TIMESTAMPING_SOFTWARE,
    hardware_address_of,
    open_port,
    prepare,
)
from openoutcry.dpdk_shim.sender import PortSender
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import PortError, parse_port
from tests.support.dpdk_shim import shim_paths as shared
from tests.support.dpdk_shim.shim_paths import (
    EXPECTED,
    ORDERS,
    PACKETS,
    assert_stamped,
    assert_whole,
    mixed_frames,
)
from tests.support.dpdk_shim.shim_wire import (
    UDP_PORT,
    drain,
    enter_namespace,
    in_namespace,
    ip,
    make_ring,
    needs_shim,
    raw_socket,
    without_time,
    write_pcap,
)
from tests.support.ring.ring_processes import Children
from tests.support.waiting import BOUND_S, wait_until

_built = shared._built


@pytest.fixture
def kernel_stamps() -> Iterator[None]:
    """Packets are stamped by the kernel.  It begins to in a work queue, some time after the first
    socket asks for it, and goes on as long as one is open that does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        flags = TIMESTAMPING_RX_SOFTWARE | TIMESTAMPING_SOFTWARE
        own.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, flags)

        def stamped() -> bool:
            own.sendto(b"?", own.getsockname())
            return bool(own.recvmsg(1, 256)[1])

        wait_until(stamped)
        yield


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.usefixtures("kernel_stamps")
def test_a_kernel_socket(host: str) -> None:
    """recvmmsg, IPv4 and IPv6, with the kernel's time stamps."""
    spec = parse_port(f"udp:{host}:0")
    bound = prepare(spec)
    assert bound is not None
    with (
        socket.socket(bound.family, socket.SOCK_DGRAM) as client,
        make_ring() as ring,
        bound,
        open_port(spec, bound) as port,
        Shim([port], ring) as shim,
    ):
        before_ns = time.time_ns()
        for data in PACKETS:
            client.sendto(data, bound.getsockname())
        shim.run(len(ORDERS), timeout_s=BOUND_S)
        records, account = drain(ring), shim.account()
    assert_whole(account)
    assert account["kernel_times"] == len(PACKETS)
    assert_stamped(account, "udp")
    assert without_time(records) == EXPECTED
    assert (np.abs(records["rx_ts_ns"] - before_ns) < 10_000_000_000).all()


def over_the_cable(text: str) -> Callable[[], dict[str, Any]]:
    """Send raw frames on va while the port on vb receives; runs in a namespace."""

    def work() -> dict[str, Any]:
        macs = hardware_address_of("va"), hardware_address_of("vb")
        frames = mixed_frames(macs)
        with (
            raw_socket("va") as cable,
            make_ring() as ring,
            Shim([parse_port(text)], ring) as shim,
        ):
            sender = threading.Thread(target=_send_slowly, args=(cable, frames))
            sender.start()
            shim.run(len(ORDERS), timeout_s=BOUND_S)
            sender.join()
            records = without_time(drain(ring))
            return {"equal": records == EXPECTED, "account": shim.account()}

    return work


def _send_slowly(cable: socket.socket, frames: list[bytes]) -> None:
    time.sleep(0.3)
    for at, data in enumerate(frames):
        cable.send(data)
        if at % 16 == 15:
            time.sleep(0.001)


@pytest.mark.parametrize("text", ["packet:vb", f"packet:vb,udp_port={UDP_PORT}", "xdp:vb:0"])
def test_a_cable_between_two_interfaces(text: str) -> None:
    """TPACKET_V3 and AF_XDP on one end of a veth pair, raw frames from the other."""
    outcome = in_namespace(over_the_cable(text))
    assert outcome["equal"], outcome["account"]
    assert_whole(outcome["account"])
    assert_stamped(outcome["account"], text.partition(":")[0])


@pytest.mark.parametrize(
    "device",
    [
        "net_af_packet,iface=vb,blocksz=4096,framesz=2048",
        "net_af_xdp,iface=vb,busy_budget=0",
        "net_pcap,iface=vb",
    ],
)
def test_dpdk_on_a_cable(device: str) -> None:
    """DPDK's own drivers for kernel interfaces."""
    needs_shim(dpdk=True)
    outcome = in_namespace(over_the_cable(f"dpdk:{device}"))
    assert outcome["equal"], outcome["account"]
    assert outcome["account"]["records"] == len(ORDERS)
    assert outcome["account"]["unaccounted"] == 0
    assert_stamped(outcome["account"], "dpdk")


def test_dpdk_tap() -> None:
    """net_tap: what the kernel sends into the tap interface comes out of the port."""
    needs_shim(dpdk=True)

    def work() -> dict[str, Any]:
        with make_ring() as ring, Shim([parse_port("dpdk:net_tap0,iface=tap9")], ring) as shim:
            ip("link set tap9 up")
            with raw_socket("tap9") as cable:
                sender = threading.Thread(target=_send_slowly, args=(cable, mixed_frames()))
                sender.start()
                shim.run(len(ORDERS), timeout_s=BOUND_S)
                sender.join()
            return {"equal": without_time(drain(ring)) == EXPECTED, "account": shim.account()}

    outcome = in_namespace(work)
    assert outcome["equal"], outcome["account"]
    assert outcome["account"]["unaccounted"] == 0


def in_child(work: Callable[[], None]) -> None:
    """DPDK is started once a process, so each test that needs it has one of its own."""
    with Children() as children:
        children.join([children.fork(work)])


def test_dpdk_capture_and_ring(tmp_path: Path) -> None:
    """net_pcap gives the capture's own times; net_ring gives back what was sent into it; several
    ports one after the other in one process leave nothing in each other's way."""
    needs_shim(dpdk=True)
    path = write_pcap(tmp_path / "day.pcap", mixed_frames())

    def work() -> None:
        with make_ring() as ring:
            for _ in range(2):
                with Shim([parse_port(f"dpdk:net_pcap,rx_pcap={path}")], ring) as shim:
                    shim.run(len(ORDERS), timeout_s=BOUND_S)
                    records = drain(ring)
                    assert_whole(shim.account())
                records["seq"] = np.arange(1, 1 + len(records))
                assert without_time(records) == EXPECTED
                assert records["rx_ts_ns"][0] == 1_700_000_000_000_000_000
        text = "dpdk:net_ring,to=10.0.0.2:9000,source=10.0.0.1:7"
        with make_ring() as ring, Shim([parse_port(text)], ring) as shim:
            sender = PortSender(shim.ports[0])
            for data in PACKETS:
                assert sender.send(data)
                sender.flush()
            shim.run(len(ORDERS), timeout_s=BOUND_S)
            assert without_time(drain(ring)) == EXPECTED
            assert_whole(shim.account())

    in_child(work)


def test_memif_between_two_processes(tmp_path: Path) -> None:
    """One process sends by memif, the other receives; each has its own EAL."""
    needs_shim(dpdk=True)
    device = f"dpdk:net_memif,socket={tmp_path}/memif.sock,socket-abstract=no,id=1"

    def send() -> None:
        text = f"{device},role=client,to=10.0.0.2:9000,source=10.0.0.1:7"
        wait_until(lambda: (tmp_path / "memif.sock").exists())
        with open_port(parse_port(text)) as port:
            sender = PortSender(port)
            for data in PACKETS:
                # Until the other side is there, and while its queue is full, nothing is taken.
                while True:
                    before = sender.not_sent
                    sender.send(data)
                    sender.flush()
                    if sender.not_sent == before:
                        break
                    time.sleep(0.001)
            wait_until(lambda: (tmp_path / "done").exists())

    def receive() -> None:
        with make_ring() as ring, Shim([parse_port(f"{device},role=server")], ring) as shim:
            shim.run(len(ORDERS), timeout_s=BOUND_S)
            assert without_time(drain(ring)) == EXPECTED
            assert_whole(shim.account())
        (tmp_path / "done").touch()

    with Children() as children:
        children.join([children.fork(receive), children.fork(send)])


def test_dpdk_refuses_by_name(tmp_path: Path) -> None:
    """A device that DPDK does not know, a card after virtual devices, a missing file: each is a
    sentence; and the cores of the calling thread stay its own."""
    needs_shim(dpdk=True)

    def work() -> None:
        cores = os.sched_getaffinity(0)
        for text, word in (
            ("dpdk:net_nosuch0", "net_nosuch0"),
            (f"dpdk:net_pcap,rx_pcap={tmp_path}/none.pcap", "net_pcap"),
            ("dpdk:0000:99:00.0", "name the card first"),
        ):
            with pytest.raises(PortError, match=word):
                open_port(parse_port(text))
        assert os.sched_getaffinity(0) == cores

    in_child(work)


def test_no_files_are_left() -> None:
    """After a process with open ports of all kinds was killed: no interface, no huge page, no file
    of DPDK, no XDP program, no segment."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    dpdk_files = Path("/var/run/dpdk")

    def traces() -> tuple[Any, ...]:
        files = sorted(str(p) for p in dpdk_files.rglob("*")) if dpdk_files.exists() else []
        return files, eal.huge_pages(), sorted(name for _, name in socket.if_nameindex())

    def die() -> None:
        enter_namespace()
        ports = [open_port(parse_port(text)) for text in ("packet:vb", "xdp:vb:0")]
        with suppress(NotBuilt):
            ports.append(open_port(parse_port("dpdk:net_ring0")))
        assert ports
        os.kill(os.getpid(), signal.SIGKILL)

    before = traces()
    with Children() as children:
        pid = children.fork(die)
        assert children.reap(pid) == -signal.SIGKILL
    assert traces() == before
    assert [name for name in os.listdir("/dev/shm") if f".{pid}." in name] == []
