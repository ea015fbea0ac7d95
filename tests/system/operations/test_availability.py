"""Probes at a venue that runs, dies and comes back: what a customer sees is what is kept."""

import json
import re
import subprocess

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.operations.availability import AvailabilityStore
from openoutcry.operations.probes import read_settings
from openoutcry.order_entry.spec import Protocol
from tests.support import plain_http
from tests.support.order_entry.sessions_venue import PASSWORD, Venue
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.waiting import BOUND_S, wait_until

KINDS = {"OUCH42": "ouch-4.2", "OUCH50": "ouch-5.0", "FIX44": "fix-4.4", "FIX42": "fix-4.2"}
PROBE = """
[[probe]]
name = "{name}"
protocol = "{protocol}"
address = "127.0.0.1:{port}"
session = "{name}"
password_file = "password"
symbol = "ACME"
price = "0.01"
timeout_ms = 60000
"""
FEED = """
[[probe]]
name = "a"
protocol = "feed"
address = "239.193.96.1:{port}"
interface = "127.0.0.1"
timeout_ms = 2000
"""


@pytest.fixture
def venue(tmp_path):
    rows = [
        {"name": name, "participant": number, "protocol": int(Protocol[name])}
        for number, name in enumerate(KINDS, 1)
    ]
    feed = {"a": ["239.193.96.1", free_port()], "interface": "127.0.0.1", "ttl": 0}
    with Venue(rows, tmp_path / "journal", feed=feed) as venue:
        text = "".join(
            PROBE.format(name=name, protocol=protocol, port=venue.ports[name])
            for name, protocol in KINDS.items()
        )
        (tmp_path / "availability.toml").write_text(text + FEED.format(port=feed["a"][1]))
        (tmp_path / "password").write_text(PASSWORD)
        (tmp_path / "password").chmod(0o600)
        yield venue


def test_what_customers_see_of_a_death_is_kept(venue, tmp_path):
    settings = read_settings(tmp_path / "availability.toml")
    probes = settings.open()
    entries = [f"entry {name}" for name in KINDS]
    assert list(settings.functions()) == [entries[0], "matching", *entries[1:], "feed a"]

    def looked():
        return {name: cause for probe in probes for name, cause in probe.look().items()}

    up = dict.fromkeys(settings.functions(), "")
    # A second look is by the same sessions.
    assert [looked(), looked()] == [up, up]
    venue.kill()
    found = looked()
    assert "matching" not in found, "nobody could look at it"
    assert all(found[name] for name in (*entries, "feed a")), found
    assert "no packet in 2 s" in found["feed a"]
    assert all(looked()[name] for name in entries), "nothing listens"

    venue.start()
    wait_until(lambda: looked() == up, "everything is up again")
    for probe in probes:
        probe.close()
    venue.stop()


def test_the_command_keeps_what_it_finds(venue, tmp_path):
    """It says each change, serves it to Prometheus, and ends in order; the report has the rest."""
    command = [*OUTCRY, "venue", "availability", "watch", "availability.toml"]
    watch = warm_outcry.Process(
        [*command, "--listen=127.0.0.1:0"],
        cwd=tmp_path,
        stdout=(tmp_path / "said").open("w"),
        stderr=subprocess.PIPE,
        text=True,
    )
    url = watch.stderr.readline().strip()
    said = (tmp_path / "said").read_text
    functions = list(read_settings(tmp_path / "availability.toml").functions())

    def metrics():
        text = plain_http.get(url).text
        return dict(re.findall(r'^outcry_probe_up{function="([^"]+)"} (\S+)', text, re.MULTILINE))

    wait_until(lambda: metrics() == dict.fromkeys(functions, "1.0"), "all are up")
    venue.kill()
    entries = [name for name in functions if name.startswith("entry")]
    wait_until(lambda: {metrics()[name] for name in entries} == {"0.0"}, "the doors are down")
    assert f"{entries[0]}: up\n" in said()
    watch.terminate()
    assert watch.wait(BOUND_S) == 0
    watch.stderr.close()
    assert re.search(f"^{entries[0]}: .*(closed|refused|lost|silent)", said(), re.MULTILINE), said()
    month = CliRunner().invoke(
        main, ["venue", "availability", "show", str(tmp_path / "availability.toml"), "--json"]
    )
    rows = {row["function"]: row["seconds"] for row in json.loads(month.output)["functions"]}
    assert all(rows[name]["up"] and rows[name]["down"] for name in entries), rows
    venue.start()  # what a killed venue leaves, the next one takes away
    venue.client("OUCH42").socket.close()
    venue.stop()


def test_a_door_that_answers_and_a_core_that_does_not_are_told_apart(venue, tmp_path):
    """An order that is refused: the door is up, and matching says why."""
    path = tmp_path / "availability.toml"
    path.write_text(path.read_text().replace('"ACME"', '"NONE"'))
    probes = read_settings(path).open()
    found = {name: cause for probe in probes for name, cause in probe.look().items()}
    refused = found.pop("matching")
    assert refused == "an order was refused: no such instrument"
    assert set(found.values()) == {""}
    with AvailabilityStore(tmp_path / "kept.sqlite") as store:
        store.keep(100, 101, {"matching": refused})
        assert [span.cause for span in store.spans("matching", 100, 101)] == [refused]
    for probe in probes:
        probe.close()
    venue.stop()
