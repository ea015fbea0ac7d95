"""Who is told of an incident and when, against a slow model; mistakes of the file; the commands."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.operations.alarms import ALARMS
from openoutcry.operations.incidents import (
    AGAIN_MS,
    MONDAY_MS,
    WEEK_MS,
    Desk,
    IncidentError,
    IncidentStore,
    read_settings,
    record_lines,
)
from openoutcry.operations.pager import Pager
from openoutcry.operations.watch import Red

FILE = """
venue = "venue.toml"

[mail]
server = "127.0.0.1:25"
from = "venue@example.org"
tls = "never"

[webhook]
secret_file = "hook.secret"

[[person]]
name = "anna"
mail = "anna@example.org"
webhook = "https://hooks.example.org/anna"

[[person]]
name = "ben"
mail = "ben@example.org"

[[person]]
name = "chief"
mail = "chief@example.org"

[[level]]
repeat_s = 60
rota = ["anna", "ben"]

[[level]]
after_s = 150
repeat_s = 100
people = ["chief"]
rota = ["ben", "anna"]

[[outsiders]]
name = "authority"
mails = ["desk@authority.example"]
alarms = ["EmergencyClose"]
"""
BY_NAME = {alarm.name: alarm for alarm in ALARMS}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "incidents.toml"
    file.write_text(FILE)
    return file


class Out:
    """Keeps what was sent; ``fails`` are recipients that cannot be reached."""

    def __init__(self):
        self.sent, self.fails = [], set()

    def tell(self, person, message, subject, said):
        for way in ("mail", "webhook"):
            if getattr(person, way):
                self.sent.append((self.now_ms, person.name, way, message))
                yield way, "unreachable" if person.name in self.fails else ""

    def tell_outsiders(self, outsiders, message, subject, said):
        self.sent.append((self.now_ms, outsiders.name, "", message))
        return "unreachable" if outsiders.name in self.fails else ""


def red(name, **labels):
    return Red(BY_NAME[name], frozenset(labels.items()), 0.0, 1.0)


def wanted_of(settings, opened_ms, until_ms, number):
    """The obvious way: walk the time a look at a time, each level with a date of its next round."""
    wanted, turns = [], {}
    due = {n: opened_ms + 1_000 * level.after_s for n, level in enumerate(settings.levels, 1)}
    for now_ms in range(opened_ms, until_ms, 5_000):
        for n, level in enumerate(settings.levels, 1):
            if now_ms < due[n]:
                continue
            due[n] = now_ms + 1_000 * level.repeat_s
            turns[n] = turns.get(n, 0) + 1
            week = (now_ms - MONDAY_MS) // WEEK_MS
            names = [*level.people, level.rota[week % 2]]
            for name in dict.fromkeys(names):
                ways = ["mail", "webhook"] if name == "anna" else ["mail"]
                wanted += [(now_ms, name, way, f"{number}.{n}.{turns[n]}.{name}") for way in ways]
    return wanted


@pytest.mark.parametrize("seed", range(12))
def test_people_are_told_by_level_and_rota_until_one_acknowledges(path, seed):
    """Across a change of the week, and with the desk begun again at any look."""
    draw, settings, out = random.Random(seed), read_settings(path), Out()
    out.fails = draw.choice([set(), {"anna"}, {"chief"}])
    begin_ms = MONDAY_MS + 100 * WEEK_MS - 5_000 * draw.randrange(80)
    acknowledged_ms = begin_ms + 5_000 * draw.randrange(1, 120)
    store = IncidentStore(settings.store)
    firing = [red("VenueDead", venue="TEST")]
    for out.now_ms in range(begin_ms, begin_ms + 600_000, 5_000):
        if out.now_ms == acknowledged_ms:
            store.acknowledge(1, out.now_ms, "ben", "")
        Desk(settings, store, out.tell, out.tell_outsiders).look(firing, out.now_ms)
        if draw.random() < 0.1:
            store.close()
            store = IncidentStore(settings.store)
    assert out.sent == wanted_of(settings, begin_ms, acknowledged_ms, 1)
    (row,) = store.incidents()
    assert row["subject"] == "VenueDead (venue TEST)"
    assert row["acknowledged_ms"] == acknowledged_ms
    failures = [entry["text"] for entry in store.entries(1) if "could not" in entry["text"]]
    assert bool(failures) == any(name in out.fails for _, name, _, _ in out.sent)
    store.close()


def test_an_incident_is_closed_once_its_alarm_is_over(path):
    """The alarm that begins again belongs to the incident that is open; a closed one is over."""
    settings, out = read_settings(path), Out()
    with IncidentStore(settings.store) as store:
        desk = Desk(settings, store, out.tell, out.tell_outsiders)
        for out.now_ms, firing in ((0, True), (1, False), (2, True)):
            desk.look([red("VenueDead")] if firing else [], out.now_ms)
        with pytest.raises(IncidentError, match="its alarm still fires"):
            store.end(1, 3, "anna", "power", "a second supply")
        desk.look([red("LedgerDiscrepancy")], 4)
        store.end(1, 5, "anna", "power", "a second supply")
        with pytest.raises(IncidentError, match="incident 1 is closed"):
            store.acknowledge(1, 6, "anna", "")
        desk.look([red("VenueDead"), red("LedgerDiscrepancy")], 7)
        subjects = [(row["number"], row["subject"]) for row in store.incidents()]
        assert subjects == [(3, "VenueDead"), (2, "LedgerDiscrepancy"), (1, "VenueDead")]
        said = [entry["text"] for entry in store.entries(1)]
        assert said[0].startswith("opened: ")
        assert said.count("the alarm fires again") == 1
        assert said.count("the alarm's condition has ended") == 2
        assert said[-1] == "closed: power; actions: a second supply"
        with pytest.raises(IncidentError, match="there is no incident 9"):
            store.note(9, 8, "anna", "x")
        # An alarm that opens none.
        desk.look([red("InstrumentHalted"), red("VenueDead"), red("LedgerDiscrepancy")], 9)
        assert len(store.incidents()) == 3


def test_those_outside_get_the_opening_and_the_record_once(path):
    settings, out = read_settings(path), Out()
    with IncidentStore(settings.store) as store:
        desk = Desk(settings, store, out.tell, out.tell_outsiders)

        def outside(now_ms, firing=True):
            out.now_ms, out.sent = now_ms, []
            desk.look([red("EmergencyClose")] if firing else [], now_ms)
            return [row[3] for row in out.sent if row[1] == "authority"]

        out.fails = {"authority"}
        assert outside(1) == ["1.0.1.authority"]
        assert outside(AGAIN_MS) == []
        out.fails = set()
        assert outside(AGAIN_MS + 1) == ["1.0.1.authority"]
        assert outside(2 * AGAIN_MS) == outside(3 * AGAIN_MS, firing=False) == []
        store.end(1, 4 * AGAIN_MS, "anna", "a drill", "none")
        assert outside(5 * AGAIN_MS, firing=False) == ["1.0.2.authority"]
        assert outside(6 * AGAIN_MS, firing=False) == []


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('people = ["chief"]', 'people = ["chef"]', "there is no person 'chef'"),
        ('"EmergencyClose"', '"EmergencyClosed"', "there is no alarm 'EmergencyClosed'"),
        ('mail = "ben@example.org"', "", "has neither mail nor webhook nor phone"),
        ('mail = "ben@example.org"', 'phone = "+43"', r"phone: is not used: \[sms\] is missing"),
        ('rota = ["anna", "ben"]', "", "has neither people nor a rota"),
        ("repeat_s = 60", "repeat_s = 1", "1 is not 10 to"),
        ('name = "ben"', 'name = "anna"', "name 'anna' already exists"),
        ('venue = "venue.toml"', "", "venue: is missing"),
        ('tls = "never"', 'tls = "no"', "'no' is not one of never, starttls, always"),
    ],
)
def test_mistakes_of_the_file_are_named(path, old, new, mistake):
    path.write_text(FILE.replace(old, new))
    with pytest.raises(IncidentError, match=mistake):
        read_settings(path)


def test_secrets_are_private_and_keys_are_keys(path):
    settings = read_settings(path)
    with pytest.raises(IncidentError, match=r"hook\.secret: No such file"):
        Pager(settings)
    secret = path.with_name("hook.secret")
    secret.write_text("secret")
    secret.chmod(0o644)
    with pytest.raises(IncidentError, match="other users may read it"):
        Pager(settings)
    secret.chmod(0o600)
    Pager(settings)
    path.write_text(FILE + 'key_file = "hook.secret"\n')
    with pytest.raises(IncidentError, match=r"hook\.secret: not a key of 64 hexadecimal digits"):
        Pager(read_settings(path))
    path.write_text(FILE.replace("127.0.0.1:25", "127.0.0.1"))
    with pytest.raises(IncidentError, match=r"'127\.0\.0\.1' is not HOST:PORT"):
        Pager(read_settings(path))


def run(*arguments):
    whole = ["venue", "incidents", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(main, whole)


@pytest.mark.parametrize("between", ["\n", "\r", "\v", "\u2028", "\x1b[2K", "\u202e"])
def test_no_text_of_a_record_looks_like_an_entry_of_others(path, between):
    """A record is signed and mailed: a text that goes on in a new line would say what others
    did."""
    forged = f"x{between}1970-01-01 00:00:09  ben: stopped the venue"
    with IncidentStore(read_settings(path).store) as store:
        number = store.open("VenueDead", "critical", "dead", 0)
        store.acknowledge(number, 1, "anna", forged)
        store.note(number, 2, forged, forged)
        store.condition(number, 3, holds=False)
        store.end(number, 4, "anna", forged, forged)
        log = [{"at_ms": 5, "who": "log info", "text": forged}]
        lines = list(record_lines(store, number, log))
        # Six lines of the incident, cause and actions, and an entry each.
        assert len(lines) == 6 + 2 + 5 + len(log)
        assert not any(one.startswith("1970-01-01 00:00:09") for one in lines)
        assert all(one.isprintable() for one in lines)
        assert Desk(read_settings(path), store, None, None).record(number).count("\n") == 12
        with pytest.raises(IncidentError, match="a name has 1 to 80 characters"):
            store.note(number, 6, "anna" * 21, "x")


def test_an_incident_is_handled_by_commands(path):
    none = run("list", path)
    assert none.exit_code == 1
    assert "no incident was ever opened" in none.output
    with IncidentStore(Path(path).with_name("incidents.sqlite")) as store:
        store.open("VenueDead", "critical", "the venue is dead", 1_000)
    assert run("acknowledge", path, 1, "--by", "anna", "--note", "on it").exit_code == 0
    assert run("note", path, 1, "--by", "anna", "--text", "restarted").exit_code == 0
    early = run("close", path, 1, "--by", "anna", "--cause", "power", "--actions", "none")
    assert early.exit_code == 1
    assert "its alarm still fires (VenueDead)" in early.output
    with IncidentStore(Path(path).with_name("incidents.sqlite")) as store:
        store.condition(1, 2_000, holds=False)
    assert run("close", path, 1, "--cause", "power", "--actions", "none").exit_code == 0
    (row,) = json.loads(run("list", path, "--json").output)
    assert (row["cause"], row["actions"], row["severity"]) == ("power", "none", "critical")
    assert "closed" in run("list", path).output
    assert run("list", path, "--open").output == ""
    assert "there is no incident 2" in run("note", path, 2, "--text", "x").output
