"""Disasters of all kinds, one after another, and a client who remembers what he was told.

    python -m tests.support.adversary.disasters --count 200 [--seed 1] [--evidence FILE]

A client sends orders by UDP to a pipeline with a durable journal; whenever it is resumed he
sends all that he has sent once more, some of it doubled, in any order.  The pipeline meets one
disaster after another: killed whole or in part, its disk failing, lying, full or slow
(disk_faults.c before libc), its rings truncated, its journal and checkpoints damaged, swapped with
those of a fork, mended from a copy.  After each disaster every event that the client was told must
stand in the journal, the same to the byte, and no order twice.
"""

import argparse
import json
import mmap
import os
import platform
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.flow import GeneratedFlow
from openoutcry.host.commit import commit
from openoutcry.journal import Journal, JournalReader
from openoutcry.journal.checkpoints import checkpoint_path, checkpoint_seqs
from openoutcry.journal.events import events_of, starting_point
from openoutcry.journal.repair import repair
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import Watcher
from openoutcry.pipeline.run import run
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.records import EVENT_DTYPE
from tests import ROOT
from tests.support.adversary.lives import Client, Life, Violation
from tests.support.deaths import STAGES, STARTING, DiesAt
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S, LOOK_S, wait_until

SHIM = Path(__file__).with_name("disk_faults.c")
FAULTS = {
    "write fails": 1,
    "disk full": 2,
    "short write": 3,
    "sync fails": 4,
    "sync lies": 5,
    "slow disk": 6,
}
SLOW_US = 30_000
EPOCH = 14
"""Disasters that one journal meets, each kind once, before the next one begins."""


