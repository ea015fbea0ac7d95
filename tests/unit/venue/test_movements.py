"""Deposits and withdrawals with a life cycle by the operator's desk: each step, what is refused and
with which word, who may do it; over restarts and in a replay."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from openoutcry.cli.main import main
from openoutcry.custody.venue import VenueDesk, VenueError
from openoutcry.journal.replay import replay
from openoutcry.risk.bits import Setting
from openoutcry.venue import movement_desk
from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.movement_desk import deposit_seen, listing, request_withdrawal, step
from openoutcry.wire.decimals import decimal_text
from tests.support.venue.cut_requests import cut_off, effects
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR, wallet
from tests.support.venue.venue_floor import WORD

BTC_300 = "0.00000300 BTC"


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("movements"), FLOOR)
    yield trading_floor
    trading_floor.close()


def asked(floor, request):
    """What the desk answers to this request, as a portal or custody makes it."""
    return meanwhile(floor, ask, floor.journal_path, request)


def meanwhile(floor, do, *terms):
    """What a process that asks the desk gets."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(do, *terms)
        while not answer.done():
            floor.step()
    return answer.result()


def refusal(floor, *words):
    return floor.ask(*words, status=1)["error"]


def test_a_withdrawal_from_request_to_done_over_restarts(floor):
    floor.ask("deposit", "1", "1000", "--asset", "BTC")
    done = floor.ask("withdraw", "request", "1", "300", "BTC", "--reference", "wd 1")
    assert done["done"] == [f"withdrawal 'wd 1': {BTC_300} of participant 1 is requested: reserved"]
    for word, state in (("approve", "approved"), ("sent", "sent"), ("done", "done")):
        floor.again()
        assert wallet(floor, 1, "BTC") == [700, 300, 0, 0]
        done = floor.ask("withdraw", word, "wd 1", "--reference", f"{word} wd 1")
        assert done["done"] == [f"withdrawal 'wd 1': {BTC_300} of participant 1 is {state}"]
        again = floor.ask("withdraw", word, "wd 1", "--reference", f"{word} wd 1")
        assert again["repeated"]
        assert f"is {state} already" in refusal(floor, "withdraw", word, "wd 1")
    assert wallet(floor, 1, "BTC") == [700, 0, 0, 0]
    repeated = floor.ask("withdraw", "request", "1", "300", "BTC", "--reference", "wd 1")
    assert repeated["repeated"]
    assert wallet(floor, 1, "BTC") == [700, 0, 0, 0]


def test_cancel_and_fail_release_the_amount(floor):
    before = wallet(floor, 1, "BTC")
    for reference, words in (("wd 2", ["cancel"]), ("wd 3", ["approve", "cancel"]),
                             ("wd 4", ["approve", "sent", "fail"])):  # fmt: skip
        floor.ask("withdraw", "request", "1", "50", "BTC", "--reference", reference)
        assert wallet(floor, 1, "BTC")[1] == before[1] + 50
        for word in words:
            floor.ask("withdraw", word, reference)
        assert wallet(floor, 1, "BTC") == before
    assert "wd 4': 0.00000050 BTC of participant 1 is failed" in refusal(
        floor, "withdraw", "done", "wd 4"
    )


def test_a_deposit_is_seen_credited_and_reversed(floor):
    floor.ask("deposit", "seen", "2", "80", "ETH", "--reference", "tx 1")
    assert wallet(floor, 2, "ETH") == [0, 0, 0, 0]
    floor.ask("deposit", "credit", "tx 1")
    assert wallet(floor, 2, "ETH") == [80, 0, 0, 0]
    floor.ask("withdraw", "2", "30", "--asset", "ETH")
    done = floor.ask("deposit", "reverse", "tx 1")["done"]
    assert (
        "participant 2 is 0.00000030 ETH short because of it, 0.00000030 ETH in total, and cannot "
        "withdraw" in done[1]
    )
    assert wallet(floor, 2, "ETH") == [-30, 0, 0, 30]
    assert floor.status()["risk"]["shortfalls"] == [(2, "ETH", 30)]
    floor.ask("deposit", "2", "9", "--asset", "USD")
    for words in (("withdraw", "request", "2", "9", "USD"),
                  ("withdraw", "2", "9", "--asset", "USD")):  # fmt: skip
        assert "participant 2 is 0.00000030 ETH short because a deposit was reversed" in refusal(
            floor, *words
        )
    shown = CliRunner().invoke(
        main, ["venue", "limits", "show", "--venue", str(floor.file), "--json"]
    )
    rows = {(row["of"], row["what"]): row["value"] for row in json.loads(shown.stdout)}
    assert rows["participant 2 ETH", "shortfall"] == 30
    floor.ask("deposit", "2", "30", "--asset", "ETH")
    assert floor.status()["risk"]["shortfalls"] == []
    floor.ask("withdraw", "request", "2", "9", "USD", "--reference", "wd 5")
    floor.ask("withdraw", "cancel", "wd 5")


