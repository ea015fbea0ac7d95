"""A trade taken back by the operator's command: two people, once, and each reader says the same."""

import pytest

from openoutcry.cli.bust import request_of
from openoutcry.client.shm import Reply
from openoutcry.journal.sql import query
from openoutcry.ledger.broken import trade_of
from openoutcry.order_entry.spec import Protocol
from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.errors import LedgerError
from tests.oracles.fix_dictionary import Dictionary
from tests.support.order_entry.sessions_clients import take
from tests.support.venue.cut_requests import cut_off, effects
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR, session_tables, wallet
from tests.support.venue.venue_floor import WORD, order

ROWS = {
    "NEW": ("fix-4.4", "participant = 1", "password"),
    "OLD": ("fix-4.2", "participant = 2", "password"),
    "SHARED": ("shm", "participant = 2", "key"),
    "FIXCOPY": ("fix-drop-copy", "participant = 1", "password"),
}
TEXT = FLOOR + session_tables(ROWS)


@pytest.fixture
def floor(tmp_path):
    floor = InlineFloor(tmp_path, TEXT)
    for who in ("1", "2"):
        floor.ask("deposit", who, str(10**12), "--asset", "USD")
        floor.ask("deposit", who, str(10**9), "--asset", "BTC")
    yield floor
    if floor.run is not None:
        floor.close()


def fix(floor, name, protocol=Protocol.FIX44, **more):
    return floor.fix(name, target="TEST", protocol=protocol, prefix=name, **more)


def held(floor):
    return [wallet(floor, who, asset) for who in (1, 2) for asset in ("USD", "BTC")]


def fills(floor):
    _, events = floor.journal()
    return events[events["kind"] == EventKind.FILLED]


def test_fix_sessions_have_the_trade_back(floor):
    buyer, seller = fix(floor, "NEW"), fix(floor, "OLD", Protocol.FIX42, version="4.2")
    copy = fix(floor, "FIXCOPY", Protocol.FIX_DROP_COPY)
    was = held(floor)
    seller.sell("BTC-USD", 50, "50000.00")
    take(seller, 1)
    buyer.buy("BTC-USD", 50, "50000.00")
    _, bought = take(buyer, 2)
    (sold,) = take(seller, 1)
    assert held(floor) != was
    match = int(fills(floor)["seq"][0])
    done = floor.ask("bust", str(match))
    assert done["done"] == [
        f"trade {match}: 1 bought 50 BTC-USD at 5000000 ticks from 2, is taken back"
    ]
    assert held(floor) == was
    (void,), (old,) = take(buyer, 1), take(seller, 1)
    assert (void[150], void[39], void[19]) == ("H", "4", bought[17])
    assert [void.get(tag) for tag in (11, 37, 38, 14, 151, 32, 31)] == [
        bought[11], bought[37], "50", "0", "0", "50", "50000.00",
    ]  # fmt: skip
    assert void[12] == f"-{bought[12]}"
    assert (old[20], old[150], old[39], old[19]) == ("1", "4", "4", sold[17])
    *_, copied = take(copy, 3)
    assert (copied[150], copied[19], copied[11]) == ("H", bought[17], bought[11])
    for check, report in ((Dictionary(), void), (Dictionary("FIX42"), old), (Dictionary(), copied)):
        assert check.fault(report.raw) is None, report.raw
    assert floor.ask("bust", str(match), status=1)
    rows = query(floor.journal_path, "select match, broken from trades").to_pylist()
    assert rows == [{"match": match, "broken": True}]
    for one in (buyer, seller, copy):
        one.close()
    floor.close()  # the ledger has what the core has


def test_two_supervisors_take_it_back_once(floor):
    buyer, shared = fix(floor, "NEW"), floor.shm("SHARED")
    was = held(floor)
    shared.enter(1, Side.SELL, "BTC-USD", 50, 5_000_000, participant=2)
    floor.step()
    buyer.buy("BTC-USD", 50, "50000.00")
    take(buyer, 2)
    match = int(fills(floor)["seq"][0])
    first = floor.ask("bust", str(match), "--operator", "anna", password=WORD)
    assert first["waits"]
    assert held(floor) != was
    floor.ask("bust", str(match), "--operator", "bert", password=WORD)
    assert held(floor) == was
    *_, reply = shared.told()
    assert (reply.kind, reply.match, reply.side, reply.id) == (Reply.BROKEN, match, Side.SELL, 1)
    assert (reply.cum_lots, reply.leaves_lots) == (0, 0)
    with pytest.raises(LedgerError, match="was taken back by command"):
        trade_of(floor.journal_path, match)
    buyer.close()
    shared.close()


@pytest.mark.parametrize("after", range(6))
def test_the_machine_is_gone_between_its_commands(floor, after):
    """Asked for again, it is done once: money is as before the trade, and the books agree."""
    was = held(floor)
    for number, (who, side) in enumerate(((2, Side.SELL), (1, Side.BUY)), start=1):
        floor.send(order(number, side, 50, 5_000_000, who=who, symbol=b"BTC-USD"))
    match = int(fills(floor)["seq"][0])
    request = request_of(trade_of(floor.journal_path, match), 20_261_123)
    assert cut_off(floor, request, after) == (after < 5)
    if after < 5:
        assert held(floor) != was
        floor.ask("bust", str(match))
    assert held(floor) == was
    assert len(effects(floor, Setting.BUST)) <= 3 * 2
    _, events = floor.journal()
    assert (events["kind"] == EventKind.BROKEN).sum() == 2
    assert floor.ask("bust", str(match), status=1)


@pytest.mark.parametrize("match", [1, 10**6])
def test_what_is_no_trade_is_named(floor, match):
    with pytest.raises(LedgerError, match=f"no trade has the match number {match}"):
        trade_of(floor.journal_path, match)
