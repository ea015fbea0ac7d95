"""What several cores that share a risk state in partitions have together, as one :class:`View`.

Each core has a separate copy of the whole state and is right about its partitions
(``partitions.py``).  The row of an instrument, its cells and a partition's totals are read from the
core that has them.  Nothing is kept here: values are the present ones, and limits are those that
were set, not the parts that were allocated.

Money is the whole's as of the last rebalance point, plus what each partition has earned or spent
since.  While cores are at a rebalance point it is read again.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import openoutcry.risk.layout as lay
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.partitioned import joined, pieces
from openoutcry.risk.partitions import KILLED_HERE, SUMMED
from openoutcry.risk.region import Region, View

MONEY = (lay.BALANCE, lay.PROFIT, lay.FUNDED)
REBALANCES, OWNED, PARTITION = lay.REBALANCES // 8, lay.OWNED // 8, lay.PARTITION // 8
TRIES, PAUSE_S = 20, 50e-6
"""How often money is read again while cores are at a rebalance point, which takes microseconds."""


def view_of(regions: Sequence[Region]) -> View:
    """The risk state of cores with these regions, in the order of their numbers.

    Raises :class:`RiskError` if one of them is not a risk state (its core has not begun).
    """
    first = View(regions[0])
    return JoinedView(regions) if first.partitions else first


class JoinedView(View):
    """Like :class:`View` for a state without partitions; its tables can be read only."""

    def __init__(self, regions: Sequence[Region]) -> None:
        super().__init__(regions[0])
        self.cores = [View(region) for region in regions]
        self.owners = [
            next(core for core in self.cores if core.partitions[number].header[OWNED])
            for number in range(len(self.partitions))
        ]
        """By partition, the core that has it."""
        self.parts = [core.partitions[number] for number, core in enumerate(self.owners)]
        home = self.instruments[:, PARTITION] - 1
        self.home: list[View] = [self.owners[number] for number in home]
        """By instrument, the core that has it."""
        tables: dict[str, Any] = {
            "participants": _Rows(self, "participants"),
            "groups": _Rows(self, "groups"),
            "instruments": _OfInstruments(self, "instruments", 0),
            "cells": _OfInstruments(self, "cells", 1),
        }
        for name, table in tables.items():
            setattr(self, name, table)

    def open_orders(self) -> list[tuple[int, ...]]:
        """Return the rows of all parts' open orders, sorted."""
        return sorted(order for part in self.parts for order in part.open_orders())

    def digest(self) -> str:
        """Hash of the whole state, as ``partitioned.digest`` has it; of cores that have stopped."""
        hashes = [pieces(core.region) for core in self.cores]
        owners = [self.cores.index(core) for core in self.owners]
        own = [hashes[core][1 + number] for number, core in enumerate(owners)]
        return joined([hashes[0][0], *own]).hex()

    def word(self, offset: int) -> int:
        """Return a word of the header; the count of open orders is the parts' sum."""
        if offset == lay.ORDERS_OPEN and hasattr(self, "parts"):
            return sum(part.word(offset) for part in self.parts)
        return super().word(offset)

    def money(self, who: Any, word: int) -> Any:
        """A participant's money, of all partitions; of several participants an array."""
        whole = self.cores[0].participants
        for _ in range(TRIES):
            before = self._rebalances()
            if before is not None:
                parts = [part.participants[who, word] for part in self.parts]
                amount = _summed([whole[who, word], *parts])
                if self._rebalances() == before:
                    return amount
            time.sleep(PAUSE_S)
        # One of them was killed at a rebalance point: what was known after the one before.
        return whole[who, word].copy()

    def _rebalances(self) -> int | None:
        """Return how many rebalance points there were; None while cores are at one, or one is
        being put back."""
        if any(core.header[0] != lay.MAGIC for core in self.cores):
            return None
        counts = {int(core.header[REBALANCES]) for core in self.cores}
        return counts.pop() if len(counts) == 1 and min(counts) >= 0 else None


class _Rows:
    """Participants' or groups': ``[who, word]`` or ``[who]``."""

    def __init__(self, view: JoinedView, name: str) -> None:
        self.view, self.name = view, name
        self.whole = getattr(view.cores[0], name)

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            who, word = key
            return self._word(who, int(word))
        return np.array([self._word(key, word) for word in range(self.whole.shape[1])])

    def _word(self, who: Any, word: int) -> Any:
        whole = self.whole[who, word].copy()
        rows = [getattr(part, self.name) for part in self.view.parts]
        at = 8 * word
        if self.name == "groups":
            is_summed = at == lay.GROUP_GROSS
            return _summed([part[who, word] for part in rows]) if is_summed else whole
        if at in SUMMED:
            return _summed([part[who, word] for part in rows])
        if at in MONEY:
            return self.view.money(who, word)
        for part in rows:
            if at == lay.FLAGS:
                whole = whole | part[who, word] & KILLED_HERE
            elif at == lay.KILLS:
                whole = whole + part[who, word]
            elif at == lay.KILLED_SEQ:
                whole = np.maximum(whole, part[who, word])
        return whole


def _summed(amounts: Sequence[Any]) -> Any:
    """Each is within 2**62, and so is the reported sum."""
    total = np.int64(0)
    for amount in amounts:
        total = np.clip(total + amount, -LARGEST, LARGEST)
    return total


class _OfInstruments:
    """A table with an axis of instruments, which is asked for one of them or for all."""

    def __init__(self, view: JoinedView, name: str, axis: int) -> None:
        self.view, self.name, self.axis = view, name, axis
        self.tables = [getattr(core, name) for core in view.cores]
        own = [[home is core for home in view.home] for core in view.cores]
        self.own = [np.flatnonzero(mine) for mine in own]
        self.home = [view.cores.index(home) for home in view.home]

    def __len__(self) -> int:
        return len(self.tables[0])

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        which = keys[self.axis] if len(keys) > self.axis else slice(None)
        if not isinstance(which, slice):
            return self.tables[self.home[which]][key]
        assert which == slice(None), "one instrument, or all of them"
        whole = self.tables[0][key].copy()
        # The axis of instruments, in what is left of the axes before it.
        at = sum(isinstance(one, slice) for one in keys[: self.axis])
        for table, own in zip(self.tables[1:], self.own[1:], strict=True):
            place = (slice(None),) * at + (own,)
            whole[place] = table[key][place]
        return whole
