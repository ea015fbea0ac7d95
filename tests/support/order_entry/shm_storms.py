"""Storms over sessions over shared memory: kills in mid-write, and hostile writes.

``python -m tests.support.order_entry.shm_storms --kills 1000 --writes 10000000`` continues where
the file of evidence ends (``docs/evidence/shm_storms.json``): it may be stopped at any time, and
started again.  Each part starts another venue with another seed; a part that finds a fault ends the
storm and names the fault.

An order's time under attack is compared with two others, all three taken in turns: in quiet, and
while a process writes as much into private memory (``alone``), which takes as much of the
processors.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from openoutcry.client.shm import REPLY_DTYPE, ShmClient
from openoutcry.journal import JournalReader
from openoutcry.journal.replay import replay
from openoutcry.order_entry.shm_layout import End, Reply
from openoutcry.order_entry.spec import Protocol
from openoutcry.pipeline.deaths import Place
from openoutcry.report.evidence import EVIDENCE, write_evidence
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from tests import ROOT
from tests.support.order_entry.sessions_venue import KEY, Venue
from tests.support.pipeline import warm_outcry
from tests.support.waiting import BOUND_S, wait_until

NAME = "shm_storms"
COMMAND = f"python -m tests.support.order_entry.{NAME}"
SHM = int(Protocol.SHM)
ORDERS_A_KILL = 6
SIZES = {"token_capacity": 1 << 21, "stream_entries": 1 << 22, "stream_bytes": 1 << 29}
PARTICIPANTS, STAGES, VENUES = 90, 8, 2
"""Kills of a part: of a participant, of the sessions' process, of all processes of the venue."""
WRITES = 500_000
"""Hostile writes of a part: requests, words and cursors."""
WARM_TRIPS, CALM_TRIPS, ATTACKED_TRIPS = 1_000, 200, 1_000
"""Orders at first, and of each turn of the three."""
LOOK_S = 0.2
"""Between two checks which processes hold a session's memory."""


def row(name: str, number: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "participant": number, "protocol": SHM, **more}


At = str | tuple[str, int]


def trader(at: At, tmp_path: Path, name: str, orders: int, deaths: list[int]) -> Any:
    asked = {
        "at": at,
        "name": name,
        "key": KEY.hex(),
        "orders": orders,
        "deaths": deaths,
        "told": str(tmp_path / f"{name}.told"),
    }
    command = [sys.executable, "-m", "tests.support.order_entry.shm_trader", json.dumps(asked)]
    return warm_outcry.Process(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )


def new_orders(journal: Path, participant: int) -> Any:
    orders = np.concatenate([orders for _, orders in JournalReader(journal).chunks()])
    return orders[(orders["kind"] == CommandKind.NEW) & (orders["participant"] == participant)]


def check(process: Any, at: At, tmp_path: Path, name: str, orders: int, deaths: int) -> int:
    """Every order was accepted once, is in the journal once, and its replies come again the same
    from the first one on, all of this participant's; how many replies."""
    said, _ = process.communicate(timeout=10 * BOUND_S + deaths)
    assert process.returncode == 0
    report, number = json.loads(said), int(name[1:])
    assert report["died"] == deaths
    assert report["accepted"] == list(range(1, orders + 1))
    assert len(new_orders(tmp_path / "journal", number)) == orders
    with ShmClient(at, name, KEY, first_reply=1) as client:
        told, again = (tmp_path / f"{name}.told").read_bytes(), b""
        while len(again) < len(told):
            again += client.poll_array().tobytes()
        assert again == told
    replies = np.frombuffer(told, REPLY_DTYPE)
    assert set(replies["participant"].tolist()) == {number}
    return len(replies)


