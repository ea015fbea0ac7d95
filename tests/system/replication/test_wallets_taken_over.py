"""A standby takes over a venue whose wallets have deposits and withdrawals under way, and a session
that was added while it traded: real processes, a real kill."""

import pytest

from openoutcry.journal.checkpoint import recover
from openoutcry.journal.replay import replay
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.order_entry.passwords import password_hasher
from openoutcry.risk.region import View
from openoutcry.venue.desk import DeskError, ask
from openoutcry.venue.movement_desk import deposit_seen, listing, request_withdrawal, step
from tests.support.replica.replica_nodes import WORD, Asker, Node
from tests.support.risk.spot_page import TABLES

SLOTS = """
[[session_slots]]
protocol = "ouch-4.2"
count = 2
"""
AMOUNT, LEAST = 1_000, 4


def deposited(number):
    """A deposit that is seen and credited."""
    name = f"in {number}"
    return (
        deposit_seen(2, "BTC", AMOUNT, name),
        step("deposit-credit", name, f"credit {number}"),
    )


@pytest.mark.promise(
    "A standby continues contracts, deposits and withdrawals that were under way, each "
    "command done once, and has every session",
    group="venue",
)
def test_a_standby_continues_with_wallets_movements_and_sessions(tmp_path, cluster):
    coins = 'symbol = "ETH-BTC"\n'
    tables = TABLES.replace("100_000_000", "40_000_000").replace(coins, coins + "ouch = false\n")
    tables += SLOTS
    a = Node(tmp_path / "a", "WALLETS", cluster.folder, lease_ms=10_000, more=tables)
    b = Node(tmp_path / "b", "WALLETS", cluster.folder, lease_ms=10_000, more=tables)
    for node in (a, b):
        text = node.file.read_text()
        node.file.write_text(
            text.replace('symbol = "GOLD"\n', 'symbol = "GOLD"\namount_decimals = 6\n')
        )
    try:
        a.start("serve")
        a.wait_until_open()
        b.start("standby")
        first = [
            {"do": "deposit", "participant": 1, "amount": 10**6, "asset": "BTC",
             "reference": "coins"},
            request_withdrawal(1, "BTC", 300_000, "out 1"),
            step("withdrawal-approve", "out 1", "approve 1"),
            request_withdrawal(1, "BTC", 50_000, "out 2"),
            {"do": "session-add", "name": "NEW", "protocol": "ouch-4.2", "participant": 2,
             "password_hash": password_hasher().hash(WORD), "reference": "new session"},
        ]  # fmt: skip
        for request in first:
            ask(a.journal, request)
        client = a.client("NEW")
        client.enter("S", "BTC-USD", 1, "100.00", name="EARLY")
        assert client.next().kind == "J", "it has no coins yet"
        custody = Asker(a.journal, deposited)
        custody.start()
        b.wait(lambda: custody.answered >= LEAST)
        b.wait(lambda: b.standby().get("prepared"))
        a.kill()
        custody.join()
        b.wait_until_open()
        requests = [*first, *custody.sent]
        answers = [ask(b.journal, request) for request in requests]
        known = answers[: len(first) + custody.answered]
        assert all(answer.get("repeated") for answer in known), "what was answered was safe"
        again = [ask(b.journal, request) for request in requests]
        assert all(answer["repeated"] for answer in again)
        with pytest.raises(DeskError, match="belongs to a different request"):
            ask(b.journal, first[0] | {"amount": 5})
        under_way = ask(b.journal, listing("withdrawal"))["movements"]
        assert [(row["reference"], row["state"]) for row in under_way] == [
            ("out 1", "approved"),
            ("out 2", "requested"),
        ]
        ask(b.journal, step("withdrawal-sent", "out 1", "sent 1"))
        ask(b.journal, step("withdrawal-done", "out 1", "done 1"))
        ask(b.journal, step("withdrawal-cancel", "out 2", "cancel 2"))
        client = b.client("NEW")
        assert client.next().kind == "J", "its stream goes on"
        client.enter("S", "BTC-USD", 1, "100.00", name="LATER")
        expected = {1: (10**6 - 300_000, 0)}
        credited = sum(one["do"] == "deposit-credit" for one in custody.sent)
        lot = 10_000 if credited * AMOUNT >= 10_000 else 0
        assert client.next().kind == ("A" if lot else "J")
        expected[2] = credited * AMOUNT - lot, lot
        result = b.stop()
        assert result["last_run"]["lost"] == result["last_run"]["duplicated"] == 0
    finally:
        for node in (a, b):
            if node.process is not None and node.process.poll() is None:
                node.kill()
    view = View(recover(b.journal).engine.region)
    assert {who: view.wallets.balance(who, "BTC")[:2] for who in (1, 2)} == expected
    held, net = view.wallets.total("BTC")
    assert held == net == 10**6 - 300_000 + credited * AMOUNT
    assert Reconciliation(b.journal, None, every=1).advance().difference is None
    assert replay(b.journal)["state_hash"] == result["last_run"]["state_hash"]
