"""Several matchers: what each of N does with one stream of commands, and what merging costs.

A model from one and two of them says what more cores would give.

A shard reads every command: it matches its own, and skips those of others at a look at the
instrument. The cost ``skip`` is measured of a shard that has no instrument. The cost ``own`` comes
from the fuller of two. It is more than a command costs the one matcher: what is next cannot be
guessed. The model is

    time(N) = own x share(N) + skip x (1 - share(N))      a command, the fullest shard
    merge(N) = base + look x N                            a command

(``share``: of the fullest shard). The venue goes as fast as the slowest of its stages, each on a
separate core. The measured four and eight are held against what two foretold.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.paced import SEED, checked
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.bench.stages_alone import finish, run_alone
from openoutcry.flow import GeneratedFlow
from openoutcry.host.processes import Rendezvous, run_processes
from openoutcry.journal.core import Core
from openoutcry.matcher.book.shards import spread
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.run import ORDER_CAPACITY, Options, run
from openoutcry.pipeline.topology import TOPOLOGY, sharded
from openoutcry.pipeline.worker import CompiledStages
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Geometry
from openoutcry.runtime.work import Work
from openoutcry.wire import make_instruments

INSTRUMENTS = 256
COMMANDS, QUICK_COMMANDS = 1 << 18, 1 << 15
LIVE, QUICK_LIVE = 1 << 20, 1 << 16
EVENTS_A_COMMAND = 4
MEASURED, FORETOLD = (2, 4, 8), (2, 4, 8, 16, 64)


class ManyInstruments:
    """A generated ``normal`` flow in each of :data:`INSTRUMENTS` instruments, one seed each, mixed
    by a seeded draw.  ``one_sided``: all of them are the first of two shards'."""

    def __init__(self, orders: int, one_sided: bool = False, seed: int = SEED) -> None:
        self.orders, self.seed = orders, seed
        self.name = f"{INSTRUMENTS} instruments, generated normal, seed {seed}"
        names = (b"S%04d" % k for k in count())
        wanted = (name for name in names if not (one_sided and zlib.crc32(name) % 2))
        self.symbols = list(islice(wanted, INSTRUMENTS))
        self.instruments = make_instruments([symbol.decode() for symbol in self.symbols])
        self.count_hint: int | None = orders
        self.account: dict[str, int] = {}

    def chunks(self) -> Iterator[npt.NDArray[Any]]:
        """All commands, as one array of ORDER_DTYPE."""
        drawn = np.random.default_rng(self.seed).integers(0, INSTRUMENTS, self.orders)
        counts = np.bincount(drawn, minlength=INSTRUMENTS)
        parts = []
        for k, symbol in enumerate(self.symbols):
            flow = GeneratedFlow("normal", max(1, int(counts[k])), self.seed + k)
            part = np.concatenate(list(flow.chunks()))[: counts[k]]
            part["symbol"] = symbol
            part["order_id"] = part["order_id"] * INSTRUMENTS + k
            parts.append(part)
        mixed = np.concatenate(parts)
        commands = np.empty_like(mixed)
        commands[np.argsort(drawn, kind="stable")] = mixed
        yield commands


def imbalance(shards: int) -> float:
    """The fullest of ``shards`` shards compared with their mean, of instruments equally busy."""
    source = ManyInstruments(1)
    counts = np.bincount(spread(source.instruments, shards), minlength=shards)
    return float(counts.max() * shards / counts.sum())


