"""The blocks in a running pipeline's shared memory, field by field, for ``outcry top --dump``.

Their layouts name the fields.  The pipeline does not wait meanwhile: fields are read one after the
other, each as it is at that moment.  The block of the speed bump, which has a secret seed, and what
participants send and receive are not among them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.pipeline.top import RunningPipeline, running
from openoutcry.ring import Segment, SegmentError, layout
from openoutcry.ring.layout import RingConsumer, RingHeader
from openoutcry.ring.segment import segment_name
from openoutcry.risk.layout import MAGIC, RiskState
from openoutcry.runtime.control import ControlSegment, MergeState, ReplyState, StageBlock
from openoutcry.runtime.shared import region_name
from openoutcry.wire import OutcryError
from openoutcry.wire.layout import NUMPY, Elements, Field, Layout
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

RECORDS: dict[str, type[Layout]] = {"order": OrderRecord, "event": EventRecord}
UNITS = ("ns", "bytes", "ticks", "lots", "bps")
"""Units that the name of a field may end with."""
MAX_AREA_BYTES = 512
"""Larger areas hold other blocks, or messages under way."""


@dataclass(frozen=True)
class Block:
    """A block and where it is: ``segment`` keeps its memory mapped."""

    name: str
    layout: type[Layout]
    segment: Segment
    offset: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The block as it is now: its place, and each field's name, value, unit and meaning.  Of
        fields that share bytes it has the smallest."""
        block, fields, end = self.layout(self.segment.address + self.offset), [], 0
        values = dict(block.dump())
        for field in sorted(self.layout.fields.values(), key=lambda f: (f.offset, f.size_bytes)):
            if field.offset >= end and field.size_bytes <= MAX_AREA_BYTES:
                unit = field.name.rpartition("_")[2]
                fields.append(
                    {
                        "name": field.name,
                        "value": _shown(field, values[field.name]),
                        "unit": unit if unit in UNITS else "",
                        "doc": field.doc,
                    }
                )
                end = field.offset + field.size_bytes
        return {
            "name": self.name,
            "layout": self.layout.__name__,
            "segment": self.segment.name,
            "offset": self.offset,
            "size_bytes": self.layout.size_bytes,
            "doc": " ".join((self.layout.__doc__ or "").split()),
            "fields": fields,
        }


def _shown(field: Field, value: int | bytes) -> int | str | list[int]:
    """A number; of an area the numbers of its array, text, or else its bytes in hexadecimal."""
    if isinstance(value, int):
        return int(value)
    if isinstance(field.of, type) and issubclass(field.of, Elements):
        numbers: list[int] = np.frombuffer(value, NUMPY[field.of.ctype]).tolist()
        return numbers
    text = value.rstrip(b"\0 ").decode("latin-1")
    return text if text.isascii() and text.isprintable() else value.hex()


def blocks(pipeline: RunningPipeline) -> Iterator[Block]:
    """The blocks of a pipeline, each with a name that no other has."""
    control, table = pipeline.control, pipeline.table
    yield Block("control", ControlSegment, control.segment)
    for index, stage in enumerate(table.stages):
        at = ControlSegment.offset("stage_blocks") + index * StageBlock.size_bytes
        yield Block(f"stage.{stage.name}", StageBlock, control.segment, at)
    at = ControlSegment.offset("reply_states") + control.block.reply_which * ReplyState.size_bytes
    yield Block("replies", ReplyState, control.segment, at)
    if table.shards > 1:
        at = (
            ControlSegment.offset("merge_states")
            + control.block.merge_which * MergeState.size_bytes
        )
        yield Block("merge", MergeState, control.segment, at)
    for row in table.rings:
        ring = pipeline.rings[row.name]
        yield Block(f"ring.{row.name}", RingHeader, ring.segment)
        for index, name in enumerate(ring.cursors):
            at = layout.CONSUMERS + index * layout.CONSUMER_BYTES
            yield Block(f"ring.{row.name}.{name}", RingConsumer, ring.segment, at)
        at = layout.SLOTS + (int(ring.published_hint[0]) & ring.mask) * layout.SLOT_BYTES
        yield Block(f"record.{row.name}", RECORDS[row.record], ring.segment, at)
    yield from _session_blocks(pipeline)
    for shard in range(table.shards):
        region = _segment(pipeline, region_name(shard))
        if region is not None and RiskState(region.address).magic == MAGIC:
            yield Block(f"risk.{shard}", RiskState, region)


def _session_blocks(pipeline: RunningPipeline) -> Iterator[Block]:
    segment = _segment(pipeline, "sessions")
    if segment is None:
        return
    yield Block("sessions", RegionHeader, segment)
    for index in range(1, RegionHeader(segment.address).session_count + 1):
        at = RegionHeader.size_bytes + index * SessionBlock.size_bytes
        name = bytes(segment.view[at + SessionBlock.offset("name") :][:16]).rstrip(b"\0 ")
        yield Block(f"session.{name.decode('latin-1') or index}", SessionBlock, segment, at)


def _segment(pipeline: RunningPipeline, what: str) -> Segment | None:
    try:
        return Segment.attach(segment_name(pipeline.owner, what), read_only=True)
    except SegmentError:
        return None


def dumps(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Every running pipeline's pid and blocks: those of these names, or whose names begin with one
    of them and a dot; all without ``names``.

    Raises :class:`OutcryError` if no pipeline runs, or none has a block of one of the names."""
    pipelines = [(one.owner.pid, list(blocks(one))) for one in running()]
    if not pipelines:
        raise OutcryError("no pipeline is running: start one with `outcry run` or `outcry serve`")
    known = list(dict.fromkeys(block.name for _, found in pipelines for block in found))
    for name in names:
        if not any(_is_of(one, name) for one in known):
            first = name.split(".")[0]
            near = [one for one in known if one.split(".")[0] == first] or list(
                dict.fromkeys(one.split(".")[0] for one in known)
            )
            raise OutcryError(f"no block is named {name}; there are {', '.join(near)}")
    return [
        {
            "pid": pid,
            "blocks": [
                block.as_dict()
                for block in found
                if not names or any(_is_of(block.name, name) for name in names)
            ],
        }
        for pid, found in pipelines
    ]


def _is_of(block: str, name: str) -> bool:
    return block == name or block.startswith(f"{name}.")
