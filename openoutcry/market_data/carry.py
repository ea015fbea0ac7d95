"""Let the public feed of a venue go on in a journal that continues another one: its session ends,
and the next one begins with all instruments and the orders that are displayed."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.market_data import checkpoint, mold
from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.spec import FeedSpec
from openoutcry.market_data.store import Store
from openoutcry.wire.errors import FeedError

FOLDER = "market_data"


def carry_over(
    old: Path,
    new: Path,
    spec: FeedSpec,
    instruments: npt.NDArray[Any],
    order_capacity: int,
    journal_id: int,
    seq: int,
) -> None:
    """Write the checkpoint with which the feed of the journal ``new`` goes on from that of ``old``,
    which has ended with command ``seq``, and the session that ends with it.

    Raises :class:`FeedError` if the old feed did not come so far."""
    saved = checkpoint.newest(old / FOLDER, old, journal_id)
    if saved is None or saved.cause_seq != seq:
        raise FeedError(
            f"{old / FOLDER}: the feed has not come to command {seq:,}: serve the venue once more, "
            "and stop it in good order"
        )
    feed = Feed(instruments, order_capacity, spec.price_decimals, symbols=spec.symbols)
    with np.load(io.BytesIO(saved.state)) as arrays:
        last = feed.carry_over(arrays)
    (new / FOLDER).mkdir(exist_ok=True)

    def path_of(folder: Path, session: int) -> Path:
        return folder / FOLDER / f"{mold.session_name(journal_id, session)}.itch"

    for session in (feed.session - 2, feed.session - 1):
        if (path := path_of(old, session)).exists():
            path_of(new, session).write_bytes(path.read_bytes())
    if last:
        before = Store(path_of(new, saved.session), saved.messages, saved.size_bytes)
        before.append(last, 1)
        before.sync()
    store = Store(path_of(new, feed.session))
    checkpoint.save(new / FOLDER, old, journal_id, seq, feed, Book(), store)
