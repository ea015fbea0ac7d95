"""The door: what the portal asks of custody, with the core's rules in memory and no node."""

import json
import socket
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from openoutcry.custody import links
from openoutcry.custody.door import Door
from openoutcry.custody.errors import CustodyError, Refused
from openoutcry.custody.links import Links
from openoutcry.custody.persons import Persons
from openoutcry.custody.serve import Parts
from openoutcry.custody.settings import Person, read_custody_file
from openoutcry.custody.sockets import MAX_CLIENTS, Server
from openoutcry.custody.statement import reference_of
from openoutcry.custody.store import Store, now_ns
from openoutcry.custody.venue import VenueError
from openoutcry.wire.load_limits import LEAST_S
from tests.support.custody.chains import NAME, NEEDED, TEXT, hot_keys
from tests.support.custody.core import Core, Movement
from tests.support.portal.people import CHEAP
from tests.support.security.fuzz_custody import fuzz_door, fuzz_signer
from tests.support.waiting import BOUND_S

COIN = 10**8
OUTSIDE = "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kfmv8vu"


@pytest.fixture
def parts(tmp_path):
    for module in NEEDED:
        pytest.importorskip(module)
    _, _, hot, cold = hot_keys()
    path = tmp_path / "custody.toml"
    values = {"url": "http://u:p@127.0.0.1:1", "hot": hot, "cold": cold}
    path.write_text(TEXT.format(final=6, wait=3_600, **values))
    core = Core()
    core.balance(7, "LTC")[0] = 40 * COIN
    with Parts(read_custody_file(path), core, sends=False) as made:
        yield made


@pytest.fixture
def door(parts):
    return Door(parts)


@pytest.fixture
def outside(parts):
    """An address of the network that is not the venue's."""
    from openoutcry.custody.utxo.address import address_of

    return address_of(bytes([0, 20]) + bytes(range(20)), parts.rails[NAME].network)


def usable(parts):
    parts.store.run("update whitelist set usable_ns = 1")


def refusal(door, **request):
    with pytest.raises(Refused) as refused:
        door.answer(request)
    return refused.value.code


def asked(outside, **more):
    terms = {"participant": 7, "asset": "LTC", "address": outside, "units": 2 * COIN}
    return {"do": "withdraw", "salt": "rent", **terms, **more}


def state_of(door, reference):
    found = door.answer({"do": "withdrawals", "references": [reference, "wd0"]})["withdrawals"]
    assert set(found) == {reference}
    return found[reference]


def test_an_address_is_usable_after_the_wait_and_for_its_owner_alone(door, parts, outside):
    for _ in range(3):
        assert refusal(door, **asked(outside)) == "not_whitelisted"
    (alarm,) = parts.store.rows("select subject, text from notes where kind = 'alarm'")
    assert alarm["subject"].startswith("participant 7"), "one line, however often a thief tries"
    assert alarm["text"].endswith("not_whitelisted")
    listed = {"do": "whitelist", "chain": NAME, "participant": 7, "address": outside.upper()}
    first = door.answer(listed | {"label": "mine"})["usable_ns"]
    assert door.answer(listed)["usable_ns"] == first, "again: the first time counts"
    other = outside[:-6] + "zz"
    for _ in range(3):
        assert refusal(door, **asked(outside)) == "address_locked"
        assert refusal(door, **asked(outside, participant=8)) == "not_whitelisted"
        assert refusal(door, **asked(other)) == "bad_checksum"
    assert len(parts.store.rows("select 1 from notes where kind = 'alarm'")) == 3
    (row,) = door.answer({"do": "listed", "participant": 7})["addresses"]
    assert (row["address"], row["label"], row["usable_ns"]) == (outside, "mine", first)
    usable(parts)
    assert door.answer(asked(outside) | {"do": "check"}) == {"address": outside, "chain": NAME}
    assert refusal(door, **asked(outside, participant=8)) == "not_whitelisted"
    assert door.answer(listed | {"do": "unlist"}) == {"removed": True}
    assert door.answer(listed | {"do": "unlist"}) == {"removed": False}
    assert refusal(door, **asked(outside)) == "not_whitelisted"
    door.answer(listed)
    assert refusal(door, **asked(outside)) == "address_locked", "the wait begins again"


