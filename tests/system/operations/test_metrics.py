"""A running venue's metrics: what they say is what the journal holds, as Prometheus reads it."""

import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from shutil import which

import pytest
from prometheus_client.parser import text_string_to_metric_families

from openoutcry.operations.alarms import rule_file
from openoutcry.operations.metrics import VenueMetrics
from openoutcry.operations.watch import Light, Watch
from openoutcry.report.evidence import write_evidence
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import TimeInForce
from tests.support.pipeline import warm_outcry
from tests.support.processes import free_port
from tests.support.venue.served_venue import ServedVenue, orders
from tests.support.waiting import BOUND_S


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venue")
    served_venue = ServedVenue(folder, "2026-01-05T08:30:00")
    served_venue.start()
    served_venue.wait_for_phase("PRE_OPEN")
    served_venue.set_time("2026-01-05T10:00:00")
    served_venue.wait_for_phase("CONTINUOUS")
    served_venue.send(orders(1, 100, TimeInForce.DAY))
    yield served_venue
    if served_venue.process.poll() is None:
        served_venue.stop()


def value(series, name, **labels):
    wanted = {"venue": "TEST", **labels}.items()
    (one,) = [v for (n, of), v in series.items() if n == name and wanted <= dict(of).items()]
    return one


def samples(text):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_they_say_what_the_journal_holds(venue):
    """Served over HTTP as a user does it, and checked by promtool where there is one."""
    port = free_port()
    file = str(venue.folder / "venue.toml")
    command = [
        sys.executable,
        "-m",
        "openoutcry",
        "venue",
        "metrics",
        file,
        "--address",
        f"127.0.0.1:{port}",
    ]
    with warm_outcry.Process(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr.readline().strip() == f"http://127.0.0.1:{port}/metrics"
            text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=BOUND_S)
            series = samples(text.read().decode())
        finally:
            server.terminate()
            assert server.wait(BOUND_S) == 0
    commands = len(venue.commands())
    assert value(series, "outcry_commands_total") == commands
    assert value(series, "outcry_events_total", kind="accepted") == 100
    assert value(series, "outcry_open_orders") == 100
    assert value(series, "outcry_order_capacity") == 4096
    assert value(series, "outcry_venue_state", state="open") == 1
    assert value(series, "outcry_durable_lag_commands") == 0
    assert value(series, "outcry_latency_seconds_count", stage="matcher") == commands
    assert value(series, "outcry_journal_bytes") > 64 * commands
    for stage in ("receive", "gateway", "matcher", "gate", "replies", "journal"):
        assert value(series, "outcry_stage_up", stage=stage) == 1
        assert value(series, "outcry_stage_restarts_total", stage=stage) == 0
    if which("promtool"):
        lint = subprocess.run(
            ["promtool", "check", "metrics"],
            input=once(file),
            text=True,
            capture_output=True,
            timeout=BOUND_S,
        )
        assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


def once(file):
    command = [sys.executable, "-m", "openoutcry", "venue", "metrics", file, "--once"]
    return warm_outcry.run_command(command, check=True).stdout


def test_an_address_that_is_taken_is_reported(venue):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "openoutcry", "venue", "metrics", "--address", address]
        ended = warm_outcry.run_command(command, timeout=BOUND_S)
    assert ended.returncode == 1
    assert f"cannot serve metrics on {address}: Address already in use" in ended.stderr


