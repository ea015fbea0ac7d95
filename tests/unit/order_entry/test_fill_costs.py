"""What a fill cost, in its reports: to the unit what the ledger posts for it, whatever the operator
changes meanwhile, and the same again after everything in memory was lost."""

from decimal import Decimal

import pytest

from openoutcry.client.drop_copy import read_copy
from openoutcry.client.shm import Reply
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.transactions import joined, transactions
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.notes import fee_is_of_base, fee_note, fee_units
from tests.oracles.fix_dictionary import Dictionary
from tests.support.order_entry.sessions_clients import take
from tests.support.venue.floor import InlineFloor
from tests.support.venue.spot_floor import FLOOR, session_tables, wallet

ROWS = {
    "NEW": ("fix-4.4", 'participant = 1\ncancel_on_disconnect = "none"', "password"),
    "OLD": ("fix-4.2", 'participant = 2\ncancel_on_disconnect = "none"', "password"),
    "SHARED": ("shm", "participant = 3", "key"),
    "COPY": ("drop-copy", 'group = "alpha"', "password"),
    "FIXCOPY": ("fix-drop-copy", "participant = 1", "password"),
}
TEXT = FLOOR + session_tables(ROWS)
DECIMALS = {"USD": 6, "BTC": 8, "ETH": 8}
PRICE = "50000.00"


def trade(floor, new, old):
    """Every way in which a fill may cost: taker and maker, rate and minimum, a rebate, buyers who
    pay in what they receive and in the quote asset, a pinned rate, and each schedule in the middle
    of another's orders."""
    old.sell("BTC-USD", 20, PRICE, t21="1")
    new.buy("BTC-USD", 4, PRICE)
    rates = ["fees", "set", "standard", "--maker-bps"]
    floor.ask(*rates, "-1.5", "--taker-bps", "20.01")
    new.buy("BTC-USD", 3, PRICE)
    floor.ask("fees", "minimum", "standard", "7000001")
    new.buy("BTC-USD", 1, PRICE)
    floor.ask("fees", "minimum", "standard", "0")
    floor.ask("fees", "collect", "standard", "quote")
    new.buy("BTC-USD", 5, PRICE)
    # It rests, and pays no more than what it has reserved.
    floor.ask(*rates, "3", "--taker-bps", "4")
    new.buy("BTC-USD", 9, "49000.00")
    floor.ask(*rates, "90", "--taker-bps", "100")
    old.sell("BTC-USD", 2, "49000.00", t21="1")
    floor.ask("fees", "assign", "none")
    old.sell("BTC-USD", 1, "49000.00", t21="1")
    floor.ask("fees", "assign", "standard", "--participant", "2")
    old.sell("BTC-USD", 1, "49000.00", t21="1")


def ledger_fees(floor):
    """Fee and its asset by event, as the ledger has posted them; fills that cost nothing."""
    state = at(floor.journal_path)
    rows, names = joined(transactions(floor.journal_path, state)), state.books.money_names
    _, events = floor.journal()
    fills = events[events["kind"] == EventKind.FILLED]["seq"].tolist()
    fees = {
        int(row["event_seq"]): (int(row["fee_income"]), names[int(row["asset"])])
        for row in rows
        if row["fee_income"] and row["event_seq"] in fills
    }
    return {seq: fees.get(seq, (0, "")) for seq in fills}


def reported(message):
    """Fee and asset of a report of FIX 4.4."""
    if message.get(12) == "":
        assert message.get(13) == message.get(479) == ""
        return 0, ""
    assert message[13] == "3"
    return whole(message[12], message[479]), message[479]


def whole(amount, asset):
    units = Decimal(amount).scaleb(DECIMALS[asset])
    assert units == int(units)
    return int(units)


def fills_of(messages, kinds):
    return [m for m in messages if m.get(150) in kinds and m.get(32)]


@pytest.fixture
def floor(tmp_path):
    floor = InlineFloor(tmp_path, TEXT)
    for who, amount, asset in ((1, 10**12, "USD"), (2, 10**9, "BTC"), (3, 10**9, "BTC")):
        floor.ask("deposit", str(who), str(amount), "--asset", asset)
    yield floor
    if floor.run is not None:
        floor.close()


def connect(floor):
    new = floor.fix("NEW", target="TEST", prefix="N")
    old = floor.fix("OLD", target="TEST", protocol=Protocol.FIX42, version="4.2", prefix="O")
    return new, old


