"""The availability ledger against one that has a row for each second."""

import json
import random
from itertools import pairwise
from threading import Event

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.operations.availability import (
    DOWN,
    EVERY,
    PLANNED,
    UNMEASURED,
    UP,
    AvailabilityError,
    AvailabilityStore,
    Plan,
    Tally,
    days_of,
    month_of,
)
from openoutcry.operations.probes import look_until, read_settings

BEGIN, LENGTH = 1_000, 400
FILE = """
percent = "99.9"
[[probe]]
name = "ouch"
protocol = "ouch-4.2"
address = "127.0.0.1:9001"
session = "PROBE"
password_file = "probe.password"
symbol = "GOLD"
price = "0.01"
[[probe]]
name = "line a"
protocol = "feed"
address = "239.1.1.1:9100"
[[objective]]
function = "matching"
percent = "99.99"
"""


@pytest.fixture
def store(tmp_path):
    with AvailabilityStore(tmp_path / "found.sqlite") as store:
        yield store


def by_second(found, plans):
    """The obvious way: the first look at a second counts, and the first plan."""
    seconds = {}
    for from_s, to_s, cause in found:
        # A look that begins before the last one's end has only what comes after it.
        begin_s = max([from_s, *(second + 1 for second in seconds)])
        seconds |= dict.fromkeys(range(begin_s, to_s), cause)
    states = {}
    for second in range(BEGIN, BEGIN + LENGTH):
        if second not in seconds:
            states[second] = UNMEASURED, ""
        elif not seconds[second]:
            states[second] = UP, ""
        else:
            plan = next((p for p in plans if p.from_s <= second < p.to_s), None)
            cause = f"{plan.reason}: {seconds[second]}" if plan else seconds[second]
            states[second] = (PLANNED if plan else DOWN), cause
    return states


@pytest.mark.parametrize("seed", range(40))
def test_spans_and_months_are_those_of_single_seconds(store, seed):
    draw = random.Random(seed)
    plans = []
    for number in range(draw.randrange(4)):
        from_s = BEGIN + draw.randrange(LENGTH)
        function = draw.choice([EVERY, "a", "b"])
        plan = Plan(number + 1, function, from_s, from_s + draw.randrange(1, 90), f"plan {number}")
        assert store.plan(plan, 0) == number + 1
        plans += [plan] if function != "b" else []
    plans.sort(key=lambda plan: (plan.from_s, plan.number))
    found, at_s = [], BEGIN - 20
    while at_s < BEGIN + LENGTH + 20:
        to_s = at_s + draw.choice([1, 1, 1, 2, 7])
        found.append((at_s, to_s, draw.choice(["", "", "", "no answer", "refused"])))
        at_s = to_s + draw.choice([0, 0, 0, 0, 5, -1])
    for from_s, to_s, cause in found:
        store.keep(from_s, to_s, {"a": cause, "b": ""})

    wanted = by_second(found, plans)
    spans = store.spans("a", BEGIN, BEGIN + LENGTH)
    assert {
        second: (span.state, span.cause)
        for span in spans
        for second in range(span.from_s, span.to_s)
    } == wanted
    assert all(one.to_s == other.from_s for one, other in pairwise(spans))

    days = [(BEGIN + begin, BEGIN + begin + 100) for begin in range(0, LENGTH, 100)]
    month = month_of(store, "a", days, 900_000)
    states = [state for state, _ in wanted.values()]
    assert month.seconds == {
        state: states.count(state) for state in (UP, DOWN, PLANNED, UNMEASURED)
    }
    judged = states.count(UP) + states.count(DOWN)
    assert month.available_ppm == states.count(UP) * 1_000_000 // judged
    assert month.budget_s == LENGTH // 10
    causes = [cause for state, cause in wanted.values() if state == DOWN]
    assert dict(month.causes) == {cause: causes.count(cause) for cause in set(causes)}
    assert sum(span.seconds for span in month.outages) == states.count(DOWN) + states.count(PLANNED)
    tally = Tally({"a": 900_000})
    tally.add("a", spans)
    given = {}
    tally.fill(
        lambda _name, _text, value, **labels: given.update({labels["state"]: value}),
        lambda *_, **__: None,
    )
    assert given == {state: states.count(state) for state in (UP, DOWN, PLANNED)}


