"""A full disk: SQLite's limit of pages is one, at whatever statement it is met.  What was begun is
undone whole, and goes on as before when there is room again."""

import pytest

from openoutcry.custody import serve
from openoutcry.custody.store import Store
from openoutcry.wire.sqlite_file import StoreError
from tests.unit.custody.test_evm_deposits import FINAL, coins, opened
from tests.unit.custody.test_signer_policy import claim as claim_of
from tests.unit.custody.test_signer_policy import clock, policy, reading  # noqa: F401


def fill(connection, spare=0):
    """No page more than there are, and ``spare``."""
    (pages,) = connection.execute("pragma page_count").fetchone()
    connection.execute(f"pragma max_page_count = {pages + spare}")


def write_much(store):
    with store.change():
        for place in range(10_000):
            store.set_word(f"word {place}", "x" * 100)


@pytest.mark.promise(
    "A deposit is credited once, when its amount has the confirmations it needs and the "
    "second node of the chain has its block. This holds also on a full disk and with a kill "
    "at any call. An undone block reverses it",
    group="custody",
)
@pytest.mark.parametrize("spare", range(4))
def test_deposits_on_a_full_disk_are_credited_once_when_there_is_room(spare):
    with opened() as desk:
        desk.step()
        fill(desk.store.connection, spare)
        wanted, fallen = 0, 0
        for number in range(120):
            desk.chain.mine([coins(desk, f"d{number}", 1, 50 + number)])
            wanted += 50 + number
            try:
                desk.step()
            except StoreError:
                fallen += 1
                desk.start()  # what serve() does
                fill(desk.store.connection)
        assert fallen
        desk.start()
        for _ in range(FINAL + 2):
            desk.chain.mine()
            desk.step()
        assert desk.venue.credited() == {(1, "ETH"): wanted}
        assert desk.states() == ["final"] * 120


def test_a_signer_on_a_full_disk_signs_nothing(policy):  # noqa: F811
    fill(policy.records.connection)
    signed, number = [], 0
    for number in range(1, 200):
        one = claim_of(1, salt=f"s{number}")
        terms = number, "LTC", reading([one], f"t{number}", (f"a:{number}",), fee=0), [one]
        try:
            policy.allow(*terms)
        except StoreError:
            break
        signed.append(number)
    assert number not in signed, "the disk was never full"
    assert policy.last_number() == (signed[-1] if signed else 0)
    policy.records.connection.execute("pragma max_page_count = 1000000")
    policy.allow(*terms)
    assert policy.last_number() == number


def test_the_payer_waits_for_room_and_loads_everything_again(tmp_path, monkeypatch):
    """Parts that fail are made again; a stop while they wait is heard."""
    turns, said = [], []

    def failing(file, once, stop, say):
        turns.append(None)
        if len(turns) < 3:
            raise StoreError("database or disk is full")

    monkeypatch.setattr(serve, "_serve", failing)
    monkeypatch.setattr(serve, "DISK_S", 0.0)
    serve.serve(None, False, lambda: False, said.append)
    assert (len(turns), len(said)) == (3, 2)
    turns.clear()
    monkeypatch.setattr(serve, "DISK_S", 900.0)
    serve.serve(None, False, lambda: True, said.append)
    assert len(turns) == 1


def test_a_change_that_meets_a_full_disk_is_undone_whole(tmp_path):
    with Store(tmp_path) as store:
        fill(store.connection)
        with pytest.raises(StoreError, match="full"):
            write_much(store)
        assert not store.connection.in_transaction
        assert store.row("select count(*) as n from words")["n"] == 0
        store.connection.execute("pragma max_page_count = 1000000")
        with store.change():
            store.set_word("a", "b")
        assert store.word("a") == "b"
