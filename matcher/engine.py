"""The matcher as an object: numpy arrays in, numpy arrays out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.matcher.constants as const
from openoutcry.matcher.book import arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.depth import fill_best, fill_depth
from openoutcry.matcher.book.empty_arena import Zeros, new_arena
from openoutcry.matcher.book.position import Position, fill_position
from openoutcry.matcher.book.shards import enter_shard
from openoutcry.matcher.commands.dispatch import process_batch, scratch_records
from openoutcry.matcher.hooks import (
    Hooks,
    own_region,
    process_hooked,
    seal_region,
    with_region,
    without_region,
)
from openoutcry.matcher.matching.stops import is_passed
from openoutcry.matcher.output import Output
from openoutcry.matcher.state.arena_check import check_arena
from openoutcry.matcher.state.clone import copy_arena
from openoutcry.matcher.state.digest import book_hash, hash_instruments, seal, seal_numbers
from openoutcry.matcher.state.restore import load_state
from openoutcry.matcher.state.running_digest import fold_changes
from openoutcry.matcher.state.save import save_orders, save_states
from openoutcry.matcher.state.snapshot import (
    ROW_DTYPE,
    STATE_DTYPE,
    TERM_DTYPE,
    State,
    decode,
    encode,
)
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.indirect import kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.records import EVENT_DTYPE, INSTRUMENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.symbols import code_of

Records = npt.NDArray[Any]
Levels = list[tuple[int, int, int]]
Best = tuple[int | None, int, int | None, int]
Shard = tuple[Sequence[int] | npt.NDArray[Any], int]


def _require_records(name: str, records: Records, dtype: npt.DTypeLike) -> None:
    # Whether two dtypes are the same object is known at once; comparing records takes microseconds.
    is_record = isinstance(records, np.ndarray) and (
        records.dtype is dtype or records.dtype == dtype
    )
    if not is_record or records.ndim != 1:
        kind = "ORDER_DTYPE" if dtype == ORDER_DTYPE else "EVENT_DTYPE"
        raise MatcherError(f"{name}: not a one-dimensional array of {kind}")


@kernel
def would_elect(
    arena: ArenaHeader, instrument: int, order_type: int, side: int, trigger: int
) -> bool:
    """:func:`is_passed` for Python, which cannot call an outlined kernel."""
    return is_passed(arena, instrument, 0, order_type, side, trigger)


class Books:
    """The displayed books of an arena, which may be another process's: what reads them is alone
    with it meanwhile."""

    def __init__(self, instruments: npt.NDArray[Any], arena: layout.Arena) -> None:
        """``instruments``: the table that the arena was laid out for."""
        self.address: int = arena.ctypes.data
        """Address of the arena, for the kernels."""
        self.arena = arena
        self._words = arena[: layout.HEADER_BYTES].view(np.int64)
        self._index = _places(instruments)
        self._best = np.zeros(6, dtype=np.int64)
        self._depth = np.zeros((0, 3), dtype=np.int64)

    def _word(self, offset: int) -> int:
        return int(self._words[offset // 8])

    @property
    def open_orders(self) -> int:
        """Orders that are open, in all instruments."""
        return self._word(layout.OPEN_ORDERS)

    def best(self, symbol: str | bytes) -> Best:
        """(bid price or None, bid quantity, ask price or None, ask quantity), as displayed: ticks
        and lots.  In a call phase a market order's price is the best there could be."""
        fill_best(ArenaHeader.of(self.address), self._instrument(symbol), self._best.ctypes.data)
        bid, bid_price, bid_qty, ask, ask_price, ask_qty = self._best.tolist()
        return bid_price if bid else None, bid_qty, ask_price if ask else None, ask_qty

    def has_passed(
        self, symbol: str | bytes, order_type: int, side: int, trigger_ticks: int
    ) -> bool:
        """Return whether a stop with this trigger would be elected at once."""
        arena = ArenaHeader.of(self.address)
        instrument = self._instrument(symbol)
        return bool(would_elect(arena, instrument, order_type, side, trigger_ticks))

    def depth(self, symbol: str | bytes, levels: int) -> dict[str, Levels]:
        """``{"bids": [(price_ticks, qty_lots, order_count), ...], "asks": [...]}``, as displayed,
        best first, at most ``levels`` a side."""
        instrument = self._instrument(symbol)
        if levels < 0:
            raise MatcherError(f"depth: levels is {levels}, below 0")
        levels = min(levels, self.open_orders)
        if len(self._depth) < levels:
            self._depth = np.zeros((levels, 3), dtype=np.int64)
        address = self._depth.ctypes.data
        sides = []
        for side in range(2):
            count = fill_depth(ArenaHeader.of(self.address), instrument, side, levels, address)
            sides.append([(p, q, n) for p, q, n in self._depth[:count].tolist()])
        return {"bids": sides[0], "asks": sides[1]}

    def _instrument(self, symbol: str | bytes) -> int:
        key = code_of(symbol) if isinstance(symbol, str) else symbol
        key = key.rstrip(b"\0")
        if key not in self._index:
            # One that had no symbol may have got it since.
            self._index = _places(rules_in(self.arena))
        index = self._index.get(key)
        if index is None:
            raise MatcherError(f"symbol {symbol!r} is not in the instrument table")
        return index


