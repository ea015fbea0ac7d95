"""Kernels before and after the matcher are part of the core: the events and the one state hash are
the same inline, as processes, with kills, in replay, over snapshots, in a journal that is resumed.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.journal import JournalError
from openoutcry.journal.checkpoint import make_checkpoints, recover
from openoutcry.journal.core import HOOKS
from openoutcry.journal.replay import replay
from openoutcry.matcher import Engine, MatcherError
from openoutcry.matcher.hooks import Hooks
from tests.support.pipeline import core_hooks as core
from tests.support.pipeline import core_hooks_shared as shared
from tests.support.pipeline.core_hooks_shared import commands, same

inline = shared.inline


def engine() -> Engine:
    return Engine(core.flow().instruments, core.CAPACITY, hooks=core.hooks())


@pytest.mark.promise(
    "One participant cannot fill the book; the bound is kept across a crash, and a replay "
    "gives the same. One session cannot take the day's tokens, or by default the book, from "
    "the others",
    group="capacity",
)
def test_the_hooks_see_and_refuse_what_the_plain_reference_does() -> None:
    """Every event equal, in pieces of any size; the counts are the open orders."""
    orders, hooked, plain = commands(6_000), engine(), core.Plain(core.flow().instruments)
    wanted = plain.process(orders)
    cuts = [0, 1, 2, 64, 65, 3_000, len(orders)]
    events = [hooked.process(orders[a:b]) for a, b in pairwise(cuts)]
    assert np.array_equal(np.concatenate(events), wanted)
    counts = hooked.region.view(np.int64)
    assert counts[1:].sum() == hooked.open_orders == plain.engine.open_orders > 0
    assert counts[1:].max() == core.LIMIT
    refused = wanted[wanted["reason"] == core.REFUSED]
    assert len(refused) > 100
    assert (refused["leaves_lots"] >= core.LIMIT).all()
    for symbol in hooked.instruments["symbol"]:
        assert hooked.depth(symbol, 100) == plain.engine.depth(symbol, 100)


def test_a_snapshot_a_clone_and_the_hash_have_the_region() -> None:
    """Two cores whose books are equal and whose counts differ are different states."""
    orders, straight = commands(6_000), engine()
    straight.process(orders[:3_000])
    data, hash_there = straight.snapshot(), straight.state_hash()
    again = Engine.restore(data, core.CAPACITY, hooks=core.hooks())
    clone = straight.clone()
    assert again.state_hash() == clone.state_hash() == hash_there
    wanted = straight.process(orders[3_000:])
    for other in (again, clone):
        assert np.array_equal(other.process(orders[3_000:]), wanted)
        assert other.state_hash() == straight.state_hash() != hash_there
        assert other.snapshot() == straight.snapshot() != data
    clone.region[80] ^= 1
    assert clone.book_hash() == straight.book_hash()
    assert clone.state_hash() != straight.state_hash()


def test_a_snapshot_is_refused_with_other_hooks_or_a_damaged_region() -> None:
    """Without the region, with one of another size, with a bit changed: an error that says so."""
    hooked, plain = engine(), Engine(core.flow().instruments, core.CAPACITY)
    data = hooked.snapshot()
    with pytest.raises(MatcherError, match="its header speaks of"):
        Engine.restore(data, core.CAPACITY)
    with pytest.raises(MatcherError, match="it has no region for the hooks"):
        Engine.restore(plain.snapshot(), core.CAPACITY, hooks=core.hooks())
    damaged = data[:-50] + bytes([data[-50] ^ 1]) + data[-49:]
    with pytest.raises(MatcherError, match="the checksum of the region"):
        Engine.restore(damaged, core.CAPACITY, hooks=core.hooks())
    small = Hooks(np.zeros(8, np.uint8))
    with pytest.raises(MatcherError, match="524296 bytes, the hooks' has 8"):
        Engine.restore(data, core.CAPACITY, hooks=small)


def test_hooks_that_do_nothing_change_no_event() -> None:
    """The matcher's events, and one hash for the book."""
    orders = commands(4_000)
    idle = Engine(core.flow().instruments, core.CAPACITY, hooks=Hooks(np.zeros(8, np.uint8)))
    plain = Engine(core.flow().instruments, core.CAPACITY)
    assert np.array_equal(idle.process(orders), plain.process(orders))
    assert idle.book_hash() == plain.book_hash()


def test_inline_the_run_is_the_engines_and_its_journal_replays(
    inline: dict[str, Any], tmp_path: Path
) -> None:
    """The pipeline's hashes are those of the core fed by hand, but for what the gateway refuses;
    the replay made its own core from the journal's configuration."""
    assert inline["replay"]["equal"] is True
    assert inline["rejects"]["RISK"] > 100
    journal = Path(inline["journal"]["path"])
    make_checkpoints(journal, every=7_000)
    same({**replay(journal)}, inline)
    point = recover(journal)
    assert point.engine.state_hash() == inline["state_hash"]
    assert recover(journal, 9_000).seq == 9_000


def test_a_journal_whose_hooks_are_unknown_here_is_not_replayed(
    inline: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than with the matcher alone, which would give other events."""
    monkeypatch.delitem(HOOKS, core.NAME)
    with pytest.raises(JournalError, match=r"hooks 'open orders' .* not known"):
        replay(inline["journal"]["path"])
