"""The whole chain: every topology and durability gives one answer, and says what happened."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal.core import RISK
from openoutcry.journal.risk_hooks import risk_kernels
from openoutcry.matcher import process_batch
from openoutcry.matcher.hooks import process_hooked
from openoutcry.pipeline import compile as compiling
from openoutcry.pipeline.run import Options, Watcher, run


def test_text_output_names_spans_losses_and_the_verdict(outcry: Callable[..., Any]) -> None:
    """A person reads the latency table, lost 0 and that the replay is equal."""
    done = outcry("run", "--orders", 1000, "--topology", "inline", "--report", "r.html")
    assert done.returncode == 0, done.stderr
    for text in ("sequenced -> matched", "p99.9", "lost 0, duplicated 0", "events equal", "r.html"):
        assert text in done.stdout


def test_a_book_that_is_nearly_full_is_reported(tmp_path: Path) -> None:
    """Once, at nine tenths, while the run goes on; the samples say how full it is."""
    notes: list[str] = []
    fills: list[float] = []
    flow = GeneratedFlow("static", 3_000, seed=1)
    watcher = Watcher(note=notes.append, sample=lambda sample: fills.append(sample.book_fill))
    plain = run(Options(source=flow, topology="inline", durability="none"), watcher)
    assert 0 < fills[-1] < 0.9
    assert not notes
    capacity = plain["open_orders"] + 2
    run(
        Options(source=flow, topology="inline", durability="none", order_capacity=capacity), watcher
    )
    assert fills[-1] >= 0.9
    (note,) = notes
    assert re.match(rf"the book holds [\d,]+ of {capacity:,} orders", note)


class CompiledError(Exception):
    """All parts are known; nothing more of the run is wanted."""


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_run_with_risk_leaves_no_long_kernel_to_the_process_that_serves(
    partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is around the matcher is compiled in the matcher's part, where it takes a quarter of the
    time that it takes alone, while nothing is said."""
    parts: list[compiling.Part] = []

    def stop(*_: object) -> None:
        raise CompiledError

    monkeypatch.setattr(compiling, "compile_parts", lambda given, progress: parts.extend(given))
    monkeypatch.setattr(compiling, "load", stop)
    hooks = {"name": RISK, "participants": 4, "order_capacity": 64, "partitions": partitions}
    options = Options(source=GeneratedFlow("normal", 1, 1), durability="none", hooks=hooks)
    with pytest.raises(CompiledError):
        run(options, Watcher())
    (matcher,) = (part for part in parts if (process_batch, 5) in part.kernels)
    assert (process_hooked, 5) in matcher.kernels
    assert {one for part in parts for one in part.kernels} >= set(risk_kernels(hooks))
    for function, count in (one for part in parts for one in (*part.ahead, *part.kernels)):
        assert len(inspect.signature(function.py_func).parameters) == count, function  # type: ignore[attr-defined]
