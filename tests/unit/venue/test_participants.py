"""Participants are added, suspended, resumed and closed while the venue trades; restarts and replay
see the same ones."""

import numpy as np
import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.settings import setting_in_force
from openoutcry.wire.enums import CommandKind, EventKind, Side
from tests.support.venue.cut_requests import balance, cut_off
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import MORE, WORD, kinds, order, risk_refusal

TEXT = VENUE.replace("[calendar]", "participant_capacity = 2_000\n[calendar]") + MORE
TEXT += """
[[limits]]
group = "alpha"
instrument = "GOLD"
max_qty_lots = 60
[[limits]]
open_orders = 50
"""


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("participants"), TEXT)
    yield trading_floor
    trading_floor.close()


def accepted(floor, order_id, who):
    (events,) = floor.send(order(order_id, Side.BUY, 5, 10, who=who))
    return kinds(events) == [EventKind.ACCEPTED]


@pytest.mark.promise(
    "A suspended participant enters nothing, at no door. A session that is added while the "
    "venue trades is there after every restart",
    group="venue",
)
def test_a_participant_is_suspended_and_trades_again(floor):
    assert accepted(floor, 1, 2)
    assert floor.ask("participant", "suspend", "2")["done"] == [
        "participant 2 is suspended, its orders are cancelled"
    ]
    _, events = floor.journal()
    gone = events[events["order_id"] == 1]
    assert kinds(gone) == [EventKind.ACCEPTED, EventKind.CANCELLED]
    floor.again()
    assert floor.status()["risk"]["suspended"] == [2]
    refused, passed = floor.send(order(2, Side.BUY, 5, 10, who=2), order(3, Side.BUY, 5, 10, who=3))
    assert risk_refusal(refused)[0] == {"SUSPENDED"}
    assert kinds(passed) == [EventKind.ACCEPTED]
    assert "already suspended" in floor.ask("participant", "suspend", "2", status=1)["error"]
    floor.ask("participant", "resume", "2")
    assert accepted(floor, 4, 2)
    assert "is not suspended" in floor.ask("participant", "resume", "2", status=1)["error"]


def test_its_orders_stay_if_the_operator_says_so(floor):
    assert accepted(floor, 10, 3)
    floor.ask("participant", "suspend", "3", "--keep-orders")
    assert floor._desk.view.of(3, lay.OPEN) >= 1
    replace = order(10, Side.BUY, 9, 11, who=3, kind=CommandKind.REPLACE)
    cancel = order(10, Side.BUY, 5, 10, who=3, kind=CommandKind.CANCEL)
    replaced, cancelled = floor.send_all(replace, cancel)
    assert risk_refusal(replaced)[0] == {"SUSPENDED"}
    assert kinds(cancelled) == [EventKind.CANCELLED]
    floor.ask("participant", "resume", "3")


