"""One participant's flood is his own: what is beyond his rate is refused by name, whoever else
sends is taken as if there were none, and it is told while it lasts."""

import socket
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim import build_packets
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.wire.enums import ErrorBit, EventKind, Reason
from openoutcry.wire.records import EVENT_DTYPE
from tests.support.dpdk_shim.shim_wire import needs_shim
from tests.support.dpdk_shim.udp_runs import (
    limit_orders,
    listening,
    replied_events,
    started,
    stopped,
)
from tests.support.pipeline import warm_outcry
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S, wait_until

RATE = 50
FLOOD = 2_200


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    compile_kernels(lambda what, done, total: None)


def connected(port: int) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", port))
    client.settimeout(BOUND_S)
    return client


def answers(client: socket.socket, count: int) -> np.ndarray:
    """The next ``count`` events or more."""
    parts = [np.zeros(0, EVENT_DTYPE)]
    while sum(map(len, parts)) < count:
        parts.append(replied_events(client.recv(4_096)))
    return np.concatenate(parts)


def refusals_told(folder: Path) -> bool:
    top = warm_outcry.run(["top", "--once"], folder)
    assert top.returncode == 0, top.stderr
    return "orders rejected above their participants' rate limits" in top.stdout


@pytest.mark.promise(
    "A participant's orders beyond its rate are rejected by name before they enter a ring; "
    "other participants' orders are not. Overload is reported while it lasts",
    group="network",
)
@pytest.mark.parametrize("way", ["kernels", "shim"])
def test_a_flood_is_rejected_by_name_and_affects_no_other_participant(
    way: str, tmp_path: Path
) -> None:
    """440 times a rate's burst from one participant, beside the orders of another: each of the
    flood's orders is answered once, by an acceptance or by a reject that says RATE and has no
    sequence number; the other's are all accepted; the run, `outcry top` and a note count them."""
    port = free_port()
    arguments = ["--participant-rate", f"{RATE}"]
    if way == "shim":
        needs_shim()
        arguments += ["--port", f"udp:127.0.0.1:{port}"]
    flood = limit_orders(FLOOD)
    other = limit_orders(5)
    other["participant"], other["order_id"] = 2, np.arange(1, 6) * 1_000_000
    packets, others = build_packets(flood, 9, 1, 0), build_packets(other, 8, 1, 0, 1)
    with (
        listening(tmp_path, port, *arguments) as process,
        connected(port) as flooder,
        connected(port) as quiet,
    ):
        started(process)
        came, heard = [], []
        for at, data in enumerate(packets):
            flooder.send(data)
            came.append(answers(flooder, 22))
            if at % 20 == 0:
                quiet.send(others[at // 20])
                heard.append(answers(quiet, 1))
        # The supervisor counts them now and then.
        wait_until(lambda: refusals_told(tmp_path), "`outcry top` tells of the refused orders")
        result = stopped(process)
        account = result["source"]["account"]
    events = np.concatenate(came)
    refused = events[events["kind"] == EventKind.REJECTED]
    assert sorted(events["order_id"]) == list(range(1, FLOOD + 1)), "each is answered once"
    assert len(refused) > 100
    assert set(refused["reason"]) == {Reason.GATEWAY}
    assert set(refused["contra_id"]) == {1 << ErrorBit.RATE}
    assert not refused["seq"].any()
    assert not refused["cause_seq"].any()
    assert set(np.concatenate(heard)["kind"]) == {EventKind.ACCEPTED}
    assert account["rate_refused_records"] == len(refused)
    assert result["commands"] == result["open_orders"] == FLOOD - len(refused) + 5


@pytest.mark.promise(
    "A participant's orders beyond its rate are rejected by name before they enter a ring; "
    "other participants' orders are not. Overload is reported while it lasts",
    group="network",
)
def test_an_overload_is_reported_while_it_lasts(tmp_path: Path) -> None:
    """On standard error, before the run ends.  All come in one packet, and so at one time."""
    port = free_port()
    with (
        listening(tmp_path, port, "--participant-rate", "1") as process,
        connected(port) as client,
    ):
        started(process)
        (packet,) = build_packets(limit_orders(22), 9, 1, 0)
        client.send(packet)
        assert process.stderr is not None
        for line in process.stderr:
            if "orders above their participants' rate limits are rejected (21 so far)" in line:
                break
        else:
            raise AssertionError("it was not told")
        assert stopped(process)["commands"] == 1
