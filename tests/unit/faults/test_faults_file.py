"""A faults file is read strictly, and its rules depend on a session's messages alone."""

import itertools
import random
import re

import pytest

from openoutcry.faults.script import (
    ACTIONS,
    HEAD,
    MATCH,
    FaultsFileError,
    Message,
    Place,
    Rule,
    delay_s,
    read_script,
)
from tests import ROOT

START = "[faults]\nseed = 7\n"


def read(folder, *rules, head=START):
    """The script of a file with these rows."""
    path = folder / "faults.toml"
    path.write_text(head + "".join(f"[[fault]]\n{rule}\n" for rule in rules))
    return read_script(path)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('do = "explode"', "line 4: fault[1].do: 'explode' is not one of delay, drop"),
        ('port = "portal"', "line 3: fault[1].do: is missing"),
        ("do = [1]", "fault[1].do: [1] is not one of"),
        ('do = "drop"', "fault[1].direction: is missing: to_venue or to_client"),
        ('do = "drop"\ndirecton = "to_venue"', "unknown key; is direction meant?"),
        ('do = "drop"\ndirection = "up"', "direction: 'up' is not one of to_venue, to_client"),
        ('do = "delay"\ndirection = "to_client"', "fault[1].delay_ms: is missing"),
        (
            'do = "delay"\ndirection = "to_client"\ndelay_ms = 9\ndistribution = "uniform"',
            "fault[1].max_ms: is missing, or less than delay_ms",
        ),
        ('do = "reject"\nreason = "H"', "fault[1].port: is missing: a reason is one of a protocol"),
        ('do = "reject"\nport = "ouch-4.2"\nreason = "!"', "reason: '!' is not one of C, D, H"),
        ('do = "reject"\nport = "ouch-5.0"\nreason = "99"', "reason: 99 is not one of 2, 3"),
        ('do = "reject"\nport = "fix-4.4"\nreason = "x"', "reason: 'x' is not a number"),
        ('do = "reject"\nport = "portal"\nreason = "1"', "port: reject applies only to ouch-4.2"),
        (
            'do = "reject"\nport = "fix-4.4"\nreason = "1"\nmessage = "D"',
            "message: reject is about",
        ),
        ('do = "fill"\nquantity = 1', "counterparty.session: is missing: a rule fills orders"),
        ('do = "fill"\nquantity = 0', "quantity: 0 is not 1 to 4294967295"),
        (
            'do = "clock"\nby_s = 1\ndirection = "to_venue"',
            "direction: clock applies only to_client",
        ),
        ('do = "status"\nstatus = 200\ndirection = "to_venue"', "status: 200 is not 400 to 599"),
        ('do = "drop"\nat_s = 1', "at_s: applies only to halt, resume, auction, and disconnect"),
        (
            'do = "halt"\ninstrument = "X"\nat_s = 1\nnth = 2',
            "nth: is about a message, and a rule with at_s has none",
        ),
        ('do = "disconnect"\nport = "portal"\nat_s = 1', "at_s: applies only to halt"),
        (
            'do = "drop"\ndirection = "to_client"\nport = "portal"\nsession = "A"',
            "session: a portal has none; leave it out",
        ),
        (
            'do = "drop"\ndirection = "to_client"\nfrom_s = 5\nuntil_s = 5',
            "until_s: is not after from_s",
        ),
        ('do = "drop"\ndirection = "to_client"\nchance_percent = 101', "101 is not 1 to 100"),
        ('do = "drop"\ndirection = "to_client"\nmessage = [1]', "message: must be a text"),
    ],
)
def test_a_mistake_is_named_by_row_and_key(tmp_path, rule, said):
    with pytest.raises(FaultsFileError) as refused:
        read(tmp_path, rule)
    assert said in str(refused.value)


def test_a_file_has_a_seed_and_rules(tmp_path):
    with pytest.raises(FaultsFileError, match=r"faults\.seed: is missing"):
        read(tmp_path, 'do = "drop"\ndirection = "to_client"', head="")
    with pytest.raises(FaultsFileError, match=r"there is no rule, \[\[fault\]\]"):
        read(tmp_path)
    with pytest.raises(FaultsFileError, match="unknown key; is fault meant"):
        read(tmp_path, head=f"{START}[[faut]]\n")
    with pytest.raises(FaultsFileError, match="must be an array of tables"):
        read(tmp_path, head=f"{START}[fault]\n")


def draws(script, messages):
    """The rules that are applied to each message, with their delays, by session."""
    found = {}
    for message in messages:
        hits = [
            (rule.number, delay_s(rule, place.random) if rule.do == "delay" else 0)
            for rule, place in script.hits(message)
        ]
        found.setdefault(message.session, []).append(hits)
    return found


