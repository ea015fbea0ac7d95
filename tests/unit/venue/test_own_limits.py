"""Limits that owners of accounts set themselves, at a venue's desk: the stricter of theirs and the
operator's is in force, over restarts, other files and another journal."""

import json

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.venue.desk import DeskError
from openoutcry.wire.enums import CommandKind, EventKind, Side
from tests.support.venue.cut_requests import cut_off, effects
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import WORD, gateway_refusal, kinds, order, risk_refusal

IDS = iter(range(1, 1_000))
QTY = ("limits", "set", "max_qty_lots")
PLACE = ("--participant", "2", "--instrument", "GOLD")


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("own"))
    yield trading_floor
    trading_floor.close()


def own(floor, value, limit="max_qty_lots", instrument="GOLD", **more):
    terms = {"participant": 2, "limit": limit, "instrument": instrument, "value": value}
    return floor.request(do="own-limit", **terms, **more)


def most(floor, who=2):
    """The largest quantity that is accepted, as a refusal names it."""
    (refused,) = floor.send(order(next(IDS), Side.BUY, 1_000, 10, who=who))
    return risk_refusal(refused)[1]


def test_neither_lifts_the_other_s(floor):
    assert own(floor, 30)["done"] == ["own max_qty_lots of participant 2 in GOLD is 30"]
    assert most(floor) == 30
    assert most(floor, who=3) == 100
    assert floor.ask(*QTY, "60", *PLACE)["before"] == 100
    assert most(floor) == 30
    floor.again()
    assert most(floor) == 30
    own(floor, "none")
    assert most(floor) == 60
    own(floor, 30)
    assert floor.ask(*QTY, "20", *PLACE)["before"] == 60
    own(floor, 500)
    assert most(floor) == 20


def test_another_file_leaves_the_owner_s(floor):
    """The file has 100; the operator had set 20.  Its limits count anew, and the owner's stay."""
    own(floor, 30)
    text = floor.file.read_text()
    floor.stop()
    floor.file.write_text(text.replace("max_qty_lots = 100", "max_qty_lots = 101"))
    floor.open()
    assert most(floor) == 30
    assert most(floor, who=3) == 101
    own(floor, "none")
    assert most(floor) == 101


def test_a_wider_limit_of_the_operator_still_takes_two(floor):
    """What counts for that is the operator's own limit, and not the stricter one of the owner."""
    own(floor, 5)
    floor.ask(*QTY, "90", *PLACE)
    waits = floor.ask(*QTY, "95", *PLACE, "--operator", "anna", password=WORD)
    assert (waits["before"], waits["waits"]) == (90, True)
    assert floor.ask(*QTY, "40", *PLACE, "--operator", "anna", password=WORD)["before"] == 90
    assert most(floor) == 5
    own(floor, "none")


def test_the_owner_s_kill_ends_only_by_the_owner(floor):
    assert kinds(floor.send(order(next(IDS), Side.BUY, 5, 10, who=2))[0]) == [EventKind.ACCEPTED]
    done = own(floor, True, "killed", "")
    assert done["done"] == ["participant 2 is killed by its owner", "its orders are cancelled"]
    assert floor.view.of(2, lay.OPEN) == 0
    assert gateway_refusal(floor.send(order(next(IDS), Side.BUY, 5, 10, who=2))[0])
    floor.again()
    floor.ask("kill", "participant", "2")
    floor.ask("resume", "participant", "2")
    assert gateway_refusal(floor.send(order(next(IDS), Side.BUY, 5, 10, who=2))[0])
    shown = floor.outcry("limits", "show", "--json")
    rows = {(row["of"], row["what"]): row["value"] for row in json.loads(shown.stdout)}
    assert rows["participant 2", "killed_by"] == "its owner"
    assert floor.request(do="own-limits", participant=2)["killed"]
    own(floor, False, "killed", "")
    assert kinds(floor.send(order(next(IDS), Side.BUY, 5, 10, who=2))[0]) == [EventKind.ACCEPTED]


@pytest.mark.parametrize("after", range(5))
def test_a_kill_that_was_cut_off_is_finished_by_its_reference(floor, after):
    """The machine is gone after so many of its commands; what was killed stays killed."""
    request = {"do": "own-limit", "participant": 3, "limit": "killed", "value": True}
    request |= {"reference": f"own {after}"}
    assert kinds(floor.send(order(next(IDS), Side.BUY, 5, 10, who=3))[0]) == [EventKind.ACCEPTED]
    cut_off(floor, request, after)
    floor.request(**request)
    assert floor.view.of(3, lay.FLAGS) & lay.KILLED_BY_OWNER
    assert floor.view.of(3, lay.OPEN) == 0
    before = len(effects(floor, Setting.KILL))
    assert floor.request(**request)["repeated"]
    assert len(effects(floor, Setting.KILL)) == before
    floor.request(do="own-limit", participant=3, limit="killed", value=False)


def test_what_an_owner_has_set_is_listed(floor):
    own(floor, 7)
    own(floor, 4, "orders_per_s", "")
    own(floor, True, "restricted", "TIN")
    found = floor.request(do="own-limits", participant=2)
    assert found["limits"] == [
        {"limit": "max_qty_lots", "instrument": "GOLD", "value": 7},
        {"limit": "orders_per_s", "instrument": "", "value": 4},
        {"limit": "restricted", "instrument": "TIN", "value": True},
    ]
    shown = floor.outcry("limits", "show", "--json")
    rows = {(row["of"], row["what"]): row["value"] for row in json.loads(shown.stdout)}
    assert rows["participant 2 GOLD", "own max_qty_lots"] == 7
    commands, _ = floor.journal()
    mine = commands[(commands["kind"] == CommandKind.RISK) & (commands["time_in_force"] == 1)]
    assert int(Setting.RATE) in mine["order_type"].tolist()


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"limit": "credit"}, "there is no own limit 'credit'; there are exposure_buy"),
        ({"value": -1}, "max_qty_lots: -1 is not 0 to"),
        ({"value": "much"}, "max_qty_lots: 'much' is not a whole number"),
        ({"instrument": ""}, "max_qty_lots needs an instrument"),
        ({"instrument": "ORE"}, "there is no instrument 'ORE'"),
        ({"limit": "loss"}, "loss applies to all instruments together"),
        ({"limit": "killed", "value": 1}, "killed: 1 is not true or false"),
        ({"participant": 9}, "there is no participant 9"),
        ({"operator": "anna", "password": WORD}, "by the owner of the account, and by no operator"),
    ],
)
def test_what_cannot_be_is_said(floor, terms, says):
    before = len(floor.journal()[0])
    request = {"participant": 2, "limit": "max_qty_lots", "instrument": "GOLD", "value": 1} | terms
    with pytest.raises(DeskError, match=says):
        floor.request(do="own-limit", **request)
    assert len(floor.journal()[0]) == before


def test_a_journal_without_room_says_what_makes_some(tmp_path):
    text = VENUE.replace("[calendar]", "partitions = 2\n[calendar]")
    floor = InlineFloor(tmp_path, text)
    try:
        with pytest.raises(DeskError, match="without room for own limits"):
            floor.request(do="own-limit", participant=1, limit="open_orders", value=1)
        assert floor.request(do="own-limits", participant=1)["has_room"] is False
    finally:
        floor.close()
