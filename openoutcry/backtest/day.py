"""A day as the driver wants it: one instrument's commands in a file, in order, with their times.

| written as | what it is |
|---|---|
| `lobster:FILE`, `lobster:FILE:BOOK` | a LOBSTER message file, with a seed book |
| `itch:FILE@SYMBOL` | one symbol of a TotalView-ITCH 5.0 file |
| `dbn:FILE@SYMBOL` | one symbol of a file of Databento's, schema MBO |
| `npz:FILE` | hftbacktest's events of one instrument, order by order |
| `tardis:LEVELS[:TRADES]@SYMBOL:TICK:LOT` | one symbol of Tardis.dev's files of levels and trades |
| `journal:FOLDER@SYMBOL` | one instrument of a journal of ours |
| `levels:FILE@VENUE` | a venue of a file that `outcry route record` wrote |
| `generated:FLOW:ORDERS:SEED` | a generated flow, one command every 10 us |

Of these but the last three the record says which order was executed, so that the recorded book can
be kept as it was recorded (``restores``).  The commands of a journal, of levels and of a generated
flow are matched as they are.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.backtest.journal_day import begin_of, carried_out
from openoutcry.backtest.layout import OWN_ID
from openoutcry.backtest.scratch import committed
from openoutcry.flow import GeneratedFlow, ItchSource, LobsterSource
from openoutcry.flow.by_order import ByOrderSource
from openoutcry.flow.levels import LevelsSource
from openoutcry.flow.tardis import TardisSource
from openoutcry.journal.events import oldest_point
from openoutcry.journal.reader import JournalReader
from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import Hooks
from openoutcry.matcher.state.restore import load_state
from openoutcry.matcher.state.snapshot import State, decode, encode
from openoutcry.wire import make_instruments
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.records import INSTRUMENT, ORDER_DTYPE, RECORD_BYTES

Records = npt.NDArray[Any]
BEGIN = "begin"
"""In a day's folder: the snapshot with which it begins, if it does not begin empty."""
TARDIS = "tardis:LEVELS[:TRADES]@SYMBOL:TICK:LOT"
GENERATED_STEP_NS = 10_000
PREPARE_CAPACITY = 1 << 20
"""Open orders that a day may have."""
PREPARE_COMMANDS = 4096
MAX_PARTICIPANTS = 1 << 16
SPACE_BITS, SPACES = 48, 1 << 16
"""Order ids are divided into spaces by their upper bits; the strategy has one that is free."""


@dataclass(frozen=True)
class Day:
    """A prepared day: ``path`` is a file of ``count`` order records, ``seq`` from 1, ``rx_ts_ns``
    never falling, and ``aux`` of an execution the order that was executed if ``restores``."""

    name: str
    path: str
    instrument: dict[str, Any]
    count: int
    first_ns: int
    last_ns: int
    restores: bool
    participant: int
    """The participant of the strategy's orders, which no recording has."""
    own_id: int
    """Identifiers of the strategy's orders are those from here on; no other order has one."""
    order_capacity: int
    has_begin: bool
    """Whether the folder has the state with which the day begins; without, it begins empty."""
    digest: str
    """blake2b of that state and the records."""

    @property
    def instruments(self) -> Records:
        """The day's instrument table, INSTRUMENT_DTYPE of (1,)."""
        return make_instruments([self.instrument])

    def engine(self, hooks: Hooks | None = None) -> Engine:
        """A matcher at the day's begin."""
        begin = Path(self.path).with_name(BEGIN)
        state = decode(begin.read_bytes()) if self.has_begin else None
        return _engine(self.instruments, self.order_capacity, state, hooks)

    def records(self) -> Records:
        """The commands, mapped from the file.  Raises :class:`BacktestError` if it is gone."""
        try:
            mapped = np.memmap(self.path, ORDER_DTYPE, "r", shape=(self.count,))
        except (OSError, ValueError) as error:
            raise BacktestError(f"day {self.name}: {self.path}: {error}") from error
        return mapped


@dataclass(frozen=True)
class Recording:
    """The sources of a day."""

    name: str
    instrument: dict[str, Any]
    chunks: Iterable[Records]
    restores: bool
    begin: State | None = None
    """State of the instrument before the first command; None: no orders, its initial phase."""