def test_faults_of_a_session_do_not_depend_on_other_sessions(tmp_path):
    rules = (
        'do = "drop"\ndirection = "to_client"\nchance_percent = 30',
        'do = "delay"\ndirection = "to_client"\ndelay_ms = 5\nmax_ms = 50\n'
        'distribution = "exponential"\nevery = 3\ntimes = 9',
    )
    one = [Message("ouch-4.2", "to_client", "ONE", "accepted") for _ in range(200)]
    two = [Message("ouch-4.2", "to_client", "TWO", "accepted") for _ in range(200)]
    alone = draws(read(tmp_path, *rules), one)
    in_turns = draws(read(tmp_path, *rules), itertools.chain(*zip(one, two, strict=True)))
    assert in_turns["ONE"] == alone["ONE"]
    assert in_turns["TWO"] != alone["ONE"], "each session has its own"
    hits = [hit for hits in alone["ONE"] for hit in hits]
    assert 30 < sum(number == 1 for number, _ in hits) < 90
    delays = [wait_s for number, wait_s in hits if number == 2]
    assert len(delays) == 9
    assert all(0 <= wait_s <= 0.05 for wait_s in delays)
    seed = draws(read(tmp_path, *rules, head=START.replace("7", "8")), one)
    assert seed != alone


def values(**given):
    """A rule's values, where most are not given."""
    usual = {"port": "", "direction": "to_client", "message": (), "symbol": "", "session": ""}
    usual |= {"from_s": None, "until_s": None, "at_s": None}
    return usual | {"nth": 0, "every": 0, "chance_percent": 100, "times": 0} | given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"nth": 2}, [2]),
        ({"every": 2}, [2, 4, 6]),
        ({"times": 2}, [1, 2]),
        ({"every": 2, "times": 2}, [2, 4]),
    ],
)
def test_which_of_the_messages_a_rule_takes(given, expected):
    rule = Rule(1, "drop", values(**given))
    place = Place(1, rule, "")
    assert [number for number in range(1, 7) if place.hits(rule)] == expected


@pytest.mark.parametrize(
    ("given", "is_match"),
    [
        ({}, True),
        ({"port": "fix-4.4"}, False),
        ({"direction": "to_venue"}, False),
        ({"message": ("8",)}, True),
        ({"message": ("8:0", "j")}, True),
        ({"message": ("8:8",)}, False),
        ({"symbol": "GOLD", "session": "ONE"}, True),
        ({"symbol": "TIN"}, False),
        ({"session": "TWO"}, False),
        ({"from_s": 5}, True),
        ({"from_s": 6}, False),
        ({"until_s": 6}, True),
        ({"until_s": 5}, False),
        ({"at_s": 5}, False),
    ],
)
def test_what_a_rule_is_about(given, is_match):
    message = Message("fix-4.2", "to_client", "ONE", "8:0", "GOLD")
    assert Rule(1, "drop", values(**given)).matches(message, 5.0) == is_match


def test_the_session_layer_is_left_alone_unless_it_is_named():
    login = Message("fix-4.4", "to_client", "ONE", "A", is_order_entry=False)
    assert not Rule(1, "drop", values()).matches(login, 1.0)
    assert Rule(1, "drop", values(message=("A",))).matches(login, 1.0)


def test_every_distribution_keeps_its_bounds():
    drawn = random.Random(1)
    for distribution, low, high in (("fixed", 20, 20), ("uniform", 20, 90), ("exponential", 0, 90)):
        rule = Rule(1, "delay", {"delay_ms": 20, "max_ms": 90, "distribution": distribution})
        waits = [delay_s(rule, drawn) * 1000 for _ in range(300)]
        assert all(low - 1e-9 <= wait <= high + 1e-9 for wait in waits)
        assert (len(set(waits)) == 1) == (distribution == "fixed")
    assert {action for action, row in ACTIONS.items() if "delay_ms" in row.keys} == {"delay"}


def test_the_page_has_every_key_and_its_examples_are_read(tmp_path):
    page = (ROOT / "docs" / "test-venue.md").read_text()
    keys = {*MATCH, *HEAD, *(key for action in ACTIONS.values() for key in action.keys)}
    assert {key for key in keys if f"`{key}`" not in page} == set()
    table = page.partition("## What it does")[2]
    rows = {line.split("|")[1]: line for line in table.splitlines() if line.startswith("| `")}
    for name, action in ACTIONS.items():
        (row,) = (row for first, row in rows.items() if f"`{name}`" in first)
        assert all(f"`{key}`" in row for key in action.keys), name
    example, counterparty = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "faults.toml").write_text(example + counterparty)
    assert [rule.do for rule in read_script(tmp_path / "faults.toml").rules] == [
        *("drop", "delay", "reject", "disconnect", "status"),
    ]