def test_the_same_request_is_the_same_withdrawal_and_its_name_covers_the_destination(
    door, parts, outside
):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    reference = door.answer(asked(outside))["reference"]
    assert reference == reference_of(7, "LTC", NAME, outside, 2 * COIN, "rent")
    door.answer({"do": "unlist", "chain": NAME, "participant": 7, "address": outside})
    assert door.answer(asked(outside))["reference"] == reference, "also when the list has changed"
    assert refusal(door, **asked(outside, salt="")) == "no_name"
    assert state_of(door, reference)["state"] == "asked"
    parts.withdrawals.go_on()
    assert state_of(door, reference)["state"] == "requested"


def test_what_is_not_sent_is_cancelled_and_never_paid(door, parts, outside):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    core = parts.venue
    for steps in range(4):
        reference = door.answer(asked(outside, salt=f"number {steps}"))["reference"]
        for _ in range(steps):
            parts.withdrawals.go_on()
        request = {"do": "cancel", "participant": 7, "reference": reference}
        assert refusal(door, **request | {"participant": 8}) == "unknown_withdrawal"
        if core.movements.get(reference, Movement("", 0, "", 0, "")).state == "sent":
            assert refusal(door, **request) == "not_cancellable"
            continue
        door.answer(request)
        while parts.withdrawals.go_on():
            pass
        assert core.movements[reference].state == "cancelled"
        found = state_of(door, reference)
        assert found["state"] == "cancelled"
        assert found["code"] in ("cancelled_by_owner", "ended_at_venue")
    held = core.balance(7, "LTC")
    sent = [one for one in core.movements.values() if one.state == "sent"]
    assert held == [40 * COIN - len(sent) * 2 * COIN, len(sent) * 2 * COIN]


@pytest.mark.promise(
    "A withdrawal that its owner cancels while the venue is away, or before custody has it, is "
    "not paid when the venue is back",
    group="custody",
)
def test_a_cancel_while_the_venue_is_away_is_not_lost(door, parts, outside):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    core, references = parts.venue, []
    for number in range(3):
        references.append(door.answer(asked(outside, salt=f"number {number}"))["reference"])
        if number < 2:
            parts.withdrawals.go_on()
    states = [state_of(door, reference)["state"] for reference in references]
    assert states == ["approved", "requested", "asked"]
    core.is_open = False
    for reference in references:
        request = {"do": "cancel", "participant": 7, "reference": reference}
        assert refusal(door, **request) == "not_cancellable"
    # The portal ends between the two requests with which it cancels what it has not handed over.
    references.append(door.answer(asked(outside, salt="held", cancelled=True))["reference"])
    core.is_open = True
    while parts.withdrawals.go_on():
        pass
    for reference in references:
        assert core.movements[reference].state == "cancelled"
        assert state_of(door, reference)["code"] == "cancelled_by_owner"
    assert core.balance(7, "LTC") == [40 * COIN, 0]


MEANWHILE = ("nothing", "cancel", "sanctions", "failed", "cancel failed", "sanctions failed")


