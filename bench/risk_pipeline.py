"""The whole pipeline with risk in its core and without, in turns: commands a second, durable, and
from the wire to the acknowledgement, in memory."""

from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench.paced import SEED, WARM_S, check_spans, checked, flow, percentiles
from openoutcry.bench.rounds import Add, rotated
from openoutcry.bench.scratch import scratch_folder
from openoutcry.pipeline.options import ORDER_CAPACITY
from openoutcry.pipeline.recording import Recording
from openoutcry.pipeline.run import Options, run
from openoutcry.risk.bits import Setting

ORDERS, QUICK_ORDERS = 1_000_000, 100_000
RATE, SECONDS, QUICK_SECONDS = 100_000, 3.0, 0.3
PARTICIPANTS = 129
PLENTY = 1 << 60
OF_PARTICIPANTS = (
    Setting.CREDIT,
    Setting.EXPOSURE_BUY,
    Setting.EXPOSURE_SELL,
    Setting.GROSS_POSITION,
    Setting.OPEN_ORDERS,
    Setting.LOSS,
    Setting.DRAWDOWN,
)
WAYS = ("ours", "no_risk")


def hooks(instruments: Any) -> dict[str, Any]:
    """Risk with every limit of participants and positions set, and none in the way."""
    limits: list[dict[str, Any]] = []
    for who in range(PARTICIPANTS):
        limits += [{"set": what.name, "value": PLENTY, "who": who} for what in OF_PARTICIPANTS]
        for symbol in instruments["symbol"].tolist():
            limits += [
                {"set": what, "value": PLENTY, "who": who, "symbol": symbol.decode()}
                for what in ("POSITION_LONG", "POSITION_SHORT", "MAX_QTY", "MAX_VALUE")
            ]
    return {
        "name": "risk",
        "participants": PARTICIPANTS,
        "order_capacity": ORDER_CAPACITY,
        "limits": limits,
    }


def _options(orders: int, way: str, durability: str, **more: Any) -> Options:
    source = flow("normal", orders)
    risk = hooks(source.instruments) if way == "ours" else None
    return Options(
        source=source,
        orders=orders,
        seed=SEED,
        durability=durability,
        verify=False,
        hooks=risk,
        **more,
    )


def add_pipeline(number: int, add: Add, quick: bool) -> None:
    """One round: ``pipeline_durable`` (commands/s) and ``wire_to_ack_p50`` (ns, at 100,000 commands
    a second), ours with risk, ``no_risk`` without."""
    for way in rotated([*WAYS], number):
        orders = QUICK_ORDERS if quick else ORDERS
        with scratch_folder("risk") as folder:
            path = Path(folder) / "journal"
            options = _options(
                orders, way, "durable", journal=path, volatile_journal=True, housekeeping_cores=0
            )
            result = checked(run(options))
        add("pipeline_durable", "1/s", "higher", result["commands_per_s"], way)
        seconds = QUICK_SECONDS if quick else SECONDS
        orders, recording = int(RATE * (seconds + WARM_S)), Recording()
        checked(run(_options(orders, way, "none", rate=RATE, recording=recording)))
        check_spans(recording)
        whole = recording.spans()["whole"][int(RATE * WARM_S) :]
        assert np.all(whole >= 0)
        add("wire_to_ack_p50", "ns", "lower", percentiles(whole)["p50"], way)
