"""The sessions subject: its loops read and write whole messages, its document has the shape."""

from types import SimpleNamespace

import pytest

from openoutcry.bench import sessions_fix
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.sessions import ORDERS, SLOT, Orders
from openoutcry.wire.messages import OUCH42
from tests.oracles.order_entry import fix as reference


def test_the_loops_read_and_write_whole_messages():
    orders = Orders(seed=1)
    orders.encode(ORDERS)
    assert (orders.orders["kind"] == 1).all()
    for number in (0, ORDERS - 1):
        packet = orders.out[number].tobytes()
        assert packet[:3] == b"\0\x43S"
        fields = OUCH42.from_server("A").unpack(packet[3:SLOT])
        assert fields["token"] == f"ORD{number:011d}"
        assert fields["price"] == orders.orders["price_ticks"][number]


def test_a_fix_order_of_the_bench_is_a_whole_message():
    """With the right sums, and nothing but its numbers different from the one before."""
    packets = sessions_fix.order_packets(9_998, 4)
    for number, packet in enumerate(packets.tolist(), start=9_998):
        fields, error = reference.parse(bytes(packet))
        assert error is None
        assert (int(fields[34]), int(fields[11][1:])) == (number, number)


def test_a_quickfix_without_optimisation_is_no_peer(tmp_path, monkeypatch):
    (tmp_path / "_quickfix.so").write_bytes(sessions_fix.SPILL * 10 + bytes(1 << 18))
    spec = SimpleNamespace(origin=str(tmp_path / "_quickfix.so"))
    monkeypatch.setattr(sessions_fix, "need_module", lambda module, setup: None)
    monkeypatch.setattr(sessions_fix, "find_spec", lambda name: spec)
    with pytest.raises(PeerMissing, match="without optimisation"):
        sessions_fix.need_optimised_quickfix()
    (tmp_path / "_quickfix.so").write_bytes(sessions_fix.SPILL + bytes(1 << 18))
    sessions_fix.need_optimised_quickfix()