PROMETHEUS = """
global: {{scrape_interval: {every}s, evaluation_interval: {every}s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: outcry
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.mark.skipif(which("prometheus") is None, reason="no prometheus")
@pytest.mark.parametrize(
    ("form", "seconds", "every"),
    [
        pytest.param("text", 10, 5, marks=pytest.mark.long),
        ("native", 10, 5),
        pytest.param("native", 600, 5, id="native-10min", marks=pytest.mark.long),
    ],
)
def test_a_real_prometheus_scrapes_it_and_takes_the_rules(venue, tmp_path, form, seconds, every):
    """It scrapes without an error; the rules are loaded and evaluated without one.  With native
    histograms it scrapes by protobuf, and both kinds say the same.  (A scrape may take as long as
    the interval; with one second a busy machine had hardly one in time.)"""

    ours, theirs = free_port(), free_port()
    (tmp_path / "rules.yml").write_text(rule_file())
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS.format(port=ours, every=every))
    metrics = [
        sys.executable,
        "-m",
        "openoutcry",
        "venue",
        "metrics",
        str(venue.folder / "venue.toml"),
        "--address",
        f"127.0.0.1:{ours}",
    ]
    prometheus = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{theirs}",
    ]
    native_too = form == "native"
    prometheus += ["--enable-feature=native-histograms"] * native_too

    def ask(path):
        url = f"http://127.0.0.1:{theirs}/api/v1/{path}"
        return json.load(urllib.request.urlopen(url, timeout=BOUND_S))["data"]

    with (
        warm_outcry.Process(metrics, stderr=subprocess.DEVNULL) as server,
        subprocess.Popen(prometheus, stderr=subprocess.DEVNULL) as peer,
    ):
        try:
            deadline = time.monotonic() + BOUND_S
            count = 0.0
            while count < seconds / every:
                assert time.monotonic() < deadline + 2 * seconds
                time.sleep(0.2)
                try:
                    rows = ask("query?query=sum_over_time(up[20m])")["result"]
                    count = float(rows[0]["value"][1]) if rows else 0.0
                except OSError:
                    continue  # it is not there yet
            (target,) = ask("targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            (row,) = ask("query?query=outcry_commands_total")["result"]
            assert int(row["value"][1]) == len(venue.commands())
            rules = ask("rules")["groups"][0]["rules"]
            assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
            assert not [rule["lastError"] for rule in rules if rule.get("lastError")]
            stage = '{stage="matcher"}'
            classic = values_of(ask, f"outcry_latency_seconds_count{stage}")
            other = values_of(ask, f"histogram_count(outcry_latency_native_seconds{stage})")
            assert classic == [len(venue.commands())]
            assert other == classic * native_too
            median = values_of(
                ask, f"histogram_quantile(0.5, outcry_latency_native_seconds{stage})"
            )
            buckets = f"outcry_latency_seconds_bucket{stage}"
            (rough,) = values_of(ask, f"histogram_quantile(0.5, {buckets})")
            assert all(0.5 * rough <= one <= 2 * rough for one in median)
            if seconds > 100:
                write_evidence(
                    "prometheus",
                    {
                        "seconds": seconds,
                        "scrape_interval_s": every,
                        "form": form,
                        "scrapes_up": count,
                        "scrapes_failed": int(
                            values_of(ask, "count_over_time(up[20m])")[0] - count
                        ),
                        "samples_a_scrape": values_of(ask, "scrape_samples_scraped")[0],
                        "scrape_s_max": values_of(
                            ask, "max_over_time(scrape_duration_seconds[10m])"
                        )[0],
                        "rules": len(rules),
                        "prometheus": ask("status/buildinfo")["version"],
                    },
                    'make test-long ARGS="tests/unit/operations/test_metrics.py"',
                )
        finally:
            for process in (server, peer):
                process.terminate()


def values_of(ask, query):
    """The values of an instant query."""
    rows = ask(f"query?query={urllib.parse.quote(query)}")["result"]
    return [float(one["value"][1]) for one in rows]


def test_a_dead_venue_is_red_and_a_living_one_green_again(tmp_path):
    """SIGKILL of a real venue: it is said once, and its end."""
    venue = ServedVenue(tmp_path, "2026-01-05T10:00:00")
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    watch = Watch(VenueMetrics(read_venue(tmp_path / "venue.toml")).collect)

    def changes():
        return [one for one in watch.poll() if one.alarm.name == "VenueDead"]

    assert changes() == []
    assert watch.lights["VenueDead"] is Light.GREEN
    venue.kill()
    (dead,) = changes()
    assert changes() == []
    assert dead.document()["labels"]["venue"] == "TEST"
    assert dead.line() == (
        "firing: critical: VenueDead: the venue's process died without a clean stop "
        "(state dead, venue TEST)"
    )
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    assert [one.document()["status"] for one in changes()] == ["resolved"]
    assert watch.lights["VenueDead"] is Light.GREEN
    venue.stop()


def test_what_surveillance_has_found_is_exported(tmp_path):
    """Cases by what they are, and an alarm from the first of high severity that is open."""
    from openoutcry.operations.metrics import Families, _surveillance

    def surveillance_families():
        out = Families()
        _surveillance(out, tmp_path, "TEST")
        return out.families

    assert surveillance_families() == {}
    (tmp_path / "surveillance").mkdir()
    path = tmp_path / "surveillance" / "status.json"
    watch = Watch(lambda: surveillance_families().values())
    for status, fires in (("open", True), ("closed", False)):
        rows = [["spoofing", "high", status, 2], ["ramping", "low", "open", 5]]
        path.write_text(json.dumps({"seq": 9, "looked_s": time.time(), "cases": rows}))
        samples = surveillance_families()["outcry_surveillance_cases"].samples
        assert sorted(sample.value for sample in samples) == [2, 5]
        watch.poll()
        assert (watch.lights["SurveillanceCase"] is Light.RED) == fires
