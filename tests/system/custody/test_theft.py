"""Theft drills: the payer, a signer, an API key, the database and the scanner, each in the hands of
an attacker.  Nothing leaves beyond the policy, and what was tried is in the alarms."""

from dataclasses import replace

import pytest

from openoutcry.custody.errors import Refused
from openoutcry.custody.rail import Payment
from openoutcry.custody.reconcile import Reconciler
from openoutcry.custody.scanner import change_address
from openoutcry.custody.statement import Claim, Statement, claim_document, reference_of
from openoutcry.custody.watch import Watch
from openoutcry.custody.withdrawals import Asked
from tests.support.custody.chains import NAME, need_hsm, need_node
from tests.support.custody.desk import Desk
from tests.support.custody.party import COIN, NAMES, softhsm


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    need_node()
    need_hsm()
    folder = tmp_path_factory.mktemp("theft")
    softhsm(folder, *NAMES)
    made = Desk(folder, a_payment=5 * COIN, an_hour=13 * COIN, a_day=20 * COIN)
    made.fund(7, 40)
    made.fund(8, 10)
    yield made
    made.close()


def draft(desk, address, units):
    """What a stolen payer builds: any payment, right in form."""
    return desk.parts.rails[NAME].build([Payment("x", "LTC", address, units)], frozenset())


def refused(desk, made, claims):
    """Both signers say no; the words."""
    number = desk.party.last_number() + 1
    rows = [claim_document(one) for one in claims]
    request = {"do": "sign", "number": number, "chain": NAME, "claims": rows, "body": made.body}
    words = []
    for signer in desk.party.signers:
        with pytest.raises(Refused) as error:
            signer.answer(request)
        words.append(error.value.code)
    return set(words)


def genuine(desk, participant, units):
    """A withdrawal that the venue has sent, and its claim."""
    reference, address = desk.ask(participant, units)
    while desk.parts.withdrawals.go_on():
        pass
    query = "select * from withdrawals where reference = ?"
    row = desk.parts.store.row(query, reference)
    statement, signature = desk.party.state(reference, participant)
    terms = participant, "LTC", NAME, address, units, row["salt"]
    return Claim(reference, *terms, statement, signature)


@pytest.mark.promise(
    "A thief of one part (builder, payer, gas key, database, one signer or attestor) moves "
    "nothing. What custody did not ask for stops all withdrawals within one block. Whatever "
    "trips the breaker stops all withdrawals, and only two supervisors lift it",
    group="custody",
)
def test_a_stolen_payer_moves_nothing(desk):
    thief = desk.outside()
    made = draft(desk, thief, COIN)
    assert refused(desk, made, []) == {"unknown_output"}
    # Hidden as change, or as the cold wallet's.
    for mark in (["hot", 1, 0], ["cold", 0, 0], ["hot", 0, 0], ["hot", 1, 2**31], "x", ["hot", 1]):
        body = made.body | {"own": made.body["own"] | {"0": mark}}
        assert refused(desk, replace(made, body=body), []) == {"false_change"}
    # An invented withdrawal, stated by a key that is not the venue's.
    reference = reference_of(7, "LTC", NAME, thief, COIN, "s")
    said = Statement("OUTCRY", reference, 7, "LTC", COIN, "sent")
    invented = Claim(reference, 7, "LTC", NAME, thief, COIN, "s", said, "11" * 64)
    assert refused(desk, made, [invented]) == {"not_stated"}
    # A genuine withdrawal turned to the thief, and one that is paid a second time.
    one = genuine(desk, 7, COIN)
    turned = replace(one, address=thief)
    assert refused(desk, made, [turned]) == {"other_destination"}
    renamed = replace(turned, reference=reference_of(7, "LTC", NAME, thief, COIN, one.salt))
    assert refused(desk, made, [renamed]) == {"other_statement"}
    desk.mine(7)
    assert desk.received(one.address) == COIN
    again = draft(desk, one.address, COIN)
    assert refused(desk, again, [one]) == {"paid_twice"}
    # Foreign amounts of the inputs do not help: they are part of what is signed (BIP 143).
    assert desk.received(thief) == 0
    assert all(one.is_whole for one in desk.balances())


