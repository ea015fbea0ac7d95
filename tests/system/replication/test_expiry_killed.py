"""A venue is killed in the middle of the expiry of three contracts: between the cancel of what is
open, the final settlement and the end of the request.  A standby continues, is killed there as well
and restarted; states and books are those of the journal's replay, and every contract ends once."""

import pytest

from openoutcry.journal.checkpoint import recover
from openoutcry.journal.replay import replay
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.risk import layout as lay
from openoutcry.risk.contract_layout import SETTLED
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

FUTURE = """
min_price_ticks = 1
max_price_ticks = 1_000_000
reference_price_ticks = 10_000
price_distance_bps = 100_000
margin_bps = 1_000
"""
OPTION = """
[[instrument]]
symbol = "GOLD-{letter}"
min_price_ticks = 0
max_price_ticks = 100_000
reference_price_ticks = 100
price_distance_bps = 100_000
margin = 20_000
[[contract]]
symbol = "GOLD-{letter}"
kind = "{kind}"
underlying = "XAU"
asset = "USD"
multiplier = 10
strike_ticks = 10_000
strike_multiplier = 10
expiry = 2026-11-23T10:30:00Z
"""
FUTURE_VENUE = """
[[asset]]
name = "USD"
decimals = 2
[[participant]]
number = 9
name = "fund"
[[contract]]
symbol = "GOLD"
kind = "future"
underlying = "XAU"
asset = "USD"
multiplier = 10
expiry = 2026-11-23T10:30:00Z
[liquidation]
every_ms = 20
fund = 9
[[limits]]
credit = 0
maintenance_bps = 5_000
[[limits]]
participant = 1
opening_balance = {balance}
[[limits]]
participant = 2
opening_balance = 1_000_000
"""
MORE = FUTURE_VENUE.format(balance=1_000_000)
MORE += OPTION.format(letter="C", kind="call") + OPTION.format(letter="P", kind="put")
ENDS = {"GOLD": 10_200, "GOLD-C": 10_150, "GOLD-P": 10_150}
"""Final prices: of the future, and of the options' underlying."""
CANCELLED, ENDED = 3, 4
"""Commands of a request that came through: two of its reference and the cancel; the settlement."""


def expire(node, symbol):
    """The request, which has the same reference each time."""
    request = {"do": "contract-expire", "instrument": symbol, "price": ENDS[symbol]}
    return ask(node.journal, request | {"reference": f"end of {symbol}"})


@pytest.mark.promise(
    "An expiry that is killed half-way, between cancels, settlement and its end, continues on a "
    "standby and after a restart, once, with the same state hash",
    group="venue",
)
def test_an_expiry_killed_half_way_ends_once(tmp_path, cluster):
    a, b = two_nodes(tmp_path, cluster.folder, "ENDS", FUTURE, MORE)
    try:
        a.start("serve")
        a.wait_until_open()
        b.start("standby")
        buyer, seller = a.client("ONE"), a.client("TWO")
        rows = ("GOLD", 7, "100.00"), ("GOLD-C", 2, "1.00"), ("GOLD-P", 3, "1.00")
        trade(buyer, seller, rows)
        for node in (a, b):
            (node.folder / "clock").write_text(str(ns("2026-11-23T10:31")))
        a.wait(lambda: all(f"{symbol} has expired" in a.output() for symbol in ENDS))
        b.wait(lambda: b.standby().get("prepared"))
        die_at(a, lambda: expire(a, "GOLD-C"), CANCELLED)
        b.wait_until_open()
        assert not expire(b, "GOLD-C").get("repeated"), "it had not ended"
        die_at(b, lambda: expire(b, "GOLD"), ENDED)
        b.start("serve")
        b.wait_until_open()
        for symbol in ("GOLD", "GOLD-P"):
            expire(b, symbol)
            assert expire(b, symbol)["repeated"]
        result = b.stop()
        assert result["last_run"]["lost"] == result["last_run"]["duplicated"] == 0
    finally:
        for node in (a, b):
            if node.process is not None and node.process.poll() is None:
                node.kill()
    view = View(recover(b.journal).engine.region)
    for index, symbol in enumerate(ENDS):
        ended = view.contracts.of(index, "state"), view.contracts.of(index, "final")
        assert ended == (SETTLED, ENDS[symbol])
    # 7 lots gain 200 ticks of 10, 2 calls 150 ticks of 10, and the puts were bought for nothing.
    gain = 7 * 200 * 10 + 2 * (150 - 100) * 10 - 3 * 100 * 10
    assert [view.of(who, lay.BALANCE) for who in (1, 2)] == [1_000_000 + gain, 1_000_000 - gain]
    assert not view.cells[:, :, lay.POSITION // 8].any()
    assert Reconciliation(b.journal, None, every=1).advance().difference is None
    assert replay(b.journal)["state_hash"] == result["last_run"]["state_hash"]
    assert same_until_they_part(a, b)["kind"].tolist().count(CommandKind.TIME) > 0
