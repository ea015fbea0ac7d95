"""The deterministic core that a journal's configuration names: matcher and what is around it.

A run, its restarts, replay and checkpoints all make their core here, so that no other can be
made from the same journal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.risk_hooks import open_orders_hooks, risk_hooks
from openoutcry.matcher import Engine
from openoutcry.matcher.book.empty_arena import Zeros
from openoutcry.matcher.book.shards import spread
from openoutcry.matcher.hooks import Hooks
from openoutcry.risk.partitioned import keep
from openoutcry.risk.rebalance import exchange_bytes
from openoutcry.wire import make_instruments
from openoutcry.wire.errors import JournalError

RISK, OPEN_ORDERS = "risk", "open orders"
HOOKS: dict[str, Callable[[Mapping[str, Any], npt.NDArray[Any]], Hooks]] = {
    RISK: risk_hooks,
    OPEN_ORDERS: open_orders_hooks,
}
"""The hooks around the matcher, by their names in the configuration: made from its settings
and the instrument table."""


@dataclass(frozen=True)
class Core:
    """Parts of a core."""

    instruments: npt.NDArray[Any]
    order_capacity: int
    id_key: int = 0
    hooks: Mapping[str, Any] | None = None
    """``{"name": a key of HOOKS, its settings}``, as the journal has it; None: no hooks."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Core":
        """The core of a journal with this configuration.  Raises :class:`JournalError` for one
        that no run writes."""
        try:
            return cls(
                make_instruments(config["instruments"]),
                int(config["order_capacity"]),
                int(config.get("id_key", 0)),
                config.get("hooks"),
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            why = f"{type(error).__name__} {error}"
            raise JournalError(f"the journal's configuration: {why}") from None

    @property
    def region_bytes(self) -> int:
        """Size of what the hooks keep; 0 without hooks."""
        hooks = self._hooks()
        return 0 if hooks is None else int(hooks.region.nbytes)

    @property
    def partitions(self) -> int:
        """The number of risk partitions; 1 without risk or with other hooks."""
        return int((self.hooks or {}).get("partitions", 1))

    def exchange_bytes(self, shards: int) -> int:
        """Size of the memory that this many matchers' risk is_rebalance_point in."""
        if self.hooks is None or shards == 1:
            return 0
        hooks = self.hooks
        people, groups = int(hooks["participants"]), int(hooks.get("groups", 1))
        return exchange_bytes(self.partitions, people, groups, shards)

    def shard_of(self, shards: int) -> npt.NDArray[np.int64]:
        """The shard of each instrument: risk's partitions are not cut, n is shard n modulo the
        shards'."""
        if self.partitions == 1:
            return spread(self.instruments, shards)
        return spread(self.instruments, self.partitions) % shards

    def shard(self, whole: Engine, number: int, shards: int, events: int) -> Engine:
        """One matcher of several, in the state that ``whole`` has of its instruments; ``events``:
        how many it has written."""
        engine = whole.as_shard((self.shard_of(shards), number), events, self.id_key)
        if engine.hooks is not None:
            keep(engine.region, range(number, self.partitions, shards))
        return engine

    def fresh(self, zeros: Zeros | None = None) -> Engine:
        """A core at the beginning; ``zeros`` as for :class:`Engine`."""
        made_of = self.instruments, self.order_capacity
        return Engine(*made_of, id_key=self.id_key, hooks=self._hooks(), zeros=zeros)

    def restored(self, snapshot: bytes, zeros: Zeros | None = None) -> Engine:
        """A core that continues where the snapshot was taken; ``zeros`` as for :class:`Engine`."""
        made_of = snapshot, self.order_capacity
        return Engine.restore(*made_of, id_key=self.id_key, hooks=self._hooks(), zeros=zeros)

    def _hooks(self) -> Hooks | None:
        if self.hooks is None:
            return None
        name = self.hooks.get("name")
        if name not in HOOKS:
            raise JournalError(f"hooks {name!r} around the matcher are not known to this program")
        return HOOKS[str(name)](self.hooks, self.instruments)
