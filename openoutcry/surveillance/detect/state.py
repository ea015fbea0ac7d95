"""The detectors as an object: commands and events in, hits out; its whole state as arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.surveillance.detect.layout as lay
from openoutcry.journal.document_pieces import Pieces
from openoutcry.journal.projections import Setting, has_risk, instrument_money
from openoutcry.surveillance.detect.layout import DetectorState
from openoutcry.surveillance.detect.settings import Settings, link_indices
from openoutcry.surveillance.detect.watch import watch
from openoutcry.surveillance.parameters import HOUR, parameters
from openoutcry.wire import make_instruments
from openoutcry.wire.enum_numbers import COMMAND_KIND_RISK as RISK_KIND
from openoutcry.wire.errors import SurveillanceError
from openoutcry.wire.symbols import symbols_of

Records = npt.NDArray[Any]
Words = npt.NDArray[np.int64]
TABLES = (
    "params",
    "groups",
    "links",
    "books",
    "levels",
    "orders",
    "order_heads",
    "cells",
    "cell_heads",
    "repeats",
    "hits",
    "clients",
    "sides",
    "cash",
)
"""In the order of the header's words."""
KEPT = ("links", "books", "levels", "orders", "cells", "repeats", "clients", "sides", "cash")
"""Tables in a checkpoint, with the header; heads are made again."""
FIRST_ROOM = 1 << 10


