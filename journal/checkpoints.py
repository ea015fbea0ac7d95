"""Checkpoint files beside the segments: a state as bytes, at a sequence, whole or not there.

    checkpoint-000000001048576.occ
        magic | journal id | sequence | text length | state length | JSON | state | BLAKE3
        8       8            8          8             8              …      …       32 bytes

The hash is over everything before it.  What the state and the JSON mean is the caller's business.
"""

import json
import os
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.errors import JournalError
from openoutcry.journal.segment import NEW_SUFFIX, space_error, write_whole

MAGIC = b"OUTCRYCP"
_HEAD = struct.Struct("<8sQqQQ")
_NAME = re.compile(r"checkpoint-(\d{15})\.occ")
HASH_BYTES = 32


class Checkpoint(NamedTuple):
    """``state`` is what a matcher was after command ``seq``; ``facts`` is what goes with it."""

    journal_id: int
    seq: int
    facts: dict[str, Any]
    state: bytes


def checkpoint_path(directory: Path, seq: int) -> Path:
    return directory / f"checkpoint-{seq:015d}.occ"


def checkpoint_seqs(directory: Path) -> list[int]:
    """Sequences of the checkpoint files in ``directory``, ascending; whether they are good shows
    when they are read."""
    return sorted(int(m[1]) for m in map(_NAME.fullmatch, os.listdir(directory)) if m)


def write_checkpoint(directory: Path, checkpoint: Checkpoint, disk: Disk = REAL) -> Path:
    """Write a checkpoint, durable under its name or not there at all; returns its path.

    Raises :class:`JournalError` if the disk refuses; what half was written is removed.
    """
    text = json.dumps(checkpoint.facts, sort_keys=True).encode()
    head = _HEAD.pack(
        MAGIC, checkpoint.journal_id, checkpoint.seq, len(text), len(checkpoint.state)
    )
    body = head + text + checkpoint.state
    data = body + blake3(body).digest()
    path = checkpoint_path(directory, checkpoint.seq)
    try:
        write_whole(path, data, disk)
    except OSError as error:
        raise space_error(path, error, len(data)) from None
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; :class:`JournalError` says why it cannot be used."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot read: {error.strerror}") from None
    if len(data) < _HEAD.size + HASH_BYTES or data[:8] != MAGIC:
        raise JournalError(f"{path} is not a checkpoint")
    if blake3(memoryview(data)[:-HASH_BYTES]).digest() != data[-HASH_BYTES:]:
        raise JournalError(f"{path}: its hash does not agree: the checkpoint is damaged")
    _, journal_id, seq, text_bytes, state_bytes = _HEAD.unpack_from(data)
    state_at = _HEAD.size + text_bytes
    facts = json.loads(data[_HEAD.size : state_at])
    return Checkpoint(journal_id, seq, facts, data[state_at : state_at + state_bytes])


def newest_checkpoint(directory: Path, journal_id: int, until_seq: int) -> Checkpoint | None:
    """The newest good checkpoint of this journal at or before ``until_seq``, None if there is
    none.  A damaged one is passed over for the one before."""
    for seq in reversed(checkpoint_seqs(directory)):
        if seq > until_seq:
            continue
        try:
            found = read_checkpoint(checkpoint_path(directory, seq))
        except JournalError:
            continue
        if found.journal_id == journal_id and found.seq == seq:
            return found
    return None


def remove_old_checkpoints(directory: Path, keep: int, disk: Disk = REAL) -> list[int]:
    """Remove all but the newest ``keep`` and what was left half made; returns what went."""
    for path in directory.glob("checkpoint-*" + NEW_SUFFIX):
        disk.unlink(path)
    gone = checkpoint_seqs(directory)[:-keep] if keep else checkpoint_seqs(directory)
    for seq in gone:
        disk.unlink(checkpoint_path(directory, seq))
    return gone
