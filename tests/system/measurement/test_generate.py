"""The generated flows are the same bytes everywhere, and are the markets they claim to be."""

import numpy as np
import pytest

from openoutcry.flow import FLOWS
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.records import ORDER_DTYPE
from tests.support.flow import generate as shared

million = shared.million


@pytest.mark.parametrize("flow", FLOWS)
def test_every_record_is_well_formed(flow: str, million: dict) -> None:
    """Every command passes the gateway's rules, whatever it asks for."""
    source, orders = million[flow]
    assert orders.dtype == ORDER_DTYPE
    assert len(orders) == source.count_hint == 1_000_000
    assert orders["price_ticks"].min() > 0
    assert orders["qty_lots"].min() > 0
    assert set(orders["symbol"].tolist()) == {b"OUTCRY"} == set(source.instruments["symbol"])
    kinds = {CommandKind.NEW, CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE}
    assert set(orders["kind"].tolist()) == kinds
    assert set(orders["side"].tolist()) == set(Side)
    types = {OrderType.LIMIT, OrderType.MARKET, OrderType.POST_ONLY}
    assert set(orders["order_type"].tolist()) == types
    times = {TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK}
    assert set(orders["time_in_force"].tolist()) == times
    for name in ("seq", "rx_ts_ns", "error_code", "aux"):
        assert not orders[name].any()
    new_ids = orders["order_id"][orders["kind"] == CommandKind.NEW]
    assert len(np.unique(new_ids)) == len(new_ids)
