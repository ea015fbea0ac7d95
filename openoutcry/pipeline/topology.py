"""The topology as one table, and the table is what runs.

A row for each ring and each stage: its readers and writers, what gates it, which interval it
measures, where its step is.  Stage indices, ring readers, cursors, inputs' ends, stamps, histograms
and control blocks are derived from it.  The stages, `outcry top`, recording and reports all use
these, so a new stage is a row and a kernel (docs/topology.md).

The same table runs ``inline`` and as ``processes`` (one process a group).  Inline, every stage runs
in turn in one thread; a journal that no stage waits for runs in a parallel thread.  With fewer
cores than stages, stages share a process, in the data's order, so that records never cross cores
between them.
"""

from dataclasses import replace

from openoutcry.pipeline.stages import gate, gateway, matcher, receive, replies
from openoutcry.pipeline.stages import journal as journal_stage
from openoutcry.pipeline.stages import merge as merge_stage
from openoutcry.replica import stage as replica_stage
from openoutcry.runtime.table import (
    MAX_SHARDS,
    Geometry,
    Group,
    Ring,
    Stage,
    Topology,
    TopologyError,
)

RINGS = (
    Ring("lane", "order", inline=1024, memory=1024, durable=1024, lane=1),
    Ring("sequenced", "order", inline=4096, memory=1 << 14, durable=1 << 16, threaded=1 << 16),
    Ring("events", "event", inline=8192, memory=1 << 14, durable=1 << 17),
)
STAGES = (
    Stage("receive", ("source",), "lane", receive, "intended", "received"),
    Stage("gateway", ("lane",), "sequenced", gateway, "received", "sequenced"),
    Stage(
        "journal",
        ("sequenced",),
        "disk",
        journal_stage,
        "sequenced",
        "durable",
        compiled=False,
    ),
    Stage("matcher", ("sequenced",), "events", matcher, "sequenced", "matched"),
    Stage(
        "gate",
        ("events",),
        "released",
        gate,
        "matched",
        "released",
        gated_by=("journal",),
    ),
    Stage(
        "replies",
        ("events",),
        "participants",
        replies,
        "released",
        "replied",
        gated_by=("gate",),
    ),
)
REPLICA = Stage(
    "replica",
    (),
    "stream",
    replica_stage,
    "sequenced",
    "replicated",
    compiled=False,
)
"""Publishes the journal's blocks; there where a run is replicated."""
TOPOLOGY = Topology(RINGS, STAGES)


def sharded(table: Topology, count: int) -> Topology:
    """The table with ``count`` matchers, each with a separate ring, and a stage that merges their
    events in the order of the commands."""
    if not 1 <= count <= MAX_SHARDS:
        raise TopologyError(f"topology: {count} shards, not 1 to {MAX_SHARDS}")
    if count == 1:
        return table
    at, core = table.index["matcher"], table["matcher"]
    merged = table.ring(core.writes)
    # What waits for the disk waits on the merged ring.
    rings = tuple(
        replace(merged, name=f"{merged.name}-{k}", durable=merged.memory) for k in range(count)
    )
    matchers = tuple(
        replace(core, name=f"matcher-{k}" if k else "matcher", writes=rings[k].name, shard=k)
        for k in range(count)
    )
    names = tuple(ring.name for ring in rings)
    merge = Stage("merge", (*names, "sequenced"), merged.name, merge_stage, merges=True)
    stages = (*table.stages[:at], *matchers, merge, *table.stages[at + 1 :])
    return replace(table, rings=(*table.rings, *rings), stages=stages)


def replicated(table: Topology, waits_for: tuple[str, ...], policy: str) -> Topology:
    """The table with the stage that publishes the journal, and the gate that waits for those of
    ``waits_for``: all of them, or any."""
    at = table.index["journal"] + 1
    stages = (*table.stages[:at], REPLICA, *table.stages[at:])
    gate = table.gate
    confirmers = set(table.confirmers(gate.name))
    kept = tuple(name for name in gate.gated_by if name not in confirmers)
    row = replace(gate, gated_by=(*kept, *waits_for), policy=policy)
    return replace(table, stages=tuple(row if s is gate else s for s in stages))


def plan_groups(
    cores: list[int],
    one_owner: bool = False,
    housekeeping_cores: int = 1,
    table: Topology = TOPOLOGY,
) -> list[Group]:
    """Share the stages out over the cores this process may use.

    The first ``housekeeping_cores`` are left to the kernel, the journal and the supervisor if there
    are more cores (``docs/decisions/010``).  A stage that spins on the last core would wait
    milliseconds each time that one of them needs it.  What is not compiled (the journal) is never
    pinned, as it waits for the disk most of its time, but keeps to the housekeeping cores.

    ``one_owner``: a device belongs to the process that opened it, so receive and replies share one.
    """
    # Core 0 takes most interrupts, so it is the first to be spared.
    housekeeping = cores[: min(housekeeping_cores, len(cores) - 1)]
    spinning = cores[housekeeping_cores:] or cores[-1:]
    parts = [part for part in _share_out(table, len(spinning)) if part[1]]
    if one_owner:
        parts = [(name, tuple(s for s in stages if s != "replies")) for name, stages in parts]
        parts[0] = (parts[0][0], (*parts[0][1], "replies"))
        parts = [part for part in parts if part[1]]
    pinned = len(cores) >= 2
    groups = [
        Group(name, stages, spinning[index], (spinning[index],))
        if pinned
        else Group(name, stages, None)
        for index, (name, stages) in enumerate(parts)
    ]
    apart = [stage.name for stage in table.stages if not stage.compiled]
    return [*groups, *(Group(name, (name,), None, tuple(housekeeping)) for name in apart)]


def _share_out(table: Topology, cores: int) -> list[tuple[str, tuple[str, ...]]]:
    """The compiled stages as named groups, one a core at most."""
    compiled = table.compiled
    into_lanes, front = table.sources, (*table.sources, table.sequencer)
    matching = [s for s in compiled if "sequenced" in table[s].reads and table[s].until]
    if cores >= len(compiled):
        return [(name, (name,)) for name in compiled]
    if cores >= 4:
        out = tuple(s for s in compiled if s not in front and s not in matching)
        # Several matchers share the cores that are left between the gateway and what follows.
        seats = max(1, min(len(matching), cores - 3))
        matchers = [(matching[k], tuple(matching[k::seats])) for k in range(seats)]
        parts = [("receive", into_lanes), ("gateway", (table.sequencer,))]
        return [*parts, *matchers, ("out", out)]
    if cores >= 2:
        back = tuple(name for name in compiled if name not in front)
        return [("front", tuple(n for n in compiled if n in front)), ("back", back)]
    return [("all", compiled)]


def geometry(topology: str, durability: str, table: Topology = TOPOLOGY) -> Geometry:
    """The capacities that the table's rows declare for this kind of run."""
    return Geometry({ring.name: ring.capacity(topology, durability) for ring in table.rings})