def rules_in(arena: layout.Arena) -> npt.NDArray[Any]:
    """Return the instrument table of an arena, with the rules in force."""
    words = arena[: layout.HEADER_BYTES].view(np.int64)
    at, count = (int(words[one // 8]) for one in (layout.RULES_AT, layout.INSTRUMENT_COUNT))
    return arena[at : at + const.RULE_BYTES * count].view(INSTRUMENT_DTYPE)


def _places(instruments: npt.NDArray[Any]) -> dict[bytes, int]:
    return {symbol: index for index, symbol in enumerate(instruments["symbol"].tolist())}


class Engine(Books):
    """Matcher for the instruments of a table.

    The table ``instruments`` is of INSTRUMENT_DTYPE, as ``make_instruments`` returns it.  There is
    room for ``order_capacity`` open orders and for ``level_pages`` pages of 64 price levels; by
    default there are as many pages as orders, which is always enough.  A ``shard`` is (shard of
    each instrument, shard of this engine), see ``book/shards.py``.  Give a secret ``id_key`` of 63
    bits where clients choose order ids, so that they cannot choose ids that make commands slow.
    Events and hashes do not depend on it.  Kernels before and after the matcher are ``hooks``;
    their state becomes part of the engine's (``hooks.py``).  ``zeros`` gives the memory of both,
    the hooks' first; by default it is private.  Raises :class:`MatcherError`.
    """

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        order_capacity: int = 1 << 17,
        level_pages: int | None = None,
        shard: Shard | None = None,
        id_key: int = 0,
        hooks: Hooks | None = None,
        zeros: Zeros | None = None,
    ) -> None:
        table = layout.check_instruments(instruments)
        self.order_capacity = order_capacity
        self.level_pages = order_capacity if level_pages is None else level_pages
        self.shard = shard
        self.region = own_region(hooks.region, zeros) if hooks else np.zeros(0, np.uint8)
        # What the region began with is not kept: it may be tens of megabytes.
        self.hooks = replace(hooks, region=self.region) if hooks else None
        self._use(new_arena(table, self.order_capacity, self.level_pages, id_key, zeros))
        if shard is not None:
            enter_shard(self.arena, *shard)

    def _use(self, arena: layout.Arena) -> None:
        self.instruments = rules_in(arena)
        """The instrument table with the rules in force."""
        super().__init__(self.instruments, arena)
        self.batch: Callable[..., tuple[int, int]] = process_batch
        """The batch kernel of the core, and the address that it is called with."""
        self.core_address = self.address
        if self.hooks is not None:
            self._block = self.hooks.block(self.address, self.region)
            self.batch, self.core_address = process_hooked, self._block.ctypes.data
        self._batch_address = kernel_address(self.batch, 5)
        self._instruments_hash = -1, b""
        has_notes = self.hooks is not None and self.hooks.leaves_notes
        self._output = Output(scratch_records(self.order_capacity), has_notes)
        self._position = np.zeros(len(Position._fields), dtype=np.int64)

    @property
    def last_seq(self) -> int:
        """``seq`` of the last command processed; 0 before the first."""
        return self._word(layout.LAST_SEQ)

    @property
    def now_ns(self) -> int:
        """The time of the last TIME command."""
        return self._word(layout.NOW_NS)

    @property
    def command_count(self) -> int:
        """Commands seen so far, another shard's among them."""
        return self._word(layout.COMMAND_COUNT)

    @property
    def event_count(self) -> int:
        """Events written so far, which is the ``seq`` of the last."""
        return self._word(layout.EVENT_COUNT)

    def process(
        self, orders: npt.NDArray[Any], out: npt.NDArray[Any] | None = None
    ) -> npt.NDArray[Any]:
        """Process commands (ORDER_DTYPE, one dimension) and return their events (EVENT_DTYPE),
        numbered on from ``event_count``.

        With ``out`` (EVENT_DTYPE, contiguous) the events are written there and a view of it is
        returned; if they do not fit, a larger new array is.  Straight there, without a copy, as
        long as it has room for what any one command can cause: ``scratch_records(order_capacity)``
        more than the events.  The same ``out`` for each call is fastest: fresh memory costs more
        than the matching.
        """
        _require_records("orders", orders, ORDER_DTYPE)
        if out is not None:
            _require_records("out", out, EVENT_DTYPE)
            if not (out.flags.c_contiguous and out.flags.writeable):
                raise MatcherError("out: not contiguous, or not writeable")
        return self._output.process(
            self._batch_address,
            self.core_address,
            np.ascontiguousarray(orders),
            self.open_orders,
            self.event_count + 1,
            out,
        )

    @property
    def notes(self) -> npt.NDArray[np.int64]:
        """The hooks' notes at each event of the last :meth:`process` (``Hooks.leaves_notes``);
        empty if they note nothing."""
        return self._output.notes

    def position(self, order_id: int, symbol: str | bytes | None = None) -> Position | None:
        """The place of an open order in its queue.  None if it is not open or waits outside the
        book: a stop, a peg without a price, an order for a later auction.

        Without ``symbol`` every instrument is asked; raises :class:`MatcherError` if the id is open
        in more than one of them.  Costs a step for each order ahead.
        """
        instruments = range(len(self.instruments)) if symbol is None else [self._instrument(symbol)]
        positions = []
        for instrument in instruments:
            if fill_position(
                ArenaHeader.of(self.address), instrument, order_id, self._position.ctypes.data
            ):
                positions.append(Position(*self._position.tolist()))
        if len(positions) > 1:
            raise MatcherError(
                f"order {order_id} is open in {len(positions)} instruments: name one"
            )
        return positions[0] if positions else None

    def state(self) -> State:
        """The complete state, as tables."""
        rows = np.empty(self.open_orders, dtype=ROW_DTYPE)
        states = np.empty(len(self.instruments), dtype=STATE_DTYPE)
        save_orders(ArenaHeader.of(self.address), rows.ctypes.data)
        save_states(ArenaHeader.of(self.address), states.ctypes.data)
        numbers = (self.now_ns, self.last_seq, self.event_count, self.command_count)
        at = self._word(layout.TERMS_AT)
        end = at + self._word(layout.TERMS_COUNT) * layout.TERM_BYTES
        terms = self.arena[at:end].view(TERM_DTYPE).copy()
        return State(self.instruments.copy(), states, rows, *numbers, terms=terms)

    def snapshot(self) -> bytes:
        """The whole state as bytes; equal states give equal bytes."""
        book = encode(self.state())
        return with_region(book, self.region) if self.hooks else book

    def captured(self) -> Callable[[], bytes]:
        """A copy of the state, in a fraction of what :meth:`snapshot` takes.  Called, in any
        thread, it returns the snapshot of the state as it was."""
        state, region = self.state(), self.region.copy() if self.hooks else None
        return lambda: encode(state) if region is None else with_region(encode(state), region)

    def book_hash(self) -> str:
        """Hash, 32 hexadecimal digits, of the matcher without ``last_seq`` and ``event_count``: a
        rejected command leaves it as it is.  Costs what changed since it, or ``state_hash``, was
        last asked for; see ``digest.py``."""
        low, high = self._digests()[0].tolist()
        changes = self._word(layout.RULES_CHANGED)
        if self._instruments_hash[0] != changes:
            self._instruments_hash = changes, hash_instruments(self.instruments)
        return seal(self._instruments_hash[1], self.now_ns, (low, high))

    def own_digest(self) -> tuple[int, int]:
        """A shard's part of what the hash is made of: those of all shards add up to the whole's."""
        shares = self._digests()
        total = shares[0].copy()
        if self.shard is not None:
            foreign = np.flatnonzero(np.asarray(self.shard[0]) != self.shard[1])
            total -= shares[1 + self.level_pages + foreign].sum(axis=0, dtype=np.uint64)
        return int(total[0]), int(total[1])

    def _digests(self) -> npt.NDArray[np.uint64]:
        """Their sum, then the share of each page and each instrument, up to date."""
        fold_changes(ArenaHeader.of(self.address))
        at, count = self._word(layout.DIGESTS_AT), 1 + self.level_pages + len(self.instruments)
        end = at + count * layout.DIGEST_BYTES
        return self.arena[at:end].view(np.uint64).reshape(count, 2)

    def state_hash(self) -> str:
        """Hash, 32 hexadecimal digits, of the whole state; costs what :meth:`book_hash` does, and
        the hashing of the hooks' region."""
        whole = seal_numbers(self.book_hash(), self.last_seq, self.event_count)
        return seal_region(whole, self.hooks.digest(self.region)) if self.hooks else whole

    def clone(self) -> "Engine":
        """Return another engine in the same state, for what-if runs. Its cost depends on how much
        memory was ever used, not on the capacity."""
        other = object.__new__(Engine)
        other.shard = self.shard
        other.region = own_region(self.region)
        other.hooks = replace(self.hooks, region=other.region) if self.hooks else None
        other.order_capacity, other.level_pages = self.order_capacity, self.level_pages
        other._use(copy_arena(self.arena))
        return other

    @classmethod
    def restore(
        cls,
        data: bytes,
        order_capacity: int = 1 << 17,
        level_pages: int | None = None,
        shard: Shard | None = None,
        id_key: int = 0,
        hooks: Hooks | None = None,
        zeros: Zeros | None = None,
    ) -> "Engine":
        """An engine in the state of a :meth:`snapshot`.

        Capacities and shard are not part of the state: give those of the first engine, or commands
        may be refused with BOOK_FULL in one and not in the other.  The id key may be another.
        Raises :class:`MatcherError` for damaged or foreign bytes or too small a capacity,
        ``LayoutMismatch`` for another layout.
        """
        book, region = data, np.zeros(0, np.uint8)
        if hooks:
            book, region = without_region(data, len(hooks.region))
        state = decode(book)
        engine = cls(state.instruments, order_capacity, level_pages, shard, id_key, hooks, zeros)
        load_state(engine.arena, state)
        engine.region[:] = region
        # The region is the snapshot's, byte by byte; the book was made from its rows.
        if encode(engine.state()) != book:
            raise MatcherError("snapshot: its orders are not in canonical order")
        return engine

    def as_shard(self, shard: Shard, event_count: int, id_key: int = 0) -> "Engine":
        """The engine of one shard, with the state of the shard's instruments.  It has written
        ``event_count`` events.  The hooks' state is that of the whole engine."""
        engine = Engine(
            self.instruments, self.order_capacity, self.level_pages, shard, id_key, self.hooks
        )
        engine.region[:] = self.region
        whole = self.state()
        own = np.asarray(shard[0]) == shard[1]
        states = np.where(own, whole.states, engine.state().states)
        rows = whole.rows[own[whole.rows["instrument"]]]
        terms = whole.terms[own[whole.terms["instrument"]]]
        part = replace(whole, states=states, rows=rows, terms=terms, event_count=event_count)
        load_state(engine.arena, part)
        return engine

    def check(self) -> None:
        """Verify every invariant of the memory, slowly; ``AssertionError`` names the broken one."""
        check_arena(self.arena)
        assert self.book_hash() == book_hash(self.state()), "a change was not marked for the hash"