class Detectors:
    """All detectors over one journal's commands and events, from their first on.

    ``config``: the journal's (instruments, hooks); ``settings``: relations between participants,
    instruments and clients, and changed parameters.  Hits do not depend on how commands were
    parted into calls.
    """

    def __init__(self, config: Mapping[str, Any], settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.table = make_instruments(config["instruments"])
        self.symbols = symbols_of(config)
        count = len(self.table)
        self.header = np.zeros(lay.HEADER_WORDS, np.int64)
        self.params = parameters(self.settings.parameters)
        self.groups = self.settings.owners()
        contracts = [row[0] for row in (config.get("hooks") or {}).get("contracts", ())]
        self.links = self.settings.links(self.symbols, contracts)
        self.pieces = Pieces()
        self.books = self._books(config)
        self.levels = np.zeros((count * 2 * 64, 2), np.int64)
        self.orders = np.zeros((FIRST_ROOM, lay.ORDER_WORDS), np.int64)
        self.order_heads = np.zeros(FIRST_ROOM, np.int64)
        self.cells = np.zeros((64, lay.CELL_WORDS), np.int64)
        self.cell_heads = np.zeros(64, np.int64)
        self.repeats = np.zeros((256, lay.REPEAT_WORDS), np.int64)
        self.hits = np.zeros((256, lay.HIT_BYTES // 8), np.int64)
        self.clients = self.settings.client_rows(self.symbols)
        self.sides = np.zeros((1 << max(8, 3 + len(self.clients).bit_length()), 8), np.int64)
        self.cash = self._cash(config)
        tracks = has_risk(dict(config))
        for word, value in (
            (lay.ORDER_ROOM, FIRST_ROOM), (lay.ORDER_MASK, FIRST_ROOM - 1), (lay.CELL_ROOM, 64),
            (lay.CELL_MASK, 63), (lay.REPEAT_MASK, 255), (lay.HIT_ROOM, 256),
            (lay.INSTRUMENTS, count), (lay.CLIENT_COUNT, len(self.settings.clients)),
            (lay.SIDE_MASK, len(self.sides) - 1), (lay.TRACKS_CASH, int(tracks)),
        ):  # fmt: skip
            self._set(word, value)

    def _books(self, config: Mapping[str, Any]) -> Words:
        books = np.zeros((len(self.table), lay.BOOK_WORDS), np.int64)
        numbers = np.arange(len(books))
        money = instrument_money(dict(config), self.table)
        for word, values in (
            (lay.B_BID, lay.NONE), (lay.B_ASK, lay.NONE), (lay.B_LAST, lay.NONE),
            (lay.B_OPENED, lay.NONE), (lay.B_STEP, self.table["price_step_ticks"]),
            (lay.B_PHASE, self.table["initial_phase"]), (lay.B_MULTIPLIER, money.multiplier),
            (lay.B_LEVERAGED, money.leveraged), (lay.B_LEVEL_AT, numbers * 128),
            (lay.B_LEVEL_ROOM, 64), (lay.B_LEVEL_AT + lay.B_ASK_LEVELS, numbers * 128 + 64),
            (lay.B_LEVEL_ROOM + lay.B_ASK_LEVELS, 64), (lay.B_MARK, lay.NONE),
            (lay.B_STAGED, lay.NONE),
        ):  # fmt: skip
            books[:, word // 8] = values
        for index, *_ in (config.get("hooks") or {}).get("contracts", ()):
            books[index, lay.B_MARK // 8] = self.table["reference_price_ticks"][index]
        return books

    def _cash(self, config: Mapping[str, Any]) -> Words:
        """The participants whose money the configuration states."""
        cash = np.zeros((lay.CASH_PARTICIPANTS if has_risk(dict(config)) else 1, 2), np.int64)
        cash[:, 0] = lay.NONE
        for row in (config.get("hooks") or {}).get("limits", ()):
            if row["set"] == "DEPOSIT" and len(cash) > 1:
                who = int(row.get("who", 0))
                cash[who, 0] = max(int(cash[who, 0]), 0) + int(row["value"])
        return cash

    def _set(self, word: int, value: int) -> None:
        self.header[word // 8] = value

    def _word(self, word: int) -> int:
        return int(self.header[word // 8])

    @property
    def event_seq(self) -> int:
        """The last event that was seen."""
        return self._word(lay.EVENT_SEQ)

    @property
    def now_ns(self) -> int:
        """The latest time that a command so far came with."""
        return self._word(lay.NOW)

    def watch(self, commands: Records, events: Records) -> Records:
        """The hits (HIT_DTYPE) that these commands (ORDER_DTYPE, in sequence) and all of their
        events (EVENT_DTYPE) bring, in order.

        Raises :class:`SurveillanceError` if events are missing before them.
        """
        if not len(events):
            return np.zeros(0, lay.HIT_DTYPE)
        if int(events["seq"][0]) != self.event_seq + 1 and self.event_seq:
            raise SurveillanceError(
                f"event {int(events['seq'][0])} does not come after event {self.event_seq}"
            )
        commands, events = np.ascontiguousarray(commands), np.ascontiguousarray(events)
        hits, begin = [], 0
        rules = (commands["kind"] == RISK_KIND) & (commands["order_type"] == Setting.INDEX_RULES)
        for end in (np.flatnonzero(rules) + 1).tolist():
            piece = commands[end - 1]
            words = (int(piece[name]) for name in ("qty_lots", "price_ticks", "aux"))
            if text := self.pieces.take(*words):
                seen = int(np.searchsorted(events["cause_seq"], piece["seq"], "right"))
                hits.append(self._watch(commands[begin:end], events[:seen]))
                events, begin = events[seen:], end
                named = {symbol for pair in self.settings.linked for symbol in pair}
                link_indices(self.links, self.symbols, named, text)
        hits.append(self._watch(commands[begin:], events))
        return np.concatenate(hits)

    def _watch(self, commands: Records, events: Records) -> Records:
        """Like :meth:`watch`, while the links of the instruments stay as they are."""
        if not len(events):
            return np.zeros(0, lay.HIT_DTYPE)
        first, at, why = int(commands["seq"][0]), 0, lay.MORE_HITS
        batches: list[Records] = []
        while why != lay.DONE:
            for word, name in enumerate(TABLES):
                self.header[word] = getattr(self, name).ctypes.data
            at, why = watch(
                DetectorState.of(self.header.ctypes.data),
                commands.ctypes.data,
                first,
                events.ctypes.data,
                at,
                len(events),
            )
            count = self._word(lay.HIT_COUNT)
            if count:
                batches.append(self.hits[:count].copy().view(lay.HIT_DTYPE)[:, 0])
                self._set(lay.HIT_COUNT, 0)
            if why != lay.DONE:
                self._grow(why)
        return np.concatenate(batches) if batches else np.zeros(0, lay.HIT_DTYPE)

    def _grow(self, why: int) -> None:
        """Room for what the kernel asked for."""
        if why == lay.MORE_HITS:
            room = 2 * (16 + self._word(lay.CELL_USED)) + 256
            self.hits = np.zeros((room, self.hits.shape[1]), np.int64)
            self._set(lay.HIT_ROOM, room)
        elif why == lay.MORE_ORDERS:
            self.orders = _longer(self.orders, 2 * len(self.orders))
            self._set(lay.ORDER_ROOM, len(self.orders))
            self._rehash()
        elif why == lay.MORE_CELLS:
            self.cells = _longer(self.cells, 2 * len(self.cells))
            self._set(lay.CELL_ROOM, len(self.cells))
            self._rehash()
        elif why == lay.MORE_REPEATS:
            self._spread("repeats", lay.REPEAT_MASK)
        elif why == lay.MORE_SIDES:
            self._spread("sides", lay.SIDE_MASK)
        else:
            self._more_levels()

    def _more_levels(self) -> None:
        """The side that has no room moves to the end of the pool, where it has twice as much."""
        instrument, side = divmod(self._word(lay.LEVEL_BOOK), 2)
        words = self.books[instrument]
        at, room, count = (
            (word + side * lay.B_ASK_LEVELS) // 8
            for word in (lay.B_LEVEL_AT, lay.B_LEVEL_ROOM, lay.B_LEVEL_COUNT)
        )
        begin, end = int(words[at]), len(self.levels)
        self.levels = _longer(self.levels, end + 2 * int(words[room]))
        self.levels[end : end + words[count]] = self.levels[begin : begin + words[count]]
        words[at], words[room] = end, 2 * words[room]

    def _rehash(self) -> None:
        """Heads and chains of orders and cells, for as many as there is room for."""
        used, cells = self._word(lay.ORDER_USED), self._word(lay.CELL_USED)
        self.order_heads = np.zeros(len(self.orders), np.int64)
        self.cell_heads = np.zeros(len(self.cells), np.int64)
        self._set(lay.ORDER_MASK, len(self.orders) - 1)
        self._set(lay.CELL_MASK, len(self.cells) - 1)
        orders, owners = self.orders[:used], self.cells[:cells]
        _chain(
            self.order_heads,
            orders,
            lay.O_NEXT_HASH,
            _hash_orders(orders) & (len(self.orders) - 1),
            orders[:, lay.O_CELL // 8] != 0,
        )
        _chain(
            self.cell_heads,
            owners,
            lay.C_NEXT_HASH,
            _hash_cells(owners) & (len(self.cells) - 1),
            np.ones(cells, np.bool_),
        )

    def _spread(self, name: str, mask: int) -> None:
        """An open table twice as long: what was in it at its new places."""
        full = getattr(self, name)
        table = np.zeros((2 * len(full), full.shape[1]), np.int64)
        rows = full[full[:, 0] != 0]
        if name == "repeats":
            old = self.now_ns // HOUR - rows[:, lay.P_HOUR // 8] >= lay.PAIR_HOURS
            rows = rows[~(old & (rows[:, lay.R_COUNT // 8] == lay.PAIR_COUNT))]
            self._set(lay.REPEAT_USED, len(rows))
        places = (_mix(rows[:, 0].astype(np.uint64)) >> np.uint64(20)).astype(np.int64)
        for row, place in zip(rows, (places & (len(table) - 1)).tolist(), strict=True):
            while table[place, 0]:
                place = (place + 1) & (len(table) - 1)
            table[place] = row
        setattr(self, name, table)
        self._set(mask, len(table) - 1)

    # As arrays, and back.

    def arrays(self) -> list[Words]:
        """The state: what :meth:`restore` is given."""
        pieces = np.array([len(self.pieces.words), *self.pieces.words], np.int64)
        return [self.header, *(getattr(self, name) for name in KEPT), pieces]

    def restore(self, arrays: Sequence[Words]) -> None:
        """Continue where these arrays were taken, of detectors with the same configuration."""
        self.header = np.array(arrays[0])
        for name, array in zip(KEPT, arrays[1:-1], strict=True):
            setattr(self, name, np.array(array))
        self.pieces.words = arrays[-1][1:].tolist()
        self.hits = np.zeros((self._word(lay.HIT_ROOM), lay.HIT_BYTES // 8), np.int64)
        self._rehash()


def _longer(table: Words, length: int) -> Words:
    longer = np.zeros((length, table.shape[1]), np.int64)
    longer[: len(table)] = table
    return longer


def _mix(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """``tables.mix`` of each."""
    factor = np.uint64(0x1E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(32))) * factor
    mixed: npt.NDArray[np.uint64] = (
        words ^ ((words >> np.uint64(29)) & np.uint64(0x7FFFFFFFF))
    ) * factor
    return mixed


def _hash_orders(orders: Words) -> Words:
    ids, instruments = orders[:, lay.O_ID // 8], orders[:, lay.O_INSTRUMENT // 8]
    keys = ids.astype(np.uint64) * np.uint64(4099) + instruments.astype(np.uint64)
    return (_mix(keys) >> np.uint64(20)).astype(np.int64)


def _hash_cells(cells: Words) -> Words:
    keys = cells[:, lay.C_OWNER // 8] * 65_536 + cells[:, lay.C_INSTRUMENT // 8]
    return (_mix(keys.astype(np.uint64)) >> np.uint64(20)).astype(np.int64)


def _chain(heads: Words, rows: Words, next_at: int, places: Words, used: Any) -> None:
    for index in np.flatnonzero(used).tolist():
        rows[index, next_at // 8] = heads[places[index]]
        heads[places[index]] = index + 1
