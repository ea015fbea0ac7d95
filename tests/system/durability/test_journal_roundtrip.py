"""What is written comes back: same bytes, same order, nothing more."""

import mmap
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal import (
    Journal,
    JournalReader,
    JournalWriter,
    read_commands,
)
from tests.support.journal.journal_roundtrip import read_all
from tests.support.waiting import BOUND_S


def test_a_reader_next_to_a_running_writer(tmp_path, orders):
    """Read over and over while another process writes through many segments: each time a whole
    prefix with at least what was durable before, and never an alarm."""
    total = 60_000
    board = np.frombuffer(mmap.mmap(-1, 8), np.int64)
    writer = Journal.create(tmp_path, {}, total // 2, segment_bytes=64 * 1024)
    expected = orders(1, total)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            counts = np.random.default_rng(1).integers(1, 400, total)
            while writer.written_seq < total:
                done = writer.written_seq
                count = min(int(counts[writer.blocks]), total - done)
                writer.append(done + 1, [expected[done : done + count]], count, time.time_ns())
                if writer.blocks % 3 == 0:
                    writer.sync()
                    board[0] = writer.durable_seq
            writer.close()
            board[0] = total
            status = 0
        finally:
            os._exit(status)
    durable_seq, status = 0, None
    while status is None:
        durable_seq = int(board[0])
        _, data = read_all(tmp_path)
        assert len(data) >= durable_seq * 64
        assert data == expected[: len(data) // 64].tobytes()
        if durable_seq:
            assert sum(map(len, read_commands(tmp_path, 2, durable_seq))) == durable_seq - 1
        ended, code = os.waitpid(child, os.WNOHANG)
        status = code if ended else None
    assert status == 0
    reader, data = read_all(tmp_path)
    assert data == expected.tobytes()
    assert reader.torn is None


@pytest.mark.parametrize("policy", ["all", "quorum", "any"])
def test_a_child_continues_with_a_resumed_journal_of_several_directories(
    policy: str, tmp_path: Path, orders: Any
) -> None:
    """The supervisor resumes and says so; the stage that it forks writes on, with threads of its
    own, over the end of the segment."""
    copies = [tmp_path / "b", tmp_path / "c"]
    with Journal.create(
        tmp_path / "a", {}, segment_bytes=5 * 4096, copies=copies, policy=policy
    ) as writer:
        writer.append(1, [orders(1, 60)], 60, 1, durable=True)
    writer = Journal.resume(tmp_path / "a")
    writer.resumed({"seq": 60, "config": {}})
    assert not [t.name for t in threading.enumerate() if t.name.startswith("journal-")]
    child = multiprocessing.get_context("fork").Process(target=_write_on, args=(writer, orders))
    child.start()
    child.join(BOUND_S)
    stuck = child.is_alive()
    child.kill()
    assert not stuck
    assert child.exitcode == 0
    writer.abandon()
    for place in (tmp_path / "a", *copies):
        commands = np.concatenate([records for _, records in JournalReader(place).chunks()])
        assert commands["seq"].tolist() == list(range(1, 361))


def _write_on(writer: JournalWriter, orders: Any) -> None:
    for first in range(61, 361, 60):
        writer.append(first, [orders(first, 60)], 60, first, durable=True)
    writer.sync()
    writer.close()