def test_a_plan_is_made_before_it_begins(store):
    with pytest.raises(AvailabilityError, match="1970-01-01 00:01:39 is over"):
        store.plan(Plan(0, EVERY, 99, 200, "late"), 100)
    for to_s in (100, 50, 100 + 32 * 86_400):
        with pytest.raises(AvailabilityError, match="is not a second to 2678400 seconds"):
            store.plan(Plan(0, EVERY, 100, to_s, "empty"), 100)
    assert store.plan(Plan(0, EVERY, 100, 101, "a second"), 100) == 1


def test_days_of_a_month_end_now():
    assert days_of("1970-01", 200_000) == [(0, 86_400), (86_400, 172_800), (172_800, 200_000)]
    assert len(days_of("2024-02", 2**40)) == 29
    assert days_of("2025-12", 2**40)[-1][1] - days_of("2025-12", 2**40)[0][0] == 31 * 86_400
    for text, why in (
        ("1970-02", "has not begun"),
        ("2026-13", "is no month"),
        ("", "is no month"),
    ):
        with pytest.raises(AvailabilityError, match=why):
            days_of(text, 200_000)


class Slow:
    """A probe whose looks take the given seconds of a clock that they move."""

    cause = ""

    def __init__(self, seconds, stop):
        self.now_s, self.seconds, self.stop = 10.25, list(seconds), stop

    def look(self):
        self.now_s = max(self.now_s, self.wanted_s) + self.seconds.pop(0)
        if not self.seconds:
            self.stop.set()
        return {"entry": self.cause}

    def close(self):
        self.seconds = None


def test_a_slow_look_counts_for_all_seconds_that_it_took():
    stop, kept = Event(), []
    probe = Slow([0.1, 0.9, 2.5, 0.25], stop)
    probe.wanted_s = 11

    def keep(from_s, to_s, causes):
        kept.append((from_s, to_s, causes))
        probe.wanted_s = to_s

    def clock():
        return max(probe.now_s, probe.wanted_s)

    look_until(stop, probe, keep, clock)
    spans = [(11, 12), (12, 13), (13, 16), (16, 17)]
    assert kept == [(from_s, to_s, {"entry": ""}) for from_s, to_s in spans]
    assert probe.seconds is None


def test_a_cause_is_a_line_whatever_the_host_has_answered():
    """The command prints causes, and pages have them."""
    stop, kept = Event(), []
    probe = Slow([0.1], stop)
    probe.wanted_s, probe.cause = 11, "no\x1b[2J\nmatching: up"
    look_until(stop, probe, lambda *row: kept.append(row), lambda: probe.wanted_s)
    assert kept == [(11, 12, {"entry": "no\\x1b[2J\\nmatching: up"})]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('"ouch-4.2"', '"ouch-9"', "protocol: 'ouch-9' is not one of ouch-4.2, ouch-5.0"),
        ('address = "127.0.0.1:9001"\n', "", r"probe\[1\].address: is missing"),
        ('address = "239.1.1.1:9100"\n', "", r"probe\[2\].address: is missing"),
        ('"99.9"', '"100.1"', "percent: '100.1' is not a share of the time in percent"),
        ('"99.99"', '"99.99999"', "with at most 4 decimals"),
        ('"99.99"', '"NaN"', "is not a share of the time"),
        ('function = "matching"', 'function = "matchin"', "no probe looks at 'matchin'"),
        ('price = "0.01"', 'price = "cheap"', "'cheap' is not a price"),
        ('name = "line a"', 'name = "ouch"\nsymbl = ""', "symbl: unknown key"),
        ('"239.1.1.1:9100"', '"239.1.1.1"', "is not HOST:PORT"),
        ("[[probe]]", "[probe]", "line"),
    ],
)
def test_mistakes_of_the_file_are_named(tmp_path, old, new, mistake):
    path = tmp_path / "availability.toml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(AvailabilityError, match=mistake):
        read_settings(path)


