"""Risk in the core of a run: one hash by hand, inline, as processes, in the journal's replay and
from its checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.journal.checkpoint import make_checkpoints, recover
from openoutcry.journal.replay import replay
from openoutcry.pipeline.run import Options, run
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from tests.support.risk.risk_run import CAPACITY, COUNT, LimitedFlow, same, settings


def options(journal: Path | None, **more: Any) -> Options:
    return Options(
        source=LimitedFlow(COUNT, 5),
        journal=journal,
        hooks=settings(),
        order_capacity=CAPACITY,
        housekeeping_cores=0,
        **more,
    )


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
