"""What ``examples/read_journal.py``, which has none of our code, reads of a journal, beside what we
read: the tests run it on the journals that they make."""

import importlib.util
from pathlib import Path
from typing import Any

from openoutcry.journal import JournalReader
from openoutcry.journal.checkpoints import checkpoint_path, checkpoint_seqs, read_checkpoint
from openoutcry.journal.origins import ORIGINS, runs
from openoutcry.journal.verify import verify
from openoutcry.journal.watermark import read_watermark
from openoutcry.order_entry.command_metadata import BLOCK_KEY, unpack
from openoutcry.runtime.lanes import LANES
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.errors import JournalError

SCRIPT = Path(__file__).parents[3] / "examples" / "read_journal.py"
MAX_SESSIONS = 1 << 12
MAX_BYTES = 64 << 20
"""Of a journal that a test of a venue leaves: plain Python reads it."""


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("read_journal", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


outsider = _load()


def require_same_reading(directory: Path) -> set[str]:
    """Compare all that the two read, of a journal that is sound to us; returns what was in it."""
    seen: set[str] = set()
    theirs = outsider.blocks(directory)
    last_hash = b""
    reader = JournalReader(directory)
    for ours in reader.all_blocks():
        block, header = next(theirs), ours.header
        last_hash = block["hash"]
        head = (block["index"], block["first_seq"], block["records"], block["written_ts_ns"])
        assert head == (
            header.block_index,
            header.first_seq,
            header.record_count,
            header.written_ts_ns,
        )
        assert (block["kind"], block["events_seq"]) == (header.kind, header.events_seq)
        assert (block["events_hash"], block["unsynced"]) == (
            header.events_hash,
            header.unsynced_blocks,
        )
        assert block["body"][: len(ours.payload)] == ours.payload
        seen.add(BlockKind(header.kind).name)
        if header.kind == BlockKind.COMMANDS:
            seen |= _require_same_text(outsider.text_of(block), ours)
    assert next(theirs, None) is None
    assert last_hash == reader.last_block.block_hash
    watermark, _ = read_watermark(directory)
    fields = outsider.watermark(directory)
    assert (fields is None) == (watermark is None)
    if watermark is not None:
        assert fields[1:-1] == tuple(watermark)
        seen.add("acknowledged")
    return seen | _require_same_checkpoints(directory)


def _require_same_text(text: dict[str, Any], ours: Any) -> set[str]:
    note, count = ours.note, ours.header.record_count
    assert text == note
    assert set(text) <= {LANES, BLOCK_KEY, ORIGINS}, "the page names no other key"
    if BLOCK_KEY in text:
        places, metadata = unpack(note[BLOCK_KEY], count, MAX_SESSIONS)
        rows = [(int(at), row.tobytes()) for at, row in zip(places, metadata, strict=True)]
        assert outsider.notes(text[BLOCK_KEY], count) == rows
    if ORIGINS in text:
        found = outsider.origins(text[ORIGINS])
        assert found == list(runs(note[ORIGINS]))
        assert sum(run[2] for run in found) == count
    kinds = {ours.payload[64 * row + 52] for row in range(count)}
    return {*text, *({"kind 0"} if 0 in kinds else ())}


def _require_same_checkpoints(directory: Path) -> set[str]:
    whole = []
    for seq in checkpoint_seqs(directory):
        try:
            whole.append(read_checkpoint(checkpoint_path(directory, seq)))
        except JournalError:
            continue
    rows = [(one.journal_id, one.seq, *one.block, one.facts, one.state) for one in whole]
    assert list(outsider.checkpoints(directory)) == rows
    return {"checkpoint"} if rows else set()


def require_all_read(folder: Path) -> None:
    """Compare the readings of each journal below ``folder`` that is sound."""
    for directory in {path.parent for path in folder.rglob("segment-*.ocj*")}:
        size_bytes = sum(path.stat().st_size for path in directory.glob("segment-*.ocj*"))
        if size_bytes <= MAX_BYTES and verify(directory).sound:
            require_same_reading(directory)
