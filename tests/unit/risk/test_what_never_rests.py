"""OPEN_ORDERS counts what may be open behind its command, and nothing else."""

import itertools

import pytest

from openoutcry.matcher import Engine
from openoutcry.matcher.hooks import Hooks
from openoutcry.risk import layout as lay
from openoutcry.risk import open_orders
from openoutcry.risk.bits import RISK_REASON, RiskBit, Setting
from openoutcry.wire import make_instruments
from openoutcry.wire.enums import EventKind, InstrumentOption, OrderType, Phase, TimeInForce
from openoutcry.wire.order_types import TIMES_IN_FORCE, UNPRICED
from tests.support.matcher.matcher_script import AUX, parse_command
from tests.support.risk.held import HeldCore

OPTIONS = (0, InstrumentOption.MARKET_WAITS, InstrumentOption.MARKET_REST_STAYS)
PHASES = (Phase.CONTINUOUS, Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION, Phase.TRADING_AT_LAST)
KINDS = [(kind, tif) for kind in OrderType for tif in TIMES_IN_FORCE[kind]]
FULL = 1 << RiskBit.OPEN_ORDERS


def arrives(core, kind, tif):
    """Events of the order of p1, which is for more than anybody offers."""
    price = "" if kind in UNPRICED else "@100"
    aux = 10**6 if tif == TimeInForce.GTD else AUX.get(kind, 0)
    return core.send(f"NEW id=9 BUY 3{price} {kind.name} {tif.name} aux={aux} p1")


def standing(phase, options, offer, limit=None):
    """p1 has one order open; the last price is 100, and there is one offer, or none."""
    core = HeldCore(options, checks=False, market_band_ticks=5)
    for line in ("NEW id=1 SELL 1@100 p2", "NEW id=2 BUY 1@100 p3", "NEW id=3 BUY 1@90 GTC p1"):
        core.send(line)
    if offer:
        core.send("NEW id=4 SELL 1@100 GTC p2")
    if phase != Phase.CONTINUOUS:
        core.send(f"PHASE {phase.name}")
    if limit is not None:
        core.set(Setting.OPEN_ORDERS, limit, 1)
    return core


def may_rest(phase, options, kind, tif):
    """Whether there is a market in which it is open behind its command."""
    rests = False
    for offer in (False, True):
        core = standing(phase, options, offer)
        arrives(core, kind, tif)
        rests |= core.view.of(1, lay.OPEN) > 1
    return rests


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("phase", PHASES)
def test_at_its_limit_a_participant_enters_what_never_rests(phase, options):
    """Every type with every time in force: refused by OPEN_ORDERS exactly if it might rest."""
    for kind, tif in KINDS:
        taken = arrives(standing(phase, options, True), kind, tif)["kind"][0]
        if taken != EventKind.ACCEPTED:
            continue
        core = standing(phase, options, True, limit=1)
        event = arrives(core, kind, tif)[0]
        by_limit = event["reason"] == RISK_REASON and event["contra_id"] == FULL
        if kind == OrderType.MARKET and options:
            # It may stay or wait somewhere, whatever stands there now.
            assert by_limit == (tif not in (TimeInForce.IOC, TimeInForce.FOK))
        else:
            assert by_limit == may_rest(phase, options, kind, tif), (kind.name, tif.name)
        assert core.view.of(1, lay.OPEN) <= 1


@pytest.mark.parametrize("start", PHASES)
def test_the_phase_that_an_instrument_begins_with_counts(start):
    core = HeldCore(initial_phase=start, reference_price_ticks=100)
    core.send("PHASE CONTINUOUS")
    core.set(Setting.OPEN_ORDERS, 0, 1)
    assert arrives(core, OrderType.MARKET, TimeInForce.DAY)[0]["kind"] == EventKind.ACCEPTED


def test_the_bound_of_packets_counts_no_order_that_never_rests():
    hooks = Hooks(open_orders.make_state(1), open_orders.before, open_orders.after)
    engine = Engine(make_instruments(["A"]), 16, hooks=hooks)
    lines = (
        "NEW id=1 BUY 1@90 p1",
        "NEW id=2 BUY 1@90 IOC p1",
        "NEW id=3 BUY 1@90 FOK p1",
        "NEW id=4 BUY 1 MARKET IOC p1",
        "NEW id=5 BUY 1@91 p1",
        "CANCEL id=1 p1",
        "NEW id=6 BUY 1@91 p1",
    )
    kinds = []
    for seq, line in enumerate(lines, 1):
        kinds.append(engine.process(parse_command(line, seq))["kind"].tolist()[0])
    accepted, rejected = EventKind.ACCEPTED, EventKind.REJECTED
    wanted = [accepted] * 4 + [rejected, EventKind.CANCELLED, accepted]
    assert kinds == wanted
    held, _ = open_orders.held(engine.region)
    assert held[1] == 1


def test_a_part_of_the_day_changes_what_counts():
    """In a call a market order waits for the auction; behind it, it does not."""
    core = HeldCore()
    core.set(Setting.OPEN_ORDERS, 0, 1)
    phases = itertools.cycle(["OPENING_AUCTION", "CONTINUOUS"])
    for phase, taken in zip(phases, [False, True] * 2, strict=False):
        core.send(f"PHASE {phase}")
        event = arrives(core, OrderType.MARKET, TimeInForce.DAY)[0]
        assert (event["kind"] == EventKind.ACCEPTED) == taken
