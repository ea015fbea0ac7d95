"""What each device loses is counted: sent = taken + lost, also over deaths of the receiver."""

import json
import os
import signal
import socket
from functools import partial
from typing import Any

import pytest

from openoutcry.dpdk_shim.ports import hardware_address_of, open_port, prepare
from openoutcry.dpdk_shim.shim import Shim, make_state, read_counters
from openoutcry.dpdk_shim.spec import parse_port
from tests.support.dpdk_shim import shim_paths as shared
from tests.support.dpdk_shim.shim_wire import (
    drain,
    frame,
    in_namespace,
    ip,
    make_ring,
    packets_of,
    random_orders,
    raw_socket,
)
from tests.support.ring.ring_processes import Children
from tests.support.waiting import wait_until

_built = shared._built
SENT = {"udp:127.0.0.1:0": 40_000, "packet:vb": 60_000, "xdp:vb:0": 9_000}
"""More than each device holds."""
LIVES = 3


@pytest.mark.promise(
    "Packets that a kernel socket, a packet socket or an AF_XDP queue has no room for are counted "
    "exactly once, also when the receiver is killed afterwards",
    group="network",
)
@pytest.mark.parametrize("text", SENT)
def test_what_is_sent_is_taken_or_lost(text: str) -> None:
    """Several receivers, one after the other, are too slow for what comes and are then killed."""
    outcome = in_namespace(partial(_lives, text, SENT[text]))
    sent, counters = outcome["sent"], outcome["counters"]
    of_kinds = [value for name, value in counters.items() if name.startswith("device_")]
    assert counters["device_lost"] > LIVES, counters
    assert counters["packets"] + counters["device_lost"] == sent, counters
    assert sum(of_kinds) == 2 * counters["device_lost"]


def _lives(text: str, count: int) -> dict[str, Any]:
    spec = parse_port(text)
    bound, state = prepare(spec), make_state()
    sent = 0
    for _ in range(LIVES):
        told = os.memfd_create("told")
        with Children() as children:
            pid = children.fork(partial(_receive, spec, bound, state, count, told))
            assert children.reap(pid) == -signal.SIGKILL
        sent += json.loads(os.pread(told, 1 << 10, 0))
        os.close(told)
    return {"sent": sent, "counters": read_counters(state, 0)}


def _receive(spec: Any, bound: socket.socket | None, state: Any, count: int, told: int) -> None:
    """Let the device overflow, take what it holds, look at it once, and die."""
    with make_ring(1 << 14) as ring, open_port(spec, bound) as port:
        shim = Shim([port], ring, state=state)
        data = packets_of(random_orders(1), 1)[0]
        before = read_counters(state, 0)["packets"]
        sent = _flood_socket(bound, data, count) if bound else _flood_cable(data, count)

        def is_quiet() -> bool:
            taken = read_counters(state, 0)["packets"]
            for _ in range(2_000):
                shim.poll()
                drain(ring)
            return before < read_counters(state, 0)["packets"] == taken

        wait_until(is_quiet)
        shim.check()
        os.write(told, json.dumps(sent).encode())
        os.kill(os.getpid(), signal.SIGKILL)


def _flood_socket(bound: socket.socket, data: bytes, count: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(count):
            client.sendto(data, bound.getsockname())
    return count


def _flood_cable(data: bytes, count: int) -> int:
    """Returns how many frames the cable has carried."""
    whole = frame(data, macs=(hardware_address_of("va"), hardware_address_of("vb")))
    before = _refused_by_cable()
    tried = 0
    with raw_socket("va") as cable:
        for _ in range(count):
            try:
                cable.send(whole)
                tried += 1
            except OSError:
                pass  # no room to send: the frame did not leave
    return tried - (_refused_by_cable() - before)


def _refused_by_cable() -> int:
    (link,) = json.loads(ip("-s -json link show va"))
    return int(link["stats64"]["tx"]["dropped"])
