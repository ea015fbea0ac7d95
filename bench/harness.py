"""``outcry bench matcher --harness DIR``: our matcher inside Flash One's matching-engine benchmark,
next to the other engines whose ``.so`` lies in that folder.

Its user fetches and makes the harness: docs/matcher-performance.md.  A run of it is a process.  It
replays one scenario through one engine and reports the throughput and the SHA-256 of the report
stream.  All engines of a round must give the same hash, and the published one where it is known.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from openoutcry import PACKAGE
from openoutcry.bench.report_stream import record_events
from openoutcry.bench.results import document, missing
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.flow import FLOWS
from openoutcry.host.processes import PeerError
from openoutcry.matcher.c_library.object_code import OBJECT, build
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import CACHE_ROOT
from openoutcry.wire.private_folder import private_folder

SOURCE = PACKAGE / "matcher" / "c_library" / "harness_adapter.c"
FLOOR_SOURCE = Path(__file__).resolve().parent / "peers" / "harness_floor.c"
ADAPTER, FLOOR = "outcry_adapter.so", "outcry_floor.so"
API = Path("api") / "matching_engine_api.h"
FLAGS = ("-std=c11", "-O3", "-march=native", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
SEED, ORDERS, QUICK_ORDERS = 23, 1_000_000, 50_000
"""The published seed, and new orders a run; each becomes two messages."""
PASSES = 3
"""A figure of a round is the best of this number of runs, for the peers too.  What else ran on the
cores meanwhile is not the engine's."""
RUN_TIMEOUT_S = 300

RESULT = re.compile(r"^Result file: (\S+)$", re.M)


@dataclass(frozen=True)
class Way:
    """One way to run our adapter: what its figures' names end in, and the environment it needs.
    The floor's adapter has recorded events instead of a matcher."""

    suffix: str
    environment: tuple[tuple[str, str], ...]
    is_floor: bool = False


ONE_A_CALL = ("ME_NO_BATCH", "1")
HARNESS_QUEUE = ("OUTCRY_HARNESS_QUEUE", "1")
FLOOR_EVENTS = "OUTCRY_FLOOR_EVENTS"
WAYS = (
    Way("one", (ONE_A_CALL,)),
    Way("one_queue", (ONE_A_CALL, HARNESS_QUEUE)),
    Way("batch", ()),
    Way("floor_one", (ONE_A_CALL,), True),
    Way("floor_one_queue", (ONE_A_CALL, HARNESS_QUEUE), True),
    Way("floor_batch", (), True),
)
"""One message a call with reports over our ring, the same over the harness's queue, and runs of
messages.  Then all three without matching, which no engine can be faster than."""


@dataclass(frozen=True)
class Run:
    """Result of one run of the harness."""

    messages_per_s: float
    report_hash: str