@contextmanager
def _sequenced(source: ManyInstruments, shards: int) -> Iterator[Work]:
    """Rings of their whole length with the commands that left the gateway."""
    table = sharded(TOPOLOGY.for_durability("none"), shards)
    events = EVENTS_A_COMMAND * source.orders
    names = [ring.name for ring in table.rings if ring.name.startswith("events-")]
    of_shard = max(1 << 12, 2 * events // max(1, shards))
    sizes = Geometry(
        {"lane": source.orders, "sequenced": source.orders, "events": events}
        | dict.fromkeys(names, of_shard)
    )
    shared = Shared(sizes, table)
    try:
        shared.preload(source.chunks(), source.orders, source.orders)
        shared.control.block.go = 1
        shared.populate()
        work = Work(
            shared=shared,
            core=Core(source.instruments, ORDER_CAPACITY),
            rate=0,
            limit=source.orders,
            durability="none",
            journal=None,
            writer=None,
        )
        for name in table.compiled[: table.compiled.index("matcher")]:
            run_alone(work, name)
        yield work
    finally:
        shared.unlink()


def matchers_of(work: Work) -> list[str]:
    """The names of the run's matcher stages."""
    return [name for name in work.table.names if name.split("-")[0] == "matcher"]


def alone(source: ManyInstruments, shards: int) -> tuple[float, float]:
    """Seconds of the fullest shard for all commands, and of the merge (0 with one matcher)."""
    with _sequenced(source, shards) as work:
        slowest = max(run_alone(work, name) for name in matchers_of(work))
        return slowest, run_alone(work, "merge") if shards > 1 else 0.0


def together(source: ManyInstruments) -> float:
    """Seconds of the slower of two shards that go at once, each on a separate core."""
    with _sequenced(source, 2) as work:
        place = Rendezvous()

        def one_shard(side: int, name: str) -> float:
            group = CompiledStages(work, (name,))
            work.shared.populate()  # this process's own page tables
            place.meet(side, 1)
            return finish(group)

        cores = sorted(os.sched_getaffinity(0))[-2:]
        functions: list[tuple[int | None, Callable[[], Any]]] = [
            (cores[side], partial(one_shard, side, name))
            for side, name in enumerate(matchers_of(work))
        ]
        return float(max(run_processes("two shards", functions)))


def foretell(
    skip_ns: float, two_ns: float, merge: dict[int, float], others_ns: float, shards: int
) -> dict[str, float | str]:
    """Return the model's estimate for ``shards``: ns a command of the fullest shard and of the
    merge, commands a second, and which stage limits them.

    ``skip_ns``: of a shard for a command of another's; ``two_ns``: of the fuller of two; ``merge``:
    of the merge of two and of four; ``others_ns``: of the slowest other stage."""
    share = imbalance(2) / 2
    own = (two_ns - (1 - share) * skip_ns) / share
    look = (merge[4] - merge[2]) / 2
    share = imbalance(shards) / shards
    times = {
        "matcher": share * own + (1 - share) * skip_ns,
        "merge": merge[2] + look * (shards - 2),
        "others": others_ns,
    }
    limit = max(times, key=lambda name: times[name])
    return {
        "shard_ns": times["matcher"],
        "merge_ns": times["merge"],
        "own_ns": own,
        "commands_per_s": 1e9 / times[limit],
        "limit": limit,
    }


def _round(quick: bool, says: list[dict[str, Any]], number: int, add: Add) -> None:
    source = ManyInstruments(QUICK_COMMANDS if quick else COMMANDS)
    per_command = 1e9 / source.orders
    with _sequenced(source, 1) as work:
        for name in matchers_of(work):
            one_ns = run_alone(work, name) * per_command
        at = work.table.index["matcher"]
        others = [stage.name for stage in work.table.stages[at + 1 :] if stage.compiled]
        others_ns = max(run_alone(work, name) for name in others) * per_command
    add("matcher_alone", "ns", "lower", one_ns)
    add("others_alone", "ns", "lower", others_ns)
    with _sequenced(ManyInstruments(source.orders, one_sided=True), 2) as work:
        skip_ns = run_alone(work, "matcher-1") * per_command
    add("skip_alone", "ns", "lower", skip_ns)
    measured, merge = {}, {}
    for shards in MEASURED:
        slowest, merging = alone(source, shards)
        measured[shards], merge[shards] = slowest * per_command, merging * per_command
        add(f"shard_of_{shards}", "ns", "lower", measured[shards])
        add(f"merge_of_{shards}", "ns", "lower", merge[shards])
    if len(sorted(os.sched_getaffinity(0))) > 1:
        add("two_at_once", "ns", "lower", together(source) * per_command)
    foretold = {n: foretell(skip_ns, measured[2], merge, others_ns, n) for n in FORETOLD}
    for shards in MEASURED[1:]:
        foretold[shards]["measured_shard_ns"] = measured[shards]
        foretold[shards]["measured_merge_ns"] = merge[shards]
    for shards in FORETOLD[-2:]:
        add(f"foretold_{shards}", "1/s", "higher", float(foretold[shards]["commands_per_s"]))
    says.append({str(n): row for n, row in foretold.items()})
    _live(quick, number, add)


def _live(quick: bool, number: int, add: Add) -> None:
    """The whole pipeline in memory with one and two matchers; the hashes have to be the same."""
    source = ManyInstruments(QUICK_LIVE if quick else LIVE)
    hashes = set()
    for shards in (1, 2) if number % 2 else (2, 1):
        options = Options(
            source=source,
            orders=source.orders,
            seed=SEED,
            durability="none",
            verify=False,
            housekeeping_cores=0,
            wiring=sharded(TOPOLOGY, shards),
        )
        result = checked(run(options))
        hashes.add((result["state_hash"], result["event_hash"]))
        add(
            "pipeline",
            "1/s",
            "higher",
            result["commands_per_s"],
            "ours" if shards == 1 else "shards_2",
        )
    if len(hashes) > 1:
        raise AssertionError(f"one matcher and two disagree: {hashes}")


def bench_shards(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document.

        ``matcher_alone``,
        ``shard_of_N``,
        ``merge_of_N``     ns a command of the stage by itself over rings that hold the whole run
        ``skip_alone``     the same of a shard without an instrument
        ``two_at_once``    the same of the slower of two shards on two cores
        ``foretold_N``     what the model says of N shards with a core for each stage
        ``pipeline``       the whole on this machine's cores, with one matcher and with two
                           (``shards_2``)

    In ``details["model"]`` are each number's times of the last round, those of four and eight next
    to the measured ones.
    """
    compile_kernels(lambda label, done, total: progress(f"compiling: {label}"))
    for shards in (1, 2):
        alone(ManyInstruments(1 << 12), shards)  # what is loaded at the first call
    gathered, says = Rounds(rounds, progress), list[dict[str, Any]]()
    gathered.run(lambda number, add: _round(quick, says, number, add))
    details = {"model": says[-1] if says else {}}
    return gathered.document("shards", command, details=details)
