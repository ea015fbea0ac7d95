"""The co-located subjects: their documents have every figure that the pages quote."""

import pytest

from openoutcry.bench.colocated import bench_colocated
from openoutcry.bench.results import SHAPE
from openoutcry.bench.tick_to_trade import SPANS, bench_tick_to_trade
from openoutcry.bench.wire import bench_wire
from openoutcry.report.goals import COLOCATED_ROWS, TICK_ROWS, TICK_SPAN_ROWS, WIRE_ROWS


def quoted(document, rows):
    """The rows' figures and peers that are neither there nor said to be missing."""
    results = {row["name"]: row for row in document["results"]}
    missing = " ".join(entry["name"] for entry in document["missing"])
    return [
        (name, peer)
        for name, peer, _, _ in rows
        if name not in missing
        and (name not in results or (peer and peer not in results[name]["against"]))
    ]


@pytest.mark.long
def test_the_document_of_the_venue_has_every_figure():
    document = bench_colocated(1, True, "outcry bench colocated --quick", lambda line: None)
    assert document["shape"] == SHAPE
    assert quoted(document, COLOCATED_ROWS) == []


@pytest.mark.long
def test_the_document_from_tick_to_trade_has_every_span():
    document = bench_tick_to_trade(1, True, "outcry bench tick-to-trade --quick", lambda line: None)
    assert document["shape"] == SHAPE
    assert quoted(document, (*TICK_ROWS, *TICK_SPAN_ROWS)) == []
    spans = document["details"]["spans_ns"]
    for name, row in spans.items():
        assert row["p50"] <= row["p99.9"] <= row["max"], name
    assert {name.split(" ")[0] for name in spans} == {*SPANS, "tick_to_ack"}


@pytest.mark.long
def test_the_document_from_wire_to_wire_has_every_port():
    document = bench_wire(1, True, "outcry bench wire --quick", lambda line: None)
    assert document["shape"] == SHAPE
    assert document["missing"] == []
    assert quoted(document, WIRE_ROWS) == []
