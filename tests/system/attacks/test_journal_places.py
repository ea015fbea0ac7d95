"""Where a journal is put: what a power cut would take is not called durable, what was acknowledged
is kept, what was cut short while it was made is begun anew, and a wrong path is told in words."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openoutcry.journal import Disk, Journal, JournalReader
from openoutcry.journal.unwritten import discard_unwritten
from openoutcry.journal.verify import verify
from tests.support.adversary.journal_places import outcry
from tests.support.dpdk_shim.udp_runs import killed, started
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, find_pipeline, free_port
from tests.support.waiting import BOUND_S


class DyingDisk(Disk):
    """The real disk; the process is killed before one of its calls."""

    def __init__(self, dies_at: int) -> None:
        self.dies_at = dies_at
        self.calls = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("open", "write", "sync", "rename", "unlink", "sync_directory"):
            self.calls += 1
            if self.calls > self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().__getattribute__(name)


def make_until_killed(places: list[Path], dies_at: int) -> bool:
    """Make a journal in a child that is killed; true if it came to the end before."""
    pid = os.fork()
    if pid == 0:
        try:
            Journal.create(
                places[0],
                {},
                expected_records=200,
                segment_bytes=16 << 10,
                copies=places[1:],
                disk=DyingDisk(dies_at),
            )
        finally:
            os._exit(0)
    return os.WIFEXITED(os.waitpid(pid, 0)[1])


@pytest.mark.promise(
    "A wrong path or number is an error in words, and makes no directory. A run killed while "
    "it made its directories can be begun again; nothing that was written is discarded for it",
    group="files",
)
def test_a_journal_whose_creation_was_interrupted_can_be_begun_again(tmp_path: Path) -> None:
    """Killed before any call of the making of three directories: each is empty or holds nothing
    that was written, and the same can be made in their place."""
    finished, dies_at = False, 0
    while not finished:
        places = [tmp_path / f"{dies_at}" / name for name in "abc"]
        finished = make_until_killed(places, dies_at)
        for place in places:
            if place.is_dir():
                discard_unwritten(place)
                assert not Journal.exists(place)
                assert list(place.glob("segment-*")) == []
        with Journal.create(
            places[0], {"seed": 9}, segment_bytes=16 << 10, copies=places[1:]
        ) as writer:
            assert writer.written_seq == 0
        assert all(verify(place).sound for place in places)
        dies_at += 1
    assert dies_at > 20


@pytest.mark.promise(
    "What was acknowledged survives SIGKILL of the whole pipeline at any moment, and a power "
    "cut with any subset of unsynced sectors. So it does in a run from the network without "
    "`--journal`",
    group="files",
)
def test_what_a_network_run_acknowledged_is_kept_and_can_be_resumed(tmp_path: Path) -> None:
    """`outcry run --udp` without --journal is killed; the next run in that folder leaves its
    journal alone, and the command that was said at the start goes on with it."""
    command = [*OUTCRY, "run", "--udp", "127.0.0.1:0", "--orders", "20000"]
    port = free_port()
    command[command.index("127.0.0.1:0")] = f"127.0.0.1:{port}"
    send = ["send", "--to", f"127.0.0.1:{port}", "--rate", "20000", "--orders"]
    with warm_outcry.Process(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            started(process)  # an order that comes before may find no socket, and is not sent again
            sender = warm_outcry.Process(
                [*OUTCRY, *send, "20000"],
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            find_pipeline(process.pid)
            (journal,) = tmp_path.glob("outcry-journal-*")
            killed(process, journal)
        finally:
            process.kill()
    sender.kill()
    sender.wait()
    assert f"the journal is kept in {journal.name}; to continue it after a crash" in line
    kept = JournalReader(journal)
    acknowledged = sum(len(records) for _, records in kept.chunks())
    assert acknowledged > 0
    assert outcry("run", "--orders", "1000", "--topology", "inline", cwd=tmp_path).returncode == 0
    assert journal.is_dir()
    again = [*command[:-1], f"{acknowledged}", "--journal", journal.name, "--resume", "--json"]
    done = warm_outcry.run_command(again, cwd=tmp_path, timeout=BOUND_S)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["resumed"]["commands"] == acknowledged
