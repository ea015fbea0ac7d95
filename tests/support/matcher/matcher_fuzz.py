"""One seed of the fuzzer: the kernel against itself, its events' laws and, where asked, the
reference."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher import Engine
from openoutcry.wire import CommandKind, EventKind, Phase
from openoutcry.wire.enums import Reason
from openoutcry.wire.records import NO_INSTRUMENT
from tests.oracles.matcher.book_from_events import BookFromEvents
from tests.oracles.matcher_compare import compare
from tests.oracles.matcher_ledger import check_ledger
from tests.support.matcher.matcher_mixed import Mixed, mixed

Array = npt.NDArray[Any]
ROOMY = 1 << 24
"""An order capacity that no run of a seed reaches, neither in orders nor in events they could
cause (some 2 n² for n stops on a pro-rata instrument: an eighth of this was too little for one seed
in twelve thousand, a quarter for another), so that the instruments of one engine do not compete for
room."""
ROOMY_PAGES = 1 << 13
ALL_LEVELS = 1 << 13

A_SEED = 5_000
"""Commands of one seed."""


def fuzz_share(arguments: tuple[int, int, int, int, float]) -> dict[str, int]:
    """A process's share: each ``stride``-th seed from ``first``, below ``end``."""
    first, stride, end, every, deadline = arguments
    done = {"seeds": 0, "with_reference": 0, "events": 0}
    for seed in range(first, end, stride):
        if time.monotonic() > deadline:
            break
        with_reference = (seed // stride) % every == 0
        done["events"] += fuzz_seed(seed, A_SEED, with_reference)
        done["seeds"] += 1
        done["with_reference"] += with_reference
    return done


def fuzz_seed(seed: int, commands: int, with_reference: bool) -> int:
    """Check one seed; returns how many events it made.  ``AssertionError`` says what is wrong."""
    run = mixed(seed, commands)
    events = check_in_parts(run, read_events=with_reference)
    if with_reference:
        assert np.array_equal(compare(run), events), f"seed {seed}: parts differ"
    check_shards(run)
    return len(events)


def check_in_parts(run: Mixed, read_events: bool = True) -> Array:
    """Straight through and, beside it, in parts with a restart from a snapshot between them: the
    same events and state; the events keep their laws, and tell the depth to whoever reads only
    them (in Python, so only if ``read_events``); no book is crossed between the parts."""
    straight = Engine(run.instruments, run.order_capacity)
    events = straight.process(run.orders)
    restarted = Engine(run.instruments, run.order_capacity)
    cuts = np.sort(np.random.default_rng(run.seed).integers(0, len(run.orders), 3)).tolist()
    parts = []
    reader = BookFromEvents()
    for start, end in zip([0, *cuts], [*cuts, len(run.orders)], strict=True):
        restarted = Engine.restore(restarted.snapshot(), run.order_capacity)
        parts.append(restarted.process(run.orders[start:end]))
        if read_events:
            reader.apply(parts[-1])
            check_depth(restarted, run, reader)
        check_not_crossed(restarted, run, np.concatenate(parts))
    assert np.array_equal(np.concatenate(parts), events), f"seed {run.seed}: a restart differs"
    assert restarted.state_hash() == straight.state_hash()
    assert restarted.snapshot() == straight.snapshot()
    straight.check()
    restarted.check()
    assert check_ledger(events) == straight.open_orders
    return events


def check_depth(engine: Engine, run: Mixed, reader: BookFromEvents) -> None:
    for index, row in enumerate(run.instruments):
        depth = engine.depth(row["symbol"], ALL_LEVELS)
        assert depth == reader.depth(index, ALL_LEVELS), (
            f"seed {run.seed}: depth from events differs"
        )


def phases(run: Mixed, events: Array) -> list[Phase]:
    """Each instrument's phase after these events."""
    now = [Phase(int(p)) for p in run.instruments["initial_phase"]]
    for event in events[events["kind"] == EventKind.PHASE_CHANGED]:
        now[int(event["instrument"])] = Phase(int(event["qty_lots"]))
    return now


def check_not_crossed(engine: Engine, run: Mixed, events: Array) -> None:
    for row, phase in zip(run.instruments, phases(run, events), strict=True):
        bid, _, ask, _ = engine.best(row["symbol"])
        if phase == Phase.CONTINUOUS and bid is not None and ask is not None:
            assert bid < ask, f"seed {run.seed}: {row['symbol']} is crossed in continuous trading"


def by_instrument(events: Array, instrument: int) -> Array:
    """An instrument's events without what numbers them, and without the ends of commands of the
    operator."""
    mine = events[(events["instrument"] == instrument) & (events["kind"] != EventKind.COMPLETED)]
    mine = mine.copy()
    mine["seq"], mine["flags"] = 0, mine["flags"] & ~np.uint8(1)
    return mine


def without_merge_keys(events: Array) -> Array:
    """A shard's events without what they are merged by: where an order that expired stands among
    those of other shards (matcher/book/shards.py)."""
    events = events.copy()
    expired = (events["kind"] == EventKind.EXPIRED) & (events["reason"] == Reason.EXPIRED)
    events["leaves_lots"][expired] = events["contra_id"][expired] = 0
    return events


TO_ALL = (CommandKind.TIME, CommandKind.DISCONNECT, CommandKind.MASS_CANCEL)


def check_shards(run: Mixed) -> None:
    """Two engines with an instrument map give each instrument what one engine gives it."""
    count = len(run.instruments)
    shard_of = (np.arange(count) * 7 + run.seed) % 2
    whole = Engine(run.instruments, ROOMY, ROOMY_PAGES).process(run.orders)
    assert Reason.BOOK_FULL not in whole["reason"], f"seed {run.seed}: ROOMY is too small for it"
    shards = [
        without_merge_keys(
            Engine(run.instruments, ROOMY, ROOMY_PAGES, (shard_of, k)).process(run.orders)
        )
        for k in range(2)
    ]
    for instrument in range(count):
        mine = by_instrument(shards[shard_of[instrument]], instrument)
        other = by_instrument(shards[1 - shard_of[instrument]], instrument)
        assert np.array_equal(mine, by_instrument(whole, instrument)), f"seed {run.seed}: shards"
        assert len(other) == 0, f"seed {run.seed}: a shard answered for another's instrument"
    # What the operator says to everybody each shard answers; what nobody owns is shard 0's.
    to_all = np.isin(run.orders["kind"], TO_ALL)
    rejects = [
        e[(e["instrument"] == NO_INSTRUMENT) & (e["kind"] == EventKind.REJECTED)]
        for e in (whole, *shards)
    ]
    rejects = [e[~to_all[e["cause_seq"] - 1]] for e in rejects]
    assert len(rejects[0]) == len(rejects[1]), f"seed {run.seed}: shard 0 owns what nobody owns"
    assert len(rejects[2]) == 0, f"seed {run.seed}: shard 1 answered what nobody owns"
    gone = [e[e["kind"] == EventKind.COMPLETED]["qty_lots"].sum() for e in (whole, *shards)]
    assert gone[0] == gone[1] + gone[2], f"seed {run.seed}: shards removed another number"