def open_recording(text: str, base: Path = Path()) -> Recording:
    """The recording that ``text`` names (see the module), its paths relative to ``base``.  Raises
    :class:`BacktestError`, or what its source raises."""
    kind, _, rest = text.partition(":")
    path, at, symbol = rest.rpartition("@")
    if kind == "lobster":
        messages, _, book = rest.partition(":")
        lobster = LobsterSource(base / messages, base / book if book else None, recorded=True)
        return Recording(text, {"symbol": lobster.symbol}, lobster.chunks(), True)
    if kind == "itch" and at:
        itch = ItchSource(base / path, [symbol], recorded=True)
        return Recording(text, {"symbol": symbol.encode()}, itch.chunks(), True)
    if kind == "dbn" and at:
        dbn = ByOrderSource(base / path, symbol, "dbn")
        return Recording(text, {"symbol": dbn.symbol}, dbn.chunks(), True)
    if kind == "npz":
        npz = ByOrderSource(base / rest, "NPZ", "npz")
        return Recording(text, {"symbol": npz.symbol}, npz.chunks(), True)
    if kind == "tardis" and at:
        tardis = _tardis(text, base)
        return Recording(text, {"symbol": tardis.symbol}, tardis.chunks(), True)
    if kind == "levels" and at:
        levels = LevelsSource(base / path, symbol)
        return Recording(text, {"symbol": levels.symbol}, levels.chunks(), False)
    if kind == "journal" and at:
        return _journal(text, base / path, symbol.encode("ascii", "replace"))
    if kind == "generated":
        try:
            flow, orders, seed = rest.split(":")
            source = GeneratedFlow(flow, int(orders), int(seed))
        except (ValueError, KeyError) as error:
            raise BacktestError(f"day {text!r}: generated:FLOW:ORDERS:SEED ({error})") from None
        instrument = _instrument(source.instruments[0])
        return Recording(text, instrument, _timed(source.chunks()), False)
    raise BacktestError(
        f"day {text!r} is not one of lobster:FILE[:BOOK], itch:FILE@SYMBOL, dbn:FILE@SYMBOL, "
        f"npz:FILE, {TARDIS}, journal:FOLDER@SYMBOL, levels:FILE@VENUE and "
        "generated:FLOW:ORDERS:SEED"
    )


def _tardis(text: str, base: Path) -> TardisSource:
    files, _, rest = text.partition(":")[2].rpartition("@")
    levels, _, trades = files.partition(":")
    try:
        symbol, *units = rest.rsplit(":", 2)
        tick, lot = (Decimal(unit) for unit in units)
        if not (symbol and levels and tick.is_finite() and lot.is_finite() and min(tick, lot) > 0):
            raise ValueError("tick and lot are decimal numbers above 0")
    except (ValueError, InvalidOperation) as error:
        raise BacktestError(f"day {text!r}: {TARDIS} ({error})") from None
    return TardisSource(base / levels, base / trades if trades else None, symbol, tick, lot)


def _timed(chunks: Iterable[Records]) -> Iterator[Records]:
    at = 0
    for chunk in chunks:
        chunk["rx_ts_ns"] = (at + np.arange(len(chunk))) * GENERATED_STEP_NS
        at += len(chunk)
        yield chunk


def _instrument(row: Any) -> dict[str, Any]:
    """A row of an instrument table as ``make_instruments`` takes it."""
    names = [field.name for field in INSTRUMENT.fields]
    values = dict(zip(names, row.tolist(), strict=True))
    bands = [
        (values.pop(f"band{k}_from_ticks"), values.pop(f"band{k}_step_ticks")) for k in range(1, 11)
    ]
    return values | {"tick_table": [band for band in bands if band[1]]}


def _journal(text: str, folder: Path, symbol: bytes) -> Recording:
    reader = JournalReader(folder)
    table = make_instruments(reader.config["instruments"])
    rows = np.flatnonzero(table["symbol"] == symbol)
    if not len(rows):
        raise BacktestError(f"{folder} has no instrument {symbol.decode()!r}")
    index, instrument = int(rows[0]), _instrument(table[rows[0]])
    point = oldest_point(reader)
    begin = begin_of(point, index)
    matcher = _engine(make_instruments([instrument]), PREPARE_CAPACITY, begin)
    done = carried_out(reader, point, index, matcher)
    return Recording(text, instrument, done, False, begin)


