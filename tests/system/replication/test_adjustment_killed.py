"""A venue is killed in the middle of the adjustment of three contracts: while it is staged, and
just after it is in force.  A standby continues with the terms of the core, is killed there as well
and restarted.  Participants trade on by the adjusted terms; every contract is adjusted once."""

import pytest

from openoutcry.journal.checkpoint import recover
from openoutcry.journal.replay import replay
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View
from openoutcry.venue.desk import ask
from openoutcry.wire.enums import CommandKind
from tests.support.replica.killed_requests import (
    die_at,
    same_until_they_part,
    trade,
    two_nodes,
)
from tests.support.venue.served_venue import ns
from tests.system.replication.test_expiry_killed import FUTURE, MORE

SYMBOLS = ("GOLD", "GOLD-C", "GOLD-P")
STAGED, APPLIED = 8, 10
"""Commands of a request that came through: two of its reference, three cancels, the drop of what
was staged before, two or three adjustments, and what puts them in force."""


def adjust(node, new, old):
    """The request, which has the same reference each time."""
    request = {"do": "contract-adjust", "underlying": "XAU", "new": new, "old": old}
    return ask(node.journal, request | {"reference": f"{new} for {old}"})


def terms_of(node):
    """The terms of each contract by the journal's replay."""
    view = View(recover(node.journal).engine.region)
    names = ("multiplier", "mark", "strike", "strike_multiplier", "strike_rest", "adjustments")
    return [tuple(view.contracts.of(index, name) for name in names) for index in range(3)]


def traded(node, lots, price):
    """Participant 1 buys GOLD of participant 2, after the auction with which it begins again."""
    buyer, seller = node.client("ONE"), node.client("TWO")
    buyer.enter("B", "GOLD", lots, price, name="AFTER")
    seller.enter("S", "GOLD", lots, price, name="SOLD")
    (node.folder / "clock").write_text(str(ns("2026-11-23T10:20")))
    for message in buyer.messages(60.0):
        if message.kind == "E" and message["token"].strip() == "AFTER":
            return
    raise AssertionError(node.output())


@pytest.mark.promise(
    "An adjustment of contracts that is killed half-way continues on a standby and after a "
    "restart, once, with the same state hash, and trading continues by the adjusted terms",
    group="venue",
)
def test_an_adjustment_killed_half_way_is_done_once(tmp_path, cluster):
    a, b = two_nodes(tmp_path, cluster.folder, "SPLITS", FUTURE, MORE)
    try:
        a.start("serve")
        a.wait_until_open()
        b.start("standby")
        buyer, seller = a.client("ONE"), a.client("TWO")
        trade(buyer, seller, zip(SYMBOLS, (7, 2, 3), ("100.00", "1.00", "1.00"), strict=True))
        for symbol in SYMBOLS:
            ask(a.journal, {"do": "halt", "instrument": symbol})
        b.wait(lambda: b.standby().get("prepared"))
        die_at(a, lambda: adjust(a, 3, 1), STAGED)
        b.wait_until_open()
        assert not adjust(b, 3, 1).get("repeated"), "nothing of it was in force"
        die_at(b, lambda: adjust(b, 1, 2), APPLIED)
        b.start("serve")
        b.wait_until_open()
        for _ in range(2):
            adjust(b, 1, 2)
        assert adjust(b, 3, 1)["repeated"]
        for symbol in SYMBOLS:
            ask(b.journal, {"do": "resume", "instrument": symbol})
        traded(b, 2, "67.00")
        ask(b.journal, {"do": "contract-mark", "instrument": "GOLD", "price": 6_800})
        result = b.stop()
        assert result["last_run"]["lost"] == result["last_run"]["duplicated"] == 0
    finally:
        for node in (a, b):
            if node.process is not None and node.process.poll() is None:
                node.kill()
    # 3 for 1: marks of 10,000 are 3,333 and a third; then 1 for 2.
    option = (10, 100, 6_666, 15, 10, 2)
    assert terms_of(b) == [(15, 6_800, 0, 0, 0, 2), option, option]
    view = View(recover(b.journal).engine.region)
    # Premiums, what rounding took of a lot's 100,000, and two lots at 34 ticks above the mark of
    # 6,666, which rises to 6,800.
    gain = -2 * 100 * 10 - 3 * 100 * 10 - 7 * 10 - 2 * 15 * 34 + 9 * 15 * 134
    assert [view.of(who, lay.BALANCE) for who in (1, 2)] == [1_000_000 + gain, 1_000_000 - gain]
    assert [view.cell(1, index, lay.POSITION) for index in range(3)] == [9, 2, 3]
    assert Reconciliation(b.journal, None, every=1).advance().difference is None
    assert replay(b.journal)["state_hash"] == result["last_run"]["state_hash"]
    same = same_until_they_part(a, b)
    settings = same["order_type"][same["kind"] == CommandKind.RISK].tolist()
    assert settings.count(Setting.HALT) == len(SYMBOLS)
    assert settings.count(Setting.CONTRACT_ADJUST) <= STAGED - 6, "a was killed within the batch"
