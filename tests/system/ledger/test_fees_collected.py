"""Fees by schedule collect themselves: generated days against a model that adds up the fills, and a
venue whose machine is gone while the fees of a day are collected."""

import random
from pathlib import Path

import numpy as np
import pytest

from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, oldest_point
from openoutcry.ledger.accounts import VenueAccount
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue import days
from openoutcry.venue.log import log_folder
from openoutcry.wire.enums import Side
from tests.support.venue.dying_desk import NAME
from tests.support.venue.fee_days import collected, collecting, costs, due, end_day, has, trade
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import PORT, VENUE, ServedVenue, never_closes
from tests.support.venue.venue_floor import MORE, order
from tests.support.waiting import wait_until


class Killed(Exception):
    """The collector is killed here."""


@pytest.mark.parametrize("seed", range(4))
def test_each_days_fees_are_taken_once_whatever_is_cut_off(tmp_path, seed):
    """3 stays poor at first; the collector and the venue are killed between two steps, before and
    after the desk has answered; in the end each has paid what the fills of finished days cost."""
    floor, draw = InlineFloor(tmp_path, collecting()), random.Random(seed)
    floor.ask("deposit", "2", "9000000", "--asset", "USD")
    paid: dict[int, int] = {}
    for day in range(3):
        trade(floor, draw, 100 * day + 1)
        end_day(floor, f"2026-11-2{day}")
        of_day = {who: cost - paid.get(who, 0) for who, cost in costs(floor.journal()[1]).items()}
        trade(floor, draw, 100 * day + 51)
        if day == 2:
            floor.ask("deposit", "3", "9000000", "--asset", "USD")
        before = {who: has(floor.journal_path, who) for who in of_day}
        for _ in range(8):
            left, answered_first = draw.randrange(4), draw.random() < 0.5

            def asked(request, answered_first=answered_first):
                nonlocal left
                left -= 1
                if left < 0:
                    if answered_first:
                        floor.request(**request)
                    raise Killed
                return floor.request(**request)

            try:
                assert not collected(floor, asked)["again"]
                break
            except Killed:
                if draw.random() < 0.5:
                    floor.again()
        collected(floor)
        for who, cost in of_day.items():
            taken = min(cost, max(before[who], 0))
            paid[who] = paid.get(who, 0) + taken
            assert has(floor.journal_path, who) == before[who] - taken
        total = costs(floor.journal()[1])
        assert {who: due(floor.journal_path, who) for who in total} == {
            who: cost - paid.get(who, 0) for who, cost in total.items()
        }
        books = at(floor.journal_path).books
        assert books.balance(0, 1, VenueAccount.FEE_INCOME) == sum(total.values())
    assert paid[3] > 0
    state = at(floor.journal_path).seq
    assert collected(floor)["collected"] == {}
    assert at(floor.journal_path).seq == state, "nothing is owed: nothing is asked"
    last = floor.stop()
    assert (last["lost"], last["duplicated"]) == (0, 0)
    assert Reconciliation(floor.journal_path, None).advance().difference is None


RICH = """
[[limits]]
participant = 2
opening_balance = 1_000_000
"""


@pytest.mark.parametrize("closes", [False, True])
def test_a_venue_collects_its_days_fees_wherever_its_machine_is_gone(tmp_path: Path, closes: bool):
    """Cut off before the first command of a request, or after one, two or all of them; each day's
    fees are taken once by the run that follows, and who has nothing is named in the log."""
    text = collecting(VENUE + MORE + RICH)
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", PORT, text if closes else never_closes(text))
    venue.start()
    venue.wait_for_phase("CONTINUOUS")
    for cut in range(4):
        today, tomorrow = f"2026-11-{23 + cut}", f"2026-11-{24 + cut}"
        number = 1 + 10 * cut
        for place, buyer in enumerate((2, 3)):
            sell = order(number + 2 * place, Side.SELL, 5 + cut, 1_000, who=1)
            buy = order(number + 2 * place + 1, Side.BUY, 5 + cut, 1_000, who=buyer)
            assert venue.send(np.concatenate([sell, buy]))["acknowledged"] == 2
        (tmp_path / NAME).write_text(str(cut))
        if closes:
            venue.set_time(f"{today}T17:30")
            wait_until(
                lambda today=today: (
                    [r["day"] for r in days.finished_days(venue.journal)][-1:] == [today]
                ),
                "the day is finished",
            )
        venue.set_time(f"{tomorrow}T10:00")
        assert venue.process is not None
        venue.process.communicate()
        venue.start()
        venue.wait_for_phase("CONTINUOUS")
        wait_until(
            lambda: (due(venue.journal, 1), due(venue.journal, 2)) == (0, 0),
            "the fees are collected",
        )
        wait_until(
            lambda today=today: f"{today}: fees stay owed: participant 3 owes" in log_of(venue),
            "who cannot pay is named",
        )
    assert venue.stop()["last_run"]["lost"] == 0
    commands = venue.commands()
    is_fee = (commands["kind"] == RISK_KIND) & (commands["order_type"] == Setting.DEPOSIT)
    taken = commands[is_fee & (commands["aux"] < 0)]
    assert taken["qty_lots"].tolist() == [1, 2] * 4, "each of each day once"
    total = costs(events_in(venue))
    state = at(venue.journal)
    assert {who: -int(taken["aux"][taken["qty_lots"] == who].sum()) for who in (1, 2)} == {
        who: total[who] for who in (1, 2)
    }
    assert due(venue.journal, 3) == total[3]
    assert state.books.balance(0, 1, VenueAccount.FEE_INCOME) == sum(total.values())
    assert Reconciliation(venue.journal, None).advance().difference is None


def log_of(venue: ServedVenue) -> str:
    """What the venue's log has by now."""
    files = [path for path in log_folder(venue.journal).rglob("*") if path.is_file()]
    return "".join(path.read_text(errors="replace") for path in files)


def events_in(venue: ServedVenue) -> np.ndarray:
    """Every event of the journal."""
    reader = JournalReader(venue.journal)
    batches = events_of(reader, oldest_point(reader))
    return np.concatenate([np.array(batch.events) for batch in batches])
