"""Every command of docs/operations.md is run here, against a venue that trades."""

import json
import urllib.request

import pytest

from openoutcry.operations.alarms import ALARMS
from tests.support.order_entry.sessions_venue import HASH
from tests.support.processes import free_port
from tests.support.user_commands import commands, run, started_command
from tests.support.venue.served_venue import ServedVenue
from tests.support.waiting import BOUND_S


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    served_venue = ServedVenue(tmp_path_factory.mktemp("venue"), "2026-01-05T10:00:00")
    served_venue.start()
    served_venue.wait_for_phase("CONTINUOUS")
    yield served_venue
    if served_venue.process.poll() is None:
        served_venue.stop()


def test_the_page_s_commands(venue):
    once, serve, grafana, logs, follow, rules, show, watch = commands("operations.md")[:8]
    assert 'outcry_venue_state{state="open",venue="TEST"} 1.0' in run(once, venue.folder)
    assert "serving" in run(logs, venue.folder)
    assert "serving" in run(f"{follow} --for 0", venue.folder)
    run(grafana, venue.folder)
    assert json.loads((venue.folder / "dashboard.json").read_text())["title"] == "Open Outcry"
    run(rules, venue.folder)
    assert "alert: VenueDead" in (venue.folder / "openoutcry.rules.yml").read_text()
    assert "VenueDead: the venue's process died" in run(f"{show} || true", venue.folder)
    run(f"{watch} --for 1", venue.folder)
    served_page(venue, serve, "/metrics", b"outcry_commands_total")


def test_the_console_s_command(venue):
    """With an operator in the file, whom the running venue need not know yet."""
    (console,) = [line for line in commands("operations.md") if "console" in line]
    file = venue.folder / "venue.toml"
    written = file.read_text()
    file.write_text(f'{written}[[operator]]\nname = "anna"\npassword = "{HASH}"\n')
    served_page(venue, console, "/", b"Open Outcry console")
    file.write_text(written)


def served_page(venue, command, path, holds):
    """The command serves until it is asked to end, and then ends well."""
    address = f"127.0.0.1:{free_port()}"
    with started_command(f"{command} --address {address}", venue.folder) as served:
        try:
            url = served.stderr.readline().strip()
            assert url == f"http://{address}{path}"
            assert holds in urllib.request.urlopen(url, timeout=BOUND_S).read()
        finally:
            served.terminate()
            assert served.wait(BOUND_S) == 0


def test_a_halt_is_red_and_watch_reports_it(venue):
    """A real condition: an instrument is halted; watch says so as a line of JSON."""
    run("outcry venue halt GOLD", venue.folder)
    venue.wait_for(lambda status: "GOLD" in status["risk"].get("halted", ()))
    lines = run("outcry venue alarms watch venue.toml --for 3 --json", venue.folder).splitlines()
    names = [json.loads(line)["labels"]["alertname"] for line in lines]
    shown = run("outcry venue alarms show venue.toml", venue.folder, status=1)
    run("outcry venue resume instrument GOLD", venue.folder)
    assert "InstrumentHalted" in names
    lights = {line[28:].partition(":")[0]: line[:18].strip() for line in shown.splitlines()}
    assert list(lights) == [alarm.name for alarm in ALARMS]
    assert (lights["InstrumentHalted"], lights["VenueDead"]) == ("red", "green")
    assert lights["MatchingSlow"] == "needs Prometheus"


def test_the_commands_of_an_investigation_and_of_fitness(venue):
    take, show, books = [line for line in commands("operations.md") if "outcry venue dump" in line]
    assert run(take, venue.folder).strip() == "venue.dump.json.gz"
    assert "open orders after command" in run(show, venue.folder)
    assert json.loads(run(books, venue.folder))["orders"]["rows"] == []
    (words,) = [line for line in commands("operations.md") if "top --dump" in line]
    assert "ring.events.gate: RingConsumer" in run(words, venue.folder)
    (fitness,) = [line for line in commands("operations.md") if "doctor --venue" in line]
    assert "not fit for production" in run(fitness, venue.folder, status=1)


def test_the_commands_of_a_new_build(venue):
    """The last test of this venue: the canary looks at its whole journal."""
    check, canary, *files = [line for line in commands("operations.md") if "venue deploy" in line]
    assert "every process is of one build" in run(check, venue.folder)
    venue.stop()
    assert "the same as what was recorded" in run(canary, venue.folder)
    assert [run(line, venue.folder).split(":")[0] for line in files] == [
        "units",
        "compose",
        "kubernetes",
    ]