@pytest.mark.promise(
    "No withdrawal is left between custody and venue, if any answer of the venue is lost and its "
    "owner, a list of sanctions or two supervisors act meanwhile",
    group="custody",
)
@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_a_withdrawal_whose_step_lost_its_answer_ends_at_both(
    door, parts, outside, monkeypatch, steps, meanwhile
):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    reference = door.answer(asked(outside))["reference"]
    core = parts.venue
    for _ in range(steps):
        parts.withdrawals.go_on()
    with monkeypatch.context() as patch:
        for name in ("step", "requested"):
            true = getattr(core, name)

            def lost(*terms, _true=true):
                _true(*terms)
                raise VenueError("no answer", is_passing=True)

            patch.setattr(core, name, lost)
        parts.withdrawals.go_on()
    core.is_open = False
    if "cancel" in meanwhile:
        refusal(door, do="cancel", participant=7, reference=reference)
    if "sanctions" in meanwhile:
        parts.withdrawals.sanctioned = frozenset({outside})
    core.is_open = True
    if "failed" in meanwhile and core.movements[reference].state == "sent":
        core.step("withdrawal-fail", reference)
    while parts.withdrawals.go_on():
        pass
    at_venue, here = core.movements[reference].state, state_of(door, reference)["state"]
    assert parts.store.value("select count(*) from withdrawals where state = 'approved'") == 0
    assert here == at_venue or (at_venue, here) in (("cancelled", "refused"), ("failed", "sent"))
    is_forbidden = bool(parts.withdrawals.sanctioned_now(reference))
    assert is_forbidden == ("sanctions" in meanwhile), "the payer pays it, or people fail it"


def test_a_venue_that_refuses_and_closes_ends_nothing(door, parts, outside, monkeypatch):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    reference = door.answer(asked(outside))["reference"]
    parts.withdrawals.go_on()
    core = parts.venue

    def refuses(do, name):
        core.is_open = False
        raise VenueError("participant 7 is suspended and cannot withdraw", "suspended")

    def closed(*terms):
        raise VenueError("the venue is closed", is_passing=True)

    with monkeypatch.context() as patch:
        patch.setattr(core, "step", refuses)
        patch.setattr(core, "movement", closed)
        assert parts.withdrawals.go_on() == 0
    core.is_open = True
    while parts.withdrawals.go_on():
        pass
    assert core.movements[reference].state == "sent"


def test_a_stopped_custody_and_one_that_needs_people_say_so(door, parts, outside):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    parts.breaker.trip("a drill")
    reference = door.answer(asked(outside, units=11 * COIN))["reference"]
    assert state_of(door, reference)["waits"] == "stopped"
    assert door.answer({"do": "offers"})["stopped"] is True
    parts.store.run("update breaker set lifted_ns = 1")
    for _ in range(3):
        parts.withdrawals.go_on()
    assert state_of(door, reference)["waits"] == "people"
    assert "score" not in str(state_of(door, reference)), "why a rule held it is not shown"
    other = door.answer(asked(outside, units=10_000 * COIN))["reference"]
    parts.withdrawals.go_on()
    assert state_of(door, other)["state"] == "refused"
    assert "available" in state_of(door, other)["why"]
    assert state_of(door, other)["code"] == "insufficient_balance"


def test_an_account_has_one_unused_address_at_a_time(door, parts):
    request = {"do": "address", "chain": NAME, "participant": 7}
    first = door.answer(request)["address"]
    assert door.answer(request)["address"] == first
    assert door.answer(request | {"participant": 8})["address"] != first
    (scanner,) = parts.scanners()
    from openoutcry.custody.chain import Receipt
    from openoutcry.custody.deposits import Arrival

    scanner.deposits.receive([Arrival(Receipt("aa" * 32, 0, first, "", 3 * COIN), 7)], None)
    assert door.answer(request)["address"] != first
    (row,) = door.answer({"do": "deposits", "participant": 7})["deposits"]
    assert (row["state"], row["units"], row["needed"]) == ("pending", 3 * COIN, 3)
    scanner.deposits.receive([Arrival(Receipt("bb" * 32, 0, first, "", 8 * COIN), 7)], None)
    shown = door.answer({"do": "deposits", "participant": 7})["deposits"]
    assert [one["needed"] for one in shown] == [6, 6], "11 coins together"
    assert door.answer({"do": "deposits", "participant": 8}) == {"deposits": []}
    assert refusal(door, **request | {"chain": "DOGE"}) == "unknown_chain"
    assert refusal(door, do="open") == "unknown_request"


