"""One run: one day, one strategy with its parameters, one latency model."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import Day
from openoutcry.backtest.drive import BATCH, ROOM, advance, best_of_others
from openoutcry.backtest.latency import Latency, in_range
from openoutcry.backtest.strategy import Strategy
from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.ledger.layout import FEE_UNIT
from openoutcry.matcher import Engine, scratch_records
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.indirect import kernel_address
from openoutcry.wire.records import EVENT_DTYPE, RECORD_BYTES

Words = npt.NDArray[np.int64]
LOG_ROWS = 1 << 16
RANDOM_AT = RECORD_BYTES
"""In the scratch memory, after the record of an own command: the state of the random numbers."""


@dataclass(frozen=True)
class Terms:
    """Terms of a venue for the strategy."""

    maker_fee: int = 0
    taker_fee: int = 0
    """Millionths of the traded money, as a venue's fee schedules; negative: a rebate."""
    limits: tuple[Mapping[str, Any], ...] = ()
    """Rows of ``{"set": a risk Setting's name, "value": …}``: the strategy's limits."""

    def __post_init__(self) -> None:
        """Raises :class:`BacktestError` for a fee of more than all of the money."""
        in_range("the maker's fee in millionths", self.maker_fee, -FEE_UNIT, FEE_UNIT)
        in_range("the taker's fee in millionths", self.taker_fee, -FEE_UNIT, FEE_UNIT)


@dataclass(frozen=True)
class Run:
    """Result of a run."""

    log: Words
    """int64[events, LOG_WORDS]: every own event."""
    samples: Words
    """int64[samples, 3]: time, position, equity."""
    figures: dict[str, int]
    state_hash: str
    hash: str
    """Hash of the log, the figures and the final book."""
    orders: tuple[dict[str, Any], ...] = ()
    """Over several venues: a report of each routed order."""


