"""A venue, its sessions' process and its clients are killed in mid-traffic, over and over.

    python -m tests.support.adversary.session_storm --kills 1000 [--seed 1] [--evidence FILE]

Participants trade with each other at a served venue with a durable journal: over OUCH 4.2, OUCH
5.0, FIX 4.4 and authenticated packets, while two drop copies listen, one over SoupBinTCP and one
over FIX (session_clients.py).  The seed draws what is killed, and after how many more messages:
everything, with its streams or without; the processes of the stages; the acceptor; a client.  A
client that lost its connection reads its stream again from number 1 and compares it with its own
record.  After each kill the journal has every order that was acknowledged, and none twice.  At a
journal's end both drop copies are, event by event, what a replay makes of that journal.
"""

import argparse
import json
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.host.processes import die_with_parent
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, starting_point
from openoutcry.order_entry import command_metadata
from openoutcry.order_entry.drop_copy import COPY_DTYPE
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.run import Watcher
from openoutcry.pipeline.top import running
from openoutcry.venue.file import read_venue
from openoutcry.venue.serve import Venue
from openoutcry.wire.enums import CommandKind, EventKind
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE
from tests.support import compile_first
from tests.support.adversary import session_clients as clients
from tests.support.adversary.disasters import add_evidence
from tests.support.adversary.lives import Life
from tests.support.order_entry.drop_copies import plain_report
from tests.support.order_entry.sessions_venue import HASH, Client
from tests.support.processes import free_port
from tests.support.venue.served_venue import VENUE, FileClock, ns
from tests.support.waiting import BOUND_S

EPOCH = 25
"""Kills that one journal meets."""
KEY = bytes(range(32))
SESSIONS = 5
"""Sessions of the session layer; packets are not among them."""
PROTOCOLS = ("ouch-4.2", "ouch-5.0", "fix-4.4", "drop-copy", "fix-drop-copy", "packets")
KINDS = {
    "venue": 3,
    "venue, streams lost": 2,
    "sessions' process": 8,
    "another stage's process": 2,
    "acceptor": 1,
    "client OUCH 4.2": 3,
    "client OUCH 5.0": 3,
    "client FIX": 3,
    "client packets": 1,
    "client drop copy": 1,
    "client FIX drop copy": 1,
}
"""What is killed, and how often."""
EARLY = 0.15
"""How many kills do not wait until everybody is back."""


class Violation(Exception):
    """Something acknowledged was lost, doubled or changed."""


def venue_text(ports: dict[str, int]) -> str:
    rows = [
        ("S42", "ouch-4.2", "participant = 1", "none"),
        ("S50", "ouch-5.0", "participant = 2", "all"),
        ("FIRM", "fix-4.4", "participant = 3", "none"),
        ("COPY", "drop-copy", 'group = "all"', ""),
        ("REPORTS", "fix-drop-copy", 'group = "all"', ""),
    ]
    text = VENUE[: VENUE.index("[[participant]]")].replace("4096", "8192")
    for number in range(1, 5):
        text += f'[[participant]]\nnumber = {number}\nname = "p{number}"\ngroup = "all"\n'
    for name, protocol, about, policy in rows:
        text += f'[[session]]\nname = "{name}"\nprotocol = "{protocol}"\n{about}\n'
        text += f'password = "{HASH}"\ntimeout_ms = 600_000\n'
        text += f'cancel_on_disconnect = "{policy}"\n' if policy else ""
    text += (
        f'[[session]]\nname = "RAW"\nprotocol = "packets"\nparticipant = 4\nkey = "{KEY.hex()}"\n'
    )
    for protocol, port in ports.items():
        text += f'[[port]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{port}"\n'
    return text


def serve(folder: Path) -> None:
    die_with_parent()
    watcher = Watcher(note=lambda text: print(text, file=sys.stderr, flush=True))
    venue = Venue(read_venue(folder / "venue.toml"), watcher, FileClock(folder / "clock"))
    print(json.dumps(venue.serve()), flush=True)


