"""The rows of a topology: rings, stages, and what follows from them.

A row for each ring and each stage: its readers and writers, what gates it, which interval it
measures, where its step is.  Stage indices, ring readers, cursors, inputs' ends, stamps, histograms
and control blocks are derived from it.  The stages, `outcry top`, recording and reports all use
these, so a new stage is a row and a kernel (docs/topology.md).

The same table runs ``inline`` and as ``processes`` (one process a group).  Inline, every stage runs
in turn in one thread; a journal that no stage waits for runs in a parallel thread.  With fewer
cores than stages, stages share a process, in the data's order, so that records never cross cores
between them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any

from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, OutcryError

RECORD_TYPES = {"order": ORDER_DTYPE, "event": EVENT_DTYPE}
MAX_SHARDS = 16
OPERATOR_LANE = 0
"""The lane of the exchange operator: calendar, clock, kill switches.  Participants' begin at 1."""


class TopologyError(OutcryError):
    """A table whose rows do not fit together."""


@dataclass(frozen=True)
class Ring:
    """One ring.  Capacities in records: small rings stay in the L2 cache; a durable run across
    processes needs room for what happens during one fdatasync (1 ms at 10 M/s = 10,000 commands).
    """

    name: str
    record: str
    inline: int
    memory: int
    durable: int
    lane: int | None = None
    """Number of the lane, for a ring of a source's commands."""
    threaded: int = 0
    """Inline, with a journal in a thread, for which a stage waits only while the ring is full."""

    def capacity(self, topology: str, durability: str) -> int:
        """Return the ring's slots in a topology and with a durability."""
        if topology == "inline":
            return self.threaded if self.threaded and durability == "async" else self.inline
        return self.durable if durability in ("durable", "replicated") else self.memory


@dataclass(frozen=True)
class Stage:
    """One stage.  Its latency is ``until`` minus ``since``, each a kind of stamp that every command
    has: ``matched`` when its events are published on their ring, ``replied`` when handed out."""

    name: str
    reads: tuple[str, ...]
    writes: str
    module: ModuleType | None = field(compare=False)
    """Has the stage's ``step``; one of Python instead of a kernel is not ``compiled``.  None: the
    table of another process's run."""
    since: str = ""
    until: str = ""
    gated_by: tuple[str, ...] = ()
    """Stages that must come first, in addition to the stage's input. A stage on the same ring must
    have passed a record. Of others (journal, replicas) as many as ``policy`` says must have the
    command."""
    policy: str = "all"
    compiled: bool = True
    shard: int | None = None
    """Which instruments it has, if there are several matchers."""
    merges: bool = False
    """It takes its inputs in one common order, so that it may have to wait for any of them."""

    @property
    def code(self) -> ModuleType:
        """Return its module, in a table that runs in this process."""
        assert self.module is not None, f"stage {self.name} runs in another process"
        return self.module

    @property
    def span(self) -> str:
        """The stretch of an order's way that the stage's latency covers, as text; empty if it has
        none."""
        return span_text(self.since, self.until)


@dataclass(frozen=True)
class Reader:
    """A reader of released events, after the gate.  It may fall behind by ``queue`` events; then
    nothing waits for it any longer, and it resumes from the journal (``released.py``)."""

    name: str
    queue: int


@dataclass(frozen=True)
class Span:
    """An interval over several stages."""

    name: str
    since: str
    until: str

    @property
    def span(self) -> str:
        """The stretch as text."""
        return span_text(self.since, self.until)


SHOWN = {"intended": "sent", "durable": "on disk"}
"""Names of stamps in words: ``sent`` is the intended send time."""


def span_text(since: str, until: str) -> str:
    """Return ``A -> B`` in the words that users see, empty without an end."""
    return f"{SHOWN.get(since, since)} -> {SHOWN.get(until, until)}" if until else ""


SPANS = (Span("release", "sequenced", "released"), Span("whole", "intended", "replied"))


