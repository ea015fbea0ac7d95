"""What happens to a network device under a port: each event, each driver, in a run and in a venue.

docs/shim.md has the table.  An event that the device survives costs the packets of that time; one
that it does not survive ends a run, and a venue waits for the device.
"""

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from openoutcry.dpdk_shim.ports import hardware_address_of
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.dpdk_shim.spec import PortError, parse_port
from tests import ROOT
from tests.support.dpdk_shim.shim_wire import (
    frame,
    in_namespace,
    ip,
    make_ring,
    needs_shim,
    packets_of,
    random_orders,
    raw_socket,
    sends,
)
from tests.support.pipeline import warm_outcry
from tests.support.venue.served_venue import VENUE
from tests.support.waiting import BOUND_S, wait_until

UP, DOWN, GONE, QUIET = 0, errno.ENETDOWN, errno.ENODEV, -1
"""What a port reports.  QUIET: nothing, and no packet comes."""
PACKET, XDP, UDP = "packet:vb", "xdp:vb:0", "udp:0.0.0.0:9000"
DPDK = "dpdk:net_af_packet,iface=vb,blocksz=4096,framesz=2048"
PORTS = PACKET, XDP, UDP, DPDK
ADDRESS = "addr add 10.0.0.2/24 dev vb"
REMADE = "link add va type veth peer name vb", "link set va up", "link set vb up", ADDRESS


def commands(*lines: str) -> Callable[[], None]:
    def run() -> None:
        for line in lines:
            ip(line)

    return run


EVENTS: dict[str, list[tuple[Callable[[], None], tuple[int, int, int, int]]]] = {
    "down and up": [
        (commands("link set vb down"), (DOWN, DOWN, QUIET, QUIET)),
        (commands("link set vb up"), (UP, UP, UP, UP)),
    ],
    "the other end down and up": [
        (commands("link set va down"), (DOWN, DOWN, QUIET, QUIET)),
        (commands("link set va up"), (UP, UP, UP, UP)),
    ],
    "renamed": [
        (commands("link set vb down", "link set vb name vx"), (DOWN, DOWN, QUIET, QUIET)),
        (commands("link set vx up"), (UP, UP, UP, UP)),
    ],
    "deleted and made again": [
        (commands("link delete va"), (GONE, GONE, QUIET, QUIET)),
        (commands(*REMADE), (UP, GONE, UP, QUIET)),
    ],
    "moved to another namespace": [
        (commands("netns add away", "link set vb netns away"), (GONE, GONE, QUIET, QUIET)),
    ],
    "another address": [
        (commands("link set vb address 02:00:00:00:00:99"), (UP, UP, UP, UP)),
    ],
    "another IPv4 address": [
        (commands("addr add 10.0.9.9/24 dev vb", "addr flush to 10.0.0.0/24"), (UP, UP, QUIET, UP)),
        (commands(ADDRESS), (UP, UP, UP, UP)),
    ],
    "another MTU": [(commands("link set vb mtu 1400"), (UP, UP, UP, UP))],
    "queues of the sender": [
        (commands("link set va txqueuelen 64"), (UP, UP, UP, UP)),
    ],
}
"""Of each event its steps, with what the ports of PORTS then report."""


def takes_packets(shim: Shim, number: int) -> bool:
    """Whether a frame that is sent now arrives."""
    macs = hardware_address_of("va"), b"\xff" * 6
    (payload,) = packets_of(random_orders(5, number), sender=100 + number)
    with raw_socket("va") as cable:
        cable.send(frame(payload, macs=macs))
        return shim.run(5, timeout_s=2) == 5


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("event", EVENTS)
def test_a_port_survives_what_happens_to_its_device(port: str, event: str) -> None:
    """It reports what keeps packets away, if it can, and takes them again as soon as there is a
    link."""
    needs_shim(dpdk=port == DPDK)
    steps = [(happens, states[PORTS.index(port)]) for happens, states in EVENTS[event]]

    def work() -> list[Any]:
        found: list[Any] = []
        ip(ADDRESS)
        try:
            with make_ring() as ring, Shim([parse_port(port)], ring) as shim:
                assert takes_packets(shim, 0)
                for number, (happens, state) in enumerate(steps, 1):
                    happens()
                    reported = [max(state, UP)]
                    wait_until(lambda wanted=reported: shim.check(is_patient=True) == wanted)
                    if state == GONE:
                        with pytest.raises(PortError, match="the device is gone"):
                            shim.check()
                    if state == UP:
                        wait_until(lambda: sends("va"))
                        wait_until(lambda n=number: takes_packets(shim, n))
                    elif state == QUIET:
                        assert shim.check() == reported
                        with suppress(OSError):  # nothing can be sent
                            assert not takes_packets(shim, number)
                    found.append(state)
        finally:
            subprocess.run(["ip", "netns", "delete", "away"], capture_output=True, check=False)
        return found

    assert in_namespace(work) == [state for _, state in steps]


