"""Shards: several engines on one stream of commands, each with separate instruments.

Every engine receives the whole instrument table, the same map (the shard of each instrument) and
its shard number, and reads every command.  It skips commands about another shard's instrument
without an event.  A command about no particular instrument (TIME, DISCONNECT, a MASS_CANCEL of all)
runs in every engine, each for its instruments.  Shard 0 answers a command about an unknown
instrument.

So each instrument has the same events, in the same order, as in one engine; only ``seq`` is counted
by each engine separately.  The events of orders that a TIME expires carry the order in which one
engine would have written them.  The expiry is in ``leaves_lots``, and the number of the command
that set it in ``contra_id``.
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
    """Write into a new arena which instruments are its own.  Raises :class:`MatcherError` for a map
    that does not name a shard for each instrument."""
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
    """The instruments of other shards (one int64 an instrument) are foreign from now on.
    ``shard_of_instrument``: their address."""
    arena.shard = shard
    arena.is_shard = 1
    for instrument in range(arena.instrument_count):
        mode_at = instrument_addr(arena, instrument) + layout.MODE
        if Words(shard_of_instrument)[instrument] != shard:
            store_i64(mode_at, load_i64(mode_at) | layout.MODE_FOREIGN)
