"""What a journal's end comes to, and what the journal that continues it begins with, found in two
ways that have nothing in common: by its events from the first on, and by the checkpoint's bytes."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal import JournalReader
from openoutcry.journal.checkpoint import recover
from openoutcry.journal.checkpoints import checkpoint_path, read_checkpoint
from openoutcry.journal.core import Core
from openoutcry.journal.events import events_of, starting_point
from openoutcry.risk.region import View
from tests.oracles.matcher.book_from_events import BookFromEvents, BookOrder

Place = tuple[int, int]
Shown = tuple[int, int, int, int]


def orders_by_events(directory: Path) -> dict[str, list[tuple[int, int, int, int]]]:
    """Id, participant, price and lots of the displayed orders of each side of each instrument at
    the journal's end, in their order: from the events alone."""
    reader, book = JournalReader(directory), BookFromEvents()
    assert reader.first_seq == 1, "the events before are not there"
    for batch in events_of(reader, starting_point(reader)):
        book.apply(batch.events)
    symbols = [row["symbol"] for row in reader.config["instruments"]]
    return {
        f"{symbol} {side}": [_shown(one) for one in book.queue(index, side)]
        for index, symbol in enumerate(symbols)
        for side in (1, 2)
    }


def _shown(order: BookOrder) -> Shown:
    return order.order_id, order.participant, order.price_ticks, order.shown_lots


def orders_of_begin(directory: Path) -> dict[str, list[Shown]]:
    """The same of the begin of a journal that continues another: from its first checkpoint."""
    reader = JournalReader(directory)
    snapshot = read_checkpoint(checkpoint_path(directory, reader.first_seq - 1)).state
    engine = Core.of(reader.config).restored(snapshot)
    rows, symbols = engine.state().rows, engine.instruments["symbol"]
    found: dict[str, list[Shown]] = {
        f"{symbol.decode()} {side}": [] for symbol in symbols for side in (1, 2)
    }
    for row in rows[rows["place"] == 0]:
        name = f"{symbols[row['instrument']].decode()} {int(row['side'])}"
        who, price = int(row["participant"]), int(row["price_ticks"])
        found[name].append((int(row["order_id"]), who, price, int(row["qty_lots"])))
    return found


def money_of(directory: Path, seq: int) -> dict[str, Any]:
    """Every balance, wallet and position after a command, and their sums."""
    view = View(recover(directory, seq).engine.region)
    held: dict[str, Any] = {
        "participants": {
            who: row.tolist() for who, row in enumerate(view.participants) if row[[0, 1, 21]].any()
        },
        "positions": {
            (who, instrument): int(view.cells[who, instrument, 0])
            for who, instrument in np.argwhere(view.cells[:, :, 0]).tolist()
        },
        "orders": view.open_orders(),
    }
    if view.wallets is not None:
        names, sums = view.wallets.names, defaultdict(int)
        wallets = {}
        for who, asset in np.argwhere(view.wallets.rows.any(axis=2)).tolist():
            wallets[who, names[asset]] = view.wallets.rows[who, asset].tolist()
            sums[names[asset]] += sum(wallets[who, names[asset]][:2])
        held |= {"wallets": wallets, "sums": dict(sums)}
        assert all(view.wallets.total(name)[0] == view.wallets.total(name)[1] for name in names)
    return held
