"""What surveillance costs and how well it sees.

The figures are:

    ``events``          events a second on one core with all detectors, of a generated market and
                        of a market of agents, each of which lies in memory with its events
    ``alert_ms``        from a command's block being durable to the hit being reported, of a
                        process that follows the journal
    ``order_life_ms``   of orders drawn from an audit trail
    ``precision_NAME``,
    ``recall_NAME``     shares of 1, on markets of agents whose seeds are drawn as this runs
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from openoutcry.bench.agent_days import agent_market, configuration
from openoutcry.bench.order_life import generated_life_ms
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.bench.surveillance_accuracy import PATTERNS, measure
from openoutcry.flow import GeneratedFlow
from openoutcry.flow.manipulators import THIN, settings_text
from openoutcry.journal import Journal
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.surveillance.detect.settings import Settings, settings_of_text
from openoutcry.surveillance.detect.state import Detectors
from openoutcry.wire import OutcryError, make_instruments

ORDERS, QUICK_ORDERS = 2_000_000, 200_000
MARKETS, QUICK_MARKETS = 12, 1
BATCH = 4_096
APART_NS = 1_000_000
"""Time between commands of the generated market: a thousand a second."""
ALERTS = 20
TIMEOUT_S = 120.0


class Watched:
    """Commands and events in batches, as the one iterator gives them, and what is reported."""

    def __init__(self, batches: list[tuple[Any, Any]], config: dict[str, Any], settings: Settings):
        self.batches, self.config, self.settings = batches, config, settings
        self.events = sum(len(events) for _, events in batches)

    @classmethod
    def generated(cls, orders: int) -> "Watched":
        """A generated ``normal`` flow of that many orders, a millisecond apart, with its events."""
        source = GeneratedFlow("normal", orders, 23)
        engine, batches, seq = Engine(source.instruments), [], 1
        for chunk in source.chunks(BATCH):
            chunk["seq"] = np.arange(seq, seq + len(chunk))
            chunk["rx_ts_ns"] = 1_790_000_000 * 10**9 + chunk["seq"] * APART_NS
            seq += len(chunk)
            batches.append((chunk, engine.process(chunk)))
        config = {"instruments": instruments_to_json(source.instruments)}
        return cls(batches, config, Settings())

    @classmethod
    def agents(cls, minutes: int) -> "Watched":
        """A market of agents, abusers among them, over ``minutes``."""
        market = agent_market(23, minutes, ("spoofer", "layerer", "wash_ring", "igniter"))
        parts = [part for part in market.run(Engine(market.instruments)) if len(part[0])]
        commands = np.concatenate([part[0] for part in parts])
        events = np.concatenate([part[1] for part in parts])
        batches = []
        for begin in range(0, len(commands), BATCH):
            part = commands[begin : begin + BATCH]
            low, high = np.searchsorted(events["cause_seq"], [part["seq"][0], part["seq"][-1] + 1])
            batches.append((part, events[low:high]))
        return cls(batches, configuration(market), settings_of_text(settings_text(market)))

    def rate(self) -> float:
        """Events a second through new detectors."""
        detectors = Detectors(self.config, self.settings)
        began = time.perf_counter()
        for commands, events in self.batches:
            detectors.watch(commands, events)
        return self.events / (time.perf_counter() - began)


def alert_ms(count: int = ALERTS) -> list[float]:
    """Milliseconds from a durable block to the hit it brings, as a separate ``outcry surveillance
    follow`` process reports it. A participant trades with itself, a block at a time."""
    with tempfile.TemporaryDirectory(prefix="outcry-alert-") as folder:
        home = Path(folder) / "day"
        table = instruments_to_json(make_instruments(["OUTCRY"]))
        config = {"instruments": table, "order_capacity": 1 << 10}
        with Journal.create(home, config) as writer:
            words = ["surveillance", "follow", str(home), "--json"]
            command = [sys.executable, "-m", "openoutcry", *words]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
                try:
                    return _delays_ms(writer, child, count)
                finally:
                    child.terminate()


def _delays_ms(writer: Any, child: Any, count: int) -> list[float]:
    assert child.stdout is not None
    os.set_blocking(child.stdout.fileno(), False)
    durable: dict[int, int] = {}
    delays_ns: dict[int, int] = {}
    seq, end_s, buffer, awake = 1, time.monotonic() + TIMEOUT_S, b"", False
    while len(delays_ns) < count:
        if time.monotonic() > end_s:
            raise OutcryError("bench surveillance: the follower did not report its hits")
        block = _self_trade(seq)
        writer.append(seq, [block], len(block), 1)
        writer.sync()
        if awake:
            durable[seq + 1] = time.time_ns()
        seq += len(block)
        time.sleep(0.1)
        with suppress(BlockingIOError):
            buffer += os.read(child.stdout.fileno(), 1 << 16)
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            hit = json.loads(line)
            # Those before it had begun to follow waited for its start.
            awake = True
            if hit["seq"] in durable:
                # On a busy machine a hit may come before this process has read the clock: at once.
                delays_ns[hit["seq"]] = max(0, hit["told_ns"] - durable[hit["seq"]])
    return [ns / 1e6 for ns in delays_ns.values()]


def _self_trade(seq: int) -> Any:
    """A sale and a purchase of one participant that meet."""
    from openoutcry.flow.commands import as_orders, command
    from openoutcry.wire.enums import CommandKind, Side

    rows = [
        command(CommandKind.NEW, b"OUTCRY", side, 2_000, 5, seq + n)
        for n, side in enumerate((Side.SELL, Side.BUY))
    ]
    orders = as_orders(rows)
    orders["seq"], orders["rx_ts_ns"] = [seq, seq + 1], time.time_ns()
    return orders


def bench_surveillance(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    gathered = Rounds(rounds, progress)
    progress("compiling")
    generated = Watched.generated(QUICK_ORDERS if quick else ORDERS)
    agents = Watched.agents(4 if quick else 20)
    seeds: list[int] = []

    def one_round(number: int, add: Add) -> None:
        add("events", "1/s", "higher", generated.rate())
        add("events_agents", "1/s", "higher", agents.rate())
        add("alert_ms", "ms", "lower", median(alert_ms(4 if quick else ALERTS)))
        lives = generated_life_ms(200_000 if quick else 3_000_000)
        add("order_life_ms", "ms", "lower", median(lives))
        drawn = [secrets.randbelow(2**31) for _ in range(QUICK_MARKETS if quick else MARKETS)]
        seeds.extend(drawn)
        accuracy = measure(drawn)
        accuracy.join(measure(drawn, THIN))
        for name in PATTERNS:
            shares = accuracy.shares(name)
            if shares["acts"]:
                add(f"recall_{name}", "count", "higher", shares["recall"])
            if shares["alarms"]:
                add(f"precision_{name}", "count", "higher", shares["precision"])

    gathered.run(one_round)
    return gathered.document("surveillance", command, {"seeds": seeds})
