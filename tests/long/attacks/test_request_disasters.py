"""Hundreds of disasters with operators' requests in flight: the machine is gone after any of a
request's commands, several times before it is answered, also while a repeat is under way.  Every
reference is one action."""

import numpy as np
import pytest

from openoutcry.replay.replay import replay
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue.desk import DeskError
from openoutcry.venue.requests import References
from tests.support.venue.cut_requests import balance, cut_off
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import MORE

TEXT = VENUE.replace("[calendar]", "participant_capacity = 1_000\n[calendar]") + MORE
DISASTERS = 300


def drawn(rng, number, money, added):
    """A request and its effect on the money and the participants that there should be."""
    who = int(rng.integers(1, 4))
    reference = f"{number}"
    match int(rng.integers(5)):
        case 0 | 1:
            amount = int(rng.integers(1, 500))
            if rng.random() < 0.4 and who == 1:
                amount = -amount
            money[who] += amount
            request = {"do": "deposit", "participant": who, "amount": amount}
        case 2:
            request = {"do": "kill", "what": "participant", "name": str(who)}
        case 3:
            request = {"do": "enable", "what": "participant", "name": str(who)}
        case _:
            first, last = added[-1] + 1, added[-1] + int(rng.integers(1, 6))
            added.extend(range(first, last + 1))
            request = {"do": "participant-add", "participant": first, "last": last,
                       "group": "alpha"}  # fmt: skip
    return request | {"reference": reference}


@pytest.mark.promise(
    "A request of an operator is done once, wherever the machine is gone", group="venue"
)
@pytest.mark.parametrize("seed", range(2))
def test_every_reference_is_one_action(tmp_path, seed):
    rng = np.random.default_rng(seed)
    floor = InlineFloor(tmp_path, TEXT)
    money = {who: balance(floor, who) for who in (1, 2, 3)}
    added, asked = [9], []
    disasters = 0
    while disasters < DISASTERS // 2:
        request = drawn(rng, len(asked), money, added)
        asked.append(request)
        while True:
            disasters += 1
            commands = int(rng.integers(0, 12))
            try:
                cut = cut_off(floor, request, commands)
            except DeskError:
                raise AssertionError(request) from None
            if not cut or rng.random() < 0.5:
                break
        if rng.random() < 0.3:
            # Some time ago, and answered then or now.
            request = asked[int(rng.integers(len(asked)))]
        work = floor._desk._work_of(request)
        floor._desk.operator_lane.put(work.records)
        work.begun()
        floor.step()
        while (work := work.follow()) is not None:
            floor._desk.operator_lane.put(work.records)
            floor.step()
        floor._desk.operations.requests.under_way.clear()
    for request in asked:
        floor.again() if rng.random() < 0.05 else None
        done = floor._desk.desk
        assert done is not None
        assert finish(floor, request)
    assert {who: balance(floor, who) for who in money} == money
    status = floor._desk.view.participants[:, lay.STATUS // 8]
    assert np.flatnonzero(status).tolist() == added[1:]
    commands = floor.journal()[0]
    references, counted = References(), {}
    effects = commands[(commands["kind"] == RISK_KIND)]
    for command, reference in references.each(effects):
        if reference and command["order_type"] in (Setting.DEPOSIT, Setting.KILL):
            counted[reference] = counted.get(reference, 0) + 1
    wanted = [one["reference"] for one in asked if one["do"] != "participant-add"]
    assert counted == dict.fromkeys(wanted, 1)
    state = floor.close()["state_hash"]
    assert replay(floor.journal_path)["state_hash"] == state


def finish(floor, request):
    """Ask until it is answered as done already."""
    for _ in range(3):
        work = floor._desk._work_of(request)
        if work.more.get("repeated"):
            return True
        floor._desk.operator_lane.put(work.records)
        floor.step()
        while (work := work.follow()) is not None:
            floor._desk.operator_lane.put(work.records)
            floor.step()
        floor._desk.operations.requests.under_way.clear()
    return False
