"""What risk costs: ns a command in ``before`` and ``after`` together, every check set.

Commands and the events that the real matcher answered them with lie in memory, so that its own time
is not in the figure. A burst of them is read before its time is taken, as in the core the gateway
and the matcher have just touched them. Half of the commands are new orders, the others cancel; some
trade. A figure is that of the median burst. The same checks and books in C go over the same records
in the same rounds. They must come to the same verdicts and the same bytes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.kill import kill_ns
from openoutcry.bench.participants import add_participants
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.risk_peer import Pass, c_runner
from openoutcry.bench.risk_pipeline import add_pipeline
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.matcher import Engine
from openoutcry.risk.after import after
from openoutcry.risk.before import ahead, before
from openoutcry.risk.bits import Setting
from openoutcry.risk.layout import RiskState
from openoutcry.risk.region import View, make_region, setting
from openoutcry.wire import ORDER_DTYPE, OutcryError, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, TimeInForce
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, monotonic_ns
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import RECORD_BYTES

COMMANDS, QUICK_COMMANDS = 1_000_000, 200_000
ORDER_CAPACITY = 1 << 13
SIZES = {"cached": (64, 64), "large": (1_024, 256)}
"""Participants and instruments."""
SPOT_SIZES = {"spot_cached": (64, 64, 16), "spot_large": (10_000, 40, 50)}
"""Participants, spot instruments and assets."""
PASSES = 3
"""A figure of a round is the best of this many passes over the same commands."""
BURST, AHEAD = 128, 8
"""Commands whose time is taken together; how far ahead memory is asked for, as in the core."""
PLENTY = 1 << 60


@kernel
def run_commands(
    state: RiskState, orders: int, count: int, events: int, firsts: int, spent: int, verdicts: int
) -> tuple[int, int]:
    """Run ``before`` and ``after`` of ``count`` commands in bursts.

    The commands' events begin at the event numbers in ``firsts`` (one more than commands). A
    burst's records are read, and then its time is taken (ns, to ``spent``). Verdicts are kept
    unless their address is 0. Returns how many were refused, and a sum of what was read. ``orders``
    and ``verdicts``: addresses of a record and of a word a command.
    """
    refused = read = 0
    for begin in range(0, count, BURST):
        end = min(begin + BURST, count)
        for index in range(begin, end):
            read += load_i64(orders + index * RECORD_BYTES) & 1
        for index in range(Words(firsts)[begin], Words(firsts)[end]):
            read += load_i64(events + index * RECORD_BYTES) & 1
        first = Words(firsts)[begin]
        start = monotonic_ns()
        for index in range(begin, min(begin + AHEAD, end)):
            ahead(state, OrderRecord(orders + index * RECORD_BYTES))
        for index in range(begin, end):
            if index + AHEAD < end:
                ahead(state, OrderRecord(orders + (index + AHEAD) * RECORD_BYTES))
            order = OrderRecord(orders + index * RECORD_BYTES)
            verdict = before(state, order)
            refused += verdict != 0
            if verdicts != 0:
                Words(verdicts)[index] = verdict
            end_event = Words(firsts + 8 * index)[1]
            after(state, order, events + first * RECORD_BYTES, end_event - first)
            first = end_event
        Words(spent)[begin // BURST] = monotonic_ns() - start
    return refused, read


def _odd(orders: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """0 and 1 in turn for a participant's orders of one side of an instrument: no duplicates."""
    key = np.zeros(len(orders), np.int64)
    for name in ("participant", "symbol", "side"):
        key = key * (1 << 16) + np.unique(orders[name], return_inverse=True)[1]
    by_key = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[by_key], prepend=-1))
    place = np.arange(len(orders)) - np.repeat(starts, np.diff(starts, append=len(orders)))
    odd = np.zeros(len(orders), np.int64)
    odd[by_key] = place & 1
    return odd