@dataclass(frozen=True)
class Topology:
    """A table of rings and stages, in the data's order, and what follows from it."""

    rings: tuple[Ring, ...]
    stages: tuple[Stage, ...]
    spans: tuple[Span, ...] = SPANS
    released: tuple[Reader, ...] = ()
    doors: tuple[Span, ...] = ()
    """Intervals that end where a participant or the public may see an event; the process that
    sends it counts them."""

    def __post_init__(self) -> None:
        names = [*self.ring_names, *self.names, *(row.name for row in self.spans)]
        names += [row.name for row in self.released] + [row.name for row in self.doors]
        if twice := {name for name in names if names.count(name) > 1}:
            raise TopologyError(f"topology: {sorted(twice)[0]!r} occurs twice")
        writers = [s.writes for s in self.stages if s.writes in self.ring_names]
        if len(set(writers)) < len(writers):
            raise TopologyError(f"topology: two stages write one ring: {writers}")
        for stage in self.stages:
            if unknown := set(stage.gated_by) - set(self.index):
                raise TopologyError(
                    f"topology: {stage.name} is gated by {sorted(unknown)[0]!r}, not a stage"
                )
        numbers = [ring.lane for ring in self.rings if ring.lane is not None]
        if len(set(numbers)) < len(numbers):
            raise TopologyError(f"topology: two lanes have one number: {numbers}")
        if nameless := [lane.name for lane in self.lanes if lane.lane is None]:
            raise TopologyError(f"topology: lane {nameless[0]} has no number")

    # Rows by name

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the index of each stage in the table, by its name."""
        return {stage.name: index for index, stage in enumerate(self.stages)}

    @cached_property
    def ring_names(self) -> tuple[str, ...]:
        """The rings' names, in the table's order."""
        return tuple(ring.name for ring in self.rings)

    def __getitem__(self, stage: str) -> Stage:
        return self.stages[self.index[stage]]

    def ring(self, name: str) -> Ring:
        """Return a ring by its name. Raises ``ValueError`` for another name."""
        return self.rings[self.ring_names.index(name)]

    @property
    def names(self) -> tuple[str, ...]:
        """The stages' names, in the table's order."""
        return tuple(stage.name for stage in self.stages)

    @property
    def compiled(self) -> tuple[str, ...]:
        """The names of the stages whose step is a kernel."""
        return tuple(stage.name for stage in self.stages if stage.compiled)

    # Places of stages

    def readers(self, ring: str) -> list[str]:
        """The stages that read the ring: its consumers."""
        return [stage.name for stage in self.stages if ring in stage.reads]

    def writer(self, ring: str) -> str | None:
        """The stage that writes the ring; None if its writer is not in the table."""
        return next((stage.name for stage in self.stages if stage.writes == ring), None)

    def inputs(self, stage: str) -> tuple[str, ...]:
        """The rings that the stage reads."""
        return tuple(name for name in self[stage].reads if name in self.ring_names)

    def barrier(self, stage: str) -> str | None:
        """The stage on the same ring that gates this one; None for the ring's writer."""
        mine = self[stage].reads
        barriers = [name for name in self[stage].gated_by if set(self[name].reads) & set(mine)]
        return barriers[-1] if barriers else None

    def confirmers(self, stage: str) -> tuple[str, ...]:
        """The stages elsewhere whose confirmation of a command this one waits for."""
        mine = set(self[stage].reads)
        return tuple(n for n in self[stage].gated_by if not mine & set(self[n].reads))

    @property
    def gate(self) -> Stage:
        """The stage that releases events."""
        return next(stage for stage in self.stages if stage.writes == "released")

    @property
    def shards(self) -> int:
        """Return how many matchers share the instruments; 1: there is one."""
        return max(1, sum(stage.shard is not None for stage in self.stages))

    @property
    def matchers(self) -> tuple[str, ...]:
        """The stages that make events of commands: one, or one a shard."""
        shards = tuple(stage.name for stage in self.stages if stage.shard is not None)
        return shards or ("matcher",)

    @property
    def sequencer(self) -> str:
        """The stage that gives the global sequence."""
        name = self.writer("sequenced")
        assert name is not None
        return name

    @property
    def lanes(self) -> tuple[Ring, ...]:
        """The rings that the sequencer merges, in the order of its row."""
        return tuple(self.ring(name) for name in self.inputs(self.sequencer))

    @property
    def sources(self) -> tuple[str, ...]:
        """The stages that write lanes."""
        return tuple(w for lane in self.lanes if (w := self.writer(lane.name)) is not None)

    # What is measured

    @cached_property
    def intervals(self) -> tuple[Stage | Span, ...]:
        """The intervals that have a histogram, in the order of the histograms. Of several stages
        that make the same stamp (sources of lanes) the first counts for all."""
        first = {stage.until: stage for stage in reversed(self.stages) if stage.until}
        return (*(s for s in self.stages if first.get(s.until) is s), *self.spans, *self.doors)

    @cached_property
    def stamp_kinds(self) -> tuple[str, ...]:
        """Stamps that something is measured from; each has an array by command sequence."""
        return tuple(dict.fromkeys(row.since for row in self.intervals))

    @cached_property
    def kept_kinds(self) -> tuple[str, ...]:
        """Stamps that only end an interval: arrays are there only where all stamps are kept.  Those
        of the path first."""
        ends = [s.until for s in sorted(self.stages, key=lambda s: not s.compiled) if s.until]
        return tuple(dict.fromkeys(kind for kind in ends if kind not in self.stamp_kinds))

    @property
    def path(self) -> tuple[Stage, ...]:
        """The stages of a command's way from wire to reply, whose intervals add up to the whole."""
        whole = self.spans[-1]
        by_end = {row.until: row for row in self.intervals if isinstance(row, Stage)}
        stages, at = [], whole.until
        while at != whole.since:
            stages.append(by_end[at])
            at = stages[-1].since
        return tuple(reversed(stages))

    @property
    def measured(self) -> tuple[Stage | Span, ...]:
        """The intervals of a command's way: its stages', then those over several."""
        return (*self.path, *self.spans)

    # Other tables

    def without(self, stage: str) -> "Topology":
        """The table without a stage, and without the gates that wait for it."""
        kept = tuple(
            replace(row, gated_by=tuple(name for name in row.gated_by if name != stage))
            for row in self.stages
            if row.name != stage
        )
        return replace(self, stages=kept)

    def ungated(self, stage: str) -> "Topology":
        """The table in which nothing waits for what that stage confirms."""
        kept = tuple(
            replace(row, gated_by=tuple(name for name in row.gated_by if name != stage))
            for row in self.stages
        )
        return replace(self, stages=kept)

    def extended(
        self,
        *,
        rings: Iterable[Ring] = (),
        stages: Iterable[Stage] = (),
        released: Iterable[Reader] = (),
        doors: Iterable[Span] = (),
    ) -> "Topology":
        """The table with further rows; a lane's ring is merged by the sequencer."""
        lanes = tuple(ring.name for ring in rings if ring.lane is not None)
        old = tuple(
            replace(row, reads=(*row.reads, *lanes)) if row.name == self.sequencer else row
            for row in self.stages
        )
        return replace(
            self,
            rings=(*self.rings, *rings),
            stages=(*old, *stages),
            released=(*self.released, *released),
            doors=(*self.doors, *doors),
        )

    def for_durability(self, durability: str) -> "Topology":
        """Return the part of the table that runs: with ``none`` no journal, with ``async`` nothing
        waits for it."""
        if durability == "none":
            return self.without("journal")
        return self.ungated("journal") if durability == "async" else self

    def to_json(self) -> str:
        """The table as text, for programs that observe a run."""
        document: dict[str, Any] = {
            "rings": [asdict(ring) for ring in self.rings],
            "stages": [vars(stage) | {"module": None} for stage in self.stages],
            "spans": [asdict(span) for span in self.spans],
            "released": [asdict(reader) for reader in self.released],
            "doors": [asdict(span) for span in self.doors],
        }
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: str) -> "Topology":
        """Return the table that ``to_json`` wrote."""
        document = json.loads(text)
        stages = (
            {**row, "reads": tuple(row["reads"]), "gated_by": tuple(row["gated_by"])}
            for row in document["stages"]
        )
        return cls(
            tuple(Ring(**row) for row in document["rings"]),
            tuple(Stage(**row) for row in stages),
            tuple(Span(**row) for row in document["spans"]),
            tuple(Reader(**row) for row in document["released"]),
            tuple(Span(**row) for row in document.get("doors", ())),  # another build's has none
        )


@dataclass(frozen=True)
class Group:
    """Stages that share one process.  Without a ``core``, the scheduler chooses one among
    ``allowed``, if there are any."""

    name: str
    stages: tuple[str, ...]
    core: int | None
    allowed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Geometry:
    """Ring capacities in records, by ring."""

    capacities: Mapping[str, int] = field(default_factory=dict)
    kept: int = 0
    """Commands whose stamps are to be there after the run; 0: those under way only."""

    @property
    def stamps(self) -> int:
        """Commands that can be under way at once: each is in a ring or caused an event that
        does."""
        total = max(sum(self.capacities.values()), self.kept + 1)
        return 1 << (total - 1).bit_length()


def as_row(interval: Stage | Span, summary: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the latency table."""
    return {"name": interval.name, "span": interval.span, **summary}