class DiskFaults:
    """What the preloaded shim does, set from outside through a mapped file."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)

    def set(self, kind: int, countdown: int = 1) -> None:
        struct.pack_into("<4q", self._map, 0, 0, countdown, SLOW_US, 0)
        struct.pack_into("<q", self._map, 0, kind)

    @property
    def hits(self) -> int:
        return int(struct.unpack_from("<q", self._map, 24)[0])


class Storm:
    """Disasters over one journal and its copy."""

    def __init__(self, folder: Path, faults: DiskFaults | None, rng: random.Random) -> None:
        self.folder, self.faults, self.rng = folder, faults, rng
        self.journal, self.copy = folder / "j", folder / "copy"
        self.port = free_port()
        self.client = Client(self.port, rng, 1)
        self.outcomes: Counter[str] = Counter()
        self.began = False
        self.commands = 0
        """In the journal when it was checked last."""
        self.lives: list[Life] = []

    def options(
        self, topology: str, journal: Path, port: int, deaths: tuple[Death, ...] = ()
    ) -> Options:
        return Options(
            ports=[parse_port(f"udp:127.0.0.1:{port}")],
            source_kind="udp",
            instruments=GeneratedFlow("normal", 1, 1).instruments,
            topology=topology,
            housekeeping_cores=self.rng.choice((0, 1)),
            journal=journal,
            resume=self.began,
            copies=() if self.began else (self.copy,),
            policy="all",
            checkpoint_every=40,
            order_capacity=1 << 14,
            verify=False,
            deaths=deaths,
        )

    def live(self, options: Options, watcher: Watcher | None = None) -> Life:
        self.lives.append(Life(self.folder, partial(run, options, watcher)))
        return self.lives[-1]

    def begin(self, topology: str = "", deaths: tuple[Death, ...] = ()) -> Life:
        """Take the journal up, mending it where that is asked for, until the client is answered."""
        topology = topology or self.rng.choice(("inline", "inline", "processes"))
        heard: list[str] = []
        for _ in range(3):
            life = self.live(self.options(topology, self.journal, self.port, deaths))
            if self._answers(life, self.client):
                self.began = True
                return life
            # Told in words: mended as the words say, each directory by the other.
            output = life.output_path.read_text()
            heard.append(output)
            if "Traceback" in output or "outcry: " not in output:
                raise Violation(f"no error in words: {output}")
            if not self.began:
                raise Violation(f"a new journal was refused: {output}")
            self.outcomes["refused, then repaired"] += 1
            for path, other in ((self.journal, self.copy), (self.copy, self.journal)):
                try:
                    repair(path, other)
                except OutcryError as error:
                    heard.append(f"repair of {path.name}: {error}")
        raise Violation(f"not to be resumed: {'; then '.join(heard)}")

    def _answers(self, life: Life, client: Client) -> bool:
        if client.packets:
            client.send_all_again()
        until = time.monotonic() + BOUND_S
        while time.monotonic() < until:
            client.send(1)
            if client.listen(0.05):
                return True
            if life.ended():
                return False
        raise Violation(f"nobody answers: {life.output_path.read_text()}")

    def traffic(self) -> None:
        for _ in range(self.rng.randrange(8)):
            self.client.send(self.rng.randrange(1, 23))
            self.client.listen(self.rng.choice((0.0, 0.0, 0.005)))

    def check(self) -> int:
        """What was told stands in the journal, and nothing was executed twice; returns how many
        events were compared."""
        self.client.listen(0.0)
        ids: list[int] = []
        events = []
        reader = JournalReader(self.journal)
        for batch in events_of(reader, starting_point(reader)):
            ids += batch.commands["order_id"].tolist()
            events.append(batch.events.copy())
        journal_events = np.concatenate([np.zeros(0, EVENT_DTYPE), *events])
        if len(set(ids)) != len(ids):
            raise Violation("an order was executed twice")
        self.commands = len(ids)
        self.check_told(self.client.events, journal_events)
        return len(self.client.events)

    def check_told(self, received: dict[int, bytes], journal_events: np.ndarray) -> None:
        """Each event told is the journal's event of that sequence."""
        for seq, event in received.items():
            if seq > len(journal_events):
                raise Violation(
                    f"event {seq} was told and is lost: the journal has {len(journal_events)}"
                )
            if journal_events[seq - 1].tobytes() != event:
                raise Violation(f"event {seq} was told and is another one now")

    # Disasters ------------------------------------------------------------------------------------

    def killed(self) -> None:
        life = self.begin()
        self.traffic()
        life.kill()

    def killed_at_start(self) -> None:
        """As a phase of the way up begins (there is no source), or before a stage's first step."""
        if not self.began:
            return self.killed()
        phase = self.rng.choice((*STARTING[1:], ""))
        death = Death(self.rng.choice(STAGES), 0, everything=True)
        options = self.options("inline", self.journal, self.port, () if phase else (death,))
        life = self.live(options, DiesAt(phase))
        self.client.send_all_again()
        if life.wait(self.client) != -signal.SIGKILL:
            raise Violation(f"it ended by itself: {life.output_path.read_text()}")
        life.kill()
        return None

    def stage_killed(self) -> None:
        """One or two stages die, each at a sequence that comes after the journal's last."""
        deaths = tuple(
            Death(
                self.rng.choice(STAGES),
                self.commands + self.rng.randint(1, 40),
                self.rng.choice(list(Place)),
            )
            for _ in range(self.rng.randrange(1, 3))
        )
        life = self.begin("processes", deaths)
        self.traffic()

        def restarted() -> bool:
            self.client.send(1)
            self.client.listen(LOOK_S)
            if life.ended():
                raise Violation(f"a dead stage ended it: {life.output_path.read_text()}")
            names = [death.stage for death in deaths]
            return all(life.restarts([name]) >= names.count(name) for name in names)

        wait_until(restarted, f"the stages that die are replaced: {deaths}")
        wait_until(lambda: restarted() and self.client.listen(LOOK_S), "it answers again")
        life.kill()

    def stopped(self) -> None:
        life = self.begin()
        self.traffic()
        os.kill(life.pid, self.rng.choice((signal.SIGINT, signal.SIGTERM)))
        if status := life.wait(self.client):
            raise Violation(f"a stop ended with {status}: {life.output_path.read_text()}")

    def disk_fault(self, name: str) -> None:
        assert self.faults is not None
        life = self.begin()
        self.faults.set(FAULTS[name], self.rng.randrange(1, 6))
        if name in ("sync lies", "slow disk"):
            self.traffic()
            self.client.listen(0.1)
            life.kill()
        else:
            until = float("inf")
            while not life.ended() and time.monotonic() < until:
                self.client.send(2)
                self.client.listen(0.01)
                if self.faults.hits:
                    # Who is alive a minute later, on a busy machine, goes on without the disk.
                    until = min(until, time.monotonic() + (name != "short write") * 60.0)
            if life.ended():
                life.kill()
                output = life.output_path.read_text()
                if life.status != 1 or str(self.folder) not in output or "Traceback" in output:
                    raise Violation(f"status {life.status}, and no error by name: {output}")
                self.outcomes["disk fault told by name"] += 1
            else:
                self.outcomes["disk fault survived"] += 1
                life.kill()
        self.faults.set(0)

    def ring_truncated(self) -> None:
        life = self.begin()
        names = [path for path in Path("/dev/shm").iterdir() if f".{life.pid}." in path.name]
        os.truncate(self.rng.choice(names), 0)
        until = time.monotonic() + 5
        while not life.ended() and time.monotonic() < until:
            self.client.send(2)
            self.client.listen(0.01)
        if not life.ended():
            self.outcomes["truncated segment: gone on"] += 1
        elif life.status == 1 and "Traceback" not in life.output_path.read_text():
            self.outcomes["truncated segment: told by name"] += 1
        else:
            raise Violation(f"truncated: status {life.status}: {life.output_path.read_text()}")
        life.kill()

    def journal_damaged(self) -> None:
        """A byte of one of the two directories, a lost segment, or a torn end."""
        self.killed()
        victim = self.rng.choice((self.journal, self.copy))
        segment = self.rng.choice(sorted(victim.glob("segment-*.ocj")))
        how = self.rng.choice(("flip", "lose", "watermark"))
        if how == "flip":
            _flip(segment, self.rng)
        elif how == "lose":
            segment.unlink()
        else:
            _flip(victim / "acknowledged", self.rng)
        for path, other in ((self.journal, self.copy), (self.copy, self.journal)):
            repair(path, other)

    def checkpoint_damaged(self) -> None:
        life = self.begin("processes")
        self.traffic()
        self.client.listen(0.2)
        life.kill()
        for seq in checkpoint_seqs(self.journal)[-2:]:
            if self.rng.random() < 0.7:
                _flip(checkpoint_path(self.journal, seq), self.rng)
                self.outcomes["checkpoint damaged"] += 1

    def checkpoint_of_a_fork(self) -> None:
        """Both directories are copied, the copies go on in their places with other orders, and the
        checkpoints of that are put beside the journal."""
        self.killed()
        aside, fork = self.folder / "aside", self.folder / "fork"
        for path in (self.journal, self.copy):
            shutil.copytree(path, fork / path.name)
            aside.mkdir(exist_ok=True)
            path.rename(aside / path.name)
            (fork / path.name).rename(path)
        port = free_port()
        life = self.live(self.options("processes", self.journal, port))
        other = Client(port, self.rng, 10**9)
        try:
            if not self._answers(life, other):
                raise Violation(f"a fork was refused: {life.output_path.read_text()}")
            until = time.monotonic() + 10
            before = aside / self.journal.name
            while not new_checkpoints(self.journal, before) and time.monotonic() < until:
                other.send(22)
                other.listen(0.02)
        finally:
            life.kill()
            for path in (self.journal, self.copy):
                path.rename(fork / path.name)
                (aside / path.name).rename(path)
        for seq in new_checkpoints(fork / self.journal.name, self.journal):
            shutil.copy(checkpoint_path(fork / self.journal.name, seq), self.journal)
            self.outcomes["checkpoint of a fork"] += 1
        shutil.rmtree(fork)
        aside.rmdir()


