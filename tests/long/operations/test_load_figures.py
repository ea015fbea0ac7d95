"""What attackers cost an honest client of each listener: its latency, and the process's memory.

Memory is asserted; latency is a figure alone, as other work of the machine changes it.  The figures
go to docs/evidence.
"""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context

import numpy as np
import psutil

from openoutcry.report.evidence import write_evidence
from tests.support.operations.attacked_venue import DOORS, AttackedVenue
from tests.support.operations.load_attacks import (
    MOST_MORE_BYTES,
    Door,
    Memory,
    attacks_of,
    under_attack,
)
from tests.support.waiting import wait_until
from tests.system.operations.test_load_budgets import SERVED

SEED, QUIET, ASKS, ROUNDS = 76, 40, 8, 1
"""The order of attacks; requests of the honest client without an attack, and in each at least."""
ADDRESSES = 1, 50
"""Addresses from which the attackers come."""
ALONE = ("custody's door and signers", "the router's control")
"""Listeners that are served in this process."""
BUSY_PERCENT, LOOK_S = 10.0, 2.0
"""A machine that other programs take more of is noisy."""


@contextmanager
def attacked_by_process(door: Door, attack: str) -> Iterator[None]:
    """An attack by another process, whose work does not delay the honest client; its connections
    end with the block.  Raises what the attacker raised."""
    context = get_context("fork")
    is_asked, is_sent = context.Event(), context.Event()

    def attacker() -> None:
        with under_attack(door, attack, ROUNDS) as attacking:
            attacking.join()
            is_sent.set()
            is_asked.wait()

    process = context.Process(target=attacker)
    process.start()
    try:
        yield
        wait_until(lambda: is_sent.is_set() or not process.is_alive(), f"{attack} was sent")
    finally:
        is_asked.set()
        process.join()
    assert process.exitcode == 0, attack


def asked_ms(door: Door) -> float:
    """Return the time of a request of the honest client."""
    begin_s = time.perf_counter()
    door.ask()
    return (time.perf_counter() - begin_s) * 1e3


def figures(name: str, door: Door, order: random.Random) -> dict[str, object]:
    """Return the figures of a listener under all attacks from so many addresses."""
    door.ask()
    quiet = [asked_ms(door) for _ in range(QUIET)]
    memory, attacked = Memory(door), list[float]()
    attacks = attacks_of(name)
    for attack in order.sample(attacks, len(attacks)):
        with attacked_by_process(door, attack):
            for _ in range(ASKS):  # no more: the honest client has a share too
                attacked.append(asked_ms(door))
                memory.look()
        memory.look()
        door.ask()
    p99s = [float(np.percentile(one, 99)) for one in (quiet, attacked)]
    return {
        "listener": name,
        "addresses": door.addresses,
        "asked": len(attacked),
        "quiet_p99_ms": round(p99s[0], 2),
        "attacked_p99_ms": round(p99s[1], 2),
        "more_bytes": max(memory.most.values()),
    }


def test_the_figures_of_every_listener_under_attack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")  # its path is short enough for the database's socket
    busy_percent = psutil.cpu_percent(LOOK_S)
    order, rows = random.Random(SEED), []
    with AttackedVenue(folder) as venue:
        for name in DOORS:
            rows += [figures(name, venue.door(name, count), order) for count in ADDRESSES]
    for name in ALONE:
        with ExitStack() as stack:
            door = stack.enter_context(SERVED[name](tmp_path_factory.mktemp("alone")))
            rows.append(figures(name, door, order))
    over = [row for row in rows if row["more_bytes"] > MOST_MORE_BYTES]
    assert over == []
    write_evidence(
        "load_attacks",
        {
            "seed": SEED,
            "busy_percent": busy_percent,
            "is_noisy": busy_percent > BUSY_PERCENT,
            "rows": rows,
        },
        "make test-long ARGS=tests/long/operations/test_load_figures.py",
    )
