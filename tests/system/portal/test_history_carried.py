"""The history of a venue that was carried over: the same whether it was written as the venue went
on, at once over all journals, or made again; and begun anew where the journals before are gone."""

import shutil
from pathlib import Path

import psycopg
import pytest

from openoutcry.portal.history.projector import HistoryError, digest, follow
from openoutcry.venue.file import read_venue
from openoutcry.wire.enums import Side, TimeInForce
from tests.support.ledger.spot_venue import in_market
from tests.support.portal.people import fresh_database
from tests.support.venue.carried import SOL, carry_floor, spot_floor
from tests.support.venue.floor import InlineFloor


def trade(floor: InlineFloor, first: int) -> None:
    """Orders that trade in part and rest in part, in each of two markets."""
    price = 4_000_000 + first
    rows = [
        in_market("BTC-USD", first, Side.SELL, 7, price, 2),
        in_market("BTC-USD", first + 1, Side.BUY, 4, price, 1),
        in_market("BTC-USD", first + 2, Side.BUY, 2, price - 50, 1),
    ]
    for row in rows:
        row["time_in_force"] = TimeInForce.GTC
        floor.send(row)
    floor.ask("deposit", "3", "1000", "--asset", "ETH")


def digest_at(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path to history")
        return digest(connection)


def test_a_history_over_three_journals(tmp_path: Path, postgresql: str) -> None:
    floor = spot_floor(tmp_path)
    as_it_went = fresh_database(postgresql)
    trade(floor, 100)
    floor.stop()
    follow(read_venue(floor.file), as_it_went, once=True)
    first, _ = carry_floor(floor, lambda text: text + SOL)
    trade(floor, 200)
    floor.stop()
    # What the second journal has is written only after it was carried over.
    second, _ = carry_floor(floor)
    trade(floor, 300)
    floor.close()
    file = read_venue(floor.file)
    follow(file, as_it_went, once=True)
    written = digest_at(as_it_went)

    at_once = fresh_database(postgresql)
    follow(file, at_once, once=True)
    assert digest_at(at_once) == written
    follow(file, at_once, rebuild=True, once=True)
    assert digest_at(at_once) == written

    shutil.rmtree(first)
    shutil.rmtree(second)
    with pytest.raises(HistoryError, match="would lose what it has"):
        follow(file, at_once, rebuild=True, once=True)
    late = fresh_database(postgresql)
    follow(file, late, once=True)
    assert digest_at(late) != written
