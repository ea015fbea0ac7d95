"""What the gate lets out, by policy: how far the journal is, how far the replicas are, and whether
the lease lasts."""

import time
from collections.abc import Iterator

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal.core import Core
from openoutcry.pipeline.gate_policy import POLICIES, gate_policy
from openoutcry.pipeline.stall import work_of
from openoutcry.pipeline.topology import TOPOLOGY, replicated
from openoutcry.pipeline.worker import CompiledStages
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Geometry
from openoutcry.runtime.work import PipelineError, Work

COMMANDS = 64
SLICE_NS = 1_000_000_000
EVER, OVER = 1 << 62, 1


class Matched:
    """A run whose commands are all matched; nothing is released yet."""

    def __init__(self, policy: str) -> None:
        row = gate_policy(policy, replicated=True)
        table = replicated(TOPOLOGY, row.waits_for, row.which)
        source = GeneratedFlow("normal", COMMANDS, 7)
        self.shared = Shared(Geometry({"lane": 256, "sequenced": 256, "events": 1024}), table)
        self.shared.preload(source.chunks(), COMMANDS, COMMANDS)
        self.control = self.shared.control
        self.control.block.go = 1
        self.index = table.index
        self.work = Work(
            shared=self.shared,
            core=Core(source.instruments, 1 << 12),
            rate=0,
            limit=COMMANDS,
            durability="replicated",
            journal=None,
            writer=None,
        )
        for name in ("receive", "gateway", "matcher"):
            CompiledStages(self.work, (name,)).run(SLICE_NS, leave_idle=True)
        self.gate = CompiledStages(self.work, ("gate",))

    def released(self, local: int, replicated: int, until_ns: int) -> int:
        """The last command whose events are out when the journal and the replicas are so far."""
        self.control.stage(self.index["journal"]).safe_seq = local
        self.control.stage(self.index["replica"]).safe_seq = replicated
        self.control.stage(self.index["replica"]).safe_until_ns = until_ns
        self.gate.run(SLICE_NS, leave_idle=True)
        events = self.shared.events
        last = int(events.cursors["gate"][0])
        return int(events.views(last, 1)[0]["cause_seq"][0]) if last else 0


@pytest.fixture
def matched(request: pytest.FixtureRequest) -> Iterator[Matched]:
    matched_run = Matched(request.param)
    yield matched_run
    matched_run.shared.unlink()


@pytest.mark.parametrize(
    ("matched", "local", "replicated"),
    [
        ("local", 30, 10),
        ("replicated", 10, 30),
        ("both", 40, 30),
        ("both", 30, 40),
        ("quorum", 30, 40),
        ("any", 10, 30),
        ("any", 30, 10),
        ("all", 40, 30),
    ],
    indirect=["matched"],
)
def test_events_leave_up_to_what_the_policy_asks_for(
    matched: Matched, local: int, replicated: int
) -> None:
    assert matched.released(0, 0, EVER) == 0
    assert matched.released(local, replicated, EVER) == 30
    assert matched.released(COMMANDS, COMMANDS, EVER) == COMMANDS


@pytest.mark.parametrize(
    ("matched", "released"),
    [("both", 0), ("replicated", 0), ("quorum", 0), ("local", COMMANDS), ("any", COMMANDS)],
    indirect=["matched"],
)
def test_after_its_lease_nothing_leaves_that_needs_the_replicas(
    matched: Matched, released: int
) -> None:
    assert matched.released(COMMANDS, COMMANDS, OVER) == released
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert matched.released(COMMANDS, COMMANDS, now_ns - 1) == released
    assert matched.released(COMMANDS, COMMANDS, EVER) == COMMANDS


@pytest.mark.parametrize("matched", ["both"], indirect=True)
def test_a_gate_without_a_lease_does_not_count_as_stalled(matched: Matched) -> None:
    assert matched.released(COMMANDS, COMMANDS, OVER) == 0
    assert work_of(matched.shared, "gate")[1] is False
    until_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 10**12
    matched.control.stage(matched.index["replica"]).safe_until_ns = until_ns
    assert work_of(matched.shared, "gate")[1] is True


def test_a_policy_with_replicas_is_rejected_without_replicas() -> None:
    assert {name: gate_policy(name, True).text for name in POLICIES}["both"]
    assert gate_policy("local", False) == gate_policy("all", False)
    for name in ("both", "replicated"):
        with pytest.raises(PipelineError, match="only --durability replicated has any"):
            gate_policy(name, False)
