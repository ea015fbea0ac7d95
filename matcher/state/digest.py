"""The state hash, plainly: computed from the rows of a snapshot.

Everything that a snapshot holds except ``last_seq`` and ``event_count`` is in ``book_hash``, so a
rejected command does not change it; ``state_hash`` adds those two.  Both are blake2b-128, but not
of every row.  Rows are first folded into 128 bits page by page (a page: 64 consecutive prices of
one book), and the pages are added up.  A sum can be kept up to date: the engine
(``running_digest.py``) subtracts a changed page's old share and adds its new one.  Here all pages
are folded again.

The folding is fast mixing.  It is made to notice a difference between two engines, not to withstand
an attacker that looks for two books of the same hash.
"""

import hashlib
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.state.snapshot import (
    NO_PLACE,
    ROW_EXTENDED,
    ROW_LINKED,
    ROW_OWN_TRIGGER,
    TRIGGER_PLACE,
    State,
)
from openoutcry.wire.enums import Side
from openoutcry.wire.order_types import TAKE_PROFITS
from openoutcry.wire.records import PLAIN_INSTRUMENT_BYTES

Lanes = tuple[int, int]

SEEDS = (0x243F6A8885A308D3, 0x13198A2E03707344)
FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
FOLD_SHIFT = 29
MASK = 2**64 - 1
PLAIN_WORDS = 4
"""Words of a row that are folded if it is not extended: the others are 0."""
EXTENDED_WORDS = 13
"""Likewise, if it is no leg of a list and has no named price."""


def book_hash(state: State) -> str:
    """blake2b-128, in hexadecimal, of all but ``last_seq`` and ``event_count``."""
    return seal(hash_instruments(state.instruments), state.now_ns, fold(state))


def state_hash(state: State) -> str:
    """blake2b-128, in hexadecimal, of the whole state."""
    return seal_numbers(book_hash(state), state.last_seq, state.event_count)


def hash_instruments(instruments: npt.NDArray[Any]) -> bytes:
    """blake2b-128 of the instrument table; of what was added to the record later only if any of it
    is not 0."""
    rows = np.frombuffer(instruments.tobytes(), np.uint8).reshape(len(instruments), -1)
    hasher = hashlib.blake2b(rows[:, :PLAIN_INSTRUMENT_BYTES].tobytes(), digest_size=16)
    if rows[:, PLAIN_INSTRUMENT_BYTES:].any():
        hasher.update(rows[:, PLAIN_INSTRUMENT_BYTES:].tobytes())
    return hasher.digest()


def seal(instruments_hash: bytes, now_ns: int, lanes: Lanes) -> str:
    """``book_hash`` from its parts."""
    words = np.array([now_ns & MASK, *lanes], dtype=np.uint64)
    return hashlib.blake2b(instruments_hash + words.tobytes(), digest_size=16).hexdigest()


def seal_numbers(book_hash: str, last_seq: int, event_count: int) -> str:
    """``state_hash`` from its parts."""
    words = np.array([last_seq, event_count], dtype=np.int64)
    return hashlib.blake2b(bytes.fromhex(book_hash) + words.tobytes(), digest_size=16).hexdigest()


def joined_hash(
    instruments: npt.NDArray[Any],
    now_ns: int,
    digests: Sequence[Sequence[int]],
    last_seq: int,
    event_count: int,
) -> str:
    """``state_hash`` of the whole from its shards' :meth:`Engine.own_digest`; ``event_count``: of
    their merged events."""
    low, high = (sum(digest[lane] for digest in digests) & MASK for lane in range(2))
    book = seal(hash_instruments(instruments), now_ns, (low, high))
    return seal_numbers(book, last_seq, event_count)


def fold(state: State) -> Lanes:
    """Sum of the shares of all pages, of all orders that are in none, of all instruments and of all
    terms that wait."""
    return _fold_lane(state, 0), _fold_lane(state, 1)


def _fold_lane(state: State, lane: int) -> int:
    seed = np.uint64(SEEDS[lane])
    rows = _words(state.rows)
    shares = np.full(len(rows), seed)
    is_extended = (state.rows["flags"] & ROW_EXTENDED) != 0
    is_whole = (state.rows["flags"] & (ROW_LINKED | ROW_OWN_TRIGGER)) != 0
    for word in range(rows.shape[1]):
        mixed = _mix(shares, rows[:, word], lane)
        if word >= PLAIN_WORDS:
            mixed = np.where(is_extended if word < EXTENDED_WORDS else is_whole, mixed, shares)
        shares = mixed
    total = 0
    for _, page in groupby(zip(_pages(state.rows), shares.tolist(), strict=True), itemgetter(0)):
        folded = SEEDS[lane]
        for _, share in page:
            folded = _mix_one(folded, share, lane)
        total += folded
    lines = np.full(len(state.states), seed)
    numbers = np.arange(1, len(lines) + 1, dtype=np.uint64)
    for column in (numbers, *_words(state.states).T):
        lines = _mix(lines, column, lane)
    terms = np.full(len(state.terms), seed)
    for column in _words(state.terms).T:
        terms = _mix(terms, column, lane)
    return (total + sum(lines.tolist()) + sum(terms.tolist())) & MASK


def _words(table: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    table = np.ascontiguousarray(table)
    return table.view(np.uint64).reshape(len(table), table.dtype.itemsize // 8)


def _pages(rows: npt.NDArray[Any]) -> list[tuple[int, ...]]:
    """The page of each row; a row outside all pages is a page by itself."""
    stops = (rows["place"] == TRIGGER_PLACE) & ~np.isin(rows["order_type"], TAKE_PROFITS)
    is_bid = (rows["side"] == Side.BUY) != stops
    keys = np.where(is_bid, ~rows["price_ticks"], rows["price_ticks"])
    pages = zip(
        rows["instrument"].tolist(),
        rows["place"].tolist(),
        is_bid.tolist(),
        (keys >> 6).tolist(),
        strict=True,
    )
    return [(i,) if page[1] == NO_PLACE else page for i, page in enumerate(pages)]


def _mix(shares: Any, words: Any, lane: int) -> Any:
    with np.errstate(over="ignore"):
        mixed = (shares ^ words) * np.uint64(FACTORS[lane])
    return mixed ^ (mixed >> np.uint64(FOLD_SHIFT))


def _mix_one(share: int, word: int, lane: int) -> int:
    mixed = (share ^ word) * FACTORS[lane] & MASK
    return mixed ^ (mixed >> FOLD_SHIFT)
