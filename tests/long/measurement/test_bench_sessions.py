"""The sessions subject: its loops read and write whole messages, its document has the shape."""

import pytest

from openoutcry.bench import sessions
from openoutcry.bench.results import SHAPE
from openoutcry.bench.sessions import bench_sessions


@pytest.mark.long
def test_the_document_has_every_figure(monkeypatch):
    monkeypatch.setattr(sessions, "QUICK_ACKS", 50)
    document = bench_sessions(1, True, "outcry bench sessions --quick", lambda line: None)
    assert document["shape"] == SHAPE
    assert {result["name"] for result in document["results"]} >= {
        "ouch_decode_ns",
        "ouch_encode_ns",
        "fix_decode_ns",
        "fix_encode_ns",
        "ouch_ack_p50",
        "ouch_ack_p99",
        "ouch_ack_risk_p50",
        "ouch_ack_risk_p99",
        "fix_ack_p50",
        "ouch_orders_memory",
        "ouch_orders_durable",
        "journal_bytes",
    }