class DayRun:
    """A day's matcher, the words of its driver, and a strategy's orders there."""

    def __init__(
        self,
        day: Day,
        strategy: Strategy,
        parameters: Mapping[str, int],
        latency: Latency,
        seed: int = 1,
        terms: Terms | None = None,
    ) -> None:
        """Raises :class:`BacktestError` for parameters that the strategy does not have."""
        terms = terms or Terms()
        self.day, self.strategy, self.latency = day, strategy, latency.table
        self.engine = _engine(day, terms)
        # Addressed by the driver: they live as long as this.
        self._records = day.records()
        room = scratch_records(self.engine.order_capacity) + 2 * BATCH
        self._out = np.empty(room, EVENT_DTYPE)
        self._scratch = np.zeros((RECORD_BYTES + 8) // 8, np.int64)
        memory = self._records, self._out, self._scratch
        self.words = _words(day, self.engine, *memory, strategy, parameters, terms)
        self._scratch[RANDOM_AT // 8] = seed
        self.view = np.zeros(lay.VIEW_WORDS, np.int64)
        self.state = strategy.state(parameters)
        self.desk = np.zeros(lay.DESK_WORDS, np.int64)
        self.flight = np.zeros(lay.FLIGHT_ROWS * lay.FLIGHT_WORDS, np.int64)
        self.desk[lay.NEXT_ID], self.desk[lay.ROWS_END] = day.own_id, lay.DESK_AT
        self.log = np.empty(LOG_ROWS * lay.LOG_WORDS, np.int64)
        self.samples = np.zeros(lay.SAMPLES * lay.SAMPLE_WORDS, np.int64)

    def advance(self) -> int:
        """Run until Python is to call a callback (CALL_...), or until the day is over (DONE)."""
        while True:
            asked = self.desk, self.flight, self.log, self.samples, self.latency
            with failures_of(self.strategy.name):
                what = int(advance(self.words, self.view, self.state, *asked))
            if what != lay.LOG_FULL:
                return what
            self.log, full = np.empty(2 * len(self.log), np.int64), self.log
            self.log[: len(full)] = full

    def result(self) -> Run:
        """Raises :class:`BacktestError` if orders or events had no room, and if a strategy has
        overwritten words of its desk."""
        if self.words[lay.W_BROKEN]:
            raise BacktestError(
                f"strategy {self.strategy.name}: a callback has overwritten words of the desk that "
                "only send and cancel may change"
            )
        if self.words[lay.W_MISSED]:
            raise BacktestError(
                f"{self.strategy.name}: more than {lay.FLIGHT_ROWS} orders in flight, or more than "
                f"{ROOM:,} events of one order"
            )
        return _result(self.words, self.desk, self.log, self.samples, self.engine)


def run_day(
    day: Day,
    strategy: Strategy,
    parameters: Mapping[str, int],
    latency: Latency,
    seed: int = 1,
    terms: Terms | None = None,
) -> Run:
    """Run the strategy over the day.  The same arguments give the same :class:`Run`.

    Raises :class:`BacktestError` for parameters it does not have, when it sends more at once than a
    run has room for, and for what a callback raises.
    """
    run = DayRun(day, strategy, parameters, latency, seed, terms)
    callbacks = {
        lay.CALL_BOOK: strategy.on_book,
        lay.CALL_EVENT: strategy.on_event,
        lay.CALL_TIMER: strategy.on_timer,
    }
    while (what := run.advance()) != lay.DONE:
        callback = callbacks[what]
        assert callback is not None
        with failures_of(strategy.name):
            callback(run.view, run.state, run.desk)
    return run.result()


@contextmanager
def failures_of(strategy: str) -> Iterator[None]:
    """Raise :class:`BacktestError`, which names the strategy, for what its callback raises."""
    try:
        yield
    except BacktestError:
        raise
    except IndexError as error:
        raise BacktestError(
            f"strategy {strategy}: a callback reads or writes beyond the end of an array: {error}"
        ) from error
    except Exception as error:
        raise BacktestError(f"strategy {strategy}: {type(error).__name__}: {error}") from error


def _engine(day: Day, terms: Terms) -> Engine:
    if not terms.limits:
        return day.engine()
    settings = {
        "participants": day.participant + 1,
        "order_capacity": day.order_capacity,
        "limits": [{"symbol": _symbol(day), "who": day.participant, **row} for row in terms.limits],
    }
    return day.engine(risk_hooks(settings, day.instruments))


def _symbol(day: Day) -> str:
    symbol = day.instrument["symbol"]
    return symbol.decode() if isinstance(symbol, bytes) else str(symbol)


def _words(
    day: Day,
    engine: Engine,
    records: Any,
    out: Any,
    scratch: Words,
    strategy: Strategy,
    parameters: Mapping[str, int],
    terms: Terms,
) -> Words:
    words = np.zeros(lay.WORDS, np.int64)
    step_ns = max(1, (day.last_ns - day.first_ns) // lay.SAMPLES)
    interval_ns = strategy.interval(parameters)
    on_book, on_event, on_timer = strategy.addresses()
    symbol = int.from_bytes(_symbol(day).encode().ljust(8, b"\0"), "little")
    values = {
        lay.W_ARENA: engine.address,
        lay.W_BATCH: kernel_address(engine.batch, 5),
        lay.W_CORE: engine.core_address,
        lay.W_DAY: records.ctypes.data,
        lay.W_COUNT: day.count,
        lay.W_OUT: out.ctypes.data,
        lay.W_OUT_RECORDS: len(out),
        lay.W_SCRATCH: scratch.ctypes.data,
        lay.W_RANDOM: scratch.ctypes.data + RANDOM_AT,
        lay.W_RESTORES: int(day.restores),
        lay.W_PARTICIPANT: day.participant,
        lay.W_SYMBOL: symbol,
        lay.W_TIMER_NS: day.first_ns + interval_ns if interval_ns else lay.NEVER,
        lay.W_INTERVAL_NS: interval_ns,
        lay.W_SAMPLE_NS: day.first_ns + step_ns,
        lay.W_SAMPLE_STEP_NS: step_ns,
        lay.W_OWN_BID: lay.NOTHING,
        lay.W_OWN_ASK: lay.NEVER,
        lay.W_LOCAL_NS: lay.NOTHING,
        lay.W_ARRIVAL_NS: lay.NOTHING,
        lay.W_ON_BOOK: on_book,
        lay.W_ON_EVENT: on_event,
        lay.W_ON_TIMER: on_timer,
        lay.W_MAKER_RATE: terms.maker_fee,
        lay.W_TAKER_RATE: terms.taker_fee,
    }
    for word, value in values.items():
        words[word] = value
    return words


def _result(words: Words, desk: Words, log: Words, samples: Words, engine: Engine) -> Run:
    rows = log.reshape(-1, lay.LOG_WORDS)[: words[lay.W_LOGGED]]
    kept = samples.reshape(-1, lay.SAMPLE_WORDS)[: words[lay.W_SAMPLES]]
    fills = rows[rows[:, lay.LOG_KIND] == FILLED]
    ruled = rows[:, lay.LOG_IMPACT] != 0
    position, cash, fees = (int(words[at]) for at in (lay.W_POSITION, lay.W_CASH, lay.W_FEES))
    # As in the samples: own quotes are no mark.
    bid, ask = (int(best_of_others(words, desk, side)[0]) for side in range(2))
    equity = equity_of(position, cash, fees, bid, ask)
    curve = [equity_of(*_sample(row)) for row in kept.tolist()]
    columns = kept[:, lay.SAMPLE_NS], kept[:, lay.SAMPLE_POSITION], np.array(curve, np.int64)
    rests = rows[rows[:, lay.LOG_KIND] == ACCEPTED]
    figures = {
        "commands": int(words[lay.W_COUNT]),
        "orders_sent": int(words[lay.W_SENT]),
        "rejected": int(words[lay.W_REJECTED]),
        "fills": len(fills),
        "filled_lots": int(fills[:, lay.LOG_LOTS].sum()),
        "maker_lots": int((fills[:, lay.LOG_LOTS] * fills[:, lay.LOG_MAKER]).sum()),
        "position_lots": position,
        "cash": cash,
        "fees": fees,
        "equity": equity,
        "drawdown": drawdown([*curve, equity]),
        "ahead_lots": int(rests[:, lay.LOG_AHEAD].sum()),
        "accepted": len(rests),
        "restored": int(words[lay.W_RESTORED]),
        "impact_fills": int(ruled.sum()),
        "impact_filled_lots": int(rows[ruled, lay.LOG_LOTS].sum()),
        "impact_equity": _equity_of(rows, ruled, bid, ask),
        "impact_lots": int(words[lay.W_IMPACT_LOTS]),
    }
    state_hash = engine.state_hash()
    digest = blake3(rows.reshape(-1).view(np.uint8).data)
    digest.update(np.array(list(figures.values()), np.int64).tobytes())
    digest.update(bytes.fromhex(state_hash))
    return Run(rows, np.column_stack(columns), figures, state_hash, digest.hexdigest(16))


def _equity_of(rows: Words, which: Any, bid: int, ask: int) -> int:
    """Return what the fills among ``rows`` for which ``which`` is true add to the equity."""
    before = np.vstack([np.zeros((1, rows.shape[1]), np.int64), rows[:-1]])
    columns = lay.LOG_POSITION, lay.LOG_CASH, lay.LOG_FEES
    changes = [int((rows[:, at] - before[:, at])[which].sum()) for at in columns]
    return equity_of(changes[0], changes[1], changes[2], bid, ask)


ACCEPTED, FILLED = 1, 2


def equity_of(position: int, cash: int, fees: int, bid: int | None, ask: int | None) -> int:
    """Money, were the position closed at the middle of the best prices (rounded down; at the one
    there is; at 0 in an empty book)."""
    prices = [price for price in (bid, ask) if price is not None and price != lay.NOTHING]
    middle = sum(prices) * position // len(prices) if prices else 0
    return cash - fees + middle


def _sample(row: list[int]) -> tuple[int, int, int, int, int]:
    return (
        row[lay.SAMPLE_POSITION],
        row[lay.SAMPLE_CASH],
        row[lay.SAMPLE_FEES],
        row[lay.SAMPLE_BID],
        row[lay.SAMPLE_ASK],
    )


def drawdown(curve: list[int]) -> int:
    """The most that equity ever fell from its highest before."""
    worst = highest = 0
    for value in curve:
        highest = max(highest, value)
        worst = max(worst, highest - value)
    return worst
