"""A packet that is refused changes nothing but its counter: of a session also not its epoch."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from openoutcry.dpdk_shim.authentication import PacketSession, Sessions, seal
from openoutcry.dpdk_shim.names import COUNTER_WORDS, MAX_JUMP_RECORDS
from openoutcry.dpdk_shim.shim import PORTS_MAX, make_state
from openoutcry.wire import ORDER_DTYPE
from tests.support.dpdk_shim import shim_sequence as shared
from tests.support.dpdk_shim.packet_door import PacketDoor
from tests.support.dpdk_shim.senders import taken
from tests.support.dpdk_shim.shim_wire import packets_of
from tests.support.waiting import wait_until

_built = shared._built
PARTICIPANT, KEY = 7, bytes(range(32))
EPOCH = 5


def packet(first: int) -> bytes:
    """One order, as number ``first`` of the session."""
    order = np.zeros(1, ORDER_DTYPE)
    order["order_id"] = first
    (data,) = packets_of(order, 1, PARTICIPANT)
    return changed("<q", 8, first)(data)


def changed(form: str, at: int, value: int) -> Callable[[bytes], bytes]:
    """Write one field of a packet's header."""
    packed = struct.pack(form, value)
    return lambda data: data[:at] + packed + data[at + len(packed) :]


REFUSALS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "magic": ("rejected_magic", changed("<I", 0, 1)),
    "layout": ("rejected_layout", changed("<I", 4, 1)),
    "kind": ("rejected_kind", changed("<B", 30, 99)),
    "no records": ("rejected_count", changed("<H", 28, 0)),
    "too many records": ("rejected_count", changed("<H", 28, 23)),
    "fewer records than it says": ("rejected_size", changed("<H", 28, 2)),
    "number 0": ("rejected_sequence", changed("<q", 8, 0)),
    "number -1": ("rejected_sequence", changed("<q", 8, -1)),
    "a number beyond all": ("rejected_sequence", changed("<q", 8, 2**62 + 1)),
    "a jump": ("jump_packets", changed("<q", 8, MAX_JUMP_RECORDS + 3)),
}


@pytest.mark.parametrize("which", REFUSALS)
@pytest.mark.parametrize("epoch", [EPOCH, EPOCH + 1, 2**63 - 1])
def test_a_refused_packet_changes_nothing_but_its_counter(which: str, epoch: int) -> None:
    """With a right tag, in the running epoch and in later ones: the running epoch goes on."""
    counter, change = REFUSALS[which]
    with PacketDoor(Sessions([PacketSession(PARTICIPANT, KEY)])) as door:
        assert door.sessions is not None
        assert _sent(door, seal(KEY, packet(1), EPOCH)) == [1]
        before = door.state[PORTS_MAX * COUNTER_WORDS :].copy(), door.sessions.bytes.copy()
        refused = door.counters()[counter]
        assert _sent(door, seal(KEY, change(packet(2)), epoch)) == []
        assert door.counters()[counter] == refused + 1
        assert (door.state[PORTS_MAX * COUNTER_WORDS :] == before[0]).all()
        assert (door.sessions.bytes == before[1]).all()
        assert _sent(door, seal(KEY, packet(2), EPOCH)) == [2]
        # And a good packet of a later epoch ends it.
        assert _sent(door, seal(KEY, packet(1), EPOCH + 1)) == [1]
        assert _sent(door, seal(KEY, packet(3), EPOCH)) == []
        assert door.counters()["rejected_unauthenticated"] == 1


def _sent(door: PacketDoor, data: bytes) -> list[int]:
    """Ids of the orders that a packet brings."""
    before = door.counters()["packets"]
    door.socket.sendto(data, door.at)
    ids: list[int] = []

    def came() -> bool:
        ids.extend(door.take()["order_id"].tolist())
        return door.counters()["packets"] > before

    wait_until(came)
    return ids


def test_a_refused_packet_of_an_unknown_sender_takes_no_place(tmp_path: Path) -> None:
    state = make_state()
    before = state[PORTS_MAX * COUNTER_WORDS :].copy()
    assert taken(tmp_path, state, [(MAX_JUMP_RECORDS + 2, 1), (2**61, 1)]) == []
    assert (state[PORTS_MAX * COUNTER_WORDS :] == before).all()
