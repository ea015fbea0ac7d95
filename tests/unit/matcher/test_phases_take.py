"""What each phase takes, as the table of phases in docs/matcher.md says: every type, every time in
force."""

import pytest

from openoutcry.wire.enums import EventKind, OrderType, Phase, Reason, TimeInForce
from openoutcry.wire.order_types import PEGS, TIMES_IN_FORCE, UNPRICED
from tests.support.matcher.matcher_script import AUX

IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
AT_OPEN, AT_CLOSE = TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE
CALLS = (
    Phase.PRE_OPEN,
    Phase.OPENING_AUCTION,
    Phase.VOLATILITY_AUCTION,
    Phase.CLOSING_AUCTION,
)
OPENS = (Phase.PRE_OPEN, Phase.OPENING_AUCTION)


def takes(phase, kind, tif):
    """The page's table."""
    if phase in CALLS:
        collected = tif not in (IOC, FOK) and kind not in (*PEGS, OrderType.MIN_QTY)
        return collected and (tif != AT_OPEN or phase in OPENS)
    if phase == Phase.CONTINUOUS:
        return tif != AT_OPEN
    if phase == Phase.TRADING_AT_LAST:
        return kind in (OrderType.LIMIT, OrderType.MARKET) and tif not in (AT_OPEN, AT_CLOSE)
    return False


@pytest.mark.parametrize("phase", Phase)
def test_a_phase_takes_what_its_row_says(script, phase):
    for line in ("NEW id=1 SELL 1@100 p2", "NEW id=2 BUY 1@100 p3"):
        script.send(line)
    script.send(f"PHASE {phase.name}")
    for kind in OrderType:
        for tif in TIMES_IN_FORCE[kind]:
            price = "" if kind in UNPRICED else "@100"
            aux = 10**6 if tif == TimeInForce.GTD else AUX.get(kind, 0)
            line = f"NEW id=9 BUY 3{price} {kind.name} {tif.name} aux={aux}"
            event = script.send(line)[0]
            taken = event["kind"] == EventKind.ACCEPTED
            assert taken == takes(phase, kind, tif), line
            assert taken or event["reason"] == Reason.WRONG_PHASE, line
            script.send("CANCEL id=9")
