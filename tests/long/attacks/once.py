"""Datagrams doubled, delayed and reordered across many restarts: how many were executed twice.

    python -m …once --packets 1000000 --restarts 500 [--seed 1] [--evidence F]

In each life of a pipeline with a durable journal a client sends new packets of one order each,
shuffled within a window, every one of them once more in some later place, and others from lives
before; in the middle of it all processes die, at a sequence number, and it is resumed.
"""

import argparse
import json
import random
import select
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.dpdk_shim import build_packets
from openoutcry.dpdk_shim.spec import parse_port
from openoutcry.flow import GeneratedFlow
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.deaths import Death, Place
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.run import run
from tests.support.adversary.disasters import add_evidence, in_small_segments
from tests.support.adversary.lives import Life, Violation
from tests.support.deaths import STAGES
from tests.support.dpdk_shim.udp_runs import limit_orders
from tests.support.processes import free_port
from tests.support.waiting import LOOK_S, wait_until

SENDERS = 8


def lives(folder: Path, packets: int, restarts: int, seed: int) -> dict[str, Any]:
    """Returns what came of it; raises :class:`Violation`."""
    compile_kernels(lambda what, done, total: None)
    in_small_segments(1 << 20)
    rng = random.Random(seed)
    journal, port = folder / "j", free_port()
    instruments = GeneratedFlow("normal", 1, 1).instruments
    started = time.monotonic()
    sent = extra = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        old: list[bytes] = []
        for number in range(restarts + 1):
            new = _packets(sent, packets * (number + 1) // (restarts + 1))
            sent += len(new)
            done = _sequenced(journal) if number else 0
            seq = done + rng.randint(2, len(new))
            death = Death(rng.choice(STAGES), seq, rng.choice(list(Place)), everything=True)
            options = Options(
                ports=[parse_port(f"udp:127.0.0.1:{port}")],
                source_kind="udp",
                instruments=instruments,
                topology="inline",
                journal=journal,
                resume=number > 0,
                verify=False,
                order_capacity=1 << 12,
                deaths=(death,) if number < restarts else (),
            )
            life = Life(folder, partial(run, options))
            _await(life, client, new[0])
            # Later the second time, by up to a few hundred; what is older comes in between.
            places = [(at + rng.expovariate(0.5), data) for at, data in enumerate(new)]
            places += [(at + rng.expovariate(0.01), data) for at, data in enumerate(new)]
            places += [(rng.uniform(0, len(new)), data) for data in rng.sample(old, len(old) // 2)]
            extra += len(places) - len(new)
            for _, data in sorted(places):
                _send(client, data)
                _drain(client)
            if number < restarts:
                _send_until_it_dies(life, client, new)
            life.kill()
            old = (old + new)[-4_000:] if rng.random() < 0.9 else rng.sample(old + new, 2_000)
    seen = np.zeros(packets + 1, np.int64)
    for batch in events_of(JournalReader(journal)):
        np.add.at(seen, batch.commands["order_id"], 1)
    if (seen > 1).any():
        raise Violation(f"seed {seed}: {int((seen > 1).sum())} orders executed twice")
    return {
        "packets": sent,
        "sent_again": extra,
        "restarts": restarts,
        "executed": int(seen.sum()),
        "executed_twice": int((seen > 1).sum()),
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
    }


def _sequenced(journal: Path) -> int:
    return sum(len(records) for _, records in JournalReader(journal).chunks())


def _send_until_it_dies(life: Life, client: socket.socket, packets: list[bytes]) -> None:
    """A full queue drops datagrams: so once more, until enough have come."""

    def died() -> bool:
        for data in packets:
            _send(client, data)
            _drain(client)
        return life.ended()

    wait_until(died, "the pipeline has died")


def _packets(after: int, until: int) -> list[bytes]:
    """Packets of orders ``after`` + 1 to ``until``; each sender counts his own."""
    orders = limit_orders(until - after)
    orders["order_id"] = np.arange(after + 1, until + 1)
    packets = []
    for at in range(len(orders)):
        number = after + at
        sender, seq = number % SENDERS, number // SENDERS + 1
        packets += build_packets(orders[at : at + 1], 100 + sender, seq, 0)
    return packets


def _await(life: Life, client: socket.socket, data: bytes) -> None:
    """Until the pipeline has answered its first order, or has died at it."""

    def answered() -> bool:
        _send(client, data)
        answer = bool(select.select([client], [], [], LOOK_S)[0] and _drain(client))
        if life.ended() and life.status != -signal.SIGKILL:
            raise Violation(f"it ended: {life.output_path.read_text()}")
        return answer or life.ended()

    wait_until(answered, "the pipeline answers")


def _send(client: socket.socket, data: bytes) -> None:
    with suppress(ConnectionRefusedError, BlockingIOError):
        client.send(data)


def _drain(client: socket.socket) -> int:
    """What replies there are; how many."""
    came = 0
    while True:
        try:
            came += bool(client.recv(4_096))
        except BlockingIOError:
            return came
        except ConnectionRefusedError:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="on a disk")
    parser.add_argument("--evidence", type=Path, help="JSON file in which this becomes a section")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        try:
            report = lives(Path(folder), given.packets, given.restarts, given.seed)
        except Violation as error:
            sys.exit(f"VIOLATION: {error}")
    print(json.dumps(report, indent=1))
    if given.evidence:
        add_evidence(given.evidence, "at_most_once", report)


if __name__ == "__main__":
    main()
