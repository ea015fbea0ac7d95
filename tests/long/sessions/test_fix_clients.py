"""Clients that others wrote trade with the acceptor: QuickFIX's engine through a line that is cut
in the middle of messages loses nothing and doubles nothing; simplefix reads what we write."""

import os

import pytest

from tests.support.order_entry import fix_clients as shared
from tests.support.order_entry.fix_clients import check_trade

warm = shared.warm


@pytest.mark.long
def test_quickfix_loses_nothing_of_100_000_orders(tmp_path):
    count = int(os.environ.get("OUTCRY_FIX_ORDERS", "100000"))
    check_trade(tmp_path, count, [300_001 + 77_777 * k for k in range(20)])
