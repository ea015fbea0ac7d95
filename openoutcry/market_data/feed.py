"""The outbound feed: events in, messages of ITCH 5.0 out, in an order that never changes.

What comes out is a function of the instruments and the events alone: made again from the journal,
each message has the same number and the same bytes.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import openoutcry.market_data.state as state
from openoutcry.market_data import itch_messages
from openoutcry.market_data.encode import cut_session, encode, room_for
from openoutcry.market_data.state import FeedInstrument, FeedState
from openoutcry.wire.enums import Phase
from openoutcry.wire.errors import FeedError
from openoutcry.wire.feed_messages import ITCH50, SYMBOL_BYTES
from openoutcry.wire.records import EVENT_DTYPE, NO_PRICE
from openoutcry.wire.rule_changes import SLOT, is_slot
from openoutcry.wire.symbols import CODE_BYTES

ITCH_DECIMALS, MAX_DECIMALS = 4, 12
"""Prices of ITCH 5.0 have four. Those of an instrument with finer ticks have more; the order book
directory announces how many."""
CROSS_LETTERS = {
    Phase.VOLATILITY_AUCTION: "H",
    Phase.HALT: "H",
    Phase.CLOSING_AUCTION: "C",
    Phase.TRADING_AT_LAST: "C",
}
"""Cross type of an auction by its phase; O in every other."""
CHUNK = 1 << 14
"""Events that are encoded at a time."""
ERRORS = {
    state.FULL: "more orders are open than fit",
    state.MISSING: "is about an order that is not open: events before it are missing",
    state.SEQUENCE: "is not the next one",
}


class Directory(NamedTuple):
    """Data of an instrument in the feed."""

    symbol: str
    """Outside."""
    price_decimals: int
    """Decimals of the prices in its messages."""
    scale: int
    """A tick in units of their last place."""

    @property
    def is_announced(self) -> bool:
        """The stock directory cannot say it."""
        return len(self.symbol) > CODE_BYTES or self.price_decimals != ITCH_DECIMALS


def directory_of(
    instruments: npt.NDArray[Any],
    decimals: Mapping[str, int] | None = None,
    symbols: Sequence[str] = (),
) -> list[Directory]:
    """Return the feed's directory entry of each instrument.

    ``symbols``: outside, by instrument; none: as records have them.  ``decimals``: of a tick, by
    symbol; 4 where nothing is said.  Raises :class:`FeedError` for an instrument with more decimals
    than a feed can say."""
    rows = []
    names = symbols or [bytes(code).decode() for code in instruments["symbol"]]
    for symbol in names:
        places = (decimals or {}).get(symbol, ITCH_DECIMALS)
        if not 0 <= places <= MAX_DECIMALS:
            raise FeedError(
                f"instrument {symbol}: prices with {places} decimals; the feed has 0 to "
                f"{MAX_DECIMALS}"
            )
        shown = max(places, ITCH_DECIMALS)
        rows.append(Directory(symbol, shown, 10 ** (shown - places)))
    return rows


def limits_broken(
    instruments: npt.NDArray[Any],
    decimals: Mapping[str, int] | None = None,
    symbols: Sequence[str] = (),
) -> Iterator[tuple[int, str, str]]:
    """Index, field and what is wrong with it, of each limit that allows what the feed cannot say.

    A price or reference is 0 to 4,294,967,295 in its last place (429,496.7295 with four decimals),
    a quantity at most 4,294,967,295 lots."""
    directory = directory_of(instruments, decimals, symbols)
    for index, (row, named) in enumerate(zip(instruments, directory, strict=True)):
        most = itch_messages.MAX_U32 // named.scale
        for field, low, high in (
            ("min_price_ticks", 0, most),
            ("max_price_ticks", 0, most),
            ("max_qty_lots", 1, itch_messages.MAX_U32),
        ):
            if not low <= int(row[field]) <= high:
                yield index, field, f"is {int(row[field])}: the feed can publish {low} to {high}"
        reference = int(row["reference_price_ticks"])
        if reference != NO_PRICE and not 0 <= reference <= most:
            words = f"is {reference}: the feed can publish 0 to {most}"
            yield index, "reference_price_ticks", words


def check_instruments(
    instruments: npt.NDArray[Any],
    decimals: Mapping[str, int] | None = None,
    symbols: Sequence[str] = (),
) -> None:
    """Raise :class:`FeedError` for an instrument of which a limit is (:func:`limits_broken`)."""
    for index, field, words in limits_broken(instruments, decimals, symbols):
        symbol = symbols[index] if symbols else bytes(instruments["symbol"][index]).decode()
        raise FeedError(f"instrument {symbol}: {field} {words}")


class SessionMessages(NamedTuple):
    """Messages in a row of one session."""

    session: int
    first_sequence: int
    messages: bytes
    """Each after its length (u16, big-endian)."""
    ends: bool
    """They are the session's last."""


