"""The journal's figures: durable records a second, commits, verification and recovery.

A commit is compared with the bare system call. Verification is how fast all of the journal is
checked; recovery is how long it takes to be back.

Everything runs in this folder's file system; interleaved with the bare calls, round by round.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.disk import SECTOR, bare_ns, has_disk
from openoutcry.bench.restart import KILLS, restart_s
from openoutcry.bench.results import document, summarise
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalWriter
from openoutcry.journal.checkpoint import recover, save
from openoutcry.journal.replay import instruments_to_json
from openoutcry.journal.verify import verify
from openoutcry.pipeline.stages.journal import MAX_BLOCK_RECORDS
from openoutcry.wire.records import ORDER_DTYPE, RECORD_BYTES

RECORDS, QUICK_RECORDS = 4_000_000, 400_000
COMMITS, QUICK_COMMITS = 1_000, 200
COMMIT_RECORDS = 62
"""With the header they fill one sector of 4 KiB: the size of the bare call to compare with."""
RECOVERY_RECORDS, QUICK_RECOVERY_RECORDS = 100_000_000, 1_000_000
TAIL_RECORDS = 1_000_000
"""A restart has at most this much after the newest checkpoint."""
SEED = 1
ORDER_CAPACITY = 1 << 17


def bench_journal(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

    The figures are:

        ``durable_records``    records/s in blocks of 16,384, each block one durable write, against
                               64 bytes and an fdatasync each
        ``commit_p50``,
        ``commit_p99``         ns for a block of one sector, put together, checked, chained and
                               durable, against write and fdatasync of 4 KiB
        ``scan_bytes``         bytes/s verified
        ``recovery_s``         from a journal of 100 M commands (quick: 1 M) to the book after the
                               last
        ``from_checkpoint_s``  the same with a checkpoint 1 M before the end (quick: half-way)
        ``restart_s``          from the SIGKILL of a running pipeline's matcher to the first event
                               released after it (``restart.py``)
    """
    folder = Path(tempfile.mkdtemp(prefix=".outcry-bench-journal-", dir="."))
    try:
        return _bench(folder, rounds, quick, command, progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bench(
    folder: Path, rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    gathered = Rounds(rounds, progress)
    durable = has_disk(Path("."))
    records = _records(QUICK_RECORDS if quick else RECORDS)
    commits = QUICK_COMMITS if quick else COMMITS
    home = folder / "j"

    def one_round(number: int, add: Add) -> None:
        took = _write(home, records)
        verified = verify(home)
        assert verified.sound, verified.flaw
        verified = verify(home)  # from the page cache: what the checks cost, not what the disk does
        add("scan_bytes", "B/s", "higher", verified.bytes / verified.seconds)
        shutil.rmtree(home)
        commit_ns = _commit_ns(home, records, commits)
        shutil.rmtree(home)
        bare = bare_ns(folder / "bare", SECTOR, commits)
        each_ns = bare_ns(folder / "bare", RECORD_BYTES, commits)
        if not durable:
            for name in ("durable_records", "commit_p50", "commit_p99", "restart_s"):
                gathered.miss(name, "this folder is in memory: a sync costs nothing here")
            return
        add("durable_records", "1/s", "higher", len(records) / took)
        add("durable_records", "1/s", "higher", 1e9 / float(np.mean(each_ns)), "one_fsync_each")
        for name, rank in (("commit_p50", 50), ("commit_p99", 99)):
            add(name, "ns", "lower", float(np.percentile(commit_ns, rank)))
            add(name, "ns", "lower", float(np.percentile(bare, rank)), "bare_fdatasync")

    gathered.run(one_round)
    results = gathered.results()
    try:
        if not gathered.partial:
            results += _come_back(folder / "long", quick, progress)
            if durable:
                progress("restarts after SIGKILL")
                took_s = [restart_s(folder / f"killed-{n}", quick) for n in range(KILLS)]
                if after := [took for took in took_s if took is not None]:
                    results.append(summarise("restart_s", "s", "lower", after))
                else:
                    gathered.miss("restart_s", "every run ended before its restart did")
    except KeyboardInterrupt:
        gathered.partial = "interrupted while coming back"
    if gathered.partial:
        for name in ("recovery_s", "from_checkpoint_s", "restart_s"):
            gathered.miss(name, gathered.partial)
    return document("journal", results, gathered.missing, command, conditions=gathered.conditions())


def _records(count: int) -> npt.NDArray[Any]:
    """Orders as a generated flow gives them, in sequence."""
    records = np.concatenate(list(GeneratedFlow("normal", count, SEED).chunks()))[:count]
    records["seq"] = np.arange(1, count + 1)
    return records


def _create(home: Path, expected: int) -> JournalWriter:
    instruments = instruments_to_json(GeneratedFlow("normal", 1, SEED).instruments)
    config = {"instruments": instruments, "order_capacity": ORDER_CAPACITY, "seed": SEED}
    return Journal.create(home, config, expected_records=expected)


def _append(writer: JournalWriter, records: npt.NDArray[Any], size: int) -> None:
    for at in range(0, len(records), size):
        part = records[at : at + size]
        first_seq = int(part["seq"][0])
        writer.append(first_seq, [part], len(part), time.time_ns(), durable=True)
        writer.hash_last_block()


def _write(home: Path, records: npt.NDArray[Any]) -> float:
    """Seconds until all are durable; prewriting before and closing after are not counted."""
    writer = _create(home, len(records))
    started = time.perf_counter()
    _append(writer, records, MAX_BLOCK_RECORDS)
    took = time.perf_counter() - started
    writer.close()
    return took


def _commit_ns(home: Path, records: npt.NDArray[Any], count: int) -> npt.NDArray[np.float64]:
    writer = _create(home, count * COMMIT_RECORDS)
    took = np.zeros(count)
    for number in range(count):
        part = records[number * COMMIT_RECORDS :][:COMMIT_RECORDS]
        started = time.perf_counter_ns()
        writer.append(writer.written_seq + 1, [part], len(part), started, durable=True)
        took[number] = time.perf_counter_ns() - started
        writer.hash_last_block()
    writer.close()
    return took


def _come_back(home: Path, quick: bool, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """``recovery_s`` and ``from_checkpoint_s``, once each: the journal is long."""
    count = QUICK_RECOVERY_RECORDS if quick else RECOVERY_RECORDS
    tail = min(TAIL_RECORDS, count // 2)
    progress(f"a journal of {count:,} commands")
    writer = _create(home, count)
    for chunk in GeneratedFlow("normal", count, SEED).chunks():
        records = np.array(chunk, ORDER_DTYPE)
        first_seq = writer.written_seq + 1
        records["seq"] = np.arange(first_seq, first_seq + len(records))
        for at in range(0, len(records), MAX_BLOCK_RECORDS):
            part = records[at : at + MAX_BLOCK_RECORDS]
            writer.append(int(part["seq"][0]), [part], len(part), time.time_ns())
    writer.close()
    progress("recovery without a checkpoint")
    started = time.perf_counter()
    from_start = recover(home)
    recovery_s = time.perf_counter() - started
    progress("recovery from a checkpoint")
    save(home, writer.journal_id, recover(home, count - tail))
    started = time.perf_counter()
    again = recover(home)
    from_checkpoint_s = time.perf_counter() - started
    assert (again.seq, again.engine.state_hash()) == (count, from_start.engine.state_hash())
    assert again.chain == from_start.chain
    return [
        summarise("recovery_s", "s", "lower", [recovery_s]),
        summarise("from_checkpoint_s", "s", "lower", [from_checkpoint_s]),
    ]
