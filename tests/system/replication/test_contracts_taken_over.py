"""A standby takes over a venue while contracts are marked, funded, exercised and taken over: real
processes, a real kill, the same state hash in the journal's replay, and a drop copy of the
takeover."""

import numpy as np
import pytest

from openoutcry.journal.checkpoint import recover
from openoutcry.journal.replay import replay
from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.order_entry.drop_copy import COPY_DTYPE
from openoutcry.risk import layout as lay
from openoutcry.risk.contract_layout import SETTLED
from openoutcry.risk.region import View
from openoutcry.venue.desk import ask
from openoutcry.venue.funding_book import FundingBook
from openoutcry.wire.enums import EventKind, Side
from tests.support.order_entry.sessions_venue import Client
from tests.support.portal.served_portal import CHEAP
from tests.support.processes import free_port
from tests.support.replica.replica_nodes import WORD, Asker, Node
from tests.support.venue.served_venue import ns

OF_GOLD = """
min_price_ticks = 1
max_price_ticks = 1_000_000
reference_price_ticks = 10_000
price_distance_bps = 100_000
margin_bps = 1_000
"""
MORE = """
[[instrument]]
symbol = "GOLD-C"
min_price_ticks = 0
max_price_ticks = 100_000
reference_price_ticks = 100
price_distance_bps = 100_000
margin = 20_000
[[contract]]
symbol = "GOLD-C"
kind = "call"
underlying = "XAU"
asset = "USD"
multiplier = 10
strike_ticks = 10_000
strike_multiplier = 10
expiry = 2026-11-23T10:30:00Z
[[asset]]
name = "USD"
decimals = 2
[[participant]]
number = 9
name = "fund"
[[port]]
protocol = "drop-copy"
address = "127.0.0.1:{port}"
[[session]]
name = "COPY"
protocol = "drop-copy"
participant = 2
password = "{hash}"
[[contract]]
symbol = "GOLD"
kind = "perpetual"
underlying = "XAU"
asset = "USD"
multiplier = 10
[liquidation]
every_ms = 20
fund = 9
[[limits]]
credit = 0
maintenance_bps = 5_000
[[limits]]
participant = 1
opening_balance = 150_000
[[limits]]
participant = 2
opening_balance = 1_000_000
[[limits]]
participant = 9
opening_balance = 1_000
"""
LOTS, LEAST = 10, 6
EXERCISE = {"do": "contract-expire", "instrument": "GOLD-C", "price": 10_150, "reference": "end"}
"""Two lots are 150 ticks in the money."""


def marked(number):
    """A mark, and a funding."""
    price = 10_000 + (number * 37) % 200
    mark = {"do": "contract-mark", "instrument": "GOLD", "price": price, "index": 10_000}
    fund = {"do": "contract-fund", "instrument": "GOLD", "rate": 10_000}
    return [one | {"reference": f"{one['do']} {number}"} for one in (mark, fund)]


def event_of(copy):
    """The event of a drop copy's next message."""
    kind, body = copy.packet()
    assert kind == "S"
    return np.frombuffer(body, COPY_DTYPE)["event"][0]


@pytest.mark.promise(
    "A standby continues contracts, deposits and withdrawals that were under way, each "
    "command done once, and has every session",
    group="venue",
)
def test_a_standby_continues_with_contracts(tmp_path, cluster):
    ports, hashed = (free_port(), free_port()), CHEAP.hash(WORD)
    a, b = (
        Node(tmp_path / name, "MARKS", cluster.folder, lease_ms=10_000, more=more)
        for name, more in zip(
            "ab", (MORE.format(port=port, hash=hashed) for port in ports), strict=True
        )
    )
    for node in (a, b):
        text = node.file.read_text()
        node.file.write_text(text.replace('symbol = "GOLD"\n', 'symbol = "GOLD"' + OF_GOLD, 1))
    try:
        a.start("serve")
        a.wait_until_open()
        b.start("standby")
        buyer, seller = a.client("ONE"), a.client("TWO")
        buyer.enter("B", "GOLD", LOTS, "100.00", name="LONG")
        seller.enter("S", "GOLD", LOTS, "100.00", name="SHORT")
        assert buyer.next().kind == "A"
        assert buyer.next().kind == "E"
        buyer.enter("B", "GOLD-C", 2, "1.00", name="CALL")
        seller.enter("S", "GOLD-C", 2, "1.00", name="SOLD")
        assert [buyer.next().kind for _ in range(2)] == ["A", "E"]
        for node in (a, b):
            (node.folder / "clock").write_text(str(ns("2026-11-23T10:31")))
        a.wait(lambda: "GOLD-C has expired" in a.output())
        assert not ask(a.journal, EXERCISE).get("repeated")
        marker = Asker(a.journal, marked)
        marker.start()
        b.wait(lambda: marker.answered >= LEAST)
        b.wait(lambda: b.standby().get("prepared"))
        a.kill()
        marker.join()
        b.wait_until_open()
        assert ask(b.journal, EXERCISE)["repeated"], "it is exercised once"
        answers = [ask(b.journal, request) for request in marker.sent]
        assert all(answer.get("repeated") for answer in answers[: marker.answered])
        again = [ask(b.journal, request) for request in marker.sent]
        assert all(answer["repeated"] for answer in again)
        # 20 % down: what participant 1 had and the fund has is not enough.
        ask(b.journal, {"do": "contract-mark", "instrument": "GOLD", "price": 8_000})
        b.wait(lambda: "the insurance fund pays" in b.output())
        copy = Client(ports[1], "COPY", WORD)
        event = event_of(copy)
        while event["kind"] != EventKind.FILLED or event["price_ticks"] != 8_000:
            event = event_of(copy)
        assert (event["participant"], event["side"], event["qty_lots"]) == (2, Side.BUY, LOTS)
        copy.socket.close()
        result = b.stop()
        assert result["last_run"]["lost"] == result["last_run"]["duplicated"] == 0
    finally:
        for node in (a, b):
            if node.process is not None and node.process.poll() is None:
                node.kill()
    view = View(recover(b.journal).engine.region)
    marks = sum(one["do"] == "contract-mark" for one in marker.sent)
    assert view.contracts.of(0, "marks") == marks + 1
    assert view.contracts.of(0, "period") == len(marker.sent) - marks
    balances = [view.of(who, lay.BALANCE) for who in (1, 2, 9)]
    assert sum(balances) == 150_000 + 1_000_000 + 1_000
    assert (balances[0], balances[2]) == (0, 0)
    assert not view.cells[:, :2, lay.POSITION // 8].any()
    assert (view.contracts.of(1, "state"), view.contracts.of(1, "final")) == (SETTLED, 10_150)
    assert view.contracts.word("takeovers") == view.contracts.word("covers") == 1
    assert Reconciliation(b.journal, None, every=1).advance().difference is None
    assert replay(b.journal)["state_hash"] == result["last_run"]["state_hash"]
    # What both were paid before and after it is on the machine that took over.
    book, fundings = FundingBook(b.journal), len(marker.sent) - marks
    for who in (1, 2):
        paid = book.payments(who, most=len(marker.sent))
        assert [row.period for row in paid] == [*range(fundings, 0, -1)]
        assert book.totals(who, {"GOLD": fundings}) == {"GOLD": sum(row.paid for row in paid)}
    assert book.since_ns() == 0
