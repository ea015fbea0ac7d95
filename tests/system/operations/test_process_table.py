"""Every process that docs/operations.md lists as restarted is killed in a venue; of the portal's,
tests/system/portal/test_portal_processes.py kills the web processes and the reader."""

import os
import signal

import pytest

from openoutcry.host.processes import named_children
from openoutcry.operations.metrics import VenueMetrics
from openoutcry.pipeline.top import running
from openoutcry.venue.file import read_venue
from tests.support.operations.process_table import restarted
from tests.support.order_entry.sessions_venue import HASH
from tests.support.processes import free_port
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import wait_until

SESSION = f"""
[[session]]
name = "ALPHA"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:{{port}}"
[market_data]
interface = "127.0.0.1"
heartbeat_ms = 50
"""
STAGES, LABELS = "stages", ("process", "stage")
NOT_HERE = {STAGES, "faults"}
"""Stages have no name of their own, and only a test venue has faults."""


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    text = CONTRACT_VENUE.replace("checkpoint_every = 0", "checkpoint_every = 1000")
    text = text.replace("reference_price", "max_qty_lots = 1_000_000\nreference_price")
    hosts = {"a": "239.193.9.1", "depth": "239.193.9.3", "stream": "127.0.0.1"}
    feed = "".join(f'{name} = "{host}:{free_port()}"\n' for name, host in hosts.items())
    folder = tmp_path_factory.mktemp("venue")
    served = ServedVenue(folder, "2026-01-05T10:00:00", SESSION + feed, text)
    served.start()
    served.wait_for_phase("CONTINUOUS")
    yield served
    served.stop()


def samples(metrics, name):
    """The values of a metric, by its process or stage; the feed's has neither."""
    return {
        next((sample.labels[key] for key in LABELS if key in sample.labels), "feed"): sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == name
    }


def stages_of(venue):
    """Pid of the process of each stage."""
    (run,) = (one for one in running() if one.owner.pid == venue.process.pid)
    blocks = enumerate(run.table.stages)
    return {row.name: run.control.stage(at).pid for at, row in blocks}


def test_the_venue_has_the_processes_of_the_table_and_no_other(venue):
    """Each has a name that ps shows; the stages' processes have none of their own."""
    names = {name for name, _ in named_children(venue.process.pid)}
    assert names == set(restarted("outcry serve")) - NOT_HERE


@pytest.mark.parametrize(
    "name", [name for name in restarted("outcry serve") if name not in NOT_HERE]
)
def test_a_killed_process_of_a_venue_is_restarted_counted_and_logged(venue, name):
    metrics = VenueMetrics(read_venue(venue.folder / "venue.toml"))
    kind = "feed" if name == "feed" else "process"
    up, count = f"outcry_{kind}_up", f"outcry_{kind}_restarts_total"

    def pids():
        return [pid for child, pid in named_children(venue.process.pid) if child == name]

    wait_until(lambda: samples(metrics, up).get(name) == 1, f"{name} is up")
    before, (pid,) = samples(metrics, count)[name], pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pids() not in ([], [pid]), f"{name} runs again")
    wait_until(lambda: samples(metrics, count)[name] == before + 1, "it is counted")
    wait_until(lambda: samples(metrics, up)[name] == 1, "and up")
    log = (venue.folder / "journal.log" / "venue.jsonl").read_text()
    assert f"{name} (pid {pid})" in log
    assert not os.path.exists(f"/proc/{pid}"), "no zombie is left"


def test_a_killed_process_of_stages_is_restarted_counted_and_logged(venue):
    """Each of them in turn; two stages may share one."""
    metrics = VenueMetrics(read_venue(venue.folder / "venue.toml"))
    for name in stages_of(venue):
        pid, before = stages_of(venue)[name], samples(metrics, "outcry_stage_restarts_total")[name]
        os.kill(pid, signal.SIGKILL)

        def is_back(name=name, before=before):
            counted = samples(metrics, "outcry_stage_restarts_total")[name] == before + 1
            return counted and samples(metrics, "outcry_stage_up")[name] == 1

        wait_until(is_back, f"{name} is up again")
        assert f"(pid {pid}) killed" in (venue.folder / "journal.log/venue.jsonl").read_text()
    venue.wait_for_phase("CONTINUOUS")
