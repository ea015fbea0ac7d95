"""What others wrote, against the venue itself: QuickFIX's engine trades through a line that is cut
while the sessions' process is killed and a drop copy listens, and QuickFIX's acceptance scripts
judge the venue's session layer."""

import json
import os
import platform
import time

import pytest

from openoutcry.report.evidence import EVIDENCE
from tests.support.order_entry.fix_live_clients import check, trade


@pytest.mark.long
def test_quickfix_loses_nothing_of_100_000_orders_at_the_venue(tmp_path):
    """Writes the section ``quickfix`` of docs/evidence/sessions_storms.json."""
    count, cuts, kills = int(os.environ.get("OUTCRY_FIX_ORDERS", "100000")), 20, 5
    begin = time.monotonic()
    client, copy = trade(tmp_path, count, [300_001 + 77_777 * k for k in range(cuts)], kills)
    check(client, copy, count)
    path = EVIDENCE / "sessions_storms.json"
    document = json.loads(path.read_text())
    document["quickfix"] = {
        "orders": count, "reports": len(client.reports), "lost": 0, "doubled": 0,
        "connections_cut_by_the_proxy": cuts, "sessions_processes_killed": kills,
        "sequence_numbers": "agree", "durability": "durable", "drop_copy": "the same reports",
        "drop_copy_connections": copy.connections, "peer": "quickfix 1.16.0",
        "command": "make test-long ARGS=tests/long/sessions/test_fix_live_clients.py",
        "seconds": round(time.monotonic() - begin), "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
