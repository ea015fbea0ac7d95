"""Checkpoint files next to the segments: a state as bytes, at a sequence, whole or absent.

    checkpoint-000000001048576.occ
        magic | journal id | sequence | block index | block hash | text length | state length
        8       8            8          8             32           8             8 bytes
        JSON | state | BLAKE3 of everything before it, 32 bytes

The block is the one that holds the sequence.  Its hash covers all that was before it, so
a checkpoint of another history of the same journal is recognised and never used.  What
the state and the JSON mean is the caller's business.
"""

import json
import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from openoutcry.journal.block import BlockId
from openoutcry.journal.disk import REAL, Disk
from openoutcry.journal.segment import NEW_SUFFIX, retired_before, space_error, write_whole
from openoutcry.journal.tail import name_of_block
from openoutcry.wire.errors import JournalError

MAGIC = b"OUTCRYC2"
OLD_MAGIC = b"OUTCRYCP"
HASH_BYTES = 32
_HEAD = struct.Struct(f"<8sQqq{HASH_BYTES}sQQ")
_NAME = re.compile(r"checkpoint-(\d{15})\.occ")
MAX_SEQ = 2**63 - 1
AHEAD_SUFFIX = ".ahead"
"""Of a checkpoint that was made after commands of another history, which were cut off."""


class Checkpoint(NamedTuple):
    """``state`` is what a matcher was after command ``seq``, which is in ``block``; ``facts``
    is what goes with it."""

    journal_id: int
    seq: int
    block: BlockId
    facts: dict[str, Any]
    state: bytes


def checkpoint_path(directory: Path, seq: int) -> Path:
    """The file of the checkpoint after command ``seq``."""
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
        MAGIC,
        checkpoint.journal_id,
        checkpoint.seq,
        *checkpoint.block,
        len(text),
        len(checkpoint.state),
    )
    body = head + text + checkpoint.state
    data = body + blake3(body).digest()
    path = checkpoint_path(directory, checkpoint.seq)
    try:
        write_whole(path, data, disk, f".{os.getpid()}{NEW_SUFFIX}")
    except OSError as error:
        raise space_error(path, error, len(data)) from None
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; :class:`JournalError` says why it cannot be used."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot read: {error.strerror}") from None
    if data[:8] == OLD_MAGIC:
        raise JournalError(f"{path}: a checkpoint of an older format, which names no block")
    if len(data) < _HEAD.size + HASH_BYTES or data[:8] != MAGIC:
        what = "is not a checkpoint" if data else "is empty: the checkpoint is gone"
        raise JournalError(f"{path} {what}")
    if blake3(memoryview(data)[:-HASH_BYTES]).digest() != data[-HASH_BYTES:]:
        raise JournalError(f"{path}: its hash does not agree: the checkpoint is damaged")
    _, journal_id, seq, index, block_hash, text_bytes, state_bytes = _HEAD.unpack_from(data)
    state_at = _HEAD.size + text_bytes
    facts = json.loads(data[_HEAD.size : state_at])
    state = data[state_at : state_at + state_bytes]
    return Checkpoint(journal_id, seq, BlockId(index, block_hash), facts, state)


def require_own(directory: Path, checkpoint: Checkpoint) -> None:
    """Raises :class:`JournalError` if the journal in ``directory`` does not hold the very block
    that the checkpoint was made from."""
    path = checkpoint_path(directory, checkpoint.seq)
    named = name_of_block(directory, checkpoint.seq)
    if named is None:
        raise JournalError(f"{path}: the journal does not hold command {checkpoint.seq}")
    journal_id, own = named
    if (journal_id, own) != (checkpoint.journal_id, checkpoint.block):
        raise JournalError(
            f"{path}: made from block {checkpoint.block.block_index} of another history: the "
            f"journal's block {own.block_index} with command {checkpoint.seq} is different"
        )


def checkpoint_flaw(directory: Path, journal_id: int, seq: int) -> str:
    """Return why the checkpoint file after command ``seq`` is not used; "" if it is good, or gone
    meanwhile."""
    path = checkpoint_path(directory, seq)
    try:
        checkpoint = read_checkpoint(path)
        if checkpoint.journal_id != journal_id:
            return f"{path}: of another journal, {checkpoint.journal_id:016x}"
        if checkpoint.seq != seq:
            return f"{path}: holds the state after command {checkpoint.seq}"
        require_own(directory, checkpoint)
    except JournalError as error:
        return str(error) if path.exists() else ""
    return ""


