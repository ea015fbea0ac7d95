"""The whole pipeline killed and resumed from its journal: nothing lost, nothing doubled."""

import errno
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from openoutcry.__main__ import main
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Disk, EventDigest, Journal, JournalError, JournalReader
from openoutcry.journal.checkpoint import make_checkpoints, recover, recover_from_any, save
from openoutcry.journal.listing import describe
from openoutcry.journal.replay import replay
from openoutcry.journal.sql import query
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.resume import ResumeError
from openoutcry.pipeline.run import Options, PipelineError, run
from openoutcry.pipeline.top import attached
from openoutcry.ring import list_segments, remove_dead_segments
from openoutcry.wire.enums import BlockKind
from openoutcry.wire.records import ORDER_DTYPE
from tests.support.deaths import STAGES, STARTING, DiesAt, forked, run_to_death, wait_until_free
from tests.support.waiting import wait_until

SEED = 9
ORDERS = 40_000


def options(journal: Path, **more: Any) -> Options:
    flow = GeneratedFlow("normal", ORDERS, SEED)
    given = {"orders": ORDERS, "seed": SEED, "journal": journal, **more}
    return Options(source=flow, **given)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same commands with nobody killed; also compiles the kernels, for the forks below."""
    compile_kernels(lambda label, done, total: None)
    folder = tmp_path_factory.mktemp("calm")
    return run(options(folder / "j", topology="inline"))


def life(journal: Path, **more: Any) -> Options:
    """A life of the pipeline that goes on where the one before was."""
    return options(
        journal, resume=Journal.exists(journal), verify=False, checkpoint_every=10_000, **more
    )


def drawn_death(rng: random.Random, after: int, last: int) -> Death:
    """Return a death of all processes, with a stage that has come to a sequence after ``after``."""
    seq = rng.randint(after + 1, last)
    return Death(rng.choice(STAGES), seq, rng.choice(list(Place)), everything=True)


def acknowledged_by(pid: int) -> int:
    """Up to which command the pipeline of this supervisor has promised durability: events are
    handed out up to there.  What is sequenced beyond it nobody has been told of.  The supervisor
    may be dead: what it shared is there until the next run removes it."""
    for name, owner in list_segments():
        if owner.pid == pid and name.endswith(".control"):
            pipeline = attached(owner)
            return pipeline.durable_seq if pipeline else 0
    return 0


def records_of(journal: Path) -> int:
    if not Journal.exists(journal):
        return 0
    return sum(len(records) for _, records in JournalReader(journal).chunks())


def die_and_resume(folder: Path, seed: int, deaths: int) -> tuple[dict[str, Any], list[float]]:
    """One journal, its pipeline dying ``deaths`` times, one time in five while it starts, and
    resumed each time; the last result, and how long each life took."""
    rng = random.Random(seed)
    journal, output = folder / "j", folder / "error"
    reached, seconds = 0, []
    for number in range(deaths):
        started = time.monotonic()
        if rng.randrange(5):
            # No life takes so much that nothing is left to the next.
            last = reached + (ORDERS - reached) // (deaths + 1 - number)
            death = drawn_death(rng, reached, last)
            pid = run_to_death(life(journal, orders=last, deaths=(death,)), output)
        else:
            pid = run_to_death(life(journal), output, DiesAt(rng.choice(STARTING)))
        seconds.append(time.monotonic() - started)
        record_count = records_of(journal)
        assert record_count >= acknowledged_by(pid), f"seed {seed}: acknowledged and lost"
        assert record_count >= reached, f"seed {seed}: durable and lost"
        reached = record_count
    result = run(life(journal))
    remove_dead_segments()
    return result, seconds


def check_same(result: dict[str, Any], undisturbed: dict[str, Any], journal: Path) -> None:
    for key in ("commands", "events", "trades", "state_hash", "event_hash"):
        assert result[key] == undisturbed[key], key
    assert (result["lost"], result["duplicated"]) == (0, 0)
    again = replay(journal)
    assert (again["equal"], again["wrong_seq"]) == (True, None)


@pytest.mark.promise(
    "What was acknowledged survives SIGKILL of the whole pipeline at any moment, and a power "
    "cut with any subset of unsynced sectors. So it does in a run from the network without "
    "`--journal`",
    group="files",
)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 4))]
)
def test_a_pipeline_that_died_is_taken_up_again(
    seed: int, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """The whole pipeline dies five times in one journal's life: the same book, events and trades
    as without a death, every acknowledged command still there, and the journal replays to it."""
    result, _ = die_and_resume(tmp_path, seed, 5)
    check_same(result, undisturbed, tmp_path / "j")


def test_a_pipeline_that_is_killed_from_outside_is_taken_up_again(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """SIGKILL of the supervisor by another process, once commands are acknowledged.  The pipeline
    would take longer for all of them than any machine needs to come and kill it."""
    journal, output = tmp_path / "j", tmp_path / "error"
    pid = forked(lambda: run(life(journal, rate=ORDERS // 400)), output)
    wait_until(lambda: acknowledged_by(pid) >= 20, "commands are acknowledged")
    acknowledged = acknowledged_by(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    wait_until_free(journal)
    assert acknowledged <= records_of(journal) < ORDERS
    check_same(run(life(journal)), undisturbed, journal)


@pytest.mark.parametrize("topology", ["inline", "processes"])
def test_a_run_that_ended_continues(
    topology: str, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """Half of the commands, then the rest as another run: together what one run gives."""
    half = run(options(tmp_path / "j", topology=topology, orders=ORDERS // 2))
    assert half["resumed"] is None
    result = run(options(tmp_path / "j", topology=topology, resume=True))
    assert result["resumed"]["commands"] == ORDERS // 2
    check_same(result, undisturbed, tmp_path / "j")


def test_a_failed_write_stops_acknowledging(
    tmp_path: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses one block in mid-run: the run ends and says which file, byte and why; taken
    up again on a disk that works, nothing is lost."""
    real, writes = Disk.write, [0]

    def refusing(self: Disk, fd: int, data: Any, offset: int, durable: bool = False) -> int:
        writes[0] += durable
        if writes[0] == 5:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, fd, data, offset, durable)

    monkeypatch.setattr(Disk, "write", refusing)
    with pytest.raises(JournalError, match=r"segment-000000.ocj: byte \d+: cannot write: Input"):
        run(options(tmp_path / "j", topology="inline"))
    monkeypatch.undo()
    record_count = sum(len(records) for _, records in JournalReader(tmp_path / "j").chunks())
    assert 0 < record_count < ORDERS
    result = run(options(tmp_path / "j", topology="inline", resume=True))
    assert result["resumed"]["commands"] == record_count
    check_same(result, undisturbed, tmp_path / "j")


