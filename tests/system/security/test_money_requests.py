"""Requests about money as an attacker at the desk would make them: references of others, amounts at
the edges of what a number holds, names that look like an asset's.  Whatever is asked, the desk
answers in words, and all accounts of each asset sum up to what came in."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.movement_desk import MOVEMENT_REQUESTS
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR, wallet

ASSETS = ("BTC", "ETH", "USD")
AMOUNTS = (
    0, -1, 1.5, True, None, "5", "", [], {}, 2**61, 2**61 + 1, 2**63 - 1, 2**63, 2**64 + 5,
    -(2**63), 1e18, 1e999, float("nan"), 10**400,
)  # fmt: skip
NAMES = (
    "btc", "BTC ", " BTC", "\u0412TC", "BT\u0421", "B\u200bTC", "BTC\0", "", None, 0, ["BTC"],
    {"BTC": 1}, "BTC\n", "\uff22\uff34\uff23", "USD BTC", "__class__",
)  # fmt: skip
PEOPLE = (-1, 0, 2**16, 2**63, 1.0, True, None, "1", "2 ", "x", [], 10**400)
REFERENCES = (
    "", None, 0, 5, [], {}, "x" * 33, "\0", "wd 1\0", "\u0412", "wd  1", "WD 1", "wd 1 ", "\n",
)  # fmt: skip


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("money-attacks"), FLOOR)
    yield trading_floor
    trading_floor.close()


def asked(floor, request):
    """The desk's answer, or the words of its refusal."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, floor.journal_path, request)
        while not answer.done():
            floor.step()
    try:
        return answer.result()
    except DeskError as error:
        return str(error)


def everything(floor):
    """Return the balance of each participant and asset; wallet() itself requires that all accounts
    sum up."""
    return {(who, name): wallet(floor, who, name) for who in (1, 2, 3) for name in ASSETS}


def hostile():
    right = {"participant": 1, "asset": "BTC", "amount": 5, "reference": "an attack"}
    firsts = ("withdrawal-request", "deposit-seen", "deposit", "asset-credit")
    for do, (field, values) in itertools.product(
        firsts,
        {"amount": AMOUNTS, "asset": NAMES, "participant": PEOPLE, "reference": REFERENCES}.items(),
    ):
        for value in values:
            yield right | {"do": do, field: value}, (do, field, value)
    for do in MOVEMENT_REQUESTS:
        for value in (*REFERENCES, "an attack", "wd 2"):
            yield {"do": do, "movement": value, "reference": "a step"}, (do, "movement", value)
            yield {"do": do, "movement": "wd 1", "reference": value}, (do, "reference", value)


@pytest.mark.promise(
    "Whatever a request about money names, it moves nothing that it may not, and is answered "
    "in words. No wallet is below zero without a recorded shortfall, whatever comes in and "
    "goes out",
    group="venue",
)
def test_no_hostile_request_moves_money(floor):
    for who, name in itertools.product((1, 2), ("BTC", "ETH")):
        floor.ask("deposit", f"{who}", "1000", "--asset", name)
    floor.ask("withdraw", "request", "2", "100", "BTC", "--reference", "wd 1")
    floor.ask("withdraw", "approve", "wd 1", "--reference", "approve wd 1")
    floor.ask("withdraw", "sent", "wd 1", "--reference", "sent wd 1")
    floor.ask("withdraw", "done", "wd 1", "--reference", "done wd 1")
    wrong = []
    for request, what in hostile():
        before = everything(floor)
        answer = asked(floor, request)
        if isinstance(answer, str):
            if everything(floor) != before:
                wrong.append((what, "refused, and something moved", answer))
            if "Traceback" in answer or not answer.isprintable():
                wrong.append((what, answer))
            continue
        moved = {key for key, row in everything(floor).items() if row != before[key]}
        if moved and what[1] in ("amount", "asset", "movement"):
            wrong.append((what, moved, answer))
        if moved - {(1, "BTC")} and what[1] != "participant":
            wrong.append((what, moved, answer))
    assert wrong == []


def test_one_reference_is_one_movement_for_any_client(floor):
    """A reference that another participant has, at every kind of request: nothing is done under
    it."""
    floor.ask("deposit", "1", "1000", "--asset", "BTC")
    floor.ask("withdraw", "request", "1", "40", "BTC", "--reference", "mine")
    before = everything(floor)
    for do, who, asset, amount in itertools.product(
        ("withdrawal-request", "deposit-seen", "deposit"), (1, 2), ("BTC", "ETH"), (40, 41)
    ):
        same = (do, who, asset, amount) == ("withdrawal-request", 1, "BTC", 40)
        request = {"do": do, "participant": who, "asset": asset, "amount": amount}
        answer = asked(floor, request | {"reference": "mine"})
        assert everything(floor) == before, (do, who, asset, amount)
        assert isinstance(answer, str) != same or answer.get("repeated"), (do, answer)
    floor.ask("withdraw", "cancel", "mine")
