"""The topology as one table: every stage, what it reads, writes and waits for.

The same table runs ``inline`` (every stage in turn in one thread) and as ``processes`` (one process
a group).  With fewer cores than stages, stages share a process, in the data's order, so that what
one hands to the next never crosses cores.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage.  ``gated_by`` names what, besides its input, must have happened first."""

    name: str
    reads: str
    writes: str
    gated_by: str
    span: str
    """What its latency figure measures, from -> to.  ``sent`` is the intended send time,
    ``matched`` when the events are published on their ring, ``replied`` when handed out."""


STAGES = (
    Stage("receive", "source", "lane", "", "sent -> received"),
    Stage("gateway", "lane", "sequenced", "", "received -> sequenced"),
    Stage("journal", "sequenced", "disk", "", "sequenced -> on disk"),
    Stage("matcher", "sequenced", "events", "", "sequenced -> matched"),
    Stage("gate", "events", "released cursor", "journal", "matched -> released"),
    Stage("replies", "events", "participants", "gate", "released -> replied"),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)
STAGE_INDEX = {name: index for index, name in enumerate(STAGE_NAMES)}

RELEASE_SPAN = ("release", "sequenced -> released")
WHOLE_SPAN = ("whole", "sent -> replied")


@dataclass(frozen=True)
class Group:
    """Stages that share one process; ``core`` is None where the scheduler chooses, among
    ``allowed`` if there are any."""

    name: str
    stages: tuple[str, ...]
    core: int | None
    allowed: tuple[int, ...] = ()


def plan_groups(
    cores: list[int], journaled: bool, one_owner: bool = False, spare_cores: int = 1
) -> list[Group]:
    """Share the stages out over the cores this process may use.

    The first ``spare_cores`` are spun on by nobody while there are more: a stage that spins on the
    last core waits milliseconds each time that the kernel, the journal or the supervisor needs one
    (docs/decisions/010).  The journal is never pinned, as it sleeps in the disk most of its time,
    but keeps to the spare cores.

    ``one_owner``: a device belongs to the process that opened it, so receive and replies share one.
    """
    compiled = ("receive", "gateway", "matcher", "gate", "replies")
    # Core 0 takes most interrupts, so it is the first to be spared.
    spare, spun = cores[: min(spare_cores, len(cores) - 1)], cores[spare_cores:] or cores[-1:]
    parts: list[tuple[str, tuple[str, ...]]]
    if len(spun) >= len(compiled):
        parts = [(name, (name,)) for name in compiled]
    elif len(spun) >= 4:
        parts = [
            ("receive", ("receive",)),
            ("gateway", ("gateway",)),
            ("matcher", ("matcher",)),
            ("out", ("gate", "replies")),
        ]
    elif len(spun) >= 2:
        parts = [("front", ("receive", "gateway")), ("back", ("matcher", "gate", "replies"))]
    else:
        parts = [("all", compiled)]
    if one_owner:
        parts = [(name, tuple(s for s in stages if s != "replies")) for name, stages in parts]
        parts[0] = (parts[0][0], (*parts[0][1], "replies"))
        parts = [part for part in parts if part[1]]
    pinned = len(cores) >= 2
    groups = [
        Group(name, stages, spun[index], (spun[index],)) if pinned else Group(name, stages, None)
        for index, (name, stages) in enumerate(parts)
    ]
    if journaled:
        groups.append(Group("journal", ("journal",), None, tuple(spare)))
    return groups


@dataclass(frozen=True)
class Geometry:
    """Ring capacities in records."""

    lane: int
    sequenced: int
    events: int
    kept: int = 0
    """Commands whose stamps are to be there after the run; 0: those under way only."""

    @property
    def stamps(self) -> int:
        """Commands that can be under way at once: each stands in a ring or caused an event that
        does."""
        total = max(self.lane + self.sequenced + self.events, self.kept + 1)
        return 1 << (total - 1).bit_length()


def geometry(topology: str, durability: str) -> Geometry:
    """Small rings stay in the L2 cache; a durable run across processes needs room for what
    happens during one fdatasync (1 ms at 10 M/s = 10,000 commands)."""
    if topology == "inline":
        return Geometry(lane=1024, sequenced=4096, events=8192)
    if durability == "durable":
        return Geometry(lane=1024, sequenced=1 << 16, events=1 << 17)
    return Geometry(lane=1024, sequenced=1 << 14, events=1 << 14)
