"""What a run gives each of its stages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from openoutcry.dpdk_shim.packets import Key
from openoutcry.dpdk_shim.shim import Shim
from openoutcry.gateway_fpga import Settings
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.journal import JournalWriter
from openoutcry.journal.core import Core
from openoutcry.matcher import Engine
from openoutcry.runtime.prefork import Prefork, Replication, Start
from openoutcry.runtime.shared import Contexts, Shared
from openoutcry.runtime.table import Topology
from openoutcry.wire import OutcryError


class PipelineError(OutcryError):
    """The pipeline could not do what it was asked to."""


@dataclass
class Work:
    """Data that every group of a run is given."""

    shared: Shared
    core: Core
    """The core by which commands become events."""
    rate: int
    limit: int
    """Commands to take at most."""
    durability: str
    journal: Path | None
    writer: JournalWriter | None
    """The journal as the supervisor made it.  The first journal process continues with this one; a
    later one finds its place on the disk."""
    ports: Any = None
    """``port_source.PortSource``: the ports of the C shim, if there are any."""
    gateway: str = "golden"
    """Which gateway validates: the golden model or the RTL."""
    settings: Settings = field(default_factory=Settings)
    """The gateway's."""
    recording: Any = None
    """A ``recording.Recording``: Keep every command's stamps and note long steps."""
    housekeeping_cores: int = 1
    """Cores that no stage spins on."""
    copies: tuple[Path, ...] = ()
    """The journal's other directories."""
    sessions: Any = None
    """Participants' sessions (sessions.Sessions), where there are any.  Not imported here: every
    stage's machine code would depend on all of order entry."""
    feed: Any = None
    """The public feed (feed.PublicFeed), if there is one."""
    replication: Replication | None = None
    """Where the journal is published."""
    synced: bool = True
    """Each block of the journal is durable before it counts."""
    prefork: Prefork | None = None
    """Where stages wait that were forked before their standby leads."""
    start: Start | None = None
    """Data that they got then."""
    kept: list[Any] = field(default_factory=list)
    """Processes that the supervisor starts again when they die (processes.KeptProcess)."""
    deaths: Any = None
    """``deaths.Deaths``: Where stages die on purpose."""

    @property
    def instruments(self) -> npt.NDArray[Any]:
        """The instrument table, INSTRUMENT_DTYPE of (instruments,)."""
        return self.core.instruments

    @property
    def table(self) -> Topology:
        """The topology of this run."""
        return self.shared.table

    @property
    def key_of(self) -> Callable[[int, int], Key] | None:
        """Maps a sender's index and epoch to its key; None without a network."""
        return self.ports.sender_key if self.ports else None

    @property
    def durable(self) -> bool:
        """Return whether events wait until their commands are on disk."""
        return self.synced and self.durability in ("durable", "replicated")

    def take_start(self, start: Start) -> None:
        """Note what was not known when the process was forked."""
        self.start = start
        self.replication = start.replication
        self.shared.resumed_lanes = start.resumed_lanes


class StageGroup(Protocol):
    """The compiled stages of one process, as each stage's ``prepare(group, name)`` gets them."""

    work: Work
    contexts: Contexts
    engines: dict[str, Engine]
    """By matcher stage."""
    rtl: LiveGateway | None
    shim: Shim | None
    probe: int
    watched: dict[int, int]
    """Words of a nap that a socket ends, by their offset: a stage that has sockets gives them."""

    def rebuild_engine(self, name: str) -> Engine:
        """Return the engine of the matcher stage ``name`` at the stage's place."""
