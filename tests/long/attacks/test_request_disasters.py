"""Disasters with operators' requests in flight: the machine is gone after any of a request's
commands, several times before it is answered, also while a repeat is under way, and at times
another machine goes on with a copy of the journal, as a standby does.  Every reference is one
action, and every deposit and withdrawal in steps moved its money exactly once."""

import os
import shutil
import time

import numpy as np
import pytest

from openoutcry.journal.replay import replay
from openoutcry.report.evidence import write_evidence
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue import limits
from openoutcry.venue.desk import DeskError
from openoutcry.venue.movement_desk import deposit_seen, request_withdrawal, step
from openoutcry.venue.requests import References
from tests.support.tally import Tally
from tests.support.venue.cut_requests import balance, cut_off
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.spot_floor import FLOOR, wallet
from tests.support.venue.venue_floor import MORE

TEXT = VENUE.replace("[calendar]", "participant_capacity = 1_000\n[calendar]") + MORE
DISASTERS = 300
OF_A_SEED = 100
TESTED = ("risk", "matcher", "wire", "venue", "journal", "pipeline")


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
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
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


LIVES = {
    "withdrawal-request": ("withdrawal-approve", "withdrawal-cancel"),
    "withdrawal-approve": ("withdrawal-sent", "withdrawal-cancel"),
    "withdrawal-sent": ("withdrawal-done", "withdrawal-fail"),
    "deposit-seen": ("deposit-credit", "deposit-reverse"),
    "deposit-credit": ("deposit-reverse",),
}
ASSETS = ("USD", "BTC", "ETH")


class Books:
    """What participants should have, in plain sums: available and reserved."""

    def __init__(self, rng):
        self.rng, self.lives, self.count = rng, {}, 0
        self.free = {(who, asset): 0 for who in (1, 2, 3) for asset in ASSETS}
        self.held = dict(self.free)

    def drawn(self):
        """The next request of one of the lives, or the first of a new one; and its effect here."""
        rng = self.rng
        going_on = [name for name, (did, *_) in self.lives.items() if did in LIVES]
        self.count += 1
        if going_on and rng.random() < 0.7:
            name = going_on[int(rng.integers(len(going_on)))]
            did, place, amount = self.lives[name]
            does = LIVES[did][int(rng.integers(len(LIVES[did])))]
            owes = any(self.free[place[0], asset] < 0 for asset in ASSETS)
            if owes and does in ("withdrawal-approve", "withdrawal-sent"):
                does = "withdrawal-cancel"
            self.lives[name] = does, place, amount
            self.moved(does, did, place, amount)
            return step(does, name, f"step {self.count}")
        place = int(rng.integers(1, 4)), ASSETS[int(rng.integers(3))]
        name, amount = f"movement {self.count}", int(rng.integers(1, 10**6))
        free = self.free[place]
        owes = any(self.free[place[0], asset] < 0 for asset in ASSETS)
        if free > 0 and not owes and rng.random() < 0.6:
            amount = int(rng.integers(1, free + 1))
            self.lives[name] = "withdrawal-request", place, amount
            self.moved("withdrawal-request", "", place, amount)
            return request_withdrawal(*place, amount, name)
        self.lives[name] = "deposit-seen", place, amount
        return deposit_seen(*place, amount, name)

    def moved(self, does, did, place, amount):
        if does == "withdrawal-request":
            self.free[place] -= amount
            self.held[place] += amount
        if does in ("withdrawal-cancel", "withdrawal-fail"):
            self.free[place] += amount
        if does in ("withdrawal-cancel", "withdrawal-fail", "withdrawal-done"):
            self.held[place] -= amount
        if does == "deposit-credit":
            self.free[place] += amount
        if (does, did) == ("deposit-reverse", "deposit-credit"):
            self.free[place] -= amount