def test_one_that_is_added_trades_in_its_group_and_is_known_after_a_restart(floor):
    done = floor.ask("participant", "add", "1700", "--name", "ACME", "--group", "alpha")
    assert done["done"] == ["participant 1700 is added"]
    floor.again()
    view = floor._desk.view
    assert view.of(1700, lay.GROUP) == view.of(2, lay.GROUP) != 0
    assert view.participants[1700, lay.NAME // 8].tobytes() == b"ACME\0\0\0\0"
    assert accepted(floor, 20, 1700)
    again = floor.ask("participant", "add", "1700", status=1)
    assert "participant 1700 exists" in again["error"]
    assert (
        "there is no group 'beta'"
        in floor.ask("participant", "add", "1701", "--group", "beta", status=1)["error"]
    )
    assert "no participant 2001" in floor.ask("participant", "add", "2001", status=1)["error"]
    assert "add it first" in floor.ask("participant", "suspend", "1702", status=1)["error"]


def test_one_that_is_added_begins_with_the_limits_that_name_no_participant(floor):
    floor.ask("participant", "add", "1710")
    floor.ask("participant", "add", "1711", "--group", "alpha")
    floor.ask("limits", "set", "open_orders", "7", "--participant", "1710")
    floor.again()
    view, most = floor._desk.view, lay.MAX_QTY
    numbers = (1710, 1711, 2)
    opened = [setting_in_force(view, Setting.OPEN_ORDERS, who, -1)[0] for who in numbers]
    assert opened == [7, 50, 50]
    # In GOLD and TIN; the file gives participant 1 alone a credit, so others begin without it.
    cells = {who: [view.cell(who, at, most) for at in (0, 1)] for who in (1710, 1711)}
    assert cells == {1710: [100, 100], 1711: [60, 100]}
    assert view.of(1710, lay.CREDIT) == NO_LIMIT != view.of(1, lay.CREDIT)
    refused, passed = floor.send(
        order(25, Side.BUY, 61, 10, who=1711), order(26, Side.BUY, 61, 10, who=1710)
    )
    assert risk_refusal(refused)[0] == {"MAX_QTY"}
    assert kinds(passed) == [EventKind.ACCEPTED]


def test_it_is_closed_once_nothing_is_left_open(floor):
    floor.ask("participant", "add", "1800")
    floor.ask("deposit", "1800", "50")
    assert accepted(floor, 30, 1800)
    assert "suspend it first" in floor.ask("participant", "close", "1800", status=1)["error"]
    floor.ask("participant", "suspend", "1800", "--keep-orders")
    left = floor.ask("participant", "close", "1800", status=1)["error"]
    assert "has open orders (1), money (50)" in left
    floor.send_all(order(30, Side.BUY, 5, 10, who=1800, kind=CommandKind.CANCEL))
    floor.ask("withdraw", "1800", "50")
    floor.ask("participant", "close", "1800")
    floor.again()
    (refused,) = floor.send(order(31, Side.BUY, 5, 10, who=1800))
    assert risk_refusal(refused)[0] == {"CLOSED"}
    for words in (("resume", "1800"), ("suspend", "1800")):
        assert "is closed" in floor.ask("participant", *words, status=1)["error"]
    assert "or has existed" in floor.ask("participant", "add", "1800", status=1)["error"]


@pytest.mark.parametrize("after", [0, 1, 2, 3, 60, 101, 223])
def test_many_are_added_by_one_request_wherever_it_was_cut_off(floor, after):
    first = 300 + 100 * after
    if first > 1_600:
        first = 300 + 100 * (after % 10) + 50
    request = {"do": "participant-add", "participant": first, "last": first + 49,
               "group": "alpha", "reference": f"many {after}"}  # fmt: skip
    cut_off(floor, request, after)
    words = ("--to", str(first + 49), "--group", "alpha", "--reference", f"many {after}")
    floor.ask("participant", "add", str(first), *words)
    assert floor.ask("participant", "add", str(first), *words)["repeated"]
    rows = floor._desk.view.participants[first : first + 50]
    assert (rows[:, lay.STATUS // 8] == 1).all()
    assert (rows[:, lay.GROUP // 8] == floor._desk.view.of(2, lay.GROUP)).all()
    commands, _ = floor.journal()
    added = commands[
        (commands["kind"] == CommandKind.RISK) & (commands["order_type"] == Setting.STATUS)
    ]
    ours = added[(added["qty_lots"] >= first) & (added["qty_lots"] < first + 50)]
    assert len(np.unique(ours["qty_lots"])) == len(ours) == 50


def test_an_addition_that_is_repeated_leaves_what_was_set_since(floor):
    """All its commands were there when it was cut off."""
    request = {"do": "participant-add", "participant": 1720, "reference": "cut"}
    cut_off(floor, request, 1_000)
    floor.ask("limits", "set", "open_orders", "7", "--participant", "1720")
    floor.ask("participant", "add", "1720", "--reference", "cut")
    assert setting_in_force(floor._desk.view, Setting.OPEN_ORDERS, 1720, -1)[0] == 7


def test_adding_takes_a_supervisor_where_an_operator_is_named(floor):
    before = balance(floor, 1)
    words = ("participant", "add", "1900", "--operator", "anna")
    assert (
        "name, password or one-time code is wrong"
        in floor.ask(*words, password="wrong", status=1)["error"]
    )
    assert floor.ask(*words, password=WORD)["done"] == ["participant 1900 is added"]
    assert balance(floor, 1) == before


def test_the_emergency_close_kills_those_that_were_added_too(floor):
    floor.ask("emergency-close")
    assert floor._desk.view.of(1700, lay.FLAGS) & lay.KILLED_BY_OPERATOR
    assert not floor._desk.view.of(1800, lay.FLAGS) & lay.KILLED_BY_OPERATOR