def new_checkpoints(directory: Path, before: Path) -> list[int]:
    """Sequences of the checkpoints that the one directory has and the other one not."""
    return [seq for seq in checkpoint_seqs(directory) if not checkpoint_path(before, seq).exists()]


def _flip(path: Path, rng: random.Random) -> None:
    """One bit of the part that was written to."""
    data = path.read_bytes().rstrip(b"\0")
    at = rng.randrange(max(1, len(data)))
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([data[at] ^ 1 << rng.randrange(8)]))


def kinds(storm: Storm) -> dict[str, Callable[[], None]]:
    faults = {name: (lambda name=name: storm.disk_fault(name)) for name in FAULTS}
    return {
        "everything killed": storm.killed,
        "killed on the way up": storm.killed_at_start,
        "stages killed": storm.stage_killed,
        "stopped by a signal": storm.stopped,
        "ring truncated": storm.ring_truncated,
        "journal damaged": storm.journal_damaged,
        "checkpoint damaged": storm.checkpoint_damaged,
        "checkpoint of a fork": storm.checkpoint_of_a_fork,
        **faults,
    }


def run_storm(
    folder: Path, count: int, seed: int, tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """``count`` disasters, ``tell`` what has been found after each journal's; raises
    :class:`Violation`."""
    compile_kernels(lambda what, done, total: None)
    in_small_segments(64 << 10)
    faults = DiskFaults(Path(os.environ["DISK_FAULTS"]))
    done: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    event_count = packets = compared = number = 0
    started = time.monotonic()
    report: dict[str, Any] = {}
    while number < count:
        rng = random.Random(f"{seed} {number}")
        place = folder / f"{number}"
        place.mkdir()
        storm = Storm(place, faults, rng)
        todo: list[str] = []
        for _ in range(min(EPOCH, count - number)):
            table = kinds(storm)
            todo = todo or rng.sample(list(table), len(table))
            name = todo.pop()
            try:
                table[name]()
                compared += storm.check()
            except Violation as error:
                for life in storm.lives:
                    life.kill()
                raise Violation(f"seed {seed}, disaster {number}, {name}: {error}") from error
            done[name] += 1
            number += 1
        event_count += len(storm.client.events)
        packets += len(storm.client.packets)
        outcomes += storm.outcomes
        shutil.rmtree(place)
        report = {
            "disasters": number,
            "kinds": dict(sorted(done.items())),
            "packets": packets,
            "events_told": event_count,
            "comparisons": compared,
            "lost": 0,
            "doubled": 0,
            "different": 0,
            "outcomes": dict(sorted(outcomes.items())),
            "seed": seed,
            "seconds": round(time.monotonic() - started, 1),
        }
        tell(report)
    return report


def in_small_segments(size_bytes: int) -> None:
    """From here on this process makes journals of segments that are made in no time."""
    Journal.create = partial(Journal.create, segment_bytes=size_bytes)  # type: ignore[method-assign]


def with_faults(folder: Path) -> dict[str, str]:
    """The environment in which :class:`DiskFaults` work; needs a C compiler."""
    library, control = folder / "disk_faults.so", folder / "faults"
    subprocess.run(
        ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"],
        check=True,
    )
    control.write_bytes(bytes(32))
    return {
        "LD_PRELOAD": str(library),
        "DISK_FAULTS": str(control),
        "DISK_FAULTS_UNDER": str(folder.resolve()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="on a disk [default: a temporary one]")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    if "DISK_FAULTS" not in os.environ:
        with tempfile.TemporaryDirectory(dir=given.folder or "/var/tmp") as folder:
            environment = os.environ | with_faults(Path(folder))
            command = [sys.executable, __file__, *sys.argv[1:]]
            sys.exit(subprocess.run(command, env=environment, check=False).returncode)

    def tell(report: dict[str, Any]) -> None:
        print(f"{report['disasters']} disasters, {report['events_told']} events told", flush=True)
        if given.evidence:
            add_evidence(given.evidence, "disasters", report, by="seed")

    try:
        report = run_storm(Path(os.environ["DISK_FAULTS_UNDER"]), given.count, given.seed, tell)
    except Violation as error:
        sys.exit(f"VIOLATION: {error}")
    print(json.dumps(report, indent=1))


def add_evidence(path: Path, section: str, report: dict[str, Any], by: str = "") -> None:
    """Put what was found into the document, with where, when, how and of which source tree.

    ``by``: the section is a list, and this replaces the one in it that has the same there.
    """
    document = json.loads(path.read_text()) if path.exists() else {}
    row = report | {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "command": _command(sys.argv),
    }
    others = [one for one in document.get(section, []) if one.get(by) != row[by]] if by else []
    document[section] = [*others, row] if by else row
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def _command(arguments: list[str]) -> str:
    """As anybody would give it: without places of this machine."""
    place = Path(arguments[0]).resolve().relative_to(ROOT).with_suffix("")
    words, skip = ["python", "-m", ".".join(place.parts)], False
    for word in arguments[1:]:
        if not skip and word not in ("--folder", "--evidence"):
            words.append(word)
        skip = word in ("--folder", "--evidence")
    return " ".join(words)


if __name__ == "__main__":
    main()