class Feed:
    """The feed of some instruments from the first event on.

    The most orders that can be open is ``order_capacity``, as in the engine.  An instrument's
    limits may allow values that a message cannot carry (:func:`limits_broken`).  Then an event with
    such a value is an error.  Otherwise only an operator's reference price (through an auction at
    it) can exceed a field; the nearest value is published, and ``clamped`` counts it.  Set
    ``strict`` to choose between the two.
    """

    def __init__(
        self,
        instruments: npt.NDArray[Any],
        order_capacity: int,
        decimals: Mapping[str, int] | None = None,
        strict: bool | None = None,
        symbols: Sequence[str] = (),
    ) -> None:
        """``symbols``: outside, by instrument; none: as records have them."""
        self._header = np.zeros(state.HEADER_BYTES // 8, np.int64)
        self._strict = strict
        if strict is None:
            self._strict = any(True for _ in limits_broken(instruments, decimals, symbols))
        directory = directory_of(instruments, decimals, symbols)
        self._instruments = _instrument_rows(instruments, [row.scale for row in directory])
        self._directory = _directory_rows(directory)
        self._phases = _phase_rows()
        # The order at work may be one more than can be open.
        capacity = order_capacity + 1
        rows = np.zeros((capacity + 2) * state.ROW_BYTES // 8, np.int64)
        first = -rows.ctypes.data % 64 // 8  # rows begin with a cache line
        self._rows = rows[first : first + (capacity + 1) * state.ROW_BYTES // 8]
        self._table = np.zeros(max(64, 1 << (2 * capacity).bit_length()), np.uint32)
        self._out = np.zeros(0, np.uint8)
        self.address = self._header.ctypes.data
        self._state = FeedState(self.address)
        for name, value in (
            ("instruments", self._instruments.ctypes.data),
            ("instrument_count", len(instruments)),
            ("closed_count", len(instruments)),
            ("directory", self._directory.ctypes.data),
            ("phases", self._phases.ctypes.data),
            ("rows", self._rows.ctypes.data),
            ("capacity", capacity),
            ("table", self._table.ctypes.data),
            ("table_mask", len(self._table) - 1),
            ("key", _odd()),
            ("key_instrument", _odd()),
            ("key_shift", 64 - (len(self._table) - 1).bit_length()),
            ("session", 1),
        ):
            setattr(self._state, name, value)

    def in_force(self, message: bytes) -> bytes:
        """Return a message of the directory as it would be sent now: R with the present lot."""
        if message[:1] != b"R":
            return message
        layout = ITCH50.from_server("R")
        fields = layout.unpack(message)
        lot = FeedInstrument(self._instruments[fields["locate"] - 1].ctypes.data).round_lot
        fields |= {"round_lot": min(lot, itch_messages.MAX_U32)}
        return layout.pack(**fields | {"round_lots_only": "Y" if lot > 1 else "N"})

    def touch(self) -> None:
        """Have the system find all memory now rather than at an event."""
        for array in (self._rows, self._table):
            array[:: 4096 // array.itemsize] |= 0

    def directory_now(self, begin: Iterable[bytes]) -> list[bytes]:
        """Return S, R and o with which a session would begin now.  ``begin``: those with which it
        has begun."""
        messages = [self.in_force(message) for message in begin]
        layout = ITCH50.from_server("R")
        known = {layout.unpack(one)["locate"] for one in messages if one[:1] == b"R"}
        for row, named in zip(self._instruments, self._directory, strict=True):
            instrument = FeedInstrument(row.ctypes.data)
            if instrument.locate in known or is_slot(instrument.symbol):
                continue
            stock = row[state.SYMBOL // 8 : state.SYMBOL // 8 + 1].tobytes().decode()
            fields = {"locate": instrument.locate, "stock": stock}
            messages.append(self.in_force(layout.pack(**fields, **PLAIN_STOCK)))
            if named[0]:
                shown = {"symbol": named[1:].tobytes().decode(), "price_decimals": int(named[0])}
                messages.append(ITCH50.from_server("o").pack(**fields, **shown))
        return messages

    @property
    def messages(self) -> int:
        """Return how many messages of the session there were: the number of the last one."""
        return self._state.messages

    @property
    def session(self) -> int:
        """Number of the session, from 1: that of the next message."""
        return self._state.session

    @property
    def messages_before(self) -> int:
        """Return how many messages the session before had."""
        return self._state.messages_before

    @property
    def clamped(self) -> int:
        """Values that were published as the nearest one that their field can hold."""
        return self._state.clamped

    @property
    def event_seq(self) -> int:
        """The last event."""
        return self._state.event_seq

    @property
    def is_between_commands(self) -> bool:
        """Return whether nothing of the last command is still to be published, as
        :meth:`saved` requires."""
        at = self._state
        return not (at.pending_count or at.cross_instrument or at.phase_instrument)

    def saved(self) -> dict[str, npt.NDArray[Any]]:
        """All that the next event needs, for :meth:`restore` of a feed of the same instruments."""
        assert self.is_between_commands
        used = self._state.used + 1
        return {
            "header": self._header.copy(),
            "instruments": self._instruments,
            "announced": self._directory,
            "rows": self._rows[: used * state.ROW_BYTES // 8],
            "table": self._table,
        }

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Continue where another feed was saved.  Raises :class:`FeedError` if its instruments
        differ."""
        header, rows = arrays["header"], arrays["rows"]
        mine, dtype = self._instruments.copy(), FeedInstrument.dtype()
        theirs = np.ascontiguousarray(arrays["instruments"]).view(dtype)
        for name in (*CHANGING, *RULES):
            mine.view(dtype)[name] = theirs[name][: len(mine)]
        announced = self._announced(arrays)
        directory, slots = self._directory.copy(), mine.view(dtype)["symbol"] & 0xFF == ord(SLOT)
        if len(theirs) == len(mine):
            mine.view(dtype)["symbol"][slots] = theirs["symbol"][slots]
            directory[slots[:, 0]] = announced[slots[:, 0]]
        if (
            len(arrays["table"]) != len(self._table)
            or len(header) != len(self._header)
            or not np.array_equal(mine, arrays["instruments"])
            or not np.array_equal(directory, announced)
        ):
            raise FeedError("it has other instruments or another capacity")
        names = "instruments", "directory", "phases", "rows", "table"
        addresses = [getattr(self._state, name) for name in names]
        self._header[:] = header
        for name, address in zip(names, addresses, strict=True):
            setattr(self._state, name, address)
        self._instruments[:] = mine
        self._directory[:] = directory
        self._rows[: len(rows)] = rows
        self._table[:] = arrays["table"]

    def carry_over(self, arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
        """Continue where another feed was saved, whose instruments are the first ones of this.

        The next message begins a session; returns the one that ends the session before, or nothing
        if that has ended.  Raises :class:`FeedError` if its capacity is another."""
        if len(arrays["table"]) != len(self._table):
            raise FeedError("the feed keeps its order_capacity")
        mine = {field: getattr(self._state, field) for field in OWN}
        self._header[:] = arrays["header"]
        for field, value in mine.items():
            setattr(self._state, field, value)
        dtype = FeedInstrument.dtype()
        theirs = np.ascontiguousarray(arrays["instruments"]).view(dtype)
        for field in CHANGING:
            self._instruments.view(dtype)[field][: len(theirs)] = theirs[field]
        self._state.closed_count = int(
            (self._instruments.view(dtype)["phase"] == Phase.CLOSED).sum()
        )
        self._rows[: len(arrays["rows"])] = arrays["rows"]
        self._table[:] = arrays["table"]
        out = self._room(1)
        end = int(cut_session(FeedState.of(self.address), out.ctypes.data))
        return out[: end - out.ctypes.data].tobytes()

    def _announced(self, arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return the announcements of the order book directory; of older checkpoints nothing."""
        return arrays["announced"] if "announced" in arrays else np.zeros_like(self._directory)

    def encode(
        self, events: npt.NDArray[Any], rx_ts_ns: npt.NDArray[np.int64], first_cause: int
    ) -> bytes:
        """The messages of the next events (EVENT_DTYPE), each after its length (u16, big-endian),
        of however many sessions.

        The time of each command from ``first_cause`` is in ``rx_ts_ns`` (int64, ns since the
        epoch).  Raises :class:`FeedError`, which names the event that cannot be published.
        """
        return b"".join(
            part.messages for part in self.encode_by_session(events, rx_ts_ns, first_cause)
        )

    def encode_by_session(
        self, events: npt.NDArray[Any], rx_ts_ns: npt.NDArray[np.int64], first_cause: int
    ) -> Iterator[SessionMessages]:
        """Like :meth:`encode`, by session; the last part of a session has ``ends`` set. Consume all
        of it: an event is encoded once."""
        assert events.dtype == EVENT_DTYPE
        assert events.flags.c_contiguous
        at = 0
        while at < len(events):
            part = events[at : at + CHUNK]
            first, last = int(part["cause_seq"].min()), int(part["cause_seq"].max())
            assert first >= first_cause
            assert last - first_cause < len(rx_ts_ns)
            out, session, sequence = self._room(len(part)), self.session, self.messages + 1
            end = encode(
                FeedState.of(self.address),
                part.ctypes.data,
                len(part),
                rx_ts_ns.ctypes.data,
                rx_ts_ns.strides[0],
                first_cause,
                out.ctypes.data,
            )
            self.require_sound()
            messages = out[: end - out.ctypes.data].tobytes()
            at += self._state.encoded
            if messages:
                yield SessionMessages(session, sequence, messages, self.session > session)

    def _room(self, events: int) -> npt.NDArray[np.uint8]:
        """Memory for the messages of ``events`` events."""
        size = int(room_for(FeedState.of(self.address), events))
        if len(self._out) < size:
            self._out = np.zeros(size * 5 // 4, np.uint8)
        return self._out

    def require_sound(self) -> None:
        """Raise :class:`FeedError` if an event could not be encoded."""
        error = self._state.error
        if error:
            raise FeedError(f"event {self._state.error_seq} {ERRORS[error]}")
        if self._strict and self.clamped:
            raise FeedError(
                f"event {self._state.clamped_seq} has a price or a quantity that "
                "no message can hold: a price of 0 to 4,294,967,295 in its last place, 0 to "
                "4,294,967,295 lots"
            )


PLAIN_STOCK = {
    "round_lot": 1,
    "round_lots_only": "N",
    "classification": "C",
    "sub_type": "Z",
    "authenticity": "P",
    "ipo": "N",
    "etp": "N",
    "inverse": "N",
}
"""What R says of every instrument (``itch_messages.directory``)."""
OWN = (
    "instruments", "instrument_count", "directory", "phases", "rows", "capacity", "table",
)  # fmt: skip
"""Fields of the header that are a feed's own."""
CHANGING = "phase", "reference", "extension", "cross_type", "cause", "halted", "stopped"
"""Fields of an instrument's row that change while it is traded."""
RULES = "round_lot", "band"
"""Those that are its rules, which another journal's configuration may change, too."""


def _odd() -> int:
    """A secret odd number of 64 bits, as int64."""
    return (secrets.randbits(64) | 1) - (1 << 63)


def _instrument_rows(instruments: npt.NDArray[Any], scales: list[int]) -> npt.NDArray[np.int64]:
    rows = np.zeros((len(instruments), state.INSTRUMENT_BYTES // 8), np.int64)
    for index, (instrument, scale) in enumerate(zip(instruments, scales, strict=True)):
        row = FeedInstrument(rows[index].ctypes.data)
        symbol = bytes(instrument["symbol"]).ljust(8)
        phase = int(instrument["initial_phase"])
        for name, value in (
            ("symbol", int.from_bytes(symbol, "little", signed=True)),
            ("locate", index + 1),
            ("scale", int(scale)),
            ("price_max", itch_messages.MAX_U32 // int(scale)),
            ("round_lot", int(instrument["qty_step_lots"])),
            ("phase", phase),
            ("band", int(instrument["auction_band_ticks"])),
            ("cross_type", ord(CROSS_LETTERS.get(Phase(phase), "O"))),
        ):
            setattr(row, name, value)
    return rows


def _directory_rows(directory: list[Directory]) -> npt.NDArray[np.int64]:
    rows = np.zeros((len(directory), state.DIRECTORY_BYTES // 8), np.int64)
    for row, one in zip(rows, directory, strict=True):
        if one.is_announced:
            row[0] = one.price_decimals
            row[1:] = np.frombuffer(one.symbol.encode("ascii").ljust(SYMBOL_BYTES), np.int64)
    return rows


def _phase_rows() -> npt.NDArray[np.int64]:
    rows = np.zeros((max(Phase) + 1, state.PHASE_BYTES // 8), np.int64)
    for phase in Phase:
        letter, reason = itch_messages.STATES[phase]
        cross = ord(CROSS_LETTERS.get(phase, "O"))
        rows[phase] = ord(letter), int.from_bytes(reason.encode(), "big"), cross
    return rows