def good_checkpoints(directory: Path, journal_id: int, until_seq: int) -> Iterator[Checkpoint]:
    """The good checkpoints of this journal at or before ``until_seq``, the newest first; a damaged
    one, and one of another history, is passed over."""
    seqs = (seq for seq in reversed(checkpoint_seqs(directory)) if seq <= until_seq)
    return _good_of(directory, journal_id, seqs)


def _good_of(directory: Path, journal_id: int, seqs: Iterable[int]) -> Iterator[Checkpoint]:
    for seq in seqs:
        try:
            checkpoint = read_checkpoint(checkpoint_path(directory, seq))
            require_own(directory, checkpoint)
        except JournalError:
            continue
        if checkpoint.journal_id == journal_id and checkpoint.seq == seq:
            yield checkpoint


def newest_checkpoint(directory: Path, journal_id: int, until_seq: int) -> Checkpoint | None:
    """The newest good checkpoint of this journal at or before ``until_seq``, or None."""
    return next(good_checkpoints(directory, journal_id, until_seq), None)


def oldest_checkpoint(directory: Path, journal_id: int, from_seq: int) -> Checkpoint | None:
    """The oldest good checkpoint of this journal at or after ``from_seq``, or None."""
    seqs = (seq for seq in checkpoint_seqs(directory) if seq >= from_seq)
    return next(_good_of(directory, journal_id, seqs), None)


def remove_old_checkpoints(
    directory: Path, journal_id: int, keep: int, disk: Disk = REAL
) -> list[int]:
    """Remove all that are older than the newest ``keep`` good ones, and what was left half made;
    returns what went.  Of a journal whose begin was retired the oldest good one stays too: what
    follows it can be computed from nothing else.

    ``keep`` is 1 or more.  A damaged one does not count: the good one before it is then still
    needed.  Raises :class:`JournalError` if the disk refuses.
    """
    kept = [c.seq for c in islice(good_checkpoints(directory, journal_id, MAX_SEQ), keep)]
    gone = [seq for seq in checkpoint_seqs(directory) if len(kept) == keep and seq < kept[-1]]
    if gone and retired_before(directory):
        oldest = oldest_checkpoint(directory, journal_id, 0)
        gone = [seq for seq in gone if oldest is None or seq != oldest.seq]
    _remove(directory, gone, disk)
    return gone


def remove_later_checkpoints(directory: Path, after_seq: int, disk: Disk = REAL) -> list[int]:
    """Set the checkpoints after ``after_seq`` aside under another name, before the commands after
    it are cut off; returns what went.

    Other commands will get their sequences: none may ever be taken to follow from that state.
    Durable on return.  Raises :class:`JournalError` if the disk refuses.
    """
    gone = [seq for seq in checkpoint_seqs(directory) if seq > after_seq]
    try:
        for path in (checkpoint_path(directory, seq) for seq in gone):
            disk.rename(path, path.with_name(path.name + AHEAD_SUFFIX))
        if gone:
            disk.sync_directory(directory)
    except OSError as error:
        raise JournalError(
            f"{directory}: cannot set a checkpoint aside: {error.strerror}"
        ) from None
    return gone


def _remove(directory: Path, seqs: list[int], disk: Disk) -> None:
    # After a takeover the supervisor and the process that writes checkpoints both make one.
    halves = [path for path in directory.glob("checkpoint-*" + NEW_SUFFIX) if not _grows(path)]
    try:
        for path in [*halves, *(checkpoint_path(directory, seq) for seq in seqs)]:
            with suppress(FileNotFoundError):  # the other one has removed it
                disk.unlink(path)
        disk.sync_directory(directory)
    except OSError as error:
        raise JournalError(f"{directory}: cannot remove a checkpoint: {error.strerror}") from None


def _grows(half: Path) -> bool:
    """Return whether another process is writing it."""
    pid = half.name.split(".")[-2]
    return pid.isdigit() and int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()