class Storm:
    """Kills over one journal."""

    def __init__(self, folder: Path, rng: random.Random, seed: int) -> None:
        self.folder, self.rng, self.seed = folder, rng, seed
        self.journal = folder / "journal"
        self.ports = {p: free_port() for p in PROTOCOLS}
        (folder / "venue.toml").write_text(venue_text(self.ports))
        (folder / "venue.toml").chmod(0o600)
        (folder / "clock").write_text(str(ns("2026-11-23T10:00")))
        self.stop = mmap.mmap(-1, mmap.PAGESIZE)
        raw = partial(clients.Packets, key=KEY, participant=4)
        self.kinds: dict[str, tuple[Any, str, str]] = {
            "OUCH 4.2": (clients.Ouch42, "ouch-4.2", "S42"),
            "OUCH 5.0": (clients.Ouch50, "ouch-5.0", "S50"),
            "FIX": (clients.Fix, "fix-4.4", "FIRM"),
            "drop copy": (clients.Copy, "drop-copy", "COPY"),
            "FIX drop copy": (clients.FixCopy, "fix-drop-copy", "REPORTS"),
            "packets": (raw, "packets", "RAW"),
        }
        self.pids: dict[str, int] = {}
        self.verified: Counter[str] = Counter()
        self.life: Life | None = None

    # Processes.

    def log(self, name: str) -> Path:
        return self.folder / name.replace(" ", "-")

    def begin_client(self, name: str) -> None:
        kind, protocol, session = self.kinds[name]
        pid = os.fork()
        if pid == 0:
            status = 2
            try:
                die_with_parent()
                path = self.log(name)
                path.touch()
                kind(path, self.ports[protocol], session, self.seed, self.stop).live()
                status = 0
            except BaseException as error:
                print(f"client {name}: {error!r}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        self.pids[name] = pid

    def begin(self) -> None:
        self.life = Life(self.folder, partial(serve, self.folder))
        for name in self.kinds:
            if name not in self.pids:
                self.begin_client(name)

    def end(self) -> None:
        """Whatever is left of it."""
        for pid in self.pids.values():
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        if self.life is not None:
            self.life.kill()

    # What the clients have written down.

    def notes(self, name: str) -> Counter[str]:
        path = self.log(name)
        records = clients.records(path) if path.exists() else iter(())
        return Counter(data.decode() for kind, data in records if kind == clients.NOTE)

    def received(self, name: str) -> list[bytes]:
        path = self.log(name)
        records = clients.records(path) if path.exists() else iter(())
        return [data for kind, data in records if kind == clients.RECEIVED]

    def bytes_told(self) -> int:
        return sum(self.log(name).stat().st_size for name in self.kinds if self.log(name).exists())

    def look(self) -> None:
        """Raise what a client, or the venue, has died of."""
        assert self.life is not None
        if self.life.ended():
            raise Violation(f"the venue ended with {self.life.status}: {self.output()}")
        for name, pid in self.pids.items():
            wrong = [text for text in self.notes(name) if text.startswith(clients.WRONG)]
            if wrong:
                raise Violation(f"client {name}: {wrong[0]}; the venue: {self.output()}")
            if name != "" and not self.stop[0] and os.waitpid(pid, os.WNOHANG)[0]:
                raise Violation(f"client {name} is gone")

    def output(self) -> str:
        assert self.life is not None
        return self.life.output_path.read_text()[-3_000:]

    def wait(self, true: Callable[[], bool], what: str) -> None:
        until, looked = time.monotonic() + BOUND_S, 0.0
        while not true():
            if time.monotonic() > looked + 0.2:
                self.look()
                looked = time.monotonic()
            if time.monotonic() > until:
                raise Violation(f"{what}; the venue: {self.output()}")
            time.sleep(0.005)

    # Kills.

    def kill(self, kind: str) -> list[str]:
        """Returns the clients whose streams are to be read again."""
        assert self.life is not None
        readers = [name for name in self.kinds if name != "packets"]
        if kind.startswith("client "):
            name = kind.removeprefix("client ")
            os.kill(self.pids[name], signal.SIGKILL)
            os.waitpid(self.pids[name], 0)
            self.begin_client(name)
            return [name] if name in readers else []
        if kind.startswith("venue"):
            self.life.kill()
            if kind != "venue":
                # As after a power cut: made again from the journal alone.
                for stream in (self.journal / "sessions").glob("*.stream"):
                    stream.unlink()
            self.begin()
            return readers
        pids = self.stages()
        if kind == "acceptor":
            listed = Path(f"/proc/{self.life.pid}/task/{self.life.pid}/children").read_text()
            others = set(map(int, listed.split())) - set(pids.values())
            return self.kill_one(sorted(others)) and []
        with_sessions = pids.get("sessions")
        wanted = with_sessions
        if kind == "another stage's process":
            others = {pid for pid in pids.values() if pid != with_sessions}
            wanted = self.rng.choice(sorted(others)) if others else with_sessions
        died = self.kill_one([wanted] if wanted else [])
        return readers if died and wanted == with_sessions else []

    def kill_one(self, pids: list[int]) -> bool:
        for pid in pids[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def stages(self) -> dict[str, int]:
        """Pid of each stage; none while the venue is on its way up."""
        assert self.life is not None
        for pipeline in running():
            if pipeline.owner.pid == self.life.pid:
                rows = pipeline.view(pipeline.positions(), 1)["stages"]
                return {row["name"]: row["pid"] for row in rows if row["pid"] != self.life.pid}
        return {}

    def one_kill(self, kind: str) -> None:
        """Traffic, a kill in it, and everybody is back."""
        begin, more = self.bytes_told(), self.rng.randrange(500, 15_000)
        self.wait(lambda: self.bytes_told() >= begin + more, "no traffic")
        time.sleep(self.rng.random() * 0.02)
        before = {name: self.notes(name)[clients.VERIFIED] for name in self.kinds}
        back = self.kill(kind)
        if self.rng.random() >= EARLY:
            for name in back:
                self.wait(
                    lambda name=name: self.notes(name)[clients.VERIFIED] > before[name],  # type: ignore[misc]
                    f"{name} has not recovered after {kind}",
                )
        self.check()

    def check(self) -> None:
        """What was acknowledged stands in the journal, and nothing twice."""
        acknowledged = {number: self.accepted(name) for name, number in ACCOUNTS.items()}
        events = self.packet_events()
        commands = self.commands()
        news = commands[commands["kind"] == CommandKind.NEW]
        for number, numbers in acknowledged.items():
            mine = news[news["participant"] == number]["qty_lots"]
            if len(np.unique(mine)) != len(mine):
                raise Violation(f"participant {number}: an order is in the journal twice")
            if lost := numbers - set(mine.tolist()):
                raise Violation(f"participant {number}: {sorted(lost)} were acknowledged and lost")
        raw = news[news["participant"] == 4]["order_id"]
        if len(np.unique(raw)) != len(raw):
            raise Violation("an order that came by packets is in the journal twice")
        ours = events[events["participant"] == 4]["order_id"]
        if lost := set(ours.tolist()) - set(raw.tolist()):
            raise Violation(f"packets' orders {sorted(lost)} were acknowledged and lost")

    def commands(self) -> np.ndarray:
        if not list(self.journal.glob("segment-*")):
            return np.zeros(0, ORDER_DTYPE)
        chunks = [np.array(orders) for _, orders in JournalReader(self.journal).chunks()]
        return np.concatenate([np.zeros(0, ORDER_DTYPE), *chunks])

    def packet_events(self) -> np.ndarray:
        return np.frombuffer(b"".join(self.received("packets")), EVENT_DTYPE)

    def accepted(self, name: str) -> set[int]:
        """Quantities of the orders that a client was told are accepted."""
        return {number for body in self.received(name) if (number := ACCEPTED[name](body))}

    # The end of a journal.

    def finish(self) -> dict[str, int]:
        """Everything is answered; then all that was told is compared with a replay."""
        self.stop[0] = 1
        for name in self.kinds:
            self.wait(lambda name=name: self.notes(name)[clients.DONE] > 0, f"{name} is not done")  # type: ignore[misc]
            os.waitpid(self.pids.pop(name), 0)
        all_events, internal = self.replayed()
        mine = (all_events["participant"] >= 1) & (all_events["participant"] <= 4)
        # That a connection came or went is a record of the session layer, and nobody's order.
        mine &= (all_events["kind"] != EventKind.REJECTED) | ~np.isin(
            all_events["cause_seq"], internal
        )
        self.check_copy(all_events[mine])
        self.check_reports(all_events[mine])
        for body in self.received("packets"):
            seq = clients.event_seq(body)
            if seq > len(all_events) or all_events[seq - 1].tobytes() != body:
                raise Violation(f"event {seq} was told by a packet and is not the journal's")
        self.check()
        assert self.life is not None
        os.kill(self.life.pid, signal.SIGTERM)
        until = time.monotonic() + BOUND_S
        while not self.life.ended():
            if time.monotonic() > until:
                raise Violation(f"the venue does not stop: {self.output()}")
            time.sleep(0.01)
        if self.life.status:
            raise Violation(f"the venue stopped with {self.life.status}: {self.output()}")
        last = json.loads(self.life.output_path.read_text().splitlines()[-1])["last_run"]
        if last["lost"] or last["duplicated"]:
            raise Violation(f"the venue's own account: {last}")
        return {
            "orders_acknowledged": sum(len(self.accepted(name)) for name in ACCOUNTS),
            "packet_events_told": len(self.received("packets")),
            "commands": len(self.commands()),
            "events": len(all_events),
            "streams_read_again": sum(self.notes(n)[clients.VERIFIED] for n in self.kinds),
        }

    def replayed(self) -> tuple[np.ndarray, list[int]]:
        """All events, and the commands that the session layer made of itself."""
        reader, events, internal = JournalReader(self.journal), [], set()
        for batch in events_of(reader, starting_point(reader)):
            events.append(np.array(batch.events))
            text = (
                batch.block.note.get(command_metadata.BLOCK_KEY, "") if len(batch.commands) else ""
            )
            if text:
                there, session_notes = command_metadata.unpack(
                    text, batch.header.record_count, SESSIONS
                )
                is_internal = session_notes["flags"] & command_metadata.FLAG_INTERNAL != 0
                internal |= set((batch.header.first_seq + there[is_internal]).tolist())
        return np.concatenate([np.zeros(0, EVENT_DTYPE), *events]), sorted(internal)

    def check_copy(self, events: np.ndarray) -> None:
        """The drop copy, from number 1, is what a replay makes of the journal."""
        client = Client(self.ports["drop-copy"], "COPY", sequence=1, wait_s=BOUND_S)
        bodies = []
        with suppress(TimeoutError):
            bodies = [client.packet()[1] for _ in range(len(events))]
        client.close()
        if len(bodies) < len(events) or set(map(len, bodies)) - {COPY_DTYPE.itemsize}:
            raise Violation("the drop copy ends before the journal")
        copies = np.frombuffer(b"".join(bodies), COPY_DTYPE)["event"]
        if np.ascontiguousarray(copies).tobytes() != np.ascontiguousarray(events).tobytes():
            raise Violation("the drop copy is not what the journal gives")

    def check_reports(self, events: np.ndarray) -> None:
        """The reports of FIX's drop copy, from number 1, are what a replay makes of the journal."""
        known: dict[int, list[int]] = {}
        reports = [(str(event["seq"]), plain_report(event, known)) for event in events]
        rejected = {seq for seq, report in reports if report and report[0] == "8"}
        wanted = [
            (seq, report[0], *report[2:])
            for seq, report in reports
            if report and seq not in rejected
        ]
        path, port = self.log("FIX drop copy"), self.ports["fix-drop-copy"]
        client, reported = clients.FixCopy(path, port, "REPORTS", self.seed, self.stop), []
        for fields in client.from_first(wanted[-1][0]):
            if fields[35] == "8" and fields[150] != "8":
                reported.append(tuple(fields[tag] for tag in (17, 150, 38, 14, 151)))
            elif fields[35] == "8" and fields[17] not in rejected:
                raise Violation(f"event {fields[17]} is told as a reject, which it is not")
        if reported != wanted:
            differ = [pair for pair in zip(reported, wanted, strict=False) if pair[0] != pair[1]]
            raise Violation(
                f"the FIX drop copy is not what the journal gives: {len(reported)} "
                f"reports of {len(wanted)}, {differ[:1]}"
            )


ACCOUNTS = {"OUCH 4.2": 1, "OUCH 5.0": 2, "FIX": 3}
"""Whose orders are known in the journal by their quantity."""


def accepted_42(body: bytes) -> int:
    token = body[9:23].strip()
    return int(token) if body[:1] == b"A" and token.isdigit() else 0


def accepted_50(body: bytes) -> int:
    return int.from_bytes(body[9:13], "big") if body[:1] == b"A" else 0


def accepted_fix(body: bytes) -> int:
    fields = dict(json.loads(body)[1])
    named = fields.get(11, "")
    return int(named[4:]) if fields.get(150) == "0" and named.startswith("FIRM") else 0


ACCEPTED: dict[str, Callable[[bytes], int]] = {
    "OUCH 4.2": accepted_42,
    "OUCH 5.0": accepted_50,
    "FIX": accepted_fix,
}


def drawn(rng: random.Random, kinds: dict[str, int], count: int) -> list[str]:
    """Every kind first, then as often as it is to be."""
    every = rng.sample(list(kinds), len(kinds))
    rest = rng.choices(list(kinds), list(kinds.values()), k=max(0, count - len(every)))
    return (every + rest)[:count]


def run_storm(
    folder: Path, count: int, seed: int, tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """``count`` kills, ``tell`` what has been found after each journal's; raises
    :class:`Violation`."""
    compile_kernels(lambda what, done, total: None)
    compile_first.sessions()
    kinds: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    started, report = time.monotonic(), {}
    while (done := sum(kinds.values())) < count:
        rng = random.Random(f"{seed} {done}")
        place = folder / f"{done}"
        place.mkdir()
        storm = Storm(place, rng, seed)
        try:
            storm.begin()
            for kind in drawn(rng, KINDS, min(EPOCH, count - done)):
                try:
                    storm.one_kill(kind)
                except Violation as error:
                    number = sum(kinds.values())
                    raise Violation(f"seed {seed}, kill {number}, {kind}: {error}") from error
                kinds[kind] += 1
            totals.update(storm.finish())
        finally:
            storm.end()
        shutil.rmtree(place)
        report = {
            "kills": sum(kinds.values()),
            "by_kind": dict(sorted(kinds.items())),
            **totals,
            "lost": 0,
            "doubled": 0,
            "different": 0,
            "seed": seed,
            "seconds": round(time.monotonic() - started, 1),
        }
        tell(report)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="on a disk [default: a temporary one]")
    parser.add_argument("--keep", action="store_true", help="leave the folder of a violation")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()

    def tell(report: dict[str, Any]) -> None:
        print(
            f"{report['kills']} kills, {report['orders_acknowledged']} orders acknowledged",
            flush=True,
        )
        if given.evidence:
            add_evidence(given.evidence, "kills", report)

    folder = Path(tempfile.mkdtemp(dir=given.folder or "/var/tmp"))
    try:
        print(json.dumps(run_storm(folder, given.kills, given.seed, tell), indent=1))
    except Violation as error:
        sys.exit(f"VIOLATION: {error}")
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
