"""A writer killed at any moment loses nothing that was durable and doubles nothing."""

import mmap
import os
import signal
import time

import numpy as np

from openoutcry.journal import Journal, JournalReader

ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT


def write_until_killed(directory, orders, durable, seed):
    """Resume and append batches of random sizes, reporting each durable sequence."""
    rng = np.random.default_rng(seed)
    writer = Journal.resume(directory)
    durable[0] = writer.durable_seq
    pool = orders(writer.written_seq + 1, 200_000)
    done = 0
    while done < len(pool):
        # Long blocks spend long in the kernel's copy, where a kill tears them.
        count = min(int(rng.choice([1, 50, 4000, 12_000])), len(pool) - done)
        writer.append(writer.written_seq + 1, [pool[done : done + count]], count, 1)
        done += count
        if rng.integers(3):
            writer.sync()
            durable[0] = writer.durable_seq
    os._exit(0)


def test_sigkill_at_random_moments(tmp_path, orders):
    """24 writers in a row on one journal, each killed while it resumes, appends, syncs or
    changes segments: each next one finds all that was durable, and in the end every order is
    there once.  Three of four are left alone until something new is durable, so that a slow
    machine cannot turn this into a test of killing idle writers."""
    Journal.create(tmp_path, {}, segment_bytes=1 << 20).close()
    durable = np.frombuffer(mmap.mmap(-1, 8), np.int64)
    rng = np.random.default_rng(11)
    before = 0
    for seed in range(24):
        child = os.fork()
        if child == 0:
            try:
                write_until_killed(tmp_path, orders, durable, seed)
            finally:
                os._exit(1)
        while seed % 4 and durable[0] <= before and not os.waitid(os.P_PID, child, ENDED):
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.03)))
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert status in (signal.SIGKILL, 0), "the writer must not fail by itself"
        reader = JournalReader(tmp_path)
        for first_seq, chunk in reader.chunks():
            assert chunk.tobytes() == orders(first_seq, len(chunk)).tobytes()
        assert reader.last_seq >= before, "what an earlier writer left is lost"
        assert reader.last_seq >= int(durable[0]), "what was durable is lost"
        assert reader.last_seq > before or seed % 4 == 0, "the writer did nothing"
        before = reader.last_seq
    writer = Journal.resume(tmp_path)
    assert writer.written_seq == before
    writer.evidence({"seq": before})
    writer.close()
    reader = JournalReader(tmp_path)
    data = b"".join(chunk.tobytes() for _, chunk in reader.chunks())
    assert data == orders(1, before).tobytes()
    assert (reader.torn, reader.evidence) == (None, {"seq": before})
    assert not list(tmp_path.glob("*.new"))
