"""The pipeline's own figures: throughput of each way to run, latency at rates, each stage alone.

Each round runs every way once, one after the other, so that a host that changes pace changes all
of them; figures are medians over the rounds.  Latencies count from the intended send time, after a
warm-up that is reported apart; compile time is in no figure but its own.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.disk import SECTOR, bare_writes, group_commit_ns, has_disk
from openoutcry.bench.explain import explain
from openoutcry.bench.ladder import QUICK_RATES, RATES, climb
from openoutcry.bench.paced import SEED, Paced, checked, flow, paced, percentiles
from openoutcry.bench.plot_data import plots
from openoutcry.bench.rounds import Add, Noise, NoiseWatch, Rounds
from openoutcry.bench.stages_alone import (
    COMMANDS,
    QUICK_COMMANDS,
    bottleneck,
    stage_rates,
)
from openoutcry.flow import FLOWS, GeneratedFlow
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.host.corewatch import Watched, core_watch
from openoutcry.host.doctor_costs import real_time_refusal
from openoutcry.pipeline.compile import compile_kernels
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.report.text import knee
from openoutcry.ring.segment import NoRoomError
from openoutcry.wire import OutcryError

ORDERS, QUICK_ORDERS = 4_000_000, 200_000
PACED_SECONDS, QUICK_SECONDS = 3.0, 0.5
RUNG_SECONDS, QUICK_RUNG_SECONDS = 1.0, 0.2
EXPLAIN_RATE, EXPLAIN_SECONDS = 100_000, 5.0

THROUGHPUT = (
    ("inline_async", "inline", "async"),
    ("inline_none", "inline", "none"),
    ("processes_none", "processes", "none"),
    ("processes_durable", "processes", "durable"),
)
PACED = (
    ("none_100k", "processes", "none", 100_000),
    ("durable_100k", "processes", "durable", 100_000),
    ("async_100k", "processes", "async", 100_000),
    ("none_1m", "processes", "none", 1_000_000),
    ("inline_100k", "inline", "none", 100_000),
)
SPANS = ("release_p50", "release_p99", "whole_p50", "whole_p99", "matcher_p50", "gateway_p50")
LADDERS = ("none", "durable")
FLOW_NAMES = (*FLOWS, "mixed")


@dataclass
class Session:
    """State that the rounds share."""

    quick: bool
    rounds: Rounds
    disk: bool
    rtl: str | None
    """None, or why the RTL cannot be in the order path here."""
    ladders: dict[str, list[list[dict[str, Any]]]] = field(default_factory=dict)
    alone: list[dict[str, float]] = field(default_factory=list)
    last: Paced | None = None

    def say(self, text: str) -> None:
        """Report progress."""
        self.rounds.progress(f"  {text}")

    @contextmanager
    def if_there_is_room(self, *names: str) -> Iterator[None]:
        """Without shared memory enough for it (a container has 64 MiB) the figures of these names
        are missing, and the rest is measured."""
        try:
            yield
        except NoRoomError as error:
            for name in names:
                self.rounds.miss(name, str(error))


def bench_pipeline(
    rounds: int,
    quick: bool,
    command: str,
    progress: Callable[[str], None],
    explain: bool = False,
    perf: bool = False,
) -> dict[str, Any]:
    """Run the subject; returns the result document.

        ``throughput_*``      commands/s from the first command's intended send time to the last
                              reply or journal write
        ``release_*``         sequenced -> released at the rate in the name
        ``whole_*``           intended send -> replied; durable ones are compared with the next two
        ``bare_fdatasync``    a loop of bare writes of a sector, each with an fdatasync, on the same
                              file system
        ``bare_group_commit`` what orders at that rate would wait for such a loop
        ``knee_*``            the highest rate the ladder sustains
        ``alone_*``           a stage by itself

    In ``details`` are the ladders, the bottleneck, pictures of the last 100,000/s run, and with
    ``explain`` the tail by cause. A round in which two ways to run disagree on the state hash fails
    the whole bench.
    """
    session = Session(quick, Rounds(rounds, progress), has_disk(Path(".")), _rtl_refusal())
    started = time.perf_counter()
    compile_kernels(lambda label, done, total: progress(f"compiling: {label}"))
    compile_s = time.perf_counter() - started
    _name_missing(session)
    refused = real_time_refusal()
    if refused and session.disk:
        session.rounds.miss(
            "the journal at real-time priority",
            f"{refused}: durable figures were taken without (`outcry doctor` says what allows it)",
        )
    session.rounds.run(lambda number, add: _round(session, number, add))
    details: dict[str, Any] = {"compile_s": compile_s, "ladder": session.ladders}
    if session.alone:
        rates = {
            name: float(np.median([row[name] for row in session.alone]))
            for name in session.alone[0]
        }
        details["alone"] = rates
        golden = {name: rate for name, rate in rates.items() if name != "gateway_rtl"}
        details["bottleneck"] = bottleneck(golden)
    if session.last is not None:
        details["pictures"] = plots(session.last)
    if explain and not session.rounds.partial:
        details["explain"] = explained(session)
    if perf and not session.rounds.partial:
        from openoutcry.bench.perf import profile

        progress("perf")
        with session.if_there_is_room("perf"):
            details["perf"] = profile(progress)
    return session.rounds.document("pipeline", command, details=details)


def _name_missing(session: Session) -> None:
    if not session.disk:
        why = "this folder is in memory: fdatasync costs nothing here"
        for name, _, kind in THROUGHPUT:
            if kind == "durable":
                session.rounds.miss(f"throughput_{name}", why)
        for name, _, kind, _ in PACED:
            if kind == "durable":
                for span in SPANS:
                    session.rounds.miss(f"{span}_{name}", why)
        session.rounds.miss("knee_durable", why)
        session.rounds.miss("alone_journal", why)
    if session.rtl:
        for name in ("throughput_rtl", "alone_gateway_rtl", "whole_p50_rtl_100k"):
            session.rounds.miss(name, session.rtl)


def _round(session: Session, number: int, add: Add) -> None:
    _throughput(session, add)
    _paced(session, add)
    _alone(session, add)
    _flows(session, number, add)
    _ladder(session, number, add)


def _durable_too(session: Session, ways: Sequence[Any], at: int) -> list[Any]:
    return [way for way in ways if session.disk or way[at] != "durable"]


def _throughput(session: Session, add: Add) -> None:
    orders = QUICK_ORDERS if session.quick else ORDERS
    hashes = set()
    ways = [(*way, "golden") for way in _durable_too(session, THROUGHPUT, 2)]
    if session.rtl is None:
        ways.append(("rtl", "processes", "none", "rtl"))
    for name, topology, durability, gateway in ways:
        session.say(f"throughput {name}")
        with session.if_there_is_room(f"throughput_{name}"):
            result = as_fast(orders, topology, durability, gateway)
            hashes.add((result["state_hash"], result["event_hash"]))
            add(f"throughput_{name}", "1/s", "higher", result["commands_per_s"])
    if len(hashes) > 1:
        raise AssertionError(f"the ways to run disagree on the state: {hashes}")


def as_fast(orders: int, topology: str, durability: str, gateway: str, name: str = "normal") -> Any:
    """The result of a run as fast as it goes, on every core. A journal that is waited for has one
    of the cores. When two cores' stages left it none, a run came to 4 M/s or to 12 (decision 010).
    """
    options = Options(
        source=flow(name, orders),
        orders=orders,
        seed=SEED,
        topology=topology,
        durability=durability,
        gateway=gateway,
        verify=False,
        housekeeping_cores=int(durability == "durable"),
    )
    return checked(run(options))


def _paced(session: Session, add: Add) -> None:
    seconds = QUICK_SECONDS if session.quick else PACED_SECONDS
    ways = [(*way, "golden") for way in _durable_too(session, PACED, 2)]
    if session.rtl is None:
        ways.append(("rtl_100k", "processes", "none", 100_000, "rtl"))
    for name, topology, durability, rate, gateway in ways:
        session.say(f"latency {name}")
        with session.if_there_is_room(*(f"{span}_{name}" for span in SPANS)):
            done = paced(rate, seconds, durability, topology=topology, gateway=gateway)
            _add_spans(done, name, add)
            if name == "none_100k":
                session.last = done
            if durability == "durable":
                add_bare_disk(seconds, rate, name, add)


def add_bare_disk(seconds: float, rate: int, name: str, add: Add) -> None:
    """Measure the disk alone, to compare with the spans that wait for it: a write, and an order
    that waits for such writes."""
    file = Path(tempfile.mkdtemp(prefix=".outcry-bench-", dir=".")) / "bare"
    try:
        writes = bare_writes(file, SECTOR, seconds)
    finally:
        shutil.rmtree(file.parent)
    alone = {
        "bare_fdatasync": writes[:, 1] - writes[:, 0],
        "bare_group_commit": group_commit_ns(writes, 10**9 // rate),
    }
    for peer, took in alone.items():
        for rank in (50, 99):
            add(f"whole_p{rank}_{name}", "ns", "lower", float(np.percentile(took, rank)), peer)


def _add_spans(done: Paced, name: str, add: Add) -> None:
    spans = {stage: percentiles(values) for stage, values in done.spans().items()}
    for span in SPANS:
        stage, figure = span.split("_")
        add(f"{span}_{name}", "ns", "lower", spans[stage][figure])
    add(f"warm_up_whole_p50_{name}", "ns", "lower", percentiles(done.warm_up())["p50"])


def _alone(session: Session, add: Add) -> None:
    session.say("each stage alone")
    count = QUICK_COMMANDS if session.quick else COMMANDS
    with session.if_there_is_room(*(f"alone_{name}" for name in TOPOLOGY.names)):
        rates = stage_rates(count, journaled=session.disk)
        if session.rtl is None:
            rates["gateway_rtl"] = stage_rates(count, "rtl", journaled=False)["gateway"]
        for name, rate in rates.items():
            add(f"alone_{name}", "1/s", "higher", rate)
        session.alone.append(rates)


def _flows(session: Session, number: int, add: Add) -> None:
    """Throughput by flow; a quick run takes two of them."""
    names = ("normal", "mixed") if session.quick else FLOW_NAMES
    for name in names:
        session.say(f"flow {name}")
        figure = f"throughput_flow_{name.replace('-', '_')}"
        with session.if_there_is_room(figure):
            result = as_fast(QUICK_ORDERS, "processes", "none", "golden", name)
            add(figure, "1/s", "higher", result["commands_per_s"])


def _ladder(session: Session, number: int, add: Add) -> None:
    """Once a round for each durability; a quick run climbs in memory only, in its first round."""
    if session.quick:
        session.rounds.miss("knee_durable", "a quick run climbs in memory only")
        if number:
            return
    seconds = QUICK_RUNG_SECONDS if session.quick else RUNG_SECONDS
    for durability in ("none",) if session.quick else LADDERS:
        if durability == "durable" and not session.disk:
            continue
        session.say(f"ladder {durability}")
        with session.if_there_is_room(f"knee_{durability}"):
            rungs = climb(durability, seconds, QUICK_RATES if session.quick else RATES)
            session.ladders.setdefault(durability, []).append(rungs)
            _add_knee(session, f"knee_{durability}", rungs, add)


def _add_knee(session: Session, name: str, rungs: list[dict[str, Any]], add: Add) -> None:
    rung = knee(rungs)
    if "ended" in rungs[-1]:
        session.rounds.miss(name, f"above {rungs[-1]['rate']:,}/s: {rungs[-1]['ended']}")
    elif rung is None:
        session.rounds.miss(name, "already the lowest rate is beyond the knee")
    else:
        add(name, "1/s", "higher", rung)


def explained(session: Session) -> list[dict[str, Any]]:
    """One watched run for each durability, its tail taken apart."""
    runs = []
    for durability in LADDERS if session.disk else ("none",):
        session.say(f"watching a run, durability {durability}")
        seconds = 1.0 if session.quick else EXPLAIN_SECONDS
        with session.if_there_is_room(f"the tail, {durability}"):
            runs.append(explain_run(EXPLAIN_RATE, seconds, durability))
    return runs


def explain_run(rate: int, seconds: float, durability: str, **options: Any) -> dict[str, Any]:
    """Run under the watch of the cores and explain the tail; ``pictures`` and ``trace`` with it."""
    # A compiler under watch makes a recording a hundred times as long as the run's.
    compile_kernels(lambda label, done, total: None)
    done, watched, disturbed, document = watched_run(rate, seconds, durability, **options)
    pids = {group.get("pid") for group in done.recording.groups}
    ours = [i for i in watched.intervals if i.pid in pids]
    seen = {"steal": disturbed.steal, "others": disturbed.others}
    return document | {"pictures": plots(done, ours), "noise": seen}


def watched_run(
    rate: int, seconds: float, durability: str, **options: Any
) -> tuple[Paced, Watched, Noise, dict[str, Any]]:
    """A paced run, what ran on the cores meanwhile, what disturbed it, and its tail explained."""
    noise = NoiseWatch()
    with core_watch() as watched:
        done = paced(rate, seconds, durability, **options)
    disturbed = noise.poll()
    name = options.get("flow_name", "normal")
    commands = np.concatenate(list(flow(name, len(done.recording.stamps)).chunks()))
    return done, watched, disturbed, explain(done, watched, commands)


def _rtl_refusal() -> str | None:
    """Return why the RTL cannot be run in the order path, or None."""
    try:
        LiveGateway.loaded(GeneratedFlow("normal", 1, SEED).instruments).close()
    except (OutcryError, OSError, ImportError) as error:
        return str(error).splitlines()[0]
    return None
