"""Each request of an operator has a reference and is one action: asked twice, at once, cut off
after any of its commands, over restarts; with another content it is refused."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from openoutcry.journal.replay import replay
from openoutcry.risk.bits import Setting
from openoutcry.venue.desk import ask
from tests.support.venue.cut_requests import balance, cut_off, effects, times_noted
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import WORD

REQUESTS = {
    "deposit": {"do": "deposit", "participant": 2, "amount": 70, "purpose": "outside"},
    "kill": {"do": "kill", "what": "participant", "name": "3"},
    "group": {"do": "kill", "what": "group", "name": "alpha"},
    "limit": {"do": "set", "limit": "max_qty_lots", "value": 7, "participant": 2,
              "instrument": "GOLD"},
    "halt": {"do": "halt", "instrument": "GOLD"},
}  # fmt: skip
SETTINGS = {"deposit": Setting.DEPOSIT, "kill": Setting.KILL, "group": Setting.GROUP_KILL,
            "limit": Setting.MAX_QTY, "halt": Setting.HALT}  # fmt: skip


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    trading_floor = InlineFloor(tmp_path_factory.mktemp("references"))
    yield trading_floor
    trading_floor.close()


def asked(floor, request):
    """What the desk answers to this request, as it stands."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, floor.journal_path, request)
        while not answer.done():
            floor.step()
    return answer.result()


@pytest.mark.promise(
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
)
def test_a_deposit_that_is_requested_twice_is_made_once(floor):
    before = balance(floor, 2)
    words = ("deposit", "2", "500", "--reference", "wire 4711")
    first, second = floor.ask(*words), floor.ask(*words)
    assert (first["commands"], second["commands"]) == (1, 0)
    assert second["repeated"]
    assert "already done by command" in second["done"][0]
    floor.again()
    assert floor.ask(*words)["repeated"]
    assert balance(floor, 2) == before + 500
    assert times_noted(floor, "wire 4711") == 1


def test_a_reference_with_another_content_is_refused(floor):
    before = balance(floor, 2)
    floor.ask("deposit", "2", "500", "--reference", "wire 4712")
    for words in (("deposit", "2", "501"), ("deposit", "3", "500"), ("kill", "participant", "2")):
        answer = floor.ask(*words, "--reference", "wire 4712", status=1)
        assert "'wire 4712' belongs to a different request" in answer["error"]
    assert balance(floor, 2) == before + 500


def test_a_command_without_a_reference_gets_one_and_says_it(floor):
    before = balance(floor, 2)
    done = floor.outcry("deposit", "2", "5")
    assert done.exit_code == 0, done.output
    reference = done.stderr.split()[1]
    assert floor.ask("deposit", "2", "5", "--reference", reference)["repeated"]
    floor.outcry("deposit", "2", "5")
    assert balance(floor, 2) == before + 10
    # Whoever asks the socket without one is told which it was.
    assert len(asked(floor, REQUESTS["deposit"])["reference"]) == 20


@pytest.mark.parametrize("reference", ["x" * 33, "a\tb", " a", "ä"])
def test_a_reference_is_printable(floor, reference):
    answer = floor.ask("deposit", "2", "5", "--reference", reference, status=1)
    assert "1 to 32 printable ASCII characters" in answer["error"]


def test_two_that_ask_at_once_move_the_money_once(floor):
    before = balance(floor, 2)
    request = REQUESTS["deposit"] | {"reference": "at once"}
    lines = []
    for _ in range(3):
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(floor.journal_path / "desk.sock"))
        line.sendall(json.dumps(request).encode() + b"\n")
        lines.append(line)
    floor.step()
    answers = [json.loads(line.recv(1 << 16)) for line in lines]
    for line in lines:
        line.close()
    assert [answer.get("repeated", False) for answer in answers] == [False, True, True]
    assert balance(floor, 2) == before + 70


@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_cut_off_after_any_command_is_done_once(floor, name, after):
    """The machine is gone between the desk's note and its command, or between two commands."""
    reference = f"{name} {after}"
    request = REQUESTS[name] | {"reference": reference}
    before, money = len(effects(floor, SETTINGS[name])), balance(floor, 2)
    cut_off(floor, request, after)
    for _ in range(2):
        assert asked(floor, request)["reference"] == reference
    again = len(effects(floor, SETTINGS[name])) - before
    assert again == 1
    assert balance(floor, 2) - money == (70 if name == "deposit" else 0)
    for words in (("participant", "3"), ("group", "alpha"), ("instrument", "GOLD")):
        floor.outcry("resume", *words)


def test_a_split_is_made_once_and_its_reference_price_is_set_by_the_repeat(floor):
    floor.ask("halt", "TIN")
    request = {"do": "split", "instrument": "TIN", "new": 2, "old": 1, "price": 250,
               "reference": "split TIN"}  # fmt: skip
    lots = floor._desk.view.cell(1, 1, 0)
    assert lots == 40
    for after in range(5):
        cut_off(floor, request | {"reference": f"split {after}"}, after)
        asked(floor, request | {"reference": f"split {after}"})
        assert floor._desk.view.cell(1, 1, 0) == 40 * 2 ** (after + 1)
        repeated = asked(floor, request | {"reference": f"split {after}"})
        assert repeated["repeated"]
    assert len(effects(floor, Setting.SPLIT)) == 5
    floor.ask("resume", "instrument", "TIN")


def test_the_second_supervisor_ends_the_request_of_the_first(floor):
    """Each with a reference, or both with the same; asked again, both are done."""
    before = balance(floor, 2)
    for anna, bert in (("a 1", "b 1"), ("both", "both")):
        words = ("deposit", "2", "11", "--operator")
        assert floor.ask(*words, "anna", "--reference", anna, password=WORD)["waits"]
        assert "waits" not in floor.ask(*words, "bert", "--reference", bert, password=WORD)
        floor.again()
        for name, reference in (("anna", anna), ("bert", bert)):
            answer = floor.ask(*words, name, "--reference", reference, password=WORD)
            assert answer["repeated"]
    assert balance(floor, 2) == before + 22
    assert floor.status()["risk"]["waiting"] == []


def test_a_reference_proves_no_identity(floor):
    """Who repeats a request is checked as who asks for it first."""
    words = ("deposit", "2", "500", "--reference", "wire 4711", "--operator", "anna")
    answer = floor.ask(*words, password="wrong", status=1)
    assert "name, password or one-time code is wrong" in answer["error"]


def test_replay_has_the_same_requests(floor):
    state = floor.close()["state_hash"]
    assert replay(floor.journal_path)["state_hash"] == state
    floor.open()
    assert floor.ask("deposit", "2", "500", "--reference", "wire 4711")["repeated"]