FOLLOWED = """
[[port]]
protocol = "packets-unauthenticated"
device = "{port}"
"""


@contextmanager
def followed(folder: Path, port: str) -> Iterator[tuple[Callable[..., bool], Callable[[], Any]]]:
    """A venue whose port follows a device of this namespace: whether its log has a text so many
    times, and its state.  It ends with 0."""
    served_venue = ROOT / "tests" / "support" / "venue" / "served_venue.py"
    (folder / "venue.toml").write_text(VENUE + FOLLOWED.format(port=port))
    (folder / "venue.toml").chmod(0o600)
    (folder / "clock").write_text("1795680000000000000")
    (folder / "log").touch()
    venue = warm_outcry.Process(
        ["sh", "-c", f"exec {sys.executable} {served_venue} {folder} 2>{folder}/log"],
        stdout=subprocess.PIPE,
    )
    status = folder / "journal" / "status.json"

    def said(text: str, times: int = 1) -> bool:
        assert venue.poll() is None, (folder / "log").read_text()
        return (folder / "log").read_text().count(text) >= times

    def state() -> Any:
        assert venue.poll() is None, (folder / "log").read_text()
        return json.loads(status.read_text())["state"] if status.exists() else ""

    try:
        yield said, state
    finally:
        venue.send_signal(signal.SIGTERM)
        venue.communicate(timeout=BOUND_S)
    assert venue.returncode == 0, (folder / "log").read_text()


@pytest.mark.parametrize(
    ("port", "is_found_again"),
    [("packet:vb,udp_port=9000", True), ("xdp:vb:0,udp_port=9000", False)],
)
def test_one_port_never_ends_a_venue(tmp_path: Path, port: str, is_found_again: bool) -> None:
    """Its link is down as the venue begins, goes down later, and the device is deleted and made
    again: the venue stays open, and its log says so, until it is stopped."""
    needs_shim()

    def work() -> list[str]:
        ip("link set vb down")
        with followed(tmp_path, port) as (said, state):
            wait_until(lambda: said("waits for its device: Network is down"))
            wait_until(lambda: state() == "open")
            for turn, (down, up) in enumerate(
                [
                    ((), ("link set vb up",)),
                    (("link set vb down",), ("link set vb up",)),
                ],
                1,
            ):
                commands(*down)()
                wait_until(lambda n=turn: said("waits for its device: Network is down", n))
                commands(*up)()
                wait_until(lambda n=turn: said("takes packets again", n))
            ip("link delete va")
            wait_until(lambda: said("waits for its device: No such device"))
            commands(*REMADE)()
            if is_found_again:
                wait_until(lambda: said("takes packets again", 3))
            assert state() == "open"
        return (tmp_path / "log").read_text().splitlines()

    lines = in_namespace(work)
    assert any(f"port {port} waits for its device" in line for line in lines)


@pytest.mark.parametrize("port", [UDP, DPDK])
def test_a_port_that_sees_nothing_of_its_device_never_ends_a_venue(
    tmp_path: Path, port: str
) -> None:
    """A socket of the kernel and DPDK's driver over one report no loss of the device: the venue
    opens, and stays open while the link goes down and up and the device is deleted."""
    needs_shim()

    def work() -> list[str]:
        ip("link set vb down")
        with followed(tmp_path, port if port == UDP else f"{port},udp_port=9000") as (said, state):
            wait_until(lambda: state() == "open")
            for down, up in ((), ("link set vb up",)), (("link set vb down",), ("link set vb up",)):
                commands(*down)()
                commands(*up)()
            ip("link delete va")
            commands(*REMADE)()
            assert not said("waits for its device")
            assert state() == "open"
        return []

    in_namespace(work)
