"""What the rules make of a withdrawal: automatic below, people above."""

import pytest

from openoutcry.custody.risk_score import DAY_NS, NEW_NS, Rules, read_rules, score
from openoutcry.custody.store import Store, now_ns
from openoutcry.wire.errors import OutcryError

OLD, NEW = "an address of last month", "an address of yesterday"
PHONE, LAPTOP = "phone", "laptop"


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        for address, age_ns in ((OLD, 4 * NEW_NS), (NEW, DAY_NS)):
            row = {"chain": "LTC", "participant": 7, "address": address, "label": ""}
            added = now_ns() - age_ns
            made.insert("whitelist", **row, added_ns=added, usable_ns=added + DAY_NS)
        yield made


def withdrawn(store, number, units, state="done", age_ns=2 * DAY_NS):
    text = {"chain": "LTC", "asset": "LTC", "address": OLD, "salt": str(number), "why": ""}
    terms = {"participant": 7, "amount": str(units), "units": units, "score": 0}
    at = now_ns() - age_ns
    times = {"asked_ns": at, "changed_ns": at}
    store.insert("withdrawals", reference=f"wd{number}", state=state, **text, **terms, **times)


def points(store, address, units, device=PHONE):
    return score(store, Rules(), (7, "LTC", "LTC", address, units), device)


@pytest.mark.promise(
    "By the default rules a first withdrawal is automatic, and so is the next like it. What is out "
    "of proportion to the past, from another device to a new address, waits for two people",
    group="custody",
)
def test_what_is_usual_is_automatic_and_what_is_not_waits_for_people(store):
    hold = Rules().hold_at
    assert points(store, OLD, 100) == (10, ["the first withdrawal of this asset"])
    first = ["the first withdrawal of this asset", "a new address"]
    assert points(store, NEW, 100) == (30, first)
    withdrawn(store, 1, 100)
    assert points(store, OLD, 400) == (0, [])
    assert points(store, NEW, 501)[0] == 50 >= hold, "six times the past, to a new address"
    assert points(store, OLD, 400, LAPTOP) == (25, ["a new device"])
    assert points(store, OLD, 400, LAPTOP) == (0, []), "a device is new once"
    assert points(store, NEW, 501, "a thief's")[0] == 75


def test_many_within_a_day_wait_for_people(store):
    for number in range(Rules().many_a_day):
        withdrawn(store, number, 100, age_ns=DAY_NS // 2)
    assert points(store, OLD, 100) == (30, ["5 within 24 hours"])
    assert points(store, NEW, 100)[0] >= Rules().hold_at


def test_a_withdrawal_that_was_refused_is_no_past(store):
    withdrawn(store, 1, 10**9, "refused")
    assert points(store, OLD, 100) == (10, ["the first withdrawal of this asset"])


def test_rules_come_from_a_file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[score]\nhold_at = 60\nmany = 0\n")
    assert read_rules(path) == Rules(hold_at=60, many=0)
    assert read_rules(None) == Rules()
    for text in ("[score]\nhold = 1\n", "[score]\nhold_at = -1\n", "[rules]\n"):
        path.write_text(text)
        with pytest.raises(OutcryError):
            read_rules(path)
