"""Measure the Verilated gateway: how many orders a second, and that no verdict differs.

    python -m tests.support.gateway_fpga.measure_live [live] [random]

Writes these sections (both, if none is named) of ``docs/evidence/fpga.json``.  ``live`` takes
orders as a market has them; ``random`` the boundary-biased ones of the tests, ten million of them.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.gateway_fpga.call import call_batch
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.gateway_fpga.live.device import host
from openoutcry.gateway_fpga.tools.evidence import ROOT, read_evidence, write_section
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER, RECORD_BYTES

BATCH = 4_096
ROUNDS = 61
RANDOM_TEST = "tests/long/gateway/test_live.py::test_ten_million_orders_rtl_golden_and_c"
RANDOM_ORDERS = 10_000_000
ERROR_CODE_AT = ORDER.offsets["error_code"]
COMMAND = "make fpga-live"
CHAIN = 1 << 18
CHAIN_CYCLES = 4
"""An integer multiplication, 3 cycles, and an addition, 1, on x86 of the last ten years (Fog,
Instruction tables)."""
RUNS = 5
"""Whole runs of the pipeline with each gateway, in turn; the median counts."""


@kernel
def one_by_one(function: int, handle: int, orders_addr: int, count: int) -> int:
    """Call the RTL once an order, as a pipeline that never sees two at a time would."""
    rejected = 0
    for index in range(count):
        call_batch(function, handle, orders_addr + index * RECORD_BYTES, 1)
        rejected += OrderRecord(orders_addr + index * RECORD_BYTES).error_code != 0
    return rejected


@kernel
def chain(count: int, factor: int) -> int:
    """``count`` multiplications and additions, each waiting for the one before: how long they take
    is the core's clock, whatever the host gives it at the moment."""
    value = factor
    for _ in range(count):
        value = value * factor + factor
    return value


def sample_orders(count: int) -> np.ndarray[Any, Any]:
    """Orders as a market has them: 64 symbols, every kind, a few percent wrong."""
    dice = np.random.default_rng(1)
    orders = np.zeros(count, ORDER_DTYPE)
    orders["symbol"] = [b"S%05d" % n for n in dice.integers(0, 64, count)]
    orders["price_ticks"] = dice.integers(1, 100_000, count)
    orders["qty_lots"] = dice.integers(1, 1_000, count)
    orders["kind"] = dice.choice([1, 1, 1, 2, 2, 2, 3, 4], count)
    orders["side"] = dice.integers(1, 3, count)
    orders["order_type"] = dice.choice([1, 1, 1, 2, 3], count)
    orders["time_in_force"] = dice.integers(1, 4, count)
    orders["qty_lots"][dice.random(count) < 0.02] = -1
    return orders


def throughput() -> dict[str, float]:
    """Orders a second: in batches, and one call an order; the best and the median of the rounds.
    Beside them the core's clock of the same rounds, in GHz."""
    instruments = make_instruments([f"S{n:05d}" for n in range(64)])
    gateway = LiveGateway.loaded(instruments)
    orders = sample_orders(BATCH)
    golden = orders.copy()
    validate_orders(golden, make_rules(instruments))
    one_by_one(gateway.function, gateway.handle, orders.ctypes.data, 1)
    chain(1, 3)
    batch, single, clock = [], [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        gateway.validate(orders)
        batch.append(time.perf_counter() - started)
        started = time.perf_counter()
        one_by_one(gateway.function, gateway.handle, orders.ctypes.data, BATCH)
        single.append(time.perf_counter() - started)
        started = time.perf_counter()
        chain(CHAIN, 3)
        clock.append(time.perf_counter() - started)
    if orders.tobytes() != golden.tobytes():
        raise SystemExit("the RTL and the golden model differ")
    return {
        "batch_orders_per_s_best": round(BATCH / min(batch)),
        "batch_orders_per_s_median": round(BATCH / float(np.median(batch))),
        "single_calls_per_s_best": round(BATCH / min(single)),
        "single_calls_per_s_median": round(BATCH / float(np.median(single))),
        "core_ghz_median": round(CHAIN * CHAIN_CYCLES / float(np.median(clock)) / 1e9, 2),
    }


def pipeline() -> dict[str, Any]:
    """Whole runs, inline and in memory, with each gateway: commands a second; the books and events
    of all must be the same."""
    rates: dict[str, list[float]] = {"golden": [], "rtl": []}
    hashes = set()
    for _ in range(RUNS):
        for gateway, measured in rates.items():
            result = _run(gateway)
            measured.append(result["commands_per_s"])
            hashes.add((result["state_hash"], result["event_hash"]))
    if len(hashes) != 1:
        raise SystemExit(f"runs of one flow ended in different books or events: {sorted(hashes)}")
    ((state_hash, event_hash),) = hashes
    figures: dict[str, Any] = {
        gateway: {
            "commands_per_s_median": round(float(np.median(measured))),
            "commands_per_s_best": round(max(measured)),
        }
        for gateway, measured in rates.items()
    }
    return figures | {"runs": RUNS, "state_hash": state_hash, "event_hash": event_hash}


def _run(gateway: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "openoutcry",
            "run",
            "--flow",
            "normal",
            "--orders",
            "1000000",
            "--topology",
            "inline",
            "--durability",
            "none",
            "--gateway",
            gateway,
            "--json",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure_live() -> None:
    """Rates; they mean something only while nothing else computes.  Those of other hosts and
    compilers that have been measured stay beside them."""
    made_by = {"host": host(), "compiler": LiveGateway().compiler}
    live = made_by | throughput() | {"pipeline": pipeline()}
    hosts = read_evidence().get("live", {}).get("figures", {"hosts": []})["hosts"]
    others = [row for row in hosts if row | made_by != row]
    write_section("live", {"hosts": [live, *others]}, COMMAND)
    print(json.dumps(live, indent=2))


def measure_random() -> None:
    """Ten million verdicts three times over; the first difference ends it, and nothing is kept."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "long", RANDOM_TEST], cwd=ROOT, check=True
    )
    figures = {
        "orders": RANDOM_ORDERS,
        "compared": ["RTL (Verilator)", "golden model", "C"],
        "differences": 0,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_section("random", figures, COMMAND)
    print(json.dumps(figures, indent=2))


SECTIONS = {"live": measure_live, "random": measure_random}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], default=[])
    for name in parser.parse_args(arguments).sections or SECTIONS:
        SECTIONS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
