"""Risk in the core of a run: one hash by hand, inline, as processes, in the journal's replay and
from its checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.pipeline.run import Options, run
from openoutcry.replay.checkpoint import make_checkpoints, recover
from openoutcry.replay.core import Core
from openoutcry.replay.replay import replay
from openoutcry.replay.risk_hooks import risk_hooks
from openoutcry.risk import layout as lay
from openoutcry.risk.region import RiskError, View
from openoutcry.wire import make_instruments

CAPACITY, COUNT = 1 << 14, 12_000
LIMITED = {"min_price_ticks": 10, "max_price_ticks": 200_000}
KEYS = ("commands", "events", "state_hash", "event_hash")
TABLE = make_instruments([LIMITED | dict(row) for row in INSTRUMENTS])


class LimitedFlow(MixedFlow):
    """The mixed flow on instruments that have price limits."""

    def __init__(self, orders: int, seed: int) -> None:
        super().__init__(orders, seed)
        self.instruments = TABLE


def settings() -> dict[str, Any]:
    limits: list[dict[str, Any]] = [
        {"set": "POSITION_LONG", "value": 1_500, "who": who, "symbol": row["symbol"].decode()}
        for who in range(1, 20) for row in INSTRUMENTS
    ]  # fmt: skip
    limits += [{"set": "CREDIT", "value": 10**9, "who": who} for who in range(1, 129)]
    limits += [{"set": "OPEN_ORDERS", "value": 60, "who": who} for who in range(1, 129)]
    limits += [{"set": "FEE", "value": 2, "symbol": "PLAIN"}]
    return {"name": "risk", "participants": 129, "order_capacity": CAPACITY, "limits": limits}


def options(journal: Path | None, **more: Any) -> Options:
    return Options(
        source=LimitedFlow(COUNT, 5), journal=journal, hooks=settings(), order_capacity=CAPACITY,
        housekeeping_cores=0, **more,
    )  # fmt: skip


def same(result: Any, wanted: Any) -> None:
    assert {key: result[key] for key in KEYS} == {key: wanted[key] for key in KEYS}


def test_one_hash_inline_as_processes_replayed_and_recovered(tmp_path: Path) -> None:
    inline = run(options(tmp_path / "j", topology="inline"))
    assert inline["replay"]["equal"] is True
    same(run(options(tmp_path / "p")), inline)
    make_checkpoints(tmp_path / "j", every=5_000)
    same(replay(tmp_path / "j"), inline)
    engine = recover(tmp_path / "j").engine
    assert engine.state_hash() == inline["state_hash"]
    view = View(engine.region)
    assert view.word(lay.REFUSALS) > 100  # refused
    assert np.abs(view.cells[:, :, 0]).sum() > 1_000


def test_a_core_by_hand_reserves_what_its_open_orders_need() -> None:
    """Command by command and in one piece: the same bytes."""
    (orders,) = LimitedFlow(4_000, 5).chunks(4_000)
    orders["seq"] = np.arange(1, 4_001)
    whole = Core(TABLE, CAPACITY, hooks=settings()).fresh()
    pieces = Core(TABLE, CAPACITY, hooks=settings()).fresh()
    events = whole.process(orders)
    batches = [pieces.process(orders[n : n + 1]) for n in range(2_000)]
    again = Core(TABLE, CAPACITY, hooks=settings()).restored(pieces.snapshot())
    batches.append(again.process(orders[2_000:]))
    assert np.array_equal(np.concatenate(batches), events)
    assert again.state_hash() == whole.state_hash()
    assert len(View(whole.region).open_orders()) == whole.open_orders > 0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"set": "NO_SUCH", "value": 1}, "limits row 0: 'NO_SUCH' is no setting"),
        ({"set": "MAX_QTY", "value": -1, "symbol": "PLAIN"}, "limits row 0: .* makes no sense"),
        ({"set": "MAX_QTY", "value": 1, "symbol": "NONE"}, "limits row 0: .* makes no sense"),
        ({"set": "MAX_QTY", "value": 2**63, "symbol": "PLAIN"}, "limits row 0: .* makes no sense"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(row: dict[str, Any], says: str) -> None:
    with pytest.raises(RiskError, match=says):
        risk_hooks(settings() | {"limits": [row]}, TABLE)
