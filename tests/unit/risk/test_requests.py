"""Requests of operators in the core: each reference is one action, whatever is cut off and sent
again, with one matcher and in partitions; the kernels are the plain reference."""

import numpy as np
import pytest

from openoutcry.journal.risk_hooks import risk_hooks
from openoutcry.risk import partitions
from openoutcry.risk.before import APPLIED, before
from openoutcry.risk.bits import Setting
from openoutcry.risk.layout import BALANCE, RiskState
from openoutcry.risk.partitioned import digest
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.risk.requests import (
    EFFECT,
    WHOLE,
    RequestState,
    reference_bytes,
    reference_text,
)
from openoutcry.wire import make_instruments
from openoutcry.wire.record_blocks import OrderRecord
from tests.oracles.risk.requests import PlainRequests

TABLE = make_instruments(["GOLD", "TIN"])
KINDS = (Setting.REQUEST, Setting.REQUEST_BEGUN, Setting.REQUEST_DONE)


def opening(reference, content, operator=0):
    """The two commands that open a request."""
    words = np.frombuffer(reference_bytes(reference), np.int64).tolist()
    first = setting(Setting.REQUEST, words[2], words[1], second=words[0])
    begun = setting(Setting.REQUEST_BEGUN, content, second=words[3], operator=operator)
    return [first, begun]


def deposit(amount, part=WHOLE, who=1):
    record = setting(Setting.DEPOSIT, amount, who)
    record["side"] = part
    return record


class Core:
    """A risk state that takes the operator's commands one by one."""

    def __init__(self, count=1, **more):
        settings = {"participants": 4, "order_capacity": 64, "requests": 8, "partitions": count}
        self.region = risk_hooks(settings | more, TABLE).region
        self.kernel = before if count == 1 else partitions.before
        self.seq = 0

    def apply(self, *records):
        """Whether the last of them was applied."""
        for record in records:
            self.seq += 1
            record["seq"] = self.seq
            state, order = RiskState.of(self.region.ctypes.data), OrderRecord.of(record.ctypes.data)
            answer = self.kernel(state, order)
        return answer == APPLIED

    @property
    def view(self):
        return View(self.region)

    def balance(self, who=1):
        return self.view.of(who, BALANCE)

    def state(self, reference):
        row = self.view.requests.find(reference)
        return None if row is None else RequestState(int(row[7]))


@pytest.fixture(params=(1, 2))
def core(request):
    return Core(request.param)


def test_a_reference_is_one_deposit(core):
    request = [*opening("wire 4711", 5, 2), deposit(100)]
    assert core.apply(*request)
    assert core.balance() == 100
    assert core.state("wire 4711") is RequestState.DONE
    row = core.view.requests.find("wire 4711")
    assert row[4:7].tolist() == [5, 2, 2]
    assert not core.apply(*request)
    assert not core.apply(deposit(100))
    assert core.balance() == 100


def test_what_was_cut_off_after_any_command_is_done_once(core):
    for cut in range(3):
        request = [*opening(f"cut {cut}", 5), deposit(100)]
        core.apply(*request[: cut + 1])
        core.apply(*request)
    assert core.balance() == 300


def test_another_content_does_not_open_it(core):
    core.apply(*opening("wire", 5))
    assert not core.apply(*opening("wire", 6))
    assert not core.apply(deposit(100))
    assert core.apply(*opening("wire", 5))
    assert core.apply(deposit(100))
    assert core.balance() == 100


def test_an_effect_happens_once_and_the_rest_may_follow(core):
    core.apply(*opening("split", 5))
    assert core.apply(deposit(100, EFFECT))
    assert core.state("split") is RequestState.EFFECTIVE
    assert not core.apply(deposit(100, EFFECT))
    assert core.view.requests.unfinished() == [("split", RequestState.EFFECTIVE)]
    done = setting(Setting.REQUEST_DONE, 0)
    assert core.apply(*opening("split", 5), done)
    assert core.state("split") is RequestState.DONE
    assert not core.apply(done)
    assert core.view.requests.unfinished() == []
    assert core.balance() == 100


def test_what_the_core_refuses_leaves_the_request_open_for_another_try(core):
    core.apply(*opening("large", 5))
    assert not core.apply(deposit(2**62 + 1))
    assert core.state("large") is RequestState.BEGUN
    assert core.apply(deposit(7))
    assert core.balance() == 7


def test_commands_without_a_reference_are_as_before(core):
    core.apply(*opening("wire", 5))
    assert core.apply(deposit(3, 0))
    assert core.state("wire") is RequestState.BEGUN
    assert not core.apply(deposit(3, 3))
    assert core.balance() == 3


def test_the_oldest_is_forgotten_where_there_is_no_room(core):
    for number in range(9):
        core.apply(*opening(f"request {number}", number), deposit(1))
    assert core.state("request 0") is None
    assert core.state("request 1") is RequestState.DONE
    assert len(core.view.requests) == 8


def test_a_state_without_room_takes_no_request():
    core = Core(requests=0)
    assert not core.apply(*opening("wire", 5))
    assert core.apply(deposit(100))
    with pytest.raises(RiskError, match="requests to remember"):
        make_region(TABLE, 2, requests=-1)


def test_the_hash_has_the_requests():
    one, other = Core(), Core()
    for core, reference in ((one, "a"), (other, "b")):
        core.apply(*opening(reference, 5), deposit(1))
    assert one.view.digest() != other.view.digest()
    one, other = Core(2), Core(2)
    assert digest(one.region) == digest(other.region)
    for core, reference in ((one, "a"), (other, "b")):
        core.apply(*opening(reference, 5), deposit(1))
    assert digest(one.region) != digest(other.region)


@pytest.mark.parametrize("seed", range(6))
def test_kernels_are_the_plain_reference(seed):
    """Random commands over few references: what is applied, what is remembered."""
    rng = np.random.default_rng(seed)
    core, plain = Core(1 + seed % 2, requests=5), PlainRequests(5)
    names = [f"{'x' * int(rng.integers(0, 29))}{n}" for n in range(12)]
    total = 0
    for _ in range(600):
        reference = names[rng.integers(len(names))]
        records = [
            *opening(reference, int(rng.integers(2))),
            setting(Setting.REQUEST_DONE, 0),
            deposit(1, int(rng.integers(4))),
        ]
        first = 0 if rng.random() < 0.6 else int(rng.integers(4))
        for record in records[first : first + int(rng.integers(1, 4))]:
            applied = core.apply(record)
            if record["order_type"][0] in KINDS:
                assert applied == plain.apply(record[0])
                continue
            assert applied == plain.permits(record[0])
            if applied:
                plain.note_effect(record[0])
                total += 1
        for name in names:
            row, known = core.view.requests.find(name), plain.rows.get(reference_bytes(name))
            assert (None if row is None else row[4:].tolist()) == known
    assert core.balance() == total > 0


def test_a_reference_is_printable():
    for text in ("", " a", "a ", "a" * 33, "a\tb", "ä", "a\0"):
        with pytest.raises(ValueError, match="1 to 32 printable"):
            reference_bytes(text)
    assert reference_text(np.frombuffer(reference_bytes("~" * 32), np.int64)) == "~" * 32
    assert reference_text(np.frombuffer(reference_bytes("a b"), np.int64)) == "a b"
