"""What a run is asked to do."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from openoutcry.dpdk_shim.authentication import PacketSession
from openoutcry.dpdk_shim.spec import PortSpec
from openoutcry.gateway_fpga import Settings
from openoutcry.journal.checkpoint import EVERY as CHECKPOINT_EVERY
from openoutcry.journal.core import Core
from openoutcry.market_data.spec import FeedSpec
from openoutcry.matcher import Engine
from openoutcry.order_entry.spec import SessionsSpec
from openoutcry.pipeline.deaths import Death
from openoutcry.pipeline.recording import Recording
from openoutcry.pipeline.stall import StallPolicy
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.runtime.prefork import Replication
from openoutcry.runtime.stage_clock import StageClock
from openoutcry.runtime.table import Topology

ORDER_CAPACITY = 1 << 17


class Source(Protocol):
    """Where commands come from (flow/)."""

    name: str
    instruments: npt.NDArray[Any]
    count_hint: int | None
    account: dict[str, int]

    def chunks(self) -> Iterator[npt.NDArray[Any]]:
        """Arrays of ``ORDER_DTYPE``, in the order in which the commands come."""


class Operator(Protocol):
    """The exchange operator: feeds lane 0, whose ring no stage writes, from the supervisor's
    process."""

    sessions: Any
    """The participants' sessions of the run, once there are any."""
    feed: Any
    """Its public feed, once there is one."""
    ports: Any
    """Its ports of packets (``port_source.PortSource``), once there are any."""
    kept: Any
    """Its processes other than stages that are restarted (``host.processes.KeptProcess``)."""

    def begin(self, shared: Any, engine: Engine | None) -> None:
        """The run begins: with this matcher if it resumes a journal, else with a fresh one."""

    def poll(self) -> None:
        """Called every few milliseconds; sees a request to stop, and closes the ring."""

    def descriptors(self) -> Sequence[int]:
        """Those by which something may come that is not left until the next sample."""

    @property
    def is_set(self) -> bool:
        """Return whether everything that was due when the run began is processed: orders may
        come."""


@dataclass
class Options:
    """Options of a run. Either ``source`` or ``ports`` is given."""

    source: Source | None = None
    source_kind: str = "flow"
    instruments: npt.NDArray[Any] | None = None
    """Instruments for ``ports``."""
    symbols: tuple[str, ...] = ()
    """The instruments' symbols outside; none: as records have them."""
    ports: list[PortSpec] = field(default_factory=list)
    packet_sessions: tuple[PacketSession, ...] = ()
    """Sessions that may send packets to ``ports``; none: any sender, in any participant's name."""
    arbitrate: bool = False
    """The ports are lines of one feed."""
    orders: int | None = None
    seed: int = 1
    rate: int = 0
    """Commands a second; 0 is as fast as they are taken."""
    participant_rate: int = 0
    """Orders a second that one participant may send by a network; 0: any number."""
    topology: str = "processes"
    housekeeping_cores: int = 1
    """Cores that no stage spins on."""
    durability: str = "durable"
    gateway: str = "golden"
    gateway_settings: Settings = field(default_factory=Settings)
    journal: Path | None = None
    resume: bool = False
    """Continue the journal of a pipeline that was killed."""
    volatile_journal: bool = False
    """Durable mode also where a power cut takes what was synced (a file system in memory)."""
    copies: tuple[Path, ...] = ()
    """Further directories for the journal, written side by side."""
    policy: str = "all"
    """Places that must have a command before its events leave (``gate_policy.py``): all, quorum,
    any of the directories; with replication also local, replicated, both."""
    replication: Replication | None = None
    """Where the journal is replicated, with the durability of that name."""
    checkpoint_every: int = CHECKPOINT_EVERY
    """Commands between checkpoints of a kept journal; 0: no checkpoints."""
    order_capacity: int = ORDER_CAPACITY
    id_key: int = field(default_factory=lambda: secrets.randbits(63))
    """The matcher's secret against order ids chosen to make commands slow.  It is kept in the
    journal; no event and no hash depends on it."""
    hooks: Mapping[str, Any] | None = None
    """The hooks around the matcher (``replay.core.HOOKS``), with their settings; None: no hooks."""
    verify: bool = True
    wiring: Topology = TOPOLOGY
    """The table of stages and rings that runs."""
    more_sources: dict[str, Source] = field(default_factory=dict)
    """Further sources of the same instruments, each by the lane that its stage writes."""
    operator: Operator | None = None
    config_number: int = 0
    """Which configuration this is, of a file that has one (``VenueFile.number``)."""
    name: str = ""
    """Name of a pipeline that resumes its journal whatever its sources are (a venue)."""
    stall: StallPolicy = field(default_factory=StallPolicy)
    """When a stage that lives and makes no progress is reported, and when it is restarted."""
    sessions: SessionsSpec | None = None
    """Participants' sessions and their ports; ``wiring`` has their rows (``with_sessions``)."""
    answer: Any = None
    """Of the run's shared memory: what answers the FIX sessions' questions; None: nothing does."""
    feed_door: Any = None
    """Of the run's shared memory: what serves the public market data over FIX; None: nothing."""
    feed: FeedSpec | None = None
    """The public market data; ``wiring`` has its row (``with_feed``)."""
    warm_run: Any = None
    """The prepared run of a standby, which waits until the standby leads (warm_run.WarmRun)."""
    clock: StageClock = field(default_factory=StageClock)
    """Clock of the stages."""
    doors: bool = True
    """Ports of sessions are opened; without it their acceptor is given connections (stepped.py)."""
    recording: Recording | None = None
    """Filled with every command's stamps; for a source of known length."""
    deaths: tuple[Death, ...] = ()
    """Sequence numbers at which stages kill themselves; for tests."""

    @property
    def table(self) -> npt.NDArray[Any]:
        """The instruments of the source, or those that were configured for a network."""
        instruments = self.source.instruments if self.source else self.instruments
        assert instruments is not None
        return instruments

    @property
    def admission(self) -> tuple[int, int] | None:
        """A participant's rate, and its burst of at most a tenth of a second's orders."""
        rate = self.participant_rate
        return (rate, max(1, rate // 10)) if rate else None

    @property
    def core(self) -> Core:
        """The core that the engine is made of: instruments, capacity, key and hooks."""
        return Core(self.table, self.order_capacity, self.id_key, self.hooks)

    @property
    def source_name(self) -> str:
        """The name of the input, which a resumed run must have again."""
        if self.name:
            return self.name
        if self.source:
            return self.source.name
        # A kernel socket's address may be another when the run is resumed.
        return " ".join("udp" if spec.kind == "udp" else spec.text for spec in self.ports)
