"""Several contracts of one index in a venue in one thread: no move of the index calls a participant
whose positions offset each other, also if the venue is killed within a look."""

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import at_once
from openoutcry.wire.enums import CommandKind, Side
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
ON_MARGIN = """
[[instrument]]
symbol = "XAU-M"
leveraged = true
margin = 500
min_price_ticks = 1
max_price_ticks = 100_000
reference_price_ticks = 5_000
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
    assert trading_floor.view.cell(1, 1, lay.POSITION) == -50
    yield trading_floor
    trading_floor.close()


def marks(floor: InlineFloor) -> list[int]:
    contracts = floor.view.contracts
    assert contracts is not None
    return [contracts.of(index, "mark") for index in (0, 1)]


def move(floor: InlineFloor, price: int) -> None:
    floor.ask("contract", "report", "XAU", "east", str(price))
    floor.wait_for(lambda s: marks(floor) == [price, price])


def test_a_hedge_is_not_called_by_a_move_that_one_of_its_legs_could_not_bear(floor) -> None:
    for price in (6_500, 4_000, 7_000, 5_000):
        move(floor, price)
        assert floor.view.of(1, lay.KILLS) == 0
        assert floor.view.of(1, lay.BALANCE) == 60_000
    marks_of_look = [Setting.CONTRACT_APPLY, *[Setting.CONTRACT_MARK] * 2, Setting.CONTRACT_APPLY]
    look = [Setting.INDEX_REPORT, *marks_of_look, Setting.INDEX_VALUE]
    assert floor.settings()[-6:] == look


def test_a_look_that_the_core_refuses_is_reported_once_until_it_fits(floor, monkeypatch) -> None:
    name = "openoutcry.venue.index_timer.at_once"
    with monkeypatch.context() as patch:
        patch.setattr(name, lambda *given: at_once(*given)[:-1])
        floor.ask("contract", "report", "XAU", "east", "6650")
        floor.wait_for(lambda s: floor.view.contracts.word("staged") == 2)
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
        patch.setattr(name, lambda *given: at_once(*given)[:-1])
        floor.ask("contract", "report", "XAU", "east", "6600")
        floor.wait_for(lambda s: floor.view.contracts.word("staged") == 2)
    floor.again()
    assert (marks(floor), floor.view.contracts.word("staged")) == ([5_000, 5_000], 2)
    move(floor, 6_700)
    assert floor.view.of(1, lay.KILLS) == 0


def test_a_hedge_between_a_contract_and_another_instrument_is_judged_by_both(tmp_path) -> None:
    """Participant 1 is long 5 GOLD and short 50 XAU-M, which is held on margin and gives the index.
    A look marks both by one command, and so does an operator."""
    floor = InlineFloor(tmp_path, CONTRACT_VENUE + ON_MARGIN + INDEX.replace("east", "XAU-M"))
    held = {"symbol": b"XAU-M"}
    floor.send(order(1, Side.BUY, 5, 5_000, who=1), order(2, Side.SELL, 5, 5_000, who=2))
    floor.send(
        order(3, Side.SELL, 50, 5_000, who=1, **held), order(4, Side.BUY, 50, 5_000, who=2, **held)
    )
    floor.clock.advance(1, 0.01)
    for number, price in ((5, 6_500), (7, 4_000), (9, 5_000)):
        floor.send(
            order(number, Side.BUY, 1, price, who=3, **held),
            order(number + 1, Side.SELL, 1, price, who=2, **held),
        )
        floor.wait_for(lambda s, price=price: floor.view.contracts.of(0, "mark") == price)
        assert floor.view.of(1, lay.KILLS) == 0
        assert floor.view.equity(1) == 60_000
    assert Setting.MARK not in floor.settings()[-5:]
    # It trades itself before the look: what it is short of is then worth 75,000 more, GOLD is not.
    floor.send(
        order(11, Side.SELL, 1, 6_500, who=1, **held), order(12, Side.BUY, 1, 6_500, who=2, **held)
    )
    assert floor.view.of(1, lay.KILLS) == 0
    assert floor.view.is_under(1)
    floor.ask("contract", "mark", "GOLD", "6500")
    assert floor.view.of(1, lay.KILLS) == 0
    floor.clock.advance(1, 0.01)
    assert floor.view.of(1, lay.KILLS) == 0
    floor.close()


@pytest.mark.parametrize("index", ["", INDEX])
def test_who_trades_below_its_margin_is_called_though_no_price_moves(tmp_path, index) -> None:
    """A mark follows every trade, with an index or without."""
    floor = InlineFloor(tmp_path, CONTRACT_VENUE + index)
    if index:
        floor.ask("contract", "report", "XAU", "east", "5000")
        floor.wait_for(lambda s: floor.view.contracts.of(0, "index") == 5_000)
    tin = {"symbol": b"TIN"}
    floor.send(
        order(1, Side.BUY, 1, 200_000, who=1, **tin), order(2, Side.SELL, 1, 200_000, who=2, **tin)
    )
    floor.clock.advance(2, 0.5)
    # 5 lots for 56,000 more than they are worth leave 4,000.  The order is let in on credit.
    floor.ask("limits", "set", "credit", "100000", "--participant", "1")
    floor.send(order(3, Side.BUY, 5, 6_120, who=1))
    floor.ask("limits", "set", "credit", "0", "--participant", "1")
    floor.send(order(4, Side.SELL, 5, 6_120, who=2))
    floor.wait_for(lambda s: floor.view.of(1, lay.KILLS) == 1)
    assert floor.view.of(1, lay.FLAGS) & lay.KILLED_BY_MARGIN
    commands, _ = floor.journal()
    (by,) = commands[commands["seq"] == floor.view.of(1, lay.CALLED_SEQ)]
    assert (by["kind"], by["order_type"]) == (CommandKind.RISK, Setting.MARK)
    floor.close()


def test_an_underlying_whose_mark_does_not_fit_leaves_the_marks_of_the_others(tmp_path) -> None:
    """Participant 3 is long GOLD, and has almost as much money as there can be."""
    text = TEXT.replace('underlying = "XAU"\nsources', 'underlying = "SN"\nsources').replace(
        'kind = "perpetual"\nunderlying = "XAU"', 'kind = "perpetual"\nunderlying = "SN"'
    )
    text = text.replace("= 100_000\n[[limits]]", f"= {2**62 - 20_000}\n[[limits]]")
    floor = InlineFloor(tmp_path, text + INDEX)
    floor.send(order(1, Side.BUY, 1, 5_000, who=3), order(2, Side.SELL, 1, 5_000, who=2))
    for underlying in ("XAU", "SN"):
        floor.ask("contract", "report", underlying, "east", "5000")
    floor.wait_for(lambda s: marks(floor) == [5_000, 5_000])
    for price, tin in ((9_000, 5_100), (9_100, 5_200)):
        floor.ask("contract", "report", "XAU", "east", str(price))
        floor.ask("contract", "report", "SN", "east", str(tin))
        floor.clock.advance(2, 0.1)
        assert marks(floor) == [5_000, tin]
    indices = floor.status()["risk"]["indices"]
    assert (indices["XAU"]["refused"], indices["SN"]["refused"]) == (["GOLD"], [])
    kept = [note for note in floor.notes if "keeps its old mark" in note]
    assert kept == ["GOLD keeps its old mark: with the new one a total would be too large"]
    floor.ask("contract", "report", "XAU", "east", "5010")
    floor.clock.advance(1, 0.1)
    assert marks(floor) == [5_010, 5_200]
    assert "GOLD is marked again" in floor.notes
    floor.close()


def test_an_operator_marks_and_funds_contracts_of_one_moment_together(floor) -> None:
    done = floor.ask("contract", "mark", "GOLD", "6000", "--also", "TIN=6100")["done"]
    assert len(done) == 2
    assert marks(floor) == [6_000, 6_100]
    assert floor.view.of(1, lay.KILLS) == 0
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
    assert floor.view.of(1, lay.MARGINED) == 40_000
    floor.drop()
    text = floor.file.read_text().replace("margin = 10_000", "margin = 40_000")
    floor.file.write_text(text.replace("maintenance_bps = 5_000", "maintenance_bps = 2_500"))
    floor.open()
    floor.wait_for(lambda s: floor.view.of(1, lay.MARGINED) == 160_000)
    # 60,000 are less than half of 160,000, and more than a quarter.
    assert floor.view.of(1, lay.KILLS) == 0
    floor.close()
