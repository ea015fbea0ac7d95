"""What the core knows of one participant at one moment, out of a state that it keeps changing.

The state has no lock.  A copy is of one moment if the core had nothing to do all the while.  Under
load two copies are made, with every command that the first may have met completed between them: if
they are the same, nothing that they show was changing.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
from openoutcry.risk import contract_layout, portfolio_layout, spot_layout
from openoutcry.risk.region import Region, View
from openoutcry.wire.errors import OutcryError

PATIENCE_S, PAUSE_S = 1.0, 20e-6
"""How long a still moment is looked for, and between two looks."""
AGAIN = "the venue is busy: ask again"
LEFT_OUT = (lay.PROTECTION_AT, lay.BUMP_AT, lay.REQUESTS_AT, lay.OWN_AT, lay.PARTITIONS)
"""Blocks and partitions that a copy does not have."""


class NeverStill(OutcryError):
    """The state changed all the while."""


class Place(NamedTuple):
    """How far the core is."""

    sequenced: int
    """The last command that it was given,"""
    done: int
    """and the last that it has completed."""


def snapshot(region: Region, who: int, place: Callable[[], Place]) -> tuple[View, int]:
    """The participant's part of the state, and the command after which it was so.

    Raises :class:`NeverStill` if it changes all the while."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        before = place()
        copy = copy_of(region, who)
        after = place()
        if before.done == after.sequenced:
            return View(copy), before.done
        _require_done(place, after.sequenced, until_s)
        if np.array_equal(copy, copy_of(region, who)):
            return View(copy), after.sequenced
        if time.monotonic() > until_s:
            raise NeverStill(AGAIN)


def _require_done(place: Callable[[], Place], seq: int, until_s: float) -> None:
    require(lambda: place().done >= seq, until_s)


def require(is_true: Callable[[], bool], until_s: float) -> None:
    """Wait for it, to ``until_s`` of the monotonic clock.  Raises :class:`NeverStill`."""
    while not is_true():
        if time.monotonic() > until_s:
            raise NeverStill(AGAIN)
        time.sleep(PAUSE_S)


def copy_of(region: Region, who: int) -> Region:
    """A state of the same size with what concerns the participant alone; the rest is 0."""
    made = np.zeros(len(region) // 8, np.int64)
    words: npt.NDArray[np.int64] = region.view(np.int64)

    def take(at: int, size: int) -> None:
        made[at // 8 : (at + size) // 8] = words[at // 8 : (at + size) // 8]

    take(0, lay.HEADER_BYTES)
    columns = int(words[lay.INSTRUMENTS // 8])
    participants, instruments, cells = (
        int(words[at // 8]) for at in (lay.PARTICIPANT_AT, lay.INSTRUMENT_AT, lay.CELL_AT)
    )
    take(participants + who * lay.PARTICIPANT_BYTES, lay.PARTICIPANT_BYTES)
    take(instruments, columns * lay.INSTRUMENT_BYTES)
    take(cells + who * columns * lay.CELL_BYTES, columns * lay.CELL_BYTES)
    if at := int(words[lay.CONTRACTS_AT // 8]):
        count = int(words[(at + contract_layout.ContractBlock.offset("contracts")) // 8])
        take(at, contract_layout.block_bytes(count))
    if at := int(words[lay.WALLETS_AT // 8]):
        block = spot_layout.SpotBlock
        wallets, step = (
            int(words[(at + block.offset(name)) // 8]) for name in ("wallet_at", "wallet_step")
        )
        take(at, wallets - at)
        take(wallets + who * step, step)
        made[(at + block.offset("movements_at")) // 8] = 0
    if at := int(words[lay.PORTFOLIO_AT // 8]):
        header = portfolio_layout.PortfolioBlock
        works, size = (
            int(words[(at + header.offset(name)) // 8]) for name in ("work_at", "work_bytes")
        )
        take(at, works - at)
        take(works + who * size, size)
    for word in LEFT_OUT:
        made[word // 8] = 0
    return made.view(np.uint8)
