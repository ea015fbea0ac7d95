"""Sanctioned addresses and payments that need a record become cases of surveillance, each once."""

from dataclasses import replace

import pytest

from openoutcry.custody.cases import CaseDesk
from openoutcry.custody.errors import Refused
from openoutcry.custody.serve import Parts
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.store import Store
from openoutcry.custody.withdrawals import Asked
from openoutcry.surveillance.referrals import FIRST, NAME, referred
from openoutcry.wire.sqlite_file import StoreError
from tests.support.custody.chains import NAME as CHAIN
from tests.support.custody.chains import NEEDED, TEXT, hot_keys
from tests.support.custody.core import Core

COIN = 10**8


@pytest.fixture
def parts(tmp_path):
    for module in NEEDED:
        pytest.importorskip(module)
    _, _, hot, cold = hot_keys()
    (tmp_path / "journal").mkdir()
    path = tmp_path / "custody.toml"
    values = {"url": "http://u:p@127.0.0.1:1", "hot": hot, "cold": cold}
    path.write_text(TEXT.format(final=6, wait=0, **values))
    file = replace(read_custody_file(path), travel_rule={"LTC": 2 * COIN})
    core = Core()
    core.balance(7, "LTC")[0] = 40 * COIN
    with Parts(file, core, sends=False) as made:
        yield made


def outside(parts, number):
    from openoutcry.custody.utxo.address import address_of

    return address_of(b"\x00\x14" + number.to_bytes(20), parts.rails[CHAIN].network)


@pytest.mark.promise(
    "A try to withdraw to a sanctioned address, and a payment above the travel rule's threshold, "
    "are cases of the venue's surveillance, each once",
    group="custody",
)
def test_what_has_to_be_looked_at_is_a_case_of_surveillance(parts):
    listed, other = outside(parts, 1), outside(parts, 2)
    parts.withdrawals.sanctioned = frozenset([listed])
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            parts.withdrawals.add_address(CHAIN, 7, listed)
        assert refused.value.code == "sanctioned"
    parts.withdrawals.add_address(CHAIN, 7, other)
    parts.withdrawals.ask(Asked(7, "LTC", other, COIN, "small"))
    reference = parts.withdrawals.ask(Asked(7, "LTC", other, 3 * COIN, "large"))
    desk = CaseDesk(parts.store, parts.file.journal)
    assert (desk.go_on(), desk.go_on()) == (2, 0)
    first, second = referred(parts.file.journal)
    assert (first.number, first.detector, first.participants) == (FIRST, "sanctions", (7,))
    assert listed in first.also[0]
    assert (second.detector, second.lots, second.symbol) == ("travel_rule", 3 * COIN, "LTC")
    assert reference in second.also[0]


@pytest.mark.parametrize("spelling", [0, 1])
@pytest.mark.parametrize("listed_as", [0, 1])
def test_a_sanctioned_address_is_refused_in_each_of_its_spellings(parts, spelling, listed_as):
    """A script's address of Litecoin has two: that of before 2018, and today's."""
    from openoutcry.custody.utxo.address import _base58

    versions = parts.rails[CHAIN].network.pay_to_script
    texts = [_base58(bytes([version]) + b"s" * 20) for version in versions]
    path = parts.file.path.with_name("sanctions")
    path.write_text(f"# a list\n{texts[listed_as]}  # somebody\n0x12\n")
    parts.withdrawals.file = replace(parts.file, sanctions=path)
    parts.withdrawals.sanctioned = parts.withdrawals._sanctions()
    with pytest.raises(Refused) as refused:
        parts.withdrawals.add_address(CHAIN, 7, texts[spelling])
    assert refused.value.code == "sanctioned"
    parts.withdrawals.add_address(CHAIN, 7, outside(parts, 2))


@pytest.mark.promise(
    "An address that comes on the list of sanctions after a withdrawal was asked for is not paid: "
    "the withdrawal is refused, and its amount its owner's again",
    group="custody",
)
def test_an_address_that_is_sanctioned_meanwhile_is_not_paid(parts):
    listed = outside(parts, 1)
    parts.withdrawals.add_address(CHAIN, 7, listed)
    references = [parts.withdrawals.ask(Asked(7, "LTC", listed, COIN, "before"))]
    for number in range(2):
        parts.withdrawals.go_on()
        references.append(parts.withdrawals.ask(Asked(7, "LTC", listed, COIN, f"{number}")))
    path = parts.file.path.with_name("sanctions")
    path.write_bytes(b"\xef\xbb\xbf" + listed.encode())  # as some editors write it
    parts.withdrawals.file = replace(parts.file, sanctions=path)
    parts.withdrawals.sanctioned = parts.withdrawals._sanctions()
    while parts.withdrawals.go_on():
        pass
    rows = parts.store.rows("select state, code from withdrawals")
    assert {tuple(row) for row in rows} == {("refused", "sanctioned")}
    assert {parts.venue.movements[one].state for one in references} == {"cancelled"}
    assert parts.venue.balance(7, "LTC") == [40 * COIN, 0]
    assert CaseDesk(parts.store, parts.file.journal).go_on() == 1


def test_a_crash_between_two_writes_makes_no_second_case(parts):
    parts.withdrawals.sanctioned = frozenset([outside(parts, 1)])
    with pytest.raises(Refused):
        parts.withdrawals.add_address(CHAIN, 7, outside(parts, 1))
    assert CaseDesk(parts.store, parts.file.journal).go_on() == 1
    parts.store.run("update cases set referred = 0")
    CaseDesk(parts.store, parts.file.journal).go_on()
    assert len(referred(parts.file.journal)) == 1


def test_cases_that_surveillance_has_lost_are_referred_again_at_the_next_start(parts):
    parts.withdrawals.sanctioned = frozenset([outside(parts, 1)])
    with pytest.raises(Refused):
        parts.withdrawals.add_address(CHAIN, 7, outside(parts, 1))
    CaseDesk(parts.store, parts.file.journal).go_on()
    (parts.file.journal / "surveillance" / NAME).unlink()
    CaseDesk(parts.store, parts.file.journal).go_on()
    assert len(referred(parts.file.journal)) == 1


def test_a_case_waits_while_it_cannot_be_written(parts):
    parts.withdrawals.sanctioned = frozenset([outside(parts, 1)])
    with pytest.raises(Refused):
        parts.withdrawals.add_address(CHAIN, 7, outside(parts, 1))
    folder = parts.file.journal / "surveillance"
    folder.write_text("no folder")
    desk = CaseDesk(parts.store, parts.file.journal)
    assert desk.go_on() == 0
    (note,) = parts.store.rows("select text from notes where kind = 'waits'")
    assert "surveillance did not take a case" in note["text"]
    folder.unlink()
    assert desk.go_on() == 1


def test_a_store_of_the_layout_before_gets_the_table(tmp_path):
    with Store(tmp_path) as store:
        store.run("drop table cases")
        store.run("drop table refills")
        store.run("alter table withdrawals drop column code")
        store.run("pragma user_version = 2")
    with Store(tmp_path) as store:
        assert store.rows("select * from cases") == []


def test_an_error_of_the_database_after_the_first_row_is_the_stores(tmp_path):
    query = "select abs(column1) from (values (1), (-9223372036854775808))"
    with Store(tmp_path) as store:
        for ask in (store.row, store.rows):
            with pytest.raises(StoreError, match="integer overflow"):
                ask(query)
