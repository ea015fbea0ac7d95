"""What others wrote, against the venue itself: QuickFIX's engine trades through a line that is cut
while the sessions' process is killed and a drop copy listens."""

import json
import os
import platform
import threading
import time
from hashlib import blake2b

import pytest

from openoutcry.client import ClientError, FixNumbers
from openoutcry.client.fix import utc_text
from openoutcry.order_entry.fix.numbers import IN_SEQ, OUT_SEQ, NumbersFile
from openoutcry.order_entry.spec import Protocol
from openoutcry.report.evidence import EVIDENCE
from tests.support.order_entry.fix_quickfix import quickfix_client
from tests.support.order_entry.fix_venue import CuttingProxy
from tests.support.order_entry.sessions_clients import connect
from tests.support.order_entry.sessions_venue import PASSWORD, Venue, kill_stage
from tests.support.waiting import BOUND_S, wait_until

FIX, COPY = int(Protocol.FIX44), int(Protocol.FIX_DROP_COPY)
SIZES = {"row_capacity": 1 << 17, "token_capacity": 1 << 18, "stream_bytes": 1 << 27}
STREAM_ENTRIES = 1 << 18


class DropCopy(threading.Thread):
    """Listens until it was told so much, over as many connections as that takes."""

    def __init__(self, venue, reports):
        super().__init__(daemon=True)
        self.venue, self.expected, self.reports, self.connections = venue, reports, [], 0
        self.ends = []
        self.start()

    def run(self):
        numbers = FixNumbers()
        until = time.monotonic() + BOUND_S
        while len(self.reports) < self.expected and time.monotonic() < until:
            try:
                client = connect(
                    self.venue, "COPY", port="FIX_DROP_COPY", numbers=numbers, next_expected=True
                )
                self.connections += 1
                for message in client.messages(BOUND_S):
                    self.reports.append((message[11], message[39], message[38]))
                    until = time.monotonic() + BOUND_S
                    if len(self.reports) == self.expected:
                        break
                client.close()
                self.ends.append("silence")
            except ClientError as error:
                self.ends.append(str(error))
                time.sleep(0.05)


def trade(tmp_path, count, cuts, kills):
    """Orders that are gone at once, so that each has two reports; the process of the sessions is
    killed so often meanwhile."""
    rows = [
        {"name": "FIRM", "participant": 1, "cancel_on_disconnect": 0, "protocol": FIX},
        {"name": "COPY", "participant": 1, "protocol": COPY},
    ]
    journal = tmp_path / "journal"
    with (
        Venue(rows, journal, durability="durable", housekeeping_cores=0, sizes=SIZES) as venue,
        CuttingProxy(venue.ports["FIX44"], cuts) as proxy,
        quickfix_client(tmp_path, proxy.listen_port, target="OUTCRY", password=PASSWORD) as client,
    ):
        copy = DropCopy(venue, 2 * count)
        killer = threading.Thread(target=kill_now_and_then, args=(venue, client, count, kills))
        killer.start()
        for number in range(count):
            client.send(
                {
                    11: f"C{number}",
                    55: "ACME",
                    54: "1",
                    38: str(number % 1000 + 1),
                    40: "2",
                    44: "12.34",
                    59: "3",
                    60: utc_text(),
                    21: "1",
                }
            )
        killer.join(BOUND_S)
        wait_until(lambda: len(client.reports) >= 2 * count, "all reports have come")
        identity = int.from_bytes(blake2b(b"FIRM", digest_size=7).digest(), "little")
        numbers = NumbersFile(journal / "sessions" / "FIRM.numbers", identity, STREAM_ENTRIES)
        wait_until(
            lambda: client.numbers() == (numbers.counted()[OUT_SEQ], numbers.counted()[IN_SEQ]),
            "sequence numbers agree",
        )
        assert proxy.done == len(cuts)
        copy.join(BOUND_S)
    return client, copy


def kill_now_and_then(venue, client, count, kills):
    for kill in range(1, kills + 1):
        at = kill * 2 * count // (kills + 1)
        wait_until(lambda at=at: len(client.reports) >= at, f"{at} reports have come")
        kill_stage(venue)


def check(client, copy, count):
    assert len(copy.reports) == len(client.reports), copy.ends[-9:]
    assert copy.reports == client.reports
    names = [f"C{number}" for number in range(count)]
    for status in ("0", "4"):
        assert [name for name, was, _ in client.reports if was == status] == names
    assert len(client.reports) == 2 * count
    assert [int(qty) for _, was, qty in client.reports if was == "0"] == [
        number % 1000 + 1 for number in range(count)
    ]
    assert client.faults == []


def test_quickfix_trades_with_the_venue_while_it_is_killed_and_the_line_is_cut(tmp_path):
    check(*trade(tmp_path, 300, [900, 15_001, 50_003], kills=2), 300)


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
        "orders": count,
        "reports": len(client.reports),
        "lost": 0,
        "doubled": 0,
        "connections_cut_by_the_proxy": cuts,
        "sessions_processes_killed": kills,
        "sequence_numbers": "agree",
        "durability": "durable",
        "drop_copy": "the same reports",
        "drop_copy_connections": copy.connections,
        "peer": "quickfix 1.16.0",
        "command": "make test-long ARGS=tests/system/sessions/test_fix_live_clients.py",
        "seconds": round(time.monotonic() - begin),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
    }
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
