"""Storms over sessions over shared memory: kills in mid-write, and hostile writes.  System tests
run short ones, long tests those of the promise."""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.client.shm import ShmClient
from openoutcry.journal import JournalReader
from openoutcry.order_entry.shm_layout import End, Reply
from openoutcry.order_entry.spec import Protocol
from openoutcry.pipeline.deaths import Place
from openoutcry.replay.replay import replay
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from tests import ROOT
from tests.support.order_entry.sessions_venue import KEY, Venue
from tests.support.pipeline import warm_outcry
from tests.support.waiting import BOUND_S

SHM = int(Protocol.SHM)
ORDERS_A_KILL = 6
SIZES = {"token_capacity": 1 << 21, "stream_entries": 1 << 22, "stream_bytes": 1 << 29}


def row(name: str, number: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "participant": number, "protocol": SHM, **more}


def trader(path: str, tmp_path: Path, name: str, orders: int, deaths: list[int]) -> Any:
    asked = {
        "path": path,
        "name": name,
        "key": KEY.hex(),
        "orders": orders,
        "deaths": deaths,
        "told": str(tmp_path / f"{name}.told"),
    }
    command = [sys.executable, "-m", "tests.support.order_entry.shm_trader", json.dumps(asked)]
    return warm_outcry.Process(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def new_orders(journal: Path, participant: int) -> Any:
    orders = np.concatenate([orders for _, orders in JournalReader(journal).chunks()])
    return orders[(orders["kind"] == CommandKind.NEW) & (orders["participant"] == participant)]


def check(process: Any, path: str, tmp_path: Path, name: str, orders: int, deaths: int) -> None:
    """Every order was accepted once, is in the journal once, and its replies come again the same
    from the first one on."""
    said, _ = process.communicate(timeout=10 * BOUND_S + deaths)
    assert process.returncode == 0
    report = json.loads(said)
    assert report["died"] == deaths
    assert report["accepted"] == list(range(1, orders + 1))
    assert len(new_orders(tmp_path / "journal", int(name[1:]))) == orders
    with ShmClient(path, name, KEY, first_reply=1) as client:
        told, again = (tmp_path / f"{name}.told").read_bytes(), b""
        while len(again) < len(told):
            again += client.poll_array().tobytes()
        assert again == told


def kills(tmp_path: Path, participants: int, stages: int) -> dict[str, Any]:
    """Kill a participant in mid-write and the sessions' process under two of them so often; the
    venue's account."""
    path, orders = str(tmp_path / "shm.socket"), 300 + ORDERS_A_KILL * participants
    every = 4 * orders // (stages + 1)
    deaths = [
        ("sessions", every * n, place)
        for n, place in zip(
            range(1, stages + 1), itertools.cycle((Place.BEFORE_STEP, Place.BEFORE_RETURN))
        )
    ]
    own = [7 + ORDERS_A_KILL * n for n in range(participants)]
    with Venue(
        [row(f"S{n}", n, cancel_on_disconnect=0) for n in (1, 2)],
        tmp_path / "journal",
        durability="durable",
        housekeeping_cores=0,
        deaths=deaths,
        sizes=SIZES,
        shm=path,
    ) as venue:
        one = trader(path, tmp_path, "S1", orders, own)
        two = trader(path, tmp_path, "S2", orders, [])
        check(one, path, tmp_path, "S1", orders, participants)
        check(two, path, tmp_path, "S2", orders, 0)
        report: dict[str, Any] = venue.stop()
    assert len(report["restarts"]) == stages
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert (report["replay"] or replay(tmp_path / "journal"))["equal"] is True
    return report


def hostile(tmp_path: Path, writes: int, seed: int) -> dict[str, Any]:
    """So many hostile writes of one participant while another trades: reasons of the ends, and the
    other's order-to-reply times in quiet and under attack, us."""
    path = str(tmp_path / "shm.socket")
    rows = [row("EVIL", 1), row("GOOD", 2, cancel_on_disconnect=0)]
    with Venue(rows, tmp_path / "journal", sizes=SIZES, shm=path) as venue:
        good, names = ShmClient(path, "GOOD", KEY), itertools.count(1)
        quiet = trips(good, names, 2_000)
        command = [sys.executable, "-m", "tests.support.order_entry.shm_attacker"]
        attack = warm_outcry.Process(
            [*command, path, "EVIL", KEY.hex(), str(writes), str(seed)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        attacked: list[float] = []
        while attack.poll() is None:
            attacked += trips(good, names, 50)
        said, _ = attack.communicate()
        assert attack.returncode == 0
        assert good.end == End.NONE
        good.logout()
        report = venue.stop()
    assert (report["result"]["lost"], report["result"]["duplicated"]) == (0, 0)
    assert (report["replay"] or replay(tmp_path / "journal"))["equal"] is True
    return {
        "ends": json.loads(said),
        "quiet_us": percentiles(quiet),
        "attacked_us": percentiles(attacked),
    }


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
        assert (reply.kind, reply.id) == (Reply.CANCELED, name)
    return times


def percentiles(times: list[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(times, p)), 1) for p in (50, 99)}