def taken_over(floor, folder):
    """The machine is gone; another one goes on with a copy of the journal alone."""
    floor.drop()
    folder.mkdir()
    ignored = shutil.ignore_patterns("desk.jsonl", "*.sock")
    shutil.copytree(floor.journal_path, folder / "journal", ignore=ignored)
    shutil.rmtree(floor.journal_path)
    return InlineFloor(folder, FLOOR)


def answered(floor, request):
    work = floor._desk._work_of(request)
    floor._desk.operator_lane.put(work.records)
    work.begun()
    floor.step()
    assert not work.refused()
    work.ended()


@pytest.mark.promise(
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
)
def test_every_movement_moves_once(tmp_path, monkeypatch):
    """OUTCRY_DISASTERS of them in all seeds and calls (300), or as many as begin within
    OUTCRY_DISASTERS_SECONDS; OUTCRY_TALLY is the folder from which the next call goes on,
    OUTCRY_DISASTERS_EVIDENCE=1 writes figures."""
    for name in ("REQUESTS", "MOVEMENTS"):
        monkeypatch.setattr(limits, name, 1 << 11)  # enough for all, and quicker to begin with
    wanted = int(os.environ.get("OUTCRY_DISASTERS", DISASTERS))
    seconds = int(os.environ.get("OUTCRY_DISASTERS_SECONDS", 0))
    tally, started = Tally("movement_disasters", TESTED), time.monotonic()
    while tally.figures["disasters"] < wanted:
        if seconds and time.monotonic() - started > seconds:
            break
        folder = tmp_path / str(tally.seeds)
        folder.mkdir()
        tally.add(1, **disasters_of(folder, tally.seeds, OF_A_SEED))
        shutil.rmtree(folder)
    figures = {"seeds": tally.seeds} | {
        name: round(value, 1) if name == "seconds" else int(value)
        for name, value in tally.figures.items()
    }
    assert figures["references"] == figures["moved_exactly_once"]
    print(figures)
    if os.environ.get("OUTCRY_DISASTERS_EVIDENCE"):
        write_evidence(
            "movement_disasters",
            figures,
            f"OUTCRY_TALLY=FOLDER OUTCRY_DISASTERS={wanted} make test-long "
            "ARGS=tests/long/attacks/test_request_disasters.py",
        )


def disasters_of(tmp_path, seed, wanted):
    """A venue and its successors until so many disasters; counts."""
    rng, started = np.random.default_rng([seed, 50]), time.monotonic()
    floor, books, asked = InlineFloor(tmp_path, FLOOR), Books(rng), []
    disasters = takeovers = repeated = 0
    while disasters < wanted:
        request = books.drawn()
        asked.append(request)
        while True:
            disasters += 1
            # After 0 to 3 of its commands: before the first, within, and before the answer.
            cut_off(floor, request, int(rng.integers(0, 4)))
            if rng.random() < 0.2:
                takeovers += 1
                floor = taken_over(floor, tmp_path / f"machine {takeovers}")
            if rng.random() < 0.6:
                break
        answered(floor, request)
        if rng.random() < 0.3:
            request = asked[int(rng.integers(len(asked)))]
            assert floor._desk._work_of(request).more["repeated"]
            repeated += 1
        if disasters % 8 == 0:
            same_books(floor, books)
    same_books(floor, books)
    commands = floor.journal()[0]
    effects = commands[(commands["kind"] == RISK_KIND)]
    done = [
        text for one, text in References().each(effects) if one["order_type"] == Setting.MOVEMENT
    ]
    assert sorted(done) == sorted({one["reference"] for one in asked})
    state = floor.close()["state_hash"]
    assert replay(floor.journal_path)["state_hash"] == state
    return {
        "disasters": disasters,
        "takeovers": takeovers,
        "references": len(asked),
        "moved_exactly_once": len(done),
        "repeated_later": repeated,
        "commands": len(commands),
        "seconds": time.monotonic() - started,
    }


def same_books(floor, books):
    for (who, asset), free in books.free.items():
        available, reserved, _, short = wallet(floor, who, asset)
        assert (available, reserved) == (free, books.held[who, asset])
        assert short == max(-available, 0)
