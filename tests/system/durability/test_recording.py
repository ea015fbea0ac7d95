"""pipeline/recording.py: every command's stamps are kept and add up; long steps are noted."""

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.recording import KINDS, Recording, Stall
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.topology import TOPOLOGY

ORDERS = 20_000
STAGE_SPANS = tuple(stage.name for stage in TOPOLOGY.path)


def recorded(topology="processes", durability="none", stall=None, rate=200_000, **more):
    recording = Recording(stall=stall)
    options = Options(
        source=GeneratedFlow("normal", ORDERS, 1),
        orders=ORDERS,
        rate=rate,
        topology=topology,
        durability=durability,
        verify=False,
        recording=recording,
        **more,
    )
    return run(options), recording


@pytest.mark.parametrize(
    ("topology", "durability"),
    [("inline", "none"), ("inline", "durable"), ("processes", "none"), ("processes", "durable")],
)
def test_every_commands_spans_add_up(topology, durability):
    """For every command all stamps are there, in order, and its stages' spans add up to the whole:
    to the nanosecond, because neighbouring stages share a stamp."""
    result, recording = recorded(topology, durability)
    assert recording.stamps.shape == (ORDERS, len(KINDS))
    journaled = durability != "none"
    kept = recording.stamps if journaled else recording.stamps[:, : KINDS.index("durable")]
    assert (kept > 0).all()
    spans = recording.spans()
    assert all((span >= 0).all() for span in spans.values())
    assert (sum(spans[name] for name in STAGE_SPANS) == spans["whole"]).all()
    whole = next(stage for stage in result["stages"] if stage["name"] == "whole")
    assert whole["max"] == spans["whole"].max()
    assert whole["count"] == ORDERS
    if durability == "durable":
        assert (recording.column("released") >= recording.column("durable")).all()


def test_intended_times_are_the_rates():
    """Command i was meant to be sent i / rate after the first, whatever happened."""
    _, recording = recorded(rate=100_000)
    steps = np.diff(recording.column("intended"))
    assert set(steps.tolist()) == {10_000}


def test_a_stall_on_purpose_is_noted_in_its_stage():
    """50 us every 10 ms in the matcher: whenever it matches, a step of the matcher of at least that
    length is going on or ended less than 10 ms before, however seldom the process has a core."""
    every_ns, length_ns = 10_000_000, 50_000
    _, recording = recorded(stall=Stall("matcher", length_ns, every_ns), housekeeping_cores=0)
    assert recording.steps_not_kept == 0
    stalls = [
        s for s in recording.steps if s.stage == "matcher" and s.end_ns - s.start_ns >= length_ns
    ]
    assert stalls
    starts, ends = np.array([(step.start_ns, step.end_ns) for step in stalls]).T
    matched = recording.column("matched")
    newest = np.searchsorted(starts, matched, side="right") - 1
    assert (newest >= 0).all()
    assert (ends[newest] > matched - every_ns).all()
    (matching,) = (group["process"] for group in recording.groups if "matcher" in group["stages"])
    assert {step.process for step in stalls} == {matching}


def test_a_run_that_is_not_recorded_gives_the_same_book():
    """Recording changes nothing that the matcher or the replies see."""
    recorded_result, _ = recorded(rate=0)
    plain = run(
        Options(
            source=GeneratedFlow("normal", ORDERS, 1),
            orders=ORDERS,
            durability="none",
            verify=False,
        )
    )
    for key in ("state_hash", "event_hash", "commands", "events"):
        assert recorded_result[key] == plain[key]
