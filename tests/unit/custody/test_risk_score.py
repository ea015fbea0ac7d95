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


def withdrawn(store, number, units, state="done", age_ns=2 * DAY_NS, **more):
    text = {"chain": "LTC", "asset": "LTC", "address": OLD, "salt": str(number), "why": ""}
    terms = {"participant": 7, "amount": str(units), "units": units, "score": 0}
    at = now_ns() - age_ns
    times = {"asked_ns": at, "changed_ns": at}
    asker = {"device": more.pop("device", PHONE), "disputed_ns": more.pop("disputed_ns", None)}
    text |= more
    store.insert("withdrawals", reference=f"wd{number}", state=state, **text, **terms, **times)
    store.insert("askers", reference=f"wd{number}", changes="", **asker)


def points(store, address, units, device=PHONE, asset="LTC"):
    return score(store, Rules(), (7, asset, "LTC", address, units), device)


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
    assert points(store, OLD, 400, LAPTOP)[0] == 25, "asking has taught nothing"
    assert points(store, OLD, 400, "")[0] == 25, "who names no device has no known one"
    assert points(store, NEW, 501, "a thief's")[0] == 75
    withdrawn(store, 2, 100, device=LAPTOP)
    assert points(store, OLD, 400, LAPTOP) == (0, []), "one that has arrived has"


def test_many_within_a_day_wait_for_people(store):
    for number in range(Rules().many_a_day):
        withdrawn(store, number, 100, age_ns=DAY_NS // 2)
    assert points(store, OLD, 100) == (30, ["5 within 24 hours"])
    assert points(store, NEW, 100)[0] >= Rules().hold_at


UNDER_WAY = ("asked", "requested", "held", "approved", "sent")
ATTEMPTS = ("refused", "cancelled", "failed")
INPUTS = {
    "address": {"address": NEW},
    "device": {"device": "a thief's"},
    "amount": {"units": 10**9},
    "asset": {"asset": "DOGE"},
    "velocity": {},
}


@pytest.mark.promise(
    "Only withdrawals that have arrived and are not disputed lower the score of a later one. One "
    "that is under way teaches nothing, and one that was refused, cancelled, returned or disputed "
    "raises it, for every input of the score",
    group="custody",
)
@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("state", [*UNDER_WAY, *ATTEMPTS, "disputed"])
def test_an_attempt_teaches_the_score_nothing(store, state, given):
    withdrawn(store, 1, 100)
    terms = {"address": OLD, "units": 100} | given
    before, why = points(store, **terms)
    known = {name: terms[name] for name in ("device", "address") if name in terms}
    is_disputed = {"disputed_ns": now_ns()} if state == "disputed" else {}
    kind = "done" if state == "disputed" else state
    for number in range(2, 6):
        asked = {"asset": terms.get("asset", "LTC")} | known | is_disputed
        withdrawn(store, number, terms["units"], kind, **asked)
        again, told = points(store, **terms)
        assert set(why) <= set(told)
        if state in UNDER_WAY:
            assert again == before
        else:
            assert again == before + 30 * (number - 1), "each attempt raises it"


def test_a_withdrawal_under_way_and_an_attempt_count_for_velocity(store):
    for number, state in enumerate((*UNDER_WAY, *ATTEMPTS)):
        withdrawn(store, number, 100, state, age_ns=DAY_NS // 2)
    assert "8 within 24 hours" in points(store, OLD, 100)[1]


def test_what_arrived_today_does_not_raise_what_is_usual(store):
    withdrawn(store, 1, 100)
    withdrawn(store, 2, 10**6, age_ns=DAY_NS // 2, device=LAPTOP)
    assert points(store, OLD, 501) == (30, ["more than 5 times the mean so far"])
    assert points(store, OLD, 100, LAPTOP) == (25, ["a new device"])


def test_a_store_of_the_layout_before_believes_the_first_device_alone(tmp_path):
    with Store(tmp_path) as made:
        withdrawn(made, 1, 100)
        for statement in (
            "drop index withdrawals_by_owner",
            "drop table askers",
            "create table devices (participant integer, device text, first_ns integer)",
            "insert into devices values (7, 'a thief''s', 2), (7, 'phone', 1)",
            "pragma user_version = 5",
        ):
            made.run(statement)
    with Store(tmp_path) as made:
        assert points(made, OLD, 100, PHONE)[0] == 20, "the address alone is new"
        assert points(made, OLD, 100, "a thief's")[0] == 45


def test_rules_come_from_a_file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[score]\nhold_at = 60\nmany = 0\n")
    assert read_rules(path) == Rules(hold_at=60, many=0)
    assert read_rules(None) == Rules()
    for text in ("[score]\nhold = 1\n", "[score]\nhold_at = -1\n", "[rules]\n"):
        path.write_text(text)
        with pytest.raises(OutcryError):
            read_rules(path)