def test_signers_hear_of_each_new_address_once(parts, outside):
    class Heard:
        def __init__(self):
            self.heard, self.is_away = [], True

        def announce(self, rows):
            if self.is_away:
                return [], "signer1.sock: no answer"
            self.heard += rows
            return rows, ""

    parts.links = Heard()
    parts.withdrawals.add_address(NAME, 7, outside)
    assert parts.announce() == 0
    parts.links.is_away = False
    assert (parts.announce(), parts.announce()) == (1, 0)
    assert parts.links.heard == [(NAME, outside)]


def test_a_store_of_the_last_layout_is_brought_up(tmp_path):
    with Store(tmp_path) as store:
        store.run("insert into whitelist values ('A', 1, 'x', '', 1, 2, null)")
        for table in ("cases", "refills"):
            store.connection.execute(f"drop table {table}")
        store.connection.execute("drop index deposits_by_owner")
        store.connection.execute("drop index deposits_by_address")
        store.connection.execute("alter table whitelist drop column announced_ns")
        store.connection.execute("alter table withdrawals drop column code")
        store.connection.execute("pragma user_version = 1")
    with Store(tmp_path) as store:
        assert store.row("select * from whitelist")["announced_ns"] is None
    sqlite3.connect(tmp_path / "custody.sqlite").execute("pragma user_version = 99")
    with pytest.raises(CustodyError, match="another build"):
        Store(tmp_path)


@pytest.mark.promise(
    "Whatever a page, the portal, custody's door, a signer or the operator's desk is sent is "
    "answered or refused in words, also with a right signature. None fails or writes a "
    "traceback",
    group="doors",
)
@pytest.mark.parametrize("fuzz", [fuzz_door, fuzz_signer])
def test_whatever_custody_is_sent_is_answered(tmp_path, fuzz):
    for module in (*NEEDED, "coincurve"):
        pytest.importorskip(module)
    done = fuzz(tmp_path, 1_500, 4)
    assert done["messages"] == 1_500
    assert done["refused"] > 100


@pytest.mark.parametrize("value", [True, 7.0, "7", "\uff17", 1e999, 2**63, -1, None])
def test_nothing_else_becomes_the_number_of_a_participant(door, value):
    with pytest.raises(ValueError, match="participant"):
        door.answer({"do": "listed", "participant": value})


def test_clients_that_ask_for_nothing_delay_no_other_and_a_fault_ends_nothing(tmp_path, caplog):
    def answer(request):
        raise OverflowError("\x1b[31mboom")

    with Server(tmp_path / "door.sock", answer) as server:
        begun_s = time.monotonic()
        silent = [connected(server) for _ in range(MAX_CLIENTS)]
        silent[-1].sendall(b'{"do": "half')
        asking = connected(server)
        asking.sendall(b"{}\n")
        while server.faults.count == 0:
            server.poll()
        assert time.monotonic() >= begun_s + LEAST_S
        assert json.loads(asking.recv(1 << 12)) == {"error": "the request failed: OverflowError"}
        assert silent[0].recv(1) == b"", "the oldest made room"
        server.answered(b"{}\n")
        assert server.faults.count == 2
        (row,) = caplog.messages
        assert "\x1b" not in row
        for one in (*silent, asking):
            one.close()


