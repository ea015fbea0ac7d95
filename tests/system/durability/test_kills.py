"""Stages that die in mid-run: one state, nothing lost, nothing doubled.

A stage kills itself at a sequence number (pipeline/deaths.py).  The seed decides which number, and
a failure names it.  One test kills a stage of the real command from outside.
"""

import json
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.deaths import Death, Deaths, Place
from openoutcry.pipeline.options import Options
from openoutcry.pipeline.progress import Sample, Watcher
from openoutcry.pipeline.run import run
from openoutcry.pipeline.stages.journal import JournalStage
from openoutcry.pipeline.top import running
from openoutcry.pipeline.topology import TOPOLOGY, geometry
from openoutcry.pipeline.worker import CompiledStages, step_address
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.work import Work
from tests.support.deaths import STAGES, drawn
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, SPREAD, find_pipeline
from tests.support.waiting import wait_until

ORDERS, SEED = 4_000, 9


def options(orders: int = ORDERS, **more: Any) -> Options:
    return Options(
        source=GeneratedFlow("normal", orders, SEED),
        orders=orders,
        seed=SEED,
        housekeeping_cores=0,
        order_capacity=1 << 14,
        **more,
    )


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """The same orders inline, without a death."""
    return run(options(topology="inline", durability="none"))


def check_same(result: dict[str, Any], undisturbed: dict[str, Any], context: object) -> None:
    for key in ("commands", "events", "trades", "state_hash", "event_hash"):
        assert result[key] == undisturbed[key], f"{context}: {key}"
    assert (result["lost"], result["duplicated"]) == (0, 0), context
    if result["journal"]:
        assert result["replay"]["equal"] is True, context


