"""The sessions subject: its loops read and write whole messages, its document has the shape."""

from openoutcry.bench.results import SHAPE
from openoutcry.bench.sessions import ORDERS, SLOT, Orders, bench_sessions
from openoutcry.wire.messages import OUCH42


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


def test_the_document_has_both_figures():
    document = bench_sessions(1, True, "outcry bench sessions --quick", lambda line: None)
    assert document["shape"] == SHAPE
    assert {result["name"] for result in document["results"]} >= {
        "ouch_decode_ns", "ouch_encode_ns",
    }  # fmt: skip
