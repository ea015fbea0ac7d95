"""A portal's margin: the numbers of the core's view as decimal text, and refusals by name."""

import asyncio
import threading
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest

from openoutcry.derivatives.explain import liquidation_price
from openoutcry.portal.accounts.errors import InvalidRequest, NotFound
from openoutcry.portal.native.margin_routes import NativeMargin
from openoutcry.portal.server import Portal
from openoutcry.venue import margin_view
from openoutcry.venue.file import read_venue
from openoutcry.venue.margin_view import MarginView
from openoutcry.venue.position_messages import Positions
from openoutcry.wire.enums import Side
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE
from tests.support.venue.venue_floor import order


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("portal-margin")
    (folder / "margin.toml").write_text(MARGIN_FILE)
    trading_floor = InlineFloor(folder, SCENARIO_VENUE)
    trading_floor.send(order(1, Side.BUY, 4, 5_000, who=1), order(2, Side.SELL, 4, 5_000, who=2))
    yield trading_floor
    trading_floor.close()


def native_of(floor: InlineFloor) -> NativeMargin:
    state = SimpleNamespace(view=floor.view)
    mirror = SimpleNamespace(file=read_venue(floor.file), held=lambda: nullcontext(state))
    return NativeMargin(None, mirror, None)


def test_amounts_are_those_of_the_core_as_decimal_text(floor: InlineFloor) -> None:
    native, file = native_of(floor), read_venue(floor.file)
    view = MarginView(file.risk, list(file.symbols), floor.view)
    for who in (1, 2):
        plain = view.document(who, ("GOLD", 1), 5_010)
        shown = asyncio.run(native.margin(who, "GOLD", 1, "50.10"))
        assert shown.equity == f"{plain['equity'] / 100:.2f}"
        assert shown.maintenance == f"{plain['maintenance'] / 100:.2f}"
        (part,) = shown.underlyings
        losses = plain["commodities"]["XAU"]["scenarios"]
        assert part.scenarios == [f"{one / 100:.2f}" for one in losses]
        assert part.active == plain["commodities"]["XAU"]["active"] + 1
        below, above = plain["liquidation"]["XAU"].values()
        ends = [None if one is None else f"{one / 100:.2f}" for one in (below, above)]
        assert [part.liquidated_below, part.liquidated_above] == ends
        assert shown.what_if.needed == f"{plain['what_if']['needed'] / 100:.2f}"
        assert shown.what_if.loss_at_once == "1.00"
        assert [(one.symbol, one.lots) for one in shown.positions] == [("GOLD", 4 * (3 - 2 * who))]


def test_the_portals_fix_port_says_after_which_command_it_was_so(floor: InlineFloor) -> None:
    portal, file = SimpleNamespace(mirror=native_of(floor).mirror), read_venue(floor.file)
    portal.source = SimpleNamespace(is_restarting=False)
    portal.mirror.seq, portal.mirror.as_of_seq = 77, nullcontext
    request = {710: "all", 1: "1", 724: "0", 581: "1", 715: "20261123", 5500: "Y"}
    ack, _ = Positions(file, lambda who: Portal._held(portal, who)).answers(request, (1,))
    assert b"\x015501=77\x01" in ack


def test_what_takes_long_is_made_without_the_state_and_of_the_own_contracts_alone(
    floor: InlineFloor, monkeypatch
) -> None:
    """The portal's reader waits while a process holds the state, and with it everybody's orders;
    a venue may have hundreds of contracts."""
    native, is_held, made = native_of(floor), [], []

    @contextmanager
    def held():
        is_held.append(True)
        yield SimpleNamespace(view=floor.view)
        is_held.pop()

    def searched(book, *terms, **more):
        made.append((list(book.contracts), bool(is_held), threading.current_thread().name))
        return liquidation_price(book, *terms, **more)

    native.mirror.held = held
    monkeypatch.setattr(margin_view, "liquidation_price", searched)
    shown = asyncio.run(native.margin(1, "", 0, ""))
    request = {710: "all", 1: "1", 724: "0", 581: "1", 715: "20261123", 5500: "Y"}

    @contextmanager
    def moment(who):
        with held() as state:
            yield state.view, 1

    Positions(native.mirror.file, moment).answers(request, (1,))
    assert len(made) == 4, "below and above, by both doors"
    assert {(tuple(names), at) for names, at, _ in made} == {(("GOLD",), False)}
    assert all(name.startswith("margin") for *_, name in made[:2])
    assert shown.underlyings[0].liquidated_below is not None


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (("LEAD", 1, ""), "LEAD:1 is not lots of a contract"),
        (("GOLD", 0, ""), "GOLD:0 is not lots of a contract"),
        (("GOLD", 2**41, ""), "lots: 1099511627776 at most"),
        (("GOLD", 1, "5e3"), "price: not a decimal number"),
        (("GOLD", 1, "0.001"), "price: more than 2 decimals"),
    ],
)
def test_what_cannot_be_is_refused_by_name(floor: InlineFloor, terms, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        asyncio.run(native_of(floor).margin(1, *terms))


def test_a_venue_without_scenario_margin_has_none(floor: InlineFloor, tmp_path) -> None:
    native = native_of(floor)
    (tmp_path / "venue.toml").write_text(CONTRACT_VENUE)
    native.mirror.file = read_venue(tmp_path / "venue.toml")
    assert not native.is_offered
    with pytest.raises(NotFound, match="this venue has no scenario margin"):
        asyncio.run(native.margin(1, "", 0, ""))