def test_what_is_wrong_has_its_own_word(floor):
    floor.ask("deposit", "1", "700", "--asset", "BTC")
    floor.ask("withdraw", "request", "1", "300", "BTC", "--reference", "wd 6")
    left = wallet(floor, 1, "BTC")[0]
    before = floor.settings()
    for words, message in (
        (("withdraw", "request", "1", "5", "EUR"), "there is no asset 'EUR' with wallets"),
        (("deposit", "seen", "1", "5", "EUR"), "there is no asset 'EUR' with wallets"),
        (("deposit", "seen", "1", "5", "BTC", "--decimals", "6"), "BTC has 8 decimals, not 6"),
        (("deposit", "seen", "1", str(2**61 + 1), "BTC"), "amount: "),
        (
            ("withdraw", "request", "1", f"{left + 1}", "BTC"),
            f"{decimal_text(left, 8)} BTC available (0.00000300 BTC reserved by",
        ),
        (("withdraw", "request", "99", "5", "BTC"), "there is no participant 99: add it first"),
        (("deposit", "seen", "99", "5", "BTC"), "there is no participant 99: add it first"),
        (("deposit", "99", "5", "--asset", "BTC"), "there is no participant 99: add it first"),
        (("withdraw", "request", "9999", "5", "BTC"), "there is no participant 9999"),
        (("withdraw", "approve", "wd 77"), "there is no withdrawal 'wd 77', or it ended long ago"),
        (("deposit", "credit", "wd 6"), "there is no deposit 'wd 6'"),
        (("withdraw", "sent", "wd 6"), "is requested; this step needs one that is approved"),
        (("withdraw", "request", "1", "299", "BTC", "--reference", "wd 6"), "a different request"),
    ):
        assert message in refusal(floor, *words), words
    assert floor.settings() == before
    floor.ask("withdraw", "cancel", "wd 6")


def test_a_suspended_participant_withdraws_nothing_and_a_closed_one_gets_nothing(floor):
    floor.ask("participant", "add", "20")
    floor.ask("deposit", "20", "500", "--asset", "BTC")
    floor.ask("withdraw", "request", "20", "100", "BTC", "--reference", "wd 20")
    floor.ask("participant", "suspend", "20")
    for words in (("request", "20", "5", "BTC"), ("approve", "wd 20")):
        assert "participant 20 is suspended and cannot withdraw" in refusal(
            floor, "withdraw", *words
        )
    floor.ask("withdraw", "cancel", "wd 20")
    floor.ask("deposit", "seen", "20", "7", "BTC", "--reference", "tx 20")
    floor.ask("withdraw", "20", "500", "--asset", "BTC")
    assert "deposits and withdrawals (1)" in refusal(floor, "participant", "close", "20")
    floor.ask("deposit", "reverse", "tx 20")
    floor.ask("participant", "close", "20")
    for words in (("seen", "20", "5", "BTC"), ("20", "5", "--asset", "BTC")):
        assert "participant 20 is closed" in refusal(floor, "deposit", *words)


def test_another_operator_takes_the_second_step(floor):
    anna, bert = ("--operator", "anna"), ("--operator", "bert")
    floor.ask("withdraw", "request", "1", "10", "BTC", "--reference", "wd 8", *anna, password=WORD)
    answer = floor.ask("withdraw", "approve", "wd 8", *anna, password=WORD, status=1)
    assert "requested by this operator: a different one must take this step" in answer["error"]
    floor.ask("withdraw", "approve", "wd 8", *bert, password=WORD)
    floor.ask("withdraw", "cancel", "wd 8", *anna, password=WORD)


@pytest.mark.promise(
    "A withdrawal that was sent fails by two supervisors, as money is moved: one alone gives no "
    "amount back that custody has paid",
    group="venue",
)
def test_a_sent_withdrawal_fails_by_two_supervisors(floor):
    anna, bert = ("--operator", "anna"), ("--operator", "bert")
    before = wallet(floor, 1, "BTC")
    asked(floor, request_withdrawal(1, "BTC", 10, "wd 30"))
    for word in ("approve", "sent"):
        asked(floor, step(f"withdrawal-{word}", "wd 30", f"{word} wd 30"))
    for _ in range(2):
        answer = floor.ask("withdraw", "fail", "wd 30", *anna, password=WORD)
        assert answer["waits"]
    assert wallet(floor, 1, "BTC") == [before[0] - 10, before[1] + 10, *before[2:]]
    floor.ask("withdraw", "fail", "wd 30", *bert, password=WORD)
    assert wallet(floor, 1, "BTC") == before