def run_with(deaths: tuple[Death, ...], wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Run with these deaths: each happens, once, and the result is the wanted one."""
    result = run(options(deaths=deaths, **more))
    check_same(result, wanted, deaths)
    assert len(result["restarts"]) == len(deaths), deaths
    assert all(row["why"] == "killed by SIGKILL" for row in result["restarts"]), deaths
    return result


WRAPPING = 100_000
"""Orders that go several times round each ring of a run in which nothing waits for the disk."""
LEAD = 8_000
"""Half of such a ring: so far the matcher goes on while the journal is dead."""


def stages_of(durability: str) -> list[str]:
    return [stage for stage in STAGES if stage != "journal" or durability != "none"]


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_can_die_at_each_place(stage: str, undisturbed: dict[str, Any]) -> None:
    """The run says which stages died, why, and when each went on."""
    deaths = drawn(random.Random(stage), [stage], ORDERS)
    notes: list[str] = []
    result = run(options(deaths=deaths), Watcher(note=notes.append))
    check_same(result, undisturbed, deaths)
    assert len(result["restarts"]) == len(deaths) == len(Place)
    for restart in result["restarts"]:
        assert stage in restart["stage"].split(" + ")
        assert restart["at_s"] <= restart["resumed_s"]
        # Up to the first release after it; if all was released by then, there is none.
        if restart["restart_s"] is not None:
            assert restart["resumed_s"] - restart["at_s"] <= restart["restart_s"]
        said = f"(pid {restart['pid']}) killed by SIGKILL: restarted"
        assert any(said in note for note in notes)


@pytest.mark.parametrize(
    ("durability", "seed"),
    [
        pytest.param(durability, seed, marks=[pytest.mark.long] if seed else [])
        for durability in ("durable", "async", "none")
        for seed in range(4)
    ],
)
def test_deaths_of_all_stages_change_nothing(
    durability: str, seed: int, undisturbed: dict[str, Any]
) -> None:
    """Every stage dies at each place in one run: the same events, trades and book."""
    deaths = drawn(random.Random(seed), stages_of(durability), ORDERS)
    run_with(deaths, undisturbed, durability=durability)


def test_a_stage_can_die_at_the_first_and_after_the_last_record(
    undisturbed: dict[str, Any],
) -> None:
    """Before it has taken anything, and when it has taken all there is."""
    last = {"gate": undisturbed["events"], "replies": undisturbed["events"]}
    deaths = [Death(stage, 1) for stage in STAGES]
    deaths += [Death(stage, last.get(stage, ORDERS) + 1) for stage in STAGES]
    run_with(tuple(deaths), undisturbed)


def test_a_journal_that_dies_with_a_block_that_it_has_not_reported_writes_it_once(
    monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, Any]
) -> None:
    """The block is on disk, and no other stage knows it."""
    report = JournalStage._say

    def report_or_die(stage: JournalStage) -> None:
        restarts = stage.shared.control.stage(stage.index).restarts
        if stage.writer.written_seq > ORDERS // 3 and restarts == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        report(stage)

    monkeypatch.setattr(JournalStage, "_say", report_or_die)
    result = run(options())
    check_same(result, undisturbed, "journal")
    assert [row["stage"] for row in result["restarts"]] == ["journal"]


def test_a_run_without_deaths_calls_the_stages_own_steps() -> None:
    """With deaths the plan has another step for the stages that die, and for them alone."""
    table = TOPOLOGY.for_durability("none")
    shared = Shared(geometry("inline", "none", table), table)
    try:
        work = Work(
            shared=shared,
            core=options().core,
            rate=0,
            limit=0,
            durability="none",
            journal=None,
            writer=None,
        )
        own = [step_address(row) for row in table.stages]
        assert CompiledStages(work, table.names).plan[:, 0].tolist() == own
        work.deaths = Deaths(shared, (Death("gate", 1),))
        steps = CompiledStages(work, table.names).plan[:, 0].tolist()
        changed = [
            name for name, mine, its in zip(table.names, steps, own, strict=True) if mine != its
        ]
        assert changed == ["gate"]
    finally:
        shared.unlink()


@pytest.fixture(scope="module")
def undisturbed_wrapping() -> dict[str, Any]:
    return run(options(WRAPPING, topology="inline", durability="none"))


@pytest.mark.parametrize(
    ("first", "lead"),
    [
        ("journal", LEAD),
        ("matcher", 0),
        *(
            pytest.param(first, lead, marks=pytest.mark.long)
            for first, lead in (("journal", 0), ("matcher", LEAD))
        ),
    ],
)
def test_journal_and_matcher_die_while_the_rings_wrap(
    first: str, lead: int, undisturbed_wrapping: dict[str, Any]
) -> None:
    """The matcher is rebuilt up to its own cursor, however far the journal is behind it."""
    second = "matcher" if first == "journal" else "journal"
    at = random.Random(first).randint(WRAPPING // 3, WRAPPING // 2)
    deaths = Death(first, at), Death(second, at + lead, Place.BEFORE_RETURN)
    run_with(deaths, undisturbed_wrapping, orders=WRAPPING, durability="async")


class InterruptsAfterRelease:
    """Interrupts a run once the supervisor has seen a restarted matcher release events."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        """Events released, by sample, from the first one that finds the new matcher ready."""

    def sample(self, sample: Sample) -> None:
        (pipeline,) = (one for one in running() if one.owner.pid == os.getpid())
        index, control = pipeline.table.index["matcher"], pipeline.control
        released = int(pipeline.rings["events"].cursors["gate"][0])
        if control.stage(index).restarts and control.stage(index).ready_ns:
            self.seen.append(released)
        # The supervisor looked between the first and the second of these samples, and it looks
        # again after this one.
        if len(self.seen) > 2 and released > self.seen[1]:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_restart_is_timed_up_to_the_first_release_after_it() -> None:
    """In a paced run, which always has more to release."""
    interrupter = InterruptsAfterRelease()
    result = run(
        options(150_000, rate=500, durability="none", deaths=(Death("matcher", 50),)),
        Watcher(sample=interrupter.sample),
    )
    assert result["interrupted"] is True
    (restart,) = result["restarts"]
    assert 0 < restart["resumed_s"] - restart["at_s"] <= restart["restart_s"]


def test_a_stage_of_the_real_command_is_killed_from_outside(tmp_path: Path) -> None:
    """SIGKILL once a sequence has passed.  The run is long enough for any machine to come in time;
    it is interrupted when it has released more, and is then what the orders so far make of it."""
    rate, total, passed = 500, 150_000, 200
    command = [
        *OUTCRY,
        "run",
        "--orders",
        str(total),
        "--rate",
        str(rate),
        "--seed",
        str(SEED),
        *SPREAD,
        "--json",
    ]
    with warm_outcry.Process(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        pipeline = find_pipeline(process.pid)
        released = pipeline.rings["events"].cursors["replies"]
        wait_until(lambda: released[0] >= passed, "events are replied to")
        rows = pipeline.view(pipeline.positions(), 1)["stages"]
        (pid,) = [row["pid"] for row in rows if row["name"] == "matcher"]
        os.kill(pid, signal.SIGKILL)
        until = int(released[0]) + passed
        wait_until(lambda: released[0] >= until, "events are replied to after the kill")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 1, err  # fewer commands than asked for
    result = json.loads(out)
    assert passed < result["commands"] < total
    assert result["interrupted"] is True
    source = GeneratedFlow("normal", total, SEED)
    wanted = run(
        Options(
            source=source,
            orders=result["commands"],
            seed=SEED,
            topology="inline",
            durability="none",
        )
    )
    check_same(result, wanted, "matcher")
    (restart,) = result["restarts"]
    assert restart["pid"] == pid
    assert restart["at_s"] <= restart["resumed_s"]
    assert f"(pid {pid}) killed by SIGKILL: restarted" in err


@pytest.mark.long
def test_two_hundred_kills(undisturbed: dict[str, Any]) -> None:
    """200 SIGKILLs at random sequence numbers, durable: one answer every time.

    The figures go to docs/evidence/kills.json.
    """
    from openoutcry.report.evidence import write_evidence

    done: dict[str, int] = {}
    runs = 0
    while sum(done.values()) < 200:
        deaths = drawn(random.Random(1000 + runs), STAGES, ORDERS)
        run_with(deaths, undisturbed)
        for death in deaths:
            done[death.stage] = done.get(death.stage, 0) + 1
        runs += 1
    write_evidence(
        "kills",
        {
            "kills": sum(done.values()),
            "by_stage": done,
            "runs": runs,
            "orders_a_run": ORDERS,
            "rate": 0,
            "first_seed": 1000,
            "lost": 0,
            "duplicated": 0,
            "different_hashes": 0,
            "state_hash": undisturbed["state_hash"],
        },
        "make test-long ARGS=tests/system/durability/test_kills.py",
    )