def bench_harness(
    rounds: int,
    quick: bool,
    command: str,
    progress: Callable[[str], None],
    folder: Path,
    against: str | None = None,
) -> dict[str, Any]:
    """Measure; returns the result document.

    Raises :class:`OutcryError` for a folder without the harness and a run that fails, and
    :class:`PeerError` if two engines' reports differ.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        why = "the harness needs two cores, and this process may use only one"
        return document("harness", [], [missing("every figure", why)], command)
    progress("compiling")
    harness = Harness(folder.resolve(), (usable[0], usable[1]), QUICK_ORDERS if quick else ORDERS)
    engines = adapter(folder.resolve()), floor(folder.resolve())
    peers = peers_in(folder.resolve(), against)
    gathered = Rounds(rounds, progress)
    passes = 1 if quick else PASSES

    def one_round(number: int, add: Add) -> None:
        ours: dict[str, list[float]] = {way.suffix: [] for way in WAYS}
        theirs: dict[str, list[float]] = {name: [] for name in peers}
        for scenario in FLOWS:
            progress(f"  {scenario}")
            runs = _scenario(harness, scenario, engines, peers, number, passes)
            for way in WAYS:
                name = f"messages_{scenario.replace('-', '_')}_{way.suffix}"
                add(name, "1/s", "higher", runs[way.suffix])
                ours[way.suffix].append(runs[way.suffix])
                for peer in peers:
                    add(name, "1/s", "higher", runs[peer], peer)
            for peer in peers:
                theirs[peer].append(runs[peer])
        for way in WAYS:
            name = f"messages_worst_{way.suffix}"
            add(name, "1/s", "higher", min(ours[way.suffix]))
            for peer in peers:
                add(name, "1/s", "higher", min(theirs[peer]), peer)

    gathered.run(one_round)
    return gathered.document("harness", command)


def _scenario(
    harness: "Harness",
    scenario: str,
    engines: tuple[Path, Path],
    peers: dict[str, Path],
    number: int,
    passes: int,
) -> dict[str, float]:
    """Messages a second of each way of ours and each peer, in turns; the best of the passes.
    ``engines``: the adapter, and the one without a matcher."""
    best: dict[str, float] = {}
    hashes: dict[str, str] = {}
    with harness.recorded(scenario) as events:
        everybody: list[tuple[str, Path, tuple[tuple[str, str], ...]]] = [
            *((way.suffix, engines[way.is_floor], (*way.environment, events)) for way in WAYS),
            *((name, path, ()) for name, path in peers.items()),
        ]
        for turn in range(passes):
            for name, path, environment in rotated(everybody, number + turn):
                run = harness.run(path, scenario, environment)
                best[name] = max(run.messages_per_s, best.get(name, 0.0))
                hashes[name] = run.report_hash
                if len(set(hashes.values())) > 1:
                    raise PeerError(f"{scenario}: engines with different reports: {hashes}")
    return best


def peers_in(folder: Path, against: str | None) -> dict[str, Path]:
    """The engines in the folder, by name; ``against`` chooses among them.

    Raises :class:`OutcryError` naming one that is not there.
    """
    suffix = "_adapter.so"
    found = {path.name.removesuffix(suffix): path for path in sorted(folder.glob(f"*{suffix}"))}
    found.pop(ADAPTER.removesuffix(suffix), None)
    if against is None:
        return found
    names = [name.strip() for name in against.split(",")]
    for name in names:
        if name not in found:
            known = ", ".join(found) or "none"
            raise OutcryError(f"{folder}: no {name}{suffix}; engines there: {known}")
    return {name: found[name] for name in names}


@cache
def adapter(folder: Path) -> Path:
    """Our engine for the harness in ``folder``, compiled into the cache with the matcher in it."""
    api, out = _api(folder), private_folder(CACHE_ROOT / "harness")
    build(out, native=True)
    return compile_adapter(api, out)


def floor(folder: Path) -> Path:
    """The same without a matcher, which was built before."""
    return compile_adapter(_api(folder), private_folder(CACHE_ROOT / "harness"), is_floor=True)


def _api(folder: Path) -> Path:
    if not (folder / API).is_file():
        raise OutcryError(f"{folder}: no {API}: give the folder of matching-engine-benchmark")
    return (folder / API).parent


def compile_adapter(api: Path, built: Path, is_floor: bool = False) -> Path:
    """The adapter against the header in ``api``, with the matcher that was built in ``built``, or
    with recorded events in its place."""
    out = built / (FLOOR if is_floor else ADAPTER)
    matcher = FLOOR_SOURCE if is_floor else built / OBJECT
    command = ["cc", *FLAGS, f"-I{api}", f"-I{built}", str(SOURCE), str(matcher)]
    done = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True)
    if done.returncode:
        raise OutcryError(f"{' '.join(command)} failed:\n{done.stderr}")
    return out


@dataclass(frozen=True)
class Harness:
    """The harness in a folder, on these cores, with a number of new orders a run."""

    folder: Path
    cores: tuple[int, int]
    orders: int
    seed: int = SEED

    @contextmanager
    def recorded(self, scenario: str) -> Iterator[tuple[str, str]]:
        """A file of the scenario's events while the block runs, as the environment names it."""
        name = f"{scenario}_s{self.seed}_n{self.orders}.bin"
        workload, events = self.folder / f"orders_{name}", self.folder / f"events_{name}"
        if not workload.is_file():
            given = (scenario, str(workload), str(self.orders), str(self.seed))
            self._said([str(self.folder / "generator"), *given], {})
        try:
            record_events(workload, events)
            yield FLOOR_EVENTS, str(events)
        finally:
            events.unlink(missing_ok=True)

    def _said(self, command: list[str], environment: dict[str, str]) -> str:
        """Return what a program of the harness says.  Raises :class:`OutcryError` if it is not
        there."""
        if not Path(command[0]).is_file():
            raise OutcryError(f"{command[0]}: not there; run make in {self.folder}")
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
        )
        return done.stdout + done.stderr

    def run(
        self, engine: Path, scenario: str, environment: tuple[tuple[str, str], ...] = ()
    ) -> Run:
        """One run.  Raises :class:`OutcryError` naming what failed, :class:`PeerError` if it is not
        valid by the harness's account; of other counts and seeds than the published it knows no
        hash."""
        command = [str(self.folder / "harness"), "--engine", str(engine), "--scenario", scenario]
        command += ["--matcher-core", str(self.cores[0]), "--drainer-core", str(self.cores[1])]
        command += ["--count", str(self.orders), "--seed", str(self.seed)]
        said = self._said(command, dict(environment))
        written = RESULT.search(said)
        if written is None:
            raise OutcryError(f"{' '.join(command)} failed:\n{said}")
        path = self.folder / written[1]
        result = json.loads(path.read_text())
        path.unlink()
        correctness = result["correctness"]
        if correctness["status"] != "NO REFERENCE" and result["verdict"] != "VALID":
            raise PeerError(f"{engine.name}, {scenario}: {result['verdict']}:\n{said}")
        return Run(float(result["throughput_msgs_per_s"]), correctness["computed_hash"])