def test_custody_finds_a_movement_however_many_its_participant_has(floor, monkeypatch):
    """By its reference, in whatever state: those of a state are listed up to a bound, and what was
    not found would wait for ever, or have no statement."""
    monkeypatch.setattr(movement_desk, "MAX_LISTED", 2)
    venue, before = VenueDesk(floor.journal_path), wallet(floor, 1, "BTC")
    references = [f"many {number}" for number in range(4)]
    for reference in references:
        asked(floor, request_withdrawal(1, "BTC", 10, reference))
        asked(floor, step("withdrawal-cancel", reference, f"c {reference}"))
    listed = asked(floor, listing("withdrawal", "cancelled", 1))
    assert (len(listed["movements"]), listed["left_off"] > 0) == (2, True)
    for reference in references:
        found = meanwhile(floor, venue.movement, "withdrawal", 1, reference)
        assert (found["reference"], found["state"]) == (reference, "cancelled")
        for kind, who in (("deposit", 1), ("withdrawal", 2)):
            assert meanwhile(floor, venue.movement, kind, who, reference) is None
    assert meanwhile(floor, venue.movement, "withdrawal", 1, "never") is None
    assert wallet(floor, 1, "BTC") == before


def test_custodys_step_that_was_done_is_done_also_when_its_request_is_forgotten(floor):
    """The venue remembers its newest requests.  Custody that was away longer asks again."""
    venue, before = VenueDesk(floor.journal_path), wallet(floor, 1, "BTC")
    asked(floor, request_withdrawal(1, "BTC", 10, "wd 8a"))
    for word in ("approve", "sent"):
        asked(floor, step(f"withdrawal-{word}", "wd 8a", f"forgotten {word}"))
        meanwhile(floor, venue.step, f"withdrawal-{word}", "wd 8a")
    with pytest.raises(VenueError, match="is sent"):
        meanwhile(floor, venue.step, "withdrawal-approve", "wd 8a")
    with pytest.raises(VenueError, match="no withdrawal"):
        meanwhile(floor, venue.step, "withdrawal-sent", "never")
    asked(floor, step("withdrawal-fail", "wd 8a", "fail wd 8a"))
    assert wallet(floor, 1, "BTC") == before


def test_custody_asks_for_what_is_approved_and_a_portal_for_its_participants(floor):
    asked(floor, request_withdrawal(1, "BTC", 10, "wd 9", decimals=8))
    asked(floor, deposit_seen(3, "BTC", 11, "tx 9"))
    asked(floor, step("withdrawal-approve", "wd 9", "approve wd 9"))
    (row,) = asked(floor, listing("withdrawal", "approved"))["movements"]
    assert (row["reference"], row["participant"], row["asset"], row["amount"]) == (
        "wd 9", 1, "BTC", 10,
    )  # fmt: skip
    assert row["began"].startswith("2026-11-23T10:")
    (row,) = asked(floor, listing("deposit", participant=3))["movements"]
    assert (row["reference"], row["state"]) == ("tx 9", "seen")
    assert asked(floor, listing("deposit", participant=2))["movements"] == []
    shown = floor.outcry("withdraw", "list", "--state", "approved")
    assert "wd 9: participant 1, 0.00000010 BTC, approved since" in shown.output
    with pytest.raises(DeskError, match="a deposit is seen, credited, reversed"):
        asked(floor, listing("deposit", "approved"))
    asked(floor, step("withdrawal-cancel", "wd 9", "cancel wd 9"))
    asked(floor, step("deposit-reverse", "tx 9", "reverse tx 9"))


@pytest.mark.promise(
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
)
@pytest.mark.parametrize("after", range(4))
def test_a_step_that_is_cut_off_anywhere_is_done_once(floor, after):
    """The machine is gone between the desk's note and the command, or between two commands."""
    before, done = wallet(floor, 1, "BTC"), len(effects(floor, Setting.MOVEMENT))
    reference = f"cut {after}"
    life = [
        request_withdrawal(1, "BTC", 10, reference),
        *(
            step(f"withdrawal-{word}", reference, f"{word} {after}")
            for word in ("approve", "sent", "done")
        ),
    ]
    for request in life:
        cut_off(floor, request, after)
        for _ in range(2):
            assert asked(floor, request)["reference"] == request["reference"]
    assert wallet(floor, 1, "BTC") == [before[0] - 10, *before[1:]]
    assert len(effects(floor, Setting.MOVEMENT)) == done + 4


def test_the_history_says_each_step_with_its_reference(floor):
    history = CliRunner().invoke(main, ["venue", "fees", "history", "--venue", str(floor.file)])
    for line in (
        f"withdrawal 'wd 1': {BTC_300} of participant 1 is requested",
        f"withdrawal 'wd 1': {BTC_300} of participant 1 is done",
        "deposit 'tx 1': 0.00000080 ETH of participant 2 is reversed",
    ):
        assert line in history.output


def test_replay_has_the_same_movements(floor):
    floor.ask("withdraw", "request", "1", "10", "BTC", "--reference", "last")
    state = floor.close()["state_hash"]
    assert replay(floor.journal_path)["state_hash"] == state
    floor.open()
    assert floor.ask("withdraw", "approve", "last")["done"]
