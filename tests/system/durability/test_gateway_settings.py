"""The gateway's settings in the running pipeline: what they refuse, who sees the same verdicts."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.gateway_fpga import Settings
from openoutcry.gateway_fpga.settings_file import document_of
from openoutcry.journal import JournalReader
from openoutcry.journal.core import Core
from openoutcry.matcher import Engine
from openoutcry.pipeline import worker
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.topology import TOPOLOGY, geometry
from openoutcry.runtime import loop
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.work import Work
from openoutcry.wire import ErrorBit
from tests.oracles.refused_flow import EVERY, FAULTS, SETTINGS, RefusedFlow
from tests.support.pipeline.gateway_settings import RATE, journaled, verdicts

ORDERS = 4_096


@pytest.mark.parametrize("topology", [pytest.param("inline", marks=pytest.mark.long), "processes"])
def test_every_reject_has_its_share_of_the_flow(topology: str, tmp_path: Path) -> None:
    """The flow's stated shares come out as verdicts in the journal, golden and RTL alike, with one
    book and one chain of events; without the settings both are others."""
    results = []
    for gateway, chosen in (("golden", SETTINGS), ("rtl", SETTINGS), ("golden", Settings())):
        journal = tmp_path / f"j{len(results)}"
        results.append(
            run(
                Options(
                    source=RefusedFlow(ORDERS, 3),
                    topology=topology,
                    gateway=gateway,
                    gateway_settings=chosen,
                    journal=journal,
                    durability="async",
                )
            )
        )
        assert results[-1]["replay"]["equal"] is True
        assert JournalReader(journal).config["gateway_settings"] == document_of(chosen)
    hashes = [(r["state_hash"], r["event_hash"]) for r in results]
    assert hashes[0] == hashes[1]
    assert hashes[0][0] != hashes[2][0]
    assert hashes[0][1] != hashes[2][1]
    counts = Counter(
        bit
        for code in journaled(tmp_path / "j1")["error_code"].tolist()
        for bit in ErrorBit
        if code >> bit & 1
    )
    share = ORDERS // EVERY
    # Who has no bucket has no bit either.
    assert counts == dict.fromkeys(FAULTS, share) | {ErrorBit.PARTICIPANT: 2 * share}
    assert results[0]["gateway_settings"] == document_of(SETTINGS)


def test_the_option_brings_the_file_into_the_run(outcry_json: Any, tmp_path: Path) -> None:
    """A halted instrument refuses every new order; golden and RTL say the same."""
    (tmp_path / "halt.toml").write_text("[symbols.OUTCRY]\nhalted = true\n")
    results = [
        outcry_json("run", "--orders", 2_000, "--gateway", gateway, *more)
        for gateway in ("golden", "rtl")
        for more in ((), ("--gateway-settings", "halt.toml"))
    ]
    free, halted = results[0], results[1]
    assert halted["open_orders"] == halted["trades"] == 0
    assert free["open_orders"] > 0
    assert halted["gateway_settings"] == {"symbols": {"OUTCRY": {"halted": True}}}
    assert free["gateway_settings"] is None
    for golden, rtl in zip(results[:2], results[2:], strict=True):
        assert golden["event_hash"] == rtl["event_hash"]
        assert golden["state_hash"] == rtl["state_hash"]
    assert free["event_hash"] != halted["event_hash"]


@pytest.mark.parametrize("gateway", ["golden", "rtl"])
def test_rates_are_a_function_of_the_journal(gateway: str, tmp_path: Path) -> None:
    """Which orders a rate refuses hangs on when each was received.  Those times stand in the
    journal, and from it the golden model says the same of every order, also behind a resume, for
    which the buckets were brought to where the first run left them."""
    for orders, resume in ((5_000, False), (10_000, True)):
        run(
            Options(
                source=GeneratedFlow("normal", 10_000, 5),
                orders=orders,
                seed=5,
                resume=resume,
                topology="inline",
                gateway=gateway,
                gateway_settings=RATE,
                journal=tmp_path / "j",
                durability="async",
            )
        )
    commands = journaled(tmp_path / "j")
    refused = (commands["error_code"] >> ErrorBit.RATE & 1).astype(bool)
    assert 100 < np.count_nonzero(refused) < 9_900
    instruments = GeneratedFlow("normal", 1, 1).instruments
    assert np.array_equal(commands["error_code"], verdicts(commands, instruments, RATE))


@pytest.mark.parametrize("gateway", ["golden", "rtl"])
def test_a_matcher_rebuilt_from_the_preloaded_input_sees_the_same_verdicts(gateway: str) -> None:
    """Without a journal the times at which commands were received are kept beside them: the rebuilt
    book is the one that was lost, which other times would not give."""
    source = GeneratedFlow("normal", 20_000, 7)
    shared = Shared(geometry("inline", "none"), TOPOLOGY.without("journal"))
    try:
        shared.preload(source.chunks(), 20_000, 20_000)
        shared.control.block.epoch_offset = 10**18
        work = Work(
            shared=shared,
            core=Core(source.instruments, 1 << 15),
            rate=0,
            limit=20_000,
            durability="none",
            journal=None,
            writer=None,
            gateway=gateway,
            settings=RATE,
        )
        group = worker.CompiledStages(work, work.table.names)
        shared.control.block.go = 1
        while group.run(worker.SLICE_NS, leave_idle=True) != loop.FINISHED:
            pass
        lost = group.outcome()["core matcher"]["state_hash"]
        assert worker.rebuild_engine(work, "matcher").state_hash() == lost
        free = Engine(source.instruments, 1 << 15)
        records = shared.preloaded_records("lane", 0, 20_000).copy()
        records["seq"] = np.arange(1, 20_001)
        free.process(records)
        assert free.state_hash() != lost
        assert np.all(shared.preloaded_records("lane", 0, 20_000)["rx_ts_ns"] > 10**18)
    finally:
        shared.unlink()