@pytest.mark.promise(
    "A signer signs a transaction with one set of amounts: two requests that each hide a coin "
    "make no fee above its limit",
    group="custody",
)
def test_a_stolen_payer_gives_no_coin_to_a_miner_by_two_lies(desk):
    """A signature of an input covers that input's amount alone. So the thief asks for the same
    transaction twice: each time one amount is true, and the other makes the fee look small."""
    desk.fund(7, 3)
    desk.fund(8, 3)
    rail, fee = desk.parts.rails[NAME], 2_000
    coins = [one for one in rail._coins(frozenset()) if one.amount == 3 * COIN][:2]
    _, at = change_address(desk.parts.store, rail.hot, rail.spec)
    kept = [(3 * COIN, rail.hot.lock(1, at).script)]
    asked = [
        rail._draft((), chosen, kept, {"0": ["hot", 1, at]}, fee, 10)
        for chosen in (
            [coins[0], replace(coins[1], amount=fee)],
            [replace(coins[0], amount=fee), coins[1]],
            coins,
        )
    ]
    assert len({one.identity for one in asked}) == 1
    number = desk.party.last_number() + 1
    request = {"do": "sign", "number": number, "chain": NAME, "claims": []}
    for signer in desk.party.signers:
        for _ in range(2):
            signer.answer(request | {"body": asked[0].body})
        for wrong in asked[1:]:
            for later in (0, 1):
                with pytest.raises(Refused) as error:
                    signer.answer(request | {"number": number + later, "body": wrong.body})
                assert error.value.code == "other_amounts"


def test_a_stolen_payer_stays_within_the_limits_of_the_day(desk):
    """Even with the venue's word for everything: amounts a payment, an hour and a day."""
    large = genuine(desk, 7, 6 * COIN)
    assert refused(desk, draft(desk, large.address, 6 * COIN), [large]) == {"too_much"}
    query = "update withdrawals set state = 'refused' where reference = ?"
    desk.parts.store.run(query, large.reference)
    claims = [genuine(desk, 7, 5 * COIN) for _ in range(3)]
    desk.mine(7)
    assert sum(desk.received(one.address) for one in claims) == 10 * COIN
    notes = desk.parts.store.rows("select text from notes where kind = 'alarm'")
    assert any("limit" in row["text"] for row in notes)
    for one in claims:
        desk.parts.store.run(query, one.reference)


@pytest.mark.smoke
@pytest.mark.promise(
    "A thief of one part (builder, payer, gas key, database, one signer or attestor) moves "
    "nothing. What custody did not ask for stops all withdrawals within one block. Whatever "
    "trips the breaker stops all withdrawals, and only two supervisors lift it",
    group="custody",
)
def test_one_stolen_signer_moves_nothing(desk):
    thief = desk.outside()
    made = draft(desk, thief, COIN)
    signer = desk.party.signers[0]
    reading = signer.readers[NAME].read(made.body)
    signatures = [signer.hsm.sign("utxo", digest) for digest in reading.digests]
    answer = signer.readers[NAME].answer(made.body, signer.hsm.public_key("utxo"), signatures)
    rail = desk.parts.rails[NAME]
    with pytest.raises(Refused) as error:
        rail.combine(made, [answer])
    assert error.value.code == "too_few_signatures"
    for change in ({"key": 5}, {"key": "zz"}, {"key": ""}, {"signatures": []}, {"signatures": 7}):
        with pytest.raises(Refused) as error:
            rail.combine(made, [answer, answer | change])
        assert error.value.code == "bad_signature", "and nothing else is raised"
    rail.signatures_needed = 1
    try:
        signed = rail.combine(made, [answer, answer])
    finally:
        rail.signatures_needed = 2
    (verdict,) = desk.bench.node.rpc.call("testmempoolaccept", [signed.raw])
    assert verdict["allowed"] is False
    assert signer.hsm.attributes("utxo")["extractable"] is False
    assert desk.received(thief) == 0


@pytest.mark.promise(
    "A thief of one part (builder, payer, gas key, database, one signer or attestor) moves "
    "nothing. What custody did not ask for stops all withdrawals within one block. Whatever "
    "trips the breaker stops all withdrawals, and only two supervisors lift it",
    group="custody",
)
def test_a_thief_with_one_signer_is_reported_within_one_block(desk):
    """The thief has a signature of one and asks the other, with and without false claims."""
    watch = Watch(desk.parts.store, desk.party)
    genuine(desk, 7, COIN)
    desk.mine(7)
    watch.go_on()
    desk.parts.store.run("update breaker set lifted_ns = 1")
    desk.bench.node.mine()
    desk.settle()
    assert watch.go_on() == 0
    assert desk.parts.breaker.why() == ""
    made = draft(desk, desk.outside(), COIN)
    with pytest.raises(Refused):
        desk.party.signers[1].answer(
            {"do": "sign", "number": 10**6, "chain": NAME, "claims": [], "body": made.body}
        )
    assert watch.go_on() == 0, "it looks once for each block"
    desk.bench.node.mine()
    desk.settle()
    assert watch.go_on() == 1
    assert f"signer2 refused (unknown_output) {made.identity}" in desk.parts.breaker.why()
    desk.parts.store.run("update breaker set lifted_ns = 1")
    desk.mine()
    assert watch.go_on() == 0, "people know it"
    # The stolen one signs for its thief: change to the wallet itself, which its policy allows.
    rail = desk.parts.rails[NAME]
    moved = rail._build((), [], 10, must_spend=rail._coins(frozenset())[:1])
    desk.party.signers[0].answer(
        {"do": "sign", "number": 10**6, "chain": NAME, "claims": [], "body": moved.body}
    )
    desk.mine()
    assert watch.go_on() == 1
    assert f"signer1 signed {moved.identity}" in desk.parts.breaker.why()
    desk.parts.store.run("update breaker set lifted_ns = 1")