def holders(group: int, name: str) -> Iterator[str]:
    """What the processes of this group have mapped or open of a session's memory."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            if os.getpgid(int(entry.name)) != group:
                continue
            texts = [(entry / "maps").read_text()]
            texts += [os.readlink(fd) for fd in (entry / "fd").iterdir()]
            yield from (text for text in texts if f"/memfd:{name}-" in text)


def is_gone(group: int) -> bool:
    """No process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def kills(
    tmp_path: Path,
    participants: int,
    stages: int,
    venues: int = 0,
    seed: int = 0,
    over_tcp: bool = False,
) -> dict[str, int]:
    """Kill a participant in mid-write, the sessions' process under two of them, and the whole venue
    so often."""
    draw = Random(seed)
    more: dict[str, Any] = {"tcp": True} if over_tcp else {"shm": str(tmp_path / "shm.socket")}
    terms = {"networks": ("127.0.0.0/8",), "rings": True} if over_tcp else {}
    own = list(
        itertools.accumulate(draw.randrange(1, 2 * ORDERS_A_KILL) for _ in range(participants))
    )
    orders = 300 + max(own, default=0)
    every = 4 * orders // (stages + venues + 1)
    places = itertools.cycle((Place.BEFORE_STEP, Place.BEFORE_RETURN))
    # The venue dies in the middle of the deaths of its process, at equal distances.
    whole = {(k + 1) * (stages + venues) // (venues + 1) for k in range(venues)}
    deaths = [
        ("sessions", every * (n + 1), place, n in whole)
        for n, place in zip(range(stages + venues), places, strict=False)
    ]
    with Venue(
        [row(f"S{n}", n, cancel_on_disconnect=0, **terms) for n in (1, 2)],
        tmp_path / "journal",
        durability="durable",
        housekeeping_cores=0,
        deaths=deaths,
        sizes=SIZES,
        **more,
    ) as venue:
        at: At = more.get("shm") or ("127.0.0.1", venue.ports["SHM"])
        one = trader(at, tmp_path, "S1", orders, own)
        two = trader(at, tmp_path, "S2", orders, [])
        looks = 0
        while one.poll() is None or two.poll() is None:
            assert not [*holders(one.pid, "S2"), *holders(two.pid, "S1")], (
                "it is readable by others"
            )
            looks += 1
            time.sleep(LOOK_S)
            if venue.process.poll() == -signal.SIGKILL:
                wait_until(lambda: is_gone(venue.process.pid), "the venue is dead")
                venue.process.stdout.close()
                venue.document["deaths"] = deaths = deaths[deaths_before(deaths) :]
                venue.start()
        replies = check(one, at, tmp_path, "S1", orders, participants)
        replies += check(two, at, tmp_path, "S2", orders, 0)
        group = venue.process.pid
        # The acceptor keeps descriptors of a session's last segments.
        wait_until(
            lambda: all(
                text.startswith("/memfd:") for name in ("S1", "S2") for text in holders(group, name)
            ),
            "ended sessions' memory is mapped no more",
        )
        report: dict[str, Any] = venue.stop()
    assert len(report["restarts"]) == len(deaths)
    lost, doubled = report["result"]["lost"], report["result"]["duplicated"]
    assert (lost, doubled) == (0, 0)
    assert (report["replay"] or replay(tmp_path / "journal"))["equal"] is True
    return {
        "kills_of_participants": participants,
        "kills_of_the_sessions_process": stages,
        "kills_of_the_venue": venues,
        "orders": 2 * orders,
        "replies": replies,
        "lost": lost,
        "doubled": doubled,
        "looks_for_other_readers": looks,
    }


def deaths_before(deaths: list[tuple[str, int, Place, bool]]) -> int:
    """How many have happened once all processes of the venue have died of one."""
    return next(at for at, (*_, everything) in enumerate(deaths) if everything) + 1


def hostile(tmp_path: Path, writes: int, seed: int) -> dict[str, Any]:
    """So many hostile writes of one participant while another trades: reasons of the ends, and the
    other's order-to-reply times, us."""
    path = str(tmp_path / "shm.socket")
    rows = [row("EVIL", 1), row("GOOD", 2, cancel_on_disconnect=0)]
    times: dict[str, list[float]] = {"quiet": [], "alone": [], "attacked": []}
    with Venue(rows, tmp_path / "journal", sizes=SIZES, shm=path) as venue:
        good, names = ShmClient(path, "GOOD", KEY), itertools.count(1)
        trips(good, names, WARM_TRIPS)
        attack = attacker(path, "EVIL", KEY.hex(), writes, seed)
        alone = attacker("", "EVIL", KEY.hex(), writes, seed)
        try:
            while attack.poll() is None:
                for who in times:
                    for process in (attack, alone):
                        process.send_signal(signal.SIGSTOP)
                    if who != "quiet":
                        (attack if who == "attacked" else alone).send_signal(signal.SIGCONT)
                    count = ATTACKED_TRIPS if who == "attacked" else CALM_TRIPS
                    while count > 0 and (who != "attacked" or attack.poll() is None):
                        times[who] += trips(good, names, 50)
                        count -= 50
        finally:
            attack.kill()  # it has ended, unless something was wrong
            alone.kill()
            alone.communicate()
        said, _ = attack.communicate()
        assert attack.returncode == 0
        assert good.end == End.NONE
        good.logout()
        report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert (report["replay"] or replay(tmp_path / "journal"))["equal"] is True
    return {"ends": json.loads(said)} | {
        f"{who}_us": percentiles(some) for who, some in times.items()
    }


def attacker(path: str, name: str, key: str, writes: int, seed: int) -> Any:
    """The attacker's process; without a path it writes into its own memory."""
    command = [sys.executable, "-m", "tests.support.order_entry.shm_attacker"]
    return warm_outcry.Process(
        [*command, path, name, key, str(writes), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def trips(client: ShmClient, names: Any, count: int) -> list[float]:
    """An order that does not rest, and the time until its answer, by turns."""
    times = []
    for _ in range(count):
        name, begun = next(names), time.perf_counter()
        client.enter(name, Side.BUY, "BOLT", 1, 1, time_in_force=TimeInForce.IOC)
        reply = client.next(BOUND_S)
        times.append(1e6 * (time.perf_counter() - begun))
        assert reply is not None
        assert (reply.kind, reply.id) == (Reply.ACCEPTED, name)
        reply = client.next(BOUND_S)
        assert reply is not None
        # The attacker may offer at any price.
        assert reply.kind in (Reply.CANCELED, Reply.EXECUTED)
        assert reply.id == name
    return times


def percentiles(times: list[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(times, p)), 1) for p in (50, 99)} | {
        "orders": len(times)
    }


# The whole storm.


def more_kills(figures: dict[str, Any], folder: Path, seed: int) -> None:
    """One part of the kills."""
    done = figures.setdefault("kills", {})
    parts = done.get("parts", 0)
    for name, value in kills(folder, PARTICIPANTS, STAGES, VENUES, seed + parts).items():
        done[name] = done.get(name, 0) + value
    done["parts"] = parts + 1


def more_writes(figures: dict[str, Any], folder: Path, seed: int) -> None:
    """One part of the hostile writes."""
    done = figures.setdefault("hostile", {"writes": 0, "ends": {}, "parts": []})
    found = hostile(folder, WRITES, seed + len(done["parts"]))
    done["ends"] = dict(Counter(done["ends"]) + Counter(found.pop("ends")))
    done["writes"] += WRITES
    done["parts"].append(found)
    for other in ("quiet", "alone"):
        ratios = [one["attacked_us"]["p99"] / one[f"{other}_us"]["p99"] for one in done["parts"]]
        done[f"p99_attacked_to_{other}"] = round(float(np.median(ratios)), 2)


def kills_done(figures: dict[str, Any]) -> int:
    done = figures.get("kills", {})
    return sum(count for name, count in done.items() if name.startswith("kills_of_"))


def writes_done(figures: dict[str, Any]) -> int:
    return int(figures.get("hostile", {}).get("writes", 0))


def run(
    all_kills: int, all_writes: int, out: Path, seed: int, seconds: float = float("inf")
) -> dict[str, Any]:
    """Continue to so many in all, in turns, or until ``seconds`` have passed; ``out`` has what was
    done, after each part."""
    until_s = time.monotonic() + seconds
    figures: dict[str, Any] = json.loads(out.read_text())["figures"] if out.exists() else {}
    figures["seed"] = seed
    while True:
        due = [more_kills] * (kills_done(figures) < all_kills)
        due += [more_writes] * (writes_done(figures) < all_writes)
        if not due:
            return figures
        for part in due:
            begun_s = time.monotonic()
            if begun_s > until_s:
                return figures
            with tempfile.TemporaryDirectory(prefix="storm-") as folder:
                part(figures, Path(folder), seed)
            if out == EVIDENCE / f"{NAME}.json":
                write_evidence(NAME, figures, COMMAND)
            else:
                write_atomically(out, json.dumps({"figures": figures}))
            took_s = time.monotonic() - begun_s
            print(
                f"{part.__name__}, {took_s:.1f} s: now {kills_done(figures)} kills, "
                f"{writes_done(figures)} writes",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--writes", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path, default=EVIDENCE / f"{NAME}.json")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    chosen = parser.parse_args()
    run(chosen.kills, chosen.writes, chosen.out, chosen.seed, chosen.seconds)


if __name__ == "__main__":
    main()
