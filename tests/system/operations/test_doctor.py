"""host/doctor*.py: every finding from a known tree, and a sheet on any host whatever."""

import json
import subprocess

import pytest

from openoutcry.host import doctor_devices
from openoutcry.host.doctor import examine
from openoutcry.host.findings import STATES, Host
from tests.support.bench.situations import command_in, why_not
from tests.support.host.doctor import by_name
from tests.support.processes import OUTCRY

TOPICS = {
    "processor",
    "frequency",
    "cores",
    "memory",
    "scheduler",
    "clock",
    "kernel",
    "network",
    "tools",
    "our paths",
}
ASKED_FOR = {
    "model", "microcode", "NUMA", "SMT", "governor", "turbo", "sleep states", "isolated cores",
    "tickless cores", "cores without RCU callbacks", "interrupts", "transparent huge pages",
    "reserved huge pages", "memory locking", "real-time throttling", "clock source", "mitigations",
    "timer slack", "virtualisation", "PTP hardware clocks", "perf", "hardware counters",
}  # fmt: skip


def test_this_host_gets_a_whole_sheet():
    """Everything the sheet promises is there once, each with its reason, in a known state."""
    findings = examine()
    names = [(finding.topic, finding.name) for finding in findings]
    assert len(set(names)) == len(names)
    assert {name for _, name in names} >= ASKED_FOR
    assert {topic for topic, _ in names} <= TOPICS
    for finding in findings:
        assert finding.state in STATES
        assert finding.what
        assert finding.why


def test_whatever_costs_latency_says_what_changes_it_or_that_it_is_a_fact():
    """A finding that costs has a command, or tells of the machine itself."""
    unchangeable = {"usable cores", "time stamp counter"}
    for finding in examine():
        if finding.state == "costs" and finding.name not in unchangeable:
            assert finding.change, finding


def test_the_command_prints_one_document_and_changes_nothing(tmp_path):
    """--json is one document, exit status 0, and no setting under /proc/sys differs after it."""
    watched = ["vm/nr_hugepages", "kernel/sched_rt_runtime_us", "kernel/perf_event_paranoid"]
    before = [(Host().text(f"proc/sys/{name}")) for name in watched]
    done = subprocess.run(
        [*OUTCRY, "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {"findings", "host"} == set(document)
    assert len(document["findings"]) >= len(ASKED_FOR)
    assert [(Host().text(f"proc/sys/{name}")) for name in watched] == before


def test_a_host_that_reports_nothing_is_answered_with_gaps(tmp_path):
    """Without /proc and /sys nothing is guessed and nothing fails."""
    findings = by_name(examine(Host(tmp_path)))
    for name in (
        "governor",
        "turbo",
        "sleep states",
        "interrupts",
        "transparent huge pages",
        "SMT",
    ):
        if name in findings:
            assert findings[name].state == "unseen", findings[name]
    assert [finding for finding in findings.values() if "Error" in finding.what] == []


def test_a_check_that_fails_is_a_gap_in_the_sheet(monkeypatch):
    """One check's error stands in its place; the others go on."""

    def broken(host):
        raise OSError("gone")

    monkeypatch.setattr(doctor_devices, "CHECKS", (broken,))
    findings = by_name(examine())
    assert findings["broken"].state == "unseen"
    assert "model" in findings


def test_a_container_gets_a_whole_sheet():
    """Without rights, perf events, /sys and all but one core: every finding is there, and a seccomp
    filter is told by the real call from a processor without counters."""
    situation = "container, one core"
    if why_not(situation):
        pytest.skip(str(why_not(situation)))
    done = subprocess.run(
        command_in(situation, [*OUTCRY, "doctor", "--json"]), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    findings = {row["name"]: row for row in json.loads(done.stdout)["findings"]}
    assert set(findings) >= ASKED_FOR
    for kind in ("hardware counters", "software events"):
        assert "Operation not permitted" in findings[kind]["what"]
        assert "seccomp" in findings[kind]["change"]
    assert findings["isolated cores"]["state"] == "unseen"
    assert "0 cores" not in findings["model"]["what"]
