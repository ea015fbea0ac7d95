"""Shards: several engines, each with instruments of its own, behind one stream of commands.

Every engine is given the whole instrument table, the same map (the shard of each instrument) and
its own number, and reads every command.  It skips those about another shard's instrument without
an event; what is about no instrument in particular (TIME, DISCONNECT, a MASS_CANCEL of all) runs
in all of them, each for its own instruments; a command about an unknown instrument is answered by
shard 0.  So each instrument sees the same events, in the same order, as in one engine; only their
``seq`` is counted by each engine for itself, and what expires by a TIME says in which order one
engine would have told it: its expiry in ``leaves_lots``, the number of the command that gave it
that expiry in ``contra_id``.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.book import arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.levels import instrument_addr
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, store_i64

MAX_SHARDS = 256


def spread(instruments: npt.NDArray[Any], shard_count: int) -> npt.NDArray[np.int64]:
    """A map by hash of the symbol: the shard of each instrument.

    It depends on nothing but the symbol and ``shard_count``, so instruments that are added later
    leave the others where they are.  Raises :class:`MatcherError` for a count out of range.
    """
    if not 1 <= shard_count <= MAX_SHARDS:
        raise MatcherError(f"shard_count is {shard_count}, not 1 to {MAX_SHARDS}")
    hashes = [zlib.crc32(symbol) % shard_count for symbol in instruments["symbol"].tolist()]
    return np.array(hashes, dtype=np.int64)


def enter_shard(
    arena: layout.Arena, shard_of_instrument: Sequence[int] | npt.NDArray[Any], shard: int
) -> None:
    """Tell a new arena which instruments are its own.  Raises :class:`MatcherError` for a map that
    does not name a shard for each instrument."""
    words = arena[: layout.HEADER_BYTES].view(np.int64)
    count = int(words[layout.INSTRUMENT_COUNT // 8])
    shards = np.asarray(shard_of_instrument)
    if shards.shape != (count,) or shards.dtype.kind not in "iu":
        raise MatcherError(f"shard: the map has no whole number for each of {count} instruments")
    for name, value in (("shard", shard), *(("shard map", int(s)) for s in shards)):
        if not 0 <= value < MAX_SHARDS:
            raise MatcherError(f"{name}: {value} is not 0 to {MAX_SHARDS - 1}")
    shards = np.ascontiguousarray(shards, dtype=np.int64)
    keep_shard(ArenaHeader.of(arena.ctypes.data), shards.ctypes.data, shard)


@kernel
def keep_shard(arena: ArenaHeader, shard_of_instrument: int, shard: int) -> None:
    """The instruments of other shards (one int64 an instrument) are foreign from now on."""
    arena.shard = shard
    arena.is_shard = 1
    for instrument in range(arena.instrument_count):
        mode_at = instrument_addr(arena, instrument) + layout.MODE
        if Words(shard_of_instrument)[instrument] != shard:
            store_i64(mode_at, load_i64(mode_at) | layout.MODE_FOREIGN)