def test_two_probes_of_one_name_are_refused(tmp_path):
    path = tmp_path / "availability.toml"
    path.write_text(FILE.replace("line a", "ouch").replace('"feed"', '"ouch-5.0"'))
    with pytest.raises(AvailabilityError, match="is missing"):
        read_settings(path)
    twice = FILE[FILE.index("[[probe]]") : FILE.index('[[probe]]\nname = "line a"')]
    path.write_text(FILE + twice)
    with pytest.raises(AvailabilityError, match="function 'entry ouch' already exists"):
        read_settings(path)


def test_functions_have_their_objectives_and_secrets_are_private(tmp_path):
    path = tmp_path / "availability.toml"
    path.write_text(FILE)
    settings = read_settings(path)
    wanted = {"entry ouch": 999_000, "matching": 999_900, "feed line a": 999_000}
    assert settings.functions() == wanted
    secret = tmp_path / "probe.password"
    with pytest.raises(AvailabilityError, match=r"probe\.password: No such file"):
        settings.open()
    secret.write_text("secret\n")
    secret.chmod(0o644)
    with pytest.raises(AvailabilityError, match="other users may read it"):
        settings.open()
    secret.chmod(0o600)
    assert [probe.secret for probe in settings.open()] == ["secret", ""]


def test_a_month_is_shown_as_lines_json_and_a_page(tmp_path):
    path, page = tmp_path / "availability.toml", tmp_path / "page.html"
    path.write_text(FILE)
    begin_s, month = 1_767_225_600, ("--month", "2026-01")
    with AvailabilityStore(tmp_path / "availability.sqlite") as store:
        found = {"matching": "<no answer>", "entry ouch": "", "old": "gone"}
        store.keep(begin_s, begin_s + 1, found)

    def show(*options):
        return CliRunner().invoke(
            main, ["venue", "availability", "show", str(path), *month, *options]
        )

    done = show("--page", str(page))
    assert done.exit_code == 0, done.output
    assert "0.0000 % of 99.9900 %, down 1 s of a budget of 267 s, planned 0 s" in done.output
    assert "1 s: <no answer>" in done.output
    text = page.read_text()
    assert "&lt;no answer&gt;" in text
    assert "<no answer>" not in text
    rows = json.loads(show("--json").output)["functions"]
    assert [row["function"] for row in rows] == ["entry ouch", "matching", "feed line a", "old"]
    assert [row["available_ppm"] for row in rows] == [1_000_000, 0, None, 0]
    with AvailabilityStore(tmp_path / "availability.sqlite") as store:
        store.keep(begin_s + 1, begin_s + 268, {"matching": "<no answer>"})
    assert show().exit_code == 1
    assert "2999-01 has not begun" in show("--month", "2999-01").output


def test_the_command_plans(tmp_path):
    path = tmp_path / "availability.toml"
    path.write_text(FILE)

    def plan(*options):
        whole = ["venue", "availability", "plan", str(path), "--reason", "release", *options]
        return CliRunner().invoke(main, whole)

    done = plan("--from", "2999-01-01T00:00", "--to", "2999-01-01T00:10")
    assert done.output == ("plan 1: all, 2999-01-01 00:00:00 to 2999-01-01 00:10:00: release\n"), (
        done.output
    )
    late = plan("--from", "2020-01-01T00:00", "--to", "2020-01-01T00:10")
    assert late.exit_code == 1
    assert "2020-01-01 00:00:00 is over" in late.output
    other = plan("--from", "2999-01-01T00:00", "--to", "2999-01-01T00:10", "--function", "x")
    assert "no probe looks at 'x': entry ouch, matching, feed line a" in other.output