def test_what_cannot_be_gone_on_with_is_refused(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """No journal there, a journal there without being asked to go on, and one of another run."""
    with pytest.raises(PipelineError, match="has no journal to resume"):
        run(options(tmp_path / "none", resume=True))
    calm = Path(undisturbed["journal"]["path"])
    with pytest.raises(PipelineError, match=r"already holds a journal: .* --resume"):
        run(options(calm))
    with pytest.raises(ResumeError, match="journal of a run with another seed: 9, not 8"):
        run(options(calm, resume=True, seed=8))


def test_a_restart_from_a_checkpoint_is_the_same_state(undisturbed: dict[str, Any]) -> None:
    """Newest good checkpoint and tail give the state that the whole journal gives; a damaged one
    is passed over, and without any the whole journal is read."""
    journal = Path(undisturbed["journal"]["path"])
    checkpoints = make_checkpoints(journal, 15_000)
    assert [path.name[-12:-4] for path in checkpoints] == ["00015000", "00030000"]
    for spoil in (None, checkpoints[1], checkpoints[0]):
        if spoil:
            data = bytearray(spoil.read_bytes())
            data[len(data) // 2] ^= 1
            spoil.write_bytes(data)
        point = recover(journal)
        assert point.engine.state_hash() == undisturbed["state_hash"]
        assert f"{point.chain & (2**64 - 1):016x}" == undisturbed["event_hash"]
        assert point.trades == undisturbed["trades"]
    assert [path.exists() for path in checkpoints] == [True, True]
    point = recover(journal, 20_000)
    assert (point.seq, point.engine.last_seq) == (20_000, 20_000)
    for path in checkpoints:
        path.unlink()


def test_a_matcher_is_rebuilt_from_whichever_directory_has_it(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """The first directory lags behind (a quorum of the others has the block that it lacks), and
    the second is gone: the third gives the matcher; without it each is named."""
    reader = JournalReader(undisturbed["journal"]["path"])
    places = [tmp_path / name for name in "abc"]
    blocks = [records for _, records in reader.chunks()]
    with Journal.create(places[0], reader.config, copies=places[1:], policy="quorum") as writer:
        for index, records in enumerate(blocks[:2]):
            writer.append(writer.written_seq + 1, [records], len(records), 1, durable=True)
            if index == 0:
                early = writer.written_seq
                writer._copies.rest()  # a quorum has it; this one, too
                shutil.copytree(places[0], tmp_path / "late")
        last = writer.written_seq
    shutil.rmtree(places[0])
    (tmp_path / "late" / "acknowledged").unlink(missing_ok=True)
    shutil.move(tmp_path / "late", places[0])
    shutil.rmtree(places[1])
    point = recover_from_any(places, last)
    assert (point.seq, point.engine.state_hash()) == (
        last,
        recover(places[2], last).engine.state_hash(),
    )
    assert recover_from_any(places, early).seq == early
    with pytest.raises(JournalError, match=rf"ends at sequence {early}, .*{places[1]}"):
        recover_from_any(places[:2], last)


def test_each_run_says_what_it_was(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """A resumed run's own clock offset, topology, versions and host are in the journal as records,
    beside the first run's in its configuration, and what the first run's end was proves nothing
    about a later run that was cut short."""
    journal = tmp_path / "j"
    run(options(journal, topology="inline", orders=10_000))
    assert replay(journal)["recorded"]["commands"] == 10_000
    more = {"resume": True, "verify": False}
    run(options(journal, topology="processes", orders=15_000, **more))
    run(options(journal, topology="inline", orders=20_000, **more))
    reader = JournalReader(journal)
    assert reader.evidence is not None
    seqs = [document["seq"] for document in reader.resumed]
    assert seqs == [10_000, 15_000]
    assert [d["config"]["topology"] for d in reader.resumed] == ["processes", "inline"]
    for document in reader.resumed:
        assert set(document["config"]) == set(reader.config) - {"instruments"}
        for key in ("program", "clock", "versions", "host", "layout_version"):
            assert document["config"][key] == reader.config[key] or key in ("clock", "host")
        assert "bound_ns" in document["config"]["clock"]
        assert abs(document["ts_ns"] - time.time_ns()) < 600e9
    assert reader.resumed == describe(journal)["resumed"]
    rows = query(
        journal, "select session, min(seq) a, max(seq) b from audit group by 1 order by 2"
    ).to_pylist()
    name = f"{reader.journal_id:016x}"
    assert rows == [
        {"session": f"{name}/1", "a": 1, "b": 10_000},
        {"session": f"{name}/2", "a": 10_001, "b": 15_000},
        {"session": f"{name}/3", "a": 15_001, "b": 20_000},
    ]
    listed = CliRunner().invoke(main, ["journal", "ls", str(journal)]).stdout
    assert "\nresumed after command 15,000 at 20" in listed
    with Journal.resume(journal) as writer:
        writer.resumed({"seq": writer.written_seq, "config": {}})
    again = replay(journal)
    assert (again["recorded"], again["equal"], again["commands"]) == (None, None, 20_000)


@pytest.mark.smoke
@pytest.mark.promise(
    "A checkpoint, watermark or copy of another history or another journal, or of commands that "
    "were lost, is not used",
    group="files",
)
def test_a_checkpoint_of_lost_commands_is_not_taken(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """The journal ends before a checkpoint of it: a resume says how many commands are missing, and
    changes nothing.  With the checkpoint moved away it begins at the journal's end."""
    calm, journal = Path(undisturbed["journal"]["path"]), tmp_path / "j"
    reader = JournalReader(calm)
    point = recover(calm, 30_000)
    with Journal.create(journal, reader.config) as writer:
        for _, records in reader.chunks(20_000):
            writer.append(writer.written_seq + 1, [records], len(records), 1)
    lost = save(journal, JournalReader(journal).journal_id, point)
    with pytest.raises(JournalError, match=r"command 20,000: 10,000 commands are missing.*move"):
        run(options(journal, topology="inline", resume=True))
    assert lost.exists()
    lost.rename(tmp_path / lost.name)
    result = run(options(journal, topology="inline", resume=True))
    assert result["resumed"]["commands"] == 20_000
    assert not lost.exists()
    check_same(result, undisturbed, journal)


@pytest.mark.promise(
    "Flipped bits, a block changed with its checksum, changed event hashes and a cut end of "
    "the evidence are detected. A journal that cannot be replayed is not sound to `verify`",
    group="files",
)
def test_a_changed_event_hash_is_found_by_replay(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """The hash beside a block that is not that of its events: replay names the command."""
    reader = JournalReader(undisturbed["journal"]["path"])
    proven = [b.header.events_seq for b in reader.all_blocks() if b.header.events_seq]
    assert len(set(proven)) >= 3, "most blocks carry a hash"
    with Journal.create(tmp_path / "j", reader.config) as writer:
        for block in JournalReader(undisturbed["journal"]["path"]).all_blocks():
            header = block.header
            if header.kind != BlockKind.COMMANDS:
                continue
            wrong = int(header.events_seq == proven[1])
            event_digest = EventDigest(header.events_seq, header.events_hash ^ wrong)
            records = np.frombuffer(block.payload, ORDER_DTYPE)
            writer.append(header.first_seq, [records], len(records), 1, event_digest=event_digest)
    again = replay(tmp_path / "j")
    assert (again["equal"], again["wrong_seq"]) == (False, proven[1])


@pytest.mark.long
def test_a_thousand_deaths_of_the_pipeline(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """1,000 SIGKILLs of the whole pipeline, ten in each journal's life: one answer every time.

    The figures go to docs/evidence/journal_kills.json.
    """
    from openoutcry.report.evidence import write_evidence

    seconds: list[float] = []
    for seed in range(1000, 1100):
        folder = tmp_path / str(seed)
        folder.mkdir()
        result, took = die_and_resume(folder, seed, 10)
        check_same(result, undisturbed, folder / "j")
        seconds += took
        shutil.rmtree(folder)
    assert max(seconds) < 30
    ordered = sorted(seconds)
    write_evidence(
        "journal_kills",
        {
            "kills": len(seconds),
            "journals": 100,
            "orders_a_journal": ORDERS,
            "rate": 0,
            "first_seed": 1000,
            "acknowledged_lost": 0,
            "different_hashes": 0,
            "resume_s_p50": ordered[len(ordered) // 2],
            "resume_s_max": ordered[-1],
        },
        "make test-long ARGS=tests/system/durability/test_journal_restarts.py",
    )
