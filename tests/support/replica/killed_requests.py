"""Nodes that are killed while the commands of an operator's request are under way."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.journal.checkpoint import recover
from openoutcry.journal.events import events_of
from openoutcry.venue.desk import DeskError
from tests.support.replica.replica_nodes import Node
from tests.support.venue.dying_desk import NAME


def two_nodes(folder: Path, cluster: Path, name: str, of_gold: str, more: str) -> list[Node]:
    """Two nodes of one venue; ``of_gold``: what its instrument GOLD has besides, ``more``: what the
    venue's file has."""
    nodes = [Node(folder / one, name, cluster, lease_ms=10_000, more=more) for one in "ab"]
    for node in nodes:
        text = node.file.read_text()
        node.file.write_text(text.replace('symbol = "GOLD"\n', 'symbol = "GOLD"' + of_gold, 1))
    return nodes


def trade(buyer: Any, seller: Any, rows: Iterable[tuple[str, int, str]]) -> None:
    """One trade each of symbol, lots and price."""
    for symbol, lots, price in rows:
        buyer.enter("B", symbol, lots, price, name=f"LONG{lots}")
        seller.enter("S", symbol, lots, price, name=f"SHORT{lots}")
        assert [buyer.next().kind for _ in range(2)] == ["A", "E"]


def die_at(node: Node, request: Callable[[], Any], after: int) -> None:
    """The node is gone once so many commands of the request are on its disk."""
    (node.folder / NAME).write_text(str(after))
    with suppress(DeskError, ConnectionError):  # at times it answers before it is gone
        request()
    assert node.process is not None
    node.process.wait()
    node.kill_rest()


def commands_of(node: Node) -> npt.NDArray[Any]:
    """The commands of its journal, from the first."""
    batches = events_of(JournalReader(node.journal))
    return np.concatenate([np.array(batch.commands) for batch in batches])


def same_until_they_part(one: Node, other: Node) -> npt.NDArray[Any]:
    """The commands that both journals begin with, after which both have the same state.  What was
    on the disk of a killed node alone, no participant has seen."""
    both = [commands_of(node) for node in (one, other)]
    pairs = enumerate(zip(*both, strict=False))
    shared = next((n for n, (left, right) in pairs if left != right), min(map(len, both)))
    hashes = {recover(node.journal, shared).engine.state_hash() for node in (one, other)}
    assert len(hashes) == 1
    return both[0][:shared]
