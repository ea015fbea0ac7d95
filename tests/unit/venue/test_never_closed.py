"""What a trading day that changes without a close is to market protection, a halt, the feed and
contracts."""

from pathlib import Path

from openoutcry.market_data.files import write_feed
from openoutcry.risk.bits import Setting
from openoutcry.wire.enums import EventKind, Reason, Side, TimeInForce
from tests.support.market_data.feed_support import fields, unframed
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.protected import TEXT
from tests.support.venue.served_venue import never_closes
from tests.support.venue.venue_floor import kinds, order


def resting(order_id: int, symbol: bytes, tif: TimeInForce):
    return order(order_id, Side.BUY, 5, 990, who=1, symbol=symbol, time_in_force=tif)


def test_midnight_under_protection_with_an_instrument_halted(tmp_path: Path) -> None:
    """The breaker's day begins once, also over a restart; DAY orders of both instruments expire,
    the halted one stays halted, and the feed neither ends nor halts anything."""
    floor = InlineFloor(tmp_path, never_closes(TEXT), now="2026-11-23T23:00")
    floor.wait_for_phase("CONTINUOUS")
    for number, symbol in ((1, b"GOLD"), (3, b"TIN")):
        floor.send(
            resting(number, symbol, TimeInForce.DAY), resting(number + 1, symbol, TimeInForce.GTC)
        )
    floor.ask("halt", "TIN")
    floor.at("2026-11-24T00:00:01")
    status = floor.wait_for(lambda s: s["day"] == "2026-11-24" and s["phases_sequenced"])
    assert status["phases"] == {"GOLD": "CONTINUOUS", "TIN": "HALT"}
    floor.step()
    assert floor.settings().count(Setting.TRADING_DAY) == 2
    floor.again()
    floor.wait_for(lambda s: s["phases_sequenced"])
    assert floor.settings().count(Setting.TRADING_DAY) == 2
    (entered,) = floor.send(resting(5, b"GOLD", TimeInForce.DAY))
    assert kinds(entered) == [EventKind.ACCEPTED]
    floor.ask("resume", "instrument", "TIN")
    floor.at("2026-11-24T00:10:00")
    floor.wait_for_phase("CONTINUOUS")
    last = floor.close()
    assert last["open_orders"] == 3, "both GTC orders, and the one of the new day"
    _, events = floor.journal()
    expired = events[events["kind"] == EventKind.EXPIRED]
    assert expired["order_id"].tolist() == [1, 3]
    assert set(expired["reason"].tolist()) == {Reason.DAY_END}

    assert floor.journal_path is not None
    said = write_feed(floor.journal_path, tmp_path / "feed.itch", decimals={"GOLD": 2, "TIN": 2})
    assert said["sessions"] == 1
    rows = [fields(message) for message in unframed((tmp_path / "feed.itch").read_bytes())]
    assert [row["event"] for row in rows if row["kind"] == "S"] == ["O", "S", "Q"]


def test_a_contract_settles_at_midnight_while_it_trades(tmp_path: Path) -> None:
    floor = InlineFloor(tmp_path, never_closes(CONTRACT_VENUE), now="2026-11-23T23:00")
    floor.wait_for_phase("CONTINUOUS")
    floor.ask("contract", "mark", "TIN", "200200", "--index", "200000")
    assert floor.status()["risk"]["contracts"]["TIN"]["day"] == 0
    floor.at("2026-11-24T00:00:01")
    row = floor.wait_for(lambda s: s["risk"]["contracts"]["TIN"]["day"])["risk"]["contracts"]["TIN"]
    assert (row["day"], row["settlement"]) == (20261123, 200_200)
    assert set(floor.status()["phases"].values()) == {"CONTINUOUS"}
    floor.close()
