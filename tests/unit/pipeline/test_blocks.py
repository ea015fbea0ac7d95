"""pipeline/blocks.py: what `outcry top --dump` says of a block of shared memory."""

import pytest

from openoutcry.pipeline import blocks
from openoutcry.pipeline.blocks import Block
from openoutcry.ring import ProcessIdentity, Segment
from openoutcry.ring.segment import segment_name
from openoutcry.wire import OutcryError
from openoutcry.wire.layout import Layout, Words, area, i64, u8, u32


class Sample(Layout, size_bytes=2048):
    """A block with a field of every kind."""

    heartbeat_ns: int = i64("when it came round")
    name: int = area(16, "its name")
    counts: Words = area(24, "three counts", of=Words)
    key: int = area(4, "its key")
    both: int = u32("``kind`` and more as one", at=52)
    kind: int = u8("its kind", at=52)
    own_kind: int = u8("the same for its writer", at=52)
    messages: int = area(1024, "what is sent", at=1024)


def test_each_field_has_its_value_unit_and_meaning():
    segment = Segment.create(segment_name(ProcessIdentity.mine(), "sample"), 4096)
    try:
        segment.view[64 : 64 + 2048] = 255
        sample = Sample(segment.address + 64)
        sample.heartbeat_ns, sample.kind = -5, 7
        segment.view[64 + 8 : 64 + 24] = list(b"ONE".ljust(16, b"\0"))
        segment.words(64 + 24, 3)[:] = 3, 0, -1
        found = Block("sample", Sample, segment, 64).as_dict()
    finally:
        segment.unlink()
    assert [tuple(field.values()) for field in found.pop("fields")] == [
        ("heartbeat_ns", -5, "ns", "when it came round"),
        ("name", "ONE", "", "its name"),
        ("counts", [3, 0, -1], "", "three counts"),
        ("key", "ffffffff", "", "its key"),
        ("kind", 7, "", "its kind"),
    ]
    assert found == {
        "name": "sample",
        "layout": "Sample",
        "segment": segment.name,
        "offset": 64,
        "size_bytes": 2048,
        "doc": "A block with a field of every kind.",
    }


def test_without_a_pipeline_the_error_says_how_to_start_one(monkeypatch):
    monkeypatch.setattr(blocks, "running", list)
    with pytest.raises(OutcryError, match="no pipeline is running: start one with `outcry run`"):
        blocks.dumps()
