"""Several contracts of one index in a venue in one thread: no move of the index calls a participant
whose positions offset each other, also if the venue is killed within a look."""

import pytest

from openoutcry.ledger.reconcile import Reconciliation
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View, at_once
from openoutcry.wire.enums import Side
from tests.support.venue.contract_floor import CONTRACT_VENUE, OF_TIN
from tests.support.venue.floor import InlineFloor
from tests.support.venue.venue_floor import order

INDEX = """
[[index]]
underlying = "XAU"
sources = ["east"]
every_ms = 500
stale_ms = 3_600_000
"""
TEXT = CONTRACT_VENUE.replace('underlying = "SN"', 'underlying = "XAU"')
TEXT = TEXT.replace(OF_TIN, OF_TIN.replace("margin = 10_000", "margin_bps = 1_000")) + INDEX


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    """Participant 1 is long 5 GOLD and short 50 TIN, each worth 50,000 at 5,000 ticks."""
    trading_floor = InlineFloor(tmp_path_factory.mktemp("hedges"), TEXT)
    move(trading_floor, 5_000)
    tin = {"symbol": b"TIN"}
    trading_floor.send(order(1, Side.BUY, 5, 5_000, who=1), order(2, Side.SELL, 5, 5_000, who=2))
    trading_floor.send(
        order(3, Side.SELL, 50, 5_000, who=1, **tin), order(4, Side.BUY, 50, 5_000, who=2, **tin)
    )
    assert view(trading_floor).cell(1, 1, lay.POSITION) == -50
    yield trading_floor
    assert Reconciliation(trading_floor.journal_path, None).advance().difference is None
    trading_floor.close()


def view(floor: InlineFloor) -> View:
    return View(floor.shared.regions[0])


def marks(floor: InlineFloor) -> list[int]:
    contracts = view(floor).contracts
    assert contracts is not None
    return [contracts.of(index, "mark") for index in (0, 1)]


def move(floor: InlineFloor, price: int) -> None:
    floor.ask("contract", "report", "XAU", "east", str(price))
    floor.wait_for(lambda s: marks(floor) == [price, price])


def test_a_hedge_is_not_called_by_a_move_that_one_of_its_legs_could_not_bear(floor) -> None:
    for price in (6_500, 4_000, 7_000, 5_000):
        move(floor, price)
        assert view(floor).of(1, lay.KILLS) == 0
        assert view(floor).of(1, lay.BALANCE) == 60_000
    looks = floor.settings()[-4:]
    assert looks == [Setting.CONTRACT_APPLY, *[Setting.CONTRACT_MARK] * 2, Setting.CONTRACT_APPLY]


def test_a_look_that_the_core_refuses_is_reported_once_until_it_fits(floor, monkeypatch) -> None:
    name = "openoutcry.venue.index_timer.at_once"
    with monkeypatch.context() as patch:
        patch.setattr(name, lambda records: at_once(records)[:-1])
        floor.ask("contract", "report", "XAU", "east", "6650")
        floor.wait_for(lambda s: view(floor).contracts.word("staged") == 2)
        floor.clock.advance(3, 0.1)
        assert floor.status()["risk"]["indices"]["XAU"]["refused"] == ["GOLD", "TIN"]
    for symbol in ("GOLD", "TIN"):
        assert sum(f"{symbol} keeps its old mark" in note for note in floor.notes) == 1
    floor.clock.advance(1, 0.1)
    assert floor.status()["risk"]["indices"]["XAU"]["refused"] == []
    assert "GOLD is marked again" in floor.notes
    move(floor, 5_000)


def test_a_venue_killed_within_a_look_continues_with_what_was_in_force(floor, monkeypatch) -> None:
    """The next look drops what was staged."""
    name = "openoutcry.venue.index_timer.at_once"
    with monkeypatch.context() as patch:
        patch.setattr(name, lambda records: at_once(records)[:-1])
        floor.ask("contract", "report", "XAU", "east", "6600")
        floor.wait_for(lambda s: view(floor).contracts.word("staged") == 2)
    floor.again()
    assert (marks(floor), view(floor).contracts.word("staged")) == ([5_000, 5_000], 2)
    move(floor, 6_700)
    assert view(floor).of(1, lay.KILLS) == 0


def test_an_operator_marks_and_funds_contracts_of_one_moment_together(floor) -> None:
    done = floor.ask("contract", "mark", "GOLD", "6000", "--also", "TIN=6100")["done"]
    assert len(done) == 2
    assert marks(floor) == [6_000, 6_100]
    assert view(floor).of(1, lay.KILLS) == 0
    both = floor.ask("contract", "mark", "GOLD", "1", "--also", "LEAD=1", status=1)
    assert "there is no instrument 'LEAD'" in both["error"]
    assert (
        "GOLD is not a perpetual"
        in floor.ask("contract", "fund", "TIN", "--rate", "100", "--also", "GOLD", status=1)[
            "error"
        ]
    )
    floor.ask("contract", "settle", "TIN", "--also", "GOLD=6050")
    assert marks(floor) == [6_050, 6_100]
    history = floor.outcry("limits", "history").output
    assert all(f"marked at {price}" in history for price in (6_700, 6_000, 6_100))
    assert "marked at 6600" not in history


def test_a_file_that_frees_margin_and_asks_for_more_calls_no_participant_between(tmp_path) -> None:
    """A lot needs four times the initial margin, of which half as large a share is maintenance."""
    floor = InlineFloor(tmp_path, CONTRACT_VENUE)
    tin = {"symbol": b"TIN"}
    floor.send(
        order(1, Side.BUY, 4, 200_000, who=1, **tin), order(2, Side.SELL, 4, 200_000, who=2, **tin)
    )
    assert view(floor).of(1, lay.MARGINED) == 40_000
    floor.drop()
    text = floor.file.read_text().replace("margin = 10_000", "margin = 40_000")
    floor.file.write_text(text.replace("maintenance_bps = 5_000", "maintenance_bps = 2_500"))
    floor.open()
    floor.wait_for(lambda s: view(floor).of(1, lay.MARGINED) == 160_000)
    # 60,000 are less than half of 160,000, and more than a quarter.
    assert view(floor).of(1, lay.KILLS) == 0
    floor.close()