def connected(server):
    """A client that the server has accepted."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(BOUND_S)
    client.connect(str(server.path))
    server.poll()
    return client


def test_a_second_process_takes_no_socket_from_the_first(tmp_path):
    path = tmp_path / "door.sock"
    with Server(path, dict):
        with pytest.raises(CustodyError, match="another process listens there"):
            Server(path, dict)
        assert path.exists()
    assert not path.exists()
    killed = Server(path, dict)
    killed.listener.close()
    with Server(path, dict):
        killed.close()
        assert path.exists(), "the name is another one's by now"


def test_too_few_signers_are_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(links, "ask", lambda path, request, s=0: {"signature": path.stem})
    none, one = (Links(paths, Path("attest")) for paths in ((), (Path("signer1"),)))
    assert none.last_number() == 0
    with pytest.raises(CustodyError, match="0 of 2 signatures: the file names 0 signers"):
        none.sign(1, "LTC", [], {})
    with pytest.raises(CustodyError, match="1 of 2 signatures: the file names 1 signers"):
        one.sign(1, "LTC", [], {})


@pytest.mark.promise(
    "Signers are processes with a PIN from a descriptor. While one is away nothing is paid "
    "and no address is lost to the others; when it is back everything is done, once. What a "
    "signer's answers cost does not grow with what it signed or refused before",
    group="custody",
)
def test_a_signer_that_is_away_keeps_no_address_from_the_others(monkeypatch):
    asked, away = [], {"signer1"}

    def ask(path, request, answer_s):
        if path.stem in away:
            raise CustodyError(f"{path}: no answer")
        asked.append((path.stem, request["address"]))
        return {}

    monkeypatch.setattr(links, "ask", ask)
    three = Links([Path(f"signer{number}") for number in (1, 2, 3)], Path("attest"))
    rows = [("LTC", "a"), ("LTC", "b")]
    assert three.announce(rows) == ([], "signer1: no answer")
    assert three.announce(rows) == ([], "signer1: no answer")
    others = [(name, address) for name in ("signer2", "signer3") for address in "ab"]
    assert asked == others, "each once"
    away.clear()
    assert three.announce(rows) == (rows, "")
    assert asked == [*others, ("signer1", "a"), ("signer1", "b")]


def test_an_address_that_a_signer_refuses_keeps_no_other_from_it(monkeypatch):
    def ask(path, request, answer_s):
        if request["chain"] == "ETH":
            raise Refused("unknown_chain", "this signer has no key on 'ETH'")

    monkeypatch.setattr(links, "ask", ask)
    two = Links([Path("signer1"), Path("signer2")], Path("attest"))
    done, why = two.announce([("ETH", "a"), ("LTC", "b")])
    assert (done, why) == ([("LTC", "b")], "this signer has no key on 'ETH'")


def test_a_signer_behind_a_tunnel_that_leads_nowhere_is_asked_now_and_then(monkeypatch):
    """All chains wait for each request that is not answered."""
    asked, clock = [], [0.0]

    def ask(path, request, answer_s):
        asked.append(path.stem)
        if path.stem == "signer1" and clock[0] < 500:
            clock[0] += answer_s
            raise CustodyError(f"{path}: no answer")
        return {"number": 7}

    monkeypatch.setattr(links, "ask", ask)
    monkeypatch.setattr(links, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    both = Links([Path("signer1"), Path("signer2")], Path("attest"))
    for _ in range(20):
        assert both.last_number() == 7
        assert both.announce([("LTC", "a")])[0] == []
    assert clock[0] == links.REFUSED_S
    assert asked.count("signer1") == 1
    clock[0] += 500
    assert both.announce([("LTC", "a")]) == ([("LTC", "a")], "")
    assert both.last_number() == 7
    assert asked[-2:] == ["signer1", "signer2"]


def test_one_of_three_signers_away_stops_no_payment_and_two_do(monkeypatch):
    away = set()

    def ask(path, request, answer_s=0):
        if path.stem in away:
            raise CustodyError(f"{path}: no answer")
        return {"number": 7} if request["do"] == "state" else {"signature": path.stem}

    monkeypatch.setattr(links, "ask", ask)
    names = ["signer1", "signer2", "signer3"]
    three = Links([Path(name) for name in names], Path("attest"))
    for one in names:
        away.clear()
        away.add(one)
        assert three.last_number() == 7
        others = [name for name in names if name != one]
        signed = [answer["signature"] for answer in three.sign(8, "LTC", [], {})]
        assert signed == others
        away.add(others[0])
        with pytest.raises(CustodyError, match="no answer"):
            three.last_number()
        with pytest.raises(CustodyError, match="1 of 2 signatures"):
            three.sign(8, "LTC", [], {})


@pytest.mark.promise(
    "A thief of one part (builder, payer, gas key, database, one signer or attestor) moves "
    "nothing. What custody did not ask for stops all withdrawals within one block. Whatever "
    "trips the breaker stops all withdrawals, and only two supervisors lift it",
    group="custody",
)
@pytest.mark.parametrize(
    "answer", [b"5", b"null", b"[]", b'"x"', b"[" * 100_000, b"{", b"\xff", b'{"number": []}']
)
def test_an_answer_that_is_none_is_a_fault_of_custodys(answer, tmp_path):
    """Over a real socket: what is raised is a :class:`CustodyError`, which makes custody wait."""
    path = tmp_path / "signer.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            for _ in range(4):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        stolen = Links([path], path, needed=1)
        assert stolen.asked() in ({}, {"signer": []})
        with pytest.raises(CustodyError):
            stolen.last_number()
        with pytest.raises(CustodyError):
            stolen.state("r", 1)
        if not answer.startswith(b'{"'):
            with pytest.raises(CustodyError):
                stolen.sign(1, "LTC", [], {})
        else:
            assert stolen.sign(1, "LTC", [], {}) == [{"number": []}]
        thread.join(BOUND_S)


@pytest.mark.parametrize("rows", [5, "ab", [1], [["x"]], [None], {"a": 1}])
def test_what_a_stolen_signer_says_it_was_asked_raises_nothing(rows, monkeypatch):
    monkeypatch.setattr(links, "ask", lambda path, request, answer_s: {"asked": rows})
    found = Links([Path("signer1")], Path("attest")).asked()
    assert set(found) <= {"signer1"}


@pytest.mark.promise(
    "A withdrawal that waits for people is no more usual when it is cancelled and asked for again: "
    "it waits for people again, with more points",
    group="custody",
)
def test_cancelling_and_asking_again_does_not_get_round_the_people(door, parts, outside):
    listed = {"do": "whitelist", "chain": NAME, "participant": 7, "address": outside}
    door.answer(listed)
    usable(parts)

    def held(salt, units, device):
        asking = asked(outside, salt=salt, units=units, device=device)
        reference = door.answer(asking)["reference"]
        while parts.withdrawals.go_on():
            pass
        row = parts.store.row("select * from withdrawals where reference = ?", reference)
        return row["state"], row["score"], reference

    state, _, reference = held("rent", COIN // 100, "phone")
    assert state == "sent"
    long_ago = now_ns() - 2 * 86_400 * 10**9
    parts.store.run("update withdrawals set state = 'done', changed_ns = ?", long_ago)
    scores = []
    for turn in range(3):
        state, points, reference = held(f"theft {turn}", 10 * COIN, "a thief's")
        assert state == "held"
        scores.append(points)
        door.answer({"do": "cancel", "participant": 7, "reference": reference})
        while parts.withdrawals.go_on():
            pass
    assert scores == [75, 105, 135]


@pytest.fixture(scope="module")
def persons():
    rows = ("anna", "supervisor"), ("bert", "supervisor"), ("carl", "operator")
    return Persons(tuple(Person(name, CHEAP.hash(name), role) for name, role in rows))


@pytest.mark.promise(
    "The word of a person who approves, or who lifts the breaker, is for what there was to read: "
    "a change of the account, or another reason, needs it again",
    group="custody",
)
def test_a_word_is_for_what_there_was_to_read(door, parts, outside, persons):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    asking = asked(outside, units=11 * COIN, changes="none")
    reference = door.answer(asking)["reference"]
    for _ in range(3):
        parts.withdrawals.go_on()
    parts.withdrawals.persons, approve = persons, parts.withdrawals.approve
    assert approve(reference, "anna", "anna") is False
    door.answer(asking)
    door.answer(asking | {"changes": "mail address changed 2026-11-29 05:00 UTC"})
    assert approve(reference, "bert", "bert") is False, "anna has not read it"
    read = parts.withdrawals.shown(reference)
    door.answer(asking | {"changes": "password changed 2026-11-29 06:00 UTC"})
    with pytest.raises(Refused, match="read it again"):
        approve(reference, "bert", "bert", read)
    for name, is_whole in (("bert", False), ("anna", True)):
        assert approve(reference, name, name, parts.withdrawals.shown(reference)) is is_whole
    breaker = parts.breaker
    for _ in range(2):
        breaker.trip("more than 1 LTC would leave in an hour")
    assert breaker.lift(persons, "anna", "anna") is False
    breaker.trip("signer2 signed dead, which custody did not ask for")
    assert breaker.lift(persons, "bert", "bert") is False
    assert breaker.why() == "signer2 signed dead, which custody did not ask for"
    assert breaker.lift(persons, "bert", "bert") is False
    read = breaker.reasons()
    breaker.trip("signer1 signed beef, which custody did not ask for")
    assert breaker.lift(persons, "anna", "anna", read) is False, "it came while anna typed"
    assert breaker.why() == "signer1 signed beef, which custody did not ask for"
    assert breaker.lift(persons, "bert", "bert", breaker.reasons()) is False
    assert breaker.lift(persons, "anna", "anna", breaker.reasons()) is True
    assert breaker.why() == ""


@pytest.mark.promise(
    "The word of a person who is no longer in custody's file, or has a lower role there, counts no "
    "more",
    group="custody",
)
def test_the_word_of_a_person_who_left_counts_no_more(door, parts, outside, persons):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    reference = door.answer(asked(outside, units=11 * COIN))["reference"]
    for _ in range(3):
        parts.withdrawals.go_on()
    anna, bert, carl = persons.persons.values()
    left, lower = (Persons((*one, bert, carl)) for one in ([], [replace(anna, role="operator")]))
    parts.withdrawals.persons, approve = persons, parts.withdrawals.approve
    assert approve(reference, "anna", "anna") is False
    parts.withdrawals.persons = left
    assert approve(reference, "bert", "bert") is False
    assert parts.withdrawals.go_on() == 0
    assert state_of(door, reference)["state"] == "held"
    assert approve(reference, "carl", "carl") is True
    parts.breaker.trip("a drill")
    assert parts.breaker.lift(persons, "anna", "anna") is False
    assert parts.breaker.lift(lower, "bert", "bert") is False, "anna lifts nothing any more"
    assert parts.breaker.lift(persons, "bert", "bert") is True


def test_an_approval_at_the_venue_is_none_of_custodys_people(door, parts, outside, persons):
    """A supervisor of the venue approves there what waits for two people here."""
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    reference = door.answer(asked(outside, units=11 * COIN))["reference"]
    for _ in range(3):
        parts.withdrawals.go_on()
    parts.venue.movements[reference].state = "approved"
    for _ in range(3):
        parts.withdrawals.go_on()
    assert state_of(door, reference)["state"] == "held"
    parts.withdrawals.persons = persons
    for name in ("anna", "bert"):
        parts.withdrawals.approve(reference, name, name)
    for _ in range(3):
        parts.withdrawals.go_on()
    assert state_of(door, reference)["state"] == "sent"


def test_who_approves_reads_the_score_and_the_accounts_changes(door, parts, outside):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    asking = asked(outside, changes="mail address changed 2026-11-29 05:00 UTC")
    reference = door.answer(asking)["reference"]
    assert parts.withdrawals.shown(reference) == [
        f"2.00000000 LTC of participant 7 to {outside}",
        "score 30: the first withdrawal of this asset, a new address",
        "changes of the account: mail address changed 2026-11-29 05:00 UTC",
    ]


def test_a_withdrawal_is_disputed_once(door, parts, outside):
    door.answer({"do": "whitelist", "chain": NAME, "participant": 7, "address": outside})
    usable(parts)
    reference = door.answer(asked(outside))["reference"]
    parts.withdrawals.dispute(reference)
    query = "select * from askers"
    first = tuple(parts.store.row(query))
    parts.withdrawals.dispute(reference)
    assert tuple(parts.store.row(query)) == first
    with pytest.raises(Refused):
        parts.withdrawals.dispute("another")