def test_a_stolen_api_key_pays_only_old_addresses_of_its_owner(desk):
    """It can ask; an address that it adds waits, at custody and at each signer."""
    thief = desk.outside()
    file = replace(desk.bench.file, whitelist_wait_s=86_400)
    desk.parts.withdrawals.file = file
    try:
        desk.parts.withdrawals.add_address(NAME, 8, thief)
        with pytest.raises(Refused) as error:
            desk.parts.withdrawals.ask(Asked(8, "LTC", thief, COIN))
        assert error.value.code == "address_locked"
        query = "select text from notes where subject = 'participant 8 address_locked'"
        (alarm,) = desk.parts.store.rows(query)
        assert "address_locked" in alarm["text"]
    finally:
        desk.parts.withdrawals.file = desk.bench.file


@pytest.mark.promise(
    "A thief of one part (builder, payer, gas key, database, one signer or attestor) moves "
    "nothing. What custody did not ask for stops all withdrawals within one block. Whatever "
    "trips the breaker stops all withdrawals, and only two supervisors lift it",
    group="custody",
)
def test_a_changed_database_moves_nothing_and_is_noticed_with_the_next_block(desk):
    thief, store = desk.outside(), desk.parts.store
    one = genuine(desk, 8, COIN)
    store.run("update withdrawals set address = ? where reference = ?", thief, one.reference)
    desk.settle()
    row = store.row("select text from notes where subject = ? order by id desc", one.reference)
    assert "a signer refuses it: other_destination" in row["text"]
    assert desk.received(thief) == 0
    query = "update withdrawals set address = ? where reference = ?"
    store.run(query, one.address, one.reference)
    desk.mine(8)
    assert desk.received(one.address) == COIN
    reconciler = Reconciler(desk.bench.file, store, desk.core, desk.parts.rails)
    reconciler.go_on()
    assert not desk.parts.breaker.why()
    # An invented deposit: the node has no such output.
    address = desk.bench.address(8)
    store.run(
        "insert into deposits select 'dpx', chain, 'feed', place, 0, token, asset, participant, ?, "
        "amount, units, state, height, block, asked, venue, why, changed_ns from deposits "
        "where state = 'final' limit 1",
        address,
    )
    desk.bench.node.mine()
    desk.bench.scanner.catch_up()
    reconciler.go_on()
    assert "reconciliation" in desk.parts.breaker.why()
    waits, _ = desk.ask(7, COIN)
    desk.settle()
    assert desk.states()[waits] == "asked"
    store.run("delete from deposits where reference = 'dpx'")
    store.run("update breaker set lifted_ns = 1")


def test_a_credit_that_custody_never_made_is_found_in_the_ledger(desk):
    """A stolen scanner asks the venue's desk alone: custody's records are whole, the ledger's are
    not custody's."""
    reconciler = Reconciler(desk.bench.file, desk.parts.store, desk.core, desk.parts.rails)
    query = "select sum(units) as n from deposits where venue = 'credited'"
    came = desk.parts.store.row(query)["n"]
    query = "select coalesce(sum(units), 0) as n from withdrawals where state = 'done'"
    held = came - desk.parts.store.row(query)["n"]
    assert reconciler.ledger_differences({"LTC": held}) == []
    (text,) = reconciler.ledger_differences({"LTC": held + 3 * COIN})
    assert text == f"LTC: {held} by custody's movements, {held + 3 * COIN} in the ledger"


def test_what_a_stolen_scanner_credits_is_noticed_with_the_next_block(desk):
    """A stolen scanner enters an invented deposit at the venue: the reconciliation of the next
    block finds a movement without an output, and stops all withdrawals."""
    desk.core.seen(8, "LTC", 3 * COIN, "dpinvented", 8)
    desk.core.step("deposit-credit", "dpinvented")
    reconciler = Reconciler(desk.bench.file, desk.parts.store, desk.core, desk.parts.rails)
    row = dict(desk.parts.store.row("select * from deposits where state = 'final' limit 1"))
    row |= {"reference": "dpinvented", "txid": "dead", "participant": 8, "units": 3 * COIN}
    row |= {"amount": str(3 * COIN), "venue": "credited", "state": "credited"}
    desk.parts.store.insert("deposits", **row)
    desk.bench.node.mine()
    desk.bench.scanner.catch_up()
    reconciler.go_on()
    assert "reconciliation of LTC" in desk.parts.breaker.why()
