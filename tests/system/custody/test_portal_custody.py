"""What people do at the portal is done by custody on a real chain: deposits to an address of their
own, and withdrawals that they confirm, each paid once."""

from datetime import UTC, datetime

import pytest

from openoutcry.client.portal import PortalError
from openoutcry.custody.store import Store
from tests.support.custody.chains import need_hsm, need_node
from tests.support.custody.portal_custody import COIN, FINAL, PortalCustody, Somebody
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_venue import Person
from tests.support.waiting import wait_until

USD = 10**6
WAIT_S = 2
"""Wait of a new address."""
HISTORY = "/sapi/v1/capital/withdraw/history"


@pytest.fixture(scope="module")
def custody(tmp_path_factory):
    need_node()
    need_hsm()
    with PortalCustody(tmp_path_factory.mktemp("pc"), WAIT_S) as made:
        yield made


@pytest.fixture(scope="module")
def anna(custody):
    made = Somebody(custody)
    made.pay_in(16)
    yield made
    made.native.close()


@pytest.mark.promise(
    "At the page a deposit to a user's own address is shown from its first sight to its "
    "credit, once. A withdrawal goes only to an address that its owner confirmed and whose "
    "wait is over, is paid once and shown to its end",
    group="custody",
)
def test_a_deposit_is_shown_from_its_first_sight_and_credited_once(custody, anna):
    bert = Somebody(custody)
    first = bert.address()
    assert first == bert.address() != anna.address()
    with custody.portal.client(bert.person) as client:
        shown = client.get("/sapi/v1/capital/deposit/address", coin="LTC").json()
        assert (shown["address"], shown["tag"]) == (first, "")
        txid = custody.node.pay(first, 4 * COIN)
        wait_until(bert.native.chain_deposits, "it is seen in the pool")
        (row,) = bert.native.chain_deposits()
        assert (row.state, row.txid, row.amount) == ("pending", txid, "4.00000000")
        assert (row.confirmations, row.needed, row.network) == (0, 3, "LTC")
        (pending,) = client.get("/sapi/v1/capital/deposit/hisrec").json()
        assert (pending["status"], pending["txId"], pending["confirmTimes"]) == (0, txid, "0/3")
        assert bert.held() == (0, 0)
        assert bert.address() != first, "an address is not given to two payments"
        for blocks in (1, 2):
            custody.node.mine()
            wait_until(
                lambda: bert.native.chain_deposits()[0].confirmations == blocks,  # noqa: B023
                f"{blocks} confirmations",
            )
            assert bert.native.chain_deposits()[0].state == "seen"
        custody.node.mine()
        wait_until(lambda: bert.held() == (4, 0), "it is credited")
        wait_until(lambda: not bert.native.chain_deposits(), "nothing is under way")
        (row,) = bert.native.deposits().items
        assert (row.state, row.txid, row.network) == ("credited", txid, "LTC")
        (done,) = client.get("/sapi/v1/capital/deposit/hisrec").json()
        assert (done["status"], done["txId"], done["address"]) == (1, txid, first)
    custody.node.mine(FINAL)
    assert bert.held() == (4, 0)
    wait_until(lambda: "A deposit was credited: 4 LTC" in bert.titles(), "its owner hears of it")
    bert.native.close()


def test_deposits_to_sub_accounts_are_their_owners(custody):
    """Custody counts them together, so that an amount in parts to many of them waits as one."""
    owner = Somebody(custody)
    made = owner.native.new_sub_account("desk-1")
    wait_until(lambda: owner.native.list_sub_accounts()[0].is_open, "it has a participant")
    (sub,) = owner.native.list_sub_accounts()
    key = owner.native.new_sub_account_key(made.id, "bot", PASSWORD, permissions=["read"])
    bot = Person(sub.mail, "", sub.participant, key.api_key, key.secret)
    with custody.portal.client(bot) as client:
        shown = client.get("/sapi/v1/capital/deposit/address", coin="LTC").json()
    assert shown["address"] != owner.address()
    with Store(custody.folder / "custody") as store:
        rows = store.rows("select owner from owners where participant = ?", sub.participant)
    assert [row["owner"] for row in rows] == [owner.person.participant]
    owner.native.close()


def is_locked(anna, to):
    """Whether a withdrawal to the address is refused because its wait is not over."""
    try:
        row = anna.native.withdraw("LTC", "1", to)
    except PortalError as error:
        return error.code == "address_locked"
    anna.native.cancel_withdrawal(row.id)
    return False


@pytest.mark.promise(
    "At the page a deposit to a user's own address is shown from its first sight to its "
    "credit, once. A withdrawal goes only to an address that its owner confirmed and whose "
    "wait is over, is paid once and shown to its end",
    group="custody",
)
def test_a_withdrawal_goes_to_a_listed_address_and_is_paid_once(custody, anna):
    to = custody.outside()
    with pytest.raises(PortalError) as early:
        anna.native.withdraw("LTC", "1", to)
    assert early.value.code == "not_whitelisted"
    row = anna.native.add_withdrawal_address("LTC", to.upper(), label="my cold one")
    assert (row.state, row.address) == ("unconfirmed", to)
    with pytest.raises(PortalError) as early:
        anna.native.withdraw("LTC", "1", to)
    assert early.value.code == "not_whitelisted", "an address that is not confirmed is not listed"
    code = anna.next_code()
    with pytest.raises(PortalError) as wrong:
        anna.native.confirm_withdrawal_address(row.id, f"{(int(code) + 1) % 10**8:08}")
    assert wrong.value.code == "wrong_credentials"
    listed = anna.native.confirm_withdrawal_address(row.id, code)
    assert listed.state == "listed"
    assert (listed.usable_at - listed.created_at).total_seconds() >= WAIT_S
    assert is_locked(anna, to) or datetime.now(UTC) >= listed.usable_at, "a busy machine"
    anna.list_address(custody.outside())
    asked = anna.withdraw("1.5", to)
    sent = anna.reaches(asked, "sent")
    wait_until(lambda: anna.native.withdrawal(asked.id).txid, "its transaction is shown")
    sent = anna.native.withdrawal(asked.id)
    assert sent.waits == "block"
    assert sent.txid in custody.node.rpc.call("getrawmempool")
    assert custody.received(to) == 3 * COIN // 2
    with pytest.raises(PortalError) as late:
        anna.native.cancel_withdrawal(asked.id)
    assert late.value.code == "not_cancellable"
    custody.node.mine()
    wait_until(lambda: anna.native.withdrawal(asked.id).confirmations == 1, "a block has it")
    custody.node.mine(FINAL)
    done = anna.reaches(asked, "done")
    assert done.txid == sent.txid
    assert custody.received(to) == 3 * COIN // 2
    assert anna.held() == (14.5, 0)
    with custody.portal.client(anna.person) as client:
        (shown,) = [one for one in client.get(HISTORY).json() if one["address"] == to]
        assert (shown["status"], shown["txId"], shown["amount"]) == (6, sent.txid, "1.50000000")
    wait_until(lambda: "A withdrawal is on its way: 1.5 LTC" in anna.titles(), "a notice of it")
