"""The whole chain: every topology and durability gives one answer, and says what happened."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openoutcry.flow import GeneratedFlow
from openoutcry.pipeline.run import Options, Watcher, run


def test_text_output_names_spans_losses_and_the_verdict(outcry: Callable[..., Any]) -> None:
    """A person reads the latency table, lost 0 and that the replay is equal."""
    done = outcry("run", "--orders", 1000, "--topology", "inline", "--report", "r.html")
    assert done.returncode == 0, done.stderr
    for text in ("sequenced -> matched", "p99.9", "lost 0, duplicated 0", "events equal", "r.html"):
        assert text in done.stdout


def test_a_book_that_is_nearly_full_is_told_of(tmp_path: Path) -> None:
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