def _engine(
    instruments: Records, capacity: int, begin: State | None, hooks: Hooks | None = None
) -> Engine:
    engine = Engine(instruments, capacity, hooks=hooks)
    if begin is not None:
        load_state(engine.arena, begin)
    return engine


def prepare_day(recording: Recording, folder: Path) -> Day:
    """Write the recording's commands to ``folder``, which appears whole or not at all, and return
    the day; of one that is there already, that.

    A chunk at a time: it takes no more memory for a longer day.  Raises :class:`BacktestError` for
    a recording without commands or with too many open orders.
    """
    if (folder / "day.json").exists():
        return load_day(folder)
    with committed(folder) as scratch:
        facts = _write_commands(recording, scratch / "commands")
        text = json.dumps(facts, default=lambda value: value.decode("ascii"))
        (scratch / "day.json").write_text(text)
    return load_day(folder)


def load_day(folder: Path) -> Day:
    """A day that :func:`prepare_day` has written."""
    facts = json.loads((folder / "day.json").read_text())
    return Day(**facts, path=str(folder / "commands"))


def _write_commands(recording: Recording, path: Path) -> dict[str, Any]:
    instruments, begin = make_instruments([recording.instrument]), recording.begin
    engine = _engine(instruments, PREPARE_CAPACITY, begin)
    digest = hashlib.blake2b(digest_size=16)
    count, most_open, first_ns, last_ns = 0, engine.open_orders, 0, -(2**62)
    participants, spaces = np.zeros(MAX_PARTICIPANTS, bool), np.zeros(SPACES, bool)
    if begin is not None:
        data = encode(begin)
        path.with_name(BEGIN).write_bytes(data)
        digest.update(data)
        spaces[(begin.rows["order_id"] >> SPACE_BITS) & (SPACES - 1)] = True
        participants[begin.rows["participant"]] = True
    with path.open("wb") as file:
        for chunk in recording.chunks:
            spaces[(chunk["order_id"] >> SPACE_BITS) & (SPACES - 1)] = True
            chunk["seq"] = np.arange(count + 1, count + len(chunk) + 1)
            if count == 0:
                # What was there before the first message has its time.
                timed = np.flatnonzero(chunk["rx_ts_ns"])
                chunk["rx_ts_ns"][: timed[0] if len(timed) else 0] = chunk["rx_ts_ns"][timed[:1]]
            times = np.maximum.accumulate(np.maximum(chunk["rx_ts_ns"], last_ns))
            chunk["rx_ts_ns"] = times
            first_ns, last_ns = (int(times[0]) if count == 0 else first_ns), int(times[-1])
            participants[chunk["participant"]] = True
            for at in range(0, len(chunk), PREPARE_COMMANDS):
                engine.process(chunk[at : at + PREPARE_COMMANDS])
                most_open = max(most_open, engine.open_orders)
            data = chunk.tobytes()
            digest.update(data)
            file.write(data)
            count += len(chunk)
        os.fsync(file.fileno())
    if count == 0:
        raise BacktestError(f"{recording.name} has no commands")
    room = most_open + PREPARE_COMMANDS
    if room > PREPARE_CAPACITY:
        raise BacktestError(f"{recording.name} has {most_open:,} open orders: too many")
    free = np.flatnonzero(~participants[2:])
    # Negative numbers are no identifiers; the space from OWN_ID on is the first choice.
    own = np.flatnonzero(~np.roll(spaces[: SPACES // 2], -(OWN_ID >> SPACE_BITS)))
    if not len(free) or not len(own):
        what = "participant" if not len(free) else f"space of 2**{SPACE_BITS} order ids"
        raise BacktestError(f"{recording.name} leaves no {what} for the strategy")
    own_id = (int(own[0]) + (OWN_ID >> SPACE_BITS)) % (SPACES // 2) << SPACE_BITS
    return {
        "name": recording.name,
        "instrument": recording.instrument,
        "count": count,
        "first_ns": first_ns,
        "last_ns": last_ns,
        "restores": recording.restores,
        "participant": int(free[0]) + 2,
        "own_id": own_id,
        "has_begin": begin is not None,
        "order_capacity": 1 << (room - 1).bit_length(),
        "digest": digest.hexdigest(),
    }


assert ORDER_DTYPE.itemsize == RECORD_BYTES