def test_reports_and_copies_have_what_the_ledger_posts(floor):
    new, old = connect(floor)
    watch = floor.fix("FIXCOPY", target="TEST", protocol=Protocol.FIX_DROP_COPY)
    trade(floor, new, old)
    # Five orders and seven fills; four orders and seven fills, of which four began.
    received, old_received = take(new, 5 + 7), take(old, 4 + 7)
    posted = ledger_fees(floor)
    assert len({fee for fee in posted.values() if fee[0]}) >= 8
    assert {asset for _, asset in posted.values()} == {"", "BTC", "USD"}
    assert any(fee < 0 for fee, _ in posted.values()), "a rebate"
    mine = {int(m[17]): reported(m) for m in fills_of(received, "F")}
    _, events = floor.journal()
    by_seq = {int(event["seq"]): event for event in events}
    assert mine == {seq: fee for seq, fee in posted.items() if by_seq[seq]["participant"] == 1}
    # 4.2 has no field for the currency: it is in the text.
    theirs = {}
    for message in fills_of(old_received, "12"):
        text = message.get(58)
        asset = text.removeprefix("commission in ") if text else ""
        assert (text == "") == (message.get(12) == "")
        assert message.get(479) == ""
        theirs[int(message[17])] = (whole(message[12], asset), asset) if asset else (0, "")
    assert theirs == {seq: fee for seq, fee in posted.items() if by_seq[seq]["participant"] == 2}
    copied = {int(m[17]): reported(m) for m in fills_of(take(watch, len(received)), "F")}
    assert copied == mine
    client = floor.copy("COPY")
    bodies = [client.packet()[1] for _ in range(len(old_received))]
    copies = [read_copy(number, body) for number, body in enumerate(bodies, 1)]
    assert {
        one.event_seq: (one.fee_units, one.fee_asset)
        for one in copies
        if one.event is EventKind.FILLED
    } == theirs
    assert all((one.fee_units, one.fee_asset) == (0, "") for one in copies if one.qty_lots == 0)
    for check, messages in ((Dictionary(), received), (Dictionary("FIX42"), old_received)):
        for message in messages:
            assert check.fault(message.raw) is None, message.raw
    # What was in memory is lost: the same bytes come again, fees and all.
    for one in (new, old, watch, client):
        one.close()
    floor.again()
    again = floor.fix("NEW", target="TEST", prefix="N", numbers=new.numbers)
    again.ask_again(1)
    resent = take(again, len(received))
    assert [(m.get(17), reported(m)) for m in resent] == [
        (m.get(17), reported(m)) for m in received
    ]
    client = floor.copy("COPY")
    assert [client.packet()[1] for _ in bodies] == bodies
    # It goes on as it was: the resting buy has its pinned rate.
    floor.ask("fees", "assign", "standard")
    old = floor.fix(
        "OLD",
        target="TEST",
        protocol=Protocol.FIX42,
        version="4.2",
        prefix="P",
        numbers=old.numbers,
    )
    old.sell("BTC-USD", 1, "49000.00", t21="1")
    (fill,) = take(again, 1)
    posted = ledger_fees(floor)
    assert reported(fill) == posted[int(fill[17])]
    # 4.90 USD x 0.04 %, not the 0.9 % of now.
    assert reported(fill) == (4_900_000 * 4 // 10_000, "USD")
    for one in (again, old, client):
        one.close()


def test_over_shared_memory_too(floor):
    one = floor.shm("SHARED")
    one.enter(1, Side.SELL, "BTC-USD", 2, 5_000_000)
    floor.step()
    new = floor.fix("NEW", target="TEST", prefix="N")
    new.buy("BTC-USD", 2, PRICE)
    take(new, 2)
    one.enter(2, Side.SELL, "BTC-USD", 2, 5_000_000)
    floor.step()
    new.buy("BTC-USD", 1, PRICE)
    take(new, 2)
    floor.ask("fees", "set", "standard", "--maker-bps", "2", "--taker-bps", "20")
    new.buy("BTC-USD", 1, PRICE)
    floor.step()
    posted, got = ledger_fees(floor), {}
    while (reply := one.next(0)) is not None:
        if reply.kind is Reply.EXECUTED:
            got[reply.match] = reply.fee_units, "BTC" if reply.fee_is_of_base else "USD"
        assert reply.orig_id == 0
    assert [fee for fee, _ in got.values()] == [0, 0, 1_000]
    assert (1_000, "USD") in posted.values()
    one.close()
    new.close()


@pytest.mark.parametrize("fee", [0, 1, -1, 2**61, -(2**61), 12_345])
@pytest.mark.parametrize("of_base", [True, False])
def test_a_note_says_fee_and_asset(fee, of_base):
    note = fee_note(fee, of_base)
    assert fee_units(note) == fee
    assert fee_is_of_base(note) == of_base


def test_no_note_is_in_an_event(floor):
    """Events are numbered without a gap, and hold what they held before there were notes."""
    new, old = connect(floor)
    trade(floor, new, old)
    _, events = floor.journal()
    assert events["seq"].tolist() == list(range(1, len(events) + 1))
    for one in (new, old):
        one.close()
    assert wallet(floor, 1, "BTC")[0] > 0