class Stream:
    """Commands, their events, and a risk state with every limit set and none reached."""

    def __init__(
        self,
        participants: int,
        instruments: int,
        count: int,
        replaces: bool = False,
        assets: int = 0,
    ) -> None:
        """With ``assets``, each instrument is spot, in two of that many; with 0 it is margined."""
        self.participants, self.instruments = participants, instruments
        self.assets = [(f"A{number}", 0) for number in range(assets)]
        rows = [
            {
                "symbol": f"S{n}",
                "min_price_ticks": 1,
                "max_price_ticks": 1 << 20,
                "market_band_ticks": 50,
                "reference_price_ticks": 10_000,
            }
            for n in range(instruments)
        ]
        self.table = make_instruments(rows)
        self.orders = self._replaced(count) if replaces else self._draw(count)
        engine = Engine(self.table, ORDER_CAPACITY, 1 << 13)
        self.events = engine.process(self.orders)
        ends = np.flatnonzero(self.events["flags"] & 1) + 1
        self.firsts = np.concatenate([[0], ends]).astype(np.int64)

    def _draw(self, count: int) -> npt.NDArray[Any]:
        """New orders of two or three lots around 10,000, each cancelled 4,096 new orders later."""
        rng = np.random.default_rng(1)
        orders = np.zeros(count, ORDER_DTYPE)
        half, behind = count // 2, 4_096
        new = np.zeros(half, ORDER_DTYPE)
        new["kind"], new["order_type"] = CommandKind.NEW, OrderType.LIMIT
        new["time_in_force"], new["side"] = TimeInForce.DAY, rng.integers(1, 3, half)
        new["participant"] = rng.integers(0, self.participants, half)
        new["symbol"] = self.table["symbol"][rng.integers(0, self.instruments, half)]
        away = rng.integers(-2, 40, half)
        new["price_ticks"] = 10_000 + np.where(new["side"] == 1, -away, away)
        new["qty_lots"], new["order_id"] = 2 + _odd(new), np.arange(1, half + 1)
        orders[0::2] = new
        gone = new[np.maximum(np.arange(half) - behind, 0)]
        gone["kind"] = CommandKind.CANCEL
        orders[1::2] = gone
        orders["seq"] = np.arange(1, count + 1)
        return orders

    def _replaced(self, count: int) -> npt.NDArray[Any]:
        """The same, each order replaced after 64 others: a lot more, or another price."""
        drawn = self._draw(count // 3 * 2)
        new = drawn[0::2]
        replaces = new[np.maximum(np.arange(len(new)) - 64, 0)].copy()
        replaces["kind"], replaces["qty_lots"] = CommandKind.REPLACE, replaces["qty_lots"] + 1
        away = np.where(replaces["side"] == 1, -1, 1) * (replaces["order_id"] % 3)
        replaces["price_ticks"] += away
        orders = np.zeros(3 * len(new), ORDER_DTYPE)
        orders[0::3], orders[1::3], orders[2::3] = new, replaces, drawn[1::2]
        orders["seq"] = np.arange(1, len(orders) + 1)
        return orders

    def state(self, limits: bool = True) -> npt.NDArray[np.uint8]:
        """A new risk state; with ``limits`` every check has a limit, and wallets are funded."""
        count = len(self.assets)
        spot = {n: (n % count, (n + 1 + n // count) % count, 1_000) for n in self.spot_instruments}
        region = make_region(
            self.table,
            self.participants,
            order_capacity=ORDER_CAPACITY,
            tracking=limits,
            assets=self.assets,
            spot=spot,
        )
        if limits:
            self._limit(region)
        return region

    @property
    def spot_instruments(self) -> range:
        """Indices of the instruments that trade assets: all of a stream with assets, else none."""
        return range(self.instruments if self.assets else 0)

    def _fund(self, apply: Callable[..., None]) -> None:
        """Plenty in every wallet, and fees for makers and takers, in the quote asset."""
        for name, _ in self.assets:
            asset = int.from_bytes(name.encode(), "little")
            for who in range(self.participants):
                apply(Setting.DEPOSIT, 1 << 46, who, second=asset)
        if self.assets:
            apply(Setting.LEDGER_TIER, 1_000 << 32 | 500, 0, second=0)
            apply(Setting.LEDGER_COLLECT, 1, 0)
            apply(Setting.LEDGER_FEES, 0, -1)

    def _limit(self, region: npt.NDArray[np.uint8]) -> None:
        """Every check has a limit to look at."""
        cells = View(region).cells
        symbols = self.table["symbol"].tolist()

        def apply(
            what: Setting, value: int, who: int = 0, symbol: bytes = b"", second: int = 1 << 40
        ) -> None:
            record = setting(what, value, who, symbol, second)
            if before(RiskState.of(region.ctypes.data), OrderRecord.of(record.ctypes.data)) == 0:
                raise OutcryError(f"bench risk: {what.name} was not taken")

        for who in range(self.participants):
            for what in (
                Setting.CREDIT,
                Setting.EXPOSURE_BUY,
                Setting.EXPOSURE_SELL,
                Setting.GROSS_POSITION,
                Setting.OPEN_ORDERS,
                Setting.LOSS,
                Setting.DRAWDOWN,
            ):
                apply(what, PLENTY, who)
            apply(Setting.RATE, 1, who)
            apply(Setting.DUPLICATE_WINDOW, 1 << 40, who)
        self._fund(apply)
        of_margin = {} if self.assets else {Setting.FEE: 1, Setting.MARGIN: 5_000}
        for symbol in symbols:
            for what, value in {
                **of_margin,
                Setting.WEIGHT: 2,
                Setting.DISTANCE: 500,
                Setting.ADV: 1_000_000,
                Setting.ADV_SHARE: 1_000,
            }.items():
                apply(what, value, symbol=symbol)
            apply(Setting.BANDS, 1 << 20, symbol=symbol, second=1)
        apply(Setting.GROUP_GROSS_POSITION, PLENTY)
        cells[:, :, -4:] = PLENTY  # position, quantity and value limits, as RISK commands set them

    def ns(self, limits: bool = True, run: Any = run_commands) -> float:
        """Return the time of a command under ``run``: ours, or the C peer's."""
        one = self.taken(self.state(limits), run, keeps_verdicts=False)
        return float(np.median(one.spent)) / BURST

    def taken(self, region: npt.NDArray[np.uint8], run: Any, keeps_verdicts: bool = True) -> Pass:
        """The stream through ``run`` over the state ``region``, with its times and verdicts."""
        one = Pass(region, self.orders, self.events, self.firsts, BURST)
        run(*one.arguments(keeps_verdicts))
        return one


def require_passed(stream: Stream) -> None:
    """Require that nothing was refused and no unit of an asset was lost."""
    done = stream.taken(stream.state(), run_commands)
    if done.verdicts.any():
        raise OutcryError("bench risk: a spot order was refused")
    wallets = View(done.region).wallets
    if wallets is None or any(held != net for held, net in map(wallets.total, wallets.names)):
        raise OutcryError("bench risk: the wallets differ from the deposits")


def require_agreement(stream: Stream, run: Any) -> None:
    """The C peer refuses what we refuse (nothing), and leaves the same state."""
    region = stream.state()
    ours = stream.taken(region, run_commands)
    if ours.verdicts.any():
        raise OutcryError(f"bench risk: {np.count_nonzero(ours.verdicts)} commands were refused")
    ours.require_same(stream.taken(region, run))


def bench_risk(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    count = QUICK_COMMANDS if quick else COMMANDS
    gathered = Rounds(rounds, progress)
    progress("compiling")
    streams = {name: Stream(*size, count) for name, size in SIZES.items()}
    streams["replaced"] = Stream(*SIZES["cached"], count, replaces=True)
    for name, (people, instruments, assets) in SPOT_SIZES.items():
        streams[name] = Stream(people, instruments, count, assets=assets)
    peers: dict[str, Any] = {}
    try:
        peers["c"] = c_runner(BURST, AHEAD)
    except PeerMissing as error:
        gathered.miss("c", str(error))
    for name, stream in streams.items():
        for run in peers.values():
            require_agreement(stream, run)
        if name in SPOT_SIZES:
            require_passed(stream)
    streams["cached"].ns()

    def one(number: int, add: Add) -> None:
        for name, stream in streams.items():
            for who, run in rotated([("ours", run_commands), *peers.items()], number):
                best = min(stream.ns(run=run) for _ in range(PASSES))
                add(f"risk_ns_{name}", "ns", "lower", best, who)
        unlimited = min(streams["cached"].ns(limits=False) for _ in range(PASSES))
        add("risk_ns_unlimited", "ns", "lower", unlimited)
        add("kill_last_cancel_memory", "ns", "lower", kill_ns(durable=False, quick=quick))
        add("kill_last_cancel_durable", "ns", "lower", kill_ns(durable=True, quick=quick))
        add_pipeline(number, add, quick)
        add_participants(number, add, quick)

    gathered.run(one)
    return gathered.document("risk", command, {"sizes": SIZES, "spot_sizes": SPOT_SIZES})
