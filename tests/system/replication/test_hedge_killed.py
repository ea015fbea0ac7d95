"""A venue is killed between two marks that belong together.  A standby continues, is killed within
them as well and restarted: no hedged participant is called, and the marks are in force once."""

import pytest

from openoutcry.journal.checkpoint import recover
from openoutcry.journal.replay import replay
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View
from openoutcry.venue.desk import ask
from tests.support.replica.killed_requests import die_at, two_nodes
from tests.system.replication.test_expiry_killed import FUTURE, FUTURE_VENUE

NEXT = """
[[instrument]]
symbol = "GOLD-N"
{rows}
[[contract]]
symbol = "GOLD-N"
kind = "future"
underlying = "XAU"
asset = "USD"
multiplier = 10
expiry = 2026-11-23T10:30:00Z
"""
FIRST, SECOND = 4, 5
"""Commands of a request that came through: two of its reference, what drops an older batch, and one
or both of the marks, but not what puts them in force."""


def mark(node, price):
    """Both contracts at once; the request has the same reference each time."""
    request = {"do": "contract-mark", "instrument": "GOLD", "price": price}
    request |= {"also": f"GOLD-N={price}", "reference": f"mark {price}"}
    return ask(node.journal, request)


def marks(view):
    return [view.contracts.of(index, "mark") for index in (0, 1)]


@pytest.mark.promise(
    "A venue that is killed between two marks of one moment calls no hedged participant; a standby "
    "and a restart put them in force once, with the same state hash",
    group="venue",
)
def test_a_hedge_is_not_called_by_marks_that_are_killed_half_way(tmp_path, cluster):
    more = NEXT.format(rows=FUTURE.strip()) + FUTURE_VENUE.format(balance=120_000)
    a, b = two_nodes(tmp_path, cluster.folder, "HEDGE", FUTURE, more)
    try:
        a.start("serve")
        a.wait_until_open()
        b.start("standby")
        hedged, other = a.client("ONE"), a.client("TWO")
        for symbol, buyer, seller in (("GOLD", hedged, other), ("GOLD-N", other, hedged)):
            buyer.enter("B", symbol, 5, "100.00", name=f"BUY{len(symbol)}")
            seller.enter("S", symbol, 5, "100.00", name=f"SELL{len(symbol)}")
            assert [buyer.next().kind for _ in range(2)] == ["A", "E"]
            assert [seller.next().kind for _ in range(2)] == ["A", "E"]
        # Five lots of ten units each lose 150,000 in one leg, and gain as much in the other one.
        mark(a, 13_000)
        b.wait(lambda: b.standby().get("prepared"))
        die_at(a, lambda: mark(a, 7_000), FIRST)
        b.wait_until_open()
        assert not mark(b, 7_000).get("repeated")
        die_at(b, lambda: mark(b, 14_000), SECOND)
        held = View(recover(b.journal).engine.region)
        assert (marks(held), held.contracts.word("staged")) == ([7_000] * 2, 2)
        b.start("serve")
        b.wait_until_open()
        mark(b, 14_000)
        assert mark(b, 14_000)["repeated"]
        result = b.stop()
        assert result["last_run"]["lost"] == result["last_run"]["duplicated"] == 0
    finally:
        for node in (a, b):
            if node.process is not None and node.process.poll() is None:
                node.kill()
    view = View(recover(b.journal).engine.region)
    assert marks(view) == [14_000] * 2
    assert [view.of(1, word) for word in (lay.KILLS, lay.BALANCE)] == [0, 120_000]
    assert view.cell(1, 0, lay.POSITION) == 5
    assert Reconciliation(b.journal, None, every=1).advance().difference is None
    assert replay(b.journal)["state_hash"] == result["last_run"]["state_hash"]
